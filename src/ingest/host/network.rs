//! What moved over the network and who is connected, from the texts of `proc_net(5)`. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event::trace::ConnectionSeen;

/// The loopback: what the host says to itself is no traffic.
const LOOPBACK: &str = "lo";
/// Names of the states by their numbers (`include/net/tcp_states.h`), from 1.
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];
const ESTABLISHED: u8 = 1;
const TIME_WAIT: u8 = 6;
const LISTEN: u8 = 10;

/// Sums over all interfaces but the loopback, since the host started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) bytes_recv: u64,
    pub(super) packets_recv: u64,
    pub(super) errors_in: u64,
    pub(super) drops_in: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_sent: u64,
    pub(super) errors_out: u64,
    pub(super) drops_out: u64,
}

/// None when there is no interface at all.
pub(super) fn traffic(dev: &str) -> Option<Traffic> {
    let mut sum: Option<Traffic> = None;
    for line in dev.lines() {
        // The counter may touch the colon, and the name of an alias holds one itself.
        let Some((name, counters)) = line.rsplit_once(':') else {
            continue;
        };
        let counters: Vec<u64> = counters
            .split_ascii_whitespace()
            .map_while(|counter| counter.parse().ok())
            .collect();
        let name = name.trim();
        if counters.len() < 12 || name == LOOPBACK || name.starts_with("lo:") {
            continue;
        }
        let sum = sum.get_or_insert_default();
        for (total, column) in [
            (&mut sum.bytes_recv, 0),
            (&mut sum.packets_recv, 1),
            (&mut sum.errors_in, 2),
            (&mut sum.drops_in, 3),
            (&mut sum.bytes_sent, 8),
            (&mut sum.packets_sent, 9),
            (&mut sum.errors_out, 10),
            (&mut sum.drops_out, 11),
        ] {
            *total = total.saturating_add(counters[column]);
        }
    }
    sum
}

/// Connections by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Connections {
    pub(super) established: i64,
    pub(super) listen: i64,
    pub(super) time_wait: i64,
}

impl Connections {
    /// Adds the connections of one table: `tcp` or `tcp6`. Only the state is read: a busy host has
    /// tens of thousands of lines.
    pub(super) fn count(&mut self, table: &str) {
        for line in table.lines().skip(1) {
            match line.split_ascii_whitespace().nth(3).and_then(state) {
                Some(ESTABLISHED) => self.established += 1,
                Some(LISTEN) => self.listen += 1,
                Some(TIME_WAIT) => self.time_wait += 1,
                _ => {}
            }
        }
    }
}

fn state(field: &str) -> Option<u8> {
    u8::from_str_radix(field, 16).ok()
}

/// The connections of one table; what cannot be read is left out.
pub(super) fn connections<'t>(
    table: &'t str,
    protocol: &'static str,
) -> impl Iterator<Item = ConnectionSeen> + 't {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local_ip, local_port) = endpoint(fields.next()?)?;
        let (remote_ip, remote_port) = endpoint(fields.next()?)?;
        let number = state(fields.next()?)?;
        let name = STATES.get(usize::from(number.checked_sub(1)?));
        Some(ConnectionSeen {
            protocol: protocol.to_owned(),
            state: name.map_or_else(|| format!("{number:02X}"), |&name| name.to_owned()),
            local_ip,
            local_port,
            remote_ip,
            remote_port,
        })
    })
}

/// `0100007F:1F90`: words of 32 bits in the host's byte order, and the port in the usual one.
fn endpoint(field: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = field.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = address.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, chunk) in bytes.chunks_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index)?);
            }
            // An IPv4 peer of a socket for both is told as what it is.
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_left_out_and_odd_names_are_read() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes |bytes\n\
            \x20   lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n\
            eth0:100 1 2 3 0 0 0 0 200 4 5 6 0 0 0 0\n\
            \x20eth0:1: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n\
            wlx00c0ca.100: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n\
            \x20broken: 1 2\n";
        let sum = traffic(dev).unwrap();
        assert_eq!((sum.bytes_recv, sum.bytes_sent), (111, 221));
        assert_eq!((sum.packets_recv, sum.packets_sent), (3, 6));
        assert_eq!((sum.errors_in, sum.drops_in), (3, 4));
        assert_eq!((sum.errors_out, sum.drops_out), (6, 7));
        assert_eq!(traffic("    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n"), None);
    }

    #[test]
    fn an_address_is_read_word_by_word() {
        let table = "  sl  local_address rem_address   st\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 0\n\
            \x20  1: 0100000A:0016 4D7100CB:D431 01 0\n\
            \x20  2: nonsense 00000000:0000 01\n\
            \x20  3: 00000000:0016 00000000:0000 FF 0\n";
        let seen: Vec<_> = connections(table, "tcp").collect();
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].state, "LISTEN");
        assert_eq!(seen[0].local_port, 8_080);
        assert_eq!(seen[1].remote_ip.to_string(), "203.0.113.77");
        assert_eq!((seen[1].local_port, seen[1].remote_port), (22, 54_321));
        assert_eq!(seen[2].state, "FF");
        let mut counted = Connections::default();
        counted.count(table);
        assert_eq!((counted.established, counted.listen), (2, 1));
    }

    #[test]
    fn an_ipv4_peer_of_a_socket_for_both_is_ipv4() {
        let mapped = endpoint("0000000000000000FFFF00004D7100CB:0016").unwrap();
        assert_eq!(mapped.0.to_string(), "203.0.113.77");
        let plain = endpoint("B80D0120000000000000000001000000:0016").unwrap();
        assert_eq!(plain.0.to_string(), "2001:db8::1");
        assert_eq!(endpoint("B80D:0016"), None);
        assert_eq!(endpoint("ÄÄÄÄ:0016"), None);
    }
}
