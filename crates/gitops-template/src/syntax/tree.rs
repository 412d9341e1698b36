//! Parsed templates, laid out flat.

use std::sync::Arc;

use super::Number;
use crate::function::Function;
use crate::text::Str;

/// What came of parsing one text: the nodes of all templates that it defines.
///
/// Nodes refer to each other by number, so a tree of any depth is built, shared and dropped
/// without recursion, and nothing in it belongs to a render.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The name of the text, for messages.
    pub(crate) source: Str,
    pub(crate) text: Arc<str>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) children: Vec<NodeId>,
    /// Names of fields.
    pub(crate) names: Vec<Name>,
    /// Names of variables with their `$`, each once.
    pub(crate) variables: Vec<Str>,
    /// The values of string literals, and names of templates.
    pub(crate) strings: Vec<Str>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) functions: Vec<Arc<Function>>,
    /// Whether `$` is declared anew somewhere, so that it must be looked for as other variables.
    pub(crate) redeclares_root: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// A part of [`Tree::children`] or [`Tree::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A name, by where it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// Where the node stands in the text; what messages point at.
    pub(crate) pos: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeKind {
    List(Span),
    /// Text from the node's position to here.
    Text(u32),
    Action(NodeId),
    If {
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
    },
    With {
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
    },
    Range {
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
    },
    /// The name is in [`Tree::strings`].
    Template {
        name: u32,
        pipe: Option<NodeId>,
    },
    Break,
    Continue,
    Pipe {
        /// Variable nodes.
        variables: Span,
        commands: Span,
        assigns: bool,
    },
    /// The first child is what is called, or the only operand.
    Command(Span),
    Function(u32),
    /// A variable by its place in [`Tree::variables`], and the names of fields after it.
    Variable {
        name: u32,
        fields: Span,
    },
    Field(Span),
    Chain {
        node: NodeId,
        fields: Span,
    },
    Dot,
    Nil,
    Bool(bool),
    /// A number, whose text ends here.
    Number {
        number: u32,
        end: u32,
    },
    /// A string, whose literal ends here.
    String {
        string: u32,
        end: u32,
    },
}

impl Tree {
    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    pub(crate) fn children(&self, span: Span) -> &[NodeId] {
        &self.children[span.range()]
    }

    /// Returns names of fields.
    pub(crate) fn names(&self, span: Span) -> &[Name] {
        &self.names[span.range()]
    }

    /// Returns the text of a name.
    pub(crate) fn name(&self, name: Name) -> &str {
        &self.text[name.start as usize..name.end as usize]
    }

    /// Returns the text from the position of a node to `end`.
    pub(crate) fn text_of(&self, node: Node, end: u32) -> &str {
        &self.text[node.pos as usize..end as usize]
    }

    /// Returns the line, from 1, and the byte in the line, from 0, of a node.
    pub(crate) fn location(&self, id: NodeId) -> (usize, usize) {
        let before = &self.text.as_bytes()[..self.node(id).pos as usize];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = match memchr::memrchr(b'\n', before) {
            Some(newline) => before.len() - newline - 1,
            None => before.len(),
        };
        (line, column)
    }

    /// Tells whether a list holds nothing but space.
    pub(crate) fn is_empty(&self, id: NodeId) -> bool {
        match self.node(id).kind {
            NodeKind::List(span) => self
                .children(span)
                .iter()
                .all(|child| self.is_empty(*child)),
            NodeKind::Text(end) => self
                .text_of(self.node(id), end)
                .trim_matches(crate::unicode::is_space)
                .is_empty(),
            _ => false,
        }
    }
}
