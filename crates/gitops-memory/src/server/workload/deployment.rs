//! Deployments: a ReplicaSet per template, and the way from one to the next.

use std::time::Duration;

use gitops_core::Timestamp;
use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::super::Server;
use super::{condition, condition_of, number, owner_reference, share, template_of};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";

/// One ReplicaSet of a Deployment, in numbers.
#[derive(Clone, Debug)]
struct Replicas {
    key: ObjectKey,
    wanted: i64,
    all: i64,
    ready: i64,
    available: i64,
    revision: i64,
}

impl Replicas {
    fn of(set: &Object) -> Self {
        let status = |field| {
            set.at(&["status", field])
                .and_then(Value::as_i64)
                .unwrap_or(0)
        };
        Self {
            key: set.key(),
            wanted: number(set, "replicas", 1),
            all: status("replicas"),
            ready: status("readyReplicas"),
            available: status("availableReplicas"),
            revision: revision(set),
        }
    }
}

fn revision(object: &Object) -> i64 {
    let text = object.annotation(REVISION).unwrap_or_default();
    text.parse().unwrap_or(0)
}

impl Server {
    pub(super) fn reconcile_deployment(&mut self, key: &ObjectKey, deployment: &Object) {
        if deployment.is_deleting() {
            return;
        }
        let (template, hash) = template_of(deployment);
        let paused = deployment.at(&["spec", "paused"]).and_then(Value::as_bool) == Some(true);
        let name = format!("{}-{hash}", key.name);
        let new_key = ObjectKey::new("apps", "ReplicaSet", &key.namespace, name);
        let mut sets = self.children(deployment, "apps", "ReplicaSet");
        sets.retain(|set| !set.is_deleting());
        let latest = sets.iter().map(revision).max().unwrap_or(0);
        let old_pods: i64 = sets
            .iter()
            .filter(|set| set.key() != new_key)
            .map(|set| Replicas::of(set).all)
            .sum();
        let recreate = deployment
            .at(&["spec", "strategy", "type"])
            .and_then(Value::as_str)
            == Some("Recreate");
        let current = sets.iter().find(|set| set.key() == new_key).map(revision);
        if !paused {
            let revision = match current {
                Some(revision) if revision == latest => revision,
                Some(_) => {
                    self.change(&new_key, |set| {
                        set.set_annotation(REVISION, (latest + 1).to_string());
                    });
                    latest + 1
                }
                None => {
                    self.make_replica_set(deployment, &new_key, &template, &hash, latest + 1);
                    latest + 1
                }
            };
            self.change(key, |deployment| {
                deployment.set_annotation(REVISION, revision.to_string());
            });
        }
        let sets = self.children(deployment, "apps", "ReplicaSet");
        let sets = sets
            .iter()
            .filter(|set| !set.is_deleting())
            .map(Replicas::of);
        let (new, old): (Vec<_>, Vec<_>) = sets.partition(|set| set.key == new_key);
        if paused {
            self.scale_paused(deployment, &new, &old);
        } else if recreate {
            self.recreate(deployment, new.first(), &old, old_pods);
        } else {
            self.roll(deployment, new.first(), &old);
        }
        self.forget_old(deployment, &old);
        self.deployment_status(key, &new_key, paused);
    }

    fn make_replica_set(
        &mut self,
        deployment: &Object,
        key: &ObjectKey,
        template: &Value,
        hash: &str,
        revision: i64,
    ) {
        let mut set = Map::from([("apiVersion", "apps/v1"), ("kind", "ReplicaSet")]);
        let metadata = set.entry_object("metadata");
        metadata.insert("name", &key.name);
        metadata.insert("namespace", &key.namespace);
        let labels = template.at(&["metadata", "labels"]).cloned();
        let labels = labels.unwrap_or_else(|| Map::new().into());
        metadata.insert("labels", labels);
        metadata.entry_object("labels").insert(HASH, hash);
        metadata.insert("annotations", Map::from([(REVISION, revision.to_string())]));
        metadata.insert("ownerReferences", vec![owner_reference(deployment)]);
        let mut template = template.clone();
        if let Some(template) = template.as_object_mut() {
            template
                .entry_object("metadata")
                .entry_object("labels")
                .insert(HASH, hash);
        }
        let mut selector = deployment
            .at(&["spec", "selector"])
            .cloned()
            .unwrap_or_default();
        if let Some(selector) = selector.as_object_mut() {
            selector.entry_object("matchLabels").insert(HASH, hash);
        }
        let spec = set.entry_object("spec");
        spec.insert("replicas", 0);
        spec.insert("selector", selector);
        spec.insert("template", template);
        let min_ready = number(deployment, "minReadySeconds", 0);
        if min_ready > 0 {
            spec.insert("minReadySeconds", min_ready);
        }
        self.make(set);
    }

