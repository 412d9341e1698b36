//! The control plane behaves as its documentation says. Everything here is judged by the API server.
#![allow(
    clippy::disallowed_methods,
    reason = "one test starts the program and kills it"
)]

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Service,
};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::{Testbed, eventually};

/// Creates an object from its JSON.
async fn create<K>(api: &Api<K>, object: Value) -> K
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).expect("an object of that kind");
    api.create(&PostParams::default(), &object)
        .await
        .expect("the API server takes it")
}

/// Waits until the JSON of an object has what is asked for.
async fn until<K>(api: &Api<K>, name: &str, what: &str, has: impl Fn(&Value) -> bool) -> Value
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    eventually(what, || async {
        let object = api.get(name).await.map_err(|error| error.to_string())?;
        let object = serde_json::to_value(&object).expect("an object is JSON");
        if has(&object) {
            Ok(object)
        } else {
            Err(object["status"].to_string())
        }
    })
    .await
}

fn deployment(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    })
}

fn job(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}},
        },
    })
}

fn is_true(object: &Value, condition: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == condition && one["status"] == "True")
        })
}

/// The only pod of an application, as JSON, once it has what is asked for.
async fn a_pod(
    client: &Client,
    namespace: &str,
    app: &str,
    what: &str,
    has: impl Fn(&Value) -> bool,
) -> Value {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selected = ListParams::default().labels(&format!("app={app}"));
    eventually(what, || async {
        let pods = pods
            .list(&selected)
            .await
            .map_err(|error| error.to_string())?;
        let pods: Vec<Value> = pods
            .iter()
            .map(|pod| serde_json::to_value(pod).expect("a pod is JSON"))
            .collect();
        pods.iter()
            .find(|pod| has(pod))
            .cloned()
            .ok_or_else(|| format!("{} pods: {pods:?}", pods.len()))
    })
    .await
}

#[tokio::test]
async fn it_is_the_version_that_it_says() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let version = testbed
        .client()
        .await
        .apiserver_version()
        .await
        .expect("a version");
    assert_eq!(version.git_version, "v1.36.3");
}

#[tokio::test]
async fn good_images_roll_out() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("good").await);
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    create(&api, deployment("web", "web:1")).await;
    let done = until(&api, "web", "an available deployment", |d| {
        d["status"]["availableReplicas"] == 2
    })
    .await;
    assert!(is_true(&done, "Available"));
    // Slow ones too, which takes a moment.
    create(
        &api,
        deployment("slow", "registry:5000/slow:slow-2@sha256:0123"),
    )
    .await;
    until(&api, "slow", "an available deployment", |d| {
        d["status"]["availableReplicas"] == 2
    })
    .await;
}

#[tokio::test]
async fn the_tag_of_an_image_says_how_it_fails() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("bad").await);
    let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    for tag in ["crash", "hang", "unready"] {
        create(&api, deployment(tag, &format!("web:{tag}-1"))).await;
    }
    let crashed = a_pod(
        &client,
        &namespace,
        "crash",
        "a pod that was restarted",
        |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(2),
    )
    .await;
    let status = &crashed["status"]["containerStatuses"][0];
    assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(crashed["status"]["phase"], "Running");

    let hung = a_pod(&client, &namespace, "hang", "a pod with a status", |pod| {
        pod["status"]["containerStatuses"].is_array()
    })
    .await;
    assert_eq!(
        hung["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "ImagePullBackOff"
    );
    assert_eq!(hung["status"]["phase"], "Pending");

    let unready = a_pod(&client, &namespace, "unready", "a running pod", |pod| {
        pod["status"]["phase"] == "Running"
    })
    .await;
    assert!(!is_true(&unready, "Ready"));

    for tag in ["crash", "hang", "unready"] {
        let deployment = until(&api, tag, "a deployment with pods", |d| {
            d["status"]["unavailableReplicas"] == 2
        })
        .await;
        assert!(!is_true(&deployment, "Available"), "{tag}");
    }
}

#[tokio::test]
async fn jobs_complete_or_fail() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("jobs").await);
    let api: Api<Job> = Api::namespaced(client, &namespace);
    create(&api, job("good", "work:1")).await;
    create(&api, job("crash", "work:crash")).await;
    let good = until(&api, "good", "a finished job", |job| {
        is_true(job, "Complete") || is_true(job, "Failed")
    })
    .await;
    assert_eq!(good["status"]["succeeded"], 1);
    let bad = until(&api, "crash", "a finished job", |job| {
        is_true(job, "Complete") || is_true(job, "Failed")
    })
    .await;
    assert_eq!(bad["status"]["failed"], 1);
}

#[tokio::test]
async fn claims_are_bound_and_volumes_deleted_with_them() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("claims").await);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let claim = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }})
    };
    create(&claims, claim("data")).await;
    let bound = until(&claims, "data", "a bound claim", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    assert_eq!(bound["status"]["capacity"]["storage"], "1Gi");

    claims
        .delete("data", &DeleteParams::default())
        .await
        .expect("a claim to delete");
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume = bound["spec"]["volumeName"].as_str().expect("a volume");
    eventually("the volume to be deleted", || async {
        match volumes
            .get_opt(volume)
            .await
            .map_err(|error| error.to_string())?
        {
            None => Ok(()),
            Some(volume) => Err(format!("{:?}", volume.status)),
        }
    })
    .await;

    // One that waits for its first consumer, which a stateful set brings.
    let sets: Api<StatefulSet> = Api::namespaced(client, &namespace);
    let mut template = claim("disk");
    template["spec"]["storageClassName"] = json!("delayed");
    let set = json!({"metadata": {"name": "db"}, "spec": {
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {
            "metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [{"name": "main", "image": "db:1"}]},
        },
        "volumeClaimTemplates": [template],
    }});
    create(&sets, set).await;
    until(&sets, "db", "a ready stateful set", |set| {
        set["status"]["readyReplicas"] == 1
    })
    .await;
    let bound = claims.get("disk-db-0").await.expect("the claim of the set");
    assert_eq!(
        bound.status.and_then(|status| status.phase).as_deref(),
        Some("Bound")
    );
}

