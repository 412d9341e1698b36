//! StatefulSets: pods with numbers, one after the other.

use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::super::Server;
use super::{count, number, ready_since, template_of};

const REVISION: &str = "controller-revision-hash";

impl Server {
    pub(super) fn reconcile_stateful_set(&mut self, key: &ObjectKey, set: &Object) {
        if set.is_deleting() {
            return;
        }
        let wanted = number(set, "replicas", 1).max(0);
        let first = set
            .at(&["spec", "ordinals", "start"])
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let (template, hash) = template_of(set);
        let revision = format!("{}-{hash}", key.name);
        let pods = self.children(set, "", "Pod");
        let name = |ordinal: i64| format!("{}-{ordinal}", key.name);
        let pod = |ordinal: i64| pods.iter().find(|pod| pod.name() == name(ordinal));
        let parallel = text(set, &["spec", "podManagementPolicy"]) == Some("Parallel");
        let settled = |pod: Option<&Object>| {
            pod.is_some_and(|pod| !pod.is_deleting() && ready_since(pod).is_some())
        };
        let ordinals = first..first + wanted;
        for ordinal in ordinals.clone() {
            if pod(ordinal).is_none() {
                self.make_claims(set, ordinal);
                let labels = [
                    (REVISION, revision.as_str()),
                    ("statefulset.kubernetes.io/pod-name", &name(ordinal)),
                    ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
                ];
                self.make_pod(set, name(ordinal), &template, &labels);
            }
            if !parallel && !settled(pod(ordinal)) {
                break;
            }
        }
        let all_settled = ordinals.clone().all(|ordinal| settled(pod(ordinal)));
        // What is too much goes from the highest number on, one at a time unless in parallel.
        let mut surplus: Vec<(i64, &Object)> = pods
            .iter()
            .filter_map(|pod| Some((ordinal_of(pod, &key.name)?, pod)))
            .filter(|(ordinal, _)| !ordinals.contains(ordinal))
            .collect();
        surplus.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        let going = pods.iter().any(Object::is_deleting);
        for (_, pod) in surplus {
            if !parallel && (going || !all_settled) {
                break;
            }
            self.drop_object(&pod.key());
            if !parallel {
                break;
            }
        }
        self.update_stateful_pods(set, &pods, &revision, (first, wanted));
        self.stateful_set_status(key, set, &revision, wanted);
    }

    /// Replaces one pod of an older revision, from the highest number on.
    fn update_stateful_pods(
        &mut self,
        set: &Object,
        pods: &[Object],
        revision: &str,
        (first, wanted): (i64, i64),
    ) {
        if text(set, &["spec", "updateStrategy", "type"]) == Some("OnDelete") {
            return;
        }
        let partition = set
            .at(&["spec", "updateStrategy", "rollingUpdate", "partition"])
            .and_then(Value::as_i64)
            .unwrap_or(0);
        for ordinal in (first.max(partition)..first + wanted).rev() {
            let Some(pod) = pods
                .iter()
                .find(|pod| ordinal_of(pod, set.name()) == Some(ordinal))
            else {
                return;
            };
            if pod.is_deleting() {
                return;
            }
            if pod.label(REVISION) != Some(revision) {
                self.drop_object(&pod.key());
                return;
            }
            if ready_since(pod).is_none() {
                return;
            }
        }
    }

    fn make_claims(&mut self, set: &Object, ordinal: i64) {
        let templates = set.at(&["spec", "volumeClaimTemplates"]);
        let templates = templates
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for template in &templates {
            let Some(prefix) = template.at(&["metadata", "name"]).and_then(Value::as_str) else {
                continue;
            };
            let name = format!("{prefix}-{}-{ordinal}", set.name());
            let key = ObjectKey::new("", "PersistentVolumeClaim", set.namespace(), &name);
            if self.objects.contains_key(&key) {
                continue;
            }
            let mut claim = template.as_object().cloned().unwrap_or_default();
            claim.insert("apiVersion", "v1");
            claim.insert("kind", "PersistentVolumeClaim");
            claim.remove("status");
            let metadata = claim.entry_object("metadata");
            metadata.insert("name", name);
            metadata.insert("namespace", set.namespace());
            if let Some(labels) = set.at(&["spec", "selector", "matchLabels"]) {
                metadata.insert("labels", labels.clone());
            }
            self.make(claim);
        }
    }

    fn stateful_set_status(&mut self, key: &ObjectKey, set: &Object, revision: &str, wanted: i64) {
        let pods = self.children(set, "", "Pod");
        let counted = count(&pods, number(set, "minReadySeconds", 0), self.now);
        if let Some(next) = counted.next {
            self.look_at(key, next);
        }
        let mut updated: Vec<&Object> = pods
            .iter()
            .filter(|pod| pod.label(REVISION) == Some(revision) && !pod.is_deleting())
            .collect();
        updated.retain(|pod| ready_since(pod).is_some());
        let updated = i64::try_from(updated.len()).unwrap_or(0);
        let complete = updated == wanted && counted.all == wanted && counted.ready == wanted;
        let before = text(set, &["status", "currentRevision"]);
        let current = match before {
            Some(before) if !complete => before.to_owned(),
            _ => revision.to_owned(),
        };
        let of_current = pods
            .iter()
            .filter(|pod| pod.label(REVISION) == Some(&current) && !pod.is_deleting())
            .count();
        let mut status = Map::from([
            (
                "observedGeneration",
                Value::from(set.generation().unwrap_or(0)),
            ),
            ("replicas", counted.all.into()),
            ("availableReplicas", counted.available.into()),
            ("collisionCount", 0.into()),
            ("currentRevision", current.into()),
            ("updateRevision", revision.into()),
        ]);
        for (field, value) in [
            ("readyReplicas", counted.ready),
            ("currentReplicas", i64::try_from(of_current).unwrap_or(0)),
            ("updatedReplicas", updated),
        ] {
            if value > 0 {
                status.insert(field, value);
            }
        }
        self.set_status(key, status);
    }
}

fn text<'a>(object: &'a Object, path: &[&str]) -> Option<&'a str> {
    object.at(path).and_then(Value::as_str)
}

fn ordinal_of(pod: &Object, set: &str) -> Option<i64> {
    pod.name()
        .strip_prefix(set)?
        .strip_prefix('-')?
        .parse()
        .ok()
}
