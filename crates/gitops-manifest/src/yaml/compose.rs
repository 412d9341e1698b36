//! The composer: events to values, in one pass and without recursion.

mod base64;
mod budget;
mod errors;
mod gosyntax;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::decode_base64;
use budget::AliasBudget;

use super::error::{Error, ErrorKind, Mark};
use super::events::{Event, EventSource, MaybeProperties, Parser};
use super::float::format_g32;
use super::resolve::{Resolved, resolve, resolve_tagged, short_tag};
use super::scan::ScalarStyle;
use super::{Duplicates, ParseOptions, Profile};
use crate::{Map, Number, Str, Value};

const STR_TAG: &str = "tag:yaml.org,2002:str";
const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

/// What Go says of a map with keys that are no text.
const NO_STRING_MAP: &str = "json: unsupported type: map[interface {}]interface {}";

/// A node that an anchor names.
enum Anchored {
    /// The node is still being read: an alias to it would contain itself.
    Open,
    Done {
        value: Value,
        /// How many nodes it has, aliases followed.
        weight: u64,
        height: usize,
    },
}

/// A list or a map that is being read. Its children are the last of the composer's stacks.
struct Frame<'a> {
    start: usize,
    anchor: Option<&'a str>,
    mark: Mark,
    weight_before: u64,
    /// How many repeated keys were found before it.
    repeated_before: usize,
    /// The greatest depth below this node.
    height: usize,
    kind: FrameKind,
}

enum FrameKind {
    Sequence,
    Mapping {
        pending: Pending,
        /// The value of `<<`, which go-yaml v3 merges when the map is complete.
        merge: Option<(Value, Mark)>,
    },
}

/// A key that stands twice in a map.
struct Repeated {
    mark: Mark,
    /// The line that go-yaml names, counted from 1, and what it says.
    line: usize,
    message: String,
}

/// What the next node of a map is.
enum Pending {
    Key,
    Value(Str, Mark),
    Merge(Mark),
    /// The value of a key that go-yaml v3 passes over.
    Ignored,
    /// The value of a key that JSON cannot hold; the error shows the value too. The key is given as Go shows it,
    /// with its type.
    Refused(&'static str, Str, Mark),
}

pub(crate) struct Composer<'a, 'o, S = Parser<'a>> {
    events: S,
    options: &'o ParseOptions,
    frames: Vec<Frame<'a>>,
    values: Vec<Value>,
    entries: Vec<(Str, Value)>,
    /// Where the keys in `entries` stand, and the lines of their values; kept where equal keys are errors.
    key_marks: Vec<(Mark, usize)>,
    /// The keys that stand twice.
    repeated: Vec<Repeated>,
    anchors: BTreeMap<&'a str, Anchored>,
    budget: AliasBudget,
}

impl<'a, 'o> Composer<'a, 'o> {
    pub(crate) fn new(text: &'a str, options: &'o ParseOptions) -> Self {
        Self::of(Parser::new(text), options)
    }

    pub(crate) fn reached(&self) -> Mark {
        self.events.reached()
    }
}

