//! What a schema says of merging: which lists are merged and by which keys.

use std::borrow::Cow;
use std::fmt::Write as _;

use gitops_manifest::Value;
use rustc_hash::FxHashMap;

use crate::scope::Scope;

const BUILT_IN: &str = include_str!("../data/schema.txt");

/// A schema in the form of `data/schema.txt`, read where it is asked.
#[derive(Debug)]
pub(crate) struct Schema {
    text: Cow<'static, str>,
    /// The ranges of the types in the text.
    types: Vec<(usize, usize)>,
    /// From `apiVersion kind` to the number of the type.
    kinds: FxHashMap<Box<str>, usize>,
}

/// A type of a schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type<'a> {
    schema: &'a Schema,
    /// How the type is written.
    written: &'a str,
}

impl Schema {
    fn new(text: Cow<'static, str>) -> Self {
        let (mut types, mut kinds) = (Vec::new(), FxHashMap::default());
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let line = line.trim_end_matches('\n');
            if let Some(kind) = line.strip_prefix('!') {
                if let Some((name, number)) = kind.rsplit_once(' ')
                    && let Ok(number) = number.parse()
                {
                    kinds.insert(name.into(), number);
                }
            } else if !line.starts_with('#') {
                types.push((start, start + line.len()));
            }
        }
        Self { text, types, kinds }
    }

    /// Returns the schema that is built into kustomize.
    pub(crate) fn built_in() -> Self {
        Self::new(Cow::Borrowed(BUILT_IN))
    }

    /// Reads an OpenAPI document; notes in `scope` what its paths say of kinds.
    pub(crate) fn from_openapi(document: &Value, scope: &mut Scope) -> Self {
        let mut writer = Writer {
            definitions: document.get("definitions"),
            numbers: FxHashMap::default(),
            types: Vec::new(),
        };
        let mut head = String::new();
        let definitions = document.get("definitions").and_then(Value::as_object);
        for (name, definition) in definitions.into_iter().flatten() {
            let number = writer.number(name);
            for gvk in definition
                .get("x-kubernetes-group-version-kind")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if let Some((api_version, kind)) = type_meta(gvk) {
                    let _ = writeln!(head, "!{api_version} {kind} {number}");
                }
            }
        }
        for (path, operations) in document
            .get("paths")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let gvk = operations.at(&["get", "x-kubernetes-group-version-kind"]);
            if let Some((api_version, kind)) = gvk.and_then(type_meta) {
                scope.declare(api_version, kind, path.contains("namespaces/{namespace}"));
            }
        }
        for line in writer.types {
            head.push_str(&line);
            head.push('\n');
        }
        Self::new(Cow::Owned(head))
    }

    /// Reads the schema of one field.
    pub(crate) fn inline(schema: &Value) -> Self {
        let mut writer = Writer {
            definitions: None,
            numbers: FxHashMap::default(),
            types: vec![String::new()],
        };
        let written = writer.written(schema, 0);
        writer.types[0] = written;
        Self::new(Cow::Owned(writer.types.join("\n") + "\n"))
    }

    /// Returns the type that is the whole schema.
    pub(crate) fn whole(&self) -> Option<Type<'_>> {
        self.open(&self.text[self.types.first()?.0..self.types.first()?.1])
    }

    /// Returns the type of a kind.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<Type<'_>> {
        let key = format!("{api_version} {kind}");
        let number = *self.kinds.get(key.as_str())?;
        self.numbered(number)
    }

    /// Whether there is a type for a kind.
    pub(crate) fn knows(&self, api_version: &str, kind: &str) -> bool {
        self.kind(api_version, kind).is_some()
    }

    fn numbered(&self, number: usize) -> Option<Type<'_>> {
        let &(start, end) = self.types.get(number)?;
        Some(Type {
            schema: self,
            written: &self.text[start..end],
        })
    }

    /// Follows a number to the line of its type.
    fn open<'a>(&'a self, written: &'a str) -> Option<Type<'a>> {
        if written.starts_with(|c: char| c.is_ascii_digit()) {
            self.numbered(written.parse().ok()?)
        } else {
            Some(Type {
                schema: self,
                written,
            })
        }
    }
}

