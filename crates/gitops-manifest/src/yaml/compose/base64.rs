//! Base64 as Go's `encoding/base64.StdEncoding` reads it.

/// Decodes padded base64; line feeds and carriage returns are passed over. `None` where it is malformed.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = 0u32;
    let mut filled = 0;
    let mut padding = 0;
    for byte in text {
        let digit = match byte {
            b'\n' | b'\r' => continue,
            b'=' if filled + padding >= 2 && padding < 2 && (filled + padding) < 4 => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = (group << 6) | u32::from(digit);
        filled += 1;
        if filled == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            group = 0;
            filled = 0;
        }
    }
    match (filled, padding) {
        (0, 0) => {}
        (3, 1) => out.extend_from_slice(&(group << 6).to_be_bytes()[1..3]),
        (2, 2) => out.push((group << 12).to_be_bytes()[1]),
        _ => return None,
    }
    Some(out)
}
