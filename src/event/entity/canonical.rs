//! The one form in which each type of entity is written.
//!
//! | type | form |
//! |---|---|
//! | all | Unicode NFC, no control characters; no blanks around it, but for files |
//! | user | lower case; `CORP\Alice`, `alice@corp` and `corp:alice` are `corp:alice` |
//! | ip | IPv4 dotted; IPv6 with all its digits; IPv4 within IPv6 is IPv4; no zone |
//! | host, domain | lower case, no dot at the end |
//! | process | lower case, no path, no process number |
//! | file | absolute, no empty or `.` part, case kept: it tells files apart |
//! | camera, sensor, pet, person | case kept: it tells their streams apart |
//!
//! Names beyond ASCII are taken as they are: whether a machine means `bücher.example` or its
//! `xn--…` form is not looked into, and the two are two entities.

use core::net::{IpAddr, Ipv6Addr};
use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::{EntityError, EntityType, VALUE_MAX_BYTES};

/// Longest name of a host or a domain, bytes (RFC 1035 §2.3.4).
const HOST_MAX_BYTES: usize = 253;
/// Longest part of it.
const LABEL_MAX_BYTES: usize = 63;

/// The canonical form of `raw`.
pub(super) fn of(kind: EntityType, raw: &str) -> Result<String, EntityError> {
    if raw.len() > VALUE_MAX_BYTES {
        return Err(EntityError::TooLong);
    }
    if raw.chars().any(char::is_control) {
        return Err(EntityError::ControlCharacter);
    }
    let text = match kind {
        EntityType::FilePath => raw,
        _ => raw.trim(),
    };
    if text.is_empty() {
        return Err(EntityError::Empty);
    }
    let value = match kind {
        EntityType::User => user(&lower(text))?,
        EntityType::Ip => ip(text)?,
        EntityType::Host => host(&lower(text))?.to_owned(),
        EntityType::Process => process(&lower(text))?.to_owned(),
        EntityType::FilePath => file(&composed(text))?,
        EntityType::Domain => domain(&lower(text))?.to_owned(),
        EntityType::Camera | EntityType::Sensor | EntityType::Pet | EntityType::Person => {
            composed(text).into_owned()
        }
    };
    // Some letters are longer in lower case, and a few in NFC.
    if value.len() > VALUE_MAX_BYTES {
        return Err(EntityError::TooLong);
    }
    Ok(value)
}

fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Lower case takes letters apart (`İ`), NFC puts them together.
    composed(&text.to_lowercase()).into_owned()
}

fn composed(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

fn user(text: &str) -> Result<String, EntityError> {
    let mut parts = text.split(['\\', '@', ':']);
    let first = parts.next().unwrap_or_default();
    let Some(second) = parts.next() else {
        return Ok(text.to_owned());
    };
    if parts.next().is_some() {
        return Err(EntityError::NotAUser);
    }
    let (domain, name) = if text.contains('@') {
        (second, first)
    } else {
        (first, second)
    };
    let name = name.trim();
    if name.is_empty() {
        return Err(EntityError::NotAUser);
    }
    let domain = host_name(domain).ok_or(EntityError::NotAUser)?;
    Ok(format!("{domain}:{name}"))
}

fn ip(text: &str) -> Result<String, EntityError> {
    // A zone says which of a machine's interfaces leads there, not who it is.
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => {
            address.parse::<Ipv6Addr>().map(IpAddr::V6).ok()
        }
        Some(_) => None,
        None => text.parse().ok(),
    };
    match address.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) => Ok(ip.to_string()),
        Some(IpAddr::V6(ip)) => {
            let mut groups = String::with_capacity(39);
            for (at, group) in ip.segments().into_iter().enumerate() {
                let colon = if at == 0 { "" } else { ":" };
                let _ = write!(groups, "{colon}{group:04x}");
            }
            Ok(groups)
        }
        None => Err(EntityError::NotAnAddress),
    }
}

fn host(text: &str) -> Result<&str, EntityError> {
    host_name(text).ok_or(EntityError::NotAHostName)
}

fn domain(text: &str) -> Result<&str, EntityError> {
    host(text).and_then(|name| {
        let has_parts = name.contains('.');
        has_parts.then_some(name).ok_or(EntityError::NotAHostName)
    })
}

/// A name of letters, digits, `-` and `_` in parts; the last of several is no number, for that
/// would be an address.
fn host_name(text: &str) -> Option<&str> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_MAX_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
    };
    let ends_in_number = name
        .rsplit_once('.')
        .is_some_and(|(_, last)| last.bytes().all(|byte| byte.is_ascii_digit()));
    (name.len() <= HOST_MAX_BYTES && !ends_in_number && name.split('.').all(is_label))
        .then_some(name)
}

/// `/usr/sbin/sshd[123]:` is `sshd`. Other slashes are part of the name: `postfix/smtpd`.
fn process(text: &str) -> Result<&str, EntityError> {
    let mut name = text;
    loop {
        let shorter = without_number(name.trim_end_matches(':')).trim();
        if shorter.len() == name.len() {
            break;
        }
        name = shorter;
    }
    if name.starts_with('/') {
        name = name.rsplit('/').next().unwrap_or_default().trim();
    }
    if name.is_empty() {
        return Err(EntityError::Empty);
    }
    Ok(name)
}

fn without_number(name: &str) -> &str {
    let parts = name
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['));
    match parts {
        Some((before, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            before
        }
        _ => name,
    }
}

fn file(text: &str) -> Result<String, EntityError> {
    if !text.starts_with('/') {
        return Err(EntityError::NotAbsolute);
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(EntityError::Climbs),
            part => {
                path.push('/');
                path.push_str(part);
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(path)
}
