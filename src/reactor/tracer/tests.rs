//! Lines and samples come in, and the house looks into what is notable.
#![allow(clippy::unwrap_used, reason = "tests")]

mod patterns;

use serde_json::{Value, json};

use super::super::Settings;
use super::super::tests::bench::{House, NOON};
use super::*;
use crate::base::clock::{DAY_NS, SECOND_NS};
use crate::event::Flags;
use crate::event::system::MetricsSampled;
use crate::event::trace::IpListed;
use crate::writer::Submission;

const GUEST: &str = "203.0.113.9";

fn house() -> House {
    House::new(Settings::default())
}

fn at(seconds: i64) -> UnixNanos {
    NOON + seconds * SECOND_NS
}

fn line(seconds: i64, source: &str, level: Level, fields: Value, text: &str) -> NewEvent {
    let written = LogWritten {
        host: "jupiter".into(),
        source: source.into(),
        level,
        fields: serde_json::from_value(fields).unwrap(),
    };
    let stream = format!("log/jupiter/{source}");
    NewEvent::own(at(seconds), stream, written).with_text(text)
}

fn failed(seconds: i64, ip: &str, user: &str) -> NewEvent {
    let fields =
        json!({"action": "failed_login", "ip_address": ip, "user": user, "service": "sshd"});
    line(seconds, "auth", Level::Info, fields, "Failed password")
}

fn error(seconds: i64, text: &str) -> NewEvent {
    line(seconds, "shop", Level::Error, json!({}), text)
}

fn sampled(seconds: i64, told: Value) -> NewEvent {
    let sample = MetricsSampled {
        host: "jupiter".into(),
        group: "system".into(),
        values: serde_json::from_value(told).unwrap(),
    };
    NewEvent::own(at(seconds), "metrics/jupiter", sample)
}

fn tell(house: &House, events: Vec<NewEvent>) {
    let submission = Submission {
        events,
        ..Submission::default()
    };
    house.handle().submit(submission).unwrap();
    house.handle().barrier().unwrap();
}

fn traces(house: &House) -> Vec<String> {
    house.rows("SELECT trigger, subject, severity_score FROM traces ORDER BY id")
}

fn patterns(house: &House) -> Vec<String> {
    house.rows("SELECT pattern_type, subject, event_count, severity FROM patterns ORDER BY id")
}

fn moments(house: &House) -> Vec<String> {
    house.rows("SELECT type, severity_id, source_type, source_id FROM events ORDER BY position")
}

fn alerts(house: &House) -> Vec<String> {
    house.rows("SELECT alert_type FROM alerts ORDER BY alert_id")
}

