//! The rules about the repository that a compiler does not know: who may import whom, and what is
//! absent where. Tests inside of `src/` may look wherever they like; they ship nothing.

use crate::source::{Source, block_end};

/// The top-level modules by row; a module imports only from rows below its own.
const ROWS: &[(&str, u8)] = &[
    ("base", 0),
    ("event", 1),
    ("learn", 1),
    ("storage", 1),
    ("vault", 1),
    ("decode", 2),
    ("event_log", 2),
    ("read_model", 2),
    ("casefile", 2),
    ("health", 3),
    ("reactor", 3),
    ("writer", 4),
    ("ingest", 5),
    ("store", 5),
    ("broker", 5),
    ("delivery", 5),
    ("detection", 6),
    ("http", 6),
    ("config", 7),
    ("app", 8),
    ("cli", 9),
];

/// Macros that stand at the root of the crate, and the module that each comes from.
const ROOT_MACROS: &[(&str, &str)] = &[("values", "storage")];

/// Words that have a home: the word, where it may stand, and why.
const HOMES: &[(&str, &[&str], &str)] = &[
    (
        "rusqlite",
        &["src/storage/"],
        "only storage knows the engine",
    ),
    (
        "tokio_postgres",
        &["src/storage/"],
        "only storage knows the engine",
    ),
    (
        "rumqttc",
        &["src/ingest/mqtt", "src/broker"],
        "hazards of the MQTT client are guarded in one place",
    ),
    (
        ".begin()",
        &["src/writer/", "src/storage/", "src/casefile/"],
        "only the writer changes the main database",
    ),
    (
        "spawn",
        // The broker's connections live and end inside its own `serve`, which the app spawns.
        // The journal's child lives and ends inside its own `run`, and so does the one that reads text.
        &[
            "src/app.rs",
            "src/app/",
            "src/broker/mod.rs",
            "src/ingest/journald.rs",
            "src/casefile/ocr/child.rs",
        ],
        "what runs is started and stopped in one place",
    ),
    (
        "spawn_blocking",
        &["src/app.rs", "src/app/"],
        "what runs is started and stopped in one place",
    ),
    ("SystemTime", &["src/base/"], "time comes in as an argument"),
];

/// Modules without a clock and without files: their outcome depends on their arguments alone.
const PURE: &[&str] = &[
    "src/event/",
    "src/learn/",
    "src/casefile/pipeline/",
    "src/casefile/consensus",
    "src/casefile/frames",
    "src/casefile/sniff",
    "src/decode/",
    "src/read_model/",
    "src/health/",
    "src/reactor/alarm",
    "src/reactor/household",
    "src/reactor/pin",
    "src/reactor/sun",
    "src/reactor/time_window",
];
const IMPURE_WORDS: &[&str] = &[
    "Clock",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "File",
];

/// Most lines of a source file outside of its tests.
const FILE_LINES: usize = 600;
/// Most lines of tests in one file: examples in a row are read one at a time.
const TEST_LINES: usize = 1_000;
/// Files that may be longer, each with its reason.
const LONGER_FILES: &[&str] = &[];

fn row(module: &str) -> Option<u8> {
    ROWS.iter()
        .find(|(name, _)| *name == module)
        .map(|(_, row)| *row)
}

/// Every top-level module that the file names, with the byte where it does.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in source.words("crate") {
        found.extend(heads(source, at + "crate".len()));
    }
    let depth = source.module().len();
    for at in source.words("super") {
        // Only the first `super` of a path; the others follow it.
        if source.code[..at].trim_end().ends_with("super::") {
            continue;
        }
        let mut end = at + "super".len();
        let mut climbs = 1;
        while source.code[end..].starts_with("::super") {
            climbs += 1;
            end += "::super".len();
        }
        if climbs == depth + inline_modules(source, at) {
            found.extend(heads(source, end));
        }
    }
    found
}

