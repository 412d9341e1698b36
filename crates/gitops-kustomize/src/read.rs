//! From texts to resources: documents split as kyaml splits them, aliases replaced, lists taken apart.

use std::borrow::Cow;

use gitops_manifest::yaml::{self, NodeKind, ParseOptions, Profile, ScalarStyle};
use gitops_manifest::{Str, Value};
use rustc_hash::FxHashMap;

use crate::kustomization::At;
use crate::kustomization::decode::{Content, Spanned};
use crate::node::{MAX_DEPTH, Node, Scalar, Tag};
use crate::resource::validate;
use crate::scalar;
use crate::schema::Schema;

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    /// Counted from 1; 0 where it is not known.
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
    /// Whether the text is no YAML at all, and so is likely to be meant as a file.
    pub(crate) malformed: bool,
}

impl ReadError {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            column: 0,
            message: message.into(),
            malformed: false,
        }
    }

    fn yaml(error: &yaml::Error, lines_before: usize) -> Self {
        Self {
            line: error.line() + lines_before,
            column: error.column(),
            message: error.message().to_owned(),
            malformed: true,
        }
    }
}

/// A document that is to become a resource, with the line that it begins on.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) node: Node,
    pub(crate) line: usize,
}

/// How many nodes the aliases of one text may bring.
const ALIASED_NODES: usize = 4_000_000;

/// Splits a text at lines that begin with `---`. What follows on that line must be a comment.
fn split(text: &str) -> Result<Vec<(&str, usize)>, ReadError> {
    let mut out = Vec::new();
    if text.is_empty() {
        return Ok(out);
    }
    let (mut from, mut line, mut first_line) = (0, 1, 1);
    let mut search = 0;
    let mut counted = 0;
    while let Some(found) = text[search..].find("\n---") {
        let at = search + found;
        let Some(end) = text[at + 4..].find('\n').map(|n| at + 4 + n) else {
            break;
        };
        line += text[counted..=at].bytes().filter(|b| *b == b'\n').count();
        let rest = text[at + 4..end].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(ReadError::at(
                line,
                format!("`---{}` does not separate documents", &text[at + 4..end]),
            ));
        }
        // All but the last document keep the line feed that the separator begins with.
        out.push((&text[from..=at], first_line));
        from = end + 1;
        search = from;
        line += 1;
        counted = from;
        first_line = line;
    }
    out.push((&text[from..], first_line));
    Ok(out)
}

/// Reads the first document of a text.
fn first_node(text: &str, options: &ParseOptions) -> Result<Option<yaml::Node>, yaml::Error> {
    let mut options = options.clone();
    options.max_depth = MAX_DEPTH;
    Ok(yaml::parse_nodes(text, &options)?.into_iter().next())
}

/// Reads the documents of a text, as they are.
fn documents(text: &str, schemas: &mut Vec<Schema>) -> Result<(Vec<Document>, usize), ReadError> {
    let text: Cow<'_, str> = if text.contains("\r\n") {
        text.replace("\r\n", "\n").into()
    } else {
        text.into()
    };
    let options = ParseOptions::new(Profile::Kyaml);
    let parts = split(&text)?;
    let mut out = Vec::with_capacity(parts.len());
    for &(part, line) in &parts {
        let node = first_node(part, &options).map_err(|error| ReadError::yaml(&error, line - 1))?;
        let Some(node) = node else { continue };
        let first = line;
        let line = line + node.line.saturating_sub(1);
        let node = convert(node, first, &mut Notes::find(part, schemas))?;
        if !node.fits() {
            return Err(ReadError::at(line, "the document is too deep or too large"));
        }
        if !node.is_null() {
            out.push(Document { node, line });
        }
    }
    Ok((out, parts.len()))
}

