//! The host itself: what it uses, sampled at a steady pace, and what ran on it when something
//! notable happened.
//!
//! Both read proc(5) below a root that is handed in. A sample is one submission of two events,
//! `metrics.sampled` of the groups `system` and `network`; a snapshot is one event per trace.

mod network;
mod processes;
mod sample;
pub mod snapshot;
mod system;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use sample::{Proc, Sampler};

use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::writer::{Handle, Submission};

/// Where the kernel tells of itself.
pub const PROC: &str = "/proc";

/// How the host is looked at.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of proc.
    pub proc: PathBuf,
    /// What the host is called.
    pub name: String,
    /// A path on the disk whose use is told.
    pub disk: PathBuf,
}

/// The name of the machine that this runs on, as a part of a stream.
pub fn own_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .replace('/', "-");
    if name.is_empty() {
        "localhost".into()
    } else {
        name
    }
}

/// Samples until the shutdown is signalled or the writer has ended. The pace is kept: what a sample
/// takes is no part of the interval, and what was missed in a sleep of the machine is not made up.
pub fn sample_steadily(
    options: &Options,
    interval: Duration,
    writer: &Handle,
    clock: &Clock,
    shutdown: &Shutdown,
) {
    let mut sampler = Sampler::new(&options.proc, &options.name, &options.disk);
    let mut due = Instant::now();
    loop {
        let events = sampler.sample(clock.now());
        if events.is_empty() {
            let root = options.proc.display();
            tracing::warn!("nothing can be read below {root}; the host is not sampled");
            return;
        }
        let submission = Submission {
            events,
            ..Submission::default()
        };
        if writer.submit(submission).is_err() {
            return;
        }
        let now = Instant::now();
        due += interval;
        if due < now {
            due = now + interval;
        }
        if shutdown.wait(due - now) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
