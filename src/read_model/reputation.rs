//! What is known of addresses: who named them, which list they stand on, where they belong.
//!
//! The score in the table is that of the address's last event. It decays from there on, which is
//! for the reader to do, who knows what time it is: [`decayed`].

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::view::columns;
use super::{Projection, View, table};
use crate::base::clock::UnixNanos;
use crate::event::system::LogWritten;
use crate::event::trace::{IpList, IpLocated};
use crate::event::{Envelope, Event, Kind, action};
use crate::storage::{Session, StorageError, all, first};
use crate::values;

pub(super) const PROJECTION: Projection = Projection {
    name: "ip_reputations",
    version: 2,
    tables: &[table!(
        "ip_reputations" by "ip",
        aging by "last_seen_at"
        if "last_seen_at IS NOT NULL AND is_whitelisted = 0 AND is_blacklisted = 0" for 365
    )],
    kinds: Some(&[Kind::LogWritten, Kind::IpListed, Kind::IpLocated]),
    fold,
};

/// Where an address belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpType {
    /// This host itself.
    Localhost,
    /// A network that is not routed in the Internet.
    Private,
    /// The Internet.
    Public,
}

impl IpType {
    /// Of an address. Unique local (RFC 4193), link-local (RFC 3927, RFC 4291) and RFC 1918
    /// addresses are private; one mapped into IPv6 is what it is by itself.
    pub fn of(ip: IpAddr) -> Self {
        let is_private = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => is_unique_local(ip) || is_link_local(ip),
        };
        let ip = ip.to_canonical();
        if ip.is_loopback() {
            Self::Localhost
        } else if is_private(ip) {
            Self::Private
        } else {
            Self::Public
        }
    }

    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Localhost => "localhost",
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// `fc00::/7`
const fn is_unique_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xfe00 == 0xfc00
}

/// `fe80::/10`
const fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// Score of an address of which nothing bad was heard.
const NEUTRAL: i64 = 10;
/// Score of one that is known to be malicious.
const MALICIOUS: i64 = 90;
/// From this score on an address is a high threat.
pub const HIGH_THREAT: i64 = 70;

/// What an address is before anything is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it belongs.
    pub kind: IpType,
    /// The list that it is on.
    pub list: IpList,
}

impl Standing {
    /// Its score without any event, which a score decays to.
    pub const fn base(self) -> i64 {
        match (self.list, self.kind) {
            (IpList::Blacklist, _) => MALICIOUS,
            (IpList::Whitelist, _) | (_, IpType::Localhost | IpType::Private) => 0,
            (IpList::None, IpType::Public) => NEUTRAL,
        }
    }

    /// Its score with what it did: 5 for each failed login, at most 30; 20 for each ban, at most 40.
    pub fn score(self, failed_logins: i64, bans: i64) -> i64 {
        let failed_logins = failed_logins.saturating_mul(5).min(30);
        let bans = bans.saturating_mul(20).min(40);
        (self.base() + failed_logins + bans).min(100)
    }
}

/// A score at `now`, for an address last seen at `last_seen_at`: what it has above its base halves
/// with every half-life. Before it was seen it has not decayed.
pub fn decayed(
    score: i64,
    base: i64,
    last_seen_at: UnixNanos,
    now: UnixNanos,
    half_life_ns: i64,
) -> f64 {
    let age = now.saturating_sub(last_seen_at).max(0) as f64;
    let (score, base) = (score as f64, base as f64);
    base + (score - base) * 0.5_f64.powf(age / half_life_ns.max(1) as f64)
}

struct Reputation {
    list: IpList,
    first_seen_at: Option<i64>,
    last_seen_at: Option<i64>,
    total_events: i64,
    failed_logins: i64,
    bans: i64,
    successful_logins: i64,
    country_code: Option<String>,
    city: Option<String>,
    asn: Option<String>,
    located_at: Option<i64>,
    updated_at: i64,
}

impl Reputation {
    const fn unknown(updated_at: i64) -> Self {
        Self {
            list: IpList::None,
            first_seen_at: None,
            last_seen_at: None,
            total_events: 0,
            failed_logins: 0,
            bans: 0,
            successful_logins: 0,
            country_code: None,
            city: None,
            asn: None,
            located_at: None,
            updated_at,
        }
    }

    fn see(&mut self, at: UnixNanos, line: &LogWritten) {
        self.first_seen_at = Some(self.first_seen_at.map_or(at, |first| first.min(at)));
        self.last_seen_at = Some(self.last_seen_at.map_or(at, |last| last.max(at)));
        self.total_events += 1;
        match line.action() {
            Some(action::FAILED_LOGIN) => self.failed_logins += line.times(),
            Some(action::BAN) => self.bans += 1,
            Some(action::LOGIN) => self.successful_logins += 1,
            _ => {}
        }
    }

