//! Faces: profiles, what later faces are compared with, visits.
//!
//! Which profile a face belongs to was decided by the reactor and stands in `face.matched`; the fold
//! only keeps the books. A face waits in `face_pending` for its match, which comes in the same
//! transaction. What is forgotten stays forgotten in a rebuild, since its events are redacted.

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::{MINUTE_NS, SECOND_NS, UnixNanos};
use crate::event::house::{FacePrivacy, FaceSeen};
use crate::event::people::{FaceMatched, NOBODY, ProfileEdited};
use crate::event::{Envelope, Event, Flags, Kind};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "faces",
    version: 1,
    tables: &[
        table!("face_profiles" by "id"),
        table!("face_aliases" by "alias"),
        table!("face_embeddings" by "id"),
        table!("face_pending" by "position"),
        table!("face_traces" by "position"),
        table!("visits" by "id", aging by "arrived_at" for 730),
    ],
    kinds: Some(&[
        Kind::FaceSeen,
        Kind::FaceMatched,
        Kind::FaceProfileEdited,
        Kind::FaceProfilesMerged,
        Kind::PersonForgotten,
    ]),
    fold,
};

/// A visit ends when the face is absent for so long.
const ABSENCE_NS: i64 = 10 * MINUTE_NS;

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::FaceSeen(face) => wait_for_match(session, event, face)?,
            Event::FaceMatched(matched) => {
                // A face that was forgotten left others less room while it was known.
                for dropped in &matched.dropped {
                    session.write(
                        "DELETE FROM face_embeddings WHERE id = ?1",
                        values![*dropped],
                    )?;
                }
                if matched.profile != NOBODY {
                    keep(session, event, matched)?;
                }
                // Faces are matched in their order: an earlier one that still waits waits in vain.
                session.write(
                    "DELETE FROM face_pending WHERE position <= ?1",
                    values![matched.face],
                )?;
            }
            Event::FaceProfileEdited(edit) if edit.profile == NOBODY => {}
            Event::FaceProfileEdited(edit) => edit_profile(session, event, edit)?,
            Event::FaceProfilesMerged(merge) if merge.from != merge.into => {
                let both = "SELECT 1 FROM face_profiles WHERE id = ?1 \
                            AND EXISTS (SELECT 1 FROM face_profiles WHERE id = ?2)";
                if exists(session, both, values![merge.from, merge.into])? {
                    trace(session, event.position, merge.into)?;
                    self::merge(session, merge.from, merge.into)?;
                }
            }
            Event::PersonForgotten(gone) => forget(session, gone.profile)?,
            _ => {}
        }
    }
    Ok(())
}

fn wait_for_match(
    session: &mut dyn Session,
    event: &Envelope,
    face: &FaceSeen,
) -> Result<(), StorageError> {
    if face.privacy != Some(FacePrivacy::OptedIn) || !face.is_identifiable() {
        return Ok(());
    }
    trace(session, event.position, NOBODY)?;
    // A snapshot and a suspected repeat are never matched.
    if event.is_snapshot() || event.flags.has(Flags::SUSPECT_DUP) {
        return Ok(());
    }
    session.write(
        "INSERT INTO face_pending (position, at, alias, embedding, crop_path) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        values![
            event.position,
            event.occurred_at,
            face.profile_id.as_deref(),
            face.vector(),
            face.crop_path.as_deref()
        ],
    )
}

struct Pending {
    at: UnixNanos,
    alias: Option<String>,
    has_vector: bool,
}

