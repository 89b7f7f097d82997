//! What the watch finds in rows that are made up, and that cuts change nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;

use super::rows::{Line, Row, Sample, What};
use super::watch::{CLOCK, Restored, Watch};
use super::*;
use crate::base::clock::SECOND_NS;
use crate::store::model::StoredModel;

/// A minute in November 2026.
const FIRST: i64 = 29_918_880;
/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// Rows of an event log in the making.
#[derive(Default)]
pub(super) struct Log(pub(super) Vec<Row>);

impl Log {
    pub(super) fn push(&mut self, minute: i64, what: What) {
        self.late(minute, minute, what);
    }

    /// Of one minute, arrived in another.
    pub(super) fn late(&mut self, minute: i64, arrival: i64, what: What) {
        let position = self.0.len() as i64 + 1;
        self.0.push(Row {
            position,
            occurred_at: minute * MINUTE_NS + position % 50 * SECOND_NS,
            received_at: arrival * MINUTE_NS + position % 50 * SECOND_NS,
            what,
        });
    }

    pub(super) fn lines(&mut self, minute: i64, source: &str, count: usize) {
        for _ in 0..count {
            self.push(minute, line("heron", source, 0));
        }
    }

    fn sample(&mut self, minute: i64) {
        self.push(
            minute,
            What::Sample(Sample {
                host: "heron".into(),
                cpu_percent: Some(20.0),
                memory_percent: None,
            }),
        );
    }

    fn found(&self) -> Vec<Finding> {
        let mut watch = Watch::new(Sensitivity::Normal, 0);
        let mut found = Vec::new();
        for row in &self.0 {
            watch.take(row, &mut found);
        }
        found
    }

    fn found_by(&self, prefix: &str) -> Vec<Finding> {
        let mut found = self.found();
        found.retain(|one| one.model.starts_with(prefix));
        found
    }
}

pub(super) fn line(host: &str, source: &str, template: i64) -> What {
    What::Line(Line {
        stream: source.len() as i64,
        host: Arc::from(host),
        source: Arc::from(source),
        level: 1,
        is_failed_login: false,
        template,
    })
}

fn texts(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|one| one.verdict.text.as_str()).collect()
}

/// Two hours of nginx, four lines a minute.
pub(super) fn usual_hours() -> (Log, i64) {
    let mut log = Log::default();
    for minute in FIRST..FIRST + 120 {
        log.lines(minute, "nginx", 4);
    }
    (log, FIRST + 120)
}

#[test]
fn a_flood_is_one_anomaly_and_one_that_doubles_another() {
    let (mut log, mut minute) = usual_hours();
    for lines in [200, 210, 190, 900, 850] {
        log.lines(minute, "nginx", lines);
        minute += 1;
    }
    for minute in minute..minute + 10 {
        log.lines(minute, "nginx", 4);
    }
    let found = log.found_by("hw:");
    assert_eq!(
        texts(&found),
        [
            "nginx wrote 200 lines in a minute, 4 are usual",
            "nginx wrote 900 lines in a minute, 5 are usual",
        ]
    );
    let first = &found[0];
    assert_eq!(first.model, "hw:source:nginx");
    assert_eq!(first.subject, "source/nginx");
    assert_eq!(first.at, (FIRST + 120) * MINUTE_NS);
    assert_eq!(first.event, 120 * 4 + 200, "the flood's last line");
    assert!(first.verdict.above && first.verdict.score > first.verdict.threshold);
}

#[test]
fn rows_before_the_first_start_are_learned_from_and_not_told() {
    let (mut log, minute) = usual_hours();
    log.lines(minute, "nginx", 500);
    let quiet_until = log.0.len() as i64 + 200;
    for minute in minute + 1..minute + 120 {
        log.lines(minute, "nginx", 4);
    }
    log.lines(minute + 121, "nginx", 500);
    log.lines(minute + 125, "nginx", 4);
    let mut watch = Watch::new(Sensitivity::Normal, quiet_until);
    let mut found = Vec::new();
    for row in &log.0 {
        watch.take(row, &mut found);
    }
    let events: Vec<_> = found.iter().map(|one| one.event > quiet_until).collect();
    assert_eq!(events, [true]);
}

