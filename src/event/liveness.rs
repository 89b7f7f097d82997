//! Devices that fall silent and come back, and what a person did about a moment.

use serde::{Deserialize, Serialize};

macro_rules! silences {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// When it was last heard of, Unix nanoseconds; none if never.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub last_at: Option<i64>,
            /// The silence that it may keep, seconds.
            pub allowed_s: i64,
        }
    )*};
}

silences! {
    /// A sensor said nothing for longer than it may.
    SensorWentSilent;
    /// A camera said nothing for longer than it may.
    CameraWentSilent;
}

macro_rules! returns {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// Since when it counted as silent, Unix nanoseconds.
            pub silent_since: i64,
        }
    )*};
}

returns! {
    /// A silent sensor was heard again.
    SensorReturned;
    /// A silent camera was heard again.
    CameraReturned;
}

/// Somebody has seen a moment, or takes that back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventAcknowledged {
    /// Position of the moment.
    pub position: i64,
    /// Whether it is acknowledged now.
    pub acknowledged: bool,
    /// Who did it.
    pub by: String,
}
