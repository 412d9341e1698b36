//! Replacements: a value copied from one field to others.

use crate::error::{BuildError, ErrorKind};
use crate::id::{Id, split_api_version};
use crate::kustomization::{At, FieldOptions, Replacement, Source, Target};
use crate::near;
use crate::node::{Kind, Node, Scalar};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::selector::Compiled;

use super::World;
use super::path::{self, PathError};

/// What is wrong with a replacement, and where: a part of it, with the place of that part.
pub(crate) struct Mistake {
    pub(crate) error: BuildError,
    /// The part, as `targets[0].fieldPaths[1]`; empty for the whole.
    pub(crate) part: String,
    pub(crate) at: At,
}

impl Mistake {
    fn new(message: impl Into<String>, part: impl Into<String>, at: At) -> Self {
        Self {
            error: BuildError::new(ErrorKind::Reference, message),
            part: part.into(),
            at,
        }
    }
}

/// Applies a replacement.
pub(crate) fn replace(
    resources: &mut ResMap,
    replacement: &Replacement,
    world: &World,
) -> Result<(), Box<Mistake>> {
    let fail = |message: &str| Box::new(Mistake::new(message, "", replacement.at));
    let Some(targets) = &replacement.targets else {
        return Err(fail(
            "a replacement must have a source and at least one target",
        ));
    };
    let value = match (&replacement.source, &replacement.source_value) {
        (None, None) => {
            return Err(fail(
                "a replacement must have a source and at least one target",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(fail("a replacement has either a source or a sourceValue"));
        }
        (None, Some(value)) => Node::open(value.clone()),
        (Some(source), None) => {
            source_value(resources, source, world).map_err(|error| Mistake {
                error,
                part: "source".to_owned(),
                at: source.at,
            })?
        }
    };
    for (i, target) in targets.iter().enumerate() {
        apply(resources, &value, target, world).map_err(|mut mistake| {
            mistake.part = match &*mistake.part {
                "" => format!("targets[{i}]"),
                part => format!("targets[{i}].{part}"),
            };
            mistake
        })?;
    }
    Ok(())
}

/// Goes over the present and previous ids of a resource, their namespaces as they are written.
fn ids(resource: &Resource) -> impl Iterator<Item = Id<'_>> {
    let (group, version) = split_api_version(resource.api_version());
    std::iter::once(Id {
        group,
        version,
        kind: resource.kind(),
        name: resource.name(),
        namespace: resource.namespace(),
        cluster: false,
    })
    .chain(resource.previous_ids())
}

fn describe(source: &Source) -> String {
    let id = Id {
        group: &source.gvk.group,
        version: &source.gvk.version,
        kind: &source.gvk.kind,
        name: &source.name,
        namespace: &source.namespace,
        cluster: false,
    };
    id.to_string()
}

fn source_value(
    resources: &mut ResMap,
    source: &Source,
    world: &World,
) -> Result<Node, BuildError> {
    let fail = |message| BuildError::new(ErrorKind::Reference, message);
    let wanted = Id {
        group: "",
        version: "",
        kind: "",
        name: "",
        namespace: &source.namespace,
        cluster: false,
    };
    let candidates: Vec<usize> = if source.name.is_empty() {
        (0..resources.as_slice().len()).collect()
    } else {
        resources.candidates(&source.name, "", &world.scope)
    };
    let mut selected = candidates.into_iter().filter(|&i| {
        let resource = &resources.as_slice()[i];
        !resource.deleted
            && ids(resource).any(|id| {
                (source.name.is_empty() || source.name == id.name)
                    && (source.namespace.is_empty()
                        || wanted.effective_namespace() == id.effective_namespace())
                    && id.selected_by(&source.gvk)
            })
    });
    let first = selected.next();
    if let (Some(first), Some(second)) = (first, selected.next()) {
        let list = resources.as_slice();
        return Err(fail(format!(
            "the source {} selects several resources: {} and {}",
            describe(source),
            list[first].id(&world.scope),
            list[second].id(&world.scope)
        )));
    }
    let Some(i) = first else {
        let (kind, list) = (&source.gvk.kind, resources.as_slice());
        let near = near::resource(list, kind, &source.name, &world.scope);
        let message = format!("the source {} selects no resource", describe(source));
        return Err(fail(message).maybe(near));
    };
    let path = if source.field_path.is_empty() {
        "metadata.name"
    } else {
        &source.field_path
    };
    let resource = &resources.as_slice()[i];
    let found = path::lookup(&resource.node, &path::split(path)).map_err(|error| {
        fail(format!(
            "the field `{path}` of the source {}: {error}",
            describe(source)
        ))
    })?;
    let Some(value) = found.filter(|value| !value.is_null_or_empty()) else {
        let message = format!(
            "the source {} has no field `{path}`, or it is empty",
            describe(source)
        );
        return Err(fail(message).maybe(path::near(&resource.node, &path::split(path))));
    };
    let Some(options) = source.options.as_ref().filter(|o| !o.delimiter.is_empty()) else {
        return Ok(value.clone());
    };
    let Node::Scalar(scalar) = value else {
        return Err(fail(format!(
            "the delimiter of a source needs a plain value, and `{path}` of {} is {}",
            describe(source),
            value.kind().name()
        )));
    };
    let parts: Vec<&str> = split(value.value_text(), &options.delimiter);
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|i| parts.get(i));
    let Some(part) = part else {
        return Err(fail(format!(
            "options.index {} is out of bounds for value {}",
            options.index, scalar.text
        )));
    };
    Ok(Node::Scalar(Scalar {
        text: (*part).into(),
        ..scalar.clone()
    }))
}

