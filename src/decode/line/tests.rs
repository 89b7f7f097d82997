//! Lines of real shapes with all that is found in them, and lines that nobody should have written.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::clock::{DAY_NS, SECOND_NS};
use crate::event::action;
use crate::event::system::LogWritten;

/// 2026-11-21 18:00 at Heron Lane.
const NOW: UnixNanos = 1_795_280_400 * SECOND_NS;

fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn read(line: &str, source: &str) -> Parsed {
    let context = Context {
        host: "heron",
        source,
        received_at: NOW,
        zone: &zone(),
    };
    parse(line, &context)
}

fn logs() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lines");
    let mut logs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}

/// The log that a file stands for: `nginx/access` for `nginx.access.log`.
fn source_of(log: &Path) -> String {
    log.file_stem().unwrap().to_str().unwrap().replace('.', "/")
}

fn result(line: &str, source: &str) -> String {
    let parsed = read(line, source);
    let mut told = serde_json::Map::new();
    if let Some(at) = parsed.at {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(at)).unwrap();
        told.insert("at".into(), stamp.to_string().into());
    }
    if parsed.suspect {
        told.insert("suspect".into(), true.into());
    }
    told.insert("level".into(), parsed.level.name().into());
    told.insert("fields".into(), json!(parsed.fields));
    serde_json::to_string(&told).unwrap()
}

/// Every line of `fixtures/lines/*.log` gives the line of the same number in `*.expected.jsonl`.
#[test]
#[expect(clippy::disallowed_methods, reason = "a fixture needs no atomic write")]
fn lines_of_real_shapes() {
    for log in logs() {
        let source = source_of(&log);
        let lines = std::fs::read_to_string(&log).unwrap();
        let found: String = lines
            .lines()
            .map(|line| result(line, &source) + "\n")
            .collect();
        let golden = log.with_extension("expected.jsonl");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_else(|error| {
            panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", golden.display())
        });
        for (line, (found, expected)) in lines.lines().zip(found.lines().zip(expected.lines())) {
            assert_eq!(found, expected, "{}: {line}", log.display());
        }
        assert_eq!(found.lines().count(), expected.lines().count());
    }
}

/// Every action that there is, is told by some line.
#[test]
fn the_fixtures_have_every_action() {
    let mut seen = std::collections::BTreeSet::new();
    for log in logs() {
        for line in std::fs::read_to_string(&log).unwrap().lines() {
            let parsed = read(line, &source_of(&log));
            if let Some(found) = parsed.fields.get(LogWritten::ACTION) {
                let found = found.as_str().unwrap().to_owned();
                assert!(action::ALL.contains(&&*found), "{found} is in no list");
                seen.insert(found);
            }
        }
    }
    for action in action::ALL {
        assert!(seen.contains(*action), "no line tells {action}");
    }
}

