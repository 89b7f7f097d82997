//! What is drawn is read back as Graphviz reads it: its lexer first, then the escapes of a label.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A node or an edge and its attributes.
#[derive(Debug, PartialEq, Eq)]
struct Statement {
    ids: Vec<String>,
    attributes: BTreeMap<String, String>,
}

/// The tokens of the DOT language: quoted strings (first character `"`), names, punctuation. Of the
/// escapes the lexer takes away only that of `"`.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut token = String::from(letter);
        match letter {
            ' ' | '\n' => continue,
            '"' => loop {
                match letters.next().expect("a string ends") {
                    '"' => break,
                    '\\' => match letters.next().expect("an escape ends") {
                        '"' => token.push('"'),
                        letter => token.extend(['\\', letter]),
                    },
                    letter => token.push(letter),
                }
            },
            '-' => token.extend(letters.next_if_eq(&'>')),
            '{' | '}' | '[' | ']' | ';' | ',' | '=' => {}
            letter if letter.is_ascii_alphanumeric() || letter == '_' => {
                while let Some(letter) = letters
                    .next_if(|&letter| letter.is_ascii_alphanumeric() || "_.".contains(letter))
                {
                    token.push(letter);
                }
            }
            letter => panic!("{letter:?} between tokens"),
        }
        found.push(token);
    }
    found
}

/// The statements between the braces, those about all nodes left out.
fn statements(text: &str) -> Vec<Statement> {
    let tokens = tokens(text);
    let [head @ .., end] = &tokens[..] else {
        panic!("nothing drawn")
    };
    assert_eq!(head[..3], ["digraph", "entities", "{"]);
    assert_eq!(end, "}");
    let mut found = Vec::new();
    for statement in head[3..].split_inclusive(|token| token == ";") {
        let statement = statement.split_last().unwrap().1;
        if !statement[0].starts_with('"') {
            continue;
        }
        let opens = statement.iter().position(|token| token == "[").unwrap();
        assert_eq!(statement.last().unwrap(), "]");
        let mut attributes = BTreeMap::new();
        for attribute in statement[opens + 1..statement.len() - 1].split(|token| token == ",") {
            let [name, equals, value] = attribute else {
                panic!("{attribute:?}")
            };
            assert_eq!(equals, "=");
            attributes.insert(
                name.clone(),
                value.strip_prefix('"').unwrap_or(value).to_owned(),
            );
        }
        let ids = statement[..opens].iter().filter(|token| *token != "->");
        found.push(Statement {
            ids: ids.map(|id| id[1..].to_owned()).collect(),
            attributes,
        });
    }
    found
}

/// What stands in the picture.
fn rendered(label: &str) -> String {
    let mut shown = String::new();
    let mut rest = label;
    while let Some(letter) = rest.chars().next() {
        let (length, letter) = match letter {
            '\\' if rest.starts_with("\\\\") => (2, '\\'),
            '\\' if rest.starts_with("\\n") => (2, '\n'),
            '&' if rest.starts_with("&amp;") => (5, '&'),
            '\\' | '&' => panic!("{rest:?} means something"),
            letter => (letter.len_utf8(), letter),
        };
        shown.push(letter);
        rest = &rest[length..];
    }
    shown
}

fn drawn(value: &str, rel_type: &str) -> Vec<Statement> {
    let nodes = [
        node(1, EntityType::FilePath, value),
        node(2, EntityType::Host, "heron"),
    ];
    let graph = EntityGraph::from_edges(nodes, [edge(1, rel_type, 2, 0)]).unwrap();
    statements(&to_dot(&graph.subgraph(EntityId(1), 1).unwrap()))
}

