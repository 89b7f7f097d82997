//! `stats`: what fills the database, how fast it grows, and how long the disk lasts.

use serde_json::json;

use super::exit::CliError;
use super::parts::{Part, text, whole};
use super::table::{Format, FormatArgs};
use super::term::{grouped, human_bytes};
use super::{Context, folder};
use crate::health::formula::days_left;
use crate::health::store::{self, Growth, Object};
use crate::read_model::aging;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Row, Session, StorageError, first};
use crate::values;

const EXAMPLES: &str = "\
Examples:
  nightjar stats                             tables, the largest first
  nightjar stats --indexes                   their indexes too
  nightjar stats --json | jq .days_left
  nightjar retention show                    how long the tables keep their rows";

/// Arguments of `stats`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Show every index too; without it, its bytes stand with its table
    #[arg(long)]
    indexes: bool,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

const COLUMNS: [(&str, Shape); 7] = [
    ("name", Shape::Text),
    ("type", Shape::Text),
    ("rows", Shape::Number),
    ("bytes", Shape::Bytes),
    ("index_bytes", Shape::Bytes),
    ("oldest_at", Shape::Time),
    ("newest_at", Shape::Time),
];

/// The event log has no index by time: its batches do, in the order of their commits.
const EVENT_LOG_ENDS: &str = "SELECT \
    (SELECT committed_at FROM batches ORDER BY first_position LIMIT 1), \
    (SELECT committed_at FROM batches ORDER BY first_position DESC LIMIT 1)";

struct Disk {
    bytes: i64,
    free_pages_bytes: i64,
    free: Option<i64>,
    growth: Option<Growth>,
    bytes_per_day: Option<f64>,
    days_left: Option<f64>,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let objects = store::sizes(&mut session)?;
    let disk = disk(&mut session, &objects, context)?;
    let mut rows = Vec::new();
    for object in objects.iter().filter(|one| args.indexes || !one.is_index) {
        rows.push(row(&mut session, object, &objects)?);
    }
    drop(session);
    let limit = args.limit as usize;
    let part = Part::new(
        ("tables", "Tables, the largest first"),
        &COLUMNS,
        rows,
        limit,
        "none",
    );
    match args.format.format() {
        Format::Table => {
            say(&disk, context)?;
            writeln!(context.out)?;
            part.write_text(context)
        }
        Format::Json => {
            let object = json!({
                "file_bytes": disk.bytes,
                "free_pages_bytes": disk.free_pages_bytes,
                "disk_free_bytes": disk.free,
                "events_per_day": disk.growth.map(|growth| growth.events_per_day.round() as i64),
                "growth_days": disk.growth.map(|growth| (growth.days * 100.0).round() / 100.0),
                "growth_bytes_per_day": disk.bytes_per_day.map(|bytes| bytes.round() as i64),
                "days_left": disk.days_left.map(|days| days.round() as i64),
            });
            let object = object.to_string();
            let open = object.strip_suffix('}').unwrap_or(&object);
            writeln!(context.out, "{open},\"tables\":")?;
            part.write_rows(Format::Json, context)?;
            Ok(writeln!(context.out, "}}")?)
        }
        format => part.write_alone(format, context),
    }
}

fn row(
    session: &mut dyn Session,
    object: &Object,
    objects: &[Object],
) -> Result<Vec<Owned>, StorageError> {
    let indexes = objects
        .iter()
        .filter(|one| one.is_index && one.table == object.name)
        .map(|one| one.bytes)
        .sum();
    let (oldest, newest) = ends(session, object)?;
    Ok(vec![
        text(&object.name),
        text(if object.is_index { "index" } else { "table" }),
        Owned::Integer(object.rows),
        Owned::Integer(object.bytes),
        if object.is_index {
            Owned::Null
        } else {
            Owned::Integer(indexes)
        },
        whole(oldest),
        whole(newest),
    ])
}

/// The times of its oldest and newest row, where its rows have a time by which they age.
fn ends(
    session: &mut dyn Session,
    object: &Object,
) -> Result<(Option<i64>, Option<i64>), StorageError> {
    if object.is_index {
        return Ok((None, None));
    }
    if matches!(object.name.as_str(), "event_log" | "batches") {
        let ends = |row: &dyn Row| Ok((row.opt_int(0)?, row.opt_int(1)?));
        return Ok(first(session, EVENT_LOG_ENDS, &[], ends)?.unwrap_or_default());
    }
    let Some((_, aging)) = aging::tables().find(|(table, _)| *table == object.name) else {
        return Ok((None, None));
    };
    let oldest = first(session, aging.oldest, &[], |row| row.opt_int(0))?;
    let newest = first(session, aging.nth_newest, values![0], |row| row.opt_int(0))?;
    Ok((oldest.flatten(), newest.flatten()))
}

fn disk(
    session: &mut dyn Session,
    objects: &[Object],
    context: &Context<'_>,
) -> Result<Disk, CliError> {
    let (bytes, free_pages_bytes) = store::file(session)?;
    let growth = store::growth(session, context.clock.now())?;
    let events = objects.iter().find(|one| one.name == "event_log");
    let events = events.map_or(0, |one| one.rows);
    // A day's events need as much as the events there are need on average, tables and all.
    let each = (events > 0).then(|| (bytes - free_pages_bytes) as f64 / events as f64);
    let bytes_per_day = growth
        .zip(each)
        .map(|(growth, each)| growth.events_per_day * each);
    let free = rustix::fs::statvfs(&context.folder).ok();
    let free =
        free.and_then(|stat| i64::try_from(stat.f_bavail.saturating_mul(stat.f_frsize)).ok());
    let days_left = free
        .zip(bytes_per_day)
        .and_then(|(free, growth)| days_left(free.saturating_add(free_pages_bytes), growth));
    Ok(Disk {
        bytes,
        free_pages_bytes,
        free,
        growth,
        bytes_per_day,
        days_left,
    })
}

fn say(disk: &Disk, context: &mut Context<'_>) -> Result<(), CliError> {
    let free = disk.free.map_or("?".into(), human_bytes);
    writeln!(
        context.out,
        "The database has {}, of which {} are free for new rows; the disk has {free} free.",
        human_bytes(disk.bytes),
        human_bytes(disk.free_pages_bytes),
    )?;
    let (Some(growth), Some(bytes)) = (disk.growth, disk.bytes_per_day) else {
        let text = "How it grows is not yet known: that takes six hours.";
        return Ok(writeln!(context.out, "{text}")?);
    };
    let events = grouped(growth.events_per_day.round() as i64);
    let bytes = human_bytes(bytes.round() as i64);
    let over = if growth.days < 2.0 {
        format!("{:.0} hours", (growth.days * 24.0).floor())
    } else {
        format!("{:.0} days", growth.days.floor())
    };
    write!(
        context.out,
        "Over the last {over} it grew by {events} events a day, about {bytes}"
    )?;
    match disk.days_left {
        Some(left) if left > 36_500.0 => writeln!(context.out, ": more than a century left.")?,
        Some(left) => writeln!(context.out, ": {} days left.", grouped(left as i64))?,
        None => writeln!(context.out, ".")?,
    }
    Ok(())
}
