//! Recordings: one row from the moment the file is found, joined with the `finished` message
//! (whichever comes first) and with the motion that it overlaps.

mod hints;

use self::hints::{HINT_AGE_NS, drop_hint, forget_hints, nanos, take_hint};
use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::{DAY_NS, MINUTE_NS};
use crate::base::ids::hex;
use crate::event::recording::{Finished, Found, Part, Sealed, Trigger, file_key, printable_path};
use crate::event::vault::KeyRotated;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "recordings",
    version: 2,
    tables: &[
        // Only what was deleted: the row of a recording that exists is part of it.
        table!("recordings" by "id", aging by "deleted_at" if "state = 'deleted' AND starred = 0 AND held = 0" for 365),
        table!("recording_hints" by "file, camera_id"),
        table!("recording_motions" by "position", aging by "started_at" for 365),
        table!("vault_keys" by "key_id"),
    ],
    kinds: Some(&[
        Kind::RecordingFinished,
        Kind::RecordingFound,
        Kind::RecordingSealed,
        Kind::RecordingFailed,
        Kind::RecordingThumbnailSealed,
        Kind::RecordingResealed,
        Kind::RecordingChecked,
        Kind::RecordingStarred,
        Kind::RecordingHeld,
        Kind::RecordingDeleted,
        Kind::VaultKeyRotated,
        Kind::CameraMotionStarted,
        Kind::CameraMotionEnded,
    ]),
    fold,
};

/// A motion without an end counts as going on for this long.
const OPEN_MOTION_NS: i64 = 5 * MINUTE_NS;
/// A recording whose length nobody knows counts as this long.
const OPEN_RECORDING_NS: i64 = MINUTE_NS;
/// Motions and recordings that are longer are linked by their first day alone: a bound, so that
/// linking one does not look through all that ever were.
const LONGEST_NS: i64 = DAY_NS;

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    for event in batch {
        match &event.event {
            Event::RecordingFound(found) => fold_found(session, event, found)?,
            Event::RecordingFinished(finished) => fold_finished(session, event, finished)?,
            Event::RecordingSealed(sealed) => fold_sealed(session, event, sealed)?,
            Event::RecordingFailed(_) => session.write(
                "UPDATE recordings SET state = 'failed', failure = ?2, position = ?3 \
                 WHERE original_name = ?1 AND state IN ('found', 'failed')",
                values![event.subject(), event.text(), event.position],
            )?,
            Event::CameraMotionStarted(motion) if !event.is_snapshot() => {
                let detection = motion.detection.map(|detection| format!("{detection:?}"));
                let detection = detection.map(|name| name.to_lowercase());
                session.write(
                    "INSERT INTO recording_motions (position, camera_id, started_at, detection) \
                     VALUES (?1, ?2, ?3, ?4)",
                    values![
                        event.position,
                        event.subject(),
                        event.occurred_at,
                        detection.as_deref()
                    ],
                )?;
                let at = event.occurred_at;
                link_camera(
                    session,
                    event.subject(),
                    at,
                    at.saturating_add(OPEN_MOTION_NS),
                )?;
            }
            Event::CameraMotionEnded(_) if !event.is_snapshot() => {
                end_motion(session, event.subject(), event.occurred_at)?;
            }
            Event::VaultKeyRotated(rotated) => fold_rotated(session, event, rotated)?,
            _ => fold_later(session, event)?,
        }
    }
    Ok(())
}

fn fold_found(
    session: &mut dyn Session,
    event: &Envelope,
    found: &Found,
) -> Result<(), StorageError> {
    let name = event.subject();
    let open = first(
        session,
        "SELECT id FROM recordings WHERE original_name = ?1 AND state IN ('found', 'empty', 'failed') \
         ORDER BY id DESC LIMIT 1",
        values![name],
        |row| row.int(0),
    )?;
    let id = open.unwrap_or(event.position);
    let media = &found.media;
    let length = media.duration_s.map(nanos);
    // Nobody says when it began, but it ended no later than it was last written to. A list must be
    // in order, so that is taken for its end, and marked.
    let written_until = || found.modified_at.saturating_sub(length.unwrap_or(0));
    let started_at = found.started_at.unwrap_or_else(written_until);
    let ended_at = length.map(|length| started_at.saturating_add(length));
    session.write(
        "INSERT INTO recordings (id, camera_id, file_path, original_name, started_at, ended_at, \
         duration_s, file_size, fps, frame_count, width, height, codec, state, integrity, recorded_at, \
         position, file_name, start_estimated) \
         VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'unverified', ?15, ?14, \
         ?16, ?17) \
         ON CONFLICT (id) DO UPDATE SET \
         camera_id = coalesce(excluded.camera_id, recordings.camera_id), \
         started_at = excluded.started_at, start_estimated = excluded.start_estimated, \
         ended_at = coalesce(excluded.ended_at, recordings.ended_at), \
         duration_s = coalesce(excluded.duration_s, recordings.duration_s), \
         file_size = excluded.file_size, fps = coalesce(excluded.fps, recordings.fps), \
         frame_count = coalesce(excluded.frame_count, recordings.frame_count), \
         width = coalesce(excluded.width, recordings.width), \
         height = coalesce(excluded.height, recordings.height), \
         codec = coalesce(excluded.codec, recordings.codec), \
         state = excluded.state, failure = NULL, position = excluded.position",
        values![
            id,
            found.camera.as_deref(),
            name,
            started_at,
            ended_at,
            media.duration_s,
            found.size_bytes,
            media.fps,
            media.frame_count,
            media.width,
            media.height,
            media.codec.as_deref(),
            if found.size_bytes == 0 { "empty" } else { "found" },
            event.position,
            event.received_at,
            file_key(name),
            i64::from(found.started_at.is_none())
        ],
    )?;
    take_hint(session, id, name)?;
    link(session, id)
}

