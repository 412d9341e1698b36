//! JSON pointers (RFC 6901).

use std::fmt;

use gitops_manifest::{Str, Value};

/// The longest pointer that is read, in tokens. No manifest is nested as deep.
const MAX_TOKENS: usize = 128;

/// Why a text is not a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// A pointer that is not empty begins with a slash.
    #[error("json pointer {pointer:?} does not begin with a slash")]
    NoSlash {
        /// The text.
        pointer: String,
    },
    /// `~` is followed by neither `0` nor `1`.
    #[error("json pointer {pointer:?} has a tilde that is not followed by 0 or 1")]
    BadEscape {
        /// The text.
        pointer: String,
    },
    /// The pointer has more tokens than any manifest has levels.
    #[error("json pointer has more than {MAX_TOKENS} levels")]
    TooDeep,
}

/// A JSON pointer: the way to one place in a value.
///
/// ```
/// use gitops_diff::Pointer;
/// let pointer = Pointer::parse("/metadata/annotations/example.com~1owner")?;
/// assert_eq!(pointer.tokens()[2], "example.com/owner");
/// assert_eq!(pointer.to_string(), "/metadata/annotations/example.com~1owner");
/// # Ok::<(), gitops_diff::PointerError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Vec<Str>);

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// Where the text does not begin with a slash, or holds a tilde that escapes nothing.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| PointerError::NoSlash {
                pointer: text.to_owned(),
            })?;
        let mut tokens = Vec::new();
        for token in rest.split('/') {
            if tokens.len() == MAX_TOKENS {
                return Err(PointerError::TooDeep);
            }
            tokens.push(unescape(token).ok_or_else(|| PointerError::BadEscape {
                pointer: text.to_owned(),
            })?);
        }
        Ok(Self(tokens))
    }

    /// Makes a pointer of its tokens, unescaped.
    pub fn from_tokens<T: Into<Str>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }

    /// Returns the tokens, unescaped.
    #[must_use]
    pub fn tokens(&self) -> &[Str] {
        &self.0
    }

    /// Returns the pointer to a member or element of what this one points to.
    #[must_use]
    pub fn child(&self, token: impl Into<Str>) -> Self {
        let mut tokens = self.0.clone();
        tokens.push(token.into());
        Self(tokens)
    }

    /// Whether what `other` points to is this place or lies within it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Follows the pointer.
    #[must_use]
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, token| match value {
            Value::Object(map) => map.get(token),
            Value::Array(array) => array.get(index(token)?),
            _ => None,
        })
    }
}

/// Reads a list index: digits, without a sign or leading zeros.
pub(crate) fn index(token: &str) -> Option<usize> {
    let plain =
        token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

fn unescape(token: &str) -> Option<Str> {
    if !token.contains('~') {
        return Some(token.into());
    }
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out.into())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.0 {
            f.write_str("/")?;
            if token.contains(['~', '/']) {
                f.write_str(&token.replace('~', "~0").replace('/', "~1"))?;
            } else {
                f.write_str(token)?;
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Pointer {
    type Err = PointerError;
    fn from_str(text: &str) -> Result<Self, PointerError> {
        Self::parse(text)
    }
}
