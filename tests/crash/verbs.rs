//! A kill at the system calls of the verbs that change sealed recordings: a rotation that encrypts
//! anew, and deletions. At every moment each recording that was not let go has a complete copy that
//! a key opens which is there; the next run brings it to the one end or the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use nightjar::vault::folder::Folder;
use nightjar::vault::key::Key;
use nightjar::vault::unseal::{open_sealed, unseal};
use rustix::process::Signal;

use crate::rig::{House, NIGHTJAR, until};
use crate::sealing::plaintext;
use crate::trace::thread_of;

/// Names, durability and content.
const CALLS: [&str; 9] = [
    "openat",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
];
/// Houses at a time.
const LANES: usize = 3;
/// SIGKILL as a number.
const SIGKILL: i32 = 9;

/// Stems of the recordings, the oldest first; the first has a thumbnail.
const STEMS: [&str; 3] = [
    "hallway-20261120-060000",
    "hallway-20261120-060100",
    "hallway-20261120-060200",
];
const PICTURE: &[u8] = b"\xff\xd8\xff\xe0 a picture of the hallway";

/// What is run, and what brings its traces to their end.
struct Verb {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    finish: &'static [&'static str],
    recordings: usize,
    /// How many recordings are gone after an undisturbed run.
    gone: usize,
}

/// A house with sealed recordings, which can be had as it was again and again.
struct Archive {
    house: House,
    as_it_was: PathBuf,
    recordings: usize,
}

impl Archive {
    fn new(recordings: usize) -> Self {
        let house = House::new();
        let folder = house.data().join("recordings");
        let mut daemon = house.start_daemon();
        for stem in &STEMS[..recordings] {
            put(&folder.join(format!("{stem}.mp4")), &plain_of(stem));
        }
        put(&folder.join(format!("{}.jpg", STEMS[0])), PICTURE);
        let archive = Self {
            as_it_was: house.scratch("as-it-was"),
            house,
            recordings,
        };
        let all = archive.files(&BTreeSet::new());
        until("all is sealed", || (archive.names() == all).then_some(()));
        daemon.signal(Signal::TERM);
        assert!(daemon.end("SIGTERM stops it").success());
        copy(&archive.house.data(), &archive.as_it_was);
        archive
    }

    fn restore(&self) {
        std::fs::remove_dir_all(self.house.data()).unwrap();
        copy(&self.as_it_was, &self.house.data());
    }

    fn folder(&self) -> PathBuf {
        self.house.data().join("recordings")
    }

    /// Every name in the folder.
    fn names(&self) -> BTreeSet<OsString> {
        let entries = std::fs::read_dir(self.folder()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    /// What has to be in the folder when these recordings are gone.
    fn files(&self, gone: &BTreeSet<String>) -> BTreeSet<OsString> {
        let there = self.sealed(gone).into_keys();
        there
            .flat_map(|sealed| [OsString::from(format!("{sealed}.auth")), sealed.into()])
            .collect()
    }

    /// Names and plaintexts of the sealed files when these recordings are gone.
    fn sealed(&self, gone: &BTreeSet<String>) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for stem in STEMS[..self.recordings]
            .iter()
            .filter(|stem| !gone.contains(**stem))
        {
            files.insert(format!("{stem}.vge"), plain_of(stem));
            if *stem == STEMS[0] {
                files.insert(format!("{stem}.jpg.vge"), PICTURE.to_vec());
            }
        }
        files
    }

    /// Stems of the recordings that the event log has let go.
    fn gone(&self, at: &str) -> BTreeSet<String> {
        let sql = "SELECT original_name, state FROM recordings ORDER BY id";
        let output = self.house.nightjar(&["sql", "--csv", sql]);
        assert!(output.status.success(), "{at}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(rows.len(), self.recordings, "{at}: {text}");
        rows.iter()
            .filter_map(|row| {
                let (name, state) = row.split_once(',').unwrap();
                assert!(["sealed", "deleted"].contains(&state), "{at}: {text}");
                (state == "deleted").then(|| name.strip_suffix(".mp4").unwrap().to_owned())
            })
            .collect()
    }

    /// The keys that lie anywhere beside the data, whatever they are for.
    fn keys(&self) -> Vec<Key> {
        let data = self.house.data();
        let files = [data.clone(), data.join("keyring")]
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
        files
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                if path.extension()? != "key" {
                    return None;
                }
                let bytes = std::fs::read(path).ok()?;
                Some(Key::from_bytes(raw(bytes).try_into().ok()?))
            })
            .collect()
    }

    /// The key that seals now.
    fn current_key(&self) -> Key {
        let bytes = std::fs::read(self.house.data().join("storage.key")).unwrap();
        Key::from_bytes(raw(bytes).try_into().unwrap())
    }

    /// Each recording that was not let go has a complete copy that one of these keys opens.
    #[track_caller]
    fn has_all(&self, keys: &[Key], at: &str) {
        let folder = Folder::open(&self.folder()).unwrap();
        for (name, plain) in self.sealed(&self.gone(at)) {
            let opens = |key: &Key| {
                let file = open_sealed(&folder, Path::new(&name)).unwrap();
                let file = file.unwrap_or_else(|refusal| panic!("{at}: {name}: {refusal}"));
                let mut found = Vec::new();
                unseal(&file, key, &mut found).is_ok() && found == plain
            };
            assert!(keys.iter().any(opens), "{at}: no key opens {name}");
        }
    }

