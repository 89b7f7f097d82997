//! Retention on the watcher's thread: runs in short pieces between two sealings, at once when the
//! disk is full, and for a person at any time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::plan::{Acting, Disk, Rule};
use super::{Aftermath, Order, Report, Settings, Survey, Tools, finish, fulfil, remove, survey};
use crate::base::clock::UnixNanos;
use crate::base::shutdown::Shutdown;
use crate::event::system::Weight;
use crate::ingest::clock_guard::{self, Change, Guard, Words};
use crate::ingest::recordings::{Health, Stop, TROUBLE_EVERY, Watcher};
use crate::storage::StorageError;

/// The first run, so that a start has other things to do first.
const FIRST_RUN: Duration = Duration::from_mins(1);
/// How often the disk is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// Time between two runs while the disk is full.
const URGENT_EVERY: Duration = Duration::from_mins(1);
/// Longest piece of a run before a recording that waits to be sealed gets its turn.
const AT_ONCE: Duration = Duration::from_millis(200);
/// How often who waits for an answer looks whether there can still be one.
const LOOK_UP: Duration = Duration::from_millis(200);
/// What the clock guard says.
const WORDS: Words = Words {
    nothing_goes: "no recording goes for its age or for the total",
    verb: "nightjar recordings prune",
};
/// Orders that may wait; people do not type faster.
const ORDERS: usize = 8;

struct Request {
    order: Order,
    reply: Sender<Result<Report, String>>,
}

/// Where people's orders are taken.
#[derive(Clone, Debug)]
pub struct Desk {
    orders: Sender<Request>,
    shutdown: Shutdown,
}

impl Desk {
    /// Has the order carried out by the watcher; the error is for people.
    pub fn ask(&self, order: Order) -> Result<Report, String> {
        let gone = || "the recordings watcher has ended; see `nightjar status`".to_owned();
        let (reply, answer) = bounded(1);
        let request = Request { order, reply };
        self.orders.try_send(request).map_err(|_| gone())?;
        while !self.shutdown.is_stopped() {
            match answer.recv_timeout(LOOK_UP) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
        Err("the daemon is stopping".to_owned())
    }
}

/// How full the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Fine,
    Warn,
    Critical,
}

/// What the watcher keeps of retention between two steps.
#[derive(Debug)]
pub(in crate::ingest::recordings) struct Keeper {
    settings: Settings,
    guard: Guard,
    desk: Desk,
    orders: Receiver<Request>,
    next_run: Instant,
    next_measure: Instant,
    urgent_after: Instant,
    again_at: Instant,
    /// What the run at work has still to remove.
    pending: VecDeque<(i64, Rule, String)>,
    /// Bytes that a recording needs to be sealed, and that were not free.
    wanted_free_bytes: i64,
    finish_due: bool,
    had_turn: bool,
    level: Level,
    unfinished: Option<String>,
    unmet: Option<String>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.order.fmt(f)
    }
}

impl Keeper {
    pub(in crate::ingest::recordings) fn new(settings: Settings, shutdown: Shutdown) -> Self {
        let (sender, orders) = bounded(ORDERS);
        let now = Instant::now();
        Self {
            next_run: now + settings.every.min(FIRST_RUN),
            settings,
            guard: Guard::new(WORDS),
            desk: Desk {
                orders: sender,
                shutdown,
            },
            orders,
            next_measure: now,
            urgent_after: now,
            again_at: now,
            pending: VecDeque::new(),
            wanted_free_bytes: 0,
            finish_due: true,
            had_turn: false,
            level: Level::Fine,
            unfinished: None,
            unmet: None,
        }
    }

    pub(in crate::ingest::recordings) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// A recording could not be sealed: it needs so much free space.
    pub(in crate::ingest::recordings) fn want(&mut self, free_bytes: u64) {
        let free_bytes = i64::try_from(free_bytes).unwrap_or(i64::MAX);
        self.wanted_free_bytes = self.wanted_free_bytes.max(free_bytes);
    }

    /// What somebody must look after.
    pub(in crate::ingest::recordings) fn trouble(&self) -> Option<String> {
        self.unmet.clone().or_else(|| {
            let reason = self.unfinished.as_ref()?;
            Some(format!("a deleted recording is still there: {reason}"))
        })
    }

    /// What somebody should know.
    pub(in crate::ingest::recordings) fn warning(&self) -> Option<String> {
        let paused = self.guard.paused().map(ToOwned::to_owned);
        paused.or_else(|| {
            let percent = self.settings.limits.warn_percent;
            (self.level >= Level::Warn)
                .then(|| format!("the recordings' disk is more than {percent} % full"))
        })
    }
}

