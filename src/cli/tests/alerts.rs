//! `alerts` and `rules`: what people see of them, and who can be reached.

use std::net::{SocketAddr, TcpListener};

use super::keys::{house, put};
use super::*;
use crate::event::alarm::{
    Action, AlertAttempted, AlertRaised, AlertSuppressed, ArmState, AttemptStatus, Channel,
    RuleFired, StateChanged, Target,
};
use crate::ingest::control;
use crate::ingest::replay::Direct;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn at(ago_s: i64, stream: &str, event: impl Into<Event>) -> NewEvent {
    NewEvent::own(NOW - ago_s * SECOND_NS, stream, event)
}

fn target(recipient: &str, channel: Channel) -> Target {
    Target {
        recipient: recipient.into(),
        channel,
        address: 0,
    }
}

/// Alert 13: to ada by two channels, one of which failed first; came again once.
fn alarming() -> Vec<NewEvent> {
    let raised = AlertRaised {
        alert_type: "CONTACT_OPEN".into(),
        rule_name: "rule/night-watch".into(),
        severity_id: 4,
        dedup_key: "RULE:night-watch".into(),
        event: 3,
        targets: vec![
            target("ada", Channel::Ntfy),
            target("ada", Channel::Webhook),
        ],
        suppressed: vec![],
        risk_score: 50.0,
        entity: Some(("sensor".into(), "front_door".into())),
    };
    let tried = |attempt, channel, status, retry_at| AlertAttempted {
        alert: 13,
        target: target("ada", channel),
        attempt,
        status,
        latency_ms: 120,
        retry_at,
        answer: [].into(),
    };
    let again = NOW - 90 * SECOND_NS;
    let (sent, failed) = (AttemptStatus::Sent, AttemptStatus::Failed);
    vec![
        at(100, "alert/house", raised).with_text("Front door opened"),
        at(
            99,
            "alert/ada",
            tried(1, Channel::Ntfy, failed, Some(again)),
        )
        .with_text("ntfy.example answered 503 (Service Unavailable)"),
        at(89, "alert/ada", tried(2, Channel::Ntfy, sent, None)),
        at(
            60,
            "alert/house",
            AlertSuppressed {
                alert: 13,
                event: 5,
                severity_id: 4,
                recipients: vec!["ada".into()],
                targets: vec![],
                risk_score: 0.0,
            },
        ),
    ]
}