    fn locate(&mut self, at: UnixNanos, place: &IpLocated) {
        self.located_at = Some(at);
        self.country_code.clone_from(&place.country_code);
        self.city.clone_from(&place.city);
        self.asn.clone_from(&place.asn);
    }
}

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut known: BTreeMap<IpAddr, Option<Reputation>> = BTreeMap::new();
    for event in batch.iter().filter(|event| !event.is_snapshot()) {
        let Some(ip) = address(&event.event) else {
            continue;
        };
        let row = match known.entry(ip) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(empty) => empty.insert(stored(session, ip)?),
        };
        // To stand on no list is nothing to be known for.
        if let (None, Event::IpListed(told)) = (&row, &event.event)
            && told.list == IpList::None
        {
            continue;
        }
        let row = row.get_or_insert_with(|| Reputation::unknown(event.received_at));
        row.updated_at = event.received_at;
        match &event.event {
            Event::LogWritten(line) => row.see(event.occurred_at, line),
            Event::IpListed(told) => row.list = told.list,
            Event::IpLocated(place) => row.locate(event.occurred_at, place),
            _ => {}
        }
    }
    for (ip, row) in &known {
        if let Some(row) = row {
            store(session, *ip, row)?;
        }
    }
    Ok(())
}

/// The address that an event is about.
fn address(event: &Event) -> Option<IpAddr> {
    match event {
        Event::LogWritten(line) => line.ip(),
        Event::IpListed(told) => Some(told.ip.to_canonical()),
        Event::IpLocated(place) => Some(place.ip.to_canonical()),
        _ => None,
    }
}

/// The list that an address stands on.
pub fn list_of(session: &mut dyn Session, ip: IpAddr) -> Result<IpList, StorageError> {
    let row = stored(session, ip.to_canonical())?;
    Ok(row.map_or(IpList::None, |row| row.list))
}

/// The score of an address as of its last event; 0 for one that nothing is known of.
pub fn threat_of(session: &mut dyn Session, ip: IpAddr) -> Result<i64, StorageError> {
    let score = first(
        session,
        "SELECT threat_score FROM ip_reputations WHERE ip = ?1",
        values![&ip.to_canonical().to_string()],
        |row| row.int(0),
    )?;
    Ok(score.unwrap_or(0))
}

