//! `security`: who tries to get in.

use super::exit::CliError;
use super::parts::{self, COMPARED, Part, ScopeArgs, flag, number, text, whole};
use super::{Context, folder, ips};
use crate::health::{Scope, addresses, security};
use crate::read_model::view::Shape;
use crate::storage::{Owned, Session};

const EXAMPLES: &str = "\
Examples:
  nightjar security                          the last 24 hours
  nightjar security --since 7d --host heron
  nightjar security brute_force --csv        one part, for a program
  nightjar ips show 203.0.113.9              all about one address";

/// Arguments of `security`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// Only this part
    #[arg(value_name = "PART", value_parser = ["counts", "brute_force", "bans", "unauthorized",
          "threats", "users"])]
    part: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
}

const BRUTE_FORCE: [(&str, Shape); 9] = [
    ("ip", Shape::Text),
    ("attempts", Shape::Number),
    ("users", Shape::Number),
    ("burst", Shape::Flag),
    ("severity", Shape::Number),
    ("list", Shape::Text),
    ("services", Shape::Text),
    ("first_at", Shape::Time),
    ("last_at", Shape::Time),
];
const BANS: [(&str, Shape); 5] = [
    ("at", Shape::Time),
    ("ip", Shape::Text),
    ("service", Shape::Text),
    ("host", Shape::Text),
    ("position", Shape::Number),
];
const UNAUTHORIZED: [(&str, Shape); 7] = [
    ("at", Shape::Time),
    ("ip", Shape::Text),
    ("user", Shape::Text),
    ("service", Shape::Text),
    ("host", Shape::Text),
    ("message", Shape::Text),
    ("position", Shape::Number),
];
const THREATS: [(&str, Shape); 8] = [
    ("ip", Shape::Text),
    ("score", Shape::Number),
    ("stored_score", Shape::Number),
    ("list", Shape::Text),
    ("events", Shape::Number),
    ("failed_logins", Shape::Number),
    ("bans", Shape::Number),
    ("last_seen_at", Shape::Time),
];
const USERS: [(&str, Shape); 4] = [
    ("user", Shape::Text),
    ("attempts", Shape::Number),
    ("ips", Shape::Number),
    ("last_at", Shape::Time),
];

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let scope = args.scope.scope(context)?;
    let mut database = folder::open_reader(&context.folder)?;
    let mut session = database.snapshot()?;
    let parts = parts_of(&mut session, &scope, args.scope.limit(), context)?;
    drop(session);
    let only = args.part.as_deref();
    parts::write("Security", &parts, only, &args.scope, &scope, context)
}

/// All parts.
pub(super) fn parts_of(
    session: &mut dyn Session,
    scope: &Scope,
    limit: usize,
    context: &Context<'_>,
) -> Result<Vec<Part>, CliError> {
    let one_more = limit.saturating_add(1);
    let decay = ips::decay(context)?;
    let mut attempts = Vec::new();
    for one in security::brute_force(session, scope, one_more)?.attempts {
        let known = addresses::one(session, &one.ip, decay)?;
        attempts.push(vec![
            text(&one.ip),
            Owned::Integer(one.attempts),
            Owned::Integer(one.users),
            flag(one.burst),
            Owned::Integer(one.severity),
            known.and_then(|known| known.list).map_or(Owned::Null, text),
            text(&one.services.join(" ")),
            Owned::Integer(one.first_at),
            Owned::Integer(one.last_at),
        ]);
    }
    let users = security::users(session, scope, one_more as i64)?;
    let users = users.iter().map(|one| {
        vec![
            text(&one.user),
            Owned::Integer(one.attempts),
            Owned::Integer(one.ips),
            Owned::Integer(one.last_at),
        ]
    });
    let threats = addresses::high_threats(session, scope, one_more, decay)?;
    let threats = threats.iter().map(|one| {
        vec![
            text(&one.ip),
            number(Some(one.score)),
            Owned::Integer(one.stored_score),
            one.list.map_or(Owned::Null, text),
            Owned::Integer(one.events),
            Owned::Integer(one.failed_logins),
            Owned::Integer(one.bans),
            whole(one.last_seen_at),
        ]
    });
    let (users, threats) = (users.collect(), threats.collect());
    let bans = security::bans(session, scope, one_more as i64)?;
    let unauthorized = security::unauthorized(session, scope, one_more as i64)?;
    let part = |name, columns, rows, nothing| Part::new(name, columns, rows, limit, nothing);
    Ok(vec![
        counts(session, scope)?,
        part(
            (
                "brute_force",
                "Brute force: five failed logins and more of one address",
            ),
            &BRUTE_FORCE,
            attempts,
            "nobody tried",
        )
        .showing(&[0, 1, 2, 3, 4, 5, 6, 8]),
        part(("bans", "Bans"), &BANS, bans, "nobody was banned"),
        part(
            ("unauthorized", "Unauthorized"),
            &UNAUTHORIZED,
            unauthorized,
            "nobody tried what they may not",
        )
        .showing(&[0, 1, 2, 3, 5]),
        part(
            (
                "threats",
                "Addresses with a score of 70 and more, as of now",
            ),
            &THREATS,
            threats,
            "no address is a high threat",
        ),
        part(
            ("users", "Names with which logins failed"),
            &USERS,
            users,
            "no login failed",
        ),
    ])
}

fn counts(session: &mut dyn Session, scope: &Scope) -> Result<Part, CliError> {
    let now = security::counts(session, scope)?;
    let before = security::counts(session, &scope.before())?;
    let known = security::is_known(session, scope)?;
    let rows = [
        ("failed logins", before.failed_logins, now.failed_logins),
        ("bans", before.bans, now.bans),
        ("unauthorized", before.unauthorized, now.unauthorized),
        ("logins", before.logins, now.logins),
        ("unbans", before.unbans, now.unbans),
    ];
    let rows = rows.map(|(name, before, now)| {
        let mut row = parts::compared(name, before, now);
        // More logins are neither better nor worse.
        if matches!(name, "logins" | "unbans") {
            row[3] = Owned::Null;
        }
        row
    });
    let title = if known {
        "Counts, beside those of the period before"
    } else {
        "Counts (no log line is known of this time)"
    };
    Ok(Part::new(
        ("counts", title),
        &COMPARED,
        rows.into(),
        usize::MAX,
        "",
    ))
}
