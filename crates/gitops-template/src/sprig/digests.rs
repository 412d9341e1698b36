//! Checksums.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Table, text};
use crate::value::{Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::String;
    table.add("sha1sum", &[String], String, |_, a| {
        Ok(Value::from(hex(&Sha1::digest(text(&a[0])))))
    });
    table.add("sha256sum", &[String], String, |_, a| {
        Ok(Value::from(hex(&Sha256::digest(text(&a[0])))))
    });
    table.add("sha512sum", &[String], String, |_, a| {
        Ok(Value::from(hex(&Sha512::digest(text(&a[0])))))
    });
    table.add("adler32sum", &[String], String, |_, a| {
        Ok(Value::from(adler32(text(&a[0])).to_string()))
    });
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1, 0);
    // So many bytes can be added before a sum overflows.
    for chunk in data.chunks(5_552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}
