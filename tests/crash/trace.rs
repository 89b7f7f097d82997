//! strace on the running daemon: what it did in which order, and a kill at a chosen system call.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::{Process, until};

/// The name of the recordings watcher's thread, as long as Linux keeps it (15 bytes).
const RECORDINGS: &str = "nightjar-record";

/// PUBACK and its length as strace prints them: 0x40 0x02 (MQTT 3.1.1 §3.4.1).
const PUBACK: &str = "\"@\\2";

/// Which threads are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// All, and those to come.
    All,
    /// The recordings watcher's alone.
    Recordings,
}

impl Threads {
    /// Its id, for the one; the process's for all.
    pub(crate) fn id(self, pid: i32) -> i32 {
        match self {
            Self::All => pid,
            Self::Recordings => until("the recordings thread runs", || thread_id(pid, RECORDINGS)),
        }
    }
}

fn thread_id(pid: i32, name: &str) -> Option<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.flatten().find_map(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let id = task.file_name().to_str()?.parse().ok()?;
        (comm.trim_end() == name).then_some(id)
    })
}

/// strace, attached to threads of a process.
pub(crate) struct Trace {
    file: PathBuf,
    _strace: Process,
}

impl Trace {
    /// Attaches to process `pid` and follows `calls`; `inject` is strace's own expression. Each
    /// thread counts its calls from here.
    pub(crate) fn attach(folder: &Path, pid: i32, calls: &str, inject: Option<&str>) -> Self {
        Self::attach_to(Threads::All, &[], folder, pid, calls, inject)
    }

    /// The same with a choice of threads, and of the paths whose calls count; none of them: all.
    pub(crate) fn attach_to(
        threads: Threads,
        paths: &[PathBuf],
        folder: &Path,
        pid: i32,
        calls: &str,
        inject: Option<&str>,
    ) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let (file, said) = (folder.join("trace"), folder.join("strace.stderr"));
        let _ = std::fs::remove_file(&file);
        let mut command = Command::new("strace");
        if threads == Threads::All {
            command.arg("-f");
        }
        command
            .args(["-tt", "-y", "-s", "256"])
            .args(["-p", &threads.id(pid).to_string(), "-o"])
            .arg(&file)
            .arg("-e")
            .arg(format!("trace={calls}"))
            .stdin(Stdio::null())
            .stderr(File::create(&said).unwrap());
        for path in paths {
            command.arg("-P").arg(path);
        }
        if let Some(inject) = inject {
            command.arg("-e").arg(format!("inject={inject}"));
        }
        let mut strace = Process::spawn(&mut command);
        until("strace is attached", || {
            // In this order: what it said before it ended is there. Having attached it may end at
            // once, with a process that its first call kills.
            let ended = strace.ended().is_some();
            let text = std::fs::read_to_string(&said).unwrap();
            let attached = text.contains("attached");
            let hint = "may this user trace (kernel.yama.ptrace_scope)?";
            assert!(attached || !ended, "strace: {text}; {hint}");
            attached.then_some(())
        });
        Self {
            file,
            _strace: strace,
        }
    }

    /// The lines so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.file).unwrap_or_default()).into_owned()
    }

    /// Whether a PUBACK has left: its call has returned.
    pub(crate) fn acked(&self) -> bool {
        let text = self.text();
        let mut lines = text.lines();
        let Some(ack) = lines.find(|line| is_ack(line)) else {
            return false;
        };
        let returned = |line: &str| {
            let (_, result) = line.rsplit_once(" = ")?;
            result.parse::<u32>().ok()
        };
        if !ack.contains("<unfinished") {
            return returned(ack).is_some();
        }
        let same = |line: &&str| thread_of(line) == thread_of(ack) && line.contains("resumed>");
        lines.find(same).and_then(returned).is_some()
    }
}

pub(crate) fn thread_of(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn is_ack(line: &str) -> bool {
    ["sendto(", "write(", "writev(", "sendmsg("]
        .iter()
        .any(|call| line.contains(call))
        && line.contains(PUBACK)
}

/// Whether the PUBACK of the message with `payload` left after its fsync: WAL pages written after
/// the message came, then an fdatasync of the WAL that began after the last of them and ended, and
/// only then the PUBACK.
pub(crate) fn ack_follows_fsync(trace: &str, payload: &str) -> Result<(), String> {
    let mut lines = trace.lines();
    lines
        .find(|line| line.contains("recv") && line.contains(payload))
        .ok_or("the message never came")?;
    let mut written = false;
    let mut clean = false;
    // The thread that is inside an fdatasync of the WAL, while nothing was written beside it.
    let mut syncing: Option<&str> = None;
    for line in lines {
        let thread = thread_of(line);
        let wal = line.contains("nightjar.db-wal>");
        let failed = line.contains("= -1");
        if wal && line.contains("pwrite64(") {
            (written, clean, syncing) = (true, false, None);
        } else if wal && (line.contains("fdatasync(") || line.contains("fsync(")) {
            if line.contains("<unfinished") {
                syncing = Some(thread);
            } else {
                clean = !failed;
            }
        } else if line.contains("sync resumed>") && syncing == Some(thread) {
            (clean, syncing) = (!failed, None);
        } else if is_ack(line) {
            return match (written, clean) {
                (false, _) => Err(format!("PUBACK before the WAL was written: {line}")),
                (true, false) => Err(format!("PUBACK before the WAL was synced: {line}")),
                (true, true) => Ok(()),
            };
        }
    }
    Err("no PUBACK left".into())
}