/// Three days with a sample a minute and as many lines of cron that none are odd; what comes then is the test's.
fn known_days() -> (Log, i64) {
    let mut log = Log::default();
    for minute in FIRST..FIRST + 3 * DAY {
        log.sample(minute);
        log.lines(minute, "cron", 45);
    }
    (log, FIRST + 3 * DAY)
}

#[test]
fn silence_is_told_when_it_is_unusual() {
    let (mut log, minute) = known_days();
    for minute in minute..minute + 10 {
        log.sample(minute);
    }
    let found = log.found_by("hw:");
    assert_eq!(
        texts(&found),
        ["cron wrote 0 lines in a minute, 45 are usual"]
    );
    assert!(!found[0].verdict.above);
}

#[test]
fn what_nobody_watched_is_no_silence() {
    let (log, minute) = known_days();
    let paused = |what: Option<What>, minutes: i64| {
        let mut log = Log(log.0.clone());
        let back = minute + minutes;
        if let Some(what) = what {
            log.push(back, what);
        }
        for minute in back..back + 20 {
            log.sample(minute);
            log.lines(minute, "cron", 45);
        }
        log.found()
    };
    assert_eq!(paused(Some(What::Start), 300), [], "a start in between");
    assert_eq!(paused(Some(What::Start), 0), [], "a quick one");
    assert_eq!(paused(None, 300), [], "a suspended machine");
    assert!(
        !paused(None, 10).is_empty(),
        "nothing came, and rows went on"
    );
}

#[test]
fn a_site_that_becomes_busier_for_good_is_told_and_a_daily_habit_is_not() {
    let mut log = Log::default();
    let habit = |minute: i64| if minute % DAY < DAY / 2 { 20 } else { 2 };
    for minute in FIRST..FIRST + 4 * DAY {
        log.lines(minute, "cron", habit(minute));
    }
    assert_eq!(log.found_by("cusum:"), []);
    for minute in FIRST + 4 * DAY..FIRST + 4 * DAY + 60 {
        log.lines(minute, "cron", habit(minute) + 6);
    }
    let found = log.found_by("cusum:");
    assert_eq!(found.len(), 1, "{found:?}");
    let text = &found[0].verdict.text;
    assert!(
        text.starts_with("about ") && text.contains("events a minute for "),
        "{text}"
    );
    assert_eq!(
        (found[0].model.as_str(), found[0].subject.as_str()),
        ("cusum:global", "site")
    );
    assert!(found[0].verdict.above && found[0].verdict.observed > found[0].verdict.expected);
}

#[test]
fn lines_in_an_unusual_order_are_told() {
    let mut log = Log::default();
    let order = |log: &mut Log, templates: &[i64]| {
        for template in templates {
            let minute = FIRST + log.0.len() as i64 / 100;
            log.push(minute, line("wren", "app", *template));
        }
    };
    for _ in 0..400 {
        order(&mut log, &[1, 2, 3, 4]);
    }
    assert_eq!(log.found_by("markov:"), []);
    for _ in 0..10 {
        order(&mut log, &[4, 2, 1, 3]);
    }
    let found = log.found_by("markov:");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].model, "markov:host:wren");
    assert_eq!(found[0].subject, "host/wren");
    let text = &found[0].verdict.text;
    assert!(
        text.starts_with("wren wrote lines in an unusual order: "),
        "{text}"
    );
}

#[test]
fn an_unusual_combination_is_told() {
    let mut log = Log::default();
    // By turns many lines and a busy processor, never both.
    let minute_of = |log: &mut Log, minute: i64, lines: usize, cpu: f64| {
        log.lines(minute, "app", lines);
        let sample = Sample {
            host: "heron".into(),
            cpu_percent: Some(cpu),
            memory_percent: Some(40.0),
        };
        log.push(minute, What::Sample(sample));
    };
    let end = FIRST + 1_000;
    for minute in FIRST..end {
        let (lines, cpu) = if minute % 2 == 0 {
            (20, 5.0)
        } else {
            (2, 60.0)
        };
        minute_of(
            &mut log,
            minute,
            lines + (minute % 3) as usize,
            cpu + (minute % 5) as f64,
        );
    }
    assert_eq!(log.found_by("hst:"), []);
    minute_of(&mut log, end, 21, 97.0);
    for minute in end + 1..end + 6 {
        minute_of(&mut log, minute, 2, 60.0);
    }
    let found = log.found_by("hst:");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].model, "hst:host:heron");
    assert_eq!(
        found[0].verdict.text,
        "heron had an unusual minute: 21 lines, 0 errors, 0 warnings, 0 failed logins, 1 source \
         and 1 template, processor 97 %, memory 40 %"
    );
}

