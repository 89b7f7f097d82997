//! Time-lapse schedules, and which film of each was asked for last.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, all};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "timelapse",
    version: 1,
    tables: &[table!("timelapse_schedules" by "id")],
    kinds: Some(&[
        Kind::TimelapseScheduled,
        Kind::TimelapseUnscheduled,
        Kind::TimelapseRequested,
    ]),
    fold,
};

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        let id = event.subject();
        match &event.event {
            Event::TimelapseScheduled(plan) if plan.is_sound() => session.write(
                "INSERT INTO timelapse_schedules (id, camera_id, start_hour, end_hour, \
                 generate_time, enabled, scheduled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (id) DO UPDATE SET camera_id = excluded.camera_id, \
                 start_hour = excluded.start_hour, end_hour = excluded.end_hour, \
                 generate_time = excluded.generate_time, enabled = excluded.enabled, \
                 scheduled_at = excluded.scheduled_at",
                values![
                    id,
                    &plan.camera,
                    plan.start_hour,
                    plan.end_hour,
                    &plan.generate_time,
                    plan.enabled,
                    event.occurred_at
                ],
            )?,
            Event::TimelapseUnscheduled(_) => {
                session.write("DELETE FROM timelapse_schedules WHERE id = ?1", values![id])?
            }
            Event::TimelapseRequested(wish) => session.write(
                "UPDATE timelapse_schedules SET last_due_at = max(coalesce(last_due_at, ?2), ?2) \
                 WHERE id = ?1",
                values![id, wish.due_at],
            )?,
            _ => {}
        }
    }
    Ok(())
}

/// A schedule as its row tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub id: String,
    /// The camera.
    pub camera: String,
    /// First hour that is filmed.
    pub start_hour: i64,
    /// The hour before which filming ends.
    pub end_hour: i64,
    /// `HH:MM`, local.
    pub generate_time: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Since when it stands like this.
    pub scheduled_at: i64,
    /// When the last film that was asked for was due.
    pub last_due_at: Option<i64>,
}

/// Every schedule, by name.
pub fn schedules(session: &mut dyn Session) -> Result<Vec<Schedule>, StorageError> {
    all(
        session,
        "SELECT id, camera_id, start_hour, end_hour, generate_time, enabled, scheduled_at, \
         last_due_at FROM timelapse_schedules ORDER BY id",
        &[],
        |row| {
            Ok(Schedule {
                id: row.text(0)?.to_owned(),
                camera: row.text(1)?.to_owned(),
                start_hour: row.int(2)?,
                end_hour: row.int(3)?,
                generate_time: row.text(4)?.to_owned(),
                enabled: row.int(5)? != 0,
                scheduled_at: row.int(6)?,
                last_due_at: row.opt_int(7)?,
            })
        },
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "timelapse_schedules",
    about: "when time-lapse films are made",
    columns: columns![
        "id" Text, "camera_id" Text, "start_hour" Number, "end_hour" Number, "generate_time" Text,
        "enabled" Flag, "scheduled_at" Time, "last_due_at" Time
    ],
    sql: "SELECT id, camera_id, start_hour, end_hour, generate_time, enabled, scheduled_at, \
          last_due_at FROM timelapse_schedules WHERE scheduled_at >= ?1 AND scheduled_at < ?2 \
          ORDER BY scheduled_at DESC, id LIMIT ?3",
}];
