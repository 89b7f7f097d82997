//! The program from outside, as its user meets it: `up`, killed and started again, then read.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing here takes ten seconds; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(90);

fn nightjar(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar"));
    command
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    nightjar(folder, arguments).output().unwrap()
}

/// Runs a verb that must succeed; what it wrote to stdout.
fn out(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {:?}\n{errors}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Rows of a query as text, without the head.
fn rows(folder: &Path, sql: &str) -> Vec<String> {
    out(folder, &["sql", "--csv", sql])
        .lines()
        .skip(1)
        .map(ToOwned::to_owned)
        .collect()
}

fn number(folder: &Path, sql: &str) -> i64 {
    rows(folder, sql)[0].parse().unwrap()
}

/// Every message of the log as topic, kind and body, sorted: what may not change. (A note of an id
/// clash holds a position, which another run may give otherwise.)
fn messages(folder: &Path) -> Vec<String> {
    rows(
        folder,
        "SELECT t.name, k.name, hex(e.body), e.text FROM event_log e \
         JOIN names t ON t.id = e.topic JOIN names k ON k.id = e.kind \
         WHERE k.name <> 'message.id_conflicted' ORDER BY 1, 2, 3, 4",
    )
}

/// Fails with what one has and the other has not.
fn assert_same(found: &[String], expected: &[String], what: &str) {
    let brief = |line: &String| line.chars().take(160).collect::<String>();
    let more: Vec<_> = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(brief)
        .collect();
    let less: Vec<_> = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(brief)
        .collect();
    assert!(
        found.iter().eq(expected),
        "{what}: {} and {} messages; more {more:?}, less {less:?}",
        found.len(),
        expected.len()
    );
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, arguments: &[&str]) -> Running {
    let child = nightjar(folder, arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Running(child)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::yield_now();
    }
}

/// Events in the log; 0 while there is none.
fn events(folder: &Path) -> i64 {
    let output = run(folder, &["sql", "--csv", "SELECT count(*) FROM event_log"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .nth(1)
        .and_then(|line| line.parse().ok())
        .unwrap_or(0)
}

#[test]
fn a_night_that_is_killed_and_started_again_is_there_once() {
    let box_ = tempfile::tempdir().unwrap();
    let folder = box_.path().join("whole");
    let summary = out(&folder, &["up", "--once"]);
    for heading in [
        "Events by kind",
        "States now",
        "Sightings",
        "Recordings",
        "Undecodable",
    ] {
        assert!(summary.contains(heading), "{summary}");
    }
    let whole = messages(&folder);
    assert!(whole.len() > 800, "{} messages", whole.len());
    assert_eq!(
        number(
            &folder,
            "SELECT count(*) FROM recordings WHERE state = 'sealed'"
        ),
        2
    );
    assert_eq!(
        number(
            &folder,
            "SELECT count(*) FROM recordings WHERE event_id IS NULL"
        ),
        0
    );

    // The same night, slowly, killed in the middle of it, three times.
    let torn = box_.path().join("torn");
    for more in [50, 300, 500] {
        let mut up = start(&torn, &["up", "--once", "--speed", "20000"]);
        until("some of the night is stored", || events(&torn) > more);
        up.0.kill().unwrap();
        up.0.wait().unwrap();
    }
    out(&torn, &["up", "--once"]);
    assert_same(
        &messages(&torn),
        &whole,
        "not the same messages as in one piece",
    );
    out(&torn, &["up", "--once"]);
    assert_same(&messages(&torn), &whole, "the night was replayed twice");

    for folder in [&folder, &torn] {
        out(folder, &["check"]);
        out(folder, &["rebuild", "--check"]);
        out(folder, &["rebuild"]);
        out(folder, &["rebuild", "--check"]);
    }
}

#[test]
fn no_pin_and_no_key_is_anywhere_in_the_data_folder() {
    let box_ = tempfile::tempdir().unwrap();
    let folder = box_.path().join("data");
    out(&folder, &["up", "--once"]);
    // Every PIN of the night's arm requests, mistyped and right.
    let pins = [&b"4710"[..], b"4711", b"0815"];
    let key = std::fs::read(folder.join("storage.key")).unwrap();
    let mut searched = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() || path.ends_with("storage.key") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        searched += bytes.len();
        for pin in pins {
            let quoted = [b"\"", pin, b"\""].concat();
            let found = bytes.windows(quoted.len()).any(|window| window == quoted);
            assert!(!found, "a PIN lies in {}", path.display());
        }
        assert!(
            !bytes.windows(key.len()).any(|window| window == key),
            "{}",
            path.display()
        );
    }
    assert!(
        searched > 300_000,
        "only {searched} bytes were looked through"
    );
    let bodies = rows(
        &folder,
        "SELECT hex(e.body) FROM event_log e JOIN names k ON k.id = e.kind \
         WHERE k.name IN ('arm.requested', 'message.undecodable', 'message.unmapped')",
    );
    assert!(bodies.len() > 10);
    for pin in pins {
        let hex = nightjar::base::ids::hex(pin).to_uppercase();
        assert!(
            !bodies.iter().any(|body| body.contains(&hex)),
            "a PIN lies in a body"
        );
    }
}

#[test]
fn verbs_work_while_the_daemon_runs_and_while_it_does_not() {
    let box_ = tempfile::tempdir().unwrap();
    let folder = box_.path().join("data");
    let stream = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/streams/night.jsonl");
    let up = start(&folder, &["up", "--no-night"]);
    until("the daemon answers", || {
        run(&folder, &["publish", "vigilar/log/h/s", "hello"])
            .status
            .success()
    });
    until("the message is stored", || {
        out(&folder, &["query", "log_events", "--csv"]).contains("hello")
    });
    let running = out(&folder, &["replay", stream, "--to", "direct", "--json"]);
    assert!(running.contains("\"messages\":888"), "{running}");
    assert!(out(&folder, &["rebuild"]).contains("rebuilt"));
    out(&folder, &["rebuild", "--check"]);
    let second = run(&folder, &["up", "--once"]);
    assert_eq!(second.status.code(), Some(75));
    let refused = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(refused.contains(&up.0.id().to_string()), "{refused}");
    drop(up);

    let before = events(&folder);
    out(&folder, &["replay", stream, "--to", "direct"]);
    assert!(events(&folder) > before);
    out(&folder, &["rebuild"]);
    out(&folder, &["check"]);
    assert!(out(&folder, &["status"]).contains("not running"));
    assert!(out(&folder, &["tail", "-n", "3"]).lines().count() == 3);
    assert!(out(&folder, &["dead-letters", "list"]).contains("decode"));
    assert!(out(&folder, &["config", "show", "--origin"]).contains("nightjar.toml"));
    // No broker, no database, no such table, a statement that writes, nonsense on a line.
    let code = |arguments: &[&str]| run(&folder, arguments).status.code();
    assert_eq!(
        code(&["publish", "--broker", "127.0.0.1:1", "a/b", "x"]),
        Some(69)
    );
    assert_eq!(code(&["query", "sensr_states"]), Some(2));
    assert_eq!(code(&["sql", "DELETE FROM events"]), Some(65));
    let broken = box_.path().join("broken.jsonl");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"), &broken).unwrap();
    let broken = broken.to_str().unwrap();
    assert_eq!(code(&["replay", broken, "--to", "direct"]), Some(65));
    assert_eq!(
        run(&box_.path().join("none"), &["tail"]).status.code(),
        Some(66)
    );
}
