#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::learn::tests::{assert_near, changed, changes, numbers, reference};

/// The mean of river over the same five seeds lies here; ours may lie so much lower.
const AREA_TOLERANCE: f64 = 0.05;

fn points<const FEATURES: usize>(table: &Value) -> Vec<[f64; FEATURES]> {
    let points = table["points"].as_array().unwrap();
    points
        .iter()
        .map(|point| numbers(point).try_into().unwrap())
        .collect()
}

#[test]
fn with_rivers_trees_scores_are_rivers() {
    let table = &reference("half_space_trees")["same_trees"];
    let trees = table["trees"].as_array().unwrap();
    let settings = Settings {
        trees: trees.len() as u16,
        depth: table["depth"].as_u64().unwrap() as u8,
        window: table["window"].as_u64().unwrap() as u16,
        seed: 0,
    };
    let mut model = HalfSpaceTrees::<2>::new(settings).unwrap();
    let splits = trees.iter().flat_map(|tree| tree.as_array().unwrap());
    model.splits = splits
        .map(|split| Split {
            feature: split[0].as_u64().unwrap() as u32,
            threshold: split[1].as_f64().unwrap() as f32,
        })
        .collect();
    assert_eq!(model.splits.len(), settings.splits() * trees.len());
    for (point, score) in points(table).iter().zip(numbers(&table["scores"])) {
        assert_near(
            model.score(point).unwrap_or(0.0),
            score,
            &format!("{point:?}"),
        );
        model.update(point);
    }
}

#[test]
fn a_tree_by_hand() {
    let settings = Settings {
        trees: 1,
        depth: 2,
        window: 20,
        seed: 0,
    };
    let mut model = HalfSpaceTrees::<1>::new(settings).unwrap();
    model.splits = [0.5, 0.25, 0.75]
        .map(|threshold| Split {
            feature: 0,
            threshold,
        })
        .to_vec();
    for place in 0..20 {
        assert_eq!(model.score(&[0.1]), None);
        // 16 lie below a quarter, 3 in the second, none in the third, 1 in the last.
        model.update(&[if place < 16 {
            0.1
        } else if place < 19 {
            0.3
        } else {
            0.9
        }]);
    }
    let most = 20.0 * 7.0;
    let score = |value| model.score(&[value]).unwrap();
    assert_near(
        score(0.1),
        1.0 - (20.0 + 2.0 * 19.0 + 4.0 * 16.0) / most,
        "first quarter",
    );
    assert_near(
        score(0.3),
        1.0 - (20.0 + 2.0 * 19.0 + 4.0 * 3.0) / most,
        "second quarter",
    );
    // The upper half holds less than a tenth: nobody looks below it.
    assert_near(score(0.6), 1.0 - (20.0 + 2.0) / most, "third quarter");
    assert_near(score(0.9), score(0.6), "last quarter");
    assert_near(score(7.0), score(0.9), "beyond the border");
    assert_near(score(f64::NEG_INFINITY), score(0.0), "below the border");
}

#[test]
fn what_is_out_of_place_is_found_as_well_as_by_river() {
    let table = &reference("half_space_trees")["area"];
    let points = points::<3>(table);
    let odd: Vec<usize> = numbers(&table["odd"])
        .iter()
        .map(|place| *place as usize)
        .collect();
    let mut areas = Vec::new();
    for seed in 1..=5 {
        let mut model = HalfSpaceTrees::new(Settings {
            seed,
            ..Settings::default()
        })
        .unwrap();
        let (mut usual_scores, mut odd_scores) = (Vec::new(), Vec::new());
        for (place, point) in points.iter().enumerate() {
            if let Some(score) = model.score(point) {
                assert!((0.0..=1.0).contains(&score));
                let scores = if odd.contains(&place) {
                    &mut odd_scores
                } else {
                    &mut usual_scores
                };
                scores.push(score);
            }
            model.update(point);
        }
        areas.push(area(&usual_scores, &odd_scores));
    }
    let mean = areas.iter().sum::<f64>() / areas.len() as f64;
    let rivers = table["area"].as_f64().unwrap();
    assert!(
        mean >= rivers - AREA_TOLERANCE,
        "{mean}, river {rivers}: {areas:?}"
    );
}

/// Area under the receiver operating characteristic: how often an odd point scores above a usual one.
fn area(usual: &[f64], odd: &[f64]) -> f64 {
    let pairs = odd
        .iter()
        .flat_map(|odd| usual.iter().map(move |usual| odd.total_cmp(usual)));
    let wins = pairs
        .map(|order| 0.5 * (f64::from(order as i8) + 1.0))
        .sum::<f64>();
    wins / (usual.len() * odd.len()) as f64
}

