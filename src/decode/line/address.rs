//! Addresses as programs write them: with brackets, ports, zones, and IPv4 within IPv6.

use core::net::{IpAddr, Ipv6Addr};

/// Longest name of a host, bytes (RFC 1035 §2.3.4), with room for a port.
const MAX_HOST_BYTES: usize = 253 + 6;

/// An address and what was written with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'t> {
    /// IPv4 that was written within IPv6 is IPv4: one address has one name.
    pub(super) ip: IpAddr,
    /// The interface that a link-local address is on.
    pub(super) zone: Option<&'t str>,
    pub(super) port: Option<u16>,
}

/// Reads `192.0.2.1`, `192.0.2.1:22`, `2001:db8::1`, `fe80::1%eth0`, `[2001:db8::1]:443`. An IPv6
/// address without brackets is whole: its port cannot be told from its last group.
pub(super) fn read(text: &str) -> Option<Address<'_>> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_hexdigit() || matches!(first, b':' | b'[')) || text.len() > MAX_HOST_BYTES {
        return None;
    }
    if let Some(inner) = text.strip_prefix('[') {
        let (inner, behind) = inner.split_once(']')?;
        let port = match behind.strip_prefix(':') {
            Some(port) => Some(port_of(port)?),
            None if behind.is_empty() => None,
            None => return None,
        };
        return Some(Address {
            port,
            ..bare(inner)?
        });
    }
    if let Some(address) = bare(text) {
        return Some(address);
    }
    let (ip, port) = text.rsplit_once(':')?;
    let ip = IpAddr::V4(ip.parse().ok()?);
    Some(Address {
        ip,
        zone: None,
        port: Some(port_of(port)?),
    })
}

fn bare(text: &str) -> Option<Address<'_>> {
    let (ip, zone) = match text.split_once('%') {
        Some((ip, zone)) if !zone.is_empty() && zone.bytes().all(in_name) => {
            (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), Some(zone))
        }
        Some(_) => return None,
        None => (text.parse().ok()?, None),
    };
    Some(Address {
        ip: ip.to_canonical(),
        zone,
        port: None,
    })
}

fn port_of(text: &str) -> Option<u16> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

const fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// Whether a text may stand where an address stands: an address, or the name of a host.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_HOST_BYTES
        && (text.bytes().all(in_name) || read(text).is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_read_whole() {
        for (text, ip, zone, port) in [
            ("192.0.2.1", "192.0.2.1", None, None),
            ("192.0.2.1:22", "192.0.2.1", None, Some(22)),
            ("[192.0.2.1]:22", "192.0.2.1", None, Some(22)),
            ("2001:DB8::1", "2001:db8::1", None, None),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::1", None, None),
            ("[2001:db8::1]", "2001:db8::1", None, None),
            ("[2001:db8::1]:65535", "2001:db8::1", None, Some(65_535)),
            ("fe80::1%eth0", "fe80::1", Some("eth0"), None),
            (
                "[fe80::1%br-lan.7]:22",
                "fe80::1",
                Some("br-lan.7"),
                Some(22),
            ),
            ("::ffff:192.0.2.1", "192.0.2.1", None, None),
            ("[::ffff:c000:201]:1", "192.0.2.1", None, Some(1)),
            ("::", "::", None, None),
        ] {
            let expected = Address {
                ip: ip.parse().unwrap(),
                zone,
                port,
            };
            assert_eq!(read(text), Some(expected), "{text}");
            assert!(is_host(text), "{text}");
        }
        for no_address in [
            "",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:+1",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "192.0.2.1%eth0",
            "fe80::1%",
            "fe80::1%a b",
            "heron.example",
            "é",
            "010.0.0.1",
        ] {
            assert_eq!(read(no_address), None, "{no_address}");
        }
        assert!(is_host("heron.example") && is_host("UNKNOWN"));
        assert!(!is_host("a b") && !is_host("") && !is_host("a:b"));
    }
}
