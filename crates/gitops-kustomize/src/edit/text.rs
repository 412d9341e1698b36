//! The lines of a kustomization, in fields and their entries.

use gitops_manifest::yaml::{self, EmitOptions, ParseOptions, Profile};
use gitops_manifest::{Map, Str, Value};

use super::{EditError, Result, revise};

/// A file, field by field.
pub(super) struct File {
    /// What stands before the first field.
    head: String,
    fields: Vec<Field>,
    /// What stands behind the last field.
    tail: String,
}

/// A field of the top level.
pub(super) struct Field {
    /// The name, in kustomize's spelling where it is a known one.
    pub(super) name: String,
    /// Comments and blank lines before it.
    above: String,
    /// The line of the key where entries follow below it, without its line feed.
    key_line: String,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// The text of the value, the key included, not looked into.
    Raw(String),
    /// The items of a list or the entries of a map, line by line.
    Entries(Entries),
}

/// The items of a list or the entries of a map.
#[derive(Default)]
pub(super) struct Entries {
    is_map: bool,
    /// What an item is indented by.
    indent: String,
    pub(super) entries: Vec<Entry>,
}

/// An item of a list or an entry of a map.
#[derive(Clone)]
pub(super) struct Entry {
    /// The comments above it.
    above: String,
    /// Its lines; `None` where it is to be written anew.
    raw: Option<String>,
    /// The key of an entry of a map.
    key: Str,
    pub(super) value: Value,
}

const ALL: [&str; 36] = [
    "apiVersion",
    "kind",
    "metadata",
    "openapi",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replacements",
    "replicas",
    "vars",
    "sortOptions",
    "resources",
    "components",
    "crds",
    "bases",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "generatorOptions",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
    "---",
    "...",
];

pub(super) fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Returns the key that a line of the top level begins with.
fn key_of(line: &str) -> Option<&str> {
    if line.starts_with([' ', '\t', '#', '-', '{', '[', '}', ']', '\n', '\r']) {
        return None;
    }
    let (key, rest) = line.split_once(':')?;
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '\n', '\r']) {
        return None;
    }
    Some(key.trim_matches(['"', '\'']))
}

pub(super) fn parse_value(text: &str) -> Result<Value> {
    yaml::parse_one(text, &ParseOptions::new(Profile::Sigs)).map_err(|error| {
        EditError::Unreadable {
            line: error.line(),
            message: error.message().to_owned(),
        }
    })
}

