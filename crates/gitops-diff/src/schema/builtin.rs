//! The table of the built-in kinds: `builtin.txt`, read once, when it is first needed.
//!
//! The table is text, so that a change of API version can be reviewed. `examples/builtin_schema.rs` writes it.
//!
//! ```text
//! @apps/v1                                a group of types; names below are short for apps/v1.NAME
//! Deployment =apps/v1                     a type, and the apiVersion under which it is a kind
//!  spec? .DeploymentSpec ={}              a field: `?` omitempty, `!` omitzero, the type, the default
//!  strategy? .DeploymentStrategy ~retainKeys
//!  ports? [port,protocol].ServicePort ~merge:port
//! ```
//!
//! Types: a scalar, `any`, `*` before one that may be absent apart from zero, `[]` an atomic list, `[=]` a set,
//! `[a,b]` a list keyed by fields, `{}` a map, `{!}` an atomic map. A `!` after a struct makes it atomic, after
//! its name everywhere, after its use there; `.` after its use makes it granular there. `~` stands for free-form
//! JSON in a struct without fields, and after `any` for maps that are owned field by field.

use std::collections::HashMap;
use std::sync::OnceLock;

use gitops_manifest::{GroupVersionKind, Str, Value};

use super::model::{
    Element, Field, ListDef, MapDef, Origin, Patch, Scalar, Schema, TypeDef, TypeId, TypeKind,
    TypeRef,
};

static TABLE: &str = include_str!("builtin.txt");
static SCHEMA: OnceLock<Schema> = OnceLock::new();

/// The types of the built-in kinds. An immutable table: the cell only puts off reading it.
pub(crate) fn schema() -> &'static Schema {
    SCHEMA.get_or_init(|| Reader::default().read(TABLE))
}

#[derive(Default)]
struct Reader {
    schema: Schema,
    structs: HashMap<(&'static str, &'static str), TypeId>,
    /// Lists and maps, by what stands before the element in the table.
    containers: HashMap<(&'static str, TypeId), TypeId>,
    scalars: HashMap<&'static str, TypeId>,
    overrides: HashMap<(TypeId, bool), TypeId>,
}

impl Reader {
    fn add(&mut self, def: TypeDef) -> TypeId {
        let id = u32::try_from(self.schema.types.len()).expect("the table is small");
        self.schema.types.push(def);
        TypeId(id)
    }

    /// The two types of JSON without a schema come first: `TypeId::DEDUCED` and `TypeId::ATOMIC` count on it.
    fn add_free_form(&mut self) {
        let (deduced, atomic) = (TypeId(0), TypeId(1));
        for (name, element, granular) in [
            ("__untyped_deduced_", deduced, true),
            ("__untyped_atomic_", atomic, false),
        ] {
            self.add(TypeDef {
                name: Str::from_static(name),
                kind: TypeKind::Any,
                scalar: Some(Scalar::Untyped),
                list: Some(ListDef {
                    element: Element::of(atomic),
                    associative: false,
                    keys: Box::default(),
                }),
                map: Some(MapDef {
                    fields: Box::default(),
                    element: Some(Element::of(element)),
                    atomic: !granular,
                    preserves_unknown: true,
                }),
                origin: Origin::Other,
            });
        }
    }

    fn read(mut self, table: &'static str) -> Schema {
        self.add_free_form();
        // Types refer to each other in every direction: first their names, then their fields.
        let mut group = "";
        for line in table.lines() {
            if let Some(name) = line.strip_prefix('@') {
                group = name;
            } else if !line.is_empty() && !line.starts_with([' ', '#']) {
                self.declare(group, line);
            }
        }
        let mut current = None;
        let mut fields = Vec::new();
        for line in table.lines() {
            if let Some(field) = line.strip_prefix(' ') {
                fields.push(self.field(group, field));
                continue;
            }
            self.finish(current.take(), &mut fields);
            if let Some(name) = line.strip_prefix('@') {
                group = name;
            } else if !line.is_empty() && !line.starts_with('#') {
                let name = line
                    .split_whitespace()
                    .next()
                    .expect("the line is not empty");
                current = Some(self.structs[&(group, name)]);
            }
        }
        self.finish(current, &mut fields);
        // Atomic and granular uses of a struct were made before its fields were known.
        for ((of, _), id) in std::mem::take(&mut self.overrides) {
            let fields = self.map(of).fields.clone();
            self.map(id).fields = fields;
        }
        self.schema.index();
        self.schema
    }

    fn map(&mut self, id: TypeId) -> &mut MapDef {
        self.schema.types[id.0 as usize]
            .map
            .as_mut()
            .expect("only structs have fields")
    }

    fn finish(&mut self, current: Option<TypeId>, fields: &mut Vec<Field>) {
        if let Some(id) = current {
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            self.map(id).fields = std::mem::take(fields).into();
        }
    }

    fn declare(&mut self, group: &'static str, line: &'static str) {
        let mut words = line.split_whitespace();
        let name = words.next().expect("the line is not empty");
        let id = self.add(TypeDef {
            name: format!("{group}.{name}").into(),
            kind: TypeKind::Struct,
            scalar: None,
            list: None,
            map: Some(MapDef {
                fields: Box::default(),
                element: None,
                atomic: false,
                preserves_unknown: false,
            }),
            origin: Origin::BuiltIn,
        });
        self.structs.insert((group, name), id);
        let full = self.schema.types[id.0 as usize].name.clone();
        self.schema.names.push((full, id));
        for word in words {
            match word.split_at(1) {
                ("=", api_version) => self
                    .schema
                    .kinds
                    .push((GroupVersionKind::from_api_version(api_version, name), id)),
                ("!", _) => self.map(id).atomic = true,
                _ => self.map(id).element = Some(Element::of(TypeId(0))),
            }
        }
    }

