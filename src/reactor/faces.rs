//! Whose face it is: the nearest known one, the publisher's own word, or somebody new.
//!
//! Only faces of cameras that are opted in come here with anything to compare; the decoder withholds
//! the rest. A face nearer than `match_distance` to one that is kept belongs to that profile. A
//! profile id of the publisher's goes before the distance: it is an alias of one profile, and a
//! profile that has another alias is somebody else, however alike.
//!
//! What is compared with is bounded, 32 faces per profile and 10,000 in all; which one makes room
//! stands in the event, so that a rebuild keeps the same ones without these too. One look costs a
//! scan of the vectors: some 3 ms for 10,000 of them.

use std::collections::HashSet;
use std::path::PathBuf;

use super::{Reaction, Reactor, Scene, never};
use crate::event::house::{FacePrivacy, FaceSeen};
use crate::event::people::{FaceMatched, distance};
use crate::event::{Envelope, Event, Kind, NewEvent};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Matches faces.
pub const REACTOR: Reactor = Reactor {
    name: "faces",
    kinds: &[Kind::FaceSeen],
    react,
    tick: never,
};

/// Faces kept per profile: enough for glasses, beards and seasons.
pub const PER_PROFILE_MAX: usize = 32;
/// Faces kept in all; each new one is compared with all of them.
pub const KEPT_MAX: usize = 10_000;
/// Of a profile's faces the newest are kept whatever they look like: people change.
const NEWEST_KEPT: usize = 8;

/// What the configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// A face is the same as one that is nearer than this (1 − cosine).
    pub match_distance: f64,
    /// The folder of the cut-out pictures; only in there is anything deleted.
    pub crops_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            match_distance: 0.6,
            crops_dir: None,
        }
    }
}

fn react(scene: &mut Scene<'_>, event: &Envelope) -> Reaction {
    let Event::FaceSeen(face) = &event.event else {
        return Ok(Vec::new());
    };
    let comparable = face.privacy == Some(FacePrivacy::OptedIn) && face.is_identifiable();
    if !comparable || event.is_snapshot() {
        return Ok(Vec::new());
    }
    let found = whose(scene.session, face, scene.settings.faces.match_distance)?;
    let profile = found.map_or(event.position, |found| found.profile);
    let said = first(
        scene.session,
        "SELECT name IS NOT NULL OR EXISTS (SELECT 1 FROM face_aliases WHERE profile_id = ?1), \
         ignored FROM face_profiles WHERE id = ?1",
        values![profile],
        |row| Ok((row.int(0)? == 1, row.int(1)? == 1)),
    )?;
    let (known, ignored) = said.unwrap_or_default();
    let dropped = match face.vector() {
        Some(vector) => making_room(scene.session, event.position, profile, vector)?,
        None => Vec::new(),
    };
    let matched = FaceMatched {
        face: event.position,
        profile,
        camera: face.camera.clone(),
        distance: found.and_then(|found| found.distance),
        is_new: found.is_none(),
        known: known || face.profile_id.is_some(),
        ignored,
        dropped,
    };
    // On the camera's stream: one per person would tell a forgotten person's events from others'.
    let mut new = NewEvent::own(scene.now, format!("camera/{}", face.camera), matched)
        .caused_by(event.position);
    new.occurred_at = event.occurred_at;
    Ok(vec![new])
}

#[derive(Clone, Copy, Debug)]
struct Found {
    profile: i64,
    distance: Option<f64>,
}

fn whose(
    session: &mut dyn Session,
    face: &FaceSeen,
    match_distance: f64,
) -> Result<Option<Found>, StorageError> {
    let near = |found: &Found| found.distance.is_some_and(|at| at < match_distance);
    let Some(alias) = &face.profile_id else {
        let found = match face.vector() {
            Some(vector) => nearest(session, vector, &HashSet::new())?,
            None => None,
        };
        return Ok(found.filter(near));
    };
    let known = first(
        session,
        "SELECT profile_id FROM face_aliases WHERE alias = ?1",
        values![alias],
        |row| row.int(0),
    )?;
    if let Some(profile) = known {
        let distance = None;
        return Ok(Some(Found { profile, distance }));
    }
    let Some(vector) = face.vector() else {
        return Ok(None);
    };
    let others = all(session, "SELECT profile_id FROM face_aliases", &[], |row| {
        row.int(0)
    })?;
    let found = nearest(session, vector, &others.into_iter().collect())?;
    Ok(found.filter(near))
}

/// The profile of the nearest face; of two that are as near, the older one.
fn nearest(
    session: &mut dyn Session,
    vector: &[u8],
    but: &HashSet<i64>,
) -> Result<Option<Found>, StorageError> {
    let mut best: Option<(f64, i64)> = None;
    session.read(
        "SELECT profile_id, embedding FROM face_embeddings ORDER BY id",
        &[],
        &mut |row| {
            if let Some(at) = distance(vector, row.blob(1)?)
                && best.is_none_or(|(nearest, _)| at < nearest)
            {
                let profile = row.int(0)?;
                if !but.contains(&profile) {
                    best = Some((at, profile));
                }
            }
            Ok(())
        },
    )?;
    Ok(best.map(|(at, profile)| Found {
        profile,
        distance: Some(at),
    }))
}

/// Which faces go when this one comes.
fn making_room(
    session: &mut dyn Session,
    position: i64,
    profile: i64,
    vector: &[u8],
) -> Result<Vec<i64>, StorageError> {
    let mut own = all(
        session,
        "SELECT id, embedding FROM face_embeddings WHERE profile_id = ?1 ORDER BY id",
        values![profile],
        |row| Ok((row.int(0)?, row.blob(1)?.to_vec())),
    )?;
    own.push((position, vector.to_vec()));
    let mut dropped = Vec::new();
    while own.len() > PER_PROFILE_MAX {
        dropped.push(own.remove(most_redundant(&own)).0);
    }
    let kept = first(
        session,
        "SELECT count(*) FROM face_embeddings",
        &[],
        |row| row.int(0),
    )?;
    let kept = kept.unwrap_or_default() as usize + 1 - dropped.len();
    if kept > KEPT_MAX {
        // The oldest of those that nobody has named; a clusters' last face too.
        dropped.extend(all(
            session,
            "SELECT e.id FROM face_embeddings e LEFT JOIN face_profiles p ON p.id = e.profile_id \
             ORDER BY p.name IS NOT NULL, e.id LIMIT ?1",
            values![(kept - KEPT_MAX) as i64],
            |row| row.int(0),
        )?);
    }
    Ok(dropped)
}

/// The face that another one is most like, the newest ones aside: what is left spreads out.
fn most_redundant(faces: &[(i64, Vec<u8>)]) -> usize {
    let older = faces.len().saturating_sub(NEWEST_KEPT);
    let nearest_other = |index: usize| {
        let others = faces
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        others
            .filter_map(|(_, (_, other))| distance(&faces[index].1, other))
            .fold(f64::INFINITY, f64::min)
    };
    (0..older)
        .map(|index| (index, nearest_other(index)))
        .min_by(|one, other| one.1.total_cmp(&other.1))
        .map_or(0, |(index, _)| index)
}
