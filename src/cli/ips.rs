//! `ips`: what is known of addresses, and which of them a person trusts or blocks.

use std::net::IpAddr;

use serde_json::json;

use super::exit::{CliError, Exit};
use super::grid::Grid;
use super::paging::cell;
use super::parts::{Part, number, text, whole};
use super::table::{Format, FormatArgs};
use super::term::visible;
use super::when::local;
use super::{Context, decide, folder, setup};
use crate::base::clock::{MILLISECOND_NS, rfc3339};
use crate::event::NewEvent;
use crate::event::trace::{IpList, IpListed};
use crate::health::Scope;
use crate::health::addresses::{self, Address, Decay};
use crate::read_model::view::Shape;
use crate::storage::Owned;

const EXAMPLES: &str = "\
Examples:
  nightjar ips                                 the addresses with the highest scores
  nightjar ips list --min-score 70
  nightjar ips show 203.0.113.9                all about one, and what it did last
  nightjar ips trust 192.0.2.10 --because \"our backup\"
  nightjar ips block 2001:db8::bad
  nightjar ips forget-list 203.0.113.9         on neither list any more";

/// Arguments of `ips`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Addresses, the highest score first
    List(List),
    /// All about one address, and its newest lines
    Show(Show),
    /// It is known to be good: never a threat, and nobody is told of it
    Trust(Listing),
    /// It is known to be malicious: its score does not fall below 90
    Block(Listing),
    /// It stands on neither list any more
    ForgetList(Listing),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those with this score and more, as of now
    #[arg(long, value_name = "SCORE", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    min_score: u8,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The address, IPv4 or IPv6
    ip: IpAddr,
    /// So many of its lines, the newest
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Listing {
    /// The address, IPv4 or IPv6
    ip: IpAddr,
    /// Why; stands in the event log for ever
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
}

const COLUMNS: [(&str, Shape); 12] = [
    ("ip", Shape::Text),
    ("type", Shape::Text),
    ("list", Shape::Text),
    ("score", Shape::Number),
    ("stored_score", Shape::Number),
    ("events", Shape::Number),
    ("failed_logins", Shape::Number),
    ("bans", Shape::Number),
    ("logins", Shape::Number),
    ("country_code", Shape::Text),
    ("first_seen_at", Shape::Time),
    ("last_seen_at", Shape::Time),
];

const LINE_COLUMNS: [(&str, Shape); 6] = [
    ("at", Shape::Time),
    ("action", Shape::Text),
    ("user", Shape::Text),
    ("service", Shape::Text),
    ("message", Shape::Text),
    ("position", Shape::Number),
];

/// Scores as of now, with the half-life that is configured.
pub(super) fn decay(context: &Context<'_>) -> Result<Decay, CliError> {
    let half_life = setup::load(context)?.config.health.score_half_life;
    let millis = i64::try_from(half_life.as_millis()).unwrap_or(i64::MAX);
    Ok(Decay {
        now: context.clock.now(),
        half_life_ns: millis.saturating_mul(MILLISECOND_NS),
    })
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    match &args.verb {
        None => list(&args.list, context),
        Some(Verb::List(args)) => list(args, context),
        Some(Verb::Show(args)) => show(args, context),
        Some(Verb::Trust(args)) => put(args, IpList::Whitelist, context),
        Some(Verb::Block(args)) => put(args, IpList::Blacklist, context),
        Some(Verb::ForgetList(args)) => put(args, IpList::None, context),
    }
}

fn list(args: &List, context: &mut Context<'_>) -> Result<(), CliError> {
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let limit = args.limit as usize;
    let found = addresses::known(
        &mut session,
        &Scope::default(),
        f64::from(args.min_score),
        limit.saturating_add(1),
        decay(context)?,
    )?;
    drop(session);
    let rows = found.iter().map(row).collect();
    let name = ("ips", "Addresses, their scores as of now");
    let part = Part::new(name, &COLUMNS, rows, limit, "no address is known");
    let part = part.showing(&[0, 1, 2, 3, 4, 5, 6, 7, 11]);
    match args.format.format() {
        Format::Table => part.write_text(context),
        format => part.write_alone(format, context),
    }
}

