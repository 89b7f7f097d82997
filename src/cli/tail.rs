//! `tail`: the event log as it grows, one line per event.
//!
//! Follows by position, not by time: an event that is printed once is not printed again, and none
//! is passed over without a word. Reads on a connection of its own, in chunks with a snapshot each,
//! so that neither the memory nor the WAL grows with the log.

mod filter;
mod line;

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::exit::{CliError, Exit};
use super::{Context, folder};
use crate::base::clock::{DAY_NS, HOUR_NS};
use crate::event::Envelope;
use crate::event_log::append::head;
use crate::event_log::read::{EventReader, first_received_since};
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, all, first};
use crate::values;
use filter::Filter;
use line::Printer;

pub use filter::Level;
pub(super) use line::data;

/// Events read at a time.
const CHUNK_EVENTS: i64 = 1_024;
/// Events shown when nothing says how many.
const DEFAULT_LINES: u64 = 20;
/// How often a follower looks for news: below what people notice.
const POLL_PAUSE: Duration = Duration::from_millis(200);
/// How far a credible clock may run ahead of ours; an event is received after it occurred.
const CLOCK_SLACK_NS: i64 = HOUR_NS;
/// How late a message may come and still be found by `--until`.
const LATE_NS: i64 = DAY_NS;

const EXAMPLES: &str = "\
Examples:
  nightjar tail                                   the last 20 events
  nightjar tail -f                                and what comes from now on
  nightjar tail -f --kind 'camera.*' --kind pet.sighted
  nightjar tail --since 22:00 --until 06:00 --level warning
  nightjar tail --grep \"front door\" -n 5
  nightjar tail -f --after 123456 --jsonl         for programs: goes on where it stopped";

/// Arguments of `tail`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// The last N events that fit [default: 20 without --since or --after]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Go on with what comes; Ctrl-C ends it
    #[arg(short, long)]
    follow: bool,
    /// Only events after this position
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// From this time on: -2h, today, 22:00, 2026-11-20, RFC 3339, @epoch
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// To before this time (messages that came over a day late are not looked for)
    #[arg(
        long,
        value_name = "WHEN",
        allow_hyphen_values = true,
        conflicts_with = "follow"
    )]
    until: Option<String>,
    /// Only these kinds; * and ? stand for anything; can be given more than once
    #[arg(long, value_name = "GLOB")]
    kind: Vec<String>,
    /// Only events at least this severe: debug, info, warning, alert (or error), critical
    #[arg(long, value_enum, hide_possible_values = true)]
    level: Option<Level>,
    /// Only events with this text in their sentence, text, topic or source, in any case
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// One JSON object: {"rows":[…]}
    #[arg(long, conflicts_with_all = ["jsonl", "follow"])]
    json: bool,
    /// One JSON object per event
    #[arg(long)]
    jsonl: bool,
}

/// One event, or what is left of one.
#[derive(Debug)]
enum Entry {
    Event(Box<Envelope>, Level),
    /// A body that this program cannot read; the rest of the row is good.
    Unreadable {
        position: i64,
        kind: String,
        occurred_at: i64,
        received_at: i64,
        reason: String,
    },
}

impl Entry {
    fn position(&self) -> i64 {
        match self {
            Self::Event(event, _) => event.position,
            Self::Unreadable { position, .. } => *position,
        }
    }
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let filter = Filter::new(args, context)?;
    let mut source = Source::open(context)?;
    let (mut position, end) = source.bounds(args, &filter)?;
    let format = line::Format::of(args);
    let mut printer = Printer::begin(context, format, source.site)?;
    source.print(&mut position, end, &filter, &mut printer, context)?;
    if args.follow {
        context.out.flush()?;
        while !context.shutdown.wait(POLL_PAUSE) {
            let end = source.head()?;
            if end < position {
                context.note(&format!(
                    "the event log is shorter than before (a copy was restored?): {end} events, \
                     {position} were shown; going on from its end"
                ));
                position = end;
            } else if end > position {
                source.print(&mut position, end, &filter, &mut printer, context)?;
                context.out.flush()?;
            }
        }
    }
    Ok(printer.end(context)?)
}