#[test]
fn a_late_line_is_left_out_and_counted_and_one_from_the_future_is_of_now() {
    let (mut log, minute) = usual_hours();
    for _ in 0..500 {
        log.late(minute - 30, minute, line("heron", "nginx", 0));
    }
    for _ in 0..500 {
        log.late(minute + 9_000, minute + 1, line("heron", "nginx", 0));
    }
    log.lines(minute + 10, "nginx", 4);
    let mut watch = Watch::new(Sensitivity::Normal, 0);
    let mut found = Vec::new();
    for row in &log.0 {
        watch.take(row, &mut found);
    }
    assert_eq!(watch.late(), 500);
    found.retain(|one| one.model.starts_with("hw:"));
    assert_eq!(
        texts(&found),
        ["nginx wrote 500 lines in a minute, 4 are usual"]
    );
    assert_eq!(found[0].at, (minute + 1) * MINUTE_NS);
}

#[test]
fn a_clock_that_was_ahead_for_a_while_costs_nothing_once_it_is_right() {
    let (mut log, minute) = usual_hours();
    for ahead in 0..5 {
        log.lines(minute + 400 * DAY + 77 + ahead, "nginx", 4);
    }
    for minute in minute + 5..minute + 70 {
        log.lines(minute, "nginx", 4);
    }
    log.lines(minute + 70, "nginx", 300);
    log.lines(minute + 75, "nginx", 4);
    let found = log.found_by("hw:");
    assert_eq!(
        texts(&found),
        ["nginx wrote 300 lines in a minute, 4 are usual"]
    );
    assert_eq!(found[0].at, (minute + 70) * MINUTE_NS);
}

#[test]
fn a_host_whose_clock_is_ahead_is_heard_of_again() {
    let mut log = Log::default();
    let order = |log: &mut Log, templates: &[i64], times: i64, ahead: i64| {
        for _ in 0..times {
            for template in templates {
                let minute = FIRST + log.0.len() as i64 / 100;
                log.late(minute + ahead, minute, line("wren", "app", *template));
            }
        }
    };
    order(&mut log, &[1, 2, 3, 4], 400, 0);
    order(&mut log, &[4, 2, 1, 3], 10, 90 * DAY);
    order(&mut log, &[1, 2, 3, 4], 3_000, 0);
    order(&mut log, &[4, 1, 3, 2], 10, 0);
    assert_eq!(log.found_by("markov:").len(), 2);
}

#[test]
fn own_conclusions_are_not_watched() {
    let (mut log, minute) = usual_hours();
    let before = watched(&log.0, &[]).1;
    for _ in 0..5_000 {
        log.push(minute + 500, What::Own);
    }
    assert_eq!(watched(&log.0, &[]).1, before);
}

#[test]
fn sources_and_hosts_are_bounded_whatever_their_names() {
    let mut log = Log::default();
    for number in 0..3_000_i64 {
        let host = format!("höst {}\u{0}", number % 700);
        let source = format!("{}%~{number}", "ß".repeat(90));
        log.push(FIRST + number / 200, line(&host, &source, number));
    }
    let (_, states) = watched(&log.0, &[]);
    let of = |prefix: &str| {
        states
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .count()
    };
    assert_eq!(of("hw:source:"), SOURCES_MAX);
    assert_eq!(of("markov:host:"), HOSTS_MAX);
    assert_eq!(of("hst:host:"), HOSTS_MAX);
    assert!(
        states
            .iter()
            .all(|(key, _)| key.len() <= 256 && key.is_ascii())
    );
    let last = super::keys::key("markov:host:", &format!("höst {}\u{0}", 2_999 % 700));
    assert!(
        states.iter().any(|(key, _)| *key == last),
        "the newest stay"
    );
}

