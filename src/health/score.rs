//! One figure for the box, 0 to 100: .30 security + .25 performance + .25 errors + .20 network.
//!
//! Each part begins at 100 and loses points for what was found, each loss with its reason and its
//! bound. A part of which nothing is known (no line, no sample) counts for nothing, and the others
//! share its weight: a box without a sampler is not a healthy box, only an unknown one. Pure.

/// What is known for each part; none where nothing is.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// From the log lines.
    pub security: Option<Security>,
    /// From the samples of processor, memory and disk.
    pub performance: Option<Performance>,
    /// From the log lines.
    pub errors: Option<Errors>,
    /// From the samples of the network.
    pub network: Option<Network>,
}

/// Attacks. Counts are those of one day, on average, where the range is longer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Security {
    /// Failed logins per day.
    pub failed_logins: f64,
    /// Addresses that tried brute force, per day.
    pub brute_force: f64,
    /// Things that somebody may not do and tried, per day.
    pub unauthorized: f64,
    /// Addresses that are a high threat now.
    pub high_threats: i64,
}

/// What is used up, of the machine that is worst off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Performance {
    /// Mean processor use, percent.
    pub cpu_avg: Option<f64>,
    /// Mean memory use, percent.
    pub memory_avg: Option<f64>,
    /// Use of the disk, percent.
    pub disk: Option<f64>,
    /// Periods of high processor or memory use, per day.
    pub periods: f64,
}

/// What fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    /// ERROR lines per hour.
    pub errors_per_hour: f64,
    /// CRITICAL lines per day.
    pub critical: f64,
    /// WARNING lines per hour.
    pub warnings_per_hour: f64,
    /// Spikes per day.
    pub spikes: f64,
}

/// How well packets go through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Packets sent and received.
    pub packets: i64,
    /// Of them faulty.
    pub errors: i64,
    /// Of them dropped.
    pub drops: i64,
    /// Anomalies of connections, per day.
    pub anomalies: f64,
}

/// One part of the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `security`, `performance`, `errors`, `network`
    pub name: &'static str,
    /// Its share of the whole, 0 to 1.
    pub weight: f64,
    /// 0 to 100; none when nothing is known.
    pub score: Option<f64>,
    /// Why it is not 100.
    pub why: Vec<String>,
}

/// The figure and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// 0 to 100; none when nothing is known of any part.
    pub score: Option<f64>,
    /// The parts, in the order of their weights.
    pub parts: [Part; 4],
}

/// A change of the score below this is noise, points.
pub const TREND_POINTS: f64 = 2.0;

/// A loss: `each` points for each of `count`, `most` at most.
struct Loss {
    points: f64,
    reason: String,
}

fn loss(count: f64, each: f64, most: f64, reason: impl FnOnce() -> String) -> Option<Loss> {
    let points = (count * each).clamp(0.0, most);
    // What would be told as 0.0 is nothing.
    (points >= 0.05).then(|| Loss {
        points,
        reason: reason(),
    })
}

/// What lies above a threshold.
fn above(value: Option<f64>, threshold: f64) -> f64 {
    value.map_or(0.0, |value| (value - threshold).max(0.0))
}

/// The figure.
pub fn health(facts: &Facts) -> Health {
    let parts = [
        part("security", 0.30, facts.security.as_ref().map(security)),
        part(
            "performance",
            0.25,
            facts.performance.as_ref().map(performance),
        ),
        part("errors", 0.25, facts.errors.as_ref().map(errors)),
        part("network", 0.20, facts.network.as_ref().map(network)),
    ];
    let known = || {
        parts
            .iter()
            .filter_map(|one| Some((one.weight, one.score?)))
    };
    let weights: f64 = known().map(|(weight, _)| weight).sum();
    let points: f64 = known().map(|(weight, score)| weight * score).sum();
    Health {
        score: (weights > 0.0).then(|| points / weights),
        parts,
    }
}

/// A score in one word.
pub fn word(score: Option<f64>) -> &'static str {
    match score {
        None => "unknown",
        Some(score) if score >= 90.0 => "excellent",
        Some(score) if score >= 75.0 => "good",
        Some(score) if score >= 50.0 => "fair",
        Some(_) => "poor",
    }
}

