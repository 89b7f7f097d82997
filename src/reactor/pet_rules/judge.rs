//! Whether the conditions of a rule hold, why, and whether that makes it fire. Pure.

use jiff::tz::TimeZone;

use super::super::time_window::TimeWindow;
use super::Rule;
use super::known::{Known, is_zone};
use crate::base::clock::{MINUTE_NS, SECOND_NS, UnixNanos};
use crate::event::pet::Condition;

/// A person who was at the camera within so long before is with the pet.
pub const TOGETHER_NS: i64 = 30 * SECOND_NS;
/// How far back the hours of a rule are looked through for a beginning: a day, in minutes.
const HOURS_LOOK_BACK_MIN: i64 = 24 * 60;

/// The pet is seen at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// By this camera.
    pub camera: &'a str,
    /// At this place, if one was told.
    pub place: Option<&'a str>,
    /// When a person was last recognised at the camera.
    pub person_at: Option<UnixNanos>,
}

impl Sight<'_> {
    fn is_in(&self, zone: &str) -> bool {
        is_zone(self.camera, zone) || self.place.is_some_and(|place| is_zone(place, zone))
    }
}

/// What one condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// Why, or why not.
    pub why: String,
    /// Since when it holds, for absences and stays.
    pub since: Option<UnixNanos>,
}

impl Verdict {
    fn of(holds: bool, why: String) -> Self {
        Self {
            holds,
            why,
            since: None,
        }
    }
}

/// What each condition of a rule says at `at`; `sight` is there when the pet is seen right then.
pub fn judge(
    rule: &Rule,
    known: &Known,
    sight: Option<&Sight<'_>>,
    at: UnixNanos,
    zone: &TimeZone,
) -> Vec<Verdict> {
    let verdict = |condition: &Condition| match condition {
        Condition::DetectedInZone { zone } => detected(sight, Some(zone)),
        Condition::DetectedWithoutPerson { zone } => without_person(sight, zone.as_deref(), at),
        Condition::NotSeenInZone { zone, minutes } => {
            absent(known.last_in(zone), rule.set_at, *minutes, at)
        }
        Condition::NotSeenAnywhere { minutes } => {
            absent(known.last_seen_at, rule.set_at, *minutes, at)
        }
        Condition::InZoneLongerThan { zone, minutes } => stays(known, zone, *minutes, at),
        Condition::TimeOfDay { window } => match window.parse::<TimeWindow>() {
            Ok(window) if window.contains(at, zone) => {
                Verdict::of(true, format!("it is {window} now"))
            }
            Ok(window) => Verdict::of(false, format!("it is not {window} now")),
            Err(error) => Verdict::of(false, error.to_string()),
        },
    };
    rule.conditions.iter().map(verdict).collect()
}

fn detected(sight: Option<&Sight<'_>>, zone: Option<&str>) -> Verdict {
    let Some(sight) = sight else {
        return Verdict::of(false, "it is not seen at this moment".into());
    };
    let where_at = sight.place.unwrap_or(sight.camera);
    match zone {
        Some(zone) if !sight.is_in(zone) => {
            Verdict::of(false, format!("it is seen in {where_at}, not in {zone}"))
        }
        _ => Verdict::of(true, format!("it is seen in {where_at}")),
    }
}

fn without_person(sight: Option<&Sight<'_>>, zone: Option<&str>, at: UnixNanos) -> Verdict {
    let seen = detected(sight, zone);
    let (true, Some(sight)) = (seen.holds, sight) else {
        return seen;
    };
    // A person who comes a moment later is with it too.
    match sight.person_at {
        Some(person_at) if person_at >= at.saturating_sub(TOGETHER_NS) => Verdict::of(
            false,
            format!("a person was at {} within 30 s", sight.camera),
        ),
        _ => Verdict::of(true, format!("{}, and no person with it", seen.why)),
    }
}

fn absent(seen_at: Option<UnixNanos>, set_at: UnixNanos, minutes: u32, at: UnixNanos) -> Verdict {
    let from = seen_at.unwrap_or(set_at);
    let since = from.saturating_add(i64::from(minutes) * MINUTE_NS);
    let ago = minutes_between(from, at);
    let why = match seen_at {
        Some(_) => format!("seen {ago} min ago"),
        None => format!("never seen, and the rule is {ago} min old"),
    };
    Verdict {
        holds: since <= at,
        why,
        since: Some(since),
    }
}

fn stays(known: &Known, zone: &str, minutes: u32, at: UnixNanos) -> Verdict {
    match known.stay(zone) {
        Some(entered_at) => {
            let since = entered_at.saturating_add(i64::from(minutes) * MINUTE_NS);
            Verdict {
                holds: since < at,
                why: format!("there for {} min", minutes_between(entered_at, at)),
                since: Some(since),
            }
        }
        None => Verdict::of(
            false,
            match known.newest() {
                Some(seen) => format!("last seen in {}", seen.zone),
                None => "never seen".into(),
            },
        ),
    }
}

fn minutes_between(from: UnixNanos, to: UnixNanos) -> i64 {
    to.saturating_sub(from).max(0) / MINUTE_NS
}

/// Whether a rule fires now, given what its conditions say.
pub fn fires(rule: &Rule, verdicts: &[Verdict], now: UnixNanos, zone: &TimeZone) -> bool {
    if verdicts.is_empty() || !verdicts.iter().all(|verdict| verdict.holds) {
        return false;
    }
    let Some(fired_at) = rule.last_fired_at else {
        return true;
    };
    // A clock that was far ahead once must not silence a rule until then.
    let cooldown = rule.cooldown_s.saturating_mul(SECOND_NS);
    if now.saturating_sub(fired_at).saturating_abs() < cooldown {
        return false;
    }
    let begun = verdicts.iter().filter_map(|verdict| verdict.since).max();
    rule.is_of_detection()
        || fired_at > now
        || begun.is_some_and(|begun| fired_at < begun)
        || reopened(rule, fired_at, now, zone)
}

/// Whether the hours that a rule asks for were over at some time after it fired.
fn reopened(rule: &Rule, fired_at: UnixNanos, now: UnixNanos, zone: &TimeZone) -> bool {
    let windows: Vec<TimeWindow> = rule
        .conditions
        .iter()
        .filter_map(|condition| match condition {
            Condition::TimeOfDay { window } => window.parse().ok(),
            _ => None,
        })
        .collect();
    if windows.is_empty() {
        return false;
    }
    let minutes = (minutes_between(fired_at, now)).min(HOURS_LOOK_BACK_MIN);
    (0..=minutes)
        .map(|back| now.saturating_sub(back * MINUTE_NS))
        .any(|at| at > fired_at && windows.iter().any(|window| !window.contains(at, zone)))
}
