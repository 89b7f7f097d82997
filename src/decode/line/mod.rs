//! What log lines say: when, who wrote them, how bad it is, what happened, to whom, from where.
//!
//! [`parse`] takes the envelope off a line ([`envelope`]), finds the program's table of rules in
//! [`FORMATS`], and collects what the first fitting rule finds ([`pattern`]). A line that nothing is
//! known about keeps its level and its time. Pure: the arrival and the zone come in.
//!
//! The line itself is not changed, and no field holds what the line does not. It comes here with its
//! secrets; no field holds one ([`found`]).

mod address;
mod auth;
mod django;
mod dropbear;
mod envelope;
mod fail2ban;
mod found;
mod kernel;
pub(in crate::decode) mod level;
mod mosquitto;
mod nginx;
mod pam;
mod pattern;
mod sshd;
mod stamp;
mod systemd;

use std::sync::Arc;

use found::Found;
use jiff::tz::TimeZone;

use crate::base::clock::UnixNanos;
use crate::decode::Findings;
use crate::event::system::{Level, LogWritten};
use crate::event::{Event, Extra, NewEvent};

/// Where a line comes from and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The machine that wrote it.
    pub host: &'a str,
    /// The log that it stands in: `sshd`, `auth`, `nginx/access`. A line that does not name its
    /// program is read as one of its source.
    pub source: &'a str,
    /// When it came to us.
    pub received_at: UnixNanos,
    /// The zone of the machine's clock, for times without an offset.
    pub zone: &'a TimeZone,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// When it was written, by its own clock; none if it does not say so, or is not believed.
    pub at: Option<UnixNanos>,
    /// It says a time that cannot be believed: its arrival counts.
    pub suspect: bool,
    /// How bad it is.
    pub level: Level,
    /// What was found, under the names of [`LogWritten`] and of
    /// `docs/logs.md`.
    pub fields: Extra,
}

/// Lines and messages beyond this are not looked into: what is worth a rule is short. No field is
/// longer.
const MAX_READ_BYTES: usize = 8 * 1_024;
/// The same for the access log, whose requests strangers write, and which is read in one pass.
const MAX_ACCESS_BYTES: usize = 64 * 1_024;

/// Reads the message of one program; whether it has found anything.
type Reader = for<'t> fn(&'t str, &mut Found<'t>) -> bool;

/// A program whose messages are understood.
struct Format {
    /// The service that it is; none for a form that several programs write.
    name: &'static str,
    /// What it calls itself in syslog, and what its logs are called.
    programs: &'static [&'static str],
    /// Whether a message that names no program is one of its own: it begins as no other does.
    is_own: fn(&str) -> bool,
    /// Longer messages are not looked into.
    longest: usize,
    read: Reader,
}

