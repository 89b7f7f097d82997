#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::learn::tests::{assert_near, changed, changes, numbers, reference};

/// The textbook's chart: nothing is learned, and nothing told before the sum is above `h`.
fn chart(k: f64, h: f64, mean: f64, deviation: f64) -> Cusum {
    let settings = Settings {
        k,
        h,
        drift: 0.0,
        deviation_min: 1e-9,
        ..Settings::default()
    };
    Cusum::with_baseline(settings, Baseline::known(1_000, mean, deviation)).unwrap()
}

fn sums_of(table: &Value) -> Vec<Vec<f64>> {
    table["sums"]
        .as_array()
        .unwrap()
        .iter()
        .map(numbers)
        .collect()
}

fn assert_sums(model: &mut Cusum, table: &Value) {
    for (value, sums) in numbers(&table["samples"]).iter().zip(sums_of(table)) {
        assert_eq!(model.update(*value), None);
        assert_near(model.sums().0, sums[0], "high");
        assert_near(model.sums().1, sums[1], "low");
    }
}

#[test]
fn the_example_of_the_textbook() {
    let table = &reference("cusum")["montgomery"];
    let mut model = chart(0.5, 5.0, 10.0, 1.0);
    let samples = numbers(&table["samples"]);
    let mut told = samples.iter().enumerate().filter_map(|(place, value)| {
        let shift = model.update(*value)?;
        Some((place as u64 + 1, shift))
    });
    let (sample, shift) = told.next().unwrap();
    assert_eq!(Some(sample), table["published"]["sample"].as_u64());
    let high = table["published"]["high"].as_f64().unwrap();
    assert!((shift.sum - high).abs() < 0.005, "{shift:?}");
    assert_eq!(shift.direction, Direction::Above);
    // The book: the shift began with sample 23, and the mean is now 11.25.
    assert_eq!(shift.samples, 7);
    assert!((shift.shifted_to - 11.25).abs() < 0.01, "{shift:?}");
    assert_eq!(told.next(), None, "it starts again at zero");
}

#[test]
fn the_sums_are_those_of_numpy() {
    let tables = reference("cusum");
    assert_sums(&mut chart(0.5, 1e3, 10.0, 1.0), &tables["montgomery"]);
}

#[test]
fn mean_and_deviation_are_learned_and_then_held() {
    let table = &reference("cusum")["learned"];
    let warm_up = numbers(&table["warm_up"]);
    let mut model = Cusum::new(Settings {
        h: 1e3,
        warm_up: warm_up.len() as u32,
        drift: 0.0,
        ..Settings::default()
    })
    .unwrap();
    for value in warm_up {
        assert_eq!(model.update(value), None);
    }
    assert_near(
        model.baseline().mean(),
        table["mean"].as_f64().unwrap(),
        "mean",
    );
    let sigma = table["sigma"].as_f64().unwrap();
    assert_near(model.baseline().deviation(), sigma, "deviation");
    assert_sums(&mut model, table);
}

#[test]
fn a_small_shift_is_told_and_becomes_the_norm() {
    let noise = [0.0, 2.0, -1.0, 1.0, -2.0];
    let mut model = Cusum::default();
    for place in 0..1_000 {
        assert_eq!(model.update(50.0 + noise[place % 5]), None);
    }
    let shifts: Vec<(usize, Shift)> = (0..5_000)
        .filter_map(|place| Some((place, model.update(47.5 + noise[place % 5])?)))
        .collect();
    let (place, first) = shifts[0];
    assert!((5..20).contains(&place), "{shifts:?}");
    assert_eq!(first.direction, Direction::Below);
    assert!((first.shifted_to - 47.5).abs() < 1.0, "{first:?}");
    assert!(shifts.iter().all(|(place, _)| *place < 2_000), "{shifts:?}");
}

#[test]
fn one_wild_value_moves_the_norm_no_further_than_its_weight() {
    let mut model = Cusum::default();
    for place in 0..200 {
        model.update(f64::from(place % 3));
    }
    let before = *model.baseline();
    assert!(model.update(f64::INFINITY).is_some());
    assert_eq!(model.update(f64::NAN), None);
    let moved = model.baseline().mean() - before.mean();
    assert!(
        moved <= 0.002 * PULL_MAX * before.deviation().max(1.0) + 1e-12,
        "{moved}"
    );
}

#[test]
fn what_no_model_holds_is_refused() {
    let bytes = Cusum::default().encode();
    let read = |bytes: &[u8]| Cusum::decode(bytes).map(drop);
    assert_eq!(read(&bytes), Ok(()));
    let version = |found| {
        Err(ModelError::Version {
            found,
            known: VERSION,
        })
    };
    assert_eq!(read(&[]), version(None));
    let newer = [&[VERSION + 1], &bytes[1..]].concat();
    assert_eq!(read(&newer), version(Some(VERSION + 1)));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(read(&longer), Err(ModelError::Trailing(1)));
    let longest = vec![VERSION; state::LONGEST_BYTES + 1];
    assert_eq!(read(&longest), Err(ModelError::TooLong(longest.len())));
    for end in 1..bytes.len() {
        let cut = read(&bytes[..end]);
        assert!(
            matches!(cut, Err(ModelError::Malformed(_))),
            "{end}: {cut:?}"
        );
    }
    let broken: [fn(&mut Cusum); 5] = [
        |model| model.settings.h = f64::NAN,
        |model| model.settings.deviation_min = 0.0,
        |model| model.baseline = Baseline::known(1, f64::INFINITY, 1.0),
        |model| model.baseline = Baseline::known(1, 1.0, f64::NAN),
        |model| model.high.value = 10.1,
    ];
    for (place, harm) in broken.iter().enumerate() {
        let mut model = Cusum::default();
        harm(&mut model);
        let found = read(&model.encode());
        assert!(
            matches!(found, Err(ModelError::OutOfRange(_))),
            "{place}: {found:?}"
        );
    }
}

proptest! {
    #[test]
    fn a_stop_at_any_point_changes_nothing(
        values in proptest::collection::vec(-20.0..20.0, 0..300),
        stop in 0_usize..300,
    ) {
        let settings = Settings { warm_up: 40, h: 4.0, ..Settings::default() };
        let mut whole = Cusum::new(settings).unwrap();
        let mut stopped = whole.clone();
        for (place, value) in values.into_iter().enumerate() {
            if place == stop {
                stopped = Cusum::decode(&stopped.encode()).unwrap();
            }
            prop_assert_eq!(whole.update(value), stopped.update(value));
        }
        prop_assert_eq!(whole.encode(), stopped.encode());
    }

    #[test]
    fn whatever_comes_it_can_be_stored_and_read_again(
        values in proptest::collection::vec(any::<f64>(), 0..200),
    ) {
        let mut model = Cusum::new(Settings { warm_up: 5, ..Settings::default() }).unwrap();
        for value in values {
            model.update(value);
        }
        prop_assert_eq!(Cusum::decode(&model.encode()), Ok(model));
    }

    #[test]
    fn changed_bytes_are_refused_or_harmless(changes in changes(), value in -20.0..20.0) {
        let mut model = Cusum::new(Settings { warm_up: 3, ..Settings::default() }).unwrap();
        for value in [1.0, 2.5, 1.7, 2.1] {
            model.update(value);
        }
        if let Ok(mut model) = Cusum::decode(&changed(model.encode(), &changes)) {
            for _ in 0..50 {
                model.update(value);
            }
            prop_assert_eq!(Cusum::decode(&model.encode()), Ok(model));
        }
    }
}