fn split<'a>(text: &'a str, delimiter: &str) -> Vec<&'a str> {
    text.split(delimiter).collect()
}

fn apply(
    resources: &mut ResMap,
    value: &Node,
    target: &Target,
    world: &World,
) -> Result<(), Box<Mistake>> {
    let Some(select) = &target.select else {
        let message = "a target of a replacement must select resources";
        return Err(Box::new(Mistake::new(message, "", target.at)));
    };
    let compile = |selector, part: String| {
        Compiled::new(selector)
            .map_err(|error| Box::new(Mistake::new(error.to_string(), part, target.at)))
    };
    let selector = compile(select, "select".to_owned())?;
    let rejects = target
        .reject
        .iter()
        .enumerate()
        .map(|(i, reject)| compile(reject, format!("reject[{i}]")))
        .collect::<Result<Vec<_>, _>>()?;
    let literal =
        !select.name.is_empty() && !select.name.contains(|c| r"\.+*?()|[]{}^$".contains(c));
    let candidates: Vec<usize> = if literal {
        resources.candidates(&select.name, "", &world.scope)
    } else {
        (0..resources.as_slice().len()).collect()
    };
    let default = [crate::kustomization::Text {
        value: "metadata.name".into(),
        ..Default::default()
    }];
    let field_paths = if target.field_paths.is_empty() {
        &default[..]
    } else {
        &target.field_paths
    };
    let paths: Vec<(&str, Vec<String>)> = field_paths
        .iter()
        .map(|text| (&*text.value, path::split(&text.value)))
        .collect();
    for i in candidates {
        let resource = &resources.as_slice()[i];
        if resource.deleted || !selector.selects_metadata(resource) {
            continue;
        }
        let rejected = rejects.iter().any(|reject| {
            (reject.asks_for_metadata() && reject.selects_metadata(resource))
                || (!reject.any_id && ids(resource).any(|id| reject.selects_id(&id)))
        });
        if rejected || !ids(resource).any(|id| selector.selects_id(&id)) {
            continue;
        }
        let done = resources.change(i, &world.scope, |resource| {
            for (k, (written, path)) in paths.iter().enumerate() {
                set(resource, value, written, path, target.options.as_ref())
                    .map_err(|message| (k, message))?;
            }
            if value.as_scalar().is_none() && !resource.node.fits() {
                return Err((0, "the resource becomes too deep or too large".to_owned()));
            }
            Ok(())
        });
        done.map_err(|(k, message): (usize, String)| {
            let resource = &resources.as_slice()[i];
            let id = resource.id(&world.scope);
            let message = match &resource.place {
                Some(place) => format!("{message} ({id}, {place})"),
                None => format!("{message} ({id})"),
            };
            let (part, at) = match target.field_paths.get(k) {
                Some(path) => (format!("fieldPaths[{k}]"), path.at),
                None => (String::new(), target.at),
            };
            let mut mistake = Mistake::new(message, part, at);
            mistake.error.hint = path::near(&resource.node, &paths[k].1);
            Box::new(mistake)
        })?;
    }
    Ok(())
}