    /// Scales what is there while a rollout is paused: the ReplicaSet that is the largest takes the change.
    fn scale_paused(&mut self, deployment: &Object, new: &[Replicas], old: &[Replicas]) {
        let total: i64 = new.iter().chain(old).map(|set| set.wanted).sum();
        let missing = number(deployment, "replicas", 1) - total;
        let largest = new
            .iter()
            .chain(old)
            .max_by_key(|set| (set.wanted, set.revision));
        if let Some(set) = largest.filter(|_| missing != 0) {
            self.set_replicas(&set.key.clone(), (set.wanted + missing).max(0));
        }
    }

    fn recreate(
        &mut self,
        deployment: &Object,
        new: Option<&Replicas>,
        old: &[Replicas],
        old_pods: i64,
    ) {
        for set in old.iter().filter(|set| set.wanted > 0) {
            self.set_replicas(&set.key, 0);
        }
        let going = old.iter().any(|set| set.wanted > 0) || old_pods > 0 || self.any_stopping(old);
        if let Some(new) = new.filter(|_| !going) {
            self.set_replicas(&new.key, number(deployment, "replicas", 1));
        }
    }

    /// Whether pods of the sets are still there, on their way out.
    fn any_stopping(&self, sets: &[Replicas]) -> bool {
        sets.iter().any(|set| {
            let set = self.objects.get(&set.key);
            set.is_some_and(|set| !self.children(set, "", "Pod").is_empty())
        })
    }

    /// Takes one step of a rolling update, within the limits of surge and unavailability.
    fn roll(&mut self, deployment: &Object, new: Option<&Replicas>, old: &[Replicas]) {
        let Some(new) = new else {
            return;
        };
        let wanted = number(deployment, "replicas", 1);
        let limit = |field| deployment.at(&["spec", "strategy", "rollingUpdate", field]);
        let surge = share(limit("maxSurge"), "25%", wanted, true);
        let mut missing = share(limit("maxUnavailable"), "25%", wanted, false).min(wanted);
        if surge == 0 && missing == 0 {
            missing = 1;
        }
        let total = new.wanted + old.iter().map(|set| set.wanted).sum::<i64>();
        if new.wanted != wanted {
            let room = (wanted + surge - total).max(0);
            let target = if new.wanted > wanted {
                wanted
            } else {
                new.wanted + room.min(wanted - new.wanted)
            };
            if target != new.wanted {
                self.set_replicas(&new.key, target);
                return;
            }
        }
        // What is old and does not work may go at once, what works only as far as enough is left.
        let unavailable_new = (new.wanted - new.available).max(0);
        let mut removable = total - (wanted - missing) - unavailable_new;
        let mut available: i64 = new.available + old.iter().map(|set| set.available).sum::<i64>();
        let mut oldest_first: Vec<&Replicas> = old.iter().filter(|set| set.wanted > 0).collect();
        oldest_first.sort_by_key(|set| set.revision);
        let mut targets: Vec<i64> = oldest_first.iter().map(|set| set.wanted).collect();
        for (set, target) in oldest_first.iter().zip(&mut targets) {
            let broken = (set.wanted - set.available).clamp(0, removable.max(0));
            *target -= broken;
            removable -= broken;
        }
        for (set, target) in oldest_first.iter().zip(&mut targets) {
            let spare = (available - (wanted - missing))
                .clamp(0, *target)
                .min(removable.max(0));
            let working = spare.min(set.available);
            *target -= working;
            available -= working;
            removable -= working;
        }
        for (set, target) in oldest_first.iter().zip(&targets) {
            if *target != set.wanted {
                self.set_replicas(&set.key, *target);
            }
        }
    }

    /// Removes ReplicaSets that are further back than the history goes.
    fn forget_old(&mut self, deployment: &Object, old: &[Replicas]) {
        let limit = usize::try_from(number(deployment, "revisionHistoryLimit", 10)).unwrap_or(0);
        let mut empty: Vec<&Replicas> = old
            .iter()
            .filter(|set| set.wanted == 0 && set.all == 0)
            .collect();
        empty.sort_by_key(|set| std::cmp::Reverse(set.revision));
        for set in empty.iter().skip(limit) {
            self.drop_object(&set.key);
        }
    }

