//! How the follower goes, as the status tells it.

use serde::{Deserialize, Serialize};

use crate::detection::counted;

/// Further behind than this, the models lag: some seconds of the worst flood.
pub(super) const LAG_EVENTS: i64 = 100_000;

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Models.
    pub models: usize,
    /// Position of the last event that went into them; none before they have begun.
    pub position: Option<i64>,
    /// Events that they have not read yet, as of [`Health::as_of`].
    pub behind: i64,
    /// Anomalies told since the start.
    pub told: u64,
    /// Lines that came too late for their minute.
    pub late_lines: u64,
    /// Models that went for others since the start: there are more sources or hosts than are watched.
    pub evicted: u64,
    /// Why it does not go on.
    pub trouble: Option<String>,
}

impl Health {
    /// With how far it is behind an event log that ends at `head`. Whoever asks counts: a follower
    /// that hangs would say for ever that it is at the head.
    #[must_use]
    pub fn as_of(mut self, head: i64) -> Self {
        self.behind = self.position.map_or(0, |position| (head - position).max(0));
        self
    }

    /// For people, in a line.
    pub fn line(&self) -> String {
        if self.position.is_none() {
            return "not begun yet".into();
        }
        let models = counted(self.models as u64, "model");
        match self.behind {
            0 => format!("{models}, at the head"),
            1 => format!("{models}, 1 event behind"),
            behind => format!("{models}, {behind} events behind"),
        }
    }

    /// What somebody should know.
    pub fn warning(&self) -> Option<String> {
        if let Some(trouble) = &self.trouble {
            return Some(format!("detection does not go on: {trouble}"));
        }
        (self.behind > LAG_EVENTS).then(|| {
            format!(
                "the models are {} events behind; they catch up by themselves, anomalies are told \
                 late until then",
                self.behind
            )
        })
    }
}
