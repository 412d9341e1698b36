//! Strategic merge, as kyaml 0.21.2 merges a patch into a resource: patch items first, keys from the schema.
//!
//! kyaml walks the patch and the target together, and where only one of them has something it walks that
//! alone: nulls fall out of what is new, and lists that are merged by a key lose items with equal keys.

use crate::node::{Kind, Node, Scalar, Tag, WrongKind};
use crate::schema::{Schemas, Type};

/// Why a patch could not be merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MergeError {
    #[error("the patch and the resource differ in shape at {path}: {source}")]
    Shape {
        path: String,
        #[source]
        source: WrongKind,
    },
    #[error("`$patch: {directive}` at {path} is none of replace, delete and merge")]
    Directive { path: String, directive: String },
}

impl MergeError {
    fn within(mut self, step: &str) -> Self {
        let (Self::Shape { path, .. } | Self::Directive { path, .. }) = &mut self;
        *path = if path.is_empty() {
            step.to_owned()
        } else {
            format!("{step}.{path}")
        };
        self
    }
}

impl From<WrongKind> for MergeError {
    fn from(source: WrongKind) -> Self {
        Self::Shape {
            path: String::new(),
            source,
        }
    }
}

type Result<T> = std::result::Result<T, MergeError>;

/// What became of a node.
enum Merged {
    /// It stays where it is, changed or not.
    Stays,
    /// Another takes its place.
    Becomes(Node),
    /// It goes.
    Goes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

const DIRECTIVE: &str = "$patch";

struct Merger<'a> {
    schemas: &'a Schemas,
    /// Scalars that share their content with others and were changed, in order.
    shared: Vec<Scalar>,
}

/// Merges a patch into a resource. Returns whether the resource stays.
pub(crate) fn merge(target: &mut Node, patch: Node, schemas: &Schemas) -> Result<bool> {
    let mut merger = Merger {
        schemas,
        shared: Vec::new(),
    };
    let merged = merger.walk(Some(target), Some(patch), None)?;
    for scalar in &merger.shared {
        target.spread(scalar);
    }
    // A whole resource is not replaced: kustomize drops the result and keeps the target.
    Ok(!matches!(merged, Merged::Goes))
}

/// Reads and removes the directive of a map.
fn map_directive(entries: &mut Vec<(Scalar, Node)>) -> Result<Directive> {
    let Some(i) = entries.iter().position(|(key, _)| key.text == DIRECTIVE) else {
        return Ok(Directive::Merge);
    };
    let directive = parse_directive(entries[i].1.text())?;
    entries.remove(i);
    Ok(directive)
}

fn parse_directive(text: &str) -> Result<Directive> {
    match text {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(MergeError::Directive {
            path: String::new(),
            directive: other.to_owned(),
        }),
    }
}

/// Reads the directive of a list, an item that says nothing else, and removes it.
fn list_directive(items: &mut Vec<Node>) -> Result<Directive> {
    let Some(item) = items
        .iter()
        .find_map(|item| item.as_map().filter(|_| item.get(DIRECTIVE).is_some()))
    else {
        return Ok(Directive::Merge);
    };
    if item.len() > 1 {
        return Ok(Directive::Merge);
    }
    let text = item[0].1.text().to_owned();
    let directive = parse_directive(&text)?;
    let mut order: Vec<usize> = (0..items.len()).collect();
    set_element(&mut order, items, None, &[DIRECTIVE], &[&text])?;
    keep(items, &order);
    Ok(directive)
}

/// Brings items into an order; those that it does not name are dropped.
fn keep(items: &mut Vec<Node>, order: &[usize]) {
    let mut out: Vec<Node> = Vec::with_capacity(order.len());
    let mut moved = vec![usize::MAX; items.len()];
    for (at, &i) in order.iter().enumerate() {
        // An item that several had to make place for stands there several times.
        let node = match moved[i] {
            usize::MAX => std::mem::take(&mut items[i]),
            first => out[first].clone(),
        };
        moved[i] = at;
        out.push(node);
    }
    *items = out;
}

fn wrong(expected: Kind, node: &Node) -> MergeError {
    WrongKind {
        expected,
        found: node.kind(),
    }
    .into()
}

