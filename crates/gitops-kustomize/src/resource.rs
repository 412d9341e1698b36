//! One resource on its way through a build, with what kustomize remembers of it.

use std::sync::Arc;

use gitops_manifest::Str;

use crate::error::Place;
use crate::id::Id;
use crate::node::{Kind, Node, Scalar};
use crate::origin::Origin;
use crate::scope::Scope;

/// What a generated resource does with one that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            "create" => Self::Create,
            _ => Self::Unspecified,
        }
    }
}

/// What a resource was called before a step of the build changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) name: Str,
    /// The namespace that counted then.
    pub(crate) namespace: Str,
    pub(crate) kind: Str,
}

/// A resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    /// Taken out by a patch; dropped when the transformer is done.
    pub(crate) deleted: bool,
    pub(crate) previous: Vec<Previous>,
    pub(crate) prefixes: Vec<Str>,
    pub(crate) suffixes: Vec<Str>,
    /// Of generated resources alone.
    pub(crate) behavior: Option<Behavior>,
    pub(crate) needs_hash: bool,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    /// Rendered by Helm, which has set the namespace.
    pub(crate) from_helm: bool,
    /// The variables that take their value from here.
    pub(crate) vars: Vec<Str>,
    pub(crate) origin: Option<Arc<Origin>>,
    pub(crate) transformations: Vec<Arc<Origin>>,
    /// Where it was read.
    pub(crate) place: Option<Place>,
}

const INTERNAL: &str = "internal.config.kubernetes.io/";

/// The annotations that kustomize takes out of what it prints, beside those with the internal prefix.
const BUILD_ANNOTATIONS: [&str; 19] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

impl Resource {
    pub(crate) fn new(node: Node, place: Option<Place>) -> Self {
        let mut resource = Self {
            node,
            place,
            ..Self::default()
        };
        resource.read_internal_annotations();
        resource
    }

    fn top(&self, field: &str) -> &str {
        self.node.get(field).map_or("", Node::text)
    }

    pub(crate) fn api_version(&self) -> &str {
        self.top("apiVersion")
    }

    pub(crate) fn kind(&self) -> &str {
        self.top("kind")
    }

    fn metadata(&self) -> Option<&Node> {
        self.node.get("metadata").filter(|m| !m.is_null_or_empty())
    }

    fn meta_text(&self, field: &str) -> &str {
        self.metadata()
            .and_then(|m| m.get(field))
            .filter(|value| !value.is_null_or_empty())
            .map_or("", Node::text)
    }

    pub(crate) fn name(&self) -> &str {
        self.meta_text("name")
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    /// Returns the id that the resource has now.
    pub(crate) fn id(&self, scope: &Scope) -> Id<'_> {
        Id::new(
            self.api_version(),
            self.kind(),
            self.name(),
            self.namespace(),
            scope,
        )
    }

