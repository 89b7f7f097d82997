//! Conditions as people write them: `not_seen_in_zone=kitchen,60`, or JSON as it is stored.

use thiserror::Error;

use super::super::time_window::{TimeWindow, TimeWindowError};
use crate::event::pet::Condition;

/// Longest absence or stay that a rule may ask for: a week, in minutes.
const MINUTES_MAX: u32 = 7 * 24 * 60;
/// Longest name of a zone, as for every name on a topic, characters.
const ZONE_CHARS_MAX: usize = 128;
/// Most conditions of one rule; each kind once, with some to spare.
const CONDITIONS_MAX: usize = 16;

/// All that there is, for messages and help.
pub const FORMS: &str = "detected_in_zone=ZONE, not_seen_in_zone=ZONE,MINUTES, \
    not_seen_anywhere=MINUTES, detected_without_person[=ZONE], in_zone_longer_than=ZONE,MINUTES, \
    time_of_day=HH:MM-HH:MM";

/// Why a text is no condition, or some conditions are no rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// No condition has this name.
    #[error("there is no condition \"{0}\"; known are {FORMS}")]
    Unknown(String),
    /// Something belongs behind the equals sign, or does not.
    #[error("\"{0}\" has another form; known are {FORMS}")]
    Form(String),
    /// Not a number of minutes that makes sense.
    #[error("\"{0}\" is no number of minutes from 1 to {MINUTES_MAX}")]
    Minutes(String),
    /// A zone without a name, or with one that no camera has.
    #[error(
        "a zone has a name of 1 to {ZONE_CHARS_MAX} characters: a camera's id, or a place as it is told"
    )]
    Zone,
    /// No time of day.
    #[error("time_of_day: {0}")]
    Window(#[from] TimeWindowError),
    /// The JSON is not a list of conditions.
    #[error("conditions are a JSON list of objects with \"type\": {0}")]
    Json(String),
    /// Nothing is asked of the pet.
    #[error(
        "a rule asks something of the pet: name a condition beside time_of_day; known are {FORMS}"
    )]
    NothingOfThePet,
    /// Too much is asked.
    #[error("a rule has at most {CONDITIONS_MAX} conditions")]
    TooMany,
    /// It asks to see the pet and not to see it.
    #[error("a rule cannot ask that its pet is seen and that it is not seen anywhere")]
    Never,
}

/// One condition as it is typed.
pub fn parse(text: &str) -> Result<Condition, ConditionError> {
    let (kind, rest) = match text.split_once('=') {
        Some((kind, rest)) => (kind.trim(), Some(rest.trim())),
        None => (text.trim(), None),
    };
    let form = || ConditionError::Form(text.to_owned());
    let zone = || rest.map(ToOwned::to_owned).ok_or_else(form);
    let zone_and_minutes = || {
        let (zone, minutes) = rest
            .and_then(|rest| rest.rsplit_once(','))
            .ok_or_else(form)?;
        Ok::<_, ConditionError>((zone.trim().to_owned(), minutes_of(minutes)?))
    };
    let condition = match kind {
        "detected_in_zone" => Condition::DetectedInZone { zone: zone()? },
        "not_seen_in_zone" => {
            let (zone, minutes) = zone_and_minutes()?;
            Condition::NotSeenInZone { zone, minutes }
        }
        "not_seen_anywhere" => Condition::NotSeenAnywhere {
            minutes: minutes_of(rest.ok_or_else(form)?)?,
        },
        "detected_without_person" => Condition::DetectedWithoutPerson {
            zone: rest.map(ToOwned::to_owned),
        },
        "in_zone_longer_than" => {
            let (zone, minutes) = zone_and_minutes()?;
            Condition::InZoneLongerThan { zone, minutes }
        }
        "time_of_day" => Condition::TimeOfDay { window: zone()? },
        other => return Err(ConditionError::Unknown(other.to_owned())),
    };
    check(&condition)?;
    Ok(condition)
}

fn minutes_of(text: &str) -> Result<u32, ConditionError> {
    text.trim()
        .parse()
        .map_err(|_| ConditionError::Minutes(text.trim().to_owned()))
}

/// A JSON list of conditions, as it is stored.
pub fn parse_json(text: &str) -> Result<Vec<Condition>, ConditionError> {
    let conditions: Vec<Condition> =
        serde_json::from_str(text).map_err(|error| ConditionError::Json(error.to_string()))?;
    conditions.iter().try_for_each(check)?;
    Ok(conditions)
}

fn check(condition: &Condition) -> Result<(), ConditionError> {
    let (zone, minutes) = match condition {
        Condition::DetectedInZone { zone }
        | Condition::DetectedWithoutPerson { zone: Some(zone) } => (Some(zone), None),
        Condition::DetectedWithoutPerson { zone: None } => (None, None),
        Condition::NotSeenInZone { zone, minutes }
        | Condition::InZoneLongerThan { zone, minutes } => (Some(zone), Some(*minutes)),
        Condition::NotSeenAnywhere { minutes } => (None, Some(*minutes)),
        Condition::TimeOfDay { window } => {
            window.parse::<TimeWindow>()?;
            (None, None)
        }
    };
    if zone.is_some_and(|zone| zone.trim().is_empty() || zone.chars().count() > ZONE_CHARS_MAX) {
        return Err(ConditionError::Zone);
    }
    match minutes {
        Some(minutes) if !(1..=MINUTES_MAX).contains(&minutes) => {
            Err(ConditionError::Minutes(minutes.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether conditions make a rule together.
pub fn check_rule(conditions: &[Condition]) -> Result<(), ConditionError> {
    if conditions.len() > CONDITIONS_MAX {
        return Err(ConditionError::TooMany);
    }
    let of_time = |condition: &Condition| matches!(condition, Condition::TimeOfDay { .. });
    if conditions.iter().all(of_time) {
        return Err(ConditionError::NothingOfThePet);
    }
    let nowhere = |condition: &Condition| matches!(condition, Condition::NotSeenAnywhere { .. });
    if conditions.iter().any(nowhere) && conditions.iter().any(Condition::is_detection) {
        return Err(ConditionError::Never);
    }
    Ok(())
}

/// Conditions in words: `seen in yard and at 22:00-06:00`.
pub fn words(conditions: &[Condition]) -> String {
    let words: Vec<String> = conditions.iter().map(ToString::to_string).collect();
    words.join(" and ")
}
