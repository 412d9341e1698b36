//! Nodes: a document as it was written, before it is known what its scalars mean.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::compose::Composer;
use super::error::{Error, ErrorKind, Mark, Upstream};
use super::events::{Event, EventSource, MaybeProperties, Parser, Properties};
use super::resolve::{resolve, short_tag};
use super::{ParseOptions, Profile, ScalarStyle};
use crate::{Str, Value};

/// A node of a document as it was written: the text and style of its scalars, the order of its keys, its tag and
/// anchor, and where it stands. Comments are not kept.
///
/// What a scalar means is decided later, by [`Node::to_value`] or [`Node::short_tag`], and depends on the
/// profile: `1.10` is text that reads as the number 1.1, and is still `1.10` when it is put into a string.
///
/// ```
/// use gitops_manifest::yaml::{Node, ParseOptions, Profile, parse_nodes};
///
/// let nodes = parse_nodes("image: {tag: 1.10, pull: yes}", &ParseOptions::new(Profile::Kyaml))?;
/// let image = nodes[0].get("image").expect("it is there");
/// assert_eq!(image.get("tag").and_then(Node::as_str), Some("1.10"));
/// assert_eq!(image.to_value(&ParseOptions::new(Profile::Sigs))?.to_json(), r#"{"pull":true,"tag":1.1}"#);
/// # Ok::<(), gitops_manifest::yaml::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// The tag that is written before it, in its long form (`tag:yaml.org,2002:str`, `!Ref`).
    pub tag: Option<Str>,
    /// The anchor that is written before it, without the `&`.
    pub anchor: Option<Str>,
    /// The line that it begins on, counted from 1; 0 for a node that was not read.
    pub line: usize,
    /// Where it begins in the text, in bytes.
    pub offset: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Text, which may mean something else.
    Scalar {
        /// The text, quotes and escapes undone.
        text: Str,
        /// How it is written.
        style: ScalarStyle,
    },
    /// A list.
    Sequence {
        /// The elements.
        items: Vec<Node>,
        /// Whether it is written in brackets.
        flow: bool,
    },
    /// A map.
    Mapping {
        /// The keys and values in the order of the text; `<<` is a key like any other.
        entries: Vec<(Node, Node)>,
        /// Whether it is written in braces.
        flow: bool,
    },
    /// A reference to the node with this anchor.
    Alias(Str),
}

impl Node {
    /// Makes a plain scalar.
    #[must_use]
    pub fn scalar(text: impl Into<Str>) -> Self {
        Self::styled(text, ScalarStyle::Plain)
    }

    /// Makes a scalar.
    #[must_use]
    pub fn styled(text: impl Into<Str>, style: ScalarStyle) -> Self {
        Self::new(NodeKind::Scalar {
            text: text.into(),
            style,
        })
    }

    /// Makes a node without tag, anchor and place.
    #[must_use]
    pub const fn new(kind: NodeKind) -> Self {
        Self {
            kind,
            tag: None,
            anchor: None,
            line: 0,
            offset: 0,
        }
    }