impl<'a> Merger<'a> {
    /// Finds the type of a node: the one that its place has, else the one of its own kind.
    fn type_of(
        &self,
        given: Option<Type<'a>>,
        dest: Option<&Node>,
        origin: Option<&Node>,
    ) -> Option<Type<'a>> {
        if given.is_some() {
            return given;
        }
        [dest, origin].into_iter().flatten().find_map(|node| {
            let kind = node.get("kind")?.value_text();
            let api_version = node.get("apiVersion")?.value_text();
            if kind.is_empty() || api_version.is_empty() {
                return None;
            }
            self.schemas.kind(api_version, kind)
        })
    }

    /// Finds the type of a field: the one that a comment gives it, else the one of the schema.
    fn field(&self, own: Option<Type<'a>>, name: &str, note: u16) -> Option<Type<'a>> {
        match note {
            0 => own.and_then(|own| own.field(name)),
            note => self.schemas.note(note),
        }
    }

    fn walk(
        &mut self,
        dest: Option<&mut Node>,
        origin: Option<Node>,
        given: Option<Type<'a>>,
    ) -> Result<Merged> {
        let present = |node: Option<&Node>| node.filter(|n| !n.is_null()).map(Node::kind);
        let dest_kind = present(dest.as_deref());
        let origin_kind = present(origin.as_ref());
        let Some(kind) = dest_kind.or(origin_kind) else {
            return Ok(match (dest, origin) {
                // Null stays where the patch does not speak of it, if it is written out.
                (Some(dest), None) if !dest.text().is_empty() => Merged::Stays,
                _ => Merged::Goes,
            });
        };
        if let (Some(_), Some(found)) = (dest_kind, origin_kind)
            && found != kind
        {
            return Err(WrongKind {
                expected: kind,
                found,
            }
            .into());
        }
        match kind {
            Kind::Scalar => Ok(match origin {
                Some(origin) if origin.is_null() => Merged::Goes,
                Some(origin) => Merged::Becomes(origin),
                None => {
                    if let Some(Node::Scalar(scalar)) = dest {
                        scalar.quote_where_needed();
                    }
                    Merged::Stays
                }
            }),
            Kind::Map => self.walk_map(dest, origin, given),
            Kind::Seq => self.walk_list(dest, origin, given),
        }
    }

    #[allow(clippy::needless_pass_by_value)] // a reference that is taken apart
    fn walk_map(
        &mut self,
        dest: Option<&mut Node>,
        origin: Option<Node>,
        given: Option<Type<'a>>,
    ) -> Result<Merged> {
        let own = self.type_of(given, dest.as_deref(), origin.as_ref());
        let dest = match dest {
            Some(Node::Map(entries)) => entries,
            _ => {
                let Some(Node::Map(mut entries)) = origin else {
                    return Ok(Merged::Goes);
                };
                // An unknown directive is no error here, and stays.
                if map_directive(&mut entries).ok() == Some(Directive::Delete) {
                    return Ok(Merged::Goes);
                }
                self.settle_fields(&mut entries, own)?;
                return Ok(Merged::Becomes(Node::Map(entries)));
            }
        };
        let mut origin = match origin {
            None => {
                self.tidy_fields(dest, own)?;
                return Ok(Merged::Stays);
            }
            Some(Node::Map(entries)) => entries,
            Some(_) => return Ok(Merged::Goes),
        };
        match map_directive(&mut origin)? {
            Directive::Delete => return Ok(Merged::Goes),
            Directive::Replace => {
                self.settle_fields(&mut origin, own)?;
                return Ok(Merged::Becomes(Node::Map(origin)));
            }
            Directive::Merge => {}
        }
        self.merge_fields(dest, origin, own)?;
        Ok(Merged::Stays)
    }

    fn merge_fields(
        &mut self,
        dest: &mut Vec<(Scalar, Node)>,
        origin: Vec<(Scalar, Node)>,
        own: Option<Type<'a>>,
    ) -> Result<()> {
        // Fields are walked in the order of their names: of scalars that share their content the last wins.
        let mut names: Vec<gitops_manifest::Str> = dest
            .iter()
            .chain(&origin)
            .map(|(key, _)| key.text.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut origin: Vec<(Scalar, Option<Node>)> =
            origin.into_iter().map(|(k, v)| (k, Some(v))).collect();
        origin.sort_by(|a, b| a.0.text.cmp(&b.0.text));
        let many = dest.len() > 16;
        let places: rustc_hash::FxHashMap<gitops_manifest::Str, usize> = if many {
            dest.iter()
                .enumerate()
                .rev()
                .map(|(i, (key, _))| (key.text.clone(), i))
                .collect()
        } else {
            Default::default()
        };
        let mut gone = Vec::new();
        for name in names {
            let place = if many {
                places.get(&name).copied()
            } else {
                dest.iter().position(|(key, _)| key.text == name)
            };
            let first = origin.partition_point(|(key, _)| key.text < name);
            let (key, from) = match origin.get_mut(first) {
                Some((key, value)) if key.text == name => (Some(key.clone()), value.take()),
                _ => (None, None),
            };
            let noted = place.map_or(0, |i| dest[i].0.note);
            let noted = match (noted, &key) {
                (0, Some(key)) => key.note,
                (noted, _) => noted,
            };
            let schema = self.field(own, &name, noted);
            let value = place.map(|i| &mut dest[i].1);
            let merged = self
                .walk(value, from, schema)
                .map_err(|error| error.within(&name))?;
            match (merged, place) {
                (Merged::Stays, _) => {}
                (Merged::Becomes(mut node), Some(i)) => {
                    let old = &dest[i].1;
                    if let Node::Scalar(new) = &mut node {
                        new.quote_where_needed();
                        let old = old.as_scalar();
                        new.quoted = old.is_some_and(|old| old.quoted);
                        new.shared = old.map_or(0, |old| old.shared);
                        if new.shared != 0 {
                            self.shared.push(new.clone());
                        }
                    }
                    dest[i].1 = node;
                }
                (Merged::Becomes(mut node), None) => {
                    if let Node::Scalar(new) = &mut node {
                        new.quote_where_needed();
                    }
                    let mut key = key.unwrap_or_else(|| Scalar::open(name));
                    key.tag = Tag::Open;
                    dest.push((key, node));
                }
                (Merged::Goes, Some(i)) => gone.push(i),
                (Merged::Goes, None) => {}
            }
        }
        remove_all(dest, gone);
        Ok(())
    }

    /// Walks fields that the patch does not speak of.
    fn tidy_fields(&mut self, dest: &mut Vec<(Scalar, Node)>, own: Option<Type<'a>>) -> Result<()> {
        let mut gone = Vec::new();
        for (i, (key, value)) in dest.iter_mut().enumerate() {
            let schema = self.field(own, &key.text, key.note);
            let merged = self
                .walk(Some(value), None, schema)
                .map_err(|error| error.within(&key.text))?;
            if matches!(merged, Merged::Goes) {
                gone.push(i);
            }
        }
        remove_all(dest, gone);
        Ok(())
    }

    /// Walks what is new as if it were merged with itself: nulls and directives fall out.
    fn settle_fields(
        &mut self,
        entries: &mut Vec<(Scalar, Node)>,
        own: Option<Type<'a>>,
    ) -> Result<()> {
        let mut gone = Vec::new();
        for (i, (key, value)) in entries.iter_mut().enumerate() {
            let schema = self.field(own, &key.text, key.note);
            let stays = self
                .settle(value, schema)
                .map_err(|error| error.within(&key.text))?;
            if !stays {
                gone.push(i);
            }
        }
        remove_all(entries, gone);
        Ok(())
    }

    fn settle(&mut self, node: &mut Node, given: Option<Type<'a>>) -> Result<bool> {
        let own = self.type_of(given, Some(node), None);
        match node {
            Node::Scalar(scalar) => {
                scalar.quote_where_needed();
                Ok(scalar.tag != Tag::Null)
            }
            Node::Map(entries) => {
                if map_directive(entries)? == Directive::Delete {
                    return Ok(false);
                }
                self.settle_fields(entries, own)?;
                Ok(true)
            }
            Node::Seq(items) => {
                if let Some(keys) = own.and_then(Type::merge_keys) {
                    if list_directive(items)? == Directive::Delete {
                        return Ok(false);
                    }
                    let mut lists = Lists::alone(std::mem::take(items));
                    lists.merge(self, &keys, own.and_then(Type::items), true)?;
                    *items = lists.into_result();
                }
                Ok(true)
            }
        }
    }

    #[allow(clippy::needless_pass_by_value)] // a reference that is taken apart
    fn walk_list(
        &mut self,
        dest: Option<&mut Node>,
        origin: Option<Node>,
        own: Option<Type<'a>>,
    ) -> Result<Merged> {
        let Some(keys) = own.and_then(Type::merge_keys) else {
            return Ok(match origin {
                Some(origin) if origin.is_null() => Merged::Goes,
                Some(origin) => Merged::Becomes(origin),
                None => Merged::Stays,
            });
        };
        let items = own.and_then(Type::items);
        let dest = match dest {
            Some(Node::Seq(dest)) => dest,
            _ => {
                let Some(Node::Seq(origin)) = origin else {
                    return Ok(Merged::Goes);
                };
                // A new list keeps its directives.
                let mut lists = Lists::alone(origin);
                lists.merge(self, &keys, items, true)?;
                return Ok(Merged::Becomes(Node::Seq(lists.into_result())));
            }
        };
        let mut lists = match origin {
            None => Lists::alone(std::mem::take(dest)),
            Some(Node::Seq(mut origin)) => match list_directive(&mut origin)? {
                Directive::Delete => return Ok(Merged::Goes),
                Directive::Replace => {
                    let mut lists = Lists::alone(origin);
                    lists.merge(self, &keys, items, true)?;
                    return Ok(Merged::Becomes(Node::Seq(lists.into_result())));
                }
                Directive::Merge => Lists::both(std::mem::take(dest), origin),
            },
            Some(_) => return Ok(Merged::Goes),
        };
        let merged = lists.merge(self, &keys, items, false);
        *dest = lists.into_result();
        merged.map(|()| Merged::Stays)
    }
}

fn remove_all(entries: &mut Vec<(Scalar, Node)>, gone: Vec<usize>) {
    if gone.is_empty() {
        return;
    }
    let mut gone = gone;
    gone.sort_unstable();
    let mut i = 0;
    entries.retain(|_| {
        i += 1;
        gone.binary_search(&(i - 1)).is_err()
    });
}

/// The items of the two lists that are merged by keys; the lists hold places in `items`.
struct Lists {
    items: Vec<Node>,
    dest: Vec<usize>,
    /// `None` where there is one list alone.
    origin: Option<Vec<usize>>,
}

impl Lists {
    fn alone(items: Vec<Node>) -> Self {
        Self {
            dest: (0..items.len()).collect(),
            items,
            origin: None,
        }
    }

    fn both(mut dest: Vec<Node>, origin: Vec<Node>) -> Self {
        let n = dest.len();
        dest.extend(origin);
        Self {
            dest: (0..n).collect(),
            origin: Some((n..dest.len()).collect()),
            items: dest,
        }
    }

    fn into_result(mut self) -> Vec<Node> {
        keep(&mut self.items, &self.dest);
        self.items
    }

    /// Merges the lists; the result stands in `dest`. `settle` says that the one list is new.
    fn merge<'a>(
        &mut self,
        merger: &mut Merger<'a>,
        keys: &[&str],
        schema: Option<Type<'a>>,
        settle: bool,
    ) -> Result<()> {
        if let [key] = keys
            && let Some(plan) = self.plan(key)
        {
            return self.merge_planned(merger, &plan, schema, settle);
        }
        let (keys, mut values) = if keys.is_empty() {
            (vec![""], self.primitive_values())
        } else {
            (keys.to_vec(), self.key_values(keys))
        };
        if keys.len() > 1 {
            complete(&mut values);
        }
        let mut valid: Vec<bool> = (0..keys.len())
            .map(|k| values.iter().any(|row| !row[k].is_empty()))
            .collect();
        if !valid.contains(&true) {
            valid.fill(true);
        }
        let pick = |row: &[String]| -> (Vec<&str>, Vec<String>) {
            (0..keys.len())
                .filter(|&k| valid[k])
                .map(|k| (keys[k], row[k].clone()))
                .unzip()
        };
        let mut added: Vec<usize> = Vec::new();
        for row in &values {
            let (row_keys, row_values) = pick(row);
            let row_values: Vec<&str> = row_values.iter().map(String::as_str).collect();
            let at = self.walk_item(merger, &row_keys, &row_values, schema, settle)?;
            let Some(at) = at.filter(|&i| {
                let item = &self.items[i];
                !item.is_null() && !item.is_empty_map()
            }) else {
                set_element(&mut self.dest, &self.items, None, &row_keys, &row_values)?;
                continue;
            };
            for (key, value) in row_keys.iter().zip(&row_values) {
                complete_item(&mut self.items[at], key, value)?;
            }
            set_element(&mut added, &self.items, Some(at), &row_keys, &row_values)?;
        }
        if let Some(row) = values.last() {
            let (row_keys, _) = pick(row);
            self.append_dest(&mut added, &row_keys)?;
            self.dest = added;
        }
        Ok(())
    }

    /// Where all items of both lists have the one key, once: the pairs to be merged, in the order of the result.
    fn plan(&self, key: &str) -> Option<Vec<(Option<usize>, Option<usize>)>> {
        fn text<'n>(item: &'n Node, key: &str) -> Option<&'n str> {
            let mut found = item.as_map()?.iter().filter(|(k, _)| k.text == key);
            let value = found.next()?.1.as_scalar()?;
            (value.tag != Tag::Null && !value.text.is_empty()).then_some(&*value.text)
        }
        let mut places: rustc_hash::FxHashMap<&str, usize> = Default::default();
        for &i in &self.dest {
            if places.insert(text(&self.items[i], key)?, i).is_some() {
                return None;
            }
        }
        let mut plan = Vec::with_capacity(self.items.len());
        let mut taken: rustc_hash::FxHashMap<&str, ()> = Default::default();
        for &o in self.origin.iter().flatten() {
            let text = text(&self.items[o], key)?;
            if taken.insert(text, ()).is_some() {
                return None;
            }
            plan.push((places.remove(text), Some(o)));
        }
        plan.extend(
            self.dest
                .iter()
                .filter(|&&i| text(&self.items[i], key).is_some_and(|t| places.contains_key(t)))
                .map(|&i| (Some(i), None)),
        );
        Some(plan)
    }

    fn merge_planned<'a>(
        &mut self,
        merger: &mut Merger<'a>,
        plan: &[(Option<usize>, Option<usize>)],
        schema: Option<Type<'a>>,
        settle: bool,
    ) -> Result<()> {
        let mut result = Vec::with_capacity(plan.len());
        for &(dest, origin) in plan {
            if let Some(at) = self.merge_item(merger, dest, origin, schema, settle)? {
                // Where the patch's item takes the place of the target's, kustomize keeps the target's after all.
                let at = dest.unwrap_or(at);
                let item = &self.items[at];
                if !item.is_null() && !item.is_empty_map() {
                    result.push(at);
                }
            }
        }
        self.dest = result;
        Ok(())
    }

    /// Merges a pair of items; returns the place of the result.
    fn merge_item<'a>(
        &mut self,
        merger: &mut Merger<'a>,
        dest: Option<usize>,
        origin: Option<usize>,
        schema: Option<Type<'a>>,
        settle: bool,
    ) -> Result<Option<usize>> {
        if settle {
            let Some(i) = dest.or(origin) else {
                return Ok(None);
            };
            return Ok(merger.settle(&mut self.items[i], schema)?.then_some(i));
        }
        let from = origin.map(|o| self.items[o].clone());
        let merged = merger.walk(dest.map(|d| &mut self.items[d]), from, schema)?;
        Ok(match merged {
            Merged::Stays => dest,
            Merged::Becomes(node) => match origin {
                Some(o) => {
                    self.items[o] = node;
                    Some(o)
                }
                None => dest,
            },
            Merged::Goes => None,
        })
    }

    fn walk_item<'a>(
        &mut self,
        merger: &mut Merger<'a>,
        keys: &[&str],
        values: &[&str],
        schema: Option<Type<'a>>,
        settle: bool,
    ) -> Result<Option<usize>> {
        let (mut some_keys, mut some_values) = (Vec::new(), Vec::new());
        for (key, value) in keys.iter().zip(values) {
            if !value.is_empty() {
                some_keys.push(*key);
                some_values.push(*value);
            }
        }
        if some_keys.is_empty() {
            some_keys = keys.to_vec();
            some_values = values.to_vec();
        }
        let find = |list: &[usize]| find_element(list, &self.items, &some_keys, &some_values);
        let dest = find(&self.dest);
        let origin = self.origin.as_deref().and_then(find);
        self.merge_item(merger, dest, origin, schema, settle)
    }

    fn sources(&self) -> impl Iterator<Item = usize> {
        self.origin.iter().flatten().chain(&self.dest).copied()
    }

    fn key_values(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut rows = Vec::new();
        for i in self.sources() {
            let row: Vec<String> = keys
                .iter()
                .map(|key| {
                    self.items[i]
                        .get(key)
                        .filter(|value| !value.is_null_or_empty())
                        .map_or("", Node::text)
                        .to_owned()
                })
                .collect();
            if seen.insert(row.clone()) {
                rows.push(row);
            }
        }
        rows
    }

    fn primitive_values(&self) -> Vec<Vec<String>> {
        let mut seen = rustc_hash::FxHashSet::default();
        self.sources()
            .map(|i| self.items[i].text().to_owned())
            .filter(|text| seen.insert(text.clone()))
            .map(|text| vec![text])
            .collect()
    }

    /// Adds the items of the target to what was merged, each in the place of the one with its keys.
    fn append_dest(&self, added: &mut Vec<usize>, keys: &[&str]) -> Result<()> {
        for &i in &self.dest {
            let item = &self.items[i];
            if keys[0].is_empty() {
                set_element(added, &self.items, Some(i), &[""], &[item.text()])?;
                continue;
            }
            let mut values = Vec::new();
            for key in keys {
                match item.field(key)? {
                    Some(value) => values.push(value.text()),
                    None => added.push(i),
                }
            }
            if keys.len() > 1 {
                set_element(added, &self.items, None, keys, &values)?;
            }
            set_element(added, &self.items, Some(i), keys, &values)?;
        }
        Ok(())
    }
}

