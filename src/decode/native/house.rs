//! The household: parcels, faces, presence, power, arming.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::fields::{Fields, required};
use super::super::json::{self, Json};
use super::super::{Draft, Findings, Inbound, Reason, redact};
use super::{Fact, Moment, timed};
use crate::event::Extra;
use crate::event::house::{
    ArmMode, ArmRequested, FacePrivacy, FaceSeen, PackageCollected, PackageDetected,
    PresenceReported, UpsBatteryCritical, UpsBatteryLow, UpsPowerLost, UpsPowerRestored,
    UpsStatusReported,
};

const MODES: &[(&str, ArmMode)] = &[
    ("DISARMED", ArmMode::Disarmed),
    ("ARMED_HOME", ArmMode::ArmedHome),
    ("ARMED_AWAY", ArmMode::ArmedAway),
    ("ARMED_NIGHT", ArmMode::ArmedNight),
];

/// A face is 128 numbers of 4 bytes.
const EMBEDDING_BYTES: usize = 512;

pub(super) fn package_detected(camera: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let detected = PackageDetected {
        camera: camera.to_owned(),
        confidence: fields.fraction("confidence")?,
        crop_path: fields.text("crop_path")?,
        extra: fields.rest(),
    };
    Ok(Fact::by_camera(
        camera,
        format!("package/{camera}"),
        detected,
    ))
}

pub(super) fn package_collected(camera: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let collected = PackageCollected {
        camera: camera.to_owned(),
        confidence: fields.fraction("confidence")?,
        crop_path: fields.text("crop_path")?,
        extra: fields.rest(),
    };
    Ok(Fact::by_camera(
        camera,
        format!("package/{camera}"),
        collected,
    ))
}

/// The stream is the camera's, not the person's: a name of a stream is kept for ever.
pub(super) fn face_seen(
    camera: &str,
    opted_in: bool,
    fields: &mut Fields<'_>,
) -> Result<Fact, Reason> {
    let seen = FaceSeen {
        camera: camera.to_owned(),
        profile_id: fields.name("profile_id")?,
        confidence: required(
            fields.fraction("confidence")?,
            "confidence",
            "a number from 0 to 1",
        )?,
        embedding: fields
            .text("embedding")?
            .map(|text| embedding(&text))
            .transpose()?,
        crop_path: fields.text("crop_path")?,
        privacy: Some(FacePrivacy::OptedIn),
        extra: fields.rest(),
    };
    let seen = if opted_in {
        seen
    } else {
        FaceSeen {
            camera: seen.camera,
            profile_id: None,
            confidence: seen.confidence,
            embedding: None,
            crop_path: None,
            privacy: Some(FacePrivacy::Withheld),
            extra: Extra::new(),
        }
    };
    Ok(Fact::by_camera(camera, format!("face/{camera}"), seen))
}

fn embedding(base64: &str) -> Result<Vec<u8>, Reason> {
    let bytes = STANDARD.decode(base64).map_err(|error| {
        Reason(format!(
            "key \"embedding\" is no base64 ({error}); expected 128 numbers (f32)"
        ))
    })?;
    if bytes.len() != EMBEDDING_BYTES {
        return Err(Reason(format!(
            "key \"embedding\" holds {} bytes; expected {EMBEDDING_BYTES} (128 numbers, f32)",
            bytes.len()
        )));
    }
    let (numbers, _) = bytes.as_chunks::<4>();
    match numbers
        .iter()
        .position(|number| !f32::from_le_bytes(*number).is_finite())
    {
        None => Ok(bytes),
        Some(at) => Err(Reason(format!(
            "key \"embedding\" holds a number that is not finite at place {}; expected 128 finite \
             numbers",
            at + 1
        ))),
    }
}

macro_rules! ups_rules {
    ($($name:ident => $event:ident;)*) => {$(
        pub(super) fn $name(fields: &mut Fields<'_>) -> Result<Fact, Reason> {
            let report = $event {
                status: fields.text("status")?,
                charge_pct: fields.number("charge_pct")?,
                runtime_s: fields.number("runtime_s")?,
                input_voltage: fields.number("input_voltage")?,
                load_pct: fields.number("load_pct")?,
                extra: fields.rest(),
            };
            Ok(Fact::of("ups/ups".to_owned(), report))
        }
    )*};
}

