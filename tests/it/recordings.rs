//! The recordings verbs from outside, with and without a daemon.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes ten seconds; a loaded machine gets many.
const PATIENCE: Duration = Duration::from_secs(90);

fn nightjar(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar"));
    command.arg("--dir").arg(folder).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Runs `recordings …`.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let arguments = [&["recordings"], arguments].concat();
    nightjar(folder, &arguments).output().unwrap()
}

/// The same, for what must succeed; its stdout.
fn out(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&out(folder, arguments)).unwrap()
}

/// Ids of what `list` shows, the newest first.
fn ids(folder: &Path, filters: &[&str]) -> Vec<String> {
    let rows = json(folder, &[&["list", "--json"], filters].concat());
    let rows = rows["rows"].as_array().unwrap();
    rows.iter().map(|row| row["id"].to_string()).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::yield_now();
    }
}

/// A box with a night in it, and two sealed recordings.
fn box_() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = nightjar(folder.path(), &["up", "--once"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    folder
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn daemon(folder: &Path) -> Daemon {
    let mut command = nightjar(folder, &["up", "--no-night"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(command.spawn().unwrap());
    let socket = folder.join("nightjar.sock");
    until("the daemon answers", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    daemon
}

#[test]
fn recordings_are_listed_kept_and_deleted_with_and_without_a_daemon() {
    let box_ = box_();
    let folder = box_.path();
    let all = ids(folder, &[]);
    let [hallway, driveway] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(ids(folder, &["--camera", "driveway"]), [driveway.as_str()]);
    assert_eq!(ids(folder, &["--limit", "1"]), [hallway.as_str()]);
    for is_running in [false, true] {
        let running = is_running.then(|| daemon(folder));
        out(folder, &["star", hallway]);
        assert_eq!(ids(folder, &["--starred"]), [hallway.as_str()]);
        out(folder, &["unstar", "hallway-20261120-061530.mp4"]);
        assert_eq!(ids(folder, &["--starred"]), Vec::<String>::new());
        out(folder, &["hold", driveway, "--reason", "police report 77"]);
        assert_eq!(ids(folder, &["--held"]), [driveway.as_str()]);
        let shown = json(folder, &["show", "driveway-20261119-214210.vge", "--json"]);
        assert_eq!(shown["recording"]["hold_reason"], "police report 77");
        let refused = run(folder, &["delete", driveway, "--reason", "a test"]);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert!(said.contains("it is held; release it first"), "{said}");
        out(folder, &["release", driveway]);
        drop(running);
    }
    let daemon = daemon(folder);
    out(
        folder,
        &["delete", hallway, "--reason", "the neighbour asked"],
    );
    assert!(
        !folder
            .join("recordings/hallway-20261120-061530.vge")
            .exists()
    );
    assert_eq!(ids(folder, &["--state", "deleted"]), [hallway.as_str()]);
    drop(daemon);
    let config = folder.join("nightjar.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!("{text}\n[[retention.policy]]\ncamera = \"driveway\"\nmax_age = \"1h\"\n");
    std::fs::File::create(&config)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    let preview = json(folder, &["prune", "--dry-run", "--json"]);
    assert_eq!(preview["removals"][0]["id"].to_string(), *driveway);
    assert_eq!(preview["removals"][0]["rule"], "age");
    assert_eq!(ids(folder, &[]).len(), 1, "a dry run changes nothing");
    let pruned = out(folder, &["prune"]);
    assert!(
        pruned.contains("recordings of driveway are kept for an hour"),
        "{pruned}"
    );
    assert_eq!(ids(folder, &[]), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(folder.join("recordings"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let shown = out(folder, &["show", driveway]);
    assert!(shown.contains("deleted: recordings of driveway"), "{shown}");
    let unknown = run(folder, &["show", "no-such.mp4"]);
    assert_eq!(unknown.status.code(), Some(66));
}

#[test]
fn recordings_play_and_leave_the_box_as_they_were_sealed() {
    let box_ = box_();
    let folder = box_.path();
    let name = "driveway-20261119-214210";
    let clip = format!("{}/fixtures/clips/{name}.mp4", env!("CARGO_MANIFEST_DIR"));
    let original = std::fs::read(clip).unwrap();
    let played = run(folder, &["play", &format!("{name}.vge")]);
    assert!(played.stdout == original, "{:?}", played.status);
    let counted = out(
        folder,
        &["play", &format!("{name}.mp4"), "--player", "wc -c"],
    );
    assert_eq!(counted.trim(), original.len().to_string());
    // A player that is closed in the middle is no error.
    out(
        folder,
        &["play", &format!("{name}.mp4"), "--player", "true"],
    );
    let away = folder.join("stick");
    let to = away.to_str().unwrap();
    out(folder, &["export", &format!("{name}.mp4"), "--to", to]);
    assert!(std::fs::read(away.join(format!("{name}.mp4"))).unwrap() == original);
    let manifest = std::fs::read(away.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let file = &manifest["files"][0];
    assert_eq!(file["file"], format!("{name}.mp4"));
    assert_eq!(file["trigger"], "MOTION");
    assert_eq!(file["sha256"].as_str().map(str::len), Some(64));
    assert!(file["events"].as_array().unwrap().len() >= 2);
    let again = run(folder, &["export", &format!("{name}.mp4"), "--to", to]);
    assert_eq!(again.status.code(), Some(73));

    // One flipped bit.
    let sealed = folder.join(format!("recordings/{name}.vge"));
    let mut bytes = std::fs::read(&sealed).unwrap();
    bytes[4_000] ^= 1;
    std::fs::File::create(&sealed)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &bytes))
        .unwrap();
    let away = folder.join("second");
    let to = away.to_str().unwrap();
    let damaged = run(folder, &["export", &format!("{name}.mp4"), "--to", to]);
    assert_eq!(damaged.status.code(), Some(1));
    let names: Vec<_> = std::fs::read_dir(&away).unwrap().collect();
    assert_eq!(names.len(), 1, "only the manifest: {names:?}");
    let played = run(
        folder,
        &["play", &format!("{name}.mp4"), "--player", "wc -c"],
    );
    assert_eq!(played.status.code(), Some(1));
}
