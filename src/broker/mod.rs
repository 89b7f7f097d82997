//! A small MQTT 3.1.1 broker on the loopback interface.
//!
//! Two uses: `nightjar up` brings its own bus, because a demonstration must never publish on
//! somebody's live one; and tests need a broker that fails on request. It is not a product: it
//! keeps everything in memory, asks nobody for a password and speaks `QoS` 0 and 1. For a house,
//! use mosquitto.
//!
//! What it promises, so that tests may lean on it:
//! - it never binds an address that other machines can reach;
//! - a persistent session keeps its subscriptions, queue and window over reconnects; what was not
//!   acknowledged is sent again in the original order, with the same packet ids and DUP=1;
//! - whatever a client sends, at worst its own connection is closed; a `QoS` 2 publish or will is
//!   one of those cases, logged with the reason, and a `QoS` 2 subscription is granted as `QoS` 1;
//! - everything that waits is bounded; what a full queue loses is counted;
//! - dropping the future of [`serve`] ends every connection.

mod connection;
mod exchange;
mod faults;
mod retained;
mod session;
mod shared;
mod topic;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use faults::{Ack, AckOutcome, ClientFaults, ClientView, Faults, Observer, Trace};

use shared::Shared;

/// Connections at a time; far more than one box's programs and its tests open.
const MAX_CONNECTIONS: usize = 512;

/// How long connections may take for what is queued for them when the broker stops.
const FAREWELL: Duration = Duration::from_secs(1);
/// After a failed accept, as when file descriptors run out: time for some to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the broker behaves. [`Options::default`] is like the `mosquitto.conf` of this repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Unacknowledged `QoS` 1 messages per client; 0 counts as 1. Stock mosquitto allows 20.
    pub max_inflight: u16,
    /// Largest packet that a client may send, without its fixed header.
    pub max_packet_bytes: usize,
    /// Bytes that may wait for one client, counting 128 per message besides topic and payload.
    /// Beyond, new messages for it are dropped and counted.
    pub max_queued_bytes: usize,
    /// Entries kept per client for [`Observer::trace`], and messages for
    /// [`Faults::redeliver_acknowledged`]. Only tests want any.
    pub trace_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_inflight: 1_000,
            max_packet_bytes: 16 << 20,
            max_queued_bytes: 256 << 20,
            trace_entries: 0,
        }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Anybody on the network could publish to it.
    #[error(
        "{0} is not a loopback address: the built-in broker has no passwords; use 127.0.0.1, \
         or run mosquitto"
    )]
    NotLoopback(SocketAddr),
    /// The operating system refused.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for a free one")]
    Refused {
        /// The address that was asked for.
        address: SocketAddr,
        /// Its answer.
        source: io::Error,
    },
}

/// A broker that has its port, but does not serve yet: clients that connect wait.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    shared: Shared,
    max_packet_bytes: usize,
}

impl Listener {
    /// The address with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// To make it fail. Works before, during and after [`serve`].
    pub fn faults(&self) -> Faults {
        Faults::new(self.shared.clone())
    }

    /// To see what it sees. Works before, during and after [`serve`].
    pub fn observer(&self) -> Observer {
        Observer::new(self.shared.clone())
    }
}

/// Takes a loopback address; port 0 means any free port.
pub async fn bind(address: SocketAddr, options: &Options) -> Result<Listener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    let refused = |source| BindError::Refused { address, source };
    let socket = TcpListener::bind(address).await.map_err(refused)?;
    let address = socket.local_addr().map_err(refused)?;
    Ok(Listener {
        socket,
        address,
        shared: Shared::new(options),
        max_packet_bytes: options.max_packet_bytes,
    })
}

/// Takes `port` of 127.0.0.1 if it is free, else any free port.
pub async fn bind_near(port: u16, options: &Options) -> Result<Listener, BindError> {
    match bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), options).await {
        Err(BindError::Refused { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
            bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), options).await
        }
        other => other,
    }
}

/// Serves until `stop` is cancelled; then all connections get what is queued for them, if they take it
/// within a second, and are closed before it returns. Sessions
/// end with it: they live in memory.
pub async fn serve(listener: Listener, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut last_connection: u64 = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                report_panic(ended);
            }
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                    last_connection += 1;
                    connections.spawn(serve_one(&listener, stream, last_connection, stop.clone()));
                }
                Ok(_) => tracing::warn!("turned away: {MAX_CONNECTIONS} connections are open"),
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL, all_ended).await;
    connections.shutdown().await;
}

fn serve_one(
    listener: &Listener,
    stream: TcpStream,
    connection: u64,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    connection::run(
        stream,
        listener.shared.clone(),
        connection,
        listener.max_packet_bytes,
        stop,
    )
}

fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection's task broke down: {error}");
    }
}