impl<'a, 'o, S: EventSource<'a>> Composer<'a, 'o, S> {
    pub(crate) fn of(events: S, options: &'o ParseOptions) -> Self {
        Self {
            events,
            options,
            frames: Vec::with_capacity(16),
            values: Vec::with_capacity(32),
            entries: Vec::with_capacity(64),
            key_marks: Vec::new(),
            repeated: Vec::new(),
            anchors: BTreeMap::new(),
            budget: AliasBudget::default(),
        }
    }

    /// Returns the next document with the place where it begins; `None` at the end.
    pub(crate) fn document(&mut self) -> Result<Option<(Value, Mark)>, Error> {
        let composed = match self.compose() {
            Ok(Some(_)) if !self.repeated.is_empty() => Err(self.repeated_keys()),
            composed => composed,
        };
        match composed {
            Err(error) if error.kind() == ErrorKind::Syntax => Err(self.earlier(error)),
            // Go parses the whole document before it looks at what it says.
            Err(error) if error.kind() == ErrorKind::Content && !error.is_immediate() => {
                match self.pass_document() {
                    Err(syntax) if syntax.kind() == ErrorKind::Syntax => Err(self.earlier(syntax)),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
            Ok(document) => {
                if self.options.profile == Profile::Kyaml {
                    self.events.look_ahead()?;
                }
                Ok(document)
            }
        }
    }

    /// Returns the error that go-yaml v3 would have met first: its scanner is tokens ahead of its parser.
    #[cold]
    fn earlier(&mut self, error: Error) -> Error {
        match self.options.profile {
            Profile::Kyaml if !error.is_immediate() => {
                self.events.look_ahead().err().unwrap_or(error)
            }
            _ => error,
        }
    }

    /// Passes the rest of the document.
    #[cold]
    fn pass_document(&mut self) -> Result<(), Error> {
        loop {
            if let Event::DocumentEnd | Event::StreamEnd = self.events.next()?.0 {
                return Ok(());
            }
        }
    }

    fn compose(&mut self) -> Result<Option<(Value, Mark)>, Error> {
        let (event, start) = self.events.next()?;
        match event {
            Event::DocumentStart => {}
            _ => return Ok(None),
        }
        self.anchors.clear();
        self.budget = AliasBudget::default();
        self.frames.clear();
        self.values.clear();
        self.entries.clear();
        self.key_marks.clear();
        self.repeated.clear();
        let mut root = None;
        loop {
            let (event, mark) = self.events.next()?;
            let done = match event {
                Event::Scalar(text, style, properties) => {
                    self.budget.count();
                    self.scalar(&text, style, properties, mark)?
                }
                Event::MappingStart { properties, .. } => {
                    let kind = FrameKind::Mapping {
                        pending: Pending::Key,
                        merge: None,
                    };
                    self.open(self.entries.len(), kind, properties, mark)?;
                    None
                }
                Event::SequenceStart { properties, .. } => {
                    self.open(self.values.len(), FrameKind::Sequence, properties, mark)?;
                    None
                }
                Event::MappingEnd | Event::SequenceEnd => self.close()?,
                Event::Alias(name) => self.alias(name, mark)?,
                Event::DocumentEnd => break,
                Event::DocumentStart | Event::StreamEnd => {
                    unreachable!("a document ends before the next event of the stream")
                }
            };
            if done.is_some() {
                root = done;
            }
        }
        Ok(Some((root.unwrap_or_default(), start)))
    }

    fn open(
        &mut self,
        start: usize,
        kind: FrameKind,
        properties: MaybeProperties<'a>,
        mark: Mark,
    ) -> Result<(), Error> {
        let weight_before = self.budget.nodes();
        self.budget.count();
        if self.frames.len() >= self.options.max_depth {
            return Err(self.too_deep(mark));
        }
        let anchor = properties.and_then(|properties| properties.anchor);
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchored::Open);
        }
        self.frames.push(Frame {
            start,
            anchor,
            mark,
            weight_before,
            repeated_before: self.repeated.len(),
            height: 0,
            kind,
        });
        Ok(())
    }

    /// Ends the innermost list or map.
    fn close(&mut self) -> Result<Option<Value>, Error> {
        let frame = self
            .frames
            .pop()
            .expect("the parser ends only what it began");
        let value = match frame.kind {
            FrameKind::Sequence => {
                let values: Vec<Value> = self.values.drain(frame.start..).collect();
                Value::Array(values.into())
            }
            FrameKind::Mapping { merge, .. } => {
                if self.options.duplicates == Duplicates::Error {
                    self.check_duplicates(frame.start, frame.repeated_before);
                }
                let entries: Vec<(Str, Value)> = self.entries.drain(frame.start..).collect();
                let mut map = Map::from_entries(entries);
                if let Some((merge, _)) = merge {
                    merge_below(&mut map, &merge);
                }
                Value::Object(map)
            }
        };
        let height = frame.height + 1;
        if let Some(name) = frame.anchor
            && let Some(anchored @ Anchored::Open) = self.anchors.get_mut(name)
        {
            *anchored = Anchored::Done {
                value: value.clone(),
                weight: self.budget.nodes() - frame.weight_before,
                height,
            };
        }
        self.place(value, frame.mark, height)
    }

    fn alias(&mut self, name: &'a str, mark: Mark) -> Result<Option<Value>, Error> {
        self.budget.count();
        let (value, weight, height) = match self.anchors.get(name) {
            Some(Anchored::Done {
                value,
                weight,
                height,
            }) => (value.clone(), *weight, *height),
            Some(Anchored::Open) => {
                let message = format!("anchor '{name}' value contains itself");
                return Err(self.content(mark, message));
            }
            None => return Err(Error::unknown_anchor(self.events.text(), mark, name)),
        };
        if !self.budget.expand(weight) {
            let message = "document contains excessive aliasing";
            return Err(self.fail(ErrorKind::Limit, mark, message));
        }
        if self.frames.len() + height > self.options.max_depth {
            return Err(self.too_deep(mark));
        }
        self.place(value, mark, height)
    }

    /// Puts a value where it belongs; gives it back where it is the document.
    #[inline]
    fn place(&mut self, value: Value, mark: Mark, height: usize) -> Result<Option<Value>, Error> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(Some(value));
        };
        frame.height = frame.height.max(height);
        match &mut frame.kind {
            FrameKind::Sequence => self.values.push(value),
            FrameKind::Mapping { pending, merge } => {
                match std::mem::replace(pending, Pending::Key) {
                    Pending::Value(key, key_mark) => {
                        self.entries.push((key, value));
                        if self.options.duplicates == Duplicates::Error {
                            self.key_marks.push((key_mark, mark.line));
                        }
                    }
                    Pending::Merge(key_mark) => {
                        if !is_mergeable(&value) {
                            let message = "map merge requires map or sequence of maps as the value";
                            return Err(self.content(mark, message));
                        }
                        if self.options.profile == Profile::Kyaml {
                            if let Some((_, first)) = merge.replace((value, key_mark)) {
                                self.repeat(key_mark, mark.line, "<<", first);
                            }
                        } else {
                            self.merge_here(&value, mark);
                        }
                    }
                    Pending::Ignored => {}
                    Pending::Refused(kind, key, key_mark) => {
                        return Err(self.refused_key(kind, &key, &value, key_mark));
                    }
                    Pending::Key => {
                        let key = key_of(&value).ok_or_else(|| self.bad_key(&value, mark))?;
                        self.set_key(Pending::Value(key, mark));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether the next node is the key of a map.
    fn awaits_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                kind: FrameKind::Mapping {
                    pending: Pending::Key,
                    ..
                },
                ..
            })
        )
    }

    fn set_key(&mut self, key: Pending) {
        if let Some(Frame {
            kind: FrameKind::Mapping { pending, .. },
            ..
        }) = self.frames.last_mut()
        {
            *pending = key;
        }
    }

    /// Puts merged entries where the merge key stands, as go-yaml v2 does: the last of equal keys wins. Of a
    /// list of maps the first goes last.
    fn merge_here(&mut self, value: &Value, mark: Mark) {
        let maps = match value {
            Value::Array(maps) => &maps[..],
            map => std::slice::from_ref(map),
        };
        for map in maps.iter().rev().filter_map(Value::as_object) {
            for (key, value) in map {
                self.entries.push((key.clone(), value.clone()));
                if self.options.duplicates == Duplicates::Error {
                    self.key_marks.push((mark, mark.line));
                }
            }
        }
    }

    /// Reads a scalar, as a key or as a value.
    #[inline]
    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        properties: MaybeProperties<'a>,
        mark: Mark,
    ) -> Result<Option<Value>, Error> {
        if properties.is_none() {
            let resolved = if style == ScalarStyle::Plain {
                resolve(self.options.profile, text)
            } else {
                Resolved::Text
            };
            return self.resolved(resolved, text, style == ScalarStyle::Plain, mark);
        }
        self.scalar_with_properties(text, style, properties, mark)
    }

    #[inline]
    fn resolved(
        &mut self,
        resolved: Resolved,
        text: &str,
        implicit: bool,
        mark: Mark,
    ) -> Result<Option<Value>, Error> {
        if let Some(Frame {
            kind: FrameKind::Mapping { pending, .. },
            ..
        }) = self.frames.last_mut()
            && matches!(pending, Pending::Key)
        {
            if implicit && text == "<<" {
                *pending = Pending::Merge(mark);
                return Ok(None);
            }
            *pending = match resolved {
                Resolved::Text => Pending::Value(Str::new(text), mark),
                other => {
                    let key = self.typed_key(other, text, mark)?;
                    self.set_key(key);
                    return Ok(None);
                }
            };
            return Ok(None);
        }
        let value = match resolved {
            Resolved::Text => Value::String(Str::new(text)),
            other => self.typed_value(other, text, mark)?,
        };
        self.place(value, mark, 0)
    }

    /// Makes the key of a map of a scalar that is no text.
    fn typed_key(&self, resolved: Resolved, text: &str, mark: Mark) -> Result<Pending, Error> {
        if self.options.profile == Profile::Kyaml {
            return match resolved {
                Resolved::Merge => Ok(Pending::Value(text.into(), mark)),
                // Go decodes a resource into a map from text, whose keys may be written as anything.
                Resolved::Null if self.frames.len() == 1 => Ok(Pending::Ignored),
                _ if self.frames.len() == 1 => Ok(Pending::Value(text.into(), mark)),
                other => {
                    let message = format!("a key of a map is text, {text:?} is {}", other.tag());
                    Err(self.refused(mark, NO_STRING_MAP, message))
                }
            };
        }
        let key: Str = match resolved {
            Resolved::Bool(value) => Str::from_static(if value { "true" } else { "false" }),
            Resolved::Int(int) => Number::from(int).to_string().into(),
            Resolved::Float(float) => {
                let mut key = String::new();
                format_g32(float, &mut key);
                key.into()
            }
            Resolved::Timestamp(_) | Resolved::Merge | Resolved::Text => text.into(),
            Resolved::Null => return Ok(Pending::Refused("%!s(<nil>)", "<nil>".into(), mark)),
            Resolved::UInt(uint) => {
                return Ok(Pending::Refused(
                    "uint64",
                    format!("{uint:#x}").into(),
                    mark,
                ));
            }
        };
        Ok(Pending::Value(key, mark))
    }

    fn typed_value(&self, resolved: Resolved, text: &str, mark: Mark) -> Result<Value, Error> {
        Ok(match resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(value) => Value::Bool(value),
            Resolved::Int(int) => Value::from(int),
            Resolved::UInt(uint) => Value::from(uint),
            Resolved::Float(float) => match Number::from_f64(float) {
                Some(number) => Value::Number(number),
                None => {
                    let message = format!("{text} is a number that JSON cannot hold");
                    let go = match float {
                        f64::INFINITY => "+Inf",
                        f64::NEG_INFINITY => "-Inf",
                        _ => "NaN",
                    };
                    let upstream = format!("json: unsupported value: {go}");
                    return Err(self.refused(mark, upstream, message));
                }
            },
            Resolved::Timestamp(timestamp) if self.options.profile == Profile::Kyaml => {
                if !timestamp.fits_json() {
                    let message = format!("{text} is a time that JSON cannot hold");
                    let upstream = "json: error calling MarshalJSON for type time.Time: \
                        Time.MarshalJSON: timezone hour outside of range [0,23]";
                    return Err(self.refused(mark, upstream, message));
                }
                timestamp.to_string().into()
            }
            Resolved::Timestamp(_) | Resolved::Merge | Resolved::Text => text.into(),
        })
    }

    #[cold]
    fn scalar_with_properties(
        &mut self,
        text: &str,
        style: ScalarStyle,
        properties: MaybeProperties<'a>,
        mark: Mark,
    ) -> Result<Option<Value>, Error> {
        let (anchor, tag) = match properties {
            Some(properties) => (properties.anchor, properties.tag),
            None => (None, None),
        };
        if self.options.profile == Profile::Kyaml
            && self.frames.len() > 1
            && self.awaits_key()
            && tag
                .as_deref()
                .is_some_and(|tag| !matches!(tag, "!" | STR_TAG | MERGE_TAG))
        {
            // To go-yaml v3 a map with such a key is no map from text.
            let tag = tag.as_deref().map(short_tag).unwrap_or_default();
            let message = format!("a key of a map is text, {text:?} is {tag}");
            return Err(self.refused(mark, NO_STRING_MAP, message));
        }
        let mut text: Cow<'_, str> = Cow::Borrowed(text);
        let mut implicit = style == ScalarStyle::Plain && tag.is_none();
        let resolved = match tag.as_deref() {
            None if style == ScalarStyle::Plain => resolve(self.options.profile, &text),
            None => Resolved::Text,
            Some("!") if self.options.profile == Profile::Sigs => {
                implicit = true;
                Resolved::Text
            }
            Some("!") if style == ScalarStyle::Plain => {
                implicit = true;
                resolve(self.options.profile, &text)
            }
            Some("tag:yaml.org,2002:binary") => {
                let Some(bytes) = decode_base64(text.as_bytes()) else {
                    let message = "!!binary value contains invalid base64 data";
                    return Err(self.content(mark, message));
                };
                text = Cow::Owned(lossy(&bytes));
                Resolved::Text
            }
            Some(MERGE_TAG) => {
                implicit = true;
                Resolved::Text
            }
            Some(tag) => resolve_tagged(self.options.profile, tag, &text).map_err(|found| {
                let wanted = short_tag(tag);
                let message = format!("cannot decode {found} `{text}` as a {wanted}");
                self.content(mark, message)
            })?,
        };
        if let Some(name) = anchor {
            let value = match self.typed_value(resolved, &text, mark) {
                Ok(value) => value,
                // Infinity is a key that can be written, and a value only where it is used as one.
                Err(_) => text.as_ref().into(),
            };
            let (weight, height) = (1, 0);
            let anchored = Anchored::Done {
                value,
                weight,
                height,
            };
            self.anchors.insert(name, anchored);
        }
        self.resolved(resolved, &text, implicit, mark)
    }
}

/// Decodes as Go's `encoding/json` writes bytes that are no UTF-8: each wrong byte becomes U+FFFD.
fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for _ in chunk.invalid() {
            out.push('\u{fffd}');
        }
    }
    out
}

fn is_mergeable(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(maps) => maps.iter().all(|map| map.as_object().is_some()),
        _ => false,
    }
}

/// Adds the entries of a map, or of a list of maps, for keys that are absent.
fn merge_below(map: &mut Map, merge: &Value) {
    let maps = match merge {
        Value::Array(maps) => &maps[..],
        map => std::slice::from_ref(map),
    };
    for merged in maps.iter().filter_map(Value::as_object) {
        for (key, value) in merged {
            if !map.contains_key(key) {
                map.insert(key, value.clone());
            }
        }
    }
}

/// Makes the key of a map of a value that an alias brought.
fn key_of(value: &Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(Str::from_static(if *value { "true" } else { "false" })),
        Value::Number(number) if number.as_i64().is_some() => Some(number.to_string().into()),
        Value::Number(number) if !number.is_integer() => {
            let mut key = String::new();
            format_g32(number.as_f64(), &mut key);
            Some(key.into())
        }
        _ => None,
    }
}
