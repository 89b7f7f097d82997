//! One client's connection: bytes in, packets to the exchange, bytes out.
//!
//! Reading and writing go on side by side, so that a client that is busy sending still gets its
//! acks. What waits for the socket is bounded; a client that does not read is not read from either.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet};
use rumqttc::mqttbytes::{Error, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::exchange::OUTBOX_BYTES;
use super::session::write_packet;
use super::shared::Shared;

/// A client that says nothing after connecting, or does not read its last bytes, holds a place for
/// this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Read at once; a few hundred packets of a sensor.
const READ_BYTES: usize = 64 << 10;

/// Replies may exceed [`OUTBOX_BYTES`] by what one read can cause. Twice that stops the reading.
const OUTBOX_FULL_BYTES: usize = 2 * OUTBOX_BYTES;

/// A day: stands for "no keep-alive" where a deadline is needed.
const NO_KEEP_ALIVE: Duration = Duration::from_hours(24);

/// Where the protocol level stands in a CONNECT, after the fixed header: behind the length and
/// the four bytes of "MQTT".
const PROTOCOL_LEVEL_OFFSET: usize = 6;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("the client said DISCONNECT")]
    Disconnect,
    #[error("the client went away without DISCONNECT")]
    Gone,
    #[error("the client id connected again, or a test dropped the connection")]
    Detached,
    #[error("a fault cut the connection")]
    Cut,
    #[error("CONNECT was refused: {0:?}")]
    Refused(ConnectReturnCode),
    #[error("no CONNECT within {CONNECT_TIMEOUT:?}")]
    Silent,
    #[error("nothing arrived within one and a half times the keep-alive of {0} s")]
    KeepAlive(u16),
    #[error("the client used QoS 2, which this broker does not speak; publish at QoS 1")]
    QualityTwo,
    #[error("the client published to a topic that is empty or holds a wildcard or NUL")]
    BadTopic,
    #[error("the client sent a packet that the protocol does not allow here")]
    Unexpected,
    #[error("the client sent a packet that breaks the format")]
    Malformed,
    #[error("the client sent a packet that cannot be decoded: {0}")]
    Codec(#[from] Error),
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
}

impl Closed {
    /// Whether somebody should look at the client; the rest is daily life.
    fn is_notable(&self) -> bool {
        match self {
            Self::Disconnect | Self::Gone | Self::Detached | Self::Cut | Self::Io(_) => false,
            Self::Refused(_)
            | Self::Silent
            | Self::KeepAlive(_)
            | Self::QualityTwo
            | Self::BadTopic
            | Self::Unexpected
            | Self::Malformed
            | Self::Codec(_) => true,
        }
    }
}

/// Serves one connection to its end.
pub(super) async fn run(
    mut stream: TcpStream,
    shared: Shared,
    connection: u64,
    max_packet_bytes: usize,
    stop: CancellationToken,
) {
    let mut line = Line {
        inbox: BytesMut::with_capacity(READ_BYTES),
        outbox: BytesMut::with_capacity(READ_BYTES),
        max_packet_bytes,
    };
    let mut client = None;
    let closed = match greet(&mut stream, &mut line, &shared, connection, &mut client).await {
        Ok(greeting) => {
            converse(
                &mut stream,
                &mut line,
                &shared,
                connection,
                &greeting,
                &stop,
            )
            .await
        }
        Err(closed) => closed,
    };
    if let Some(client) = &client {
        shared.with(|exchange| exchange.close(client, connection, &closed));
    }
    let client = client.as_deref().unwrap_or("(not connected)");
    if closed.is_notable() {
        tracing::warn!(connection, client, "closed: {closed}");
    } else {
        tracing::debug!(connection, client, "closed: {closed}");
    }
}

/// The bytes on both sides of a socket.
struct Line {
    inbox: BytesMut,
    outbox: BytesMut,
    max_packet_bytes: usize,
}

/// What the opening of a connection settled.
struct Greeting {
    client: String,
    keep_alive_s: u16,
    wake: Arc<Notify>,
    closing: bool,
}