/// Gives items that lack one of several keys the value of another item that agrees in the rest.
fn complete(rows: &mut [Vec<String>]) {
    if !rows.iter().flatten().any(String::is_empty) {
        return;
    }
    for i in 0..rows.len() {
        for j in 0..rows.len() {
            if let Some(row) = common(&rows[i], &rows[j]) {
                rows[i].clone_from(&row);
                rows[j] = row;
            }
        }
    }
}

fn common(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut agree = false;
    let mut row = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        if a == b {
            agree = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        row.push(if a.is_empty() { b } else { a }.clone());
    }
    agree.then_some(row)
}

/// Sets a key that a merged item lacks.
fn complete_item(item: &mut Node, key: &str, value: &str) -> Result<()> {
    if item.get(key).is_some() || value.is_empty() {
        return Ok(());
    }
    if key.is_empty() {
        // The item is the value itself; its type is decided anew.
        item.set_scalar(value, Tag::Open)?;
        return Ok(());
    }
    Ok(item.set(key, Node::open(value))?)
}

/// Finds the first item whose keys have the values.
fn find_element(list: &[usize], items: &[Node], keys: &[&str], values: &[&str]) -> Option<usize> {
    list.iter().copied().find(|&i| {
        let item = &items[i];
        if keys[0].is_empty() {
            return item.text() == values[0];
        }
        item.as_map().is_some()
            && keys
                .iter()
                .zip(values)
                .all(|(key, value)| item.get(key).is_some_and(|v| v.text() == *value))
    })
}

