//! The night at Heron Lane: replayed through the broker, each message once.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use super::{Args, PATIENCE, place};
use crate::app::{Ending, Running};
use crate::base::ids::hex;
use crate::cli::Context;
use crate::cli::exit::{CliError, Exit};
use crate::decode::{Inbound, decode};
use crate::event::house::ArmRequested;
use crate::event::system::ReplayFinished;
use crate::event::{Event, NewEvent};
use crate::event_log::read::EventReader;
use crate::ingest::mqtt::publish::{Message, publish};
use crate::ingest::replay::parse_line;
use crate::storage::sqlite::Database;
use crate::storage::{StorageError, first};
use crate::values;

const STREAM: &str = include_str!("../../../fixtures/streams/night.jsonl");
const CLIPS: [(&str, &[u8]); 2] = [
    (
        "driveway-20261119-214210.mp4",
        include_bytes!("../../../fixtures/clips/driveway-20261119-214210.mp4"),
    ),
    (
        "hallway-20261120-061530.mp4",
        include_bytes!("../../../fixtures/clips/hallway-20261120-061530.mp4"),
    ),
];
/// Events of the log that are read at a time.
const CHUNK_EVENTS: i64 = 4_096;

/// How the replay ended.
pub(super) enum Outcome {
    /// All of it is durable; messages published in this run.
    Done(u64),
    /// Somebody asked for the end.
    Interrupted(Ending),
}

