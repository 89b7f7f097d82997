//! Points in time as logs write them, to be masked whole, blanks and all.

/// How many bytes the point in time takes that the text begins with; 0 if it begins with none.
///
/// `2026-11-21T17:58:01.5+01:00`, `2026/11/21 17:58:01`, `2026-11-21`, `Nov 21 17:58:01`,
/// `21/Nov/2026:17:58:01 +0100`, `Sat Nov 21 17:58:01 2026`, `Sat, 21 Nov 2026 17:58:01 +0100`,
/// `17:58:01,250`.
pub(super) fn length(text: &[u8]) -> usize {
    let length = match text.first() {
        Some(b'0'..=b'9') => numeric(text),
        Some(b'A'..=b'Z') => named(text),
        _ => None,
    };
    length
        .filter(|length| ends_there(&text[*length..]))
        .unwrap_or(0)
}

/// `02:00:51` is no time in `02:00:51:10:12:07`, but it is in `17:58:01: done`.
fn ends_there(rest: &[u8]) -> bool {
    match rest {
        [b':', next, ..] => *next != b':' && !next.is_ascii_alphanumeric(),
        [next, ..] => !next.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn numeric(text: &[u8]) -> Option<usize> {
    if fits(text, b"dddd-dd-dd") || fits(text, b"dddd/dd/dd") {
        let behind = match &text[10..] {
            [b'T' | b't' | b' ', rest @ ..] => clock(rest),
            _ => None,
        };
        return Some(behind.map_or(10, |clock| 11 + clock));
    }
    if fits(text, b"dd/") && is_month(&text[3..]) && fits(&text[6..], b"/dddd:") {
        return clock(&text[12..]).map(|clock| 12 + clock);
    }
    clock(text)
}

fn named(text: &[u8]) -> Option<usize> {
    if is_month(text) {
        return day_and_clock(text);
    }
    if !is_one_of(text, DAYS) {
        return None;
    }
    let day = if text.get(3) == Some(&b',') { 5 } else { 4 };
    let rest = text.get(day..)?;
    if fits(rest, b"dd ") && is_month(&rest[3..]) && fits(&rest[6..], b" dddd ") {
        return clock(&rest[12..]).map(|clock| day + 12 + clock);
    }
    let length = day + is_month(rest).then(|| day_and_clock(rest)).flatten()?;
    let year = if fits(&text[length..], b" dddd") {
        5
    } else {
        0
    };
    Some(length + year)
}

/// `Nov 21 17:58:01`, `Nov  1 17:58:01`, `Nov 21 2026 17:58:01`.
fn day_and_clock(text: &[u8]) -> Option<usize> {
    let day = [b" dd ".as_slice(), b"  d ", b" d "]
        .into_iter()
        .find(|form| fits(&text[3..], form))?
        .len();
    let mut at = 3 + day;
    if fits(&text[at..], b"dddd ") {
        at += 5;
    }
    clock(&text[at..]).map(|clock| at + clock)
}

/// `17:58:01`, with a fraction and a zone if there are any.
fn clock(text: &[u8]) -> Option<usize> {
    if !fits(text, b"dd:dd:dd") {
        return None;
    }
    let mut at = 8;
    if let [b'.' | b',', rest @ ..] = &text[at..] {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            at += 1 + digits;
        }
    }
    let rest = &text[at..];
    let signed = |sign: usize| matches!(rest.get(sign), Some(b'+' | b'-'));
    Some(match rest {
        [b'Z' | b'z', ..] => at + 1,
        _ if signed(0) && fits(&rest[1..], b"dd:dd") => at + 6,
        _ if signed(0) && fits(&rest[1..], b"dddd") => at + 5,
        [b' ', ..] if signed(1) && fits(&rest[2..], b"dddd") => at + 6,
        _ => at,
    })
}

/// Whether the text begins in this form: `d` stands for a digit, all else for itself.
fn fits(text: &[u8], form: &[u8]) -> bool {
    text.len() >= form.len()
        && form.iter().zip(text).all(|(form, byte)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => form == byte,
        })
}

fn is_month(text: &[u8]) -> bool {
    is_one_of(text, MONTHS)
}

fn is_one_of(text: &[u8], names: &[&[u8; 3]]) -> bool {
    text.first_chunk().is_some_and(|name| names.contains(&name))
}

const MONTHS: &[&[u8; 3]] = &[
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: &[&[u8; 3]] = &[b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
