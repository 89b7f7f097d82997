//! Masks: what stands in a token for what varies by its nature.

use core::net::Ipv6Addr;

use super::stamp;

/// Any token, or any value of a key.
pub(super) const ANY: &str = "<*>";
/// A number or a quantity: `42`, `-67dBm`, `1,234`, `3.5GB`, `50%`, `1m30s`, `6.1.0`.
pub(super) const NUM: &str = "<NUM>";
/// `0x1f`, or 8 and more hexadecimal digits, of both sorts.
pub(super) const HEX: &str = "<HEX>";
/// An address of either family, with its port, prefix length and zone.
pub(super) const IP: &str = "<IP>";
/// 6 and more pairs of hexadecimal digits: the kernel writes whole link headers so.
pub(super) const MAC: &str = "<MAC>";
pub(super) const UUID: &str = "<UUID>";
/// A point in time, a date, or a time of day.
pub(super) const TIME: &str = "<TIME>";
/// An absolute path with a digit or a query in it; other paths stay.
pub(super) const PATH: &str = "<PATH>";
pub(super) const URL: &str = "<URL>";
pub(super) const EMAIL: &str = "<EMAIL>";
/// A text that is a value and not a message.
pub(super) const STR: &str = "<STR>";
pub(super) const BOOL: &str = "<BOOL>";
pub(super) const NULL: &str = "<NULL>";
/// An array, whatever is in it.
pub(super) const LIST: &str = "<LIST>";
/// An object that lies too deep to be looked into.
pub(super) const OBJ: &str = "<OBJ>";

/// Letters of a unit: `kbps`, `µs`, `°C`.
const MAX_UNIT_BYTES: usize = 4;
/// With brackets, zone and port.
const MAX_ADDRESS_BYTES: usize = 64;

const WORD: u8 = 1;
const DIGIT: u8 = 2;
const COLON: u8 = 4;
const SLASH: u8 = 8;
const AT: u8 = 16;
const BLANK: u8 = 32;

/// What each byte is. What is neither blank nor part of a word is a mark and stands for itself.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=b' ' | 0x7f => BLANK,
            b'0'..=b'9' => WORD | DIGIT,
            b':' => WORD | COLON,
            b'/' => WORD | SLASH,
            b'@' => WORD | AT,
            b'a'..=b'z'
            | b'A'..=b'Z'
            | 0x80..
            | b'.'
            | b'-'
            | b'_'
            | b'%'
            | b'+'
            | b'~'
            | b'&'
            | b'?'
            | b'\\'
            | b'$' => WORD,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Blanks and control characters part tokens.
pub(super) fn is_blank(byte: u8) -> bool {
    CLASSES[byte as usize] & BLANK != 0
}

pub(super) fn is_word(byte: u8) -> bool {
    CLASSES[byte as usize] & WORD != 0
}

/// Whether `text` has a mask at `at`. A message cannot write one: its `<*` and `<A` are `\<*`, `\<A`.
pub(super) fn stands_at(text: &[u8], at: usize) -> bool {
    opens_mask(&text[at..]) && (at == 0 || text[at - 1] != b'\\')
}

/// Whether what begins here would read as a mask.
pub(super) fn opens_mask(text: &[u8]) -> bool {
    matches!(text, [b'<', b'*' | b'A'..=b'Z', ..])
}

