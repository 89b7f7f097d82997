//! A first-order Markov chain over symbols (the templates of the lines that one host or user writes):
//! tells an order that is unlike what came before.
//!
//! The surprise of a transition is −log₂ P bits, with P = (n(from, to) + a) / (n(from) + a · (k + 1)):
//! n are counts, a is the smoothing (1 is Laplace's), k symbols are known, and all that were never
//! seen share one more place. What is told is not one surprise but the mean of the last
//! [`WINDOW`], when it lies far above what is usual of such means; once, until it has come back.
//!
//! The most used symbols and transitions are kept, up to [`SYMBOLS_MAX`] and [`TRANSITIONS_MAX`].
//! Counts are halved every [`HALVE_AFTER`] transitions, so that old habits fade. A count that comes
//! to zero is dropped.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::{ModelError, require, state};

const VERSION: u8 = 1;

/// Symbols that are kept.
pub const SYMBOLS_MAX: usize = 512;
/// Transitions that are kept: eight a symbol.
pub const TRANSITIONS_MAX: usize = 4_096;
/// Transitions after which all counts are halved.
pub const HALVE_AFTER: u32 = 16_384;
/// Transitions whose mean surprise is judged.
pub const WINDOW: usize = 16;
/// After so many transitions something may be told.
pub const WARM_UP: u64 = 500;

/// In the first half of the warm-up every transition is new, and its surprise says nothing.
const JUDGED_AFTER: u64 = WARM_UP / 2;
/// The weight of a mean in what is usual: each is almost the one before it, so some thirty windows.
const BASELINE_WEIGHT: f64 = 1.0 / 512.0;
/// A chain that never errs has no deviation; a quarter of a bit is nobody's concern.
const DEVIATION_MIN_BITS: f64 = 0.25;
/// Of an anomaly no more is learned than lies so many deviations off.
const PULL_MAX: f64 = 3.0;
/// More bits than any counts and smoothing can make.
const BITS_MAX: f64 = 128.0;

/// How a chain is judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is added to every count, above 0.
    pub smoothing: f64,
    /// An anomaly lies at least so many deviations above the usual mean.
    pub threshold: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            smoothing: 1.0,
            threshold: 6.0,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<(), ModelError> {
        require((1e-6..=1e6).contains(&self.smoothing), "smoothing")?;
        require((1.0..=1e6).contains(&self.threshold), "threshold")
    }
}

/// Symbols in an order that is unlike what came before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    /// Mean surprise of the last [`WINDOW`] transitions, bits.
    pub bits: f64,
    /// What it usually is, bits.
    pub expected_bits: f64,
    /// How far it lies above that, in deviations.
    pub score: f64,
}

/// What is known of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Symbol {
    /// Transitions to it; says how much it is used.
    arrivals: u32,
    /// Kept transitions from it, counted.
    departures: u32,
}

/// The chain of one host or user.
#[derive(Clone, Debug, PartialEq)]
pub struct Markov {
    settings: Settings,
    symbols: HashMap<u64, Symbol>,
    transitions: HashMap<(u64, u64), u32>,
    last: Option<u64>,
    /// Transitions since the start.
    learned: u64,
    /// Transitions since counts were halved.
    since_halved: u32,
    /// Surprises of the last transitions, bits; the oldest first.
    window: VecDeque<f64>,
    /// Of the window's means.
    baseline: Baseline,
    /// An anomaly was told and goes on.
    told: bool,
}

impl Default for Markov {
    fn default() -> Self {
        Self::empty(Settings::default())
    }
}

impl Markov {
    /// One that knows nothing yet.
    pub fn new(settings: Settings) -> Result<Self, ModelError> {
        settings.check()?;
        Ok(Self::empty(settings))
    }

    fn empty(settings: Settings) -> Self {
        Self {
            settings,
            symbols: HashMap::new(),
            transitions: HashMap::new(),
            last: None,
            learned: 0,
            since_halved: 0,
            window: VecDeque::with_capacity(WINDOW),
            baseline: Baseline::default(),
            told: false,
        }
    }