impl File {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut file = Self {
            head: String::new(),
            fields: Vec::new(),
            tail: String::new(),
        };
        let mut above = String::new();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        // A document mark stays where it is, before everything.
        if let Some(i) = lines.iter().position(|line| !is_blank_or_comment(line))
            && lines[i].starts_with("---")
        {
            file.head = lines.drain(..=i).collect();
        }
        let mut raws: Vec<(String, String, String)> = Vec::new();
        let mut pending = String::new();
        for line in lines {
            if let Some(key) = key_of(line) {
                above.push_str(&std::mem::take(&mut pending));
                let name = ALL
                    .iter()
                    .find(|name| name.eq_ignore_ascii_case(key))
                    .map_or_else(|| key.to_owned(), |name| (*name).to_owned());
                raws.push((name, std::mem::take(&mut above), line.to_owned()));
            } else if is_blank_or_comment(line) && !line.starts_with([' ', '\t']) {
                // It belongs to what follows, a field or a further line of this one.
                pending.push_str(line);
            } else if let Some((_, _, raw)) = raws.last_mut() {
                raw.push_str(&std::mem::take(&mut pending));
                raw.push_str(line);
            } else {
                return Err(EditError::Invalid {
                    message: "the kustomization is not written with a field a line".to_owned(),
                });
            }
        }
        if raws.is_empty() {
            file.head.push_str(&pending);
        } else {
            file.tail = pending;
        }
        for (name, above, mut raw) in raws {
            if !raw.ends_with('\n') {
                raw.push('\n');
            }
            file.fields.push(Field {
                name,
                above,
                key_line: String::new(),
                body: Body::Raw(raw),
            });
        }
        Ok(file)
    }

    pub(super) fn write(&self) -> String {
        let mut out = self.head.clone();
        for field in &self.fields {
            out.push_str(&field.above);
            match &field.body {
                Body::Raw(raw) => out.push_str(raw),
                Body::Entries(entries) => entries.write(&field.key_line, &mut out),
            }
        }
        out.push_str(&self.tail);
        out
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// Whether the file is of a Component.
    pub(super) fn is_component(&self) -> bool {
        self.fields.iter().any(|field| {
            field.name == "kind"
                && matches!(&field.body, Body::Raw(raw) if raw.contains("Component"))
        })
    }

    /// Puts fields before all others.
    pub(super) fn put_first(&mut self, text: String) {
        let above = match self.fields.first_mut() {
            Some(first) => std::mem::take(&mut first.above),
            None => String::new(),
        };
        let field = Field {
            name: String::new(),
            above,
            key_line: String::new(),
            body: Body::Raw(text),
        };
        self.fields.insert(0, field);
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Field> {
        let i = self.fields.iter().position(|field| field.name == name)?;
        let mut field = self.fields.remove(i);
        // Comments above a field that goes stay, before the next.
        let above = std::mem::take(&mut field.above);
        match self.fields.get_mut(i) {
            Some(next) => next.above.insert_str(0, &above),
            None => self.tail.insert_str(0, &above),
        }
        Some(field)
    }

    /// Renames a field; its value and comments stay.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        for field in &mut self.fields {
            if field.name != from {
                continue;
            }
            to.clone_into(&mut field.name);
            let line = match &mut field.body {
                Body::Raw(raw) => raw,
                Body::Entries(_) => &mut field.key_line,
            };
            if let Some((_, rest)) = line.split_once(':') {
                *line = format!("{to}:{rest}");
            }
        }
    }

    /// Sets a field that holds a text; the comment behind it stays.
    #[allow(clippy::unnecessary_wraps)] // as the other edits
    pub(super) fn set_text(&mut self, name: &str, text: &str) -> Result<()> {
        let written = yaml::emit(&Value::from(text), &EmitOptions::new(Profile::Sigs));
        let written = written.trim_end();
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(field) => {
                let comment = match &field.body {
                    Body::Raw(raw) if raw.lines().count() == 1 => raw
                        .find(" #")
                        .map(|i| raw[i..].trim_end().to_owned())
                        .unwrap_or_default(),
                    _ => String::new(),
                };
                field.body = Body::Raw(format!("{name}: {written}{comment}\n"));
            }
            None => self.push(name, Body::Raw(format!("{name}: {written}\n"))),
        }
        Ok(())
    }

    fn push(&mut self, name: &str, body: Body) {
        // What the file ends with stays its end only where it is blank.
        let above = std::mem::take(&mut self.tail);
        self.fields.push(Field {
            name: name.to_owned(),
            above,
            key_line: format!("{name}:"),
            body,
        });
    }

    /// Returns the items of a field that holds a list; an absent one is made when an item comes.
    pub(super) fn list(&mut self, name: &str) -> Result<&mut Entries> {
        self.entries(name, false)
    }

    /// Returns the entries of a field that holds a map.
    pub(super) fn map(&mut self, name: &str) -> Result<&mut Entries> {
        self.entries(name, true)
    }

    fn entries(&mut self, name: &str, is_map: bool) -> Result<&mut Entries> {
        let i = match self.fields.iter().position(|field| field.name == name) {
            Some(i) => i,
            None => {
                let indent = if is_map { "  " } else { "" }.to_owned();
                let entries = Entries {
                    is_map,
                    indent,
                    entries: Vec::new(),
                };
                self.push(name, Body::Entries(entries));
                self.fields.len() - 1
            }
        };
        let field = &mut self.fields[i];
        if let Body::Raw(raw) = &field.body {
            let (key_line, entries) = Entries::parse(name, raw, is_map)?;
            field.key_line = key_line;
            field.body = Body::Entries(entries);
        }
        match &mut field.body {
            Body::Entries(entries) => Ok(entries),
            Body::Raw(_) => unreachable!("it was taken apart above"),
        }
    }
}

impl Entries {
    fn parse(name: &str, raw: &str, is_map: bool) -> Result<(String, Self)> {
        let whole = parse_value(raw)?;
        let value = whole
            .as_object()
            .and_then(|map| map.iter().next())
            .map_or(Value::Null, |(_, value)| value.clone());
        let wrong = || EditError::Invalid {
            message: format!("{name} is no {}", if is_map { "map" } else { "list" }),
        };
        let values: Vec<(Str, Value)> = match (&value, is_map) {
            (Value::Null, _) => Vec::new(),
            (Value::Array(items), false) => {
                items.iter().map(|v| (Str::default(), v.clone())).collect()
            }
            (Value::Object(map), true) => map.entries().to_vec(),
            _ => return Err(wrong()),
        };
        let mut lines = raw.split_inclusive('\n');
        let first = lines.next().unwrap_or_default().trim_end();
        let (key, behind) = first.split_once(':').ok_or_else(wrong)?;
        let rest: Vec<&str> = lines.collect();
        let is_block = behind.trim().is_empty() || behind.trim_start().starts_with('#');
        if is_block && let Some(entries) = Self::block(&rest, &values, is_map) {
            return Ok((first.to_owned(), entries));
        }
        // Written in another way: the whole field is written anew when it changes.
        let entries = values
            .into_iter()
            .map(|(key, value)| Entry {
                above: String::new(),
                raw: None,
                key,
                value,
            })
            .collect();
        let indent = if is_map { "  " } else { "" }.to_owned();
        let entries = Self {
            is_map,
            indent,
            entries,
        };
        Ok((format!("{key}:"), entries))
    }