#[test]
fn a_small_graph_reads_well() {
    let graph = house();
    let text = to_dot(&graph.subgraph(EntityId(5), 2).unwrap());
    let body: Vec<_> = text.lines().skip(4).collect();
    assert_eq!(
        body,
        [
            "  \"00000000-0000-0000-0000-000000000005\" [label=\"biscuit\\npet\", \
             shape=egg, fillcolor=\"#e5d8bd\", penwidth=3];",
            "  \"00000000-0000-0000-0000-000000000004\" [label=\"porch\\ncamera\", \
             shape=house, fillcolor=\"#b3e2cd\"];",
            "  \"00000000-0000-0000-0000-000000000004\" -> \
             \"00000000-0000-0000-0000-000000000005\" [label=\"saw ×1\"];",
            "}",
        ]
    );
}

#[test]
fn what_is_cut_says_so() {
    let graph = house();
    let mut subgraph = graph.subgraph(EntityId(5), 2).unwrap();
    assert!(!to_dot(&subgraph).contains("Not everything"));
    subgraph.cut = true;
    assert!(to_dot(&subgraph).contains("\n  label=\"Not everything is shown"));
    statements(&to_dot(&subgraph));
}

#[test]
fn hostile_values_are_shown_as_they_are() {
    for (value, shown) in [
        ("\"]; x [label=\"", "\"]; x [label=\""),
        ("C:\\logs\\new\\", "C:\\logs\\new\\"),
        ("\\N\\G\\\"", "\\N\\G\\\""),
        ("<b>&lt;&#10;", "<b>&lt;&#10;"),
        ("a\nb\r\0\u{7f}", "a␊b␍␀␡"),
        ("\u{202e}gpj.exe\u{85}", "\u{fffd}gpj.exe\u{fffd}"),
        ("", ""),
    ] {
        let statements = drawn(value, value);
        let [center, _, edge] = &statements[..] else {
            panic!("{statements:?}")
        };
        assert_eq!(
            rendered(&center.attributes["label"]),
            format!("{shown}\nfile")
        );
        assert_eq!(rendered(&edge.attributes["label"]), format!("{shown} ×1"));
    }
}

#[test]
fn a_long_value_keeps_its_beginning_and_its_end() {
    let label = |value: &str| rendered(&drawn(value, "saw")[0].attributes["label"]);
    let whole = "ä\\".repeat(30);
    assert_eq!(label(&whole), format!("{whole}\nfile"));
    let long = format!("/srv/{}/clip.mp4", "\\".repeat(1_000));
    let shown = format!("/srv/{}…{}/clip.mp4", "\\".repeat(35), "\\".repeat(11));
    assert_eq!(label(&long), format!("{shown}\nfile"));
}

#[test]
fn every_type_can_be_told_by_its_look() {
    let nodes = EntityType::ALL.iter().zip(1..);
    let nodes: Vec<_> = nodes.map(|(&kind, id)| node(id, kind, "x")).collect();
    let edges = (2..=nodes.len() as i64).map(|id| edge(1, "met", id, 0));
    let graph = EntityGraph::from_edges(nodes.clone(), edges).unwrap();
    let statements = statements(&to_dot(&graph.subgraph(EntityId(1), 1).unwrap()));
    let looks = statements
        .iter()
        .filter(|statement| statement.ids.len() == 1);
    let looks: std::collections::BTreeSet<_> = looks
        .map(|node| (&node.attributes["shape"], &node.attributes["fillcolor"]))
        .collect();
    assert_eq!(looks.len(), nodes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_value_gets_out_of_its_string(
        value in "([\"\\\\&;#<>{}\\[\\]\nlrNGa ]|\\PC){0,40}",
        rel_type in "[\"\\\\&;nx]{0,10}",
    ) {
        let statements = drawn(&value, &rel_type);
        prop_assert_eq!(statements.len(), 3);
        let label = rendered(&statements[0].attributes["label"]);
        prop_assert_eq!(label.chars().count(), value.chars().count() + "\nfile".len());
        for (shown, given) in label.chars().zip(value.chars()) {
            prop_assert!([given, '␊', '\u{fffd}'].contains(&shown), "{} as {}", given, shown);
        }
        prop_assert_eq!(rendered(&statements[2].attributes["label"]), format!("{rel_type} ×1"));
        prop_assert_eq!(&statements[2].ids[0], &Uuid::from_u128(1).to_string());
    }
}
