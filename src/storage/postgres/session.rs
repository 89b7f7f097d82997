//! A transaction: writes are queued and sent together, reads come behind them.
//!
//! A write is encoded and handed to the connection at once, and its answer is awaited later: a batch
//! costs as many round trips as it has reads, and one for its commit. As the server runs what it gets
//! in order, an answer to a read says that all writes before it went well; when one did not, all that
//! follow fail, and the first error is the one that is told.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt as _;
use tokio_postgres::{Error, RowStream, Statement};

use super::connection::Connection;
use super::error::map;
use super::grouping::{GROUP_ROWS_MIN, Group, columns};
use super::value::{Parameter, PostgresRow};
use crate::storage::{EachRow, Session, StorageError, Value};

/// Writes whose answers are awaited at most: bounds what they hold in memory.
const PENDING_WRITES: usize = 4_096;
/// After so many writes the server gets what is queued, so that it works while the next are made.
const WRITES_PER_PUSH: usize = 64;
/// Rows that are taken over at a time.
const ROWS_AT_A_TIME: usize = 256;

/// The answer to a write that was sent.
type Pending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A transaction; dropped without commit it leaves no trace.
pub struct PostgresSession<'a> {
    connection: &'a mut Connection,
    /// In the order in which they were sent.
    pending: Vec<Pending>,
    /// Rows that are to be sent together; in the order in which they began, one for each table.
    groups: Vec<Group>,
    in_savepoint: bool,
    open: bool,
}

impl<'a> PostgresSession<'a> {
    pub(super) fn begin(connection: &'a mut Connection, begin: &'static str) -> Self {
        let mut session = Self {
            connection,
            pending: Vec::new(),
            groups: Vec::new(),
            in_savepoint: false,
            open: true,
        };
        session.send_text(begin);
        session
    }

    /// Makes everything written durable.
    ///
    /// When the connection is lost while it waits ([`StorageError::Unreachable`]), the transaction may
    /// have been committed all the same: whoever goes on looks first.
    pub fn commit(mut self) -> Result<(), StorageError> {
        self.send_groups()?;
        self.open = false;
        self.send_text("COMMIT");
        self.settle()
    }

    /// Sends a write; it was handed to the connection when this returns.
    fn send(&mut self, answer: impl Future<Output = Result<(), Error>> + Send + 'static) {
        let mut answer: Pending = Box::pin(answer);
        // What the first poll does is to encode and hand over; nobody needs to be woken yet.
        match answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Pending => self.pending.push(answer),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.pending.push(Box::pin(std::future::ready(Err(error)))),
        }
    }

    /// Sends a row by itself.
    fn send_row(&mut self, statement: Statement, row: Vec<Parameter>) -> Result<(), StorageError> {
        let client = self.connection.client();
        self.send(async move { client.execute_raw(&statement, row).await.map(drop) });
        if self.pending.len() >= PENDING_WRITES {
            return self.settle();
        }
        if self.pending.len().is_multiple_of(WRITES_PER_PUSH) {
            self.connection.move_bytes();
        }
        Ok(())
    }

    /// Sends the rows that wait.
    fn send_groups(&mut self) -> Result<(), StorageError> {
        for group in std::mem::take(&mut self.groups) {
            let Some(insert) = self.connection.insert(group.sql) else {
                continue; // it was one when the group began
            };
            let together = if group.rows.len() < GROUP_ROWS_MIN {
                None
            } else {
                if !self.connection.is_grouped(group.sql) {
                    self.settle()?;
                }
                let statement = self.connection.group(group.sql, &insert);
                statement.map_err(|error| map(&error))?
            };
            if let Some(statement) = together {
                let arrays = columns(group.rows, statement.params().len());
                let client = self.connection.client();
                self.send(async move { client.execute_raw(&statement, arrays).await.map(drop) });
                self.connection.move_bytes();
                continue;
            }
            for row in group.rows {
                match self.connection.known(group.sql) {
                    Some(statement) => self.send_row(statement, row)?,
                    None => return Err(StorageError::Sql("a group without a statement".into())),
                }
            }
        }
        Ok(())
    }

    /// Sends one of this module's own statements without values.
    fn send_text(&mut self, text: &'static str) {
        let client = self.connection.client();
        self.send(async move { client.batch_execute(text).await });
    }

    /// Waits until everything sent was answered; the first error, if there is one.
    fn settle(&mut self) -> Result<(), StorageError> {
        let pending = std::mem::take(&mut self.pending);
        let outcome = self.connection.wait(async {
            let mut first = Ok(());
            for answer in pending {
                let answered = answer.await;
                if first.is_ok() {
                    first = answered;
                }
            }
            first
        });
        outcome.map_err(|error| map(&error))
    }

    /// Runs a query that a person wrote; the transaction must be one that can only read. Prepared
    /// alone, so that a second statement behind a semicolon is refused.
    pub(super) fn query_text(
        &mut self,
        sql: &str,
        columns: &mut dyn FnMut(&[String]) -> Result<(), StorageError>,
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        let client = self.connection.client();
        let prepared = self.connection.wait(client.prepare(sql));
        let statement = prepared.map_err(|error| map(&error))?;
        let names: Vec<String> = statement
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        columns(&names)?;
        self.stream(&statement, Vec::new(), each)
    }

    /// Asks, and calls `each` for every row.
    fn stream(
        &mut self,
        statement: &Statement,
        parameters: Vec<Parameter>,
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        let client = self.connection.client();
        let statement = statement.clone();
        let mut asked = Box::pin(async move { client.query_raw(&statement, parameters).await });
        // It goes out now, behind the writes, and is waited for when they are answered: the client
        // takes no answer before the ones before it were taken.
        let early = match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(outcome) => Some(outcome),
        };
        self.settle()?;
        let outcome = match early {
            Some(outcome) => outcome,
            None => self.connection.wait(asked),
        };
        let mut rows: Pin<Box<RowStream>> = match outcome {
            Ok(rows) => Box::pin(rows),
            Err(error) => return Err(map(&error)),
        };
        let mut page = Vec::new();
        loop {
            let more = self.connection.wait(take_page(&mut rows, &mut page));
            for row in page.drain(..) {
                each(&PostgresRow::new(row)?)?;
            }
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(map(&error)),
            }
        }
        Ok(())
    }

    fn prepared(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(Statement, Vec<Parameter>), StorageError> {
        let parameters = values
            .iter()
            .map(Parameter::new)
            .collect::<Result<Vec<_>, _>>()?;
        if !self.connection.is_prepared(sql, values) {
            // An answer is awaited, and none is taken before the ones before it.
            self.settle()?;
        }
        let statement = self.connection.prepare(sql, values);
        let statement = statement.map_err(|error| map(&error))?;
        let places = statement.params().len();
        if places != values.len() {
            let values = values.len();
            return Err(StorageError::Sql(format!(
                "{values} values for {places} placeholders"
            )));
        }
        Ok((statement, parameters))
    }
}