    /// Nothing but what has to be there, under the current key, and all of it verified; returns how
    /// many recordings are gone.
    #[track_caller]
    fn is_in_order(&self, at: &str) -> usize {
        self.has_all(&[self.current_key()], at);
        let gone = self.gone(at);
        assert_eq!(self.names(), self.files(&gone), "{at}");
        for verb in [
            &["vault", "verify", "--all"][..],
            &["check"],
            &["rebuild", "--check"],
        ] {
            let output = self.house.nightjar(verb);
            assert!(output.status.success(), "{at}: {verb:?}: {output:?}");
        }
        gone.len()
    }

    /// Runs the verb under strace, killed at the point if there is one; whether it was, and what
    /// strace saw.
    fn run(&self, verb: &Verb, kill: Option<(&str, u32)>) -> (bool, String) {
        let log = self.house.scratch("verb.trace");
        let calls = kill.map_or_else(|| CALLS.join(","), |(call, _)| call.to_owned());
        let plain = self.house.command(verb.arguments);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-y", "-s", "0", "-e"])
            .arg(format!("trace={calls}"))
            .arg("-o")
            .arg(&log);
        if let Some((call, nth)) = kill {
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            command.args(["-e", &inject]);
        }
        command.arg(NIGHTJAR).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap());
        }
        command.envs(verb.environment.iter().copied());
        let output = command
            .current_dir(self.house.scratch(""))
            .output()
            .unwrap();
        let killed = output.status.signal() == Some(SIGKILL);
        assert!(killed || output.status.success(), "{kill:?}: {output:?}");
        let trace = std::fs::read(&log).unwrap();
        (killed, String::from_utf8_lossy(&trace).into_owned())
    }
}

/// The bytes of a key file, which may hold them as hex digits and a line end.
fn raw(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.strip_suffix(b"\n").map(std::str::from_utf8) {
        Some(Ok(text)) if text.len() == 64 => (0..32)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect(),
        _ => bytes,
    }
}

fn plain_of(stem: &str) -> Vec<u8> {
    [&plaintext(), stem.as_bytes()].concat()
}

fn put(path: &Path, bytes: &[u8]) {
    File::create_new(path).unwrap().write_all(bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

/// The points of an undisturbed run: all calls that change names or make durable, and of the others
/// those on recordings and keys.
fn points(trace: &str, data: &Path) -> BTreeSet<(&'static str, u32)> {
    let data = data.to_str().unwrap();
    let mut counts = BTreeMap::<_, u32>::new();
    let mut points = BTreeSet::new();
    for line in trace.lines() {
        let Some(call) = CALLS
            .into_iter()
            .find(|call| line.contains(&format!(" {call}(")))
        else {
            continue;
        };
        let nth = counts
            .entry((thread_of(line).to_owned(), call))
            .or_default();
        *nth += 1;
        let is_ours = line.contains(data) && !line.contains("/nightjar.db");
        if is_ours || !["openat", "write"].contains(&call) {
            points.insert((call, *nth));
        }
    }
    points
}

/// Kills the verb at each of its points.
fn kill_everywhere(verb: &Verb) {
    let began = Instant::now();
    let waiting = {
        let archive = Archive::new(verb.recordings);
        let (_, trace) = archive.run(verb, None);
        assert_eq!(archive.is_in_order(verb.name), verb.gone);
        points(&trace, &archive.house.data())
    };
    let all = waiting.len();
    let waiting = Mutex::new(VecDeque::from_iter(waiting));
    let (ends, reached) = (Mutex::new(BTreeSet::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let archive = Archive::new(verb.recordings);
                loop {
                    let Some((call, nth)) = waiting.lock().unwrap().pop_front() else {
                        break;
                    };
                    let at = format!("{} {call} {nth}", verb.name);
                    archive.restore();
                    let (killed, _) = archive.run(verb, Some((call, nth)));
                    archive.has_all(&archive.keys(), &at);
                    let output = archive.house.nightjar(verb.finish);
                    assert!(output.status.success(), "{at}: {output:?}");
                    ends.lock().unwrap().insert(archive.is_in_order(&at));
                    *reached.lock().unwrap() += u32::from(killed);
                }
            });
        }
    });
    let (ends, reached) = (ends.into_inner().unwrap(), reached.into_inner().unwrap());
    println!(
        "kill at the calls of {}: {reached} of {all} points reached in {:.1} s; recordings gone in \
         the end: {ends:?}",
        verb.name,
        began.elapsed().as_secs_f64()
    );
    assert!(
        reached as usize * 10 >= all * 9,
        "{reached} of {all} reached"
    );
    // Before the decision on a recording it stays, after it it goes: each of them by itself.
    assert_eq!(ends, (0..=verb.gone).collect());
}

#[test]
fn kill_at_every_syscall_of_a_rotation_that_encrypts_anew() {
    kill_everywhere(&Verb {
        name: "vault rotate --reencrypt",
        arguments: &["vault", "rotate", "--reencrypt"],
        environment: &[],
        finish: &["vault", "rotate", "--finish"],
        recordings: 2,
        gone: 0,
    });
}

#[test]
fn kill_at_every_syscall_of_a_deletion_of_two() {
    kill_everywhere(&Verb {
        name: "recordings delete",
        arguments: &[
            "recordings",
            "delete",
            "hallway-20261120-060000.mp4",
            "hallway-20261120-060100.mp4",
            "--reason",
            "a test",
        ],
        environment: &[],
        finish: &["recordings", "prune"],
        recordings: 3,
        gone: 2,
    });
}

#[test]
fn kill_at_every_syscall_of_a_pruning() {
    kill_everywhere(&Verb {
        name: "recordings prune",
        arguments: &["recordings", "prune"],
        environment: &[("NIGHTJAR__RETENTION__MAX_AGE", "1h")],
        finish: &["recordings", "prune"],
        recordings: 3,
        gone: 1,
    });
}
