//! ReplicaSets: as many pods as were asked for.

use gitops_manifest::{Map, Object, ObjectKey};

use super::super::Server;
use super::{count, has_ended, number, ready_since};

impl Server {
    pub(super) fn reconcile_replica_set(&mut self, key: &ObjectKey, set: &Object) {
        if set.is_deleting() {
            return;
        }
        let wanted = usize::try_from(number(set, "replicas", 1)).unwrap_or(0);
        let mut pods = self.children(set, "", "Pod");
        pods.retain(|pod| !pod.is_deleting() && !has_ended(pod));
        if pods.len() < wanted {
            let template = set.at(&["spec", "template"]).cloned().unwrap_or_default();
            for _ in pods.len()..wanted {
                let name = format!("{}-{}", key.name, self.random.suffix(5));
                self.make_pod(set, name, &template, &[]);
            }
        } else if pods.len() > wanted {
            // Those that are not ready go first, then the youngest.
            pods.sort_by_key(|pod| {
                let since = ready_since(pod);
                (since.is_some(), std::cmp::Reverse(since))
            });
            for pod in &pods[..pods.len() - wanted] {
                self.drop_object(&pod.key());
            }
        }
        let pods = self.children(set, "", "Pod");
        let counted = count(&pods, number(set, "minReadySeconds", 0), self.now);
        if let Some(next) = counted.next {
            self.look_at(key, next);
        }
        let mut status = Map::from([
            ("replicas", counted.all),
            ("observedGeneration", set.generation().unwrap_or(0)),
        ]);
        for (field, value) in [
            ("fullyLabeledReplicas", counted.all),
            ("readyReplicas", counted.ready),
            ("availableReplicas", counted.available),
        ] {
            if value > 0 {
                status.insert(field, value);
            }
        }
        self.set_status(key, status);
    }
}
