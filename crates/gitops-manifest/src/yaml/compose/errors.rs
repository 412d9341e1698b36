//! The errors of the composer, and what go-yaml says in their place.

use super::super::Profile;
use super::super::error::{Error, ErrorKind, Mark, Upstream};
use super::super::events::EventSource;
use super::{Composer, Repeated, gosyntax};
use crate::Value;

impl<'a, S: EventSource<'a>> Composer<'a, '_, S> {
    #[cold]
    pub(super) fn content(&self, mark: Mark, message: impl Into<String>) -> Error {
        self.fail(ErrorKind::Content, mark, message)
    }

    /// Makes an error about content that go-yaml puts into other words.
    #[cold]
    pub(super) fn refused(
        &self,
        mark: Mark,
        upstream: impl Into<String>,
        message: impl Into<String>,
    ) -> Error {
        let upstream = Upstream {
            message: Some(upstream.into()),
            ..Upstream::default()
        };
        let kind = ErrorKind::Content;
        Error::new(kind, self.events.text(), mark, upstream, message)
    }

    #[cold]
    pub(super) fn fail(&self, kind: ErrorKind, mark: Mark, message: impl Into<String>) -> Error {
        Error::new(kind, self.events.text(), mark, Upstream::default(), message)
    }

    #[cold]
    pub(super) fn too_deep(&self, mark: Mark) -> Error {
        let message = format!("exceeded max depth of {}", self.options.max_depth);
        self.fail(ErrorKind::Limit, mark, message)
    }

    /// Notes a key that stands twice.
    #[cold]
    pub(super) fn repeat(&mut self, mark: Mark, value_line: usize, key: &str, first: Mark) {
        let mut message = String::new();
        gosyntax::write_quoted(key, &mut message);
        let (line, message) = match self.options.profile {
            Profile::Sigs => (value_line + 1, format!("key {message} already set in map")),
            Profile::Kyaml => {
                let first = first.line + 1;
                let message = format!("mapping key {message} already defined at line {first}");
                (mark.line + 1, message)
            }
        };
        self.repeated.push(Repeated {
            mark,
            line,
            message,
        });
    }

    /// Makes the error of the keys that stand twice: at the first of them, and in Go's words all of them.
    #[cold]
    pub(super) fn repeated_keys(&mut self) -> Error {
        let mut repeated = std::mem::take(&mut self.repeated);
        repeated.sort_by_key(|repeated| (repeated.line, repeated.mark.offset));
        let mut all = "unmarshal errors:".to_owned();
        for Repeated { line, message, .. } in &repeated {
            all.push_str(&format!("\n  line {line}: {message}"));
        }
        let first = repeated.swap_remove(0);
        let upstream = Upstream {
            message: Some(all),
            ..Upstream::default()
        };
        Error::new(
            ErrorKind::DuplicateKey,
            self.events.text(),
            first.mark,
            upstream,
            first.message,
        )
    }

    /// Looks for keys that stand twice among the entries from `start` on, and forgets their places.
    pub(super) fn check_duplicates(&mut self, start: usize, repeated_before: usize) {
        let keep = self.key_marks.len() - (self.entries.len() - start);
        if !self.entries[start..].is_sorted_by(|a, b| a.0 < b.0) {
            self.find_duplicates(start, keep, repeated_before);
        }
        self.key_marks.truncate(keep);
    }

    pub(super) fn find_duplicates(
        &mut self,
        start: usize,
        first_mark: usize,
        repeated_before: usize,
    ) {
        let entries = &self.entries[start..];
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
        let mut found: Vec<(usize, usize)> = Vec::new();
        let mut first = 0;
        for i in 1..order.len() {
            if entries[order[i]].0 == entries[order[first]].0 {
                found.push((order[i], order[first]));
            } else {
                first = i;
            }
        }
        if found.is_empty() {
            return;
        }
        found.sort_unstable();
        if self.options.profile == Profile::Kyaml {
            // go-yaml v3 does not look into a map that it refuses.
            self.repeated.truncate(repeated_before);
        }
        for (later, first) in found {
            let key = self.entries[start + later].0.clone();
            let (mark, value_line) = self.key_marks[first_mark + later];
            let first = self.key_marks[first_mark + first].0;
            self.repeat(mark, value_line, &key, first);
        }
    }

    #[cold]
    pub(super) fn refused_key(&self, kind: &str, key: &str, value: &Value, mark: Mark) -> Error {
        let mut shown = String::new();
        gosyntax::write_value(value, &mut shown);
        let shown = if value.is_null() { "<nil>" } else { &shown };
        let upstream = format!("unsupported map key of type: {kind}, key: {key}, value: {shown}");
        let message = match key {
            "<nil>" => "a key of a map is text, this one is null".to_owned(),
            key => format!("a key of a map is text, this one is {key}, beyond 64 bits with a sign"),
        };
        self.refused(mark, upstream, message)
    }

    #[cold]
    pub(super) fn bad_key(&self, value: &Value, mark: Mark) -> Error {
        let mut upstream = Upstream::default();
        let message = match value {
            Value::Array(_) | Value::Object(_) => {
                let mut shown = "invalid map key: ".to_owned();
                gosyntax::write_value(value, &mut shown);
                if self.options.profile == Profile::Kyaml {
                    shown = shown.replace("map[interface {}]", "map[string]");
                    if self.frames.len() == 1 {
                        let kind = match value {
                            Value::Array(_) => "!!seq",
                            _ => "!!map",
                        };
                        let line = mark.line + 1;
                        shown = format!(
                            "unmarshal errors:\n  line {line}: cannot unmarshal {kind} into string"
                        );
                    }
                }
                upstream.message = Some(shown);
                format!(
                    "a key of a map is text, this one is an {}",
                    value.type_name()
                )
            }
            Value::Null => "a key of a map is text, this one is null".to_owned(),
            other => format!(
                "a key of a map is text, this one is a {}",
                other.type_name()
            ),
        };
        Error::new(
            ErrorKind::Content,
            self.events.text(),
            mark,
            upstream,
            message,
        )
    }
}
