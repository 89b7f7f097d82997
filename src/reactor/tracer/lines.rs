//! Earlier lines, as chains and patterns ask for them. All are asked for the newest first, so that
//! a bound cuts off what is farthest away.

use core::net::IpAddr;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::CHAIN_MAX;
use crate::base::clock::UnixNanos;
use crate::event::action;
use crate::event::entity::EntityType;
use crate::read_model::entities::links::{Blocks, id_of_named};
use crate::storage::{Row, Session, StorageError, all};
use crate::values;

/// An earlier line.
pub(super) struct Earlier {
    pub(super) position: i64,
    pub(super) at: UnixNanos,
    pub(super) action: String,
    pub(super) user: Option<String>,
    /// The program's name, where the source is a file of several.
    service: Option<String>,
    /// `log/<host>/<source>`
    stream: String,
}

impl Earlier {
    pub(super) fn program(&self) -> &str {
        let source = self.stream.splitn(3, '/').nth(2);
        let source = source.unwrap_or(&self.stream);
        self.service.as_deref().unwrap_or(source)
    }

    pub(super) fn host(&self) -> &str {
        self.stream.split('/').nth(1).unwrap_or_default()
    }
}

fn earlier(row: &dyn Row) -> Result<Earlier, StorageError> {
    let text = |column| Ok::<_, StorageError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(Earlier {
        position: row.int(0)?,
        at: row.int(1)?,
        action: text(2)?.unwrap_or_default(),
        user: text(3)?,
        service: text(4)?,
        stream: row.text(5)?.to_owned(),
    })
}

/// Most bytes of lists of positions that are looked through, about 5,000 events: an address behind
/// which a whole office sits has many that are nothing.
const LISTS_MAX_BYTES: i64 = 20_000;

/// The lines of the block `?2` in which the address `?3`, entity `?1`, did `?4` or `?5`.
const OF_ADDRESS: &str = "SELECT l.position, l.at, l.action, l.user, l.service, n.name \
     FROM entity_events v CROSS JOIN json_each('[' || v.positions || ']') p \
     CROSS JOIN log_lines l ON l.position = v.block * 1024 + CAST (p.value AS INTEGER) \
     CROSS JOIN names n ON n.id = l.source \
     WHERE v.block = ?2 AND v.entity = ?1 AND l.ip = ?3 AND l.action IN (?4, ?5)";

/// What an address did from behind `since` on until a time, in lines that are `wanted`.
fn of_address(
    session: &mut dyn Session,
    ip: IpAddr,
    (since, until): (UnixNanos, UnixNanos),
    wanted: impl Fn(i64) -> bool,
    did: [&str; 2],
    most: i64,
) -> Result<Vec<Earlier>, StorageError> {
    let ip = ip.to_string();
    let Some(entity) = id_of_named(session, EntityType::Ip, &ip)? else {
        return Ok(Vec::new());
    };
    let most = usize::try_from(most).unwrap_or(0);
    let is_wanted = |line: &Earlier| line.at > since && line.at <= until && wanted(line.position);
    let mut blocks = Blocks::of(entity, since.saturating_add(1), until);
    let mut lines: Vec<Earlier> = Vec::new();
    let mut lists_bytes = 0;
    while let Some(block) = blocks.next(session)? {
        // Enough of those that are later than all that is left.
        if lists_bytes >= LISTS_MAX_BYTES
            || most
                .checked_sub(1)
                .and_then(|last| lines.get(last))
                .is_some_and(|line| line.at > block.last_at)
        {
            break;
        }
        lists_bytes += block.list_bytes;
        let found = all(
            session,
            OF_ADDRESS,
            values![entity, block.block, &ip, did[0], did[1]],
            earlier,
        )?;
        lines.extend(found.into_iter().filter(is_wanted));
        lines.sort_unstable_by_key(|line| Reverse((line.at, line.position)));
    }
    lines.truncate(most);
    Ok(lines)
}

/// The failed logins of an address before a line and that line, since a time.
pub(super) fn failed_logins(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
    most: i64,
) -> Result<Vec<Earlier>, StorageError> {
    let did = [action::FAILED_LOGIN; 2];
    let wanted = |position| position <= until.1;
    of_address(session, ip, (since, until.0), wanted, did, most)
}

/// What an address did before a line that made somebody act: failed logins and what fail2ban found.
/// Lines of one moment come from several files in any order.
pub(super) fn failures(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
) -> Result<Vec<Earlier>, StorageError> {
    let did = [action::FAILED_LOGIN, action::FOUND];
    let wanted = |position| position != until.1;
    of_address(session, ip, (since, until.0), wanted, did, CHAIN_MAX)
}

/// What an address was refused before a line.
pub(super) fn refusals(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
) -> Result<Vec<Earlier>, StorageError> {
    let did = [action::UNAUTHORIZED; 2];
    let wanted = |position| position < until.1;
    of_address(session, ip, (since, until.0), wanted, did, CHAIN_MAX)
}

/// Warnings and errors of all hosts before a line.
pub(super) fn troubles(
    session: &mut dyn Session,
    since: UnixNanos,
    until: (UnixNanos, i64),
    most: i64,
) -> Result<Vec<Earlier>, StorageError> {
    all(
        session,
        "SELECT l.position, l.at, l.action, l.user, l.service, n.name FROM log_lines l \
         INDEXED BY log_lines_bad CROSS JOIN names n ON n.id = l.source \
         WHERE l.level >= 2 AND l.at > ?1 AND l.at <= ?2 AND l.position < ?3 \
         ORDER BY l.at DESC, l.position DESC LIMIT ?4",
        values![since, until.0, until.1, most],
        earlier,
    )
}

/// The positions, oldest first, as many as a chain has.
pub(super) fn chain(lines: &[Earlier]) -> Vec<i64> {
    let most = usize::try_from(CHAIN_MAX).unwrap_or(usize::MAX);
    let newest = lines.iter().take(most);
    let mut chain: Vec<i64> = newest.map(|line| line.position).collect();
    chain.reverse();
    chain
}

/// The programs that wrote lines, each once.
pub(super) fn programs(lines: &[Earlier]) -> Vec<String> {
    let programs: BTreeSet<_> = lines.iter().map(Earlier::program).collect();
    programs.into_iter().map(ToOwned::to_owned).collect()
}

/// The names that were used, a few of them, each once.
pub(super) fn users(lines: &[Earlier]) -> String {
    /// More would hide the point.
    const SHOWN: usize = 3;
    let users: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.user.as_deref())
        .collect();
    let shown: Vec<_> = users.iter().take(SHOWN).copied().collect();
    match users.len() {
        0 => String::new(),
        count if count > SHOWN => {
            format!(" as {} and {} more", shown.join(", "), count - SHOWN)
        }
        _ => format!(" as {}", shown.join(", ")),
    }
}
