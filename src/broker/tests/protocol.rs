//! What bare sockets send: broken packets, silence, other versions. And the listener itself.

use std::net::SocketAddr;

use rumqttc::ConnectReturnCode;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, LastWill, Packet, Publish, SubscribeReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, Rig, rig, seen};
use crate::broker::{BindError, Options, bind, bind_near, serve};

/// Sends `bytes` and returns what came back until the broker closed.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset is an end too: the broker need not read what it does not want.
    assert!(end.is_ok(), "the broker must close after {bytes:02x?}");
    answer
}

fn packet(packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).unwrap();
    bytes.to_vec()
}

fn connect(id: &str, keep_alive: u16) -> Vec<u8> {
    let mut connect = Connect::new(id);
    connect.keep_alive = keep_alive;
    packet(&Packet::Connect(connect))
}

async fn assert_alive(rig: &Rig) {
    let mut client = rig.subscriber("alive", "alive").await;
    client.publish("alive", "yes").await;
    assert_eq!(client.messages(1).await[0].0, "yes");
    client.disconnect().await;
}

const ACCEPTED: &[u8] = &[0x20, 2, 0, 0];

#[tokio::test]
async fn a_broken_packet_closes_its_own_connection_only() {
    let rig = rig(Options {
        max_packet_bytes: 1_000,
        ..Options::default()
    })
    .await;
    let mut bystander = rig.subscriber("bystander", "#").await;
    let qos_2 = {
        let mut publish = Publish::new("t", QoS::ExactlyOnce, "x");
        publish.pkid = 1;
        packet(&Packet::Publish(publish))
    };
    let broken: &[(&str, &[u8])] = &[
        ("QoS 2", &qos_2),
        ("PUBREL", b"\x62\x02\0\x01"),
        ("QoS 3", b"\x36\x05\0\x01t\0\x01"),
        ("DUP at QoS 0", b"\x38\x03\0\x01t"),
        ("packet id 0", b"\x32\x05\0\x01t\0\0"),
        ("wildcard in a topic", b"\x30\x05\0\x03a/#"),
        ("empty topic", b"\x30\x02\0\0"),
        ("topic that is not UTF-8", b"\x30\x03\0\x01\xff"),
        ("topic longer than the packet", b"\x30\x03\0\x09t"),
        (
            "remaining length of five bytes",
            b"\x30\xff\xff\xff\xff\x01",
        ),
        ("larger than allowed", b"\x30\xe9\x07"),
        ("type 0", b"\x00\x00"),
        ("type 15", b"\xf0\x00"),
        ("CONNACK", ACCEPTED),
        ("second CONNECT", &connect("broken", 0)),
        ("SUBSCRIBE without filter", b"\x82\x02\0\x01"),
        ("SUBSCRIBE with wrong flags", b"\x80\x06\0\x01\0\x01t\x01"),
        ("SUBSCRIBE with packet id 0", b"\x82\x06\0\0\0\x01t\x01"),
        ("UNSUBSCRIBE without filter", b"\xa2\x02\0\x01"),
        ("empty PUBACK", b"\x40\x00"),
    ];
    for (what, bytes) in broken {
        let mut sent = connect("broken", 0);
        sent.extend_from_slice(bytes);
        let answer = exchange(rig.address, &sent).await;
        assert!(
            answer.is_empty() || answer == ACCEPTED,
            "{what}: {answer:02x?}"
        );
        rig.until(what, |seen| seen.client("broken").is_none())
            .await;
    }
    for first in [
        &b"\xc0\x00"[..],
        b"\x30\x03\0\x01t",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(exchange(rig.address, first).await.is_empty());
    }
    assert_alive(&rig).await;
    assert_eq!(bystander.messages(1).await, [seen("yes", 1, false)]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]
    #[test]
    fn random_bytes_after_connect_never_take_the_broker_down(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = rig(Options::default()).await;
            let mut stream = TcpStream::connect(rig.address).await.unwrap();
            stream.write_all(&connect("noise", 0)).await.unwrap();
            stream.write_all(&noise).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            // Ends by reset or by end of file.
            drop(timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap());
            assert_alive(&rig).await;
        });
    }
}

#[tokio::test]
async fn connect_is_refused_with_the_code_that_says_why() {
    let rig = rig(Options::default()).await;
    let refused = |code: ConnectReturnCode| vec![0x20, 2, 0, code as u8];
    for level in [3, 5, 6] {
        let mut other = connect("other", 0);
        other[8] = level;
        let answer = exchange(rig.address, &other).await;
        assert_eq!(
            answer,
            refused(ConnectReturnCode::RefusedProtocolVersion),
            "level {level}"
        );
    }
    let mut nameless = Connect::new("");
    nameless.clean_session = false;
    let nameless = packet(&Packet::Connect(nameless));
    assert_eq!(
        exchange(rig.address, &nameless).await,
        refused(ConnectReturnCode::BadClientId)
    );
    for will in [
        LastWill::new("a/#", "x", QoS::AtLeastOnce, false),
        LastWill::new("a", "x", QoS::ExactlyOnce, false),
    ] {
        let mut connect = Connect::new("will");
        connect.last_will = Some(will);
        assert!(
            exchange(rig.address, &packet(&Packet::Connect(connect)))
                .await
                .is_empty()
        );
    }
    // Without a name but clean: the broker gives one.
    let mut bytes = connect("", 0);
    bytes.extend_from_slice(b"\xc0\x00\xe0\x00");
    assert_eq!(
        exchange(rig.address, &bytes).await,
        [ACCEPTED, b"\xd0\x00"].concat()
    );
}

