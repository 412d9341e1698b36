//! ConfigMaps and Secrets made of literals, files and environment files.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitops_manifest::Str;

use crate::error::{BuildError, ErrorKind};
use crate::kustomization::decode::At;
use crate::kustomization::{GeneratorArgs, GeneratorOptions, Text};
use crate::load::Loader;
use crate::near;
use crate::node::{Node, Scalar, Tag};
use crate::options::Environment;
use crate::resmap::ResMap;
use crate::resource::{Behavior, Resource};
use crate::scope::Scope;

/// What a generator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generated {
    ConfigMap,
    Secret,
}

impl Generated {
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// A mistake in a generator, with its place in the kustomization where it is known.
pub(crate) struct Mistake {
    pub(crate) error: BuildError,
    pub(crate) at: At,
}

fn mistake(message: String, at: At) -> Mistake {
    Mistake {
        error: BuildError::new(ErrorKind::Plugin, message),
        at,
    }
}

fn text_node(text: &str) -> Node {
    let mut scalar = Scalar::tagged(text, Tag::Str);
    scalar.quoted = true;
    Node::Scalar(scalar)
}

/// Makes a ConfigMap or a Secret.
pub(crate) fn generate(
    what: Generated,
    args: &GeneratorArgs,
    loader: &Loader<'_>,
    env: Option<Environment<'_>>,
) -> Result<Resource, Mistake> {
    if args.name.is_empty() {
        return Err(mistake(
            format!("a {} must have a name", what.kind()),
            args.at,
        ));
    }
    let pairs = pairs(args, loader, env)?;
    let mut metadata = vec![(Scalar::open("name"), Node::string(args.name.clone()))];
    if !args.namespace.is_empty() {
        let namespace = Node::string(args.namespace.clone());
        metadata.push((Scalar::open("namespace"), namespace));
    }
    let options = args.options.clone().unwrap_or_default();
    for (field, entries) in [
        ("labels", &options.labels),
        ("annotations", &options.annotations),
    ] {
        if !entries.is_empty() {
            let map = entries
                .iter()
                .map(|(key, value)| (Scalar::open(key.clone()), text_node(value)))
                .collect();
            metadata.push((Scalar::open(field), Node::Map(map)));
        }
    }
    let mut top = vec![
        (Scalar::open("apiVersion"), Node::string("v1")),
        (Scalar::open("kind"), Node::string(what.kind())),
        (Scalar::open("metadata"), Node::Map(metadata)),
    ];
    match what {
        Generated::ConfigMap => {
            let (data, binary) = config_map_data(&pairs);
            if !data.is_empty() {
                top.push((Scalar::open("data"), Node::Map(data)));
            }
            if !binary.is_empty() {
                top.push((Scalar::open("binaryData"), Node::Map(binary)));
            }
        }
        Generated::Secret => {
            let secret_type = if args.secret_type.is_empty() {
                Str::from_static("Opaque")
            } else {
                args.secret_type.clone()
            };
            top.push((Scalar::open("type"), Node::string(secret_type)));
            let data = pairs
                .iter()
                .map(|(key, value)| (Scalar::open(key.clone()), data_node(wrapped_base64(value))))
                .collect();
            top.push((Scalar::open("data"), Node::Map(data)));
        }
    }
    if options.immutable {
        let immutable = Node::Scalar(Scalar::tagged("true", Tag::Bool));
        top.push((Scalar::open("immutable"), immutable));
    }
    let mut resource = Resource::new(Node::Map(top), None);
    resource.needs_hash |= !args
        .options
        .as_ref()
        .is_some_and(|options: &GeneratorOptions| options.disable_name_suffix_hash);
    resource.behavior = Some(Behavior::parse(&args.behavior));
    Ok(resource)
}

/// Makes the node of a value: over several lines it is a literal.
fn data_node(text: String) -> Node {
    let mut scalar = Scalar::tagged(text, Tag::Str);
    scalar.quoted = scalar.text.contains('\n');
    scalar.quote_where_needed();
    Node::Scalar(scalar)
}

type Entries = Vec<(Scalar, Node)>;

fn config_map_data(pairs: &[(Str, Vec<u8>)]) -> (Entries, Entries) {
    let (mut data, mut binary) = (Vec::new(), Vec::new());
    for (key, value) in pairs {
        let key = Scalar::open(key.clone());
        match std::str::from_utf8(value) {
            Ok(text) => data.push((key, data_node(text.to_owned()))),
            Err(_) => binary.push((key, data_node(wrapped_base64(value)))),
        }
    }
    (data, binary)
}

/// Encodes bytes in lines of 70; what fits on one line has no line feed.
fn wrapped_base64(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        let _ = writeln!(out, "{line}");
        rest = tail;
    }
    out
}