fn type_meta(gvk: &Value) -> Option<(String, String)> {
    let part = |key| gvk.get(key).and_then(Value::as_str);
    let (version, kind) = (part("version")?, part("kind")?);
    let api_version = match part("group") {
        Some(group) if !group.is_empty() => format!("{group}/{version}"),
        _ => version.to_owned(),
    };
    Some((api_version, kind.to_owned()))
}

impl<'a> Type<'a> {
    /// Splits a written list into the type of its items and what stands behind it.
    fn list(self) -> Option<(&'a str, &'a str)> {
        let rest = self.written.strip_prefix('[')?;
        let mut depth = 1;
        for (i, c) in rest.char_indices() {
            match c {
                '[' => depth += 1,
                ']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some((&rest[..i], &rest[i + 1..]));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Returns the type of the items of a list.
    pub(crate) fn items(self) -> Option<Self> {
        let (item, _) = self.list()?;
        if item.is_empty() {
            return None;
        }
        self.schema.open(item)
    }

    /// Returns the merge keys of a list that is merged; there may be none.
    pub(crate) fn merge_keys(self) -> Option<Vec<&'a str>> {
        let (_, behind) = self.list()?;
        let keys = behind.strip_prefix('+')?;
        Some(keys.split(',').filter(|key| !key.is_empty()).collect())
    }

    /// Returns the type of a field.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        if let Some(rest) = self.written.strip_prefix('{') {
            return self.schema.open(rest.strip_suffix('}')?);
        }
        if self.written.starts_with(['[', '.']) {
            return None;
        }
        // Fields not named stand alone, or behind the others.
        let (named, any) = match self.written.rsplit_once(' ') {
            Some((named, last)) => match last.strip_prefix("*:") {
                Some(any) => (named, Some(any)),
                None => (self.written, None),
            },
            None => (self.written, self.written.strip_prefix("*:")),
        };
        self.schema.open(find(named, name).or(any)?)
    }
}

/// Finds a field in the line of a type, whose fields are sorted.
fn find<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let bytes = line.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let before = bytes[low..middle].iter().rposition(|b| *b == b' ');
        let start = before.map_or(low, |i| low + i + 1);
        let behind = bytes[middle..high].iter().position(|b| *b == b' ');
        let end = behind.map_or(high, |i| middle + i);
        // The middle may be the blank before a field.
        let (key, written) = line.get(start..end)?.split_once(':')?;
        match key.cmp(name) {
            std::cmp::Ordering::Equal => return Some(written),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start.saturating_sub(1),
        }
    }
    None
}

/// Writes the types of an OpenAPI document.
struct Writer<'a> {
    definitions: Option<&'a Value>,
    numbers: FxHashMap<String, usize>,
    types: Vec<String>,
}

/// How deep types may stand within types.
const MAX_DEPTH: usize = 64;

