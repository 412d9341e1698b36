//! Strings.

use memchr::memmem;

use super::words::{abbreviate, delete_white_space, initials, swap_case, uncapitalize, wrap};
use super::{Table, bytes, cut, int, repeat, string, text};
use crate::error::Result;
use crate::exec::Context;
use crate::format::{self, quote::quote_to};
use crate::output::Output;
use crate::text::Str;
use crate::unicode::{chars, is_digit, is_letter, is_space, to_lower, to_title, to_upper};
use crate::value::{List, ListType, Map, MapType, Type, Value};

const STRINGS: Type = Type::List(&ListType::STRINGS);
const STRING_MAP: Type = Type::Map(&MapType::STRINGS);

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Any, Bool, Int, String};
    table.add("trim", &[String], String, |_, a| Ok(trim_space(&a[0])));
    table.add("upper", &[String], String, |_, a| {
        Ok(map_chars(&a[0], |b| b.to_ascii_uppercase(), to_upper))
    });
    table.add("lower", &[String], String, |_, a| {
        Ok(map_chars(&a[0], |b| b.to_ascii_lowercase(), to_lower))
    });
    table.add("title", &[String], String, |_, a| {
        Ok(bytes(title(text(&a[0]))))
    });
    table.add("untitle", &[String], String, |_, a| {
        Ok(bytes(uncapitalize(text(&a[0]))))
    });
    table.add("swapcase", &[String], String, |_, a| {
        Ok(bytes(swap_case(text(&a[0]))))
    });
    table.add("initials", &[String], String, |_, a| {
        Ok(bytes(initials(text(&a[0]))))
    });
    table.add("nospace", &[String], String, |_, a| {
        Ok(bytes(delete_white_space(text(&a[0]))))
    });
    table.add("trunc", &[Int, String], String, |_, a| {
        let (count, text) = (int(&a[0]), text(&a[1]));
        let length = text.len() as i64;
        Ok(bytes(if count < 0 && length + count > 0 {
            &text[(length + count) as usize..]
        } else if count >= 0 && length > count {
            &text[..count as usize]
        } else {
            text
        }))
    });
    table.add("abbrev", &[Int, String], String, |_, a| {
        let (width, text) = (int(&a[0]), text(&a[1]));
        Ok(bytes(if width < 4 {
            text.to_vec()
        } else {
            abbreviate(text, 0, width)?
        }))
    });
    table.add("abbrevboth", &[Int, Int, String], String, |_, a| {
        let (left, right, text) = (int(&a[0]), int(&a[1]), text(&a[2]));
        if right < 4 || left > 0 && right < 7 {
            return Ok(bytes(text));
        }
        Ok(bytes(abbreviate(text, left, right)?))
    });
    table.add("substr", &[Int, Int, String], String, |_, a| {
        let (start, end, text) = (int(&a[0]), int(&a[1]), text(&a[2]));
        let length = text.len() as i64;
        Ok(bytes(if start < 0 {
            cut(text, 0, end)?
        } else if end < 0 || end > length {
            cut(text, start, length)?
        } else {
            cut(text, start, end)?
        }))
    });
    table.add("repeat", &[Int, String], String, |context, a| {
        Ok(bytes(repeat(context, text(&a[1]), int(&a[0]))?))
    });
    for name in ["trimAll", "trimall"] {
        table.add(name, &[String, String], String, |_, a| {
            Ok(bytes(trim_set(text(&a[1]), text(&a[0]))))
        });
    }
    table.add("trimSuffix", &[String, String], String, |_, a| {
        Ok(match text(&a[1]).strip_suffix(text(&a[0])) {
            Some(rest) if !text(&a[0]).is_empty() => bytes(rest),
            _ => std::mem::take(&mut a[1]),
        })
    });
    table.add("trimPrefix", &[String, String], String, |_, a| {
        Ok(match text(&a[1]).strip_prefix(text(&a[0])) {
            Some(rest) if !text(&a[0]).is_empty() => bytes(rest),
            _ => std::mem::take(&mut a[1]),
        })
    });
    table.add("contains", &[String, String], Bool, |_, a| {
        Ok(Value::Bool(
            memmem::find(text(&a[1]), text(&a[0])).is_some(),
        ))
    });
    table.add("hasPrefix", &[String, String], Bool, |_, a| {
        Ok(Value::Bool(text(&a[1]).starts_with(text(&a[0]))))
    });
    table.add("hasSuffix", &[String, String], Bool, |_, a| {
        Ok(Value::Bool(text(&a[1]).ends_with(text(&a[0]))))
    });
    table.add("wrap", &[Int, String], String, |context, a| {
        let wrapped = wrap(context, text(&a[1]), int(&a[0]), b"", false)?;
        Ok(bytes(wrapped))
    });
    table.add("wrapWith", &[Int, String, String], String, |context, a| {
        let wrapped = wrap(context, text(&a[2]), int(&a[0]), text(&a[1]), true)?;
        Ok(bytes(wrapped))
    });
    table.add_variadic("quote", &[Any], String, |context, a| {
        quoted(context, a, |out, value| {
            let mut text = std::string::String::new();
            quote_to(&mut text, value.as_bytes(), '"', false);
            out.write_str(&text);
        })
    });
    table.add_variadic("squote", &[Any], String, squote);
    table.add_variadic("cat", &[Any], String, |context, a| {
        let values: Vec<Value> = a
            .iter()
            .filter(|value| !matches!(value, Value::Nil))
            .cloned()
            .collect();
        let mut output = Output::new();
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                output.write_char(' ');
            }
            format::print_value(&mut output, value, context.limits())?;
        }
        Ok(Value::Str(output.into()))
    });
    table.add("indent", &[Int, String], String, |context, a| {
        indent(context, int(&a[0]), &a[1], false)
    });
    table.add("nindent", &[Int, String], String, |context, a| {
        indent(context, int(&a[0]), &a[1], true)
    });
    table.add(
        "replace",
        &[String, String, String],
        String,
        |context, a| replace(context, &a[2], text(&a[0]), text(&a[1])),
    );
    table.add("plural", &[String, String, Int], String, |_, a| {
        let chosen = usize::from(int(&a[2]) != 1);
        Ok(std::mem::take(&mut a[chosen]))
    });
    table.add("toString", &[Any], String, |context, a| {
        Ok(Value::Str(format::to_text(&a[0], context.limits())?))
    });
    table.add("toStrings", &[Any], STRINGS, |context, a| {
        Ok(Value::List(strings(context, &a[0])?))
    });
    table.add("sortAlpha", &[Any], STRINGS, |context, a| {
        if !matches!(a[0], Value::List(_)) {
            let text = format::to_text(&a[0], context.limits())?;
            return Ok(Value::strings([text]));
        }
        let list = strings(context, &a[0])?;
        list.sort_by(|a, b| text(a).cmp(text(b)));
        Ok(Value::List(list))
    });
    table.add("join", &[String, Any], String, |context, a| {
        let list = strings(context, &a[1])?;
        let parts: Vec<Str> = list.items().iter().map(string).collect();
        let size: usize = parts
            .iter()
            .map(|part| part.len() + a[0].as_str().map_or(0, str::len))
            .sum();
        context.check_size(size as u64)?;
        let mut out = Vec::with_capacity(size);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(text(&a[0]));
            }
            out.extend_from_slice(part.as_bytes());
        }
        Ok(Value::Str(Str::from(out)))
    });
    table.add("split", &[String, String], STRING_MAP, |_, a| {
        Ok(numbered(split(text(&a[1]), text(&a[0]), -1)))
    });
    table.add("splitn", &[String, Int, String], STRING_MAP, |_, a| {
        Ok(numbered(split(text(&a[2]), text(&a[0]), int(&a[1]))))
    });
    table.add("splitList", &[String, String], STRINGS, |_, a| {
        Ok(Value::strings(split(text(&a[1]), text(&a[0]), -1)))
    });
    table.add("shuffle", &[String], String, |context, a| {
        let mut characters: Vec<char> = chars(text(&a[0])).map(|(c, _)| c).collect();
        for at in (1..characters.len()).rev() {
            let other = context.random().below(at as u64 + 1) as usize;
            characters.swap(at, other);
        }
        Ok(Value::Str(Str::from(
            characters.into_iter().collect::<std::string::String>(),
        )))
    });
    table.add("randAlphaNum", &[Int], String, |context, a| {
        random(context, int(&a[0]), |c| c.is_ascii_alphanumeric())
    });
    table.add("randAlpha", &[Int], String, |context, a| {
        random(context, int(&a[0]), |c| c.is_ascii_alphabetic())
    });
    table.add("randNumeric", &[Int], String, |context, a| {
        random(context, int(&a[0]), |c| c.is_ascii_digit())
    });
    table.add("randAscii", &[Int], String, random_ascii);
}