fn row(one: &Address) -> Vec<Owned> {
    vec![
        text(&one.ip),
        text(&one.kind),
        cell(one.list),
        number(Some(one.score)),
        Owned::Integer(one.stored_score),
        Owned::Integer(one.events),
        Owned::Integer(one.failed_logins),
        Owned::Integer(one.bans),
        Owned::Integer(one.logins),
        cell(one.place[0].as_deref()),
        whole(one.first_seen_at),
        whole(one.last_seen_at),
    ]
}

/// As the tables write it: an IPv4 address within an IPv6 one is an IPv4 address.
fn written(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}

fn show(args: &Show, context: &mut Context<'_>) -> Result<(), CliError> {
    let ip = written(args.ip);
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let known = addresses::one(&mut session, &ip, decay(context)?)?;
    let lines = addresses::lines(&mut session, &ip, i64::from(args.limit) + 1)?;
    drop(session);
    let Some(known) = known else {
        let text = format!("{ip} is not known: no line has named it, and it is on no list");
        return Err(CliError::new(Exit::NoInput, text));
    };
    let name = ("lines", "Its newest lines");
    let lines = Part::new(
        name,
        &LINE_COLUMNS,
        lines,
        args.limit as usize,
        "there are none any more",
    )
    .showing(&[0, 1, 2, 3, 4]);
    if args.json {
        let object = object(&known).to_string();
        writeln!(context.out, "{},\"lines\":", object.trim_end_matches('}'))?;
        lines.write_rows(Format::Json, context)?;
        return Ok(writeln!(context.out, "}}")?);
    }
    sheet(&known, context).write(context.out)?;
    writeln!(context.out)?;
    lines.write_text(context)
}

fn object(one: &Address) -> serde_json::Value {
    let score = (one.score * 100.0).round() / 100.0;
    json!({
        "ip": one.ip,
        "type": one.kind,
        "list": one.list,
        "score": score,
        "stored_score": one.stored_score,
        "high_threat": one.is_high_threat(),
        "events": one.events,
        "failed_logins": one.failed_logins,
        "bans": one.bans,
        "logins": one.logins,
        "country_code": one.place[0],
        "city": one.place[1],
        "asn": one.place[2],
        "first_seen_at": one.first_seen_at.map(rfc3339),
        "last_seen_at": one.last_seen_at.map(rfc3339),
    })
}

fn sheet(one: &Address, context: &Context<'_>) -> Grid {
    let mut grid = Grid::new(context.screen);
    let mut row = |name: &str, value: String| grid.row(vec![name.into(), value]);
    row("address", one.ip.clone());
    row("type", one.kind.clone());
    row("list", one.list.unwrap_or("none").into());
    let threat = if one.is_high_threat() {
        ", a high threat"
    } else {
        ""
    };
    let score = format!(
        "{:.1} now{threat}; {} at its last event",
        one.score, one.stored_score
    );
    row("score", score);
    let when = |at: Option<i64>| at.map_or("never".into(), |at| local(at, &context.zone));
    row("first seen", when(one.first_seen_at));
    row("last seen", when(one.last_seen_at));
    let counts = format!(
        "{}, of them {} failed logins, {} bans, {} logins",
        one.events, one.failed_logins, one.bans, one.logins
    );
    row("lines", counts);
    let place: Vec<_> = one
        .place
        .iter()
        .flatten()
        .map(|text| visible(text))
        .collect();
    if !place.is_empty() {
        row("place", place.join(", "));
    }
    grid
}

fn put(args: &Listing, list: IpList, context: &mut Context<'_>) -> Result<(), CliError> {
    let ip = written(args.ip);
    let listed = IpListed {
        ip: args.ip.to_canonical(),
        list,
    };
    let event = NewEvent::own(context.clock.now(), format!("ip/{ip}"), listed);
    let event = match &args.because {
        Some(because) => event.with_text(because),
        None => event,
    };
    decide::decide(context, vec![event])?;
    let said = match list {
        IpList::Whitelist => "is trusted from now on: never a threat",
        IpList::Blacklist => "is blocked from now on: its score stays at 90 and more",
        IpList::None => "is on no list any more",
    };
    Ok(writeln!(context.out, "{ip} {said}")?)
}