/// Why a field could not be set.
enum Unset {
    Path(PathError),
    Value(String),
}

impl From<PathError> for Unset {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

fn set(
    resource: &mut Resource,
    value: &Node,
    written: &str,
    path: &[String],
    options: Option<&FieldOptions>,
) -> Result<(), String> {
    let create = options
        .filter(|options| options.create)
        .map(|_| value.kind());
    if set_embedded(&mut resource.node, value, path, options, create) {
        return Ok(());
    }
    let unfound = || match create {
        Some(_) => format!("unable to find or create field \"{written}\" in replacement target"),
        None => format!("unable to find field \"{written}\" in replacement target"),
    };
    let mut shared = Vec::new();
    let count = path::matches(&mut resource.node, path, create, &mut |node| {
        put(node, value, options, &mut shared).map_err(Unset::Value)
    });
    for scalar in &shared {
        resource.node.spread(scalar);
    }
    match count {
        Ok(0) => Err(unfound()),
        Ok(_) => Ok(()),
        Err(Unset::Path(error)) => Err(format!("{}: {error}", unfound())),
        Err(Unset::Value(message)) => Err(message),
    }
}

/// Puts the value into a field.
fn put(
    field: &mut Node,
    value: &Node,
    options: Option<&FieldOptions>,
    shared: &mut Vec<Scalar>,
) -> Result<(), String> {
    let mut value = value.clone();
    if let Some(options) = options.filter(|options| !options.delimiter.is_empty()) {
        let Node::Scalar(old) = &*field else {
            return Err(format!(
                "the delimiter of a target needs a plain value, and there is {}",
                field.kind().name()
            ));
        };
        let mut parts = split(&old.text, &options.delimiter);
        let text = value.value_text().to_owned();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, &text),
            Ok(i) if i >= parts.len() => parts.push(&text),
            Ok(i) => parts[i] = &text,
        }
        let joined = parts.join(&options.delimiter);
        match &mut value {
            Node::Scalar(scalar) => scalar.text = joined.into(),
            _ => {
                *field = value;
                return Ok(());
            }
        }
    }
    match field {
        // The type of a plain value stays: the text of a number put into a string is a string.
        Node::Scalar(old) => {
            old.text = value.text().into();
            if old.shared != 0 {
                shared.push(old.clone());
            }
        }
        other => *other = value,
    }
    Ok(())
}

/// Sets a field within YAML or JSON that a plain value holds. Returns whether there was one.
fn set_embedded(
    node: &mut Node,
    value: &Node,
    path: &[String],
    options: Option<&FieldOptions>,
    create: Option<Kind>,
) -> bool {
    for i in 1..path.len() {
        let Ok(Some(Node::Scalar(scalar))) = path::lookup(node, &path[..i]) else {
            continue;
        };
        let text = scalar.text.clone();
        let Some(mut document) = crate::embedded::Document::parse(&text) else {
            continue;
        };
        let done = document.set(&path[i..], create, &mut |field| {
            put(field, value, options, &mut Vec::new())
        });
        if !done {
            return false;
        }
        let Some(text) = document.write() else {
            return false;
        };
        if let Ok(Some(Node::Scalar(scalar))) = path::lookup_mut(node, &path[..i]) {
            scalar.text = text.into();
            if scalar.shared != 0 {
                let scalar = scalar.clone();
                node.spread(&scalar);
            }
        }
        return true;
    }
    false
}