    /// Returns the text of a scalar.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::Sequence { items, .. } => Some(items),
            _ => None,
        }
    }

    /// Returns the elements of a list for changing.
    pub const fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.kind {
            NodeKind::Sequence { items, .. } => Some(items),
            _ => None,
        }
    }

    /// Returns the entries of a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            NodeKind::Mapping { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// Returns the entries of a map for changing.
    pub const fn entries_mut(&mut self) -> Option<&mut Vec<(Self, Self)>> {
        match &mut self.kind {
            NodeKind::Mapping { entries, .. } => Some(entries),
            _ => None,
        }
    }

    /// Returns the first value under a key that is written so.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?
            .iter()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// Returns the first value under a key that is written so, for changing.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.entries_mut()?
            .iter_mut()
            .find(|(name, _)| name.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// Names the type that a reader of the profile finds: the tag where there is one, and otherwise what the text
    /// says: `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!timestamp`, `!!merge`, `!!seq`, `!!map`. An alias
    /// has no type of its own: ``.
    #[must_use]
    pub fn short_tag(&self, profile: Profile) -> Cow<'_, str> {
        if let Some(tag) = &self.tag
            && *tag != "!"
        {
            return short_tag(tag);
        }
        Cow::Borrowed(match &self.kind {
            NodeKind::Sequence { .. } => "!!seq",
            NodeKind::Mapping { .. } => "!!map",
            NodeKind::Alias(_) => "",
            NodeKind::Scalar { text, style } if *style == ScalarStyle::Plain => {
                if text == "<<" {
                    "!!merge"
                } else {
                    resolve(profile, text).tag()
                }
            }
            NodeKind::Scalar { .. } => "!!str",
        })
    }

    /// Decides what the node means: aliases are followed, merge keys merged.
    ///
    /// # Errors
    /// As [`parse`](super::parse) of the same text; an anchor must be within the node.
    pub fn to_value(&self, options: &ParseOptions) -> Result<Value, Error> {
        let mut composer = Composer::of(NodeEvents::new(self), options);
        Ok(composer.document()?.map_or(Value::Null, |(value, _)| value))
    }
}

/// Reads the documents of a text as nodes.
///
/// Only the form is looked at: a key may stand twice, until [`Node::to_value`] decides.
///
/// # Errors
/// At the first document that is not YAML, or that goes beyond a limit.
pub fn parse_nodes(text: &str, options: &ParseOptions) -> Result<Vec<Node>, Error> {
    options.check_size(text)?;
    let mut parser = Parser::new(text);
    let mut documents = Vec::new();
    while let Some(document) = next_document(&mut parser, options)? {
        documents.push(document);
    }
    Ok(documents)
}

/// Reads the first document of a text as a node, and looks at no other; `None` where there is none.
///
/// # Errors
/// Where the first document is not YAML, or goes beyond a limit.
pub fn parse_first_node(text: &str, options: &ParseOptions) -> Result<Option<Node>, Error> {
    options.check_size(text)?;
    next_document(&mut Parser::new(text), options)
}

fn next_document(parser: &mut Parser<'_>, options: &ParseOptions) -> Result<Option<Node>, Error> {
    let read = match parser.next() {
        Ok((Event::DocumentStart, _)) => read_document(parser, options).map(Some),
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    };
    // go-yaml v3 scans further than it parses, and meets what is wrong there first.
    let ahead = match &read {
        _ if options.profile == Profile::Sigs => return read,
        Err(error) if error.is_immediate() || error.kind() != ErrorKind::Syntax => return read,
        _ => parser.look_ahead(),
    };
    ahead.and(read)
}

/// Reads one document; the parser stands behind its beginning.
fn read_document<'a>(parser: &mut Parser<'a>, options: &ParseOptions) -> Result<Node, Error> {
    let mut root = None;
    let mut open: Vec<(Node, Option<Node>)> = Vec::new();
    let mut anchors: BTreeSet<&'a str> = BTreeSet::new();
    loop {
        let (event, mark) = parser.next()?;
        let (kind, properties, opens) = match event {
            Event::DocumentEnd | Event::DocumentStart | Event::StreamEnd => {
                return Ok(root.unwrap_or_else(|| Node::scalar("")));
            }
            Event::Scalar(text, style, properties) => {
                let text = text.into();
                (NodeKind::Scalar { text, style }, properties, false)
            }
            Event::Alias(name) if !anchors.contains(name) => {
                return Err(Error::unknown_anchor(parser.text(), mark, name));
            }
            Event::Alias(name) => (NodeKind::Alias(name.into()), None, false),
            Event::SequenceStart { flow, properties } => {
                let items = Vec::new();
                (NodeKind::Sequence { items, flow }, properties, true)
            }
            Event::MappingStart { flow, properties } => {
                let entries = Vec::new();
                (NodeKind::Mapping { entries, flow }, properties, true)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (node, _) = open.pop().expect("the parser ends only what it began");
                place(node, &mut open, &mut root);
                continue;
            }
        };
        let (anchor, tag) = match properties {
            Some(properties) => (properties.anchor, properties.tag),
            None => (None, None),
        };
        anchors.extend(anchor);
        let node = Node {
            kind,
            tag: tag.map(Str::from),
            anchor: anchor.map(Str::from),
            line: mark.line + 1,
            offset: mark.offset,
        };
        if opens {
            if open.len() >= options.max_depth {
                let message = format!("exceeded max depth of {}", options.max_depth);
                let upstream = Upstream::default();
                let kind = ErrorKind::Limit;
                return Err(Error::new(kind, parser.text(), mark, upstream, message));
            }
            open.push((node, None));
        } else {
            place(node, &mut open, &mut root);
        }
    }
}

