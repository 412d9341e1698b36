//! Random jq path expressions.

use gitops_manifest::Value;

use crate::random::Random;

/// An expression as people write them into ignore rules, for this object.
pub(crate) fn expression(random: &mut Random, object: &Value) -> String {
    let path = path(random, object);
    match random.below(14) {
        0 => format!("{path} | .[0]?"),
        1 => format!("{path}, .metadata.name"),
        2 => format!("{path} | select(. != null)"),
        3 => format!("{path}[]?"),
        4 => format!("{path} | to_entries"),
        5 => "paths(type == \"string\")".to_owned(),
        6 => format!("{path} | .. | .name?"),
        7 => format!("{path} | first(.[]?)"),
        8 => format!("{path}?"),
        9 => format!("{path} // .metadata"),
        _ => path,
    }
}

fn path(random: &mut Random, object: &Value) -> String {
    let mut out = String::new();
    let mut value = object;
    loop {
        if !out.is_empty() && random.chance(20) {
            return out;
        }
        match value {
            Value::Object(map) if !map.is_empty() => {
                let (key, below) = random.pick(map.entries());
                let plain = key.chars().all(|c| c.is_ascii_alphanumeric())
                    && key.starts_with(|c: char| c.is_ascii_alphabetic());
                match random.below(8) {
                    0 if out.is_empty() => out.push_str(&format!(".[\"{key}\"]")),
                    0 => out.push_str(&format!("[\"{key}\"]")),
                    _ if plain => out.push_str(&format!(".{key}")),
                    _ => out.push_str(&format!(".\"{key}\"")),
                }
                if random.chance(5) {
                    out.push('?');
                }
                value = below;
            }
            Value::Array(items) if !items.is_empty() => {
                let i = random.below(items.len());
                let item = &items[i];
                let selector = item
                    .as_object()
                    .and_then(|map| map.iter().find(|(_, value)| value.as_str().is_some()));
                match (random.below(8), selector) {
                    (0, _) => out.push_str("[]"),
                    (1, _) => out.push_str(&format!("[{i}]")),
                    (2, _) => out.push_str("[-1]"),
                    (3, _) => out.push_str("[1:]"),
                    (4, Some((key, text))) => {
                        out.push_str(&format!("[] | select(.{key} | startswith({text}))"));
                    }
                    (5, Some((key, text))) => {
                        out.push_str(&format!("[] | select(.{key} | test({text}))"));
                    }
                    (6, Some((key, text))) => {
                        out.push_str(&format!("[] | select(.{key} == {text} or .name == \"a\")"));
                    }
                    (_, Some((key, text))) => {
                        out.push_str(&format!("[] | select(.{key} == {text})"));
                    }
                    _ => out.push_str("[]"),
                }
                if random.chance(30) {
                    return out;
                }
                if out.contains('|') && item.as_object().is_some() {
                    out.push_str(" | ");
                    value = item;
                    // What comes next starts with a dot.
                    if item.as_object().is_some_and(gitops_manifest::Map::is_empty) {
                        out.push('.');
                        return out;
                    }
                    continue;
                }
                value = item;
            }
            _ => {
                if out.is_empty() {
                    out.push('.');
                }
                return out;
            }
        }
    }
}
