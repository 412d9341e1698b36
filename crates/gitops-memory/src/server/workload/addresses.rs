//! What is provisioned from outside: volumes, addresses, and the numbers of autoscalers.

use std::time::Duration;

use gitops_core::Timestamp;
use gitops_manifest::{Map, Object, ObjectKey, Value};
use serde_json::json;

use super::super::Server;
use super::{condition, number};
use crate::Behaviour;

impl Server {
    /// Waits until an object is as old as what is provisioned for it takes. `false` where it will never be
    /// there.
    fn provisioned(&mut self, key: &ObjectKey, object: &Object, class: &str) -> bool {
        let takes = match self.simulation.behaviour(class) {
            Behaviour::Run => self.simulation.provision,
            Behaviour::Slow(by) => by,
            _ => return false,
        };
        let now = self.now;
        let begun: Timestamp = *self.born.entry(object.uid().into()).or_insert(now);
        let ready = begun + takes;
        if ready > now {
            self.look_at(key, ready);
        }
        ready <= now
    }

    pub(super) fn reconcile_claim(&mut self, key: &ObjectKey, claim: &Object) {
        if claim.is_deleting() {
            return;
        }
        let class = claim
            .at(&["spec", "storageClassName"])
            .and_then(Value::as_str);
        if !self.provisioned(key, claim, class.unwrap_or_default()) {
            if claim.at(&["status", "phase"]).is_none() {
                self.set_status(key, Map::from([("phase", "Pending")]));
            }
            return;
        }
        let volume = format!("pvc-{}", claim.uid());
        self.change(key, |claim| {
            let spec = claim.as_map_mut().entry_object("spec");
            if !spec.contains_key("volumeName") {
                spec.insert("volumeName", volume);
            }
        });
        let mut status = Map::from([("phase", "Bound")]);
        let size = claim.at(&["spec", "resources", "requests", "storage"]);
        if let Some(size) = size {
            status.insert("capacity", Map::from([("storage", size.clone())]));
        }
        if let Some(modes) = claim.at(&["spec", "accessModes"]) {
            status.insert("accessModes", modes.clone());
        }
        self.set_status(key, status);
    }

    pub(super) fn reconcile_service(&mut self, key: &ObjectKey, service: &Object) {
        let kind = service.at(&["spec", "type"]).and_then(Value::as_str);
        if kind != Some("LoadBalancer") || service.is_deleting() {
            return;
        }
        let class = service
            .at(&["spec", "loadBalancerClass"])
            .and_then(Value::as_str);
        if self.provisioned(key, service, class.unwrap_or_default()) {
            let ip = public_address(service);
            let balancer = json!({"ingress": [{"ip": ip, "ipMode": "VIP"}]});
            self.set_status(key, Map::from([("loadBalancer", Value::from(balancer))]));
        }
    }

    pub(super) fn reconcile_ingress(&mut self, key: &ObjectKey, ingress: &Object) {
        if ingress.is_deleting() {
            return;
        }
        let class = ingress
            .at(&["spec", "ingressClassName"])
            .and_then(Value::as_str);
        if self.provisioned(key, ingress, class.unwrap_or_default()) {
            let balancer = json!({"ingress": [{"ip": public_address(ingress)}]});
            self.set_status(key, Map::from([("loadBalancer", Value::from(balancer))]));
        }
    }

    /// Keeps what an autoscaler scales within its limits; there is no load in a simulation.
    pub(super) fn reconcile_autoscaler(&mut self, key: &ObjectKey, scaler: &Object) {
        if scaler.is_deleting() {
            return;
        }
        let text = |field: &str| {
            let value = scaler.at(&["spec", "scaleTargetRef", field]);
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let group = text("apiVersion")
            .rsplit_once('/')
            .map_or("", |(group, _)| group);
        let target = ObjectKey::new(group, text("kind"), &key.namespace, text("name"));
        let generation = scaler.generation().unwrap_or(0);
        let scale = |kind: &str, status: &str, reason: &str, message: &str| {
            condition(Some(scaler), self.now, kind, status, reason, message)
        };
        let Some(scaled) = self.objects.get(&target) else {
            let message = "the HPA controller was unable to get the target's current scale";
            let able = scale("AbleToScale", "False", "FailedGetScale", message);
            let status = Map::from([
                ("conditions", Value::from(vec![able])),
                ("observedGeneration", generation.into()),
                ("desiredReplicas", 0.into()),
            ]);
            self.set_status(key, status);
            // The target may come; nothing tells the autoscaler when it does.
            self.look_at(key, self.now + Duration::from_secs(15));
            return;
        };
        let current = number(scaled, "replicas", 1);
        let low = number(scaler, "minReplicas", 1);
        let high = number(scaler, "maxReplicas", low).max(low);
        let desired = current.clamp(low, high);
        let limited = if desired == current {
            scale(
                "ScalingLimited",
                "False",
                "DesiredWithinRange",
                "the desired count is within the acceptable range",
            )
        } else if current < low {
            scale(
                "ScalingLimited",
                "True",
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            )
        } else {
            scale(
                "ScalingLimited",
                "True",
                "TooManyReplicas",
                "the desired replica count is more than the maximum replica count",
            )
        };
        let conditions = vec![
            scale(
                "AbleToScale",
                "True",
                "ReadyForNewScale",
                "recommended size matches current size",
            ),
            scale(
                "ScalingActive",
                "True",
                "ValidMetricFound",
                "the HPA was able to successfully calculate a replica count",
            ),
            limited,
        ];
        if desired != current {
            self.set_replicas(&target, desired);
        }
        let status = Map::from([
            ("conditions", Value::from(conditions)),
            ("observedGeneration", generation.into()),
            ("currentReplicas", current.into()),
            ("desiredReplicas", desired.into()),
        ]);
        self.set_status(key, status);
        self.look_at(key, self.now + Duration::from_secs(15));
    }

    pub(super) fn reconcile_api_service(&mut self, key: &ObjectKey, service: &Object) {
        let local = service.at(&["spec", "service"]).is_none_or(Value::is_null);
        let (reason, message) = if local {
            ("Local", "Local APIServices are always available")
        } else {
            ("Passed", "all checks passed")
        };
        let available = condition(
            Some(service),
            self.now,
            "Available",
            "True",
            reason,
            message,
        );
        self.set_status(key, Map::from([("conditions", vec![available])]));
    }
}

/// Makes up an address of the range that is reserved for documentation.
fn public_address(object: &Object) -> String {
    let sum: u32 = object.uid().bytes().map(u32::from).sum();
    format!("203.0.113.{}", 1 + sum % 254)
}
