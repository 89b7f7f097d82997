//! Secrets, taken out before anything durable.
//!
//! A value is secret by its key (`pin`, `code`, `password`, `token` …), at any depth of a payload
//! and in running text (`password=…`, `Authorization: Bearer …`); so are the user part of a URL and
//! the signed parts of its query. In a parsed payload and in texts a secret becomes [`MASK`]; in
//! raw bytes that are kept because they could not be decoded it becomes asterisks, so that the
//! length and every other byte stay.
//!
//! When in doubt more is masked, never less. A text without secrets is handed back untouched and
//! costs one pass over its bytes.

use std::borrow::Cow;
use std::ops::Range;

/// What stands where a secret stood.
pub const MASK: &str = "[redacted]";

/// Longest key that is looked at, bytes; of a longer one the end counts, where the noun is.
const MAX_KEY_BYTES: usize = 64;

/// How far behind a `/` the rest of a URL's password is looked for, bytes. Without a bound, one long
/// row of URLs would be read to its end once per URL.
const MAX_PASSWORD_BYTES: usize = 256;

/// How far behind `code=` a PIN is looked for, bytes: 8 digits and a mark.
const MAX_PIN_BYTES: usize = 16;

/// Whether the value under this key is secret. Case, blanks, `_`, `-` and `.` do not count.
pub(super) fn is_secret_key(key: &str) -> bool {
    name_is_secret(key.as_bytes())
}

fn name_is_secret(key: &[u8]) -> bool {
    let mut buffer = [0; MAX_KEY_BYTES];
    is_secret_name(normalised(key, &mut buffer))
}

fn normalised<'b>(key: &[u8], buffer: &'b mut [u8; MAX_KEY_BYTES]) -> &'b [u8] {
    let tail = &key[key.len().saturating_sub(MAX_KEY_BYTES)..];
    let mut length = 0;
    for byte in tail.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        buffer[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    &buffer[..length]
}

fn is_secret_name(name: &[u8]) -> bool {
    const ENDINGS: &[&[u8]] = &[
        b"password",
        b"passwd",
        b"passphrase",
        b"passcode",
        b"pincode",
        b"secret",
        b"token",
        b"apikey",
        b"privatekey",
        b"secretkey",
        b"accesskey",
        b"authkey",
        b"networkkey",
        b"credential",
        b"credentials",
        b"cookie",
        b"psk",
    ];
    matches!(
        name,
        b"pin"
            | b"pins"
            | b"code"
            | b"codes"
            | b"pass"
            | b"pwd"
            | b"psk"
            | b"otp"
            | b"totp"
            | b"actioncode"
            | b"alarmcode"
            | b"armcode"
            | b"disarmcode"
            | b"accesscode"
            | b"usercode"
            | b"mastercode"
            | b"securitycode"
            | b"keypadcode"
            | b"userpin"
            | b"alarmpin"
            | b"masterpin"
            | b"newpin"
            | b"oldpin"
            | b"passwords"
            | b"tokens"
            | b"secrets"
            | b"apikeys"
            | b"authorization"
            | b"proxyauthorization"
            | b"wifikey"
            | b"encryptionkey"
    ) || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || name.windows(8).any(|part| part == b"password")
}

/// Query parameters that let their bearer in.
fn is_signed_parameter(name: &[u8]) -> bool {
    matches!(
        name,
        b"sig"
            | b"signature"
            | b"xamzsignature"
            | b"xamzcredential"
            | b"xamzsecuritytoken"
            | b"xgoogsignature"
            | b"xgoogcredential"
            | b"key"
            | b"auth"
            | b"sid"
            | b"session"
            | b"sessionid"
            | b"policy"
            | b"hmac"
            | b"awsaccesskeyid"
            | b"googleaccessid"
            | b"hash"
    )
}

