//! Variables: `$(NAME)` in fields, replaced by the values of other fields.

use gitops_manifest::Str;
use rustc_hash::FxHashMap;

use crate::error::{BuildError, ErrorKind};
use crate::fieldspec::{Create, FieldSpec, FieldSpecs, walk};
use crate::id::Id;
use crate::kustomization::Var;
use crate::near;
use crate::node::{Node, Scalar, Tag};
use crate::resmap::ResMap;

use super::path;
use super::{SetError, World, field_error};

/// Notes at the resources which variables take their value from them.
pub(crate) fn note(
    resources: &mut ResMap,
    vars: &[Var],
    world: &World,
) -> Result<(), Vec<BuildError>> {
    let mut errors = Vec::new();
    for var in vars {
        // The id of a variable does not know that its kind is of the cluster.
        let wanted = Id {
            group: &var.gvk.group,
            version: &var.gvk.version,
            kind: &var.gvk.kind,
            name: &var.object_name,
            namespace: &var.object_namespace,
            cluster: false,
        };
        let mut found = resources.candidates(&var.object_name, &var.gvk.kind, &world.scope);
        found.retain(|&i| {
            let resource = &resources.as_slice()[i];
            let matches = |id: Id<'_>| {
                if wanted.namespace.is_empty() {
                    id.name == wanted.name
                        && id.kind == wanted.kind
                        && id.group == wanted.group
                        && id.version == wanted.version
                } else {
                    id.same(&wanted)
                }
            };
            !resource.deleted
                && resource
                    .previous_ids()
                    .chain(std::iter::once(resource.id(&world.scope)))
                    .any(matches)
        });
        match found[..] {
            [] => {}
            [i] => resources.contents_mut()[i].vars.push(var.name.clone()),
            _ => {
                let ids: Vec<String> = found
                    .iter()
                    .map(|&i| resources.as_slice()[i].id(&world.scope).to_string())
                    .collect();
                let message = format!(
                    "the variable `{}` selects several resources: {}",
                    var.name,
                    ids.join(", ")
                );
                errors.push(mistake(var, message));
            }
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Says what is wrong with a variable, and where it is written.
fn mistake(var: &Var, message: String) -> BuildError {
    let mut error = BuildError::new(ErrorKind::Reference, message);
    if let Some(written) = &var.written {
        error = error.at(written.place.clone()).field(&*written.field);
        error.chain.clone_from(&written.chain);
    }
    error
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
enum VarValue {
    Int(i64),
    Double(f64),
    Bool(bool),
    Text(Str),
    /// A list or a map, which cannot be put in.
    Other,
}

impl VarValue {
    fn of(node: &Node) -> Option<Self> {
        let Node::Scalar(scalar) = node else {
            return Some(Self::Other);
        };
        Some(match scalar.tag {
            Tag::Int => Self::Int(scalar.text.parse().ok()?),
            Tag::Float => Self::Double(scalar.text.parse().ok()?),
            Tag::Bool => match scalar.text.as_str() {
                "true" | "True" | "TRUE" | "t" | "T" | "1" => Self::Bool(true),
                "false" | "False" | "FALSE" | "f" | "F" | "0" => Self::Bool(false),
                _ => return None,
            },
            _ => Self::Text(scalar.text.clone()),
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            Self::Double(value) => crate::scalar::go_double(*value),
            Self::Bool(value) => value.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Other => String::new(),
        }
    }

    fn scalar(&self) -> Scalar {
        match self {
            Self::Int(value) => Scalar::tagged(value.to_string(), Tag::Int),
            Self::Double(value) => Scalar::tagged(value.to_string(), Tag::Float),
            Self::Bool(value) => Scalar::tagged(value.to_string(), Tag::Bool),
            Self::Text(text) => Scalar::tagged(text.clone(), Tag::Str),
            Self::Other => Scalar::default(),
        }
    }
}

/// Splits the path of a variable: `ports[0].port` is `ports`, `0`, `port`.
fn split(path_text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in path::split(path_text) {
        let index = part.strip_suffix(']').and_then(|p| p.rsplit_once('['));
        match index {
            Some((name, index))
                if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) =>
            {
                if !name.is_empty() {
                    out.push(name.to_owned());
                }
                out.push(index.to_owned());
            }
            _ => out.push(part),
        }
    }
    out
}

/// Replaces variables in all resources. Returns the names of those that were never used.
pub(crate) fn resolve(
    resources: &mut ResMap,
    vars: &[Var],
    specs: &[FieldSpec],
    world: &World,
) -> Result<Vec<Str>, Vec<BuildError>> {
    if vars.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: FxHashMap<Str, VarValue> = FxHashMap::default();
    let mut errors = Vec::new();
    let mut holders: FxHashMap<&Str, usize> = FxHashMap::default();
    for (i, resource) in resources.as_slice().iter().enumerate() {
        for name in &resource.vars {
            holders.entry(name).or_insert(i);
        }
    }
    for var in vars {
        let Some(&i) = holders.get(&var.name) else {
            let message = format!(
                "the variable `{}` refers to {} `{}`, and there is no such resource",
                var.name, var.gvk, var.object_name
            );
            let list = resources.as_slice();
            let near = near::resource(list, &var.gvk.kind, &var.object_name, &world.scope);
            errors.push(mistake(var, message).maybe(near));
            continue;
        };
        let resource = &resources.as_slice()[i];
        let fields = split(&var.field_path);
        let found = path::lookup(&resource.node, &fields);
        match found.ok().flatten().and_then(VarValue::of) {
            Some(value) => {
                values.insert(var.name.clone(), value);
            }
            None => {
                let message = format!(
                    "the variable `{}` takes its value from `{}` of {}, and there is no such field",
                    var.name,
                    var.field_path,
                    resource.id(&world.scope)
                );
                errors.push(mistake(var, message).maybe(path::near(&resource.node, &fields)));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut used: FxHashMap<Str, usize> = FxHashMap::default();
    let mut compiled = FieldSpecs::new(specs.to_vec());
    for resource in resources.contents_mut() {
        let trie = compiled.of(resource.api_version(), resource.kind());
        let mut shared = Vec::new();
        let done = walk(&mut resource.node, &trie, Create::Never, &mut |node, _| {
            set(node, &values, &mut used, &mut shared)
        });
        for scalar in &shared {
            resource.node.spread(scalar);
        }
        if let Err(fault) = done {
            let specs = compiled.specs();
            let what = "replacing variables";
            let kind = ErrorKind::Reference;
            errors.push(field_error(
                kind,
                what,
                resource,
                &world.scope,
                specs,
                &fault,
            ));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut unused: Vec<Str> = values
        .into_keys()
        .filter(|name| !used.contains_key(name))
        .collect();
    unused.sort();
    Ok(unused)
}

fn set(
    node: &mut Node,
    values: &FxHashMap<Str, VarValue>,
    used: &mut FxHashMap<Str, usize>,
    shared: &mut Vec<Scalar>,
) -> Result<(), SetError> {
    let mut put = |scalar: &mut Scalar| {
        let number = scalar.shared;
        let mut new = replace(&scalar.text, values, used);
        new.shared = number;
        *scalar = new;
        if number != 0 {
            shared.push(scalar.clone());
        }
    };
    match node {
        Node::Scalar(scalar) => {
            if scalar.is_string() {
                put(scalar);
            }
            Ok(())
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                if !key.is_string() {
                    return Err(SetError::Other(format!(
                        "the key `{}` is no text",
                        key.text
                    )));
                }
                if let Node::Scalar(scalar) = value
                    && scalar.is_string()
                {
                    put(scalar);
                }
            }
            Ok(())
        }
        Node::Seq(items) => {
            for item in items {
                match item {
                    Node::Scalar(scalar) if scalar.is_string() => put(scalar),
                    _ => {
                        return Err(SetError::Other("an item of the list is no text".to_owned()));
                    }
                }
            }
            Ok(())
        }
    }
}

/// Replaces the variables in a text. A text that is one variable and nothing else takes its type.
fn replace(
    input: &str,
    values: &FxHashMap<Str, VarValue>,
    used: &mut FxHashMap<Str, usize>,
) -> Scalar {
    if !input.contains('$') {
        return Scalar::tagged(input, Tag::Str);
    }
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(i) = rest.find('$') {
        out.push_str(&rest[..i]);
        let after = &rest[i + 1..];
        let Some(c) = after.chars().next() else {
            rest = &rest[i..];
            break;
        };
        match c {
            '$' => {
                out.push('$');
                rest = &after[1..];
            }
            '(' => {
                let Some(end) = after.find(')') else {
                    out.push_str("$(");
                    rest = &after[1..];
                    continue;
                };
                let name = &after[1..end];
                match values.get(name) {
                    Some(value) if *value != VarValue::Other => {
                        *used.entry(name.into()).or_default() += 1;
                        if input.len() == name.len() + 3 {
                            return value.scalar();
                        }
                        out.push_str(&value.text());
                    }
                    _ => {
                        out.push_str("$(");
                        out.push_str(name);
                        out.push(')');
                    }
                }
                rest = &after[end + 1..];
            }
            c => {
                out.push('$');
                out.push(c);
                rest = &after[c.len_utf8()..];
            }
        }
    }
    out.push_str(rest);
    Scalar::tagged(out, Tag::Str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let values = FxHashMap::from_iter([
            (Str::from("A"), VarValue::Int(5)),
            (Str::from("B"), VarValue::Text("x".into())),
        ]);
        let replace = |text: &str| {
            let scalar = super::replace(text, &values, &mut FxHashMap::default());
            (scalar.text.to_string(), scalar.tag)
        };
        assert_eq!(replace("$(A)"), ("5".to_owned(), Tag::Int));
        assert_eq!(replace("$(A)$(B)"), ("5x".to_owned(), Tag::Str));
        assert_eq!(
            replace("$$(A) $(C) $"),
            ("$(A) $(C) $".to_owned(), Tag::Str)
        );
        assert_eq!(replace("a $(A"), ("a $(A".to_owned(), Tag::Str));
        assert_eq!(replace("$é$(B)"), ("$éx".to_owned(), Tag::Str));
    }
}
