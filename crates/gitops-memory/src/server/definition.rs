//! Definitions of kinds: they are served a moment after they were written, and go with all their objects.

use std::sync::Arc;

use gitops_core::{DeleteOptions, Propagation};
use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::{Server, finalizers, kinds};

/// Keeps a definition until its objects are gone.
pub(super) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
const MANAGER: &str = "kube-apiserver";

/// Whether a key is that of a definition.
pub(super) fn is_definition(key: &ObjectKey) -> bool {
    key.kind == "CustomResourceDefinition" && key.group == "apiextensions.k8s.io"
}

/// Fills in what a definition leaves open.
pub(super) fn complete(definition: &mut Object) {
    let default = |map: &mut Map, field: &str, value: Value| {
        if map.get(field).is_none_or(Value::is_null) {
            map.insert(field, value);
        }
    };
    let spec = definition.as_map_mut().entry_object("spec");
    default(spec, "conversion", Map::from([("strategy", "None")]).into());
    let names = spec.entry_object("names");
    let kind = names.get("kind").and_then(Value::as_str);
    let kind = kind.unwrap_or_default().to_owned();
    default(names, "singular", kind.to_lowercase().into());
    default(names, "listKind", format!("{kind}List").into());
}

impl Server {
    pub(super) fn reconcile_definition(&mut self, key: &ObjectKey, definition: &Object) {
        if definition.is_deleting() {
            self.remove_instances(key, definition);
            return;
        }
        self.kinds.define(definition);
        let now = self.now.to_second().to_string();
        let before = definition
            .at(&["status", "conditions"])
            .and_then(Value::as_array);
        if before.is_some_and(|conditions| !conditions.is_empty()) {
            return;
        }
        let condition = |kind: &str, reason: &str, message: &str| {
            Value::from(Map::from([
                ("type", kind),
                ("status", "True"),
                ("reason", reason),
                ("message", message),
                ("lastTransitionTime", &now),
            ]))
        };
        let conditions = vec![
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
        ];
        let names = definition
            .at(&["spec", "names"])
            .cloned()
            .unwrap_or_default();
        let versions = definition
            .at(&["spec", "versions"])
            .and_then(Value::as_array);
        let stored: Vec<Value> = versions
            .into_iter()
            .flatten()
            .filter(|version| version["storage"].as_bool() == Some(true))
            .map(|version| version["name"].clone())
            .collect();
        let mut definition = definition.clone();
        let status = definition.as_map_mut().entry_object("status");
        status.insert("conditions", conditions);
        status.insert("acceptedNames", names);
        status.insert("storedVersions", stored);
        self.put_as(key, definition, MANAGER, "status");
    }

    /// Makes the schemas of a definition known; where one cannot be read, objects of its kind are taken as
    /// they are.
    pub(super) fn register_schema(&mut self, definition: &Object) {
        // What the server cannot make sense of it would have refused; an object without a schema is taken.
        let _ = Arc::make_mut(&mut self.schemas).register_crd(definition);
    }

    /// Serves the kinds of a definition no longer.
    pub(super) fn forget_definition(&mut self, definition: &Object) {
        for gvk in self.kinds.forget(definition) {
            Arc::make_mut(&mut self.schemas).forget(&gvk);
        }
    }

    /// Deletes the objects of a kind that is going, then lets the definition go.
    fn remove_instances(&mut self, key: &ObjectKey, definition: &Object) {
        if !finalizers(definition).contains(&FINALIZER) {
            return;
        }
        let Some(kind) = kinds::defined_kind(definition) else {
            return;
        };
        let instances: Vec<ObjectKey> = self.of_kind(&kind).map(|(key, _)| key.clone()).collect();
        if instances.is_empty() {
            self.remove_finalizer(key, FINALIZER);
            return;
        }
        for instance in instances {
            if self
                .objects
                .get(&instance)
                .is_some_and(|object| !object.is_deleting())
            {
                // One that cannot be deleted now is tried again.
                let _ = self.delete(&instance, &DeleteOptions::new(Propagation::Background));
            }
        }
        self.look_at(key, self.now + std::time::Duration::from_secs(1));
    }
}
