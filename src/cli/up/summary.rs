//! What a person wants to know after a night: what happened, how things are, what went wrong.

use std::time::Duration;

use crate::base::clock::local;
use crate::base::telemetry::Snapshot;
use crate::cli::Context;
use crate::cli::exit::CliError;
use crate::cli::term::{Ink, visible};
use crate::event::sentence::label;
use crate::storage::sqlite::{Database, SqliteSession};
use crate::storage::{all, first};
use crate::values;

/// Rows of a list before it is cut.
const ROWS: i64 = 12;

/// The run that is told about.
pub(super) struct Run {
    pub(super) elapsed: Duration,
    pub(super) published: u64,
    pub(super) before: Snapshot,
    pub(super) after: Snapshot,
}

/// Prints the summary.
pub(super) fn print(
    context: &mut Context<'_>,
    database: &mut Database,
    run: &Run,
) -> Result<(), CliError> {
    let mut session = database.snapshot()?;
    headline(context, &mut session)?;
    kinds(context, &mut session)?;
    states(context, &mut session)?;
    sightings(context, &mut session)?;
    alarms(context, &mut session)?;
    recordings(context, &mut session)?;
    trouble(context, &mut session)?;
    rates(context, run)?;
    context.out.flush()?;
    Ok(())
}

fn heading(context: &mut Context<'_>, text: &str) -> Result<(), CliError> {
    let text = context.screen.paint(Ink::Heading, text);
    writeln!(context.out, "\n{text}")?;
    Ok(())
}

fn headline(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    let span = first(
        session,
        "SELECT count(*), (SELECT min(timestamp_ns) FROM events), \
         (SELECT max(timestamp_ns) FROM events) FROM event_log",
        &[],
        |row| Ok((row.int(0)?, row.opt_int(1)?, row.opt_int(2)?)),
    )?;
    if let Some((events, from, to)) = span {
        let span = match (from, to) {
            (Some(from), Some(to)) => format!(", moments from {} to {}", local(from), local(to)),
            _ => String::new(),
        };
        let events = format!("{events} events in the log");
        let line = context.screen.paint(Ink::Heading, &events);
        writeln!(context.out, "{line}{span}")?;
    }
    Ok(())
}

