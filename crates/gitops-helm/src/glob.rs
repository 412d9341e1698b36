//! Patterns of `.Files.Glob`, as `gobwas/glob` 0.2 reads them with `/` for a separator.

/// A pattern: `*`, `**`, `?`, `[a-z]`, `[!abc]`, `{a,b}`, `\` before a character.
#[derive(Clone, Debug)]
pub(crate) struct Glob(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// `?`: one character other than `/`.
    One,
    /// `*`: any number of characters other than `/`.
    Many,
    /// `**`: any number of any characters.
    All,
    Range {
        low: char,
        high: char,
        negated: bool,
    },
    List {
        chars: String,
        negated: bool,
    },
    AnyOf(Vec<Vec<Self>>),
}

/// Alternatives within alternatives end here.
const MAX_NESTING: usize = 64;
/// Steps of one comparison; patterns of nested alternatives could need very many.
const MAX_STEPS: usize = 1 << 20;

impl Glob {
    /// Reads a pattern; `None` where it is malformed.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let mut reader = Reader {
            rest: pattern,
            depth: 0,
        };
        let pieces = reader.pieces()?;
        reader.rest.is_empty().then_some(Self(pieces))
    }

    /// The pattern that everything matches.
    pub(crate) fn everything() -> Self {
        Self(vec![Piece::All])
    }

    /// Whether the whole of `path` matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let mut steps = 0;
        matches(&[&self.0], path, &mut steps)
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        // The original takes a zero character for the end of the pattern.
        let next = chars.next().filter(|c| *c != '\0');
        self.rest = if next.is_some() { chars.as_str() } else { "" };
        next
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next().filter(|c| *c != '\0')
    }

    /// Reads pieces up to the end of the pattern or of the alternative.
    fn pieces(&mut self) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ',' | '}' if self.depth > 0 => return Some(pieces),
                '?' => {
                    self.next();
                    pieces.push(Piece::One);
                }
                '*' => {
                    self.next();
                    if self.peek() == Some('*') {
                        self.next();
                        pieces.push(Piece::All);
                    } else {
                        pieces.push(Piece::Many);
                    }
                }
                '[' => {
                    self.next();
                    pieces.push(self.range()?);
                }
                '{' => {
                    self.next();
                    pieces.push(self.any_of()?);
                }
                _ => pieces.push(Piece::Text(self.text())),
            }
        }
        self.rest = "";
        Some(pieces)
    }

    fn any_of(&mut self) -> Option<Piece> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return None;
        }
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.pieces()?);
            match self.next() {
                Some(',') => {}
                Some('}') => break,
                // An unclosed brace is closed by the end of the pattern.
                _ => break,
            }
        }
        self.depth -= 1;
        Some(Piece::AnyOf(alternatives))
    }

    fn text(&mut self) -> String {
        let in_alternative = self.depth > 0;
        self.until(|c| {
            matches!(c, '?' | '*' | '[' | '{') || in_alternative && matches!(c, '}' | ',')
        })
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if stop(c) {
                break;
            }
            self.next();
            if c == '\\' {
                text.extend(self.next());
            } else {
                text.push(c);
            }
        }
        text
    }

    fn range(&mut self) -> Option<Piece> {
        let negated = self.peek() == Some('!');
        if negated {
            self.next();
        }
        let mut ahead = self.rest.chars();
        let low = ahead.next()?;
        if ahead.next() == Some('-') {
            let high = ahead.next()?;
            self.rest = ahead.as_str();
            let closed = self.next()? == ']';
            return (closed && low <= high).then_some(Piece::Range { low, high, negated });
        }
        let chars = self.until(|c| c == ']');
        let closed = self.next()? == ']';
        (closed && !chars.is_empty()).then_some(Piece::List { chars, negated })
    }
}

/// Whether `path` matches the pieces that are left, which lie in a stack of slices, the next on top.
fn matches(stack: &[&[Piece]], path: &str, steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    let Some((top, below)) = stack.split_last() else {
        return path.is_empty();
    };
    let Some((piece, rest)) = top.split_first() else {
        return matches(below, path, steps);
    };
    let mut next = below.to_vec();
    next.push(rest);
    let first = path.chars().next();
    let one = |fits: bool, steps: &mut usize| {
        fits && first.is_some_and(|c| matches(&next, &path[c.len_utf8()..], steps))
    };
    match piece {
        Piece::Text(text) => path
            .strip_prefix(text.as_str())
            .is_some_and(|path| matches(&next, path, steps)),
        Piece::One => one(first != Some('/'), steps),
        Piece::Range { low, high, negated } => one(
            first.is_some_and(|c| (*low..=*high).contains(&c) != *negated),
            steps,
        ),
        Piece::List { chars, negated } => {
            one(first.is_some_and(|c| chars.contains(c) != *negated), steps)
        }
        Piece::Many | Piece::All => {
            let stops = matches!(piece, Piece::Many);
            let end = if stops {
                path.find('/').unwrap_or(path.len())
            } else {
                path.len()
            };
            path[..end]
                .char_indices()
                .map(|(at, _)| at)
                .chain([end])
                .any(|at| matches(&next, &path[at..], steps))
        }
        Piece::AnyOf(alternatives) => alternatives.iter().any(|alternative| {
            let mut next = next.clone();
            next.push(alternative);
            matches(&next, path, steps)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of `gobwas/glob` 0.2.3: pattern, path, whether it matches (`None`: malformed).
    #[test]
    fn agrees_with_gobwas() {
        for (pattern, path, want) in [
            ("files/*", "files/a.txt", Some(true)),
            ("files/*", "files/sub/a.txt", Some(false)),
            ("files/**", "files/sub/a.txt", Some(true)),
            ("**.json", "a/b/c.json", Some(true)),
            ("*.json", "a/b.json", Some(false)),
            ("files/**/*.yaml", "files/a.yaml", Some(false)),
            ("files/**/*.yaml", "files/x/a.yaml", Some(true)),
            ("{a,b}/*", "b/x", Some(true)),
            ("{a,b}/*", "c/x", Some(false)),
            ("{a*,b}", "abc", Some(true)),
            ("f?o", "fo", Some(false)),
            ("f?o", "f/o", Some(false)),
            ("[a-c]x", "bx", Some(true)),
            ("[!a-c]x", "bx", Some(false)),
            ("[abc]", "c", Some(true)),
            ("[!abc]", "d", Some(true)),
            ("a\\*b", "a*b", Some(true)),
            ("a\\*b", "axb", Some(false)),
            ("[a", "a", None),
            ("[z-a]", "a", None),
            ("[]", "a", None),
            ("", "", Some(true)),
            ("", "a", Some(false)),
            ("{a,{b,c}d}", "cd", Some(true)),
        ] {
            let got = Glob::parse(pattern).map(|glob| glob.matches(path));
            assert_eq!(got, want, "{pattern} on {path}");
        }
    }
}
