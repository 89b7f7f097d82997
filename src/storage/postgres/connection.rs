//! One connection: the client, what moves its bytes, and the statements prepared on it.
//!
//! The bytes are moved on the caller's thread while the caller waits for an answer: there is no task
//! of its own, and no other thread has to be woken for a round trip. Not to be used from async code,
//! whose thread must not wait; storage is only used from threads.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls, Statement};

use super::dialect::{Translation, translate};
use super::error::map;
use super::grouping::Insert;
use super::value::{Parameter, fits, own_type};
use crate::storage::{StorageError, Value};

/// How long to wait for a server of the URL.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Moves bytes between the client and the server; ends with the connection.
type Mover = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One connection to one server.
pub(super) struct Connection {
    runtime: Runtime,
    client: Arc<Client>,
    /// None when the connection has ended.
    mover: Option<Mover>,
    /// By the address of the text, which is `&'static`: there are as many as the program has.
    statements: HashMap<(usize, usize), Statement>,
    /// Those whose rows can be sent together, and the statements for that.
    inserts: HashMap<(usize, usize), Option<Arc<Insert>>>,
    groups: HashMap<(usize, usize), Statement>,
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
        let (client, connection) = runtime
            .block_on(config.connect(NoTls))
            .map_err(|error| map(&error))?;
        Ok(Self {
            runtime,
            client: Arc::new(client),
            mover: Some(Box::pin(connection)),
            statements: HashMap::new(),
            inserts: HashMap::new(),
            groups: HashMap::new(),
        })
    }

    /// Whether the server hung up, as far as is known here.
    pub(super) fn is_closed(&mut self) -> bool {
        self.move_bytes();
        self.mover.is_none()
    }

    /// Sends what is queued and takes what has come, without waiting.
    pub(super) fn move_bytes(&mut self) {
        // The first look may only tell that there was something; the second takes it.
        for _ in 0..2 {
            let mover = &mut self.mover;
            self.runtime.block_on(async {
                poll_fn(|context| {
                    step(mover, context);
                    Poll::Ready(())
                })
                .await;
                tokio::task::yield_now().await;
            });
        }
    }

    /// Waits for an answer.
    pub(super) fn wait<F: Future>(&mut self, answer: F) -> F::Output {
        let mut answer = pin!(answer);
        let mover = &mut self.mover;
        self.runtime.block_on(poll_fn(|context| {
            // What it asks goes out before the bytes are moved, and what came in is its answer.
            if let Poll::Ready(output) = answer.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            step(mover, context);
            answer.as_mut().poll(context)
        }))
    }

    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// Runs statements that this module wrote, outside of any session.
    pub(super) fn run(&mut self, script: &str) -> Result<(), StorageError> {
        let client = self.client();
        self.wait(client.batch_execute(script))
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
        let client = self.client();
        self.wait(client.execute_raw(&statement, parameters))
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
    ) -> Result<Statement, Error> {
        let key = (sql.as_ptr().addr(), sql.len());
        let mut types: Vec<Option<Type>> = values.iter().map(own_type).collect();
        if let Some(known) = self.statements.get(&key) {
            if takes(known, values) {
                return Ok(known.clone());
            }
            let expected = known.params();
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
        self.groups.remove(&key);
        self.statements.insert(key, statement.clone());
        Ok(statement)
    }

    /// Whether a statement can be had for these values without asking the server.
    pub(super) fn is_prepared(&self, sql: &'static str, values: &[Value<'_>]) -> bool {
        let known = self.statements.get(&(sql.as_ptr().addr(), sql.len()));
        known.is_some_and(|known| takes(known, values))
    }

    /// Whether the statement for rows of this one can be had without asking the server.
    pub(super) fn is_grouped(&self, sql: &'static str) -> bool {
        self.groups.contains_key(&(sql.as_ptr().addr(), sql.len()))
    }

    /// The statement of a text that was prepared.
    pub(super) fn known(&self, sql: &'static str) -> Option<Statement> {
        self.statements
            .get(&(sql.as_ptr().addr(), sql.len()))
            .cloned()
    }

    /// The statement, if its rows can be sent together.
    pub(super) fn insert(&mut self, sql: &'static str) -> Option<Arc<Insert>> {
        let key = (sql.as_ptr().addr(), sql.len());
        let known = self.inserts.entry(key);
        known
            .or_insert_with(|| Insert::of(sql).map(Arc::new))
            .clone()
    }

    /// The statement that takes rows of this one as arrays; none when it cannot.
    pub(super) fn group(
        &mut self,
        sql: &'static str,
        insert: &Insert,
    ) -> Result<Option<Statement>, Error> {
        let key = (sql.as_ptr().addr(), sql.len());
        if let Some(known) = self.groups.get(&key) {
            return Ok(Some(known.clone()));
        }
        let types = self.statements.get(&key).map(Statement::params);
        let Some(text) = types.and_then(|types| insert.text(types)) else {
            return Ok(None);
        };
        let client = self.client();
        let statement = self.wait(client.prepare(&text))?;
        self.groups.insert(key, statement.clone());
        Ok(Some(statement))
    }

    /// Has a statement prepared; where no type is given, the server is asked first.
    pub(super) fn prepare_anew(
        &mut self,
        translation: &Translation,
        types: &[Option<Type>],
    ) -> Result<Statement, Error> {
        let Translation {
            text,
            probe,
            probed,
        } = translation;
        let client = self.client();
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
            let told = self.wait(client.prepare_typed(probe, &asked))?;
            asked = told.params().to_vec();
        }
        self.wait(client.prepare_typed(text, &asked))
    }
}

/// Moves what can be moved now. Errors of the connection reach whoever waits for an answer.
fn step(mover: &mut Option<Mover>, context: &mut Context<'_>) {
    if mover
        .as_mut()
        .is_some_and(|moving| moving.as_mut().poll(context).is_ready())
    {
        *mover = None;
    }
}

/// Whether these values can be sent with a statement as it was prepared.
fn takes(statement: &Statement, values: &[Value<'_>]) -> bool {
    let expected = statement.params();
    let mut pairs = expected.iter().zip(values);
    expected.len() == values.len() && pairs.all(|(expected, value)| fits(value, expected))
}
