//! Reading the head of a document without reading the document.
//!
//! Helm parses every rendered document to learn its kind and whether it is a hook, and refuses documents that
//! are not YAML. Most documents are plain block YAML, for which both can be told from a walk over the lines.
//! The walk knows a part of the grammar only, and gives up, for the full parser to decide, at anything that it
//! does not know: what it accepts is YAML, and what it does not accept may be.

use gitops_manifest::yaml::{self, ParseOptions};

use crate::order::{Head, HookAnnotations};

/// Collections nested deeper than this are left to the full parser.
const MAX_DEPTH: usize = 100;
/// Keys longer than this are left to the full parser.
const MAX_KEY: usize = 200;

/// Reads the head of a document; `None` where the document needs the full parser.
pub(crate) fn skim(document: &str) -> Option<Head> {
    if !is_plain(document.as_bytes()) {
        return None;
    }
    let mut skimmer = Skimmer {
        text: document,
        bytes: document.as_bytes(),
        at: 0,
        frames: Vec::with_capacity(16),
        pending: Some(Slot::Root),
        seen: 0,
        head: Head::default(),
    };
    skimmer.document()?;
    let mut head = skimmer.head;
    // Annotations without the one that makes a hook are of no interest.
    head.hook = head.hook.filter(|hook| hook.is_hook);
    Some(head)
}

/// Whether every character is one that needs no thought: no controls, no line breaks but line feeds.
fn is_plain(bytes: &[u8]) -> bool {
    let odd = |b: u8| (b < 0x20 && b != b'\n' && b != b'\t') || b >= 0x7f;
    if bytes.iter().fold(false, |any, b| any | odd(*b)) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|b| odd(*b)) {
            match rest[at..] {
                // Latin letters and signs, but not the controls before them.
                [0xc2, next, ..] if next < 0xa0 => return false,
                // Not the separators of lines and paragraphs.
                [0xe2, 0x80, 0xa8 | 0xa9, ..] => return false,
                [0xc2..=0xee | 0xf0..=0xf4, ..] => {}
                _ => return false,
            }
            let next = rest[at + 1..]
                .iter()
                .position(|b| !(0x80..0xc0).contains(b));
            rest = next.map_or(&[], |next| &rest[at + 1 + next..]);
        }
    }
    true
}

/// What a value is to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// The document.
    Root,
    /// Of no interest, and of any type.
    Free,
    Metadata,
    Annotations,
    /// Text of no interest.
    AnyText,
    Kind,
    Name,
    Hook,
    Weight,
    DeletePolicies,
    OutputLogPolicies,
}

impl Slot {
    /// What the value of a key is, in a map that is this itself; `None` where the full parser must decide.
    fn child(self, key: &str) -> Option<Self> {
        Some(match (self, key) {
            (Self::Root, "kind") => Self::Kind,
            (Self::Root, "apiVersion") => Self::AnyText,
            (Self::Root, "metadata") => Self::Metadata,
            (Self::Root, key) if is_like(key, &["kind", "apiVersion", "metadata"]) => return None,
            (Self::Metadata, "name") => Self::Name,
            (Self::Metadata, "annotations") => Self::Annotations,
            (Self::Metadata, key) if is_like(key, &["name", "annotations"]) => return None,
            (Self::Annotations, "helm.sh/hook") => Self::Hook,
            (Self::Annotations, "helm.sh/hook-weight") => Self::Weight,
            (Self::Annotations, "helm.sh/hook-delete-policy") => Self::DeletePolicies,
            (Self::Annotations, "helm.sh/hook-output-log-policy") => Self::OutputLogPolicies,
            (Self::Annotations, _) => Self::AnyText,
            _ => Self::Free,
        })
    }

    /// Whether a map may stand here.
    const fn takes_map(self) -> bool {
        matches!(
            self,
            Self::Root | Self::Free | Self::Metadata | Self::Annotations
        )
    }

    /// Whether text may stand here whatever it says.
    const fn takes_any_text(self) -> bool {
        matches!(self, Self::Free | Self::AnyText)
    }
}

fn is_like(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(key))
}

struct Frame {
    indent: usize,
    /// A list, or else a map.
    is_list: bool,
    /// A list at the column of the map that it is a value in.
    indentless: bool,
    slot: Slot,
}

struct Skimmer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    frames: Vec<Frame>,
    /// The value that has not come yet: of the last key, or of the last dash.
    pending: Option<Slot>,
    /// Which values of interest have been named, a bit each.
    seen: u16,
    head: Head,
}