/// A text without its secrets, and whether it had any. U+0000 becomes `␀`: a C string ends there,
/// and PostgreSQL refuses it.
pub(super) fn text(text: &str) -> (Cow<'_, str>, bool) {
    let spans = secret_spans(text.as_bytes());
    (without(text, &spans), !spans.is_empty())
}

/// A text without what stands at these places, which are in order and apart.
pub(super) fn without<'t>(text: &'t str, spans: &[Range<usize>]) -> Cow<'t, str> {
    let mut clean = Cow::Borrowed(text);
    if !spans.is_empty() {
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for span in spans {
            masked.push_str(&text[from..span.start]);
            masked.push_str(MASK);
            from = span.end;
        }
        masked.push_str(&text[from..]);
        clean = Cow::Owned(masked);
    }
    if clean.contains('\0') {
        clean = Cow::Owned(clean.replace('\0', "␀"));
    }
    clean
}

/// Raw bytes without their secrets, each byte of them an asterisk.
pub(super) fn raw(bytes: &[u8]) -> Cow<'_, [u8]> {
    let spans = secret_spans(bytes);
    if spans.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let mut clean = bytes.to_vec();
    for span in spans {
        clean[span].fill(b'*');
    }
    Cow::Owned(clean)
}

/// Nothing of a payload but its length.
pub(super) fn whole(payload: &[u8]) -> Vec<u8> {
    vec![b'*'; payload.len()]
}

/// The places of secrets, in order and apart. They begin after and end before an ASCII byte, hence
/// on character boundaries.
pub(super) fn secret_spans(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let span = match bytes[at] {
            b':' if bytes[at..].starts_with(b"://") => user_info(bytes, at + 3),
            b'=' | b':' => assigned(bytes, at),
            b' ' => after_word(bytes, at),
            b'-' if bytes[at..].starts_with(b"--") => option(bytes, at),
            _ => None,
        };
        at = match span.filter(|span| !span.is_empty()) {
            Some(span) => {
                let next = span.end.max(at + 1);
                spans.push(span);
                next
            }
            None => at + 1,
        };
    }
    spans
}

const fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`')
}

const fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'&' | b'"' | b'\'')
}

fn end_of(bytes: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| stop(*byte))
        .map_or(bytes.len(), |offset| from + offset)
}

/// `user:password` of `scheme://user:password@host`, whose first byte is at `from`.
fn user_info(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let authority_end = end_of(bytes, from, |byte| {
        ends_url(byte) || matches!(byte, b'/' | b'?' | b'#')
    });
    let last_at = |end: usize| bytes[from..end].iter().rposition(|byte| *byte == b'@');
    if let Some(at) = last_at(authority_end) {
        return Some(from..from + at);
    }
    // A password with an unescaped slash: what follows the colon is no port.
    let colon = bytes[from..authority_end]
        .iter()
        .position(|byte| *byte == b':')?;
    let port = &bytes[from + colon + 1..authority_end];
    if bytes[from] == b'[' || port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let window = &bytes[..bytes.len().min(authority_end + MAX_PASSWORD_BYTES)];
    last_at(end_of(window, authority_end, ends_url)).map(|at| from..from + at)
}

/// How a key before `=` or `:` is written, which tells how its value ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `"key": value`.
    Quoted,
    /// `?key=value&…`.
    Parameter,
    /// `Authorization: …`, `Cookie: …`: the rest of the line.
    Header,
    /// `key=value` in running text.
    Bare,
    /// The same, secret only if the value looks like a PIN.
    BareCode,
}

/// The value after the `=` or `:` at `at`, if its key is secret.
fn assigned(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let style = style_of_key(bytes, at)?;
    value(bytes, at + 1, style)
}

