//! Builds trees from tokens, as `text/template/parse` does.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::Number;
use super::lexer::{Lexer, Token, TokenKind};
use super::tree::{Name, Node, NodeId, NodeKind, Span, Tree};
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
    let mut variables = Vec::with_capacity(16);
    variables.push(0);
    let mut parser = Parser {
        text,
        functions,
        lexer,
        state: State::new(0),
        definitions: Vec::new(),
        by_function: FxHashMap::with_capacity_and_hasher(functions_in(text), FxBuildHasher),
        by_variable: FxHashMap::default(),
        variables,
        items: Vec::with_capacity(64),
        depth: 0,
        tree: Tree {
            source: name.clone(),
            text: Arc::from(text),
            nodes: Vec::with_capacity(text.len() / 9),
            children: Vec::with_capacity(text.len() / 11),
            names: Vec::with_capacity(text.len() / 28),
            variables: Vec::new(),
            strings: Vec::with_capacity(text.len() / 80),
            numbers: Vec::new(),
            functions: Vec::new(),
            redeclares_root: false,
        },
    };
    parser.variable_name("$");
    parser.parse_text(name)?;
    Ok((parser.tree, parser.definitions))
}

/// Guesses how many functions a text calls.
const fn functions_in(text: &str) -> usize {
    let guess = text.len() / 128;
    if guess < 28 { guess } else { 28 }
}

/// What belongs to one template of the text.
#[derive(Clone, Copy)]
struct State {
    /// The last token that was read.
    last: Token,
    /// Whether it was only looked at.
    peeked: bool,
    /// Where the variables of the template start among all that are defined at this point.
    first_variable: usize,
    /// The left delimiter of the current action.
    action: Option<u32>,
    range_depth: usize,
    paren_depth: usize,
}

