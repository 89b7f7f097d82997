//! What "finished" messages say of files: kept until the file comes, then taken over by its row.

use crate::base::clock::{DAY_NS, SECOND_NS};
use crate::event::recording::file_key;
use crate::storage::{Session, StorageError, first};
use crate::values;

/// What a message said of a file that never came is forgotten after this time.
pub(super) const HINT_AGE_NS: i64 = 7 * DAY_NS;
/// Most files whose messages are kept before they come.
const HINTS_MAX: i64 = 16_384;
/// A message and a file are about one recording only if their starts are no further apart. A path
/// may tell the time of another zone, but not of another day.
const APART_NS: i64 = DAY_NS;
/// Bounds what is kept of files that never came. By the order of events and the times in them alone,
/// so that a rebuild comes out the same.
pub(super) fn forget_hints(session: &mut dyn Session, now: i64) -> Result<(), StorageError> {
    session.write(
        "DELETE FROM recording_hints WHERE received_at < ?1",
        values![now.saturating_sub(HINT_AGE_NS)],
    )?;
    session.write(
        "DELETE FROM recording_hints WHERE position <= \
         (SELECT position FROM recording_hints ORDER BY position DESC LIMIT 1 OFFSET ?1)",
        values![HINTS_MAX],
    )
}

/// A recording's times, and whether the file's own time is all that tells its start.
struct Times {
    camera: Option<String>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    duration_s: Option<f64>,
    estimated: bool,
}

/// What a message said of a file.
struct Hint {
    camera: String,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    position: i64,
}

/// Takes over what the newest message about this file said: of the recording's own camera, or of
/// any when the path does not tell the camera. Returns the position of the message.
pub(super) fn take_hint(
    session: &mut dyn Session,
    id: i64,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let times = first(
        session,
        "SELECT camera_id, started_at, ended_at, duration_s, start_estimated FROM recordings \
         WHERE id = ?1",
        values![id],
        |row| {
            Ok(Times {
                camera: row.opt_text(0)?.map(ToOwned::to_owned),
                started_at: row.opt_int(1)?,
                ended_at: row.opt_int(2)?,
                duration_s: row.opt_real(3)?,
                estimated: row.int(4)? == 1,
            })
        },
    )?;
    let Some(times) = times else {
        return Ok(None);
    };
    let hint = first(
        session,
        "SELECT camera_id, started_at, ended_at, position FROM recording_hints \
         WHERE file = ?1 AND (?2 IS NULL OR camera_id = ?2) ORDER BY position DESC LIMIT 1",
        values![file_key(name), times.camera.as_deref()],
        |row| {
            Ok(Hint {
                camera: row.text(0)?.to_owned(),
                started_at: row.opt_int(1)?,
                ended_at: row.opt_int(2)?,
                position: row.int(3)?,
            })
        },
    )?;
    let Some(hint) = hint.filter(|hint| times.may_be_of(hint)) else {
        return Ok(None);
    };
    let joined = times.joined(&hint);
    // What the camera says of itself beats what a path pattern guesses.
    session.write(
        "UPDATE recordings SET camera_id = ?2, trigger = hint.trigger, started_at = ?3, \
         ended_at = ?4, duration_s = ?5, start_estimated = ?6, \
         fps = coalesce(recordings.fps, hint.fps), \
         frame_count = coalesce(recordings.frame_count, hint.frame_count) \
         FROM (SELECT trigger, fps, frame_count FROM recording_hints WHERE position = ?7) AS hint \
         WHERE recordings.id = ?1",
        values![
            id,
            joined.camera.as_deref(),
            joined.started_at,
            joined.ended_at,
            joined.duration_s,
            i64::from(joined.estimated),
            hint.position
        ],
    )?;
    Ok(Some(hint.position))
}

pub(super) fn drop_hint(session: &mut dyn Session, position: i64) -> Result<(), StorageError> {
    session.write(
        "DELETE FROM recording_hints WHERE position = ?1",
        values![position],
    )
}

impl Times {
    /// Whether the message may be about this recording, and not another one of the same name.
    fn may_be_of(&self, hint: &Hint) -> bool {
        match (self.started_at, hint.started_at.or(hint.ended_at)) {
            // A file may have been copied long after it was recorded.
            (Some(ours), Some(theirs)) if !self.estimated => {
                ours.abs_diff(theirs) <= APART_NS as u64
            }
            _ => true,
        }
    }

    /// The times with those of the message; what one of them leaves out follows from the others.
    fn joined(self, hint: &Hint) -> Self {
        let length = self.duration_s.map(nanos);
        let ended = hint
            .ended_at
            .filter(|end| hint.started_at.is_none_or(|start| start <= *end));
        let from_end = || {
            ended
                .zip(length)
                .map(|(end, length)| end.saturating_sub(length))
        };
        let told = hint
            .started_at
            .or_else(|| if self.estimated { from_end() } else { None });
        let started_at = told.or(self.started_at);
        let follows = || match (told, length) {
            (Some(start), Some(length)) => Some(start.saturating_add(length)),
            (Some(_), None) => None,
            (None, _) => self.ended_at,
        };
        let ended_at = ended
            .filter(|end| started_at.is_none_or(|start| start <= *end))
            .or_else(follows);
        let both = hint.started_at.zip(ended);
        let between = both.map(|(start, end)| end.saturating_sub(start) as f64 / SECOND_NS as f64);
        Self {
            camera: Some(hint.camera.clone()),
            started_at,
            ended_at,
            duration_s: self.duration_s.or(between),
            estimated: self.estimated && told.is_none(),
        }
    }
}

pub(super) fn nanos(seconds: f64) -> i64 {
    (seconds * SECOND_NS as f64) as i64
}