/// What is found in `rows` by a watch that is stored and restored before each of `cuts`, and what is
/// stored in the end.
fn watched(rows: &[Row], cuts: &[usize]) -> (Vec<Finding>, Vec<(String, Vec<u8>)>) {
    let mut watch = Watch::new(Sensitivity::Normal, 0);
    let mut found = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        if cuts.contains(&number) {
            let restored = Watch::restore(Sensitivity::Normal, stored(&watch, number as i64));
            assert_eq!(restored.refused, []);
            assert_eq!(restored.position, Some(number as i64));
            watch = restored.watch;
        }
        watch.take(row, &mut found);
    }
    (found, watch.states().collect())
}

fn stored(watch: &Watch, position: i64) -> Vec<StoredModel> {
    let one = |(key, data)| StoredModel {
        key,
        data,
        updated_at: 0,
        position,
    };
    watch.states().map(one).collect()
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let what = prop_oneof![
        1 => Just(What::Start),
        2 => Just(What::Own),
        6 => Just(What::Other),
        40 => (0..4_usize, 0..4_usize, 0..4_i64, any::<bool>()).prop_map(
            |(host, source, level, is_failed_login)| What::Line(Line {
                stream: source as i64,
                host: ["heron", "wren", "", "zürich"][host].into(),
                source: ["nginx", "sshd", "cron", "a/b"][source].into(),
                level,
                is_failed_login,
                template: level * 7 + source as i64,
            })
        ),
        6 => (0..100_i32).prop_map(|cpu| What::Sample(Sample {
            host: "heron".into(),
            cpu_percent: Some(f64::from(cpu)),
            memory_percent: (cpu > 50).then_some(30.0),
        })),
    ];
    // Bursts: what comes, how often, how many minutes later or back, and how late it is.
    let burst = (
        what,
        1..60_usize,
        prop_oneof![9 => 0..3_i64, 1 => -40..40_i64],
        -5..3_i64,
    );
    proptest::collection::vec(burst, 0..250).prop_map(|bursts| {
        let (mut log, mut minute) = usual_hours();
        for (what, times, later, off) in bursts {
            minute += later;
            for _ in 0..times {
                log.late(minute + off, minute, what.clone());
            }
        }
        log.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn cuts_change_nothing(
        rows in any_rows(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let cuts: Vec<_> = cuts.iter().map(|cut| cut.index(rows.len())).collect();
        prop_assert_eq!(watched(&rows, &cuts), watched(&rows, &[]));
    }

    #[test]
    fn a_kill_between_two_pieces_of_a_save_changes_nothing(
        rows in any_rows(),
        cuts in any::<[prop::sample::Index; 2]>(),
        is_ahead in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let mut cuts = cuts.map(|cut| cut.index(rows.len()));
        cuts.sort_unstable();
        let [saved, killed] = cuts;
        let mut watch = Watch::new(Sensitivity::Normal, 0);
        let mut found = Vec::new();
        rows[..saved].iter().for_each(|row| watch.take(row, &mut found));
        let mut models = stored(&watch, saved as i64);
        rows[saved..killed].iter().for_each(|row| watch.take(row, &mut found));
        let ahead = stored(&watch, killed as i64);
        for (one, _) in ahead.into_iter().zip(is_ahead).filter(|(_, is_ahead)| *is_ahead) {
            if one.key != CLOCK {
                models.retain(|old| old.key != one.key);
                models.push(one);
            }
        }
        let restored = Watch::restore(Sensitivity::Normal, models);
        prop_assert_eq!(restored.refused, []);
        let (mut watch, mut again) = (restored.watch, Vec::new());
        rows[saved..].iter().for_each(|row| watch.take(row, &mut again));
        for one in again {
            if !found.contains(&one) {
                found.push(one);
            }
        }
        let (expected, states) = watched(&rows, &[]);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(watch.states().collect::<Vec<_>>(), states);
    }

    #[test]
    fn no_stored_bytes_are_too_bad(
        place in any::<prop::sample::Index>(),
        junk in proptest::collection::vec(any::<u8>(), 0..40),
        at in any::<prop::sample::Index>(),
    ) {
        let (log, minute) = usual_hours();
        let mut watch = Watch::new(Sensitivity::Normal, 0);
        let mut found = Vec::new();
        log.0.iter().for_each(|row| watch.take(row, &mut found));
        let mut models = stored(&watch, 480);
        let place = place.index(models.len());
        let data = &mut models[place].data;
        let at = at.index(data.len());
        let end = data.len().min(at + junk.len());
        data.splice(at..end, junk);
        let Restored { mut watch, .. } = Watch::restore(Sensitivity::Normal, models);
        let mut more = Log::default();
        for minute in minute..minute + 5 {
            more.lines(minute, "nginx", 4);
        }
        more.0.iter().for_each(|row| watch.take(row, &mut found));
    }
}

#[test]
fn what_cannot_be_gone_on_with_begins_anew_and_the_rest_stays() {
    let (log, _) = usual_hours();
    let mut watch = Watch::new(Sensitivity::Normal, 0);
    let mut found = Vec::new();
    log.0.iter().for_each(|row| watch.take(row, &mut found));
    let mut models = stored(&watch, 480);
    let keys: Vec<_> = models.iter().map(|one| one.key.clone()).collect();
    assert_eq!(
        keys,
        [
            "hw:source:nginx",
            "cusum:global",
            "markov:host:heron",
            "hst:host:heron",
            "clock:global"
        ]
    );
    // Another version, a damaged one, one that has not changed of late, one of somebody else.
    models[0].data[0] = 99;
    models[2].data.truncate(20);
    models[3].position = 479;
    models.push(StoredModel {
        key: "markov:user:ada".into(),
        data: vec![1],
        updated_at: 0,
        position: 3,
    });
    let restored = Watch::restore(Sensitivity::Normal, models);
    let mut refused: Vec<_> = restored
        .refused
        .iter()
        .map(|(key, why)| format!("{key}: {why}"))
        .collect();
    refused.sort();
    assert_eq!(
        refused,
        [
            "hw:source:nginx: this is no stored model: another version",
            "markov:host:heron: this is no stored model: damaged",
        ]
    );
    assert_eq!(restored.position, Some(480));
    assert_eq!(restored.watch.models(), 2, "the site's, the forest");

    let other = Watch::restore(Sensitivity::High, stored(&watch, 480));
    let mut refused: Vec<_> = other.refused.into_iter().collect();
    refused.sort_by(|(one, _), (other, _)| one.cmp(other));
    let settings = |key: &str| (key.to_owned(), StateError::Settings);
    assert_eq!(
        refused,
        [
            settings("cusum:global"),
            settings("hw:source:nginx"),
            settings("markov:host:heron")
        ]
    );
    assert_eq!(
        other.watch.models(),
        1,
        "the forest learns the same either way"
    );

    let mut models = stored(&watch, 480);
    models[4].data.clear();
    let lost = Watch::restore(Sensitivity::Normal, models);
    assert_eq!(lost.position, Some(480), "the models say how far they are");
    assert_eq!(lost.watch.models(), 4);
}

#[test]
fn a_stored_model_says_how_far_it_has_come() {
    let (log, minute) = known_days();
    let stage = |rows: &[Row], key: &str| {
        let (_, states) = watched(rows, &[]);
        let (_, data) = states.iter().find(|(one, _)| one == key).unwrap();
        describe(key, data, Sensitivity::Normal).unwrap().unwrap()
    };
    let early = log
        .0
        .iter()
        .filter(|row| minute_of(row.received_at) < FIRST + 10);
    let early: Vec<_> = early.cloned().collect();
    for key in [
        "hw:source:cron",
        "cusum:global",
        "markov:host:heron",
        "hst:host:heron",
    ] {
        assert_eq!(stage(&early, key).2, Stage::WarmingUp, "{key}");
        assert_eq!(stage(&log.0, key).2, Stage::Ready, "{key}");
    }
    let day = log
        .0
        .iter()
        .filter(|row| minute_of(row.received_at) < minute - 2 * DAY);
    let day: Vec<_> = day.cloned().collect();
    assert_eq!(
        stage(&day, "hw:source:cron"),
        ("source/cron".into(), DAY as u64 - 4, Stage::FloodsOnly)
    );
}
