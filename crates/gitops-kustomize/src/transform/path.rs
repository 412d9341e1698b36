//! Paths within resources, as replacements and variables write them: `spec.containers.[name=web].image`, `a.0.b`.

use regex::Regex;

use crate::fieldspec::split_path;
use crate::near;
use crate::node::{Kind, Node, Scalar, WrongKind};
use crate::selector;

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error(transparent)]
    Kind(#[from] WrongKind),
    #[error("`{part}` names no list item: write it as `[field=value]`")]
    Item { part: String },
    #[error("there is no item {index}: the list has {len}")]
    Index { index: usize, len: usize },
    #[error("`*` is not possible here")]
    Wildcard,
    #[error("`{pattern}` is no regular expression: {reason}")]
    Pattern { pattern: String, reason: String },
}

type Result<T> = std::result::Result<T, PathError>;

/// Splits a path at dots; `\.` stands for a dot in a name, and a part in brackets may have dots.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut parts = split_path(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            out.push(part);
            continue;
        }
        let mut joined = part;
        for part in parts.by_ref() {
            let last = part.ends_with(']');
            joined.push('.');
            joined.push_str(&part);
            if last {
                break;
            }
        }
        if joined.contains('=') {
            out.push(joined);
        } else {
            out.push(joined.trim_matches(['[', ']']).to_owned());
        }
    }
    out
}

/// Reads a part as Go's `Atoi` does.
fn integer(part: &str) -> Option<i64> {
    part.parse().ok()
}

fn is_item(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn item(part: &str) -> Result<(&str, &str)> {
    let inner = part.strip_prefix('[').unwrap_or(part);
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| PathError::Item {
        part: part.to_owned(),
    })
}

/// Returns the place of what a part names in a node.
fn step(node: &Node, part: &str) -> Result<Option<usize>> {
    if let Some(index) = integer(part) {
        node.expect(Kind::Seq)?;
        let Ok(index) = usize::try_from(index) else {
            return Err(PathError::Item {
                part: part.to_owned(),
            });
        };
        return Ok(node
            .as_seq()
            .filter(|items| index < items.len())
            .map(|_| index));
    }
    match part {
        "-" => {
            node.expect(Kind::Seq)?;
            Ok(node.as_seq().and_then(|items| items.len().checked_sub(1)))
        }
        "*" => Err(PathError::Wildcard),
        part if is_item(part) => {
            let (field, value) = item(part)?;
            node.expect(Kind::Seq)?;
            Ok(node.as_seq().and_then(|items| {
                items.iter().position(|item| {
                    if field.is_empty() {
                        item.text() == value
                    } else {
                        item.get(field).is_some_and(|v| v.text() == value)
                    }
                })
            }))
        }
        part => {
            node.expect(Kind::Map)?;
            Ok(node
                .as_map()
                .and_then(|entries| entries.iter().position(|(key, _)| key.text == part)))
        }
    }
}

/// Finds the one node that a path leads to.
pub(crate) fn lookup<'a>(node: &'a Node, path: &[String]) -> Result<Option<&'a Node>> {
    let mut at = node;
    for part in path
        .iter()
        .map(|part| part.trim())
        .filter(|p| !p.is_empty())
    {
        let Some(i) = step(at, part)? else {
            return Ok(None);
        };
        at = match at {
            Node::Seq(items) => &items[i],
            Node::Map(entries) => &entries[i].1,
            Node::Scalar(_) => return Ok(None),
        };
    }
    Ok(Some(at))
}

/// Finds the one node that a path leads to, for changing.
pub(crate) fn lookup_mut<'a>(node: &'a mut Node, path: &[String]) -> Result<Option<&'a mut Node>> {
    let mut at = node;
    for part in path
        .iter()
        .map(|part| part.trim())
        .filter(|p| !p.is_empty())
    {
        let Some(i) = step(at, part)? else {
            return Ok(None);
        };
        at = match at {
            Node::Seq(items) => &mut items[i],
            Node::Map(entries) => &mut entries[i].1,
            Node::Scalar(_) => return Ok(None),
        };
    }
    Ok(Some(at))
}

/// Asks for the field that is nearest to the first part of a path that leads nowhere, if one is near.
pub(crate) fn near(node: &Node, path: &[String]) -> Option<String> {
    let mut at = node;
    for part in path {
        let part = part.trim();
        let next = match (step(at, part), at) {
            (Ok(Some(i)), Node::Seq(items)) => &items[i],
            (Ok(Some(i)), Node::Map(entries)) => &entries[i].1,
            (Ok(None), Node::Map(entries)) => {
                return near::did_you_mean(part, entries.iter().map(|(key, _)| &*key.text));
            }
            (Err(PathError::Wildcard), Node::Seq(items)) => items.first()?,
            _ => return None,
        };
        at = next;
    }
    None
}

