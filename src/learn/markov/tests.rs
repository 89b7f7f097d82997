#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::learn::split_mix::SplitMix64;
use crate::learn::tests::{assert_near, changed, changes, numbers, reference};

/// A session of eleven templates, with a choice in the middle.
fn session(numbers: &mut SplitMix64) -> Vec<u64> {
    let middle = if numbers.next_unit() < 0.8 {
        [4, 5]
    } else {
        [6, 7]
    };
    [&[1, 2, 3][..], &middle, &[8, 9, 9, 10, 11, 12]].concat()
}

/// A chain that has seen so many sessions.
fn taught(sessions: usize) -> (Markov, SplitMix64) {
    let (mut model, mut numbers) = (Markov::default(), SplitMix64::new(31));
    for _ in 0..sessions {
        for symbol in session(&mut numbers) {
            assert_eq!(model.update(symbol), None);
        }
    }
    (model, numbers)
}

#[test]
fn surprises_are_those_of_numpy() {
    let table = reference("markov");
    let symbols: Vec<u64> = table["symbols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|symbol| symbol.as_u64().unwrap())
        .collect();
    let mut model = Markov::default();
    model.update(symbols[0]);
    for (pair, bits) in symbols.windows(2).zip(numbers(&table["bits"])) {
        assert_near(model.surprise(pair[0], pair[1]), bits, &format!("{pair:?}"));
        model.update(pair[1]);
    }
    for (from, row) in (0..).zip(table["counts"].as_array().unwrap()) {
        for (to, count) in (0..).zip(row.as_array().unwrap()) {
            let found = model.transitions.get(&(from, to)).copied().unwrap_or(0);
            assert_eq!(Some(u64::from(found)), count.as_u64(), "{from} {to}");
        }
    }
}

#[test]
fn what_was_never_seen_counts_as_smoothed() {
    let mut model = Markov::default();
    assert_near(
        model.surprise(1, 2),
        0.0,
        "nothing is known, all is possible",
    );
    for symbol in [1, 2, 1, 2, 1, 3] {
        model.update(symbol);
    }
    // Three departures from 1, three symbols and the unknown.
    assert_near(model.surprise(1, 2), (7.0_f64 / 3.0).log2(), "seen twice");
    assert_near(model.surprise(1, 99), 7.0_f64.log2(), "never seen");
    assert_near(model.surprise(99, 1), 4.0_f64.log2(), "from nowhere");
}

#[test]
fn an_unusual_order_is_told_once() {
    let (mut model, mut numbers) = taught(200);
    // The same symbols, each as often as ever, backwards.
    let mut told = Vec::new();
    for _ in 0..6 {
        let mut symbols = session(&mut numbers);
        symbols.reverse();
        told.extend(
            symbols
                .into_iter()
                .filter_map(|symbol| model.update(symbol)),
        );
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].bits > told[0].expected_bits + 1.5 && told[0].score >= 6.0,
        "{told:?}"
    );
    for _ in 0..50 {
        for symbol in session(&mut numbers) {
            assert_eq!(model.update(symbol), None);
        }
    }
    let again = (0..WINDOW as u64).filter_map(|place| model.update(1_000 + place));
    assert_eq!(again.count(), 1, "it can be told again");
}

#[test]
fn one_line_out_of_place_is_not_told() {
    let (mut model, mut numbers) = taught(200);
    assert_eq!(model.update(777), None);
    for symbol in session(&mut numbers) {
        assert_eq!(model.update(symbol), None);
    }
}

#[test]
fn nothing_is_told_in_the_warm_up() {
    let told = |usual| {
        let mut model = Markov::default();
        for place in 0..usual {
            assert_eq!(model.update(place % 5), None);
        }
        (0..64).any(|place| model.update(1_000 + place).is_some())
    };
    assert!(!told(WARM_UP - 64));
    assert!(told(WARM_UP));
}

#[test]
fn an_anomaly_is_told_again_only_after_it_was_over() {
    let mut model = Markov {
        learned: WARM_UP,
        baseline: Baseline::known(10_000, 1.0, 1.0),
        ..Markov::default()
    };
    let mut judge = |bits: f64| {
        model.learned += 1;
        model.window = [bits; WINDOW].into();
        model.judge().is_some()
    };
    let bits = [6.9, 7.5, 9.0, 5.0, 7.5, 1.0, 6.5, 7.5];
    let told = [false, true, false, false, false, false, false, true];
    assert_eq!(bits.map(&mut judge), told);
}

