//! Builds trees from tokens, as `text/template/parse` does.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Number;
use super::lexer::{Lexer, Token, TokenKind};
use super::tree::{Node, NodeId, NodeKind, Span, Tree};
use crate::error::{Error, ErrorKind, Result};
use crate::format::quote::{quote, unquote};
use crate::function::Functions;
use crate::text::Str;

/// How deep blocks and parentheses may nest. Go has this limit for parentheses only.
const MAX_DEPTH: usize = 10_000;

/// How many bytes a text may have: nodes count positions in 32 bits.
const MAX_TEXT: usize = u32::MAX as usize / 2;

/// The delimiters of actions.
#[derive(Clone, Debug)]
pub(crate) struct Delimiters {
    pub(crate) left: Str,
    pub(crate) right: Str,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            left: Str::from_static("{{"),
            right: Str::from_static("}}"),
        }
    }
}

/// A parsed text: its tree, and the templates that it defines by name and root.
pub(crate) type Parsed = (Tree, Vec<(Str, NodeId)>);

/// Parses `text` as the template `name`. The template itself is among the definitions.
pub(crate) fn parse(
    name: &Str,
    text: &str,
    delimiters: &Delimiters,
    functions: &Functions,
) -> Result<Parsed> {
    if text.len() > MAX_TEXT {
        return Err(Error::limit("the size of a template", MAX_TEXT as u64));
    }
    let left = delimiters.left.to_text();
    let right = delimiters.right.to_text();
    let mut lexer = Lexer::new(text, &left, &right);
    lexer.break_is_keyword = functions.get("break").is_none();
    lexer.continue_is_keyword = functions.get("continue").is_none();
    let mut parser = Parser {
        text,
        functions,
        lexer,
        state: State::new(),
        definitions: Vec::new(),
        by_function: FxHashMap::default(),
        by_variable: FxHashMap::default(),
        items: Vec::new(),
        depth: 0,
        tree: Tree {
            source: name.clone(),
            text: Arc::from(text),
            nodes: Vec::with_capacity(text.len() / 12),
            children: Vec::with_capacity(text.len() / 16),
            names: Vec::with_capacity(text.len() / 32),
            variables: Vec::new(),
            strings: Vec::new(),
            numbers: Vec::new(),
            functions: Vec::new(),
            redeclares_root: false,
        },
    };
    parser.variable_name("$");
    parser.parse_text(name)?;
    Ok((parser.tree, parser.definitions))
}

/// What belongs to one template of the text.
struct State {
    tokens: [Token; 3],
    peeked: usize,
    /// The variables that are defined at this point.
    variables: Vec<u32>,
    /// The left delimiter of the current action.
    action: Option<u32>,
    range_depth: usize,
    paren_depth: usize,
}

impl State {
    fn new() -> Self {
        Self {
            tokens: [Token::NONE; 3],
            peeked: 0,
            variables: vec![0],
            action: None,
            range_depth: 0,
            paren_depth: 0,
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    functions: &'t Functions,
    lexer: Lexer<'t>,
    state: State,
    definitions: Vec<(Str, NodeId)>,
    by_function: FxHashMap<&'t str, u32>,
    by_variable: FxHashMap<&'t str, u32>,
    /// The items of the lists that are being read, the outer ones first.
    items: Vec<NodeId>,
    depth: usize,
    tree: Tree,
}

/// An item of a list, or what ends the list.
enum Item {
    Node(NodeId),
    End,
    /// The position of the token, for the list after it.
    Else(u32),
}

impl Item {
    const fn print(&self) -> &'static str {
        match self {
            Self::Else(_) => "{{else}}",
            _ => "{{end}}",
        }
    }
}

impl<'t> Parser<'t> {
    // Tokens.

    fn next(&mut self) -> Token {
        if self.state.peeked > 0 {
            self.state.peeked -= 1;
        } else {
            self.state.tokens[0] = self.lexer.next();
        }
        self.state.tokens[self.state.peeked]
    }

    fn backup(&mut self) {
        self.state.peeked += 1;
    }

    fn backup2(&mut self, before: Token) {
        self.state.tokens[1] = before;
        self.state.peeked = 2;
    }

    fn backup3(&mut self, first: Token, second: Token) {
        self.state.tokens[1] = second;
        self.state.tokens[2] = first;
        self.state.peeked = 3;
    }

