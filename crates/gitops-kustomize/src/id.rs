//! What tells resources apart: group, version, kind, name and namespace, as kustomize compares and shows them.

use std::fmt;

use gitops_manifest::Str;

use crate::scope::Scope;

/// Group, version and kind. Where it selects, an empty part selects anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Gvk {
    pub(crate) group: Str,
    pub(crate) version: Str,
    pub(crate) kind: Str,
}

/// Splits an `apiVersion` into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Gvk {
    pub(crate) fn of_kind(kind: &str) -> Self {
        Self {
            kind: kind.into(),
            ..Self::default()
        }
    }

    /// Whether what this selects includes the given parts.
    pub(crate) fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        (self.group.is_empty() || self.group == group)
            && (self.version.is_empty() || self.version == version)
            && (self.kind.is_empty() || self.kind == kind)
    }
}

fn part<'a>(text: &'a str, absent: &'static str) -> &'a str {
    if text.is_empty() { absent } else { text }
}

/// Shows as `Deployment.v1.apps`.
impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            part(&self.kind, "[noKind]"),
            part(&self.version, "[noVer]"),
            part(&self.group, "[noGrp]")
        )
    }
}

/// The namespace that stands for "of the cluster" among ids.
pub(crate) const CLUSTER: &str = "_non_namespaceable_";

/// An id as it stands in a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    /// As it is written; empty where it is not.
    pub(crate) namespace: &'a str,
    /// Whether the kind is known to be of the cluster.
    pub(crate) cluster: bool,
}

impl<'a> Id<'a> {
    pub(crate) fn new(
        api_version: &'a str,
        kind: &'a str,
        name: &'a str,
        namespace: &'a str,
        scope: &Scope,
    ) -> Self {
        let (group, version) = split_api_version(api_version);
        Self {
            group,
            version,
            kind,
            name,
            namespace,
            cluster: scope.is_cluster(api_version, kind),
        }
    }

    /// Returns the namespace that counts: `default` where none is written.
    pub(crate) fn effective_namespace(&self) -> &'a str {
        if self.cluster {
            CLUSTER
        } else {
            part(self.namespace, "default")
        }
    }

    /// Whether both name one object.
    pub(crate) fn same(&self, other: &Id<'_>) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.group == other.group
            && self.version == other.version
            && self.effective_namespace() == other.effective_namespace()
    }

    pub(crate) fn selected_by(&self, gvk: &Gvk) -> bool {
        gvk.selects(self.group, self.version, self.kind)
    }
}

/// Shows as `Deployment.v1.apps/web.shop`.
impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}/{}.{}",
            part(self.kind, "[noKind]"),
            part(self.version, "[noVer]"),
            part(self.group, "[noGrp]"),
            part(self.name, "[noName]"),
            part(self.namespace, "[noNs]")
        )
    }
}

/// An id that holds its texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnedId {
    gvk: Gvk,
    name: Str,
    namespace: Str,
    cluster: bool,
}

impl Id<'_> {
    pub(crate) fn to_owned_id(self) -> OwnedId {
        OwnedId {
            gvk: Gvk {
                group: self.group.into(),
                version: self.version.into(),
                kind: self.kind.into(),
            },
            name: self.name.into(),
            namespace: self.namespace.into(),
            cluster: self.cluster,
        }
    }
}

impl OwnedId {
    pub(crate) fn as_id(&self) -> Id<'_> {
        Id {
            group: &self.gvk.group,
            version: &self.gvk.version,
            kind: &self.gvk.kind,
            name: &self.name,
            namespace: &self.namespace,
            cluster: self.cluster,
        }
    }
}
