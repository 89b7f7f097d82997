//! What a host does in a minute, taken together: half-space trees over a few figures, which tell an
//! unusual combination even if no figure is unusual by itself.
//!
//! Counts are scaled by their largest value of late, processor and memory are parts of the whole. A
//! forest has no threshold of its own: a mean and deviation of its scores says what is odd.

use super::minute::{HostMinute, Mean};
use super::shelf::{Kept, Model};
use super::{Finding, Sensitivity, Stage, StateError, Verdict, counted};
use crate::base::clock::MINUTE_NS;
use crate::learn::ModelError;
use crate::learn::baseline::Baseline;
use crate::learn::half_space_trees::{HalfSpaceTrees, Settings};
use crate::learn::running_max::RunningMax;

/// Lines, errors, warnings, failed logins, sources, templates.
const COUNTS: usize = 6;
/// And processor, memory.
const FEATURES: usize = COUNTS + 2;
/// The largest value has halved after a day of minutes.
const HALF_LIFE: u32 = 24 * 60;
/// Scores that are only learned from: a window of the forest.
const WARM_UP: u64 = 250;
/// An anomaly lies so many deviations above the mean score.
const THRESHOLD: f64 = 6.0;
/// Scores of a host that always does the same hardly differ; a fiftieth of the scale is nobody's
/// concern.
const DEVIATION_MIN: f64 = 0.02;
/// The weight of a score after the warm-up: half a day.
const WEIGHT: f64 = 1.0 / 720.0;
/// Of an anomaly no more is learned than lies so many deviations off.
const PULL_MAX: f64 = 3.0;

/// The model of one host.
#[derive(Debug)]
pub(super) struct Mix {
    forest: HalfSpaceTrees<FEATURES>,
    scales: [RunningMax; COUNTS],
    scores: Baseline,
    threshold: f64,
}

/// Trees less deep than the paper's: below a tenth of the window nobody looks.
fn settings() -> Settings {
    Settings {
        depth: 6,
        ..Settings::default()
    }
}

impl Model for Mix {
    const PREFIX: &'static str = "hst:host:";

    fn fresh(sensitivity: Sensitivity) -> Self {
        Self {
            forest: HalfSpaceTrees::new(settings()).expect("our settings are in range"),
            scales: [RunningMax::new(HALF_LIFE); COUNTS],
            scores: Baseline::default(),
            threshold: THRESHOLD * sensitivity.factor(),
        }
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts = vec![self.forest.encode(), self.scores.encode()];
        parts.extend(self.scales.iter().map(RunningMax::encode));
        parts
    }

    fn from_parts(parts: &[Vec<u8>], sensitivity: Sensitivity) -> Result<Self, StateError> {
        let [forest, scores, scales @ ..] = parts else {
            return Err(StateError::Frame("a part is missing"));
        };
        let scales: Result<Vec<_>, ModelError> = scales
            .iter()
            .map(|bytes| RunningMax::decode(bytes))
            .collect();
        let read = Self {
            forest: HalfSpaceTrees::decode(forest)?,
            scores: Baseline::decode(scores)?,
            scales: scales?
                .try_into()
                .map_err(|_| StateError::Frame("a part is missing"))?,
            // Says when something is told, not what is learned.
            threshold: THRESHOLD * sensitivity.factor(),
        };
        if *read.forest.settings() == settings() {
            Ok(read)
        } else {
            Err(StateError::Settings)
        }
    }

    fn stage(&self, _: u64) -> Stage {
        if self.scores.samples() < WARM_UP {
            Stage::WarmingUp
        } else {
            Stage::Ready
        }
    }

    fn subject(name: &str) -> String {
        format!("host/{name}")
    }
}

impl Mix {
    fn point(&mut self, minute: &HostMinute) -> [f64; FEATURES] {
        let counts = minute.counts();
        let mut point = [0.0; FEATURES];
        for ((place, scale), count) in point.iter_mut().zip(&mut self.scales).zip(counts) {
            *place = scale.scale(count as f64);
        }
        point[COUNTS] = minute.cpu.mean() / 100.0;
        point[COUNTS + 1] = minute.memory.mean() / 100.0;
        point
    }

    /// The score, what is usual, and how many deviations lie between; none in the warm-up.
    fn judge(&mut self, point: &[f64; FEATURES]) -> Option<(f64, f64, f64)> {
        let score = self.forest.score(point)?;
        let (usual, deviation) = (
            self.scores.mean(),
            self.scores.deviation().max(DEVIATION_MIN),
        );
        if self.scores.samples() < WARM_UP {
            self.scores.learn(score, WEIGHT);
            return None;
        }
        let most = usual + PULL_MAX * deviation;
        self.scores.learn(score.min(most), WEIGHT);
        Some((score, usual, (score - usual) / deviation))
    }
}

impl Kept<Mix> {
    /// Learns from a minute of the host; `event` is the last one's position.
    pub(super) fn minute(
        &mut self,
        name: &str,
        minute: i64,
        seen: &HostMinute,
        event: i64,
    ) -> Option<Finding> {
        self.feed(minute);
        let point = self.model.point(seen);
        let judged = self.model.judge(&point);
        self.model.forest.update(&point);
        let (observed, expected, score) = judged?;
        let threshold = self.model.threshold;
        if score < threshold {
            return None;
        }
        let verdict = Verdict {
            score,
            threshold,
            observed,
            expected,
            above: true,
            text: sentence(name, seen),
        };
        let at = minute.saturating_mul(MINUTE_NS);
        self.tell(name, minute, (at, event), verdict)
    }
}

fn sentence(name: &str, minute: &HostMinute) -> String {
    let [lines, errors, warnings, failed, sources, templates] = minute.counts();
    let part = |what: &str, mean: &Mean| {
        let shown = mean
            .is_known()
            .then(|| format!(", {what} {:.0} %", mean.mean()));
        shown.unwrap_or_default()
    };
    format!(
        "{name} had an unusual minute: {}, {}, {}, {}, {} and {}{}{}",
        counted(lines, "line"),
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(failed, "failed login"),
        counted(sources, "source"),
        counted(templates, "template"),
        part("processor", &minute.cpu),
        part("memory", &minute.memory),
    )
}
