//! The control socket: how a verb reaches the daemon that holds the data folder.
//!
//! `DIR/nightjar.sock`, mode 0600. One JSON line asks, one JSON line answers:
//! `{"ask":"status"}`, `{"ask":"rebuild"}`, `{"ask":"replay"}` followed by the lines of a fixture
//! stream and the end of input, `{"ask":"decide"}` followed by one [`Decision`] a line,
//! `{"ask":"retention"}` followed by one [`Order`], `{"ask":"arm"}` followed by one [`ArmOrder`],
//! `{"ask":"forget"}` followed by a profile's number, `{"ask":"change"}` followed by one
//! [`StateChange`]. An answer is `{"ok":…}` or `{"error":"…"}`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::pin_desk::PinDesk;
use super::recordings::retention::{Desk, Order};
use super::replay::{Direct, parse_line};
use crate::base::clock::UnixNanos;
use crate::base::shutdown::Shutdown;
use crate::event::house::{ArmMode, ArmRequested, PinVerdict};
use crate::event::{Event, Kind, NewEvent};
use crate::writer::{Receipt, StateChange};

/// Name of the socket in the data folder.
pub const SOCKET: &str = "nightjar.sock";
/// Longest line that is read, bytes.
const MAX_LINE_BYTES: u64 = 24 * 1024 * 1024;
/// A client that says nothing for so long is dropped, since clients are served one at a time.
const SILENCE: Duration = Duration::from_secs(30);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Ask {
    /// The daemon's own account of itself.
    Status,
    /// Rebuild every projection.
    Rebuild,
    /// Take a fixture stream, whose lines follow.
    Replay,
    /// Store what a person decided, one [`Decision`] a line.
    Decide,
    /// Make recordings go; one [`Order`] follows.
    Retention,
    /// Arm or disarm; one [`ArmOrder`] follows.
    Arm,
    /// Forget a person; the number of the profile follows.
    Forget,
    /// Change a table that is no projection; one [`StateChange`] follows.
    Change,
}

/// A person's wish to arm or disarm, from the box itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmOrder {
    /// The mode.
    pub mode: ArmMode,
    /// The PIN as typed; it ends at the desk.
    pub pin: Option<Zeroizing<String>>,
    /// Who.
    pub by: String,
}

impl ArmOrder {
    /// The request as an event, its PIN looked at. Where no PIN is configured, whoever may write to
    /// the data folder may arm and disarm.
    pub fn request(self, desk: &PinDesk, now: UnixNanos) -> NewEvent {
        let pin_given = self.pin.is_some();
        let verdict = if desk.has_pin() {
            desk.verdict_at_box(self.pin.as_deref().map(String::as_str), now)
        } else {
            PinVerdict::Trusted
        };
        let request = ArmRequested {
            mode: self.mode,
            pin_given,
            pin: Some(verdict),
            queued: false,
            triggered_by: self.by,
            extra: crate::event::Extra::new(),
        };
        NewEvent::own(now, "arm/system", request).from_source("cli/arm")
    }
}

/// Kinds of events that a person's decision makes; a client cannot store any others.
const DECISIONS: &[Kind] = &[
    Kind::RecordingStarred,
    Kind::RecordingHeld,
    Kind::RecordingChecked,
    Kind::RecordingResealed,
    Kind::VaultKeyRotated,
    Kind::EventAcknowledged,
    Kind::TimelapseScheduled,
    Kind::TimelapseUnscheduled,
    // Pets.
    Kind::PetRegistered,
    Kind::PetRemoved,
    Kind::SightingLabelled,
    Kind::SightingUnlabelled,
    Kind::PetImageStaged,
    Kind::PetImagesUsed,
    Kind::PetRuleSet,
    Kind::PetRuleRemoved,
    Kind::RetentionApplied,
    // People, parcels.
    Kind::FaceProfileEdited,
    Kind::FaceProfilesMerged,
    Kind::PackageCollected,
    // Addresses.
    Kind::IpListed,
    // Alerts.
    Kind::AlertAcknowledged,
    Kind::AlertJudged,
    Kind::AlertSnoozed,
];

/// Something that a person decided, or found out by a verb, on its way to the daemon's writer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    stream: String,
    kind: String,
    /// The body as stored, base64.
    body: String,
    text: Option<String>,
}

impl Decision {
    /// As it travels.
    pub fn of(event: &NewEvent) -> Self {
        Self {
            stream: event.stream.clone(),
            kind: event.event.kind().name().to_owned(),
            body: BASE64.encode(event.event.encode()),
            text: event.text.clone(),
        }
    }

