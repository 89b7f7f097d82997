//! In which order a host writes its lines: a Markov chain over their templates, 0 for a line without.

use super::shelf::{Kept, Model};
use super::{Finding, Sensitivity, Stage, StateError, Verdict};
use crate::base::clock::UnixNanos;
use crate::learn::markov::{Markov, Settings, WARM_UP};

/// The model of one host.
#[derive(Debug)]
pub(super) struct Order(Markov);

fn settings(sensitivity: Sensitivity) -> Settings {
    let normal = Settings::default();
    Settings {
        threshold: normal.threshold * sensitivity.factor(),
        ..normal
    }
}

impl Model for Order {
    const PREFIX: &'static str = "markov:host:";

    fn fresh(sensitivity: Sensitivity) -> Self {
        Self(Markov::new(settings(sensitivity)).expect("our settings are in range"))
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        vec![self.0.encode()]
    }

    fn from_parts(parts: &[Vec<u8>], sensitivity: Sensitivity) -> Result<Self, StateError> {
        let [bytes] = parts else {
            return Err(StateError::Frame("a part is missing"));
        };
        let model = Markov::decode(bytes)?;
        if *model.settings() == settings(sensitivity) {
            Ok(Self(model))
        } else {
            Err(StateError::Settings)
        }
    }

    fn stage(&self, learned: u64) -> Stage {
        if learned <= WARM_UP {
            Stage::WarmingUp
        } else {
            Stage::Ready
        }
    }

    fn subject(name: &str) -> String {
        format!("host/{name}")
    }
}

impl Kept<Order> {
    /// Learns from the next line, written `at` and stored as `event`; it counts for `minute`, which
    /// is no later than that of its arrival: what a sender's clock says must not mute the next ones.
    pub(super) fn line(
        &mut self,
        name: &str,
        minute: i64,
        (at, event): (UnixNanos, i64),
        template: i64,
    ) -> Option<Finding> {
        self.learned = self.learned.saturating_add(1);
        let anomaly = self.model.0.update(template.cast_unsigned())?;
        let verdict = Verdict {
            score: anomaly.score,
            threshold: self.model.0.settings().threshold,
            observed: anomaly.bits,
            expected: anomaly.expected_bits,
            above: true,
            text: format!(
                "{name} wrote lines in an unusual order: {:.1} bits of surprise a line, {:.1} are usual",
                anomaly.bits, anomaly.expected_bits
            ),
        };
        self.tell(name, minute, (at, event), verdict)
    }
}