#[test]
fn alerts_are_listed_shown_and_logged() {
    let house = House::new();
    assert_eq!(house.run(&["alerts", "list"]).out, "no rows\n");
    house.store(alarming());
    let listed = house.run(&["alerts", "list"]);
    let expected = "\
alert_id  timestamp            alert_type    severity  risk  description        entity             rule_name         incident  count  sent  pending  failed  acknowledged_at  feedback  event_id
      13  2026-11-20 03:10:27  CONTACT_OPEN  ALERT       50  Front door opened  sensor/front_door  rule/night-watch         1      2     1        1       0  –                –                3
";
    assert_eq!((listed.out.as_str(), listed.code), (expected, Exit::Ok));
    for (args, count) in [
        (&["--status", "pending"][..], 1),
        (&["--status", "failed"], 0),
        (&["--recipient", "ada"], 1),
        (&["--recipient", "tom"], 0),
        (&["--type", "CONTACT_OPEN", "--since", "-2m"], 1),
        (&["--until", "-2m"], 0),
        (&["--severity", "alert"], 1),
        (&["--severity", "CRITICAL"], 0),
        (&["--rule", "rule/night-watch"], 1),
        (&["--entity", "sensor/front_door"], 1),
        (&["--entity", "front_door"], 1),
        (&["--entity", "camera/front_door"], 0),
        (&["--key", "RULE:night-watch"], 1),
        (&["--open", "--unacknowledged"], 1),
        (&["--feedback", "none"], 1),
        (&["--feedback", "fp"], 0),
        (&["--before", "13"], 0),
    ] {
        let args: Vec<_> = ["alerts", "list", "--json"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let rows = json(&house.run(&args).out)["rows"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(rows, count, "{args:?}");
    }

    let shown = house.run(&["alerts", "show", "13"]).out;
    let words: Vec<_> = shown.split_whitespace().collect();
    let shown = words.join(" ");
    for line in [
        "description Front door opened",
        "entity value front_door",
        "what was counted",
        "what people said of it: none",
        "other incidents: none",
        "to be told",
        "ada NTFY 0 SENT 2 –",
        "ada WEBHOOK 0 PENDING 0 2026-11-20 03:10:27",
        "tries",
        "FAILED ntfy.example answered 503 (Service Unavailable)",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let whole = json(&house.run(&["alerts", "show", "13", "--json"]).out);
    assert_eq!(whole["deliveries"].as_array().unwrap().len(), 2);
    assert_eq!(whole["tries"][2]["status"], "SUPPRESSED");
    let missing = house.run(&["alerts", "show", "3"]);
    assert_eq!(missing.code, Exit::NoInput, "{}", missing.error);

    let log = |args: &[&str]| {
        let args: Vec<_> = ["alerts", "log", "--csv"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        house.run(&args).out.lines().count() - 1
    };
    assert_eq!(log(&[]), 3);
    assert_eq!(log(&["--status", "sent"]), 1);
    assert_eq!(log(&["--channel", "ntfy"]), 2);
    assert_eq!(log(&["--alert", "12"]), 0);
    let wrong = house.run(&["alerts", "log", "--channel", "ntfi"]);
    assert!(
        wrong.error.contains("did you mean `ntfy`?"),
        "{}",
        wrong.error
    );
}

/// Two incidents of one key, and an alert of another; ids 13, 14 and 15.
fn incidents() -> Vec<NewEvent> {
    let raised = |key: &str| AlertRaised {
        alert_type: key.split(':').next().unwrap().into(),
        rule_name: "profile/default".into(),
        severity_id: 4,
        dedup_key: key.into(),
        event: 3,
        targets: vec![],
        suppressed: vec![],
        risk_score: 50.0,
        entity: None,
    };
    let day = 86_400;
    vec![
        at(2 * day, "alert/house", raised("CONTACT_OPEN:front_door")).with_text("Opened"),
        at(day, "alert/house", raised("CONTACT_OPEN:front_door")).with_text("Opened"),
        at(60, "alert/house", raised("TAMPER:shed")).with_text("Tampered with"),
    ]
}

fn house_with_incidents() -> House {
    let mut house = House::new();
    house.store(incidents());
    house.stop();
    house
}

#[test]
fn alerts_are_listed_page_by_page() {
    let house = house_with_incidents();
    let mut paged = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let mut args = vec!["alerts", "list", "--jsonl", "--limit", "2"];
        if let Some(before) = &before {
            args.extend(["--before", before]);
        }
        let page = house.run(&args);
        assert_eq!(page.code, Exit::Ok, "{}", page.error);
        for line in page.out.lines() {
            paged.push(json(line)["alert_id"].as_i64().unwrap());
        }
        before = paged.last().map(ToString::to_string);
        let note = format!(
            "there are more; --before {} shows the next",
            paged[paged.len() - 1]
        );
        if !page.messages.contains(&note) {
            break;
        }
    }
    assert_eq!(paged, [15, 14, 13]);
    let unknown = house.run(&["alerts", "list", "--before", "999"]);
    assert_eq!(unknown.code, Exit::NoInput);
    assert!(
        unknown.error.contains("there is no alert 999"),
        "{}",
        unknown.error
    );
    let backwards = house.run(&["alerts", "list", "--since", "-1h", "--until", "-2h"]);
    assert_eq!(backwards.code, Exit::Usage);
    let odd = house.run(&["alerts", "list", "--entity", "ip/010.0.0.1"]);
    assert_eq!(odd.code, Exit::Usage);
    assert!(odd.error.contains("it is no IP address"), "{}", odd.error);
    let last = house.run(&["alerts", "list", "--open", "--csv"]);
    assert_eq!(last.out.lines().count(), 3, "one of each key: {}", last.out);
    let csv = house
        .run(&["alerts", "list", "--csv", "--type", "TAMPER"])
        .out;
    assert!(csv.contains("TAMPER,ALERT,50"), "{csv}");
}

#[test]
fn alerts_are_acknowledged_and_that_is_taken_back() {
    let house = house_with_incidents();
    let ran = house.run(&["alerts", "ack", "13", "15", "13", "--by", "ada"]);
    assert_eq!(ran.out, "2 alerts acknowledged\n", "{}", ran.error);
    let again = house.run(&["alerts", "ack", "13"]);
    assert_eq!(again.out, "nothing to do: acknowledged already\n");
    let left = json(
        &house
            .run(&["alerts", "list", "--unacknowledged", "--json"])
            .out,
    );
    assert_eq!(left["rows"].as_array().unwrap().len(), 1);
    let shown = json(&house.run(&["alerts", "show", "13", "--json"]).out);
    assert_eq!(shown["acknowledged_by"], "ada");
    let undone = house.run(&["alerts", "ack", "13", "--undo"]);
    assert_eq!(undone.out, "1 alert not acknowledged any more\n");
    let shown = json(&house.run(&["alerts", "show", "13", "--json"]).out);
    assert_eq!(shown["acknowledged_at"], serde_json::Value::Null);
    // All or nothing.
    let wrong = house.run(&["alerts", "ack", "14", "999"]);
    assert_eq!(wrong.code, Exit::NoInput);
    let shown = json(&house.run(&["alerts", "show", "14", "--json"]).out);
    assert_eq!(shown["acknowledged_by"], serde_json::Value::Null);
    assert_eq!(shown["incident"], 2);
    assert_eq!(shown["incidents"][0]["alert_id"], 13);
    assert_eq!(shown["incidents"][0]["open"], false);
    assert_eq!(house.run(&["alerts", "ack"]).code, Exit::Usage);
}

#[test]
fn people_say_whether_an_alert_was_right_and_it_is_counted() {
    let house = house_with_incidents();
    let say = |args: &[&str]| {
        let args: Vec<_> = ["alerts", "feedback"].iter().chain(args).copied().collect();
        house.run(&args)
    };
    let ran = say(&["13", "tp", "--by", "ada"]);
    assert_eq!(ran.out, "alert 13 is right\n", "{}", ran.error);
    let ran = say(&["13", "fp", "--note", "the cat", "--by", "tom"]);
    assert_eq!(ran.out, "alert 13 is false (it was tp before)\n");
    say(&["14", "tp"]);
    assert_eq!(say(&["13", "maybe"]).code, Exit::Usage);
    assert_eq!(say(&["999", "tp"]).code, Exit::NoInput);
    let long = "x".repeat(5_000);
    let refused = say(&["14", "fp", "--note", &long]);
    assert_eq!(refused.code, Exit::Usage);
    assert!(refused.error.contains("the note"), "{}", refused.error);
    let shown = json(&house.run(&["alerts", "show", "13", "--json"]).out);
    assert_eq!(
        (&shown["feedback"], &shown["feedback_note"]),
        (&"fp".into(), &"the cat".into())
    );
    let trail = shown["said"].as_array().unwrap();
    assert_eq!(trail.len(), 2);
    assert_eq!(
        (&trail[0]["feedback"], &trail[1]["by_whom"]),
        (&"tp".into(), &"tom".into())
    );

    let stats = |args: &[&str]| {
        let args: Vec<_> = ["alerts", "stats"].iter().chain(args).copied().collect();
        house.run(&args)
    };
    let ran = stats(&[]);
    let expected = "\
of            alerts  times  per_day  tp  fp  precision
CONTACT_OPEN       2      2        1   1   1        0.5
TAMPER             1      1      0.5   0   0          –
all                3      3      1.5   1   1        0.5

of all alerts that are kept: 1 right, 1 false, precision 0.50
";
    assert_eq!(ran.out, expected, "{}", ran.error);
    let days = json(&stats(&["--by", "day", "--json"]).out);
    let rows = days["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        (&rows[0]["of"], &rows[3]["of"]),
        (&"2026-11-18".into(), &"all".into())
    );
    let rules = json(&stats(&["--by", "rule", "--json", "--since", "-1h"]).out);
    assert_eq!(rules["rows"][0]["alerts"], 1);
    assert_eq!(rules["rows"][0]["precision"], serde_json::Value::Null);
    assert_eq!(stats(&["--since", "now"]).code, Exit::Usage);
}

#[test]
fn without_alerts_there_is_nothing_to_count() {
    let house = House::new();
    let ran = house.run(&["alerts", "stats"]);
    assert_eq!(
        (ran.out.as_str(), ran.code),
        ("no rows\n", Exit::Ok),
        "{}",
        ran.error
    );
}

#[test]
fn alerts_are_snoozed_by_id_and_by_key() {
    let house = house_with_incidents();
    let snooze = |args: &[&str]| {
        let args: Vec<_> = ["alerts", "snooze"].iter().chain(args).copied().collect();
        house.run(&args)
    };
    let ran = snooze(&["13", "--for", "2h", "--by", "ada"]);
    assert_eq!(
        ran.out, "nobody is told of alerts CONTACT_OPEN:front_door until 2026-11-20 05:12:07\n",
        "{}",
        ran.error
    );
    let shown = json(&house.run(&["alerts", "show", "14", "--json"]).out);
    assert_eq!(shown["snoozed_until"], "2026-11-20T05:12:07.000Z");
    assert_eq!(shown["snoozed_by"], "ada");
    let ran = snooze(&["TAMPER:shed", "--until", "07:00"]);
    assert!(
        ran.out.ends_with("until 2026-11-20 07:00:00\n"),
        "{}",
        ran.error
    );
    let ran = snooze(&["CONTACT_OPEN:front_door", "--end"]);
    assert_eq!(ran.out, "alerts CONTACT_OPEN:front_door are told again\n");
    let left = json(&house.run(&["query", "alert_snoozes", "--json"]).out);
    assert_eq!(left["rows"].as_array().unwrap().len(), 1, "{left}");
    for (args, code, said) in [
        (&["13"][..], Exit::Usage, "required"),
        (
            &["13", "--for", "2h", "--end"],
            Exit::Usage,
            "cannot be used with",
        ),
        (&["13", "--for", "0s"], Exit::Usage, "no length of time"),
        (&["13", "--for", "soon"], Exit::Usage, "write 30m, 2h, 7d"),
        (&["13", "--for", "91d"], Exit::Usage, "90 days at most"),
        (&["13", "--until", "-2h"], Exit::Usage, "is past"),
        (&["999", "--end"], Exit::NoInput, "there is no alert 999"),
        (
            &["TAMPER:barn", "--end"],
            Exit::NoInput,
            "no alert has the key",
        ),
    ] {
        let ran = snooze(args);
        assert_eq!(ran.code, code, "{args:?} {}", ran.error);
        assert!(ran.error.contains(said), "{args:?} {}", ran.error);
    }
}

/// A server that answers every path with a status of its own: `/204` with 204.
fn server() -> SocketAddr {
    use std::io::{BufRead as _, BufReader, Read as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut lines = BufReader::new(&client).lines();
            let line = lines.next().unwrap().unwrap();
            let path = line.split(' ').nth(1).unwrap().trim_start_matches('/');
            let status = path.parse().unwrap_or(200);
            let _ = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .count();
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(answer.as_bytes()).unwrap();
            let _ = client.shutdown(std::net::Shutdown::Write);
            // What is unread would reset the connection.
            let _ = client.read_to_end(&mut Vec::new());
        }
    };
    std::thread::Builder::new().spawn(serve).unwrap();
    address
}

/// A house with its own configuration, a recipient who can be reached, and rules; nobody holds it.
fn configured(webhook_status: u16) -> House {
    use std::os::unix::fs::PermissionsExt as _;
    let mut house = house();
    house.store(night());
    let secret = house.path().join("hook-secret");
    put(&secret, b"whsec\n");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = server();
    let config = house.path().join("nightjar.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("port = 1883", "port = 1");
    let more = format!(
        r#"
[alerts]
vapid_key_file = "vapid.key"
contact = "mailto:ada@example.org"

[[alerts.recipient]]
name = "ada"
mqtt = true
web_push = true
ntfy_url = "http://{server}"
ntfy_topic = "house"
webhook_url = "http://{server}/{webhook_status}"
webhook_secret_file = "{secret}"

[[rule]]
id = "night-watch"
conditions = [{{ type = "sensor_event", sensor = "front_door", event = "contact_open" }},
              {{ type = "arm_state", state = "ARMED_AWAY" }}]
logic = "AND"
actions = ["alert_all"]
cooldown_s = 300

[[rule]]
id = "door"
conditions = [{{ type = "sensor_event", sensor = "front_door" }}]
logic = "OR"
actions = ["record_all_cameras", {{ type = "publish", topic = "house/light", payload = "ON" }}]
cooldown_s = 300
"#,
        secret = secret.display()
    );
    put(&config, format!("{text}{more}").as_bytes());
    house.stop();
    house
}

#[test]
fn a_test_message_tells_who_can_be_reached() {
    let house = configured(403);
    let ran = house.run(&[
        "alerts",
        "vapid-key",
        "--out",
        house.path().join("vapid.key").to_str().unwrap(),
    ]);
    assert_eq!(ran.code, Exit::Ok, "{}", ran.error);
    let public = ran.out.trim().to_owned();
    assert!(public.len() == 87 && public.starts_with('B'), "{public}");
    assert_eq!(house.run(&["alerts", "vapid-key"]).out.trim(), public);
    let again = house.run(&[
        "alerts",
        "vapid-key",
        "--out",
        house.path().join("vapid.key").to_str().unwrap(),
    ]);
    assert_eq!(again.code, Exit::CannotCreate, "{}", again.error);

    let ran = house.run(&["alerts", "test", "--recipient", "ada", "--channel", "ntfy"]);
    assert_eq!(ran.code, Exit::Ok, "{} {}", ran.out, ran.error);
    assert!(
        ran.out.starts_with("ntfy  ") && ran.out.ends_with(" ms  sent\n"),
        "{}",
        ran.out
    );

    let all = house.run(&["alerts", "test", "--recipient", "ada", "--json"]);
    assert_eq!(all.code, Exit::ProblemsFound);
    assert_eq!(all.error, "3 of 4 messages did not go out");
    let tests = json(&all.out)["tests"].clone();
    let said = |channel: &str| {
        let one = tests
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["channel"] == channel);
        one.unwrap()["error"].as_str().unwrap_or("sent").to_owned()
    };
    assert_eq!(said("NTFY"), "sent");
    assert!(
        said("WEBHOOK").contains("answered 403 (Forbidden)"),
        "{}",
        said("WEBHOOK")
    );
    assert!(
        said("WEB_PUSH").contains("no browser is subscribed"),
        "{}",
        said("WEB_PUSH")
    );
    assert!(
        said("MQTT").contains("cannot publish to the broker"),
        "{}",
        said("MQTT")
    );

    let wrong = house.run(&["alerts", "test", "--recipient", "adam"]);
    assert_eq!(wrong.code, Exit::Usage);
    assert!(
        wrong.error.contains("did you mean `ada`?"),
        "{}",
        wrong.error
    );
}

const SUBSCRIPTION: &str = r#"{"endpoint":"https://push.example/s3cret/x","expirationTime":null,
  "keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
  "auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;

fn add(house: &House) -> Ran {
    let args = [
        "alerts",
        "subscriptions",
        "add",
        "--recipient",
        "ada",
        "--file",
        "-",
        "--browser",
        "phone",
    ];
    run_in(house.path(), SUBSCRIPTION, &args)
}

fn subscribe_list_remove(house: &House) {
    let ran = add(house);
    assert_eq!(
        (ran.out.as_str(), ran.code),
        ("subscription 1 of ada at push.example\n", Exit::Ok),
        "{}",
        ran.error
    );
    assert_eq!(
        add(house).out,
        "subscription 1 of ada at push.example\n",
        "the same again"
    );
    let listed = house.run(&["alerts", "subscriptions", "list", "--json"]);
    let row = json(&listed.out)["rows"][0].clone();
    assert_eq!(
        (&row["server"], &row["recipient"]),
        (&"https://push.example".into(), &"ada".into())
    );
    assert_eq!(row["user_agent"], "phone");
    assert!(!listed.out.contains("s3cret"), "{}", listed.out);
    let none = house.run(&["alerts", "subscriptions", "list", "--recipient", "tom"]);
    assert_eq!(none.out, "no rows\n");
    let careful = house.run(&["alerts", "subscriptions", "remove", "1"]);
    assert_eq!(careful.code, Exit::Usage, "{}", careful.error);
    let gone = house.run(&["alerts", "subscriptions", "remove", "1", "--yes"]);
    assert_eq!(
        gone.out, "removed subscription 1 of ada\n",
        "{}",
        gone.error
    );
    let unknown = house.run(&["alerts", "subscriptions", "remove", "1", "--yes"]);
    assert_eq!(unknown.code, Exit::NoInput);
    let bad = run_in(
        house.path(),
        "{\"endpoint\":\"https://a.example/s3cret\"}",
        &[
            "alerts",
            "subscriptions",
            "add",
            "--recipient",
            "ada",
            "--file",
            "-",
        ],
    );
    assert_eq!(bad.code, Exit::BadData);
    assert!(!bad.error.contains("s3cret"), "{}", bad.error);
}

#[test]
fn browsers_subscribe_and_are_removed_without_a_daemon() {
    subscribe_list_remove(&configured(200));
}

/// What people say of an alert is nothing that a verb may write itself while a daemon runs.
fn judge_and_snooze(house: &House) {
    for (args, said) in [
        (&["ack", "13"][..], "1 alert acknowledged"),
        (
            &["feedback", "13", "tp", "--note", "a guest"],
            "alert 13 is right",
        ),
        (
            &["snooze", "13", "--for", "1h"],
            "nobody is told of alerts RULE:night-watch",
        ),
    ] {
        let args: Vec<_> = ["alerts"].iter().chain(args).copied().collect();
        let ran = house.run(&args);
        assert!(
            ran.out.starts_with(said),
            "{args:?} {} {}",
            ran.out,
            ran.error
        );
    }
    let shown = json(&house.run(&["alerts", "show", "13", "--json"]).out);
    assert_eq!(shown["said"][0]["note"], "a guest");
}

#[test]
fn the_daemon_stores_what_verbs_ask_for() {
    let mut house = configured(200);
    house.restart();
    house.store(alarming());
    let listener = control::listen(house.path()).unwrap();
    let direct = Direct {
        writer: house.handle.clone().unwrap(),
        rules: Arc::new(crate::decode::Rules::new(
            "vigilar".parse().unwrap(),
            Vec::new(),
        )),
        clock: Clock::fixed(NOW),
        pins: Arc::default(),
    };
    let shutdown = Shutdown::new();
    let signal = shutdown.clone();
    let serve = move || {
        control::serve(
            &listener,
            &direct,
            None,
            &|| serde_json::Value::Null,
            &signal,
        );
    };
    let serving = std::thread::Builder::new().spawn(serve).unwrap();
    // The folder is locked as by a daemon: only the socket leads to the writer.
    let _lock = FolderLock::acquire(house.path()).unwrap();
    // The server holds the writer: it must end before the house, whatever happens.
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        subscribe_list_remove(&house);
        judge_and_snooze(&house);
    }));
    shutdown.stop();
    control::wake(house.path());
    serving.join().unwrap();
    assert!(went.is_ok(), "as through a writer of its own");
}