/// Makes a string of characters between space and `z` that `accepts` lets through.
fn random(context: &mut Context<'_>, count: i64, accepts: fn(char) -> bool) -> Result<Value> {
    let count = u64::try_from(count).unwrap_or(0);
    context.check_size(count)?;
    context.spend(count)?;
    let mut out = std::string::String::new();
    while (out.len() as u64) < count {
        let c = char::from(b' ' + context.random().below(91) as u8);
        if accepts(c) {
            out.push(c);
        }
    }
    Ok(Value::from(out))
}

/// Makes a string of printable ASCII characters.
fn random_ascii(context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
    let count = u64::try_from(int(&arguments[0])).unwrap_or(0);
    context.check_size(count)?;
    context.spend(count)?;
    let mut out = std::string::String::new();
    for _ in 0..count {
        out.push(char::from(b' ' + context.random().below(95) as u8));
    }
    Ok(Value::from(out))
}

fn trim_space(value: &Value) -> Value {
    let text = string(value);
    let Some(trimmed) = text.as_str().map(|text| text.trim_matches(is_space)) else {
        return bytes(trim_with(text.as_bytes(), is_space));
    };
    if trimmed.len() == text.len() {
        Value::Str(text)
    } else {
        Value::from(trimmed)
    }
}

/// Trims characters of bytes that need not be UTF-8.
fn trim_with(text: &[u8], accepts: impl Fn(char) -> bool) -> &[u8] {
    let parts: Vec<(usize, usize, bool)> = {
        let mut at = 0;
        chars(text)
            .map(|(c, width)| {
                at += width;
                (at - width, at, accepts(c))
            })
            .collect()
    };
    let start = parts
        .iter()
        .find(|(_, _, trims)| !trims)
        .map_or(text.len(), |(start, ..)| *start);
    let end = parts
        .iter()
        .rev()
        .find(|(_, _, trims)| !trims)
        .map_or(start, |(_, end, _)| *end);
    &text[start..end]
}