    /// Takes the lines below a key apart; `None` where they do not agree with the values.
    fn block(lines: &[&str], values: &[(Str, Value)], is_map: bool) -> Option<Self> {
        let first = lines.iter().find(|line| !is_blank_or_comment(line))?;
        let indent = &first[..first.len() - first.trim_start_matches(' ').len()];
        let mut out = Self {
            is_map,
            indent: indent.to_owned(),
            entries: Vec::new(),
        };
        let mut above = String::new();
        for line in lines {
            let begins = line.strip_prefix(indent).is_some_and(|rest| {
                if is_map {
                    !rest.starts_with([' ', '#', '\n'])
                } else {
                    rest.starts_with("- ") || rest.trim_end() == "-"
                }
            });
            if begins {
                let line = (*line).to_owned();
                out.entries.push(Entry {
                    above: std::mem::take(&mut above),
                    raw: Some(line),
                    key: Str::default(),
                    value: Value::Null,
                });
            } else if is_blank_or_comment(line) {
                above.push_str(line);
            } else {
                let raw = out.entries.last_mut()?.raw.as_mut()?;
                raw.push_str(&std::mem::take(&mut above));
                raw.push_str(line);
            }
        }
        if let Some(raw) = out.entries.last_mut().and_then(|last| last.raw.as_mut()) {
            raw.push_str(&above);
        }
        if out.entries.len() != values.len() {
            return None;
        }
        for (i, entry) in out.entries.iter_mut().enumerate() {
            let parsed = parse_value(entry.raw.as_deref().unwrap_or_default()).ok()?;
            if is_map {
                let (key, value) = parsed.as_object()?.iter().next()?;
                (entry.key, entry.value) = (key.clone(), value.clone());
            } else {
                let item = parsed.as_array()?.first()?.clone();
                if item != values[i].1 {
                    return None;
                }
                entry.value = item;
            }
        }
        Some(out)
    }

    fn write(&self, key_line: &str, out: &mut String) {
        // A field without entries goes.
        if self.entries.is_empty() {
            return;
        }
        out.push_str(key_line);
        out.push('\n');
        for entry in &self.entries {
            out.push_str(&entry.above);
            match &entry.raw {
                Some(raw) => {
                    out.push_str(raw);
                    if !raw.ends_with('\n') {
                        out.push('\n');
                    }
                }
                None => self.write_new(entry, out),
            }
        }
    }

    fn write_new(&self, entry: &Entry, out: &mut String) {
        let value = if self.is_map {
            Value::Object(Map::from_entries(vec![(
                entry.key.clone(),
                entry.value.clone(),
            )]))
        } else {
            Value::Array(vec![entry.value.clone()].into())
        };
        let written = yaml::emit(&value, &EmitOptions::new(Profile::Sigs));
        for line in written.lines() {
            if !line.is_empty() {
                out.push_str(&self.indent);
                out.push_str(line);
            }
            out.push('\n');
        }
    }

    pub(super) fn position(&self, is: impl Fn(&Value) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| is(&entry.value))
    }

    pub(super) fn get(&self, i: usize) -> &Value {
        &self.entries[i].value
    }

    /// Puts a value in the place of an item, or behind the last.
    pub(super) fn put(&mut self, at: Option<usize>, value: Value) {
        match at {
            Some(i) if self.entries[i].value == value => {}
            Some(i) => {
                let entry = &mut self.entries[i];
                let raw = entry.raw.take();
                entry.raw = raw.and_then(|raw| revise::item(&raw, &entry.value, &value));
                entry.value = value;
            }
            None => self.entries.push(Entry {
                above: String::new(),
                raw: None,
                key: Str::default(),
                value,
            }),
        }
    }

    /// Adds items with the lines that they have elsewhere.
    pub(super) fn append(&mut self, other: Self) {
        let same = self.indent == other.indent;
        self.entries
            .extend(other.entries.into_iter().map(|entry| Entry {
                raw: entry.raw.filter(|_| same),
                ..entry
            }));
    }

    pub(super) fn remove(&mut self, i: usize) {
        self.entries.remove(i);
    }

    pub(super) fn key(&self, key: &str) -> Option<&Value> {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found.map(|entry| &entry.value)
    }

    pub(super) fn put_key(&mut self, key: &Str, value: Value) {
        match self.entries.iter_mut().find(|entry| entry.key == *key) {
            Some(entry) => {
                let raw = entry.raw.take();
                entry.raw = raw.and_then(|raw| revise::entry(&raw, key, &entry.value, &value));
                entry.value = value;
            }
            None => self.entries.push(Entry {
                above: String::new(),
                raw: None,
                key: key.clone(),
                value,
            }),
        }
    }

    pub(super) fn remove_key(&mut self, key: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        self.entries.len() < before
    }

    /// Returns the entries of a map as a value.
    pub(super) fn to_map(&self) -> Map {
        let entries = self.entries.iter();
        Map::from_entries(entries.map(|e| (e.key.clone(), e.value.clone())).collect())
    }
}
