//! The program on a real API server, with faults: it is killed, the API server is killed, two of them contend.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gitops::kube::{Commands, KubeOptions, KubeTarget, kubeconfig};
use gitops::kustomize::{BuildOptions, build};
use gitops::manifest::{DirTree, Object, ObjectKey, Value};
use gitops::{ApplyOptions, Target};
use serde_json::json;
use testbed::{Testbed, eventually};

use crate::process::{Process, Repository, application};

const PROGRAM: &str = env!("CARGO_BIN_EXE_controller");
const NAMESPACE: &str = "shop";
/// Who the controller is in a cluster that it is installed in.
const ACCOUNT: &str = "system:serviceaccount:argocd:gitops-controller";

struct Stage {
    testbed: Testbed,
    target: Arc<dyn Target>,
    repository: Repository,
    applications: usize,
    data: tempfile::TempDir,
}

impl Stage {
    /// Starts a control plane of our own, with the definitions and namespaces.
    async fn new(applications: usize) -> Option<Self> {
        let testbed = Testbed::start().await?;
        let config = kubeconfig(testbed.kubeconfig(), None, Commands::Refuse)
            .await
            .unwrap();
        let target: Arc<dyn Target> =
            Arc::new(KubeTarget::connect(config, KubeOptions::default()).unwrap());
        let data = tempfile::tempdir().unwrap();
        let mut access: serde_json::Value = serde_json::from_str(testbed.kubeconfig()).unwrap();
        access["users"][0]["user"]["as"] = ACCOUNT.into();
        std::fs::write(data.path().join("kubeconfig"), access.to_string()).unwrap();
        let stage = Self {
            testbed,
            target,
            repository: Repository::new(applications),
            applications,
            data,
        };
        // As it is installed: the controller has the rights of its service account, and no other.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("install");
        let tree = DirTree::open(&folder).unwrap();
        let manifests = build(&tree, "base", &BuildOptions::default()).unwrap();
        for object in &manifests.objects {
            if !["Deployment", "Service"].contains(&object.kind()) {
                stage.apply(object).await;
            }
        }
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        stage.apply(&Object::try_from(object).unwrap()).await;
        let role = "gitops-controller-deploy";
        let role = ObjectKey::new("rbac.authorization.k8s.io", "ClusterRole", "", role);
        eventually("the roles are put together", || async {
            let role = stage.target.get(&role).await;
            let role = role.map_err(|error| error.to_string())?;
            let rules = role.as_ref().and_then(|role| role.get("rules"));
            match rules.and_then(Value::as_array) {
                Some(rules) if !rules.is_empty() => Ok(()),
                _ => Err(format!("{role:?}")),
            }
        })
        .await;
        Some(stage)
    }

    async fn apply(&self, object: &Object) {
        let options = ApplyOptions::server_side("test");
        eventually(&object.key().to_string(), || async {
            self.target
                .apply(object, &options)
                .await
                .map_err(|error| error.to_string())
        })
        .await;
    }

    async fn create_applications(&self) {
        for number in 0..self.applications {
            let object = application(number, &self.repository, NAMESPACE);
            self.apply(&Object::try_from(object).unwrap()).await;
        }
    }

    fn start(&self, arguments: &[&str]) -> Process {
        self.start_in(self.data.path(), arguments)
    }

    fn start_in(&self, data: &Path, arguments: &[&str]) -> Process {
        Process::start(
            Path::new(PROGRAM),
            &self.data.path().join("kubeconfig"),
            data,
            arguments,
        )
    }

