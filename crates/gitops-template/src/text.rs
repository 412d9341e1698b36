//! Strings as Go has them: mostly UTF-8, but any bytes are allowed.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smol_str::SmolStr;

/// A Go string: text that is cheap to clone, or bytes that are not UTF-8.
///
/// Short text is stored in place and long text is shared, so that a clone never copies more than
/// 23 bytes. Bytes that are valid UTF-8 always become text, which makes equality and order those
/// of the bytes.
#[derive(Clone)]
pub struct Str(Repr);

#[derive(Clone)]
enum Repr {
    Text(SmolStr),
    Bytes(Arc<[u8]>),
}

impl Str {
    /// Makes a string from a literal without copying it.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Text(SmolStr::new_static(text)))
    }

    /// Makes a string by copying `text`.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(Repr::Text(SmolStr::new(text)))
    }

    /// Makes a string by copying `bytes`, which need not be UTF-8.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::new(text),
            Err(_) => Self(Repr::Bytes(Arc::from(bytes))),
        }
    }

    /// Returns the text, or nothing if the string is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            Repr::Bytes(_) => None,
        }
    }

    /// Returns the bytes of the string.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Text(text) => text.as_bytes(),
            Repr::Bytes(bytes) => bytes,
        }
    }

    /// Returns the text, with U+FFFD in place of what is not UTF-8.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Text(text) => Cow::Borrowed(text),
            Repr::Bytes(bytes) => String::from_utf8_lossy(bytes),
        }
    }

    /// Returns the string as `%q` writes it: in double quotes, with Go's escapes.
    #[must_use]
    pub fn quoted(&self) -> String {
        crate::format::quote::quote(self.as_bytes())
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Tells whether the string has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Str {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Repr::Text(SmolStr::from(text)))
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(text: Cow<'_, str>) -> Self {
        Self::new(text)
    }
}

impl From<char> for Str {
    fn from(c: char) -> Self {
        Self::new(c.encode_utf8(&mut [0; 4]))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::from(text),
            Err(error) => Self(Repr::Bytes(Arc::from(error.into_bytes()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_utf8_become_text() {
        let text = Str::from_bytes("é".as_bytes());
        assert_eq!(text.as_str(), Some("é"));
        assert_eq!(text, Str::new("é"));
        let bytes = Str::from(vec![0xff, b'a']);
        assert_eq!(bytes.as_str(), None);
        assert_eq!(bytes.to_text(), "\u{fffd}a");
        assert_eq!(bytes.as_bytes(), [0xff, b'a']);
    }
}
