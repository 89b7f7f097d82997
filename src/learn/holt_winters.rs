//! Holt-Winters: additive exponential smoothing of counts per minute, with a level, a trend and a
//! season (a day). Hyndman and Athanasopoulos: Forecasting: Principles and Practice, 8.3, in the form
//! of error correction, with r = observed − (level + trend + season):
//!
//! - level += trend + α r
//! - trend += α β r
//! - season\[this minute\] += γ r
//!
//! A minute is an anomaly when |r| is many times the usual |r| (an exponentially weighted mean). What
//! lies beyond [`Settings::clip`] times the usual is learned from as if it lay there (Gelper, Fried,
//! Croux: Robust forecasting with exponential and Holt-Winters smoothing, 2010): a flood of some
//! minutes leaves no trace, one that lasts for hours becomes the norm.
//!
//! Until two whole seasons were seen there is a level alone, and only floods are told: a minute with
//! few events may be the evening. The season then is the mean of both, or, where they disagree, the
//! one nearer to what its neighbours said: an outage or a flood on the first day is no habit.
//!
//! The caller feeds every minute: a silent one as 0, one that nobody watched with
//! [`HoltWinters::skip`].

use std::f64::consts::FRAC_2_PI;

use serde::{Deserialize, Serialize};

use super::{Direction, ModelError, require, state};

const VERSION: u8 = 1;

/// After so many minutes floods are told.
pub const WARM_UP_MINUTES: u32 = 60;
/// The longest season: a week of minutes, 80 kB.
pub const PERIOD_MAX: u32 = 7 * 24 * 60;
/// What is learned stays within this, so that nothing overflows whatever comes.
const LARGEST: f64 = 1e15;

/// How counts are smoothed and judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The season, minutes; 2 to [`PERIOD_MAX`].
    pub period: u32,
    /// α: the weight of a minute in the level, 0 to 1.
    pub alpha: f64,
    /// β (β* of the textbook): the weight of the level's change in the trend, 0 to 1.
    pub beta: f64,
    /// γ: the weight of a day in the season, 0 to 1 − α.
    pub gamma: f64,
    /// The weight of a minute in the usual residual, above 0, at most 1.
    pub scale_weight: f64,
    /// A residual is learned from up to so many times the usual; none: in full, as in the textbook.
    pub clip: Option<f64>,
    /// An anomaly is at least so many times the usual residual …
    pub threshold: f64,
    /// … and so many events: twice nothing is still not much.
    pub events_min: f64,
}

impl Default for Settings {
    /// The level halves an error in 14 minutes, the season in a week, the usual residual in 70 minutes.
    /// A threshold of 8 is 6.4 standard deviations of a normal distribution.
    fn default() -> Self {
        Self {
            period: 24 * 60,
            alpha: 0.05,
            beta: 0.001,
            gamma: 0.1,
            scale_weight: 0.01,
            clip: Some(3.0),
            threshold: 8.0,
            events_min: 10.0,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), ModelError> {
        require((2..=PERIOD_MAX).contains(&self.period), "period")?;
        require((0.0..=1.0).contains(&self.alpha), "alpha")?;
        require((0.0..=1.0).contains(&self.beta), "beta")?;
        require((0.0..=1.0 - self.alpha).contains(&self.gamma), "gamma")?;
        require((1e-6..=1.0).contains(&self.scale_weight), "scale weight")?;
        let clip = self.clip.is_none_or(|clip| (1.0..=1e6).contains(&clip));
        require(clip, "clip")?;
        require((1.0..=1e6).contains(&self.threshold), "threshold")?;
        require((0.0..=1e9).contains(&self.events_min), "least events")
    }
}

/// Where smoothing starts when it is known from elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Initial {
    /// Events per minute before the first minute.
    pub level: f64,
    /// Events per minute and minute.
    pub trend: f64,
    /// What each minute of the season is off the level; the first minute first.
    pub season: Vec<f64>,
    /// The usual residual, events per minute.
    pub scale: f64,
}

