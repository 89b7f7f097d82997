//! Log lines: as text, as JSON, from the journal, and what their programs say in them.

use serde_json::json;

use super::*;
use crate::event::Extra;
use crate::event::system::{Level, LogWritten};

const TS: &str = "1795143590000";
const TS_NS: i64 = 1_795_143_590_000_000_000;

fn log(payload: impl Into<Vec<u8>>) -> (NewEvent, Level, serde_json::Value) {
    let event = one("log/heron/shed/door", payload);
    assert_eq!(event.stream, "log/heron/shed/door");
    let Event::LogWritten(written) = &event.event else {
        panic!("{event:?}")
    };
    assert_eq!((&*written.host, &*written.source), ("heron", "shed/door"));
    let (level, fields) = (
        written.level,
        serde_json::to_value(&written.fields).unwrap(),
    );
    (event, level, fields)
}

#[test]
fn log_lines() {
    let cases: [(&[u8], Level, &str, serde_json::Value); 13] = [
        (
            b"terry logged in\r\n",
            Level::Info,
            "terry logged in",
            json!({}),
        ),
        (b"", Level::Info, "", json!({})),
        (
            b"Ger\xe4t error",
            Level::Error,
            "Ger\u{fffd}t error",
            json!({"invalid_utf8": true}),
        ),
        (b"a\0b", Level::Info, "a␀b", json!({})),
        (
            br#"{"ts":1795143590,"level":"crit","message":"x","pid":7}"#,
            Level::Critical,
            "x",
            json!({"pid": 7}),
        ),
        (br#"{"level":4,"msg":"x"}"#, Level::Warning, "x", json!({})),
        (
            br#"{"level":"odd","msg":"error x"}"#,
            Level::Error,
            "error x",
            json!({"level": "odd"}),
        ),
        (
            br#"{"level":"error"}"#,
            Level::Error,
            r#"{"level":"error"}"#,
            json!({}),
        ),
        (
            br#"{"message":"x","a":1,"a":2}"#,
            Level::Info,
            r#"{"message":"x","a":1,"a":2}"#,
            json!({}),
        ),
        (
            br#"{"ts":"x","message":"y"}"#,
            Level::Info,
            r#"{"ts":"x","message":"y"}"#,
            json!({}),
        ),
        (b"{oops", Level::Info, "{oops", json!({})),
        (b"[1,2]", Level::Info, "[1,2]", json!({})),
        (
            b"login password=hunter2",
            Level::Info,
            "login password=[redacted]",
            json!({}),
        ),
    ];
    for (payload, level, line, fields) in cases {
        let (event, found_level, found_fields) = log(payload);
        assert_eq!(event.text.as_deref(), Some(line));
        assert_eq!((found_level, found_fields), (level, fields), "{line}");
    }
    let (event, ..) = log(br#"{"ts":1795143590,"message":"x"}"#.to_vec());
    assert_eq!(event.occurred_at, TS_NS);
    let said = refused("log/heron/kernel", vec![b'x'; MAX_PARSED_BYTES + 1]);
    assert!(said.contains("log line of 262145 bytes"), "{said}");
}

#[test]
fn journald_entries() {
    let entry = |message: &str| {
        format!(
            r#"{{"__REALTIME_TIMESTAMP":"1795143590000000","_HOSTNAME":"h","PRIORITY":"3",
                "SYSLOG_IDENTIFIER":"sshd","MESSAGE":{message}}}"#
        )
    };
    let usual = json!({
        "_HOSTNAME": "h", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "sshd", "service": "sshd"
    });
    let with = |key: &str| {
        let mut fields = usual.clone();
        fields[key] = json!(true);
        fields
    };
    for (message, line, fields) in [
        ("\"x\"", "x", usual.clone()),
        ("[104,105]", "hi", usual.clone()),
        ("[104,255]", "h\u{fffd}", with("invalid_utf8")),
        ("null", "", with("message_omitted")),
    ] {
        let (event, level, found) = log(entry(message));
        assert_eq!(
            (event.text.as_deref(), level),
            (Some(line), Level::Error),
            "{message}"
        );
        assert_eq!((event.occurred_at, found), (TS_NS, fields), "{message}");
    }
    for message in ["[256]", "[\"x\"]", "{}"] {
        assert!(refused("log/heron/nginx", entry(message)).contains("key \"MESSAGE\" holds"));
    }
}

/// What the log says under `key`, in a line by one publisher or another.
fn written(below: &str, payload: &str) -> (NewEvent, LogWritten) {
    let event = one(below, payload);
    let Event::LogWritten(written) = event.event.clone() else {
        panic!("{event:?}")
    };
    (event, written)
}

