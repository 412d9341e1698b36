//! Deletion: finalizers, owners, and namespaces that are emptied.

use std::time::Duration;

use gitops_core::{DeleteOptions, Propagation, TargetError};
use gitops_manifest::{Object, ObjectKey, Str, Value};

use super::definition;
use super::write::check_precondition;
use super::{CONTROLLER, Server, finalizers};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const NAMESPACE: &str = "kubernetes";

/// What an object finds of the owners that it names.
#[derive(Default)]
struct Owners {
    /// They are there and stay.
    solid: usize,
    /// They are gone, or are others than were meant.
    absent: Vec<Str>,
    /// They wait for this object to go.
    waiting: Vec<Str>,
}

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
        if is_protected(key) {
            return Err(TargetError::Forbidden {
                key: key.clone(),
                reason: "this namespace may not be deleted".to_owned(),
            });
        }
        if options.dry_run {
            return Ok(());
        }
        let mut object = live.clone();
        let mut kept: Vec<&str> = finalizers(&object)
            .into_iter()
            .filter(|name| *name != FOREGROUND && *name != ORPHAN)
            .collect();
        match options.propagation {
            Propagation::Foreground => kept.push(FOREGROUND),
            Propagation::Orphan => kept.push(ORPHAN),
            Propagation::Background => {}
        }
        if definition::is_definition(key) && !kept.contains(&definition::FINALIZER) {
            kept.push(definition::FINALIZER);
        }
        let kept: Vec<Value> = kept.into_iter().map(Value::from).collect();
        set_finalizers(&mut object, kept);
        if !object.is_deleting() {
            let grace = self.grace_of(key, &object);
            let seconds = u64::try_from(grace).unwrap_or(0);
            let until = (self.now + Duration::from_secs(seconds)).to_second();
            let generation = object.generation();
            let metadata = object.metadata_mut();
            metadata.insert("deletionTimestamp", until.to_string());
            metadata.insert("deletionGracePeriodSeconds", grace);
            if let Some(generation) = generation {
                metadata.insert("generation", generation + 1);
            }
            if key.kind == "Namespace" && key.group.is_empty() {
                let status = object.as_map_mut().entry_object("status");
                status.insert("phase", "Terminating");
            }
        }
        // What is going already, and is to go in the same way, is not written again.
        if !(live.is_deleting() && object == live) {
            self.update(key, object);
        }
        Ok(())
    }

    /// Returns how long a pod may take to stop: nothing where it does not run.
    fn grace_of(&self, key: &ObjectKey, object: &Object) -> i64 {
        let runs = self.simulation.workloads
            && key.kind == "Pod"
            && key.group.is_empty()
            && object.at(&["spec", "nodeName"]).is_some()
            && !matches!(
                object.at(&["status", "phase"]).and_then(Value::as_str),
                Some("Succeeded" | "Failed")
            );
        let stated = object.at(&["spec", "terminationGracePeriodSeconds"]);
        if runs {
            stated.and_then(Value::as_i64).unwrap_or(30).max(0)
        } else {
            0
        }
    }

    /// Does what garbage collection does about an object. Tells whether that was all there is to do.
    pub(super) fn collect(&mut self, key: &ObjectKey, object: &Object) -> bool {
        if object.is_deleting() {
            return self.finalize(key, object);
        }
        let owners = self.owners_of(key, object);
        if owners.solid > 0 {
            if !owners.absent.is_empty() || !owners.waiting.is_empty() {
                let mut freed = object.clone();
                for uid in owners.absent.iter().chain(&owners.waiting) {
                    free(&mut freed, uid);
                }
                self.put_as(key, freed, CONTROLLER, "");
                return true;
            }
            return false;
        }
        if owners.absent.is_empty() && owners.waiting.is_empty() {
            return false;
        }
        let has_dependents = self.owned.contains_key(object.uid());
        let propagation = if !owners.waiting.is_empty() && has_dependents {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        self.delete(key, &DeleteOptions::new(propagation)).is_ok()
    }

    fn owners_of(&self, key: &ObjectKey, object: &Object) -> Owners {
        let mut owners = Owners::default();
        let references = object.meta("ownerReferences").and_then(Value::as_array);
        for reference in references.into_iter().flatten() {
            let uid: Str = reference["uid"].as_str().unwrap_or_default().into();
            let owner = self.keys.get(&uid).filter(|owner| {
                reference["kind"].as_str() == Some(&owner.kind)
                    && reference["name"].as_str() == Some(&owner.name)
                    && (owner.namespace.is_empty() || owner.namespace == key.namespace)
            });
            match owner.and_then(|owner| self.objects.get(owner)) {
                None => owners.absent.push(uid),
                Some(owner) if owner.is_deleting() && finalizers(owner).contains(&FOREGROUND) => {
                    owners.waiting.push(uid);
                }
                Some(_) => owners.solid += 1,
            }
        }
        owners
    }

    /// Goes on with a deletion: what is owned is deleted first, or set free. Tells whether anybody else may
    /// still have to do something.
    fn finalize(&mut self, key: &ObjectKey, object: &Object) -> bool {
        let dependents: Vec<ObjectKey> = self
            .owned
            .get(object.uid())
            .map(|owned| owned.iter().cloned().collect())
            .unwrap_or_default();
        let has = |name: &str| finalizers(object).contains(&name);
        if has(FOREGROUND) {
            let blocking = dependents.iter().any(|dependent| {
                let dependent = self.objects.get(dependent);
                dependent.is_some_and(|dependent| blocks(dependent, object.uid()))
            });
            if !blocking {
                self.remove_finalizer(key, FOREGROUND);
                return true;
            }
            let soon = self.now + self.simulation.reaction;
            for dependent in dependents {
                self.look_at(&dependent, soon);
            }
            return false;
        }
        if has(ORPHAN) {
            for dependent in dependents {
                if let Some(mut freed) = self.objects.get(&dependent).cloned() {
                    free(&mut freed, object.uid());
                    self.put_as(&dependent, freed, CONTROLLER, "");
                }
            }
            self.remove_finalizer(key, ORPHAN);
            return true;
        }
        false
    }

    pub(super) fn remove_finalizer(&mut self, key: &ObjectKey, name: &str) {
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
                // One that cannot be deleted now is tried again.
                let _ = self.delete(&inside, &DeleteOptions::new(Propagation::Background));
            }
        }
        self.look_at(key, self.now + Duration::from_secs(1));
    }
}

