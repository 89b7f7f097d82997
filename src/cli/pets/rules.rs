//! `pets rules`: what should be told about a pet.

use clap::{Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;

use super::super::exit::{CliError, Exit};
use super::super::paging;
use super::super::table::FormatArgs;
use super::super::term::{Ink, visible};
use super::super::{Context, decide, folder, suggestion};
use super::{Pet, find_registered};
use crate::config::units::Duration;
use crate::event::pet::{Action, Condition, PRIORITY_MAX, RULES_MAX, RuleRemoved, RuleSet};
use crate::event::{Event, NewEvent};
use crate::reactor::pet_rules::condition::{self, words};
use crate::reactor::pet_rules::{Rule, of_pet, try_out};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session, all};

const EXAMPLES: &str = "\
Examples:
  nightjar pets rules add rex --name \"out alone\" --when detected_without_person=yard \\
      --when time_of_day=22:00-06:00 --message \"Rex is out alone\"
  nightjar pets rules add minka --name missing --when not_seen_anywhere=720 --priority 8
  nightjar pets rules test rex                     what holds now, and why
  nightjar pets rules disable rex \"out alone\"

Conditions, all of which have to hold:
  detected_in_zone=ZONE            it is seen there
  detected_without_person[=ZONE]   it is seen, and nobody was at that camera for 30 s
  not_seen_in_zone=ZONE,MINUTES    it was not seen there for so long
  not_seen_anywhere=MINUTES        it was not seen at all for so long
  in_zone_longer_than=ZONE,MINUTES it was seen there, and nowhere else since
  time_of_day=HH:MM-HH:MM          in the house's time zone; days may go before it
A zone is the id of a camera, or a place as cameras tell it. A rule that asks for a detection fires
whenever it is met, but not twice within its cooldown; any other fires once per absence or stay.";

/// Arguments of `pets rules`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The rules, by pet
    List(List),
    /// Make a rule, or replace one
    Add(Add),
    /// Take a rule away
    Remove(Named),
    /// Switch a rule on
    Enable(Named),
    /// Switch a rule off
    Disable(Named),
    /// Judge rules now: what holds, what does not, and why
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this pet, by id or name
    pet: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Id or name of the pet
    pet: String,
    /// What the rule is called
    #[arg(long)]
    name: String,
    /// What has to hold; may be given several times
    #[arg(long, value_name = "CONDITION", required_unless_present = "conditions")]
    when: Vec<String>,
    /// The same as a JSON list of objects with `type`
    #[arg(long, value_name = "JSON", conflicts_with = "when")]
    conditions: Option<String>,
    /// What happens then
    #[arg(long, value_enum, default_value = "push")]
    action: Act,
    /// What people are told [default: the conditions in words]
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Shortest time between two firings, 10s to 7d
    #[arg(long, value_name = "TIME", default_value = "5m")]
    cooldown: String,
    /// 0 to 9; from 7 on the matter is grave
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(0..=i64::from(PRIORITY_MAX)))]
    priority: u8,
    /// Replace the rule of this name
    #[arg(long)]
    replace: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Act {
    /// People are told
    Push,
    /// It stands in the log
    Log,
    /// The camera records
    Record,
}

impl From<Act> for Action {
    fn from(act: Act) -> Self {
        match act {
            Act::Push => Self::Push,
            Act::Log => Self::Log,
            Act::Record => Self::Record,
        }
    }
}

#[derive(Debug, clap::Args)]
struct Named {
    /// Id or name of the pet
    pet: String,
    /// Name of the rule
    rule: String,
}

#[derive(Debug, clap::Args)]
struct Test {
    /// Only those of this pet, by id or name
    pet: Option<String>,
    /// Only this one
    rule: Option<String>,
    /// One JSON object per rule
    #[arg(long)]
    json: bool,
}

/// Shortest cooldown: a pet before a camera is seen several times a second.
const COOLDOWN_MIN_S: u64 = 10;
/// Longest cooldown.
const COOLDOWN_MAX_S: u64 = 7 * 24 * 3_600;
/// Longest name of a rule, characters.
const NAME_CHARS_MAX: usize = 128;
/// Longest message: what fits on a telephone's screen, characters.
const MESSAGE_CHARS_MAX: usize = 500;

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        Verb::List(args) => list(args, context),
        Verb::Add(args) => add(args, context),
        Verb::Remove(args) => change(args, context, "is gone", &|rule| {
            Some(RuleRemoved { name: rule.name }.into())
        }),
        Verb::Enable(args) => change(args, context, "is switched on", &|rule| switch(rule, true)),
        Verb::Disable(args) => change(args, context, "is switched off", &|rule| {
            switch(rule, false)
        }),
        Verb::Test(args) => test(args, context),
    }
}

