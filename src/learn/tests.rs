//! What the tests of the models share: the reference values of `scripts/model-references`, and harm
//! for stored bytes.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value as Json;

use super::*;

/// `fixtures/models/<name>.json`.
pub(super) fn reference(name: &str) -> Json {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/models");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The numbers of a list.
pub(super) fn numbers(list: &Json) -> Vec<f64> {
    let list = list.as_array().unwrap();
    list.iter().map(|item| item.as_f64().unwrap()).collect()
}

/// Fails unless both agree to nine digits.
pub(super) fn assert_near(one: f64, other: f64, what: &str) {
    let tolerance = 1e-9 * one.abs().max(1.0);
    assert!(
        (one - other).abs() <= tolerance,
        "{what}: {one} and {other}"
    );
}

/// Some changes of stored bytes: where, and what stands there then.
pub(super) fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec(any::<(Index, u8)>(), 1..4)
}

/// The bytes with these changes. The version stays, or nothing would be looked into.
pub(super) fn changed(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
    for (place, byte) in changes {
        let place = 1 + place.index(bytes.len() - 1);
        bytes[place] = *byte;
    }
    bytes
}

#[test]
fn errors_say_what_is_wrong_with_the_bytes() {
    let version = |found| ModelError::Version { found, known: 1 };
    for (error, text) in [
        (version(Some(2)), "the model has version 2, known is 1"),
        (version(None), "the model is empty, version 1 is known"),
        (ModelError::TooLong(9), "no model is 9 bytes long"),
        (ModelError::Trailing(3), "3 bytes follow behind the model"),
        (
            ModelError::Malformed("x".to_owned()),
            "this is no such model: x",
        ),
        (ModelError::OutOfRange("window"), "out of range: window"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
