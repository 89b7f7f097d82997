//! What the server's errors mean to the caller: SQLSTATE by the table of appendix A of its manual.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::storage::StorageError;

/// The error in the program's terms. Never holds the URL: neither the client nor the server tells it.
pub(super) fn map(error: &Error) -> StorageError {
    let Some(told) = error.as_db_error() else {
        return without_the_server(error);
    };
    let text = match told.detail() {
        Some(detail) => format!("{} ({detail})", told.message()),
        None => told.message().to_owned(),
    };
    let code = told.code();
    if *code == SqlState::DISK_FULL {
        return StorageError::Full(text);
    }
    if [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(code)
    {
        return StorageError::Busy(text);
    }
    // Another server of the URL may be the one that writes by now.
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return StorageError::Unreachable(text);
    }
    if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED {
        return StorageError::Corrupt(text);
    }
    match &code.code()[..2] {
        // Connection, resources, intervention of an operator.
        "08" | "53" | "57" => StorageError::Unreachable(text),
        // The transaction was rolled back for others' sake, or waited too long.
        "40" => StorageError::Busy(text),
        "25" if *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            StorageError::Unreachable(text)
        }
        // Data, constraints, limits of the program.
        "22" | "23" | "54" => StorageError::Refused(text),
        // Who we are, and which database.
        "28" | "3D" => StorageError::Connect(text),
        "58" => StorageError::Io(text),
        _ => StorageError::Sql(format!("{text} (SQLSTATE {})", code.code())),
    }
}

// What the client found out by itself.
fn without_the_server(error: &Error) -> StorageError {
    let text = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let lost = error.is_closed()
        || error
            .source()
            .is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    if lost {
        StorageError::Unreachable(text)
    } else {
        StorageError::Sql(text)
    }
}