/// Public addresses for which no database of places was asked, at most so many.
pub fn unplaced(session: &mut dyn Session, most: usize) -> Result<Vec<IpAddr>, StorageError> {
    let texts = all(
        session,
        "SELECT ip FROM ip_reputations INDEXED BY ip_reputations_unplaced \
         WHERE located_at IS NULL AND type = 'public' ORDER BY ip LIMIT ?1",
        values![most as i64],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    Ok(texts.iter().filter_map(|ip| ip.parse().ok()).collect())
}

fn stored(session: &mut dyn Session, ip: IpAddr) -> Result<Option<Reputation>, StorageError> {
    first(
        session,
        "SELECT is_whitelisted, is_blacklisted, first_seen_at, last_seen_at, total_events, \
         failed_logins, bans, successful_logins, country_code, city, asn, updated_at, \
         located_at FROM ip_reputations WHERE ip = ?1",
        values![&ip.to_string()],
        |row| {
            let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
            let list = match (row.int(0)?, row.int(1)?) {
                (0, 0) => IpList::None,
                (0, _) => IpList::Blacklist,
                _ => IpList::Whitelist,
            };
            Ok(Reputation {
                list,
                first_seen_at: row.opt_int(2)?,
                last_seen_at: row.opt_int(3)?,
                total_events: row.int(4)?,
                failed_logins: row.int(5)?,
                bans: row.int(6)?,
                successful_logins: row.int(7)?,
                country_code: text(8)?,
                city: text(9)?,
                asn: text(10)?,
                updated_at: row.int(11)?,
                located_at: row.opt_int(12)?,
            })
        },
    )
}

fn store(session: &mut dyn Session, ip: IpAddr, row: &Reputation) -> Result<(), StorageError> {
    let standing = Standing {
        kind: IpType::of(ip),
        list: row.list,
    };
    session.write(
        "INSERT INTO ip_reputations (ip, type, is_whitelisted, is_blacklisted, threat_score, \
         first_seen_at, last_seen_at, total_events, failed_logins, bans, successful_logins, \
         country_code, city, asn, updated_at, located_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT (ip) DO UPDATE SET is_whitelisted = excluded.is_whitelisted, \
         is_blacklisted = excluded.is_blacklisted, threat_score = excluded.threat_score, \
         first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at, \
         total_events = excluded.total_events, failed_logins = excluded.failed_logins, \
         bans = excluded.bans, successful_logins = excluded.successful_logins, \
         country_code = excluded.country_code, city = excluded.city, asn = excluded.asn, \
         updated_at = excluded.updated_at, located_at = excluded.located_at",
        values![
            &ip.to_string(),
            standing.kind.name(),
            row.list == IpList::Whitelist,
            row.list == IpList::Blacklist,
            standing.score(row.failed_logins, row.bans),
            row.first_seen_at,
            row.last_seen_at,
            row.total_events,
            row.failed_logins,
            row.bans,
            row.successful_logins,
            row.country_code.as_deref(),
            row.city.as_deref(),
            row.asn.as_deref(),
            row.updated_at,
            row.located_at
        ],
    )
}

pub(super) const VIEWS: &[View] = &[View {
    name: "ip_reputation",
    about: "addresses that log lines named, with their score as of their last event",
    columns: columns![
        "last_seen_at" Time, "ip" Text, "type" Text, "threat_score" Number,
        "is_whitelisted" Flag, "is_blacklisted" Flag, "total_events" Number,
        "failed_login_count" Number, "banned_count" Number, "successful_login_count" Number,
        "first_seen_at" Time, "country_code" Text, "city" Text, "asn" Text
    ],
    sql: "SELECT last_seen_at, ip, type, threat_score, is_whitelisted, is_blacklisted, \
          total_events, failed_logins, bans, successful_logins, first_seen_at, country_code, city, \
          asn FROM ip_reputations WHERE last_seen_at >= ?1 AND last_seen_at < ?2 \
          ORDER BY last_seen_at DESC, ip DESC LIMIT ?3",
}];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::base::clock::DAY_NS;

    #[test]
    fn an_address_is_of_the_network_that_it_belongs_to() {
        for (ip, kind) in [
            ("127.0.0.1", IpType::Localhost),
            ("127.9.8.7", IpType::Localhost),
            ("::1", IpType::Localhost),
            ("::ffff:127.0.0.1", IpType::Localhost),
            ("10.1.2.3", IpType::Private),
            ("172.31.255.255", IpType::Private),
            ("172.32.0.1", IpType::Public),
            ("192.168.0.9", IpType::Private),
            ("169.254.1.1", IpType::Private),
            ("::ffff:192.168.0.9", IpType::Private),
            ("fc00::1", IpType::Private),
            ("fdff::1", IpType::Private),
            ("fe80::1", IpType::Private),
            ("febf::1", IpType::Private),
            ("fec0::1", IpType::Public),
            ("203.0.113.9", IpType::Public),
            ("::ffff:203.0.113.9", IpType::Public),
            ("2001:db8::9", IpType::Public),
        ] {
            assert_eq!(IpType::of(ip.parse().unwrap()), kind, "{ip}");
        }
    }

    #[test]
    fn the_score_is_the_base_with_what_was_done_and_at_most_100() {
        let public = |list| Standing {
            kind: IpType::Public,
            list,
        };
        let private = Standing {
            kind: IpType::Private,
            list: IpList::None,
        };
        for (standing, failed_logins, bans, score) in [
            (public(IpList::None), 0, 0, 10),
            (public(IpList::None), 3, 0, 25),
            (public(IpList::None), 7, 0, 40),
            (public(IpList::None), 7, 1, 60),
            (public(IpList::None), 7, 9, 80),
            (public(IpList::Blacklist), 0, 0, 90),
            (public(IpList::Blacklist), 1, 1, 100),
            (public(IpList::Whitelist), 0, 0, 0),
            (private, 0, 0, 0),
            (private, 2, 0, 10),
            (private, i64::MAX, i64::MAX, 70),
        ] {
            assert_eq!(standing.score(failed_logins, bans), score, "{standing:?}");
        }
    }

    #[test]
    fn what_is_above_the_base_halves_with_every_half_life() {
        let week = 7 * DAY_NS;
        let at = |days: i64| decayed(90, 10, 0, days * DAY_NS, week);
        assert!((at(0) - 90.0).abs() < 1e-9);
        assert!((at(7) - 50.0).abs() < 1e-9);
        assert!((at(14) - 30.0).abs() < 1e-9);
        assert!((at(-7) - 90.0).abs() < 1e-9, "not seen yet");
        assert!((at(36_500) - 10.0).abs() < 1e-9);
    }
}
