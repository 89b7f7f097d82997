//! The writer's promises, looked over in a database that it wrote: for `nightjar check` and tests.
//!
//! Every check runs to its end and says what it found; none of them writes.

use std::path::Path;

use crate::event::recording::path_of;
use crate::event_log::append::head;
use crate::read_model::{Projection, STATE_TABLES, search_index};
use crate::storage::sqlite::Database;
use crate::storage::{Session, StorageError, all, first};
use crate::values;

/// Problems of one kind that are named; the rest is counted.
const NAMED_PROBLEMS: usize = 20;
/// A `.vge` file is this much longer than its plaintext: the first counter block.
const SEAL_OVERHEAD_BYTES: i64 = 16;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub name: &'static str,
    /// What is right about it, in numbers.
    pub summary: String,
    /// What is wrong; empty when all is well. At most [`NAMED_PROBLEMS`] and a count.
    pub problems: Vec<String>,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Finding {
    /// Whether all is well.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a check says when it has run: a summary and the problems.
type Outcome = Result<(String, Vec<String>), StorageError>;

/// Lines and moments whose words are looked up, the newest of each.
const SEARCHED: i64 = 1_000;
/// Longest beginning of a text that is looked up, characters.
const BEGINNING_CHARS: usize = 200;

const RESTORE: &str = "stop the daemon, keep a copy of the folder, restore the last good backup";
const REBUILD: &str = "run `nightjar rebuild`";

/// Runs every check. `recordings` is the folder that the paths of recordings lie in.
pub fn check(
    database: &mut Database,
    projections: &[Projection],
    recordings: &Path,
) -> Result<Vec<Finding>, StorageError> {
    let integrity = database
        .integrity_problems()
        .map(|problems| ("the file is sound".to_owned(), problems));
    let mut session = database.snapshot()?;
    let session = &mut session;
    Ok(vec![
        finding("integrity", RESTORE, integrity),
        finding("foreign keys", REBUILD, foreign_keys(session)),
        finding("positions", RESTORE, positions(session)),
        finding("batches", RESTORE, batches(session)),
        finding("names", RESTORE, names(session)),
        finding(
            "projections",
            "start the daemon, which catches up, or run `nightjar rebuild`",
            checkpoints(session, projections),
        ),
        finding(
            "tables",
            "drop what another program made; nightjar makes its tables at start",
            ownership(session, projections),
        ),
        finding("search", REBUILD, words(session)),
        finding(
            "recordings",
            "restore the files from a backup, or give the right folder with --recordings",
            recording_files(session, recordings),
        ),
    ])
}

/// What there is to say of a database that is too damaged to be opened.
pub fn unopenable(error: &StorageError) -> Finding {
    Finding {
        name: "integrity",
        summary: String::new(),
        problems: vec![error.to_string()],
        remedy: RESTORE,
    }
}

// A check that cannot run has found something.
fn finding(name: &'static str, remedy: &'static str, outcome: Outcome) -> Finding {
    let (summary, mut problems) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => (String::new(), vec![error.to_string()]),
    };
    let hidden = problems.len().saturating_sub(NAMED_PROBLEMS);
    if hidden > 0 {
        problems.truncate(NAMED_PROBLEMS);
        problems.push(format!("and {hidden} more"));
    }
    Finding {
        name,
        summary,
        problems,
        remedy,
    }
}

fn foreign_keys(session: &mut dyn Session) -> Outcome {
    let problems = all(
        session,
        "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2",
        &[],
        |row| {
            Ok(format!(
                "{} rows of {} point at no row of {}",
                row.int(2)?,
                row.text(0)?,
                row.text(1)?
            ))
        },
    )?;
    Ok(("every reference is met".to_owned(), problems))
}