/// Collects keys and values, sorted by key.
fn pairs(
    args: &GeneratorArgs,
    loader: &Loader<'_>,
    env: Option<Environment<'_>>,
) -> Result<Vec<(Str, Vec<u8>)>, Mistake> {
    let mut out: Vec<(Str, Vec<u8>, At)> = Vec::new();
    let read = |path: &str, text: &Text| {
        loader
            .read(path)
            .map_err(|error| Mistake { error, at: text.at })
    };
    for file in &args.envs {
        let bytes = read(&file.value, file)?;
        for (number, line) in lines(&bytes).enumerate() {
            let line = std::str::from_utf8(line).map_err(|_| {
                mistake(
                    format!("line {} of `{}` is not UTF-8 text", number + 1, file.value),
                    file.at,
                )
            })?;
            let line = if number == 0 {
                line.strip_prefix('\u{feff}').unwrap_or(line)
            } else {
                line
            };
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None => (line, env.and_then(|env| env(line)).unwrap_or_default()),
            };
            if !key.is_empty() {
                out.push((key.into(), value.into_bytes(), file.at));
            }
        }
    }
    for literal in &args.literals {
        let text = &literal.value;
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(mistake(
                format!("the literal `{text}` is not of the form key=value"),
                literal.at,
            ));
        };
        out.push((key.into(), unquoted(value).into(), literal.at));
    }
    for file in &args.files {
        let (key, path) = file_source(&file.value).map_err(|m| mistake(m, file.at))?;
        let bytes = read(path, file)?;
        out.push((key.into(), bytes.to_vec(), file.at));
    }
    let mut sorted: Vec<usize> = (0..out.len()).collect();
    sorted.sort_by(|&a, &b| out[a].0.cmp(&out[b].0).then(a.cmp(&b)));
    if let Some(pair) = sorted
        .windows(2)
        .find(|pair| out[pair[0]].0 == out[pair[1]].0)
    {
        let (key, _, at) = &out[pair[1]];
        return Err(mistake(
            format!("`{}` has the key `{key}` twice", args.name),
            *at,
        ));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out
        .into_iter()
        .map(|(key, value, _)| (key, value))
        .collect())
}

/// Splits bytes into lines as Go's scanner does.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let empty = bytes.is_empty();
    bytes
        .split(|b| *b == b'\n')
        .filter(move |_| !empty)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Takes off quotes that enclose a whole value.
fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if text.len() >= 2
            && let Some(inner) = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

/// Splits `key=path`; the key of a bare path is the name of the file.
fn file_source(source: &str) -> Result<(&str, &str), String> {
    match source.matches('=').count() {
        0 => Ok((source.rsplit('/').next().unwrap_or(source), source)),
        1 => {
            let (key, path) = source.split_once('=').unwrap_or_default();
            if key.is_empty() {
                Err(format!("the key is missing in `{source}`"))
            } else if path.is_empty() {
                Err(format!("the path is missing in `{source}`"))
            } else {
                Ok((key, path))
            }
        }
        _ => Err(format!("`{source}` has more than one `=`")),
    }
}