const fn format(name: &'static str, programs: &'static [&'static str], read: Reader) -> Format {
    Format {
        name,
        programs,
        is_own: |_| false,
        longest: MAX_READ_BYTES,
        read,
    }
}

impl Format {
    const fn known_by(mut self, is_own: fn(&str) -> bool) -> Self {
        self.is_own = is_own;
        self
    }

    const fn up_to(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }
}

/// All that is understood. The programs that write most come first.
const FORMATS: &[Format] = &[
    format(
        "sshd",
        &["sshd", "sshd-session", "sshd-auth", "ssh"],
        sshd::read,
    ),
    format("kernel", &["kernel", "kern", "dmesg"], kernel::read),
    format("systemd", &["systemd"], systemd::read),
    format("nginx", &["nginx"], nginx::read)
        .known_by(nginx::is_error)
        .up_to(MAX_ACCESS_BYTES),
    format(
        "",
        &["access", "apache2", "apache", "httpd", "lighttpd"],
        nginx::read,
    )
    .known_by(nginx::is_access)
    .up_to(MAX_ACCESS_BYTES),
    format("fail2ban", FAIL2BAN, fail2ban::read).known_by(fail2ban::is_own),
    format("dropbear", &["dropbear"], dropbear::read),
    format("mosquitto", &["mosquitto"], mosquitto::read).known_by(mosquitto::is_own),
    format("sudo", &["sudo"], auth::sudo),
    format("su", &["su", "su-l"], auth::su),
    format("login", &["login"], auth::login),
    format("systemd-logind", &["systemd-logind"], auth::logind),
    format("cron", &["CRON", "cron", "crond"], auth::cron),
    format("useradd", &["useradd", "adduser"], auth::accounts),
    format("userdel", &["userdel", "deluser"], auth::accounts),
    format("usermod", &["usermod"], auth::accounts),
    format("groupadd", &["groupadd"], auth::accounts),
    format("django", &["django", "gunicorn"], django::read).known_by(django::is_own),
];

const FAIL2BAN: &[&str] = &[
    "fail2ban",
    "fail2ban-server",
    "fail2ban.actions",
    "fail2ban.filter",
    "fail2ban.jail",
    "fail2ban.server",
];

/// What one line of a log says, as an event on the stream `log/<host>/<source>`: a line of text, a
/// JSON object with a message, or a journald entry, as on the topic `log/{host}/{source}`. The line
/// end is taken off, secrets are masked, bytes that are no UTF-8 replaced and told in a field; the
/// fields of `more` are added. Fails for a line over [`MAX_PARSED_BYTES`](super::MAX_PARSED_BYTES)
/// and for a journald entry whose message is neither text nor bytes, and says which.
pub fn event(bytes: &[u8], more: Extra, context: &Context<'_>) -> Result<NewEvent, String> {
    let mut draft =
        super::native::log_line(bytes, context, &mut Findings::default()).map_err(|why| why.0)?;
    if let Event::LogWritten(written) = &mut draft.event {
        Arc::make_mut(&mut written.fields).extend(more);
    }
    Ok(super::event(draft, None, context.received_at))
}

/// Reads a line as it was written, with its secrets; what is found has none.
pub fn parse(line: &str, context: &Context<'_>) -> Parsed {
    let mut found = Found::nothing_in(line);
    let short = &line[..line.floor_char_boundary(MAX_READ_BYTES)];
    let writer = envelope::open(short, &mut found);
    if let Some(host) = writer.host.filter(|host| *host != context.host) {
        found.text("hostname", host);
    }
    if let Some(pid) = writer.pid {
        found.number("pid", pid);
    }
    found.message = &line[short.len() - found.message.len()..];
    read_message(writer.program, context.source, &mut found);
    finish(found, context)
}

/// Reads the message of a program that told its level and its time beside it, as in the journal.
pub(in crate::decode) fn parse_message(
    message: &str,
    program: Option<&str>,
    told: Option<Level>,
    context: &Context<'_>,
) -> Parsed {
    let mut found = Found::nothing_in(message);
    found.told = told;
    read_message(program, context.source, &mut found);
    finish(found, context)
}

/// systemd names the unit beside its message, which before version 249 does not.
pub(in crate::decode) fn about_unit(parsed: &mut Parsed, unit: &str) {
    let tells = parsed.fields.contains_key(LogWritten::ACTION);
    if let Some(service) = systemd::service_of(unit).filter(|_| tells) {
        let name = LogWritten::SERVICE.to_owned();
        let service = super::redacted(service);
        parsed.fields.insert(name, service.into());
    }
}

fn read_message<'t>(program: Option<&'t str>, source: &str, found: &mut Found<'t>) {
    let mut message = found.message.trim_end();
    if let Some((count, inner)) = repeated(message) {
        found.number(LogWritten::COUNT, count);
        message = inner;
    }
    if program.is_some() {
        message = envelope::without_time(message);
    }
    let format = match program {
        Some(program) => of_program(program),
        None => of_message(message).or_else(|| of_source(source)),
    };
    let of_form = format.map(|format| format.name);
    // A form that several programs write says by its source whose it is.
    let name = match of_form {
        Some("") => of_source(source)
            .map(|format| format.name)
            .filter(|name| !name.is_empty()),
        name => name,
    };
    if let Some(service) = name.or(program) {
        found.service(service);
    }
    if pam::is_own(message) {
        if message.len() <= MAX_READ_BYTES {
            pam::read(message, found);
        }
    } else if let Some(format) = format.filter(|format| message.len() <= format.longest) {
        (format.read)(message, found);
    }
}

/// `message repeated 5 times: [ Failed password for … ]`, as rsyslog sums lines up.
fn repeated(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("message repeated ")?;
    let (count, rest) = rest.split_once(" times: [ ")?;
    Some((count, rest.strip_suffix(']')?.trim_end()))
}

fn of_program(program: &str) -> Option<&'static Format> {
    FORMATS
        .iter()
        .find(|format| format.programs.contains(&program))
}

fn of_message(message: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.is_own)(message))
}

/// `nginx/access.log` is a log of nginx.
fn of_source(source: &str) -> Option<&'static Format> {
    of_program(source).or_else(|| source.split(['/', '.', '_']).find_map(of_program))
}

fn finish(found: Found<'_>, context: &Context<'_>) -> Parsed {
    let at = found
        .stamp
        .and_then(|stamp| stamp.claim(context).credible(context.received_at));
    Parsed {
        at,
        suspect: found.stamp.is_some() && at.is_none(),
        level: found
            .level
            .or(found.told)
            .unwrap_or_else(|| level::guessed(found.message)),
        fields: found.fields,
    }
}

#[cfg(test)]
mod tests;
