//! The alarm: what it does now, everything that it ever did, and who asked for what.

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::UnixNanos;
use crate::event::alarm::ArmState;
use crate::event::house::{ArmMode, PinVerdict};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Row, Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "alarm",
    version: 1,
    tables: &[
        table!("arm_state_log" by "id"),
        table!("arm_requests" by "id"),
    ],
    kinds: Some(&[Kind::ArmStateChanged, Kind::ArmRequested, Kind::ArmRefused]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::ArmStateChanged(changed) => session.write(
                "INSERT INTO arm_state_log (id, at, state, previous, target, deadline_at, \
                 triggered_by, reason, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?1)",
                values![
                    event.position,
                    event.occurred_at,
                    changed.to.name(),
                    changed.from.name(),
                    changed.target.map(ArmMode::name),
                    changed.deadline,
                    &changed.triggered_by,
                    event.text()
                ],
            )?,
            Event::ArmRequested(request) => session.write(
                "INSERT INTO arm_requests (id, at, mode, pin, triggered_by) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                values![
                    event.position,
                    event.occurred_at,
                    request.mode.name(),
                    request.pin.map(PinVerdict::name),
                    &request.triggered_by
                ],
            )?,
            Event::ArmRefused(refused) => session.write(
                "UPDATE arm_requests SET refusal = ?2, wrong_pins = ?3 WHERE id = ?1",
                values![event.cause, event.text(), refused.wrong_pins],
            )?,
            _ => {}
        }
    }
    Ok(())
}

/// What the alarm does, as its last step left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: ArmState,
    /// Where a delay leads, where an alarm came from.
    pub target: Option<ArmMode>,
    /// Since when.
    pub since: UnixNanos,
    /// When it goes on by itself.
    pub deadline: Option<UnixNanos>,
}

impl Standing {
    /// Whether the alarm is in this state, or in a delay or an alarm that came out of it: a door that
    /// opens at night is one that opens while armed for the night.
    pub fn is(&self, wanted: ArmState) -> bool {
        let came_from = matches!(self.state, ArmState::EntryDelay | ArmState::Triggered)
            .then_some(self.target)
            .flatten();
        self.state == wanted || came_from.is_some_and(|mode| ArmState::from(mode) == wanted)
    }
}

/// What the alarm does now; disarmed before its first step.
pub fn standing(session: &mut dyn Session) -> Result<Standing, StorageError> {
    let last = first(
        session,
        "SELECT state, target, at, deadline_at FROM arm_state_log ORDER BY id DESC LIMIT 1",
        &[],
        standing_of,
    )?;
    Ok(last.unwrap_or_default())
}

/// A step of the alarm as the table tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its event.
    pub position: i64,
    /// What the alarm has done since.
    pub standing: Standing,
    /// Who or what brought it about.
    pub triggered_by: String,
}

/// The last step of the alarm, if it ever took one.
pub fn last_step(session: &mut dyn Session) -> Result<Option<Step>, StorageError> {
    first(
        session,
        "SELECT state, target, at, deadline_at, id, triggered_by FROM arm_state_log \
         ORDER BY id DESC LIMIT 1",
        &[],
        |row| {
            Ok(Step {
                standing: standing_of(row)?,
                position: row.int(4)?,
                triggered_by: row.text(5)?.to_owned(),
            })
        },
    )
}

/// What the alarm did when the rules looked at the event at `position`: the steps that this event
/// itself brought about come before the rules.
pub fn standing_at(session: &mut dyn Session, position: i64) -> Result<Standing, StorageError> {
    let last = first(
        session,
        "SELECT a.state, a.target, a.at, a.deadline_at FROM arm_state_log a \
         JOIN event_log e ON e.position = a.id WHERE a.id <= ?1 OR e.cause = ?1 \
         ORDER BY a.id DESC LIMIT 1",
        values![position],
        standing_of,
    )?;
    Ok(last.unwrap_or_default())
}

fn standing_of(row: &dyn Row) -> Result<Standing, StorageError> {
    Ok(Standing {
        state: ArmState::from_name(row.text(0)?).unwrap_or_default(),
        target: row.opt_text(1)?.and_then(ArmMode::from_name),
        since: row.int(2)?,
        deadline: row.opt_int(3)?,
    })
}

/// Why the request at `position` was refused; none when it was granted.
pub fn refusal(session: &mut dyn Session, position: i64) -> Result<Option<String>, StorageError> {
    let reason = first(
        session,
        "SELECT refusal FROM arm_requests WHERE id = ?1",
        values![position],
        |row| Ok(row.opt_text(0)?.map(ToOwned::to_owned)),
    )?;
    Ok(reason.flatten())
}

/// Wrong PINs in a row before the request at `position`, and when the last one came.
pub fn wrong_pins(
    session: &mut dyn Session,
    position: i64,
) -> Result<(i64, UnixNanos), StorageError> {
    let last = first(
        session,
        "SELECT pin, wrong_pins, at FROM arm_requests WHERE pin IN ('CORRECT', 'WRONG') \
         AND id < ?1 ORDER BY id DESC LIMIT 1",
        values![position],
        |row| Ok((row.text(0)? == "WRONG", row.int(1)?, row.int(2)?)),
    )?;
    Ok(match last {
        Some((true, count, at)) => (count, at),
        _ => (0, 0),
    })
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "alarm",
        about: "what the alarm does",
        columns: columns![
            "state" Text, "since" Time, "triggered_by" Text, "reason" Text, "target" Text,
            "deadline_at" Time
        ],
        sql: "SELECT state, at, triggered_by, reason, target, deadline_at FROM arm_state_log \
              WHERE id = (SELECT max(id) FROM arm_state_log) AND at >= ?1 AND at < ?2 LIMIT ?3",
    },
    View {
        name: "arm_state_log",
        about: "every step of the alarm: what, when, who and why",
        columns: columns![
            "at" Time, "state" Text, "previous" Text, "triggered_by" Text, "reason" Text,
            "deadline_at" Time, "target" Text, "id" Number
        ],
        sql: "SELECT at, state, previous, triggered_by, reason, deadline_at, target, id \
              FROM arm_state_log WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "arm_requests",
        about: "who asked to arm or disarm, and what came of it",
        columns: columns![
            "at" Time, "mode" Text, "pin" Text, "triggered_by" Text, "refusal" Text,
            "wrong_pins" Number, "id" Number
        ],
        sql: "SELECT at, mode, pin, triggered_by, refusal, wrong_pins, id FROM arm_requests \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
];
