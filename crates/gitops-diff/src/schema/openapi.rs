//! Reads OpenAPI v3 documents of an API server, and the structural schemas of custom resources.
//!
//! Types come out as `kube-openapi`'s `schemaconv` (the one of Kubernetes 1.36) makes them for structured merge.

use std::collections::HashMap;

use gitops_manifest::{GroupVersionKind, Map, Object, Str, Value};

use super::model::{
    Element, Field, ListDef, MapDef, Origin, Patch, Scalar, Schema, TypeDef, TypeId, TypeKind,
};
use super::{SchemaError, builtin};

/// How deep a schema may be nested. The API server's own limit on the nesting of JSON is far above what a
/// schema of use reaches.
const MAX_DEPTH: usize = 100;

/// Where a document says of what kind something is.
const KIND: &str = "x-kubernetes-group-version-kind";

fn kind(value: &Value) -> GroupVersionKind {
    let part = |name| text(value, name).unwrap_or_default();
    GroupVersionKind::new(part("group"), part("version"), part("kind"))
}

impl Schema {
    /// Reads an OpenAPI v3 document as an API server serves it under `/openapi/v3/…`.
    ///
    /// What OpenAPI does not say of the types of built-in kinds (which fields are pointers, which numbers
    /// have 32 bits) is taken from the table of the built-in kinds.
    ///
    /// # Errors
    /// Where it is no OpenAPI v3 document, or a schema in it is malformed.
    pub fn from_openapi(document: &Value) -> Result<Self, SchemaError> {
        if !text(document, "openapi").is_some_and(|version| version.starts_with("3.")) {
            return Err(SchemaError::malformed("openapi", "version 3 of OpenAPI"));
        }
        let mut reader = Reader::default();
        match document.at(&["components", "schemas"]) {
            // Documents without objects have none: `/version`, `/.well-known`.
            None | Some(Value::Null) => {}
            Some(Value::Object(components)) => reader.read_components(components)?,
            Some(_) => {
                let place = "components.schemas";
                return Err(SchemaError::malformed(place, "a map of schemas"));
            }
        }
        reader.read_paths(document);
        Ok(reader.finish())
    }

    /// Reads the schemas of a `CustomResourceDefinition` (`apiextensions.k8s.io/v1`), one per version.
    ///
    /// A version without a schema is left out.
    ///
    /// # Errors
    /// Where the object is no such definition, or a schema in it is malformed.
    pub fn from_crd(crd: &Object) -> Result<Self, SchemaError> {
        let text = |path: &[&str]| {
            crd.at(path)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .ok_or_else(|| SchemaError::malformed(path.join("."), "a string"))
        };
        if crd.kind() != "CustomResourceDefinition" {
            return Err(SchemaError::malformed("kind", "CustomResourceDefinition"));
        }
        let (group, kind) = (text(&["spec", "group"])?, text(&["spec", "names", "kind"])?);
        let preserve = crd.at(&["spec", "preserveUnknownFields"]) == Some(&Value::Bool(true));
        let versions = crd
            .at(&["spec", "versions"])
            .and_then(Value::as_array)
            .ok_or_else(|| SchemaError::malformed("spec.versions", "a list"))?;
        let mut reader = Reader {
            origin: Origin::Custom,
            ..Reader::default()
        };
        for version in versions {
            let Some(name) = version.get("name").and_then(Value::as_str) else {
                return Err(SchemaError::malformed("spec.versions[].name", "a string"));
            };
            let Some(node) = version.at(&["schema", "openAPIV3Schema"]) else {
                continue;
            };
            reader.place = format!("version {name}");
            let id = reader.inline(node, preserve, 0)?;
            reader.add_object_fields(id);
            let gvk = GroupVersionKind::new(group, name, kind);
            if version.at(&["subresources", "status"]).is_some() {
                reader.schema.with_status.push(gvk.clone());
            }
            reader.schema.kinds.push((gvk, id));
        }
        Ok(reader.finish())
    }
}

#[derive(Default)]
struct Reader {
    schema: Schema,
    components: HashMap<Str, TypeId>,
    /// Uses of a component with a relationship of their own, filled in when all components are read.
    overrides: HashMap<(TypeId, bool), TypeId>,
    place: String,
    /// What the types that are read now belong to.
    origin: Origin,
}

impl Reader {
    fn add(&mut self, def: TypeDef) -> TypeId {
        let id = u32::try_from(self.schema.types.len()).expect("memory ends before 2^31 types");
        self.schema.types.push(def);
        TypeId(id)
    }

