//! The formulas beside the numbers of docs/health.md.
#![allow(clippy::float_cmp, reason = "the numbers are exact")]

use super::*;

const T: UnixNanos = 1_795_132_800 * SECOND_NS;

#[test]
fn severity_of_brute_force_grows_with_the_attempts_and_a_burst() {
    for (attempts, burst, severity) in [
        (5, false, 50),
        (6, false, 55),
        (10, false, 75),
        (15, false, 100),
        (16, false, 100),
        (i64::MAX, false, 100),
        (5, true, 70),
        (9, true, 90),
        (11, true, 100),
        (15, true, 100),
        (0, false, 50),
    ] {
        assert_eq!(
            brute_force_severity(attempts, burst),
            severity,
            "{attempts}"
        );
    }
}

#[test]
fn a_burst_is_five_attempts_within_five_minutes_wherever_they_lie() {
    let seen = |seconds: &[i64]| {
        let mut bursts = Bursts::default();
        for second in seconds {
            bursts.push(T + second * SECOND_NS);
        }
        bursts.seen()
    };
    assert!(seen(&[0, 75, 150, 225, 300]));
    assert!(!seen(&[0, 75, 150, 225, 301]));
    assert!(!seen(&[0, 1, 2, 3]));
    assert!(seen(&[
        0, 10_000, 20_000, 20_001, 20_002, 20_003, 20_004, 90_000
    ]));
    assert!(!seen(&[]));
}

fn samples(values: &[(i64, Option<f64>)]) -> Vec<(UnixNanos, Option<f64>)> {
    values
        .iter()
        .map(|&(second, value)| (T + second * SECOND_NS, value))
        .collect()
}

#[test]
fn a_period_needs_300_seconds_and_3_samples() {
    let of = |values: &[(i64, Option<f64>)]| periods(&samples(values), 80.0).len();
    assert_eq!(
        of(&[(0, Some(90.0)), (150, Some(80.0)), (300, Some(99.0))]),
        1
    );
    assert_eq!(
        of(&[(0, Some(90.0)), (150, Some(80.0)), (299, Some(99.0))]),
        0
    );
    assert_eq!(of(&[(0, Some(90.0)), (300, Some(99.0))]), 0, "two samples");
    assert_eq!(
        of(&[(0, Some(90.0)), (150, Some(79.9)), (300, Some(99.0))]),
        0
    );
    assert_eq!(
        of(&[
            (0, Some(90.0)),
            (150, None),
            (300, Some(99.0)),
            (450, Some(99.0))
        ]),
        0
    );
    let apart = [(0, Some(90.0)), (200, Some(90.0)), (1_200, Some(90.0))];
    assert_eq!(of(&apart), 0, "nobody knows what was in between");
    assert_eq!(of(&[]), 0);
    assert_eq!(
        of(&[(0, None)]),
        0,
        "the first sample has no processor time"
    );
}

#[test]
fn a_period_tells_its_mean_and_its_highest() {
    let values = [
        (0, Some(10.0)),
        (60, Some(82.0)),
        (260, Some(88.0)),
        (460, Some(94.0)),
        (520, Some(20.0)),
    ];
    let expected = Period {
        started_at: T + 60 * SECOND_NS,
        ended_at: T + 460 * SECOND_NS,
        samples: 3,
        mean: 88.0,
        max: 94.0,
    };
    assert_eq!(periods(&samples(&values), 80.0), [expected]);
}

#[test]
fn a_spike_has_ten_errors_and_three_times_the_mean() {
    let hour = 3_600 * SECOND_NS;
    let of = |counts: &[(i64, i64)]| spikes(counts, T, T + 24 * hour, hour);
    assert_eq!(of(&[(3, 9)]), []);
    let ten = of(&[(3, 10)]);
    assert_eq!((ten[0].at, ten[0].errors), (T + 3 * hour, 10));
    assert_eq!(ten[0].mean, 10.0 / 24.0);
    let even: Vec<_> = (0..24).map(|bucket| (bucket, 20)).collect();
    assert_eq!(of(&even), [], "usual, if many");
    // 23 × 10 + 30 in 24 buckets: the mean is 10.8, three times that is 32.5.
    let mut busy: Vec<_> = (0..23).map(|bucket| (bucket, 10)).collect();
    busy.push((23, 30));
    assert_eq!(of(&busy), []);
    busy[23].1 = 40;
    assert_eq!(of(&busy).len(), 1);
    assert_eq!(spikes(&[(0, 50)], T, T, hour), [], "an empty range");
}