#[test]
fn symbols_and_transitions_are_bounded_and_the_most_used_stay() {
    let mut model = Markov::default();
    let mut chance = SplitMix64::new(32);
    for place in 0..30_000_u64 {
        model.update(place % 3);
        model.update(1_000 + chance.next_u64() % 700);
        assert!(model.symbols.len() <= SYMBOLS_MAX);
        assert!(model.transitions.len() <= TRANSITIONS_MAX);
    }
    assert!((0..3).all(|symbol| model.symbols.contains_key(&symbol)));
    for place in 0..10_000 {
        model.update(1_000_000 + place);
    }
    assert!((0..3).all(|symbol| model.symbols.contains_key(&symbol)));
}

#[test]
fn transitions_are_bounded_where_symbols_are_few() {
    let mut model = Markov::default();
    let mut chance = SplitMix64::new(33);
    for _ in 0..10_000 {
        for symbol in [1, 2, chance.next_u64() % 100] {
            model.update(symbol);
        }
        for _ in 0..3 {
            model.update(chance.next_u64() % 100);
        }
        assert!(model.transitions.len() <= TRANSITIONS_MAX);
    }
    assert!(model.transitions.len() > TRANSITIONS_MAX / 2);
    assert!(model.surprise(1, 2) < 2.0, "the most used stays");
    let departures = |from| model.symbols[&from].departures;
    let of_one: u32 = (0..100)
        .filter_map(|to| model.transitions.get(&(1, to)))
        .sum();
    assert_eq!(departures(1), of_one);
}

#[test]
fn old_habits_fade() {
    let mut model = Markov::default();
    for place in 0..1_000 {
        model.update(place % 2);
    }
    for place in 0..u64::from(HALVE_AFTER) * 10 {
        model.update(10 + place % 2);
    }
    assert!(!model.symbols.contains_key(&0) && !model.transitions.contains_key(&(0, 1)));
    assert!(model.transitions[&(10, 11)] < HALVE_AFTER);
}

#[test]
fn what_no_model_holds_is_refused() {
    let (model, _) = taught(60);
    assert_eq!(Markov::decode(&model.encode()), Ok(model.clone()));
    let broken: [fn(&mut Stored); 9] = [
        |stored| stored.settings.smoothing = 0.0,
        |stored| stored.baseline = Baseline::known(1, f64::NAN, 1.0),
        |stored| stored.symbols = (0..=SYMBOLS_MAX as u64).map(|symbol| (symbol, 1)).collect(),
        |stored| stored.symbols.push((1, 1)),
        |stored| stored.transitions.push((1, 555, 1)),
        |stored| stored.transitions[0].2 = 0,
        |stored| stored.transitions[0].2 = 2 * HALVE_AFTER,
        |stored| stored.window[0] = f64::INFINITY,
        |stored| stored.since_halved = HALVE_AFTER,
    ];
    for (place, harm) in broken.iter().enumerate() {
        let mut stored = Stored::of(&model);
        harm(&mut stored);
        let found = Markov::decode(&state::encode(VERSION, &stored));
        assert!(
            matches!(found, Err(ModelError::OutOfRange(_))),
            "{place}: {found:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_chances_of_all_that_can_follow_add_up_to_one(
        symbols in proptest::collection::vec(0_u64..40, 1..400),
        from in 0_u64..45,
    ) {
        let mut model = Markov::default();
        for symbol in symbols {
            model.update(symbol);
        }
        let unknown = [u64::MAX];
        let all = model.symbols.keys().chain(&unknown);
        let sum: f64 = all.map(|to| (-model.surprise(from, *to)).exp2()).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
    }

    #[test]
    fn a_stop_at_any_point_changes_nothing(
        // Enough symbols that some are dropped.
        symbols in proptest::collection::vec(prop_oneof![0_u64..8, any::<u64>()], 0..1_500),
        stop in 0_usize..1_500,
    ) {
        let mut whole = Markov::default();
        let mut stopped = whole.clone();
        for (place, symbol) in symbols.into_iter().enumerate() {
            if place == stop {
                stopped = Markov::decode(&stopped.encode()).unwrap();
            }
            prop_assert_eq!(whole.update(symbol), stopped.update(symbol));
        }
        prop_assert_eq!(whole.encode(), stopped.encode());
    }

    #[test]
    fn changed_bytes_are_refused_or_harmless(changes in changes(), places in 1_u64..400) {
        let mut model = Markov::default();
        for place in 0..places {
            model.update(place * place % 13);
        }
        if let Ok(mut model) = Markov::decode(&changed(model.encode(), &changes)) {
            for place in 0..50 {
                model.update(place % 17);
            }
            prop_assert_eq!(Markov::decode(&model.encode()), Ok(model));
        }
    }
}