impl std::fmt::Debug for PostgresSession<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSession")
            .field("open", &self.open)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Drop for PostgresSession<'_> {
    fn drop(&mut self) {
        if self.open {
            self.send_text("ROLLBACK");
            // What was wrong is undone with the rest; a lost connection is opened anew.
            drop(self.settle());
        }
    }
}

impl Session for PostgresSession<'_> {
    fn write(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StorageError> {
        let insert = if self.in_savepoint {
            None
        } else {
            self.connection.insert(sql)
        };
        let Some(insert) = insert else {
            self.send_groups()?;
            let (statement, row) = self.prepared(sql, values)?;
            return self.send_row(statement, row);
        };
        let waiting = self.groups.iter().find(|group| group.table == insert.table);
        if waiting.is_some_and(|group| group.sql != sql || !group.has_room(&insert, values)) {
            self.send_groups()?;
        }
        let (_, row) = self.prepared(sql, values)?;
        let at = self.groups.iter().position(|group| group.sql == sql);
        let at = at.unwrap_or_else(|| {
            self.groups.push(Group::new(sql, insert.table));
            self.groups.len() - 1
        });
        self.groups[at].push(&insert, values, row);
        Ok(())
    }

    fn read(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
        each: EachRow<'_>,
    ) -> Result<(), StorageError> {
        self.send_groups()?;
        let (statement, parameters) = self.prepared(sql, values)?;
        self.stream(&statement, parameters, each)
    }

    fn savepoint(&mut self) -> Result<(), StorageError> {
        self.send_groups()?;
        self.send_text("SAVEPOINT nightjar_event");
        self.in_savepoint = true;
        Ok(())
    }

    /// Waits for all answers: what was refused since the savepoint is told here at the latest, and can
    /// be rolled back still.
    fn release(&mut self) -> Result<(), StorageError> {
        self.send_text("RELEASE SAVEPOINT nightjar_event");
        self.settle()?;
        self.in_savepoint = false;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<(), StorageError> {
        // Why it is rolled back is known.
        drop(self.settle());
        self.send_text("ROLLBACK TO SAVEPOINT nightjar_event");
        self.send_text("RELEASE SAVEPOINT nightjar_event");
        self.in_savepoint = false;
        self.settle()
    }
}

/// Takes over rows until there are enough or none are left; whether there are more.
async fn take_page(
    rows: &mut Pin<Box<RowStream>>,
    page: &mut Vec<tokio_postgres::Row>,
) -> Result<bool, Error> {
    while page.len() < ROWS_AT_A_TIME {
        match rows.next().await {
            Some(row) => page.push(row?),
            None => return Ok(false),
        }
    }
    Ok(true)
}