fn fold_finished(
    session: &mut dyn Session,
    event: &Envelope,
    finished: &Finished,
) -> Result<(), StorageError> {
    // Written as the recordings' names are, so that odd ones meet too.
    let file = &printable_path(file_key(&finished.file).as_bytes());
    session.write(
        "INSERT INTO recording_hints (file, camera_id, trigger, started_at, ended_at, fps, \
         frame_count, position, received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (file, camera_id) DO UPDATE SET trigger = excluded.trigger, \
         started_at = excluded.started_at, ended_at = excluded.ended_at, fps = excluded.fps, \
         frame_count = excluded.frame_count, position = excluded.position, \
         received_at = excluded.received_at",
        values![
            file,
            &finished.camera,
            finished.trigger.map(Trigger::name),
            finished.started_at,
            finished.ended_at,
            finished.fps,
            finished.frame_count,
            event.position,
            event.received_at
        ],
    )?;
    forget_hints(session, event.received_at)?;
    // The newest recording of that name, unless it is older than the message could be about.
    let known = first(
        session,
        "SELECT id, original_name, state = 'sealed' FROM recordings WHERE file_name = ?1 \
         AND trigger IS NULL AND state <> 'deleted' AND (camera_id IS NULL OR camera_id = ?2) \
         AND recorded_at >= ?3 ORDER BY id DESC LIMIT 1",
        values![
            file,
            &finished.camera,
            event.received_at.saturating_sub(HINT_AGE_NS)
        ],
        |row| Ok((row.int(0)?, row.text(1)?.to_owned(), row.int(2)? == 1)),
    )?;
    if let Some((id, name, sealed)) = known
        && let Some(hint) = take_hint(session, id, &name)?
    {
        if sealed {
            drop_hint(session, hint)?;
        }
        session.write(
            "UPDATE recordings SET position = ?2 WHERE id = ?1",
            values![id, event.position],
        )?;
        link(session, id)?;
    }
    Ok(())
}

fn fold_sealed(
    session: &mut dyn Session,
    event: &Envelope,
    sealed: &Sealed,
) -> Result<(), StorageError> {
    let name = event.subject();
    let open = first(
        session,
        "SELECT id FROM recordings WHERE original_name = ?1 \
         AND state NOT IN ('sealed', 'deleted') ORDER BY id DESC LIMIT 1",
        values![name],
        |row| row.int(0),
    )?;
    let id = open.unwrap_or(event.position);
    session.write(
        "INSERT INTO recordings (id, file_path, original_name, file_size, state, key_id, \
         plain_sha256, header_tag, iv, integrity, recorded_at, position, file_name, adopted) \
         VALUES (?1, ?2, ?3, ?4, 'sealed', ?5, ?6, ?7, ?8, ?9, ?11, ?10, ?12, ?13) \
         ON CONFLICT (id) DO UPDATE SET iv = excluded.iv, adopted = excluded.adopted, \
         file_path = excluded.file_path, file_size = excluded.file_size, state = 'sealed', \
         failure = NULL, key_id = excluded.key_id, plain_sha256 = excluded.plain_sha256, \
         header_tag = excluded.header_tag, integrity = excluded.integrity, \
         position = excluded.position",
        values![
            id,
            &printable_path(&sealed.sealed_path),
            name,
            sealed.size_bytes,
            &hex(&sealed.key_id),
            &hex(&sealed.plain_sha256),
            sealed.header_tag.as_deref().map(hex).as_deref(),
            &hex(&sealed.iv),
            // A file that lay there without a row was never compared with its original; only a
            // sidecar speaks for it.
            if sealed.adopted && sealed.header_tag.is_none() {
                "unverified"
            } else {
                "verified"
            },
            event.position,
            event.received_at,
            file_key(name),
            i64::from(sealed.adopted)
        ],
    )?;
    if let Some(hint) = take_hint(session, id, name)? {
        drop_hint(session, hint)?;
    }
    link(session, id)
}

