//! Taking out and putting in values at JSON pointers, sparing what lies within others.

use gitops_manifest::{Map, Value};

use crate::Pointer;
use crate::json_patch::Dialect;

/// Removes what a pointer points to, but for what is at the pointers of `except`. Nothing changes where nothing is there.
pub(crate) fn remove(root: &mut Value, pointer: &Pointer, dialect: Dialect, except: &[Pointer]) {
    let spared: Vec<&Pointer> = except
        .iter()
        .filter(|spared| pointer.contains(spared))
        .collect();
    let Some((last, way)) = pointer.tokens().split_last() else {
        return;
    };
    // Looked for first: a search for changing would copy the levels on the way to nothing.
    let mut here = &*root;
    for token in pointer.tokens() {
        let below = match here {
            Value::Object(map) => map.get(token),
            Value::Array(list) => dialect.index(token, list.len()).map(|i| &list[i]),
            _ => None,
        };
        match below {
            Some(below) => here = below,
            None => return,
        }
    }
    let depth = pointer.tokens().len();
    let rest = spared
        .iter()
        .filter_map(|spared| only(here, &spared.tokens()[depth..]))
        .reduce(join);
    let parent = way.iter().try_fold(root, |value, token| match value {
        Value::Object(map) => map.get_mut(token),
        Value::Array(list) => match dialect.index(token, list.len()) {
            Some(i) => list.make_mut().get_mut(i),
            None => None,
        },
        _ => None,
    });
    match (parent, rest) {
        (Some(Value::Object(map)), None) => {
            map.remove(last);
        }
        (Some(Value::Object(map)), Some(rest)) => {
            map.insert(last, rest);
        }
        (Some(Value::Array(list)), rest) => {
            if let Some(i) = dialect.index(last, list.len()) {
                match rest {
                    Some(rest) => list.make_mut()[i] = rest,
                    None => {
                        list.make_mut().remove(i);
                    }
                }
            }
        }
        _ => {}
    }
}

/// What a value is with nothing in it but the way to one place.
fn only(value: &Value, tokens: &[gitops_manifest::Str]) -> Option<Value> {
    let Some((first, rest)) = tokens.split_first() else {
        return Some(value.clone());
    };
    match value {
        Value::Object(map) => {
            let below = only(map.get(first)?, rest)?;
            Some(Value::Object(Map::from([(first, below)])))
        }
        _ => None,
    }
}

fn join(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Object(mut a), Value::Object(b)) => {
            for (key, value) in b {
                let joined = match a.remove(&key) {
                    Some(below) => join(below, value),
                    None => value,
                };
                a.insert(key, joined);
            }
            Value::Object(a)
        }
        (_, b) => b,
    }
}

/// Puts `value` at a pointer, but for what is at the pointers of `except`. Maps on the way are made where they are missing.
pub(crate) fn put(root: &mut Value, pointer: &Pointer, value: &Value, except: &[Pointer]) {
    let kept: Vec<(&Pointer, Option<Value>)> = except
        .iter()
        .filter(|spared| pointer.contains(spared))
        .map(|spared| (spared, spared.get(root).cloned()))
        .collect();
    set(root, pointer, value.clone());
    for (pointer, before) in kept {
        match before {
            Some(before) => set(root, pointer, before),
            None => remove(root, pointer, Dialect::Rfc6902, &[]),
        }
    }
}

fn set(root: &mut Value, pointer: &Pointer, value: Value) {
    let mut here = root;
    for token in pointer.tokens() {
        here = match here {
            Value::Array(list) => match Dialect::Rfc6902.index(token, list.len()) {
                Some(i) => &mut list.make_mut()[i],
                None => return,
            },
            Value::Object(map) => map.entry(token),
            Value::Null => {
                *here = Value::Object(Map::new());
                match here {
                    Value::Object(map) => map.entry(token),
                    _ => return,
                }
            }
            _ => return,
        };
    }
    *here = value;
}

/// Writes JSON as Go's encoder does, which escapes what HTML could take for its own: the form of annotations that hold
/// objects.
pub(crate) fn go_json(value: &Value) -> String {
    let text = value.to_json();
    // Such characters occur in strings alone.
    let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    if !text.contains(special) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if special.contains(&char) {
            out.push_str(&format!("\\u{:04x}", char as u32));
        } else {
            out.push(char);
        }
    }
    out
}
