//! Traces with what belongs to each: processes, connections, the error.
//!
//! A trace of a line that the table has let go is let go with it, and so is a late snapshot of a
//! trace that is gone: nothing here names what is not there. A trace of a sample has no line.

use super::super::View;
use super::super::view::columns;
use super::json;
use crate::base::clock::UnixNanos;
use crate::event::Envelope;
use crate::event::trace::{ConnectionSeen, ErrorFound, ProcessSeen};
use crate::event::trace::{TraceRecorded, TraceSnapshotTaken, Trigger};
use crate::storage::{Session, StorageError, first};
use crate::values;

/// Stores a trace with its error.
pub(super) fn record(
    session: &mut dyn Session,
    event: &Envelope,
    trace: &TraceRecorded,
) -> Result<(), StorageError> {
    let Some(cause) = event.cause else {
        return Ok(());
    };
    let line = (trace.trigger != Trigger::HighUsage).then_some(cause);
    if let Some(line) = line
        && !is_there(session, "SELECT 1 FROM log_lines WHERE position = ?1", line)?
    {
        return Ok(());
    }
    let severity_score = trace.severity_score.clamp(0, 100);
    session.write(
        "INSERT INTO traces (id, at, traced_at, line, cause, trigger, subject, host, \
         severity_score, action, service, user, ip, root_cause, causality_chain, related_services) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        values![
            event.position,
            event.occurred_at,
            event.received_at,
            line,
            cause,
            trace.trigger.name(),
            &trace.subject,
            &trace.host,
            severity_score,
            trace.action.as_deref(),
            trace.service.as_deref(),
            trace.user.as_deref(),
            trace.ip.map(|ip| ip.to_string()).as_deref(),
            trace.root_cause.as_deref(),
            &json(&trace.chain),
            &json(&trace.related_services)
        ],
    )?;
    match &trace.error {
        Some(error) => record_error(session, event, error, severity_score),
        None => Ok(()),
    }
}

fn record_error(
    session: &mut dyn Session,
    event: &Envelope,
    error: &ErrorFound,
    severity: i64,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO trace_errors (trace_id, at, error_type, error_category, exception_type, \
         severity, file_path, line_number, error_code, has_stacktrace, root_cause_hints, \
         recovery_suggestions) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        values![
            event.position,
            event.occurred_at,
            &error.error_type,
            &error.category,
            error.exception.as_deref(),
            severity,
            error.file.as_deref(),
            error.line,
            error.code.as_deref(),
            error.has_stacktrace,
            &json(&error.hints),
            &json(&error.suggestions)
        ],
    )
}

/// Stores what was seen for a trace; what was seen later takes the place of what was seen before.
pub(super) fn snapshot(
    session: &mut dyn Session,
    event: &Envelope,
    taken: &TraceSnapshotTaken,
) -> Result<(), StorageError> {
    let trace = taken.trace;
    if !is_there(session, "SELECT 1 FROM traces WHERE id = ?1", trace)? {
        return Ok(());
    }
    session.write(
        "DELETE FROM trace_processes WHERE trace_id = ?1",
        values![trace],
    )?;
    session.write(
        "DELETE FROM trace_connections WHERE trace_id = ?1",
        values![trace],
    )?;
    for (number, process) in (0..).zip(&taken.processes) {
        insert_process(session, trace, number, event.occurred_at, process)?;
    }
    for (number, connection) in (0..).zip(&taken.connections) {
        insert_connection(session, trace, number, event.occurred_at, connection)?;
    }
    Ok(())
}

fn insert_process(
    session: &mut dyn Session,
    trace: i64,
    number: i64,
    at: UnixNanos,
    process: &ProcessSeen,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO trace_processes (trace_id, number, at, pid, name, cmdline, state, parent_pid, \
         memory_rss, memory_vm, cpu_utime, cpu_stime, threads, read_bytes, write_bytes, \
         read_syscalls, write_syscalls) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        values![
            trace,
            number,
            at,
            process.pid,
            &process.name,
            &process.cmdline,
            &process.state,
            process.parent_pid,
            process.memory_rss,
            process.memory_vm,
            process.cpu_utime,
            process.cpu_stime,
            process.threads,
            process.read_bytes,
            process.write_bytes,
            process.read_syscalls,
            process.write_syscalls
        ],
    )
}

