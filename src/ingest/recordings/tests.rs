#![allow(clippy::unwrap_used)]

mod adoption;
mod disk;
mod files;
mod keys;
mod media;
mod recovery;
mod retention;
mod rotation;
mod running;
mod thumbnails;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::base::ids;
use crate::event::{Envelope, Event, Kind};
use crate::event_log::read::EventReader;
use crate::read_model;
use crate::storage::sqlite::{Database, Durability};
use crate::storage::{all, first};
use crate::values;
use crate::vault::admission;
use crate::vault::key::Key;
use crate::vault::unseal;
use crate::writer;

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";
const OTHER_KEY: [u8; 32] = *b"vutsrqponmlkjihgfedcba9876543210";
const NOON: i64 = 1_795_000_000_000_000_000;

/// A box with a real writer, a recordings folder and a key.
struct House {
    dir: tempfile::TempDir,
    handle: Option<Handle>,
    writer: Option<JoinHandle<()>>,
    telemetry: Arc<Telemetry>,
    shutdown: Shutdown,
}

impl House {
    fn new() -> Self {
        let house = Self::without_key();
        house.put_key(&KEY);
        house
    }

    fn without_key() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rec")).unwrap();
        let (telemetry, shutdown) = (Arc::<Telemetry>::default(), Shutdown::new());
        let (handle, core) = start_writer(dir.path(), &telemetry, &shutdown, read_model::ALL);
        let thread = std::thread::Builder::new()
            .spawn(move || core.run().unwrap())
            .unwrap();
        Self {
            dir,
            handle: Some(handle),
            writer: Some(thread),
            telemetry,
            shutdown,
        }
    }

    /// The daemon ends, somebody deletes the database, and it starts again.
    fn lose_database(&mut self) {
        self.shutdown.stop();
        drop(self.handle.take());
        self.writer.take().unwrap().join().unwrap();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let path = file.unwrap().path();
            if printable(&path).contains("nightjar.db") {
                std::fs::remove_file(path).unwrap();
            }
        }
        self.shutdown = Shutdown::new();
        let (handle, core) = start_writer(
            self.dir.path(),
            &self.telemetry,
            &self.shutdown,
            read_model::ALL,
        );
        let thread = std::thread::Builder::new()
            .spawn(move || core.run().unwrap())
            .unwrap();
        (self.handle, self.writer) = (Some(handle), Some(thread));
    }

    fn handle(&self) -> &Handle {
        self.handle.as_ref().unwrap()
    }

    fn rec(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join("rec").join(name.as_ref())
    }

    fn put(&self, name: impl AsRef<OsStr>, bytes: &[u8]) {
        put(&self.rec(name), bytes);
    }

    fn get(&self, name: impl AsRef<OsStr>) -> Vec<u8> {
        std::fs::read(self.rec(name)).unwrap()
    }

    /// All names in the folder.
    fn all_names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.rec(""))
            .unwrap()
            .map(|entry| printable_path(entry.unwrap().file_name().as_bytes()))
            .collect();
        names.sort();
        names
    }

    /// The names in the folder but those of sidecars, which must have their file beside them.
    fn names(&self) -> Vec<String> {
        let (sidecars, mut names): (Vec<_>, Vec<_>) = self
            .all_names()
            .into_iter()
            .partition(|name| name.ends_with(".vge.auth"));
        for sidecar in sidecars {
            let file = sidecar.strip_suffix(".auth").unwrap();
            assert!(names.iter().any(|name| name == file), "{sidecar} alone");
        }
        names.sort();
        names
    }

    fn key_file(&self) -> PathBuf {
        self.dir.path().join("storage.key")
    }

    fn put_key(&self, key: &[u8]) {
        put(&self.key_file(), key);
        std::fs::set_permissions(self.key_file(), PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn options(&self) -> Options {
        let mut options = Options::new(&self.rec(""), &self.dir.path().join("nightjar.db"));
        options.folder = self.dir.path().join("rec");
        options.key.key_file = self.key_file();
        options.admission.reserve_bytes = 1 << 20;
        options.scan_every = Duration::from_hours(1);
        options.use_inotify = false;
        options
    }

    fn watcher_with(&self, options: Options) -> Watcher {
        Watcher::new(
            options,
            self.handle().clone(),
            Arc::clone(&self.telemetry),
            Clock::fixed(NOON),
            self.shutdown.clone(),
        )
    }

    fn watcher(&self) -> Watcher {
        self.watcher_with(self.options())
    }

    /// A watcher starts and does what there is to do.
    fn pass(&self) -> Health {
        let mut watcher = self.watcher();
        watcher.drain();
        watcher.show_trouble();
        let health = watcher.health();
        health.lock().unwrap().clone()
    }

    fn database(&self) -> Database {
        Database::open_reader(&self.dir.path().join("nightjar.db")).unwrap()
    }

    /// Name, state and file of every recording, in the order in which they were found.
    fn rows(&self) -> Vec<(String, String, String)> {
        all(
            &mut self.database().snapshot().unwrap(),
            "SELECT original_name, state, file_path FROM recordings ORDER BY id",
            &[],
            |row| {
                let text = |column| Ok(row.text(column)?.to_owned());
                Ok((text(0)?, text(1)?, text(2)?))
            },
        )
        .unwrap()
    }

    fn text(&self, sql: &'static str, name: &str) -> Option<String> {
        first(
            &mut self.database().snapshot().unwrap(),
            sql,
            values![name],
            |row| Ok(row.opt_text(0)?.map(ToOwned::to_owned)),
        )
        .unwrap()
        .flatten()
    }

    fn number(&self, sql: &'static str, name: &str) -> Option<f64> {
        first(
            &mut self.database().snapshot().unwrap(),
            sql,
            values![name],
            |row| row.opt_real(0),
        )
        .unwrap()
        .flatten()
    }

    fn events(&self) -> Vec<Envelope> {
        let mut database = self.database();
        EventReader::new()
            .after(&mut database.snapshot().unwrap(), 0, 100_000)
            .unwrap()
    }

    /// The names of the events so far, without their first part.
    fn kinds(&self) -> Vec<&'static str> {
        self.events()
            .iter()
            .map(|event| event.kind().name())
            .collect()
    }

    fn count(&self, kind: Kind) -> usize {
        self.events()
            .iter()
            .filter(|event| event.kind() == kind)
            .count()
    }

    /// What the sealed file holds, read by openssl.
    fn opened(&self, name: impl AsRef<OsStr>, key: &[u8; 32]) -> Vec<u8> {
        let bytes = self.get(name);
        let body = self.dir.path().join("ciphertext");
        put(&body, &bytes[16..]);
        let output = Command::new("openssl")
            .args(["enc", "-d", "-aes-256-ctr", "-K", &ids::hex(key)])
            .args(["-iv", &ids::hex(&bytes[..16]), "-in"])
            .arg(&body)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// Asserts that one recording is sealed, whole, and alone.
    fn assert_sealed_once(&self, name: &str, file: &str, bytes: &[u8]) {
        assert_eq!(self.names(), [file]);
        assert!(
            self.opened(file, &KEY) == bytes,
            "{file} holds something else"
        );
        assert_eq!(self.rows(), [(name.into(), "sealed".into(), file.into())]);
        assert_eq!(self.count(Kind::RecordingSealed), 1);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.shutdown.stop();
        drop(self.handle.take());
        if let Some(writer) = self.writer.take() {
            let ended = writer.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the writer panicked"
            );
        }
    }
}

