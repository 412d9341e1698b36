//! The parser: tokens to events, by the grammar of YAML 1.1 as libyaml has it.

use std::borrow::Cow;

use super::error::{Error, ErrorKind, Mark, Upstream};
use super::scan::{ScalarStyle, Scanner, Token, readable_end};

/// What stands before a node: an anchor, a tag, or both.
#[derive(Debug)]
pub(crate) struct Properties<'a> {
    pub(crate) anchor: Option<&'a str>,
    /// The whole tag, its handle replaced by what it stands for.
    pub(crate) tag: Option<Cow<'a, str>>,
}

/// Most nodes have no properties.
pub(crate) type MaybeProperties<'a> = Option<Box<Properties<'a>>>;

#[derive(Debug)]
pub(crate) enum Event<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'a str),
    Scalar(Cow<'a, str>, ScalarStyle, MaybeProperties<'a>),
    SequenceStart {
        flow: bool,
        properties: MaybeProperties<'a>,
    },
    SequenceEnd,
    MappingStart {
        flow: bool,
        properties: MaybeProperties<'a>,
    },
    MappingEnd,
}

/// What events come from: a text, or nodes.
pub(crate) trait EventSource<'a> {
    /// Returns the next event. After the end of the stream that is all there is.
    fn next(&mut self) -> Result<(Event<'a>, Mark), Error>;
    /// Returns the text that marks point into; empty where there is none.
    fn text(&self) -> &'a str;
    /// Looks some tokens ahead for an error.
    fn look_ahead(&mut self) -> Result<(), Error>;
}

/// What comes next in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FirstDocument,
    Document,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceEntry,
    IndentlessEntry,
    BlockMappingKey,
    BlockMappingValue,
    BlockMappingValueOnly,
    FlowSequenceFirst,
    FlowSequenceEntry,
    PairKey,
    PairValue,
    PairValueOnly,
    PairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingValueOnly,
    FlowMappingEmptyValue,
    End,
}

pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began, for errors.
    marks: Vec<Mark>,
    tags: Vec<(&'a str, Cow<'a, str>)>,
}

type Parsed<'a> = Result<(Event<'a>, Mark), Error>;