ups_rules! {
    ups_status => UpsStatusReported;
    ups_power_lost => UpsPowerLost;
    ups_power_restored => UpsPowerRestored;
    ups_battery_low => UpsBatteryLow;
    ups_battery_critical => UpsBatteryCritical;
}

/// What the household as a whole can be; no member is any of it.
const HOUSEHOLD_STATES: &[&str] = &["EMPTY", "KIDS_HOME", "ADULTS_HOME", "ALL_HOME"];

/// `presence/{member}`: a bare word or `{state, role}`. `presence/status` with a state of the
/// household is the household; with any other it is a member who is called so.
pub(super) fn presence(
    member: &str,
    inbound: &Inbound,
    found: &mut Findings,
) -> Result<Draft, Reason> {
    let text = json::text(&inbound.payload)?.trim_ascii();
    let scalar = match text.as_bytes().first() {
        None => {
            return Err(Reason(
                "empty payload; expected HOME, AWAY or an object".into(),
            ));
        }
        Some(b'{' | b'[' | b'"' | b'0'..=b'9' | b'-') => json::parse(text)?,
        Some(_) if matches!(text, "true" | "false" | "null") => json::parse(text)?,
        Some(_) => Json::Text(Cow::Borrowed(text)),
    };
    match scalar {
        Json::Object(entries) => timed(Fields::of(entries), inbound, found, |fields| {
            presence_of(member, fields)
        }),
        Json::Text(_) => {
            let moment = Moment {
                at: inbound.received_at,
                suspect: false,
            };
            let mut fields = Fields::of(vec![(Cow::Borrowed("state"), scalar)]);
            let fact = presence_of(member, &mut fields)?;
            found.masked |= fields.masked;
            Ok(fact.at(moment))
        }
        other => Err(Reason(format!(
            "payload is {}; expected HOME, AWAY or an object with a state",
            other.kind()
        ))),
    }
}

fn presence_of(member: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let state = required(fields.name("state")?, "state", "HOME or AWAY")?;
    let state = match state.trim().to_uppercase() {
        away if away == "NOT_HOME" => "AWAY".to_owned(),
        state => state,
    };
    let reported = PresenceReported {
        state,
        role: fields.name("role")?,
        extra: fields.rest(),
    };
    let whole = member == "status" && HOUSEHOLD_STATES.contains(&&*reported.state);
    let stream = if whole {
        "household/status".to_owned()
    } else {
        format!("presence/{member}")
    };
    Ok(Fact::of(stream, reported))
}

/// The request without its PIN where that stands a second time, in a text or under a name that is
/// not known to be a secret's.
fn without(request: ArmRequested, pin: &str) -> ArmRequested {
    ArmRequested {
        triggered_by: request.triggered_by.replace(pin, redact::MASK),
        extra: request
            .extra
            .into_iter()
            .map(|(key, value)| (key.replace(pin, redact::MASK), value_without(value, pin)))
            .collect(),
        ..request
    }
}

fn value_without(value: Value, pin: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(pin, redact::MASK)),
        Value::Number(number) if number.to_string().contains(pin) => {
            Value::String(redact::MASK.into())
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| value_without(item, pin))
            .collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key.replace(pin, redact::MASK), value_without(value, pin)))
            .collect(),
        other => other,
    }
}

/// The PIN leaves on a way of its own, to the one who verifies it.
pub(super) fn arm_requested(
    fields: &mut Fields<'_>,
    pin: &mut Option<Zeroizing<String>>,
) -> Result<Fact, Reason> {
    // What stands in the wrong field may be a PIN: this reason does not quote it.
    let mode = fields.word("mode", MODES).map_err(|_| {
        Reason(
            "key \"mode\" holds no mode; expected one of DISARMED, ARMED_HOME, ARMED_AWAY, \
             ARMED_NIGHT"
                .into(),
        )
    })?;
    let mode = required(mode, "mode", "the mode asked for")?;
    *pin = fields.secret();
    let requested = ArmRequested {
        mode,
        pin_given: fields.has_secret(),
        pin: None,
        queued: false,
        triggered_by: fields
            .name("triggered_by")?
            .unwrap_or_else(|| "unknown".to_owned()),
        extra: fields.rest(),
    };
    let requested = match pin {
        Some(pin) => without(requested, pin),
        None => requested,
    };
    Ok(Fact::of("arm/system".to_owned(), requested))
}
