//! Where rendered text goes.

use std::fmt;

use crate::text::Str;

/// Rendered text: a string, until something that is not UTF-8 is written to it.
#[derive(Clone, Debug, Default)]
pub struct Output {
    text: String,
    /// All that was written, once it is not UTF-8.
    raw: Option<Vec<u8>>,
}

impl Output {
    /// Makes an empty output.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_buffer(mut buffer: String) -> Self {
        buffer.clear();
        Self {
            text: buffer,
            raw: None,
        }
    }

    pub(crate) fn into_buffer(self) -> String {
        self.text
    }

    /// Appends text.
    #[inline]
    pub fn write_str(&mut self, text: &str) {
        match &mut self.raw {
            None => self.text.push_str(text),
            Some(raw) => raw.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends a character.
    #[inline]
    pub fn write_char(&mut self, c: char) {
        self.write_str(c.encode_utf8(&mut [0; 4]));
    }

    /// Appends a string.
    #[inline]
    pub fn write(&mut self, text: &Str) {
        match text.as_str() {
            Some(text) => self.write_str(text),
            None => self.write_raw(text.as_bytes()),
        }
    }

    /// Appends bytes, which need not be UTF-8.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.write_str(text),
            Err(_) => self.write_raw(bytes),
        }
    }

    fn write_raw(&mut self, bytes: &[u8]) {
        let text = &mut self.text;
        let raw = self
            .raw
            .get_or_insert_with(|| std::mem::take(text).into_bytes());
        raw.extend_from_slice(bytes);
    }

    /// Returns the number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.as_ref().map_or(self.text.len(), Vec::len)
    }

    /// Tells whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// Copies the text into a string.
    #[must_use]
    pub fn to_str(&self) -> Str {
        match &self.raw {
            None => Str::new(&self.text),
            Some(raw) => Str::from_bytes(raw),
        }
    }

    /// Returns the text, with U+FFFD in place of what is not UTF-8.
    #[must_use]
    pub fn into_string(self) -> String {
        match self.raw {
            None => self.text,
            Some(raw) => String::from_utf8(raw)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Self::write_str(self, text);
        Ok(())
    }
}

impl From<Output> for Str {
    fn from(output: Output) -> Self {
        match output.raw {
            None => Self::from(output.text),
            Some(raw) => Self::from(raw),
        }
    }
}
