//! Changing the lines of an entry where its value changes: what stays the same keeps its lines, its order and its
//! comments.
//!
//! What is written in a way that is not known here is not changed but `None`, and the result is read again: a text
//! that does not say the new value is thrown away. The entry is written anew then.

use gitops_manifest::yaml::{self, EmitOptions, Profile};
use gitops_manifest::{Map, Value};

use super::text::{is_blank_or_comment, parse_value};

/// Changes the lines of an item of a list.
pub(super) fn item(raw: &str, old: &Value, new: &Value) -> Option<String> {
    let written = revise_item(raw, old, new)?;
    let read = parse_value(&written).ok()?;
    let items = read.as_array()?;
    (items.len() == 1 && items[0] == *new).then_some(written)
}

/// Changes the lines of an entry of a map.
pub(super) fn entry(raw: &str, key: &str, old: &Value, new: &Value) -> Option<String> {
    let with = |value: &Value| {
        let mut map = Map::new();
        map.insert(key, value.clone());
        map
    };
    let written = block(raw, indent_of(raw), &with(old), &with(new))?;
    let read = parse_value(&written).ok()?;
    (read.as_object() == Some(&with(new))).then_some(written)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn revise_item(raw: &str, old: &Value, new: &Value) -> Option<String> {
    let dash = indent_of(raw);
    let first = raw.lines().next()?;
    let behind = first.get(dash..)?.strip_prefix('-')?;
    let column = dash + 1 + indent_of(behind);
    let content = behind.trim_start();
    if content.is_empty() || content.starts_with('#') {
        return None;
    }
    if content.starts_with('{') {
        return flow(raw, column, old.as_object()?, new.as_object()?);
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            // The item is a map whose first line begins with a dash in place of a blank.
            let mut text = raw.to_owned();
            text.replace_range(dash..=dash, " ");
            let mut text = block(&text, column, old, new)?;
            let at = text
                .split_inclusive('\n')
                .scan(0, |at, line| {
                    let start = *at;
                    *at += line.len();
                    Some((start, line))
                })
                .find(|(_, line)| !is_blank_or_comment(line))?
                .0;
            // Comments that have come before the first line of the item would belong to the one before.
            if at > 0 {
                return None;
            }
            text.replace_range(dash..=dash, "-");
            Some(text)
        }
        _ if raw.lines().count() == 1 => scalar(raw, column, old, new),
        _ => None,
    }
}

/// Writes a value in one line; `None` where it takes several.
fn plain(value: &Value) -> Option<String> {
    if value.as_array().is_some() || value.as_object().is_some() {
        return None;
    }
    let written = yaml::emit(value, &EmitOptions::new(Profile::Sigs));
    let written = written.trim_end_matches('\n');
    (!written.contains('\n')).then(|| written.to_owned())
}

/// Changes the scalar that begins at a column of a line; what stands behind it stays.
fn scalar(line: &str, column: usize, old: &Value, new: &Value) -> Option<String> {
    let (before, text) = (line.get(..column)?, line.get(column..)?);
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => {
            let inner = &text[1..];
            // A text with its quote or a backslash in it is left to the reader of the whole.
            let end = inner.find([quote, '\\'])?;
            if !inner[end..].starts_with(quote) || inner[end + 1..].starts_with(quote) {
                return None;
            }
            end + 2
        }
        None if text.starts_with(['|', '>', '&', '*', '!', '[', '{']) => return None,
        None => text
            .find(" #")
            .map_or(text, |comment| &text[..comment])
            .trim_end()
            .len(),
    };
    old.as_str().or_else(|| plain(old).map(|_| ""))?;
    let written = match (quote, new.as_str()) {
        (Some(quote), Some(text)) if text.chars().all(is_simple) => format!("{quote}{text}{quote}"),
        _ => plain(new)?,
    };
    Some(format!("{before}{written}{}", &text[end..]))
}

/// Whether a character is the same within quotes of both kinds.
fn is_simple(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\') || c == ' '
}

/// Changes a map in braces that takes one line and holds plain values alone.
fn flow(raw: &str, column: usize, old: &Map, new: &Map) -> Option<String> {
    let (before, text) = (raw.get(..column)?, raw.get(column..)?);
    if raw.lines().count() != 1 {
        return None;
    }
    let end = text.rfind('}')? + 1;
    let mut keys: Vec<(usize, &str)> = Vec::new();
    for (key, _) in old {
        keys.push((text.find(&**key)?, key));
    }
    keys.sort_unstable();
    let kept = keys
        .into_iter()
        .map(|(_, key)| key)
        .filter(|key| new.get(key).is_some());
    let added = new
        .iter()
        .map(|(key, _)| &**key)
        .filter(|key| old.get(key).is_none());
    let mut parts = Vec::new();
    for key in kept.chain(added) {
        let value = new.get(key)?;
        let written = plain(value)?;
        let needs_quotes = written.contains([',', '[', ']', '{', '}']) && !written.starts_with('"');
        let written = match value.as_str() {
            Some(text) if needs_quotes && text.chars().all(is_simple) => format!("\"{text}\""),
            _ => written,
        };
        parts.push(format!("{}: {written}", plain(&Value::from(key))?));
    }
    Some(format!("{before}{{{}}}{}", parts.join(", "), &text[end..]))
}

/// A key of a map in lines, with all lines of its value.
struct Member {
    /// Comments and blank lines above.
    above: String,
    key: String,
    text: String,
}