    /// Goes over the ids that the resource had, the oldest first.
    pub(crate) fn previous_ids(&self) -> impl Iterator<Item = Id<'_>> {
        let (group, version) = crate::id::split_api_version(self.api_version());
        self.previous.iter().map(move |previous| Id {
            group,
            version,
            kind: &previous.kind,
            name: &previous.name,
            namespace: &previous.namespace,
            cluster: false,
        })
    }

    /// Returns the id that the resource began with.
    pub(crate) fn original_id(&self, scope: &Scope) -> Id<'_> {
        match self.previous_ids().next() {
            Some(id) => id,
            None => self.id(scope),
        }
    }

    /// Notes the present id as a previous one.
    pub(crate) fn remember_id(&mut self, scope: &Scope) {
        let id = self.id(scope);
        let previous = Previous {
            name: id.name.into(),
            namespace: id.effective_namespace().into(),
            kind: id.kind.into(),
        };
        self.previous.push(previous);
    }

    /// Whether any id, previous or present, is the given one.
    pub(crate) fn has_id(&self, id: &Id<'_>, scope: &Scope) -> bool {
        self.previous_ids().any(|own| own.same(id)) || self.id(scope).same(id)
    }

    fn set_meta_text(&mut self, field: &str, text: &str) {
        let mut value = Scalar::open(text);
        value.quote_where_needed();
        if let Ok(Some(metadata)) = self.node.field_or_create("metadata", Kind::Map) {
            // A `metadata` of another shape was refused on reading.
            let _ = metadata.set(field, Node::Scalar(value));
        }
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.set_meta_text("name", name);
    }

    /// Sets the namespace; removes it where it is empty.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata") {
                metadata.clear("namespace");
            }
        } else {
            self.set_meta_text("namespace", namespace);
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        let _ = self.node.set("kind", Node::open(kind));
    }

    /// Goes over the texts of a map below `metadata`, as `labels`.
    pub(crate) fn meta_entries(&self, field: &str) -> impl Iterator<Item = (&Str, &str)> {
        self.metadata()
            .and_then(|m| m.get(field))
            .and_then(Node::as_map)
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (&key.text, value.text()))
    }

    pub(crate) fn meta_entry(&self, field: &str, key: &str) -> Option<&str> {
        Some(self.metadata()?.get(field)?.get(key)?.text())
    }

    /// Puts a map of texts below `metadata` in place of what is there; removes it where it is empty.
    pub(crate) fn set_meta_map(&mut self, field: &str, mut entries: Vec<(Str, Str)>) {
        let Ok(Some(metadata)) = self.node.field_or_create("metadata", Kind::Map) else {
            return;
        };
        metadata.clear(field);
        if entries.is_empty() || metadata.is_null() {
            return;
        }
        entries.sort();
        let map = entries
            .into_iter()
            .map(|(key, text)| (Scalar::open(key), Node::string(text)))
            .collect();
        let _ = metadata.set(field, Node::Map(map));
    }

    /// Collects a map below `metadata`; of equal keys the last counts.
    pub(crate) fn meta_map(&self, field: &str) -> Vec<(Str, Str)> {
        let mut out: Vec<(Str, Str)> = Vec::new();
        for (key, text) in self.meta_entries(field) {
            match out.iter_mut().find(|(k, _)| k == key) {
                Some((_, old)) => *old = text.into(),
                None => out.push((key.clone(), text.into())),
            }
        }
        out
    }

    /// Takes over what annotations with the internal prefix say. They may come from a file.
    pub(crate) fn read_internal_annotations(&mut self) {
        let internal: Vec<(Str, Str)> = self
            .meta_entries("annotations")
            .filter(|(key, _)| key.starts_with(INTERNAL))
            .map(|(key, text)| (key.clone(), text.into()))
            .collect();
        if internal.is_empty() {
            return;
        }
        let find = |name: &str| {
            internal
                .iter()
                .rev()
                .find(|(key, _)| key[INTERNAL.len()..] == *name)
                .map(|(_, text)| text)
        };
        let list = |name: &str| -> Vec<Str> {
            find(name)
                .map(|text| text.split(',').map(Str::from).collect())
                .unwrap_or_default()
        };
        let enabled = |name: &str| find(name).is_some_and(|text| text == "enabled");
        if self.previous.is_empty() {
            let names = list("previousNames");
            let (namespaces, kinds) = (list("previousNamespaces"), list("previousKinds"));
            if names.len() == namespaces.len() && names.len() == kinds.len() {
                self.previous = names
                    .into_iter()
                    .zip(namespaces)
                    .zip(kinds)
                    .map(|((name, namespace), kind)| Previous {
                        name,
                        namespace,
                        kind,
                    })
                    .collect();
            }
        }
        if self.prefixes.is_empty() {
            self.prefixes = list("prefixes");
        }
        if self.suffixes.is_empty() {
            self.suffixes = list("suffixes");
        }
        self.needs_hash |= enabled("needsHashSuffix");
        self.allow_name_change |= enabled("allowNameChange");
        self.allow_kind_change |= enabled("allowKindChange");
        self.from_helm |= find("helm-generated").is_some_and(|text| text == "true");
        if let Some(text) = find("generatorBehavior") {
            self.behavior = Some(Behavior::parse(text));
        }
    }

    /// Takes the marks of the build out of the annotations, and makes texts of all values there.
    pub(crate) fn finish(&mut self, keep_origin: bool, keep_transformations: bool) {
        const ORIGIN: &str = "config.kubernetes.io/origin";
        const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
        let mut map = self.meta_map("annotations");
        map.retain(|(key, _)| {
            !BUILD_ANNOTATIONS.contains(&key.as_str())
                && (keep_origin || key != ORIGIN)
                && (keep_transformations || key != TRANSFORMATIONS)
        });
        if keep_origin && let Some(origin) = &self.origin {
            map.retain(|(key, _)| key != ORIGIN);
            map.push((Str::from_static(ORIGIN), origin.to_string().into()));
        }
        if keep_transformations && !self.transformations.is_empty() {
            let text: String = self
                .transformations
                .iter()
                .map(|origin| origin.to_list_item())
                .collect();
            map.retain(|(key, _)| key != TRANSFORMATIONS);
            map.push((Str::from_static(TRANSFORMATIONS), text.into()));
        }
        if map.is_empty() && self.node.get("metadata").is_none() {
            let _ = self.node.field_or_create("metadata", Kind::Map);
        }
        self.set_meta_map("annotations", map);
    }

    /// Makes texts of the annotations that are no longer shared with other places.
    pub(crate) fn settle_annotations(&mut self) {
        let map = self.meta_map("annotations");
        self.set_meta_map("annotations", map);
    }

    /// Forgets what the resource was and is to become, as kustomize does when its annotations go.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            node: std::mem::take(&mut self.node),
            deleted: self.deleted,
            vars: std::mem::take(&mut self.vars),
            place: self.place.take(),
            ..Self::default()
        };
    }

    /// Makes sure that there are annotations where kustomize has some of its own: a JSON patch may add to them.
    pub(crate) fn show_annotations(&mut self) {
        let marked = !self.previous.is_empty()
            || self.needs_hash
            || self.behavior.is_some()
            || self.origin.is_some()
            || self.allow_name_change
            || self.allow_kind_change
            || self.from_helm;
        if !marked {
            return;
        }
        if let Ok(Some(metadata)) = self.node.field_or_create("metadata", Kind::Map) {
            let empty = metadata
                .get("annotations")
                .is_none_or(Node::is_null_or_empty);
            if empty {
                metadata.clear("annotations");
                let _ = metadata.set("annotations", Node::empty(Kind::Map));
            }
        }
    }

    /// Whether the resource is for the build alone and not for the cluster.
    pub(crate) fn is_local(&self) -> bool {
        self.meta_entry("annotations", "config.kubernetes.io/local-config")
            .is_some_and(|text| text != "false")
    }
}

/// Says why a document is no resource: kustomize asks for a kind, and for a name except of lists.
pub(crate) fn validate(node: &Node) -> Result<(), &'static str> {
    let present = |node: Option<&Node>| {
        node.filter(|n| !n.is_null_or_empty())
            .map_or("", Node::text)
            .to_owned()
    };
    let kind = present(node.get("kind"));
    let metadata = node.get("metadata").filter(|m| !m.is_null_or_empty());
    if kind.is_empty() && present(node.get("apiVersion")).is_empty() && metadata.is_none() {
        return Err("it has neither apiVersion, kind nor metadata");
    }
    if kind.is_empty() {
        return Err("kind is missing");
    }
    if kind.ends_with("List") {
        return Ok(());
    }
    if present(metadata.and_then(|m| m.get("name"))).is_empty() {
        return Err("metadata.name is missing");
    }
    Ok(())
}
