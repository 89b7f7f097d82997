#![allow(clippy::unwrap_used)]
//! Plans of invented houses: what a rule may take, and what it must leave.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::clock::{HOUR_NS, SECOND_NS};

const NOON: UnixNanos = 1_795_000_000 * SECOND_NS;
const GIB: i64 = 1 << 30;
const LIMITS: DiskLimits = DiskLimits {
    warn_percent: 85,
    critical_percent: 95,
    target_percent: 90,
};
const ALL: Acting = Acting {
    by_time: true,
    by_disk: true,
};

fn one(id: i64, days_old: i64, bytes: i64) -> Candidate {
    Candidate {
        id,
        since: NOON - days_old * DAY_NS,
        bytes,
        policy: 0,
        is_protected: false,
    }
}

fn general(max_age_days: Option<i64>, max_total_bytes: Option<i64>) -> Policies {
    Policies {
        list: Vec::new(),
        general: Policy {
            max_age_ns: max_age_days.map(|days| days * DAY_NS),
            max_total_bytes,
            ..Policy::default()
        },
    }
}

fn around(policies: &Policies, used_percent: i64) -> Circumstances<'_> {
    Circumstances {
        policies,
        limits: LIMITS,
        disk: Some(Disk {
            total_bytes: 100 * GIB,
            used_bytes: used_percent * GIB,
        }),
        wanted_free_bytes: 0,
        acting: ALL,
        now: NOON,
    }
}

fn ids(plan: &Plan) -> Vec<i64> {
    plan.removals.iter().map(|one| one.candidate.id).collect()
}

#[test]
fn by_default_only_a_full_disk_makes_recordings_go() {
    let policies = Policies::default();
    let recordings: Vec<_> = (1..=100).map(|id| one(id, 1_000 - id, GIB)).collect();
    assert_eq!(plan(&recordings, &around(&policies, 94)), Plan::default());
    let full = plan(&recordings, &around(&policies, 95));
    assert_eq!(ids(&full), [1, 2, 3, 4, 5], "from 95 to 90 GiB");
    assert_eq!(full.unmet_bytes, 0);
    let text = "the disk is 95.0 % full, to become 90 %; this one is the oldest";
    assert_eq!(full.removals[0].text, text);
    let mut blind = around(&policies, 99);
    blind.disk = None;
    assert_eq!(plan(&recordings, &blind), Plan::default());
}

#[test]
fn a_run_takes_a_tenth_and_tells_what_is_left() {
    let policies = general(Some(30), None);
    let recordings: Vec<_> = (1..=55).map(|id| one(id, 100 - id, GIB)).collect();
    let old = plan(&recordings, &around(&policies, 10));
    assert_eq!(ids(&old), [1, 2, 3, 4, 5]);
    assert_eq!(old.left_for_later, 50);
    assert_eq!(old.removals[0].rule, Rule::Age);
    let text = "all recordings are kept for 30 days; this one is 99 days old";
    assert_eq!(old.removals[0].text, text);
    let few = plan(&recordings[..3], &around(&policies, 10));
    assert_eq!(ids(&few), [1], "one may always go");
}