#[tokio::test]
async fn load_balancers_get_addresses_unless_nobody_serves_them() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("lb").await);
    let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
    let ingresses: Api<Ingress> = Api::namespaced(client, &namespace);
    let service = |name: &str| json!({"metadata": {"name": name}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    let mut unserved = service("unserved");
    unserved["spec"]["loadBalancerClass"] = json!("example.com/none");
    create(&services, unserved).await;
    create(&services, service("served")).await;
    let ingress = |name: &str, class: Option<&str>| {
        json!({"metadata": {"name": name}, "spec": {
            "ingressClassName": class,
            "defaultBackend": {"service": {"name": "served", "port": {"number": 80}}},
        }})
    };
    create(&ingresses, ingress("unserved", Some("none"))).await;
    create(&ingresses, ingress("served", None)).await;

    let has = |object: &Value| object["status"]["loadBalancer"]["ingress"][0]["ip"].is_string();
    until(&services, "served", "an address", has).await;
    until(&ingresses, "served", "an address", has).await;
    // Those came first, and had their turn.
    let service = services.get("unserved").await.expect("the service");
    assert!(!has(&serde_json::to_value(service).expect("JSON")));
    let ingress = ingresses.get("unserved").await.expect("the ingress");
    assert!(!has(&serde_json::to_value(ingress).expect("JSON")));
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("gone").await);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    create(&deployments, deployment("web", "web:1")).await;
    until(&deployments, "web", "an available deployment", |d| {
        d["status"]["availableReplicas"] == 2
    })
    .await;

    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .delete(&namespace, &DeleteParams::default())
        .await
        .expect("a namespace to delete");
    eventually("the namespace to go", || async {
        match namespaces
            .get_opt(&namespace)
            .await
            .map_err(|error| error.to_string())?
        {
            None => Ok(()),
            Some(namespace) => Err(format!("{:?}", namespace.status)),
        }
    })
    .await;
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    assert!(
        pods.list(&ListParams::default())
            .await
            .expect("a list")
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn users_may_do_what_roles_allow() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let (admin, namespace) = (testbed.client().await, testbed.namespace("users").await);
    let as_user = testbed.client_as("jane", &["readers"]).await;
    let maps: Api<ConfigMap> = Api::namespaced(as_user, &namespace);
    let refused = maps
        .list(&ListParams::default())
        .await
        .expect_err("nothing is allowed yet");
    assert!(
        matches!(&refused, kube::Error::Api(status) if status.is_forbidden()),
        "{refused}"
    );
    assert!(refused.to_string().contains("jane"), "{refused}");

    let roles: Api<Role> = Api::namespaced(admin.clone(), &namespace);
    let rule = json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]});
    create(
        &roles,
        json!({"metadata": {"name": "read"}, "rules": [rule]}),
    )
    .await;
    let bindings: Api<RoleBinding> = Api::namespaced(admin, &namespace);
    let binding = json!({
        "metadata": {"name": "readers"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"},
    });
    create(&bindings, binding).await;
    eventually("the role to take effect", || async {
        maps.list(&ListParams::default())
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn the_api_server_may_be_killed_and_paused() {
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let (client, namespace) = (testbed.client().await, testbed.namespace("faults").await);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    create(
        &maps,
        json!({"metadata": {"name": "kept"}, "data": {"a": "1"}}),
    )
    .await;

    testbed.kill_api_server().expect("it is ours");
    maps.get("kept").await.expect_err("nobody answers");
    testbed.start_api_server().await.expect("it starts again");
    // The client from before still works: the address is the same.
    let kept = maps.get("kept").await.expect("the object is still there");
    assert_eq!(kept.data.expect("data")["a"], "1");
    // The controllers and the kubelets are back as well.
    let deployments: Api<Deployment> = Api::namespaced(client, &namespace);
    create(&deployments, deployment("web", "web:1")).await;
    until(&deployments, "web", "an available deployment", |d| {
        d["status"]["availableReplicas"] == 2
    })
    .await;

    testbed.pause_api_server().expect("it is ours");
    let hangs = tokio::time::timeout(Duration::from_millis(500), maps.get("kept")).await;
    assert!(hangs.is_err(), "a paused API server does not answer");
    testbed.resume_api_server().expect("it is ours");
    maps.get("kept").await.expect("it answers again");
}

#[tokio::test]
async fn nothing_is_left_behind_by_a_process_that_is_killed() {
    // The shared one says whether there is anything to start.
    if Testbed::shared().await.is_none() {
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .env_remove("KUBECONFIG_TESTBED")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    let kubeconfig = Path::new(line.trim_end());
    let text = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
    let server = text
        .split("https://")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("an address");
    TcpStream::connect(server).expect("the API server listens");

    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    eventually("the end of the programs", || async {
        match TcpStream::connect(server) {
            Ok(_) => Err("the API server still listens".to_owned()),
            Err(_) if kubeconfig.exists() => {
                Err(format!("{} is still there", kubeconfig.display()))
            }
            Err(_) => Ok(()),
        }
    })
    .await;
}
