//! `sensor/{id}/{event}`: what a sensor says. The event is the key, the payload its value: an object
//! `{ts, value?, unit?, battery?, linkquality?}` or a bare scalar.
//!
//! How a value is read:
//! - `contact_open` and `contact_closed` are the key `contact`; the topic decides, and a value that
//!   says otherwise is kept beside it. For `contact` a boolean means what Zigbee means (`false` is
//!   open), the words `ON`/`OFF` what Home Assistant means (`ON` is open).
//! - Keys that are on or off ([`FLAGS`]) take every spelling of a boolean. Without a value, `leak`
//!   and `smoke` are on, for an alarm counts until somebody says that it is over; the others are a
//!   pulse, the word `detected`, as is every event that measures nothing.
//! - Keys that measure ([`MEASURES`]) take numbers, also as text, and need a value.
//! - `null` is the word `unknown`. Words such as `nan`, `unavailable` or `unknown` stay words: that
//!   a sensor has nothing to say is a state, and never a number.
//! - Whole numbers that no double or no SQLite integer holds stay text.

use std::borrow::Cow;

use super::super::fields::{Fields, finite, unexpected};
use super::super::json::{self, Json};
use super::super::{Draft, Findings, Inbound, Reason, redact};
use super::{Fact, Moment, timed};
use crate::event::reading::Reading;
use crate::event::sensor::SensorReported;

/// Keys that are on or off.
const FLAGS: &[&str] = &[
    "motion",
    "vibration",
    "tamper",
    "leak",
    "smoke",
    "occupancy",
    "presence",
    "water_leak",
    "flood",
    "gas",
    "carbon_monoxide",
    "battery_low",
    "sound",
    "glass_break",
];

/// Keys that measure, and the unit that they are measured in when the payload tells none.
const MEASURES: &[(&str, &str)] = &[
    ("temperature", "°C"),
    ("humidity", "%"),
    ("illuminance", "lx"),
    ("battery", "%"),
    ("pressure", "hPa"),
    ("power", "W"),
    ("energy", "kWh"),
    ("voltage", "V"),
    ("current", "A"),
    ("co2", "ppm"),
    ("pm25", "µg/m³"),
    ("distance", "m"),
];

/// Longest word a sensor may say, characters; it becomes a cell of `sensor_states`.
const MAX_WORD_CHARS: usize = 256;

/// Whole numbers up to this size are exact in a double.
const EXACT: u64 = 1 << 53;

pub(super) fn reported(
    id: &str,
    event: &str,
    inbound: &Inbound,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    let text = json::text(&inbound.payload)?;
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Err(Reason(
            "empty payload; expected an object or a value".into(),
        ));
    }
    let fields = match bare(trimmed)? {
        Json::Object(entries) => Fields::of(entries),
        scalar => {
            let moment = Moment {
                at: inbound.received_at,
                suspect: false,
            };
            let mut fields = Fields::of(vec![(Cow::Borrowed("value"), scalar)]);
            let fact = fact(id, event, &mut fields)?;
            found.masked |= fields.masked;
            return Ok(fact.at(moment));
        }
    };
    timed(fields, inbound, found, |fields| fact(id, event, fields))
}

/// A payload: JSON, or a word as it stands.
fn bare(text: &str) -> Result<Json<'_>, Reason> {
    let first = text.as_bytes()[0];
    if matches!(first, b'{' | b'[' | b'"') {
        return json::parse(text);
    }
    let scalar = match text {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        "null" => Json::Null,
        _ if first.is_ascii_digit() || first == b'-' => match json::parse(text) {
            // 1e400: a number that is none would else pass for a word.
            Err(reason) if text.parse::<f64>().is_ok_and(f64::is_infinite) => return Err(reason),
            // 007, 12:30, 2026-11-20: words that begin with a digit.
            parsed => parsed.unwrap_or(Json::Text(Cow::Borrowed(text))),
        },
        _ => Json::Text(Cow::Borrowed(text)),
    };
    Ok(scalar)
}

