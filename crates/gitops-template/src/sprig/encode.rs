//! Base 64 and base 32.

use super::{Table, bytes, int, text};
use crate::error::Error;
use crate::value::{Type, Value};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Int, String};
    table.add("randBytes", &[Int], String, |context, a| {
        let Ok(count) = usize::try_from(int(&a[0])) else {
            return Err(Error::new("runtime error: makeslice: len out of range"));
        };
        context.check_size(count as u64)?;
        context.spend(count as u64)?;
        let mut bytes = vec![0; count];
        context.random().fill(&mut bytes);
        Ok(Value::from(base64(&bytes)))
    });
    table.add("uuidv4", &[], String, |context, _| {
        let mut bytes = [0; 16];
        context.random().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut out = std::string::String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            out.push_str(&format!("{byte:02x}"));
        }
        Ok(Value::from(out))
    });
    table.add("b64enc", &[String], String, |_, a| {
        Ok(Value::from(base64(text(&a[0]))))
    });
    table.add("b64dec", &[String], String, |_, a| {
        Ok(match from_base64(text(&a[0])) {
            Ok(decoded) => bytes(decoded),
            Err(at) => Value::from(format!("illegal base64 data at input byte {at}")),
        })
    });
    table.add("b32enc", &[String], String, |_, a| {
        Ok(Value::from(encode(text(&a[0]), BASE32, 5, 5)))
    });
    table.add("b32dec", &[String], String, |_, a| {
        Ok(match from_base32(text(&a[0])) {
            Ok(decoded) => bytes(decoded),
            Err(at) => Value::from(format!("illegal base32 data at input byte {at}")),
        })
    });
}

/// Encodes bytes in standard base 64.
pub(crate) fn base64(data: &[u8]) -> String {
    encode(data, BASE64, 6, 3)
}

/// Encodes blocks of `block` bytes as digits of `bits` bits, with padding.
fn encode(data: &[u8], alphabet: &[u8], bits: usize, block: usize) -> String {
    let digits = block * 8 / bits;
    let mut out = String::with_capacity(data.len().div_ceil(block) * digits);
    for chunk in data.chunks(block) {
        let mut number: u64 = 0;
        for at in 0..block {
            number = number << 8 | u64::from(chunk.get(at).copied().unwrap_or(0));
        }
        let used = (chunk.len() * 8).div_ceil(bits);
        for at in 0..digits {
            if at < used {
                let digit = number >> ((digits - 1 - at) * bits) & ((1 << bits) - 1);
                out.push(char::from(alphabet[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Decodes standard base 64, passing over line breaks. An error is where Go reports it.
pub(crate) fn from_base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut at = 0;
    let next = |at: &mut usize| loop {
        let byte = text.get(*at).copied()?;
        *at += 1;
        if byte != b'\n' && byte != b'\r' {
            return Some(byte);
        }
    };
    loop {
        let mut number = 0;
        let mut digits = 0;
        while digits < 4 {
            let Some(byte) = next(&mut at) else {
                // The end is good between groups only.
                return if digits == 0 {
                    Ok(out)
                } else {
                    Err(at - digits)
                };
            };
            if let Some(digit) = base64_digit(byte) {
                number = number << 6 | digit;
                digits += 1;
                continue;
            }
            if byte != b'=' || digits < 2 {
                return Err(at - 1);
            }
            if digits == 2 {
                match next(&mut at) {
                    None => return Err(text.len()),
                    Some(b'=') => {}
                    Some(_) => return Err(at - 1),
                }
            }
            // Nothing may follow the padding but line breaks.
            let end = at;
            let mut rest = at;
            let trailing = next(&mut rest).is_some();
            number <<= 6 * (4 - digits);
            out.extend_from_slice(&number.to_be_bytes()[1..digits]);
            return if trailing {
                let skipped = text[end..]
                    .iter()
                    .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                    .count();
                Err(end + skipped)
            } else {
                Ok(out)
            };
        }
        out.extend_from_slice(&number.to_be_bytes()[1..]);
    }
}

/// Decodes standard base 32, passing over line breaks.
fn from_base32(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let mut number: u64 = 0;
        let mut digits = 8;
        for place in 0..8 {
            let consumed = text.len() - rest.len();
            let Some(byte) = rest.get(place).copied() else {
                return Err(consumed.max(text.len()) - place);
            };
            if byte == b'=' && place >= 2 && rest.len() <= 8 {
                // All that follows must be padding, and of a length that can be.
                if rest.len() < 8 {
                    return Err(text.len());
                }
                if let Some(other) = rest[place..8].iter().position(|byte| *byte != b'=') {
                    return Err(consumed + place + other - 1);
                }
                if matches!(place, 1 | 3 | 6) {
                    return Err(consumed + place);
                }
                digits = place;
                number <<= 5 * (8 - place);
                break;
            }
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'2'..=b'7' => byte - b'2' + 26,
                _ => return Err(consumed + place),
            };
            number = number << 5 | u64::from(digit);
        }
        let bytes = number.to_be_bytes();
        out.extend_from_slice(&bytes[3..3 + digits * 5 / 8]);
        rest = rest.get(8..).unwrap_or_default();
    }
    Ok(out)
}