fn style_of_key(bytes: &[u8], at: usize) -> Option<Style> {
    let end = before_blanks(bytes, at);
    let last = *bytes.get(end.checked_sub(1)?)?;
    if matches!(last, b'"' | b'\'') {
        return quoted_key_is_secret(bytes, end - 1).then_some(Style::Quoted);
    }
    let in_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = bytes[..end]
        .iter()
        .rev()
        .take(MAX_KEY_BYTES)
        .take_while(|b| in_key(b))
        .count();
    let start = end - length;
    let mut buffer = [0; MAX_KEY_BYTES];
    let name = normalised(&bytes[start..end], &mut buffer);
    let parameter =
        bytes[at] == b'=' && start > 0 && matches!(bytes[start - 1], b'?' | b'&' | b';');
    if parameter && (is_signed_parameter(name) || is_secret_name(name)) {
        return Some(Style::Parameter);
    }
    if name == b"code" {
        return Some(Style::BareCode);
    }
    if !is_secret_name(name) {
        return None;
    }
    let header = name.ends_with(b"authorization") || name.ends_with(b"cookie");
    Some(if header && bytes[at] == b':' {
        Style::Header
    } else {
        Style::Bare
    })
}

/// Where the blanks before `end` begin; `\n` counts as one, as in JSON within a JSON text.
fn before_blanks(bytes: &[u8], mut end: usize) -> usize {
    loop {
        let before = &bytes[..end];
        end = match before {
            [.., blank] if blank.is_ascii_whitespace() => end - 1,
            [.., b'\\', b'n' | b'r' | b't'] => {
                let slashes = before[..end - 1]
                    .iter()
                    .rev()
                    .take_while(|byte| **byte == b'\\')
                    .count();
                end - 1 - slashes
            }
            _ => return end,
        };
    }
}

/// Where the blanks from `start` end, for a value behind a quoted key.
fn after_blanks(bytes: &[u8], mut start: usize) -> usize {
    loop {
        let slashes = bytes[start..]
            .iter()
            .take_while(|byte| **byte == b'\\')
            .count();
        start = match bytes.get(start + slashes) {
            Some(b'n' | b'r' | b't') if slashes > 0 => start + slashes + 1,
            Some(blank) if slashes == 0 && blank.is_ascii_whitespace() => start + 1,
            _ => return start,
        };
    }
}

/// Whether the key that the quote at `close` closes is secret. One with a backslash may spell
/// anything and is taken for secret.
fn quoted_key_is_secret(bytes: &[u8], close: usize) -> bool {
    let quote = bytes[close];
    let mut end = close;
    while end > 0 && bytes[end - 1] == b'\\' {
        end -= 1;
    }
    // Six bytes of source spell one byte of key at most.
    let window = &bytes[end.saturating_sub(6 * MAX_KEY_BYTES)..end];
    let start = window
        .iter()
        .rposition(|byte| *byte == quote)
        .map_or(0, |open| open + 1);
    let key = &window[start..];
    key.contains(&b'\\') || name_is_secret(key)
}

fn value(bytes: &[u8], from: usize, style: Style) -> Option<Range<usize>> {
    let start = match style {
        Style::Quoted => after_blanks(bytes, from),
        _ => end_of(bytes, from, |byte| !matches!(byte, b' ' | b'\t')),
    };
    let first = *bytes.get(start)?;
    let slashes = bytes[start..]
        .iter()
        .take_while(|byte| **byte == b'\\')
        .count();
    if let Some(quote @ (b'"' | b'\'')) = bytes.get(start + slashes) {
        let open = start + slashes + 1;
        return Some(open..closing_quote(bytes, open, *quote, slashes));
    }
    let end = match style {
        Style::Quoted if matches!(first, b'[' | b'{') => closing_bracket(bytes, start),
        Style::Quoted => end_of(bytes, start, |byte| {
            byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']')
        }),
        Style::Parameter => end_of(bytes, start, |byte| {
            ends_url(byte) || matches!(byte, b'&' | b'#' | b'\\')
        }),
        Style::Header => {
            // A digest's parameters are quoted, other schemes end with the quote around them.
            let digest = bytes[start..].len() >= 6
                && bytes[start..start + 6].eq_ignore_ascii_case(b"digest");
            let inner = |byte: u8| !digest && matches!(byte, b'"' | b'\'');
            end_of(bytes, start, |byte| {
                matches!(byte, b'\r' | b'\n') || inner(byte)
            })
        }
        Style::Bare => end_of(bytes, start, ends_word),
        Style::BareCode => {
            let window = &bytes[..bytes.len().min(start + MAX_PIN_BYTES)];
            end_of(window, start, ends_word)
        }
    };
    if style == Style::BareCode && !looks_like_pin(&bytes[start..end]) {
        return None;
    }
    if style == Style::Bare && is_scheme(&bytes[start..end]) {
        let next = end_of(bytes, end, |byte| !byte.is_ascii_whitespace());
        return Some(start..end_of(bytes, next, ends_url));
    }
    Some(start..end)
}