fn part(name: &'static str, weight: f64, losses: Option<Vec<Option<Loss>>>) -> Part {
    let Some(losses) = losses else {
        return Part {
            name,
            weight,
            score: None,
            why: vec!["nothing was told".into()],
        };
    };
    let losses: Vec<_> = losses.into_iter().flatten().collect();
    let lost: f64 = losses.iter().map(|loss| loss.points).sum();
    Part {
        name,
        weight,
        score: Some((100.0 - lost).max(0.0)),
        why: losses
            .into_iter()
            .map(|loss| format!("{} (−{:.1})", loss.reason, loss.points))
            .collect(),
    }
}

fn security(facts: &Security) -> Vec<Option<Loss>> {
    vec![
        loss(facts.failed_logins, 0.5, 20.0, || {
            told(
                facts.failed_logins,
                "failed login a day",
                "failed logins a day",
            )
        }),
        loss(facts.brute_force, 10.0, 30.0, || {
            told(
                facts.brute_force,
                "address with brute force a day",
                "addresses with brute force a day",
            )
        }),
        loss(facts.unauthorized, 5.0, 20.0, || {
            told(
                facts.unauthorized,
                "unauthorized attempt a day",
                "unauthorized attempts a day",
            )
        }),
        loss(facts.high_threats as f64, 10.0, 30.0, || {
            told(
                facts.high_threats as f64,
                "address is a high threat",
                "addresses are a high threat",
            )
        }),
    ]
}

fn performance(facts: &Performance) -> Vec<Option<Loss>> {
    let percent = |value: Option<f64>| format!("{:.1} %", value.unwrap_or_default());
    vec![
        loss(above(facts.cpu_avg, 50.0), 1.0, 30.0, || {
            format!(
                "the processor is used to {} on average",
                percent(facts.cpu_avg)
            )
        }),
        loss(above(facts.memory_avg, 70.0), 1.0, 30.0, || {
            format!(
                "the memory is used to {} on average",
                percent(facts.memory_avg)
            )
        }),
        loss(above(facts.disk, 80.0), 2.0, 40.0, || {
            format!("the disk is used to {}", percent(facts.disk))
        }),
        loss(facts.periods, 5.0, 20.0, || {
            told(
                facts.periods,
                "period of high use a day",
                "periods of high use a day",
            )
        }),
    ]
}

fn errors(facts: &Errors) -> Vec<Option<Loss>> {
    vec![
        loss(facts.errors_per_hour, 2.0, 50.0, || {
            told(facts.errors_per_hour, "error an hour", "errors an hour")
        }),
        loss(facts.critical, 5.0, 20.0, || {
            told(
                facts.critical,
                "critical line a day",
                "critical lines a day",
            )
        }),
        loss(facts.warnings_per_hour, 0.1, 10.0, || {
            told(
                facts.warnings_per_hour,
                "warning an hour",
                "warnings an hour",
            )
        }),
        loss(facts.spikes, 10.0, 20.0, || {
            told(
                facts.spikes,
                "spike of errors a day",
                "spikes of errors a day",
            )
        }),
    ]
}

fn network(facts: &Network) -> Vec<Option<Loss>> {
    let share = |count: i64| 100.0 * count as f64 / (facts.packets as f64).max(1.0);
    vec![
        loss(share(facts.errors), 40.0, 40.0, || {
            format!("{:.2} % of the packets are faulty", share(facts.errors))
        }),
        loss(share(facts.drops), 20.0, 30.0, || {
            format!("{:.2} % of the packets are dropped", share(facts.drops))
        }),
        loss(facts.anomalies, 2.0, 30.0, || {
            told(
                facts.anomalies,
                "anomaly of connections a day",
                "anomalies of connections a day",
            )
        }),
    ]
}