/// The first names behind `::` at `at`: one, or one per branch of a `{…}`.
fn heads(source: &Source, at: usize) -> Vec<(usize, String)> {
    let Some(rest) = source.code[at..].strip_prefix("::") else {
        return Vec::new();
    };
    let begin = at + 2;
    if !rest.starts_with('{') {
        return vec![(begin, first_name(rest))];
    }
    let inside = &source.code[begin + 1..block_end(&source.code, begin) - 1];
    let mut depth = 0;
    let mut branch = 0;
    let mut found = Vec::new();
    for (offset, letter) in inside.char_indices().chain([(inside.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let name = first_name(inside[branch..offset].trim_start());
                if !name.is_empty() {
                    found.push((begin + 1 + branch, name));
                }
                branch = offset + 1;
            }
            _ => {}
        }
    }
    found
}

fn first_name(code: &str) -> String {
    code.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

/// How many `mod x { … }` blocks of this file enclose the byte.
fn inline_modules(source: &Source, byte: usize) -> usize {
    source
        .all_words("mod")
        .into_iter()
        .filter(|at| {
            let open = source.code[*at..]
                .find(['{', ';'])
                .map(|length| at + length);
            open.is_some_and(|open| {
                source.code.as_bytes()[open] == b'{'
                    && (open..block_end(&source.code, open)).contains(&byte)
            })
        })
        .count()
}

fn broken_imports(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(own) = module.first() else {
        return Vec::new();
    };
    let Some(own_row) = row(own) else {
        return vec![format!("{}:1: module {own} has no row", source.path)];
    };
    imports(source)
        .into_iter()
        .filter_map(|(at, name)| {
            let target = ROOT_MACROS
                .iter()
                .find(|(root, _)| *root == name)
                .map_or(name.as_str(), |(_, home)| home);
            let lower = row(target).is_some_and(|row| row < own_row);
            (target != *own && !lower).then(|| {
                let place = source.place(at);
                format!("{place}: {own} (row {own_row}) imports {target}, which is not below it")
            })
        })
        .collect()
}

fn misplaced_words(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (word, homes, reason) in HOMES {
        if homes.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        for at in source.words(word) {
            found.push(format!("{}: {word}: {reason}", source.place(at)));
        }
    }
    if PURE.iter().any(|pure| source.path.starts_with(pure)) {
        for word in IMPURE_WORDS {
            for at in source.words(word) {
                let place = source.place(at);
                found.push(format!(
                    "{place}: {word}: this module has no clock and no I/O"
                ));
            }
        }
    }
    found
}

/// SQL put together from pieces, where data could get in.
fn built_sql(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for makes in ["format!", "format_args!", "write!", "writeln!", "push_str"] {
        for at in source.words(makes) {
            let Some(open) = source.code[at..].find(['(', '[', '{']) else {
                continue;
            };
            let end = statement_end(&source.code, at + open);
            let text = &source.text[at..end];
            let sql = [
                "\"SELECT ",
                "INSERT INTO ",
                "INSERT OR ",
                "DELETE FROM ",
                "\"UPDATE ",
                "\"WITH ",
                " WHERE ",
                "CREATE TABLE ",
                "DROP TABLE ",
                "\"PRAGMA ",
                "ATTACH ",
            ];
            if sql.iter().any(|word| text.contains(word)) {
                found.push(format!("{}: SQL is built by {makes}", source.place(at)));
            }
        }
    }
    found
}

/// The byte after the bracket that closes the one at `open`.
fn statement_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, letter) in code[open..].char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

fn leftovers(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for word in ["dbg!", "todo!", "unimplemented!"] {
        for at in source.all_words(word) {
            found.push(format!("{}: {word}", source.place(at)));
        }
    }
    for at in source.words(".unwrap()") {
        found.push(format!("{}: .unwrap() outside of tests", source.place(at)));
    }
    // Put together here, so that this file does not find itself.
    for word in [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ] {
        for (at, _) in source.text.match_indices(word) {
            found.push(format!("{}: {word}", source.place(at)));
        }
    }
    let bytes = source.text.as_bytes();
    for (at, _) in source.text.match_indices('#') {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let numbered = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        if numbered && before.is_none_or(|before| before.is_ascii_whitespace() || before == b'(') {
            found.push(format!("{}: an issue number", source.place(at)));
        }
    }
    found
}