/// The event log as `tail` reads it.
#[derive(Debug)]
struct Source {
    database: Database,
    reader: EventReader,
    site: Option<Uuid>,
}

impl Source {
    fn open(context: &Context<'_>) -> Result<Self, CliError> {
        let mut database = folder::open_reader(&context.folder)?;
        let site = first(
            &mut database.snapshot()?,
            "SELECT value FROM metadata WHERE key = 'site_id'",
            &[],
            |row| Ok(Uuid::try_parse(row.text(0)?).ok()),
        )?;
        Ok(Self {
            database,
            reader: EventReader::new(),
            site: site.flatten(),
        })
    }

    fn head(&mut self) -> Result<i64, CliError> {
        Ok(head(&mut self.database.snapshot()?)?)
    }

    /// After which position to begin, and at which one to end.
    fn bounds(&mut self, args: &Args, filter: &Filter) -> Result<(i64, i64), CliError> {
        let mut session = self.database.snapshot()?;
        let mut end = head(&mut session)?;
        let mut after = args.after.unwrap_or(0);
        if after > end {
            let text = format!("--after {after}: the event log ends at {end}");
            return Err(CliError::new(Exit::Usage, text));
        }
        if let Some(since) = filter.since {
            let from = first_received_since(&mut session, since.saturating_sub(CLOCK_SLACK_NS))?;
            after = after.max(from - 1);
        }
        if let Some(until) = filter.until {
            end = first_received_since(&mut session, until.saturating_add(LATE_NS))? - 1;
        }
        drop(session);
        let is_bounded = args.since.is_some() || args.after.is_some();
        match args.lines.or((!is_bounded).then_some(DEFAULT_LINES)) {
            Some(lines) => Ok((self.start_of_last(lines, after, end, filter)?, end)),
            None => Ok((after, end)),
        }
    }

    /// The position after which the last `lines` fitting events stand, looked for from the end.
    fn start_of_last(
        &mut self,
        lines: u64,
        after: i64,
        end: i64,
        filter: &Filter,
    ) -> Result<i64, CliError> {
        let mut wanted = lines;
        let mut upper = end;
        while wanted > 0 && upper > after {
            let lower = after.max(upper - CHUNK_EVENTS);
            for entry in self.chunk(lower, upper)?.iter().rev() {
                if filter.takes(entry) {
                    wanted -= 1;
                    if wanted == 0 {
                        return Ok(entry.position() - 1);
                    }
                }
            }
            upper = lower;
        }
        Ok(if lines == 0 { end } else { after })
    }

    /// Prints what fits of the events after `position` up to `end`, and moves `position` there.
    fn print(
        &mut self,
        position: &mut i64,
        end: i64,
        filter: &Filter,
        printer: &mut Printer,
        context: &mut Context<'_>,
    ) -> Result<(), CliError> {
        while *position < end {
            let upper = end.min(*position + CHUNK_EVENTS);
            for entry in self.chunk(*position, upper)? {
                note_gap(*position + 1, entry.position() - 1, context);
                *position = entry.position();
                if filter.takes(&entry) {
                    printer.print(&entry, context)?;
                }
            }
            note_gap(*position + 1, upper, context);
            *position = upper;
        }
        Ok(())
    }