/// A line of sshd with a user that its writer chose.
fn by(user: &str) -> Vec<(String, &'static str)> {
    vec![
        (
            format!("Failed password for invalid user {user} from 203.0.113.77 port 51000 ssh2"),
            "sshd",
        ),
        (
            format!("Failed password for {user} from 203.0.113.77 port 51000 ssh2"),
            "sshd",
        ),
        (
            format!("Invalid user {user} from 203.0.113.77 port 51000"),
            "sshd",
        ),
        (
            format!("Connection closed by invalid user {user} 203.0.113.77 port 51000 [preauth]"),
            "sshd",
        ),
        (
            format!("Bad password attempt for '{user}' from 203.0.113.77:51000"),
            "dropbear",
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whoever chooses a name cannot choose the address.
    #[test]
    fn a_name_cannot_spell_an_address(
        user in prop_oneof![
            "\\PC{0,40}",
            "( from | port |192\\.0\\.2\\.1|[0-9]{1,3}| ssh2|:|'|\\[preauth\\]|x| ){0,12}",
        ],
    ) {
        for (line, source) in by(&user) {
            let parsed = read(&line, source);
            prop_assert_eq!(
                parsed.fields.get(LogWritten::IP).and_then(|ip| ip.as_str()),
                Some("203.0.113.77"),
                "{}", line
            );
            prop_assert_eq!(&parsed.fields["port"], 51_000);
            // Before `invalid user` a name may seem to begin, or end: sshd does not mark it.
            if !user.is_empty() && !user.contains("invalid user") {
                let told = parsed.fields[LogWritten::USER].as_str().unwrap();
                let masked = told.contains(crate::decode::MASK);
                prop_assert!(masked || told == user, "{}: {}", told, line);
            }
        }
    }

    /// Whatever comes: no panic, a time that can be, and no text that the line does not hold.
    #[test]
    fn nothing_is_found_that_is_not_there(
        line in prop_oneof![
            "\\PC{0,120}",
            any_bytes(),
            mutated(),
        ],
        source in prop::sample::select(&["sshd", "nginx/access", "kernel", "x", "django", ""][..]),
        received_at in prop_oneof![any::<i64>(), Just(NOW)],
    ) {
        let zone = zone();
        let parsed = parse(&line, &Context { host: "h", source, received_at, zone: &zone });
        if let Some(at) = parsed.at {
            prop_assert!(!parsed.suspect);
            prop_assert!(at <= received_at.saturating_add(DAY_NS), "{}", at);
            prop_assert!(at >= 1_577_836_800 * SECOND_NS, "{}", at);
        }
        for (name, value) in &parsed.fields {
            let Some(text) = value.as_str() else { continue };
            let known = match &**name {
                LogWritten::ACTION => action::ALL.contains(&text),
                LogWritten::IP => text.parse::<core::net::IpAddr>().is_ok(),
                LogWritten::SERVICE => FORMATS.iter().any(|format| format.name == text),
                _ => false,
            };
            let changed = text.contains(crate::decode::MASK) || text.contains('␀');
            prop_assert!(
                known || changed || line.contains(text),
                "{}: {} in {:?}", name, text, line
            );
            prop_assert!(!text.is_empty());
        }
    }
}

fn any_bytes() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 0..120)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A real line with a piece of another one in it.
fn mutated() -> impl Strategy<Value = String> {
    let lines: Vec<String> = logs()
        .iter()
        .flat_map(|log| {
            let text = std::fs::read_to_string(log).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let line = prop::sample::select(lines);
    let place = any::<prop::sample::Index>;
    (line.clone(), line, place(), place(), place()).prop_map(|(line, other, at, from, to)| {
        let cut = |text: &str, index: prop::sample::Index| {
            text.floor_char_boundary(index.index(text.len() + 1))
        };
        let (head, tail) = line.split_at(cut(&line, at));
        let (from, to) = (cut(&other, from), cut(&other, to));
        let piece = &other[from.min(to)..from.max(to)];
        format!("{head}{piece}{tail}")
    })
}

/// Rules that try every place of a long line would take hours here.
#[test]
fn hostile_shapes_end_soon() {
    let line = |piece: &str, head: &str| format!("{head}{}", piece.repeat(250_000 / piece.len()));
    for (piece, head) in [
        (" from ", "Failed password for x"),
        (
            " from 192.0.2.1 port ",
            "Failed password for invalid user x",
        ),
        (" : user NOT in sudoers ; ", "mara"),
        ("[", "["),
        ("\"", "192.0.2.1 - - [21/Nov/2026:17:58:01 +0100] \""),
        ("\\", "<34>1 - - - - - [x a=\""),
        (": ", "Nov 21 17:58:01 heron kernel: "),
        (", client: ", "2026/11/21 17:58:01 [error] 1#1: *1 x"),
        ("django.", "ERROR "),
        ("1", ""),
        ("message repeated 5 times: [ ", ""),
        ("]", "<"),
        (" (d0, q0, r0, m0", "Denied PUBLISH from x"),
    ] {
        let whole = line(piece, head);
        for source in [
            "sshd",
            "sudo",
            "kernel",
            "nginx",
            "django",
            "mosquitto",
            "x",
        ] {
            for length in [2_000, MAX_READ_BYTES, whole.len()] {
                let part = &whole[..whole.floor_char_boundary(length)];
                assert!(read(part, source).fields.len() < 20);
            }
        }
    }
}

fn ip(parsed: &Parsed) -> Option<&str> {
    parsed.fields.get(LogWritten::IP)?.as_str()
}

/// Path, user, request, host and referrer are written by the stranger and not escaped.
#[test]
fn a_stranger_cannot_choose_the_client_of_an_error() {
    let spelt = "client: 192.0.2.1, server: y";
    let client = "client: 203.0.113.77, server: _";
    let end = "request: \"GET /x HTTP/1.1\", host: \"h\"";
    let failed = "failed (2: No such file or directory)";
    let forged = format!("x\" {failed}, {spelt}, request: \"GET / HTTP/1.1\", host: \"");
    let referrers = [
        format!("r, {spelt}"),
        format!("r\", {spelt}"),
        format!("r\", {spelt}, host: \"k"),
        format!("r\": password mismatch, {spelt}, host: \"k"),
    ];
    let own = [
        "access forbidden by rule".to_owned(),
        "limiting requests, excess: 5.320 by zone \"one\"".into(),
        "user \"mara\": password mismatch".into(),
        "user \"a\"b\" was not found in \"/etc/x\"".into(),
        "user \"a\" was not found in \"b\": password mismatch".into(),
    ];
    for text in &own {
        for referrer in &referrers {
            let line = format!(
                "2026/11/21 17:58:01 [error] 1#1: *4 {text}, {client}, {end}, referrer: \"{referrer}\""
            );
            let parsed = read(&line, "nginx");
            assert_eq!(ip(&parsed), Some("203.0.113.77"), "{line}");
        }
    }
    let paths = [
        "x".to_owned(),
        "x\"y".into(),
        format!("x, {spelt}"),
        format!("x\", {spelt}"),
        format!("x\", {spelt}, host: "),
        format!("{forged}z"),
        format!("{forged}z\", referrer: \"k"),
    ];
    for path in &paths {
        for referrer in referrers.iter().map(|text| &**text).chain(["r"]) {
            let line = format!(
                "2026/11/21 17:58:01 [error] 1#1: *4 open() \"/{path}\" {failed}, {client}, {end}, \
                 referrer: \"{referrer}\""
            );
            let parsed = read(&line, "nginx");
            assert_ne!(ip(&parsed), Some("192.0.2.1"), "{line}");
            if (path.starts_with("x, ") || path.len() < 4) && !referrer.contains('"') {
                assert_eq!(ip(&parsed), Some("203.0.113.77"), "{line}");
            }
        }
    }
    // The real client is behind the place where nginx cuts.
    let line = format!(
        "2026/11/21 17:58:01 [error] 1#1: *4 open() \"/x\", {spelt}{}",
        "y".repeat(2_000)
    );
    assert_eq!(ip(&read(&line[..2_047], "nginx")), None);
}

/// The name stands before the host with some programs, behind it with others, or both.
#[test]
fn a_name_cannot_spell_the_host_of_pam() {
    let line = |service: &str, fields: &str| {
        format!(
            "pam_unix({service}:auth): authentication failure; logname= uid=0 euid=0 tty=x{fields}"
        )
    };
    let names = [
        "x",
        "x rhost=192.0.2.1",
        "x rhost=192.0.2.1 ",
        "x user=root",
        "x  user=root rhost=192.0.2.1",
        " rhost=192.0.2.1",
        "x ruser=y rhost=192.0.2.1",
    ];
    for name in names {
        for service in ["vsftpd", "proftpd", "dovecot", "sshd"] {
            let mut forms = vec![format!(" ruser= rhost=203.0.113.77  user={name}")];
            if service != "sshd" {
                forms = vec![
                    format!(" ruser={name} rhost=203.0.113.77"),
                    format!(" ruser={name} rhost=203.0.113.77  user={name}"),
                ];
            }
            for fields in forms {
                let line = line(service, &fields);
                let parsed = read(&line, service);
                assert_eq!(ip(&parsed), Some("203.0.113.77"), "{line}");
                let user = parsed.fields[LogWritten::USER].as_str().unwrap();
                assert_eq!(user.trim_end(), name.trim_end(), "{line}");
            }
        }
    }
    let parsed = read(
        &line("vsftpd", " ruser=x user=root rhost=203.0.113.77"),
        "x",
    );
    assert_eq!(ip(&parsed), Some("203.0.113.77"));
    assert_eq!(parsed.fields["ruser"], "x user=root");
}

/// Both names of a change are the stranger's, and one stands behind the address.
#[test]
fn a_change_of_name_cannot_spell_an_address() {
    let reason = "Change of username or service not allowed";
    let forged = "x 192.0.2.1 port 22";
    for (old, new, told) in [
        ("a", "b", true),
        ("a", &*format!("b {forged}: x"), true),
        (&format!("a {forged}"), "b", true),
        (&format!("a {forged}: {reason}: (x"), "b", false),
        ("a", &format!("b {forged}: {reason}: (x"), false),
    ] {
        for kind in ["invalid", "authenticating"] {
            let line = format!(
                "Disconnecting {kind} user {old} 203.0.113.77 port 51000: {reason}: \
                 ({old},ssh-connection) -> ({new},ssh-connection) [preauth]"
            );
            let parsed = read(&line, "sshd");
            assert_eq!(ip(&parsed), told.then_some("203.0.113.77"), "{line}");
            assert_eq!(parsed.fields[LogWritten::ACTION], action::DISCONNECTED);
            if told {
                assert_eq!(parsed.fields[LogWritten::USER], old, "{line}");
                let told = parsed.fields["reason"].as_str().unwrap();
                assert!(told.starts_with(reason), "{told}");
            }
        }
    }
}

#[test]
fn a_long_line_keeps_its_time_and_its_program() {
    let line = format!("Nov 21 17:58:01 heron myapp[7]: {}", "x".repeat(20_000));
    let parsed = read(&line, "syslog");
    assert!(parsed.at.is_some());
    assert_eq!(json!(parsed.fields), json!({"pid": 7, "service": "myapp"}));
}

/// A stranger who asks for a long address is seen.
#[test]
fn a_long_line_of_the_access_log_is_read() {
    let line = |length: usize, before: &str| {
        let path = format!("/é{}?token=hush", "x".repeat(length));
        format!(
            "{before}203.0.113.77 - mara [21/Nov/2026:17:58:01 +0100] \"GET {path} HTTP/1.1\" 403 5 \
             \"-\" \"scan\""
        )
    };
    for (before, source) in [
        ("", "nginx/access"),
        ("", "access"),
        ("", "x"),
        ("Nov 21 17:58:01 heron nginx: ", "syslog"),
    ] {
        for length in [MAX_READ_BYTES, 60_000] {
            let parsed = read(&line(length, before), source);
            assert_eq!(ip(&parsed), Some("203.0.113.77"), "{source} {length}");
            assert!(parsed.at.is_some());
            assert_eq!(parsed.fields[LogWritten::ACTION], action::UNAUTHORIZED);
            assert_eq!(parsed.fields["user_agent"], "scan");
            let path = parsed.fields["path"].as_str().unwrap();
            assert_eq!(path.len(), MAX_READ_BYTES);
        }
    }
    assert_eq!(ip(&read(&line(MAX_ACCESS_BYTES, ""), "access")), None);
}