impl<'a> Parser<'a> {
    /// Parses a text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self::within(text, Mark::default(), readable_end(text, 0))
    }

    /// Parses `text` from a mark on, which must be at the beginning of a line, up to its readable end.
    pub(crate) fn within(text: &'a str, from: Mark, end: usize) -> Self {
        Self {
            scanner: Scanner::new(text, from, end),
            state: State::FirstDocument,
            states: Vec::with_capacity(16),
            marks: Vec::with_capacity(16),
            tags: Vec::new(),
        }
    }

    /// Returns where the next token begins, or scanning has come to.
    pub(crate) fn reached(&self) -> Mark {
        self.scanner.reached()
    }

    #[cold]
    fn error(&self, context: Mark, mark: Mark, message: &'static str) -> Error {
        let upstream = Upstream {
            problem: mark.line,
            context: context.line,
            ..Upstream::default()
        };
        Error::new(
            ErrorKind::Syntax,
            self.scanner.text,
            mark,
            upstream,
            message,
        )
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn empty(mark: Mark) -> Parsed<'a> {
        let event = Event::Scalar(Cow::Borrowed(""), ScalarStyle::Plain, None);
        Ok((event, mark))
    }

    /// Parses a node, after which the parser is in `then`.
    #[inline]
    fn node_then(&mut self, then: State, block: bool, indentless: bool) -> Parsed<'a> {
        self.states.push(then);
        self.node(block, indentless)
    }

    fn document_start(&mut self, first: bool) -> Parsed<'a> {
        if !first {
            while matches!(self.scanner.peek()?.0, Token::DocumentEnd) {
                self.scanner.take();
            }
        }
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        match token {
            Token::StreamEnd => {
                self.scanner.take();
                self.state = State::End;
                Ok((Event::StreamEnd, mark))
            }
            Token::VersionDirective(..) | Token::TagDirective(..) | Token::DocumentStart => {
                self.directives()?;
                let (token, at) = self.scanner.peek()?;
                if !matches!(token, Token::DocumentStart) {
                    let at = *at;
                    let message = "did not find expected <document start>";
                    return Err(self.error(at, at, message));
                }
                self.scanner.take();
                self.states.push(State::DocumentEnd);
                self.state = State::DocumentContent;
                Ok((Event::DocumentStart, mark))
            }
            _ if first => {
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                Ok((Event::DocumentStart, mark))
            }
            _ => Err(self.error(mark, mark, "did not find expected <document start>")),
        }
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut version = false;
        loop {
            if !matches!(
                self.scanner.peek()?.0,
                Token::VersionDirective(..) | Token::TagDirective(..)
            ) {
                return Ok(());
            }
            let (token, mark) = self.scanner.take();
            match token {
                Token::VersionDirective(..) if version => {
                    return Err(self.error(mark, mark, "found duplicate %YAML directive"));
                }
                Token::VersionDirective(1, 1) => version = true,
                Token::TagDirective(directive) => {
                    let (handle, prefix) = *directive;
                    if self.tags.iter().any(|(known, _)| *known == handle) {
                        return Err(self.error(mark, mark, "found duplicate %TAG directive"));
                    }
                    self.tags.push((handle, prefix));
                }
                _ => return Err(self.error(mark, mark, "found incompatible YAML document")),
            }
        }
    }

    fn document_content(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        if matches!(
            token,
            Token::VersionDirective(..)
                | Token::TagDirective(..)
                | Token::DocumentStart
                | Token::DocumentEnd
                | Token::StreamEnd
        ) {
            let mark = *mark;
            self.pop();
            return Self::empty(mark);
        }
        self.node(true, false)
    }

    fn document_end(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::DocumentEnd) {
            self.scanner.take();
        }
        self.tags.clear();
        self.state = State::Document;
        Ok((Event::DocumentEnd, mark))
    }

    fn properties(&mut self) -> Result<Option<(Box<Properties<'a>>, Mark)>, Error> {
        let mut anchor = None;
        let mut tag = None;
        let mut start = None;
        loop {
            match self.scanner.peek()? {
                (Token::Anchor(name), mark) if anchor.is_none() => {
                    anchor = Some(*name);
                    start.get_or_insert(*mark);
                    self.scanner.take();
                }
                (Token::Tag(..), mark) if tag.is_none() => {
                    start.get_or_insert(*mark);
                    let (Token::Tag(parts), mark) = self.scanner.take() else {
                        unreachable!("a tag was looked at");
                    };
                    let (handle, suffix) = *parts;
                    tag = Some(self.resolve_tag(handle, suffix, start.unwrap_or(mark), mark)?);
                }
                _ => break,
            }
        }
        Ok(start.map(|mark| {
            let tag = tag.filter(|tag| !tag.is_empty());
            (Box::new(Properties { anchor, tag }), mark)
        }))
    }

    fn resolve_tag(
        &self,
        handle: &'a str,
        suffix: Cow<'a, str>,
        context: Mark,
        mark: Mark,
    ) -> Result<Cow<'a, str>, Error> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let declared = self.tags.iter().find(|(known, _)| *known == handle);
        let prefix = match (declared, handle) {
            (Some((_, prefix)), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            _ => return Err(self.error(context, mark, "found undefined tag handle")),
        };
        Ok(Cow::Owned(format!("{prefix}{suffix}")))
    }

    fn node(&mut self, block: bool, indentless: bool) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mut start = *mark;
        let mut properties = None;
        match token {
            Token::Scalar(..) => return Ok(self.scalar(start, None)),
            Token::Alias(name) => {
                let name = *name;
                self.scanner.take();
                self.pop();
                return Ok((Event::Alias(name), start));
            }
            Token::Anchor(_) | Token::Tag(..) => {
                if let Some((found, mark)) = self.properties()? {
                    properties = Some(found);
                    start = mark;
                }
            }
            _ => {}
        }
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        let event = match token {
            Token::BlockEntry if indentless => {
                self.state = State::IndentlessEntry;
                let flow = false;
                return Ok((Event::SequenceStart { flow, properties }, start));
            }
            Token::Scalar(..) => return Ok(self.scalar(start, properties)),
            Token::FlowSequenceStart => {
                self.state = State::FlowSequenceFirst;
                let flow = true;
                Event::SequenceStart { flow, properties }
            }
            Token::FlowMappingStart => {
                self.state = State::FlowMappingFirst;
                let flow = true;
                Event::MappingStart { flow, properties }
            }
            Token::BlockSequenceStart if block => {
                self.state = State::BlockSequenceEntry;
                let flow = false;
                Event::SequenceStart { flow, properties }
            }
            Token::BlockMappingStart if block => {
                self.state = State::BlockMappingKey;
                let flow = false;
                Event::MappingStart { flow, properties }
            }
            _ if properties.is_some() => {
                self.pop();
                let event = Event::Scalar(Cow::Borrowed(""), ScalarStyle::Plain, properties);
                return Ok((event, start));
            }
            _ => {
                let message = "did not find expected node content";
                return Err(self.error(start, mark, message));
            }
        };
        self.scanner.take();
        self.marks.push(mark);
        Ok((event, start))
    }

    #[inline]
    fn scalar(&mut self, start: Mark, properties: MaybeProperties<'a>) -> (Event<'a>, Mark) {
        self.pop();
        match self.scanner.take().0 {
            Token::Scalar(text, style) => (Event::Scalar(text, style, properties), start),
            _ => unreachable!("a scalar was looked at"),
        }
    }

    /// Takes a key with its `:`.
    #[inline]
    fn scalar_key(&mut self, then: State) -> (Event<'a>, Mark) {
        self.state = then;
        match self.scanner.take() {
            (Token::ScalarKey(text, style), mark) => (Event::Scalar(text, style, None), mark),
            _ => unreachable!("a key was looked at"),
        }
    }

    /// Ends the innermost collection.
    fn close(&mut self, event: Event<'a>) -> Parsed<'a> {
        let (_, mark) = self.scanner.take();
        self.pop();
        self.marks.pop();
        Ok((event, mark))
    }

    #[cold]
    fn unexpected(&self, mark: Mark, message: &'static str) -> Error {
        let context = self.marks.last().copied().unwrap_or(mark);
        self.error(context, mark, message)
    }

    fn block_sequence_entry(&mut self) -> Parsed<'a> {
        match self.scanner.peek()? {
            (Token::BlockEntry, mark) => {
                let mark = *mark;
                self.scanner.take();
                match self.scanner.peek()?.0 {
                    Token::BlockEntry | Token::BlockEnd => {
                        self.state = State::BlockSequenceEntry;
                        Self::empty(mark)
                    }
                    _ => self.node_then(State::BlockSequenceEntry, true, false),
                }
            }
            (Token::BlockEnd, _) => self.close(Event::SequenceEnd),
            (_, mark) => {
                let mark = *mark;
                Err(self.unexpected(mark, "did not find expected '-' indicator"))
            }
        }
    }

    fn indentless_entry(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if !matches!(token, Token::BlockEntry) {
            self.pop();
            return Ok((Event::SequenceEnd, mark));
        }
        self.scanner.take();
        match self.scanner.peek()?.0 {
            Token::BlockEntry
            | Token::Key
            | Token::ScalarKey(..)
            | Token::Value
            | Token::BlockEnd => {
                self.state = State::IndentlessEntry;
                Self::empty(mark)
            }
            _ => self.node_then(State::IndentlessEntry, true, false),
        }
    }

    fn block_mapping_key(&mut self) -> Parsed<'a> {
        match self.scanner.peek()? {
            (Token::ScalarKey(..), _) => Ok(self.scalar_key(State::BlockMappingValueOnly)),
            (Token::Key, mark) => {
                let mark = *mark;
                self.scanner.take();
                match self.scanner.peek()?.0 {
                    Token::Key | Token::ScalarKey(..) | Token::Value | Token::BlockEnd => {
                        self.state = State::BlockMappingValue;
                        Self::empty(mark)
                    }
                    _ => self.node_then(State::BlockMappingValue, true, true),
                }
            }
            (Token::BlockEnd, _) => self.close(Event::MappingEnd),
            (_, mark) => {
                let mark = *mark;
                Err(self.unexpected(mark, "did not find expected key"))
            }
        }
    }

    fn block_mapping_value(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::Value) {
            self.scanner.take();
            return self.block_mapping_value_only(mark);
        }
        self.state = State::BlockMappingKey;
        Self::empty(mark)
    }

    /// Parses a value whose `:` was passed at `mark`.
    fn block_mapping_value_only(&mut self, mark: Mark) -> Parsed<'a> {
        match self.scanner.peek()?.0 {
            Token::Key | Token::ScalarKey(..) | Token::Value | Token::BlockEnd => {
                self.state = State::BlockMappingKey;
                Self::empty(mark)
            }
            _ => self.node_then(State::BlockMappingKey, true, true),
        }
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Parsed<'a> {
        if !first && !matches!(self.scanner.peek()?.0, Token::FlowSequenceEnd) {
            let (token, mark) = self.scanner.peek()?;
            if !matches!(token, Token::FlowEntry) {
                let mark = *mark;
                return Err(self.unexpected(mark, "did not find expected ',' or ']'"));
            }
            self.scanner.take();
        }
        match self.scanner.peek()? {
            (Token::FlowSequenceEnd, _) => self.close(Event::SequenceEnd),
            (token @ (Token::Key | Token::ScalarKey(..)), mark) => {
                let mark = *mark;
                if matches!(token, Token::Key) {
                    self.scanner.take();
                }
                self.state = State::PairKey;
                let (flow, properties) = (true, None);
                Ok((Event::MappingStart { flow, properties }, mark))
            }
            _ => self.node_then(State::FlowSequenceEntry, false, false),
        }
    }

    fn pair_key(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::ScalarKey(..)) {
            return Ok(self.scalar_key(State::PairValueOnly));
        }
        if matches!(
            token,
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd
        ) {
            // libyaml passes over the token here, as go-yaml does: the value of `[? : x]` is lost with it.
            self.scanner.take();
            self.state = State::PairValue;
            return Self::empty(mark);
        }
        self.node_then(State::PairValue, false, false)
    }

    fn pair_value(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::Value) {
            self.scanner.take();
            return self.pair_value_only();
        }
        self.state = State::PairEnd;
        Self::empty(mark)
    }

    /// Parses the value of a pair whose `:` was passed.
    fn pair_value_only(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::FlowEntry | Token::FlowSequenceEnd) {
            self.state = State::PairEnd;
            return Self::empty(mark);
        }
        self.node_then(State::PairEnd, false, false)
    }

    fn flow_mapping_key(&mut self, first: bool) -> Parsed<'a> {
        if !first && !matches!(self.scanner.peek()?.0, Token::FlowMappingEnd) {
            let (token, mark) = self.scanner.peek()?;
            if !matches!(token, Token::FlowEntry) {
                let mark = *mark;
                return Err(self.unexpected(mark, "did not find expected ',' or '}'"));
            }
            self.scanner.take();
        }
        match self.scanner.peek()?.0 {
            Token::ScalarKey(..) => Ok(self.scalar_key(State::FlowMappingValueOnly)),
            Token::FlowMappingEnd => self.close(Event::MappingEnd),
            Token::Key => {
                self.scanner.take();
                let (token, mark) = self.scanner.peek()?;
                let mark = *mark;
                if matches!(
                    token,
                    Token::Value | Token::FlowEntry | Token::FlowMappingEnd
                ) {
                    self.state = State::FlowMappingValue;
                    return Self::empty(mark);
                }
                self.node_then(State::FlowMappingValue, false, false)
            }
            _ => self.node_then(State::FlowMappingEmptyValue, false, false),
        }
    }

    fn flow_mapping_value(&mut self, empty: bool) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if !empty && matches!(token, Token::Value) {
            self.scanner.take();
            return self.flow_mapping_value_only();
        }
        self.state = State::FlowMappingKey;
        Self::empty(mark)
    }

    /// Parses a value whose `:` was passed.
    fn flow_mapping_value_only(&mut self) -> Parsed<'a> {
        let (token, mark) = self.scanner.peek()?;
        let mark = *mark;
        if matches!(token, Token::FlowEntry | Token::FlowMappingEnd) {
            self.state = State::FlowMappingKey;
            return Self::empty(mark);
        }
        self.node_then(State::FlowMappingKey, false, false)
    }
}

impl<'a> EventSource<'a> for Parser<'a> {
    fn text(&self) -> &'a str {
        self.scanner.text
    }

    fn look_ahead(&mut self) -> Result<(), Error> {
        self.scanner.look_ahead()
    }

    #[inline]
    fn next(&mut self) -> Parsed<'a> {
        match self.state {
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValueOnly => {
                let mark = self.scanner.mark();
                self.block_mapping_value_only(mark)
            }
            State::BlockMappingValue => self.block_mapping_value(),
            State::BlockSequenceEntry => self.block_sequence_entry(),
            State::IndentlessEntry => self.indentless_entry(),
            State::FirstDocument => self.document_start(true),
            State::Document => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::FlowSequenceFirst => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairValueOnly => self.pair_value_only(),
            State::FlowMappingValueOnly => self.flow_mapping_value_only(),
            State::PairEnd => {
                let mark = self.scanner.peek()?.1;
                self.state = State::FlowSequenceEntry;
                Ok((Event::MappingEnd, mark))
            }
            State::FlowMappingFirst => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
            State::End => Ok((Event::StreamEnd, self.scanner.mark())),
        }
    }
}