impl Writer<'_> {
    fn number(&mut self, name: &str) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = self.types.len();
        self.numbers.insert(name.to_owned(), number);
        self.types.push(String::new());
        let definition = self.definitions.and_then(|d| d.get(name));
        if let Some(definition) = definition {
            let line = self.fields(definition, 0);
            self.types[number] = line;
        }
        number
    }

    fn fields(&mut self, schema: &Value, depth: usize) -> String {
        let mut out = Vec::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if !name.contains([' ', ':', '\n']) {
                out.push(format!("{name}:{}", self.written(property, depth + 1)));
            }
        }
        if let Some(more) = schema.get("additionalProperties")
            && more.as_object().is_some()
        {
            out.push(format!("*:{}", self.written(more, depth + 1)));
        }
        out.join(" ")
    }

    fn written(&mut self, schema: &Value, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return ".".to_owned();
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let name = reference.strip_prefix("#/definitions/").unwrap_or("");
            let target = self.definitions.and_then(|d| d.get(name));
            return match target {
                Some(target)
                    if target.get("$ref").is_some()
                        || target
                            .get("type")
                            .is_some_and(|t| t == &Value::from("array")) =>
                {
                    self.written(target, depth + 1)
                }
                Some(_) => self.number(name).to_string(),
                None => ".".to_owned(),
            };
        }
        let is_list = schema.get("type").and_then(Value::as_str) == Some("array");
        if is_list {
            let item = match schema.get("items") {
                Some(items) => self.written(items, depth + 1),
                None => String::new(),
            };
            let mut out = format!("[{item}]");
            let strategy = schema.get("x-kubernetes-patch-strategy");
            let strategy = strategy.and_then(Value::as_str).unwrap_or_default();
            if strategy.split(',').any(|s| s == "merge") {
                let keys: Vec<&str> = match schema.get("x-kubernetes-list-map-keys") {
                    Some(keys) => keys
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect(),
                    None => schema
                        .get("x-kubernetes-patch-merge-key")
                        .and_then(Value::as_str)
                        .into_iter()
                        .collect(),
                };
                out.push('+');
                out.push_str(&keys.join(","));
            }
            return out;
        }
        if schema.get("properties").is_some() {
            // A type within a type gets a line of its own.
            let number = self.types.len();
            self.types.push(String::new());
            let line = self.fields(schema, depth + 1);
            self.types[number] = line;
            return number.to_string();
        }
        match schema.get("additionalProperties") {
            Some(more) if more.as_object().is_some() => {
                format!("{{{}}}", self.written(more, depth + 1))
            }
            _ => ".".to_owned(),
        }
    }
}

/// The schemas of a build: the one that is built in, and one that a kustomization named.
#[derive(Debug)]
pub(crate) struct Schemas {
    pub(crate) built_in: Option<Schema>,
    pub(crate) custom: Option<Schema>,
    /// Those of comments.
    pub(crate) inline: Vec<Schema>,
}

impl Schemas {
    /// Returns the type that a note on a key stands for.
    pub(crate) fn note(&self, note: u16) -> Option<Type<'_>> {
        let i = usize::from(note).checked_sub(1)?;
        self.inline.get(i)?.whole()
    }

    /// Returns the type of a kind.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<Type<'_>> {
        self.built_in
            .iter()
            .chain(&self.custom)
            .find_map(|schema| schema.kind(api_version, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_schema_knows_merge_keys() {
        let schema = Schema::built_in();
        let pod = schema.kind("v1", "Pod").expect("a type");
        let containers = pod.field("spec").and_then(|t| t.field("containers"));
        let containers = containers.expect("a field");
        assert_eq!(containers.merge_keys(), Some(vec!["name"]));
        let ports = containers.items().and_then(|t| t.field("ports"));
        let keys = ports.expect("a field").merge_keys();
        assert_eq!(keys, Some(vec!["containerPort", "protocol"]));
        let args = containers.items().and_then(|t| t.field("args"));
        assert_eq!(args.expect("a field").merge_keys(), None);
    }

    #[test]
    fn every_field_is_found() {
        let schema = Schema::built_in();
        for &(start, end) in &schema.types {
            let line = &schema.text[start..end];
            for (key, written) in line.split(' ').filter_map(|field| field.split_once(':')) {
                assert_eq!(find(line, key), Some(written), "{key} in {line}");
                assert_eq!(find(line, &format!("{key}0")), None);
            }
            assert_eq!(find(line, ""), None);
            assert_eq!(find(line, "~"), None);
        }
        let more = Schema::inline(&serde_json::json!({
            "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string"}}},
            "additionalProperties": {"type": "array", "items": {"type": "integer"}},
        }).into());
        let whole = more.whole().and_then(|t| t.field("b")).expect("a field");
        assert!(whole.items().is_some());
        let other = more.whole().and_then(|t| t.field("c")).expect("any");
        assert!(other.items().is_some());
    }
}
