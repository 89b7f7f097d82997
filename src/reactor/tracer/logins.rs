//! Failed logins, and what follows from them.

use core::net::IpAddr;
use std::collections::{BTreeSet, HashMap};

use super::lines::{self, Earlier};
use super::{
    IPS_MAX, Notable, PATTERN_COOLDOWN_NS, TRACE_COOLDOWN_NS, detected, growth, is_traced, owned,
    span, took, traced,
};
use crate::base::clock::{DAY_NS, HOUR_NS, SECOND_NS, UnixNanos};
use crate::event::system::LogWritten;
use crate::event::trace::{PatternDetected, PatternType, TraceRecorded, Trigger};
use crate::event::{NewEvent, action};
use crate::reactor::{Reaction, Scene, severity};
use crate::storage::{StorageError, all, first};
use crate::values;

/// So many failed logins are no slip any more.
pub(super) const MANY: i64 = 5;
/// Within so long they are a burst.
const BURST_NS: i64 = 300 * SECOND_NS;
/// Within so long they are counted together.
const BRUTE_FORCE_NS: i64 = HOUR_NS;
/// Most failed logins that are counted.
pub(super) const COUNTED_MAX: i64 = 1_000;
/// Most failed logins with a name that are looked through for an address.
const LATELY: i64 = 200;
/// So many different names of one address, or addresses of one name, are a sweep …
const SWEEP: usize = 5;
/// … within so long.
const SWEEP_NS: i64 = 600 * SECOND_NS;
/// What led to a ban is at most so old.
const BAN_LEAD_NS: i64 = DAY_NS;

/// What is known of the address of a failed login, and of the name. The times are those of the
/// trace or pattern that is nearest in the past or the future and keeps a further one from being made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    is_whitelisted: bool,
    pub(super) failed_logins: i64,
    burst_at: Option<UnixNanos>,
    pub(super) brute_force: Option<BruteForce>,
    sweep_at: Option<UnixNanos>,
}

/// A brute force that was detected.
#[derive(Clone, Copy, Debug)]
pub(super) struct BruteForce {
    pub(super) id: i64,
    pub(super) event_count: i64,
    pub(super) started_at: UnixNanos,
    ended_at: UnixNanos,
}

/// What failed logins of this batch have asked for already. Traces and patterns that are made
/// meanwhile only add to it, and who makes one forgets what is known of the address.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Memo {
    addresses: HashMap<IpAddr, Known>,
    /// When a sweep for a name was detected.
    users: HashMap<String, UnixNanos>,
}

/// Whether a time is so near that nothing is to be told again.
fn is_near(told: Option<UnixNanos>, at: UnixNanos, span_ns: i64) -> bool {
    told.is_some_and(|told| told > at.saturating_sub(span_ns) && told < at.saturating_add(span_ns))
}

impl Known {
    fn burst_traced(&self, at: UnixNanos) -> bool {
        is_near(self.burst_at, at, BURST_NS)
    }

    pub(super) fn brute_force_detected(&self, at: UnixNanos) -> bool {
        let ended_at = self.brute_force.map(|found| found.ended_at);
        is_near(ended_at, at, PATTERN_COOLDOWN_NS)
    }

    fn sweep_detected(&self, at: UnixNanos) -> bool {
        is_near(self.sweep_at, at, PATTERN_COOLDOWN_NS)
    }

    /// Whether nothing else can be learned from the tables at this time.
    fn suffices(&self, at: UnixNanos) -> bool {
        self.is_whitelisted
            || self.failed_logins < MANY
            || (self.burst_traced(at) && self.brute_force_detected(at) && self.sweep_detected(at))
    }
}