    /// The events after `lower` up to `upper`, ascending.
    fn chunk(&mut self, lower: i64, upper: i64) -> Result<Vec<Entry>, StorageError> {
        let mut session = self.database.snapshot()?;
        let levels = levels(&mut session, lower, upper)?;
        let level = |position| levels.get(&position).copied().unwrap_or(Level::Info);
        match self.reader.after(&mut session, lower, upper - lower) {
            Ok(events) => Ok(events
                .into_iter()
                .filter(|event| event.position <= upper)
                .map(|event| {
                    let level = level(event.position);
                    Entry::Event(Box::new(event), level)
                })
                .collect()),
            // One bad body fails the whole chunk; one by one the others are still good.
            Err(StorageError::Unreadable(_)) => {
                let mut entries = Vec::new();
                for position in lower + 1..=upper {
                    match self.reader.at(&mut session, position) {
                        Ok(Some(event)) => {
                            entries.push(Entry::Event(Box::new(event), level(position)));
                        }
                        Ok(None) => {}
                        Err(StorageError::Unreadable(reason)) => {
                            entries.extend(unreadable(&mut session, position, &reason)?);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(entries)
            }
            Err(error) => Err(error),
        }
    }
}

/// The lines of `tail -f`, for a verb that has other things to do between them.
#[derive(Debug)]
pub(super) struct Live {
    source: Source,
    printer: Printer,
    filter: Filter,
    position: i64,
}

impl Live {
    /// Begins after `position`.
    pub(super) fn begin(position: i64, context: &mut Context<'_>) -> Result<Self, CliError> {
        let source = Source::open(context)?;
        let printer = Printer::begin(context, line::Format::Lines, source.site)?;
        Ok(Self { source, printer, filter: Filter::default(), position })
    }

    /// Position of the event that was printed last.
    pub(super) const fn position(&self) -> i64 {
        self.position
    }

    /// Prints what has come since.
    pub(super) fn print(&mut self, context: &mut Context<'_>) -> Result<(), CliError> {
        let end = self.source.head()?;
        let (position, printer) = (&mut self.position, &mut self.printer);
        self.source.print(position, end, &self.filter, printer, context)?;
        Ok(context.out.flush()?)
    }
}

fn note_gap(from: i64, to: i64, context: &mut Context<'_>) {
    if from <= to {
        context.note(&format!(
            "skipped: positions {from} to {to} are missing from the event log; run `nightjar check`"
        ));
    }
}

/// How severe events are: the read model knows already, so nothing is classified twice. What
/// stands in no table is of level info.
fn levels(
    session: &mut dyn Session,
    lower: i64,
    upper: i64,
) -> Result<HashMap<i64, Level>, StorageError> {
    let known = all(
        session,
        "SELECT position, CASE severity_id WHEN 3 THEN 2 WHEN 4 THEN 3 WHEN 5 THEN 4 WHEN 6 THEN 4 \
             ELSE 1 END FROM events WHERE position > ?1 AND position <= ?2 \
         UNION ALL SELECT position, level FROM log_lines WHERE position > ?1 AND position <= ?2 \
         UNION ALL SELECT id, CASE level WHEN 'alert' THEN 3 WHEN 'critical' THEN 4 ELSE 1 END \
             FROM system_events WHERE id > ?1 AND id <= ?2 \
         UNION ALL SELECT position, 2 FROM dead_letters WHERE position > ?1 AND position <= ?2",
        values![lower, upper],
        |row| Ok((row.int(0)?, Level::from_number(row.int(1)?))),
    )?;
    let mut levels = HashMap::with_capacity(known.len());
    for (position, level) in known {
        let highest = levels.entry(position).or_insert(level);
        *highest = level.max(*highest);
    }
    Ok(levels)
}

fn unreadable(
    session: &mut dyn Session,
    position: i64,
    reason: &str,
) -> Result<Option<Entry>, StorageError> {
    first(
        session,
        "SELECT coalesce(n.name, '?'), e.occurred_at, e.received_at FROM event_log e \
         LEFT JOIN names n ON n.id = e.kind WHERE e.position = ?1",
        values![position],
        |row| {
            Ok(Entry::Unreadable {
                position,
                kind: row.text(0)?.to_owned(),
                occurred_at: row.int(1)?,
                received_at: row.int(2)?,
                reason: reason.to_owned(),
            })
        },
    )
}