    fn peek(&mut self) -> Token {
        if self.state.peeked == 0 {
            self.state.peeked = 1;
            self.state.tokens[0] = self.lexer.next();
        }
        self.state.tokens[self.state.peeked - 1]
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn value(&self, token: Token) -> &'t str {
        &self.text[token.start as usize..token.end as usize]
    }

    // Errors.

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error::from(ErrorKind::Parse {
            template: self.tree.source.clone(),
            line: self.lexer.line(self.state.tokens[0].start),
            message: message.into(),
        }))
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Result<T> {
        if token.kind == TokenKind::Error {
            let mut message = self.lexer.message.clone();
            if let Some(action) = self.state.action {
                let line = self.lexer.line(action);
                if line != self.lexer.line(token.start) {
                    let source = self.tree.source.to_text();
                    message.push_str(if message.ends_with(" action") {
                        ""
                    } else {
                        " in action"
                    });
                    message.push_str(&format!(" started at {source}:{line}"));
                }
            }
            return self.error(message);
        }
        self.error(format!("unexpected {} in {context}", self.describe(token)))
    }

    fn describe(&self, token: Token) -> String {
        let value = self.value(token);
        if token.kind == TokenKind::Eof {
            String::from("EOF")
        } else if token.kind.is_keyword() {
            format!("<{value}>")
        } else if value.len() > 10 {
            let short: String = value.chars().take(10).collect();
            format!("{}...", quote(short.as_bytes()))
        } else {
            quote(value.as_bytes())
        }
    }

