//! The formulas of docs/health.md that are about one series: attempts, periods, spikes, outliers,
//! counters and growth. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::base::clock::{DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, UnixNanos};

/// So many failed logins of one address are an attempt by brute force.
pub const ATTEMPTS_MIN: i64 = 5;
/// When so many of them lie this close together, a machine is at work.
pub const BURST_NS: i64 = 300 * SECOND_NS;
/// What a burst adds to the severity.
const BURST_POINTS: i64 = 20;
/// A period of high use takes at least so long …
pub const PERIOD_MIN_NS: i64 = 300 * SECOND_NS;
/// … and has at least so many samples: one alone is a hiccup.
pub const PERIOD_SAMPLES_MIN: usize = 3;
/// Without a sample for so long nobody knows whether it went on.
pub const PERIOD_GAP_NS: i64 = 15 * MINUTE_NS;
/// A bucket is a spike when it has so many errors …
pub const SPIKE_MIN: i64 = 10;
/// … and so many times the mean of all buckets.
pub const SPIKE_TIMES_MEAN: f64 = 3.0;
/// A value that lies so many standard deviations from the mean is an anomaly.
pub const ANOMALY_SIGMAS: f64 = 3.0;
/// Fewer values have no mean to speak of. With ten, no value can lie further than 3 σ from a mean
/// that it is part of (the most is (n − 1) / √n).
pub const ANOMALY_VALUES_MIN: usize = 12;

/// Of less time nobody can tell what a day brings: one copied file would fill the disk by tonight.
pub const GROWTH_SPAN_MIN_NS: i64 = 6 * HOUR_NS;

/// Three anomalies within so long are no chance.
const SPELL_NS: i64 = 300 * SECOND_NS;

/// Severity of `attempts` failed logins of one address: min(100, 50 + 5 (n − 5)), and 20 more for a
/// burst, 100 at most.
pub fn brute_force_severity(attempts: i64, burst: bool) -> i64 {
    let more = attempts.saturating_sub(ATTEMPTS_MIN).max(0);
    let alone = 50_i64.saturating_add(more.saturating_mul(5)).min(100);
    let burst = if burst { BURST_POINTS } else { 0 };
    (alone + burst).min(100)
}

/// Looks, as times go by in order, whether [`ATTEMPTS_MIN`] of them lie within [`BURST_NS`].
#[derive(Debug, Default)]
pub struct Bursts {
    last: VecDeque<UnixNanos>,
    seen: bool,
}

impl Bursts {
    /// The next time.
    pub fn push(&mut self, at: UnixNanos) {
        self.last.push_back(at);
        if self.last.len() > ATTEMPTS_MIN as usize {
            self.last.pop_front();
        }
        let first = self.last.front().copied().unwrap_or(at);
        let whole = self.last.len() == ATTEMPTS_MIN as usize;
        self.seen |= whole && at.saturating_sub(first) <= BURST_NS;
    }

    /// Whether it was so at any time.
    pub const fn seen(&self) -> bool {
        self.seen
    }
}

/// A time during which a value stayed at or above the threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    /// Its first sample.
    pub started_at: UnixNanos,
    /// Its last sample.
    pub ended_at: UnixNanos,
    /// Samples.
    pub samples: usize,
    /// Their mean.
    pub mean: f64,
    /// The highest.
    pub max: f64,
}

/// The periods in samples that are in order of time. A sample below the threshold ends a period, as
/// does one without a value, and a gap of [`PERIOD_GAP_NS`].
pub fn periods(samples: &[(UnixNanos, Option<f64>)], threshold: f64) -> Vec<Period> {
    let mut found = Vec::new();
    let mut open: Option<Period> = None;
    for &(at, value) in samples {
        let high = value.filter(|value| *value >= threshold);
        let went_on = open
            .as_ref()
            .is_none_or(|period| at.saturating_sub(period.ended_at) <= PERIOD_GAP_NS);
        if high.is_none() || !went_on {
            found.extend(open.take());
        }
        let Some(value) = high else { continue };
        match &mut open {
            Some(period) => {
                period.ended_at = at;
                // The sum until it is closed.
                period.mean += value;
                period.samples += 1;
                period.max = period.max.max(value);
            }
            None => {
                open = Some(Period {
                    started_at: at,
                    ended_at: at,
                    samples: 1,
                    mean: value,
                    max: value,
                });
            }
        }
    }
    found.extend(open);
    found.retain(|period| {
        period.samples >= PERIOD_SAMPLES_MIN && period.ended_at - period.started_at >= PERIOD_MIN_NS
    });
    for period in &mut found {
        period.mean /= period.samples as f64;
    }
    found
}

/// A bucket with far more errors than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Spike {
    /// Where the bucket begins.
    pub at: UnixNanos,
    /// Errors in it.
    pub errors: i64,
    /// The mean of all buckets of the range, empty ones too.
    pub mean: f64,
}