/// A minute that is far from what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    /// Events in it.
    pub observed: u64,
    /// Events that were expected.
    pub expected: f64,
    /// |observed − expected| in usual residuals.
    pub score: f64,
    /// More or fewer than expected.
    pub direction: Direction,
}

/// The model of one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoltWinters {
    settings: Settings,
    /// Minutes that were watched, up to [`WARM_UP_MINUTES`].
    watched: u32,
    /// Minutes since the start; one that lies in the third season goes back from its end to its
    /// beginning.
    minute: u32,
    level: f64,
    trend: f64,
    /// The usual residual: a mean of |r|.
    scale: f64,
    /// In the first season the counts so far, in the second the counts of both, from then on what
    /// each minute is off the level.
    season: Vec<f64>,
}

impl Default for HoltWinters {
    fn default() -> Self {
        Self::empty(Settings::default())
    }
}

impl HoltWinters {
    /// One that knows nothing yet. Its first minute is the season's first.
    pub fn new(settings: Settings) -> Result<Self, ModelError> {
        settings.check()?;
        Ok(Self::empty(settings))
    }

    /// One that goes on from what is known: no warm-up.
    pub fn with_initial(settings: Settings, initial: Initial) -> Result<Self, ModelError> {
        let model = Self {
            watched: WARM_UP_MINUTES,
            minute: settings.period.saturating_mul(2),
            level: initial.level,
            trend: initial.trend,
            scale: initial.scale,
            season: initial.season,
            settings,
        };
        model.check()?;
        Ok(model)
    }

    fn empty(settings: Settings) -> Self {
        Self {
            settings,
            watched: 0,
            minute: 0,
            level: 0.0,
            trend: 0.0,
            scale: 0.0,
            season: Vec::new(),
        }
    }

    /// How it smooths and judges.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the season is known: two whole ones were seen.
    pub const fn knows_season(&self) -> bool {
        self.minute >= 2 * self.settings.period
    }

    /// What the next minute is expected to be, events; may be below zero.
    pub fn forecast(&self) -> f64 {
        let season = if self.knows_season() {
            self.season[self.slot()]
        } else {
            0.0
        };
        self.level + self.trend + season
    }

    /// Learns from the next minute; what is wrong with it.
    pub fn update(&mut self, count: u64) -> Option<Anomaly> {
        let forecast = self.forecast();
        let anomaly = self.judge(count, forecast.max(0.0));
        let residual = count as f64 - forecast;
        self.collect(count as f64, forecast);
        self.learn(self.clipped(residual, forecast));
        self.step();
        anomaly
    }

    /// Passes minutes that nobody watched: they are taken to be as expected, and teach nothing. More
    /// than a season of them changes nothing but the time of day.
    pub fn skip(&mut self, minutes: u64) {
        if self.watched == 0 {
            return;
        }
        for _ in 0..minutes % u64::from(self.settings.period) {
            let forecast = self.forecast();
            self.collect(forecast.max(0.0), forecast);
            self.step();
        }
    }

    fn is_warm(&self) -> bool {
        self.watched >= WARM_UP_MINUTES
    }

    fn slot(&self) -> usize {
        (self.minute % self.settings.period) as usize
    }

    /// The usual residual where `expected` events are expected. It is not less than that of events
    /// that have nothing to do with each other (Poisson: √(2/π · expected)), nor than that of one
    /// event: a source that was silent for a day has no residual.
    fn scale_at(&self, expected: f64) -> f64 {
        self.scale.max((FRAC_2_PI * expected.max(1.0)).sqrt())
    }

    fn judge(&self, observed: u64, expected: f64) -> Option<Anomaly> {
        let residual = observed as f64 - expected;
        let score = residual.abs() / self.scale_at(expected);
        let is_far = score >= self.settings.threshold && residual.abs() >= self.settings.events_min;
        let may_tell = self.is_warm() && (residual > 0.0 || self.knows_season());
        (is_far && may_tell).then_some(Anomaly {
            observed,
            expected,
            score,
            direction: if residual > 0.0 {
                Direction::Above
            } else {
                Direction::Below
            },
        })
    }

