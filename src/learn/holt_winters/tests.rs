#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::learn::split_mix::SplitMix64;
use crate::learn::tests::{assert_near, changed, changes, numbers, reference};

const DAY: u64 = 1_440;

/// A busy source: 60 events a minute at midnight, 180 at noon, with a noise of ±10.
struct Source(SplitMix64);

impl Source {
    fn count(&mut self, minute: u64) -> u64 {
        let turn = std::f64::consts::TAU * (minute % DAY) as f64 / DAY as f64;
        let noise = (0..12).map(|_| self.0.next_unit()).sum::<f64>() - 6.0;
        (120.0 - 60.0 * turn.cos() + 10.0 * noise).max(0.0) as u64
    }

    fn teach(&mut self, model: &mut HoltWinters, minutes: std::ops::Range<u64>) -> Vec<Anomaly> {
        minutes
            .filter_map(|minute| model.update(self.count(minute)))
            .collect()
    }
}

fn source() -> Source {
    Source(SplitMix64::new(21))
}

#[test]
fn forecasts_are_those_of_statsmodels() {
    let table = reference("holt_winters");
    let figure = |name: &str| table[name].as_f64().unwrap();
    let settings = Settings {
        period: table["period"].as_u64().unwrap() as u32,
        alpha: figure("alpha"),
        beta: figure("beta"),
        gamma: figure("gamma"),
        clip: None,
        ..Settings::default()
    };
    let initial = Initial {
        level: figure("level"),
        trend: figure("trend"),
        season: numbers(&table["season"]),
        scale: 1.0,
    };
    let mut model = HoltWinters::with_initial(settings, initial).unwrap();
    let counts = table["counts"].as_array().unwrap();
    let counts: Vec<u64> = counts.iter().filter_map(Value::as_u64).collect();
    let forecasts = numbers(&table["forecasts"]);
    assert_eq!(counts.len(), forecasts.len());
    for (minute, (count, forecast)) in counts.into_iter().zip(forecasts).enumerate() {
        assert_near(model.forecast(), forecast, &format!("minute {minute}"));
        model.update(count);
    }
    assert_near(model.forecast(), figure("next"), "the next minute");
}

#[test]
fn a_season_is_learned_and_chance_is_not_told() {
    let mut model = HoltWinters::default();
    let told = source().teach(&mut model, 0..14 * DAY);
    assert_eq!(told, []);
    assert!(model.knows_season());
    // Midnight is next.
    assert!(
        (model.forecast() - 60.0).abs() < 15.0,
        "{}",
        model.forecast()
    );
    model.skip(DAY / 2);
    assert!(
        (model.forecast() - 180.0).abs() < 15.0,
        "{}",
        model.forecast()
    );
}

#[test]
fn a_flood_is_told_after_an_hour_and_silence_once_the_season_is_known() {
    let mut model = HoltWinters::default();
    let mut source = source();
    for minute in 0..60 {
        assert_eq!(model.update(60 * (minute % 2 + 1)), None);
    }
    let flood = model.update(900).unwrap();
    assert_eq!((flood.observed, flood.direction), (900, Direction::Above));
    assert!((flood.expected - 90.0).abs() < 10.0, "{flood:?}");

    let mut model = HoltWinters::default();
    assert_eq!(source.teach(&mut model, 0..700), []);
    assert_eq!(model.clone().update(0), None, "it may be the evening");
    assert_eq!(source.teach(&mut model, 700..2 * DAY + 720), []);
    let silence = model.update(0).unwrap();
    assert_eq!(silence.direction, Direction::Below);
    assert!(
        silence.score >= 8.0 && (silence.expected - 180.0).abs() < 40.0,
        "{silence:?}"
    );
}

#[test]
fn the_first_minutes_are_expected_to_be_as_their_mean() {
    let mut model = HoltWinters::default();
    for (count, mean) in [(10, 10.0), (20, 15.0), (60, 30.0), (30, 30.0)] {
        model.update(count);
        assert_near(model.forecast(), mean, "mean");
    }
}

#[test]
fn nothing_is_told_in_the_first_hour() {
    let mut model = HoltWinters::default();
    for minute in 0..u64::from(WARM_UP_MINUTES) {
        assert_eq!(model.update((minute % 20) * 1_000), None);
    }
}

#[test]
fn a_silent_source_needs_ten_events_to_be_told() {
    let mut model = HoltWinters::default();
    for _ in 0..3 * DAY {
        assert_eq!(model.update(0), None);
    }
    assert_eq!(model.clone().update(9), None);
    let told = model.update(10).unwrap();
    assert!(
        (told.expected, told.direction) == (0.0, Direction::Above),
        "{told:?}"
    );
}

#[test]
fn a_flood_does_not_become_the_norm_within_minutes() {
    let mut model = HoltWinters::default();
    let mut source = source();
    source.teach(&mut model, 0..4 * DAY);
    let before = model.clone();
    for _ in 0..10 {
        let flood = model.update(100_000).unwrap();
        assert!(flood.expected < 150.0, "{flood:?}");
    }
    let told = source.teach(&mut model, 4 * DAY + 10..6 * DAY);
    assert_eq!(
        told,
        [],
        "neither the minutes after it nor those of the next day are odd"
    );
    assert!((model.forecast() - before.forecast()).abs() < 20.0);
}