#[test]
fn lines_are_read_by_the_tables_of_their_programs() {
    let failed = "Failed password for root from 2001:db8::7 port 51000 ssh2";
    let found = json!({
        "action": "failed_login", "ip_address": "2001:db8::7", "method": "password",
        "port": 51_000, "service": "sshd", "user": "root",
    });
    // 2026-11-20 03:00 UTC is the arrival; tests live in UTC.
    let syslog = format!("Nov 20 02:59:50 heron sshd[22]: {failed}");
    let (event, line) = written("log/heron/auth", &syslog);
    assert_eq!(
        (event.occurred_at, event.text.as_deref()),
        (TS_NS, Some(&*syslog))
    );
    assert_eq!(
        (line.program(), line.ip()),
        ("sshd", "2001:db8::7".parse().ok())
    );
    assert_eq!(line.level, Level::Warning);

    // What the publisher says beside its line counts before what the line says.
    let told = json!({
        "ts": TS, "level": "debug", "user": "admin", "message": format!("Nov  1 00:00:00 h sshd: {failed}"),
    });
    let (event, line) = written("log/heron/auth", &told.to_string());
    assert_eq!((event.occurred_at, line.level), (TS_NS, Level::Debug));
    assert_eq!(line.field(LogWritten::USER), Some("admin"));
    assert_eq!(line.field(LogWritten::ACTION), Some("failed_login"));

    let bare = json!({"message": failed});
    let (event, line) = written("log/heron/sshd", &bare.to_string());
    assert_eq!((event.occurred_at, json!(line.fields)), (NOW, found));

    let (_, line) = written(
        "log/heron/journal",
        &json!({
            "__REALTIME_TIMESTAMP": "1795143590000000", "PRIORITY": "6", "UNIT": "camera.service",
            "SYSLOG_IDENTIFIER": "systemd", "MESSAGE": "Started The camera."
        })
        .to_string(),
    );
    assert_eq!(line.program(), "camera");
    assert_eq!(line.field(LogWritten::ACTION), Some("service_started"));
}

/// What stands behind such a name is masked where it is stored, and read all the same.
#[test]
fn a_name_that_looks_like_a_secret_hides_nobody() {
    let names = [
        "pass=",
        "Authorization:",
        "--password",
        "password=hunter2",
        "x pin=4711",
        "Cookie: a",
    ];
    for name in names {
        let sshd = format!(
            "Nov 20 02:59:50 heron sshd[22]: Failed password for invalid user {name} from \
             203.0.113.77 port 5100 ssh2"
        );
        let access = format!(
            "203.0.113.77 - {name} [20/Nov/2026:02:59:50 +0000] \"GET /a HTTP/1.1\" 401 5 \"-\" \"x\""
        );
        let journal = |line: &str| {
            let (_, message) = line.split_once("]: ").unwrap_or_default();
            let entry = json!({
                "__REALTIME_TIMESTAMP": "1795143590000000", "PRIORITY": "6",
                "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": message
            });
            entry.to_string()
        };
        let failed = ("failed_login", Some(5_100));
        for (payload, source, (action, port)) in [
            (sshd.clone(), "auth", failed),
            (json!({"message": sshd}).to_string(), "auth", failed),
            (journal(&sshd), "journal", failed),
            (access, "nginx/access", ("unauthorized", None)),
        ] {
            let (event, line) = written(&format!("log/heron/{source}"), &payload);
            assert_eq!(line.field(LogWritten::ACTION), Some(action), "{payload}");
            assert_eq!(line.ip(), "203.0.113.77".parse().ok(), "{payload}");
            let found = line.fields.get("port").and_then(serde_json::Value::as_i64);
            assert_eq!((found, event.occurred_at), (port, TS_NS), "{payload}");
            let stored = format!("{event:?}");
            assert!(
                !stored.contains("hunter2") && !stored.contains("4711"),
                "{stored}"
            );
        }
    }
    // A secret is masked also in a field that its key does not stand in.
    let (_, line) = written(
        "log/heron/nginx/access",
        "203.0.113.77 - Authorization: digest [20/Nov/2026:02:59:50 +0000] \"GET /hunter2 HTTP/1.1\" \
         401 4711 \"-\" \"hunter2\"",
    );
    assert_eq!(line.ip(), "203.0.113.77".parse().ok());
    assert_eq!(line.field("path"), Some(MASK));
    assert!(!format!("{:?}", line.fields).contains("4711"));
}

#[test]
fn a_line_in_the_zone_of_the_box() {
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let line = inbound(
        "vigilar/log/heron/auth",
        "Nov 20 03:59:50 heron sshd[22]: hello",
    );
    let at_home = decode(&line, &native().with_time_zone(zone));
    assert_eq!(at_home.events[0].occurred_at, TS_NS);
    assert!(!at_home.events[0].flags.has(Flags::CLOCK_SUSPECT));
    // An hour ahead: the arrival counts.
    let elsewhere = decode(&line, &native());
    assert_eq!(elsewhere.events[0].occurred_at, NOW);
    assert!(elsewhere.events[0].flags.has(Flags::CLOCK_SUSPECT));
}

#[test]
fn a_line_that_was_not_published_is_the_same_event() {
    let zone = jiff::tz::TimeZone::UTC;
    let context = crate::decode::line::Context {
        host: "heron",
        source: "auth",
        received_at: NOW,
        zone: &zone,
    };
    for payload in [
        "Nov 20 02:59:50 heron sshd[22]: Failed password for root from 192.0.2.7 port 5 ssh2\n",
        "login password=hunter2",
        r#"{"ts":1795143590,"level":"crit","message":"x","pid":7}"#,
    ] {
        let published = one("log/heron/auth", payload);
        let read = crate::decode::line::event(payload.as_bytes(), Extra::new(), &context).unwrap();
        let read = NewEvent {
            topic: published.topic.clone(),
            ..read
        };
        assert_eq!(read, published);
    }
    let more = Extra::from([("cut".to_owned(), true.into())]);
    let cut = crate::decode::line::event(b"x", more, &context).unwrap();
    let Event::LogWritten(cut) = cut.event else {
        panic!()
    };
    assert_eq!(json!(cut.fields), json!({"cut": true}));
    let long = vec![b'x'; MAX_PARSED_BYTES + 1];
    let said = crate::decode::line::event(&long, Extra::new(), &context).unwrap_err();
    assert!(said.contains("log line of 262145 bytes"), "{said}");
}
