//! How much a source writes: Holt-Winters over its lines a minute, one that wrote nothing counted as 0.

use super::shelf::{Kept, Model};
use super::{Finding, Sensitivity, Stage, StateError, Verdict, counted};
use crate::base::clock::MINUTE_NS;
use crate::learn::Direction;
use crate::learn::holt_winters::{HoltWinters, Settings, WARM_UP_MINUTES};

/// The model of one source.
#[derive(Debug)]
pub(super) struct Volume(HoltWinters);

fn settings(sensitivity: Sensitivity) -> Settings {
    let normal = Settings::default();
    Settings {
        threshold: normal.threshold * sensitivity.factor(),
        ..normal
    }
}

impl Model for Volume {
    const PREFIX: &'static str = "hw:source:";

    fn fresh(sensitivity: Sensitivity) -> Self {
        Self(HoltWinters::new(settings(sensitivity)).expect("our settings are in range"))
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        vec![self.0.encode()]
    }

    fn from_parts(parts: &[Vec<u8>], sensitivity: Sensitivity) -> Result<Self, StateError> {
        let [bytes] = parts else {
            return Err(StateError::Frame("a part is missing"));
        };
        let model = HoltWinters::decode(bytes)?;
        if *model.settings() == settings(sensitivity) {
            Ok(Self(model))
        } else {
            Err(StateError::Settings)
        }
    }

    fn stage(&self, learned: u64) -> Stage {
        if learned < u64::from(WARM_UP_MINUTES) {
            Stage::WarmingUp
        } else if self.0.knows_season() {
            Stage::Ready
        } else {
            Stage::FloodsOnly
        }
    }

    fn subject(name: &str) -> String {
        format!("source/{name}")
    }
}

impl Kept<Volume> {
    /// Learns from a minute in which the source wrote `lines`; `event` is the last one's position.
    pub(super) fn minute(
        &mut self,
        name: &str,
        minute: i64,
        lines: u64,
        event: i64,
    ) -> Option<Finding> {
        let unwatched = self.feed(minute);
        let model = &mut self.model.0;
        model.skip(unwatched);
        let anomaly = model.update(lines)?;
        let verdict = Verdict {
            score: anomaly.score,
            threshold: model.settings().threshold,
            observed: lines as f64,
            expected: anomaly.expected,
            above: anomaly.direction == Direction::Above,
            text: format!(
                "{name} wrote {} in a minute, {}",
                counted(lines, "line"),
                usual(anomaly.expected)
            ),
        };
        let at = minute.saturating_mul(MINUTE_NS);
        self.tell(name, minute, (at, event), verdict)
    }
}

/// `41 are usual`
pub(super) fn usual(expected: f64) -> String {
    match expected.round() {
        ..1.0 => "hardly any is usual".into(),
        1.0 => "1 is usual".into(),
        many => format!("{many} are usual"),
    }
}
