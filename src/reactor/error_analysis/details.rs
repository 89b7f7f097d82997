//! What an error's line names: code, exception, file and line, a stack.

/// Names of errors in errno(3) and Node.js, beside those that begin with `E` by chance.
const ERRNO: &[(&str, &str)] = &[
    ("1", "EPERM"),
    ("2", "ENOENT"),
    ("5", "EIO"),
    ("11", "EAGAIN"),
    ("12", "ENOMEM"),
    ("13", "EACCES"),
    ("17", "EEXIST"),
    ("23", "ENFILE"),
    ("24", "EMFILE"),
    ("28", "ENOSPC"),
    ("30", "EROFS"),
    ("32", "EPIPE"),
    ("98", "EADDRINUSE"),
    ("100", "ENETDOWN"),
    ("101", "ENETUNREACH"),
    ("103", "ECONNABORTED"),
    ("104", "ECONNRESET"),
    ("110", "ETIMEDOUT"),
    ("111", "ECONNREFUSED"),
    ("113", "EHOSTUNREACH"),
    ("117", "EUCLEAN"),
    ("122", "EDQUOT"),
    ("", "EAI_AGAIN"),
    ("", "ENOTFOUND"),
    ("", "ESOCKETTIMEDOUT"),
];

/// Endings of source files that a line may name with a number.
const SOURCES: &[&str] = &[
    "py", "rs", "js", "mjs", "cjs", "ts", "go", "java", "kt", "c", "cc", "cpp", "cxx", "h", "hpp",
    "php", "rb", "cs", "pl", "lua", "sh", "conf",
];

fn is_code_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The code that a line names: an error of the system by its name, `40P01` of SQL, `ORA-00060`,
/// `11/SEGV` of a status.
pub(super) fn code(text: &str) -> Option<String> {
    let named = |word: &&str| ERRNO.iter().any(|(_, name)| name == word);
    if let Some(name) = text.split(|c| !is_code_char(c)).find(named) {
        return Some(name.to_owned());
    }
    by_number(text)
        .or_else(|| after(text, "SQLSTATE", 5))
        .or_else(|| vendor(text))
        .or_else(|| status(text))
}

/// `[Errno 28]`, `os error 28`, `errno=28`, `(111: Connection refused)`.
fn by_number(text: &str) -> Option<String> {
    let number = ["[Errno ", "os error ", "errno ", "errno=", "errno: "]
        .iter()
        .find_map(|lead| Some(digits(text.split_once(lead)?.1)))
        .or_else(|| {
            text.match_indices('(')
                .map(|(at, _)| &text[at + 1..])
                .find(|rest| rest[digits(rest).len()..].starts_with(": "))
                .map(digits)
        })
        .filter(|number| !number.is_empty())?;
    let known = ERRNO.iter().find(|(known, _)| *known == number);
    Some(known.map_or(number, |(_, name)| name).to_owned())
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

/// The code of so many characters that follows a word: `SQLSTATE[42P01]`, `SQLSTATE: 40P01`.
fn after(text: &str, word: &str, length: usize) -> Option<String> {
    let rest = text.split_once(word)?.1;
    let rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let code = rest.split(|c| !is_code_char(c)).next()?;
    (code.len() == length).then(|| code.to_owned())
}

/// `ORA-00060`, `SQLITE_BUSY`
fn vendor(text: &str) -> Option<String> {
    text.split(|c: char| !is_code_char(c) && c != '-')
        .find(|word| word.starts_with("ORA-") || word.starts_with("SQLITE_"))
        .map(ToOwned::to_owned)
}

/// `status=11/SEGV` of systemd.
fn status(text: &str) -> Option<String> {
    let rest = text.split_once("status=")?.1;
    let code = rest.split(|c| !is_code_char(c) && c != '/').next()?;
    (!code.is_empty()).then(|| code.to_owned())
}

/// The last part of the exception's name: `DeadlockDetected` of
/// `psycopg2.errors.DeadlockDetected: …`.
pub(super) fn exception(text: &str) -> Option<&str> {
    let names = text.split(|c: char| !is_code_char(c) && c != '.' && c != '$');
    names
        .filter_map(|name| {
            let name = name.trim_matches('.');
            let (place, last) = name.rsplit_once(['.', '$']).unwrap_or(("", name));
            let is_camel = last.starts_with(|c: char| c.is_ascii_uppercase())
                && last.contains(|c: char| c.is_ascii_lowercase());
            let is_error = |word: &str| last.len() > word.len() && last.ends_with(word);
            let is_named = is_error("Error") || is_error("Exception");
            let is_placed = place
                .split('.')
                .any(|part| part == "errors" || part == "exceptions");
            (is_camel && (is_named || is_placed)).then_some(last)
        })
        // What was raised last is told last.
        .next_back()
}

/// The source file and the line in it: of Python the innermost frame, which stands last, else the
/// first one.
pub(super) fn place(text: &str) -> Option<(&str, i64)> {
    python(text).or_else(|| colon(text)).or_else(|| php(text))
}

/// `File "app.py", line 88`
fn python(text: &str) -> Option<(&str, i64)> {
    text.rmatch_indices("File \"").find_map(|(at, lead)| {
        let (file, rest) = text[at + lead.len()..].split_once('"')?;
        let line = digits(rest.strip_prefix(", line ")?).parse().ok()?;
        Some((file, line))
    })
}

/// `src/main.rs:10:5`, `Main.java:123`, `nginx.conf:12`
fn colon(text: &str) -> Option<(&str, i64)> {
    let words = text.split(|c: char| c.is_whitespace() || "()[]\"'`,;<>".contains(c));
    words.into_iter().find_map(|word| {
        let (file, rest) = word
            .match_indices(':')
            .map(|(at, _)| (&word[..at], &word[at + 1..]))
            .find(|(file, _)| is_source(file))?;
        Some((file, digits(rest).parse().ok()?))
    })
}

fn is_source(file: &str) -> bool {
    file.rsplit_once('.')
        .is_some_and(|(name, ending)| !name.is_empty() && SOURCES.contains(&ending))
}

/// `in /srv/shop/cart.php on line 12`
fn php(text: &str) -> Option<(&str, i64)> {
    let (before, after) = text.split_once(" on line ")?;
    let file = before.rsplit_once(" in ")?.1;
    Some((file, digits(after).parse().ok()?))
}

/// Whether frames of a stack follow.
pub(super) fn has_stacktrace(text: &str) -> bool {
    [
        "Traceback (most recent call last)",
        "\tat ",
        "\n    at ",
        "stack backtrace:",
        "Stack trace:",
        "Call Trace:",
        "[running]:",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}
