//! Who tries to get in: brute force, bans, what nobody may do, and whose names are tried.

use std::collections::{BTreeMap, BTreeSet};

use super::formula::{ATTEMPTS_MIN, Bursts, brute_force_severity};
use super::{Scope, sql};
use crate::base::clock::UnixNanos;
use crate::storage::{Owned, Session, StorageError, all, first};
use crate::values;

/// What happened, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Logins that failed.
    pub failed_logins: i64,
    /// Logins that did not.
    pub logins: i64,
    /// Bans.
    pub bans: i64,
    /// Bans that ended.
    pub unbans: i64,
    /// What somebody tried that they may not.
    pub unauthorized: i64,
}

/// Failed logins of one address, five at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address, whole.
    pub ip: String,
    /// Failed logins.
    pub attempts: i64,
    /// How many names it tried.
    pub users: i64,
    /// Whether five of them lie within 300 s.
    pub burst: bool,
    /// 0 to 100.
    pub severity: i64,
    /// Programs that refused it.
    pub services: Vec<String>,
    /// The first of them.
    pub first_at: UnixNanos,
    /// The last of them.
    pub last_at: UnixNanos,
}

/// A name with which logins failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedUser {
    /// The name as it was tried.
    pub user: String,
    /// Failed logins.
    pub attempts: i64,
    /// From how many addresses.
    pub ips: i64,
    /// The last of them.
    pub last_at: UnixNanos,
}

/// What the failed logins tell.
#[derive(Clone, Debug, Default)]
pub struct Failed {
    /// Attempts by brute force, the gravest first.
    pub attempts: Vec<Attempt>,
    /// The names that were tried, the most frequent first.
    pub users: Vec<TriedUser>,
}

#[derive(Default)]
struct OfAddress<'a> {
    times: i64,
    users: BTreeSet<&'a str>,
    services: BTreeSet<&'a str>,
    bursts: Bursts,
    first_at: UnixNanos,
    last_at: UnixNanos,
}

struct Try {
    at: UnixNanos,
    ip: Option<String>,
    user: Option<String>,
    service: String,
}

/// How often each notable thing happened.
pub fn counts(session: &mut dyn Session, scope: &Scope) -> Result<Counts, StorageError> {
    let mut counts = Counts::default();
    session.read(
        sql::ACTIONS,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        &mut |row| {
            let count = row.int(1)?;
            match row.text(0)? {
                "failed_login" => counts.failed_logins = count,
                "login" => counts.logins = count,
                "ban" => counts.bans = count,
                "unban" => counts.unbans = count,
                _ => counts.unauthorized = count,
            }
            Ok(())
        },
    )?;
    Ok(counts)
}

/// Whether there is any line in the scope.
pub fn is_known(session: &mut dyn Session, scope: &Scope) -> Result<bool, StorageError> {
    let any = first(
        session,
        sql::ANY_LINE,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        |row| row.int(0),
    )?;
    Ok(any.is_some())
}

/// Brute force, and the names that were tried.
pub fn failed(session: &mut dyn Session, scope: &Scope) -> Result<Failed, StorageError> {
    let tries = all(
        session,
        sql::FAILED_LOGINS,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        |row| {
            Ok(Try {
                at: row.int(0)?,
                ip: row.opt_text(1)?.map(ToOwned::to_owned),
                user: row.opt_text(2)?.map(ToOwned::to_owned),
                service: row.opt_text(3)?.unwrap_or_default().to_owned(),
            })
        },
    )?;
    Ok(Failed {
        attempts: attempts(&tries),
        users: users(&tries),
    })
}

fn attempts(tries: &[Try]) -> Vec<Attempt> {
    let mut addresses = BTreeMap::<&str, OfAddress<'_>>::new();
    for one in tries {
        let Some(ip) = &one.ip else { continue };
        let known = addresses.entry(ip).or_insert_with(|| OfAddress {
            first_at: one.at,
            ..OfAddress::default()
        });
        known.times += 1;
        known.users.extend(one.user.as_deref());
        known.services.insert(&one.service);
        known.bursts.push(one.at);
        known.last_at = one.at;
    }
    let mut found: Vec<_> = addresses
        .into_iter()
        .filter(|(_, known)| known.times >= ATTEMPTS_MIN)
        .map(|(ip, known)| Attempt {
            ip: ip.to_owned(),
            attempts: known.times,
            users: known.users.len() as i64,
            burst: known.bursts.seen(),
            severity: brute_force_severity(known.times, known.bursts.seen()),
            services: known.services.into_iter().map(ToOwned::to_owned).collect(),
            first_at: known.first_at,
            last_at: known.last_at,
        })
        .collect();
    found.sort_by_key(|one| (-one.severity, -one.attempts));
    found
}

fn users(tries: &[Try]) -> Vec<TriedUser> {
    let mut users = BTreeMap::<&str, (i64, BTreeSet<&str>, UnixNanos)>::new();
    for one in tries {
        let Some(user) = &one.user else { continue };
        let known = users.entry(user).or_default();
        known.0 += 1;
        known.1.extend(one.ip.as_deref());
        known.2 = one.at;
    }
    let mut found: Vec<_> = users
        .into_iter()
        .map(|(user, (attempts, ips, last_at))| TriedUser {
            user: user.to_owned(),
            attempts,
            ips: ips.len() as i64,
            last_at,
        })
        .collect();
    found.sort_by_key(|one| -one.attempts);
    found
}

/// Bans: time, address, program, machine, position. The newest first.
pub fn bans(
    session: &mut dyn Session,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    lines(session, sql::BANS, 5, scope, limit)
}

/// What nobody may do: time, address, user, program, machine, line, position. The newest first.
pub fn unauthorized(
    session: &mut dyn Session,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    lines(session, sql::UNAUTHORIZED, 7, scope, limit)
}

fn lines(
    session: &mut dyn Session,
    sql: &'static str,
    columns: usize,
    scope: &Scope,
    limit: i64,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    all(
        session,
        sql,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref(),
            limit
        ],
        |row| (0..columns).map(|column| row.owned(column)).collect(),
    )
}
