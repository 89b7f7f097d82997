//! `performance`: what is used up.

use super::exit::{CliError, Exit};
use super::parts::{self, Part, ScopeArgs, number, text, whole};
use super::{Context, folder};
use crate::health::Scope;
use crate::health::formula::Period;
use crate::health::performance::{Traffic, Usage, traffic, usage};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session};

const EXAMPLES: &str = "\
Examples:
  nightjar performance                       the last 24 hours, every machine
  nightjar performance --since 7d --threshold 90
  nightjar performance disk --json           one part, for a program
  nightjar aggregates hourly                 hour by hour";

/// Percent from which use is high, unless told otherwise.
pub(super) const THRESHOLD: f64 = 80.0;

/// Arguments of `performance`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only this part
    #[arg(value_name = "PART", value_parser = ["averages", "high_cpu", "high_memory", "disk",
          "network", "connections"])]
    part: Option<String>,
    /// From how many percent on the use of processor and memory is high
    #[arg(long, value_name = "PERCENT", default_value_t = THRESHOLD, value_parser = percent)]
    threshold: f64,
    #[command(flatten)]
    scope: ScopeArgs,
}

const AVERAGES: [(&str, Shape); 7] = [
    ("host", Shape::Text),
    ("samples", Shape::Number),
    ("cpu_avg_pct", Shape::Number),
    ("cpu_max_pct", Shape::Number),
    ("memory_avg_pct", Shape::Number),
    ("memory_max_pct", Shape::Number),
    ("load_max", Shape::Number),
];
const PERIODS: [(&str, Shape); 7] = [
    ("host", Shape::Text),
    ("started_at", Shape::Time),
    ("ended_at", Shape::Time),
    ("duration_s", Shape::Number),
    ("samples", Shape::Number),
    ("mean_pct", Shape::Number),
    ("max_pct", Shape::Number),
];
const DISK: [(&str, Shape); 6] = [
    ("host", Shape::Text),
    ("total_bytes", Shape::Bytes),
    ("used_bytes", Shape::Bytes),
    ("used_pct", Shape::Number),
    ("growth_bytes_per_day", Shape::Bytes),
    ("days_left", Shape::Number),
];
const NETWORK: [(&str, Shape); 11] = [
    ("host", Shape::Text),
    ("bytes_sent", Shape::Bytes),
    ("bytes_recv", Shape::Bytes),
    ("packets_sent", Shape::Number),
    ("packets_recv", Shape::Number),
    ("errors_in", Shape::Number),
    ("errors_out", Shape::Number),
    ("drops_in", Shape::Number),
    ("drops_out", Shape::Number),
    ("connections_avg", Shape::Number),
    ("connections_max", Shape::Number),
];
const CONNECTIONS: [(&str, Shape); 6] = [
    ("host", Shape::Text),
    ("at", Shape::Time),
    ("state", Shape::Text),
    ("connections", Shape::Number),
    ("mean", Shape::Number),
    ("sigmas", Shape::Number),
];

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("must be from 0 to 100".into()),
    }
}

/// Why a question about a source has no answer here.
pub(super) const OF_NO_SOURCE: &str =
    "samples are of a machine, not of a source: --source leaves them out";
/// How much of a disk's time has to be known before its growth is.
const GROWTH_UNKNOWN: &str = "how a disk fills is not yet known: that takes samples of six hours";

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let scope = args.scope.scope(context)?;
    if scope.source.is_some() {
        return Err(CliError::new(Exit::Usage, OF_NO_SOURCE));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let parts = parts_of(&mut session, &scope, args.threshold, args.scope.limit())?;
    drop(session);
    let only = args.part.as_deref();
    parts::write("Performance", &parts, only, &args.scope, &scope, context)
}

