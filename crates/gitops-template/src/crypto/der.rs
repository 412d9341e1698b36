//! The distinguished encoding rules of ASN.1, as far as keys and certificates need them.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Writes a value: its tag, its length, its contents.
pub(super) fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = contents.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let first = bytes
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - first) as u8);
        out.extend_from_slice(&bytes[first..]);
    }
    out.extend_from_slice(contents);
    out
}

/// Writes a sequence of values.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(SEQUENCE, &parts.concat())
}

/// Writes an integer that is not negative, from big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let digits = &bytes[first..];
    let mut contents = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|byte| *byte >= 0x80) {
        contents.push(0);
    }
    contents.extend_from_slice(digits);
    value(INTEGER, &contents)
}

/// Writes a string of whole bytes as bits.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    value(BIT_STRING, &[&[0], bytes].concat())
}

/// Writes an object identifier from its encoded contents.
pub(super) fn oid(contents: &[u8]) -> Vec<u8> {
    value(OBJECT_IDENTIFIER, contents)
}

/// Reads values one after the other.
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

impl<'d> Reader<'d> {
    /// Reads a value of a tag and returns its contents.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, contents, _) = self.any()?;
        (found == tag).then_some(contents)
    }

    /// Tells whether a value of that tag is next.
    pub(super) fn is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// Reads any value: its tag, its contents, and all of it.
    pub(super) fn any(&mut self) -> Option<(u8, &'d [u8], &'d [u8])> {
        let whole = self.0;
        let (&tag, rest) = whole.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, contents, &whole[..whole.len() - after.len()]))
    }

    /// Reads an integer that is not negative and returns its digits without leading zeros.
    pub(super) fn integer(&mut self) -> Option<&'d [u8]> {
        let contents = self.expect(INTEGER)?;
        if contents.first().is_none_or(|byte| *byte >= 0x80) {
            return None;
        }
        let first = contents
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(contents.len());
        Some(&contents[first..])
    }
}