fn insert_connection(
    session: &mut dyn Session,
    trace: i64,
    number: i64,
    at: UnixNanos,
    connection: &ConnectionSeen,
) -> Result<(), StorageError> {
    session.write(
        "INSERT INTO trace_connections (trace_id, number, at, protocol, state, local_ip, \
         local_port, remote_ip, remote_port) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        values![
            trace,
            number,
            at,
            &connection.protocol,
            &connection.state,
            &connection.local_ip.to_string(),
            i64::from(connection.local_port),
            &connection.remote_ip.to_string(),
            i64::from(connection.remote_port)
        ],
    )
}

fn is_there(
    session: &mut dyn Session,
    sql: &'static str,
    position: i64,
) -> Result<bool, StorageError> {
    Ok(first(session, sql, values![position], |_| Ok(()))?.is_some())
}

pub(super) const TRACES: View = View {
    name: "traces",
    about: "what was found out about notable lines and samples",
    columns: columns![
        "at" Time, "trigger" Text, "severity_score" Number, "subject" Text, "message" Text,
        "root_cause" Text, "host" Text, "service" Text, "user" Text, "ip_address" Text,
        "causality_chain" Text, "related_services" Text, "cause" Number, "id" Number
    ],
    sql: "SELECT t.at, t.trigger, t.severity_score, t.subject, e.text, t.root_cause, t.host, \
          t.service, t.user, t.ip, t.causality_chain, t.related_services, t.cause, t.id \
          FROM traces t JOIN event_log e ON e.position = t.id \
          WHERE t.at >= ?1 AND t.at < ?2 ORDER BY t.at DESC, t.id DESC LIMIT ?3",
};

pub(super) const PROCESSES: View = View {
    name: "trace_processes",
    about: "what ran when a trace was made",
    columns: columns![
        "at" Time, "trace_id" Number, "pid" Number, "name" Text, "cmdline" Text, "state" Text,
        "parent_pid" Number, "memory_rss" Bytes, "memory_vm" Bytes, "cpu_utime" Number,
        "cpu_stime" Number, "threads" Number, "read_bytes" Bytes, "write_bytes" Bytes
    ],
    sql: "SELECT p.at, p.trace_id, p.pid, p.name, p.cmdline, p.state, p.parent_pid, p.memory_rss, \
          p.memory_vm, p.cpu_utime, p.cpu_stime, p.threads, p.read_bytes, p.write_bytes \
          FROM traces t CROSS JOIN trace_processes p ON p.trace_id = t.id \
          WHERE t.at >= ?1 AND t.at < ?2 ORDER BY t.at DESC, t.id DESC, p.number LIMIT ?3",
};

pub(super) const CONNECTIONS: View = View {
    name: "trace_connections",
    about: "who was connected when a trace was made",
    columns: columns![
        "at" Time, "trace_id" Number, "protocol" Text, "state" Text, "local_ip" Text,
        "local_port" Number, "remote_ip" Text, "remote_port" Number
    ],
    sql: "SELECT c.at, c.trace_id, c.protocol, c.state, c.local_ip, c.local_port, c.remote_ip, \
          c.remote_port FROM traces t CROSS JOIN trace_connections c ON c.trace_id = t.id \
          WHERE t.at >= ?1 AND t.at < ?2 ORDER BY t.at DESC, t.id DESC, c.number LIMIT ?3",
};

pub(super) const ERRORS: View = View {
    name: "trace_errors",
    about: "what errors turned out to be",
    columns: columns![
        "at" Time, "error_type" Text, "error_category" Text, "severity" Number,
        "exception_type" Text, "file_path" Text, "line_number" Number, "error_code" Text,
        "has_stacktrace" Flag, "root_cause_hints" Text, "recovery_suggestions" Text,
        "trace_id" Number
    ],
    sql: "SELECT at, error_type, error_category, severity, exception_type, file_path, line_number, \
          error_code, has_stacktrace, root_cause_hints, recovery_suggestions, trace_id \
          FROM trace_errors WHERE at >= ?1 AND at < ?2 ORDER BY at DESC, trace_id DESC LIMIT ?3",
};