#[test]
fn a_ban_is_traced_to_the_failed_logins_before_it() {
    let house = house();
    let found = json!({"action": "found", "ip_address": GUEST});
    let ban = json!({"action": "ban", "ip_address": GUEST});
    tell(
        &house,
        vec![
            failed(-90_000, GUEST, "root"),
            failed(-240, GUEST, "root"),
            line(-240, "fail2ban", Level::Info, found, "Found"),
            failed(-200, "198.51.100.4", "root"),
            failed(0, GUEST, "ada"),
            line(1, "fail2ban", Level::Warning, ban.clone(), "Ban"),
            line(2, "fail2ban", Level::Warning, ban, "Ban"),
        ],
    );
    assert_eq!(traces(&house), ["ban 203.0.113.9 50"]);
    let told = house.rows(
        "SELECT cause, line, causality_chain, related_services, root_cause, service, at FROM traces",
    );
    let when = at(1);
    assert_eq!(
        told,
        [format!(
            "6 6 [2,3,5] [\"fail2ban\",\"sshd\"] \
             2 logins from 203.0.113.9 failed within 4 min as ada, root fail2ban {when}"
        )]
    );
    let text = house.rows("SELECT message FROM event_traces");
    assert_eq!(text, ["Ban"]);
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn many_failed_logins_are_a_burst_and_a_brute_force_that_people_are_told_of() {
    let mut house = house();
    let tries =
        |from: i64, count: i64| (from..from + count).map(|at| failed(at * 10, GUEST, "root"));
    tell(&house, tries(0, 4).collect());
    assert_eq!(traces(&house), Vec::<String>::new());
    tell(&house, tries(4, 1).collect());
    assert_eq!(traces(&house), ["failed_login_burst 203.0.113.9 30"]);
    let told = house.rows("SELECT cause, causality_chain, root_cause FROM traces");
    assert_eq!(
        told,
        ["5 [1,2,3,4] 5 failed logins from 203.0.113.9 within 40 s as root"]
    );
    assert_eq!(patterns(&house), ["brute_force 203.0.113.9 5 70"]);
    assert_eq!(moments(&house), ["BRUTE_FORCE 4 host jupiter"]);
    assert_eq!(alerts(&house), ["BRUTE_FORCE"]);
    // What is known stays known through a restart, for a while.
    house.restart(None);
    tell(&house, tries(5, 20).collect());
    assert_eq!(traces(&house).len(), 1);
    tell(&house, tries(35, 5).collect());
    assert_eq!(
        traces(&house).len(),
        2,
        "five minutes later it is another burst"
    );
    assert_eq!(patterns(&house).len(), 1);
    tell(&house, tries(400, 5).collect());
    assert_eq!(
        patterns(&house).len(),
        2,
        "an hour later it is another brute force"
    );
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn slow_failures_are_a_brute_force_and_no_burst() {
    let house = house();
    tell(
        &house,
        (0..7)
            .map(|step| failed(step * 500, GUEST, "root"))
            .collect(),
    );
    assert_eq!(traces(&house), Vec::<String>::new());
    assert_eq!(patterns(&house), ["brute_force 203.0.113.9 5 50"]);
    assert_eq!(moments(&house), ["BRUTE_FORCE 3 host jupiter"]);
    assert_eq!(alerts(&house), Vec::<String>::new(), "a warning only");
}

#[test]
fn how_the_lines_came_in_batches_changes_nothing() {
    let events = || {
        let mut events: Vec<_> = (0..30)
            .map(|step| failed(step * 7, GUEST, "root"))
            .collect();
        events.push(failed(-40, "198.51.100.4", "bo"));
        events.extend((0..4).map(|step| failed(-30 - step, "198.51.100.4", "bo")));
        events
    };
    let together = house();
    tell(&together, events());
    let singly = house();
    for event in events() {
        tell(&singly, vec![event]);
    }
    assert_eq!(patterns(&together), patterns(&singly));
    assert_eq!(traces(&together), traces(&singly));
    assert_eq!(traces(&together).len(), 1, "{:?}", traces(&together));
}

#[test]
fn one_address_with_many_names_is_a_sweep() {
    let house = house();
    let names = ["root", "root", "ada", "bo", "admin", "test", "guest"];
    let tries = (0..).step_by(100).zip(names);
    tell(
        &house,
        tries.map(|(at, name)| failed(at, GUEST, name)).collect(),
    );
    assert_eq!(
        patterns(&house),
        ["brute_force 203.0.113.9 5 50", "ip_sweep 203.0.113.9 6 60"]
    );
    let told = house.rows("SELECT name, ips, description FROM patterns p, trace_patterns t WHERE t.id = p.id AND p.pattern_type = 'ip_sweep'");
    assert_eq!(
        told,
        ["Sweep over names from 203.0.113.9 [\"203.0.113.9\"] \
          203.0.113.9 tried 5 names within 8 min as ada, admin, bo and 2 more"]
    );
}

#[test]
fn one_name_from_many_addresses_is_a_sweep() {
    let house = house();
    let tries = (1..=9).map(|host| failed(host * 60, &format!("198.51.100.{host}"), "root"));
    tell(&house, tries.collect());
    assert_eq!(patterns(&house), ["ip_sweep user/root 5 60"]);
    assert_eq!(moments(&house), ["IP_SWEEP 3 host jupiter"]);
    // Too slow, and each of a name of its own, is none.
    let slow = (1..=9).map(|host| failed(9_000 + host * 160, &format!("192.0.2.{host}"), "ada"));
    tell(&house, slow.collect());
    let each = (1..=9).map(|host| failed(20_000, &format!("192.0.2.{host}"), &format!("u{host}")));
    tell(&house, each.collect());
    assert_eq!(patterns(&house).len(), 1);
}

#[test]
fn an_address_on_the_whitelist_makes_nothing() {
    let house = house();
    let ip: IpAddr = GUEST.parse().unwrap();
    let listed = IpListed {
        ip,
        list: IpList::Whitelist,
    };
    tell(
        &house,
        vec![NewEvent::own(at(0), format!("ip/{ip}"), listed)],
    );
    tell(
        &house,
        (0..9)
            .map(|step| failed(step, GUEST, &format!("u{step}")))
            .collect(),
    );
    let about = |action: &str| json!({"action": action, "ip_address": GUEST});
    tell(
        &house,
        vec![
            line(20, "fail2ban", Level::Warning, about("ban"), "Ban"),
            line(20, "web", Level::Warning, about("unauthorized"), "401"),
            line(20, "web", Level::Error, about("http_request"), "500"),
        ],
    );
    assert_eq!(traces(&house), Vec::<String>::new());
    assert_eq!(patterns(&house), Vec::<String>::new());
}

#[test]
fn an_error_is_looked_into_once_in_a_while() {
    let house = house();
    let other = line(-20, "kernel", Level::Warning, json!({}), "sda: slow");
    let full = "OSError: [Errno 28] No space left on device";
    tell(
        &house,
        vec![
            error(-90, "too long ago to explain anything"),
            other,
            error(0, full),
            error(30, full),
            error(40, "connect() failed (111: Connection refused)"),
            error(61, full),
        ],
    );
    assert_eq!(
        traces(&house),
        [
            "error jupiter/shop/unknown 60",
            "error jupiter/shop/disk_full 60",
            "error jupiter/shop/connection_refused 60",
            "error jupiter/shop/disk_full 60",
        ]
    );
    let told = house.rows(
        "SELECT t.cause, t.causality_chain, t.related_services, e.error_type, e.error_category, \
         e.exception_type, e.error_code, e.severity FROM traces t \
         JOIN trace_errors e ON e.trace_id = t.id",
    );
    assert_eq!(
        told[1..3],
        [
            "3 [2] [\"kernel\"] disk_full resource OSError ENOSPC 60",
            "5 [3,4] [\"shop\"] connection_refused network - ECONNREFUSED 60",
        ]
    );
    let text = house.rows("SELECT root_cause FROM traces WHERE cause = 3");
    assert_eq!(text, ["A file system has no space left, or no inodes"]);
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn far_more_errors_than_usual_are_a_burst() {
    let house = house();
    tell(
        &house,
        (0..12).map(|step| error(step * 20, "odd")).collect(),
    );
    assert_eq!(patterns(&house), ["error_burst jupiter/shop 10 60"]);
    assert_eq!(moments(&house), ["ERROR_BURST 3 log jupiter/shop"]);
}

#[test]
fn as_many_errors_as_always_are_no_burst() {
    let house = house();
    // Five in each five minutes for a day, then twelve: not three times as many.
    let usual = (0..1_440).map(|step| error(step * 60 - 86_400, "odd"));
    tell(&house, usual.collect());
    tell(&house, (0..7).map(|step| error(step * 20, "odd")).collect());
    assert_eq!(patterns(&house), Vec::<String>::new());
    tell(
        &house,
        (0..12).map(|step| error(140 + step, "odd")).collect(),
    );
    let found = patterns(&house);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_source_that_floods_is_found_with_its_next_trace() {
    let house = house();
    // So many earlier that day that a hundred more are nothing; what comes beyond is counted with
    // the next trace.
    let earlier = (0..10_500).map(|step| error(step / 50 - 70_000, "odd"));
    tell(&house, earlier.collect());
    let before = patterns(&house).len();
    tell(&house, (0..300).map(|_| error(100, "odd")).collect());
    assert_eq!(patterns(&house).len(), before);
    tell(&house, vec![error(200, "odd")]);
    let found = patterns(&house);
    assert_eq!(found[before..], ["error_burst jupiter/shop 301 100"]);
}

#[test]
fn a_service_that_starts_again_and_again_is_in_a_loop() {
    let house = house();
    let told = |seconds: i64, service: &str, action: &str| {
        let fields = json!({"action": action, "service": service});
        line(seconds, "syslog", Level::Info, fields, "Started")
    };
    let mut events: Vec<_> = (0..9)
        .map(|step| told(step, &format!("unit{step}"), action::SERVICE_STARTED))
        .collect();
    // What the service manager tells of nobody knows which service, is of none.
    events.extend((0..9).map(|step| told(step, "systemd", action::SERVICE_STARTED)));
    for step in 0..5 {
        events.push(told(step * 100, "shop", action::SERVICE_RESTARTING));
        events.push(told(step * 100 + 1, "shop", action::SERVICE_STARTED));
    }
    tell(&house, events);
    assert_eq!(patterns(&house), ["restart_loop jupiter/shop 4 70"]);
    assert_eq!(moments(&house), ["RESTART_LOOP 4 service jupiter/shop"]);
    assert_eq!(alerts(&house), ["RESTART_LOOP"]);
}

#[test]
fn a_processor_that_is_busy_for_long_is_traced_once_an_hour() {
    let house = house();
    let busy = |seconds: i64| sampled(seconds, json!({"cpu_percent": 96.5, "memory_percent": 20}));
    tell(&house, vec![busy(0), busy(299)]);
    assert_eq!(traces(&house), Vec::<String>::new(), "two samples only");
    tell(&house, vec![busy(299)]);
    assert_eq!(traces(&house), Vec::<String>::new(), "not long enough");
    tell(&house, vec![busy(300), busy(310)]);
    assert_eq!(traces(&house), ["high_usage jupiter/cpu 60"]);
    let told = house.rows("SELECT cause, line, causality_chain, ip FROM traces");
    assert_eq!(told, ["4 - [1,2,3] -"]);
    let text = house.rows("SELECT message FROM event_traces");
    assert_eq!(text, ["Processor of jupiter at 96 % for 5 min"]);
    tell(
        &house,
        (1..=15).map(|step| busy(300 + step * 240)).collect(),
    );
    assert_eq!(traces(&house).len(), 2, "an hour later it is told again");
    assert_eq!(house.unequal_after_rebuild(), Vec::<&str>::new());
}

#[test]
fn samples_with_a_gap_or_a_rest_between_them_are_not_one_time_of_high_use() {
    let house = house();
    let used = |seconds: i64, percent: f64| sampled(seconds, json!({"memory_percent": percent}));
    tell(
        &house,
        vec![
            used(0, 95.0),
            used(100, 95.0),
            used(200, 89.9),
            used(300, 95.0),
            used(400, 95.0),
        ],
    );
    tell(&house, vec![used(800, 95.0), used(900, 95.0)]);
    assert_eq!(traces(&house), Vec::<String>::new());
    tell(
        &house,
        vec![
            used(1_000, 95.0),
            sampled(1_050, json!({})),
            used(1_100, 99.0),
        ],
    );
    assert_eq!(traces(&house), ["high_usage jupiter/memory 90"]);
}

#[test]
fn a_full_disk_is_traced_at_once_and_nonsense_never() {
    let house = house();
    tell(
        &house,
        vec![sampled(
            0,
            json!({"disk_percent": 9_000.0, "cpu_percent": "99"}),
        )],
    );
    assert_eq!(traces(&house), Vec::<String>::new());
    tell(
        &house,
        vec![
            sampled(10, json!({"disk_percent": 91})),
            sampled(20, json!({"disk_percent": 92})),
        ],
    );
    assert_eq!(traces(&house), ["high_usage jupiter/disk 30"]);
}

#[test]
fn what_somebody_may_not_is_traced_to_what_was_refused_before() {
    let house = house();
    let refused = |seconds: i64, fields: Value| line(seconds, "web", Level::Warning, fields, "403");
    let by_ip = json!({"action": "unauthorized", "ip_address": GUEST});
    let by_user = json!({"action": "unauthorized", "user": "bo"});
    tell(
        &house,
        vec![
            refused(0, by_ip.clone()),
            refused(30, by_ip.clone()),
            refused(70, by_ip),
            refused(70, by_user),
            refused(70, json!({"action": "unauthorized"})),
        ],
    );
    let told =
        house.rows("SELECT subject, severity_score, causality_chain FROM traces ORDER BY id");
    assert_eq!(
        told,
        [
            "203.0.113.9 50 []",
            "203.0.113.9 50 [1,2]",
            "user/bo 50 []",
            "jupiter/web 50 []",
        ]
    );
}

#[test]
fn addresses_of_one_network_are_refused_as_one() {
    let house = house();
    let refused = |seconds: i64, ip: &str| {
        let fields = json!({"action": "unauthorized", "ip_address": ip});
        line(seconds, "web", Level::Warning, fields, "403")
    };
    let own = (0..50).map(|host| refused(host, &format!("2001:db8:7:1:{host:x}::9")));
    tell(&house, own.collect());
    tell(&house, vec![refused(50, "2001:db8:7:2::9")]);
    assert_eq!(
        house.rows("SELECT subject, ip FROM traces ORDER BY id"),
        [
            "2001:db8:7:1::/64 2001:db8:7:1::9",
            "2001:db8:7:2::/64 2001:db8:7:2::9",
        ]
    );
}

#[test]
fn a_host_that_refuses_thousands_has_so_many_traces_an_hour() {
    let house = house();
    let refused = |seconds: i64, host: &str, number: i64| {
        let ip = format!("198.18.{}.{}", number / 250, number % 250);
        let fields = json!({"action": "unauthorized", "ip_address": ip});
        let mut new = line(seconds, "web", Level::Warning, fields, "403");
        let Event::LogWritten(line) = &mut new.event else {
            panic!("{new:?}");
        };
        line.host = host.to_owned();
        new
    };
    let first = (0..700).map(|number| refused(number, "jupiter", number));
    tell(&house, first.collect());
    tell(&house, vec![refused(700, "wren", 0)]);
    let told = || {
        house.rows(
            "SELECT host, subject, count(*) FROM traces GROUP BY host, substr(subject, 1, 5) \
             ORDER BY id",
        )
    };
    let once = [
        "jupiter 198.18.0.0 500",
        "jupiter host/jupiter 1",
        "wren 198.18.0.0 1",
    ];
    assert_eq!(told(), once);
    assert_eq!(
        house.rows("SELECT message, root_cause FROM event_traces WHERE severity_score = 50 AND root_cause IS NOT NULL"),
        ["403 500 refusals were traced within an hour; all stand among the log lines"]
    );
    // An hour after it said so it goes on.
    tell(&house, vec![refused(4_099, "jupiter", 800)]);
    assert_eq!(told(), once);
    tell(&house, vec![refused(4_100, "jupiter", 801)]);
    assert_eq!(traces(&house).len(), 503);
}

#[test]
fn old_logs_are_judged_as_of_their_time_and_nobody_is_called_for_them() {
    let house = house();
    let day = DAY_NS / SECOND_NS;
    for days in [-40, -39, -2] {
        tell(
            &house,
            (0..9)
                .map(|step| failed(days * day + step, GUEST, "root"))
                .collect(),
        );
    }
    assert_eq!(patterns(&house).len(), 3);
    assert_eq!(moments(&house), ["BRUTE_FORCE 1 host jupiter"; 3]);
    assert_eq!(alerts(&house), Vec::<String>::new());
}

#[test]
fn ordinary_and_retained_lines_make_nothing() {
    let house = house();
    let login = json!({"action": "login", "ip_address": GUEST, "user": "ada"});
    let mut retained = error(0, "odd");
    retained.flags = Flags::RETAINED;
    tell(
        &house,
        vec![
            retained,
            line(0, "auth", Level::Info, login, "Accepted"),
            line(
                0,
                "auth",
                Level::Warning,
                json!({"action": "unban", "ip_address": GUEST}),
                "Unban",
            ),
            failed(0, "no address", "root"),
            sampled(0, json!({"cpu_percent": 89.9})),
        ],
    );
    assert_eq!(traces(&house), Vec::<String>::new());
    assert_eq!(house.rows("SELECT count(*) FROM event_log"), ["5"]);
}