fn positions(session: &mut dyn Session) -> Outcome {
    let (count, lowest, head) = first(
        session,
        "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM event_log",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)),
    )?
    .unwrap_or((0, 1, 0));
    let summary = format!("{count} events, 1 to {head} without a gap");
    let mut problems = Vec::new();
    if lowest != 1 {
        problems.push(format!("the event log begins at {lowest} and not at 1"));
    }
    if count != head + 1 - lowest {
        problems.extend(all(
            session,
            "SELECT position + 1, (SELECT min(position) - 1 FROM event_log n \
             WHERE n.position > e.position) FROM event_log e WHERE position < \
             (SELECT max(position) FROM event_log) AND NOT EXISTS \
             (SELECT 1 FROM event_log n WHERE n.position = e.position + 1) ORDER BY position",
            &[],
            |row| {
                Ok(format!(
                    "events {} to {} are missing",
                    row.int(0)?,
                    row.int(1)?
                ))
            },
        )?);
    }
    Ok((summary, problems))
}

fn batches(session: &mut dyn Session) -> Outcome {
    let head = head(session)?;
    let mut problems = Vec::new();
    let (mut count, mut covered) = (0, 0);
    session.read(
        "SELECT first_position, last_position FROM batches ORDER BY first_position",
        &[],
        &mut |row| {
            let (from, to) = (row.int(0)?, row.int(1)?);
            count += 1;
            if from != covered + 1 && problems.len() <= NAMED_PROBLEMS {
                problems.push(format!(
                    "the batch after position {covered} begins at {from}"
                ));
            }
            if to < from && problems.len() <= NAMED_PROBLEMS {
                problems.push(format!("the batch from {from} ends at {to}"));
            }
            covered = covered.max(to);
            Ok(())
        },
    )?;
    if covered != head {
        problems.push(format!(
            "the batches end at {covered}, the event log at {head}"
        ));
    }
    Ok((format!("every event is in its batch ({count})"), problems))
}

fn names(session: &mut dyn Session) -> Outcome {
    let problems = all(
        session,
        "SELECT position FROM event_log WHERE kind NOT IN (SELECT id FROM names) \
         OR stream NOT IN (SELECT id FROM names) OR source NOT IN (SELECT id FROM names) \
         OR (topic IS NOT NULL AND topic NOT IN (SELECT id FROM names)) ORDER BY position LIMIT 21",
        &[],
        |row| Ok(format!("event {} has a name that is missing", row.int(0)?)),
    )?;
    Ok((
        "every kind, stream, source and topic has its name".to_owned(),
        problems,
    ))
}

fn checkpoints(session: &mut dyn Session, projections: &[Projection]) -> Outcome {
    let head = head(session)?;
    let known = all(
        session,
        "SELECT name, version, checkpoint FROM projections ORDER BY name",
        &[],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?)),
    )?;
    let mut problems = Vec::new();
    for projection in projections {
        let name = projection.name;
        match known.iter().find(|(known, ..)| known == name) {
            None => problems.push(format!("{name} was never folded")),
            Some((_, version, _)) if *version != projection.version => {
                problems.push(format!(
                    "{name} was folded by version {version}, this program has {}",
                    projection.version
                ));
            }
            Some((.., checkpoint)) if *checkpoint != head => {
                problems.push(format!("{name} stands at {checkpoint} of {head}"));
            }
            Some(_) => {}
        }
    }
    for (name, ..) in &known {
        if !projections.iter().any(|projection| projection.name == name) {
            problems.push(format!("{name} is no projection of this program"));
        }
    }
    Ok((format!("{} at position {head}", known.len()), problems))
}

fn ownership(session: &mut dyn Session, projections: &[Projection]) -> Outcome {
    // A virtual table holds nothing itself; what a search index holds goes with its table.
    let mut tables = all(
        session,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' \
         ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL TABLE %' ORDER BY name",
        &[],
        |row| Ok(row.text(0)?.to_owned()),
    )?;
    let is_of_index = |table: &str, index: &str| {
        let rest = table.strip_prefix(index);
        rest.is_some_and(|rest| rest.starts_with('_'))
    };
    tables.retain(|table| !search_index::all().any(|(_, index)| is_of_index(table, index.name)));
    let owners = |table: &str| {
        let folded = projections
            .iter()
            .flat_map(|projection| projection.tables)
            .filter(|owned| owned.name == table)
            .count();
        folded + usize::from(STATE_TABLES.contains(&table))
    };
    let mut problems = Vec::new();
    for table in &tables {
        match owners(table) {
            0 => problems.push(format!("nobody owns the table {table}")),
            1 => {}
            count => problems.push(format!("the table {table} has {count} owners")),
        }
    }
    let wanted = projections
        .iter()
        .flat_map(|projection| projection.tables)
        .map(|table| table.name)
        .chain(STATE_TABLES.iter().copied());
    for name in wanted {
        if !tables.iter().any(|table| table == name) {
            problems.push(format!("the table {name} is missing"));
        }
    }
    Ok((
        format!("{} tables, each with one owner", tables.len()),
        problems,
    ))
}

