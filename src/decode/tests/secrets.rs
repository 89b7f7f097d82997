//! Whatever comes: no panic, and no secret.

use proptest::prelude::*;

use super::*;

const TOPICS: &[&str] = &[
    "sensor/keypad/state",
    "sensor/keypad/action_code",
    "sensor/x/temperature",
    "camera/x/motion/start",
    "camera/x/error",
    "camera/x/pet/detected",
    "camera/x/face/detected",
    "camera/x/wildlife/detected",
    "pets/p/location",
    "recording/x/finished",
    "ups/status",
    "presence/mara",
    "presence/status",
    "system/arm_request",
    "system/health",
    "log/h/s",
    "metrics/h/system",
    "garden/gnome",
    "camera/x/snapshot",
];

const SECRET_KEYS: &[&str] = &[
    "pin",
    "PIN",
    "code",
    "action_code",
    "actionCode",
    "password",
    "user-password",
    "pass",
    "passwd",
    "pincode",
    "token",
    "access_token",
    "secret",
    "api_key",
    "X-Api-Key",
    "Authorization",
    "\\u0070in",
    "p\\u0061ssword",
];

fn message(below: &str, payload: Vec<u8>) -> Decoded {
    decode(&inbound(&format!("vigilar/{below}"), payload), &native())
}

fn holds(decoded: &Decoded, secret: &str) -> bool {
    let inside = |bytes: &[u8]| {
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    decoded.events.iter().any(|event| {
        inside(&event.event.encode())
            || inside(event.text.as_deref().unwrap_or_default().as_bytes())
            || inside(event.stream.as_bytes())
            || inside(event.source.as_bytes())
    }) || decoded
        .publisher_id
        .as_ref()
        .is_some_and(|id| inside(id.id.as_bytes()))
}

/// Fields that make the usual payloads complete.
const REST: &str = r#""ts":1795143590000,"id":"m-1","species":"cat","confidence":0.5,"value":1,
    "message":"said","mode":"DISARMED","camera":"x","location":"INTERIOR","file":"f.mp4",
    "state":"HOME""#;

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SECRET_KEYS)
}

fn topic() -> impl Strategy<Value = &'static str> {
    prop::sample::select(TOPICS)
}

