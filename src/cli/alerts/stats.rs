//! `alerts stats`: how many alerts there were, and how many of them were right.

use std::collections::BTreeMap;

use super::super::exit::CliError;
use super::super::paging;
use super::super::table::{Format, FormatArgs};
use super::super::when::local;
use super::super::{Context, folder};
use super::{store, store_error};
use crate::base::clock::DAY_NS;
use crate::event::alarm::Verdict;
use crate::read_model::alerts::Judgements;
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session as _};
use crate::store::alert::AlertStore as _;
use crate::values;

/// Arguments of `alerts stats`. What is told per day counts from the first alert of the time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// By what they are told apart
    #[arg(long, value_enum, default_value_t)]
    by: Group,
    /// At or after this: RFC 3339, "2026-11-19 22:00", today, -2h, 30d
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "30d",
        allow_hyphen_values = true
    )]
    since: String,
    /// Before this
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "now",
        allow_hyphen_values = true
    )]
    until: String,
    #[command(flatten)]
    format: FormatArgs,
}

/// By what alerts are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// What they are about
    #[default]
    Type,
    /// What asked for them
    Rule,
    /// The day on which they were raised
    Day,
}

const COLUMNS: [(&str, Shape); 7] = [
    ("of", Shape::Text),
    ("alerts", Shape::Number),
    ("times", Shape::Number),
    ("per_day", Shape::Number),
    ("tp", Shape::Number),
    ("fp", Shape::Number),
    ("precision", Shape::Number),
];

/// What was counted of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    alerts: i64,
    times: i64,
    judged: Judgements,
}

impl Tally {
    fn add(&mut self, times: i64, verdict: Option<Verdict>) {
        self.alerts += 1;
        self.times += times;
        match verdict {
            Some(Verdict::TruePositive) => self.judged.true_positives += 1,
            Some(Verdict::FalsePositive) => self.judged.false_positives += 1,
            None => {}
        }
    }

    fn row(&self, of: &str, days: f64) -> Vec<Owned> {
        vec![
            Owned::Text(of.to_owned()),
            Owned::Integer(self.alerts),
            Owned::Integer(self.times),
            Owned::Real(hundredths(self.alerts as f64 / days)),
            Owned::Integer(self.judged.true_positives),
            Owned::Integer(self.judged.false_positives),
            self.judged
                .precision()
                .map_or(Owned::Null, |precision| Owned::Real(hundredths(precision))),
        ]
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Runs it.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let since = context.moment("--since", &args.since)?;
    let until = context.moment("--until", &args.until)?;
    if since >= until {
        let text = "--until is not after --since: nothing can lie between them";
        return Err(CliError::new(super::Exit::Usage, text));
    }
    let mut groups: BTreeMap<String, Tally> = BTreeMap::new();
    let mut whole = Tally::default();
    let mut first = until;
    let mut database = folder::open_reader(&context.folder)?;
    database.snapshot()?.read(
        "SELECT timestamp_ns, alert_type, rule_name, dedup_count, feedback FROM alerts \
         WHERE timestamp_ns >= ?1 AND timestamp_ns < ?2",
        values![since, until],
        &mut |row| {
            let of = match args.by {
                Group::Type => row.text(1)?.to_owned(),
                Group::Rule => row.text(2)?.to_owned(),
                Group::Day => local(row.int(0)?, &context.zone).chars().take(10).collect(),
            };
            let verdict = row.opt_text(4)?.and_then(Verdict::from_name);
            first = first.min(row.int(0)?);
            groups.entry(of).or_default().add(row.int(3)?, verdict);
            whole.add(row.int(3)?, verdict);
            Ok(())
        },
    )?;
    // A box that is new has not been quiet for all the time before.
    let days = (until.saturating_sub(first) as f64 / DAY_NS as f64).max(1.0);
    let own_days = if args.by == Group::Day { 1.0 } else { days };
    let mut rows: Vec<Vec<Owned>> = groups
        .iter()
        .map(|(of, tally)| tally.row(of, own_days))
        .collect();
    if !rows.is_empty() {
        rows.push(whole.row("all", days));
    }
    paging::write(&COLUMNS, rows, args.format, false, context)?;
    if args.format.format() == Format::Table {
        let ever = store(context)?.get_feedback_stats().map_err(store_error)?;
        if let Some(precision) = ever.precision() {
            writeln!(
                context.out,
                "\nof all alerts that are kept: {} right, {} false, precision {:.2}",
                ever.true_positives, ever.false_positives, precision
            )?;
        }
    }
    Ok(())
}
