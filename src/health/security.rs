//! Who tries to get in: brute force, bans, what nobody may do, and whose names are tried.

use std::cmp::Ordering;

use super::formula::{ATTEMPTS_MIN, Bursts, brute_force_severity};
use super::leading::Leading;
use super::{Scope, sql};
use crate::base::clock::UnixNanos;
use crate::event::entity::EntityType;
use crate::read_model::entities::links::id_of_named;
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

/// Attempts by brute force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BruteForce {
    /// How many addresses made one.
    pub addresses: i64,
    /// The gravest first, as many as were asked for.
    pub attempts: Vec<Attempt>,
}

/// The failed logins of one address, as they go by in order of time.
struct OfAddress {
    ip: String,
    times: i64,
    bursts: Bursts,
    first_at: UnixNanos,
    last_at: UnixNanos,
}

impl OfAddress {
    fn new(ip: &str, first_at: UnixNanos) -> Self {
        Self {
            ip: ip.to_owned(),
            times: 0,
            bursts: Bursts::default(),
            first_at,
            last_at: first_at,
        }
    }

    /// A line that tells of so many.
    fn push(&mut self, at: UnixNanos, times: i64) {
        self.times += times;
        for _ in 0..times.min(ATTEMPTS_MIN) {
            self.bursts.push(at);
        }
        self.last_at = at;
    }

    fn severity(&self) -> i64 {
        brute_force_severity(self.times, self.bursts.seen())
    }

    fn by_gravity(one: &Self, other: &Self) -> Ordering {
        let gravity = |of: &Self| (of.severity(), of.times);
        gravity(other).cmp(&gravity(one))
    }
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

/// Attempts by brute force, the `most` gravest.
///
/// However many failed, no more is in memory than one address and those that are told.
pub fn brute_force(
    session: &mut dyn Session,
    scope: &Scope,
    most: usize,
) -> Result<BruteForce, StorageError> {
    let mut addresses = 0;
    let mut gravest = Leading::new(most, OfAddress::by_gravity);
    let mut close = |address: Option<OfAddress>| {
        if let Some(address) = address.filter(|one| one.times >= ATTEMPTS_MIN) {
            addresses += 1;
            gravest.push(address);
        }
    };
    let mut open: Option<OfAddress> = None;
    session.read(
        sql::FAILED_TIMES,
        values![
            scope.since,
            scope.until,
            scope.host.as_deref(),
            scope.source.as_deref()
        ],
        &mut |row| {
            let (ip, at) = (row.text(0)?, row.int(1)?);
            if open.as_ref().is_none_or(|one| one.ip != ip) {
                close(open.replace(OfAddress::new(ip, at)));
            }
            if let Some(address) = &mut open {
                address.push(at, row.int(2)?);
            }
            Ok(())
        },
    )?;
    close(open);
    let attempts = gravest.into_vec().into_iter();
    let attempts = attempts.map(|address| attempt(session, scope, address));
    Ok(BruteForce {
        attempts: attempts.collect::<Result<_, _>>()?,
        addresses,
    })
}

fn attempt(
    session: &mut dyn Session,
    scope: &Scope,
    address: OfAddress,
) -> Result<Attempt, StorageError> {
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    let entity = id_of_named(session, EntityType::Ip, &address.ip)?;
    let of_address = values![scope.since, scope.until, host, source, &address.ip, entity];
    let users = first(session, sql::NAMES_TRIED_BY, of_address, |row| row.int(0))?;
    let services = all(session, sql::SERVICES_TRIED_BY, of_address, |row| {
        Ok(row.text(0)?.to_owned())
    })?;
    Ok(Attempt {
        attempts: address.times,
        users: users.unwrap_or_default(),
        burst: address.bursts.seen(),
        severity: address.severity(),
        services,
        first_at: address.first_at,
        last_at: address.last_at,
        ip: address.ip,
    })
}

/// The names with which logins failed, the `most` frequent first.
pub fn users(
    session: &mut dyn Session,
    scope: &Scope,
    most: i64,
) -> Result<Vec<TriedUser>, StorageError> {
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    let values = values![scope.since, scope.until, host, source, most];
    all(session, sql::TRIED_USERS, values, |row| {
        Ok(TriedUser {
            user: row.text(0)?.to_owned(),
            attempts: row.int(1)?,
            ips: row.int(2)?,
            last_at: row.int(3)?,
        })
    })
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