    /// In the warm-up nobody knows yet what is far.
    fn clipped(&self, residual: f64, forecast: f64) -> f64 {
        match self.settings.clip.filter(|_| self.is_warm()) {
            Some(clip) => {
                let most = clip * self.scale_at(forecast);
                residual.clamp(-most, most)
            }
            None => residual,
        }
    }

    fn learn(&mut self, residual: f64) {
        let Settings {
            alpha,
            beta,
            gamma,
            scale_weight,
            ..
        } = self.settings;
        if self.is_warm() {
            self.level = bounded(self.level + self.trend + alpha * residual);
            self.trend = bounded(self.trend + alpha * beta * residual);
            self.scale = bounded(self.scale + scale_weight * (residual.abs() - self.scale));
        } else {
            // Plain means, as long as a minute weighs more in them than later on. The first minute
            // has no residual.
            let before = f64::from(self.watched);
            self.level = bounded(self.level + residual * alpha.max(1.0 / (before + 1.0)));
            if self.watched > 0 {
                let weight = scale_weight.max(1.0 / before);
                self.scale = bounded(self.scale + weight * (residual.abs() - self.scale));
            }
            self.watched += 1;
        }
        if self.knows_season() {
            let slot = self.slot();
            self.season[slot] = bounded(self.season[slot] + gamma * residual);
        }
    }

    /// Keeps a count for the season to come.
    fn collect(&mut self, observed: f64, forecast: f64) {
        if self.knows_season() {
            return;
        }
        let observed = bounded(observed);
        let slot = self.slot();
        let tolerance = self
            .settings
            .clip
            .map(|clip| clip * self.scale_at(forecast));
        match self.season.get_mut(slot) {
            None => self.season.push(observed),
            Some(kept) => *kept = agreed(*kept, observed, forecast, tolerance),
        }
    }

    fn step(&mut self) {
        self.minute += 1;
        let period = self.settings.period;
        if self.minute == 2 * period {
            self.settle();
        } else if self.minute == 3 * period {
            self.minute = 2 * period;
        }
    }

    /// Turns the counts of two seasons into a level and what is off it. Two are too few to tell a
    /// trend from chance.
    fn settle(&mut self) {
        self.level = self.season.iter().sum::<f64>() / f64::from(self.settings.period);
        self.trend = 0.0;
        for count in &mut self.season {
            *count -= self.level;
        }
    }

    fn check(&self) -> Result<(), ModelError> {
        self.settings.check()?;
        let period = self.settings.period;
        require(self.watched <= WARM_UP_MINUTES, "minutes watched")?;
        require(self.minute < 3 * period, "minute")?;
        let seen = self.minute.min(period) as usize;
        require(self.season.len() == seen, "length of the season")?;
        let is_sane = |figure: &f64| figure.abs() <= 2.0 * LARGEST;
        require(self.season.iter().all(is_sane), "season")?;
        require(is_sane(&self.level), "level")?;
        require(is_sane(&self.trend), "trend")?;
        require((0.0..=LARGEST).contains(&self.scale), "scale")
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        state::encode(VERSION, self)
    }

    /// From the bytes of [`HoltWinters::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let read: Self = state::decode(VERSION, bytes)?;
        read.check()?;
        Ok(read)
    }
}

/// What two seasons say of one minute: their mean, or, if they lie further apart than `tolerance`,
/// the one nearer to `forecast`.
fn agreed(first: f64, second: f64, forecast: f64, tolerance: Option<f64>) -> f64 {
    if tolerance.is_none_or(|tolerance| (first - second).abs() <= tolerance) {
        f64::midpoint(first, second)
    } else if (first - forecast).abs() < (second - forecast).abs() {
        first
    } else {
        second
    }
}

fn bounded(figure: f64) -> f64 {
    figure.clamp(-LARGEST, LARGEST)
}

#[cfg(test)]
mod tests;
