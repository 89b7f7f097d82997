//! What a path tells of a recording: camera and start. How, is for the configuration to say.

use std::fmt;

use crate::base::clock::UnixNanos;

type PlaceOf = dyn Fn(&str) -> Option<(String, UnixNanos)> + Send;

/// Tells camera and start (Unix nanoseconds) of a recording by its path inside the folder.
pub struct Place(
    /// The function that does.
    pub Box<PlaceOf>,
);

impl Default for Place {
    /// Never tells.
    fn default() -> Self {
        Self(Box::new(|_| None))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}