impl State {
    const fn new(first_variable: usize) -> Self {
        Self {
            last: Token::NONE,
            peeked: false,
            first_variable,
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
    /// The variables that are defined at this point, those of the outer templates first.
    variables: Vec<u32>,
    /// The children of the nodes that are being read, those of the outer ones first.
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

    #[inline]
    fn next(&mut self) -> Token {
        if !std::mem::take(&mut self.state.peeked) {
            self.state.last = self.lexer.next();
        }
        self.state.last
    }

    const fn backup(&mut self) {
        self.state.peeked = true;
    }

    #[inline]
    fn peek(&mut self) -> Token {
        let token = self.next();
        self.backup();
        token
    }

    #[inline]
    fn value(&self, token: Token) -> &'t str {
        &self.text[token.start as usize..token.end as usize]
    }

    // Errors.

    #[cold]
    #[inline(never)]
    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error::from(ErrorKind::Parse {
            template: self.tree.source.clone(),
            line: self.lexer.line(self.state.last.start),
            message: message.into(),
        }))
    }

    #[cold]
    #[inline(never)]
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
        let token = self.next();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(token, context)
        }
    }

    // Nodes.

    #[inline]
    fn add(&mut self, kind: NodeKind, pos: u32) -> NodeId {
        let id = NodeId(self.tree.nodes.len() as u32);
        self.tree.nodes.push(Node { kind, pos });
        id
    }

    /// Makes children of the items that were put aside since `mark`.
    #[inline]
    fn span(&mut self, mark: usize) -> Span {
        let start = self.tree.children.len() as u32;
        self.tree.children.extend_from_slice(&self.items[mark..]);
        let len = (self.items.len() - mark) as u32;
        self.items.truncate(mark);
        Span { start, len }
    }

    /// Makes a list of the items that were put aside since `mark`.
    fn add_list(&mut self, pos: u32, mark: usize) -> NodeId {
        let span = self.span(mark);
        self.add(NodeKind::List(span), pos)
    }

    fn string(&mut self, text: Str) -> u32 {
        self.tree.strings.push(text);
        self.tree.strings.len() as u32 - 1
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
            let token = self.next();
            let item = match token.kind {
                TokenKind::Eof => break,
                TokenKind::Text => self.text_node(token),
                TokenKind::LeftDelimiter => {
                    let first = self.next();
                    if first.kind == TokenKind::Define {
                        let outer = self.enter();
                        self.definition()?;
                        self.leave(outer);
                        continue;
                    }
                    self.action(token, first)?
                }
                _ => return self.unexpected(token, "input"),
            };
            match item {
                Item::Node(node) => self.items.push(node),
                item => return self.error(format!("unexpected {}", item.print())),
            }
        }
        let root = self.add_list(pos, mark);
        self.define(name.clone(), root)
    }

    /// Starts a template within another.
    fn enter(&mut self) -> State {
        let inner = State::new(self.variables.len());
        self.variables.push(0);
        std::mem::replace(&mut self.state, inner)
    }

    fn leave(&mut self, outer: State) {
        self.variables.truncate(self.state.first_variable);
        self.state = outer;
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next();
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
            TokenKind::String | TokenKind::EscapedString | TokenKind::RawString => {
                self.unquote(token)
            }
            _ => self.unexpected(token, context),
        }
    }

    #[inline]
    fn unquote(&self, token: Token) -> Result<Str> {
        let literal = self.value(token);
        if token.kind == TokenKind::String {
            // Without escapes it is what stands between the quotes.
            return Ok(Str::new(&literal[1..literal.len() - 1]));
        }
        match unquote(literal) {
            Some(Cow::Borrowed(bytes)) => Ok(Str::from_bytes(bytes)),
            Some(Cow::Owned(bytes)) => Ok(Str::from(bytes)),
            None => self.error("invalid syntax"),
        }
    }

    /// Reads items up to `end` or `else`.
    fn item_list(&mut self) -> Result<(NodeId, Item)> {
        let pos = self.peek().start;
        let mark = self.items.len();
        loop {
            let token = self.next();
            let item = match token.kind {
                TokenKind::Text => self.text_node(token),
                TokenKind::LeftDelimiter => {
                    let first = self.next();
                    self.action(token, first)?
                }
                TokenKind::Eof => return self.error("unexpected EOF"),
                _ => return self.unexpected(token, "input"),
            };
            match item {
                Item::Node(node) => self.items.push(node),
                item => return Ok((self.add_list(pos, mark), item)),
            }
        }
    }

    fn text_node(&mut self, token: Token) -> Item {
        Item::Node(self.add(NodeKind::Text(token.end), token.start))
    }

    /// Reads an action from its first token on.
    fn action(&mut self, delimiter: Token, first: Token) -> Result<Item> {
        self.state.action = Some(delimiter.start);
        let node = match first.kind {
            TokenKind::Block => self.block()?,
            TokenKind::Break => self.jump(first, "{{break}}", NodeKind::Break)?,
            TokenKind::Continue => self.jump(first, "{{continue}}", NodeKind::Continue)?,
            TokenKind::Else => {
                let next = self.peek();
                let mut pos = next.start;
                if !matches!(next.kind, TokenKind::If | TokenKind::With) {
                    pos = self.expect(TokenKind::RightDelimiter, "else")?.start;
                }
                self.state.action = None;
                return Ok(Item::Else(pos));
            }
            TokenKind::End => {
                self.expect(TokenKind::RightDelimiter, "end")?;
                self.state.action = None;
                return Ok(Item::End);
            }
            TokenKind::If | TokenKind::Range | TokenKind::With => self.control(first.kind)?,
            TokenKind::Template => self.template()?,
            _ => {
                let pipe = self.pipeline(first, "command", TokenKind::RightDelimiter)?;
                self.add(NodeKind::Action(pipe), first.start)
            }
        };
        self.state.action = None;
        Ok(Item::Node(node))
    }

    fn jump(&mut self, token: Token, context: &str, kind: NodeKind) -> Result<NodeId> {
        let end = self.next();
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
        let mark = self.variables.len();
        let first = self.next();
        let pipe = self.pipeline(first, context, TokenKind::RightDelimiter)?;
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
                self.items.push(inner);
                self.add_list(pos, self.items.len() - 1)
            } else {
                let (list, end) = self.item_list()?;
                if !matches!(end, Item::End) {
                    return self.error(format!("expected end; found {}", end.print()));
                }
                list
            });
        }
        self.variables.truncate(mark);
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
        let token = self.next();
        let name = self.template_name(token, CONTEXT)?;
        let first = self.next();
        let pipe = self.pipeline(first, CONTEXT, TokenKind::RightDelimiter)?;
        let outer = self.enter();
        if self.depth >= MAX_DEPTH {
            return self.error(format!("blocks are nested deeper than {MAX_DEPTH}"));
        }
        self.depth += 1;
        let (root, end) = crate::stack::grow(|| self.item_list())?;
        self.depth -= 1;
        if !matches!(end, Item::End) {
            // The message has the line of the enclosing template's last token.
            self.leave(outer);
            return self.error(format!("unexpected {} in {CONTEXT}", end.print()));
        }
        self.define(name.clone(), root)?;
        self.leave(outer);
        let name = self.string(name);
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
        let token = self.next();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        let first = self.next();
        if first.kind != TokenKind::RightDelimiter {
            pipe = Some(self.pipeline(first, CONTEXT, TokenKind::RightDelimiter)?);
        }
        let name = self.string(name);
        Ok(self.add(NodeKind::Template { name, pipe }, token.start))
    }

    // Pipelines.

    /// Reads a pipeline from its first token on, and the token that ends it.
    fn pipeline(&mut self, first: Token, context: &str, end: TokenKind) -> Result<NodeId> {
        let mark = self.items.len();
        let mut assigns = false;
        let mut token = first;
        while token.kind == TokenKind::Variable {
            let next = self.peek();
            let is_comma = next.kind == TokenKind::Char && self.value(next) == ",";
            if !is_comma && !matches!(next.kind, TokenKind::Assign | TokenKind::Declare) {
                break;
            }
            self.next();
            let node = self.declare(token);
            self.items.push(node);
            if !is_comma {
                assigns = next.kind == TokenKind::Assign;
                token = self.next();
                break;
            }
            if context != "range" || self.items.len() - mark >= 2 {
                return self.error(format!("too many declarations in {context}"));
            }
            token = self.next();
            if !matches!(
                token.kind,
                TokenKind::Variable | TokenKind::RightDelimiter | TokenKind::RightParen
            ) {
                return self.error("range can only initialize variables");
            }
        }
        let first_command = self.items.len();
        loop {
            if token.kind == end {
                self.check_pipeline(first_command, context)?;
                let commands = self.span(first_command);
                let variables = self.span(mark);
                return Ok(self.add(
                    NodeKind::Pipe {
                        variables,
                        commands,
                        assigns,
                    },
                    first.start,
                ));
            }
            let Some(operand) = self.operand(token)? else {
                return self.unexpected(token, context);
            };
            token = self.command(token.start, operand)?;
            if token.kind == TokenKind::Pipe {
                token = self.next();
            }
        }
    }

    fn declare(&mut self, token: Token) -> NodeId {
        let name = self.variable_name(self.value(token));
        self.tree.redeclares_root |= name == 0;
        self.variables.push(name);
        let fields = Span { start: 0, len: 0 };
        self.add(NodeKind::Variable { name, fields }, token.start)
    }

    fn check_pipeline(&self, first_command: usize, context: &str) -> Result<()> {
        let commands = &self.items[first_command..];
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

    /// Reads what follows the first operand of a command, and puts the command aside. Returns the token that
    /// ends it.
    fn command(&mut self, pos: u32, first: NodeId) -> Result<Token> {
        let mark = self.items.len();
        self.items.push(first);
        loop {
            let token = self.next();
            match token.kind {
                TokenKind::RightDelimiter | TokenKind::RightParen | TokenKind::Pipe => {
                    let span = self.span(mark);
                    let command = self.add(NodeKind::Command(span), pos);
                    self.items.push(command);
                    return Ok(token);
                }
                _ => {}
            }
            match self.operand_after_space(token)? {
                Some(operand) => self.items.push(operand),
                None => return self.unexpected(token, "operand"),
            }
        }
    }

    #[inline]
    fn operand_after_space(&mut self, token: Token) -> Result<Option<NodeId>> {
        if token.is_spaced() {
            self.operand(token)
        } else {
            Ok(None)
        }
    }

    /// Reads an operand from its first token on, if it is one.
    fn operand(&mut self, token: Token) -> Result<Option<NodeId>> {
        let kind = match token.kind {
            TokenKind::Field => {
                // A node of several fields stands where the second of them does.
                let start = self.field(token);
                let pos = self.fields().unwrap_or(token.start);
                let fields = self.fields_since(start);
                return Ok(Some(self.add(NodeKind::Field(fields), pos)));
            }
            TokenKind::Variable => {
                let name = self.variable(token)?;
                let start = self.tree.names.len();
                let pos = self.fields().unwrap_or(token.start);
                let fields = self.fields_since(start);
                return Ok(Some(self.add(NodeKind::Variable { name, fields }, pos)));
            }
            TokenKind::Identifier => NodeKind::Function(self.function(self.value(token))?),
            TokenKind::Dot => NodeKind::Dot,
            TokenKind::Nil => NodeKind::Nil,
            TokenKind::Bool => NodeKind::Bool(self.value(token) == "true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => NodeKind::Number {
                number: self.number(token)?,
                end: token.end,
            },
            TokenKind::String | TokenKind::EscapedString | TokenKind::RawString => {
                let text = self.unquote(token)?;
                NodeKind::String {
                    string: self.string(text),
                    end: token.end,
                }
            }
            TokenKind::LeftParen => {
                let node = self.parenthesized()?;
                return self.chain(node).map(Some);
            }
            _ => return Ok(None),
        };
        let node = self.add(kind, token.start);
        if self.may_have_fields() {
            return self.chain(node).map(Some);
        }
        Ok(Some(node))
    }

    /// Reads the fields of what an operand gives, if any follow.
    fn chain(&mut self, node: NodeId) -> Result<NodeId> {
        let start = self.tree.names.len();
        let Some(pos) = self.fields() else {
            return Ok(node);
        };
        if matches!(
            self.tree.node(node).kind,
            NodeKind::Bool(_)
                | NodeKind::String { .. }
                | NodeKind::Number { .. }
                | NodeKind::Nil
                | NodeKind::Dot
        ) {
            let term = quote(self.tree.print(node).as_bytes());
            // The space after the fields was looked at, and nothing behind it.
            self.state.last.start = self.state.last.space_start();
            return self.error(format!("unexpected . after term {term}"));
        }
        let fields = self.fields_since(start);
        Ok(self.add(NodeKind::Chain { node, fields }, pos))
    }

    /// Reads the fields that follow without a space, and returns where the first of them stands.
    #[inline]
    fn fields(&mut self) -> Option<u32> {
        if self.may_have_fields() {
            self.more_fields()
        } else {
            None
        }
    }

    /// Tells from the next character alone, mostly, that no field follows.
    #[inline]
    fn may_have_fields(&self) -> bool {
        self.state.peeked || self.lexer.is_at_dot()
    }

    #[inline(never)]
    fn more_fields(&mut self) -> Option<u32> {
        let mut first = None;
        loop {
            let token = self.peek();
            if token.kind != TokenKind::Field || token.is_spaced() {
                return first;
            }
            first = first.or(Some(token.start));
            self.next();
            self.field(token);
        }
    }

    /// Takes down the name of a field, and returns how many there were before it.
    #[inline]
    fn field(&mut self, token: Token) -> usize {
        self.tree.names.push(Name {
            start: token.start + 1,
            end: token.end,
        });
        self.tree.names.len() - 1
    }

    #[inline]
    const fn fields_since(&self, start: usize) -> Span {
        Span {
            start: start as u32,
            len: (self.tree.names.len() - start) as u32,
        }
    }

    fn variable(&self, token: Token) -> Result<u32> {
        let name = self.value(token);
        let defined = &self.variables[self.state.first_variable..];
        match self.by_variable.get(name) {
            Some(number) if defined.contains(number) => Ok(*number),
            _ => self.error(format!("undefined variable {}", quote(name.as_bytes()))),
        }
    }

    fn number(&mut self, token: Token) -> Result<u32> {
        let value = self.value(token);
        let number = match token.kind {
            TokenKind::CharConstant => Number::char_constant(value),
            TokenKind::Complex => Number::complex(value),
            _ => Number::real(value),
        };
        match number {
            Ok(number) => self.tree.numbers.push(number),
            Err(message) => return self.error(message),
        }
        Ok(self.tree.numbers.len() as u32 - 1)
    }

    fn parenthesized(&mut self) -> Result<NodeId> {
        if self.state.paren_depth >= MAX_DEPTH {
            return self.error("max expression depth exceeded");
        }
        self.state.paren_depth += 1;
        let first = self.next();
        let pipe = crate::stack::grow(|| {
            self.pipeline(first, "parenthesized pipeline", TokenKind::RightParen)
        });
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
