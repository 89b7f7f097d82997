//! Hexadecimal text of fixed-length bytes: keys, ids and digests.

/// Lower-case hex digits of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

/// The `N` bytes that exactly `2 * N` hex digits of either case stand for.
pub fn decode<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
    let text = text.as_ref();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let mut valid = true;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (
            char::from(pair[0]).to_digit(16),
            char::from(pair[1]).to_digit(16),
        );
        valid &= high.is_some() && low.is_some();
        *byte = (high.unwrap_or(0) << 4 | low.unwrap_or(0)) as u8;
    }
    valid.then_some(bytes)
}
