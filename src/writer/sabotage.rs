//! Promises broken on purpose, one at a time, so that the crash suite can be seen to fail.
//!
//! Only a build with the feature `sabotage` can break any; all others get [`Sabotage::NONE`].

use crate::storage::sqlite::Durability;

/// Which promise is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage(Mode);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    None,
    #[cfg(feature = "sabotage")]
    AckBeforeCommit,
    #[cfg(feature = "sabotage")]
    NoSync,
    #[cfg(feature = "sabotage")]
    Window64,
    #[cfg(feature = "sabotage")]
    NoEpoch,
}

impl Sabotage {
    /// Every promise is kept.
    pub const NONE: Self = Self(Mode::None);

    /// The mode with this name: `ack-before-commit`, `no-sync`, `window-64`, `no-epoch`.
    #[cfg(feature = "sabotage")]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(Self(match name {
            "ack-before-commit" => Mode::AckBeforeCommit,
            "no-sync" => Mode::NoSync,
            "window-64" => Mode::Window64,
            "no-epoch" => Mode::NoEpoch,
            _ => return None,
        }))
    }

    /// Whether answers go out before the commit.
    pub fn answers_early(self) -> bool {
        #[cfg(feature = "sabotage")]
        return self.0 == Mode::AckBeforeCommit;
        #[cfg(not(feature = "sabotage"))]
        false
    }

    /// Whether acks of an old connection go out on a new one.
    pub fn ignores_epoch(self) -> bool {
        #[cfg(feature = "sabotage")]
        return self.0 == Mode::NoEpoch;
        #[cfg(not(feature = "sabotage"))]
        false
    }

    #[cfg_attr(not(feature = "sabotage"), expect(clippy::unused_self))]
    pub(super) fn durability(self, configured: Durability) -> Durability {
        #[cfg(feature = "sabotage")]
        if self.0 == Mode::NoSync {
            return Durability::Scratch;
        }
        configured
    }

    #[cfg_attr(not(feature = "sabotage"), expect(clippy::unused_self))]
    pub(super) fn delivery_window(self, configured: i64) -> i64 {
        #[cfg(feature = "sabotage")]
        if self.0 == Mode::Window64 {
            return 64;
        }
        configured
    }
}