/// Takes a map apart whose keys begin at a column. Returns its members, and the comments below the last.
fn members(text: &str, column: usize) -> Option<(Vec<Member>, String)> {
    let mut out: Vec<Member> = Vec::new();
    let mut pending = String::new();
    for line in text.split_inclusive('\n') {
        if is_blank_or_comment(line) {
            pending.push_str(line);
            continue;
        }
        let indent = indent_of(line);
        if indent < column {
            return None;
        }
        let is_list_below = line[indent..].starts_with("- ") || line[indent..].trim_end() == "-";
        if indent == column && !is_list_below {
            out.push(Member {
                above: std::mem::take(&mut pending),
                key: String::new(),
                text: line.to_owned(),
            });
        } else {
            let last = &mut out.last_mut()?.text;
            last.push_str(&std::mem::take(&mut pending));
            last.push_str(line);
        }
    }
    for member in &mut out {
        let value = parse_value(&member.text).ok()?;
        let map = value.as_object()?;
        let (key, _) = map.iter().next().filter(|_| map.len() == 1)?;
        member.key = key.to_string();
    }
    Some((out, pending))
}

fn indented(text: &str, column: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if !line.is_empty() {
            out.push_str(&" ".repeat(column));
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

fn written_member(key: &str, value: &Value, column: usize) -> String {
    let mut map = Map::new();
    map.insert(key, value.clone());
    let text = yaml::emit(&Value::Object(map), &EmitOptions::new(Profile::Sigs));
    indented(&text, column)
}

/// Changes a map in lines whose keys begin at a column.
fn block(text: &str, column: usize, old: &Map, new: &Map) -> Option<String> {
    let (members, tail) = members(text, column)?;
    if members.len() != old.len() {
        return None;
    }
    let mut out = String::new();
    for member in &members {
        let before = old.get(&member.key)?;
        let Some(after) = new.get(&member.key) else {
            continue;
        };
        out.push_str(&member.above);
        if before == after {
            out.push_str(&member.text);
        } else {
            let revised = revise_member(&member.text, column, before, after);
            out.push_str(&revised.unwrap_or_else(|| written_member(&member.key, after, column)));
        }
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    for (key, value) in new {
        if old.get(key).is_none() {
            out.push_str(&written_member(key, value, column));
        }
    }
    out.push_str(&tail);
    Some(out)
}

/// Returns where the value of a key begins in its line, and whether it is in the lines below.
fn value_at(line: &str, column: usize) -> Option<(usize, bool)> {
    let rest = line.get(column..)?;
    let colon = match rest.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = rest[1..].find(quote)? + 2;
            rest[end..].starts_with(':').then_some(end)?
        }
        _ => {
            rest.match_indices(':')
                .find(|(i, _)| rest[i + 1..].starts_with([' ', '\n', '\r']) || i + 1 == rest.len())?
                .0
        }
    };
    let behind = &rest[colon + 1..];
    let start = column + colon + 1 + indent_of(behind);
    let content = behind.trim();
    Some((start, content.is_empty() || content.starts_with('#')))
}

fn revise_member(text: &str, column: usize, old: &Value, new: &Value) -> Option<String> {
    let first = text.split_inclusive('\n').next()?;
    let (start, below) = value_at(first, column)?;
    let rest = &text[first.len()..];
    if !below {
        return match (old, new) {
            _ if !rest.is_empty() => None,
            (Value::Object(old), Value::Object(new)) => flow(text, start, old, new),
            _ => scalar(text, start, old, new),
        };
    }
    let line = rest
        .split_inclusive('\n')
        .find(|line| !is_blank_or_comment(line))?;
    let inner = indent_of(line);
    let changed = match (old, new) {
        (Value::Object(old), Value::Object(new)) if inner > column => block(rest, inner, old, new)?,
        (Value::Array(old), Value::Array(new)) if inner >= column => list(rest, inner, old, new)?,
        _ => return None,
    };
    Some(format!("{first}{changed}"))
}

/// Changes a list in lines whose dashes are at a column.
fn list(text: &str, column: usize, old: &[Value], new: &[Value]) -> Option<String> {
    if new.is_empty() {
        return None;
    }
    let (mut items, mut pending): (Vec<(String, String)>, String) = (Vec::new(), String::new());
    for line in text.split_inclusive('\n') {
        if is_blank_or_comment(line) {
            pending.push_str(line);
        } else if indent_of(line) == column && line[column..].starts_with("- ") {
            items.push((std::mem::take(&mut pending), line.to_owned()));
        } else {
            let last = &mut items.last_mut()?.1;
            last.push_str(&std::mem::take(&mut pending));
            last.push_str(line);
        }
    }
    if items.len() != old.len() {
        return None;
    }
    let same = |a: &Value, b: &Value| a == b;
    let front = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let left = old.len().min(new.len()) - front;
    let back = old.iter().rev().zip(new.iter().rev());
    let back = back.take(left).take_while(|(a, b)| same(a, b)).count();
    let mut out = String::new();
    let keep = |out: &mut String, items: &[(String, String)]| {
        for (above, text) in items {
            out.push_str(above);
            out.push_str(text);
            if !out.ends_with('\n') {
                out.push('\n');
            }
        }
    };
    keep(&mut out, &items[..front]);
    let (changed, fresh) = (
        &items[front..old.len() - back],
        &new[front..new.len() - back],
    );
    for (i, value) in fresh.iter().enumerate() {
        let revised = changed
            .get(i)
            .filter(|_| changed.len() == fresh.len())
            .and_then(|(above, text)| {
                Some(format!("{above}{}", item(text, &old[front + i], value)?))
            });
        out.push_str(&revised.unwrap_or_else(|| {
            let one = Value::Array(vec![value.clone()].into());
            indented(&yaml::emit(&one, &EmitOptions::new(Profile::Sigs)), column)
        }));
    }
    keep(&mut out, &items[old.len() - back..]);
    out.push_str(&pending);
    Some(out)
}
