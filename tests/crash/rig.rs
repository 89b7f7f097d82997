//! A house on the bench: a real mosquitto and the real daemon as processes of their own, in a
//! folder that goes away with them.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nightjar::base::shutdown::Shutdown;
use nightjar::ingest::control::{self, Ask};
use rustix::process::{Pid, Signal, kill_process};

/// The product.
pub(crate) const NIGHTJAR: &str = env!("CARGO_BIN_EXE_nightjar");
/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);
/// Tries to find a port that nobody takes in between.
const PORT_TRIES: u32 = 5;

/// A pause of a given length, for tests whose subject is the moment.
pub(crate) fn pause(length: Duration) {
    Shutdown::new().wait(length);
}

/// Waits until `look` gives something.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// [`until`] for what takes its time.
#[track_caller]
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < patience, "waited too long until {what}");
        pause(LOOK);
    }
}

/// A child that does not outlive the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display())))
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    #[track_caller]
    pub(crate) fn end(&mut self, what: &str) -> ExitStatus {
        until(what, || self.ended())
    }

    /// SIGKILL, and gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The broker's configuration.
pub(crate) enum Conf {
    /// The repository's own.
    Ours,
    /// As little as mosquitto starts with.
    Stock,
}

/// A broker and a data folder.
pub(crate) struct House {
    pub(crate) port: u16,
    broker: Option<Process>,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(&Conf::Ours, Path::new(NIGHTJAR))
    }

    pub(crate) fn with(conf: &Conf, program: &Path) -> Self {
        let mut house = Self {
            port: 0,
            broker: None,
            program: program.to_owned(),
            environment: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(house.folder.path().join("broker")).unwrap();
        let started = (0..PORT_TRIES).any(|_| {
            house.port = free_port();
            house.write_conf(conf);
            house.try_start_broker()
        });
        assert!(started, "mosquitto does not start: {}", house.broker_log());
        let init = house.nightjar(&["init"]);
        assert!(init.status.success(), "{init:?}");
        house
    }

    fn write_conf(&self, conf: &Conf) {
        let (port, folder) = (self.port, self.folder.path().join("broker"));
        let mut text = match conf {
            Conf::Ours => include_str!("../../mosquitto.conf")
                .replace(
                    "listener 1883 127.0.0.1",
                    &format!("listener {port} 127.0.0.1"),
                )
                .replace(
                    "persistence_location ./",
                    &format!("persistence_location {}/", folder.display()),
                ),
            Conf::Stock => format!("listener {port} 127.0.0.1\nallow_anonymous true\n"),
        };
        if rustix::process::geteuid().is_root() {
            text.push_str("\nuser root\n");
        }
        let mut file = File::create(folder.join("mosquitto.conf")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn try_start_broker(&mut self) -> bool {
        let folder = self.folder.path().join("broker");
        let log = File::create(folder.join("log")).unwrap();
        let mosquitto = Path::new("/usr/sbin/mosquitto");
        let mosquitto = if mosquitto.exists() {
            mosquitto
        } else {
            Path::new("mosquitto")
        };
        let mut broker = Process::spawn(
            Command::new(mosquitto)
                .arg("-c")
                .arg(folder.join("mosquitto.conf"))
                .current_dir(&folder)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let up = until("mosquitto listens", || match broker.ended() {
            Some(_) => Some(false),
            None => TcpStream::connect(address).is_ok().then_some(true),
        });
        self.broker = up.then_some(broker);
        up
    }

    fn broker_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("broker/log")).unwrap_or_default()
    }

    /// SIGKILL to mosquitto; nothing is saved.
    pub(crate) fn kill_broker(&mut self) {
        self.broker.take().unwrap().kill();
    }

    /// Starts it again on its port.
    pub(crate) fn start_broker(&mut self) {
        assert!(self.try_start_broker(), "{}", self.broker_log());
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for whatever the test writes down.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every daemon and verb from now on has this in its environment.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// A verb or the daemon, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--dir")
            .arg(self.data())
            .env("NIGHTJAR__MQTT__HOST", "127.0.0.1")
            .env("NIGHTJAR__MQTT__PORT", self.port.to_string())
            // What the machine does is no part of what is tested.
            .env("NIGHTJAR__HOST__ENABLED", "false")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn nightjar(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `rebuild --check` and `check` find nothing.
    #[track_caller]
    pub(crate) fn is_whole(&self) {
        for arguments in [&["rebuild", "--check"][..], &["check"]] {
            let output = self.nightjar(arguments);
            assert!(output.status.success(), "{arguments:?}: {output:#?}");
        }
    }

    /// Starts the daemon and does not wait for it.
    pub(crate) fn spawn_daemon(&self) -> Process {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("daemon.log"))
            .unwrap();
        let mut command = self.command(&["run"]);
        Process::spawn(command.stdout(Stdio::null()).stderr(log))
    }

    /// What the daemons said on stderr.
    pub(crate) fn daemon_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("daemon.log")).unwrap_or_default()
    }

    /// Starts the daemon and waits until every family is connected.
    #[track_caller]
    pub(crate) fn start_daemon(&self) -> Process {
        let mut daemon = self.spawn_daemon();
        let pid = daemon.pid().as_raw_nonzero().get();
        until("the daemon is ready", || {
            if let Some(status) = daemon.ended() {
                panic!("the daemon ended with {status}: {}", self.daemon_log());
            }
            self.is_ready(pid).then_some(())
        });
        daemon
    }

    /// Whether the daemon with this process id answers and has all its families connected.
    pub(crate) fn is_ready(&self, pid: i32) -> bool {
        let Some(status) = self.status() else {
            return false;
        };
        let families = status["families"].as_object().unwrap();
        status["pid"] == pid
            && !families.is_empty()
            && families.values().all(|family| family["connected"] == true)
    }

    /// What the daemon tells of itself, if one listens.
    pub(crate) fn status(&self) -> Option<serde_json::Value> {
        control::ask(&self.data(), Ask::Status, &mut |_| Ok(())).ok()?
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