/// The rules of one pet, or of all registered ones.
fn rules(session: &mut dyn Session, named: Option<&str>) -> Result<Vec<Rule>, CliError> {
    if let Some(named) = named {
        let pet = find_registered(session, named)?;
        return Ok(of_pet(session, &pet.id)?);
    }
    let pets = all(
        session,
        "SELECT id FROM pets WHERE registered_at IS NOT NULL ORDER BY name_key",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let mut rules = Vec::new();
    for pet in pets {
        rules.extend(of_pet(session, &pet)?);
    }
    Ok(rules)
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    const COLUMNS: [(&str, Shape); 10] = [
        ("id", Shape::Number),
        ("pet", Shape::Text),
        ("name", Shape::Text),
        ("when", Shape::Text),
        ("action", Shape::Text),
        ("priority", Shape::Number),
        ("cooldown_s", Shape::Number),
        ("enabled", Shape::Flag),
        ("last_fired_at", Shape::Time),
        ("message", Shape::Text),
    ];
    let mut database = folder::open_reader(&context.folder)?;
    let rules = rules(&mut database.snapshot()?, args.pet.as_deref())?;
    let row = |rule: &Rule| {
        vec![
            Owned::Integer(rule.id),
            Owned::Text(rule.pet_name.clone()),
            Owned::Text(rule.name.clone()),
            Owned::Text(words(&rule.conditions)),
            Owned::Text(rule.action.name().into()),
            Owned::Integer(i64::from(rule.priority)),
            Owned::Integer(rule.cooldown_s),
            Owned::Integer(i64::from(rule.enabled)),
            rule.last_fired_at.map_or(Owned::Null, Owned::Integer),
            paging::cell(rule.message.as_deref()),
        ]
    };
    let rows = rules.iter().map(row).collect();
    paging::write(&COLUMNS, rows, args.format, false, context)
}

fn add(args: &Add, context: &mut Context<'_>) -> Result<(), CliError> {
    let usage = |text: String| CliError::new(Exit::Usage, text);
    let conditions: Vec<Condition> = match &args.conditions {
        Some(json) => condition::parse_json(json),
        None => args
            .when
            .iter()
            .map(|when| condition::parse(when))
            .collect(),
    }
    .and_then(|conditions| condition::check_rule(&conditions).map(|()| conditions))
    .map_err(|error| usage(error.to_string()))?;
    let cooldown = args
        .cooldown
        .parse::<Duration>()
        .map_err(|error| usage(format!("--cooldown: {error}")))?;
    let cooldown_s = cooldown.as_millis() / 1_000;
    if !(COOLDOWN_MIN_S..=COOLDOWN_MAX_S).contains(&cooldown_s) {
        return Err(usage(format!(
            "--cooldown is {cooldown}, but must be from 10s to 7d"
        )));
    }
    let name = args.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(usage(format!(
            "--name has 1 to {NAME_CHARS_MAX} characters"
        )));
    }
    let message = args
        .message
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    if message.is_some_and(|text| text.chars().count() > MESSAGE_CHARS_MAX) {
        return Err(usage(format!(
            "--message has at most {MESSAGE_CHARS_MAX} characters"
        )));
    }
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let pet = find_registered(&mut session, &args.pet)?;
    let known = of_pet(&mut session, &pet.id)?;
    drop(session);
    drop(database);
    let is_known = known.iter().any(|rule| rule.name == name);
    if is_known && !args.replace {
        let text = format!(
            "{} has a rule {name:?} already; --replace takes its place",
            pet.name
        );
        return Err(usage(text));
    }
    if !is_known && known.len() >= RULES_MAX {
        let text = format!("{} has {RULES_MAX} rules, and can have no more", pet.name);
        return Err(usage(text));
    }
    let rule = RuleSet {
        name: name.to_owned(),
        conditions,
        action: args.action.into(),
        message: message.map(ToOwned::to_owned),
        cooldown_s: cooldown_s as u32,
        priority: args.priority,
        enabled: true,
    };
    let line = format!(
        "{} has the rule {name:?}: {}",
        pet.name,
        words(&rule.conditions)
    );
    let event = NewEvent::own(context.clock.now(), pet.stream(), rule);
    decide::decide(context, vec![event])?;
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

/// The rule of a pet that a person names.
fn find_rule(session: &mut dyn Session, args: &Named) -> Result<(Pet, Rule), CliError> {
    let pet = find_registered(session, &args.pet)?;
    let rules = of_pet(session, &pet.id)?;
    match rules.iter().find(|rule| rule.name == args.rule) {
        Some(rule) => Ok((pet, rule.clone())),
        None => Err(no_rule(&args.rule, &rules)),
    }
}

fn no_rule(named: &str, rules: &[Rule]) -> CliError {
    let hint = suggestion::hint(named, rules.iter().map(|rule| rule.name.as_str()));
    let text = format!("there is no rule {named:?}{hint}\n`nightjar pets rules list` shows all.");
    CliError::new(Exit::NoInput, text)
}

fn switch(rule: Rule, enabled: bool) -> Option<Event> {
    (rule.enabled != enabled).then(|| {
        RuleSet {
            name: rule.name,
            conditions: rule.conditions,
            action: rule.action,
            message: rule.message,
            cooldown_s: u32::try_from(rule.cooldown_s).unwrap_or(u32::MAX),
            priority: rule.priority,
            enabled,
        }
        .into()
    })
}

fn change(
    args: &Named,
    context: &mut Context<'_>,
    word: &str,
    decision: &dyn Fn(Rule) -> Option<Event>,
) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let (pet, rule) = find_rule(&mut session, args)?;
    drop(session);
    drop(database);
    let named = format!("rule {:?} of {}", rule.name, pet.name);
    let line = match decision(rule) {
        Some(event) => {
            let event = NewEvent::own(context.clock.now(), pet.stream(), event);
            decide::decide(context, vec![event])?;
            format!("{named} {word} now")
        }
        None => format!("{named} {word} already"),
    };
    Ok(writeln!(context.out, "{}", visible(&line))?)
}