fn trim_set<'a>(text: &'a [u8], set: &[u8]) -> &'a [u8] {
    let set: Vec<char> = chars(set).map(|(c, _)| c).collect();
    trim_with(text, |c| set.contains(&c))
}

/// Maps every character to one other.
fn map_chars(value: &Value, ascii: fn(u8) -> u8, map: fn(char) -> char) -> Value {
    let text = string(value);
    if text.as_bytes().is_ascii() {
        if text.as_bytes().iter().all(|byte| ascii(*byte) == *byte) {
            return Value::Str(text);
        }
        return bytes(
            text.as_bytes()
                .iter()
                .map(|byte| ascii(*byte))
                .collect::<Vec<u8>>(),
        );
    }
    let mapped: std::string::String = chars(text.as_bytes()).map(|(c, _)| map(c)).collect();
    Value::from(mapped)
}

/// `strings.Title`: the first letter of every word in title case.
fn title(text: &[u8]) -> std::string::String {
    let mut last = ' ';
    let separates = |c: char| {
        if c.is_ascii() {
            !(c.is_ascii_alphanumeric() || c == '_')
        } else {
            !is_letter(c) && !is_digit(c) && is_space(c)
        }
    };
    chars(text)
        .map(|(c, _)| {
            let mapped = if separates(last) { to_title(c) } else { c };
            last = c;
            mapped
        })
        .collect()
}

fn quoted(context: &Context<'_>, values: &[Value], write: fn(&mut Output, &Str)) -> Result<Value> {
    let mut output = Output::new();
    for value in values {
        if matches!(value, Value::Nil) {
            continue;
        }
        if !output.is_empty() {
            output.write_char(' ');
        }
        write(&mut output, &format::to_text(value, context.limits())?);
    }
    Ok(Value::Str(output.into()))
}

fn squote(context: &mut Context<'_>, values: &mut [Value]) -> Result<Value> {
    let mut output = Output::new();
    for value in values.iter().filter(|value| !matches!(value, Value::Nil)) {
        output.write_str(if output.is_empty() { "'" } else { " '" });
        format::print_value(&mut output, value, context.limits())?;
        output.write_char('\'');
    }
    Ok(Value::Str(output.into()))
}