/// Reads CONNECT and answers it. Sets `client` as soon as the exchange knows the connection.
async fn greet(
    stream: &mut TcpStream,
    line: &mut Line,
    shared: &Shared,
    connection: u64,
    client: &mut Option<String>,
) -> Result<Greeting, Closed> {
    stream.set_nodelay(true)?;
    let connect = timeout(CONNECT_TIMEOUT, read_connect(stream, line))
        .await
        .unwrap_or(Err(Closed::Silent));
    let keep_alive_s = connect.as_ref().map_or(0, |connect| connect.keep_alive);
    let wake = Arc::new(Notify::new());
    let opened = connect.and_then(|connect| {
        shared.with(|exchange| {
            exchange.open(connection, connect, Arc::clone(&wake), &mut line.outbox)
        })
    });
    match opened {
        Ok(opened) => {
            *client = Some(opened.client.clone());
            Ok(Greeting {
                client: opened.client,
                keep_alive_s,
                wake,
                closing: opened.closing,
            })
        }
        Err(closed) => {
            // At most a CONNACK that says why: it fits any socket buffer.
            stream.write_all(&line.outbox).await?;
            Err(closed)
        }
    }
}

async fn read_connect(stream: &mut TcpStream, line: &mut Line) -> Result<Connect, Closed> {
    loop {
        // A CONNECT of another protocol version has another format behind the level: look at the
        // level before the codec stumbles.
        if other_protocol_level(&line.inbox) {
            return Err(refuse_protocol(&mut line.outbox));
        }
        match decode(&mut line.inbox, line.max_packet_bytes) {
            Ok(Some(Packet::Connect(connect))) if connect.protocol == Protocol::V4 => {
                return Ok(connect);
            }
            Ok(Some(Packet::Connect(_))) => return Err(refuse_protocol(&mut line.outbox)),
            Ok(Some(_)) => return Err(Closed::Unexpected),
            Ok(None) => {}
            Err(closed) => return Err(closed),
        }
        if stream.read_buf(&mut line.inbox).await? == 0 {
            return Err(Closed::Gone);
        }
    }
}

fn refuse_protocol(outbox: &mut BytesMut) -> Closed {
    let code = ConnectReturnCode::RefusedProtocolVersion;
    write_packet(outbox, &Packet::ConnAck(ConnAck::new(code, false)));
    Closed::Refused(code)
}

/// Whether `inbox` begins with a CONNECT of a level other than 4 (3.1.1).
fn other_protocol_level(inbox: &[u8]) -> bool {
    // The remaining length takes up to four bytes, the last of them below 0x80.
    let Some(length_end) = inbox
        .iter()
        .skip(1)
        .take(4)
        .position(|byte| byte & 0x80 == 0)
    else {
        return false;
    };
    let header_bytes = length_end + 2;
    let is_connect = inbox[0] == 0x10;
    let level = inbox.get(header_bytes + PROTOCOL_LEVEL_OFFSET);
    let is_mqtt = inbox[header_bytes..].starts_with(b"\0\x04MQTT");
    is_connect && is_mqtt && level.is_some_and(|&level| level != 4)
}

