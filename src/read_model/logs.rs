//! Log lines by time, source and level, with what was found in them, the templates of lines and of
//! messages that nobody understands, and the traces of the notable lines. The line itself stays in the event log.
//!
//! Traces go with their lines, so that both are one projection: a rebuild of one alone would take
//! the other along. A retained line repeats an old one at every connect, and is not shown again.

mod templates;
mod traces;

use std::collections::BTreeMap;

use super::search_index::search_index;
use super::view::columns;
use super::{Projection, SearchIndex, View, table};
use crate::event::system::LogWritten;
use crate::event::{Envelope, Event, Kind};
use crate::storage::{Session, StorageError};
use crate::values;
use templates::Miner;

pub(super) const PROJECTION: Projection = Projection {
    name: "logs",
    version: 4,
    tables: &[
        table!("templates" by "template_id"),
        table!("log_lines" by "position", aging by "at" for 30).searched_by(&WORDS),
        table!("traces" by "id", aging by "at" for 30),
        table!("trace_processes" by "trace_id, number"),
        table!("trace_connections" by "trace_id, number"),
        table!("trace_errors" by "trace_id"),
    ],
    kinds: Some(&[
        Kind::LogWritten,
        Kind::MessageUnmapped,
        Kind::TraceRecorded,
        Kind::TraceSnapshotTaken,
    ]),
    fold,
};

/// The words of lines.
pub const WORDS: SearchIndex = search_index!(
    "log_lines_fts" words "log_lines_words" of "log_messages" by "at" in "log_lines"
);

fn fold(session: &mut dyn Session, batch: &[Envelope]) -> Result<(), StorageError> {
    let mut miner = Miner::default();
    for event in batch.iter().filter(|event| !event.is_snapshot()) {
        match &event.event {
            Event::LogWritten(line) => {
                let template = miner.template_of(session, event, event.text())?;
                insert(session, event, line, template)?;
                WORDS.insert(session, event.position, event.text())?;
            }
            // Nobody has told what these messages mean; what kinds of them there are tells a little.
            Event::MessageUnmapped(message) => {
                if let Ok(text) = str::from_utf8(&message.payload) {
                    miner.template_of(session, event, text)?;
                }
            }
            Event::TraceRecorded(trace) => traces::record(session, event, trace)?,
            Event::TraceSnapshotTaken(taken) => traces::snapshot(session, event, taken)?,
            _ => {}
        }
    }
    miner.store(session)
}

fn insert(
    session: &mut dyn Session,
    event: &Envelope,
    line: &LogWritten,
    template: Option<i64>,
) -> Result<(), StorageError> {
    let ip = line.ip().map(|ip| ip.to_string());
    session.write(
        "INSERT INTO log_lines (position, at, level, source, ip, user, service, action, metadata, \
         template_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values![
            event.position,
            event.occurred_at,
            line.level as i64,
            event.stream.id,
            ip.as_deref(),
            line.field(LogWritten::USER),
            line.field(LogWritten::SERVICE),
            line.action(),
            metadata(line, ip.is_some()).as_deref(),
            template
        ],
    )
}

/// All fields that have no column, as JSON; an address that is none has no column.
fn metadata(line: &LogWritten, has_ip: bool) -> Option<String> {
    let has_column = |name: &str| match name {
        LogWritten::IP => has_ip,
        LogWritten::USER | LogWritten::SERVICE | LogWritten::ACTION => line.field(name).is_some(),
        _ => false,
    };
    let rest: BTreeMap<_, _> = line
        .fields
        .iter()
        .filter(|(name, _)| !has_column(name))
        .collect();
    (!rest.is_empty()).then(|| json(&rest))
}

/// What a column of JSON holds.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data is JSON")
}

pub(super) const VIEWS: &[View] = &[
    View {
        name: "log_events",
        about: "log lines",
        columns: columns![
            "at" Time, "host" Text, "source" Text, "level" Text, "message" Text, "position" Number,
            "ip_address" Text, "user" Text, "service" Text, "action" Text
        ],
        sql: "SELECT at, host, source, level, message, position, ip_address, user, service, action \
              FROM log_events WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, position DESC LIMIT ?3",
    },
    templates::TEMPLATES,
    traces::TRACES,
    traces::PROCESSES,
    traces::CONNECTIONS,
    traces::ERRORS,
];