    /// How it is judged.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The surprise of a transition by what is known now, bits.
    pub fn surprise(&self, from: u64, to: u64) -> f64 {
        let count = self.transitions.get(&(from, to)).copied().unwrap_or(0);
        let known = self.symbols.get(&from).copied().unwrap_or_default();
        self.bits(count, known.departures, self.symbols.len())
    }

    /// Learns from the next symbol; what is wrong with the order of the last ones, told once until
    /// half of the threshold is undercut.
    pub fn update(&mut self, symbol: u64) -> Option<Anomaly> {
        let Some(from) = self.last.replace(symbol) else {
            self.symbols.entry(symbol).or_default();
            return None;
        };
        let bits = self.count(from, symbol);
        self.learned = self.learned.saturating_add(1);
        if self.learned <= JUDGED_AFTER {
            return None;
        }
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(bits);
        if self.window.len() < WINDOW {
            return None;
        }
        self.judge()
    }

    fn bits(&self, count: u32, departures: u32, known: usize) -> f64 {
        let smoothing = self.settings.smoothing;
        let all = f64::from(departures) + smoothing * (known + 1) as f64;
        (all / (f64::from(count) + smoothing)).log2()
    }

    fn judge(&mut self) -> Option<Anomaly> {
        let bits = self.window.iter().sum::<f64>() / WINDOW as f64;
        let expected_bits = self.baseline.mean();
        let deviation = self.baseline.deviation().max(DEVIATION_MIN_BITS);
        let score = (bits - expected_bits) / deviation;
        if self.learned <= WARM_UP {
            self.baseline.learn(bits, BASELINE_WEIGHT);
            return None;
        }
        let most = expected_bits + PULL_MAX * deviation;
        self.baseline.learn(bits.min(most), BASELINE_WEIGHT);
        let least = if self.told {
            self.settings.threshold / 2.0
        } else {
            self.settings.threshold
        };
        let was_told = std::mem::replace(&mut self.told, score >= least);
        (self.told && !was_told).then_some(Anomaly {
            bits,
            expected_bits,
            score,
        })
    }

    /// Counts a transition; its surprise before. One look into each table, for they cost the most.
    fn count(&mut self, from: u64, to: u64) -> f64 {
        let known = self.symbols.len();
        let count = self.transitions.entry((from, to)).or_default();
        let symbol = self.symbols.entry(from).or_default();
        let (count_before, departures_before) = (*count, symbol.departures);
        *count += 1;
        symbol.departures += 1;
        self.symbols.entry(to).or_default().arrivals += 1;
        let bits = self.bits(count_before, departures_before, known);
        self.since_halved += 1;
        if self.since_halved >= HALVE_AFTER {
            self.halve();
        }
        if self.symbols.len() > SYMBOLS_MAX || self.transitions.len() > TRANSITIONS_MAX {
            self.prune();
        }
        bits
    }

    fn halve(&mut self) {
        self.since_halved = 0;
        self.symbols.retain(|_, symbol| {
            symbol.arrivals /= 2;
            symbol.arrivals > 0
        });
        self.transitions.retain(|_, count| {
            *count /= 2;
            *count > 0
        });
        self.join();
    }

    /// Keeps three quarters of a table that is full: a flood of new symbols pays for it once in a
    /// hundred.
    fn prune(&mut self) {
        if self.symbols.len() > SYMBOLS_MAX {
            keep_most_used(&mut self.symbols, SYMBOLS_MAX / 4 * 3, |symbol| {
                symbol.arrivals
            });
        }
        if self.transitions.len() > TRANSITIONS_MAX {
            keep_most_used(&mut self.transitions, TRANSITIONS_MAX / 4 * 3, |count| {
                *count
            });
        }
        self.join();
    }