#[test]
fn rules_are_listed_with_what_they_last_did() {
    let mut house = configured(200);
    house.restart();
    let fired = RuleFired {
        rule: "door".into(),
        actions: vec![Action::RecordAllCameras],
    };
    house.store(vec![at(100, "rule/door", fired)]);
    let listed = house.run(&["rules", "list", "--json"]);
    let rows = json(&listed.out)["rows"].clone();
    assert_eq!(
        rows[0]["when"],
        "sensor front_door tells contact_open and the alarm is armed away"
    );
    assert_eq!(rows[0]["last_fired_at"], serde_json::Value::Null);
    assert_eq!(
        rows[1]["does"],
        "records on all cameras, publishes to house/light"
    );
    assert_eq!(rows[1]["fired"], 1);
    assert_eq!(rows[1]["resting_until"], "2026-11-20T03:15:27.000Z");
}

#[test]
fn a_rule_says_which_condition_held() {
    let mut house = configured(200);
    house.restart();
    let run = |args: &[&str]| {
        let args: Vec<_> = ["rules", "test"].iter().chain(args).copied().collect();
        house.run(&args)
    };
    // Event 3: the front door opened while disarmed.
    let ran = run(&["night-watch", "--event", "3"]);
    let expected = "\
2026-11-20 02:22:07  Front door opened

sensor front_door tells contact_open  holds
the alarm is armed away               does not hold

night-watch does not fire: all of its conditions must hold
";
    assert_eq!(ran.out, expected, "{}", ran.error);
    assert!(
        run(&["door", "--event", "3"])
            .out
            .ends_with("\ndoor fires\n")
    );
    // A temperature is nothing that people are told of, a fox is nothing about a door.
    assert!(
        run(&["door", "--event", "2"])
            .out
            .contains("does not look at this event")
    );
    assert!(
        run(&["door", "--event", "6"])
            .out
            .contains("none of its conditions is about it")
    );

    let armed = StateChanged {
        from: ArmState::Disarmed,
        to: ArmState::ArmedAway,
        target: None,
        deadline: None,
        triggered_by: "ada".into(),
    };
    let fired = RuleFired {
        rule: "night-watch".into(),
        actions: vec![Action::AlertAll],
    };
    house.store(vec![
        at(500, "arm/system", armed),
        contact(450, "front_door", "open"),
        at(450, "rule/night-watch", fired).caused_by(14),
        contact(400, "front_door", "closed"),
        contact(300, "front_door", "open"),
    ]);
    let whole = json(&run(&["night-watch", "--event", "14", "--json"]).out);
    assert_eq!(
        (&whole["fires"], &whole["resting"]),
        (&true.into(), &false.into()),
        "{whole}"
    );
    assert_eq!(whole["conditions"][1]["holds"], true);
    assert_eq!(whole["conditions"][1]["condition"]["type"], "arm_state");
    let rests = run(&["night-watch", "--event", "17"]);
    assert!(
        rests.out.ends_with(
            "night-watch would fire, but rests until 2026-11-20 03:09:37 (5 min after it fired)\n"
        ),
        "{}",
        rests.out
    );
    // What came before is judged as it was then.
    assert_eq!(
        json(&run(&["night-watch", "--event", "3", "--json"]).out)["fires"],
        false
    );
    let wrong = run(&["night-wacht", "--event", "3"]);
    assert!(
        wrong.error.contains("did you mean `night-watch`?"),
        "{}",
        wrong.error
    );
    assert_eq!(run(&["door", "--event", "99"]).code, Exit::NoInput);
}