#[test]
fn splits_depend_on_the_seed_alone_and_cut_every_room_in_two() {
    let forest = |seed| {
        HalfSpaceTrees::<3>::new(Settings {
            seed,
            ..Settings::default()
        })
        .unwrap()
    };
    let model = forest(5);
    assert_eq!(model, forest(5));
    assert_ne!(model.splits, forest(6).splits);
    // A stored forest must find the same trees for ever: this one by Python's arithmetic.
    assert_eq!(model.splits[0].feature, 1);
    let off = (model.splits[0].threshold - 0.676_614_9).abs();
    assert!(off < 1e-6, "{:?}", model.splits[0]);
    let used: std::collections::HashSet<u32> =
        model.splits.iter().map(|split| split.feature).collect();
    assert_eq!(used.len(), 3);
    for splits in model.splits.chunks_exact(model.settings.splits()) {
        assert!(
            splits
                .iter()
                .all(|split| split.threshold > 0.0 && split.threshold < 1.0)
        );
        let root = &splits[0];
        for (child, is_left) in [(&splits[1], true), (&splits[2], false)] {
            let is_beside = (child.threshold < root.threshold) == is_left;
            assert!(child.feature != root.feature || is_beside);
        }
    }
}

#[test]
fn what_no_model_holds_is_refused() {
    let settings = Settings {
        trees: 2,
        depth: 2,
        window: 4,
        seed: 9,
    };
    let mut model = HalfSpaceTrees::<2>::new(settings).unwrap();
    for place in 0..6 {
        model.update(&[f64::from(place) / 6.0, 0.5]);
    }
    let bytes = model.encode();
    assert_eq!(HalfSpaceTrees::decode(&bytes), Ok(model.clone()));
    let other = HalfSpaceTrees::<3>::decode(&bytes).map(drop);
    assert_eq!(other, Err(ModelError::OutOfRange("features")));
    let broken: [fn(&mut HalfSpaceTrees<2>); 9] = [
        |model| model.settings.trees = TREES_MAX + 1,
        |model| model.settings.depth = DEPTH_MAX + 1,
        |model| model.settings.trees = 3,
        |model| model.points = 4,
        |model| model.reference[0] += 1,
        |model| model.latest[13] += 1,
        |model| model.latest.truncate(13),
        |model| model.is_warm = false,
        |model| {
            // As many points as the window holds, in masses that add up.
            model.settings.window = 2;
            model.is_warm = false;
            model.reference.fill(0);
        },
    ];
    for (place, harm) in broken.iter().enumerate() {
        let mut model = model.clone();
        harm(&mut model);
        let found = HalfSpaceTrees::<2>::decode(&model.encode());
        assert!(
            matches!(found, Err(ModelError::OutOfRange(_))),
            "{place}: {found:?}"
        );
    }
}

#[test]
fn the_largest_forest_can_be_stored() {
    let settings = Settings {
        trees: TREES_MAX,
        depth: DEPTH_MAX,
        window: u16::MAX,
        seed: 1,
    };
    let mut model = HalfSpaceTrees::<1>::new(settings).unwrap();
    model.reference.fill(u16::MAX);
    model.latest.fill(u16::MAX - 1);
    assert!(model.encode().len() < state::LONGEST_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stop_at_any_point_changes_nothing(
        points in proptest::collection::vec([-0.2..1.2, 0.0..1.0], 0..120),
        stop in 0_usize..120,
        seed in any::<u64>(),
    ) {
        let settings = Settings { trees: 5, depth: 4, window: 30, seed };
        let mut whole = HalfSpaceTrees::<2>::new(settings).unwrap();
        let mut stopped = whole.clone();
        for (place, point) in points.into_iter().enumerate() {
            if place == stop {
                stopped = HalfSpaceTrees::decode(&stopped.encode()).unwrap();
            }
            let score = whole.score(&point);
            prop_assert_eq!(score.map(f64::to_bits), stopped.score(&point).map(f64::to_bits));
            prop_assert!(score.is_none_or(|score| (0.0..=1.0).contains(&score)));
            whole.update(&point);
            stopped.update(&point);
        }
        prop_assert_eq!(whole, stopped);
    }

    #[test]
    fn changed_bytes_are_refused_or_harmless(changes in changes(), places in 1_u8..40) {
        let settings = Settings { trees: 2, depth: 2, window: 20, seed: 3 };
        let mut model = HalfSpaceTrees::<2>::new(settings).unwrap();
        for place in 0..places {
            model.update(&[f64::from(place) / 40.0, 0.3]);
        }
        if let Ok(mut model) = HalfSpaceTrees::<2>::decode(&changed(model.encode(), &changes)) {
            for place in 0..50 {
                let point = [f64::from(place) / 50.0, 0.7];
                model.update(&point);
                prop_assert!(model.score(&point).is_none_or(|score| (0.0..=1.0).contains(&score)));
            }
            prop_assert_eq!(HalfSpaceTrees::decode(&model.encode()), Ok(model));
        }
    }
}