/// All parts.
pub(super) fn parts_of(
    session: &mut dyn Session,
    scope: &Scope,
    threshold: f64,
    limit: usize,
) -> Result<Vec<Part>, CliError> {
    let usage = usage(session, scope, threshold)?;
    let traffic = traffic(session, scope)?;
    // In a report.
    let of_no_source = scope.source.as_ref().map(|_| OF_NO_SOURCE);
    let part = |name, columns, rows, nothing| {
        let part = Part::new(name, columns, rows, limit, nothing);
        match of_no_source {
            Some(note) => part.noting(note),
            None => part,
        }
    };
    let nothing = "no machine told anything";
    let mut disks = part(
        ("disk", "Disk, and how it fills"),
        &DISK,
        usage.iter().filter_map(disk).collect(),
        nothing,
    );
    let is_young = |one: &Usage| matches!(&one.disk, Some(disk) if disk.growth_per_day.is_none());
    if usage.iter().any(is_young) {
        disks = disks.noting(GROWTH_UNKNOWN);
    }
    Ok(vec![
        part(
            ("averages", "Processor and memory"),
            &AVERAGES,
            usage.iter().map(averages).collect(),
            nothing,
        ),
        part(
            (
                "high_cpu",
                "Periods of high processor use: 300 s and 3 samples at least",
            ),
            &PERIODS,
            periods(&usage, |one| &one.cpu_periods),
            "there were none",
        ),
        part(
            (
                "high_memory",
                "Periods of high memory use: 300 s and 3 samples at least",
            ),
            &PERIODS,
            periods(&usage, |one| &one.memory_periods),
            "there were none",
        ),
        disks,
        part(
            ("network", "Network: what the counters gained"),
            &NETWORK,
            traffic.iter().map(network).collect(),
            nothing,
        )
        .showing(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        part(
            (
                "connections",
                "Connections, three standard deviations and more from their mean",
            ),
            &CONNECTIONS,
            traffic.iter().flat_map(connections).collect(),
            "nothing unusual",
        ),
    ])
}

fn averages(one: &Usage) -> Vec<Owned> {
    vec![
        text(&one.host),
        Owned::Integer(one.samples),
        number(one.cpu_avg),
        number(one.cpu_max),
        number(one.memory_avg),
        number(one.memory_max),
        number(one.load_max),
    ]
}

/// The newest first.
fn periods(usage: &[Usage], which: impl Fn(&Usage) -> &Vec<Period>) -> Vec<Vec<Owned>> {
    let mut found: Vec<_> = usage
        .iter()
        .flat_map(|one| which(one).iter().map(|period| (&one.host, period)))
        .collect();
    found.sort_by_key(|(_, period)| -period.started_at);
    let row = |(host, period): (&String, &Period)| {
        let span = period.ended_at - period.started_at;
        vec![
            text(host),
            Owned::Integer(period.started_at),
            Owned::Integer(period.ended_at),
            number(Some(span as f64 / 1e9)),
            Owned::Integer(period.samples as i64),
            number(Some(period.mean)),
            number(Some(period.max)),
        ]
    };
    found.into_iter().map(row).collect()
}

fn disk(one: &Usage) -> Option<Vec<Owned>> {
    let disk = one.disk.as_ref()?;
    let growth = disk.growth_per_day.map(|growth| growth.round() as i64);
    Some(vec![
        text(&one.host),
        whole(disk.total),
        whole(disk.used),
        number(disk.percent),
        whole(growth),
        number(disk.days_left),
    ])
}

fn network(one: &Traffic) -> Vec<Owned> {
    let mut row = vec![text(&one.host)];
    row.extend(one.totals.map(Owned::Integer));
    row.push(number(one.connections_avg));
    row.push(whole(one.connections_max));
    row
}

fn connections(one: &Traffic) -> impl Iterator<Item = Vec<Owned>> {
    one.anomalies.iter().map(|(state, odd)| {
        vec![
            text(&one.host),
            Owned::Integer(odd.at),
            text(state),
            number(Some(odd.value)),
            number(Some(odd.mean)),
            number(Some(odd.sigmas)),
        ]
    })
}
