//! Deletion: finalizers, owners, and namespaces that are emptied.

use gitops_core::{DeleteOptions, Propagation, TargetError};
use gitops_manifest::{Object, ObjectKey, Value};

use super::write::check_precondition;
use super::{Server, owner_uids};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const NAMESPACE: &str = "kubernetes";

impl Server {
    pub(crate) fn delete(
        &mut self,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<(), TargetError> {
        let Some(live) = self.objects.get(key).cloned() else {
            return Err(TargetError::NotFound { key: key.clone() });
        };
        check_precondition(key, Some(&live), &options.precondition)?;
        if options.dry_run {
            return Ok(());
        }
        let mut object = live;
        let mut finalizers: Vec<&str> = finalizers(&object)
            .into_iter()
            .filter(|name| *name != FOREGROUND && *name != ORPHAN)
            .collect();
        match options.propagation {
            Propagation::Foreground => finalizers.push(FOREGROUND),
            Propagation::Orphan => finalizers.push(ORPHAN),
            Propagation::Background => {}
        }
        let finalizers: Vec<Value> = finalizers.into_iter().map(Value::from).collect();
        set_finalizers(&mut object, finalizers);
        if !object.is_deleting() {
            let now = self.now.to_second().to_string();
            let generation = object.generation().unwrap_or(0) + 1;
            let metadata = object.metadata_mut();
            metadata.insert("deletionTimestamp", now);
            metadata.insert("deletionGracePeriodSeconds", 0);
            metadata.insert("generation", generation);
            if key.kind == "Namespace" && key.group.is_empty() {
                let status = object.as_map_mut().entry_object("status");
                status.insert("phase", "Terminating");
            }
        }
        self.update(key, object);
        Ok(())
    }

    /// Does what garbage collection does about an object. Tells whether the object is gone or marked by it.
    pub(super) fn collect(&mut self, key: &ObjectKey, object: &Object) -> bool {
        if object.is_deleting() {
            return self.finalize(key, object);
        }
        let owners = owner_uids(object);
        if owners.is_empty() || owners.iter().any(|uid| self.keys.contains_key(uid)) {
            return false;
        }
        let options = DeleteOptions::new(Propagation::Background);
        self.delete(key, &options).is_ok()
    }

    /// Goes on with a deletion: what is owned is deleted first, or set free.
    fn finalize(&mut self, key: &ObjectKey, object: &Object) -> bool {
        let dependents: Vec<ObjectKey> = self
            .owned
            .get(object.uid())
            .map(|owned| owned.iter().cloned().collect())
            .unwrap_or_default();
        let has = |name: &str| finalizers(object).contains(&name);
        if has(FOREGROUND) {
            if !dependents.is_empty() {
                for dependent in dependents {
                    let going = self.objects.get(&dependent).is_none_or(Object::is_deleting);
                    if !going {
                        let options = DeleteOptions::new(Propagation::Foreground);
                        let _ = self.delete(&dependent, &options);
                    }
                }
                return true;
            }
            self.remove_finalizer(key, FOREGROUND);
            return true;
        }
        if has(ORPHAN) {
            for dependent in dependents {
                if let Some(mut freed) = self.objects.get(&dependent).cloned() {
                    free(&mut freed, object.uid());
                    self.update(&dependent, freed);
                }
            }
            self.remove_finalizer(key, ORPHAN);
            return true;
        }
        false
    }

    fn remove_finalizer(&mut self, key: &ObjectKey, name: &str) {
        if let Some(mut object) = self.objects.get(key).cloned() {
            let rest = finalizers(&object)
                .into_iter()
                .filter(|finalizer| *finalizer != name)
                .map(Value::from)
                .collect();
            set_finalizers(&mut object, rest);
            self.update(key, object);
        }
    }

    /// Empties a namespace that is being deleted, then lets it go.
    pub(super) fn reconcile_namespace(&mut self, key: &ObjectKey, namespace: &Object) {
        if !namespace.is_deleting() {
            return;
        }
        let inside: Vec<ObjectKey> = self
            .objects
            .keys()
            .filter(|inside| inside.namespace == key.name)
            .cloned()
            .collect();
        if inside.is_empty() {
            let mut namespace = namespace.clone();
            if namespace.at(&["spec", "finalizers"]).is_some() {
                let spec = namespace.as_map_mut().entry_object("spec");
                spec.remove("finalizers");
            }
            self.update(key, namespace);
            return;
        }
        for inside in inside {
            if self
                .objects
                .get(&inside)
                .is_some_and(|object| !object.is_deleting())
            {
                let _ = self.delete(&inside, &DeleteOptions::new(Propagation::Background));
            }
        }
        self.look_at(key, self.now + std::time::Duration::from_secs(1));
    }
}

/// Whether finalizers keep an object that is being deleted.
pub(super) fn is_held(object: &Object) -> bool {
    let spec = object.at(&["spec", "finalizers"]).and_then(Value::as_array);
    let by_spec = object.kind() == "Namespace"
        && object.group().is_empty()
        && spec.is_some_and(|finalizers| !finalizers.is_empty());
    by_spec || !finalizers(object).is_empty()
}

/// Adds what every namespace has.
pub(super) fn complete_namespace(namespace: &mut Object) {
    let name: gitops_manifest::Str = namespace.name().into();
    namespace.set_label("kubernetes.io/metadata.name", name);
    let map = namespace.as_map_mut();
    map.entry_object("spec")
        .insert("finalizers", vec![Value::from(NAMESPACE)]);
    map.entry_object("status").insert("phase", "Active");
}

fn finalizers(object: &Object) -> Vec<&str> {
    let list = object.meta("finalizers").and_then(Value::as_array);
    let list = list.map(|list| list.iter()).into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

fn set_finalizers(object: &mut Object, finalizers: Vec<Value>) {
    if finalizers.is_empty() {
        object.metadata_mut().remove("finalizers");
    } else {
        object.metadata_mut().insert("finalizers", finalizers);
    }
}

/// Takes an owner out of an object's list.
fn free(object: &mut Object, owner: &str) {
    let metadata = object.metadata_mut();
    let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") else {
        return;
    };
    owners
        .make_mut()
        .retain(|reference| reference["uid"].as_str() != Some(owner));
    if owners.is_empty() {
        metadata.remove("ownerReferences");
    }
}