async fn converse(
    stream: &mut TcpStream,
    line: &mut Line,
    shared: &Shared,
    connection: u64,
    greeting: &Greeting,
    stop: &CancellationToken,
) -> Closed {
    let client = &greeting.client;
    let (mut reader, mut writer) = stream.split();
    let mut closing = greeting.closing;
    let mut stopping = false;
    let patience = match greeting.keep_alive_s {
        0 => NO_KEEP_ALIVE,
        keep_alive_s => Duration::from_secs(u64::from(keep_alive_s)) * 3 / 2,
    };
    let mut last_packet = Instant::now();
    let alarm = sleep_until(last_packet + patience);
    tokio::pin!(alarm);
    loop {
        if closing {
            return match timeout(CONNECT_TIMEOUT, writer.write_all(&line.outbox)).await {
                Ok(Err(error)) => Closed::Io(error),
                Ok(Ok(())) | Err(_) => Closed::Cut,
            };
        }
        let (packets, broken) = decode_all(&mut line.inbox, line.max_packet_bytes);
        if !packets.is_empty() {
            last_packet = Instant::now();
        }
        let received =
            shared.with(|exchange| exchange.receive(client, connection, packets, &mut line.outbox));
        match (received, broken) {
            // What is queued by now is still sent: the last word of who left, above all.
            (Ok(cut), None) => closing = cut || stopping,
            (Err(Closed::Detached), _) => return Closed::Detached,
            (Err(closed), _) | (Ok(_), Some(closed)) => {
                // The answers to what came before, as far as the socket takes them at once: a
                // client may send all that it has to say and DISCONNECT in one go.
                if let Err(error) = writer.try_write(&line.outbox) {
                    tracing::debug!(connection, "the last answers are lost: {error}");
                }
                return closed;
            }
        }
        if closing {
            continue;
        }
        line.inbox.reserve(READ_BYTES);
        tokio::select! {
            read = reader.read_buf(&mut line.inbox), if line.outbox.len() < OUTBOX_FULL_BYTES => {
                match read {
                    Ok(0) => return Closed::Gone,
                    Ok(_) => {}
                    Err(error) => return Closed::Io(error),
                }
            }
            written = writer.write_buf(&mut line.outbox), if !line.outbox.is_empty() => {
                if let Err(error) = written {
                    return Closed::Io(error);
                }
            }
            () = greeting.wake.notified() => {}
            () = stop.cancelled() => stopping = true,
            () = &mut alarm => {
                // Armed anew only when it rings: cheaper than at each packet.
                let deadline = last_packet + patience;
                if deadline <= Instant::now() && greeting.keep_alive_s > 0 {
                    return Closed::KeepAlive(greeting.keep_alive_s);
                }
                alarm.as_mut().reset(deadline.max(Instant::now() + Duration::from_millis(1)));
            }
        }
    }
}

/// All whole packets of `inbox`, and the error that ended them, if one did.
fn decode_all(inbox: &mut BytesMut, max_packet_bytes: usize) -> (Vec<Packet>, Option<Closed>) {
    let mut packets = Vec::new();
    loop {
        match decode(inbox, max_packet_bytes) {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None),
            Err(closed) => return (packets, Some(closed)),
        }
    }
}

/// One packet, or `None` when it is not whole yet; then `inbox` has room for the rest of it.
fn decode(inbox: &mut BytesMut, max_packet_bytes: usize) -> Result<Option<Packet>, Closed> {
    if inbox
        .first()
        .is_some_and(|&first| !reserved_bits_are_right(first))
    {
        return Err(Closed::Malformed);
    }
    match Packet::read(inbox, max_packet_bytes) {
        Ok(packet) => Ok(Some(packet)),
        Err(mqttbytes::Error::InsufficientBytes(missing_bytes)) => {
            inbox.reserve(missing_bytes);
            Ok(None)
        }
        Err(error) => Err(Closed::Codec(error)),
    }
}

/// The low four bits of a packet's first byte (section 2.2.2), which the codec does not look at.
fn reserved_bits_are_right(first: u8) -> bool {
    match first >> 4 {
        // PUBLISH: DUP must be 0 at QoS 0.
        3 => first & 0b1110 != 0b1000,
        // PUBREL, SUBSCRIBE, UNSUBSCRIBE.
        6 | 8 | 10 => first & 0x0f == 0b0010,
        _ => first.trailing_zeros() >= 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_level_is_seen_before_the_packet_is_whole() {
        assert!(other_protocol_level(b"\x10\x20\0\x04MQTT\x05"));
        assert!(other_protocol_level(b"\x10\x80\x01\0\x04MQTT\x03"));
        assert!(!other_protocol_level(b"\x10\x20\0\x04MQTT\x04"));
        for cut in 0..8 {
            assert!(
                !other_protocol_level(&b"\x10\x20\0\x04MQTT\x05"[..cut]),
                "{cut}"
            );
        }
    }

    #[test]
    fn reserved_bits_follow_the_table_of_the_standard() {
        for right in [
            0x10, 0x20, 0x30, 0x31, 0x32, 0x3a, 0x3d, 0x40, 0x62, 0x82, 0xa2, 0xc0, 0xe0,
        ] {
            assert!(reserved_bits_are_right(right), "{right:#x}");
        }
        for wrong in [0x11, 0x38, 0x39, 0x41, 0x60, 0x80, 0xa0, 0xa3, 0xc1, 0xef] {
            assert!(!reserved_bits_are_right(wrong), "{wrong:#x}");
        }
    }
}
