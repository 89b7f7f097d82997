//! `rules`: what the house does when several things hold, when it last did, and why or why not.

use clap::Subcommand;
use serde_json::json;

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::table::{FormatArgs, Heading, RowWriter};
use super::term::{Ink, human_span, visible};
use super::when::local;
use super::{Context, folder, setup, suggestion};
use crate::event::alarm::Action;
use crate::event::sentence::sentence;
use crate::event_log::read::EventReader;
use crate::reactor::rules::{self, Condition, Examination, Logic, Rule};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, StorageError, all};

const EXAMPLES: &str = "\
Examples:
  nightjar rules list
  nightjar rules test somebody-at-night --event 1234     which condition held at this event?";

/// Arguments of `rules`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The rules of the configuration, when each fired last, and whether it rests
    List(List),
    /// Hold a rule against an event of the past
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Test {
    /// Id of the rule
    rule: String,
    /// The event, by its position, as `nightjar query events` and `nightjar tail` tell it
    #[arg(long, value_name = "POSITION")]
    event: i64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Test(args) => test(args, context),
    }
}

const COLUMNS: [(&str, Shape); 7] = [
    ("rule", Shape::Text),
    ("when", Shape::Text),
    ("does", Shape::Text),
    ("cooldown_s", Shape::Number),
    ("last_fired_at", Shape::Time),
    ("fired", Shape::Number),
    ("resting_until", Shape::Time),
];

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let rules = setup::load(context)?.config.reactions().rules;
    let now = context.clock.now();
    let mut database = folder::open_reader(&context.folder)?;
    let fired = firings(&mut database.snapshot()?)?;
    let heading = |(name, shape): &(&str, Shape)| Heading {
        name: (*name).to_owned(),
        shape: Some(*shape),
    };
    let headings = COLUMNS.iter().map(heading).collect();
    let mut writer = RowWriter::begin(context.out, args.format.format(), headings)?;
    for rule in &rules {
        let known = fired.iter().find(|(id, ..)| *id == rule.id);
        let last = known.map(|(_, last, _)| *last);
        let until = last
            .map(|last| last.saturating_add(rule.cooldown_ns))
            .filter(|until| *until > now);
        let time = |at: Option<i64>| at.map_or(Owned::Null, Owned::Integer);
        let actions: Vec<_> = rule.actions.iter().map(does).collect();
        writer.row(
            context.out,
            vec![
                Owned::Text(rule.id.clone()),
                Owned::Text(when(rule)),
                Owned::Text(actions.join(", ")),
                Owned::Integer(rule.cooldown_ns / crate::base::clock::SECOND_NS),
                time(last),
                Owned::Integer(known.map_or(0, |(.., count)| *count)),
                time(until),
            ],
        )?;
    }
    writer.end(context.out, context.screen, &context.zone, false)?;
    let unknown: Vec<&str> = fired
        .iter()
        .map(|(id, ..)| id.as_str())
        .filter(|id| !rules.iter().any(|rule| rule.id == *id))
        .collect();
    if !unknown.is_empty() {
        context.out.flush()?;
        let names = unknown.join(", ");
        context.note(&format!("no longer configured, but fired once: {names}"));
    }
    Ok(())
}

fn firings(session: &mut dyn Session) -> Result<Vec<(String, i64, i64)>, StorageError> {
    all(
        session,
        "SELECT rule_id, last_fired_at, fire_count FROM rule_states ORDER BY rule_id",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    )
}

fn when(rule: &Rule) -> String {
    let joint = match rule.logic {
        Logic::And => " and ",
        Logic::Or => " or ",
    };
    let conditions: Vec<_> = rule.conditions.iter().map(words).collect();
    conditions.join(joint)
}

/// A condition in words.
fn words(condition: &Condition) -> String {
    let of = |kind: &str, id: &str| match id {
        "" => format!("any {kind}"),
        id => format!("{kind} {id}"),
    };
    match condition {
        Condition::ArmState { state } => format!("the alarm is {}", state.words()),
        Condition::SensorEvent { sensor, event } if event.is_empty() => {
            format!("{} tells something", of("sensor", sensor))
        }
        Condition::SensorEvent { sensor, event } => {
            format!("{} tells {event}", of("sensor", sensor))
        }
        Condition::CameraMotion { camera } => format!("motion before {}", of("camera", camera)),
        Condition::TimeWindow { window } => match window.to_string().as_str() {
            "" => "at any time".to_owned(),
            window => format!("the time is within {window}"),
        },
    }
}