/// Whether finalizers keep an object that is being deleted, or a pod is still stopping.
pub(super) fn is_held(object: &Object) -> bool {
    let spec = object.at(&["spec", "finalizers"]).and_then(Value::as_array);
    let by_spec = object.kind() == "Namespace"
        && object.group().is_empty()
        && spec.is_some_and(|finalizers| !finalizers.is_empty());
    let grace = object.meta("deletionGracePeriodSeconds");
    let stopping = grace.and_then(Value::as_i64).is_some_and(|grace| grace > 0);
    by_spec || stopping || !finalizers(object).is_empty()
}

/// Whether a namespace is one that no cluster is without.
fn is_protected(key: &ObjectKey) -> bool {
    key.kind == "Namespace"
        && key.group.is_empty()
        && matches!(key.name.as_str(), "default" | "kube-system" | "kube-public")
}

/// Whether an object keeps its owner from going in a foreground deletion.
fn blocks(object: &Object, owner: &str) -> bool {
    let references = object.meta("ownerReferences").and_then(Value::as_array);
    references.into_iter().flatten().any(|reference| {
        reference["uid"].as_str() == Some(owner)
            && reference["blockOwnerDeletion"].as_bool() == Some(true)
    })
}

/// Adds what every namespace has.
pub(super) fn complete_namespace(namespace: &mut Object) {
    let name: Str = namespace.name().into();
    namespace.set_label("kubernetes.io/metadata.name", name);
    let map = namespace.as_map_mut();
    map.entry_object("spec")
        .insert("finalizers", vec![Value::from(NAMESPACE)]);
    map.entry_object("status").insert("phase", "Active");
}

fn set_finalizers(object: &mut Object, finalizers: Vec<Value>) {
    if !finalizers.is_empty() {
        object.metadata_mut().insert("finalizers", finalizers);
    } else if object.meta("finalizers").is_some() {
        object.metadata_mut().remove("finalizers");
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
