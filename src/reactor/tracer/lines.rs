//! Earlier lines, as chains and patterns ask for them. All are asked for the newest first, so that
//! a bound cuts off what is farthest away.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::CHAIN_MAX;
use crate::base::clock::UnixNanos;
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

/// Most lines of an address that are looked at: one behind which a whole office sits has many that
/// are nothing.
const LOOKED_AT: i64 = 5_000;

/// The lines of an address since `?2` until `?3` for which `$which` holds, the newest first; of those
/// the first `?5` for which `$what` holds.
macro_rules! of_address {
    ($which:literal, $what:literal) => {
        concat!(
            "SELECT l.position, l.at, l.action, l.user, l.service, n.name FROM \
             (SELECT position, at, action, user, service, source FROM log_lines \
             INDEXED BY log_lines_by_ip WHERE ip = ?1 AND at > ?2 AND at <= ?3 AND ",
            $which,
            " ORDER BY at DESC, position DESC LIMIT ?6) l CROSS JOIN names n ON n.id = l.source \
             WHERE ",
            $what,
            " LIMIT ?5"
        )
    };
}

/// The failed logins of an address before a line and that line, since a time.
pub(super) fn failed_logins(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
    most: i64,
) -> Result<Vec<Earlier>, StorageError> {
    all(
        session,
        of_address!("position <= ?4", "l.action = 'failed_login'"),
        values![&ip.to_string(), since, until.0, until.1, most, LOOKED_AT],
        earlier,
    )
}

/// What an address did before a line that made somebody act: failed logins and what fail2ban found.
/// Lines of one moment come from several files in any order.
pub(super) fn failures(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
) -> Result<Vec<Earlier>, StorageError> {
    all(
        session,
        of_address!("position <> ?4", "l.action IN ('failed_login', 'found')"),
        values![
            &ip.to_string(),
            since,
            until.0,
            until.1,
            CHAIN_MAX,
            LOOKED_AT
        ],
        earlier,
    )
}

/// What an address was refused before a line.
pub(super) fn refusals(
    session: &mut dyn Session,
    ip: IpAddr,
    since: UnixNanos,
    until: (UnixNanos, i64),
) -> Result<Vec<Earlier>, StorageError> {
    all(
        session,
        of_address!("position < ?4", "l.action = 'unauthorized'"),
        values![
            &ip.to_string(),
            since,
            until.0,
            until.1,
            CHAIN_MAX,
            LOOKED_AT
        ],
        earlier,
    )
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