    fn expect(&mut self, kind: TokenKind, context: &str) -> Result<Token> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(token, context)
        }
    }

    // Nodes.

    fn add(&mut self, kind: NodeKind, pos: u32) -> NodeId {
        let id = NodeId(self.tree.nodes.len() as u32);
        self.tree.nodes.push(Node { kind, pos });
        id
    }

    fn span(&mut self, children: &[NodeId]) -> Span {
        let start = self.tree.children.len() as u32;
        self.tree.children.extend_from_slice(children);
        Span {
            start,
            len: children.len() as u32,
        }
    }

    fn add_list(&mut self, pos: u32, children: &[NodeId]) -> NodeId {
        let span = self.span(children);
        self.add(NodeKind::List(span), pos)
    }

    /// Makes a list of the items that were put aside since `mark`.
    fn add_items(&mut self, pos: u32, mark: usize) -> NodeId {
        let start = self.tree.children.len() as u32;
        self.tree.children.extend(self.items.drain(mark..));
        let len = self.tree.children.len() as u32 - start;
        self.add(NodeKind::List(Span { start, len }), pos)
    }

    fn name(&mut self, name: Str) -> u32 {
        self.tree.names.push(name);
        self.tree.names.len() as u32 - 1
    }

    fn variable_name(&mut self, name: &'t str) -> u32 {
        if let Some(number) = self.by_variable.get(name) {
            return *number;
        }
        let number = self.tree.variables.len() as u32;
        self.tree.variables.push(Str::new(name));
        self.by_variable.insert(name, number);
        number
    }

    // Templates.

    fn define(&mut self, name: Str, root: NodeId) -> Result<()> {
        match self
            .definitions
            .iter_mut()
            .find(|(defined, _)| *defined == name)
        {
            None => self.definitions.push((name, root)),
            Some((_, old)) if self.tree.is_empty(*old) => *old = root,
            Some(_) if self.tree.is_empty(root) => {}
            Some(_) => {
                let name = quote(name.as_bytes());
                return self.error(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn parse_text(&mut self, name: &Str) -> Result<()> {
        let pos = self.peek().start;
        let mark = self.items.len();
        loop {
            let token = self.peek();
            if token.kind == TokenKind::Eof {
                break;
            }
            if token.kind == TokenKind::LeftDelimiter {
                let delimiter = self.next();
                if self.next_non_space().kind == TokenKind::Define {
                    let outer = std::mem::replace(&mut self.state, State::new());
                    self.definition()?;
                    self.state = outer;
                    continue;
                }
                self.backup2(delimiter);
            }
            match self.text_or_action()? {
                Item::Node(node) => self.items.push(node),
                item => return self.error(format!("unexpected {}", item.print())),
            }
        }
        let root = self.add_items(pos, mark);
        self.define(name.clone(), root)
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(TokenKind::RightDelimiter, CONTEXT)?;
        let (root, end) = self.item_list()?;
        if !matches!(end, Item::End) {
            return self.error(format!("unexpected {} in {CONTEXT}", end.print()));
        }
        self.define(name, root)
    }

    fn template_name(&mut self, token: Token, context: &str) -> Result<Str> {
        match token.kind {
            TokenKind::String | TokenKind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&self, token: Token) -> Result<Str> {
        match unquote(self.value(token)) {
            Some(Cow::Borrowed(bytes)) => Ok(Str::from_bytes(bytes)),
            Some(Cow::Owned(bytes)) => Ok(Str::from(bytes)),
            None => self.error("invalid syntax"),
        }
    }

    /// Reads items up to `end` or `else`.
    fn item_list(&mut self) -> Result<(NodeId, Item)> {
        let pos = self.peek_non_space().start;
        let mark = self.items.len();
        while self.peek_non_space().kind != TokenKind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => self.items.push(node),
                item => return Ok((self.add_items(pos, mark), item)),
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        match token.kind {
            TokenKind::Text => Ok(Item::Node(self.add(NodeKind::Text(token.end), token.start))),
            TokenKind::LeftDelimiter => {
                self.state.action = Some(token.start);
                let item = self.action();
                self.state.action = None;
                item
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.next_non_space();
        let node = match token.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => self.jump(token, "{{break}}", NodeKind::Break)?,
            TokenKind::Continue => self.jump(token, "{{continue}}", NodeKind::Continue)?,
            TokenKind::Else => {
                let next = self.peek_non_space();
                if matches!(next.kind, TokenKind::If | TokenKind::With) {
                    return Ok(Item::Else(next.start));
                }
                let end = self.expect(TokenKind::RightDelimiter, "else")?;
                return Ok(Item::Else(end.start));
            }
            TokenKind::End => {
                self.expect(TokenKind::RightDelimiter, "end")?;
                return Ok(Item::End);
            }
            TokenKind::If | TokenKind::Range | TokenKind::With => self.control(token.kind)?,
            TokenKind::Template => self.template()?,
            _ => {
                self.backup();
                let token = self.peek();
                let pipe = self.pipeline("command", TokenKind::RightDelimiter)?;
                self.add(NodeKind::Action(pipe), token.start)
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, token: Token, context: &str, kind: NodeKind) -> Result<NodeId> {
        let end = self.next_non_space();
        if end.kind != TokenKind::RightDelimiter {
            return self.unexpected(end, context);
        }
        if self.state.range_depth == 0 {
            return self.error(format!("{context} outside {{{{range}}}}"));
        }
        Ok(self.add(kind, token.start))
    }

    fn control(&mut self, keyword: TokenKind) -> Result<NodeId> {
        if self.depth >= MAX_DEPTH {
            return self.error(format!("blocks are nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let node = crate::stack::grow(|| self.branch(keyword));
        self.depth -= 1;
        node
    }

    fn branch(&mut self, keyword: TokenKind) -> Result<NodeId> {
        let context = match keyword {
            TokenKind::If => "if",
            TokenKind::With => "with",
            _ => "range",
        };
        let mark = self.state.variables.len();
        let pipe = self.pipeline(context, TokenKind::RightDelimiter)?;
        self.state.range_depth += usize::from(keyword == TokenKind::Range);
        let (list, end) = self.item_list()?;
        self.state.range_depth -= usize::from(keyword == TokenKind::Range);
        let mut otherwise = None;
        if let Item::Else(pos) = end {
            // `else if` and `else with` are an `else` that holds nothing but the other block, and
            // share its end.
            let chains = keyword != TokenKind::Range && self.peek().kind == keyword;
            otherwise = Some(if chains {
                self.next();
                let inner = self.control(keyword)?;
                self.add_list(pos, &[inner])
            } else {
                let (list, end) = self.item_list()?;
                if !matches!(end, Item::End) {
                    return self.error(format!("expected end; found {}", end.print()));
                }
                list
            });
        }
        self.state.variables.truncate(mark);
        let pos = self.tree.node(pipe).pos;
        Ok(self.add(
            match keyword {
                TokenKind::If => NodeKind::If {
                    pipe,
                    list,
                    otherwise,
                },
                TokenKind::With => NodeKind::With {
                    pipe,
                    list,
                    otherwise,
                },
                _ => NodeKind::Range {
                    pipe,
                    list,
                    otherwise,
                },
            },
            pos,
        ))
    }

    fn block(&mut self) -> Result<NodeId> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, TokenKind::RightDelimiter)?;
        let outer = std::mem::replace(&mut self.state, State::new());
        if self.depth >= MAX_DEPTH {
            return self.error(format!("blocks are nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let (root, end) = crate::stack::grow(|| self.item_list())?;
        self.depth -= 1;
        if !matches!(end, Item::End) {
            // The message has the line of the enclosing template's last token.
            self.state = outer;
            return self.error(format!("unexpected {} in {CONTEXT}", end.print()));
        }
        self.define(name.clone(), root)?;
        self.state = outer;
        let name = self.name(name);
        Ok(self.add(
            NodeKind::Template {
                name,
                pipe: Some(pipe),
            },
            token.start,
        ))
    }

    fn template(&mut self) -> Result<NodeId> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != TokenKind::RightDelimiter {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, TokenKind::RightDelimiter)?);
        }
        let name = self.name(name);
        Ok(self.add(NodeKind::Template { name, pipe }, token.start))
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: TokenKind) -> Result<NodeId> {
        let pos = self.peek_non_space().start;
        let mut variables = smallvec::SmallVec::<[NodeId; 2]>::new();
        let mut assigns = false;
        loop {
            let variable = self.peek_non_space();
            if variable.kind != TokenKind::Variable {
                break;
            }
            self.next();
            // `$x foo` and `$x := foo` differ only after the space, so both tokens may go back.
            let after = self.peek();
            let next = self.peek_non_space();
            let is_comma = next.kind == TokenKind::Char && self.value(next) == ",";
            if matches!(next.kind, TokenKind::Assign | TokenKind::Declare) || is_comma {
                self.next_non_space();
                variables.push(self.declare(variable));
                if !is_comma {
                    assigns = next.kind == TokenKind::Assign;
                    break;
                }
                if context != "range" || variables.len() >= 2 {
                    return self.error(format!("too many declarations in {context}"));
                }
                let next = self.peek_non_space().kind;
                if !matches!(
                    next,
                    TokenKind::Variable | TokenKind::RightDelimiter | TokenKind::RightParen
                ) {
                    return self.error("range can only initialize variables");
                }
                continue;
            }
            if after.kind == TokenKind::Space {
                self.backup3(variable, after);
            } else {
                self.backup2(variable);
            }
            break;
        }
        let mut commands = smallvec::SmallVec::<[NodeId; 6]>::new();
        loop {
            let token = self.next_non_space();
            if token.kind == end {
                self.check_pipeline(&commands, context)?;
                let variables = self.span(&variables);
                let commands = self.span(&commands);
                return Ok(self.add(
                    NodeKind::Pipe {
                        variables,
                        commands,
                        assigns,
                    },
                    pos,
                ));
            }
            match token.kind {
                TokenKind::Bool
                | TokenKind::CharConstant
                | TokenKind::Complex
                | TokenKind::Dot
                | TokenKind::Field
                | TokenKind::Identifier
                | TokenKind::Number
                | TokenKind::Nil
                | TokenKind::RawString
                | TokenKind::String
                | TokenKind::Variable
                | TokenKind::LeftParen => {
                    self.backup();
                    commands.push(self.command()?);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    fn declare(&mut self, token: Token) -> NodeId {
        let name = self.variable_name(self.value(token));
        self.tree.redeclares_root |= name == 0;
        self.state.variables.push(name);
        let fields = Span { start: 0, len: 0 };
        self.add(NodeKind::Variable { name, fields }, token.start)
    }

    fn check_pipeline(&self, commands: &[NodeId], context: &str) -> Result<()> {
        if commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (at, command) in commands.iter().enumerate().skip(1) {
            let NodeKind::Command(span) = self.tree.node(*command).kind else {
                continue;
            };
            let first = self
                .tree
                .children(span)
                .first()
                .map(|first| self.tree.node(*first).kind);
            if matches!(
                first,
                Some(
                    NodeKind::Bool(_)
                        | NodeKind::Dot
                        | NodeKind::Nil
                        | NodeKind::Number { .. }
                        | NodeKind::String { .. }
                )
            ) {
                let stage = at + 1;
                return self.error(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<NodeId> {
        let pos = self.peek_non_space().start;
        let mut arguments = smallvec::SmallVec::<[NodeId; 8]>::new();
        loop {
            self.peek_non_space();
            arguments.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                TokenKind::Space => continue,
                TokenKind::RightDelimiter | TokenKind::RightParen => self.backup(),
                TokenKind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if arguments.is_empty() {
            return self.error("empty command");
        }
        let span = self.span(&arguments);
        Ok(self.add(NodeKind::Command(span), pos))
    }

    fn operand(&mut self) -> Result<Option<NodeId>> {
        let Some(node) = self.term()? else {
            return Ok(None);
        };
        let first = self.peek();
        if first.kind != TokenKind::Field {
            return Ok(Some(node));
        }
        let pos = first.start;
        let start = self.tree.names.len() as u32;
        // Fields of a field or a variable belong to that node, which moves to the last of them.
        let kind = self.tree.node(node).kind;
        if let NodeKind::Field(fields) | NodeKind::Variable { fields, .. } = kind {
            for name in fields.range() {
                let name = self.tree.names[name].clone();
                self.tree.names.push(name);
            }
        }
        while self.peek().kind == TokenKind::Field {
            let token = self.next();
            let name = Str::new(&self.value(token)[1..]);
            self.tree.names.push(name);
        }
        let fields = Span {
            start,
            len: self.tree.names.len() as u32 - start,
        };
        Ok(Some(match kind {
            NodeKind::Field(_) => self.add(NodeKind::Field(fields), pos),
            NodeKind::Variable { name, .. } => self.add(NodeKind::Variable { name, fields }, pos),
            NodeKind::Bool(_)
            | NodeKind::String { .. }
            | NodeKind::Number { .. }
            | NodeKind::Nil
            | NodeKind::Dot => {
                let term = quote(self.tree.print(node).as_bytes());
                return self.error(format!("unexpected . after term {term}"));
            }
            _ => self.add(NodeKind::Chain { node, fields }, pos),
        }))
    }

    fn term(&mut self) -> Result<Option<NodeId>> {
        let token = self.next_non_space();
        let value = self.value(token);
        let kind = match token.kind {
            TokenKind::Identifier => NodeKind::Function(self.function(value)?),
            TokenKind::Dot => NodeKind::Dot,
            TokenKind::Nil => NodeKind::Nil,
            TokenKind::Variable => {
                let name = self.by_variable.get(value).copied();
                match name.filter(|name| self.state.variables.contains(name)) {
                    Some(name) => NodeKind::Variable {
                        name,
                        fields: Span { start: 0, len: 0 },
                    },
                    None => {
                        let name = quote(value.as_bytes());
                        return self.error(format!("undefined variable {name}"));
                    }
                }
            }
            TokenKind::Field => {
                let start = self.name(Str::new(&value[1..]));
                NodeKind::Field(Span { start, len: 1 })
            }
            TokenKind::Bool => NodeKind::Bool(value == "true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => {
                let number = match token.kind {
                    TokenKind::CharConstant => Number::char_constant(value),
                    TokenKind::Complex => Number::complex(value),
                    _ => Number::real(value),
                };
                match number {
                    Ok(number) => self.tree.numbers.push(number),
                    Err(message) => return self.error(message),
                }
                let number = self.tree.numbers.len() as u32 - 1;
                NodeKind::Number {
                    number,
                    end: token.end,
                }
            }
            TokenKind::LeftParen => return self.parenthesized().map(Some),
            TokenKind::String | TokenKind::RawString => {
                let text = self.unquote(token)?;
                self.tree.strings.push(text);
                let string = self.tree.strings.len() as u32 - 1;
                NodeKind::String {
                    string,
                    end: token.end,
                }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(self.add(kind, token.start)))
    }

    fn parenthesized(&mut self) -> Result<NodeId> {
        if self.state.paren_depth >= MAX_DEPTH {
            return self.error("max expression depth exceeded");
        }
        self.state.paren_depth += 1;
        let pipe =
            crate::stack::grow(|| self.pipeline("parenthesized pipeline", TokenKind::RightParen));
        self.state.paren_depth -= 1;
        pipe
    }

    fn function(&mut self, name: &'t str) -> Result<u32> {
        if let Some(number) = self.by_function.get(name) {
            return Ok(*number);
        }
        let Some(function) = self.functions.get(name) else {
            return self.error(format!("function {} not defined", quote(name.as_bytes())));
        };
        let number = self.tree.functions.len() as u32;
        self.tree.functions.push(Arc::clone(function));
        self.by_function.insert(name, number);
        Ok(number)
    }
}