    /// Waits until all ConfigMaps have a value and all applications are Synced and Healthy.
    async fn settled(&self, value: &str) {
        for number in 0..self.applications {
            eventually(&format!("app-{number} has {value}"), || async {
                let key = ObjectKey::new("", "ConfigMap", NAMESPACE, format!("config-{number}"));
                let config = self
                    .target
                    .get(&key)
                    .await
                    .map_err(|error| error.to_string())?;
                let have = config
                    .as_ref()
                    .and_then(|c| c.at(&["data", "key"]))
                    .and_then(Value::as_str);
                if have != Some(value) {
                    return Err(format!("{have:?}"));
                }
                let key = ObjectKey::new(
                    "argoproj.io",
                    "Application",
                    "argocd",
                    format!("app-{number}"),
                );
                let app = self
                    .target
                    .get(&key)
                    .await
                    .map_err(|error| error.to_string())?;
                let status = app
                    .as_ref()
                    .and_then(|app| app.get("status"))
                    .cloned()
                    .unwrap_or_default();
                let text = |path: &[&str]| {
                    status
                        .at(path)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                let stands = (text(&["sync", "status"]), text(&["health", "status"]));
                if stands == ("Synced".to_owned(), "Healthy".to_owned()) {
                    Ok(())
                } else {
                    Err(format!("{stands:?} {}", status.to_json()))
                }
            })
            .await;
        }
    }

    /// Changes all, and tells of it.
    fn change(&self, value: &str, processes: &[&Process]) {
        for number in 0..self.applications {
            self.repository.write(number, value);
        }
        self.repository.commit();
        for process in processes {
            let answer = process.webhook(&self.repository.push(0));
            assert!(matches!(answer, Some((200, _))), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_rolled_out_and_restarts_lose_nothing() {
    let Some(stage) = Stage::new(5).await else {
        return;
    };
    let process = stage.start(&["--identity", "pod-0"]);
    stage.create_applications().await;
    stage.settled("one").await;
    stage.change("two", &[&process]);
    stage.settled("two").await;
    let (code, metrics) = process.request("GET", "/metrics", &[], "").unwrap();
    assert_eq!(code, 200);
    assert!(metrics.contains("argocd_app_info{"), "{metrics}");
    // It is killed where it stands, at different points of a roll-out. In turn it comes back under its own name, as a
    // container in its pod does, and under another, which has to wait until the lease has run out.
    let mut process = process;
    for (round, wait) in [0_u64, 20, 60, 150, 400].into_iter().enumerate() {
        let value = format!("round-{round}");
        stage.change(&value, &[&process]);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        process.kill();
        let identity = format!("pod-{}", round.div_ceil(2));
        process = stage.start(&["--identity", &identity]);
        stage.settled(&value).await;
    }
    // The one killed may have finished the last round by itself: this one is the work of whoever has the lease now.
    stage.change("end", &[&process]);
    stage.settled("end").await;
    assert!(process.stop(), "it ends well when it is told to");
    let lease = ObjectKey::new(
        "coordination.k8s.io",
        "Lease",
        "argocd",
        "gitops-controller",
    );
    let lease = stage.target.get(&lease).await.unwrap().expect("a lease");
    assert_eq!(
        lease
            .at(&["spec", "holderIdentity"])
            .and_then(Value::as_str)
            .unwrap_or_default(),
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_settings_take_up_is_looked_after() {
    let Some(stage) = Stage::new(1).await else {
        return;
    };
    // By default slices of endpoints are left alone.
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"resource.exclusions": "- kinds: [ReplicaSet]\n"},
    });
    stage.apply(&Object::try_from(settings).unwrap()).await;
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: outside, labels: \
                 {kubernetes.io/service-name: outside}}\naddressType: IPv4\nendpoints:\n- {addresses: [192.0.2.1]}\n\
                 ports:\n- {name: web, port: 80}\n";
    stage.repository.write_file(0, "slice.yaml", slice);
    stage.repository.commit();
    let process = stage.start(&[]);
    stage.create_applications().await;
    stage.settled("one").await;
    let key = ObjectKey::new("discovery.k8s.io", "EndpointSlice", NAMESPACE, "outside");
    let found = stage
        .target
        .get(&key)
        .await
        .unwrap()
        .expect("it is applied");
    // It is followed too: what somebody changes by hand is put right.
    let mut drifted = found.clone();
    drifted.metadata_mut().remove("managedFields");
    drifted.as_map_mut().insert(
        "ports",
        Value::from(vec![Value::from(json!({"name": "web", "port": 81}))]),
    );
    let options = ApplyOptions::server_side("test").with_mode(gitops::ApplyMode::Replace);
    stage.target.apply(&drifted, &options).await.unwrap();
    eventually("the slice is as it was", || async {
        let found = stage
            .target
            .get(&key)
            .await
            .map_err(|error| error.to_string())?;
        let ports = found.as_ref().and_then(|slice| slice.get("ports"));
        let ports = ports.map(Value::to_json).unwrap_or_default();
        if ports.contains("80") {
            Ok(())
        } else {
            Err(ports)
        }
    })
    .await;
    assert!(process.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_differs_where_it_is_asked() {
    let Some(stage) = Stage::new(2).await else {
        return;
    };
    let manifest = |env: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 0\n  selector: {{matchLabels: \
             {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n      - name: main\n        \
             image: web:1\n        resources: {{limits: {{cpu: 1000m, memory: 1024Mi}}}}\n        env: [{env}]\n"
        )
    };
    for number in 0..2 {
        let text = manifest("{name: A, value: one}, {name: B, value: two}");
        let text = text.replace("name: web}", &format!("name: web-{number}}}"));
        stage.repository.write_file(number, "web.yaml", &text);
    }
    stage.repository.commit();
    let process = stage.start(&[]);
    // One is applied by the server, the other on the client side.
    for number in 0..2 {
        let mut object = application(number, &stage.repository, NAMESPACE);
        object["metadata"]["annotations"] =
            json!({"argocd.argoproj.io/compare-options": "ServerSideDiff=true"});
        if number == 0 {
            object["spec"]["syncPolicy"]["syncOptions"] = json!(["ServerSideApply=true"]);
        }
        stage.apply(&Object::try_from(object).unwrap()).await;
    }
    stage.settled("one").await;
    // What is wanted no more goes.
    for number in 0..2 {
        let text = manifest("{name: A, value: one}");
        let text = text.replace("name: web}", &format!("name: web-{number}}}"));
        stage.repository.write_file(number, "web.yaml", &text);
    }
    stage.change("two", &[&process]);
    stage.settled("two").await;
    for number in 0..2 {
        let key = ObjectKey::new("apps", "Deployment", NAMESPACE, format!("web-{number}"));
        let found = stage.target.get(&key).await.unwrap().expect("it is there");
        let text = found.to_value().to_json();
        let spec = &text[text.find("\"containers\"").expect("containers")..];
        assert!(!spec.contains("\"B\""), "{number}: {text}");
    }
    assert!(process.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_killed_during_a_sync_is_waited_for() {
    let Some(stage) = Stage::new(10).await else {
        return;
    };
    let process = stage.start(&[]);
    stage.create_applications().await;
    stage.settled("one").await;
    stage.change("two", &[&process]);
    stage.testbed.kill_api_server().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.testbed.start_api_server().await.unwrap();
    stage.settled("two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_one_works_and_the_other_takes_over() {
    let Some(stage) = Stage::new(3).await else {
        return;
    };
    let other_data = tempfile::tempdir().unwrap();
    let one = stage.start(&["--identity", "one"]);
    // Who holds the lease, and how often it has gone from one to another.
    let lease = || async {
        let key = ObjectKey::new(
            "coordination.k8s.io",
            "Lease",
            "argocd",
            "gitops-controller",
        );
        let lease = stage
            .target
            .get(&key)
            .await
            .map_err(|error| error.to_string())?;
        let spec = |field| lease.as_ref().and_then(|l| l.at(&["spec", field]));
        let holder = spec("holderIdentity").and_then(Value::as_str);
        let transitions = spec("leaseTransitions").and_then(Value::as_i64);
        Ok::<_, String>((holder.unwrap_or_default().to_owned(), transitions))
    };
    let held_by = |wanted: &'static str| async move {
        eventually(&format!("{wanted} holds the lease"), || async {
            match lease().await? {
                (holder, _) if holder == wanted => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    };
    held_by("one").await;
    let two = stage.start_in(other_data.path(), &["--identity", "two"]);
    stage.create_applications().await;
    stage.settled("one").await;
    let (holder, transitions) = lease().await.unwrap();
    // A machine that stands still for as long as a lease lasts may have it change hands; otherwise it must not.
    let kept = holder == "one" || transitions > Some(0);
    assert!(kept, "{holder}\n{}\n{}", one.log(), two.log());
    one.kill();
    held_by("two").await;
    stage.change("two", &[&two]);
    stage.settled("two").await;
    assert!(two.stop());
}
