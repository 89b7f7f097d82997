//! The dialect: a statement of this program, made into one for PostgreSQL.
//!
//! All SQL is written once, as SQLite reads it. What only has another name in PostgreSQL is a
//! function of the schema (`migrations/postgres/0000_dialect.sql`); what is written in another way is
//! translated here, token by token, never inside of literals, names in quotes and comments:
//!
//! | SQLite | PostgreSQL |
//! |---|---|
//! | `?1` | `$1` |
//! | `t INDEXED BY i`, `t NOT INDEXED` | `t` |
//! | `a CROSS JOIN b ON …` (an order of reading) | `a JOIN b ON …` |
//! | `+column` (keeps an index away) | `column` |
//! | `a IS b`, `a IS NOT b` | `a IS [NOT] DISTINCT FROM b` |
//! | `INSERT OR IGNORE …` | `INSERT … ON CONFLICT DO NOTHING` |
//! | `a LIKE b` (letters of ASCII in any case) | `a ILIKE b` |
//! | `CAST (a AS INTEGER)`, `… AS REAL`, `… AS BLOB` | `to_integer (a)`, `… AS DOUBLE PRECISION`, `… AS BYTEA` |
//! | `1.5`, `x'00ff'` | `1.5::float8`, `'\x00ff'::bytea` |
//! | `user` | `"user"` (else the name of who is connected) |
//! | `FROM (SELECT …)` without a name | with one |
//! | `words MATCH ?1` | `words @@ phrase($1)` |
//!
//! What neither way covers is written so that both engines read it; `tests/it` prepares every
//! statement of the program on PostgreSQL.

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// Blanks and comments.
    Blank(&'a str),
    /// A keyword or a name.
    Word(&'a str),
    /// A literal or a name in quotes, as it stands.
    Quoted(&'a str),
    /// A literal of bytes: its hexadecimal digits.
    Bytes(&'a str),
    /// A number.
    Number(&'a str),
    /// `?N`: its digits.
    Place(&'a str),
    /// Everything else, one character.
    Sign(char),
}

/// A statement of this program in the words of PostgreSQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translation {
    /// The statement.
    pub(super) text: String,
    /// The same without its questions whether a placeholder is NULL, of whose type they say nothing:
    /// the server is asked with this one of which types the placeholders are.
    pub(super) probe: String,
    /// For each placeholder, whether the probe has it.
    pub(super) probed: Vec<bool>,
}

/// The statement for PostgreSQL.
pub(super) fn translate(sql: &str) -> Translation {
    let mut tokens = tokens(sql);
    drop_index_hints(&mut tokens);
    let text = write(&tokens, "$");
    let places = numbers(&tokens).max().unwrap_or(0);
    drop_null_questions(&mut tokens);
    let mut probed = vec![false; places];
    for number in numbers(&tokens) {
        probed[number - 1] = true;
    }
    Translation {
        text,
        probe: write(&tokens, "$"),
        probed,
    }
}

/// A row of values for PostgreSQL, whose placeholders are the columns `p1`, `p2` … of `r`.
pub(super) fn translate_rows(row: &str) -> String {
    write(&tokens(row), "r.p")
}

/// The numbers of the placeholders, from 1.
fn numbers<'t>(tokens: &'t [Token<'_>]) -> impl Iterator<Item = usize> + 't {
    let number = |token: &Token<'_>| match token {
        Token::Place(digits) => digits.parse().ok().filter(|number| *number > 0),
        _ => None,
    };
    tokens.iter().filter_map(number)
}

/// `place` stands before the number of a placeholder.
fn write(tokens: &[Token<'_>], place: &str) -> String {
    let mut out = String::with_capacity(256);
    let mut open = Parentheses::default();
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            Token::Blank(text) | Token::Quoted(text) => out.push_str(text),
            Token::Bytes(digits) => out.extend(["'\\x", digits, "'::bytea"]),
            Token::Place(digits) if previous_word(tokens, at) == Some("MATCH") => {
                out.extend(["phrase(", place, digits, ")"]);
            }
            Token::Place(digits) => out.extend([place, digits]),
            Token::Number(digits) => {
                out.push_str(digits);
                if digits.contains(['.', 'e', 'E']) {
                    out.push_str("::float8");
                }
            }
            Token::Sign('+') if is_unary(tokens, at) => {}
            Token::Sign('(') => {
                open.open(tokens, at);
                out.push('(');
            }
            Token::Sign(')') => {
                out.push(')');
                if open.close() == Some(Opened::Table) && !has_alias(tokens, at) {
                    out.extend([" unnamed_", at.to_string().as_str()]);
                }
            }
            Token::Sign(sign) => out.push(sign),
            Token::Word(word) => write_word(tokens, at, word, &open, &mut out),
        }
    }
    if ignores_conflicts(tokens) {
        on_conflict_do_nothing(&mut out);
    }
    out
}

/// What a parenthesis was opened for, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    /// A cast to INTEGER.
    Cast,
    /// A query in place of a table.
    Table,
    Other,
}

/// The parentheses that are open, the outermost first.
#[derive(Debug, Default)]
struct Parentheses(Vec<Opened>);

impl Parentheses {
    fn open(&mut self, tokens: &[Token<'_>], at: usize) {
        let is_query = matches!(next_word(tokens, at), Some("SELECT" | "WITH" | "VALUES"));
        let opened = match previous_word(tokens, at) {
            Some("CAST") if ends_with_integer(tokens, at) => Opened::Cast,
            Some("FROM" | "JOIN") if is_query => Opened::Table,
            _ => Opened::Other,
        };
        self.0.push(opened);
    }

    fn close(&mut self) -> Option<Opened> {
        self.0.pop()
    }

    fn inner(&self) -> Option<Opened> {
        self.0.last().copied()
    }
}

/// Whether a name follows the query that closes here.
fn has_alias(tokens: &[Token<'_>], at: usize) -> bool {
    const NO_NAMES: &[&str] = &[
        "WHERE",
        "GROUP",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "HAVING",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "JOIN",
        "CROSS",
        "LEFT",
        "INNER",
        "ON",
        "RETURNING",
        "WINDOW",
    ];
    match step(tokens, at, 1).map(|next| tokens[next]) {
        Some(Token::Word(word)) => !NO_NAMES
            .iter()
            .any(|no_name| no_name.eq_ignore_ascii_case(word)),
        Some(Token::Quoted(_)) => true,
        _ => false,
    }
}

/// `?1 IS NULL` and `?1 IS NOT NULL` become TRUE.
fn drop_null_questions(tokens: &mut [Token<'_>]) {
    for at in 0..tokens.len() {
        if !matches!(tokens[at], Token::Place(_)) || next_word(tokens, at) != Some("IS") {
            continue;
        }
        let is = step(tokens, at, 1).unwrap_or(at);
        let mut end = step(tokens, is, 1).unwrap_or(is);
        if word_at(tokens, end) == Some("NOT") {
            end = step(tokens, end, 1).unwrap_or(end);
        }
        if word_at(tokens, end) == Some("NULL") {
            tokens[at] = Token::Word("TRUE");
            tokens[at + 1..=end].fill(Token::Blank(""));
        }
    }
}

fn write_word(tokens: &[Token<'_>], at: usize, word: &str, open: &Parentheses, out: &mut String) {
    let before = previous_word(tokens, at);
    let in_cast = open.inner() == Some(Opened::Cast);
    match word.to_ascii_uppercase().as_str() {
        "CAST" if step(tokens, at, 1).is_some_and(|opening| ends_with_integer(tokens, opening)) => {
            out.push_str("to_integer");
        }
        // The name of the function says it.
        "AS" if in_cast && next_word(tokens, at) == Some("INTEGER") => {}
        "INTEGER" if in_cast && before == Some("AS") => {}
        "REAL" if before == Some("AS") => out.push_str("DOUBLE PRECISION"),
        "BLOB" if before == Some("AS") => out.push_str("BYTEA"),
        "LIKE" => out.push_str("ILIKE"),
        "MATCH" => out.push_str("@@"),
        "USER" => out.push_str("\"user\""),
        "CROSS" if joins_on(tokens, at) => {}
        "IS" => out.push_str(distinct(tokens, at)),
        "NOT" if before == Some("IS") && is_comparison(tokens, at) => {}
        "OR" if before == Some("INSERT") => {}
        "IGNORE" if before == Some("OR") => {}
        _ => out.push_str(word),
    }
}

/// `INDEXED BY name` and `NOT INDEXED` become blanks.
fn drop_index_hints(tokens: &mut [Token<'_>]) {
    for at in 0..tokens.len() {
        if word_at(tokens, at) != Some("INDEXED") {
            continue;
        }
        let by = step(tokens, at, 1);
        let other_end = match by.map(|by| word_at(tokens, by)) {
            Some(Some("BY")) => by.and_then(|by| step(tokens, by, 1)),
            _ => step(tokens, at, -1),
        };
        if let Some(other_end) = other_end {
            tokens[at.min(other_end)..=at.max(other_end)].fill(Token::Blank(""));
        }
    }
}

/// What stands for `IS`: itself before NULL, TRUE, FALSE and DISTINCT, else a comparison.
fn distinct(tokens: &[Token<'_>], at: usize) -> &'static str {
    let negated = next_word(tokens, at) == Some("NOT");
    let operand = if negated {
        step(tokens, at, 1).unwrap_or(at)
    } else {
        at
    };
    match (is_comparison(tokens, operand), negated) {
        (true, true) => "IS DISTINCT FROM",
        (true, false) => "IS NOT DISTINCT FROM",
        (false, _) => "IS",
    }
}

/// Whether what follows is a value to compare with.
fn is_comparison(tokens: &[Token<'_>], at: usize) -> bool {
    let followed_by_not = next_word(tokens, at) == Some("NOT");
    !followed_by_not
        && !matches!(
            next_word(tokens, at),
            Some("NULL" | "TRUE" | "FALSE" | "DISTINCT" | "UNKNOWN")
        )
}

/// Whether the CROSS JOIN that begins here has a condition, which PostgreSQL's has not.
fn joins_on(tokens: &[Token<'_>], at: usize) -> bool {
    const ENDS: &[&str] = &[
        "CROSS", "JOIN", "LEFT", "INNER", "WHERE", "GROUP", "ORDER", "LIMIT", "UNION",
    ];
    // Behind the JOIN that belongs to it.
    let Some(join) = step(tokens, at, 1) else {
        return false;
    };
    let mut depth = 0_i32;
    for token in &tokens[join + 1..] {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            Token::Sign(',' | ';') if depth == 0 => return false,
            Token::Word(word) if depth == 0 => {
                if word.eq_ignore_ascii_case("ON") {
                    return true;
                }
                if ENDS.iter().any(|end| end.eq_ignore_ascii_case(word)) {
                    return false;
                }
            }
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    false
}

/// Whether a sign stands before a value rather than between two.
fn is_unary(tokens: &[Token<'_>], at: usize) -> bool {
    const BEFORE_A_VALUE: &[&str] = &[
        "AND",
        "OR",
        "NOT",
        "BY",
        "SELECT",
        "DISTINCT",
        "WHERE",
        "ON",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "BETWEEN",
        "IN",
        "LIMIT",
        "OFFSET",
        "SET",
        "HAVING",
        "VALUES",
        "RETURNING",
        "IS",
    ];
    match previous(tokens, at).map(|before| tokens[before]) {
        Some(Token::Sign(sign)) => sign != ')',
        Some(Token::Word(word)) => BEFORE_A_VALUE.contains(&word.to_ascii_uppercase().as_str()),
        _ => false,
    }
}

/// Whether the last word in the parentheses that open here is INTEGER.
fn ends_with_integer(tokens: &[Token<'_>], at: usize) -> bool {
    let mut depth = 0_i32;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return previous_word(tokens, at + offset) == Some("INTEGER");
        }
    }
    false
}

fn ignores_conflicts(tokens: &[Token<'_>]) -> bool {
    (0..tokens.len())
        .any(|at| word_at(tokens, at) == Some("IGNORE") && previous_word(tokens, at) == Some("OR"))
}

fn on_conflict_do_nothing(out: &mut String) {
    const CLAUSE: &str = " ON CONFLICT DO NOTHING";
    match out.find(" RETURNING ") {
        Some(at) => out.insert_str(at, CLAUSE),
        None => out.push_str(CLAUSE),
    }
}

/// The neighbour that is no blank, `direction` 1 or -1.
fn step(tokens: &[Token<'_>], at: usize, direction: isize) -> Option<usize> {
    let mut at = at;
    loop {
        at = at.checked_add_signed(direction)?;
        match tokens.get(at)? {
            Token::Blank(_) => {}
            _ => return Some(at),
        }
    }
}

fn previous(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    step(tokens, at, -1)
}

/// The keyword at a place. Only those that this module asks for are told.
fn word_at(tokens: &[Token<'_>], at: usize) -> Option<&'static str> {
    const ASKED: &[&str] = &[
        "AS", "BY", "CAST", "CROSS", "DISTINCT", "FALSE", "FROM", "IGNORE", "INDEXED", "INSERT",
        "INTEGER", "IS", "JOIN", "MATCH", "NOT", "NULL", "OR", "SELECT", "TRUE", "UNKNOWN",
        "VALUES", "WITH",
    ];
    match tokens.get(at)? {
        Token::Word(word) => ASKED
            .iter()
            .copied()
            .find(|asked| asked.eq_ignore_ascii_case(word)),
        _ => None,
    }
}

fn next_word(tokens: &[Token<'_>], at: usize) -> Option<&'static str> {
    word_at(tokens, step(tokens, at, 1)?)
}

fn previous_word(tokens: &[Token<'_>], at: usize) -> Option<&'static str> {
    word_at(tokens, previous(tokens, at)?)
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first);
        found.push(token);
        rest = &rest[length..];
    }
    found
}

/// The token at the beginning, and its length in bytes.
fn token(rest: &str, first: char) -> (Token<'_>, usize) {
    let run = |from: usize, is_part: fn(char) -> bool| {
        rest[from..]
            .find(|letter| !is_part(letter))
            .map_or(rest.len(), |length| from + length)
    };
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    match first {
        ' ' | '\n' | '\t' | '\r' => {
            let end = run(0, char::is_whitespace);
            (Token::Blank(&rest[..end]), end)
        }
        '-' if rest.starts_with("--") => {
            let end = rest.find('\n').unwrap_or(rest.len());
            (Token::Blank(&rest[..end]), end)
        }
        '\'' | '"' => {
            let end = quoted_end(rest, 0, first);
            (Token::Quoted(&rest[..end]), end)
        }
        'x' | 'X' if rest[1..].starts_with('\'') => {
            let end = quoted_end(rest, 1, '\'');
            (Token::Bytes(&rest[2..end - 1]), end)
        }
        '?' => {
            let end = run(1, |letter| letter.is_ascii_digit());
            (Token::Place(&rest[1..end]), end)
        }
        '0'..='9' => {
            let mut end = run(0, |letter| letter.is_ascii_digit() || letter == '.');
            let exponent = rest[end..].strip_prefix(['e', 'E']);
            if exponent
                .is_some_and(|power| power.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
            {
                end = run(end + 2, |letter| letter.is_ascii_digit());
            }
            (Token::Number(&rest[..end]), end)
        }
        letter if is_name(letter) => {
            let end = run(0, is_name);
            (Token::Word(&rest[..end]), end)
        }
        sign => (Token::Sign(sign), sign.len_utf8()),
    }
}

/// Behind the quote that closes the one at `from`; one that is doubled does not.
fn quoted_end(text: &str, from: usize, quote: char) -> usize {
    let mut at = from + 1;
    while let Some(length) = text[at..].find(quote) {
        at += length + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::translate;

    fn same_words(sql: &str) -> String {
        let words: Vec<_> = sql.split_whitespace().collect();
        words.join(" ")
    }

    #[test]
    fn what_is_written_in_another_way_is_translated() {
        for (sqlite, postgres) in [
            (
                "SELECT a FROM t WHERE b = ?1 AND c = ?12",
                "SELECT a FROM t WHERE b = $1 AND c = $12",
            ),
            (
                "SELECT a FROM t INDEXED BY t_by_b WHERE b = 1",
                "SELECT a FROM t WHERE b = 1",
            ),
            (
                "SELECT a FROM t x NOT INDEXED WHERE b = 1",
                "SELECT a FROM t x WHERE b = 1",
            ),
            (
                "SELECT 1 FROM a CROSS JOIN b ON b.x = a.x WHERE a.y",
                "SELECT 1 FROM a JOIN b ON b.x = a.x WHERE a.y",
            ),
            (
                "SELECT 1 FROM a CROSS JOIN b CROSS JOIN c ON c.x = b.x",
                "SELECT 1 FROM a CROSS JOIN b JOIN c ON c.x = b.x",
            ),
            (
                "SELECT 1 FROM a CROSS JOIN (SELECT 1 FROM q JOIN w ON 1 = 1) b WHERE 1 = 1",
                "SELECT 1 FROM a CROSS JOIN (SELECT 1 FROM q JOIN w ON 1 = 1) b WHERE 1 = 1",
            ),
            (
                "SELECT a FROM t GROUP BY +l.a ORDER BY +a, +b",
                "SELECT a FROM t GROUP BY l.a ORDER BY a, b",
            ),
            (
                "SELECT a + b, (a) + 1, ?1 + 2, +a",
                "SELECT a + b, (a) + 1, $1 + 2, a",
            ),
            (
                "SELECT a IS ?1, a IS NOT ?1",
                "SELECT a IS NOT DISTINCT FROM $1, a IS DISTINCT FROM $1",
            ),
            (
                "SELECT a IS NULL, a IS NOT NULL, a IS TRUE",
                "SELECT a IS NULL, a IS NOT NULL, a IS TRUE",
            ),
            (
                "SELECT a IS NOT DISTINCT FROM b, a IS DISTINCT FROM b",
                "SELECT a IS NOT DISTINCT FROM b, a IS DISTINCT FROM b",
            ),
            (
                "INSERT OR IGNORE INTO t (a) VALUES (?1)",
                "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING",
            ),
            (
                "INSERT OR IGNORE INTO t (a) VALUES (?1) RETURNING a",
                "INSERT INTO t (a) VALUES ($1) ON CONFLICT DO NOTHING RETURNING a",
            ),
            (
                "SELECT a LIKE ?1 ESCAPE '\\'",
                "SELECT a ILIKE $1 ESCAPE '\\'",
            ),
            (
                "SELECT CAST((l.at - ?1) / ?6 AS INTEGER), CAST(a AS TEXT)",
                "SELECT to_integer((l.at - $1) / $6 ), CAST(a AS TEXT)",
            ),
            (
                "SELECT CAST(CAST(a AS INTEGER) AS REAL)",
                "SELECT CAST(to_integer(a ) AS DOUBLE PRECISION)",
            ),
            (
                "SELECT a / 1e9, b * 0.5, c + 7",
                "SELECT a / 1e9::float8, b * 0.5::float8, c + 7",
            ),
            (
                "SELECT x'00ff', x FROM t",
                "SELECT '\\x00ff'::bytea, x FROM t",
            ),
            (
                "INSERT INTO t (user, at) VALUES (?1, ?2)",
                "INSERT INTO t (\"user\", at) VALUES ($1, $2)",
            ),
            (
                "SELECT l.user, failed_user FROM l",
                "SELECT l.\"user\", failed_user FROM l",
            ),
            (
                "SELECT 1 FROM w WHERE w.words MATCH ?1",
                "SELECT 1 FROM w WHERE w.words @@ phrase($1)",
            ),
        ] {
            assert_eq!(same_words(&translate(sqlite).text), postgres, "{sqlite}");
        }
    }

    #[test]
    fn the_probe_asks_nothing_of_which_the_server_cannot_tell_the_type() {
        let translation =
            translate("SELECT 1 FROM t WHERE (?3 IS NULL OR a = ?3) AND ?1 IS NOT NULL");
        assert_eq!(
            same_words(&translation.probe),
            "SELECT 1 FROM t WHERE (TRUE OR a = $3) AND TRUE"
        );
        assert_eq!(translation.probed, [false, false, true]);
        let plain = translate("SELECT a IS NULL FROM t WHERE b = ?1");
        assert_eq!(plain.probe, plain.text);
    }

    #[test]
    fn literals_names_in_quotes_and_comments_stay_as_they_are() {
        for sql in [
            "SELECT 'what? ?1 user IS ?2 LIKE +a 1.5'",
            "SELECT 'it''s ?1', \"user?1\" FROM t",
            "SELECT 1 -- IS ?1 LIKE 1.5\n FROM t",
            "SELECT 'no end",
        ] {
            assert_eq!(translate(sql).text, sql);
        }
    }
}
