use std::sync::Arc;
use std::time::Duration;

use gitops_core::{DeleteOptions, Propagation, Target as _};
use gitops_health::{Context, HealthStatus, assess};
use gitops_manifest::{Object, ObjectKey, Value};
use gitops_memory::{Behaviour, MemoryOptions, MemoryTarget, SimClock, Simulation};
use serde_json::json;

use crate::{key, object, ssa};

struct Cluster {
    target: MemoryTarget,
    clock: SimClock,
}

impl Cluster {
    fn new() -> Self {
        Self::with(Simulation::default())
    }

    fn with(simulation: Simulation) -> Self {
        let clock = SimClock::new();
        let mut options = MemoryOptions::default();
        options.simulation = simulation;
        let target = MemoryTarget::with_options(Arc::new(clock.clone()), &options);
        Self { target, clock }
    }

    fn apply(&self, object: &Object) -> Object {
        self.clock
            .run(self.target.apply(object, &ssa()))
            .unwrap()
            .object
    }

    fn after(&self, seconds: u64) -> &Self {
        self.clock.advance(Duration::from_secs(seconds));
        self
    }

    fn get(&self, key: &ObjectKey) -> Object {
        self.target
            .object(key)
            .unwrap_or_else(|| panic!("{key} is there"))
    }

    fn health(&self, key: &ObjectKey) -> HealthStatus {
        self.assessed(key).0
    }

    fn assessed(&self, key: &ObjectKey) -> (HealthStatus, String) {
        let assessment = assess(&self.get(key), &Context::new()).expect("the kind has health");
        (assessment.status, assessment.message.to_string())
    }

    fn of_kind(&self, kind: &str) -> Vec<Object> {
        let mut objects = self.target.objects();
        objects.retain(|object| object.kind() == kind);
        objects
    }

    fn number(&self, key: &ObjectKey, path: &[&str]) -> i64 {
        self.get(key).at(path).and_then(Value::as_i64).unwrap_or(0)
    }
}

fn deployment(image: &str, replicas: i64) -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }))
}

fn job(image: &str) -> Object {
    object(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "default"},
        "spec": {
            "backoffLimit": 1,
            "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "migrate", "image": image}],
            }},
        },
    }))
}

#[test]
fn a_deployment_becomes_healthy_through_its_replica_set_and_pods() {
    let cluster = Cluster::new();
    let web = key("apps", "Deployment", "web");
    cluster.apply(&deployment("web:1", 3));
    assert_eq!(cluster.after(1).health(&web), HealthStatus::Progressing);
    assert_eq!(cluster.of_kind("Pod").len(), 3);
    assert_eq!(cluster.after(5).health(&web), HealthStatus::Healthy);
    let set = &cluster.of_kind("ReplicaSet")[0];
    let owner = set.meta("ownerReferences").unwrap().as_array().unwrap()[0].clone();
    assert_eq!(owner["uid"].as_str(), Some(cluster.get(&web).uid()));
    for pod in cluster.of_kind("Pod") {
        assert_eq!(
            pod.meta("ownerReferences").unwrap().as_array().unwrap()[0]["uid"].as_str(),
            Some(set.uid())
        );
        let health = assess(&pod, &Context::new()).unwrap();
        assert_eq!(health.status, HealthStatus::Healthy);
    }
}