fn too_long(source: &Source) -> Option<String> {
    let mut begin = 0;
    let (mut lines, mut tests) = (0, 0);
    for line in source.text.split_inclusive('\n') {
        if source.is_test(begin) {
            tests += 1;
        } else {
            lines += 1;
        }
        begin += line.len();
    }
    let long = lines > FILE_LINES || tests > TEST_LINES;
    (long && !LONGER_FILES.contains(&source.path.as_str())).then(|| {
        let path = &source.path;
        format!("{path}:{lines}: more than {FILE_LINES} lines, or {TEST_LINES} of tests ({tests})")
    })
}

#[track_caller]
fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn sources() -> Vec<Source> {
    let sources = Source::all_below("src");
    assert!(sources.len() > 40, "the sources were not found");
    sources
}

#[test]
fn modules_import_only_from_rows_below() {
    let sources = sources();
    let seen: usize = sources.iter().map(|source| imports(source).len()).sum();
    assert!(seen > 100, "only {seen} imports were seen");
    none(&sources.iter().flat_map(broken_imports).collect::<Vec<_>>());
}

#[test]
fn every_row_of_the_library_is_named_and_every_module_has_a_row() {
    let library = sources()
        .into_iter()
        .find(|source| source.path == "src/lib.rs");
    let library = library.unwrap();
    let modules: Vec<_> = library
        .words("mod")
        .into_iter()
        .map(|at| first_name(&library.code[at + "mod ".len()..]))
        .collect();
    assert!(modules.len() >= 6);
    for module in modules {
        assert!(
            row(&module).is_some(),
            "src/lib.rs: module {module} has no row"
        );
    }
}

#[test]
fn words_stand_only_in_their_homes() {
    let sources = sources();
    let engine = sources.iter().map(|source| source.words("rusqlite").len());
    assert!(engine.sum::<usize>() > 0, "the rule sees nothing");
    none(&sources.iter().flat_map(misplaced_words).collect::<Vec<_>>());
}