/// Adds a generated resource, or merges it with the one that is there, or puts it in its place.
pub(crate) fn absorb(
    resources: &mut ResMap,
    mut new: Resource,
    scope: &Scope,
) -> Result<(), BuildError> {
    let id = new.id(scope).to_owned_id();
    let found = resources.with_any_id(&id.as_id(), scope);
    let fail = |message: String| BuildError::new(ErrorKind::Conflict, message);
    match found[..] {
        [] => {
            if matches!(new.behavior, Some(Behavior::Merge | Behavior::Replace)) {
                let id = id.as_id();
                let near = near::resource(resources.as_slice(), id.kind, id.name, scope);
                let message = format!("there is no {id} to merge with or to replace");
                return Err(fail(message).maybe(near));
            }
            resources
                .append(new, scope)
                .map_err(|taken| fail(format!("there is a resource {} already", taken.0.id(scope))))
        }
        [i] => {
            let old = &resources.as_slice()[i];
            match new.behavior {
                Some(Behavior::Replace) => copy_metadata(&mut new, old),
                Some(Behavior::Merge) => {
                    copy_metadata(&mut new, old);
                    merge_data(&mut new, old)?;
                    if old.origin.is_some() {
                        new.origin.clone_from(&old.origin);
                    }
                }
                _ => {
                    return Err(fail(format!("there is a resource {} already", id.as_id()))
                        .hint("set behavior to merge or replace"));
                }
            }
            resources.change(i, scope, |resource| *resource = new);
            Ok(())
        }
        _ => Err(fail(format!(
            "several resources have or had the id {}",
            id.as_id()
        ))),
    }
}

/// Takes over what the resource that is replaced or merged with was called and marked with.
fn copy_metadata(new: &mut Resource, old: &Resource) {
    for field in ["labels", "annotations"] {
        let mut map = old.meta_map(field);
        for (key, value) in new.meta_map(field) {
            match map.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => map.push((key, value)),
            }
        }
        new.set_meta_map(field, map);
    }
    new.needs_hash &= old.needs_hash;
    new.behavior = old.behavior;
    new.previous.clone_from(&old.previous);
    new.prefixes.clone_from(&old.prefixes);
    new.suffixes.clone_from(&old.suffixes);
    new.allow_name_change = old.allow_name_change;
    new.allow_kind_change = old.allow_kind_change;
    new.from_helm = old.from_helm;
    new.vars.clone_from(&old.vars);
    if new.transformations.is_empty() {
        new.transformations.clone_from(&old.transformations);
    }
    new.set_name(old.name());
    let namespace = old.namespace().to_owned();
    new.set_namespace(&namespace);
}

fn texts(resource: &Resource, field: &str) -> Vec<(Str, Str)> {
    resource
        .node
        .get(field)
        .and_then(Node::as_map)
        .unwrap_or_default()
        .iter()
        .map(|(key, value)| (key.text.clone(), value.value_text().into()))
        .collect()
}

fn merge_data(new: &mut Resource, old: &Resource) -> Result<(), BuildError> {
    let mut old_data = texts(old, "data");
    if new.api_version() == "v1" && new.kind() == "Secret" {
        for (key, text) in old
            .node
            .get("stringData")
            .and_then(Node::as_map)
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (&key.text, value))
        {
            let Node::Scalar(_) = text else {
                return Err(BuildError::new(
                    ErrorKind::Plugin,
                    format!("the value of `{key}` in stringData must be text"),
                ));
            };
            let encoded: Str = wrapped_base64(text.value_text().as_bytes()).into();
            match old_data.iter_mut().find(|(k, _)| k == key) {
                Some((_, old)) => *old = encoded,
                None => old_data.push((key.clone(), encoded)),
            }
        }
    }
    for (field, old) in [("data", old_data), ("binaryData", texts(old, "binaryData"))] {
        let mut map = rustc_hash::FxHashMap::from_iter(old);
        map.extend(texts(new, field));
        let mut map: Vec<(Str, Str)> = map.into_iter().collect();
        map.sort();
        new.node.clear(field);
        if map.is_empty() {
            continue;
        }
        let node = Node::Map(
            map.into_iter()
                .map(|(key, text)| (Scalar::open(key), data_node(text.to_string())))
                .collect(),
        );
        let _ = new.node.set(field, node);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_wrapped() {
        assert_eq!(wrapped_base64(b"abc"), "YWJj");
        let long = wrapped_base64(&[0; 60]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [70, 10]);
        assert!(long.ends_with('\n'));
    }

    #[test]
    fn files_are_named() {
        assert_eq!(file_source("a/b.txt"), Ok(("b.txt", "a/b.txt")));
        assert_eq!(file_source("k=a/b.txt"), Ok(("k", "a/b.txt")));
        for bad in ["=a", "k=", "a=b=c"] {
            assert!(file_source(bad).is_err(), "{bad}");
        }
    }
}
