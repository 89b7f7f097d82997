#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const ENCODED: &str = "pbkdf2_sha256$000102030405060708090a0b0c0d0e0f$\
     9f39d9c71c22c4c459bc2cbacc6d74e2184185d671d91f0a34a6834413a0849d";
const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const NOW: UnixNanos = 1_795_000_000 * SECOND_NS;

fn pin(text: &str) -> Pin {
    Pin::new(text.into()).unwrap()
}

fn hash() -> PinHash {
    ENCODED.parse().unwrap()
}

#[test]
fn a_pin_and_its_salt_make_the_known_hash() {
    let made = PinHash::make(&pin("1234"), &SALT).unwrap();
    assert_eq!(made.encoded(), ENCODED);
    assert_eq!(hash().encoded(), ENCODED);
}

#[test]
fn only_the_pin_itself_is_right() {
    let upper = ENCODED.to_uppercase().replace("PBKDF2_SHA256", SCHEME);
    assert!(upper.parse::<PinHash>().unwrap().verify(&pin("1234")));
    assert!(!hash().verify(&pin("1235")));
    assert!(!hash().verify(&pin("1234 ")));
}

#[test]
fn a_malformed_hash_is_refused_and_not_quoted() {
    let (salt, key) = (&ENCODED[14..46], &ENCODED[47..]);
    for (text, error) in [
        (String::new(), PinHashError::Form),
        ("1234".into(), PinHashError::Form),
        (format!("{salt}${key}"), PinHashError::Form),
        (format!("pbkdf2_sha1${salt}${key}"), PinHashError::Form),
        (format!("PBKDF2_SHA256${salt}${key}"), PinHashError::Form),
        (
            format!("pbkdf2_sha256$600000${salt}${key}"),
            PinHashError::Form,
        ),
        (format!("{ENCODED}$"), PinHashError::Form),
        (format!(" {ENCODED}"), PinHashError::Form),
        (format!("pbkdf2_sha256$${key}"), PinHashError::Salt),
        (format!("pbkdf2_sha256$00${key}"), PinHashError::Salt),
        (format!("pbkdf2_sha256${salt}0${key}"), PinHashError::Salt),
        (
            format!("pbkdf2_sha256$g{}${key}", &salt[1..]),
            PinHashError::Salt,
        ),
        (
            format!("pbkdf2_sha256$+{}${key}", &salt[1..]),
            PinHashError::Salt,
        ),
        (
            format!("pbkdf2_sha256${}${key}", "00".repeat(65)),
            PinHashError::Salt,
        ),
        (format!("pbkdf2_sha256${salt}$"), PinHashError::Key),
        (
            format!("pbkdf2_sha256${salt}${}", &key[2..]),
            PinHashError::Key,
        ),
        (format!("pbkdf2_sha256${salt}${key}00"), PinHashError::Key),
        (format!("{ENCODED}\n"), PinHashError::Key),
    ] {
        let refused = text.parse::<PinHash>().unwrap_err();
        assert_eq!(refused, error, "{text}");
        assert!(!refused.to_string().contains(&key[..8]));
    }
    assert_eq!(
        PinHash::make(&pin("1234"), &SALT[..7]).unwrap_err(),
        PinHashError::Salt
    );
}