    fn finish(mut self) -> Schema {
        for ((of, atomic), id) in std::mem::take(&mut self.overrides) {
            let mut def = self.schema.resolve(of).def().clone();
            if let Some(map) = &mut def.map {
                map.atomic = atomic;
            }
            self.schema.types[id.0 as usize] = def;
        }
        self.schema.index();
        self.schema
    }

    fn error(&self, expected: &'static str) -> SchemaError {
        SchemaError::malformed(self.place.clone(), expected)
    }

    fn read_components(&mut self, components: &Map) -> Result<(), SchemaError> {
        for (name, _) in components {
            let id = self.add(TypeDef::scalar(TypeKind::Any, Scalar::Untyped));
            self.components.insert(name.clone(), id);
            self.schema.names.push((name.clone(), id));
        }
        // A component that is only a reference to another is a name for it.
        for (name, node) in components {
            if let Some(target) = reference(node) {
                let to = self.component(target)?;
                self.components.insert(name.clone(), to);
            }
        }
        for (name, node) in components {
            self.place = format!("components.schemas.{name}");
            self.origin = if name.starts_with("io.k8s.") {
                Origin::Other
            } else {
                Origin::Custom
            };
            let id = self.components[name];
            let mut def = match known(name) {
                Some(def) => def,
                None if reference(node).is_some() => continue,
                None => self.definition(node, false, 0)?,
            };
            def.name = name.clone();
            add_facts(&mut def);
            self.schema.types[id.0 as usize] = def;
            let kinds = node.get(KIND).and_then(Value::as_array);
            for gvk in kinds.into_iter().flatten() {
                self.schema.kinds.push((kind(gvk), id));
            }
        }
        // Types that many groups share (DeleteOptions, WatchEvent) name dozens of kinds; so does every
        // document. Only the kinds of objects are of use.
        let mut kinds = std::mem::take(&mut self.schema.kinds);
        kinds.retain(|(_, id)| self.schema.resolve(*id).field("metadata").is_some());
        self.schema.kinds = kinds;
        Ok(())
    }