/// Writes the word that begins at `at`, with its masks; where it ends. A time may hold blanks.
pub(super) fn write_word(text: &str, at: usize, out: &mut String) -> usize {
    let bytes = text.as_bytes();
    let time = stamp::length(&bytes[at..]);
    if time > 0 {
        out.push_str(TIME);
        return at + time;
    }
    let (mut end, classes) = word_end(bytes, at);
    if classes & (DIGIT | COLON | SLASH | AT) == 0 {
        out.push_str(&text[at..end]);
        return end;
    }
    if classes & SLASH != 0 {
        let is_path = bytes[at] == b'/';
        let is_url = classes & COLON != 0 && text[at..end].contains("://");
        if is_path || is_url {
            end = place_end(bytes, at, is_url);
            let place = &text[at..end];
            out.push_str(match is_url {
                true => URL,
                false if place.bytes().any(|b| b.is_ascii_digit() || b == b'?') => PATH,
                false => place,
            });
            return end;
        }
    }
    // What ends a sentence is not the word's.
    let word = text[at..end].trim_end_matches(['.', ':', '?']);
    if classes & AT != 0 && is_email(word) {
        out.push_str(EMAIL);
    } else if classes & COLON != 0 && is_ipv6(word) {
        out.push_str(IP);
    } else if is_mac(word.as_bytes()) {
        out.push_str(MAC);
    } else if classes & DIGIT != 0 {
        write_runs(word, out);
    } else {
        out.push_str(word);
    }
    out.push_str(&text[at + word.len()..end]);
    end
}

/// How long the address with a port is that begins here in brackets: `[2001:db8::7]:443`.
pub(super) fn bracketed_address(text: &str) -> Option<usize> {
    let near = &text.as_bytes()[..text.len().min(MAX_ADDRESS_BYTES)];
    let close = near.iter().position(|byte| *byte == b']')?;
    let address = &text[1..close];
    let port = port_length(&near[close + 1..]);
    let is_address = is_ipv6(address) || ipv4_length(address.as_bytes()) == address.len();
    (port > 0 && close > 1 && is_address).then_some(close + 1 + port)
}

fn word_end(bytes: &[u8], at: usize) -> (usize, u8) {
    let mut classes = 0;
    let mut end = at;
    while let Some(byte) = bytes.get(end) {
        let class = CLASSES[*byte as usize];
        if class & WORD == 0 && !is_comma_in_number(bytes, end) {
            break;
        }
        classes |= class;
        end += 1;
    }
    (end, classes)
}

/// `1,234` is one number.
fn is_comma_in_number(bytes: &[u8], at: usize) -> bool {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    bytes[at] == b',' && at > 0 && is_digit(at - 1) && is_digit(at + 1)
}

/// Paths and addresses of the web go on over marks that end a word; addresses over commas, too.
fn place_end(bytes: &[u8], at: usize, is_url: bool) -> usize {
    let ends: &[u8] = if is_url {
        b"\"'<>()[]{}|`"
    } else {
        b"\"'<>()[]{}|`,;"
    };
    let goes_on = |byte: &&u8| !is_blank(**byte) && !ends.contains(byte);
    let length = bytes[at..].iter().take_while(goes_on).count();
    let place = &bytes[at..at + length];
    let behind = place
        .iter()
        .rev()
        .take_while(|byte| b".:,;".contains(byte))
        .count();
    // `/.` keeps something to stand for it.
    at + (length - behind).max(1)
}

/// Masks the numbers, addresses and hexadecimal names in a word; other marks and letters stay.
fn write_runs(word: &str, out: &mut String) {
    let bytes = word.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_alphanumeric(bytes[at]) {
            let signs = at == 0 && matches!(bytes, [b'-' | b'+', b'0'..=b'9', ..]);
            // `-67dBm`: the sign is the number's, if it is one.
            if !(signs && is_number(&bytes[1..run_end(bytes, 1)])) {
                out.push(char::from(bytes[at]));
            }
            at += 1;
            continue;
        }
        if is_uuid(&bytes[at..]) {
            out.push_str(UUID);
            at += UUID_BYTES;
            continue;
        }
        let end = run_end(bytes, at);
        let run = &bytes[at..end];
        at = end;
        if ipv4_length(run) == run.len() {
            out.push_str(IP);
            at += port_length(&bytes[end..]);
        } else if is_hex(run) {
            out.push_str(HEX);
        } else if is_number(run) {
            out.push_str(NUM);
            at += usize::from(bytes.get(end) == Some(&b'%'));
        } else {
            out.push_str(&word[end - run.len()..end]);
        }
    }
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Letters and digits, and what stands between two digits of a number.
fn run_end(bytes: &[u8], at: usize) -> usize {
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = at;
    while let Some(byte) = bytes.get(end) {
        let inside =
            matches!(byte, b'.' | b',') && end > at && is_digit(end - 1) && is_digit(end + 1);
        if !inside && !is_alphanumeric(*byte) {
            break;
        }
        end += 1;
    }
    end
}

