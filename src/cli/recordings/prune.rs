//! `recordings prune` and `delete`: through the daemon that holds the data folder, else by this
//! process.

use super::super::exit::{CliError, Exit};
use super::super::grid::Grid;
use super::super::term::{grouped, human_bytes, visible};
use super::super::when::local;
use super::super::{Context, decide, folder, setup};
use super::find;
use crate::base::clock::rfc3339;
use crate::ingest::control::{self, Ask, ControlError};
use crate::ingest::recordings::retention::{self, Deletion, House, Order, Report, RetentionError};

/// Arguments of `recordings prune`.
#[derive(Debug, clap::Args)]
pub(super) struct Prune {
    /// Only shows what would go, why, and what is to be expected
    #[arg(long)]
    dry_run: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `recordings delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    /// Ids or paths
    #[arg(required = true, value_name = "ID|PATH")]
    recordings: Vec<String>,
    /// Why; stands in the event log
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn prune(args: &Prune, context: &mut Context<'_>) -> Result<(), CliError> {
    let house = house(context)?;
    let report = if args.dry_run {
        // The same message for a missing database as everywhere.
        drop(folder::open_reader(&context.folder)?);
        retention::preview(&house, context.clock.now()).map_err(retention_error)?
    } else {
        carry_out(&Order::Prune, &house, context)?
    };
    if args.json {
        return write_json(&report, args.dry_run, context);
    }
    Ok(show(&report, args.dry_run, context)?)
}

pub(super) fn delete(args: &Delete, context: &mut Context<'_>) -> Result<(), CliError> {
    let house = house(context)?;
    let mut ids = Vec::with_capacity(args.recordings.len());
    {
        let mut database = folder::open_reader(&context.folder)?;
        let mut session = database.snapshot()?;
        for named in &args.recordings {
            ids.push(find(&mut session, named, &house.folder)?.id);
        }
    }
    let order = Order::Delete {
        ids,
        reason: args.reason.clone(),
    };
    let report = carry_out(&order, &house, context)?;
    if args.json {
        write_json(&report, false, context)?;
    } else {
        for gone in &report.removals {
            let freed = human_bytes(gone.freed_bytes);
            let name = visible(&gone.name);
            writeln!(
                context.out,
                "deleted recording {} ({name}, {freed})",
                gone.id
            )?;
        }
        for kept in &report.kept {
            let name = kept.name.as_deref().unwrap_or("unknown");
            let reason = visible(&kept.reason);
            writeln!(
                context.out,
                "kept recording {} ({}): {reason}",
                kept.id,
                visible(name)
            )?;
        }
    }
    if report.kept.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} of {} recordings stay",
        report.kept.len(),
        args.recordings.len()
    );
    Err(CliError::new(Exit::ProblemsFound, text))
}

fn house(context: &Context<'_>) -> Result<House, CliError> {
    let config = setup::load(context)?.config;
    Ok(House {
        folder: config.recordings_folder(),
        database: context.folder.join(folder::DATABASE_FILE),
        settings: setup::retention(&config),
    })
}

fn carry_out(order: &Order, house: &House, context: &Context<'_>) -> Result<Report, CliError> {
    let mut more = |out: &mut dyn std::io::Write| {
        serde_json::to_writer(&mut *out, order)?;
        out.write_all(b"\n")
    };
    match control::ask(&context.folder, Ask::Retention, &mut more) {
        Ok(Some(report)) => serde_json::from_value(report).map_err(|error| {
            let text = format!("the daemon is of another version and said: {error}");
            CliError::new(Exit::BadData, text)
        }),
        Ok(None) => {
            // A folder without a database has nothing to delete, and must not get one.
            drop(folder::open_reader(&context.folder)?);
            decide::with_writer(context, |writer| {
                retention::carry_out(house, writer, &context.clock, order).map_err(retention_error)
            })
        }
        Err(ControlError::Refused(reason)) => Err(CliError::new(Exit::Unavailable, reason)),
        Err(error @ ControlError::Socket { .. }) => {
            Err(CliError::new(Exit::Unavailable, error.to_string()))
        }
    }
}

fn retention_error(error: RetentionError) -> CliError {
    match error {
        RetentionError::Storage(error) => error.into(),
        RetentionError::Writer(error) => error.into(),
        RetentionError::Folder(error) => CliError::new(Exit::NoInput, error.to_string()),
    }
}

fn write_json(report: &Report, dry_run: bool, context: &mut Context<'_>) -> Result<(), CliError> {
    let bug = |error: serde_json::Error| CliError::new(Exit::Bug, error.to_string());
    let mut value = serde_json::to_value(report).map_err(bug)?;
    value["dry_run"] = dry_run.into();
    // Times as everywhere: RFC 3339.
    if let Some(removals) = value["removals"].as_array_mut() {
        for removal in removals {
            if let Some(at) = removal["started_at"].as_i64() {
                removal["started_at"] = rfc3339(at).into();
            }
        }
    }
    let text = serde_json::to_string_pretty(&value).map_err(bug)?;
    Ok(writeln!(context.out, "{text}")?)
}

fn show(report: &Report, dry_run: bool, context: &mut Context<'_>) -> std::io::Result<()> {
    if report.removals.is_empty() {
        let word = if dry_run {
            "nothing would go"
        } else {
            "nothing had to go"
        };
        writeln!(context.out, "{word}")?;
    } else {
        write_removals(&report.removals, context)?;
        let freed: i64 = report.removals.iter().map(|one| one.freed_bytes).sum();
        let count = report.removals.len();
        let word = if dry_run { "would go" } else { "are gone" };
        writeln!(
            context.out,
            "\n{count} of {} recordings {word}, {} of {}",
            grouped(report.recordings as i64),
            human_bytes(freed),
            human_bytes(report.recordings_bytes)
        )?;
    }
    if report.left_for_later > 0 {
        writeln!(
            context.out,
            "{} more are due; one run takes a tenth of all at most",
            report.left_for_later
        )?;
    }
    if report.unmet_bytes > 0 {
        writeln!(
            context.out,
            "{} more should become free, but nothing else may go: stars and holds",
            human_bytes(report.unmet_bytes)
        )?;
    }
    for kept in &report.kept {
        let name = visible(kept.name.as_deref().unwrap_or("unknown")).into_owned();
        let reason = visible(&kept.reason);
        writeln!(context.out, "left alone: {} ({name}): {reason}", kept.id)?;
    }
    if let Some(paused) = &report.paused {
        let text = "while this is so, the daemon lets nothing go for its age or for the total";
        writeln!(context.out, "{}; {text}", visible(paused))?;
    }
    write_outlook(report, context)
}

fn write_removals(removals: &[Deletion], context: &mut Context<'_>) -> std::io::Result<()> {
    let mut grid = Grid::new(context.screen);
    grid.head(
        ["id", "start", "camera", "frees", "rule", "why"]
            .map(ToOwned::to_owned)
            .into(),
    );
    grid.align_right(0);
    grid.align_right(3);
    for one in removals {
        let camera = one.camera.as_deref().unwrap_or("–");
        grid.row(vec![
            one.id.to_string(),
            one.started_at
                .map_or("–".to_owned(), |at| local(at, &context.zone)),
            visible(camera).into_owned(),
            human_bytes(one.freed_bytes),
            one.rule.name().to_owned(),
            visible(&one.reason).into_owned(),
        ]);
    }
    grid.write(context.out)
}

fn write_outlook(report: &Report, context: &mut Context<'_>) -> std::io::Result<()> {
    let ahead = &report.forecast;
    let mut grid = Grid::new(context.screen);
    if let Some(disk) = report.disk {
        let used = human_bytes(disk.used_bytes);
        let total = human_bytes(disk.total_bytes);
        let percent = disk.percent();
        grid.row(vec![
            "disk".into(),
            format!("{percent:.1} % of {total} used ({used})"),
        ]);
    }
    if let Some(per_day) = ahead.bytes_per_day {
        grid.row(vec![
            "recorded".into(),
            format!("{} per day", human_bytes(per_day)),
        ]);
    }
    let days = |days: f64| match days {
        ..0.5 => "now".to_owned(),
        ..1.5 => "in a day".to_owned(),
        ..3_650.0 => format!("in {days:.0} days"),
        _ => "in more than ten years".to_owned(),
    };
    for (what, when) in [
        ("disk warning", ahead.days_until_warn),
        ("disk critical", ahead.days_until_critical),
    ] {
        grid.row(vec![
            what.into(),
            when.map_or("cannot be told".into(), days),
        ]);
    }
    let limit = match (&ahead.limit, ahead.days_until_limit) {
        (Some(limit), Some(when)) => format!("{} ({})", days(when), visible(limit)),
        _ => "none is set, or none comes near".to_owned(),
    };
    grid.row(vec!["next limit".into(), limit]);
    writeln!(context.out)?;
    grid.write(context.out)
}
