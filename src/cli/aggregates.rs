//! `aggregates`: hours and days, and whether they are what the lines and samples say.

use jiff::tz::TimeZone;

use super::exit::{CliError, Exit};
use super::parts::{self, Part, number};
use super::table::{Format, FormatArgs};
use super::when::local;
use super::{Context, folder};
use crate::base::clock::{DAY_NS, HOUR_NS};
use crate::health::aggregates::{Bucket, COUNTS, Sums, Width, buckets};
use crate::health::compare::{Comparison, compare};
use crate::read_model::view::Shape;
use crate::storage::Owned;

const EXAMPLES: &str = "\
Examples:
  nightjar aggregates hourly                   the last 24 hours, hour by hour
  nightjar aggregates daily --local --since 30d
  nightjar aggregates hourly --host heron --csv
  nightjar aggregates compare --since 7d       made anew, and held against what is kept";

/// Arguments of `aggregates`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Hour by hour
    Hourly(Rows),
    /// Day by day
    Daily(Rows),
    /// Make the sums anew from the lines and samples, and hold them against those that are kept;
    /// exit code 1 when they differ
    Compare(Compare),
}

#[derive(Debug, clap::Args)]
struct Rows {
    /// At or after this: RFC 3339, today, -2h, 7d [default: 24 hours or 7 days before the end]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// Hours and days of the house's time zone, some of 23 or 25 hours [default: of UTC]
    #[arg(long)]
    local: bool,
    /// Only of this machine [default: all together]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// At or after this: RFC 3339, today, -2h, 7d [default: 24 hours before the end]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<String>,
    /// At most so many differences
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const COLUMNS: [(&str, Shape); 18] = [
    ("from", Shape::Time),
    ("hours", Shape::Number),
    ("empty", Shape::Flag),
    ("avg_cpu_percent", Shape::Number),
    ("max_cpu_percent", Shape::Number),
    ("avg_memory_percent", Shape::Number),
    ("max_memory_percent", Shape::Number),
    ("avg_disk_percent", Shape::Number),
    ("total_bytes_sent", Shape::Number),
    ("total_bytes_recv", Shape::Number),
    ("total_packets_sent", Shape::Number),
    ("total_packets_recv", Shape::Number),
    ("log_events_count", Shape::Number),
    ("failed_login_count", Shape::Number),
    ("banned_ip_count", Shape::Number),
    ("error_count", Shape::Number),
    ("warning_count", Shape::Number),
    ("unique_ips_banned", Shape::Number),
];
const USERS: (&str, Shape) = ("unique_users_failed", Shape::Number);
/// What people see, so that it fits on a screen: names shorter, packets left out.
const SHOWN: [(&str, Shape); 13] = [
    ("from", Shape::Time),
    ("h", Shape::Number),
    ("cpu", Shape::Number),
    ("max", Shape::Number),
    ("mem", Shape::Number),
    ("max", Shape::Number),
    ("disk", Shape::Number),
    ("sent", Shape::Bytes),
    ("received", Shape::Bytes),
    ("lines", Shape::Number),
    ("failed", Shape::Number),
    ("bans", Shape::Number),
    ("errors", Shape::Number),
];
const DIFFERENCES: [(&str, Shape); 5] = [
    ("quarter", Shape::Time),
    ("host", Shape::Text),
    ("what", Shape::Text),
    ("kept", Shape::Number),
    ("anew", Shape::Number),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::Hourly(args) => rows(args, Width::Hour, context),
        Verb::Daily(args) => rows(args, Width::Day, context),
        Verb::Compare(args) => compare_verb(args, context),
    }
}