#[test]
fn a_rolling_update_keeps_to_surge_and_unavailability() {
    let cluster = Cluster::new();
    let web = key("apps", "Deployment", "web");
    cluster.apply(&deployment("web:1", 4));
    cluster.after(10);
    cluster.apply(&deployment("web:2", 4));
    let mut steps = 0;
    for _ in 0..200 {
        cluster.clock.advance(Duration::from_millis(100));
        let pods = cluster.of_kind("Pod");
        let pods: Vec<_> = pods.iter().filter(|pod| !pod.is_deleting()).collect();
        // 25% of 4: one more, one less.
        assert!(pods.len() <= 5, "{} pods", pods.len());
        let available = cluster.number(&web, &["status", "availableReplicas"]);
        assert!(available >= 3, "{available} available");
        steps += usize::from(available == 3);
    }
    assert!(
        steps > 0,
        "the update went through a step with one pod less"
    );
    assert_eq!(cluster.health(&web), HealthStatus::Healthy);
    let images: Vec<String> = cluster
        .of_kind("Pod")
        .iter()
        .map(|pod| {
            pod.at(&["spec", "containers"]).unwrap().as_array().unwrap()[0]["image"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(images, ["web:2"; 4]);
    // The ReplicaSet of the first template stays for a rollback, and is taken up again.
    assert_eq!(cluster.of_kind("ReplicaSet").len(), 2);
    cluster.apply(&deployment("web:1", 4));
    cluster.after(20);
    assert_eq!(cluster.of_kind("ReplicaSet").len(), 2);
    assert_eq!(
        cluster
            .get(&web)
            .annotation("deployment.kubernetes.io/revision"),
        Some("3")
    );
}

#[test]
fn a_bad_image_degrades_and_a_rollback_brings_the_last_good_one_back() {
    let cluster = Cluster::new();
    let web = key("apps", "Deployment", "web");
    cluster.apply(&deployment("web:1", 2));
    cluster.after(10);
    cluster.apply(&deployment("web:bad", 2));
    cluster.after(60);
    assert_eq!(cluster.health(&web), HealthStatus::Progressing);
    let stuck: Vec<Object> = cluster
        .of_kind("Pod")
        .into_iter()
        .filter(|pod| assess(pod, &Context::new()).unwrap().status == HealthStatus::Degraded)
        .collect();
    assert_eq!(stuck.len(), 1);
    let status = &stuck[0]
        .at(&["status", "containerStatuses"])
        .unwrap()
        .as_array()
        .unwrap()[0];
    assert_eq!(
        status
            .at(&["state", "waiting", "reason"])
            .and_then(Value::as_str),
        Some("ImagePullBackOff")
    );
    // What worked goes on working.
    assert_eq!(cluster.number(&web, &["status", "availableReplicas"]), 2);
    cluster.after(600);
    let (health, message) = cluster.assessed(&web);
    assert_eq!(health, HealthStatus::Degraded);
    assert_eq!(message, "Deployment \"web\" exceeded its progress deadline");
    cluster.apply(&deployment("web:1", 2));
    cluster.after(10);
    assert_eq!(cluster.health(&web), HealthStatus::Healthy);
}

#[test]
fn images_crash_hang_and_are_slow() {
    let web = key("apps", "Deployment", "web");
    let reason = |cluster: &Cluster| {
        let pod = cluster.of_kind("Pod").remove(0);
        let status = pod
            .at(&["status", "containerStatuses"])
            .unwrap()
            .as_array()
            .unwrap()[0]
            .clone();
        let reason = status
            .at(&["state", "waiting", "reason"])
            .and_then(Value::as_str);
        (
            reason.map(str::to_owned),
            status["restartCount"].as_i64().unwrap(),
        )
    };
    let cluster = Cluster::new();
    cluster.apply(&deployment("web:crash", 1));
    cluster.after(40);
    assert_eq!(reason(&cluster), (Some("CrashLoopBackOff".to_owned()), 3));
    let pod = cluster.of_kind("Pod").remove(0);
    assert_eq!(
        assess(&pod, &Context::new()).unwrap().status,
        HealthStatus::Degraded
    );

    let cluster = Cluster::new();
    cluster.apply(&deployment("web:hang", 1));
    assert_eq!(cluster.after(500).health(&web), HealthStatus::Progressing);
    assert_eq!(cluster.after(200).health(&web), HealthStatus::Degraded);

    let cluster = Cluster::new();
    cluster.apply(&deployment("web:slow", 1));
    assert_eq!(cluster.after(50).health(&web), HealthStatus::Progressing);
    assert_eq!(cluster.after(20).health(&web), HealthStatus::Healthy);

    let rules = Simulation::default().with_rule("registry.example.com/*", Behaviour::Unschedulable);
    let cluster = Cluster::with(rules);
    cluster.apply(&deployment("registry.example.com/web:1", 1));
    cluster.after(20);
    assert_eq!(
        cluster.of_kind("Pod")[0]
            .at(&["status", "phase"])
            .and_then(Value::as_str),
        Some("Pending")
    );
}

#[test]
fn recreating_lets_all_pods_go_before_new_ones_come() {
    let cluster = Cluster::new();
    let recreate = |image: &str| {
        let mut web = deployment(image, 3);
        let spec = web.as_map_mut().entry_object("spec");
        spec.insert("strategy", Value::from(json!({"type": "Recreate"})));
        web
    };
    cluster.apply(&recreate("web:1"));
    cluster.after(10);
    cluster.apply(&recreate("web:2"));
    let mut empty = false;
    for _ in 0..1000 {
        cluster.clock.advance(Duration::from_millis(10));
        let pods = cluster.of_kind("Pod");
        let images: std::collections::BTreeSet<String> = pods
            .iter()
            .map(|pod| {
                pod.at(&["spec", "containers"]).unwrap().as_array().unwrap()[0]["image"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert!(images.len() <= 1, "{images:?} at once");
        empty |= pods.is_empty();
    }
    assert!(empty);
    assert_eq!(
        cluster.health(&key("apps", "Deployment", "web")),
        HealthStatus::Healthy
    );
}

#[test]
fn deleting_in_the_foreground_waits_for_the_pods() {
    let cluster = Cluster::new();
    let web = key("apps", "Deployment", "web");
    cluster.apply(&deployment("web:1", 2));
    cluster.after(10);
    let delete = |propagation| {
        cluster.clock.run(
            cluster
                .target
                .delete(&web, &DeleteOptions::new(propagation)),
        )
    };
    delete(Propagation::Foreground).unwrap();
    cluster.clock.advance(Duration::from_millis(500));
    assert!(cluster.get(&web).is_deleting());
    assert!(cluster.of_kind("Pod").iter().all(Object::is_deleting));
    cluster.after(5);
    assert_eq!(cluster.target.object(&web), None);
    assert!(cluster.of_kind("Pod").is_empty() && cluster.of_kind("ReplicaSet").is_empty());

    cluster.apply(&deployment("web:1", 2));
    cluster.after(10);
    delete(Propagation::Background).unwrap();
    assert_eq!(cluster.target.object(&web), None);
    assert_eq!(cluster.of_kind("Pod").len(), 2);
    cluster.after(5);
    assert!(cluster.of_kind("Pod").is_empty() && cluster.of_kind("ReplicaSet").is_empty());

    cluster.apply(&deployment("web:1", 2));
    cluster.after(10);
    delete(Propagation::Orphan).unwrap();
    cluster.after(10);
    assert_eq!(cluster.target.object(&web), None);
    assert_eq!(cluster.of_kind("Pod").len(), 2);
}

#[test]
fn a_job_completes_or_fails() {
    let migrate = key("batch", "Job", "migrate");
    let cluster = Cluster::new();
    cluster.apply(&job("migrate:1"));
    assert_eq!(cluster.after(1).health(&migrate), HealthStatus::Progressing);
    assert_eq!(cluster.after(10).health(&migrate), HealthStatus::Healthy);
    let pod = &cluster.of_kind("Pod")[0];
    assert_eq!(
        pod.at(&["status", "phase"]).and_then(Value::as_str),
        Some("Succeeded")
    );

    let cluster = Cluster::new();
    cluster.apply(&job("migrate:fail"));
    assert_eq!(cluster.after(7).health(&migrate), HealthStatus::Progressing);
    assert_eq!(cluster.after(30).health(&migrate), HealthStatus::Degraded);
    assert_eq!(cluster.number(&migrate, &["status", "failed"]), 2);

    let cluster = Cluster::new();
    cluster.apply(&job("migrate:hang"));
    assert_eq!(
        cluster.after(3600).health(&migrate),
        HealthStatus::Progressing
    );
}

#[test]
fn stateful_sets_start_in_order_and_daemon_sets_on_every_node() {
    let cluster = Cluster::new();
    cluster.apply(&object(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}],
        },
    })));
    cluster.after(1);
    assert_eq!(cluster.of_kind("Pod").len(), 1);
    cluster.after(6);
    let names: Vec<String> = cluster
        .of_kind("Pod")
        .iter()
        .map(|pod| pod.name().to_owned())
        .collect();
    assert_eq!(names, ["db-0", "db-1"]);
    let db = key("apps", "StatefulSet", "db");
    assert_eq!(cluster.health(&db), HealthStatus::Healthy);
    assert_eq!(
        cluster.health(&key("", "PersistentVolumeClaim", "data-db-1")),
        HealthStatus::Healthy
    );
    let first = cluster.get(&key("", "Pod", "db-0")).uid().to_owned();
    cluster
        .target
        .edit(&db, |db| {
            let image = db
                .as_map_mut()
                .get_mut("spec")
                .unwrap()
                .at_mut(&["template", "spec", "containers"])
                .unwrap();
            image.as_array_mut().unwrap().make_mut()[0]
                .as_object_mut()
                .unwrap()
                .insert("image", "db:2");
        })
        .unwrap();
    assert_eq!(cluster.after(1).health(&db), HealthStatus::Progressing);
    assert_eq!(cluster.after(20).health(&db), HealthStatus::Healthy);
    assert_ne!(cluster.get(&key("", "Pod", "db-0")).uid(), first);

    let mut simulation = Simulation::default();
    simulation.nodes = 3;
    let cluster = Cluster::with(simulation);
    cluster.apply(&object(json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": "agent:1"}]}},
        },
    })));
    assert_eq!(
        cluster.after(1).health(&key("apps", "DaemonSet", "agent")),
        HealthStatus::Progressing
    );
    assert_eq!(
        cluster.after(9).health(&key("apps", "DaemonSet", "agent")),
        HealthStatus::Healthy
    );
    assert_eq!(cluster.of_kind("Pod").len(), 3);
}

#[test]
fn addresses_and_scaling_come_after_a_while() {
    let cluster = Cluster::new();
    cluster.apply(&object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    })));
    let service = key("", "Service", "web");
    assert_eq!(cluster.health(&service), HealthStatus::Progressing);
    assert_eq!(cluster.after(2).health(&service), HealthStatus::Healthy);
    cluster.apply(&deployment("web:1", 1));
    cluster.apply(&object(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "minReplicas": 2, "maxReplicas": 4,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    })));
    cluster.after(30);
    assert_eq!(
        cluster.health(&key("autoscaling", "HorizontalPodAutoscaler", "web")),
        HealthStatus::Healthy
    );
    assert_eq!(
        cluster.number(&key("apps", "Deployment", "web"), &["spec", "replicas"]),
        2
    );
}