/// 4 to 8 digits, perhaps with a mark behind them.
fn looks_like_pin(value: &[u8]) -> bool {
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    (4..=8).contains(&digits) && !value[digits..].iter().any(u8::is_ascii_alphanumeric)
}

fn is_scheme(word: &[u8]) -> bool {
    ["bearer", "basic", "digest", "token"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// The quote that closes a string whose opening quote stood behind `slashes` backslashes (JSON in a
/// text in JSON …); a quote behind more of them belongs to the string.
fn closing_quote(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> usize {
    let mut before = 0;
    for (offset, byte) in bytes[open..].iter().enumerate() {
        match *byte {
            b'\\' => before += 1,
            byte if byte == quote => {
                let closes = if slashes == 0 {
                    before % 2 == 0
                } else {
                    before <= slashes
                };
                if closes {
                    return open + offset - before.min(slashes);
                }
                before = 0;
            }
            _ => before = 0,
        }
    }
    bytes.len()
}

fn closing_bracket(bytes: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0_usize, open);
    while at < bytes.len() {
        match bytes[at] {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => at = closing_quote(bytes, at + 1, b'"', 0),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The secret behind a word and a blank: `Bearer eyJ…`, `PIN 4711`.
fn after_word(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    // Nearly every blank stands behind another letter.
    if !matches!(
        bytes.get(at.checked_sub(1)?)?,
        b'r' | b'R' | b'n' | b'N' | b'e' | b'E'
    ) {
        return None;
    }
    let length = bytes[..at]
        .iter()
        .rev()
        .take(9)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    let word = &bytes[at - length..at];
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let end = end_of(bytes, at + 1, ends_url);
    let next = &bytes[at + 1..end];
    let secret = (is("bearer") && next.len() >= 8)
        || ((is("pin") || is("pincode") || is("passcode")) && looks_like_pin(next));
    secret.then_some(at + 1..end)
}

/// The secret behind a command line's option: `--password hunter2`.
fn option(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let window = &bytes[..bytes.len().min(at + 2 + MAX_KEY_BYTES)];
    let name_end = end_of(window, at + 2, |byte| {
        !byte.is_ascii_alphanumeric() && byte != b'-'
    });
    let secret = bytes.get(name_end) == Some(&b' ') && name_is_secret(&bytes[at + 2..name_end]);
    secret.then(|| name_end + 1..end_of(bytes, name_end + 1, |byte| byte.is_ascii_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_hide_and_keys_that_do_not() {
        for key in [
            "pin",
            "PIN",
            "code",
            "action_code",
            "actionCode",
            "Password",
            "db-password",
            "pass",
            "passwd",
            "pincode",
            "token",
            "accessToken",
            "secret",
            "client_secret",
            "api_key",
            "X-Api-Key",
            "Authorization",
            "Proxy-Authorization",
            "Set-Cookie",
            "password_hash",
            "wifi.psk",
            "private key",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "",
            "value",
            "unit",
            "ping",
            "spin",
            "exit_code",
            "status_code",
            "keyboard",
            "encode",
            "compass",
            "bypass",
            "mode",
            "temperature",
            "key",
            "session",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn running_text_loses_its_secrets_and_nothing_else() {
        for (given, expected) in [
            ("login password=hunter2 ok", "login password=[redacted] ok"),
            (
                "login password: hunter2 ok",
                "login password: [redacted] ok",
            ),
            ("PASSWD = 'a b c' next", "PASSWD = '[redacted]' next"),
            (
                "Authorization: Bearer eyJ.abc.def",
                "Authorization: [redacted]",
            ),
            (
                "Authorization: Digest a=\"1\", b\nnext",
                "Authorization: [redacted]\nnext",
            ),
            (
                "curl -H 'Authorization: Basic YTpi' x",
                "curl -H 'Authorization: [redacted]' x",
            ),
            ("header Bearer eyJhbGci.abc x", "header Bearer [redacted] x"),
            ("token=Bearer abcdefgh x", "token=[redacted] x"),
            (
                "rtsp://cam:hunter2@192.0.2.9/s",
                "rtsp://[redacted]@192.0.2.9/s",
            ),
            (
                "rtsp://cam:hun/ter2@192.0.2.9/s",
                "rtsp://[redacted]@192.0.2.9/s",
            ),
            (
                "http://h:80/a@b http://[::1]:80/@",
                "http://h:80/a@b http://[::1]:80/@",
            ),
            (
                "GET https://h/x.jpg?w=3&X-Amz-Signature=ab12&h=4 200",
                "GET https://h/x.jpg?w=3&X-Amz-Signature=[redacted]&h=4 200",
            ),
            (
                "--password hunter2 --user joris",
                "--password [redacted] --user joris",
            ),
            (
                "wrong PIN 4710 at the keypad",
                "wrong PIN [redacted] at the keypad",
            ),
            (
                "payload '{\"action_code\":\"0012\",\"a\":1}'",
                "payload '{\"action_code\":\"[redacted]\",\"a\":1}'",
            ),
            (
                "\"{\\\"pin\\\":\\\"47\\\\\\\"11\\\",\\\"a\\\":1}\"",
                "\"{\\\"pin\\\":\\\"[redacted]\\\",\\\"a\\\":1}\"",
            ),
            (
                "{\"pin\":[4,[7],\"]\"],\"a\":1}",
                "{\"pin\":[redacted],\"a\":1}",
            ),
            ("{\"token\" :\n 12 }", "{\"token\" :\n [redacted] }"),
            ("alarm code: 4711.", "alarm code: [redacted]"),
            ("a\0b", "a␀b"),
        ] {
            assert_eq!(text(given).0, expected);
        }
        for untouched in [
            "Nov 20 04:03:02 heron sshd[2240]: Failed password for invalid user root from 203.0.113.77",
            "Main process exited, code=exited, status=1/FAILURE",
            "exit code: 1, status_code=404",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0",
            "see https://example.org/a?page=2#x",
            "pin 17 set high",
            "=: ://",
        ] {
            assert_eq!(text(untouched), (Cow::Borrowed(untouched), false));
        }
    }

    #[test]
    fn raw_bytes_keep_their_length_and_their_rest() {
        for (given, expected) in [
            (
                &b"{\"mode\":\"DISARMED\",\"pin\":\"47"[..],
                &b"{\"mode\":\"DISARMED\",\"pin\":\"**"[..],
            ),
            (b"{\"pin\":4711,\"x\":\xff}", b"{\"pin\":****,\"x\":\xff}"),
            (b"{\"\\u0070in\":\"4711\"}", b"{\"\\u0070in\":\"****\"}"),
            (
                b"{\"pass\":\"a\\\"b\",\"x\":1}",
                b"{\"pass\":\"****\",\"x\":1}",
            ),
            (b"{\"pin\":", b"{\"pin\":"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&raw(given)),
                String::from_utf8_lossy(expected)
            );
        }
        assert_eq!(whole(b"abc"), b"***");
    }
}