    /// The event, as of `now`; the error is for people.
    fn event(self, now: UnixNanos) -> Result<NewEvent, String> {
        let kind = Kind::from_name(&self.kind)
            .filter(|kind| DECISIONS.contains(kind))
            .ok_or_else(|| format!("{} is nothing that a person decides", self.kind))?;
        let body = BASE64.decode(&self.body).map_err(|e| e.to_string())?;
        let event = Event::decode(kind, kind.version(), &body).map_err(|e| e.to_string())?;
        let new = NewEvent::own(now, self.stream, event);
        Ok(match self.text {
            Some(text) => new.with_text(text),
            None => new,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(serde_json::Value),
    Error(String),
}

/// The daemon cannot be asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The path is too long for a socket, or something is in the way.
    #[error("control socket {path}: {reason}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The daemon said no.
    #[error("{0}")]
    Refused(String),
}

fn socket_error(path: &Path, error: &std::io::Error) -> ControlError {
    ControlError::Socket {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Opens the socket of a data folder whose lock is held: one that a killed daemon left is replaced.
pub fn listen(folder: &Path) -> Result<UnixListener, ControlError> {
    let path = folder.join(SOCKET);
    let error = |error: std::io::Error| socket_error(&path, &error);
    match std::fs::remove_file(&path) {
        Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {}
        outcome => outcome.map_err(error)?,
    }
    let listener = UnixListener::bind(&path).map_err(error)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(error)?;
    Ok(listener)
}

/// Serves one client after the other until the shutdown is signalled and [`wake`] called.
pub fn serve(
    listener: &UnixListener,
    direct: &Direct,
    desk: Option<&Desk>,
    status: &dyn Fn() -> serde_json::Value,
    shutdown: &Shutdown,
) {
    for client in listener.incoming() {
        if shutdown.is_stopped() {
            return;
        }
        let Ok(client) = client else { continue };
        if let Err(error) = answer(&client, direct, desk, status) {
            tracing::debug!(%error, "control client went away");
        }
    }
}

/// Makes [`serve`] look at the shutdown signal.
pub fn wake(folder: &Path) {
    // A refused connection means that nobody serves any more.
    let _ = UnixStream::connect(folder.join(SOCKET));
}

fn answer(
    client: &UnixStream,
    direct: &Direct,
    desk: Option<&Desk>,
    status: &dyn Fn() -> serde_json::Value,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    client.set_write_timeout(Some(SILENCE))?;
    let mut lines = BufReader::with_capacity(256 * 1024, client);
    let answer = match read_line(&mut lines)? {
        None => return Ok(()),
        Some(line) => match serde_json::from_str(&line) {
            Ok(Ask::Status) => Ok(status()),
            Ok(Ask::Rebuild) => direct
                .writer
                .rebuild()
                .map(|events| serde_json::json!({ "events": events }))
                .map_err(|error| error.to_string()),
            Ok(Ask::Replay) => replay(&mut lines, direct)?,
            Ok(Ask::Decide) => decide(&mut lines, direct)?,
            Ok(Ask::Retention) => order(&mut lines, desk)?,
            Ok(Ask::Arm) => arm(&mut lines, direct)?,
            Ok(Ask::Forget) => forget(&mut lines, direct)?,
            Ok(Ask::Change) => change(&mut lines, direct)?,
            Err(error) => Err(format!("not a question: {error}")),
        },
    };
    let answer = answer.map_or_else(Answer::Error, Answer::Ok);
    let mut line = serde_json::to_vec(&answer).map_err(std::io::Error::other)?;
    line.push(b'\n');
    let mut client = client;
    client.write_all(&line)
}

fn replay(
    lines: &mut impl BufRead,
    direct: &Direct,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let before = direct.writer.head();
    let mut messages = 0_u64;
    while let Some(line) = read_line(lines)? {
        if line.trim().is_empty() {
            continue;
        }
        messages += 1;
        let submitted = parse_line(&line)
            .and_then(|message| direct.submit(message).map_err(|error| error.to_string()));
        if let Err(error) = submitted {
            return Ok(Err(format!("line {messages}: {error}")));
        }
    }
    Ok(direct
        .writer
        .barrier()
        .map(|()| {
            let events = direct.writer.head() - before;
            serde_json::json!({ "messages": messages, "events": events })
        })
        .map_err(|error| error.to_string()))
}

fn decide(
    lines: &mut impl BufRead,
    direct: &Direct,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let mut events = Vec::new();
    while let Some(line) = read_line(lines)? {
        let decision = serde_json::from_str::<Decision>(&line).map_err(|e| e.to_string());
        match decision.and_then(|decision| decision.event(direct.clock.now())) {
            Ok(event) => events.push(event),
            Err(error) => return Ok(Err(format!("not a decision: {error}"))),
        }
    }
    let count = events.len();
    Ok(direct
        .writer
        .store(events)
        .map(|_| serde_json::json!({ "events": count }))
        .map_err(|error| error.to_string()))
}

fn order(
    lines: &mut impl BufRead,
    desk: Option<&Desk>,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let Some(desk) = desk else {
        return Ok(Err("this daemon does not watch recordings".into()));
    };
    let line = read_line(lines)?.unwrap_or_default();
    Ok(serde_json::from_str::<Order>(&line)
        .map_err(|error| format!("not an order: {error}"))
        .and_then(|order| desk.ask(order))
        .and_then(|report| serde_json::to_value(report).map_err(|error| error.to_string())))
}

/// Answers with the position of the request; what came of it stands in the tables.
fn arm(
    lines: &mut impl BufRead,
    direct: &Direct,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let line = Zeroizing::new(read_line(lines)?.unwrap_or_default());
    // The reason would quote what was typed.
    let Ok(order) = serde_json::from_str::<ArmOrder>(&line) else {
        return Ok(Err("not an order to arm or disarm".into()));
    };
    let request = order.request(&direct.pins, direct.clock.now());
    Ok(match direct.writer.store(vec![request]) {
        Ok(Receipt::Stored(positions)) => Ok(serde_json::json!({ "position": positions.first() })),
        Ok(Receipt::Duplicate(position)) => Ok(serde_json::json!({ "position": position })),
        Err(error) => Err(error.to_string()),
    })
}

fn forget(
    lines: &mut impl BufRead,
    direct: &Direct,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let line = read_line(lines)?.unwrap_or_default();
    let Ok(profile) = line.trim().parse() else {
        return Ok(Err("not the number of a person".into()));
    };
    Ok(direct
        .writer
        .forget(profile)
        .map_err(|error| error.to_string())
        .and_then(std::convert::identity)
        .and_then(|done| serde_json::to_value(done).map_err(|error| error.to_string())))
}

fn change(
    lines: &mut impl BufRead,
    direct: &Direct,
) -> std::io::Result<Result<serde_json::Value, String>> {
    let line = Zeroizing::new(read_line(lines)?.unwrap_or_default());
    // The reason would quote what may be a secret.
    let Ok(change) = serde_json::from_str::<StateChange>(&line) else {
        return Ok(Err("not a change of a table".into()));
    };
    Ok(direct
        .writer
        .change(change)
        .map(|row| serde_json::json!({ "row": row }))
        .map_err(|error| error.to_string()))
}

fn read_line(lines: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = lines.take(MAX_LINE_BYTES).read_line(&mut line)?;
    Ok((read > 0).then_some(line))
}

/// Asks the daemon of a folder; `more` are lines that follow the question. None when no daemon
/// listens there.
pub fn ask(
    folder: &Path,
    ask: Ask,
    more: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Option<serde_json::Value>, ControlError> {
    let path = folder.join(SOCKET);
    let error = |error: std::io::Error| socket_error(&path, &error);
    let client = match UnixStream::connect(&path) {
        Ok(client) => client,
        Err(gone)
            if matches!(
                gone.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(other) => return Err(error(other)),
    };
    let mut out = std::io::BufWriter::with_capacity(256 * 1024, &client);
    let question = serde_json::to_string(&ask).map_err(|wrong| error(wrong.into()))?;
    writeln!(out, "{question}").map_err(error)?;
    // A daemon that has heard enough answers and closes; the answer says why.
    let sent = more(&mut out).and_then(|()| out.flush());
    drop(out);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let line = read_line(&mut BufReader::new(&client)).map_err(error)?;
    match line.map(|line| serde_json::from_str::<Answer>(&line)) {
        Some(Ok(Answer::Ok(value))) => Ok(Some(value)),
        Some(Ok(Answer::Error(reason))) => Err(ControlError::Refused(reason)),
        Some(Err(wrong)) => Err(error(wrong.into())),
        None => Err(error(sent.err().unwrap_or_else(|| {
            std::io::Error::other("the daemon closed the connection without an answer")
        }))),
    }
}