fn indent(context: &Context<'_>, spaces: i64, value: &Value, newline: bool) -> Result<Value> {
    let source = text(value);
    let pad = repeat(context, b" ", spaces)?;
    let lines = 1 + memchr::memchr_iter(b'\n', source).count();
    let size = pad
        .len()
        .saturating_mul(lines)
        .saturating_add(source.len() + 1);
    context.check_size(size as u64)?;
    let Some(source) = value.as_str() else {
        return Ok(bytes(indent_bytes(source, &pad, newline, size)));
    };
    // Text stays text: no need to look whether the result is.
    let pad = " ".repeat(pad.len());
    let mut out = std::string::String::with_capacity(size);
    if newline {
        out.push('\n');
    }
    out.push_str(&pad);
    let mut rest = source;
    while let Some(at) = memchr::memchr(b'\n', rest.as_bytes()) {
        out.push_str(&rest[..=at]);
        out.push_str(&pad);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn indent_bytes(source: &[u8], pad: &[u8], newline: bool, size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    if newline {
        out.push(b'\n');
    }
    out.extend_from_slice(pad);
    for byte in source {
        out.push(*byte);
        if *byte == b'\n' {
            out.extend_from_slice(pad);
        }
    }
    out
}

/// `strings.ReplaceAll`: an empty text is found between all characters.
fn replace(context: &Context<'_>, value: &Value, from: &[u8], to: &[u8]) -> Result<Value> {
    let source = text(value);
    if from.is_empty() {
        let count = chars(source).count() + 1;
        context.check_size((to.len().saturating_mul(count) + source.len()) as u64)?;
        let mut out = to.to_vec();
        let mut at = 0;
        for (_, width) in chars(source) {
            out.extend_from_slice(&source[at..at + width]);
            out.extend_from_slice(to);
            at += width;
        }
        return Ok(bytes(out));
    }
    let finder = memmem::Finder::new(from);
    let count = finder.find_iter(source).count();
    if count == 0 || from == to {
        return Ok(value.clone());
    }
    let size = (source.len() - count * from.len()).saturating_add(count.saturating_mul(to.len()));
    context.check_size(size as u64)?;
    let mut out = Vec::with_capacity(size);
    let mut at = 0;
    for found in finder.find_iter(source) {
        out.extend_from_slice(&source[at..found]);
        out.extend_from_slice(to);
        at = found + from.len();
    }
    out.extend_from_slice(&source[at..]);
    Ok(bytes(out))
}

/// `strings.SplitN`.
fn split(text: &[u8], separator: &[u8], count: i64) -> Vec<Str> {
    if count == 0 {
        return Vec::new();
    }
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut at = 0;
    if separator.is_empty() {
        for (_, width) in chars(text) {
            if parts.len() + 1 == most {
                break;
            }
            parts.push(Str::from_bytes(&text[at..at + width]));
            at += width;
        }
        if at < text.len() {
            parts.push(Str::from_bytes(&text[at..]));
        }
        return parts;
    }
    let finder = memmem::Finder::new(separator);
    while parts.len() + 1 < most
        && let Some(found) = finder.find(&text[at..])
    {
        parts.push(Str::from_bytes(&text[at..at + found]));
        at += found + separator.len();
    }
    parts.push(Str::from_bytes(&text[at..]));
    parts
}

fn numbered(parts: Vec<Str>) -> Value {
    let entries = parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| (Str::from(format!("_{at}")), part.into()));
    Value::Map(Map::from_entries(&MapType::STRINGS, entries.collect()))
}

/// Sprig's way to strings: a list without its nils, or a single string.
fn strings(context: &Context<'_>, value: &Value) -> Result<List> {
    match value {
        Value::Nil | Value::Missing => Ok(List::strings(Vec::<Str>::new())),
        Value::List(list) if list.ty().name() == ListType::STRINGS.name() => Ok(list.clone()),
        Value::List(list) => {
            let mut out = Vec::with_capacity(list.len());
            for item in list
                .items()
                .iter()
                .filter(|item| !matches!(item, Value::Nil))
            {
                out.push(format::to_text(item, context.limits())?);
            }
            Ok(List::strings(out))
        }
        other => Ok(List::strings([format::to_text(other, context.limits())?])),
    }
}
