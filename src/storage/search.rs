//! The search dialect of the engine: what a person types, made into a question for FTS5.
//!
//! What is typed is one phrase: words that stand beside each other, found by their stems. No operator
//! of FTS5 ever works, so that no text is wrong and none asks for more than it says.

/// Longest text that is searched for, characters; the rest is cut off.
pub const PHRASE_CHARS: usize = 256;

/// The phrase of FTS5 (string of §3.1 of its manual) that finds these words, or none when nothing is
/// left to search for: without what cannot be printed and without quotes, trimmed, its first
/// [`PHRASE_CHARS`]. Tabs and line ends stand between words, so that they count as blanks.
pub fn phrase(text: &str) -> Option<String> {
    let kept: String = text
        .chars()
        .map(|letter| if letter.is_whitespace() { ' ' } else { letter })
        .filter(|letter| is_printable(*letter) && !matches!(letter, '\'' | '"'))
        .collect();
    let words: String = kept.trim().chars().take(PHRASE_CHARS).collect();
    (!words.is_empty()).then(|| format!("\"{words}\""))
}

// Neither control nor format characters, private ones, or none at all (Unicode's Cc, Cf, Co, Cn as
// far as they are blocks).
fn is_printable(letter: char) -> bool {
    let hidden = letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}' | '\u{f0000}'..='\u{10ffff}');
    !hidden
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::sqlite::{Database, Options};
    use crate::storage::{Session, first};
    use crate::values;

    #[test]
    fn what_is_typed_becomes_one_phrase_without_operators() {
        for (typed, expected) in [
            ("Failed password", Some("\"Failed password\"")),
            ("  disk full \n", Some("\"disk full\"")),
            ("a AND b", Some("\"a AND b\"")),
            ("a OR b", Some("\"a OR b\"")),
            ("NOT a", Some("\"NOT a\"")),
            ("NEAR(a b, 2)", Some("\"NEAR(a b, 2)\"")),
            ("fail*", Some("\"fail*\"")),
            ("^fail", Some("\"^fail\"")),
            ("message: fail", Some("\"message: fail\"")),
            ("{message} : -fail", Some("\"{message} : -fail\"")),
            ("a + b", Some("\"a + b\"")),
            ("\"a\" OR \"b\"", Some("\"a OR b\"")),
            ("it's", Some("\"its\"")),
            (
                "'; DROP TABLE events; --",
                Some("\"; DROP TABLE events; --\""),
            ),
            ("a\0b", Some("\"ab\"")),
            ("a\tb\r\nc", Some("\"a b  c\"")),
            ("\u{1b}[31mred", Some("\"[31mred\"")),
            ("pass\u{200b}word", Some("\"password\"")),
            ("\u{202e}gpj.exe", Some("\"gpj.exe\"")),
            ("Füchsin 🦊", Some("\"Füchsin 🦊\"")),
            ("e\u{301}te\u{301}", Some("\"e\u{301}te\u{301}\"")),
            ("猫", Some("\"猫\"")),
            ("***", Some("\"***\"")),
            ("", None),
            (" \t ", None),
            ("'\"'", None),
            ("\u{0}\u{7f}\u{feff}", None),
        ] {
            assert_eq!(phrase(typed).as_deref(), expected, "{typed:?}");
        }
    }

    #[test]
    fn characters_are_counted_after_the_rest_is_gone() {
        let long = format!("\u{1}\"  {}", "ä".repeat(300));
        let found = phrase(&long).unwrap();
        assert_eq!(found, format!("\"{}\"", "ä".repeat(PHRASE_CHARS)));
    }

    fn texts() -> Database {
        let mut database = Database::open_writer(":memory:".as_ref(), Options::default()).unwrap();
        let mut session = database.begin().unwrap();
        session
            .write(
                "CREATE VIRTUAL TABLE texts USING fts5(message, tokenize='porter unicode61')",
                &[],
            )
            .unwrap();
        for text in [
            "Failed password for root",
            "password accepted, none failed",
            "NOT a NEAR miss",
            "AND OR",
        ] {
            let sql = "INSERT INTO texts (message) VALUES (?1)";
            session.write(sql, values![text]).unwrap();
        }
        session.commit().unwrap();
        database
    }

    fn found(database: &mut Database, typed: &str) -> i64 {
        let count = first(
            &mut database.snapshot().unwrap(),
            "SELECT count(*) FROM texts WHERE texts MATCH ?1",
            values![&phrase(typed).unwrap()],
            |row| row.int(0),
        );
        count.unwrap().unwrap()
    }

    #[test]
    fn the_engine_takes_operators_for_words() {
        let mut texts = texts();
        for (typed, expected) in [
            ("failed password", 1),
            ("FAIL passwords", 1), // stems
            ("onnect", 0),         // no substrings
            ("failed OR accepted", 0),
            ("failed AND password", 0),
            ("failed NOT root", 0),
            ("NOT a NEAR", 1),
            ("AND OR", 1),
            ("pass*", 0),
            ("^password", 2),
            ("message:password", 0),
            ("-password", 2),
            ("(root)", 1),
            ("***", 0),
        ] {
            assert_eq!(found(&mut texts, typed), expected, "{typed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_an_error(typed in any::<String>()) {
            if phrase(&typed).is_some() {
                found(&mut texts(), &typed);
            }
        }
    }
}
