//! One connection: the client, the task that moves its bytes, and the statements prepared on it.
//!
//! The task runs on a runtime of the connection's own, on the caller's thread, while the caller waits
//! for an answer: no other thread has to be woken for a round trip. Not to be used from async code,
//! which would have to wait on itself; storage is only used from threads.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::dialect::{Translation, translate};
use super::error::map;
use super::value::{Parameter, fits, own_type};
use crate::storage::{StorageError, Value};

/// How long to wait for a server of the URL.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection to one server.
pub(super) struct Connection {
    runtime: Runtime,
    client: Arc<Client>,
    /// By the address of the text, which is `&'static`: there are as many as the program has.
    statements: HashMap<(usize, usize), Statement>,
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
        let mut types: Vec<Option<Type>> = values.iter().map(own_type).collect();
        if let Some(known) = self.statements.get(&key) {
            let expected = known.params();
            if expected.len() == values.len()
                && expected
                    .iter()
                    .zip(values)
                    .all(|(expected, value)| fits(value, expected))
            {
                return Ok(known.clone());
            }
            for (of, expected) in types.iter_mut().zip(expected) {
                match of {
                    // An integer also fits where a double was sent before.
                    Some(Type::INT8) if *expected == Type::FLOAT8 => *of = Some(Type::FLOAT8),
                    Some(_) => {}
                    None => *of = Some(expected.clone()),
                }
            }
        }
        let statement = self.prepare_anew(&translate(sql), &types)?;
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }

    /// Has a statement prepared; where no type is given, the server is asked first.
    pub(super) fn prepare_anew(
        &self,
        translation: &Translation,
        types: &[Option<Type>],
    ) -> Result<Statement, tokio_postgres::Error> {
        let Translation {
            text,
            probe,
            probed,
        } = translation;
        // A placeholder of which nothing tells the type is only ever asked whether it is NULL.
        let or = |of: &Option<Type>, at: usize| match of {
            Some(of) => of.clone(),
            None if probed.get(at) == Some(&true) => Type::UNKNOWN,
            None => Type::TEXT,
        };
        let mut asked: Vec<Type> = types
            .iter()
            .enumerate()
            .map(|(at, of)| or(of, at))
            .collect();
        if probe != text && asked.contains(&Type::UNKNOWN) {
            let told = self.wait(self.client.prepare_typed(probe, &asked))?;
            asked = told.params().to_vec();
        }
        self.wait(self.client.prepare_typed(text, &asked))
    }
}