impl Health {
    /// How full the disk is, and when recordings go for that, in a line for people.
    pub fn disk_line(&self) -> Option<String> {
        let percent = self.disk?.percent();
        let ahead = match self.days_until_critical {
            Some(0) => "; the oldest recordings go now or within a day".to_owned(),
            Some(days @ 1..=365) => format!("; the oldest recordings go in {days} days"),
            _ => String::new(),
        };
        Some(format!("{percent:.1} % used{ahead}"))
    }
}

impl Watcher {
    /// Does one piece of retention; none when nothing is due. After trouble with the database it
    /// leaves it alone for a while.
    pub(in crate::ingest::recordings) fn keep(&mut self, now: Instant) -> Option<Result<(), Stop>> {
        if now < self.keeper.again_at {
            return None;
        }
        let outcome = self.keep_now(now);
        if matches!(outcome, Some(Err(_))) {
            self.keeper.again_at = now + TROUBLE_EVERY;
        }
        outcome
    }

    fn keep_now(&mut self, now: Instant) -> Option<Result<(), Stop>> {
        let wall = self.clock.now();
        if let Some(outcome) = self.watch_clock(wall, now) {
            return Some(outcome);
        }
        if let Ok(request) = self.keeper.orders.try_recv() {
            return Some(self.serve(&request));
        }
        self.folder.as_ref()?;
        if now >= self.keeper.next_measure {
            self.keeper.next_measure = now + MEASURE_EVERY;
            if self.keeper.settings.enabled
                && let Err(error) = self.measure(now)
            {
                return Some(Err(error));
            }
            if self.keeper.finish_due {
                return Some(self.finish_deletions());
            }
        }
        if !self.keeper.settings.enabled {
            return None;
        }
        // Where files cannot be deleted, to decide on more would free nothing.
        if self.keeper.unfinished.is_some() {
            self.keeper.pending.clear();
            return None;
        }
        if !self.keeper.pending.is_empty() {
            let others_first = self.keeper.had_turn && self.queue.is_due(now);
            self.keeper.had_turn = !others_first;
            return (!others_first).then(|| self.remove_some());
        }
        (now >= self.keeper.next_run).then(|| self.begin_run(wall, now))
    }

    fn watch_clock(&mut self, wall: UnixNanos, now: Instant) -> Option<Result<(), Stop>> {
        if !self.keeper.settings.enabled {
            return None;
        }
        let change = if self.keeper.guard.has_begun() {
            self.keeper.guard.look(wall, now)
        } else {
            match self.records.ask(|session| clock_guard::past(session, wall)) {
                Ok(past) => self.keeper.guard.begin(wall, now, past),
                Err(error) => return Some(Err(error.into())),
            }
        };
        if change.is_some() {
            // What was planned before may have been planned by a wrong time.
            self.keeper
                .pending
                .retain(|(_, rule, _)| *rule == Rule::Disk);
        }
        match self.note_change(change?) {
            Ok(()) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn note_change(&mut self, change: Change) -> Result<(), Stop> {
        match change {
            Change::Paused(text) => self.note("retention", Weight::Alert, &text)?,
            Change::Over => {
                let text = "recordings may go for their age and for the total again";
                self.note("retention", Weight::Info, text)?;
            }
        }
        Ok(())
    }

    /// Tells when the disk becomes full, and hastens the next run when it must not wait.
    fn measure(&mut self, now: Instant) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let Some(disk) = self.keeper.settings.meter.measure(&folder) else {
            return Ok(());
        };
        let limits = self.keeper.settings.limits;
        let level = if disk.reaches(limits.critical_percent) {
            Level::Critical
        } else if disk.reaches(limits.warn_percent) {
            Level::Warn
        } else {
            Level::Fine
        };
        let is_short = self.keeper.wanted_free_bytes > 0;
        if (level == Level::Critical || is_short) && now >= self.keeper.urgent_after {
            self.keeper.next_run = now;
        }
        self.show(|health| health.disk = Some(disk));
        let before = std::mem::replace(&mut self.keeper.level, level);
        if level > before {
            self.tell_level(level, disk)?;
        }
        Ok(())
    }

    fn tell_level(&self, level: Level, disk: Disk) -> Result<(), Stop> {
        let percent = disk.percent();
        let text = match level {
            Level::Critical => {
                format!("the recordings' disk is {percent:.1} % full; the oldest recordings go now")
            }
            _ => format!(
                "the recordings' disk is {percent:.1} % full; from {} % on the oldest recordings go",
                self.keeper.settings.limits.critical_percent
            ),
        };
        Ok(self.note("retention", Weight::Alert, &text)?)
    }

    fn begin_run(&mut self, wall: UnixNanos, now: Instant) -> Result<(), Stop> {
        self.keeper.next_run = now + self.keeper.settings.every;
        self.keeper.urgent_after = now + URGENT_EVERY;
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let acting = Acting {
            by_time: self.keeper.guard.paused().is_none(),
            by_disk: true,
        };
        let wanted = std::mem::take(&mut self.keeper.wanted_free_bytes);
        let settings = &self.keeper.settings;
        let survey = survey(&folder, &mut self.records, settings, acting, wanted, wall)?;
        self.show_survey(&survey)?;
        let removals = survey.plan.removals.into_iter();
        self.keeper.pending = removals
            .map(|one| (one.candidate.id, one.rule, one.text))
            .collect();
        Ok(())
    }

    fn show_survey(&mut self, survey: &Survey) -> Result<(), Stop> {
        for kept in &survey.kept {
            tracing::warn!(recording = kept.id, reason = %kept.reason, "retention leaves it alone");
        }
        let unmet = (survey.plan.unmet_bytes > 0).then(|| {
            "the recordings' disk is full, and there are not enough recordings without a star or a \
             hold to make room; make room, or take stars and holds away"
                .to_owned()
        });
        if let Some(text) = unmet.as_ref().filter(|_| self.keeper.unmet != unmet) {
            self.note("retention", Weight::Critical, text)?;
        }
        self.keeper.unmet = unmet;
        let forecast = &survey.forecast;
        self.show(|health| {
            health.disk = survey.disk;
            health.days_until_critical = forecast.days_until_critical.map(|days| days as u64);
        });
        Ok(())
    }

    fn remove_some(&mut self) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let began = Instant::now();
        let mut after = Aftermath::default();
        while began.elapsed() < AT_ONCE
            && !self.shutdown.is_stopped()
            && let Some((id, rule, reason)) = self.keeper.pending.pop_front()
        {
            let mut tools = Tools {
                folder: &folder,
                records: &mut self.records,
                writer: &self.writer,
                clock: &self.clock,
            };
            match remove(&mut tools, id, rule, &reason, &mut after)? {
                Ok(gone) => {
                    tracing::info!(recording = gone.name, rule = rule.name(), "deleted");
                    self.telemetry.recordings_deleted.add_one();
                }
                Err(kept) => {
                    tracing::info!(recording = id, reason = %kept.reason, "not deleted");
                }
            }
        }
        self.settle(after);
        Ok(())
    }

