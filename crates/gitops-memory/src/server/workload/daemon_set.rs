//! DaemonSets: one pod on every node.

use gitops_manifest::{Map, Object, ObjectKey, Value};

use super::super::Server;
use super::{count, has_ended, number, ready_since, share, template_of};

const REVISION: &str = "controller-revision-hash";

impl Server {
    pub(super) fn reconcile_daemon_set(&mut self, key: &ObjectKey, set: &Object) {
        if set.is_deleting() {
            return;
        }
        let nodes = self.node_names();
        let (template, hash) = template_of(set);
        let mut pods = self.children(set, "", "Pod");
        pods.retain(|pod| !has_ended(pod));
        let node = |pod: &Object| {
            let node = pod.at(&["spec", "nodeName"]).and_then(Value::as_str);
            node.unwrap_or_default().to_owned()
        };
        for name in &nodes {
            if pods.iter().any(|pod| node(pod) == *name) {
                continue;
            }
            let mut template = template.clone();
            if let Some(template) = template.as_object_mut() {
                template
                    .entry_object("spec")
                    .insert("nodeName", name.as_str());
            }
            let pod = format!("{}-{}", key.name, self.random.suffix(5));
            self.make_pod(set, pod, &template, &[(REVISION, &hash)]);
        }
        for pod in pods.iter().filter(|pod| !nodes.contains(&node(pod))) {
            self.drop_object(&pod.key());
        }
        let total = i64::try_from(nodes.len()).unwrap_or(0);
        self.update_daemons(set, &pods, &hash, total);
        let pods = self.children(set, "", "Pod");
        let counted = count(&pods, number(set, "minReadySeconds", 0), self.now);
        if let Some(next) = counted.next {
            self.look_at(key, next);
        }
        let updated = pods
            .iter()
            .filter(|pod| pod.label(REVISION) == Some(&hash) && !pod.is_deleting())
            .count();
        let mut status = Map::from([
            ("observedGeneration", set.generation().unwrap_or(0)),
            ("currentNumberScheduled", counted.all),
            ("desiredNumberScheduled", total),
            ("numberMisscheduled", 0),
            ("numberReady", counted.ready),
        ]);
        for (field, value) in [
            ("numberAvailable", counted.available),
            ("numberUnavailable", total - counted.available),
            (
                "updatedNumberScheduled",
                i64::try_from(updated).unwrap_or(0),
            ),
        ] {
            if value > 0 {
                status.insert(field, value);
            }
        }
        self.set_status(key, status);
    }

    /// Replaces pods of an older template, as many at a time as may be missing.
    fn update_daemons(&mut self, set: &Object, pods: &[Object], hash: &str, total: i64) {
        let strategy = set.at(&["spec", "updateStrategy"]);
        let kind = strategy.and_then(|strategy| strategy["type"].as_str());
        if kind == Some("OnDelete") {
            return;
        }
        let limit = set.at(&["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
        let limit = match limit {
            Some(limit) => share(Some(limit), "", total, true),
            None => 1,
        };
        let works = |pod: &&Object| !pod.is_deleting() && ready_since(pod).is_some();
        let working = i64::try_from(pods.iter().filter(works).count()).unwrap_or(0);
        let mut room = limit - (total - working).max(0);
        for pod in pods {
            if pod.is_deleting() || pod.label(REVISION) == Some(hash) {
                continue;
            }
            // A pod that does not work takes nothing away by going.
            if ready_since(pod).is_some() {
                if room <= 0 {
                    continue;
                }
                room -= 1;
            }
            self.drop_object(&pod.key());
        }
    }
}