fn test(args: &Test, context: &mut Context<'_>) -> Result<(), CliError> {
    let (now, zone): (_, TimeZone) = (context.clock.now(), context.zone.clone());
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let mut rules = rules(&mut session, args.pet.as_deref())?;
    if let Some(named) = &args.rule {
        if !rules.iter().any(|rule| rule.name == *named) {
            return Err(no_rule(named, &rules));
        }
        rules.retain(|rule| rule.name == *named);
    }
    if rules.is_empty() && !args.json {
        return Ok(writeln!(
            context.out,
            "no rules; `nightjar pets rules add` makes one"
        )?);
    }
    for rule in &rules {
        let verdicts = try_out(&mut session, rule, now, &zone)?;
        let holds = verdicts.iter().all(|verdict| verdict.holds);
        let conditions = rule.conditions.iter().zip(&verdicts);
        if args.json {
            let conditions = conditions.map(|(condition, verdict)| {
                json!({
                    "condition": condition, "holds": verdict.holds, "why": verdict.why,
                })
            });
            let line = json!({
                "pet": rule.pet, "rule": rule.name, "enabled": rule.enabled, "holds": holds,
                "conditions": conditions.collect::<serde_json::Value>(),
            });
            writeln!(context.out, "{line}")?;
            continue;
        }
        let (word, ink) = match (rule.enabled, holds) {
            (false, _) => ("is switched off", Ink::Faint),
            (true, true) => ("holds", Ink::Good),
            (true, false) => ("does not hold", Ink::Plain),
        };
        let word = context.screen.paint(ink, word).into_owned();
        let head = format!("{}: {}", rule.pet_name, rule.name);
        writeln!(context.out, "{} {word}", visible(&head))?;
        for (condition, verdict) in conditions {
            let mark = if verdict.holds { "yes" } else { "no " };
            let line = format!("{condition}: {}", verdict.why);
            writeln!(context.out, "  {mark}  {}", visible(&line))?;
        }
    }
    Ok(())
}