#[test]
fn the_first_policy_that_matches_counts() {
    let policies = Policies {
        list: vec![
            Policy {
                camera: Some("yard".into()),
                trigger: Some("CONTINUOUS".into()),
                max_age_ns: Some(3 * DAY_NS),
                ..Policy::default()
            },
            Policy {
                camera: Some("yard".into()),
                max_total_bytes: Some(2 * GIB),
                ..Policy::default()
            },
        ],
        general: Policy {
            max_age_ns: Some(30 * DAY_NS),
            ..Policy::default()
        },
    };
    assert_eq!(policies.index(Some("yard"), Some("CONTINUOUS")), 0);
    assert_eq!(policies.index(Some("yard"), Some("MOTION")), 1);
    assert_eq!(policies.index(Some("yard"), None), 1);
    assert_eq!(policies.index(Some("hall"), Some("CONTINUOUS")), 2);
    assert_eq!(policies.index(None, None), 2);
    let of = |id, days, policy| Candidate {
        policy,
        ..one(id, days, GIB)
    };
    let mut recordings = vec![of(1, 4, 0), of(2, 90, 1), of(3, 80, 1), of(4, 70, 1)];
    recordings.extend((5..=50).map(|id| of(id, 29, 2)));
    recordings.push(of(51, 31, 2));
    let planned = plan(&recordings, &around(&policies, 10));
    let rules: Vec<_> = planned.removals.iter().map(|one| one.rule).collect();
    assert_eq!(ids(&planned), [2, 51, 1]);
    assert_eq!(rules, [Rule::Total, Rule::Age, Rule::Age]);
    assert_eq!(
        planned.removals[0].text,
        "recordings of yard may take 2.0 GiB; this one is the oldest"
    );
    assert_eq!(
        planned.removals[1].text,
        "recordings that no policy names are kept for 30 days; this one is 31 days old"
    );
    assert_eq!(
        planned.removals[2].text,
        "recordings of yard by CONTINUOUS are kept for 3 days; this one is 4 days old"
    );
}

#[test]
fn what_protected_recordings_leave_no_room_for_is_told() {
    let policies = Policies::default();
    let protected = |id| Candidate {
        is_protected: true,
        ..one(id, 10, GIB)
    };
    let recordings: Vec<_> = (1..=40).map(protected).collect();
    let planned = plan(&recordings, &around(&policies, 97));
    assert_eq!((ids(&planned), planned.unmet_bytes), (vec![], 7 * GIB));
}

#[test]
fn a_recording_that_found_no_room_gets_it_unless_it_asks_for_too_much() {
    let policies = Policies::default();
    let recordings: Vec<_> = (1..=100).map(|id| one(id, 1_000 - id, GIB)).collect();
    let mut short = around(&policies, 80);
    short.wanted_free_bytes = 23 * GIB;
    assert_eq!(ids(&plan(&recordings, &short)), [1, 2, 3]);
    short.wanted_free_bytes = 1 << 50;
    assert_eq!(ids(&plan(&recordings, &short)), Vec::<i64>::new());
}

#[test]
fn a_start_that_cannot_be_is_replaced_by_the_time_when_it_was_found() {
    let found = Some(NOON);
    let day = DAY_NS;
    assert_eq!(since(Some(NOON - 40 * day), found), NOON - 40 * day);
    assert_eq!(since(Some(0), found), NOON, "a camera that woke up in 1970");
    assert_eq!(since(Some(946_684_800 * SECOND_NS), found), NOON, "in 2000");
    assert_eq!(since(Some(NOON + 40 * day), found), NOON, "in the future");
    assert_eq!(since(None, found), NOON);
    assert_eq!(since(None, None), UnixNanos::MAX, "never old");
}

#[test]
fn the_forecast_tells_when_which_limit_bites() {
    let policies = general(Some(30), Some(40 * GIB));
    // Two a day for ten days.
    let recordings: Vec<_> = (0..20).map(|n| one(n, 10 - n / 2, GIB)).collect();
    let ahead = forecast(&recordings, &around(&policies, 65));
    let per_day = ahead.bytes_per_day.unwrap() as f64 / GIB as f64;
    assert!((2.0..2.3).contains(&per_day), "{per_day} GiB per day");
    let close = |days: Option<f64>, expected: f64| {
        let days = days.unwrap();
        assert!(
            (days - expected).abs() < expected * 0.2,
            "{days} for {expected}"
        );
    };
    close(ahead.days_until_warn, 10.0);
    close(ahead.days_until_critical, 15.0);
    close(ahead.days_until_limit, 10.0);
    assert_eq!(ahead.limit.unwrap(), "max_total of all recordings");
    let nothing = forecast(&[], &around(&policies, 65));
    assert_eq!(nothing, Forecast::default());
    let full = forecast(&recordings, &around(&policies, 99));
    assert_eq!(full.days_until_critical, Some(0.0));
}