/// Returns what is created before a part.
fn kind_before(next: Option<&String>, last: Kind) -> Kind {
    match next {
        None => last,
        Some(part) if is_item(part) || integer(part).is_some_and(|i| i >= 0) => Kind::Seq,
        Some(part) if part.is_empty() => last,
        Some(_) => Kind::Map,
    }
}

/// Walks a path with `*` and patterns for list items, and calls `found` on every node that it leads to. Where
/// `create` is a kind, what is absent is made, the last node of that kind. Returns how many were found.
pub(crate) fn matches<E: From<PathError>>(
    node: &mut Node,
    path: &[String],
    create: Option<Kind>,
    found: &mut impl FnMut(&mut Node) -> std::result::Result<(), E>,
) -> std::result::Result<usize, E> {
    let Some((part, rest)) = path.split_first() else {
        found(node)?;
        return Ok(1);
    };
    let check = |node: &Node, kind| node.expect(kind).map_err(PathError::from);
    if let Some(index) = integer(part).filter(|index| *index >= 0) {
        check(node, Kind::Seq)?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = index as usize;
        let len = node.as_seq().map_or(0, <[Node]>::len);
        let Node::Seq(items) = node else {
            return Err(PathError::Index { index, len }.into());
        };
        if index == len
            && let Some(last) = create
        {
            items.push(Node::empty(kind_before(rest.first(), last)));
        }
        let len = items.len();
        let Some(item) = items.get_mut(index) else {
            return Err(PathError::Index { index, len }.into());
        };
        return matches(item, rest, create, found);
    }
    if is_item(part) {
        return match_items(node, part, rest, create, found);
    }
    if part == "*" {
        check(node, Kind::Seq)?;
        let mut count = 0;
        if let Node::Seq(items) = node {
            for item in items {
                count += matches(item, rest, create, found)?;
            }
        }
        return Ok(count);
    }
    check(node, Kind::Map)?;
    let Node::Map(entries) = node else {
        // Null has no fields, and what is put in is lost.
        return match create {
            Some(last) => {
                let mut lost = Node::empty(kind_before(rest.first(), last));
                matches(&mut lost, rest, create, found)
            }
            None => Ok(0),
        };
    };
    let at = match (entries.iter().position(|(k, _)| k.text == *part), create) {
        (Some(i), _) => i,
        (None, None) => return Ok(0),
        (None, Some(last)) => {
            let value = Node::empty(kind_before(rest.first(), last));
            entries.push((Scalar::open(part.as_str()), value));
            entries.len() - 1
        }
    };
    let field = &mut entries[at].1;
    if let Node::Scalar(scalar) = field
        && !rest.is_empty()
    {
        // kustomize looks into the text for YAML, and what it sets there is lost.
        let Some((mut inner, _)) = crate::read::embedded(&scalar.text) else {
            return Ok(0);
        };
        return matches(&mut inner, rest, create, found);
    }
    matches(field, rest, create, found)
}

fn match_items<E: From<PathError>>(
    node: &mut Node,
    part: &str,
    rest: &[String],
    create: Option<Kind>,
    found: &mut impl FnMut(&mut Node) -> std::result::Result<(), E>,
) -> std::result::Result<usize, E> {
    let (field, pattern) = item(part)?;
    node.expect(Kind::Seq).map_err(PathError::from)?;
    let regex = selector::pattern(pattern).map_err(|reason| PathError::Pattern {
        pattern: pattern.to_owned(),
        reason,
    })?;
    let Node::Seq(items) = node else {
        return Ok(0);
    };
    let mut count = 0;
    for round in 0..2 {
        for item in items.iter_mut() {
            if !item_matches(item, field, &regex) {
                continue;
            }
            count += if field.is_empty() {
                found(item)?;
                1
            } else {
                matches(item, rest, create, found)?
            };
        }
        if count > 0 || create.is_none() || round > 0 {
            break;
        }
        let value = Node::open(pattern);
        items.push(if field.is_empty() {
            value
        } else {
            Node::Map(vec![(Scalar::open(field), value)])
        });
    }
    Ok(count)
}

/// Whether an item, or a field of it, matches a pattern as it is written in YAML.
fn item_matches(item: &Node, field: &str, pattern: &Regex) -> bool {
    let value = if field.is_empty() {
        Some(item)
    } else {
        item.get(field)
    };
    value.is_some_and(|value| match value {
        Node::Scalar(scalar) => {
            let text = written(scalar);
            pattern.is_match(text.trim())
        }
        _ => false,
    })
}

/// Writes a scalar as YAML does, its quotes included.
fn written(scalar: &Scalar) -> std::borrow::Cow<'_, str> {
    use crate::node::Tag;
    let needs = scalar.quoted
        || (scalar.tag == Tag::Str && crate::scalar::resolve(&scalar.text) != Tag::Str);
    if needs {
        format!("\"{}\"", scalar.text).into()
    } else {
        scalar.text.as_str().into()
    }
}