/// Puts a node into the innermost open one; the second part of an open map is a key that awaits its value.
fn place(node: Node, open: &mut [(Node, Option<Node>)], root: &mut Option<Node>) {
    let Some((parent, key)) = open.last_mut() else {
        *root = Some(node);
        return;
    };
    match &mut parent.kind {
        NodeKind::Sequence { items, .. } => items.push(node),
        NodeKind::Mapping { entries, .. } => match key.take() {
            Some(key) => entries.push((key, node)),
            None => *key = Some(node),
        },
        NodeKind::Scalar { .. } | NodeKind::Alias(_) => {
            unreachable!("only lists and maps are opened")
        }
    }
}

/// The events that a node would have been read from.
pub(crate) struct NodeEvents<'a> {
    pending: Vec<Pending<'a>>,
}

enum Pending<'a> {
    DocumentStart,
    DocumentEnd,
    Node(&'a Node),
    Items(std::slice::Iter<'a, Node>),
    Entries(std::slice::Iter<'a, (Node, Node)>),
}

impl<'a> NodeEvents<'a> {
    fn new(node: &'a Node) -> Self {
        let pending = vec![
            Pending::DocumentEnd,
            Pending::Node(node),
            Pending::DocumentStart,
        ];
        Self { pending }
    }

    fn begin(&mut self, node: &'a Node) -> (Event<'a>, Mark) {
        let mark = Mark {
            offset: node.offset,
            line: node.line.saturating_sub(1),
        };
        let properties: MaybeProperties<'a> = match (&node.anchor, &node.tag) {
            (None, None) => None,
            (anchor, tag) => Some(Box::new(Properties {
                anchor: anchor.as_deref(),
                tag: tag.as_deref().map(Cow::Borrowed),
            })),
        };
        let event = match &node.kind {
            NodeKind::Scalar { text, style } => {
                Event::Scalar(Cow::Borrowed(text), *style, properties)
            }
            NodeKind::Alias(name) => Event::Alias(name),
            NodeKind::Sequence { items, flow } => {
                self.pending.push(Pending::Items(items.iter()));
                let flow = *flow;
                Event::SequenceStart { flow, properties }
            }
            NodeKind::Mapping { entries, flow } => {
                self.pending.push(Pending::Entries(entries.iter()));
                let flow = *flow;
                Event::MappingStart { flow, properties }
            }
        };
        (event, mark)
    }
}

impl<'a> EventSource<'a> for NodeEvents<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Mark), Error> {
        let mark = Mark::default();
        Ok(match self.pending.pop() {
            None => (Event::StreamEnd, mark),
            Some(Pending::DocumentStart) => (Event::DocumentStart, mark),
            Some(Pending::DocumentEnd) => (Event::DocumentEnd, mark),
            Some(Pending::Node(node)) => self.begin(node),
            Some(Pending::Items(mut items)) => match items.next() {
                None => (Event::SequenceEnd, mark),
                Some(node) => {
                    self.pending.push(Pending::Items(items));
                    self.begin(node)
                }
            },
            Some(Pending::Entries(mut entries)) => match entries.next() {
                None => (Event::MappingEnd, mark),
                Some((key, value)) => {
                    self.pending.push(Pending::Entries(entries));
                    self.pending.push(Pending::Node(value));
                    self.begin(key)
                }
            },
        })
    }

    fn text(&self) -> &'a str {
        ""
    }

    fn look_ahead(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
