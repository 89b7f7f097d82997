//! One connection: the client, the task that moves its bytes, and the statements prepared on it.
//!
//! The task runs on a runtime of the connection's own, on the caller's thread, while the caller waits
//! for an answer: no other thread has to be woken for a round trip. Not to be used from async code,
//! which would have to wait on itself; storage is only used from threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::dialect::translate;
use super::error::map;
use super::value::{Parameter, fits, own_type};
use crate::storage::{StorageError, Value};

/// How long to wait for a server of the URL.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement on this connection.
struct Prepared {
    statement: Statement,
    /// The types that we asked for; elsewhere the server chose.
    asked: Vec<Option<Type>>,
}

/// One connection to one server.
pub(super) struct Connection {
    runtime: Runtime,
    client: Arc<Client>,
    /// By the address of the text, which is `&'static`: there are as many as the program has.
    statements: HashMap<(usize, usize), Prepared>,
}

impl Connection {
    /// Connects to the first server of the configuration that answers.
    pub(super) fn open(config: &Config) -> Result<Self, StorageError> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| StorageError::Connect(format!("no runtime: {error}")))?;
        let mut config = config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            // Errors of the connection reach whoever waits for an answer.
            tokio::spawn(async move { drop(connection.await) });
            Ok::<_, tokio_postgres::Error>(client)
        });
        Ok(Self {
            runtime,
            client: Arc::new(client.map_err(|error| map(&error))?),
            statements: HashMap::new(),
        })
    }

    /// Whether the server hung up, as far as is known here.
    pub(super) fn is_closed(&self) -> bool {
        self.move_bytes();
        self.client.is_closed()
    }

    /// Sends what is queued and takes what has come, without waiting.
    pub(super) fn move_bytes(&self) {
        self.runtime.block_on(tokio::task::yield_now());
    }

    /// Waits for an answer.
    pub(super) fn wait<F: Future>(&self, answer: F) -> F::Output {
        self.runtime.block_on(answer)
    }

    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Runs statements that this module wrote, outside of any session.
    pub(super) fn run(&self, script: &str) -> Result<(), StorageError> {
        self.wait(self.client.batch_execute(script))
            .map_err(|error| map(&error))
    }

    /// One write, outside of any session.
    pub(super) fn write(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<(), StorageError> {
        let parameters = values
            .iter()
            .map(Parameter::new)
            .collect::<Result<Vec<_>, _>>()?;
        let statement = self.prepare(sql, values).map_err(|error| map(&error))?;
        self.wait(self.client.execute_raw(&statement, parameters))
            .map(drop)
            .map_err(|error| map(&error))
    }

    /// The statement of a text, prepared for these values.
    ///
    /// The first values say of which types the placeholders are; where they are NULL the server finds
    /// out. A later value that does not fit has the statement prepared anew.
    pub(super) fn prepare(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Statement, tokio_postgres::Error> {
        let key = (sql.as_ptr().addr(), sql.len());
        let known = match self.statements.entry(key) {
            Entry::Occupied(entry) => {
                let known = entry.into_mut();
                let expected = known.statement.params().iter();
                if expected
                    .zip(values)
                    .all(|(expected, value)| fits(value, expected))
                {
                    return Ok(known.statement.clone());
                }
                known
            }
            Entry::Vacant(entry) => {
                let asked: Vec<_> = values.iter().map(own_type).collect();
                let statement = prepare(&self.runtime, &self.client, sql, &asked)?;
                return Ok(entry
                    .insert(Prepared { statement, asked })
                    .statement
                    .clone());
            }
        };
        for (asked, value) in known.asked.iter_mut().zip(values) {
            // An integer also fits where a double was asked for before.
            match own_type(value) {
                Some(Type::INT8) if *asked == Some(Type::FLOAT8) => {}
                Some(own) => *asked = Some(own),
                None => {}
            }
        }
        known.statement = prepare(&self.runtime, &self.client, sql, &known.asked)?;
        Ok(known.statement.clone())
    }
}

fn prepare(
    runtime: &Runtime,
    client: &Client,
    sql: &str,
    asked: &[Option<Type>],
) -> Result<Statement, tokio_postgres::Error> {
    let types: Vec<Type> = asked
        .iter()
        .map(|asked| asked.clone().unwrap_or(Type::UNKNOWN))
        .collect();
    runtime.block_on(client.prepare_typed(&translate(sql), &types))
}
