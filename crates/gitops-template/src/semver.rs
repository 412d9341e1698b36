//! Semantic versions and version constraints as `Masterminds/semver` 3.5 reads them.
//!
//! Sprig's `semver` and `semverCompare` and Helm's chart dependencies are defined by that library. It is
//! lenient (`v1`, `1.2`), and its constraints follow npm in shape and not in detail.

use std::cmp::Ordering;
use std::fmt;

/// Why a version or a constraint could not be read. The messages are those of the original.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SemverError {
    /// The text has not the shape of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// The version is longer than 256 bytes.
    #[error("version string is too long (max 256 bytes)")]
    TooLong,
    /// A number of the version exceeds 64 bits.
    #[error(
        "error parsing version segment: strconv.ParseUint: parsing \"{segment}\": value out of range"
    )]
    Overflow {
        /// The number as it was written.
        segment: String,
    },
    /// A numeric part of the pre-release begins with a zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The constraint is longer than 512 bytes.
    #[error("constraint string is too long (max 512 bytes)")]
    ConstraintTooLong,
    /// More than 32 alternatives are joined by `||`.
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
    /// An alternative of a constraint has not the shape of one.
    #[error("{}", improper(constraint.as_bytes()))]
    Improper {
        /// The alternative as it was written.
        constraint: String,
    },
    /// The version within a constraint is none.
    #[error("constraint parser error")]
    ConstraintVersion,
}

/// A version: three numbers, a pre-release, build metadata, and the text it was read from.
///
/// ```
/// use gitops_template::semver::Version;
/// let version = Version::parse("v1.29-rc.1+k3s")?;
/// assert_eq!((version.major, version.minor, version.patch), (1, 29, 0));
/// assert_eq!(version.to_string(), "1.29.0-rc.1+k3s");
/// assert_eq!(version.original, "v1.29-rc.1+k3s");
/// assert!(version < Version::parse("1.29")?);
/// # Ok::<(), gitops_template::semver::SemverError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Version {
    /// The major version.
    pub major: u64,
    /// The minor version; 0 where none is written.
    pub minor: u64,
    /// The patch version; 0 where none is written.
    pub patch: u64,
    /// The pre-release, without its dash.
    pub prerelease: String,
    /// The build metadata, without its plus.
    pub metadata: String,
    /// The text that the version was read from.
    pub original: String,
}

impl Version {
    /// Reads a version: an optional `v`, one to three numbers, a pre-release, metadata.
    ///
    /// # Errors
    /// Where the text is no version.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > 256 {
            return Err(SemverError::TooLong);
        }
        let parts = Parts::scan(text, |byte| byte.is_ascii_digit())
            .filter(|parts| parts.end == text.len())
            .ok_or(SemverError::Invalid)?;
        let number = |segment: Option<&str>| match segment {
            None => Ok(0),
            Some(segment) => segment.parse().map_err(|_| SemverError::Overflow {
                segment: segment.to_owned(),
            }),
        };
        let version = Self {
            major: number(Some(parts.major))?,
            minor: number(parts.minor)?,
            patch: number(parts.patch)?,
            prerelease: parts.prerelease.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        let leading_zero = |part: &str| {
            part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit())
        };
        if version.prerelease.split('.').any(leading_zero) {
            return Err(SemverError::LeadingZero);
        }
        Ok(version)
    }
}