/// A number with what it counts. What costs points is never told as 0.
fn told(count: f64, one: &str, many: &str) -> String {
    let fixed = match format!("{count:.1}") {
        fixed if fixed == "0.0" => format!("{:.2}", count.max(0.01)),
        fixed => fixed,
    };
    let number = fixed.trim_end_matches(".0");
    format!("{number} {}", if number == "1" { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_well() -> Facts {
        Facts {
            security: Some(Security::default()),
            performance: Some(Performance::default()),
            errors: Some(Errors::default()),
            network: Some(Network::default()),
        }
    }

    #[track_caller]
    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("a score");
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn the_parts_have_their_weights() {
        close(health(&all_well()).score, 100.0);
        let parts = health(&all_well())
            .parts
            .map(|part| (part.name, part.weight));
        assert_eq!(
            parts,
            [
                ("security", 0.30),
                ("performance", 0.25),
                ("errors", 0.25),
                ("network", 0.20)
            ]
        );
        // Everything of one part lost.
        let mut facts = all_well();
        facts.security = Some(Security {
            failed_logins: 1e9,
            brute_force: 1e9,
            unauthorized: 1e9,
            high_threats: i64::MAX,
        });
        close(health(&facts).score, 70.0);
        let mut facts = all_well();
        facts.performance = Some(Performance {
            cpu_avg: Some(100.0),
            memory_avg: Some(100.0),
            disk: Some(100.0),
            periods: 1e9,
        });
        close(health(&facts).score, 75.0);
        let mut facts = all_well();
        facts.errors = Some(Errors {
            errors_per_hour: 1e9,
            critical: 1e9,
            warnings_per_hour: 1e9,
            spikes: 1e9,
        });
        close(health(&facts).score, 75.0);
        let mut facts = all_well();
        facts.network = Some(Network {
            packets: 100,
            errors: 100,
            drops: 100,
            anomalies: 1e9,
        });
        close(health(&facts).score, 80.0);
    }

    #[test]
    fn each_loss_is_told_with_its_points() {
        let mut facts = all_well();
        facts.security = Some(Security {
            failed_logins: 12.0,
            brute_force: 1.0,
            unauthorized: 2.0,
            high_threats: 1,
        });
        let part = &health(&facts).parts[0];
        close(part.score, 100.0 - 6.0 - 10.0 - 10.0 - 10.0);
        assert_eq!(
            part.why,
            [
                "12 failed logins a day (−6.0)",
                "1 address with brute force a day (−10.0)",
                "2 unauthorized attempts a day (−10.0)",
                "1 address is a high threat (−10.0)",
            ]
        );
        facts.performance = Some(Performance {
            cpu_avg: Some(60.0),
            memory_avg: Some(70.0),
            disk: Some(85.0),
            periods: 0.0,
        });
        close(health(&facts).parts[1].score, 80.0);
        facts.network = Some(Network {
            packets: 1_000,
            errors: 5,
            drops: 0,
            anomalies: 0.0,
        });
        close(health(&facts).parts[3].score, 80.0);
    }

    #[test]
    fn what_is_lost_is_never_told_as_nothing() {
        let mut facts = all_well();
        facts.errors = Some(Errors {
            errors_per_hour: 0.04,
            ..Errors::default()
        });
        assert_eq!(health(&facts).parts[2].why, ["0.04 errors an hour (−0.1)"]);
        facts.security = Some(Security {
            brute_force: 0.005,
            ..Security::default()
        });
        let why = &health(&facts).parts[0].why;
        assert_eq!(*why, ["0.01 addresses with brute force a day (−0.1)"]);
    }

    #[test]
    fn what_is_unknown_counts_for_nothing() {
        assert_eq!(health(&Facts::default()).score, None);
        let facts = Facts {
            errors: Some(Errors {
                errors_per_hour: 10.0,
                ..Errors::default()
            }),
            ..Facts::default()
        };
        close(health(&facts).score, 80.0);
        assert_eq!(health(&facts).parts[0].why, ["nothing was told"]);
        // The first sample has no processor time.
        let facts = Facts {
            performance: Some(Performance::default()),
            ..Facts::default()
        };
        close(health(&facts).score, 100.0);
        assert_eq!(word(None), "unknown");
        assert_eq!(
            [90.0, 75.0, 50.0, 49.9].map(|score| word(Some(score))),
            ["excellent", "good", "fair", "poor"]
        );
    }
}