fn keep(
    session: &mut dyn Session,
    event: &Envelope,
    matched: &FaceMatched,
) -> Result<(), StorageError> {
    let profile = matched.profile;
    let pending = first(
        session,
        "SELECT at, alias, embedding IS NOT NULL FROM face_pending WHERE position = ?1",
        values![matched.face],
        |row| {
            Ok(Pending {
                at: row.int(0)?,
                alias: row.opt_text(1)?.map(ToOwned::to_owned),
                has_vector: row.int(2)? == 1,
            })
        },
    )?;
    let at = pending.as_ref().map_or(event.occurred_at, |face| face.at);
    session.write(
        "INSERT INTO face_profiles (id, first_seen_at, last_seen_at) VALUES (?1, ?2, ?2) \
         ON CONFLICT (id) DO UPDATE SET \
         first_seen_at = min(face_profiles.first_seen_at, excluded.first_seen_at), \
         last_seen_at = max(face_profiles.last_seen_at, excluded.last_seen_at)",
        values![profile, at],
    )?;
    if let Some(face) = &pending {
        if let Some(alias) = &face.alias {
            session.write(
                "INSERT INTO face_aliases (alias, profile_id) VALUES (?1, ?2) \
                 ON CONFLICT (alias) DO NOTHING",
                values![alias, profile],
            )?;
        }
        if face.has_vector {
            session.write(
                "INSERT INTO face_embeddings (id, profile_id, embedding, camera_id, captured_at, \
                 crop_path) SELECT position, ?2, embedding, ?3, at, crop_path FROM face_pending \
                 WHERE position = ?1 ON CONFLICT (id) DO NOTHING",
                values![matched.face, profile, &matched.camera],
            )?;
        }
        trace(session, matched.face, profile)?;
    }
    trace(session, event.position, profile)?;
    visit(
        session,
        &Visit {
            id: event.position,
            profile,
            camera: matched.camera.clone(),
            arrived_at: at,
            departed_at: at,
            event_id: matched.face,
        },
    )?;
    count_visits(session, profile)
}

fn trace(session: &mut dyn Session, position: i64, profile: i64) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO face_traces (position, profile_id) VALUES (?1, ?2) \
         ON CONFLICT (position) DO UPDATE SET profile_id = excluded.profile_id",
        values![position, profile],
    )
}

struct Visit {
    id: i64,
    profile: i64,
    camera: String,
    arrived_at: UnixNanos,
    departed_at: UnixNanos,
    event_id: i64,
}

/// Adds a visit, joined with those that it touches: a late face may lie in one or between two.
fn visit(session: &mut dyn Session, new: &Visit) -> Result<(), StorageError> {
    let mut joined = Visit {
        camera: new.camera.clone(),
        ..*new
    };
    let touched = all(
        session,
        "SELECT id, arrived_at, departed_at, event_id FROM visits WHERE profile_id = ?1 \
         AND camera_id = ?2 AND arrived_at < ?3 AND departed_at > ?4",
        values![
            new.profile,
            &new.camera,
            new.departed_at.saturating_add(ABSENCE_NS),
            new.arrived_at.saturating_sub(ABSENCE_NS)
        ],
        |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?)),
    )?;
    for (id, arrived_at, departed_at, event_id) in touched {
        joined.arrived_at = joined.arrived_at.min(arrived_at);
        joined.departed_at = joined.departed_at.max(departed_at);
        if id < joined.id {
            (joined.id, joined.event_id) = (id, event_id);
        }
        session.write("DELETE FROM visits WHERE id = ?1", values![id])?;
    }
    let length_ns = joined.departed_at as f64 - joined.arrived_at as f64;
    session.write(
        "INSERT INTO visits (id, profile_id, camera_id, arrived_at, departed_at, duration_s, \
         event_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![
            joined.id,
            joined.profile,
            &joined.camera,
            joined.arrived_at,
            joined.departed_at,
            length_ns / SECOND_NS as f64,
            joined.event_id
        ],
    )
}

fn count_visits(session: &mut dyn Session, profile: i64) -> Result<(), StorageError> {
    session.write(
        "UPDATE face_profiles SET visit_count = \
         (SELECT count(*) FROM visits WHERE profile_id = ?1) WHERE id = ?1",
        values![profile],
    )
}

fn edit_profile(
    session: &mut dyn Session,
    event: &Envelope,
    edit: &ProfileEdited,
) -> Result<(), StorageError> {
    // Also of a profile that is not there: the name that was given to it stands in the log.
    trace(session, event.position, edit.profile)?;
    session.write(
        "UPDATE face_profiles SET \
         name = CASE WHEN ?2 IS NULL THEN name WHEN ?2 = '' THEN NULL ELSE ?2 END, \
         household = coalesce(?3, household), \
         presence_member = CASE WHEN ?4 IS NULL THEN presence_member WHEN ?4 = '' THEN NULL \
                           ELSE ?4 END, \
         ignored = coalesce(?5, ignored) WHERE id = ?1",
        values![
            edit.profile,
            edit.name.as_deref(),
            edit.household,
            edit.presence_member.as_deref(),
            edit.ignored
        ],
    )
}