/// Writes the version in full, whatever it was read from.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Orders by precedence: metadata and the original text do not count.
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |v: &Self| (v.major, v.minor, v.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| {
            match (self.prerelease.is_empty(), other.prerelease.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prerelease(&self.prerelease, &other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

fn compare_prerelease(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The parts of a version as they are written.
#[derive(Clone, Copy)]
struct Parts<'a> {
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    prerelease: Option<&'a str>,
    metadata: Option<&'a str>,
    /// Where the version ends.
    end: usize,
}

impl<'a> Parts<'a> {
    /// Takes the longest version from the beginning of `text`; `digit` says what its numbers are made of.
    fn scan(text: &'a str, digit: fn(&u8) -> bool) -> Option<Self> {
        let bytes = text.as_bytes();
        let run = |from: usize, of: fn(&u8) -> bool| {
            from + bytes[from..].iter().take_while(|byte| of(byte)).count()
        };
        let start = usize::from(text.starts_with('v'));
        let mut end = run(start, digit);
        if end == start {
            return None;
        }
        let major = &text[start..end];
        let number = |end: &mut usize| {
            if bytes.get(*end) != Some(&b'.') {
                return None;
            }
            let stop = run(*end + 1, digit);
            let part = &text[*end + 1..stop];
            (!part.is_empty()).then(|| {
                *end = stop;
                part
            })
        };
        let minor = number(&mut end);
        let patch = minor.and_then(|_| number(&mut end));
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        let dotted = |sign: u8, end: &mut usize| {
            if bytes.get(*end) != Some(&sign) {
                return None;
            }
            let start = *end + 1;
            let mut stop = run(start, word);
            if stop == start {
                return None;
            }
            while bytes.get(stop) == Some(&b'.') {
                let next = run(stop + 1, word);
                if next == stop + 1 {
                    break;
                }
                stop = next;
            }
            *end = stop;
            Some(&text[start..stop])
        };
        let prerelease = dotted(b'-', &mut end);
        let metadata = dotted(b'+', &mut end);
        Some(Self {
            major,
            minor,
            patch,
            prerelease,
            metadata,
            end,
        })
    }
}

/// A constraint on versions: alternatives joined by `||`, each of comparisons that must all hold.
///
/// ```
/// use gitops_template::semver::{Constraint, Version};
/// let constraint = Constraint::parse(">=1.25.0-0 <1.30 || ^2")?;
/// assert!(constraint.check(&Version::parse("1.29.4-eks")?));
/// assert!(constraint.check(&Version::parse("2.7")?));
/// assert!(!constraint.check(&Version::parse("1.30.0")?));
/// # Ok::<(), gitops_template::semver::SemverError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Constraint(Vec<Alternative>);

#[derive(Debug, Clone)]
struct Alternative {
    comparisons: Vec<Comparison>,
    /// Whether one of the comparisons names a pre-release, which lets pre-releases in at all.
    prereleases: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// Nothing or `x` stands for one of the numbers.
    any: bool,
    /// It stands for the minor version.
    any_minor: bool,
    /// It stands for the patch version.
    any_patch: bool,
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// Where the text is no constraint; the empty text is none.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > 512 {
            return Err(SemverError::ConstraintTooLong);
        }
        Self::read(text)
    }

    /// Reads a constraint of any length.
    fn read(text: &str) -> Result<Self, SemverError> {
        let text = rewrite_ranges(text);
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > 32 {
            return Err(SemverError::TooManyGroups);
        }
        // All alternatives of a group are split before the first is read, so that the shape is judged first.
        let alternatives = alternatives
            .into_iter()
            .map(Alternative::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self(alternatives))
    }

    /// Reads bytes that are not UTF-8, which are no constraint, and returns the message about them.
    pub(crate) fn message_about(bytes: &[u8]) -> String {
        if bytes.len() > 512 {
            return SemverError::ConstraintTooLong.to_string();
        }
        // Each byte that belongs to no character is a private one meanwhile, of a page that does not occur.
        let lossy = String::from_utf8_lossy(bytes);
        let is_free = |page: &u32| !lossy.chars().any(|c| c as u32 >> 8 == *page);
        let page = (0xf00..0xfff).find(is_free).unwrap_or(0xf00);
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            let private = |byte: &u8| char::from_u32(page << 8 | u32::from(*byte));
            text.extend(chunk.invalid().iter().filter_map(private));
        }
        match Self::read(&text) {
            Err(SemverError::Improper { constraint }) => {
                let mut bytes = Vec::new();
                for c in constraint.chars() {
                    if c as u32 >> 8 == page {
                        bytes.push(c as u8);
                    } else {
                        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                improper(&bytes)
            }
            Err(error) => error.to_string(),
            Ok(_) => improper(bytes),
        }
    }

    /// Whether a version satisfies the constraint.
    #[must_use]
    pub fn check(&self, version: &Version) -> bool {
        self.0.iter().any(|alternative| {
            (version.prerelease.is_empty() || alternative.prereleases)
                && alternative
                    .comparisons
                    .iter()
                    .all(|comparison| comparison.check(version))
        })
    }
}

fn improper(constraint: &[u8]) -> String {
    format!(
        "improper constraint: {}",
        crate::format::quote::quote(constraint)
    )
}

/// What stands for numbers in a constraint; the bar is the original's slip and kept.
fn wild_digit(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*' | b'|')
}

fn space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn skip_space(text: &str) -> &str {
    &text[text.bytes().take_while(space).count()..]
}

/// Writes `1.2 - 2.3` as `>= 1.2, <= 2.3`.
fn rewrite_ranges(text: &str) -> String {
    let range = |text: &str| {
        let from = skip_space(text);
        let low = &from[..Parts::scan(from, wild_digit)?.end];
        let dash = skip_space(&from[low.len()..]);
        let to = skip_space(dash.strip_prefix('-')?);
        if dash.len() == from.len() - low.len() || to.len() + 1 == dash.len() {
            return None;
        }
        let high = &to[..Parts::scan(to, wild_digit)?.end];
        let rest = skip_space(&to[high.len()..]);
        Some((format!(">= {low}, <= {high} "), text.len() - rest.len()))
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((rewritten, length)) = range(rest) {
            out.push_str(&rewritten);
            rest = &rest[length..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, SemverError> {
        let improper = || SemverError::Improper {
            constraint: text.to_owned(),
        };
        let mut scanned = Vec::new();
        let mut rest = skip_space(text);
        loop {
            let length = rest
                .bytes()
                .take_while(|byte| b"=!<>~^".contains(byte))
                .count();
            let operator = match &rest[..length] {
                "" | "=" => Operator::Equal,
                "!=" => Operator::NotEqual,
                ">" => Operator::Greater,
                "<" => Operator::Less,
                ">=" | "=>" => Operator::GreaterEqual,
                "<=" | "=<" => Operator::LessEqual,
                "~" | "~>" => Operator::Tilde,
                "^" => Operator::Caret,
                _ => return Err(improper()),
            };
            let version = skip_space(&rest[length..]);
            let parts = Parts::scan(version, wild_digit).ok_or_else(improper)?;
            scanned.push((operator, &version[..parts.end], parts));
            let tail = &version[parts.end..];
            let next = skip_space(tail);
            if next.is_empty() {
                break;
            }
            rest = match next.strip_prefix(',') {
                Some(next) => skip_space(next),
                None if next.len() < tail.len() => next,
                None => return Err(improper()),
            };
        }
        let comparisons = scanned
            .into_iter()
            .map(|(operator, text, parts)| Comparison::new(operator, text, parts))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            prereleases: comparisons.iter().any(|c| !c.version.prerelease.is_empty()),
            comparisons,
        })
    }
}

impl Comparison {
    fn new(operator: Operator, text: &str, parts: Parts<'_>) -> Result<Self, SemverError> {
        let any = |part: Option<&str>| matches!(part, None | Some("x" | "X" | "*"));
        let prerelease = parts
            .prerelease
            .map(|p| format!("-{p}"))
            .unwrap_or_default();
        let Parts { major, minor, .. } = parts;
        let (text, any_minor, any_patch) = if any(Some(major)) {
            (format!("0.0.0{prerelease}"), false, false)
        } else if any(minor) {
            (format!("{major}.0.0{prerelease}"), true, false)
        } else if any(parts.patch) {
            let minor = minor.unwrap_or_default();
            (format!("{major}.{minor}.0{prerelease}"), false, true)
        } else {
            (text.to_owned(), false, false)
        };
        Ok(Self {
            operator,
            version: Version::parse(&text).map_err(|_| SemverError::ConstraintVersion)?,
            any: any(Some(major)) || any_minor || any_patch,
            any_minor,
            any_patch,
        })
    }

    /// Compares with a version, which is no pre-release unless pre-releases are let in.
    fn check(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match self.operator {
            Operator::Equal if self.any => self.tilde(version),
            Operator::Equal => version == wanted,
            Operator::NotEqual => self.not_equal(version),
            Operator::Less => version < wanted,
            Operator::GreaterEqual => version >= wanted,
            Operator::Greater => {
                if !self.any || version.major != wanted.major {
                    version > wanted
                } else if self.any_minor {
                    false
                } else if self.any_patch {
                    version.minor > wanted.minor
                } else {
                    version > wanted
                }
            }
            Operator::LessEqual => {
                if !self.any {
                    version <= wanted
                } else {
                    version.major < wanted.major
                        || version.major == wanted.major
                            && (version.minor <= wanted.minor || self.any_minor)
                }
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn not_equal(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if self.any {
            if version.major != wanted.major {
                return true;
            }
            if self.any_minor {
                return false;
            }
            if version.minor != wanted.minor {
                return true;
            }
            if self.any_patch {
                return compare_prerelease(&version.prerelease, &wanted.prerelease)
                    != Ordering::Equal;
            }
            if version.patch != wanted.patch {
                return true;
            }
        }
        version != wanted
    }

    fn tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted {
            return false;
        }
        let zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        if zero && !self.any_minor && !self.any_patch {
            return true;
        }
        version.major == wanted.major && (version.minor == wanted.minor || self.any_minor)
    }

    fn caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted || version.major != wanted.major {
            return false;
        }
        if wanted.major > 0 || self.any_minor {
            return true;
        }
        if version.minor != wanted.minor {
            return false;
        }
        wanted.minor > 0 || self.any_patch || version.patch == wanted.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of Masterminds/semver 3.5.0: a constraint, and its error or `y` for each subject that passes.
    #[test]
    fn constraints_agree_with_masterminds() {
        for (constraint, want) in CHECKS {
            let got = match Constraint::parse(constraint) {
                Err(error) => error.to_string(),
                Ok(constraint) => SUBJECTS
                    .iter()
                    .map(|subject| Version::parse(subject).expect("a version"))
                    .map(|version| if constraint.check(&version) { 'y' } else { '-' })
                    .collect(),
            };
            assert_eq!(got, *want, "{constraint}");
        }
    }

    #[test]
    fn versions_agree_with_masterminds() {
        for (text, want) in VERSIONS {
            let got = Version::parse(text).map_or_else(|e| e.to_string(), |v| v.to_string());
            assert_eq!(got, *want, "{text}");
        }
    }

    const SUBJECTS: &[&str] = &[
        "0.0.0",
        "0.0.3",
        "0.0.4",
        "0.2.3",
        "0.3.0",
        "1.0.0",
        "1.2.2",
        "1.2.3",
        "1.2.4",
        "1.3.0",
        "2.0.0",
        "3.1.5",
        "1.2.3-alpha",
        "1.2.3-beta.2",
        "2.0.0-rc.1",
        "1.29.4-eks-123",
        "1.33.0+k3s1",
    ];
    const CHECKS: &[(&str, &str)] = &[
        ("", "improper constraint: \"\""),
        ("*", "yyyyyyyyyyyy----y"),
        ("x", "yyyyyyyyyyyy----y"),
        ("1.x", "-----yyyyy------y"),
        ("1.2.x", "------yyy--------"),
        ("1", "-----yyyyy------y"),
        ("1.2", "------yyy--------"),
        ("=1.2.3", "-------y---------"),
        ("!=1.2.3", "yyyyyyy-yyyy----y"),
        ("!=1.x", "yyyyy-----yy-----"),
        ("!=1.2.x", "yyyyyy---yyy----y"),
        ("!=*", "-yyyyyyyyyyy----y"),
        (">1.2.3", "--------yyyy----y"),
        (">1.2", "---------yyy----y"),
        (">1", "----------yy-----"),
        (">*", "-yyyyyyyyyyy----y"),
        ("<1.2.3", "yyyyyyy----------"),
        ("<1.2", "yyyyyy-----------"),
        ("<1", "yyyyy------------"),
        ("<*", "-----------------"),
        (">=1.2.3", "-------yyyyy----y"),
        (">=1.2", "------yyyyyy----y"),
        (">=1-0", "-----yyyyyyyyyyyy"),
        (">=*", "yyyyyyyyyyyy----y"),
        ("<=1.2.3", "yyyyyyyy---------"),
        ("<=1.2", "yyyyyyyyy--------"),
        ("<=1", "yyyyyyyyyy------y"),
        ("<=*", "yyy--------------"),
        ("=>1.2", "------yyyyyy----y"),
        ("=<1.2", "yyyyyyyyy--------"),
        ("~1.2.3", "-------yy--------"),
        ("~1.2", "------yyy--------"),
        ("~1", "-----yyyyy------y"),
        ("~0", "yyyyy------------"),
        ("~*", "yyyyyyyyyyyy----y"),
        ("~>1.2.3", "-------yy--------"),
        ("^1.2.3", "-------yyy------y"),
        ("^1.2", "------yyyy------y"),
        ("^1", "-----yyyyy------y"),
        ("^0.2.3", "---y-------------"),
        ("^0.0.3", "-y---------------"),
        ("^0.0", "yyy--------------"),
        ("^0", "yyyyy------------"),
        ("^*", "y----------------"),
        ("1.2 - 2.0", "------yyyyy-----y"),
        ("1.2.3 - 1.2.4 || 3", "-------yy--y-----"),
        ("1.2-2.0", "------yyy---yy---"),
        (">=1.0 <2.0", "-----yyyyy------y"),
        (">=1.0,<2.0", "-----yyyyy------y"),
        (">=1.0, <2.0", "-----yyyyy------y"),
        (">=1.0<2.0", "improper constraint: \">=1.0<2.0\""),
        (">= 1.2.3-alpha", "-------yyyyyyyyyy"),
        ("^1.2.3-beta", "-------yyy---y-yy"),
        ("~1.2.3-0", "-------yy---yy---"),
        ("!=1.2.3-alpha", "yyyyyyyyyyyy-yyyy"),
        ("!= 1.2.x-alpha", "yyyyyyyyyyyy-yyyy"),
        ("1.2.3-alpha", "------------y----"),
        ("> 1.0.0-0 < 1.3", "-----yyyy---yy---"),
        ("==1", "improper constraint: \"==1\""),
        ("1.2.3.4", "improper constraint: \"1.2.3.4\""),
        ("v1.2", "------yyy--------"),
        ("foo", "improper constraint: \"foo\""),
        (
            "\x7f\u{e9}\u{a0}",
            "improper constraint: \"\\x7f\u{e9}\\u00a0\"",
        ),
        ("1,2", "-----------------"),
        (">=1.19-0", "----------yy--yyy"),
        ("1||2", "-----yyyyyy-----y"),
        ("  1.2.3  ", "-------y---------"),
        (" ", "improper constraint: \" \""),
        ("||", "improper constraint: \"\""),
        ("1.2.3 ||", "improper constraint: \"\""),
        (">=v1.2", "------yyyyyy----y"),
        ("=v1.2.3+x", "-------y---------"),
        ("1x", "constraint parser error"),
        ("1.2.3-01", "constraint parser error"),
        (">1.2.3 - 2", "improper constraint: \">>= 1.2.3, <= 2 \""),
    ];
    const VERSIONS: &[(&str, &str)] = &[
        ("1", "1.0.0"),
        ("v1", "1.0.0"),
        ("1.2", "1.2.0"),
        ("1.2.3", "1.2.3"),
        ("v1.2.3-rc.1+meta.2", "1.2.3-rc.1+meta.2"),
        ("1.2.3-01", "version segment starts with 0"),
        ("1.2.3-0", "1.2.3-0"),
        ("01.02.03", "1.2.3"),
        ("1.2.3.4", "invalid semantic version"),
        ("", "invalid semantic version"),
        ("x", "invalid semantic version"),
        ("V1", "invalid semantic version"),
        ("1.2.3-", "invalid semantic version"),
        ("1.2.3+", "invalid semantic version"),
        ("1.2.3-a..b", "invalid semantic version"),
        ("1..2", "invalid semantic version"),
        (
            "99999999999999999999",
            "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
        (
            "1.99999999999999999999",
            "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
        ),
        ("1.2-x", "1.2.0-x"),
        ("1.2.3-a_b", "invalid semantic version"),
        (" 1.2", "invalid semantic version"),
        ("1.2.3-00a", "1.2.3-00a"),
    ];
}