/// Reads the resources of a text. Schemas in its comments go to `schemas`.
pub(crate) fn resources(text: &str, schemas: &mut Vec<Schema>) -> Result<Vec<Document>, ReadError> {
    let (mut documents, parts) = documents(text, schemas)?;
    if parts == 1
        && let [document] = documents.as_mut_slice()
        && matches!(
            document.node.get("kind").map(Node::text),
            Some("List" | "ResourceList")
        )
        && (document.node.get("items").is_some() || document.node.get("functionConfig").is_some())
    {
        let line = document.line;
        documents = match document.node.clear("items") {
            Some(Node::Seq(items)) => items
                .into_iter()
                .map(|node| Document { node, line })
                .collect(),
            _ => Vec::new(),
        };
    }
    let mut queue = std::collections::VecDeque::new();
    check(documents, &mut queue)?;
    let mut out = Vec::with_capacity(queue.len());
    while let Some(mut document) = queue.pop_front() {
        let kind = document.node.get("kind").map_or("", Node::text).to_owned();
        if !kind.ends_with("List") || document.node.get("items").is_none() {
            out.push(document);
            continue;
        }
        let line = document.line;
        let items = match document.node.clear("items") {
            Some(Node::Seq(items)) => items,
            Some(node) if node.is_null() => continue,
            _ => {
                return Err(ReadError::at(
                    line,
                    format!("the items of a {kind} must be a list"),
                ));
            }
        };
        // The items pass through JSON.
        let mut inner = Vec::with_capacity(items.len());
        for item in items {
            let value = item
                .to_value()
                .map_err(|error| ReadError::at(line, error.to_string()))?;
            let node = Node::from_value(&value);
            if !node.is_null() {
                inner.push(Document { node, line });
            }
        }
        check(inner, &mut queue)?;
    }
    Ok(out)
}

fn check(
    documents: Vec<Document>,
    out: &mut std::collections::VecDeque<Document>,
) -> Result<(), ReadError> {
    for document in documents {
        if document.node.is_null_or_empty() {
            continue;
        }
        validate(&document.node).map_err(|reason| {
            let named = document.node.get("kind").map_or("", Node::text);
            let of = if named.is_empty() {
                "this is no resource: ".to_owned()
            } else {
                format!("{named}: ")
            };
            ReadError::at(document.line, format!("{of}{reason}"))
        })?;
        out.push_back(document);
    }
    Ok(())
}

/// Reads a text that is kept in a field of a resource; also returns it as it was written.
pub(crate) fn embedded(text: &str) -> Option<(Node, yaml::Node)> {
    let shape = first_node(text, &ParseOptions::new(Profile::Kyaml)).ok()??;
    let node = convert(shape.clone(), 1, &mut Notes::default()).ok()?;
    Some((node, shape))
}

/// Turns what was parsed into a tree without aliases and merge keys.
fn convert(node: yaml::Node, line: usize, notes: &mut Notes<'_>) -> Result<Node, ReadError> {
    let mut converter = Converter {
        anchors: FxHashMap::default(),
        budget: ALIASED_NODES,
        line,
        notes,
    };
    converter.node(node, false)
}

/// Schemas in comments, which kyaml takes for those of the fields: `# {"type": "array", …}`.
#[derive(Default)]
struct Notes<'s> {
    /// The comments by their lines, counted from 1.
    lines: FxHashMap<usize, Value>,
    /// Where they are collected; a note is a place in it, counted from 1.
    schemas: Option<&'s mut Vec<Schema>>,
}

impl<'s> Notes<'s> {
    /// Looks for comments that are JSON. Nearly no text has one.
    fn find(text: &str, schemas: &'s mut Vec<Schema>) -> Self {
        let mut lines = FxHashMap::default();
        if text.contains("# {") || text.contains("#{") {
            let mut above = None;
            for (i, line) in text.lines().enumerate() {
                let Some((before, comment)) = line.split_once('#') else {
                    lines.extend(above.take().map(|value| (i + 1, value)));
                    continue;
                };
                let value = Value::from_json(comment.trim_start_matches('#').trim())
                    .ok()
                    .filter(|value| value.as_object().is_some());
                if before.trim().is_empty() {
                    above = value.or(above);
                } else if let Some(value) = value.or(above.take()) {
                    lines.insert(i + 1, value);
                }
            }
        }
        Self {
            lines,
            schemas: Some(schemas),
        }
    }