/// What was one profile's becomes the other's; of what both say, the one that stays is right.
fn merge(session: &mut dyn Session, from: i64, into: i64) -> Result<(), StorageError> {
    let both = values![from, into];
    session.write(
        "UPDATE face_profiles SET \
         name = coalesce(face_profiles.name, gone.name), \
         household = max(face_profiles.household, gone.household), \
         presence_member = coalesce(face_profiles.presence_member, gone.presence_member), \
         first_seen_at = min(face_profiles.first_seen_at, gone.first_seen_at), \
         last_seen_at = max(face_profiles.last_seen_at, gone.last_seen_at) \
         FROM face_profiles AS gone WHERE face_profiles.id = ?2 AND gone.id = ?1",
        both,
    )?;
    session.write("DELETE FROM face_profiles WHERE id = ?1", values![from])?;
    for sql in [
        "UPDATE face_aliases SET profile_id = ?2 WHERE profile_id = ?1",
        "UPDATE face_embeddings SET profile_id = ?2 WHERE profile_id = ?1",
        "UPDATE face_traces SET profile_id = ?2 WHERE profile_id = ?1",
    ] {
        session.write(sql, both)?;
    }
    let moved = all(
        session,
        "SELECT id, camera_id, arrived_at, departed_at, event_id FROM visits \
         WHERE profile_id = ?1 ORDER BY id",
        values![from],
        |row| {
            Ok(Visit {
                id: row.int(0)?,
                profile: into,
                camera: row.text(1)?.to_owned(),
                arrived_at: row.int(2)?,
                departed_at: row.int(3)?,
                event_id: row.int(4)?,
            })
        },
    )?;
    session.write("DELETE FROM visits WHERE profile_id = ?1", values![from])?;
    for one in &moved {
        visit(session, one)?;
    }
    count_visits(session, into)
}

fn forget(session: &mut dyn Session, profile: i64) -> Result<(), StorageError> {
    for sql in [
        "DELETE FROM visits WHERE profile_id = ?1",
        "DELETE FROM face_embeddings WHERE profile_id = ?1",
        "DELETE FROM face_aliases WHERE profile_id = ?1",
        "DELETE FROM face_traces WHERE profile_id = ?1",
        "DELETE FROM face_profiles WHERE id = ?1",
    ] {
        session.write(sql, values![profile])?;
    }
    Ok(())
}

/// Takes away what is kept of faces that were redacted without ever having been matched.
pub(super) fn redact(session: &mut dyn Session, events: &[Envelope]) -> Result<(), StorageError> {
    for event in events {
        for sql in [
            "DELETE FROM face_traces WHERE position = ?1",
            "DELETE FROM face_pending WHERE position = ?1",
        ] {
            session.write(sql, values![event.position])?;
        }
    }
    Ok(())
}

fn exists(
    session: &mut dyn Session,
    sql: &'static str,
    values: &[crate::storage::Value<'_>],
) -> Result<bool, StorageError> {
    Ok(first(session, sql, values, |_| Ok(()))?.is_some())
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "face_profiles",
        about: "people that cameras recognise, and faces that nobody has named",
        columns: columns![
            "last_seen_at" Time, "id" Number, "name" Text, "household" Flag,
            "presence_member" Text, "visit_count" Number, "first_seen_at" Time, "ignored" Flag
        ],
        sql: "SELECT last_seen_at, id, name, household, presence_member, visit_count, \
              first_seen_at, ignored FROM face_profiles WHERE last_seen_at >= ?1 \
              AND last_seen_at < ?2 ORDER BY last_seen_at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "face_embeddings",
        about: "faces that later ones are compared with",
        columns: columns![
            "captured_at" Time, "profile_id" Number, "camera_id" Text, "crop_path" Text,
            "embedding_bytes" Bytes, "id" Number
        ],
        sql: "SELECT captured_at, profile_id, camera_id, crop_path, length(embedding), id \
              FROM face_embeddings WHERE captured_at >= ?1 AND captured_at < ?2 \
              ORDER BY captured_at DESC, id DESC LIMIT ?3",
    },
    View {
        name: "visits",
        about: "who came to which camera, and for how long",
        columns: columns![
            "arrived_at" Time, "profile_id" Number, "name" Text, "camera_id" Text,
            "departed_at" Time, "duration_s" Number, "id" Number
        ],
        sql: "SELECT v.arrived_at, v.profile_id, p.name, v.camera_id, v.departed_at, \
              v.duration_s, v.id FROM visits v LEFT JOIN face_profiles p ON p.id = v.profile_id \
              WHERE v.arrived_at >= ?1 AND v.arrived_at < ?2 \
              ORDER BY v.arrived_at DESC, v.id DESC LIMIT ?3",
    },
];