fn rows(args: &Rows, width: Width, context: &mut Context<'_>) -> Result<(), CliError> {
    let (usual, least) = match width {
        Width::Hour => (DAY_NS, HOUR_NS),
        Width::Day => (7 * DAY_NS, 23 * HOUR_NS),
    };
    let (mut since, until) =
        parts::range(args.since.as_deref(), args.until.as_deref(), usual, context)?;
    // No more is read than is shown, and one to know that there is more.
    let most = least.saturating_mul(i64::from(args.limit) + 2);
    since = since.max(until.saturating_sub(most));
    let zone = if args.local {
        context.zone.clone()
    } else {
        TimeZone::UTC
    };
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut found = buckets(
        &mut session,
        width,
        &zone,
        (since, until),
        args.host.as_deref(),
    )?;
    drop(session);
    found.reverse();
    let limit = args.limit as usize;
    let format = args.format.format();
    if format != Format::Table {
        const ALL: [(&str, Shape); COLUMNS.len() + 1] = {
            let mut all = [USERS; COLUMNS.len() + 1];
            let mut index = 0;
            while index < COLUMNS.len() {
                all[index] = COLUMNS[index];
                index += 1;
            }
            all
        };
        let found = found.iter().map(row).collect();
        let part = Part::new(("aggregates", ""), &ALL, found, limit, "");
        return part.write_alone(format, context);
    }
    let title = match (width, args.local) {
        (Width::Hour, false) => "Hours of UTC, the newest first",
        (Width::Hour, true) => "Hours of the house, the newest first",
        (Width::Day, false) => "Days of UTC, the newest first",
        (Width::Day, true) => "Days of the house, the newest first",
    };
    let found = found.iter().map(shown).collect();
    let part = Part::new(("aggregates", title), &SHOWN, found, limit, "nothing");
    // Days of UTC begin at midnight of UTC, and should be read so.
    let here = std::mem::replace(&mut context.zone, zone);
    let written = part.write_text(context);
    context.zone = here;
    written
}

fn hours(one: &Bucket) -> f64 {
    (one.to - one.from) as f64 / HOUR_NS as f64
}

fn row(one: &Bucket) -> Vec<Owned> {
    let nothing = Sums::default();
    let sums = one.sums.as_ref().unwrap_or(&nothing);
    let real = |value: Option<f64>| value.map_or(Owned::Null, Owned::Real);
    let mut row = vec![
        Owned::Integer(one.from),
        number(Some(hours(one))),
        parts::flag(one.sums.is_none()),
        real(sums.cpu.mean()),
        real(sums.cpu.max),
        real(sums.memory.mean()),
        real(sums.memory.max),
        real(sums.disk.mean()),
    ];
    row.extend(sums.counts.map(Owned::Integer));
    row.push(Owned::Integer(one.ips_banned));
    row.push(Owned::Integer(one.users_failed));
    row
}

fn shown(one: &Bucket) -> Vec<Owned> {
    let Some(sums) = &one.sums else {
        let mut row = vec![Owned::Null; SHOWN.len()];
        row[0] = Owned::Integer(one.from);
        row[1] = number(Some(hours(one)));
        return row;
    };
    let count = |name: &str| {
        let index = COUNTS.iter().position(|one| *one == name);
        Owned::Integer(index.map_or(0, |index| sums.counts[index]))
    };
    let tenth = |value: Option<f64>| number(value.map(|value| (value * 10.0).round() / 10.0));
    vec![
        Owned::Integer(one.from),
        number(Some(hours(one))),
        tenth(sums.cpu.mean()),
        tenth(sums.cpu.max),
        tenth(sums.memory.mean()),
        tenth(sums.memory.max),
        tenth(sums.disk.mean()),
        count("total_bytes_sent"),
        count("total_bytes_recv"),
        count("log_events_count"),
        count("failed_login_count"),
        count("banned_ip_count"),
        count("error_count"),
    ]
}

fn compare_verb(args: &Compare, context: &mut Context<'_>) -> Result<(), CliError> {
    let (since, until) = parts::range(
        args.since.as_deref(),
        args.until.as_deref(),
        DAY_NS,
        context,
    )?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let found = compare(&mut session, since, until)?;
    drop(session);
    let rows = found.differences.iter().map(|one| {
        vec![
            Owned::Integer(one.quarter_at),
            parts::text(&one.host),
            parts::text(&one.what),
            number(Some(one.kept)),
            number(Some(one.anew)),
        ]
    });
    let name = ("differences", "Kept, and made anew");
    let part = Part::new(
        name,
        &DIFFERENCES,
        rows.collect(),
        args.limit as usize,
        "no difference",
    );
    match args.format.format() {
        Format::Table => part.write_text(context)?,
        format => part.write_alone(format, context)?,
    }
    context.out.flush()?;
    context.note(&told(&found, since, context));
    if found.differences.is_empty() {
        Ok(())
    } else {
        let text =
            "the sums are not what the lines and samples say; `nightjar rebuild` makes them anew";
        Err(CliError::new(Exit::ProblemsFound, text))
    }
}

/// What was compared.
fn told(found: &Comparison, asked: i64, context: &Context<'_>) -> String {
    let from = local(found.since, &context.zone);
    let to = local(found.until, &context.zone);
    let gone = if found.since > asked {
        "; lines or samples from before have gone"
    } else {
        ""
    };
    format!(
        "{} quarters of machines compared, from {from} to {to}{gone}",
        found.quarters
    )
}