#[test]
fn a_pin_has_4_to_32_characters_and_no_control_characters() {
    let long = "ä".repeat(32);
    for text in ["1234", "correct horse battery", "ÄÖÜß", long.as_str()] {
        assert!(Pin::new(text.into()).is_ok(), "{text}");
    }
    let longer = "1".repeat(33);
    for (text, error) in [
        ("", PinError::Length),
        ("123", PinError::Length),
        ("äöü", PinError::Length),
        (longer.as_str(), PinError::Length),
        ("1234\n", PinError::ControlCharacter),
        ("12\u{0}34", PinError::ControlCharacter),
        ("12\u{85}34", PinError::ControlCharacter),
    ] {
        assert_eq!(Pin::new(text.into()).unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn neither_pin_nor_hash_is_shown() {
    assert_eq!(format!("{:?}", pin("4711")), "Pin([redacted])");
    assert_eq!(format!("{:?}", hash()), "PinHash([redacted])");
}

#[test]
fn each_wrong_pin_doubles_the_wait_up_to_five_minutes() {
    let mut gate = PinGate::default();
    let mut now = NOW;
    assert_eq!(gate.verdict(now), GateVerdict::Open);
    for (index, seconds) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        .into_iter()
        .enumerate()
    {
        let alert = gate.record(now, false);
        assert_eq!(gate.failures() as usize, index + 1);
        assert_eq!(
            alert,
            matches!(index + 1, 5 | 10),
            "wrong PIN {}",
            index + 1
        );
        let until = now + seconds * SECOND_NS;
        assert_eq!(gate.verdict(now), GateVerdict::Locked { until });
        assert_eq!(gate.verdict(until - 1), GateVerdict::Locked { until });
        assert_eq!(gate.verdict(until), GateVerdict::Open);
        now = until;
    }
    assert!(!gate.record(now, true));
    assert_eq!(gate.failures(), 0);
    // The wrong ones are forgotten; only the second between any two hashes is left.
    let until = now + SECOND_NS;
    assert_eq!(gate.verdict(now), GateVerdict::Locked { until });
    assert_eq!(gate.verdict(until), GateVerdict::Open);
}

#[test]
fn a_clock_set_back_locks_nobody_out_for_longer_than_the_delay() {
    let mut gate = PinGate::default();
    gate.record(NOW, false);
    gate.record(NOW, false);
    let back = NOW - 86_400 * SECOND_NS;
    let until = back + 2 * SECOND_NS;
    assert_eq!(gate.verdict(back), GateVerdict::Locked { until });
    assert_eq!(gate.verdict(until), GateVerdict::Open);
}

#[test]
fn a_gate_is_the_same_after_a_restart() {
    let mut gate = PinGate::default();
    gate.record(NOW, false);
    let stored = serde_json::to_string(&gate).unwrap();
    assert_eq!(serde_json::from_str::<PinGate>(&stored).unwrap(), gate);
}

#[test]
fn a_try_is_compared_only_when_there_is_a_hash_a_pin_and_an_open_gate() {
    let hash = hash();
    let mut gate = PinGate::default();
    let mut tried = |hash, given, after: i64| {
        let tried = try_pin(hash, &mut gate, given, NOW + after * SECOND_NS / 2);
        (tried.verdict, tried.alert)
    };
    assert_eq!(
        tried(None, Some("1234"), 0),
        (PinVerdict::NotConfigured, false)
    );
    assert_eq!(tried(None, None, 0), (PinVerdict::NotConfigured, false));
    assert_eq!(tried(Some(&hash), None, 0), (PinVerdict::Absent, false));
    assert_eq!(
        tried(Some(&hash), Some("4711"), 0),
        (PinVerdict::Wrong, false)
    );
    assert_eq!(
        tried(Some(&hash), Some("1234"), 1),
        (PinVerdict::Locked, false)
    );
    assert_eq!(
        tried(Some(&hash), Some("1234"), 2),
        (PinVerdict::Correct, false)
    );
    assert_eq!(
        tried(Some(&hash), Some("1234"), 3),
        (PinVerdict::Locked, false)
    );
    // What cannot be a PIN is wrong, and counts.
    for (given, after, alert) in [
        ("", 4, false),
        ("12", 6, false),
        ("1234\n", 10, false),
        ("123", 18, false),
        ("1", 34, true),
    ] {
        assert_eq!(
            tried(Some(&hash), Some(given), after),
            (PinVerdict::Wrong, alert)
        );
    }
}

proptest! {
    #[test]
    fn tries_are_never_less_than_a_second_apart(
        steps in proptest::collection::vec((0..3 * SECOND_NS, proptest::bool::weighted(0.3)), 1..60),
    ) {
        let mut gate = PinGate::default();
        let (mut now, mut last) = (NOW, None::<UnixNanos>);
        for (step, correct) in steps {
            now += step;
            if gate.verdict(now) == GateVerdict::Open {
                if let Some(last) = last {
                    prop_assert!(now - last >= SECOND_NS);
                }
                gate.record(now, correct);
                last = Some(now);
            }
        }
    }

    #[test]
    fn a_gate_is_closed_for_at_most_five_minutes(failures: u32, last: i64, now: i64) {
        let mut gate = PinGate { failures, last_try_at: Some(last) };
        if let GateVerdict::Locked { until } = gate.verdict(now) {
            prop_assert!(until > now && until - now <= MAX_DELAY_NS);
        }
    }

    #[test]
    fn no_text_makes_a_hash_panic(text in "(pbkdf2_sha256)?[$0-9a-fé]{0,120}") {
        let _ = text.parse::<PinHash>();
    }
}