/// An action in words.
fn does(action: &Action) -> String {
    match action {
        Action::AlertAll => "alerts all".to_owned(),
        Action::PushAndRecord => "alerts all and records".to_owned(),
        Action::RecordAllCameras => "records on all cameras".to_owned(),
        Action::Publish { topic, .. } => format!("publishes to {topic}"),
    }
}

fn test(args: &Test, context: &mut Context<'_>) -> Result<(), CliError> {
    let reactions = setup::load(context)?.config.reactions();
    let rule = find(&args.rule, &reactions.rules)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let event = EventReader::new().at(&mut session, args.event)?;
    let event = event.ok_or_else(|| {
        let text = format!(
            "there is no event {}; `nightjar tail` shows them",
            args.event
        );
        CliError::new(Exit::NoInput, text)
    })?;
    let found = rules::examine(&mut session, &reactions.zone, rule, &event)?;
    let said = sentence(&event);
    let verdict = verdict(rule, found.as_ref(), context);
    if args.json {
        let conditions = found.as_ref().map(|found| {
            let each = rule.conditions.iter().zip(&found.conditions);
            each.map(|(condition, holds)| json!({ "condition": condition, "holds": holds }))
                .collect::<Vec<_>>()
        });
        let value = json!({
            "rule": rule.id,
            "event": args.event,
            "sentence": said,
            "logic": rule.logic,
            "conditions": conditions,
            "concerned": found.as_ref().is_some_and(|found| found.concerned),
            "holds": found.as_ref().is_some_and(|found| found.holds),
            "resting": found.as_ref().is_some_and(|found| found.resting_until.is_some()),
            "fires": fires(found.as_ref()),
        });
        return Ok(writeln!(context.out, "{value:#}")?);
    }
    let at = local(event.occurred_at, &context.zone);
    writeln!(context.out, "{at}  {}\n", visible(&said))?;
    if let Some(found) = &found {
        let mut grid = Grid::new(context.screen);
        for (condition, holds) in rule.conditions.iter().zip(&found.conditions) {
            let (word, ink) = if *holds {
                ("holds", Ink::Good)
            } else {
                ("does not hold", Ink::Bad)
            };
            let words = visible(&words(condition)).into_owned();
            grid.row_in(vec![words, word.to_owned()], ink);
        }
        grid.write(context.out)?;
        writeln!(context.out)?;
    }
    Ok(writeln!(context.out, "{}", visible(&verdict))?)
}

fn find<'r>(id: &str, rules: &'r [Rule]) -> Result<&'r Rule, CliError> {
    rules.iter().find(|rule| rule.id == id).ok_or_else(|| {
        let hint = suggestion::hint(id, rules.iter().map(|rule| rule.id.as_str()));
        let text = format!("there is no rule {id:?}{hint}\n`nightjar rules list` lists all.");
        CliError::new(Exit::Usage, text)
    })
}

fn fires(found: Option<&Examination>) -> bool {
    found.is_some_and(|found| found.concerned && found.holds && found.resting_until.is_none())
}

fn verdict(rule: &Rule, found: Option<&Examination>, context: &Context<'_>) -> String {
    let id = &rule.id;
    let Some(found) = found else {
        return format!(
            "{id} does not look at this event: it is nothing that people are told of (no row in \
             `nightjar query events`)"
        );
    };
    if !found.concerned {
        return format!("{id} does not look at this event: none of its conditions is about it");
    }
    if !found.holds {
        return match rule.logic {
            Logic::And => format!("{id} does not fire: all of its conditions must hold"),
            Logic::Or => format!("{id} does not fire: none of its conditions holds"),
        };
    }
    match found.resting_until {
        Some(until) => format!(
            "{id} would fire, but rests until {} ({} after it fired)",
            local(until, &context.zone),
            human_span(rule.cooldown_ns)
        ),
        None => format!("{id} fires"),
    }
}