impl Watcher {
    fn drain(&mut self) {
        let mut now = Instant::now();
        self.drain_from(&mut now);
    }

    /// Works until no file waits.
    ///
    /// Other tests start programs, and between fork and exec a child of theirs holds every file that
    /// is open for writing here: for a moment, in real time.
    fn drain_from(&mut self, now: &mut Instant) {
        until("nobody writes", || {
            self.drain_once(now);
            self.queue.waiting() == 0
        });
    }

    /// Does all work that falls due within a minute and a half, without waiting for it.
    fn drain_once(&mut self, now: &mut Instant) {
        let end = *now + Duration::from_secs(90);
        loop {
            match self.step(*now).unwrap() {
                None => {}
                Some(until) if until < end => *now = until,
                Some(_) => return,
            }
        }
    }

    /// A scan now, and what follows from it.
    fn scan_again(&mut self, now: &mut Instant) {
        self.next_scan = *now;
        self.drain_from(now);
    }
}

fn start_writer(
    folder: &Path,
    telemetry: &Arc<Telemetry>,
    shutdown: &Shutdown,
    projections: &'static [read_model::Projection],
) -> (Handle, writer::Writer) {
    let options = writer::Options {
        path: folder.join("nightjar.db"),
        durability: Durability::Full,
        cache_kib: 4_096,
        clock: Clock::fixed(NOON),
        projections,
        reactions: writer::Reactions::none(),
        tick_every: None,
        sabotage: writer::sabotage::Sabotage::default(),
    };
    let (telemetry, shutdown) = (Arc::clone(telemetry), shutdown.clone());
    let started = writer::start(options, telemetry, shutdown, &mut |_, _, _| {}).unwrap();
    (started.handle, started.writer)
}

fn put(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

fn clip(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clips");
    std::fs::read(folder.join(name)).unwrap()
}

fn driveway() -> Vec<u8> {
    clip("driveway-20261119-214210.mp4")
}

/// Waits until `holds`, for ten seconds at most.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let bell = Shutdown::new();
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        bell.wait(Duration::from_millis(2));
    }
}