    fn of_line(&mut self, line: usize) -> u16 {
        let (Some(value), Some(schemas)) = (self.lines.get(&line), &mut self.schemas) else {
            return 0;
        };
        schemas.push(Schema::inline(value));
        u16::try_from(schemas.len()).unwrap_or(0)
    }
}

struct Converter<'n, 's> {
    anchors: FxHashMap<Str, Option<Node>>,
    budget: usize,
    line: usize,
    notes: &'n mut Notes<'s>,
}

fn count(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 1,
        Node::Seq(items) => 1 + items.iter().map(count).sum::<usize>(),
        Node::Map(entries) => 1 + entries.iter().map(|(_, v)| 1 + count(v)).sum::<usize>(),
    }
}

fn scalar(text: Str, style: ScalarStyle, tag: Option<&Str>) -> Scalar {
    let quoted = style != ScalarStyle::Plain;
    let tag = match tag.map(Str::as_str) {
        None | Some("") => {
            if quoted {
                Tag::Str
            } else {
                scalar::resolve(&text)
            }
        }
        Some(tag) => match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("timestamp") => Tag::Timestamp,
            Some("binary") => Tag::Binary,
            _ => Tag::Str,
        },
    };
    // A tag that is written keeps its say over quotes.
    let quoted = quoted && tag == Tag::Str;
    Scalar {
        text,
        tag,
        quoted,
        note: 0,
        shared: 0,
    }
}

impl Converter<'_, '_> {
    fn fail(&self, line: usize, message: impl Into<String>) -> ReadError {
        ReadError::at(self.line + line.saturating_sub(1), message)
    }

    fn alias(&mut self, name: &Str, line: usize) -> Result<Node, ReadError> {
        match self.anchors.get(name) {
            Some(Some(node)) => {
                let node = node.clone();
                self.budget = self.budget.saturating_sub(count(&node));
                if self.budget == 0 {
                    return Err(self.fail(line, "the aliases bring too many nodes"));
                }
                Ok(node)
            }
            Some(None) => Err(self.fail(line, format!("the anchor `{name}` contains itself"))),
            None => Err(self.fail(line, format!("there is no anchor `{name}`"))),
        }
    }

    /// `in_flow` tells whether it stands in braces or brackets.
    fn node(&mut self, node: yaml::Node, in_flow: bool) -> Result<Node, ReadError> {
        let yaml::Node {
            kind,
            tag,
            anchor,
            line,
            ..
        } = node;
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), None);
        }
        let out = match kind {
            NodeKind::Scalar { text, style } => {
                let mut scalar = scalar(text, style, tag.as_ref());
                // What kustomize writes in braces or brackets it quotes where it is empty or has a colon: it is text
                // from then on, and null or a time until then.
                scalar.quoted |= in_flow
                    && match scalar.tag {
                        Tag::Null => scalar.text.is_empty(),
                        Tag::Timestamp => scalar.text.contains(':'),
                        _ => false,
                    };
                Node::Scalar(scalar)
            }
            NodeKind::Alias(name) => self.alias(&name, line)?,
            NodeKind::Sequence { items, flow } => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(self.node(item, in_flow || flow)?);
                }
                Node::Seq(out)
            }
            NodeKind::Mapping { entries, flow } => self.map(entries, in_flow || flow)?,
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(out.clone()));
        }
        Ok(out)
    }

    fn map(
        &mut self,
        entries: Vec<(yaml::Node, yaml::Node)>,
        in_flow: bool,
    ) -> Result<Node, ReadError> {
        let mut out = Vec::with_capacity(entries.len());
        let mut merge: Option<Vec<Node>> = None;
        for (key, value) in entries {
            let line = key.line;
            let is_merge = matches!(&key.kind, NodeKind::Scalar { text, style }
                if text == "<<" && *style == ScalarStyle::Plain && key.tag.is_none());
            if is_merge {
                if merge.is_some() {
                    return Err(self.fail(line, "the merge key `<<` stands twice"));
                }
                let value = self.node(value, in_flow)?;
                merge = Some(match value {
                    Node::Map(_) => vec![value],
                    Node::Seq(mut items) => {
                        // Of several maps the first wins: it is put in last.
                        items.reverse();
                        items
                    }
                    Node::Scalar(_) => {
                        return Err(self.fail(line, "the merge key `<<` takes maps alone"));
                    }
                });
                continue;
            }
            let mut key = match self.node(key, in_flow)? {
                Node::Scalar(key) => key,
                _ => return Err(self.fail(line, "a key must be text")),
            };
            if !self.notes.lines.is_empty() {
                key.note = self.notes.of_line(line);
            }
            out.push((key, self.node(value, in_flow)?));
        }
        let Some(merge) = merge else {
            return Ok(Node::Map(out));
        };
        let own = out.len();
        for map in merge {
            let Node::Map(entries) = map else {
                return Err(self.fail(1, "the merge key `<<` takes maps alone"));
            };
            for (key, value) in entries {
                match out.iter().position(|(k, _)| k.text == key.text) {
                    Some(i) if i < own => {}
                    Some(i) => out[i] = (key, value),
                    None => out.push((key, value)),
                }
            }
        }
        Ok(Node::Map(out))
    }
}

