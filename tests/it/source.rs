//! A Rust source file as the architecture rules see it: code without comments and literals, the
//! literals apart, and which lines belong to tests. No parser: the rules need names and braces.

use std::path::{Path, PathBuf};

/// A source file of this repository, or a made-up one.
pub(crate) struct Source {
    /// Path from the root of the repository, such as `src/event/mod.rs`.
    pub(crate) path: String,
    /// The text as it stands.
    pub(crate) text: String,
    /// The same length, with comments and the insides of literals blanked.
    pub(crate) code: String,
    /// Per byte: inside of a `#[cfg(test)]` item.
    in_test: Vec<bool>,
}

impl Source {
    /// Takes `text` as the file `path`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let in_test = test_bytes(path, &code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            in_test,
        }
    }

    /// Every `.rs` file below `folder` of this repository.
    pub(crate) fn all_below(folder: &str) -> Vec<Self> {
        // At run time: the rules can then be tried on another copy of the sources.
        let root = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files);
        files.sort();
        files
            .iter()
            .map(|file| {
                let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
                Self::new(path, &std::fs::read_to_string(file).unwrap())
            })
            .collect()
    }

    /// `file:line` of a byte.
    pub(crate) fn place(&self, byte: usize) -> String {
        let line = self.text[..byte].matches('\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    /// Whether the byte belongs to a test.
    pub(crate) fn is_test(&self, byte: usize) -> bool {
        self.in_test[byte]
    }

    /// The queries that stand in it as whole literals, outside of tests, each with the byte where it
    /// begins.
    pub(crate) fn queries(&self) -> Vec<(usize, String)> {
        let bytes = self.text.as_bytes();
        let mut found = Vec::new();
        for begin in ["\"SELECT ", "\"WITH "] {
            for (at, _) in self.text.match_indices(begin) {
                // One in a comment or inside of another literal does not begin where code ends.
                let before = self.code[..at].trim_end();
                let in_code = before.ends_with(['(', ',', '=', '>', ':', '{']);
                let in_part = before.ends_with("concat!(");
                if self.is_test(at) || !in_code || in_part || bytes[at - 1] == b'\\' {
                    continue;
                }
                let literal = &self.text[at + 1..string_end(bytes, at) - 1];
                let mut lines = literal.split("\\\n");
                let mut query = lines.next().unwrap_or_default().to_owned();
                lines.for_each(|line| query.push_str(line.trim_start()));
                found.push((at, query.replace("\\\"", "\"").replace("\\\\", "\\")));
            }
        }
        found
    }

    /// Its module path below the crate: `["event", "catalog"]`; none for `lib.rs` and `main.rs`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/");
        let inner = inner.trim_end_matches(".rs").trim_end_matches("/mod");
        match inner {
            "lib" | "main" => Vec::new(),
            inner => inner.split('/').collect(),
        }
    }

    /// Where `word` stands in the code as a whole word, outside of tests.
    pub(crate) fn words(&self, word: &str) -> Vec<usize> {
        self.all_words(word)
            .into_iter()
            .filter(|at| !self.is_test(*at))
            .collect()
    }

    /// Where `word` stands in the code as a whole word, tests included.
    pub(crate) fn all_words(&self, word: &str) -> Vec<usize> {
        let is_name = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let bytes = self.code.as_bytes();
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(|at| {
                let longer_before =
                    is_name(word.as_bytes().first()) && *at > 0 && is_name(bytes.get(at - 1));
                let longer_behind =
                    is_name(word.as_bytes().last()) && is_name(bytes.get(at + word.len()));
                !longer_before && !longer_behind
            })
            .collect()
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// Blanks comments and the insides of string and character literals; keeps every line end.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' | b'b' if !follows_name(bytes, at) => raw_end(bytes, at).unwrap_or(at),
            b'\'' => character_end(bytes, at),
            _ => at,
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("whole literals and comments were blanked")
}

fn follows_name(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// End of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`; none when no literal begins here.
fn raw_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut quote = at + 1;
    if bytes[at..].starts_with(b"br") {
        quote += 1;
    }
    if bytes[at] == b'b' && quote == at + 1 {
        return (bytes.get(quote) == Some(&b'"')).then(|| string_end(bytes, quote));
    }
    let hashes = bytes[quote..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    if bytes.get(quote + hashes) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.extend(std::iter::repeat_n(b'#', hashes));
    let body = quote + hashes + 1;
    bytes[body..]
        .windows(closing.len())
        .position(|window| window == closing)
        .map(|length| body + length + closing.len())
}

/// End of `'x'` or `'\n'`; a lifetime has none and stays.
fn character_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => bytes[at + 3..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map_or(at, |length| at + 3 + length + 1),
        Some(_) => {
            let rest = std::str::from_utf8(&bytes[at + 1..]).unwrap_or_default();
            let letter = rest.chars().next().map_or(0, char::len_utf8);
            if bytes.get(at + 1 + letter) == Some(&b'\'') {
                at + 1 + letter + 1
            } else {
                at
            }
        }
        None => at,
    }
}

/// Marks the bodies of items behind `#[cfg(test)]`; a file `tests.rs` is a test as a whole.
fn test_bytes(path: &str, code: &str) -> Vec<bool> {
    let whole =
        path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/");
    let mut marks = vec![whole; code.len()];
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let end = match code[at..].find(['{', ';']) {
            Some(length) if code.as_bytes()[at + length] == b'{' => block_end(code, at + length),
            Some(length) => at + length,
            None => code.len(),
        };
        marks[at..end].fill(true);
    }
    marks
}

/// The byte after the brace that closes the one at `open`.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, letter) in code[open..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = Source::new(
        "src/x.rs",
        "let a = \"crate::b \\\" crate::c\"; // crate::d\nlet e = r#\"crate::\"f\"#; /* crate::g /* h */ */\n\
         let q = '\"'; crate::i; let l: &'static str = \"\"; let n = '\\''; crate::j;",
    );
    assert_eq!(source.words("crate").len(), 2);
    assert_eq!(source.code.len(), source.text.len());
    assert_eq!(source.place(source.words("crate")[0]), "src/x.rs:3");
}

#[test]
fn tests_are_told_from_the_rest() {
    let source = Source::new(
        "src/x.rs",
        "fn a() { one(); }\n#[cfg(test)]\nmod tests { fn b() { one(); } }\nfn c() { one(); }",
    );
    assert_eq!(source.words("one").len(), 2);
    assert_eq!(source.all_words("one").len(), 3);
    assert!(
        Source::new("src/x/tests.rs", "one()")
            .words("one")
            .is_empty()
    );
    assert!(Source::new("src/x.rs", "bone ones").words("one").is_empty());
}