/// What a message leaves in the log: topic, kind, body, text. Arrival and position left aside, so
/// that one message of two runs gives the same.
type Trace = (String, &'static str, Vec<u8>, Option<String>);

/// Puts the two clips into the recordings folder, unless they have been there before.
pub(super) fn drop_clips(folder: &Path, database: &mut Database) -> Result<(), CliError> {
    for (name, bytes) in CLIPS {
        let mut session = database.snapshot()?;
        let known = first(
            &mut session,
            "SELECT id FROM recordings WHERE original_name = ?1",
            values![name],
            |row| row.int(0),
        )?;
        drop(session);
        if known.is_none() && !folder.join(name).exists() {
            place(folder, name, bytes)?;
        }
    }
    Ok(())
}

/// Publishes what of the night is not in the log yet, and waits until all of it is durable.
pub(super) fn replay(
    args: &Args,
    context: &mut Context<'_>,
    running: &mut Running,
    database: &mut Database,
) -> Result<Outcome, CliError> {
    let digest = hex(&Sha256::digest(STREAM.as_bytes()));
    if is_finished(database, &digest)? {
        context.note("the night is in the log already; it is not replayed twice");
        return wait_for_recordings(running, database)
            .map(|ending| ending.map_or(Outcome::Done(0), Outcome::Interrupted));
    }
    let night = messages()?;
    let missing = missing(running, database, &night)?;
    if missing.len() < night.len() {
        context.note(&format!(
            "{} of {} messages are in the log already; going on with the rest",
            night.len() - missing.len(),
            night.len()
        ));
    }
    let published = missing.len() as u64;
    let expected = running.status().counters.messages_received
        + missing
            .iter()
            .filter(|message| running.subscribes(&message.topic))
            .count() as u64;
    send(args, context, running, missing)?;
    if let Some(ending) = wait_received(running, expected)? {
        return Ok(Outcome::Interrupted(ending));
    }
    running.writer().barrier()?;
    let left = unstored(running, database, &night)?;
    if left > 0 {
        return Err(CliError::new(
            Exit::ProblemsFound,
            format!("{left} messages of the night did not reach the log; run the command again"),
        ));
    }
    if let Some(ending) = wait_for_recordings(running, database)? {
        return Ok(Outcome::Interrupted(ending));
    }
    let finished = ReplayFinished {
        sha256: digest,
        messages: night.len() as i64,
    };
    let event = NewEvent::own(context.clock.now(), "replay/night", finished);
    running.writer().store(vec![event])?;
    Ok(Outcome::Done(published))
}

fn messages() -> Result<Vec<Message>, CliError> {
    STREAM
        .lines()
        .enumerate()
        .map(|(index, line)| {
            parse_line(line).map_err(|error| {
                CliError::new(Exit::Bug, format!("night.jsonl:{}: {error}", index + 1))
            })
        })
        .collect()
}

fn send(
    args: &Args,
    context: &Context<'_>,
    running: &Running,
    messages: Vec<Message>,
) -> Result<(), CliError> {
    let bar = if context.screen.live {
        ProgressBar::new(messages.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template(
        "a night at Heron Lane {bar:32} {pos}/{len} messages, {per_sec}",
    ) {
        bar.set_style(style);
    }
    let paced = messages.into_iter().map(|mut message| {
        message.after = args.speed.pause(message.after);
        message
    });
    let sent = running.block_on(publish(running.broker(), paced, |_| bar.inc(1)));
    bar.finish_and_clear();
    sent.map(|_| ())
        .map_err(|error| CliError::new(Exit::Unavailable, error.to_string()))
}

fn wait_received(running: &mut Running, expected: u64) -> Result<Option<Ending>, CliError> {
    let mut last = (running.status().counters.messages_received, Instant::now());
    loop {
        let received = running.status().counters.messages_received;
        if received >= expected {
            return Ok(None);
        }
        if received != last.0 {
            last = (received, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            return Err(CliError::new(
                Exit::Unavailable,
                format!(
                    "the broker delivered {received} of {expected} messages and then nothing for {} s",
                    PATIENCE.as_secs()
                ),
            ));
        }
        if let Some(ending) = running.ending(Some(Duration::from_millis(10))) {
            return Ok(Some(ending));
        }
    }
}

fn wait_for_recordings(
    running: &mut Running,
    database: &mut Database,
) -> Result<Option<Ending>, CliError> {
    let began = Instant::now();
    loop {
        let mut session = database.snapshot()?;
        let sealed = first(
            &mut session,
            "SELECT count(*) FROM recordings WHERE state = 'sealed' AND original_name IN (?1, ?2)",
            values![CLIPS[0].0, CLIPS[1].0],
            |row| row.int(0),
        )?;
        drop(session);
        let status = running.status();
        if sealed >= Some(CLIPS.len() as i64) || !status.watches_recordings {
            return Ok(None);
        }
        if began.elapsed() > PATIENCE {
            let trouble = status
                .recordings_trouble
                .unwrap_or_else(|| "no reason known".into());
            return Err(CliError::new(
                Exit::ProblemsFound,
                format!(
                    "the recordings are not sealed after {} s: {trouble}",
                    PATIENCE.as_secs()
                ),
            ));
        }
        if let Some(ending) = running.ending(Some(Duration::from_millis(20))) {
            return Ok(Some(ending));
        }
    }
}

fn is_finished(database: &mut Database, digest: &str) -> Result<bool, StorageError> {
    let mut session = database.snapshot()?;
    let mut reader = EventReader::new();
    let positions = crate::storage::all(
        &mut session,
        "SELECT e.position FROM event_log e JOIN names n ON n.id = e.stream \
         WHERE n.name = 'replay/night' ORDER BY e.position",
        &[],
        |row| row.int(0),
    )?;
    for position in positions {
        if let Some(event) = reader.at(&mut session, position)?
            && let Event::ReplayFinished(finished) = &event.event
            && finished.sha256 == digest
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn trace(running: &Running, message: &Message) -> Option<Trace> {
    let inbound = Inbound {
        topic: message.topic.as_str().into(),
        payload: message.payload.clone(),
        qos: message.qos,
        retain: false,
        received_at: running.status().started_at,
    };
    let event = decode(&inbound, running.rules())
        .events
        .into_iter()
        .next()?;
    Some((
        message.topic.clone(),
        event.event.kind().name(),
        as_published(event.event).encode(),
        event.text,
    ))
}

/// The event without what the box found out about it: the verdict on a PIN.
fn as_published(event: Event) -> Event {
    match event {
        Event::ArmRequested(request) => Event::ArmRequested(ArmRequested {
            pin: None,
            ..request
        }),
        event => event,
    }
}

fn stored(database: &mut Database) -> Result<HashMap<Trace, usize>, StorageError> {
    let mut session = database.snapshot()?;
    let mut reader = EventReader::new();
    let mut traces = HashMap::new();
    let mut position = 0;
    loop {
        let events = reader.after(&mut session, position, CHUNK_EVENTS)?;
        let Some(last) = events.last() else {
            return Ok(traces);
        };
        position = last.position;
        for event in events {
            if let Some(topic) = &event.topic {
                let trace = (
                    topic.text.to_string(),
                    event.kind().name(),
                    as_published(event.event.clone()).encode(),
                    event.text,
                );
                *traces.entry(trace).or_default() += 1;
            }
        }
    }
}

/// The messages that are not in the log yet; of identical ones as many as are missing.
fn missing(
    running: &Running,
    database: &mut Database,
    night: &[Message],
) -> Result<Vec<Message>, CliError> {
    let mut stored = stored(database)?;
    Ok(night
        .iter()
        .filter(|message| {
            let Some(trace) = trace(running, message) else {
                return true;
            };
            match stored.get_mut(&trace) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            }
        })
        .cloned()
        .collect())
}

/// How many subscribed messages left no trace at all. (One that repeats its publisher's id is
/// stored once, so identical ones are not counted against each other here.)
fn unstored(
    running: &Running,
    database: &mut Database,
    night: &[Message],
) -> Result<usize, CliError> {
    let stored = stored(database)?;
    Ok(night
        .iter()
        .filter(|message| message.qos > 0 && running.subscribes(&message.topic))
        .filter(|message| trace(running, message).is_none_or(|trace| !stored.contains_key(&trace)))
        .count())
}