    fn deployment_status(&mut self, key: &ObjectKey, new_key: &ObjectKey, paused: bool) {
        let Some(deployment) = self.objects.get(key).cloned() else {
            return;
        };
        let sets = self.children(&deployment, "apps", "ReplicaSet");
        let sets: Vec<Replicas> = sets.iter().map(Replicas::of).collect();
        let sum = |field: fn(&Replicas) -> i64| sets.iter().map(field).sum::<i64>();
        let (all, ready, available) = (sum(|s| s.all), sum(|s| s.ready), sum(|s| s.available));
        let new = sets.iter().find(|set| set.key == *new_key);
        let updated = new.map_or(0, |set| set.all);
        let wanted = number(&deployment, "replicas", 1);
        let limit = deployment.at(&["spec", "strategy", "rollingUpdate", "maxUnavailable"]);
        let recreate = deployment
            .at(&["spec", "strategy", "type"])
            .and_then(Value::as_str);
        let missing = if recreate == Some("Recreate") {
            0
        } else {
            share(limit, "25%", wanted, false).min(wanted)
        };
        let mut status = Map::from([("observedGeneration", deployment.generation().unwrap_or(0))]);
        for (field, value) in [
            ("replicas", all),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (wanted.max(all) - available).max(0)),
        ] {
            if value > 0 {
                status.insert(field, value);
            }
        }
        let stand = Stand {
            done: updated == wanted && all == updated && available == updated,
            counts: (all, updated, ready, available),
            new: new.map(|set| set.key.name.to_string()),
            paused,
        };
        let minimum = available >= wanted - missing;
        let available = condition(
            Some(&deployment),
            self.now,
            "Available",
            if minimum { "True" } else { "False" },
            if minimum {
                "MinimumReplicasAvailable"
            } else {
                "MinimumReplicasUnavailable"
            },
            if minimum {
                "Deployment has minimum availability."
            } else {
                "Deployment does not have minimum availability."
            },
        );
        let available = with_update_time(available, &deployment, self.now);
        let mut conditions = vec![available];
        conditions.extend(self.progressing(key, &deployment, &stand));
        status.insert("conditions", conditions);
        self.set_status(key, status);
    }

    /// Computes the condition `Progressing`, which turns false where nothing moves until the deadline.
    fn progressing(
        &mut self,
        key: &ObjectKey,
        deployment: &Object,
        stand: &Stand,
    ) -> Option<Value> {
        let deadline = number(deployment, "progressDeadlineSeconds", 600);
        let before = condition_of(deployment, "Progressing").cloned();
        let make = |status: &str, reason: &str, message: &str| {
            condition(
                Some(deployment),
                self.now,
                "Progressing",
                status,
                reason,
                message,
            )
        };
        let set = stand.new.as_deref().unwrap_or_default();
        if stand.paused {
            let condition = make("Unknown", "DeploymentPaused", "Deployment is paused");
            return Some(with_update_time(condition, deployment, self.now));
        }
        if stand.done {
            let message = format!("ReplicaSet {set:?} has successfully progressed.");
            let condition = make("True", "NewReplicaSetAvailable", &message);
            return Some(with_update_time(condition, deployment, self.now));
        }
        let uid = deployment.uid().into();
        let counts = (stand.counts, stand.new.clone());
        let moved = self
            .progress
            .get(&uid)
            .is_none_or(|(last, _)| *last != counts);
        if moved {
            self.progress.insert(uid, (counts, self.now));
            let (reason, message) = if before.is_none() {
                (
                    "NewReplicaSetCreated",
                    format!("Created new replica set {set:?}"),
                )
            } else {
                (
                    "ReplicaSetUpdated",
                    format!("ReplicaSet {set:?} is progressing."),
                )
            };
            let late = self.now + Duration::from_secs(u64::try_from(deadline).unwrap_or(0));
            let condition = make("True", reason, &message);
            self.look_at(key, late);
            return Some(with_update_time(condition, deployment, self.now));
        }
        let since = self
            .progress
            .get(&uid)
            .map_or(self.now, |(_, since)| *since);
        let late = since + Duration::from_secs(u64::try_from(deadline).unwrap_or(0));
        if late > self.now {
            self.look_at(key, late);
            return before;
        }
        let message = format!("ReplicaSet {set:?} has timed out progressing.");
        let condition = make("False", "ProgressDeadlineExceeded", &message);
        Some(with_update_time(condition, deployment, self.now))
    }
}

/// How far a rollout has come.
struct Stand {
    done: bool,
    counts: (i64, i64, i64, i64),
    new: Option<String>,
    paused: bool,
}

/// Adds the time of the last change of status, reason or message.
fn with_update_time(condition: Value, deployment: &Object, now: Timestamp) -> Value {
    let Value::Object(mut condition) = condition else {
        return condition;
    };
    let kind = condition
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let before = condition_of(deployment, kind);
    let same = before.filter(|before| {
        ["status", "reason", "message"]
            .iter()
            .all(|field| before.get(field) == condition.get(field))
    });
    let time = same
        .and_then(|before| before.get("lastUpdateTime").cloned())
        .unwrap_or_else(|| now.to_second().to_string().into());
    condition.insert("lastUpdateTime", time);
    condition.into()
}
