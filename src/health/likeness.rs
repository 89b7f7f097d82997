//! When two error lines are the same error: what differs from time to time (numbers, addresses,
//! paths' last parts, quoted words) is left out. Pure.

/// What stands for a number.
const NUMBER: char = '#';
/// The likeness is no longer than this, characters.
const CHARS_MAX: usize = 160;

/// The line with every word that holds a digit made to `#`, and every quoted part to `""`.
///
/// `sshd[812]: error: kex from 192.0.2.7 port 41022` and the same of another address are one error.
pub fn of(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(CHARS_MAX));
    let mut rest = line.trim();
    while !rest.is_empty() && out.chars().count() < CHARS_MAX {
        let letter = rest.chars().next().unwrap_or(' ');
        let end = match letter {
            '"' | '`' => quoted(rest, letter),
            _ if is_word(letter) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            _ => letter.len_utf8(),
        };
        let (part, behind) = rest.split_at(end);
        rest = behind;
        if part.len() > 1 && part.starts_with(['"', '`']) {
            out.push_str("\"\"");
        } else if part.contains(|letter: char| letter.is_ascii_digit()) {
            if !out.ends_with(NUMBER) {
                out.push(NUMBER);
            }
        } else if letter.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push_str(part);
        }
    }
    if let Some((end, _)) = out.char_indices().nth(CHARS_MAX) {
        out.truncate(end);
    }
    out
}

/// Addresses, versions, times and hexadecimal numbers are words.
fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | ':' | '_' | '-' | '%' | '+')
}

/// The end of a quoted part, its closing mark included; of one that is never closed, the mark alone.
fn quoted(text: &str, mark: char) -> usize {
    let inside = &text[mark.len_utf8()..];
    inside
        .find(mark)
        .map_or(mark.len_utf8(), |end| end + 2 * mark.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_time_to_time_is_left_out() {
        for (one, other) in [
            (
                "sshd[812]: error: kex from 192.0.2.7 port 41022",
                "sshd[90113]: error: kex from 2001:db8::7 port 5",
            ),
            (
                "Nov 20 03:12:07 heron app: open \"/srv/a\" failed",
                "Nov 21 23:02:59 heron app: open \"/srv/b c\" failed",
            ),
            ("disk  sda1: I/O error 0x1f", "disk sdb2: I/O error 0xab00"),
        ] {
            assert_eq!(of(one), of(other));
        }
        assert_ne!(of("cannot open"), of("cannot close"));
        assert_eq!(of("a 1 2 3 b"), "a # # # b");
        assert_eq!(of("an \"open mark"), "an \"open mark");
        assert_eq!(of(""), "");
    }

    #[test]
    fn a_long_line_is_cut_where_a_character_ends() {
        let line = "ä".repeat(100_000);
        assert_eq!(of(&line).chars().count(), CHARS_MAX);
        let words = "ö ".repeat(100_000);
        assert!(of(&words).chars().count() <= CHARS_MAX);
    }
}