fn fact(id: &str, event: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let (key, value) = match event {
        "contact_open" => ("contact", named_contact(fields, true)),
        "contact_closed" => ("contact", named_contact(fields, false)),
        _ => (event, told(event, fields)?),
    };
    let mut unit = fields.text("unit")?;
    if unit.is_none() && value.number().is_some() {
        unit = measure(key).map(ToOwned::to_owned);
    }
    let reported = SensorReported {
        key: key.to_owned(),
        value,
        unit,
        battery: fields.number("battery")?,
        linkquality: fields.number("linkquality")?,
        extra: fields.rest(),
    };
    Ok(Fact::of(format!("sensor/{id}"), reported))
}

fn measure(key: &str) -> Option<&'static str> {
    MEASURES
        .iter()
        .find(|measure| measure.0 == key)
        .map(|measure| measure.1)
}

fn word(word: &str) -> Reading {
    Reading::Word(word.to_owned())
}

fn contact(open: bool) -> Reading {
    word(if open { "open" } else { "closed" })
}

/// The contact whose state stands in the topic.
fn named_contact(fields: &mut Fields<'_>, open: bool) -> Reading {
    let agrees = match fields.peek("value") {
        Some(Json::Bool(value)) => *value == open,
        Some(Json::Text(value)) => value.eq_ignore_ascii_case(if open { "open" } else { "closed" }),
        Some(Json::Int(value)) => *value == i64::from(open),
        _ => false,
    };
    if agrees {
        fields.take("value");
    }
    contact(open)
}

/// The value that the payload tells under `key`.
fn told(key: &str, fields: &mut Fields<'_>) -> Result<Reading, Reason> {
    let Some(value) = fields.take("value") else {
        return match key {
            "leak" | "smoke" => Ok(Reading::Flag(true)),
            "contact" | "state" => Err(missing()),
            _ if measure(key).is_some() => Err(missing()),
            _ => Ok(word("detected")),
        };
    };
    if redact::is_secret_key(key) {
        fields.masked = true;
        return Ok(word(redact::MASK));
    }
    let flag = FLAGS.contains(&key);
    match &value {
        Json::Null => Ok(word("unknown")),
        Json::Bool(value) if key == "contact" => Ok(contact(!value)),
        Json::Bool(value) => Ok(Reading::Flag(*value)),
        Json::Int(value @ (0 | 1)) if key == "contact" => Ok(contact(*value == 0)),
        Json::Int(value @ (0 | 1)) if flag => Ok(Reading::Flag(*value == 1)),
        Json::Int(number) if number.unsigned_abs() > EXACT => Ok(word(&number.to_string())),
        Json::Int(number) => Ok(Reading::Number(*number as f64)),
        Json::Wide(number) => Ok(word(&number.to_string())),
        Json::Float(number) => Ok(Reading::Number(*number)),
        Json::Text(text) => spoken(key, flag, &value, text, fields),
        Json::Array(_) | Json::Object(_) => {
            Err(unexpected("value", &value, "a boolean, a number or a text"))
        }
    }
}

fn missing() -> Reason {
    Reason("key \"value\" is missing; expected what the sensor measured".into())
}

fn spoken(
    key: &str,
    flag: bool,
    value: &Json<'_>,
    text: &str,
    fields: &mut Fields<'_>,
) -> Result<Reading, Reason> {
    let text = text.trim();
    if text.chars().nth(MAX_WORD_CHARS).is_some() {
        return Err(Reason(format!(
            "key \"value\" holds {} characters; expected at most {MAX_WORD_CHARS}",
            text.chars().count()
        )));
    }
    if text.is_empty() {
        return Err(Reason(
            "key \"value\" holds an empty text; expected a value".into(),
        ));
    }
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    let reading = if key == "contact" && is(&["open", "on", "false", "0"]) {
        contact(true)
    } else if key == "contact" && is(&["close", "closed", "off", "true", "1"]) {
        contact(false)
    } else if flag && is(&["on", "true", "1", "yes"]) {
        Reading::Flag(true)
    } else if flag && is(&["off", "false", "0", "no"]) {
        Reading::Flag(false)
    } else if let (Some(_), Some(number)) = (measure(key), finite(value)) {
        Reading::Number(number)
    } else {
        Reading::Word(fields.clean(Cow::Owned(text.to_owned())))
    };
    Ok(reading)
}