/// The spikes among buckets of `width_ns` that begin at `since`: the number of each that has any
/// errors, from 0, and how many it has.
pub fn spikes(
    counts: &[(i64, i64)],
    since: UnixNanos,
    until: UnixNanos,
    width_ns: i64,
) -> Vec<Spike> {
    if until <= since || width_ns <= 0 {
        return Vec::new();
    }
    let buckets = until.saturating_sub(since) as f64 / width_ns as f64;
    let errors: i64 = counts.iter().map(|(_, errors)| errors).sum();
    let mean = errors as f64 / buckets.ceil().max(1.0);
    counts
        .iter()
        .filter(|&&(_, errors)| errors >= SPIKE_MIN && errors as f64 >= mean * SPIKE_TIMES_MEAN)
        .map(|&(bucket, errors)| Spike {
            at: since.saturating_add(bucket.saturating_mul(width_ns)),
            errors,
            mean,
        })
        .collect()
}

/// A value that is far from its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// When.
    pub at: UnixNanos,
    /// The value.
    pub value: f64,
    /// The mean of all.
    pub mean: f64,
    /// How many standard deviations (of all values, not of a sample) it lies from the mean; negative
    /// below it.
    pub sigmas: f64,
}

/// The values that lie [`ANOMALY_SIGMAS`] or more from the mean.
pub fn anomalies(values: &[(UnixNanos, f64)]) -> Vec<Anomaly> {
    if values.len() < ANOMALY_VALUES_MIN {
        return Vec::new();
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|(_, value)| value).sum::<f64>() / count;
    let squares = values.iter().map(|(_, value)| (value - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    if deviation == 0.0 {
        return Vec::new();
    }
    values
        .iter()
        .map(|&(at, value)| Anomaly {
            at,
            value,
            mean,
            sigmas: (value - mean) / deviation,
        })
        .filter(|anomaly| anomaly.sigmas.abs() >= ANOMALY_SIGMAS)
        .collect()
}

/// How often something was odd for a while: three anomalies and more of one kind within five minutes.
/// Of thousands of samples a day dozens lie far from the mean by chance alone.
pub fn lasting(anomalies: &[(&str, Anomaly)]) -> usize {
    let mut times = BTreeMap::<&str, Vec<UnixNanos>>::new();
    for (what, anomaly) in anomalies {
        times.entry(what).or_default().push(anomaly.at);
    }
    times.into_values().map(spells).sum()
}

fn spells(mut times: Vec<UnixNanos>) -> usize {
    times.sort_unstable();
    let (mut spells, mut over_at) = (0, None);
    for three in times.windows(3) {
        let is_new = over_at.is_none_or(|over_at| three[0] > over_at);
        if three[2].saturating_sub(three[0]) <= SPELL_NS {
            spells += usize::from(is_new);
            over_at = Some(three[2].saturating_add(SPELL_NS));
        }
    }
    spells
}

/// Most that is believed to have been gained from one sample to the next, as the rollups believe it:
/// 10 Tbit/s for a quarter of an hour.
pub const GAIN_MAX: i64 = 1 << 50;

/// What a counter that counts since the host started gained from one sample to the next. A counter
/// that stands lower than before began anew: nothing is known of what lies between.
pub fn gained(before: Option<i64>, now: Option<i64>) -> i64 {
    match (before, now) {
        (Some(before), Some(now)) => now.saturating_sub(before).clamp(0, GAIN_MAX),
        _ => 0,
    }
}

/// What a change within `span_ns` is per day; none within [`GROWTH_SPAN_MIN_NS`].
pub fn per_day(change: i64, span_ns: i64) -> Option<f64> {
    (span_ns >= GROWTH_SPAN_MIN_NS).then(|| change as f64 * DAY_NS as f64 / span_ns as f64)
}

/// Days until `free` is used up; none when nothing grows.
pub fn days_left(free: i64, growth_per_day: f64) -> Option<f64> {
    (growth_per_day > 0.0).then(|| free.max(0) as f64 / growth_per_day)
}

/// Where something goes, compared with the period before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// For the better.
    Better,
    /// As it was.
    Steady,
    /// For the worse.
    Worse,
    /// One of the two is not known.
    Unknown,
}

impl Trend {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Steady => "steady",
            Self::Worse => "worse",
            Self::Unknown => "unknown",
        }
    }

    /// Of a score, where more is better and `tolerance` is noise.
    pub fn of_score(before: Option<f64>, now: Option<f64>, tolerance: f64) -> Self {
        match (before, now) {
            (Some(before), Some(now)) if now - before >= tolerance => Self::Better,
            (Some(before), Some(now)) if before - now >= tolerance => Self::Worse,
            (Some(_), Some(_)) => Self::Steady,
            _ => Self::Unknown,
        }
    }

    /// Of a count of bad things, where fewer are better: a tenth and at least one is a change.
    pub fn of_count(before: i64, now: i64) -> Self {
        let tolerance = (before.max(now) as f64 / 10.0).max(1.0);
        Self::of_score(Some(-(before as f64)), Some(-(now as f64)), tolerance)
    }
}

#[cfg(test)]
#[path = "formula/tests.rs"]
mod tests;