/// What happens to a recording once it is sealed.
fn fold_later(session: &mut dyn Session, event: &Envelope) -> Result<(), StorageError> {
    match &event.event {
        Event::RecordingThumbnailSealed(sealed) => session.write(
            "UPDATE recordings SET thumbnail_path = ?2, thumbnail_key_id = ?3, \
             thumbnail_tag = ?4, thumbnail_size = ?5, position = ?6 \
             WHERE id = ?1 AND state <> 'deleted'",
            values![
                sealed.recording,
                &printable_path(&sealed.sealed_path),
                &hex(&sealed.key_id),
                sealed.header_tag.as_deref().map(hex).as_deref(),
                sealed.size_bytes,
                event.position
            ],
        ),
        Event::RecordingResealed(resealed) => match resealed.part {
            Part::Video => session.write(
                "UPDATE recordings SET key_id = ?2, plain_sha256 = ?3, iv = ?4, header_tag = ?5, \
                 integrity = 'verified', failure = NULL, position = ?6 \
                 WHERE id = ?1 AND state = 'sealed'",
                values![
                    resealed.recording,
                    &hex(&resealed.key_id),
                    &hex(&resealed.plain_sha256),
                    &hex(&resealed.iv),
                    &hex(&resealed.header_tag),
                    event.position
                ],
            ),
            Part::Thumbnail => session.write(
                "UPDATE recordings SET thumbnail_key_id = ?2, thumbnail_tag = ?3, position = ?4 \
                 WHERE id = ?1 AND state = 'sealed'",
                values![
                    resealed.recording,
                    &hex(&resealed.key_id),
                    &hex(&resealed.header_tag),
                    event.position
                ],
            ),
        },
        Event::RecordingChecked(checked) => session.write(
            "UPDATE recordings SET integrity = ?2, failure = ?3, checked_at = ?4, position = ?5 \
             WHERE id = ?1 AND state = 'sealed'",
            values![
                checked.recording,
                checked.integrity.name(),
                event.text.as_deref(),
                event.occurred_at,
                event.position
            ],
        ),
        Event::RecordingStarred(star) => session.write(
            "UPDATE recordings SET starred = ?2, position = ?3 WHERE id = ?1",
            values![star.recording, i64::from(star.starred), event.position],
        ),
        Event::RecordingHeld(hold) => session.write(
            "UPDATE recordings SET held = ?2, hold_reason = ?3, position = ?4 WHERE id = ?1",
            values![
                hold.recording,
                i64::from(hold.held),
                event.text.as_deref().filter(|_| hold.held),
                event.position
            ],
        ),
        // Here it is decided whether it goes, by the order of the log: a hold or a star that was
        // stored before, after whoever wants it gone looked, wins.
        Event::RecordingDeleted(deleted) => session.write(
            "UPDATE recordings SET state = 'deleted', deleted_at = ?2, deleted_by = ?3, \
             deleted_inode = ?5, deleted_changed_at = ?6, failure = NULL, position = ?4 \
             WHERE id = ?1 AND state = 'sealed' AND held = 0 \
             AND (starred = 0 OR ?3 = 'person')",
            values![
                deleted.recording,
                event.occurred_at,
                &deleted.rule,
                event.position,
                deleted.inode as i64,
                deleted.changed_at
            ],
        ),
        _ => Ok(()),
    }
}

fn fold_rotated(
    session: &mut dyn Session,
    event: &Envelope,
    rotated: &KeyRotated,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO vault_keys (key_id, since, retired_at, reencrypt, position) \
         VALUES (?1, 0, ?2, ?3, ?4) ON CONFLICT (key_id) DO UPDATE SET \
         retired_at = excluded.retired_at, reencrypt = excluded.reencrypt, \
         position = excluded.position",
        values![
            &hex(&rotated.from),
            event.occurred_at,
            i64::from(rotated.reencrypt),
            event.position
        ],
    )?;
    session.write(
        "INSERT INTO vault_keys (key_id, since, position) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key_id) DO UPDATE SET since = excluded.since, retired_at = NULL, \
         reencrypt = 0, position = excluded.position",
        values![&hex(&rotated.to), event.occurred_at, event.position],
    )?;
    // Who wants everything under the new key means what older keys sealed as well.
    if rotated.reencrypt {
        session.write(
            "UPDATE vault_keys SET reencrypt = 1, position = ?1 WHERE retired_at IS NOT NULL",
            values![event.position],
        )?;
    }
    Ok(())
}