#[tokio::test]
async fn silence_beyond_the_keep_alive_closes_the_connection_and_publishes_the_will() {
    let rig = rig(Options::default()).await;
    let mut watcher = rig.subscriber("watcher", "gone").await;
    let mut silent = Connect::new("silent");
    silent.keep_alive = 1;
    silent.last_will = Some(LastWill::new("gone", "silent", QoS::AtLeastOnce, false));
    let begin = tokio::time::Instant::now();
    let answer = exchange(rig.address, &packet(&Packet::Connect(silent))).await;
    assert_eq!(answer, ACCEPTED);
    assert!(
        begin.elapsed().as_millis() >= 1_500,
        "one and a half times the keep-alive"
    );
    assert_eq!(watcher.messages(1).await[0].0, "silent");
}

#[tokio::test]
async fn dollar_topics_are_hidden_from_leading_wildcards() {
    let rig = rig(Options::default()).await;
    let mut all = rig.subscriber("all", "#").await;
    let mut sys = rig.subscriber("sys", "$SYS/#").await;
    all.publish("$SYS/broker/uptime", "1").await;
    all.publish("plain", "2").await;
    assert_eq!(all.messages(1).await[0].0, "2");
    assert_eq!(sys.messages(1).await[0].0, "1");
}

#[tokio::test]
async fn what_is_not_a_filter_is_answered_with_failure() {
    let rig = rig(Options::default()).await;
    let mut connect = connect("bad", 0);
    // Filters "a/#/b", "" and "ok".
    connect.extend_from_slice(b"\x82\x12\0\x07\0\x05a/#/b\x01\0\0\x01\0\x02ok\x01\xe0\x00");
    let answer = exchange(rig.address, &connect).await;
    assert_eq!(answer, [ACCEPTED, b"\x90\x05\0\x07\x80\x80\x01"].concat());
    let mut client = rig.client("shared").await;
    assert_eq!(
        client.subscribe("$share/group/a", QoS::AtLeastOnce).await,
        SubscribeReasonCode::Failure
    );
}

#[tokio::test]
async fn only_loopback_addresses_are_bound() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = bind(address.parse().unwrap(), &Options::default())
            .await
            .unwrap_err();
        assert!(matches!(error, BindError::NotLoopback(_)), "{error}");
        assert_eq!(
            error.to_string(),
            format!(
                "{address} is not a loopback address: the built-in broker has no passwords; \
                 use 127.0.0.1, or run mosquitto"
            )
        );
    }
}

#[tokio::test]
async fn a_taken_port_is_refused_or_replaced_by_a_free_one() {
    let first = bind("127.0.0.1:0".parse().unwrap(), &Options::default())
        .await
        .unwrap();
    let error = bind(first.address(), &Options::default())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot listen on {}: ", first.address()))
    );
    let second = bind_near(first.address().port(), &Options::default())
        .await
        .unwrap();
    assert_ne!(second.address(), first.address());
    assert!(second.address().ip().is_loopback());
    let free = first.address().port();
    drop(first);
    let third = bind_near(free, &Options::default()).await.unwrap();
    assert_eq!(third.address().port(), free);
}

#[tokio::test]
async fn cancelling_ends_serve_with_every_connection_closed() {
    let mut rig = rig(Options::default()).await;
    let mut client = rig.client("client").await;
    rig.stop.cancel();
    timeout(PATIENCE, rig.tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    client.error().await;
    bind(rig.address, &Options::default()).await.unwrap();
}

#[tokio::test]
async fn dropping_serve_closes_every_connection() {
    let listener = bind("127.0.0.1:0".parse().unwrap(), &Options::default())
        .await
        .unwrap();
    let address = listener.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&connect("client", 0)).await.unwrap();
    {
        let serving = serve(listener, CancellationToken::new());
        let mut answer = [0; 4];
        tokio::select! {
            () = serving => panic!("nobody stopped it"),
            read = stream.read_exact(&mut answer) => assert_eq!(read.unwrap(), 4),
        }
        assert_eq!(answer, ACCEPTED);
    }
    let rest = timeout(PATIENCE, stream.read_to_end(&mut Vec::new()))
        .await
        .unwrap();
    assert!(rest.is_err() || rest.unwrap() == 0);
}
