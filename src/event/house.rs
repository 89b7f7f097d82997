//! The household: parcels, faces, presence, power, arming.

use serde::{Deserialize, Serialize};

use super::Extra;

/// A parcel lies there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageDetected {
    /// The camera that sees it.
    pub camera: String,
    /// Certainty, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Path of the cut-out picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_path: Option<String>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// The parcel is gone from its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackageCollected {
    /// The camera that saw it go.
    pub camera: String,
    /// Certainty, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Path of the cut-out picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_path: Option<String>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A face before a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaceSeen {
    /// The camera that saw it.
    pub camera: String,
    /// The known person, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// Certainty, 0..=1.
    pub confidence: f64,
    /// The face as 128 numbers (f32, little endian, 512 bytes), if the detector sends it.
    #[serde(
        default,
        with = "super::message::opt_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    pub embedding: Option<Vec<u8>>,
    /// Path of the cut-out picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop_path: Option<String>,
    /// What may be done with it; none for a face of before anybody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<FacePrivacy>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl FaceSeen {
    /// Whether it tells whose face it is, or can be compared with others.
    pub fn is_identifiable(&self) -> bool {
        self.profile_id.is_some() || self.vector().is_some()
    }

    /// The face as numbers, if they are of any use.
    pub fn vector(&self) -> Option<&[u8]> {
        let bytes = self.embedding.as_deref()?;
        super::people::distance(bytes, bytes).map(|_| bytes)
    }
}

/// What may be done with a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FacePrivacy {
    /// Its camera is opted in: it is compared with the faces that are known.
    OptedIn,
    /// Its camera is not opted in: nothing was kept but that there was a face.
    Withheld,
    /// The person was forgotten.
    Forgotten,
}

macro_rules! ups_events {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// The UPS' own word, such as `OL CHRG`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status: Option<String>,
            /// Charge, percent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub charge_pct: Option<f64>,
            /// Time left on battery, seconds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub runtime_s: Option<f64>,
            /// Mains voltage, volts.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub input_voltage: Option<f64>,
            /// Load, percent.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub load_pct: Option<f64>,
            /// The rest.
            #[serde(default, skip_serializing_if = "Extra::is_empty")]
            pub extra: Extra,
        }
    )*};
}

ups_events! {
    /// A status report.
    UpsStatusReported;
    /// Mains failed.
    UpsPowerLost;
    /// Mains came back.
    UpsPowerRestored;
    /// The battery is low.
    UpsBatteryLow;
    /// The UPS is about to cut off.
    UpsBatteryCritical;
}

/// A member's presence as told; whether it is news, the fold knows. The member is the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PresenceReported {
    /// `HOME`, `AWAY`, or the household's state such as `EMPTY`.
    pub state: String,
    /// `adult` or `child`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// A state that somebody can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ArmMode {
    /// Nothing is watched.
    Disarmed,
    /// The shell is watched.
    ArmedHome,
    /// All is watched.
    ArmedAway,
    /// As at home, asleep.
    ArmedNight,
}

impl ArmMode {
    /// As stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disarmed => "DISARMED",
            Self::ArmedHome => "ARMED_HOME",
            Self::ArmedAway => "ARMED_AWAY",
            Self::ArmedNight => "ARMED_NIGHT",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Disarmed,
            Self::ArmedHome,
            Self::ArmedAway,
            Self::ArmedNight,
        ]
        .into_iter()
        .find(|mode| mode.name() == name)
    }
}

/// What is known of the PIN that came with a request. The PIN itself is gone when this is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PinVerdict {
    /// None came.
    Absent,
    /// It is the right one.
    Correct,
    /// It is another one.
    Wrong,
    /// It was not looked at: too many wrong ones came before.
    Locked,
    /// There is no PIN to compare it with.
    Unconfigured,
    /// None is needed: the request came from the box itself, where no PIN is configured.
    Trusted,
}

impl PinVerdict {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "ABSENT",
            Self::Correct => "CORRECT",
            Self::Wrong => "WRONG",
            Self::Locked => "LOCKED",
            Self::Unconfigured => "UNCONFIGURED",
            Self::Trusted => "TRUSTED",
        }
    }
}

/// Somebody asked for a mode. What they typed as a PIN was taken out before this value was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmRequested {
    /// The mode asked for.
    pub mode: ArmMode,
    /// Whether a PIN came with it.
    pub pin_given: bool,
    /// What became of the PIN where it was verified; none from a program that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<PinVerdict>,
    /// It came without a time of its own right after a session was taken up again: the broker may
    /// have held it for long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// Who or what asked; `unknown` when the message does not say.
    pub triggered_by: String,
    /// The rest.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