    /// Finds the kinds whose status has a path of its own.
    fn read_paths(&mut self, document: &Value) {
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            if !path.ends_with("/{name}/status") {
                continue;
            }
            for operation in operations.as_object().into_iter().flat_map(Map::values) {
                if let Some(gvk) = operation.get(KIND) {
                    self.schema.with_status.push(kind(gvk));
                }
            }
        }
        self.schema.with_status.sort();
        self.schema.with_status.dedup();
    }

    fn component(&self, reference: &str) -> Result<TypeId, SchemaError> {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        self.components
            .get(name)
            .copied()
            .ok_or_else(|| SchemaError::UnknownReference {
                place: self.place.clone(),
                reference: reference.to_owned(),
            })
    }

    /// The type at a place of a schema: a component that it refers to, or one of its own.
    fn inline(
        &mut self,
        node: &Value,
        preserve: bool,
        depth: usize,
    ) -> Result<TypeId, SchemaError> {
        if let Some(target) = reference(node) {
            let id = self.component(target)?;
            return Ok(match map_type(node) {
                Some(map_type) => self.overridden(id, self.is_atomic(map_type)?),
                None => id,
            });
        }
        if depth > MAX_DEPTH {
            return Err(SchemaError::TooDeep {
                place: self.place.clone(),
                limit: MAX_DEPTH,
            });
        }
        let def = self.definition(node, preserve, depth)?;
        Ok(self.add(def))
    }

    fn overridden(&mut self, of: TypeId, atomic: bool) -> TypeId {
        if let Some(id) = self.overrides.get(&(of, atomic)) {
            return *id;
        }
        let id = self.add(TypeDef::scalar(TypeKind::Any, Scalar::Untyped));
        self.overrides.insert((of, atomic), id);
        id
    }

    fn definition(
        &mut self,
        node: &Value,
        preserve: bool,
        depth: usize,
    ) -> Result<TypeDef, SchemaError> {
        if node.as_object().is_none() {
            return Err(self.error("a schema"));
        }
        // Keeping unknown fields goes down to every descendant.
        let preserve = preserve || flag(node, "x-kubernetes-preserve-unknown-fields");
        let mut def = TypeDef {
            name: Str::default(),
            kind: TypeKind::Any,
            scalar: None,
            list: None,
            map: None,
            origin: self.origin,
        };
        let format = node.get("format").and_then(Value::as_str).unwrap_or("");
        match node.get("type").and_then(Value::as_str).unwrap_or("") {
            "" => {
                if flag(node, "x-kubernetes-int-or-string") || format == "int-or-string" {
                    def.kind = TypeKind::IntOrString;
                }
                def.scalar = Some(Scalar::Untyped);
                def.list = Some(self.list(node, preserve, depth)?);
                def.map = Some(self.map(node, preserve, depth)?);
            }
            "object" => {
                let map = self.map(node, preserve, depth)?;
                def.kind = if map.fields.is_empty() {
                    TypeKind::Map
                } else {
                    TypeKind::Struct
                };
                def.map = Some(map);
            }
            "array" => {
                if node.get("items").is_none() {
                    return Err(self.error("a list with items"));
                }
                def.kind = TypeKind::List;
                def.list = Some(self.list(node, preserve, depth)?);
            }
            "integer" => {
                def.kind = if format == "int32" {
                    TypeKind::Int32
                } else {
                    TypeKind::Int64
                };
                def.scalar = Some(Scalar::Numeric);
            }
            "number" => {
                def.kind = TypeKind::Float;
                def.scalar = Some(Scalar::Numeric);
            }
            "boolean" => {
                def.kind = TypeKind::Bool;
                def.scalar = Some(Scalar::Boolean);
            }
            "string" => {
                def.kind = if format == "byte" {
                    TypeKind::Bytes
                } else {
                    TypeKind::String
                };
                def.scalar = Some(match format {
                    "" | "byte" => Scalar::String,
                    _ => Scalar::Untyped,
                });
            }
            _ => return Err(self.error("a type of OpenAPI v3")),
        }
        if flag(node, "x-kubernetes-embedded-resource")
            && let Some(map) = &mut def.map
        {
            self.add_fields_of_object(map);
        }
        Ok(def)
    }

    fn is_atomic(&self, map_type: &Value) -> Result<bool, SchemaError> {
        match map_type.as_str() {
            Some("atomic") => Ok(true),
            Some("granular") => Ok(false),
            _ => Err(self.error("`atomic` or `granular` as x-kubernetes-map-type")),
        }
    }

    fn map(&mut self, node: &Value, preserve: bool, depth: usize) -> Result<MapDef, SchemaError> {
        let properties = match node.get("properties") {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => return Err(self.error("a map of properties")),
        };
        let required = node.get("required").and_then(Value::as_array);
        let mut fields = Vec::with_capacity(properties.map_or(0, Map::len));
        for (name, property) in properties.into_iter().flatten() {
            let length = self.place.len();
            self.place.push('.');
            self.place.push_str(name);
            let mut field = Field::new(name.clone(), self.inline(property, preserve, depth + 1)?);
            self.place.truncate(length);
            field.optional = !required
                .is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name.as_str())));
            field.nullable = flag(property, "nullable");
            field.default = property.get("default").cloned();
            if let Some(strategy) = text(property, "x-kubernetes-patch-strategy") {
                field.patch = Patch::parse(strategy);
                field.merge_key = text(property, "x-kubernetes-patch-merge-key")
                    .unwrap_or_default()
                    .into();
            }
            fields.push(field);
        }
        let element = match node.get("additionalProperties") {
            // Without properties it is a free-form map.
            None | Some(Value::Null) if preserve || fields.is_empty() => {
                Some(Element::of(TypeId::DEDUCED))
            }
            Some(Value::Bool(true)) => Some(Element::of(TypeId::DEDUCED)),
            None | Some(Value::Null | Value::Bool(false)) => None,
            Some(values) => Some(self.element(values, preserve, depth)?),
        };
        Ok(MapDef {
            fields: fields.into(),
            element,
            atomic: match map_type(node) {
                Some(map_type) => self.is_atomic(map_type)?,
                None => false,
            },
            preserves_unknown: flag(node, "x-kubernetes-preserve-unknown-fields"),
        })
    }

    fn element(
        &mut self,
        node: &Value,
        preserve: bool,
        depth: usize,
    ) -> Result<Element, SchemaError> {
        let length = self.place.len();
        self.place.push_str("[]");
        let ty = self.inline(node, preserve, depth + 1)?;
        self.place.truncate(length);
        Ok(Element {
            ty,
            nullable: flag(node, "nullable"),
            default: node.get("default").cloned(),
        })
    }

    fn list(&mut self, node: &Value, preserve: bool, depth: usize) -> Result<ListDef, SchemaError> {
        let mut keys = Vec::new();
        let associative = match (
            text(node, "x-kubernetes-list-type"),
            text(node, "x-kubernetes-patch-strategy"),
        ) {
            (Some("atomic"), _) | (None, None | Some("retainKeys" | "replace")) => false,
            (Some("set"), _) => true,
            (Some("map"), _) => {
                let names = node
                    .get("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .ok_or_else(|| self.error("x-kubernetes-list-map-keys, a list of names"))?;
                keys.extend(
                    names
                        .iter()
                        .filter_map(|name| Some(Str::from(name.as_str()?))),
                );
                if keys.is_empty() {
                    return Err(self.error("x-kubernetes-list-map-keys, a list of names"));
                }
                true
            }
            (Some(_), _) => {
                return Err(self.error("`atomic`, `set` or `map` as x-kubernetes-list-type"));
            }
            (None, Some("merge" | "merge,retainKeys")) => {
                keys.extend(text(node, "x-kubernetes-patch-merge-key").map(Str::from));
                true
            }
            (None, Some(_)) => return Err(self.error("a known x-kubernetes-patch-strategy")),
        };
        Ok(ListDef {
            element: match node.get("items") {
                None | Some(Value::Null) => Element::of(TypeId::ATOMIC),
                Some(items) => self.element(items, preserve, depth)?,
            },
            associative,
            keys: keys.into(),
        })
    }

    fn add_object_fields(&mut self, id: TypeId) {
        let Some(mut map) = self.schema.types[id.0 as usize].map.take() else {
            return;
        };
        self.add_fields_of_object(&mut map);
        let def = &mut self.schema.types[id.0 as usize];
        def.kind = TypeKind::Struct;
        def.map = Some(map);
    }

    /// Every object has `apiVersion`, `kind` and `metadata`, whatever its schema says of them.
    fn add_fields_of_object(&mut self, map: &mut MapDef) {
        let string = self.add(TypeDef::scalar(TypeKind::String, Scalar::String));
        let metadata = self
            .components
            .get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
            .copied()
            .or_else(|| Some(builtin::named("meta/v1.ObjectMeta")?.shared()));
        let mut fields = std::mem::take(&mut map.fields).into_vec();
        for (name, ty) in [
            ("apiVersion", Some(string)),
            ("kind", Some(string)),
            ("metadata", metadata),
        ] {
            let Some(ty) = ty else { continue };
            let field = Field::new(Str::from_static(name), ty);
            match fields.binary_search_by(|field| field.name.as_str().cmp(name)) {
                Ok(i) => fields[i] = field,
                Err(i) => fields.insert(i, field),
            }
        }
        map.fields = fields.into();
    }
}

