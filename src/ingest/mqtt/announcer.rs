//! The announcer: follows the event log and tells the bus what was committed.
//!
//! It begins at the head that it finds, so that a restart tells nothing twice and brings no old wish
//! to record about. What it hands over may be lost with the connection, and is counted: whoever
//! must not miss anything asks the log. States are retained and told again after every reconnect.
//!
//! Invariants: nothing is told before it is durable; the writer never waits for this thread, which
//! reads by a connection of its own; nothing that is told here is ever read back (`decode::Rules`
//! knows the topics).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::announce::{self, Announcement, EventRow};
use super::publisher::{Outlet, QUEUE_MESSAGES};
use crate::base::shutdown::Shutdown;
use crate::base::telemetry::Telemetry;
use crate::event::alarm::Action;
use crate::event::{Envelope, Event, Kind};
use crate::event_log::append::head;
use crate::event_log::read::EventReader;
use crate::read_model::alarm::{self, Step};
use crate::read_model::events::{self, Moment};
use crate::storage::sqlite::{Database, SqliteSession};
use crate::storage::{Session, StorageError, all};
use crate::values;
use crate::writer::Handle;

/// Least time between two looks at the log: under a flood each takes many events.
const LOOK_APART: Duration = Duration::from_millis(50);
/// Pause after the database could not be read.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Longest time between two looks; news wake it before.
const IDLE_PAUSE: Duration = Duration::from_secs(60);
/// Further behind than the queue to the broker holds, events are passed over.
const BEHIND_MAX: i64 = QUEUE_MESSAGES as i64;
/// Kinds that somebody acts upon: they are told however many other events there are.
const ACTED_UPON: [Kind; 3] = [
    Kind::RuleFired,
    Kind::RecordingRequested,
    Kind::TimelapseRequested,
];

/// What is told, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The main database.
    pub database: PathBuf,
    /// What our own topics lie below, such as `nightjar/home`.
    pub base: String,
    /// Whether every event is told.
    pub events: bool,
    /// Whether vigilar's own two topics are told too.
    pub compat: bool,
    /// The last position that is not told.
    pub after: i64,
}

/// The thread that announces.
#[derive(Debug)]
pub struct Announcer {
    options: Options,
    outlet: Outlet,
    writer: Handle,
    telemetry: Arc<Telemetry>,
    shutdown: Shutdown,
    /// The alarm's step that was told, 0 for none; nothing is told yet when none.
    told: Option<i64>,
}

