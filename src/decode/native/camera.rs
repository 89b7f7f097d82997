//! Cameras: motion, liveness, errors, pictures, finished recordings.

use sha2::{Digest, Sha256};

use super::super::fields::{Fields, required};
use super::super::{Draft, Inbound, Reason};
use super::{Fact, Moment, stream_of_camera};
use crate::base::clock::UnixNanos;
use crate::base::ids::hex;
use crate::event::camera::{
    Detection, Failed, HeartbeatReceived, MotionEnded, MotionStarted, SnapshotTaken,
};
use crate::event::recording::{Finished, Trigger, printable_path};

const DETECTIONS: &[(&str, Detection)] = &[
    ("person", Detection::Person),
    ("vehicle", Detection::Vehicle),
];

const TRIGGERS: &[(&str, Trigger)] = &[
    ("MOTION", Trigger::Motion),
    ("CONTINUOUS", Trigger::Continuous),
    ("MANUAL", Trigger::Manual),
    ("TIMELAPSE", Trigger::Timelapse),
    ("HIGHLIGHT", Trigger::Highlight),
];

/// Longest path of a recording, bytes: Linux' `PATH_MAX`.
const MAX_PATH_BYTES: usize = 4_096;

pub(super) fn motion_started(id: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let motion = MotionStarted {
        detection: fields.word("detection", DETECTIONS)?,
        confidence: fields.fraction("confidence")?,
        bbox: fields.bounding_box()?,
        extra: fields.rest(),
    };
    Ok(Fact::of(stream_of_camera(id), motion))
}

pub(super) fn motion_ended(id: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let motion = MotionEnded {
        detection: fields.word("detection", DETECTIONS)?,
        confidence: fields.fraction("confidence")?,
        bbox: fields.bounding_box()?,
        extra: fields.rest(),
    };
    Ok(Fact::of(stream_of_camera(id), motion))
}

pub(super) fn heartbeat(id: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let heartbeat = HeartbeatReceived {
        fps: fields.number("fps")?,
        extra: fields.rest(),
    };
    Ok(Fact::of(stream_of_camera(id), heartbeat))
}

pub(super) fn failed(id: &str, fields: &mut Fields<'_>) -> Result<Fact, Reason> {
    let message = required(fields.text("message")?, "message", "the camera's error")?;
    let failed = Failed {
        extra: fields.rest(),
    };
    Ok(Fact {
        text: Some(message),
        ..Fact::of(stream_of_camera(id), failed)
    })
}

pub(super) fn snapshot(id: &str, inbound: &Inbound) -> Result<Draft, Reason> {
    let picture = &inbound.payload;
    let media_type = media_type(picture).ok_or_else(|| {
        Reason(format!(
            "{} bytes that are no picture; expected JPEG, PNG, WebP or GIF",
            picture.len()
        ))
    })?;
    let snapshot = SnapshotTaken {
        media_type: media_type.to_owned(),
        sha256: hex(&Sha256::digest(picture)),
        picture: picture.clone(),
    };
    let moment = Moment {
        at: inbound.received_at,
        suspect: false,
    };
    Ok(Fact::of(stream_of_camera(id), snapshot).at(moment))
}

fn media_type(picture: &[u8]) -> Option<&'static str> {
    if picture.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if picture.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if picture.starts_with(b"RIFF") && picture.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else if picture.starts_with(b"GIF87a") || picture.starts_with(b"GIF89a") {
        Some("image/gif")
    } else {
        None
    }
}

/// The times of the first and last picture are believed or not like the message's own.
pub(super) fn recording_finished(
    id: &str,
    received_at: UnixNanos,
    fields: &mut Fields<'_>,
) -> Result<Fact, Reason> {
    let file = required(fields.text("file")?, "file", "the recording's path")?;
    if file.is_empty() || file.len() > MAX_PATH_BYTES {
        return Err(Reason(format!(
            "key \"file\" holds {} bytes; expected a path of 1 to {MAX_PATH_BYTES}",
            file.len()
        )));
    }
    let finished = Finished {
        camera: id.to_owned(),
        trigger: fields.word("trigger", TRIGGERS)?,
        started_at: credible(fields, "started_at", "claimed_started_at", received_at)?,
        ended_at: credible(fields, "ended_at", "claimed_ended_at", received_at)?,
        fps: fields.number("fps")?,
        frame_count: fields.count("frame_count")?,
        extra: fields.rest(),
        file,
    };
    let stream = format!("recording/{}", printable_path(finished.file.as_bytes()));
    Ok(Fact::by_camera(id, stream, finished))
}

fn credible(
    fields: &mut Fields<'_>,
    key: &'static str,
    claim_key: &'static str,
    received_at: UnixNanos,
) -> Result<Option<UnixNanos>, Reason> {
    if fields
        .peek(key)
        .is_none_or(|value| *value == super::super::json::Json::Null)
    {
        fields.take(key);
        return Ok(None);
    }
    let moment = fields.moment(key, claim_key, received_at)?;
    Ok((!moment.suspect).then_some(moment.at))
}