/// Whether the newest texts are found by their own words. That nothing else is found, `rebuild
/// --check` proves, which makes the indexes anew; whether they are sound in themselves is a part of
/// the engine's own check.
fn words(session: &mut dyn Session) -> Outcome {
    let mut count = 0;
    let mut problems = Vec::new();
    for (newest, find) in [
        (
            "SELECT position, message FROM log_messages ORDER BY position DESC LIMIT ?1",
            "SELECT count(*) FROM log_lines_fts WHERE log_lines_fts MATCH ?1 AND rowid = ?2",
        ),
        (
            "SELECT position, message FROM events ORDER BY position DESC LIMIT ?1",
            "SELECT count(*) FROM events_fts WHERE events_fts MATCH ?1 AND rowid = ?2",
        ),
    ] {
        let texts = all(session, newest, values![SEARCHED], |row| {
            Ok((row.int(0)?, row.opt_text(1)?.and_then(beginning)))
        })?;
        for (position, words) in texts {
            let Some(words) = words else {
                continue;
            };
            count += 1;
            let found = first(session, find, values![&words, position], |row| row.int(0))?;
            if found != Some(1) {
                problems.push(format!("event {position} is not found by its words"));
            }
        }
    }
    let summary = format!("the newest lines and moments are found by their words ({count})");
    Ok((summary, problems))
}

/// The whole words with which a text begins, as a phrase of FTS5; none when it has none for sure.
fn beginning(text: &str) -> Option<String> {
    let mut words = match text.char_indices().nth(BEGINNING_CHARS) {
        None => text,
        Some((end, _)) => text[..end].rsplit_once(' ')?.0,
    }
    .to_owned();
    // A question to FTS5 ends at a NUL.
    if let Some((before, _)) = words.split_once('\0') {
        words = before.to_owned();
    }
    let has_word = words.bytes().any(|byte| byte.is_ascii_alphanumeric());
    has_word.then(|| format!("\"{}\"", words.replace('"', " ")))
}

fn recording_files(session: &mut dyn Session, folder: &Path) -> Outcome {
    let mut problems = Vec::new();
    let mut count = 0;
    session.read(
        "SELECT id, file_path, file_size, state FROM recordings \
         WHERE state IN ('found', 'sealing', 'sealed', 'failed') ORDER BY id",
        &[],
        &mut |row| {
            count += 1;
            let (id, path, size, state) = (row.int(0)?, row.text(1)?, row.int(2)?, row.text(3)?);
            let wanted = (state == "sealed").then_some(size + SEAL_OVERHEAD_BYTES);
            let problem = match std::fs::metadata(folder.join(path_of(path))) {
                Err(error) => format!("recording {id} ({state}): {path}: {error}"),
                Ok(file) if !file.is_file() => {
                    format!("recording {id} ({state}): {path} is not a file")
                }
                Ok(file) => match wanted {
                    Some(wanted) if wanted != file.len() as i64 => format!(
                        "recording {id}: {path} has {} bytes and should have {wanted}",
                        file.len()
                    ),
                    _ => return Ok(()),
                },
            };
            problems.push(problem);
            Ok(())
        },
    )?;
    Ok((format!("{count} files are in their places"), problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_are_counted_and_not_all_named() {
        let many: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let finding = finding("x", "y", Ok((String::new(), many)));
        assert_eq!(finding.problems.len(), NAMED_PROBLEMS + 1);
        assert_eq!(
            finding.problems.last().map(String::as_str),
            Some("and 80 more")
        );
    }
}
