//! Writes `src/schema/builtin.txt`, the table of the built-in kinds.
//!
//! ```text
//! builtin_schema TYPES SCHEMA… > crates/gitops-diff/src/schema/builtin.txt
//! ```
//!
//! `SCHEMA` are the OpenAPI v3 documents of an API server (`kubectl get --raw /openapi/v3/apis/apps/v1`, or
//! `api/openapi-spec/v3/*.json` of a Kubernetes release), or one schema in the form of structured-merge-diff.
//! `TYPES` holds what these do not say of the Go types: which kinds the client scheme has, pointers,
//! `omitempty`, `omitzero`, patch strategies. Of the schema come the relationships of lists and maps, and defaults.
#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use gitops_diff::schema::{ListType, MapType, Schema, TypeKind, TypeRef};
use gitops_manifest::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let usage = "usage: builtin_schema TYPES SCHEMA…";
    let types = Value::from_json(std::fs::read(files.next().ok_or(usage)?)?)?;
    let mut schemas = Vec::new();
    for file in files {
        let document = Value::from_json(std::fs::read(&file)?)?;
        schemas.push(if document.get("types").is_some() {
            Schema::from_typedefs(&document)
        } else {
            Schema::from_openapi(&document)
        }?);
    }
    print!("{}", table(&types, &schemas)?);
    Ok(())
}

fn table(types: &Value, schemas: &[Schema]) -> Result<String, Box<dyn Error>> {
    let part = |name| types.get(name).and_then(Value::as_object).ok_or("no types");
    let mut groups: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (name, fields) in part("types")? {
        let (group, short) = name
            .split_once('.')
            .ok_or("a type is named GROUP/VERSION.NAME")?;
        groups.entry(group).or_default().insert(short, fields);
    }
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, ty) in part("kinds")? {
        let (api_version, kind) = kind.rsplit_once('/').ok_or("a kind is APIVERSION/KIND")?;
        let ty = ty.as_str().ok_or("a kind has a type")?;
        assert_eq!(
            ty.rsplit('.').next(),
            Some(kind),
            "a kind is named like its type"
        );
        kinds.entry(ty).or_default().push(api_version);
    }
    let mut out = String::from(
        "# The types of the built-in kinds; builtin.rs says how to read this, examples/builtin_schema.rs writes it.\n",
    );
    for (group, types) in groups {
        writeln!(out, "@{group}")?;
        for (name, fields) in types {
            let full = format!("{group}.{name}");
            let schema = find(schemas, &full);
            if schema.is_none() {
                eprintln!("{full} is in no schema: its lists are atomic, its maps granular");
            }
            out.push_str(name);
            for api_version in kinds.get(full.as_str()).into_iter().flatten() {
                write!(out, " ={api_version}")?;
            }
            let map = schema.and_then(TypeRef::map);
            if map.is_some_and(MapType::is_atomic) {
                out.push_str(" !");
            }
            if map.is_some_and(|map| map.is_empty() && map.element().is_some()) {
                out.push_str(" ~");
            }
            out.push('\n');
            for field in fields.as_array().ok_or("a type is a list of fields")? {
                write_field(&mut out, schemas, group, map, field)?;
            }
        }
    }
    Ok(out)
}

/// Finds a type in the schemas, under the name that OpenAPI gives it.
fn find<'s>(schemas: &'s [Schema], name: &str) -> Option<TypeRef<'s>> {
    let (group, short) = name.split_once('/')?;
    let long = if group == "meta" {
        format!("io.k8s.apimachinery.pkg.apis.meta.{short}")
    } else {
        format!("io.k8s.api.{group}.{short}")
    };
    schemas.iter().find_map(|schema| schema.named(&long))
}

fn write_field(
    out: &mut String,
    schemas: &[Schema],
    group: &str,
    map: Option<MapType<'_>>,
    field: &Value,
) -> Result<(), Box<dyn Error>> {
    let text = |name: &str| field.get(name).and_then(Value::as_str);
    let name = text("name").ok_or("a field has a name")?;
    let declared = map.and_then(|map| map.field(name));
    write!(out, " {name}")?;
    for (fact, mark) in [("omitempty", '?'), ("omitzero", '!')] {
        if field.get(fact) == Some(&Value::Bool(true)) {
            out.push(mark);
        }
    }
    let ty = text("type").ok_or("a field has a type")?;
    out.push(' ');
    write_type(out, schemas, group, ty, declared.map(|field| field.ty()));
    if let Some(strategy) = text("patchStrategy") {
        write!(out, " ~{strategy}")?;
        if let Some(key) = text("patchMergeKey") {
            write!(out, ":{key}")?;
        }
    }
    if let Some(default) = declared.and_then(|field| field.default()) {
        write!(out, " ={default}")?;
    }
    out.push('\n');
    Ok(())
}

fn write_type(
    out: &mut String,
    schemas: &[Schema],
    group: &str,
    text: &str,
    ty: Option<TypeRef<'_>>,
) {
    if let Some(pointer) = text.strip_prefix('*') {
        out.push('*');
        return write_type(out, schemas, group, pointer, ty);
    }
    if let Some(element) = text.strip_prefix("[]") {
        let list = ty.and_then(TypeRef::list);
        let keys = list.map_or(&[][..], ListType::keys);
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        out.push('[');
        if list.is_some_and(|list| !list.is_atomic()) && keys.is_empty() {
            out.push('=');
        }
        out.push_str(&keys.join(","));
        out.push(']');
        return write_type(out, schemas, group, element, list.map(ListType::element));
    }
    if let Some(element) = text.strip_prefix("map:") {
        let map = ty.and_then(TypeRef::map);
        out.push_str(if map.is_some_and(MapType::is_atomic) {
            "{!}"
        } else {
            "{}"
        });
        return write_type(out, schemas, group, element, map.and_then(MapType::element));
    }
    if let Some(name) = text.strip_prefix("struct:") {
        let (of, short) = name.split_once('.').unwrap_or(("", name));
        if of != group {
            out.push_str(of);
        }
        out.push('.');
        out.push_str(short);
        let atomic = |ty: Option<TypeRef<'_>>| ty.and_then(TypeRef::map).map(MapType::is_atomic);
        if let (Some(here), Some(everywhere)) = (atomic(ty), atomic(find(schemas, name)))
            && here != everywhere
        {
            out.push(if here { '!' } else { '.' });
        }
        return;
    }
    match ty {
        // A struct of free-form fields.
        Some(ty) if text == "any" && ty.scalar().is_none() && ty.kind() == TypeKind::Map => {
            out.push_str("{}any~");
        }
        _ => out.push_str(text),
    }
}