/// What follows from a failed login.
pub(super) fn failed(scene: &mut Scene<'_>, notable: &Notable<'_>) -> Reaction {
    let Some(ip) = notable.ip else {
        return Ok(Vec::new());
    };
    let at = notable.at;
    let user = notable.line.field(LogWritten::USER);
    let known = known(scene, ip, at)?;
    if known.is_whitelisted {
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    let is_many = known.failed_logins >= MANY;
    if is_many && !(known.burst_traced(at) && known.brute_force_detected(at)) {
        made.extend(repeated(scene, notable, ip, &known)?);
    }
    made.extend(growth::grown(scene, notable, ip, &known)?);
    if let Some(user) = user {
        let asks_names = is_many && !known.sweep_detected(at);
        let asks_addresses = !user_sweep_detected(scene, user, at)?;
        if (asks_names || asks_addresses) && is_first(scene, notable, ip, user)? {
            if asks_names {
                made.extend(names_of(scene, notable, ip)?);
            }
            if asks_addresses {
                made.extend(addresses_of(scene, notable, user)?);
            }
        }
    }
    if !made.is_empty() {
        scene.memo.logins.addresses.remove(&ip);
    }
    Ok(made)
}

/// All that a failed login has to know of its address before it is looked into, in one statement.
fn known(scene: &mut Scene<'_>, ip: IpAddr, at: UnixNanos) -> Result<Known, StorageError> {
    if let Some(known) = scene.memo.logins.addresses.get(&ip)
        && known.suffices(at)
    {
        return Ok(*known);
    }
    let known = first(
        scene.session,
        "SELECT r.is_whitelisted, r.failed_logins, \
         (SELECT at FROM traces WHERE trigger = 'failed_login_burst' AND subject = ?1 \
          AND at > ?2 AND at < ?3 LIMIT 1), \
         b.id, b.event_count, b.started_at, b.ended_at, \
         (SELECT ended_at FROM patterns WHERE pattern_type = 'ip_sweep' AND subject = ?1 \
          AND ended_at > ?4 AND ended_at < ?5 LIMIT 1) \
         FROM ip_reputations r LEFT JOIN patterns b ON b.id = (SELECT id FROM patterns \
         WHERE pattern_type = 'brute_force' AND subject = ?1 \
         AND ended_at > ?4 AND ended_at < ?5 LIMIT 1) WHERE r.ip = ?1",
        values![
            &ip.to_string(),
            at.saturating_sub(BURST_NS),
            at.saturating_add(BURST_NS),
            at.saturating_sub(PATTERN_COOLDOWN_NS),
            at.saturating_add(PATTERN_COOLDOWN_NS)
        ],
        |row| {
            let brute_force = |id| {
                Ok::<_, StorageError>(BruteForce {
                    id,
                    event_count: row.int(4)?,
                    started_at: row.int(5)?,
                    ended_at: row.int(6)?,
                })
            };
            Ok(Known {
                is_whitelisted: row.int(0)? != 0,
                failed_logins: row.int(1)?,
                burst_at: row.opt_int(2)?,
                brute_force: row.opt_int(3)?.map(brute_force).transpose()?,
                sweep_at: row.opt_int(7)?,
            })
        },
    )?
    .unwrap_or_default();
    scene.memo.logins.addresses.insert(ip, known);
    Ok(known)
}

fn user_sweep_detected(
    scene: &mut Scene<'_>,
    user: &str,
    at: UnixNanos,
) -> Result<bool, StorageError> {
    let remembered = scene.memo.logins.users.get(user).copied();
    if is_near(remembered, at, PATTERN_COOLDOWN_NS) {
        return Ok(true);
    }
    let found = first(
        scene.session,
        "SELECT ended_at FROM patterns WHERE pattern_type = 'ip_sweep' AND subject = ?1 \
         AND ended_at > ?2 AND ended_at < ?3 LIMIT 1",
        values![
            &subject_of_user(user),
            at.saturating_sub(PATTERN_COOLDOWN_NS),
            at.saturating_add(PATTERN_COOLDOWN_NS)
        ],
        |row| row.int(0),
    )?;
    if let Some(detected_at) = found {
        scene.memo.logins.users.insert(user.to_owned(), detected_at);
    }
    Ok(found.is_some())
}

/// A name that may look like an address.
pub(super) fn subject_of_user(user: &str) -> String {
    format!("user/{user}")
}

/// Many failed logins of one address: a burst and a brute force.
fn repeated(scene: &mut Scene<'_>, notable: &Notable<'_>, ip: IpAddr, known: &Known) -> Reaction {
    let until = (notable.at, notable.event.position);
    let at = notable.at;
    let lead = if known.brute_force_detected(at) {
        BURST_NS
    } else {
        BRUTE_FORCE_NS
    };
    let since = at.saturating_sub(lead);
    let newest = lines::failed_logins(scene.session, ip, since, until, MANY)?;
    if (newest.len() as i64) < MANY {
        return Ok(Vec::new());
    }
    let all = lines::failed_logins(scene.session, ip, since, until, COUNTED_MAX)?;
    let mut made = Vec::new();
    let burst_since = at.saturating_sub(BURST_NS);
    if !known.burst_traced(at) && newest.iter().all(|line| line.at >= burst_since) {
        let in_burst = all.iter().take_while(|line| line.at >= burst_since).count();
        made.push(burst(scene, notable, ip, &all[..in_burst]));
    }
    if !known.brute_force_detected(at) {
        made.push(brute_force(scene, notable, ip, &all));
    }
    Ok(made)
}

fn burst(scene: &Scene<'_>, notable: &Notable<'_>, ip: IpAddr, lines: &[Earlier]) -> NewEvent {
    let before: &[Earlier] = lines.get(1..).unwrap_or_default();
    let said = format!(
        "{} failed logins from {ip} within {}{}",
        lines.len(),
        span(took(notable, lines)),
        lines::users(lines)
    );
    let trace = TraceRecorded {
        chain: lines::chain(before),
        related_services: lines::programs(before),
        root_cause: Some(said.clone()),
        ..notable.trace(Trigger::FailedLoginBurst, ip.to_string())
    };
    traced(scene, notable.event, trace, said)
}

fn brute_force(
    scene: &Scene<'_>,
    notable: &Notable<'_>,
    ip: IpAddr,
    lines: &[Earlier],
) -> NewEvent {
    let text = attempted(notable, ip, lines);
    let found = attempts(notable, ip, lines);
    detected(scene, notable, attacked(notable), found, text)
}

pub(super) fn attempted(notable: &Notable<'_>, ip: IpAddr, lines: &[Earlier]) -> String {
    format!(
        "{} logins from {ip} failed within {}{}",
        lines.len(),
        span(took(notable, lines)),
        lines::users(lines)
    )
}

pub(super) fn attempts(notable: &Notable<'_>, ip: IpAddr, lines: &[Earlier]) -> PatternDetected {
    let took = took(notable, lines);
    let event_count = lines.len() as i64;
    PatternDetected {
        pattern: PatternType::BruteForce,
        subject: ip.to_string(),
        name: format!("Brute force from {ip}"),
        services: lines::programs(lines),
        ips: vec![ip],
        event_count,
        severity: severity::of_brute_force(event_count, took),
        started_at: notable.at.saturating_sub(took),
        ended_at: notable.at,
        root_cause: Some("Somebody, or a program with an old password, tries passwords".into()),
        grown_from: None,
        recommendations: owned(&[
            "Block the address if it is none of yours",
            "Allow keys only, no passwords",
        ]),
    }
}

/// The source of an attack is the host: people are told that it is attacked, not once for each of a
/// thousand attackers.
pub(super) fn attacked(notable: &Notable<'_>) -> String {
    format!("host/{}", notable.line.host)
}

/// Whether the address used the name for the first time lately; only then can there be more names of
/// the address, or addresses of the name, than before.
fn is_first(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
    ip: IpAddr,
    user: &str,
) -> Result<bool, StorageError> {
    let before = first(
        scene.session,
        "SELECT 1 FROM (SELECT ip FROM log_lines INDEXED BY log_lines_failed_users \
         WHERE action = 'failed_login' AND user = ?1 AND at > ?2 AND at <= ?3 \
         AND position < ?5 ORDER BY at DESC LIMIT ?6) WHERE ip = ?4 LIMIT 1",
        values![
            user,
            notable.at.saturating_sub(SWEEP_NS),
            notable.at,
            &ip.to_string(),
            notable.event.position,
            LATELY
        ],
        |_| Ok(()),
    )?;
    Ok(before.is_none())
}

/// One address tries many names.
fn names_of(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
    ip: IpAddr,
) -> Result<Option<NewEvent>, StorageError> {
    let until = (notable.at, notable.event.position);
    let since = notable.at.saturating_sub(SWEEP_NS);
    let lines = lines::failed_logins(scene.session, ip, since, until, COUNTED_MAX)?;
    let users: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.user.as_deref())
        .collect();
    if users.len() < SWEEP {
        return Ok(None);
    }
    let took = took(notable, &lines);
    let text = format!(
        "{ip} tried {} names within {}{}",
        users.len(),
        span(took),
        lines::users(&lines)
    );
    let found = PatternDetected {
        pattern: PatternType::IpSweep,
        subject: ip.to_string(),
        name: format!("Sweep over names from {ip}"),
        services: lines::programs(&lines),
        ips: vec![ip],
        event_count: lines.len() as i64,
        severity: severity::of_sweep(users.len() as i64),
        started_at: notable.at.saturating_sub(took),
        ended_at: notable.at,
        root_cause: Some("Somebody looks for names that exist".into()),
        grown_from: None,
        recommendations: owned(&[
            "Block the address",
            "Let only named users log in (`AllowUsers` of sshd)",
        ]),
    };
    Ok(Some(detected(
        scene,
        notable,
        attacked(notable),
        found,
        text,
    )))
}