impl Announcer {
    /// Makes it; [`run`](Self::run) is to be called on a thread of its own.
    pub fn new(
        options: Options,
        outlet: Outlet,
        writer: Handle,
        telemetry: Arc<Telemetry>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            options,
            outlet,
            writer,
            telemetry,
            shutdown,
            told: None,
        }
    }

    /// Runs until the shutdown is signalled.
    pub fn run(mut self) {
        let news = self.writer.follow();
        let mut reader = None;
        let mut log = EventReader::new();
        loop {
            let began = Instant::now();
            let pause = match self.look(&mut reader, &mut log) {
                Ok(()) => LOOK_APART,
                Err(error) => {
                    tracing::warn!(%error, "events cannot be announced");
                    // A damaged event is passed over; anything else is tried again from scratch.
                    if let StorageError::Unreadable(_) = error {
                        let head = self.writer.head();
                        let skipped = head.saturating_sub(self.options.after);
                        self.telemetry.announcements_skipped.add(skipped as u64);
                        self.options.after = head;
                    }
                    reader = None;
                    TROUBLE_PAUSE
                }
            };
            if self.shutdown.wait(pause.saturating_sub(began.elapsed())) {
                return;
            }
            crossbeam_channel::select! {
                recv(self.shutdown.signal()) -> _ => return,
                recv(news) -> _ => {}
                default(IDLE_PAUSE) => {}
            }
        }
    }

    fn look(
        &mut self,
        reader: &mut Option<Database>,
        log: &mut EventReader,
    ) -> Result<(), StorageError> {
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(Database::open_reader(&self.options.database)?),
        };
        let mut session = reader.snapshot()?;
        let step = alarm::last_step(&mut session)?;
        if self.told != Some(step.as_ref().map_or(0, |step| step.position)) {
            self.tell_alarm(step.as_ref());
        }
        let head = head(&mut session)?;
        let after = self.options.after;
        if head > after {
            self.tell_events(&mut session, log, after, head)?;
            self.options.after = head;
        }
        Ok(())
    }

    fn tell_alarm(&mut self, step: Option<&Step>) {
        self.told = Some(step.map_or(0, |step| step.position));
        let mut states = vec![announce::alarm(&self.options.base, step)];
        if self.options.compat {
            let standing = step.map(|step| step.standing).unwrap_or_default();
            let by = step.map_or("", |step| step.triggered_by.as_str());
            let state = standing.state.name();
            states.push(announce::compat_arm_state(state, standing.since, by));
        }
        for state in states {
            if let Err(refusal) = self.outlet.set_state(&state.topic, state.payload) {
                tracing::warn!(topic = state.topic, %refusal, "a state cannot be published");
            }
        }
    }

    fn tell_events(
        &self,
        session: &mut SqliteSession<'_>,
        log: &mut EventReader,
        after: i64,
        head: i64,
    ) -> Result<(), StorageError> {
        let keeps_up = head - after <= BEHIND_MAX;
        let events = if self.options.events && keeps_up {
            log.after(session, after, head - after)?
        } else {
            acted_upon(session, log, after, head)?
        };
        if self.options.events && !keeps_up {
            let skipped = head - after - events.len() as i64;
            self.telemetry.announcements_skipped.add(skipped as u64);
        }
        for event in &events {
            if self.options.events {
                self.tell(announce::event(&self.options.base, event));
            }
            self.wishes(event);
        }
        if self.options.compat && keeps_up {
            for moment in events::moments_after(session, after, head)? {
                self.tell(announce::compat_event(&row(&moment)));
            }
        }
        Ok(())
    }

    /// What others are to do.
    fn wishes(&self, event: &Envelope) {
        match &event.event {
            Event::RuleFired(fired) => {
                for action in &fired.actions {
                    if let Action::Publish {
                        topic,
                        payload,
                        retain,
                    } = action
                    {
                        self.tell(Announcement {
                            topic: topic.clone(),
                            payload: payload.clone().into_bytes(),
                            retain: *retain,
                        });
                    }
                }
            }
            Event::RecordingRequested(wish) => {
                self.tell(announce::recording_wish(&self.options.base, event, wish));
            }
            Event::TimelapseRequested(film) => {
                self.tell(announce::film_wish(&self.options.base, event, film));
            }
            _ => {}
        }
    }

    fn tell(&self, announcement: Announcement) {
        let Announcement {
            topic,
            payload,
            retain,
        } = announcement;
        // The outlet counts what it refuses.
        if let Err(refusal) = self.outlet.publish(&topic, payload, retain) {
            tracing::debug!(topic, %refusal, "not announced");
        }
    }
}

fn acted_upon(
    session: &mut dyn Session,
    log: &mut EventReader,
    after: i64,
    head: i64,
) -> Result<Vec<Envelope>, StorageError> {
    let [rules, recordings, films] = ACTED_UPON.map(Kind::name);
    let positions = all(
        session,
        "SELECT position FROM event_log WHERE position > ?1 AND position <= ?2 AND kind IN \
         (SELECT id FROM names WHERE name IN (?3, ?4, ?5)) ORDER BY position",
        values![after, head, rules, recordings, films],
        |row| row.int(0),
    )?;
    let mut events = Vec::with_capacity(positions.len());
    for position in positions {
        events.extend(log.at(session, position)?);
    }
    Ok(events)
}

fn row(moment: &Moment) -> EventRow<'_> {
    EventRow {
        position: moment.position,
        timestamp_ns: moment.timestamp_ns,
        event_type: &moment.event_type,
        severity_id: moment.severity_id,
        source_type: &moment.source_type,
        source_id: &moment.source_id,
        message: &moment.message,
    }
}
