//! Reads schemas in the form of `structured-merge-diff`, as its `schema.Schema` is written in JSON.

use gitops_manifest::{Str, Value};

use super::SchemaError;
use super::model::{
    Element, Field, ListDef, MapDef, Origin, Scalar, Schema, TypeDef, TypeId, TypeKind,
};

const MAX_DEPTH: usize = 100;

impl Schema {
    /// Reads a schema of `structured-merge-diff`: `{"types": [{"name": …, "map": {"fields": …}}, …]}`.
    ///
    /// Such a schema knows no kinds; its types are found by [`Schema::named`].
    ///
    /// # Errors
    /// Where the schema is malformed or refers to a type that it does not have.
    pub fn from_typedefs(schema: &Value) -> Result<Self, SchemaError> {
        let types = schema
            .get("types")
            .and_then(Value::as_array)
            .ok_or_else(|| SchemaError::malformed("types", "a list"))?;
        let mut reader = Reader::default();
        for def in types {
            let name = def
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| SchemaError::malformed("types[].name", "a string"))?;
            let id = reader.add(empty());
            reader.schema.names.push((name.into(), id));
        }
        reader.schema.index();
        for def in types {
            let name = def.get("name").and_then(Value::as_str).unwrap_or_default();
            reader.place = name.to_owned();
            let id = reader.named(name)?;
            if id.0 as usize >= types.len() {
                continue;
            }
            let mut read = reader.atom(def, 0)?;
            read.name = name.into();
            reader.schema.types[id.0 as usize] = read;
        }
        for (of, atomic, id) in std::mem::take(&mut reader.overrides) {
            let mut def = reader.schema.resolve(of).def().clone();
            if let Some(map) = &mut def.map {
                map.atomic = atomic;
            } else if let Some(list) = &mut def.list {
                list.associative = !atomic;
            }
            reader.schema.types[id.0 as usize] = def;
        }
        Ok(reader.schema)
    }
}

fn empty() -> TypeDef {
    TypeDef {
        name: Str::default(),
        kind: TypeKind::Any,
        scalar: None,
        list: None,
        map: None,
        origin: Origin::Other,
    }
}

#[derive(Default)]
struct Reader {
    schema: Schema,
    overrides: Vec<(TypeId, bool, TypeId)>,
    place: String,
}

impl Reader {
    fn add(&mut self, def: TypeDef) -> TypeId {
        let id = u32::try_from(self.schema.types.len()).expect("memory ends before 2^31 types");
        self.schema.types.push(def);
        TypeId(id)
    }

    fn error(&self, expected: &'static str) -> SchemaError {
        SchemaError::malformed(self.place.clone(), expected)
    }

    fn named(&self, name: &str) -> Result<TypeId, SchemaError> {
        let names = &self.schema.names;
        match names.binary_search_by(|(n, _)| n.as_str().cmp(name)) {
            Ok(i) => Ok(names[i].1),
            Err(_) => match name {
                "__untyped_deduced_" => Ok(TypeId::DEDUCED),
                "__untyped_atomic_" => Ok(TypeId::ATOMIC),
                _ => Err(SchemaError::UnknownReference {
                    place: self.place.clone(),
                    reference: name.to_owned(),
                }),
            },
        }
    }

    fn type_of(&mut self, node: &Value, depth: usize) -> Result<TypeId, SchemaError> {
        if depth > MAX_DEPTH {
            return Err(SchemaError::TooDeep {
                place: self.place.clone(),
                limit: MAX_DEPTH,
            });
        }
        let Some(name) = node.get("namedType").and_then(Value::as_str) else {
            let def = self.atom(node, depth)?;
            return Ok(self.add(def));
        };
        let of = match name {
            "__untyped_deduced_" => TypeId::DEDUCED,
            "__untyped_atomic_" => TypeId::ATOMIC,
            _ => self.named(name)?,
        };
        let Some(relationship) = node.get("elementRelationship").and_then(Value::as_str) else {
            return Ok(of);
        };
        let id = self.add(empty());
        self.overrides.push((of, relationship == "atomic", id));
        Ok(id)
    }

    fn atom(&mut self, node: &Value, depth: usize) -> Result<TypeDef, SchemaError> {
        let mut def = empty();
        if let Some(scalar) = node.get("scalar").and_then(Value::as_str) {
            (def.kind, def.scalar) = match scalar {
                "numeric" => (TypeKind::Float, Some(Scalar::Numeric)),
                "string" => (TypeKind::String, Some(Scalar::String)),
                "boolean" => (TypeKind::Bool, Some(Scalar::Boolean)),
                "untyped" => (TypeKind::Any, Some(Scalar::Untyped)),
                // Upstream finds out when it meets a value: no value fits.
                _ => (TypeKind::Any, None),
            };
        }
        if let Some(list) = node.get("list") {
            def.kind = TypeKind::List;
            def.list = Some(self.list(list, depth)?);
        }
        if let Some(map) = node.get("map") {
            let map = self.map(map, depth)?;
            def.kind = if map.fields.is_empty() {
                TypeKind::Map
            } else {
                TypeKind::Struct
            };
            def.map = Some(map);
        }
        let alternatives = [def.scalar.is_some(), def.list.is_some(), def.map.is_some()];
        if alternatives.iter().filter(|is| **is).count() > 1 {
            def.kind = TypeKind::Any;
        }
        Ok(def)
    }

    fn list(&mut self, node: &Value, depth: usize) -> Result<ListDef, SchemaError> {
        let element = node
            .get("elementType")
            .ok_or_else(|| self.error("a list with an elementType"))?;
        Ok(ListDef {
            element: Element::of(self.type_of(element, depth + 1)?),
            associative: node["elementRelationship"].as_str() == Some("associative"),
            keys: node
                .get("keys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|key| Some(Str::from(key.as_str()?)))
                .collect(),
        })
    }

    fn map(&mut self, node: &Value, depth: usize) -> Result<MapDef, SchemaError> {
        let mut fields = Vec::new();
        for field in node
            .get("fields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = field["name"]
                .as_str()
                .ok_or_else(|| self.error("fields with a name"))?;
            let ty = field.get("type").unwrap_or(&Value::Null);
            let mut read = Field::new(name.into(), self.type_of(ty, depth + 1)?);
            read.default = field
                .get("default")
                .filter(|default| !default.is_null())
                .cloned();
            fields.push(read);
        }
        fields.sort_by(|a: &Field, b| a.name.cmp(&b.name));
        Ok(MapDef {
            fields: fields.into(),
            element: match node.get("elementType") {
                None | Some(Value::Null) => None,
                Some(element) => Some(Element::of(self.type_of(element, depth + 1)?)),
            },
            atomic: node["elementRelationship"].as_str() == Some("atomic"),
            preserves_unknown: false,
        })
    }
}