/// Many addresses try one name.
fn addresses_of(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
    user: &str,
) -> Result<Option<NewEvent>, StorageError> {
    let tries = all(
        scene.session,
        "SELECT at, ip FROM log_lines INDEXED BY log_lines_failed_users \
         WHERE action = 'failed_login' AND user = ?1 AND at > ?2 AND at <= ?3 AND position <= ?4 \
         AND ip IS NOT NULL ORDER BY at DESC LIMIT ?5",
        values![
            user,
            notable.at.saturating_sub(SWEEP_NS),
            notable.at,
            notable.event.position,
            COUNTED_MAX
        ],
        |row| Ok((row.int(0)?, row.text(1)?.to_owned())),
    )?;
    let ips: BTreeSet<IpAddr> = tries.iter().filter_map(|(_, ip)| ip.parse().ok()).collect();
    if ips.len() < SWEEP {
        return Ok(None);
    }
    let started_at = tries.last().map_or(notable.at, |(at, _)| *at);
    let took = notable.at.saturating_sub(started_at);
    let text = format!(
        "{} addresses tried to log in as {user} within {}",
        ips.len(),
        span(took)
    );
    let found = PatternDetected {
        pattern: PatternType::IpSweep,
        subject: subject_of_user(user),
        name: format!("Sweep of addresses for {user}"),
        services: vec![notable.line.program().to_owned()],
        event_count: tries.len() as i64,
        severity: severity::of_sweep(ips.len() as i64),
        ips: ips.into_iter().take(IPS_MAX).collect(),
        started_at,
        ended_at: notable.at,
        root_cause: Some("Many computers together try one name".into()),
        grown_from: None,
        recommendations: owned(&[
            "Allow keys only, no passwords",
            "Let the service listen where only your own networks reach it",
        ]),
    };
    Ok(Some(detected(
        scene,
        notable,
        attacked(notable),
        found,
        text,
    )))
}