    /// Drops transitions from and to symbols that were dropped, and counts departures again.
    fn join(&mut self) {
        for symbol in self.symbols.values_mut() {
            symbol.departures = 0;
        }
        self.transitions.retain(|(from, to), count| {
            if !self.symbols.contains_key(to) {
                return false;
            }
            let Some(symbol) = self.symbols.get_mut(from) else {
                return false;
            };
            symbol.departures += *count;
            true
        });
    }

    /// As bytes. The same model makes the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        state::encode(VERSION, &Stored::of(self))
    }

    /// From the bytes of [`Markov::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        state::decode::<Stored>(VERSION, bytes)?.into_model()
    }
}

/// Keeps `kept` entries of highest use. Of equal ones the smaller keys stay: the outcome must not
/// depend on the order of a table.
fn keep_most_used<K: Copy + Eq + Ord + std::hash::Hash, V>(
    table: &mut HashMap<K, V>,
    kept: usize,
    used: impl Fn(&V) -> u32,
) {
    let rank = |(key, value): (&K, &V)| (std::cmp::Reverse(used(value)), *key);
    let mut ranks: Vec<_> = table.iter().map(rank).collect();
    if kept < ranks.len() {
        let (_, first_out, _) = ranks.select_nth_unstable(kept);
        let first_out = *first_out;
        table.retain(|key, value| rank((key, value)) < first_out);
    }
}

/// A chain as it is stored: tables in order, departures left out, for they follow from the rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    settings: Settings,
    /// Symbol, arrivals.
    symbols: Vec<(u64, u32)>,
    /// From, to, count.
    transitions: Vec<(u64, u64, u32)>,
    last: Option<u64>,
    learned: u64,
    since_halved: u32,
    window: Vec<f64>,
    baseline: Baseline,
    told: bool,
}

impl Stored {
    fn of(model: &Markov) -> Self {
        let symbols = model.symbols.iter();
        let mut symbols: Vec<_> = symbols
            .map(|(symbol, known)| (*symbol, known.arrivals))
            .collect();
        symbols.sort_unstable();
        let transitions = model.transitions.iter();
        let mut transitions: Vec<_> = transitions
            .map(|((from, to), count)| (*from, *to, *count))
            .collect();
        transitions.sort_unstable();
        Self {
            settings: model.settings,
            symbols,
            transitions,
            last: model.last,
            learned: model.learned,
            since_halved: model.since_halved,
            window: model.window.iter().copied().collect(),
            baseline: model.baseline,
            told: model.told,
        }
    }

    fn into_model(self) -> Result<Markov, ModelError> {
        self.settings.check()?;
        self.baseline.check()?;
        require(self.symbols.len() <= SYMBOLS_MAX, "number of symbols")?;
        require(
            self.transitions.len() <= TRANSITIONS_MAX,
            "number of transitions",
        )?;
        require(
            self.since_halved < HALVE_AFTER,
            "transitions since counts were halved",
        )?;
        require(self.window.len() <= WINDOW, "window")?;
        let is_sane = |bits: &f64| (0.0..=BITS_MAX).contains(bits);
        require(self.window.iter().all(is_sane), "surprise")?;
        let mut model = Markov {
            last: self.last,
            learned: self.learned,
            since_halved: self.since_halved,
            window: self.window.into(),
            baseline: self.baseline,
            told: self.told,
            ..Markov::empty(self.settings)
        };
        // Halving keeps every count below twice its period.
        let is_count = |count: u32| count < 2 * HALVE_AFTER;
        for (symbol, arrivals) in self.symbols {
            let known = Symbol {
                arrivals,
                departures: 0,
            };
            let is_new = model.symbols.insert(symbol, known).is_none();
            require(is_new && is_count(arrivals), "symbol")?;
        }
        for (from, to, count) in self.transitions {
            let is_new = model.transitions.insert((from, to), count).is_none();
            let ends = model.symbols.contains_key(&from) && model.symbols.contains_key(&to);
            require(is_new && ends && count > 0 && is_count(count), "transition")?;
        }
        model.join();
        Ok(model)
    }
}

#[cfg(test)]
mod tests;
