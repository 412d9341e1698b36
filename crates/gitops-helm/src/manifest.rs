//! Rendered text split into documents.

use crate::HelmVersion;

/// How a rendered file falls into documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Splitting {
    /// Helm 3: at `---` at the beginning of a line, wherever that is, with the space around it; documents are
    /// trimmed.
    #[default]
    Helm3,
    /// Helm 4: at `---` at the beginning of a line and the blanks behind it; documents keep the space at their
    /// end.
    Helm4,
}

impl Splitting {
    /// Returns how a version of Helm splits.
    pub(crate) const fn of(helm: HelmVersion) -> Self {
        match helm {
            HelmVersion::V3 => Self::Helm3,
            HelmVersion::V4 => Self::Helm4,
        }
    }
}

/// Splits a rendered file into its documents, empty ones left out. What Go's `\s` and Go's `TrimSpace` take for
/// space differs; both are followed.
pub(crate) fn split(text: &str, splitting: Splitting) -> Vec<&str> {
    match splitting {
        Splitting::Helm3 => split_helm3(text),
        Splitting::Helm4 => split_helm4(text),
    }
}

/// Whether a byte is space to Go's regular expressions.
const fn space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

fn split_helm3(text: &str) -> Vec<&str> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let mut documents = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], b"---") {
        let at = from + found;
        if at > start && bytes[at - 1] != b'\n' || at == start && start > 0 {
            // Not at the beginning of a line: the dashes may still go on.
            from = at + 1;
            continue;
        }
        let mut end = at;
        while end > start && space(bytes[end - 1]) {
            end -= 1;
        }
        let mut next = at + 3;
        while next < bytes.len() && space(bytes[next]) {
            next += 1;
        }
        if end > start {
            documents.push(text[start..end].trim());
        }
        start = next;
        from = next;
    }
    if start < text.len() {
        documents.push(text[start..].trim());
    }
    documents
}

fn split_helm4(text: &str) -> Vec<&str> {
    // Dashes that only space stands before are at the beginning of a line once that is gone.
    let text = text.trim_start();
    let bytes = text.as_bytes();
    let mut documents = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&bytes[from..], b"---") {
        let at = from + found;
        if at > 0 && bytes[at - 1] != b'\n' {
            from = at + 1;
            continue;
        }
        let mut next = at + 3;
        while next < bytes.len() && matches!(bytes[next], b' ' | b'\t') {
            next += 1;
        }
        documents.push(text[start..at].trim_start());
        start = next;
        from = next;
    }
    documents.push(text[start..].trim_start());
    documents.retain(|document| !document.is_empty());
    documents
}
