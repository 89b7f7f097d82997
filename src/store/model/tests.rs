//! Bytes in, the same bytes out, through the real writer.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::base::clock::Clock;
use crate::base::shutdown::Shutdown;
use crate::read_model;
use crate::storage::sqlite::Durability;
use crate::writer::{self, Reactions, sabotage::Sabotage};

const NOW: UnixNanos = 1_795_132_800_000_000_000;

fn with_store(test: impl FnOnce(&mut Models<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nightjar.db");
    let options = writer::Options {
        path: path.clone(),
        durability: Durability::Scratch,
        cache_kib: 1_024,
        clock: Clock::fixed(NOW),
        projections: read_model::ALL,
        reactions: Reactions::none(),
        tick_every: None,
        sabotage: Sabotage::NONE,
    };
    let started =
        writer::start(options, Arc::default(), Shutdown::new(), &mut |_, _, _| {}).unwrap();
    let core = started.writer;
    let thread = std::thread::Builder::new().spawn(move || core.run());
    let mut reader = Database::open_reader(&path).unwrap();
    test(&mut Models {
        reader: &mut reader,
        writer: &started.handle,
    });
    drop(started.handle);
    thread.unwrap().join().unwrap().unwrap();
}

#[test]
fn bytes_come_back_as_they_were_and_empty_is_not_none() {
    with_store(|store| {
        let every_byte: Vec<u8> = (0..=255).collect();
        assert_eq!(store.load_state("cusum:global").unwrap(), None);
        store.save_state("cusum:global", &every_byte, 7).unwrap();
        assert_eq!(
            store.load_state("cusum:global").unwrap(),
            Some((every_byte, 7))
        );
        store.save_state("cusum:global", b"", 8).unwrap();
        assert_eq!(
            store.load_state("cusum:global").unwrap(),
            Some((Vec::new(), 8)),
            "the later one, which is empty and not none"
        );
        assert_eq!(store.load_state("cusum:Global").unwrap(), None);
    });
}

#[test]
fn a_key_is_checked_before_every_read_and_write() {
    with_store(|store| {
        let longest = "k".repeat(KEY_MAX_BYTES);
        for key in ["a", "hw:source:my log", longest.as_str()] {
            store.save_state(key, b"x", 1).unwrap();
            assert_eq!(store.load_state(key).unwrap(), Some((b"x".to_vec(), 1)));
        }
        let too_long = "k".repeat(KEY_MAX_BYTES + 1);
        for key in ["", "käse", "a\nb", "a\0", "a\x7f", too_long.as_str()] {
            let saved = store.save_state(key, b"x", 1);
            assert!(matches!(saved, Err(ModelStoreError::Key(_))), "{key:?}");
            let loaded = store.load_state(key);
            assert!(matches!(loaded, Err(ModelStoreError::Key(_))), "{key:?}");
        }
        let error = store.load_state("").unwrap_err().to_string();
        assert!(error.contains("1 to 256 characters of ASCII"), "{error}");
    });
}

#[test]
fn the_database_itself_refuses_a_key_that_is_none() {
    with_store(|store| {
        for key in ["", "käse", "a\nb"] {
            let change = StateChange::ModelsSaved {
                states: vec![ModelState {
                    key: key.into(),
                    data: vec![1],
                    is_known: false,
                }],
                gone: Vec::new(),
                position: 1,
            };
            assert!(store.writer.change(change).is_err(), "{key:?}");
        }
    });
}

#[test]
fn many_are_saved_at_once_or_none() {
    with_store(|store| {
        let state = |key: &str| ModelState {
            key: key.into(),
            data: key.as_bytes().to_vec(),
            is_known: false,
        };
        let both = vec![state("hw:source:b"), state("hw:source:a")];
        store.save_all(both, Vec::new(), 5).unwrap();
        let mixed = vec![state("hw:source:c"), state("no key\n")];
        assert!(store.save_all(mixed, Vec::new(), 6).is_err());
        let gone = vec!["hw:source:b".to_owned(), "hw:source:unknown".to_owned()];
        store.save_all(vec![state("hw:source:d")], gone, 9).unwrap();
        let mut listed = Vec::new();
        for_each(&mut store.reader.snapshot().unwrap(), |one| {
            listed.push(one);
        })
        .unwrap();
        let stored = |key: &str, position| StoredModel {
            key: key.into(),
            data: key.as_bytes().to_vec(),
            updated_at: NOW,
            position,
        };
        assert_eq!(
            listed,
            [stored("hw:source:a", 5), stored("hw:source:d", 9)],
            "in the order of the keys"
        );
        let keys = keys(&mut store.reader.snapshot().unwrap()).unwrap();
        assert_eq!(keys, ["hw:source:a", "hw:source:d"]);
    });
}

#[test]
fn what_was_removed_meanwhile_is_not_stored_again() {
    with_store(|store| {
        let state = |is_known| ModelState {
            key: "hw:source:a".into(),
            data: vec![1],
            is_known,
        };
        store.save_all(vec![state(false)], Vec::new(), 5).unwrap();
        store.save_all(vec![state(true)], Vec::new(), 6).unwrap();
        assert_eq!(store.load_state("hw:source:a").unwrap(), Some((vec![1], 6)));
        let gone = vec!["hw:source:a".to_owned()];
        store.save_all(Vec::new(), gone, 7).unwrap();
        store.save_all(vec![state(true)], Vec::new(), 8).unwrap();
        assert_eq!(store.load_state("hw:source:a").unwrap(), None);
    });
}
