//! What a single word is by its shape alone.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event::entity::{EntityType, top_level};

/// Longest name of a user here; longer ones are what strangers type.
const USER_MAX_BYTES: usize = 64;
/// Longest name of a domain, and of one of its parts (RFC 1035 §2.3.4).
const DOMAIN_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;

/// Where a URL leads to: what is between its scheme and its path.
pub(super) fn in_url(behind: &str) -> Option<(EntityType, &str)> {
    let authority = behind.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = without_port(host)?;
    if let Some(found) = ipv4(host) {
        return Some((EntityType::Ip, found));
    }
    let (_, last) = host.rsplit_once('.')?;
    let is_name =
        is_domain_shaped(host) && last.starts_with(|first: char| first.is_ascii_alphabetic());
    is_name.then_some((EntityType::Domain, host))
}

/// An address or a domain.
pub(super) fn machine(word: &str) -> Option<(EntityType, &str)> {
    if let Some(ip) = ipv6(word) {
        return Some((EntityType::Ip, ip));
    }
    let host = without_port(word)?;
    if let Some(ip) = ipv4(host) {
        return Some((EntityType::Ip, ip));
    }
    is_domain(host).then_some((EntityType::Domain, host))
}

/// `192.0.2.1:22` as most programs write it, `192.0.2.1#53` as servers of names do.
fn without_port(word: &str) -> Option<&str> {
    let bytes = word.as_bytes();
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b':' | b'#')) else {
        return Some(word);
    };
    let port = &bytes[end + 1..];
    let is_port = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    is_port.then(|| &word[..end])
}

/// An address of one machine: no network, no mask, not "any".
fn ipv4(host: &str) -> Option<&str> {
    if !host.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let ip: Ipv4Addr = host.parse().ok()?;
    (!matches!(ip.octets()[0], 0 | 255)).then_some(host)
}

/// An address that is in use somewhere: global (`2…`, `3…`), local (`fc…` to `ff…`), translated
/// (RFC 6052), loopback, or IPv4 within IPv6. Others are more likely to be code: `cafe::bad`.
fn ipv6(word: &str) -> Option<&str> {
    let word = if word.ends_with("::") {
        word
    } else {
        word.strip_suffix(':').unwrap_or(word)
    };
    let bytes = word.as_bytes();
    let begins = match bytes {
        [b':', b':', ..] | [b'6', b'4', b':', ..] => true,
        [a, b, c, d, b':', ..] => {
            matches!(a, b'2' | b'3' | b'f' | b'F')
                && [b, c, d].into_iter().all(u8::is_ascii_hexdigit)
        }
        _ => false,
    };
    if !begins {
        return None;
    }
    let ip = match word.split_once('%') {
        Some((ip, zone)) => {
            let is_zone =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            (!zone.is_empty() && zone.bytes().all(is_zone)).then_some(ip)?
        }
        None => word,
    };
    let address: Ipv6Addr = ip.parse().ok()?;
    let used = match address.segments() {
        [0x2000..=0x3fff | 0xfc00.., ..] | [0x64, 0xff9b, ..] => true,
        _ => address.is_loopback() || matches!(address.to_canonical(), IpAddr::V4(_)),
    };
    used.then_some(ip)
}

fn is_domain(host: &str) -> bool {
    let Some((front, last)) = host.rsplit_once('.') else {
        return false;
    };
    // A sentence whose blank is missing: `failed.It`.
    let one_case = last.bytes().all(|byte| byte.is_ascii_lowercase())
        || !host.bytes().any(|byte| byte.is_ascii_lowercase());
    if !one_case || !top_level::is_known(last) || !is_domain_shaped(host) {
        return false;
    }
    let mut parts = front.split('.');
    let owner = parts.next_back().unwrap_or_default();
    // Names of code begin with what domains end with: `org.example.dev`.
    let reversed = matches!(parts.next(), Some("com" | "org" | "net"));
    owner.len() > 1 && owner.bytes().any(|byte| byte.is_ascii_alphabetic()) && !reversed
}

/// Letters, digits and `-` in parts (RFC 1123 §2.1).
fn is_domain_shaped(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_MAX_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= DOMAIN_MAX_BYTES && host.split('.').all(is_label)
}

/// What stands before the `@` of a mail address, or of `git@192.0.2.1`.
pub(super) fn is_mailbox(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'%')
        })
}

/// A name as accounts have it (useradd(8)), perhaps with a realm; no number, no word for nobody.
pub(super) fn is_user(name: &str) -> bool {
    let (realm, name) = match (name.split_once('\\'), name.split_once('@')) {
        (None, None) => (None, name),
        (Some((realm, name)), None) | (None, Some((name, realm))) => (Some(realm), name),
        (Some(_), Some(_)) => return false,
    };
    let begins_with_letter = |part: &str| part.starts_with(|first: char| first.is_alphabetic());
    let is_realm = |realm: &str| {
        is_domain_shaped(realm) && realm.rsplit('.').next().is_some_and(begins_with_letter)
    };
    let nobody = [
        "unknown",
        "none",
        "null",
        "nil",
        "undefined",
        "anonymous",
        "true",
        "false",
    ];
    (begins_with_letter(name) || name.starts_with('_'))
        && name.len() <= USER_MAX_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !name.ends_with(['.', '-'])
        && !nobody.iter().any(|word| name.eq_ignore_ascii_case(word))
        && realm.is_none_or(is_realm)
}
