//! An episode: what is odd again and again is one thing, and told once.

use serde::{Deserialize, Serialize};

/// So many minutes without anything odd end an episode.
const CALM_MINUTES: i64 = 60;
/// An episode is told again when it has become so many times as odd.
const AGAIN: f64 = 2.0;

/// The last episode of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Episode {
    /// It goes on with what is odd up to this minute.
    until: i64,
    /// How odd it was when it was told last.
    score: f64,
    /// More than usual, not less.
    above: bool,
}

impl Episode {
    /// Whether something odd in `minute` is to be told.
    pub(super) fn tells(&mut self, minute: i64, score: f64, above: bool) -> bool {
        let goes_on = minute <= self.until && above == self.above;
        self.until = minute.saturating_add(CALM_MINUTES);
        let tells = !goes_on || score >= AGAIN * self.score;
        if tells {
            (self.score, self.above) = (score, above);
        }
        tells
    }

    /// Ends what goes on longer than anything up to `now` can: the clock went back.
    pub(super) fn rewind(&mut self, now: i64) {
        if self.until > now.saturating_add(CALM_MINUTES) {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_and_again_when_it_doubles() {
        let mut episode = Episode::default();
        assert!(episode.tells(1_000, 10.0, true));
        assert!(!episode.tells(1_001, 19.0, true));
        assert!(episode.tells(1_002, 20.0, true));
        assert!(!episode.tells(1_003, 39.0, true));
        assert!(!episode.tells(1_063, 12.0, true), "still within the hour");
        assert!(episode.tells(1_124, 12.0, true), "a calm hour later");
        assert!(episode.tells(1_125, 9.0, false), "less is another matter");
    }
}