/// Digits with a unit, or several such: `1m30s`.
fn is_number(run: &[u8]) -> bool {
    let mut rest = run;
    while let [b'0'..=b'9', ..] = rest {
        let digits = rest.iter().take_while(|b| !is_alphabetic(**b)).count();
        let unit = rest[digits..]
            .iter()
            .take_while(|b| is_alphabetic(**b))
            .count();
        if unit > MAX_UNIT_BYTES {
            return false;
        }
        rest = &rest[digits + unit..];
    }
    rest.is_empty() && !run.is_empty()
}

fn is_alphabetic(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || !byte.is_ascii()
}

fn is_hex(run: &[u8]) -> bool {
    if let [b'0', b'x' | b'X', digits @ ..] = run {
        return !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    }
    run.len() >= 8
        && run.iter().all(u8::is_ascii_hexdigit)
        && run.iter().any(u8::is_ascii_digit)
        && run.iter().any(u8::is_ascii_alphabetic)
}

const UUID_BYTES: usize = 36;

fn is_uuid(text: &[u8]) -> bool {
    text.len() >= UUID_BYTES
        && text[..UUID_BYTES]
            .iter()
            .enumerate()
            .all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        && !text
            .get(UUID_BYTES)
            .is_some_and(|byte| is_alphanumeric(*byte))
}

/// How long the IPv4 address is that the text begins with; 0 if with none.
fn ipv4_length(text: &[u8]) -> usize {
    let mut at = 0;
    for group in 0..4 {
        if group > 0 {
            if text.get(at) != Some(&b'.') {
                return 0;
            }
            at += 1;
        }
        let digits = text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if !(1..=3).contains(&digits) {
            return 0;
        }
        at += digits;
    }
    at
}

/// `:443` or `/24` behind an address; 0 if there is neither.
fn port_length(rest: &[u8]) -> usize {
    let Some(b':' | b'/') = rest.first() else {
        return 0;
    };
    let digits = rest[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let ends = !rest
        .get(1 + digits)
        .is_some_and(|byte| is_alphanumeric(*byte));
    if digits > 0 && ends { 1 + digits } else { 0 }
}

fn is_ipv6(word: &str) -> bool {
    let address = word
        .split_once(['%', '/'])
        .map_or(word, |(address, _)| address);
    address.len() <= MAX_ADDRESS_BYTES
        && address.bytes().filter(|byte| *byte == b':').count() >= 2
        && address.len() > 2
        && address.parse::<Ipv6Addr>().is_ok()
}

fn is_mac(word: &[u8]) -> bool {
    word.len() >= 17
        && word.len() % 3 == 2
        && matches!(word[2], b':' | b'-')
        && word.chunks(3).all(|pair| {
            pair[0].is_ascii_hexdigit()
                && pair[1].is_ascii_hexdigit()
                && pair.get(2).is_none_or(|mark| *mark == word[2])
        })
}

/// `mara@heron.example`, but not `user@1000.service`.
fn is_email(word: &str) -> bool {
    const UNITS: &[&str] = &[
        "service", "socket", "target", "timer", "scope", "slice", "mount", "device", "path",
    ];
    let Some((name, domain)) = word.split_once('@') else {
        return false;
    };
    let Some((_, last)) = domain.rsplit_once('.') else {
        return false;
    };
    !name.is_empty()
        && !word.contains(['/', ':', '\\', '?', '&'])
        && last.len() >= 2
        && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !UNITS.contains(&last)
}
