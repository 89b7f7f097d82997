//! `wildlife species`: who ever came, and whether that is news.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::super::exit::{CliError, Exit};
use super::super::paging::{self, cell};
use super::super::table::FormatArgs;
use super::super::{Context, folder};
use crate::base::clock::UnixNanos;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, all, first};
use crate::values;

/// Arguments of `wildlife species`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    format: FormatArgs,
}

const COLUMNS: [(&str, Shape); 9] = [
    ("species", Shape::Text),
    ("count", Shape::Number),
    ("first_at", Shape::Time),
    ("last_at", Shape::Time),
    ("today", Shape::Number),
    ("first_today", Shape::Flag),
    ("first_this_week", Shape::Flag),
    ("first_ever", Shape::Flag),
    ("news", Shape::Text),
];

/// Runs it. A species is `first_today` if it came today, `first_this_week` if today's was the
/// first of the week, which begins on Monday, and `first_ever` if today's was the first of all.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let (today, week) = begins(context.clock.now(), &context.zone)
        .ok_or_else(|| CliError::new(Exit::Usage, "the clock shows a time that no calendar has"))?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let species = all(
        &mut session,
        "SELECT species, count, first_at, last_at FROM wildlife_species \
         ORDER BY last_at DESC, species",
        &[],
        |row| {
            Ok((
                row.text(0)?.to_owned(),
                row.int(1)?,
                row.int(2)?,
                row.int(3)?,
            ))
        },
    )?;
    let mut rows = Vec::with_capacity(species.len());
    for (species, count, first_at, last_at) in species {
        let so_many_today = count_within(&mut session, &species, today, i64::MAX)?;
        let earlier_this_week = count_within(&mut session, &species, week, today)?;
        let first_today = so_many_today > 0;
        let first_this_week = first_today && earlier_this_week == 0;
        let first_ever = first_today && first_at >= today;
        let news = match (first_ever, first_this_week, first_today) {
            (true, ..) => Some("first ever"),
            (_, true, _) => Some("first this week"),
            (_, _, true) => Some("here today"),
            _ => None,
        };
        let flag = |flag| Owned::Integer(i64::from(flag));
        rows.push(vec![
            cell(Some(&species)),
            Owned::Integer(count),
            Owned::Integer(first_at),
            Owned::Integer(last_at),
            Owned::Integer(so_many_today),
            flag(first_today),
            flag(first_this_week),
            flag(first_ever),
            cell(news),
        ]);
    }
    paging::write(&COLUMNS, rows, args.format, false, context)
}

/// When today and this week began, in the zone.
fn begins(now: UnixNanos, zone: &TimeZone) -> Option<(UnixNanos, UnixNanos)> {
    let stamp = Timestamp::from_nanosecond(i128::from(now)).ok()?;
    let today = stamp.to_zoned(zone.clone()).date();
    let behind = today.weekday().since(Weekday::Monday);
    let monday = today.checked_sub(jiff::Span::new().days(behind)).ok()?;
    let nanos = |date: jiff::civil::Date| {
        let midnight = date.to_zoned(zone.clone()).ok()?;
        i64::try_from(midnight.timestamp().as_nanosecond()).ok()
    };
    Some((nanos(today)?, nanos(monday)?))
}

fn count_within(
    session: &mut dyn Session,
    species: &str,
    since: i64,
    until: i64,
) -> Result<i64, StorageError> {
    let count = first(
        session,
        "SELECT count(*) FROM wildlife_sightings WHERE species = ?1 AND at >= ?2 AND at < ?3",
        values![species, since, until],
        |row| row.int(0),
    )?;
    Ok(count.unwrap_or_default())
}
