//! People: recognised faces, who a person says they are, forgetting; reminders of parcels; who came
//! and went.
//!
//! A name stands in one kind of event only, `face.profile_edited`, a face in one other, `face.seen`:
//! everything else calls a person by the number of the profile, so that little has to be redacted
//! when the person is forgotten. [`redacted`] says what is left of an event then.

use serde::{Deserialize, Serialize};

use super::Event;
use super::house::{FacePrivacy, FaceSeen};

/// The profile number in what is left of a match after its person was forgotten.
pub const NOBODY: i64 = 0;

/// A face was found to belong to a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaceMatched {
    /// Position of the `face.seen`.
    pub face: i64,
    /// The profile; [`NOBODY`] once it is forgotten.
    pub profile: i64,
    /// The camera that saw it.
    pub camera: String,
    /// 1 − cosine to the nearest known face; none for the first one and where the publisher's own
    /// profile id decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// The profile was made for this face.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_new: bool,
    /// Somebody had said who it is: a person by a name, or the publisher by an id.
    #[serde(default, skip_serializing_if = "is_false")]
    pub known: bool,
    /// A person had said that this profile is of no interest.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignored: bool,
    /// Faces (positions) that are no longer kept for comparing, to keep within the bounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<i64>,
}

/// What a person said of a profile; what is none stays as it is. Of one that was forgotten only
/// [`NOBODY`] is left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileEdited {
    /// The profile; [`NOBODY`] once it is forgotten.
    pub profile: i64,
    /// The name; an empty one takes the name away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the person lives here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub household: Option<bool>,
    /// The member whose presence the face tells; an empty one takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_member: Option<String>,
    /// Whether the face is of no interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<bool>,
}

/// A person said that two profiles are one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfilesMerged {
    /// The profile that goes.
    pub from: i64,
    /// The one that stays.
    pub into: i64,
}

/// A person was forgotten: their faces, names, pictures and visits are gone, and the events that
/// told of them are redacted. Which events that were is not told: their times would be the person's
/// visits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonForgotten {
    /// The profile.
    pub profile: i64,
    /// Events that were redacted.
    pub events: i64,
    /// Pictures that are to be deleted.
    pub crops: i64,
}

/// Why somebody was reminded of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReminderCause {
    /// The sun set.
    Sunset,
    /// It has been lying for long.
    Age,
}

/// A parcel still lies there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageReminded {
    /// Its id: position of its first `package.detected`.
    pub package: i64,
    /// Why now.
    pub because: ReminderCause,
}

/// How it is known that a member came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresenceCause {
    /// It was told.
    Report,
    /// Nothing was told for too long.
    Silence,
    /// The configuration names the member, or its role.
    Configured,
}

impl PresenceCause {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Silence => "silence",
            Self::Configured => "configured",
        }
    }
}

/// A member came home or left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresenceChanged {
    /// The member, as it is called on the bus.
    pub member: String,
    /// `HOME` or `AWAY`; none when nothing was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `HOME` or `AWAY`.
    pub to: String,
    /// How it is known.
    pub because: PresenceCause,
    /// `adult` or `child`.
    pub role: String,
}

/// The household as a whole became something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HouseholdChanged {
    /// `EMPTY`, `KIDS_HOME`, `ADULTS_HOME` or `ALL_HOME`; none when nothing was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// One of the same.
    pub to: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What is left of an event about a person once the person is forgotten; none for a kind that tells
/// of nobody. It is never longer than the event was, so that the database writes it over the old
/// bytes.
pub fn redacted(event: &Event) -> Option<Event> {
    match event {
        Event::FaceSeen(face) => Some(
            FaceSeen {
                camera: face.camera.clone(),
                profile_id: None,
                confidence: face.confidence,
                embedding: None,
                crop_path: None,
                privacy: Some(FacePrivacy::Forgotten),
                extra: super::Extra::new(),
            }
            .into(),
        ),
        Event::FaceMatched(matched) => Some(
            FaceMatched {
                face: matched.face,
                profile: NOBODY,
                camera: matched.camera.clone(),
                distance: None,
                is_new: false,
                known: false,
                ignored: matched.ignored,
                dropped: matched.dropped.clone(),
            }
            .into(),
        ),
        Event::FaceProfileEdited(_) => Some(
            // Not even the number: the profile may have been merged into the one that is forgotten.
            ProfileEdited {
                profile: NOBODY,
                ..ProfileEdited::default()
            }
            .into(),
        ),
        _ => None,
    }
}

/// 1 − cosine of the angle between two faces (f32, little endian); none when one is of no use:
/// another length, a number that is not finite, or no direction at all.
pub fn distance(one: &[u8], other: &[u8]) -> Option<f64> {
    if one.len() != other.len() {
        return None;
    }
    let (ones, rest) = one.as_chunks::<4>();
    let (others, _) = other.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let (mut dot, mut ones_square, mut others_square) = ([0.0_f32; 8], [0.0_f32; 8], [0.0_f32; 8]);
    // Eight sums side by side: the compiler makes vector instructions of them.
    for (ones, others) in ones.chunks(8).zip(others.chunks(8)) {
        for (lane, (one, other)) in ones.iter().zip(others).enumerate() {
            let (a, b) = (f32::from_le_bytes(*one), f32::from_le_bytes(*other));
            dot[lane] += a * b;
            ones_square[lane] += a * a;
            others_square[lane] += b * b;
        }
    }
    let sum = |lanes: [f32; 8]| lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
    let lengths = (sum(ones_square) * sum(others_square)).sqrt();
    let cosine = sum(dot) / lengths;
    (lengths > 0.0 && cosine.is_finite()).then(|| 1.0 - cosine.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    #[test]
    fn a_distance_is_that_of_directions() {
        let near = |found: Option<f64>, expected: f64| {
            assert!(
                (found.expect("usable") - expected).abs() < 1e-6,
                "{found:?}"
            );
        };
        let face: Vec<f32> = (0..128_u8).map(|at| f32::from(at) - 60.0).collect();
        near(distance(&bytes(&face), &bytes(&face)), 0.0);
        let longer: Vec<f32> = face.iter().map(|number| number * 7.5).collect();
        near(distance(&bytes(&face), &bytes(&longer)), 0.0);
        let opposite: Vec<f32> = face.iter().map(|number| -number).collect();
        near(distance(&bytes(&face), &bytes(&opposite)), 2.0);
        near(distance(&bytes(&[1.0, 0.0]), &bytes(&[0.0, 3.0])), 1.0);
        near(distance(&bytes(&[1.0, 0.0]), &bytes(&[3.0, 4.0])), 0.4);
    }

    #[test]
    fn what_has_no_direction_is_near_to_nothing() {
        let face = bytes(&[1.0, 2.0]);
        for useless in [
            bytes(&[0.0, 0.0]),
            bytes(&[f32::NAN, 1.0]),
            bytes(&[f32::INFINITY, 1.0]),
            vec![1, 2, 3],
            Vec::new(),
        ] {
            assert_eq!(distance(&face, &useless), None, "{useless:?}");
            assert_eq!(distance(&useless, &useless), None, "{useless:?}");
        }
        assert_eq!(distance(&face, &bytes(&[1.0])), None, "another length");
    }
}