fn kinds(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    heading(context, "Events by kind")?;
    let rows = all(
        session,
        "SELECT kind, sum(count) AS n FROM events_per_day_by_kind GROUP BY kind ORDER BY n DESC, kind",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
    )?;
    // Two columns: the list is long, and the terminal is wide rather than high.
    let half = rows.len().div_ceil(2);
    for index in 0..half {
        let cell = |row: Option<&(String, i64)>| {
            row.map_or_else(String::new, |(kind, count)| {
                format!("{count:>7}  {kind:<28}")
            })
        };
        let line = format!("{}{}", cell(rows.get(index)), cell(rows.get(index + half)));
        writeln!(context.out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn states(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    heading(context, "States now")?;
    let rows = all(
        session,
        "SELECT sensor_id, group_concat(said, ', ') FROM (SELECT sensor_id, \
           CASE WHEN number IS NULL THEN replace(state_key, '_', ' ') || ' ' || value \
                ELSE replace(state_key, '_', ' ') || ' ' || round(number, 1) || coalesce(' ' || unit, '') END AS said \
           FROM sensor_states WHERE state_key <> 'battery' ORDER BY sensor_id, state_key) \
         GROUP BY sensor_id ORDER BY sensor_id LIMIT 24",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())),
    )?;
    for (sensor, said) in rows {
        writeln!(
            context.out,
            "  {:<22} {}",
            visible(&label(&sensor)),
            visible(&said)
        )?;
    }
    Ok(())
}

fn sightings(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    heading(context, "Sightings")?;
    let rows = all(
        session,
        "SELECT who, n, camera, at FROM (\
           SELECT coalesce(p.name, 'Unknown ' || s.species) AS who, count(*) AS n, max(s.at) AS at, s.camera_id AS camera \
           FROM pet_sightings s LEFT JOIN pets p ON p.id = s.pet_id GROUP BY who \
           UNION ALL SELECT species || ' (' || lower(threat) || ')', count(*), max(at), camera_id \
           FROM wildlife_sightings GROUP BY species, threat \
           UNION ALL SELECT CASE type WHEN 'PERSON_DETECTED' THEN 'person' WHEN 'VEHICLE_DETECTED' \
             THEN 'vehicle' ELSE 'parcel' END, count(*), max(timestamp_ns), source_id FROM events \
           WHERE type IN ('PERSON_DETECTED', 'VEHICLE_DETECTED', 'PACKAGE_DETECTED') GROUP BY type) \
         ORDER BY at LIMIT ?1",
        values![ROWS],
        |row| {
            Ok((
                row.text(0)?.to_owned(),
                row.int(1)?,
                row.text(2)?.to_owned(),
                row.int(3)?,
            ))
        },
    )?;
    for (who, count, camera, at) in rows {
        writeln!(
            context.out,
            "  {:<22} {count:>3} ×  last at {}, {}",
            visible(&label(&who)),
            visible(&label(&camera)),
            local(at)
        )?;
    }
    Ok(())
}

fn alarms(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    let rows = all(
        session,
        "SELECT timestamp_ns, severity_id, message FROM events WHERE severity_id >= 4 \
         ORDER BY timestamp_ns DESC, position DESC LIMIT ?1",
        values![ROWS],
        |row| Ok((row.int(0)?, row.int(1)?, row.text(2)?.to_owned())),
    )?;
    if rows.is_empty() {
        return Ok(());
    }
    heading(context, "Alerts, newest first")?;
    for (at, severity, message) in rows {
        let ink = if severity >= 5 { Ink::Worst } else { Ink::Bad };
        let message = visible(&message);
        let message = context.screen.paint(ink, &message);
        writeln!(context.out, "  {}  {message}", local(at))?;
    }
    Ok(())
}

fn recordings(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    let rows = all(
        session,
        "SELECT file_path, state, file_size, duration_s, coalesce(codec, '?'), width, height, \
         coalesce(detection_type, lower(trigger), 'no motion known') FROM recordings \
         ORDER BY started_at NULLS FIRST LIMIT ?1",
        values![ROWS],
        |row| {
            let size = match (row.opt_int(5)?, row.opt_int(6)?) {
                (Some(width), Some(height)) => format!(" {width}×{height}"),
                _ => String::new(),
            };
            let length = row
                .opt_real(3)?
                .map(|seconds| format!(", {seconds:.1} s"))
                .unwrap_or_default();
            Ok(format!(
                "  {:<36} {}, {} bytes{length}, {}{size}, {}",
                visible(row.text(0)?),
                row.text(1)?,
                row.int(2)?,
                visible(row.text(4)?),
                visible(row.text(7)?),
            ))
        },
    )?;
    heading(context, "Recordings")?;
    for row in rows {
        writeln!(context.out, "{row}")?;
    }
    Ok(())
}

fn trouble(context: &mut Context<'_>, session: &mut SqliteSession<'_>) -> Result<(), CliError> {
    let rows = all(
        session,
        "SELECT count(*) AS n, reason, min(topic) FROM dead_letters GROUP BY reason \
         ORDER BY n DESC, reason LIMIT 24",
        &[],
        |row| {
            Ok((
                row.int(0)?,
                row.text(1)?.to_owned(),
                row.opt_text(2)?.unwrap_or("").to_owned(),
            ))
        },
    )?;
    heading(
        context,
        "Undecodable, kept raw (nightjar dead-letters list)",
    )?;
    for (count, reason, topic) in rows {
        let topic = visible(&topic);
        let topic = context.screen.paint(Ink::Faint, &topic);
        writeln!(context.out, "{count:>7}  {}  {topic}", visible(&reason))?;
    }
    Ok(())
}

fn rates(context: &mut Context<'_>, run: &Run) -> Result<(), CliError> {
    let since = |get: fn(&Snapshot) -> u64| get(&run.after).saturating_sub(get(&run.before));
    heading(context, "This run")?;
    let seconds = run.elapsed.as_secs_f64();
    let messages = since(|counters| counters.messages_received);
    let events = since(|counters| counters.events_appended);
    let batches = since(|counters| counters.batches_committed).max(1);
    writeln!(
        context.out,
        "  {} messages published, {messages} received, {events} events stored in {seconds:.1} s",
        run.published
    )?;
    writeln!(
        context.out,
        "  {:.0} messages/s, {:.1} events per commit, {} duplicates recognised by their id, {} without a rule",
        messages as f64 / seconds.max(0.001),
        events as f64 / batches as f64,
        since(|counters| counters.duplicates_by_id),
        since(|counters| counters.messages_unmapped),
    )?;
    Ok(())
}