/// Links a recording with the first motion of its camera that it overlaps. What it shows is told by
/// the first of them that says what moved.
fn link(session: &mut dyn Session, id: i64) -> Result<(), StorageError> {
    session.write(
        "UPDATE recordings SET \
         event_id = (SELECT m.position FROM recording_motions m \
             WHERE m.camera_id = recordings.camera_id \
             AND m.started_at <= coalesce(recordings.ended_at, recordings.started_at + ?4) \
             AND m.started_at >= recordings.started_at - ?3 \
             AND coalesce(m.ended_at, m.started_at + ?2) >= recordings.started_at \
             ORDER BY m.started_at, m.position LIMIT 1), \
         detection_type = (SELECT m.detection FROM recording_motions m \
             WHERE m.camera_id = recordings.camera_id \
             AND m.started_at <= coalesce(recordings.ended_at, recordings.started_at + ?4) \
             AND m.started_at >= recordings.started_at - ?3 \
             AND coalesce(m.ended_at, m.started_at + ?2) >= recordings.started_at \
             AND m.detection IS NOT NULL ORDER BY m.started_at, m.position LIMIT 1) \
         WHERE id = ?1 AND started_at IS NOT NULL",
        values![id, OPEN_MOTION_NS, LONGEST_NS, OPEN_RECORDING_NS],
    )
}

/// Ends the camera's last motion that began before `at`, unless it has an end.
fn end_motion(session: &mut dyn Session, camera: &str, at: i64) -> Result<(), StorageError> {
    let open = first(
        session,
        "SELECT position, started_at, ended_at FROM recording_motions \
         WHERE camera_id = ?1 AND started_at <= ?2 \
         ORDER BY started_at DESC, position DESC LIMIT 1",
        values![camera, at],
        |row| Ok((row.int(0)?, row.int(1)?, row.opt_int(2)?)),
    )?;
    let Some((position, started_at, None)) = open else {
        return Ok(());
    };
    session.write(
        "UPDATE recording_motions SET ended_at = ?2 WHERE position = ?1",
        values![position, at],
    )?;
    // Its length was a guess until now.
    let guessed = started_at.saturating_add(OPEN_MOTION_NS);
    link_camera(session, camera, started_at, at.max(guessed))
}

/// Links the recordings of a camera that a motion from `from` to `to` may belong to.
fn link_camera(
    session: &mut dyn Session,
    camera: &str,
    from: i64,
    to: i64,
) -> Result<(), StorageError> {
    let touched = crate::storage::all(
        session,
        "SELECT id FROM recordings WHERE camera_id = ?1 AND started_at <= ?3 \
         AND coalesce(ended_at, started_at + ?5) >= ?2 AND started_at >= ?2 - ?4",
        values![camera, from, to, LONGEST_NS, OPEN_RECORDING_NS],
        |row| row.int(0),
    )?;
    touched.into_iter().try_for_each(|id| link(session, id))
}

macro_rules! shown {
    () => {
        "SELECT started_at, CASE start_estimated WHEN 1 THEN 'estimated' END, camera_id, duration_s, \
         trigger, detection_type, state, CASE state WHEN 'sealed' THEN integrity END, \
         CASE WHEN starred = 1 AND held = 1 THEN 'starred, held' WHEN starred = 1 THEN 'starred' \
         WHEN held = 1 THEN 'held' END, CASE WHEN thumbnail_path IS NOT NULL THEN 'yes' END, \
         file_path, file_size, codec, width, height, fps, failure, event_id, id FROM recordings "
    };
}

pub(super) const VIEWS: &[View] = &[View {
    name: "recordings",
    about: "recordings: what they show, whether each is sealed and unchanged, and what keeps it",
    columns: columns![
        "started_at" Time, "start" Text, "camera_id" Text, "duration_s" Number, "trigger" Text,
        "detection_type" Text, "state" Text, "integrity" Text, "kept" Text, "thumbnail" Text,
        "file_path" Text, "file_size" Bytes, "codec" Text, "width" Number, "height" Number,
        "fps" Number, "failure" Text, "event_id" Number, "id" Number
    ],
    // Those whose start nobody knows come last. Two parts, each in the order of an index.
    sql: concat!(
        "SELECT * FROM (",
        shown!(),
        "WHERE started_at >= ?1 AND started_at < ?2 ORDER BY started_at DESC, id DESC LIMIT ?3) \
         UNION ALL SELECT * FROM (",
        shown!(),
        "WHERE started_at IS NULL ORDER BY id DESC LIMIT ?3) LIMIT ?3"
    ),
}];