#[test]
fn sql_is_never_built() {
    none(&sources().iter().flat_map(built_sql).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_over() {
    none(&sources().iter().flat_map(leftovers).collect::<Vec<_>>());
}

#[test]
fn files_are_short_enough_to_read() {
    let mut all = sources();
    all.extend(Source::all_below("tests"));
    none(&all.iter().filter_map(too_long).collect::<Vec<_>>());
}

#[test]
fn a_sideways_or_upward_import_is_found_at_its_line() {
    let upward = Source::new("src/storage/mod.rs", "//! x\nuse crate::writer::Handle;\n");
    assert_eq!(
        broken_imports(&upward),
        ["src/storage/mod.rs:2: storage (row 1) imports writer, which is not below it"]
    );
    for (path, text, broken) in [
        ("src/storage/mod.rs", "use crate::event::Event;", 1),
        (
            "src/storage/mod.rs",
            "use crate::{base::ids, event::{Event, Kind}, writer};",
            2,
        ),
        (
            "src/storage/mod.rs",
            "use crate::storage::Value; fn a() { crate::base::ids::hex(b) }",
            0,
        ),
        ("src/event/mod.rs", "use super::storage::Session;", 1),
        ("src/event/mod.rs", "use super::base::ids;", 0),
        ("src/event/camera.rs", "use super::Extra;", 0),
        (
            "src/event/camera.rs",
            "use super::super::writer::Handle;",
            1,
        ),
        (
            "src/event/mod.rs",
            "mod inner { use super::Extra; use super::super::app::Run; }",
            1,
        ),
        ("src/base/ids.rs", "fn a() { crate::values![1] }", 1),
        ("src/read_model/pets.rs", "fn a() { crate::values![1] }", 0),
        (
            "src/base/ids.rs",
            "#[cfg(test)]\nmod tests { use crate::writer::Handle; }",
            0,
        ),
        (
            "src/base/ids.rs",
            "/// See [`x`](crate::writer::Handle).\nfn a() {}",
            0,
        ),
        ("src/gadgets.rs", "fn a() {}", 1),
        ("src/event/mod.rs", "use crate::gadgets::Gadget;", 1),
        ("src/main.rs", "use crate::cli;", 0),
    ] {
        assert_eq!(
            broken_imports(&Source::new(path, text)).len(),
            broken,
            "{path}: {text}"
        );
    }
}

#[test]
fn a_word_away_from_home_is_found() {
    for (path, text, broken) in [
        ("src/writer/mod.rs", "use rusqlite::Connection;", 1),
        ("src/storage/sqlite.rs", "use rusqlite::Connection;", 0),
        ("src/ingest/mod.rs", "use rumqttc::Event;", 1),
        ("src/ingest/mqtt/link.rs", "use rumqttc::Event;", 0),
        (
            "src/read_model/pets.rs",
            "let session = database.begin()?;",
            1,
        ),
        ("src/read_model/pets.rs", "let begin = 1;", 0),
        ("src/ingest/mqtt.rs", "builder.spawn(run)", 1),
        ("src/ingest/mqtt.rs", "tokio::spawn(run)", 1),
        ("src/app.rs", "builder.spawn(run)", 0),
        ("src/decode/topic.rs", "fn a(clock: &Clock) {}", 1),
        (
            "src/read_model/pets.rs",
            "let now = std::time::Instant::now();",
            1,
        ),
        ("src/event/mod.rs", "std::fs::read(path)", 1),
        (
            "src/writer/mod.rs",
            "// rusqlite is fast\nfn a() { \"rusqlite\" }",
            0,
        ),
    ] {
        assert_eq!(
            misplaced_words(&Source::new(path, text)).len(),
            broken,
            "{path}: {text}"
        );
    }
}

#[test]
fn built_sql_is_found() {
    for (text, broken) in [
        ("format!(\"SELECT * FROM {table}\")", 1),
        ("format!(\n    \"DELETE FROM {}\",\n    table\n)", 1),
        ("sql.push_str(\" WHERE a = 1\")", 1),
        ("write!(sql, \"INSERT INTO t VALUES ({value})\")", 1),
        (
            "session.write(\"INSERT INTO t VALUES (?1)\", values![1])",
            0,
        ),
        ("concat!(\"DELETE FROM \", $name)", 0),
        (
            "format!(\"{subject} selected\"); session.write(\"UPDATE t SET a = ?1\", v)",
            0,
        ),
    ] {
        let source = Source::new("src/store/mod.rs", text);
        assert_eq!(built_sql(&source).len(), broken, "{text}");
    }
}

#[test]
fn leftovers_are_found() {
    for text in [
        "fn a() { dbg!(1) }",
        "fn a() { todo!() }",
        "fn a() { unimplemented!() }",
        "fn a() { b.unwrap() }",
        concat!("// TO", "DO: later"),
        concat!("// FIX", "ME"),
        "// see #12",
        "// (#7)",
    ] {
        assert_eq!(leftovers(&Source::new("src/a.rs", text)).len(), 1, "{text}");
    }
    for text in [
        "fn a() { b.unwrap_or(1) }",
        "#[cfg(test)]\nmod tests { fn a() { b.unwrap() } }",
        "let a = r#\"x\"#; let colour = \"#[cfg]\";",
    ] {
        assert!(
            leftovers(&Source::new("src/a.rs", text)).is_empty(),
            "{text}"
        );
    }
}

#[test]
fn a_long_file_is_found() {
    assert!(too_long(&Source::new("src/a.rs", &"x\n".repeat(600))).is_none());
    assert!(too_long(&Source::new("src/a.rs", &"x\n".repeat(601))).is_some());
    assert!(too_long(&Source::new("src/a/tests.rs", &"x\n".repeat(1_000))).is_none());
    assert!(too_long(&Source::new("tests/it/a.rs", &"x\n".repeat(1_001))).is_some());
}