#[test]
fn a_flood_that_stays_becomes_the_norm_within_a_day() {
    let mut model = HoltWinters::default();
    let mut source = source();
    source.teach(&mut model, 0..4 * DAY);
    let told: Vec<u64> = (0..2 * DAY)
        .filter(|minute| model.update(1_000 + source.count(*minute)).is_some())
        .collect();
    assert_eq!(told.first(), Some(&0));
    assert!(
        told.last().is_some_and(|last| *last < DAY),
        "{:?}",
        told.last()
    );
}

#[test]
fn what_happened_on_one_of_the_first_two_days_is_no_habit() {
    for odd_day in [0, 1] {
        for odd_count in [0, 20_000] {
            let mut model = HoltWinters::default();
            let mut source = source();
            for minute in 0..2 * DAY {
                let is_odd = (odd_day * DAY + 600..odd_day * DAY + 615).contains(&minute);
                let usual = source.count(minute);
                model.update(if is_odd { odd_count } else { usual });
            }
            let told = source.teach(&mut model, 2 * DAY..3 * DAY);
            assert_eq!(told, [], "day {odd_day}, {odd_count} a minute");
        }
    }
}

#[test]
fn a_burst_of_every_day_is_a_habit() {
    let burst = |minute: u64| if minute % DAY == 180 { 5_000 } else { 0 };
    let mut model = HoltWinters::default();
    let mut source = source();
    let told: Vec<u64> = (0..5 * DAY)
        .filter(|minute| {
            model
                .update(source.count(*minute) + burst(*minute))
                .is_some()
        })
        .collect();
    assert_eq!(told, [180, DAY + 180]);
    source.teach(&mut model, 0..180);
    let missing = model.update(source.count(180)).unwrap();
    assert_eq!(missing.direction, Direction::Below);
}

#[test]
fn minutes_that_nobody_watched_are_as_expected() {
    let mut model = HoltWinters::default();
    let mut source = source();
    model.skip(500);
    assert_eq!(model, HoltWinters::default());
    for day in 0..2 {
        source.teach(&mut model, day * DAY..day * DAY + 1_000);
        model.skip(60);
        source.teach(&mut model, day * DAY + 1_060..(day + 1) * DAY);
    }
    assert!(model.knows_season());
    assert_eq!(source.teach(&mut model, 0..DAY), []);
    model.skip(1_000_000 * DAY + 90);
    assert_eq!(source.teach(&mut model, 90..2 * DAY), []);
}

#[test]
fn what_no_model_holds_is_refused() {
    let settings = Settings {
        period: 4,
        ..Settings::default()
    };
    let mut model = HoltWinters::new(settings).unwrap();
    for count in 0..6 {
        model.update(count);
    }
    let broken: [fn(&mut HoltWinters); 9] = [
        |model| model.settings.alpha = f64::NAN,
        |model| model.settings.gamma = 0.96,
        |model| model.settings.clip = Some(f64::INFINITY),
        |model| model.settings.period = PERIOD_MAX + 1,
        |model| model.level = f64::INFINITY,
        |model| model.scale = -1.0,
        |model| model.season[0] = f64::NAN,
        |model| model.minute = 12,
        |model| model.season.truncate(3),
    ];
    assert_eq!(HoltWinters::decode(&model.encode()), Ok(model.clone()));
    for (place, harm) in broken.iter().enumerate() {
        let mut model = model.clone();
        harm(&mut model);
        let found = HoltWinters::decode(&model.encode());
        assert!(
            matches!(found, Err(ModelError::OutOfRange(_))),
            "{place}: {found:?}"
        );
    }
    let cusum = crate::learn::cusum::Cusum::default().encode();
    let found = HoltWinters::decode(&cusum);
    assert!(matches!(found, Err(ModelError::Malformed(_))), "{found:?}");
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let weights = (0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.001..=1.0);
    let clip = proptest::option::of(1.0..5.0);
    (2_u32..40, weights, clip).prop_map(|(period, (alpha, beta, gamma, scale_weight), clip)| {
        Settings {
            period,
            alpha,
            beta,
            gamma: gamma * (1.0 - alpha),
            scale_weight,
            clip,
            ..Settings::default()
        }
    })
}

proptest! {
    #[test]
    fn a_stop_at_any_point_changes_nothing(
        settings in any_settings(),
        counts in proptest::collection::vec(prop_oneof![0_u64..50, any::<u64>()], 0..200),
        stop in 0_usize..200,
    ) {
        let mut whole = HoltWinters::new(settings).unwrap();
        let mut stopped = whole.clone();
        for (place, count) in counts.into_iter().enumerate() {
            if place == stop {
                stopped = HoltWinters::decode(&stopped.encode()).unwrap();
            }
            if count % 7 == 0 {
                whole.skip(count);
                stopped.skip(count);
            }
            prop_assert_eq!(whole.update(count), stopped.update(count));
            prop_assert_eq!(whole.forecast().to_bits(), stopped.forecast().to_bits());
        }
        prop_assert_eq!(HoltWinters::decode(&whole.encode()), Ok(stopped));
    }

    #[test]
    fn changed_bytes_are_refused_or_harmless(changes in changes(), minutes in 0_u64..30) {
        let mut model = HoltWinters::new(Settings { period: 9, ..Settings::default() }).unwrap();
        for minute in 0..minutes {
            model.update(minute * 3 % 11);
        }
        if let Ok(mut model) = HoltWinters::decode(&changed(model.encode(), &changes)) {
            for minute in 0..50 {
                model.update(minute);
                model.skip(minute);
            }
            prop_assert_eq!(HoltWinters::decode(&model.encode()), Ok(model));
        }
    }
}
