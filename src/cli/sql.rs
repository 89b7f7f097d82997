//! `sql`: somebody's own question, on a connection that cannot write.

use std::cell::RefCell;
use std::io::{Read as _, Write};

use super::exit::{CliError, Exit};
use super::table::{Format, FormatArgs, RowWriter, headings};
use super::{Context, folder};
use crate::storage::{Owned, Row, StorageError};

/// Rows that a table for people shows: it must be held whole to know its widths.
const TABLE_ROWS: usize = 1_000;
/// Longest statement read from stdin, bytes: SQLite's own bound is 1 MB.
const STATEMENT_BYTES: u64 = 1_000_000;

const EXAMPLES: &str = "\
Examples:
  nightjar sql \"SELECT type, count(*) FROM events GROUP BY type ORDER BY 2 DESC\"
  nightjar sql \"SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')\"
  nightjar sql --csv - < report.sql > report.csv
Times are nanoseconds; datetime(timestamp_ns / 1000000000, 'unixepoch', 'localtime') reads them.";

/// Arguments of `sql`.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {
    /// One statement that reads; - takes it from stdin
    statement: String,
    #[command(flatten)]
    format: FormatArgs,
}

/// Why the statement was stopped before its end.
enum Stop {
    Write(std::io::Error),
    Full,
}

/// What the statement has given so far.
struct Answer<'o> {
    out: &'o mut dyn Write,
    format: Format,
    limit: usize,
    columns: Vec<String>,
    /// None before the first row: many a refused statement fails only there, and a refusal shall
    /// print nothing on stdout.
    writer: Option<RowWriter>,
    stop: Option<Stop>,
}

impl Answer<'_> {
    fn row(&mut self, row: &dyn Row) -> Result<(), StorageError> {
        if self.writer.as_ref().map_or(0, RowWriter::rows) >= self.limit {
            return self.stop(Stop::Full);
        }
        let values = (0..self.columns.len()).map(|column| row.owned(column));
        let values = values.collect::<Result<_, _>>()?;
        match self.write(values) {
            Ok(()) => Ok(()),
            Err(error) => self.stop(Stop::Write(error)),
        }
    }

    fn write(&mut self, values: Vec<Owned>) -> std::io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(RowWriter::begin(
                self.out,
                self.format,
                headings(&self.columns),
            )?),
        };
        writer.row(self.out, values)
    }

    // Only an error stops the query; what it means stands in `stop`.
    fn stop(&mut self, reason: Stop) -> Result<(), StorageError> {
        self.stop = Some(reason);
        Err(StorageError::Sql("stopped".into()))
    }
}

/// Runs it.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), CliError> {
    let statement = statement(args, context)?;
    let database = folder::open_reader(&context.folder)?;
    let format = args.format.format();
    let answer = RefCell::new(Answer {
        out: context.out,
        format,
        limit: match format {
            Format::Table => TABLE_ROWS,
            Format::Json | Format::JsonLines | Format::Csv => usize::MAX,
        },
        columns: Vec::new(),
        writer: None,
        stop: None,
    });
    let outcome = database.query_text(
        &statement,
        &mut |names| {
            answer.borrow_mut().columns = names.to_vec();
            Ok(())
        },
        &mut |row| answer.borrow_mut().row(row),
    );
    let Answer {
        writer,
        stop,
        columns,
        ..
    } = answer.into_inner();
    let more = match (outcome, stop) {
        (_, Some(Stop::Write(error))) => return Err(error.into()),
        (_, Some(Stop::Full)) => true,
        (Err(error), None) => return Err(refusal(error)),
        (Ok(()), None) => false,
    };
    let writer = match writer {
        Some(writer) => writer,
        None => RowWriter::begin(context.out, format, headings(&columns))?,
    };
    writer.end(context.out, context.screen, &context.zone, more)?;
    if more {
        context.out.flush()?;
        context.note(&format!(
            "these are the first {TABLE_ROWS} rows; --csv or --jsonl gives all of them"
        ));
    }
    Ok(())
}

fn statement(args: &Args, context: &mut Context<'_>) -> Result<String, CliError> {
    let mut statement = args.statement.clone();
    if statement == "-" {
        statement.clear();
        let read = context
            .input
            .take(STATEMENT_BYTES)
            .read_to_string(&mut statement);
        read.map_err(|error| CliError::from(error).context("the statement on stdin"))?;
    }
    if statement.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "the statement is empty"));
    }
    Ok(statement)
}

// What a person typed is wrong, not this program.
fn refusal(error: StorageError) -> CliError {
    match error {
        StorageError::Sql(reason) => CliError::new(Exit::BadData, format!("SQL: {reason}")),
        error => error.into(),
    }
}
