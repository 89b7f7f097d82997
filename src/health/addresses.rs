//! What is known of addresses, with the score as it is by now.

use std::cmp::Ordering;

use super::leading::Leading;
use super::{Scope, sql};
use crate::base::clock::UnixNanos;
use crate::event::entity::EntityType;
use crate::event::trace::IpList;
use crate::read_model::entities::links::{Link, Links, positions_of};
use crate::read_model::reputation::{HIGH_THREAT, IpType, Standing, decayed};
use crate::storage::{Owned, Row, Session, StorageError, all, first};
use crate::values;

/// An address.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// As RFC 5952 writes it.
    pub ip: String,
    /// `localhost`, `private`, `public`
    pub kind: String,
    /// `whitelist`, `blacklist` or none.
    pub list: Option<&'static str>,
    /// The score now, 0 to 100.
    pub score: f64,
    /// That of its last event.
    pub stored_score: i64,
    /// When a line named it first.
    pub first_seen_at: Option<UnixNanos>,
    /// When a line named it last.
    pub last_seen_at: Option<UnixNanos>,
    /// Lines that name it.
    pub events: i64,
    /// Of them failed logins.
    pub failed_logins: i64,
    /// Of them bans.
    pub bans: i64,
    /// Of them logins.
    pub logins: i64,
    /// Where it belongs: country, city, network.
    pub place: [Option<String>; 3],
}

/// Until when scores decay, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Decay {
    /// The moment of the score.
    pub now: UnixNanos,
    /// After so long without a line a score lies halfway to its base.
    pub half_life_ns: i64,
}

impl Address {
    fn read(row: &dyn Row, decay: Decay) -> Result<Self, StorageError> {
        let text = |column| row.opt_text(column).map(|text| text.map(ToOwned::to_owned));
        let kind = row.text(1)?.to_owned();
        let (white, black) = (row.int(2)? != 0, row.int(3)? != 0);
        let stored_score = row.int(4)?;
        let last_seen_at = row.opt_int(6)?;
        let (list, listed) = match (white, black) {
            (true, _) => (Some("whitelist"), IpList::Whitelist),
            (_, true) => (Some("blacklist"), IpList::Blacklist),
            _ => (None, IpList::None),
        };
        let standing = Standing {
            kind: match kind.as_str() {
                "localhost" => IpType::Localhost,
                "private" => IpType::Private,
                _ => IpType::Public,
            },
            list: listed,
        };
        let Decay { now, half_life_ns } = decay;
        let seen_at = last_seen_at.unwrap_or(now);
        Ok(Self {
            ip: row.text(0)?.to_owned(),
            list,
            score: decayed(stored_score, standing.base(), seen_at, now, half_life_ns),
            stored_score,
            first_seen_at: row.opt_int(5)?,
            last_seen_at,
            events: row.int(7)?,
            failed_logins: row.int(8)?,
            bans: row.int(9)?,
            logins: row.int(10)?,
            place: [text(11)?, text(12)?, text(13)?],
            kind,
        })
    }

    /// The highest first; of equals, who was seen last.
    fn by_score(one: &Self, other: &Self) -> Ordering {
        let newest = other.last_seen_at.cmp(&one.last_seen_at);
        other.score.total_cmp(&one.score).then(newest)
    }

    /// Whether people should know of it: a whitelisted one never.
    pub fn is_high_threat(&self) -> bool {
        self.score >= HIGH_THREAT as f64 && self.list != Some("whitelist")
    }
}

/// Those whose score is `least` or more by now, the `most` highest first. Of a scope of one machine
/// or source only those that a line of it names within its range.
pub fn known(
    session: &mut dyn Session,
    scope: &Scope,
    least: f64,
    most: usize,
    decay: Decay,
) -> Result<Vec<Address>, StorageError> {
    let mut highest = Leading::new(most, Address::by_score);
    each(session, scope, least, decay, &mut |address| {
        highest.push(address);
    })?;
    Ok(highest.into_vec())
}

/// The addresses that are a high threat now, the `most` highest first.
pub fn high_threats(
    session: &mut dyn Session,
    scope: &Scope,
    most: usize,
    decay: Decay,
) -> Result<Vec<Address>, StorageError> {
    let mut highest = Leading::new(most, Address::by_score);
    each(session, scope, HIGH_THREAT as f64, decay, &mut |address| {
        if address.is_high_threat() {
            highest.push(address);
        }
    })?;
    Ok(highest.into_vec())
}

/// How many of them were seen within the range of the scope, and not after now.
pub fn count_high_threats(
    session: &mut dyn Session,
    scope: &Scope,
    decay: Decay,
) -> Result<i64, StorageError> {
    let mut count = 0;
    let seen = scope.since..=decay.now;
    each(session, scope, HIGH_THREAT as f64, decay, &mut |address| {
        let is_seen = address.last_seen_at.is_some_and(|at| seen.contains(&at));
        count += i64::from(is_seen && address.is_high_threat());
    })?;
    Ok(count)
}

/// One by one: a month of attacks leaves many.
fn each(
    session: &mut dyn Session,
    scope: &Scope,
    least: f64,
    decay: Decay,
    found: &mut dyn FnMut(Address),
) -> Result<(), StorageError> {
    // A score never decays upwards, so that a stored one below is below by now; half a point is what
    // a stored integer may have lost.
    let stored = (least - 0.5).floor() as i64;
    let (host, source) = (scope.host.as_deref(), scope.source.as_deref());
    session.read(
        sql::THREATS,
        values![scope.since, scope.until, host, source, stored],
        &mut |row| {
            let address = Address::read(row, decay)?;
            if address.score >= least {
                found(address);
            }
            Ok(())
        },
    )
}

/// One address.
pub fn one(
    session: &mut dyn Session,
    ip: &str,
    decay: Decay,
) -> Result<Option<Address>, StorageError> {
    first(session, sql::ADDRESS, values![ip], |row| {
        Address::read(row, decay)
    })
}

/// Events that name an address and are looked at by one statement.
const LINKS_AT_ONCE: usize = 1_024;

/// Its newest lines: time, action, user, program, line, position.
pub fn lines(
    session: &mut dyn Session,
    ip: &str,
    limit: i64,
) -> Result<Vec<Vec<Owned>>, StorageError> {
    let newest = Link {
        at: i64::MAX,
        position: i64::MAX,
    };
    let links = Links::of_named(session, EntityType::Ip, ip, i64::MIN, newest)?;
    let Some(mut links) = links else {
        return Ok(Vec::new());
    };
    let mut lines: Vec<Vec<Owned>> = Vec::new();
    loop {
        let found = links.next(session, LINKS_AT_ONCE)?;
        let positions = positions_of(&found);
        let missing = limit - lines.len() as i64;
        lines.extend(all(
            session,
            sql::ADDRESS_LINES,
            values![ip, missing, &positions],
            |row| (0..6).map(|column| row.owned(column)).collect(),
        )?);
        if found.len() < LINKS_AT_ONCE || lines.len() as i64 >= limit {
            return Ok(lines);
        }
    }
}