/// A secret that occurs nowhere by chance, and its JSON.
fn secret() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[a-z]{4}q[A-Z]{4}[0-9]{4}".prop_map(|word| {
            let json = format!("\"{word}\"");
            (word, json)
        }),
        "[a-z]{4}q[A-Z]{4}[0-9]{4}".prop_map(|word| {
            let json = format!("\" ,}}]'\\\"\\\\ {word} \\u00e9\"");
            (word, json)
        }),
        "[a-z]{4}q[A-Z]{4}[0-9]{4}".prop_map(|word| {
            let json = format!("[1,\"{word}\",{{\"x\":\"{word}]\"}}]");
            (word, json)
        }),
        (7_000_000_000_000_i64..7_999_999_999_999).prop_map(|number| {
            let text = number.to_string();
            (text.clone(), text)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_on_any_topic_become_events(
        topic in prop_oneof![
            topic().prop_map(|below| format!("vigilar/{below}")),
            "\\PC{0,40}",
            "vigilar/[a-z/+#$]{0,30}",
        ],
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "[-{}\\[\\]\":,0-9a-zA-Z\\\\. =/@?&]{0,80}".prop_map(String::into_bytes),
        ],
        retain: bool,
        received_at: i64,
    ) {
        let message = Inbound { topic: topic.into(), payload, qos: 1, retain, received_at };
        let decoded = decode(&message, &native());
        prop_assert_eq!(decoded.events.len(), 1);
        let event = &decoded.events[0];
        prop_assert_eq!(event.flags.has(Flags::RETAINED), retain);
        let says = matches!(
            event.event.kind(),
            Kind::MessageUndecodable | Kind::LogWritten | Kind::CameraFailed
        );
        prop_assert_eq!(event.text.is_some(), says);
        // What was stored can be read again.
        let (kind, body) = (event.event.kind(), event.event.encode());
        prop_assert_eq!(&Event::decode(kind, kind.version(), &body).unwrap(), &event.event);
    }

    #[test]
    fn a_secret_by_its_key_never_leaves(
        below in topic(),
        key in key(),
        (secret, json) in secret(),
        depth in 0_usize..4,
        blank in "[ \n]{0,2}",
    ) {
        let open = "{\"in\":[".repeat(depth);
        let close = "]}".repeat(depth);
        let inner = format!("{open}{{\"{key}\"{blank}:{blank}{json}}}{close}");
        for payload in [
            format!("{{{REST},\"{key}\"{blank}:{blank}{json},\"after\":1}}"),
            format!("{{\"deep\":{inner},{REST}}}"),
            format!("{{{REST},\"species\":1,\"deep\":{inner}}}"),
            format!("{{\"message\":{},\"ts\":1795143590}}", serde_json::to_string(&inner).unwrap()),
            inner,
        ] {
            let decoded = message(below, payload.clone().into_bytes());
            prop_assert!(!holds(&decoded, &secret), "{below} {payload}: {decoded:?}");
            prop_assert_ne!(
                decoded.hash,
                message_hash(&format!("vigilar/{below}"), payload.as_bytes()),
                "the digest is over the secret: {} {}", below, payload
            );
        }
    }

    #[test]
    fn a_secret_in_a_broken_payload_never_leaves(
        below in topic(),
        key in key(),
        (secret, json) in secret(),
        cut in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let whole = format!("{{{REST},\"{key}\":{json},\"after\":1}}").into_bytes();
        let mut payload = whole[..=cut.index(whole.len())].to_vec();
        payload.extend(garbage);
        let decoded = message(below, payload.clone());
        prop_assert!(!holds(&decoded, &secret), "{} {:?}", below, decoded);
    }

    #[test]
    fn a_secret_in_running_text_never_leaves(
        word in "[a-z]{4}q[A-Z]{4}[0-9]{4}",
        form in prop::sample::select(&[
            "x password=@ y", "x password: @", "token='@ x'", "rtsp://cam:@@192.0.2.1/s",
            "Authorization: Bearer @", "GET /a?b=1&api_key=@&c=2", "http://h/?sig=@", "--token @ x",
            "{\"pin\":\"@", "'{\"action_code\": \"@\"}'", "Set-Cookie: a=b; c=@",
        ][..]),
    ) {
        let line = form.replacen('@', &word, 1);
        prop_assert!(!holds(&message("log/h/s", line.clone().into_bytes()), &word), "{}", line);
        prop_assert!(!holds(&message("garden/x", line.clone().into_bytes()), &word), "{}", line);
        let quoted = serde_json::to_string(&line).unwrap();
        for payload in [
            format!("{{\"message\":{quoted}}}"),
            format!("{{\"deep\":[{quoted}],\"message\":\"x\"}}"),
        ] {
            for below in ["camera/x/error", "log/h/s", "system/health"] {
                let decoded = message(below, payload.clone().into_bytes());
                prop_assert!(!holds(&decoded, &word), "{below} {payload} {decoded:?}");
            }
        }
    }
}

#[test]
fn an_arm_request_that_cannot_be_read_keeps_its_length_alone() {
    for payload in [
        r#"{"mode":"DISARMED","pin":"47"#,
        r#"["DISARMED","4711"]"#,
        r#"{"mode":"4711","pin":"DISARMED"}"#,
        "4711",
    ] {
        let decoded = message("system/arm_request", payload.into());
        let Event::MessageUndecodable(kept) = &decoded.events[0].event else {
            panic!("{payload}")
        };
        assert_eq!(kept.payload, vec![b'*'; payload.len()]);
        assert!(!holds(&decoded, "47"), "{payload}");
    }
}

#[test]
fn a_digest_does_not_betray_the_pin() {
    let hash = |pin: &str| {
        let payload = format!("{{\"id\":\"a-1\",\"mode\":\"DISARMED\",\"pin\":\"{pin}\"}}");
        let decoded = message("system/arm_request", payload.into());
        assert_eq!(decoded.publisher_id.unwrap().hash, decoded.hash);
        decoded.hash
    };
    assert_eq!(hash("4711"), hash("0815"));
    let bare = |code: &str| message("sensor/keypad/action_code", code.into()).hash;
    assert_eq!(bare("4711"), bare("0815"));
}

/// A rule that reads the rest of the payload once per mark would take hours here.
#[test]
fn hostile_shapes_take_one_pass() {
    for shape in [
        "://",
        "a://b",
        "code=",
        "pin=1 ",
        "--a",
        "--pin ",
        "\"\\n",
        "\\",
        "\"",
        "\"pin\":\"",
        "=",
        ": ",
        "Bearer ",
        "{\"a\":",
        "[",
        "'code':",
        "error ",
        "\u{1b}[",
    ] {
        let payload = shape.repeat(4_000_000 / shape.len());
        let text = &payload[..200_000];
        for below in ["garden/x", "camera/x/error", "log/h/s", "sensor/x/state"] {
            assert_eq!(message(below, payload.clone().into()).events.len(), 1);
            assert_eq!(message(below, text.into()).events.len(), 1);
        }
    }
}
