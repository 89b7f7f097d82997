//! `health`: one figure for the box, its parts, and where it goes.

use super::exit::CliError;
use super::parts::{self, Part, ScopeArgs, number, text};
use super::table::Format;
use super::{Context, errors, folder, ips, performance};
use crate::base::clock::{DAY_NS, HOUR_NS};
use crate::health::addresses::{self, Decay};
use crate::health::errors as lines;
use crate::health::formula::{Trend, lasting};
use crate::health::performance::{traffic, usage};
use crate::health::score::{self, Errors, Facts, Health, Network, Performance, Security};
use crate::health::{Scope, security};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session};

const EXAMPLES: &str = "\
Examples:
  nightjar health                            the last 24 hours, beside the 24 before
  nightjar health --since 7d
  nightjar health --json | jq '.rows[0].score'
  nightjar report                            everything behind it";

/// Arguments of `health`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeArgs,
}

const COLUMNS: [(&str, Shape); 6] = [
    ("part", Shape::Text),
    ("weight", Shape::Number),
    ("score", Shape::Number),
    ("before", Shape::Number),
    ("trend", Shape::Text),
    ("why", Shape::Text),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let scope = args.scope.scope(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (now, before) = both(&mut session, &scope, context)?;
    drop(session);
    let part = part_of(&now, &before, &scope);
    if args.scope.format() != Format::Table {
        return part.write_alone(args.scope.format(), context);
    }
    parts::write_heading("Health", &scope, context)?;
    writeln!(context.out, "{}", sentence(&now, &before))?;
    writeln!(context.out)?;
    part.write_text(context)
}

/// The figure of the range, and that of the range before.
pub(super) fn both(
    session: &mut dyn Session,
    scope: &Scope,
    context: &Context<'_>,
) -> Result<(Health, Health), CliError> {
    // How things stood then is seen from then.
    let now = facts(
        session,
        scope,
        context.clock.now().min(scope.until),
        context,
    )?;
    let earlier = scope.before();
    let mut before = facts(session, &earlier, earlier.until, context)?;
    // Of an address only the last event is known: who has gone on since was a threat then too.
    if let (Some(now), Some(before)) = (&now.security, &mut before.security) {
        before.high_threats = now.high_threats;
    }
    Ok((score::health(&now), score::health(&before)))
}

/// In one line.
pub(super) fn sentence(now: &Health, before: &Health) -> String {
    let Some(score) = now.score else {
        return "nothing is known: no log line and no sample of this time".into();
    };
    let word = score::word(now.score);
    let trend = Trend::of_score(before.score, now.score, score::TREND_POINTS);
    let then = match (trend, before.score) {
        (Trend::Steady, _) => "as in the period before".into(),
        (Trend::Unknown, _) | (_, None) => "nothing is known of the period before".into(),
        (trend, Some(before)) => format!("{} than before ({before:.1})", trend.word()),
    };
    format!("{score:.1} of 100, {word}; {then}")
}

/// The whole and its parts as rows.
pub(super) fn part_of(now: &Health, before: &Health, scope: &Scope) -> Part {
    let row = |name: &str, weight, score, before, why: String| {
        let trend = Trend::of_score(before, score, score::TREND_POINTS);
        vec![
            text(name),
            number(Some(weight)),
            number(score),
            number(before),
            text(trend.word()),
            text(&why),
        ]
    };
    let word = score::word(now.score).to_owned();
    let mut rows: Vec<Vec<Owned>> = vec![row("whole", 1.0, now.score, before.score, word)];
    rows.extend(now.parts.iter().zip(&before.parts).map(|(now, before)| {
        let why = if now.why.is_empty() {
            "all well".to_owned()
        } else {
            now.why.join("; ")
        };
        row(now.name, now.weight, now.score, before.score, why)
    }));
    let name = (
        "health",
        "Parts: 100 is best; what is unknown counts for nothing",
    );
    let part = Part::new(name, &COLUMNS, rows, usize::MAX, "");
    match scope.source {
        Some(_) => part.noting(performance::OF_NO_SOURCE),
        None => part,
    }
}

fn facts(
    session: &mut dyn Session,
    scope: &Scope,
    seen_from: i64,
    context: &Context<'_>,
) -> Result<Facts, CliError> {
    // A range of less than a day is not blown up to one.
    let days = scope.days().max(1.0);
    let hours = (scope.length_ns() as f64 / HOUR_NS as f64).max(1.0);
    let lines_known = security::is_known(session, scope)?;
    let usage = usage(session, scope, performance::THRESHOLD)?;
    let traffic = traffic(session, scope)?;
    let mut facts = Facts::default();
    if lines_known {
        let counts = security::counts(session, scope)?;
        let brute_force = security::brute_force(session, scope, 0)?;
        let decay = Decay {
            now: seen_from,
            ..ips::decay(context)?
        };
        let seen = Scope {
            since: seen_from.saturating_sub(scope.length_ns().max(DAY_NS)),
            ..scope.clone()
        };
        let high_threats = addresses::count_high_threats(session, &seen, decay)?;
        facts.security = Some(Security {
            failed_logins: counts.failed_logins as f64 / days,
            brute_force: brute_force.addresses as f64 / days,
            unauthorized: counts.unauthorized as f64 / days,
            high_threats,
        });
        let levels = lines::levels(session, scope)?;
        let spikes = lines::spikes(session, scope, errors::LEVEL, errors::BUCKET_NS)?;
        facts.errors = Some(Errors {
            errors_per_hour: levels.errors as f64 / hours,
            critical: levels.critical as f64 / days,
            warnings_per_hour: levels.warnings as f64 / hours,
            spikes: spikes.len() as f64 / days,
        });
    }
    if !usage.is_empty() {
        let most = |value: fn(&crate::health::performance::Usage) -> Option<f64>| {
            usage.iter().filter_map(value).reduce(f64::max)
        };
        let periods = usage
            .iter()
            .map(|one| one.cpu_periods.len() + one.memory_periods.len());
        facts.performance = Some(Performance {
            cpu_avg: most(|one| one.cpu_avg),
            memory_avg: most(|one| one.memory_avg),
            disk: most(|one| one.disk.as_ref()?.percent),
            periods: periods.sum::<usize>() as f64 / days,
        });
    }
    if !traffic.is_empty() {
        let sum = |which: std::ops::Range<usize>| -> i64 {
            traffic
                .iter()
                .map(|one| one.totals[which.clone()].iter().sum::<i64>())
                .sum()
        };
        let anomalies: usize = traffic.iter().map(|one| lasting(&one.anomalies)).sum();
        facts.network = Some(Network {
            packets: sum(2..4),
            errors: sum(4..6),
            drops: sum(6..8),
            anomalies: anomalies as f64 / days,
        });
    }
    Ok(facts)
}
