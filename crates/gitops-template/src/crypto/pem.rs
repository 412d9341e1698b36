//! PEM blocks.

use crate::sprig::{base64, from_base64};

const LINE: usize = 64;

/// Writes a block.
pub(crate) fn encode(label: &str, data: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    let text = base64(data);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Reads the first block: its label and its data.
pub(crate) fn decode(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let mut rest: &str = &text;
    while let Some(at) = rest.find("-----BEGIN ") {
        let starts_line = at == 0 || rest[..at].ends_with('\n');
        rest = &rest[at + 11..];
        if !starts_line {
            continue;
        }
        let Some((label, body)) = rest.split_once("-----") else {
            continue;
        };
        let Some((body, _)) = body.split_once(&format!("-----END {label}-----")) else {
            continue;
        };
        // Headers, if there are any, end with an empty line.
        let body = match body.split_once("\n\n") {
            Some((headers, data)) if headers.contains(':') => data,
            _ => body,
        };
        let data: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        if let Ok(data) = from_base64(data.as_bytes()) {
            return Some((String::from(label), data));
        }
    }
    None
}