/// The types of apimachinery that are more than their OpenAPI schema says.
fn known(name: &str) -> Option<TypeDef> {
    let kind = match name.strip_prefix("io.k8s.apimachinery.pkg.")? {
        "api.resource.Quantity" => TypeKind::Quantity,
        "apis.meta.v1.Time" => TypeKind::Time,
        "apis.meta.v1.MicroTime" => TypeKind::MicroTime,
        "util.intstr.IntOrString" => TypeKind::IntOrString,
        "apis.meta.v1.Duration" => {
            return Some(TypeDef::scalar(TypeKind::Duration, Scalar::String));
        }
        "runtime.RawExtension" => {
            let mut def = builtin::schema().resolve(TypeId::ATOMIC).def().clone();
            // Its elements are numbered in the table of the built-in kinds.
            for element in [
                def.list.as_mut().map(|list| &mut list.element),
                def.map.as_mut().and_then(|map| map.element.as_mut()),
            ]
            .into_iter()
            .flatten()
            {
                element.ty = element.ty.shared();
            }
            return Some(def);
        }
        _ => return None,
    };
    Some(TypeDef::scalar(kind, Scalar::Untyped))
}

/// Adds what OpenAPI does not say to the type of a built-in kind.
fn add_facts(def: &mut TypeDef) {
    let Some(facts) = builtin::by_openapi_name(&def.name).and_then(super::TypeRef::map) else {
        return;
    };
    def.origin = Origin::BuiltIn;
    for field in def.map.iter_mut().flat_map(|map| map.fields.iter_mut()) {
        match facts.field(&field.name) {
            Some(fact) => {
                field.optional = fact.is_optional();
                field.omits_zero = fact.omits_zero();
                field.pointer = fact.is_pointer();
            }
            // A field of a later version. Structs that are no pointers have an empty default.
            None => field.pointer = field.optional && field.default.is_none(),
        }
    }
}

fn flag(node: &Value, name: &str) -> bool {
    node.get(name) == Some(&Value::Bool(true))
}

fn text<'v>(node: &'v Value, name: &str) -> Option<&'v str> {
    node.get(name)?.as_str()
}

fn map_type(node: &Value) -> Option<&Value> {
    node.get("x-kubernetes-map-type")
}

/// The target of a reference, also of one that stands alone in `allOf` so that it can have siblings.
fn reference(node: &Value) -> Option<&str> {
    if let Some(target) = text(node, "$ref") {
        return Some(target);
    }
    match node.get("allOf")?.as_array()?.iter().as_slice() {
        [one] => text(one, "$ref"),
        _ => None,
    }
}