    fn field(&mut self, group: &'static str, line: &'static str) -> Field {
        let (name, rest) = line.split_once(' ').expect("a field has a name and a type");
        let (ty, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let plain = name.trim_end_matches(['?', '!']);
        let mut field = Field::new(
            Str::from_static(plain),
            self.type_of(group, ty.trim_start_matches('*')),
        );
        field.optional = name[plain.len()..].contains('?');
        field.omits_zero = name[plain.len()..].contains('!');
        field.pointer = ty.starts_with('*');
        if let Some(patch) = rest.strip_prefix('~') {
            let (patch, tail) = patch.split_once(' ').unwrap_or((patch, ""));
            let (strategy, key) = patch.split_once(':').unwrap_or((patch, ""));
            field.patch = Patch::parse(strategy);
            field.merge_key = Str::from_static(key);
            rest = tail;
        }
        if let Some(json) = rest.strip_prefix('=') {
            field.default = Some(Value::from_json(json).expect("a default of the table is JSON"));
        }
        field
    }

    fn type_of(&mut self, group: &'static str, text: &'static str) -> TypeId {
        for (open, close) in [('[', ']'), ('{', '}')] {
            if text.starts_with(open) {
                let end = text.find(close).expect("brackets are closed") + 1;
                let element = self.type_of(group, &text[end..]);
                return self.container(&text[..end], element);
            }
        }
        if let Some(name) = text.strip_suffix('!') {
            return self.overridden(group, name, true);
        }
        if let Some(name) = text.strip_suffix('.') {
            return self.overridden(group, name, false);
        }
        match text.split_once('.') {
            Some((of, name)) => self.structs[&(if of.is_empty() { group } else { of }, name)],
            None => self.scalar(text),
        }
    }

    fn overridden(&mut self, group: &'static str, name: &'static str, atomic: bool) -> TypeId {
        let of = self.type_of(group, name);
        if let Some(id) = self.overrides.get(&(of, atomic)) {
            return *id;
        }
        let mut def = self.schema.types[of.0 as usize].clone();
        if let Some(map) = &mut def.map {
            map.atomic = atomic;
        }
        let id = self.add(def);
        self.overrides.insert((of, atomic), id);
        id
    }

    fn container(&mut self, brackets: &'static str, element: TypeId) -> TypeId {
        if let Some(id) = self.containers.get(&(brackets, element)) {
            return *id;
        }
        let inner = &brackets[1..brackets.len() - 1];
        let (mut list, mut map) = (None, None);
        if brackets.starts_with('[') {
            list = Some(ListDef {
                element: Element::of(element),
                associative: !inner.is_empty(),
                keys: match inner {
                    "" | "=" => Box::default(),
                    keys => keys.split(',').map(Str::from_static).collect(),
                },
            });
        } else {
            map = Some(MapDef {
                fields: Box::default(),
                element: Some(Element::of(element)),
                atomic: inner == "!",
                preserves_unknown: false,
            });
        }
        let id = self.add(TypeDef {
            name: Str::default(),
            kind: if list.is_some() {
                TypeKind::List
            } else {
                TypeKind::Map
            },
            scalar: None,
            list,
            map,
            origin: Origin::BuiltIn,
        });
        self.containers.insert((brackets, element), id);
        id
    }

    fn scalar(&mut self, name: &'static str) -> TypeId {
        if let Some(id) = self.scalars.get(name) {
            return *id;
        }
        let (kind, scalar) = match name {
            "any" => return TypeId(1),
            "any~" => return TypeId(0),
            "string" => (TypeKind::String, Scalar::String),
            "bool" => (TypeKind::Bool, Scalar::Boolean),
            "int32" => (TypeKind::Int32, Scalar::Numeric),
            "int64" => (TypeKind::Int64, Scalar::Numeric),
            "float64" => (TypeKind::Float, Scalar::Numeric),
            "bytes" => (TypeKind::Bytes, Scalar::String),
            "quantity" => (TypeKind::Quantity, Scalar::Untyped),
            "int-or-string" => (TypeKind::IntOrString, Scalar::Untyped),
            "time" => (TypeKind::Time, Scalar::Untyped),
            "micro-time" => (TypeKind::MicroTime, Scalar::Untyped),
            "duration" => (TypeKind::Duration, Scalar::String),
            other => unreachable!("the table has no type {other}"),
        };
        let id = self.add(TypeDef::scalar(kind, scalar));
        self.scalars.insert(name, id);
        id
    }
}

/// A built-in type by its name in the table (`core/v1.PodSpec`).
pub(crate) fn named(name: &str) -> Option<TypeId> {
    let names = &schema().names;
    let i = names.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
    Some(names[i].1)
}

/// A built-in type by its name in OpenAPI (`io.k8s.api.core.v1.PodSpec`).
pub(crate) fn by_openapi_name(name: &str) -> Option<TypeRef<'static>> {
    let short = name
        .strip_prefix("io.k8s.api.")
        .or_else(|| name.strip_prefix("io.k8s.apimachinery.pkg.apis."))?;
    let (group, rest) = short.split_once('.')?;
    schema().named(&format!("{group}/{rest}"))
}
