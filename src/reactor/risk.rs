//! How much harm an alert may mean, 0 to 100.
//!
//! What is known of it are reasons, each of which may be the one that counts: how grave the moment is,
//! how severe a pattern is, what is known of an address, how far a model was off. Reasons that speak
//! for harm independently of each other leave it unlikely only if all of them do (a noisy OR):
//! `risk = 100 · (1 − ∏ (1 − reasonᵢ / 100))`. So no reason lowers it, their order does not matter,
//! and it never leaves the scale.

/// Of all reasons, each 0 to 100; what is beyond counts as the end of the scale.
pub fn of(reasons: &[f64]) -> f64 {
    let spared: f64 = reasons
        .iter()
        .map(|reason| 1.0 - known(*reason) / 100.0)
        .product();
    // Tenths are more than anybody can tell, and the same on every machine.
    ((1.0 - spared) * 1_000.0).round() / 10.0
}

fn known(reason: f64) -> f64 {
    if reason.is_nan() {
        0.0
    } else {
        reason.clamp(0.0, 100.0)
    }
}

/// The reason that a severity is, on the scale 0–6: INFO 5, WARNING 25, ALERT 50, CRITICAL 80.
pub const fn of_severity(severity_id: i64) -> f64 {
    match severity_id {
        ..=0 => 0.0,
        1 => 5.0,
        2 => 15.0,
        3 => 25.0,
        4 => 50.0,
        5 => 80.0,
        6.. => 95.0,
    }
}

/// The reason that an anomaly is: nothing at its threshold, a half at twice as much, towards 100 the
/// further it is off.
pub fn of_anomaly(score: f64, threshold: f64) -> f64 {
    if threshold > 0.0 && score > threshold {
        100.0 * (1.0 - threshold / score)
    } else {
        0.0
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "tenths are exact enough to be told apart")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons_add_up_without_leaving_the_scale() {
        for (reasons, risk) in [
            (&[][..], 0.0),
            (&[50.0], 50.0),
            (&[50.0, 50.0], 75.0),
            (&[50.0, 70.0], 85.0),
            (&[50.0, 70.0, 90.0], 98.5),
            (&[25.0, 0.0], 25.0),
            (&[100.0, 3.0], 100.0),
            (&[-4.0, f64::NAN, 250.0], 100.0),
        ] {
            assert_eq!(of(reasons), risk, "{reasons:?}");
        }
    }

    #[test]
    fn what_is_graver_is_the_greater_risk() {
        let of_all = [i64::MIN, 1, 2, 3, 4, 5, 6, i64::MAX].map(of_severity);
        assert_eq!(of_all, [0.0, 5.0, 15.0, 25.0, 50.0, 80.0, 95.0, 95.0]);
    }

    #[test]
    fn an_anomaly_counts_by_how_far_it_is_off() {
        for (score, threshold, reason) in [
            (6.0, 6.0, 0.0),
            (12.0, 6.0, 50.0),
            (60.0, 6.0, 90.0),
            (f64::INFINITY, 6.0, 100.0),
            (1.0, 6.0, 0.0),
            (9.0, 0.0, 0.0),
            (f64::NAN, 6.0, 0.0),
        ] {
            assert_eq!(of_anomaly(score, threshold), reason, "{score} {threshold}");
        }
    }

    proptest! {
        #[test]
        fn no_reason_lowers_it(mut reasons in proptest::collection::vec(-10.0..120.0_f64, 0..5), more in -10.0..120.0_f64) {
            let before = of(&reasons);
            reasons.push(more);
            let after = of(&reasons);
            prop_assert!((0.0..=100.0).contains(&after));
            prop_assert!(after >= before, "{} {}", before, after);
            reasons.reverse();
            prop_assert!((of(&reasons) - after).abs() < 0.11);
        }
    }
}
