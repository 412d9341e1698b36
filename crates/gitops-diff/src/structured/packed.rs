//! Field sets as they are found: a log of places that are entered, marked and left, in one piece of memory.
//!
//! Most sets that a comparison finds are asked whether they are empty, or not at all. A log takes a few bytes for a field; the
//! tree that set operations walk is made of it when one is asked for.

use std::sync::OnceLock;

use gitops_manifest::{Map, Str, Value};

use super::items::{Identity, Items};
use super::path::PathElement;
use super::set::{FieldSet, Node};

/// The log of a set that is not empty.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    nodes: OnceLock<Vec<Node>>,
}

impl Packed {
    /// The nodes at the top.
    pub(super) fn nodes(&self) -> &[Node] {
        self.nodes.get_or_init(|| read(&self.bytes))
    }
}

/// A place of a value, below another.
pub(super) struct Place<'a> {
    above: Option<&'a Self>,
    step: Step<'a>,
    depth: usize,
}

/// How a place is reached from the one above.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// The field of a map.
    Field(&'a Str),
    /// The element of a list at a position.
    Item(&'a Identity<'a>, &'a Items<'a>, usize),
}

impl<'a> Place<'a> {
    pub(super) fn below(above: Option<&'a Self>, step: Step<'a>) -> Self {
        let depth = above.map_or(0, |place| place.depth) + 1;
        Self { above, step, depth }
    }
}

const FIELD: u8 = 0;
const KEY: u8 = 1;
const VALUE: u8 = 2;
const MEMBER: u8 = 3;
const LEAVE: u8 = 4;

const TEXT: u8 = 0;
const INTEGER: u8 = 1;
const JSON: u8 = 2;

/// Writes a log.
#[derive(Default)]
pub(super) struct Log {
    bytes: Vec<u8>,
    /// How many places have been entered and not left.
    open: usize,
}

impl Log {
    /// Makes a place a member. The value as a whole, which is no place, is none.
    pub(super) fn mark(&mut self, place: Option<&Place<'_>>) {
        if let Some(place) = place {
            self.enter(place);
            self.bytes.push(MEMBER);
        }
    }

    /// Makes the place that was entered last a member.
    pub(super) fn mark_step(&mut self, step: Step<'_>) {
        self.step(step);
        self.bytes.push(MEMBER);
    }

    /// Enters a place unless it is open.
    pub(super) fn enter(&mut self, place: &Place<'_>) {
        if place.depth > self.open {
            if let Some(above) = place.above {
                self.enter(above);
            }
            self.step(place.step);
        }
    }

    /// Leaves all places but those that this one lies in.
    pub(super) fn leave(&mut self, place: &Place<'_>) {
        while self.open >= place.depth {
            self.leave_one();
        }
    }

    /// Leaves the place that was entered last.
    pub(super) fn leave_one(&mut self) {
        self.bytes.push(LEAVE);
        self.open -= 1;
    }

    pub(super) fn finish(self) -> FieldSet {
        if self.bytes.is_empty() {
            return FieldSet::new();
        }
        FieldSet::from_packed(Packed {
            bytes: self.bytes,
            nodes: OnceLock::new(),
        })
    }

    fn step(&mut self, step: Step<'_>) {
        self.open += 1;
        match step {
            Step::Field(name) => {
                self.bytes.push(FIELD);
                self.text(name);
            }
            Step::Item(identity, items, i) => match identity.keys() {
                [] => {
                    self.bytes.push(VALUE);
                    self.value(&items.values[i]);
                }
                names => {
                    let fields = names.iter().zip(items.fields(i));
                    let fields = fields.filter_map(|(name, value)| Some((name, (*value)?)));
                    self.bytes.push(KEY);
                    self.length(fields.clone().count());
                    for (name, value) in fields {
                        self.text(name);
                        self.value(value);
                    }
                }
            },
        }
    }

    /// Writes seven bits a byte, the lowest first.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.bytes.push(TEXT);
                self.text(text);
            }
            other => match other.as_i64() {
                Some(integer) => {
                    self.bytes.push(INTEGER);
                    self.bytes.extend_from_slice(&integer.to_le_bytes());
                }
                None => {
                    self.bytes.push(JSON);
                    self.text(&other.to_json());
                }
            },
        }
    }
}

/// Reads what [`Log`] wrote.
struct Reader<'b>(&'b [u8]);

const OWN: &str = "a log is read as it was written";

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn length(&mut self) -> usize {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte().expect(OWN);
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return length;
            }
        }
    }

    fn text(&mut self) -> &'b str {
        let length = self.length();
        std::str::from_utf8(self.take(length)).expect(OWN)
    }

    fn value(&mut self) -> Value {
        match self.byte().expect(OWN) {
            TEXT => Value::from(self.text()),
            INTEGER => Value::from(i64::from_le_bytes(self.take(8).try_into().expect(OWN))),
            _ => Value::from_json(self.text()).unwrap_or_default(),
        }
    }

    fn element(&mut self, kind: u8) -> PathElement {
        match kind {
            FIELD => PathElement::field(self.text()),
            KEY => {
                let count = self.length();
                let fields = (0..count).map(|_| (Str::new(self.text()), self.value()));
                PathElement::Key(Map::from_entries(fields.collect()))
            }
            _ => PathElement::Value(self.value()),
        }
    }
}

/// Makes the tree of a log.
fn read(bytes: &[u8]) -> Vec<Node> {
    let mut reader = Reader(bytes);
    let mut open: Vec<(PathElement, bool)> = Vec::new();
    // The nodes that have been read at each level.
    let mut levels: Vec<Vec<Node>> = vec![Vec::new()];
    let sorted = |mut nodes: Vec<Node>| {
        if !nodes.is_sorted_by(|a, b| a.element < b.element) {
            nodes.sort_by(|a, b| a.element.cmp(&b.element));
        }
        nodes
    };
    while let Some(kind) = reader.byte() {
        match kind {
            MEMBER => open.last_mut().expect(OWN).1 = true,
            LEAVE => {
                let (element, member) = open.pop().expect(OWN);
                let children = FieldSet::from_nodes(sorted(levels.pop().expect(OWN)));
                levels.last_mut().expect(OWN).push(Node {
                    element,
                    member,
                    children,
                });
            }
            kind => {
                open.push((reader.element(kind), false));
                levels.push(Vec::new());
            }
        }
    }
    sorted(levels.pop().expect(OWN))
}
