//! The native topics, below the configured prefix. [`decode`] is their table; the rules stand in one
//! file per subject.
//!
//! Ids come from the topic's levels and stand as they came; a topic with an empty level has no rule.

mod animal;
mod camera;
mod house;
mod log;
mod machine;
mod sensor;

pub(super) use log::line as log_line;

use super::fields::{Fields, Moment};
use super::line::Context;
use super::{Draft, Findings, Inbound, Reason, Rules};
use crate::event::Event;

/// Most levels below the prefix that a rule knows; log sources may have more.
const MAX_LEVELS: usize = 4;

/// A payload under its rule, before its time and its topic are added.
struct Fact {
    stream: String,
    source: Option<String>,
    text: Option<String>,
    event: Event,
}

impl Fact {
    /// Told by its subject itself.
    fn of(stream: String, event: impl Into<Event>) -> Self {
        Self {
            stream,
            source: None,
            text: None,
            event: event.into(),
        }
    }

    /// Told by a camera.
    fn by_camera(camera: &str, stream: String, event: impl Into<Event>) -> Self {
        Self {
            source: Some(stream_of_camera(camera)),
            ..Self::of(stream, event)
        }
    }

    fn at(self, moment: Moment) -> Draft {
        let Self {
            stream,
            source,
            text,
            event,
        } = self;
        Draft {
            stream,
            source,
            moment,
            text,
            event,
        }
    }
}

fn stream_of_camera(camera: &str) -> String {
    format!("camera/{camera}")
}

/// Decodes the message on the topic `prefix/below`; none when no rule knows it.
pub(super) fn decode(
    below: &str,
    inbound: &Inbound,
    rules: &Rules,
    found: &mut Findings,
) -> Result<Option<Draft>, Reason> {
    if let Some(levels) = below.strip_prefix("log/") {
        // Sources may have levels of their own: log/heron/nginx/access.
        return match levels.split_once('/') {
            Some((host, source)) if !host.is_empty() && !source.is_empty() => {
                let context = Context {
                    host,
                    source,
                    received_at: inbound.received_at,
                    zone: &rules.zone,
                };
                log::line(&inbound.payload, &context, found).map(Some)
            }
            _ => Ok(None),
        };
    }
    let mut buffer = [""; MAX_LEVELS];
    let mut count = 0;
    for level in below.split('/') {
        if level.is_empty() || count == MAX_LEVELS {
            return Ok(None);
        }
        buffer[count] = level;
        count += 1;
    }
    // Every rule but the two below reads one JSON object.
    let fact = match &buffer[..count] {
        ["sensor", id, event] => return sensor::reported(id, event, inbound, found).map(Some),
        ["camera", id, "snapshot"] => return camera::snapshot(id, inbound).map(Some),
        ["presence", member] => return house::presence(member, inbound, found).map(Some),
        &["camera", id, "motion", "start"] => {
            object(inbound, found, |fields| camera::motion_started(id, fields))
        }
        &["camera", id, "motion", "end"] => {
            object(inbound, found, |fields| camera::motion_ended(id, fields))
        }
        &["camera", id, "heartbeat"] => {
            object(inbound, found, |fields| camera::heartbeat(id, fields))
        }
        &["camera", id, "error"] => object(inbound, found, |fields| camera::failed(id, fields)),
        &["camera", id, "pet", "detected"] => {
            object(inbound, found, |fields| animal::pet_sighted(id, fields))
        }
        &["camera", id, "wildlife", "detected"] => object(inbound, found, |fields| {
            animal::wildlife_sighted(id, &rules.threats, fields)
        }),
        &["camera", id, "package", "detected"] => {
            object(inbound, found, |fields| house::package_detected(id, fields))
        }
        &["camera", id, "package", "collected"] => object(inbound, found, |fields| {
            house::package_collected(id, fields)
        }),
        &["camera", id, "face", "detected"] => {
            let opted_in = rules.recognises_faces_of(id);
            object(inbound, found, |fields| {
                house::face_seen(id, opted_in, fields)
            })
        }
        &["pets", name, "location"] => {
            object(inbound, found, |fields| animal::pet_located(name, fields))
        }
        &["recording", id, "finished"] => object(inbound, found, |fields| {
            camera::recording_finished(id, inbound.received_at, fields)
        }),
        ["ups", "status"] => object(inbound, found, house::ups_status),
        ["ups", "power_loss"] => object(inbound, found, house::ups_power_lost),
        ["ups", "restored"] => object(inbound, found, house::ups_power_restored),
        ["ups", "low_battery"] => object(inbound, found, house::ups_battery_low),
        ["ups", "critical"] => object(inbound, found, house::ups_battery_critical),
        ["system", "arm_request"] => {
            let mut pin = None;
            let fact = object(inbound, found, |fields| {
                house::arm_requested(fields, &mut pin)
            });
            found.pin = pin;
            fact
        }
        ["system", "health"] => object(inbound, found, machine::health),
        &["metrics", host, group @ ("system" | "network")] => object(inbound, found, |fields| {
            machine::metrics(host, group, fields)
        }),
        _ => return Ok(None),
    };
    fact.map(Some)
}

/// Reads a JSON object, its id and its time, and hands the rest to the rule.
fn object<'a>(
    inbound: &'a Inbound,
    found: &mut Findings,
    rule: impl FnOnce(&mut Fields<'a>) -> Result<Fact, Reason>,
) -> Result<Draft, Reason> {
    timed(Fields::parse(&inbound.payload)?, inbound, found, rule)
}

/// The same for fields that were read already.
fn timed<'a>(
    mut fields: Fields<'a>,
    inbound: &'a Inbound,
    found: &mut Findings,
    rule: impl FnOnce(&mut Fields<'a>) -> Result<Fact, Reason>,
) -> Result<Draft, Reason> {
    found.id = fields.id();
    let moment = fields.moment("ts", "claimed_ts", inbound.received_at)?;
    let fact = rule(&mut fields)?;
    found.masked |= fields.masked;
    Ok(fact.at(moment))
}