/// Puts an item in the place of those whose keys have the values, or at the end; without an item removes them.
/// Null items and empty maps fall out.
fn set_element(
    list: &mut Vec<usize>,
    items: &[Node],
    element: Option<usize>,
    keys: &[&str],
    values: &[&str],
) -> Result<()> {
    let by_map = keys.first().is_some_and(|key| !key.is_empty())
        && values.first().is_some_and(|value| !value.is_empty());
    let mut out = Vec::with_capacity(list.len() + 1);
    let mut matched = false;
    for &i in list.iter() {
        let item = &items[i];
        if item.is_null() || item.is_empty_map() {
            continue;
        }
        if item.as_map().is_none() && by_map {
            out.push(i);
            continue;
        }
        let mut found = false;
        for (k, key) in keys.iter().enumerate() {
            if let Some(value) = values.get(k) {
                found = if key.is_empty() {
                    match item {
                        Node::Scalar(scalar) => scalar.text == **value,
                        other => return Err(wrong(Kind::Scalar, other)),
                    }
                } else {
                    match item.field(key)? {
                        Some(field) => value.is_empty() || field.text() == *value,
                        None => false,
                    }
                };
            }
            if !found {
                break;
            }
        }
        if !found {
            if !values.is_empty() {
                out.push(i);
            }
            continue;
        }
        matched = true;
        out.extend(element);
    }
    *list = out;
    if let Some(i) = element
        && !matched
        && !items[i].is_null()
    {
        list.push(i);
    }
    Ok(())
}