impl Skimmer<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn second(&self) -> Option<u8> {
        self.bytes.get(self.at + 1).copied()
    }

    /// Returns where the line ends.
    fn line_end(&self) -> usize {
        memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |end| self.at + end)
    }

    fn next_line(&mut self) {
        self.at = (self.line_end() + 1).min(self.bytes.len());
    }

    fn skip_spaces(&mut self) -> usize {
        let start = self.at;
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        self.at - start
    }

    /// Goes to the next line, where only blanks and a comment are left on this.
    fn end_line(&mut self) -> Option<()> {
        let spaces = self.skip_spaces();
        match self.peek() {
            None | Some(b'\n') => {}
            Some(b'#') if spaces > 0 => {}
            _ => return None,
        }
        self.next_line();
        Some(())
    }

    fn document(&mut self) -> Option<()> {
        while self.at < self.bytes.len() {
            let indent = self.skip_spaces();
            match self.peek() {
                None | Some(b'\n' | b'#') => self.next_line(),
                Some(b'\t' | b'%') => return None,
                Some(b'-' | b'.') if indent == 0 && self.is_marker() => return None,
                Some(_) => self.entry(indent)?,
            }
        }
        Some(())
    }

    /// Whether `---` or `...` stands here.
    fn is_marker(&self) -> bool {
        let rest = &self.bytes[self.at..];
        rest.starts_with(b"---") || rest.starts_with(b"...")
    }

    /// Reads what begins at a column of a line: dashes, then a key with its value, or a value.
    fn entry(&mut self, mut column: usize) -> Option<()> {
        while self.peek() == Some(b'-') && matches!(self.second(), None | Some(b' ' | b'\n')) {
            self.open_list(column)?;
            self.at += 1;
            column += 1 + self.skip_spaces();
            self.pending = Some(Slot::Free);
            if matches!(self.peek(), None | Some(b'\n' | b'#')) {
                self.next_line();
                return Some(());
            }
        }
        let Some((key, end)) = self.key()? else {
            // A value on a line of its own, or behind a dash.
            let slot = self.pending.take()?;
            let parent = self.frames.last()?;
            let is_deeper = column > parent.indent;
            let indent = parent.indent;
            return if is_deeper {
                self.scalar(indent, slot)
            } else {
                None
            };
        };
        let key = &self.text[key];
        self.at = end;
        let slot = self.open_map(column)?.child(key)?;
        if !matches!(slot, Slot::Free | Slot::AnyText) {
            // Of equal keys the last counts, with all that it does not say.
            let bit = 1 << slot as u16;
            (self.seen & bit == 0).then_some(())?;
            self.seen |= bit;
        }
        let spaces = self.skip_spaces();
        match self.peek() {
            None | Some(b'\n') => {
                self.pending = Some(slot);
                self.next_line();
                Some(())
            }
            Some(b'#') if spaces > 0 => {
                self.pending = Some(slot);
                self.next_line();
                Some(())
            }
            _ if spaces == 0 => None,
            _ => self.scalar(column, slot),
        }
    }

    /// Makes sure that the innermost collection is the list with its dashes at `column`.
    fn open_list(&mut self, column: usize) -> Option<()> {
        if let Some(slot) = self.pending.take() {
            let (indent, is_list) = self.frames.last().map(|top| (top.indent, top.is_list))?;
            let indentless = column == indent && !is_list;
            if column > indent || indentless {
                // A list can be of no interest only.
                (slot == Slot::Free && self.frames.len() < MAX_DEPTH).then_some(())?;
                self.frames.push(Frame {
                    indent: column,
                    is_list: true,
                    indentless,
                    slot,
                });
                return Some(());
            }
        }
        self.close_below(column);
        let top = self.frames.last()?;
        (top.is_list && top.indent == column).then_some(())
    }

    /// Makes sure that the innermost collection is the map with its keys at `column`; returns what it is.
    fn open_map(&mut self, column: usize) -> Option<Slot> {
        if let Some(slot) = self.pending.take()
            && self.frames.last().is_none_or(|top| column > top.indent)
        {
            (slot.takes_map() && self.frames.len() < MAX_DEPTH).then_some(())?;
            self.frames.push(Frame {
                indent: column,
                is_list: false,
                indentless: false,
                slot,
            });
            return Some(slot);
        }
        self.close_below(column);
        if self
            .frames
            .last()
            .is_some_and(|top| top.indentless && top.indent == column)
        {
            self.frames.pop();
        }
        let top = self.frames.last()?;
        (!top.is_list && top.indent == column).then_some(top.slot)
    }

    fn close_below(&mut self, column: usize) {
        while self.frames.last().is_some_and(|top| top.indent > column) {
            self.frames.pop();
        }
    }

    /// Looks for a key: its place in the text, and where its colon ends. The inner `None` says that there is
    /// none, the outer that it is not a simple one.
    #[allow(clippy::option_option)]
    fn key(&self) -> Option<Option<(std::ops::Range<usize>, usize)>> {
        let start = self.at;
        let limit = self.bytes.len().min(start + MAX_KEY);
        let is_end = |at: usize| matches!(self.bytes.get(at), None | Some(b' ' | b'\n'));
        if let quote @ (b'"' | b'\'') = self.bytes[start] {
            for at in start + 1..limit {
                match self.bytes[at] {
                    b if b == quote => {
                        let colon = at + 1;
                        if self.bytes.get(colon) == Some(&b':') && is_end(colon + 1) {
                            return Some(Some((start + 1..at, colon + 1)));
                        }
                        return Some(None);
                    }
                    b'\\' | b'\n' => return Some(None),
                    _ => {}
                }
            }
            return Some(None);
        }
        // Such a line holds a value, if anything.
        if matches!(self.bytes[start], b'#' | b'{' | b'[' | b'|' | b'>') {
            return Some(None);
        }
        let line = &self.bytes[start..self.line_end()];
        let Some(length) = memchr::memchr_iter(b':', line).find(|at| is_end(start + at + 1)) else {
            return Some(None);
        };
        let key = self.text.get(start..start + length)?;
        is_plain_key(key).then(|| Some((start..start + length, start + length + 1)))
    }

    /// Reads a value that begins here, within a collection at `parent`.
    fn scalar(&mut self, parent: usize, slot: Slot) -> Option<()> {
        match self.peek()? {
            b'|' | b'>' => {
                slot.takes_any_text().then_some(())?;
                self.block_scalar(parent)
            }
            b'"' => self.quoted(b'"', parent, slot),
            b'\'' => self.quoted(b'\'', parent, slot),
            b'[' | b'{' => self.flow(slot),
            b'-' | b'+'
                if matches!(self.second(), Some(b'.') | Some(b' ') | Some(b'\n') | None) =>
            {
                None
            }
            b'.' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'?' | b',' | b']' | b'}' | b'#'
            | b':' | b'\t' => None,
            _ => self.plain(parent, slot),
        }
    }

    fn plain(&mut self, parent: usize, slot: Slot) -> Option<()> {
        let start = self.at;
        let mut end = self.plain_line()?;
        let mut lines = 1;
        // Lines that are indented deeper go on with the text.
        while self.at < self.bytes.len() && !self.ended_by_comment(end) {
            let from = self.at;
            let indent = self.skip_spaces();
            match self.peek() {
                Some(b'\n') => {
                    self.at += 1;
                    continue;
                }
                Some(b'\t') => return None,
                Some(b'#') | None => {
                    self.at = from;
                    break;
                }
                Some(_) if indent <= parent => {
                    self.at = from;
                    break;
                }
                Some(_) => {
                    end = self.plain_line()?;
                    lines += 1;
                }
            }
        }
        let text = &self.text[start..end];
        // Infinity and what is no number cannot be said in JSON.
        if matches!(text.as_bytes()[0], b'.' | b'-' | b'+') && text.contains('.') {
            let lower = text.to_ascii_lowercase();
            (!lower.contains(".inf") && !lower.contains(".nan")).then_some(())?;
        }
        if slot.takes_any_text() {
            return Some(());
        }
        (lines == 1 && is_surely_text(text)).then(|| self.keep(slot, text))?
    }

    /// Whether the comment of a line has ended a plain text.
    fn ended_by_comment(&self, end: usize) -> bool {
        self.bytes[end..].iter().find(|b| **b != b' ') == Some(&b'#')
    }

    /// Takes a line of plain text; returns where the text ends on it.
    fn plain_line(&mut self) -> Option<usize> {
        let stop = self.line_end();
        let line = &self.bytes[self.at..stop];
        let mut end = line.len();
        for at in memchr::memchr3_iter(b':', b'#', b'\t', line) {
            match line[at] {
                b'\t' => return None,
                b':' if matches!(line.get(at + 1), None | Some(b' ')) => return None,
                b'#' if at > 0 && line[at - 1] == b' ' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        while end > 0 && line[end - 1] == b' ' {
            end -= 1;
        }
        let end = self.at + end;
        self.at = (stop + 1).min(self.bytes.len());
        Some(end)
    }

    fn quoted(&mut self, quote: u8, parent: usize, slot: Slot) -> Option<()> {
        let start = self.at + 1;
        self.at = start;
        let mut simple = true;
        loop {
            let rest = &self.bytes[self.at..];
            self.at += memchr::memchr3(quote, b'\\', b'\n', rest)?;
            match self.bytes[self.at] {
                b'\n' => {
                    simple = false;
                    self.at += 1;
                    let indent = self.skip_spaces();
                    match self.peek()? {
                        b'\n' => {}
                        b'\t' => return None,
                        _ if indent <= parent => return None,
                        _ => {}
                    }
                }
                b'\\' if quote == b'"' => {
                    simple = false;
                    self.escape()?;
                }
                b'\\' => self.at += 1,
                _ if quote == b'\'' && self.second() == Some(b'\'') => {
                    simple = false;
                    self.at += 2;
                }
                _ => break,
            }
        }
        let end = self.at;
        self.at += 1;
        self.end_line()?;
        if slot.takes_any_text() {
            return Some(());
        }
        simple.then(|| self.keep(slot, &self.text[start..end]))?
    }

    /// Takes an escape in double quotes.
    fn escape(&mut self) -> Option<()> {
        let digits = match self.second()? {
            b'n' | b't' | b'"' | b'\\' | b'/' | b'r' | b'0' | b'a' | b'b' | b'e' | b'f' | b'v'
            | b' ' | b'N' | b'_' | b'L' | b'P' => 0,
            // The line goes on; what it holds is looked at next.
            b'\n' => {
                self.at += 1;
                return Some(());
            }
            b'x' => 2,
            b'u' => 4,
            _ => return None,
        };
        let from = self.at + 2;
        let hex = self.bytes.get(from..from + digits)?;
        let is_half = digits == 4
            && matches!(
                hex,
                [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
            );
        (hex.iter().all(u8::is_ascii_hexdigit) && !is_half).then_some(())?;
        self.at = from + digits;
        Some(())
    }

    /// Takes a list or map in brackets that ends on its line.
    fn flow(&mut self, slot: Slot) -> Option<()> {
        let stop = self.line_end();
        let text = self.text[self.at..stop].trim_end_matches(' ');
        if text == "{}" || text == "[]" {
            let fits = if text == "{}" {
                slot.takes_map()
            } else {
                slot == Slot::Free
            };
            fits.then_some(())?;
        } else {
            let closed = text.ends_with(']') || text.ends_with('}');
            (slot == Slot::Free && closed).then_some(())?;
            // Anchors and aliases reach beyond the line.
            (!text.contains(['&', '*', '!', '<'])).then_some(())?;
            let options = ParseOptions::default();
            yaml::parse_one(&format!("value: {text}\nnext: 1\n"), &options).ok()?;
        }
        self.next_line();
        Some(())
    }

    fn block_scalar(&mut self, parent: usize) -> Option<()> {
        self.at += 1;
        let mut explicit = None;
        for _ in 0..2 {
            match self.peek() {
                Some(b'+' | b'-') => self.at += 1,
                Some(digit @ b'1'..=b'9') if explicit.is_none() => {
                    explicit = Some(parent + usize::from(digit - b'0'));
                    self.at += 1;
                }
                _ => break,
            }
        }
        self.end_line()?;
        let mut leading = 0;
        let mut indent = explicit;
        while self.at < self.bytes.len() {
            let from = self.at;
            let spaces = self.skip_spaces();
            match (self.peek(), indent) {
                (None, _) => break,
                (Some(b'\n'), None) => leading = leading.max(spaces),
                (Some(b'\n'), Some(_)) => {}
                (Some(b'\t'), None) => return None,
                (Some(_), None) if spaces <= parent => {
                    // Nothing at all; blank lines may not be deeper than what follows.
                    self.at = from;
                    return (leading <= spaces).then_some(());
                }
                (Some(_), None) if leading > spaces => return None,
                (Some(_), None) => indent = Some(spaces),
                (Some(_), Some(indent)) if spaces >= indent => {}
                (Some(b'\t'), _) => return None,
                (Some(_), Some(_)) if spaces <= parent => {
                    self.at = from;
                    return Some(());
                }
                _ => return None,
            }
            self.next_line();
        }
        Some(())
    }

    /// Keeps text for the head.
    fn keep(&mut self, slot: Slot, text: &str) -> Option<()> {
        let text = text.to_owned();
        match slot {
            Slot::Kind => self.head.kind = text,
            Slot::Name => self.head.name = text,
            Slot::Hook | Slot::Weight | Slot::DeletePolicies | Slot::OutputLogPolicies => {
                let hook = self.head.hook.get_or_insert_with(HookAnnotations::default);
                match slot {
                    Slot::Hook => {
                        hook.events = text;
                        hook.is_hook = true;
                    }
                    Slot::Weight => hook.weight = text,
                    Slot::DeletePolicies => hook.delete_policies = Some(text),
                    _ => hook.output_log_policies = Some(text),
                }
            }
            Slot::Root | Slot::Free | Slot::AnyText | Slot::Metadata | Slot::Annotations => {
                return None;
            }
        }
        Some(())
    }
}

/// Whether a key without quotes is nothing but a key: no indicator, no merge, no null, no large number.
fn is_plain_key(key: &str) -> bool {
    let bytes = key.as_bytes();
    let Some(first) = bytes.first() else {
        return false;
    };
    let starts_well = first.is_ascii_alphabetic()
        || matches!(first, b'_' | b'$' | b'/' | b'.')
        || first.is_ascii_digit() && bytes.len() < 16;
    starts_well
        && bytes.len() < MAX_KEY
        && bytes.last() != Some(&b' ')
        && !key.contains(" #")
        && !key.contains('\t')
        && !key.eq_ignore_ascii_case("null")
}

/// Whether plain text can be nothing but text: it begins with a letter and is no word that stands for a value.
fn is_surely_text(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HelmVersion;
    use proptest::prelude::*;

    /// What is skimmed must be what the full parser reads.
    fn check(document: &str) -> bool {
        let document = document.trim();
        let Some(head) = skim(document) else {
            return false;
        };
        let want = Head::read_in_full(document, HelmVersion::V3);
        assert_eq!(Ok(head), want, "{document}");
        true
    }

    #[test]
    fn plain_documents_are_skimmed() {
        for document in [
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n    name: http\n",
            "kind: Job\nmetadata:\n  name: x\n  annotations:\n    \"helm.sh/hook\": pre-install,post-upgrade\n    \
             helm.sh/hook-weight: \"-5\"\n    other: 5\n",
            "# comment\nkind: ConfigMap\ndata:\n  a: |-\n    text: [\n      more\n\n    end\n  b: >\n    x\nlast: {}\n",
            "kind: A\ndescription: long text\n  that goes on - and\n  on\nother: 'it''s\n  quoted'\nx: \"a\\n\\\n  b\"\n",
            "kind: A\nlist:\n- - a\n  - b\n-\n  c: d\n- e\nempty:\nargs: [\"a\", 'b', c]\n",
            "",
            "# nothing",
        ] {
            assert!(check(document), "{document}");
        }
    }

    #[test]
    fn odd_documents_are_left_to_the_parser() {
        for document in [
            "a",
            "- a",
            "kind: [a]",
            "kind: 5",
            "kind: A\nKind: B",
            "kind: A\nkind: B",
            "a: b: c",
            "a: &x 1",
            "a: .inf",
            "a:\n\tb: c",
            "metadata: x",
            "metadata:\n  annotations:\n    a: [x]",
            "a: |\n   \n  x",
            "a: \"b",
            "a: 'b' c",
            "a: b\n  c: d",
            "? a\n: b",
            "null: x",
            "a: [b\n  c]",
            "a: b\n...\nc: d",
        ] {
            assert!(skim(document).is_none(), "{document}");
            check(document);
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let content = prop::sample::select(vec![
            "kind: A",
            "kind:",
            "metadata:",
            "name: x",
            "annotations:",
            "helm.sh/hook: test",
            "\"helm.sh/hook\": 'pre-install'",
            "a: b",
            "a:",
            "- b",
            "-",
            "- a: b",
            "- - c",
            "text",
            "# note",
            "a: |",
            "a: >-",
            "- |",
            "a: |2",
            "a: 'x",
            "y'",
            "a: \"x",
            "y\"",
            "a: {}",
            "a: [1]",
            "a: [1",
            "2]",
            "a: b # c",
            "",
            "a: b:",
            "\"a\": b",
            "a: *x",
            "a: &x",
            "a: -",
            "a: - b",
            "...",
            "a: .5",
            "a: -.inf",
            "5: x",
            "? x",
            "é: ü",
            "a:\tb",
            "a: \"\\u0041\\\\\"",
            "a: \"\\",
            "b\\x41\"",
        ]);
        (0..8usize, content).prop_map(|(indent, text)| format!("{}{text}", " ".repeat(indent)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_skimmed_is_what_is_read(lines in prop::collection::vec(line(), 0..8)) {
            check(&lines.join("\n"));
        }
    }
}