#[test]
fn an_anomaly_lies_three_standard_deviations_away() {
    let mut values: Vec<_> = (0..20).map(|n| (T + n, 10.0)).collect();
    assert_eq!(anomalies(&values), [], "no deviation at all");
    values.push((T + 20, 100.0));
    let found = anomalies(&values);
    assert_eq!(
        (found.len(), found[0].at, found[0].value),
        (1, T + 20, 100.0)
    );
    // One of n values that differs lies (n − 1) / √(n − 1) deviations from the mean.
    assert!((found[0].sigmas - 20.0_f64.sqrt()).abs() < 1e-9);
    assert_eq!(anomalies(&values[14..]), [], "too few");
    values[20].1 = -100.0;
    assert!(anomalies(&values)[0].sigmas < 0.0);
}

#[test]
fn what_is_odd_by_chance_does_not_last() {
    let odd = |what, seconds: i64| {
        let anomaly = Anomaly {
            at: T + seconds * SECOND_NS,
            value: 9.0,
            mean: 1.0,
            sigmas: 4.0,
        };
        (what, anomaly)
    };
    let seldom: Vec<_> = (0..50).map(|n| odd("listen", n * 200)).collect();
    assert_eq!(lasting(&seldom), 0);
    let mixed = [odd("listen", 0), odd("established", 10), odd("listen", 20)];
    assert_eq!(lasting(&mixed), 0, "not three of one kind");
    let long: Vec<_> = (0..50).map(|n| odd("listen", n * 10)).collect();
    assert_eq!(lasting(&long), 1, "one spell, however long");
    let twice = [0, 10, 20, 3_000, 3_010, 3_020].map(|at| odd("listen", at));
    assert_eq!(lasting(&twice), 2);
}

#[test]
fn counters_count_what_they_gained() {
    let total = |counters: &[Option<i64>]| {
        let mut known = None;
        let mut sum = 0;
        for counter in counters {
            sum += gained(known, *counter);
            known = counter.or(known);
        }
        sum
    };
    assert_eq!(
        total(&[Some(1_000), Some(1_100), Some(1_200)]),
        200,
        "not 3,300"
    );
    assert_eq!(total(&[Some(1_000), Some(1_100), Some(50), Some(90)]), 140);
    assert_eq!(total(&[Some(1_000), None, Some(1_100)]), 100);
    assert_eq!(total(&[Some(1_000)]), 0);
    assert_eq!(gained(Some(i64::MIN), Some(i64::MAX)), GAIN_MAX);
}

#[test]
fn trends_are_told_the_right_way_round() {
    for (before, now, trend) in [
        (Some(60.0), Some(80.0), Trend::Better),
        (Some(80.0), Some(60.0), Trend::Worse),
        (Some(80.0), Some(82.0), Trend::Steady),
        (None, Some(82.0), Trend::Unknown),
        (Some(82.0), None, Trend::Unknown),
    ] {
        assert_eq!(Trend::of_score(before, now, 5.0), trend);
    }
    for (before, now, trend) in [
        (5, 20, Trend::Worse),
        (20, 5, Trend::Better),
        (0, 0, Trend::Steady),
        (0, 1, Trend::Worse),
        (100, 105, Trend::Steady),
    ] {
        assert_eq!(Trend::of_count(before, now), trend, "{before} {now}");
    }
}

#[test]
fn growth_tells_how_long_the_disk_lasts() {
    assert_eq!(per_day(2_000, 2 * DAY_NS), Some(1_000.0));
    assert_eq!(per_day(2_000, DAY_NS / 4), Some(8_000.0));
    assert_eq!(per_day(2_000, DAY_NS / 4 - 1), None, "too soon to tell");
    assert_eq!(per_day(2_000, 0), None);
    assert_eq!(days_left(10_000, 1_000.0), Some(10.0));
    assert_eq!(days_left(10_000, 0.0), None);
    assert_eq!(days_left(10_000, -5.0), None);
    assert_eq!(days_left(-1, 5.0), Some(0.0));
}
