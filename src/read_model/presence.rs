//! Who is at home: each member, who came and went, and the household as a whole.
//!
//! What was told and what follows from it are two things: a report is kept here with its time, and
//! `presence.changed` says what the reactor concluded from it, or from silence. A retained report is
//! a state and no sign of life: it counts when it says something new, and makes no line in the log.

use super::view::columns;
use super::{Projection, View, table};
use crate::event::house::PresenceReported;
use crate::event::people::{PresenceCause, PresenceChanged};
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "presence",
    version: 1,
    tables: &[
        table!("presence_members" by "id"),
        table!("presence_log" by "id", aging by "at" for 730),
        table!("household_log" by "id"),
    ],
    kinds: Some(&[
        Kind::PresenceReported,
        Kind::PresenceChanged,
        Kind::HouseholdChanged,
    ]),
    fold,
};

/// What the household as a whole can be; a member is at home or is not.
const HOUSEHOLD_STATES: &[&str] = &["EMPTY", "KIDS_HOME", "ADULTS_HOME", "ALL_HOME"];

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::PresenceReported(report) => {
                // The stream of a household used to be a member's; it tells other states.
                let member = event.stream.text.strip_prefix("presence/");
                let whole = HOUSEHOLD_STATES.contains(&&*report.state);
                if let Some(member) = member.filter(|_| !whole) {
                    reported(session, event, member, report)?;
                }
            }
            Event::PresenceChanged(change) => changed(session, event, change)?,
            Event::HouseholdChanged(change) if HOUSEHOLD_STATES.contains(&&*change.to) => session
                .write(
                "INSERT INTO household_log (id, at, from_state, to_state) VALUES (?1, ?2, ?3, ?4)",
                values![
                    event.position,
                    event.occurred_at,
                    change.from.as_deref(),
                    &change.to
                ],
            )?,
            _ => {}
        }
    }
    Ok(())
}

fn role(name: &str) -> &'static str {
    if name.trim().eq_ignore_ascii_case("child") {
        "child"
    } else {
        "adult"
    }
}

fn reported(
    session: &mut dyn Session,
    event: &Envelope,
    member: &str,
    report: &PresenceReported,
) -> Result<(), StorageError> {
    let at = event.occurred_at;
    let at_home = report.state.eq_ignore_ascii_case("HOME");
    let told_role = report.role.as_deref().map(role);
    let home_at = at_home.then_some(at);
    if event.is_snapshot() {
        return session.write(
            "INSERT INTO presence_members (id, role, state, changed_at, last_report_at, \
             last_home_at, reported) VALUES (?1, coalesce(?2, 'adult'), ?3, ?4, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET role = coalesce(?2, presence_members.role), \
             changed_at = CASE WHEN presence_members.state IS excluded.state \
                          THEN presence_members.changed_at ELSE excluded.changed_at END, \
             state = excluded.state, last_report_at = excluded.last_report_at, \
             last_home_at = coalesce(excluded.last_home_at, presence_members.last_home_at), \
             reported = excluded.reported \
             WHERE presence_members.reported IS DISTINCT FROM excluded.reported \
             AND excluded.last_report_at >= coalesce(presence_members.last_report_at, ?4)",
            values![
                member,
                told_role,
                if at_home { "HOME" } else { "AWAY" },
                at,
                home_at,
                &report.state
            ],
        );
    }
    session.write(
        "INSERT INTO presence_members (id, role, last_report_at, last_home_at, reported) \
         VALUES (?1, coalesce(?2, 'adult'), ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET \
         role = coalesce(?2, presence_members.role), \
         reported = CASE WHEN ?3 >= coalesce(presence_members.last_report_at, ?3) \
                    THEN excluded.reported ELSE presence_members.reported END, \
         last_home_at = CASE WHEN ?4 IS NULL THEN presence_members.last_home_at \
                        ELSE max(?4, coalesce(presence_members.last_home_at, ?4)) END, \
         last_report_at = max(?3, coalesce(presence_members.last_report_at, ?3))",
        values![member, told_role, at, home_at, &report.state],
    )
}

fn changed(
    session: &mut dyn Session,
    event: &Envelope,
    change: &PresenceChanged,
) -> Result<(), StorageError> {
    let to = if change.to == "HOME" { "HOME" } else { "AWAY" };
    session.write(
        "INSERT INTO presence_members (id, role, state, changed_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET role = excluded.role, \
         changed_at = CASE WHEN presence_members.state IS excluded.state \
                      THEN presence_members.changed_at ELSE excluded.changed_at END, \
         state = excluded.state",
        values![&change.member, role(&change.role), to, event.occurred_at],
    )?;
    if change.because == PresenceCause::Configured {
        return Ok(());
    }
    session.write(
        "INSERT INTO presence_log (id, at, member, from_state, to_state, because) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            event.position,
            event.occurred_at,
            &change.member,
            change.from.as_deref(),
            to,
            change.because.name()
        ],
    )
}

/// What the household is as a whole; nothing before anybody told anything.
pub fn household(session: &mut dyn Session) -> Result<Option<String>, StorageError> {
    first(
        session,
        "SELECT to_state FROM household_log ORDER BY id DESC LIMIT 1",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "household",
        about: "who is at home, in a word",
        columns: columns!["state" Text, "since" Time],
        sql: "SELECT to_state, at FROM household_log WHERE id = (SELECT max(id) FROM household_log) \
              AND at >= ?1 AND at < ?2 LIMIT ?3",
    },
    View {
        name: "presence_members",
        about: "who belongs to the household, and where each is now",
        columns: columns![
            "changed_at" Time, "id" Text, "role" Text, "state" Text, "last_report_at" Time,
            "last_home_at" Time, "reported" Text
        ],
        sql: "SELECT changed_at, id, role, state, last_report_at, last_home_at, reported \
              FROM presence_members WHERE coalesce(changed_at, last_report_at, 0) >= ?1 \
              AND coalesce(changed_at, last_report_at, 0) < ?2 ORDER BY id LIMIT ?3",
    },
    View {
        name: "presence_log",
        about: "who came and went",
        columns: columns![
            "at" Time, "member" Text, "from_state" Text, "to_state" Text, "because" Text,
            "id" Number
        ],
        sql: "SELECT at, member, from_state, to_state, because, id FROM presence_log \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "household_log",
        about: "what the household was as a whole",
        columns: columns!["at" Time, "from_state" Text, "to_state" Text, "id" Number],
        sql: "SELECT at, from_state, to_state, id FROM household_log \
              WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, id DESC LIMIT ?3",
    },
];
