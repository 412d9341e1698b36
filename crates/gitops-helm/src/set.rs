//! The grammar of `--set` and its kin: `a.b[0].c=value,list={1,2}`.

use gitops_manifest::Str;

use crate::node::{Node, NodeMap};

/// The largest index of a list.
const MAX_INDEX: i64 = 65_536;
/// How deep the names of one assignment may nest.
const MAX_NESTING: usize = 30;

/// What the text behind `=` means.
pub(crate) enum Reading<'a> {
    /// Booleans, `null` and integers are told from text: `--set`.
    Typed,
    /// Everything is text: `--set-string`.
    Text,
    /// It is JSON: `--set-json`.
    Json,
    /// It names a file, whose content is the value: `--set-file`.
    File(&'a mut dyn FnMut(&str) -> Result<String, String>),
    /// Everything behind the first `=` is text, commas and backslashes included: `--set-literal`.
    Literal,
}

/// Carries out the assignments of `text` on `values`; the error is Helm's message.
pub(crate) fn assign(text: &str, reading: Reading<'_>, values: &mut NodeMap) -> Result<(), String> {
    let mut parser = Parser {
        rest: text,
        reading,
    };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Failed(message)) => return Err(message),
        }
    }
}

/// Why parsing does not go on.
enum Stop {
    /// The text is at its end, which is an error in some places only.
    End,
    Failed(String),
}

fn failed<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(message.into()))
}

struct Parser<'t, 'r> {
    rest: &'t str,
    reading: Reading<'r>,
}

impl Parser<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Takes text up to one of `stops`, which is taken too and returned: `None` at the end of the text. A
    /// backslash takes the meaning from what follows it, except in literals.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && !matches!(self.reading, Reading::Literal) {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    /// Reads one assignment into `data`.
    fn key(&mut self, data: &mut NodeMap, nesting: usize) -> Result<(), Stop> {
        let stops: &[char] = match self.reading {
            Reading::Literal => &['=', '[', '.'],
            _ => &['=', '[', ',', '.'],
        };
        let (name, stop) = self.until(stops);
        match stop {
            None if name.is_empty() => Err(Stop::End),
            None => failed(format!("key {name:?} has no value")),
            Some('[') => {
                let index = self.index()?;
                let mut list = match data.remove(name.as_str()) {
                    None => Vec::new(),
                    Some(Node::List(list)) => list,
                    Some(other) => return failed(wrong_type(&other, "[]interface {}")),
                };
                let outcome = self.item(&mut list, index, nesting);
                put(data, name, Node::List(list));
                outcome
            }
            Some('=') => self.assignment(data, name),
            Some('.') => {
                if nesting + 1 > MAX_NESTING {
                    return failed(format!(
                        "value name nested level is greater than maximum supported nested level of \
                         {MAX_NESTING}"
                    ));
                }
                let mut inner = match data.remove(name.as_str()) {
                    None => NodeMap::new(),
                    Some(Node::Map(map)) => map,
                    Some(other) => return failed(wrong_type(&other, "map[string]interface {}")),
                };
                let outcome = self.key(&mut inner, nesting + 1);
                if outcome.is_ok() && inner.is_empty() {
                    return failed(format!("key map {name:?} has no value"));
                }
                put(data, name, Node::Map(inner));
                outcome
            }
            Some(_) => failed(format!("key {name:?} has no value (cannot end with ,)")),
        }
    }

    /// Reads the value of a name.
    fn assignment(&mut self, data: &mut NodeMap, name: String) -> Result<(), Stop> {
        match self.reading {
            Reading::Json => {
                let value = self.json()?;
                put(data, name, value);
            }
            Reading::Literal => {
                let text = std::mem::take(&mut self.rest);
                put(data, name, Node::Text(text.into()));
            }
            _ if self.rest.is_empty() => {
                put(data, name, Node::Text(Str::default()));
                return Err(Stop::End);
            }
            _ => {
                let value = self.value()?;
                put(data, name, value);
            }
        }
        Ok(())
    }

    /// Reads a list in braces or text up to a comma.
    fn value(&mut self) -> Result<Node, Stop> {
        if !self.eat('{') {
            let (text, _) = self.until(&[',']);
            return self.scalar(text);
        }
        let mut list = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return failed("list must terminate with '}'");
            }
            list.push(self.scalar(text)?);
            if stop == Some('}') {
                self.eat(',');
                return Ok(Node::List(list));
            }
        }
    }

    fn scalar(&mut self, text: String) -> Result<Node, Stop> {
        match &mut self.reading {
            Reading::Typed => Ok(typed(text)),
            Reading::File(read) => match read(&text) {
                Ok(content) => Ok(Node::Text(content.into())),
                Err(message) => failed(message),
            },
            _ => Ok(Node::Text(text.into())),
        }
    }

    /// Reads one JSON value and the comma behind it. Nothing means `null`.
    fn json(&mut self) -> Result<Node, Stop> {
        if self.nothing() {
            return Ok(Node::Null);
        }
        let mut stream =
            serde_json::Deserializer::from_str(self.rest).into_iter::<serde_json::Value>();
        let value = match stream.next() {
            Some(Ok(value)) => from_json(value),
            Some(Err(error)) => return failed(error.to_string()),
            None => return failed("unexpected end of JSON input"),
        };
        self.rest = &self.rest[stream.byte_offset()..];
        self.nothing();
        Ok(value)
    }

    /// Skips spaces and the comma behind them; tells whether there is nothing else before it.
    fn nothing(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty() || self.eat(',')
    }

    /// Reads an index up to its bracket.
    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return failed("error parsing index: EOF");
        }
        text.parse::<i64>().or_else(|error| {
            let reason = match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    "value out of range"
                }
                _ => "invalid syntax",
            };
            failed(format!(
                "error parsing index: strconv.Atoi: parsing {text:?}: {reason}"
            ))
        })
    }

    /// Reads what follows an index and puts it there.
    fn item(&mut self, list: &mut Vec<Node>, index: i64, nesting: usize) -> Result<(), Stop> {
        if index < 0 {
            return failed(format!("negative {index} index not allowed"));
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            // Go prints the characters one by one.
            let text: Vec<_> = text.chars().map(|c| format!("{c:?}")).collect();
            return failed(format!(
                "unexpected data at end of array index: [{}]",
                text.join(" ")
            ));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let value = match self.reading {
                    Reading::Json => self.json()?,
                    Reading::Literal => Node::Text(std::mem::take(&mut self.rest).into()),
                    _ if self.rest.is_empty() => Node::Text(Str::default()),
                    _ => self.value()?,
                };
                put_at(list, index, value)
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match get(list, index) {
                    None | Some(Node::Null) => Vec::new(),
                    Some(Node::List(list)) => list.clone(),
                    Some(other) => return failed(wrong_type(other, "[]interface {}")),
                };
                self.item(&mut inner, next, nesting)?;
                put_at(list, index, Node::List(inner))
            }
            Some(_) => {
                let known = get(list, index).is_some();
                let mut inner = match get(list, index) {
                    Some(Node::Map(map)) => map.clone(),
                    _ => NodeMap::new(),
                };
                let outcome = self.key(&mut inner, nesting);
                // At the end of the text only what is in the list already is changed.
                if outcome.is_ok() || known {
                    put_at(list, index, Node::Map(inner))?;
                }
                outcome
            }
        }
    }
}