    fn finish_deletions(&mut self) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        let after = finish(&folder, &mut self.records)?;
        self.keeper.finish_due = false;
        self.keeper.unfinished = None;
        self.settle(after);
        Ok(())
    }

    /// The next scan finds so many sealed files fewer, and that is no reason to look for others.
    fn settle(&mut self, after: Aftermath) {
        let fewer = after.sealed_files;
        self.sealed_files = self.sealed_files.map(|files| files.saturating_sub(fewer));
        if after.unfinished.is_some() {
            self.keeper.finish_due = true;
            self.keeper.unfinished = after.unfinished;
        }
    }

    fn serve(&mut self, request: &Request) -> Result<(), Stop> {
        let Some(folder) = self.folder.clone() else {
            let reason = self.folder_trouble.clone();
            let reason = reason.unwrap_or_else(|| "the recordings folder is not open".to_owned());
            let _ = request.reply.send(Err(reason));
            return Ok(());
        };
        if request.order == Order::Prune
            && let Some(change) = self.keeper.guard.trust()
        {
            self.note_change(change)?;
        }
        let mut after = Aftermath {
            unfinished: self.keeper.unfinished.clone(),
            ..Aftermath::default()
        };
        let mut tools = Tools {
            folder: &folder,
            records: &mut self.records,
            writer: &self.writer,
            clock: &self.clock,
        };
        let answer = fulfil(
            &mut tools,
            &self.keeper.settings,
            &request.order,
            &mut after,
        );
        self.settle(after);
        let told = answer
            .as_ref()
            .map(Clone::clone)
            .map_err(ToString::to_string);
        if let Ok(report) = &told {
            let gone = report.removals.len() as u64;
            self.telemetry.recordings_deleted.add(gone);
        }
        // Who no longer listens no longer wants to know.
        let _ = request.reply.send(told);
        answer.map(drop)
    }

    /// The deletion that a sealed file without a row is left of: finished instead of adopted.
    pub(in crate::ingest::recordings) fn finishes(
        &mut self,
        path: &std::path::Path,
    ) -> Result<bool, StorageError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(false);
        };
        let Some(doomed) = super::still_there(&mut self.records, path)? else {
            return Ok(false);
        };
        let mut after = Aftermath::default();
        after.remove(&folder, &doomed);
        let is_same = after.sealed_files > 0 || after.unfinished.is_some();
        self.settle(after);
        Ok(is_same)
    }
}