/// An address was banned, because of what it did before.
pub(super) fn banned(
    scene: &mut Scene<'_>,
    notable: &Notable<'_>,
) -> Result<Option<NewEvent>, StorageError> {
    let Some(ip) = notable.ip else {
        return Ok(None);
    };
    let subject = ip.to_string();
    let at = notable.at;
    if is_traced(scene.session, Trigger::Ban, &subject, at, TRACE_COOLDOWN_NS)? {
        return Ok(None);
    }
    let until = (at, notable.event.position);
    let since = at.saturating_sub(BAN_LEAD_NS);
    let lines = lines::failures(scene.session, ip, since, until)?;
    let trace = TraceRecorded {
        chain: lines::chain(&lines),
        related_services: lines::programs(&lines),
        root_cause: why_banned(notable, ip, &lines),
        ..notable.trace(Trigger::Ban, subject)
    };
    let text = format!("{ip} was banned on {}", notable.line.host);
    Ok(Some(traced(scene, notable.event, trace, text)))
}

fn why_banned(notable: &Notable<'_>, ip: IpAddr, lines: &[Earlier]) -> Option<String> {
    let is_login = |line: &&Earlier| line.action == action::FAILED_LOGIN;
    let logins = lines.iter().filter(is_login).count();
    let within = span(took(notable, lines));
    let users = lines::users(lines);
    match (logins, lines.len()) {
        (_, 0) => None,
        (0, found) => Some(format!(
            "{found} failures of {ip} were found within {within}"
        )),
        (1, _) => Some(format!("A login from {ip} failed{users}")),
        _ => Some(format!(
            "{logins} logins from {ip} failed within {within}{users}"
        )),
    }
}
