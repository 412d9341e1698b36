//! Shell patterns as Go's `path.Match` reads them: the patterns of `.helmignore` and of `--show-only`.

use crate::Error;

/// A pattern, checked and taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: one character other than `/`.
    One,
    /// `*`: any number of characters other than `/`.
    Many,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl PathPattern {
    /// Reads a pattern.
    pub(crate) fn parse(pattern: &str) -> Result<Self, Error> {
        let bad = || Error::Pattern {
            pattern: pattern.to_owned(),
        };
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                '\\' => Token::Literal(chars.next().ok_or_else(bad)?),
                '[' => {
                    let negated = chars.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    loop {
                        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                            break;
                        }
                        let mut bound = || match chars.next() {
                            None | Some('-' | ']') => None,
                            // A character of a class is followed by another or by the end of the class.
                            Some('\\') => chars.next().filter(|_| chars.peek().is_some()),
                            Some(c) => Some(c).filter(|_| chars.peek().is_some()),
                        };
                        let low = bound().ok_or_else(bad)?;
                        let high = if chars.next_if_eq(&'-').is_some() {
                            let mut bound = || match chars.next() {
                                None | Some('-' | ']') => None,
                                Some('\\') => chars.next().filter(|_| chars.peek().is_some()),
                                Some(c) => Some(c).filter(|_| chars.peek().is_some()),
                            };
                            bound().ok_or_else(bad)?
                        } else {
                            low
                        };
                        ranges.push((low, high));
                    }
                    Token::Class { negated, ranges }
                }
                c => Token::Literal(c),
            });
        }
        Ok(Self(tokens))
    }

    /// Whether the whole of `name` matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let (mut rest, mut at) = (name, 0);
        // Where the last `*` stands and what is left of the name behind the part it has taken.
        let mut star: Option<(usize, &str)> = None;
        loop {
            let taken = match (self.0.get(at), rest.chars().next()) {
                (None, None) => return true,
                (Some(Token::Many), _) => {
                    star = Some((at, rest));
                    at += 1;
                    continue;
                }
                (Some(Token::Literal(want)), Some(c)) => c == *want,
                (Some(Token::One), Some(c)) => c != '/',
                (Some(Token::Class { negated, ranges }), Some(c)) => {
                    ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
                }
                (None, Some(_)) | (Some(_), None) => false,
            };
            if taken {
                let mut chars = rest.chars();
                chars.next();
                rest = chars.as_str();
                at += 1;
                continue;
            }
            // Let the last `*` take one character more.
            let Some((position, from)) = star else {
                return false;
            };
            let mut chars = from.chars();
            match chars.next() {
                None | Some('/') => return false,
                Some(_) => {
                    rest = chars.as_str();
                    star = Some((position, rest));
                    at = position + 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of Go's own `path/match_test.go` in facts: pattern, name, outcome (`None`: malformed).
    #[test]
    fn agrees_with_go() {
        for (pattern, name, want) in [
            ("abc", "abc", Some(true)),
            ("*", "abc", Some(true)),
            ("*c", "abc", Some(true)),
            ("a*", "a", Some(true)),
            ("a*", "ab/c", Some(false)),
            ("a*/b", "abc/b", Some(true)),
            ("a*/b", "a/c/b", Some(false)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Some(true)),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", Some(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Some(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Some(false)),
            ("ab[c]", "abc", Some(true)),
            ("ab[b-d]", "abc", Some(true)),
            ("ab[e-g]", "abc", Some(false)),
            ("ab[^c]", "abc", Some(false)),
            ("ab[^e-g]", "abc", Some(true)),
            ("a\\*b", "a*b", Some(true)),
            ("a?b", "a☺b", Some(true)),
            ("a[^a]b", "a☺b", Some(true)),
            ("a???b", "a☺b", Some(false)),
            ("[a-ζ]*", "α", Some(true)),
            ("*[a-ζ]", "A", Some(false)),
            ("a?b", "a/b", Some(false)),
            ("a*b", "a/b", Some(false)),
            ("[\\]a]", "]", Some(true)),
            ("[\\-x]", "-", Some(true)),
            ("[x\\-]", "z", Some(false)),
            ("[]a]", "]", None),
            ("[-]", "-", None),
            ("[x-]", "x", None),
            ("[-x]", "a", None),
            ("\\", "a", None),
            ("[a-b-c]", "a", None),
            ("[", "a", None),
            ("[^", "a", None),
            ("[^bc", "a", None),
            ("a[", "ab", None),
            ("*x", "xxx", Some(true)),
            ("", "", Some(true)),
            ("templates/.?*", "templates/.x", Some(true)),
            ("templates/.?*", "templates/.", Some(false)),
        ] {
            let got = PathPattern::parse(pattern).ok().map(|p| p.matches(name));
            assert_eq!(got, want, "{pattern} on {name}");
        }
    }
}