/// Reads a kustomization or another file of settings: YAML 1.1, the first document alone, with places.
pub(crate) fn settings(text: &str) -> Result<Spanned, ReadError> {
    settings_with(text, &ParseOptions::new(Profile::Sigs))
}

/// Reads a file of `configurations`: there a key may not stand twice in a map.
pub(crate) fn configuration(text: &str) -> Result<Spanned, ReadError> {
    let options = ParseOptions::new(Profile::Sigs);
    settings_with(text, &options.duplicates(yaml::Duplicates::Error))
}

fn settings_with(text: &str, options: &ParseOptions) -> Result<Spanned, ReadError> {
    let node = first_node(text, options).map_err(|error| ReadError::yaml(&error, 0))?;
    let Some(node) = node else {
        return Ok(Spanned {
            at: crate::kustomization::parse::top(),
            content: Content::Plain(Value::Null),
        });
    };
    let value = node
        .to_value(options)
        .map_err(|error| ReadError::yaml(&error, 0))?;
    let lines = LineStarts::new(text);
    Ok(lines.spanned(&node, &value))
}

/// Where the lines of a text begin.
struct LineStarts<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineStarts<'a> {
    fn new(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(i, _)| i + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(newlines).collect(),
        }
    }

    fn at(&self, node: &yaml::Node) -> At {
        let line = self.starts.partition_point(|start| *start <= node.offset);
        let start = self.starts[line.saturating_sub(1)];
        let column = self
            .text
            .get(start..node.offset)
            .map_or(0, |before| before.chars().count());
        At {
            line,
            column: column + 1,
        }
    }

    /// Joins the places of a node with the value that it means. What aliases and merge keys brought has the place
    /// of the map or list that it stands in.
    fn spanned(&self, node: &yaml::Node, value: &Value) -> Spanned {
        let at = self.at(node);
        match (value, &node.kind) {
            (Value::Array(values), NodeKind::Sequence { items, .. })
                if values.len() == items.len() =>
            {
                Spanned {
                    at,
                    content: Content::List(
                        items
                            .iter()
                            .zip(values)
                            .map(|(node, value)| self.spanned(node, value))
                            .collect(),
                    ),
                }
            }
            (Value::Object(map), NodeKind::Mapping { entries, .. }) => {
                let mut out = Vec::with_capacity(map.len());
                for (key, value) in map {
                    let own = entries.iter().rev().find(|(k, _)| k.as_str() == Some(key));
                    out.push(match own {
                        Some((k, node)) => (key.clone(), self.at(k), self.spanned(node, value)),
                        None => (key.clone(), at, Spanned::of_value(value, at)),
                    });
                }
                Spanned {
                    at,
                    content: Content::Map(out),
                }
            }
            _ => Spanned::of_value(value, at),
        }
    }
}