fn put(data: &mut NodeMap, name: String, value: Node) {
    if !name.is_empty() {
        data.insert(name.into(), value);
    }
}

fn get(list: &[Node], index: i64) -> Option<&Node> {
    list.get(usize::try_from(index).ok()?)
}

fn put_at(list: &mut Vec<Node>, index: i64, value: Node) -> Result<(), Stop> {
    if index > MAX_INDEX {
        return failed(format!(
            "index of {index} is greater than maximum supported index of {MAX_INDEX}"
        ));
    }
    let index = index as usize;
    if list.len() <= index {
        list.resize(index + 1, Node::Null);
    }
    list[index] = value;
    Ok(())
}

fn wrong_type(found: &Node, wanted: &str) -> String {
    format!(
        "unable to parse key: interface conversion: interface {{}} is {}, not {wanted}",
        found.go_type()
    )
}

fn typed(text: String) -> Node {
    if text.eq_ignore_ascii_case("true") {
        return Node::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Node::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Node::Null;
    }
    if text == "0" {
        return Node::Int(0);
    }
    // What begins with a zero is a port, a mode or a number of a telephone, and stays text.
    if !text.starts_with('0')
        && let Ok(int) = text.parse()
    {
        return Node::Int(int);
    }
    Node::Text(text.into())
}

fn from_json(value: serde_json::Value) -> Node {
    match value {
        serde_json::Value::Null => Node::Null,
        serde_json::Value::Bool(value) => Node::Bool(value),
        serde_json::Value::Number(number) => Node::Float(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Node::Text(text.into()),
        serde_json::Value::Array(items) => Node::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => Node::Map(
            map.into_iter()
                .map(|(key, value)| (key.into(), from_json(value)))
                .collect(),
        ),
    }
}