prop_compose! {
    fn recordings()(
        drawn in vec((0..2_000_i64, 0..4 * GIB, 0..3_usize, prop::bool::weighted(0.2)), 0..120)
    ) -> Vec<Candidate> {
        let made = drawn.into_iter().enumerate().map(|(id, (hours, bytes, policy, is_protected))| {
            Candidate { id: id as i64 + 1, since: NOON - hours * HOUR_NS, bytes, policy, is_protected }
        });
        made.collect()
    }
}

prop_compose! {
    fn policies()(
        limits in vec((prop::option::of(1..80_i64), prop::option::of(0..60 * GIB)), 3..=3)
    ) -> Policies {
        let mut made = limits.into_iter().enumerate().map(|(index, (days, total))| Policy {
            camera: Some(format!("camera{index}")),
            trigger: None,
            max_age_ns: days.map(|days| days * DAY_NS),
            max_total_bytes: total,
        });
        let general = made.next().unwrap();
        Policies { list: made.collect(), general }
    }
}

proptest! {
    #[test]
    fn plans_keep_their_promises(
        recordings in recordings(),
        policies in policies(),
        used in 0..100_i64,
        wanted in prop_oneof![Just(0), 0..60 * GIB],
        by_time in any::<bool>(),
        by_disk in any::<bool>(),
    ) {
        let mut around = around(&policies, used);
        around.acting = Acting { by_time, by_disk };
        around.wanted_free_bytes = wanted;
        let planned = plan(&recordings, &around);
        let gone: HashSet<_> = ids(&planned).into_iter().collect();
        prop_assert_eq!(gone.len(), planned.removals.len(), "one goes twice");
        prop_assert!(gone.len() <= most_of(recordings.len()));
        prop_assert!(planned.removals.iter().all(|one| !one.candidate.is_protected));
        prop_assert!(planned.removals.is_sorted_by_key(|one| (one.candidate.since, one.candidate.id)));
        prop_assert!(by_time || planned.removals.iter().all(|one| one.rule == Rule::Disk));
        prop_assert!(by_disk || planned.removals.iter().all(|one| one.rule != Rule::Disk));

        // Oldest first: no rule passes over an older one that it could have taken.
        for removal in &planned.removals {
            let taken = removal.candidate;
            let older = recordings.iter().filter(|other| {
                !other.is_protected && (other.since, other.id) < (taken.since, taken.id)
            });
            for other in older.filter(|other| removal.rule == Rule::Disk || other.policy == taken.policy) {
                prop_assert!(gone.contains(&other.id), "{:?} goes before {:?}", taken, other);
            }
        }

        // No more than needed: without its last one, each rule would not have had enough.
        let left = |but: Option<i64>| -> Vec<Candidate> {
            let stays = |one: &&Candidate| !gone.contains(&one.id) || Some(one.id) == but;
            recordings.iter().filter(stays).copied().collect()
        };
        if let Some(last) = planned.removals.iter().rfind(|one| one.rule == Rule::Total) {
            let index = last.candidate.policy;
            let total: i64 = left(Some(last.candidate.id)).iter()
                .filter(|one| one.policy == index).map(|one| one.bytes).sum();
            prop_assert!(total > policies.get(index).max_total_bytes.unwrap());
        }
        if let Some(last) = planned.removals.iter().rfind(|one| one.rule == Rule::Disk) {
            let freed: i64 = planned.removals.iter()
                .filter(|one| one.candidate.id != last.candidate.id)
                .map(|one| one.candidate.bytes).sum();
            prop_assert!(freed < disk_need(around.disk.unwrap(), &around));
        }

        // Once it is done, and nothing was put off, there is nothing left to do.
        if planned.left_for_later == 0 {
            let freed: i64 = planned.removals.iter().map(|one| one.candidate.bytes).sum();
            let disk = around.disk.as_mut().unwrap();
            disk.used_bytes = (disk.used_bytes - freed).max(0);
            let again = plan(&left(None), &around);
            prop_assert_eq!(again.removals, Vec::new());
            prop_assert_eq!(again.unmet_bytes > 0, planned.unmet_bytes > 0);
        }
    }
}
