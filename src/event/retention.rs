//! What goes from the tables for its age or number. The stream is `table/<name>`.
//!
//! The event log itself is kept whole: what a table no longer shows is still in it.

use serde::{Deserialize, Serialize};

/// Rows of a table go, and with them every row that is as old when this event is folded; the text
/// says which rule asks for it. Rows of an older time that arrive later stay until the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The table.
    pub table: String,
    /// Rows from before this time go, Unix nanoseconds.
    pub before: i64,
    /// How many those were when it was decided.
    pub rows: i64,
}
