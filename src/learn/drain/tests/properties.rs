//! What holds for any messages in any order.

use proptest::prelude::*;

use super::*;

/// Messages that often fit each other, with heads, keys, masks and JSON.
fn message() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "gate",
        "opened",
        "by",
        "mara",
        "joris",
        "id=7",
        "id=x",
        "id=",
        "42",
        "<*>",
        "id=<*>",
        "192.0.2.1",
        "hall:",
        "\"a b",
        "c\"",
        "x,y",
        "[tag]",
        "info",
        "msg=opened",
        "=",
    ]);
    let head = prop::sample::select(vec![
        "",
        "Nov 21 17:58:01 heron gated[7]: ",
        "Nov 21 17:58:01 osprey gated[8]: ",
        "[2026-11-21 17:58:01] info: ",
        "2026-11-21 17:58:01 <TIME> [3]: ",
        "<34>1 2026-11-21T17:58:01Z heron gated 7 - - ",
    ]);
    let json = prop::sample::select(vec![
        "",
        r#" {"event":"opened","by":"mara","n":1}"#,
        r#" {"n":null,"by":[],"event":"opened"}"#,
        r#" {"n":null,"by":[]"#,
    ]);
    (head, prop::collection::vec(word, 0..7), json)
        .prop_map(|(head, words, json)| format!("{head}{}{json}", words.join(" ")))
}

proptest! {
    #[test]
    fn a_template_matches_its_own_examples(messages in prop::collection::vec(message(), 1..40)) {
        let (miner, ids) = mined(messages.iter().map(String::as_str));
        for (message, id) in messages.iter().zip(ids) {
            let tokens = Tokens::of(message);
            let (key, template) = &miner.templates[id];
            prop_assert_eq!(*key, leaf(&tokens));
            prop_assert!(similarity(template, &tokens) >= THRESHOLD, "{} | {}", template, message);
            // Nothing in the example speaks against the template.
            prop_assert!(!template.clone().merge(&tokens), "{} | {}", template, message);
        }
    }

    #[test]
    fn a_restart_anywhere_gives_the_same_ids(
        messages in prop::collection::vec(message(), 1..40),
        cuts in prop::collection::vec(any::<bool>(), 40),
    ) {
        let (whole, ids) = mined(messages.iter().map(String::as_str));
        let mut miner = Miner::default();
        for ((message, id), cut) in messages.iter().zip(ids).zip(cuts) {
            if cut {
                miner = miner.reloaded();
            }
            prop_assert_eq!(miner.id_of(message), id);
        }
        prop_assert_eq!(miner.texts(), whole.texts());
    }

    #[test]
    fn no_leaf_holds_a_template_twice(messages in prop::collection::vec(message(), 1..60)) {
        let (miner, _) = mined(messages.iter().map(String::as_str));
        let mut kept: Vec<_> =
            miner.templates.iter().map(|(key, template)| (key, template.to_string())).collect();
        kept.sort();
        kept.dedup();
        prop_assert_eq!(kept.len(), miner.templates.len());
    }

    #[test]
    fn any_text_round_trips(message in any::<String>(), other in message()) {
        let tokens = Tokens::of(&message);
        let mut template = Template::of(&tokens);
        prop_assert_eq!(template.to_string(), tokens.text());
        prop_assert_eq!(&Template::parse(tokens.text()), &template);
        template.merge(&Tokens::of(&other));
        prop_assert_eq!(Template::parse(&template.to_string()), template);
    }

    #[test]
    fn a_used_buffer_reads_the_same(one in message(), other in message()) {
        let mut tokens = Tokens::of(&one);
        tokens.read(&other);
        prop_assert_eq!(tokens.text(), text_of(&other));
        prop_assert_eq!(leaf(&tokens), leaf(&Tokens::of(&other)));
    }

    #[test]
    fn json_of_any_shape_is_read_to_its_end(value in json()) {
        let message = value.to_string();
        let text = text_of(&message);
        prop_assert!(text.starts_with("{ ") && text.ends_with(" }") || text == "<LIST>", "{}", text);
        let spaced = serde_json::to_string_pretty(&value).expect("it was JSON");
        prop_assert_eq!(text_of(&spaced), text);
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|v| json!(v)),
        any::<i32>().prop_map(|v| json!(v)),
        "[a-z\"\\\\ é\n]{0,12}".prop_map(|v| json!(v)),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-z\" =<]{0,5}", inner, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z]{1,5}", value, 1..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}
