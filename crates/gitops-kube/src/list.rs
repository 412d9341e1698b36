//! Which objects are read, and reading them page by page.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::{ApiKind, Scope, TargetError};
use gitops_manifest::{GroupKind, Object, ObjectKey, Str};

use crate::decode::{self, Shape};
use crate::discovery::Catalog;
use crate::http::{Call, Connection, Failure, JSON};
use crate::status::Status;
use crate::{Content, KubeOptions, path};

const PARTIAL_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// How long one page is tried to be read: others of a snapshot wait for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a list is begun anew whose pages went out of date.
const RESTARTS: u32 = 2;

/// What is listed and watched by one request: the objects of a kind, in a namespace or in all.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) kind: ApiKind,
    /// Empty for all namespaces, and for objects of the cluster.
    pub(crate) namespace: Str,
    pub(crate) shape: Shape,
    /// Whether it is followed for its own sake, or only to learn of new kinds.
    pub(crate) wanted: bool,
}

impl Unit {
    pub(crate) fn group_kind(&self) -> GroupKind {
        self.kind.gvk.group_kind()
    }

    pub(crate) fn path(&self) -> String {
        path::collection(&self.kind, &self.namespace)
    }

    /// The key of no object in particular.
    pub(crate) fn key(&self) -> ObjectKey {
        let gvk = &self.kind.gvk;
        ObjectKey::new(&gvk.group, &gvk.kind, &self.namespace, "")
    }

    pub(crate) fn error(&self, failure: Failure) -> TargetError {
        let attempt = format!("list {}", self.kind.plural);
        failure.into_error(&attempt, &self.key(), &self.kind.gvk)
    }
}

/// What a scope means on a cluster.
#[derive(Debug, Default)]
pub(crate) struct Units {
    pub(crate) units: Vec<Arc<Unit>>,
    /// Kinds that are not read, with the reason.
    pub(crate) unlisted: Vec<(GroupKind, String)>,
}

impl Units {
    pub(crate) fn of(catalog: &Catalog, scope: &Scope, options: &KubeOptions) -> Self {
        let mut found = Self::default();
        for kind in catalog.preferred() {
            let group_kind = kind.gvk.group_kind();
            if !scope.includes(&group_kind) {
                continue;
            }
            match found.add(catalog, kind, scope, options) {
                Ok(()) => {}
                Err(reason) => found.unlisted.push((group_kind, reason)),
            }
        }
        for kind in &scope.kinds {
            if catalog.discovery.preferred(kind).is_none()
                && let Some(reason) = catalog.broken_group(&kind.group)
            {
                found.unlisted.push((kind.clone(), reason.to_owned()));
            }
        }
        found
    }

    fn add(
        &mut self,
        catalog: &Catalog,
        kind: &ApiKind,
        scope: &Scope,
        options: &KubeOptions,
    ) -> Result<(), String> {
        let verbs = catalog.verbs(&kind.gvk);
        if !verbs.list || !verbs.watch {
            // Of what can only be made, as a review, there is nothing to list.
            return if verbs.get {
                Err(
                    "the cluster does not let objects of this kind be listed and watched"
                        .to_owned(),
                )
            } else {
                Ok(())
            };
        }
        let content = options.content(kind);
        if content == Content::None {
            return Err(
                "objects of this kind are left out by the options of the target".to_owned(),
            );
        }
        if !kind.namespaced && !options.cluster_objects {
            return Err(
                "objects of the cluster are left out by the options of the target".to_owned(),
            );
        }
        if let Some(reason) = catalog.broken(&kind.gvk.group, &kind.gvk.version) {
            return Err(reason.to_owned());
        }
        let mut push = |namespace: &Str| {
            self.units.push(Arc::new(Unit {
                shape: Shape::new(&kind.gvk, content == Content::Metadata),
                kind: kind.clone(),
                namespace: namespace.clone(),
                wanted: true,
            }));
        };
        let of_scope = &scope.namespaces;
        let permitted = &options.namespaces;
        if !kind.namespaced || (of_scope.is_empty() && permitted.is_empty()) {
            push(&Str::default());
        } else if of_scope.is_empty() {
            permitted.iter().for_each(push);
        } else {
            let both = of_scope.iter();
            both.filter(|name| permitted.is_empty() || permitted.contains(*name))
                .for_each(push);
        }
        Ok(())
    }
}

/// The objects of a list at one moment.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) version: Str,
    pub(crate) objects: Vec<Object>,
}

/// Reads all objects of a unit.
pub(crate) async fn list(connection: &Connection, unit: &Unit) -> Result<Listed, Failure> {
    let attempt = format!("list {}", unit.kind.plural);
    let base = unit.path();
    let mut restarts = 0;
    'begin: loop {
        let mut listed = Listed::default();
        let mut next = String::new();
        loop {
            let mut path = base.clone();
            // The last resort of a list that goes out of date faster than it is read: all at once.
            if restarts < RESTARTS && connection.options.page_size > 0 {
                let size = connection.options.page_size.to_string();
                path::parameter(&mut path, "limit", &size);
            }
            if !next.is_empty() {
                path::parameter(&mut path, "continue", &next);
            }
            let mut call = Call::get(&path, &attempt);
            call.accept = if unit.shape.partial {
                PARTIAL_LIST
            } else {
                JSON
            };
            call.time = Some(PATIENCE);
            let answer = match connection.call(&call).await {
                Ok(answer) => answer,
                Err(failure)
                    if !next.is_empty()
                        && restarts < RESTARTS
                        && failure.status().is_some_and(is_expired) =>
                {
                    restarts += 1;
                    continue 'begin;
                }
                Err(failure) => return Err(failure),
            };
            let page =
                decode::page(&answer.body, &unit.shape).map_err(|error| Failure::Unavailable {
                    reason: format!("the answer at {base} cannot be read: {error}"),
                })?;
            listed.version = page.version;
            if listed.objects.is_empty() {
                listed.objects = page.objects;
            } else {
                listed.objects.extend(page.objects);
            }
            next = page.next;
            if next.is_empty() {
                return Ok(listed);
            }
        }
    }
}

/// Whether a version or a place in a list is too old.
pub(crate) fn is_expired(status: &Status) -> bool {
    status.code == 410 || status.reason == "Expired" || status.reason == "Gone"
}
