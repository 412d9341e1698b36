//! On a real API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::BoxStream;
use gitops_core::{
    ApplyMode, ApplyOptions, Clock as _, DeleteOptions, Effect, Precondition, Propagation, Scope,
    SystemClock, Target as _, TargetError, WatchEvent,
};
use gitops_kube::{ClusterSecret, Commands, Impersonation, KubeOptions, KubeTarget, kubeconfig};
use gitops_manifest::{GroupKind, Object, ObjectKey, Value};
use serde_json::json;
use testbed::Testbed;

pub(crate) async fn connect(testbed: &Testbed, options: KubeOptions) -> KubeTarget {
    let config = kubeconfig(testbed.kubeconfig(), None, Commands::Refuse)
        .await
        .unwrap();
    KubeTarget::connect(config, options).unwrap()
}

pub(crate) fn map(namespace: &str, name: &str, x: &str) -> Object {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"x": x},
    });
    Object::try_from(map).unwrap()
}

pub(crate) fn maps_of(namespace: &str) -> Scope {
    Scope::all()
        .with_namespaces([namespace])
        .with_kinds([GroupKind::new("", "ConfigMap")])
}

pub(crate) fn manager() -> ApplyOptions {
    ApplyOptions::server_side("test")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let target = connect(testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("contract").await;
    let failures = gitops_memory::contract::check(&target, &SystemClock, &namespace).await;
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_while_everything_is_watched() {
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let target = connect(&testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("contract").await;
    let snapshot = target.snapshot(&Scope::all()).await.unwrap();
    let mut watch = target
        .watch(&Scope::all(), &snapshot.version)
        .await
        .unwrap();
    let mut state: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    for object in snapshot.objects {
        state.insert(object.key(), object);
    }
    let clock = SystemClock;
    let check = gitops_memory::contract::check(&target, &clock, &namespace);
    let follow = async {
        loop {
            take(&mut watch, &mut state).await;
        }
    };
    tokio::select! {
        failures = check => assert!(failures.is_empty(), "{failures:#?}"),
        () = follow => {}
    }
    // What was followed is what there is, once all has come.
    let mut difference = String::new();
    let begin = clock.now();
    while clock.now().since(begin) < Duration::from_secs(120) {
        let more =
            tokio::time::timeout(Duration::from_millis(200), take(&mut watch, &mut state)).await;
        if more.is_ok() {
            continue;
        }
        let now = target.snapshot(&Scope::all()).await.unwrap();
        let now: BTreeMap<ObjectKey, Object> =
            now.objects.into_iter().map(|o| (o.key(), o)).collect();
        let stale = now.iter().find(|(key, object)| {
            state.get(*key).map(Object::resource_version) != Some(object.resource_version())
        });
        let gone = state.keys().find(|key| !now.contains_key(*key));
        if stale.is_none() && gone.is_none() {
            return;
        }
        difference = format!("{stale:?} is not known, {gone:?} is gone");
    }
    panic!("{difference}");
}

async fn take(
    watch: &mut BoxStream<'static, Result<WatchEvent, TargetError>>,
    state: &mut BTreeMap<ObjectKey, Object>,
) {
    match watch.next().await.expect("a watch goes on").unwrap() {
        WatchEvent::Applied(object) => {
            state.insert(object.key(), object);
        }
        WatchEvent::Deleted(object) => {
            state.remove(&object.key());
        }
        _ => {}
    }
}

/// Waits for an event of an object.
pub(crate) async fn event_of(
    watch: &mut BoxStream<'static, Result<WatchEvent, TargetError>>,
    wanted: &ObjectKey,
) -> WatchEvent {
    let wait = async {
        loop {
            let event = watch.next().await.expect("a watch goes on").unwrap();
            match &event {
                WatchEvent::Applied(object) | WatchEvent::Deleted(object)
                    if object.key() == *wanted =>
                {
                    return event;
                }
                _ => {}
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(120), wait).await;
    event.unwrap_or_else(|_| panic!("nothing was heard of {wanted}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_outlives_the_server() {
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let target = connect(&testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("restart").await;
    let scope = maps_of(&namespace);
    let snapshot = target.snapshot(&scope).await.unwrap();
    let mut watch = target.watch(&scope, &snapshot.version).await.unwrap();
    for round in ["1", "2"] {
        let wanted = map(&namespace, "survivor", round);
        target.apply(&wanted, &manager()).await.unwrap();
        let WatchEvent::Applied(object) = event_of(&mut watch, &wanted.key()).await else {
            panic!("it was applied");
        };
        assert_eq!(
            object.at(&["data", "x"]).and_then(Value::as_str),
            Some(round)
        );
        testbed.kill_api_server().unwrap();
        testbed.start_api_server().await.unwrap();
    }
    // Requests find their way as well.
    let key = ObjectKey::new("", "ConfigMap", namespace, "survivor");
    assert!(target.get(&key).await.unwrap().is_some());
    target
        .delete(&key, &DeleteOptions::new(Propagation::Background))
        .await
        .unwrap();
    assert!(matches!(
        event_of(&mut watch, &key).await,
        WatchEvent::Deleted(_)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_waits_for_a_server_that_starts() {
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let target = connect(&testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("start").await;
    target.discover().await.unwrap();
    testbed.kill_api_server().unwrap();
    let wanted = map(&namespace, "patient", "1");
    let options = manager();
    let (applied, started) =
        tokio::join!(target.apply(&wanted, &options), testbed.start_api_server());
    started.unwrap();
    assert_eq!(applied.unwrap().effect, Effect::Created);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_is_followed_from_its_definition_to_its_end() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let target = connect(testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("kinds").await;
    let snapshot = target.snapshot(&Scope::all()).await.unwrap();
    let mut watch = target
        .watch(&Scope::all(), &snapshot.version)
        .await
        .unwrap();
    let definition = Object::try_from(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "signals.kube.example.com"},
        "spec": {
            "group": "kube.example.com", "scope": "Namespaced", "names": {"kind": "Signal", "plural": "signals"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }))
    .unwrap();
    target.apply(&definition, &manager()).await.unwrap();
    let signal = |color: &str| {
        Object::try_from(json!({
            "apiVersion": "kube.example.com/v1", "kind": "Signal",
            "metadata": {"name": "s", "namespace": namespace}, "spec": {"color": color},
        }))
        .unwrap()
    };
    // In the same sync, without waiting: the kind is looked for.
    let mut options = manager();
    let applied = testbed::eventually("the kind is served", || async {
        let applied = target.apply(&signal("red"), &manager()).await;
        applied.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(applied.effect, Effect::Created);
    assert!(matches!(
        event_of(&mut watch, &signal("").key()).await,
        WatchEvent::Applied(_)
    ));
    for (mode, color, effect) in [
        (ApplyMode::ServerSide, "red", Effect::Unchanged),
        (ApplyMode::ClientSide, "green", Effect::Configured),
        (ApplyMode::ClientSide, "green", Effect::Unchanged),
        (ApplyMode::Replace, "blue", Effect::Configured),
    ] {
        options.mode = mode;
        for dry_run in [true, false] {
            options.dry_run = dry_run;
            let applied = target.apply(&signal(color), &options).await.unwrap();
            assert_eq!(
                applied.effect, effect,
                "{mode:?} of {color}, dry run {dry_run}"
            );
        }
    }
    target
        .delete(
            &definition.key(),
            &DeleteOptions::new(Propagation::Background),
        )
        .await
        .unwrap();
    loop {
        if let WatchEvent::Deleted(_) = event_of(&mut watch, &signal("").key()).await {
            break;
        }
    }
    testbed::eventually("the kind is gone", || async {
        match target.get(&signal("").key()).await {
            Err(TargetError::UnknownKind { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_must_be_absent_is_made_or_nothing_is_done() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let target = connect(testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("absent").await;
    for mode in [
        ApplyMode::ServerSide,
        ApplyMode::ClientSide,
        ApplyMode::Replace,
        ApplyMode::Create,
    ] {
        let name = format!("{mode:?}").to_lowercase();
        let wanted = map(&namespace, &name, "1");
        let mut options = manager()
            .with_mode(mode)
            .with_precondition(Precondition::Absent);
        options.dry_run = true;
        let tried = target.apply(&wanted, &options).await.unwrap();
        assert_eq!(tried.effect, Effect::Created, "{mode:?}");
        options.dry_run = false;
        let made = target.apply(&wanted, &options).await.unwrap();
        assert_eq!(made.effect, Effect::Created, "{mode:?}");
        let again = target.apply(&map(&namespace, &name, "2"), &options).await;
        assert!(
            matches!(again, Err(TargetError::Changed { .. })),
            "{mode:?}: {again:?}"
        );
        let live = target.get(&wanted.key()).await.unwrap().unwrap();
        assert_eq!(live, made.object, "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_side_apply_takes_over_from_client_side_apply() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let target = connect(testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("migrate").await;
    let old =
        ApplyOptions::server_side("kubectl-client-side-apply").with_mode(ApplyMode::ClientSide);
    let mut first = map(&namespace, "moved", "1");
    first.as_map_mut().entry_object("data").insert("gone", "1");
    target.apply(&first, &old).await.unwrap();
    // Another value of a field that the other owns, without force.
    let applied = target
        .apply(&map(&namespace, "moved", "2"), &manager())
        .await
        .unwrap();
    assert_eq!(
        applied.object.get("data").map(Value::to_json).as_deref(),
        Some(r#"{"x":"2"}"#),
        "what is no longer named goes"
    );
    let managers = applied
        .object
        .meta("managedFields")
        .and_then(Value::as_array)
        .unwrap();
    let managers: Vec<&str> = managers
        .iter()
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    assert_eq!(managers, ["test"]);
    assert!(
        applied.object.meta("annotations").is_none(),
        "{:?}",
        applied.object
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn others_have_rights_of_their_own() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let target = connect(testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("rights").await;
    let account = Impersonation::service_account(&namespace, "deployer");
    let other = target.impersonating(account).unwrap();
    let wanted = map(&namespace, "granted", "1");
    let refused = other.apply(&wanted, &manager()).await;
    assert!(
        matches!(&refused, Err(TargetError::Forbidden { reason, .. }) if reason.contains("deployer")),
        "{refused:?}"
    );
    let grant = Object::try_from(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "deployer", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}],
    }))
    .unwrap();
    target.apply(&grant, &manager()).await.unwrap();
    testbed::eventually("the grant is known", || async {
        other
            .apply(&wanted, &manager())
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    // What may not be listed is unlisted, the rest is not.
    let scope = Scope::all()
        .with_namespaces([namespace.as_str()])
        .with_kinds([
            GroupKind::new("", "ConfigMap"),
            GroupKind::new("rbac.authorization.k8s.io", "RoleBinding"),
        ]);
    let snapshot = other.snapshot(&scope).await.unwrap();
    assert!(
        snapshot
            .objects
            .iter()
            .any(|object| object.key() == wanted.key())
    );
    let unlisted: Vec<&str> = snapshot
        .unlisted
        .iter()
        .map(|(kind, _)| kind.kind.as_str())
        .collect();
    assert_eq!(unlisted, ["RoleBinding"]);
    assert!(
        snapshot.unlisted[0].1.contains("cannot list"),
        "{:?}",
        snapshot.unlisted
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_of_the_server_are_told() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let options = KubeOptions::default()
        .with_warnings(move |warning| to.lock().unwrap().push(warning.clone()));
    let target = connect(testbed, options).await;
    let namespace = testbed.namespace("warnings").await;
    let slices = Object::try_from(json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "old", "namespace": namespace},
    }))
    .unwrap();
    target.apply(&slices, &manager()).await.unwrap();
    let told = told.lock().unwrap();
    assert!(
        told.iter()
            .any(|warning| warning.text.contains("deprecated")),
        "{told:?}"
    );
}

/// Makes a service account that may do everything, and returns a token of it.
async fn token_of(testbed: &Testbed, name: &str) -> String {
    let target = connect(testbed, KubeOptions::default()).await;
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"},
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    });
    for object in [account, binding] {
        let object = Object::try_from(object).unwrap();
        target.apply(&object, &manager()).await.unwrap();
    }
    let path = format!("/api/v1/namespaces/default/serviceaccounts/{name}/token");
    let asked =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(asked.to_string().into_bytes())
        .unwrap();
    let client = testbed.client().await;
    let answer: serde_json::Value = client.request(request).await.unwrap();
    answer["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_too_much_to_do_is_waited_for() {
    // Priority and fairness with no room for one user: while one of his requests is carried out, the others are refused
    // with 429 and Retry-After.
    let Some(testbed) = Testbed::start().await else {
        return;
    };
    let target = connect(&testbed, KubeOptions::default()).await;
    let namespace = testbed.namespace("busy").await;
    let api = "flowcontrol.apiserver.k8s.io/v1";
    let level = json!({
        "apiVersion": api, "kind": "PriorityLevelConfiguration", "metadata": {"name": "closed"},
        "spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        }},
    });
    let flow = json!({
        "apiVersion": api, "kind": "FlowSchema", "metadata": {"name": "closed"},
        "spec": {
            "priorityLevelConfiguration": {"name": "closed"}, "matchingPrecedence": 2,
            "rules": [{
                "subjects": [{"kind": "User", "user": {"name": "hasty"}}],
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                    "namespaces": ["*"], "clusterScope": true}],
            }],
        },
    });
    let grant = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "hasty", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "hasty"}],
    });
    for object in [grant, level, flow] {
        let object = Object::try_from(object).unwrap();
        target.apply(&object, &manager()).await.unwrap();
    }
    let hasty = testbed.user("hasty", &[]).unwrap().kubeconfig();
    let user = async |options: KubeOptions| {
        let config = kubeconfig(&hasty, None, Commands::Refuse).await.unwrap();
        let user = KubeTarget::connect(config, options).unwrap();
        user.discover().await.unwrap();
        user
    };
    let mut impatient = KubeOptions::default();
    impatient.retry.attempts = 1;
    let impatient = user(impatient).await;
    let key = ObjectKey::new("", "ConfigMap", &*namespace, "late");
    testbed::eventually("the level is in force", || async {
        let answers = join_all((0..32).map(|_| impatient.get(&key))).await;
        let refused = |answer: &Result<_, TargetError>| {
            matches!(answer, Err(TargetError::Unavailable { reason, .. }) if reason.contains("oo many requests"))
        };
        if answers.iter().any(refused) {
            Ok(())
        } else {
            Err(format!("{answers:?}"))
        }
    })
    .await;
    let mut patient = KubeOptions::default();
    patient.retry.attempts = u32::MAX;
    patient.retry.time = Duration::from_secs(120);
    let patient = user(patient).await;
    let options = manager();
    let names: Vec<String> = (0..32).map(|number| format!("late-{number}")).collect();
    let wanted: Vec<Object> = names.iter().map(|n| map(&namespace, n, "1")).collect();
    let applied = join_all(wanted.iter().map(|one| patient.apply(one, &options))).await;
    for applied in applied {
        assert_eq!(applied.unwrap().effect, Effect::Created);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_kinds_that_nobody_manages_metadata_is_read() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let options = KubeOptions::default().with_content(|_| gitops_kube::Content::Metadata);
    let target = connect(testbed, options).await;
    let namespace = testbed.namespace("metadata").await;
    let before = map(&namespace, "before", "1");
    target.apply(&before, &manager()).await.unwrap();
    let scope = maps_of(&namespace);
    let snapshot = target.snapshot(&scope).await.unwrap();
    let read = |object: &Object| (object.get("data").is_some(), object.uid().is_empty());
    let known = snapshot.objects.iter().find(|o| o.key() == before.key());
    assert_eq!(known.map(read), Some((false, false)), "{known:?}");
    let mut watch = target.watch(&scope, &snapshot.version).await.unwrap();
    let after = map(&namespace, "after", "1");
    target.apply(&after, &manager()).await.unwrap();
    let event = event_of(&mut watch, &after.key()).await;
    let WatchEvent::Applied(object) = event else {
        panic!("{event:?}");
    };
    assert_eq!(read(&object), (false, false), "{object:?}");
    let whole = target.get(&after.key()).await.unwrap();
    assert!(whole.is_some_and(|object| object.get("data").is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_secret_leads_to_its_cluster() {
    let Some(testbed) = Testbed::shared().await else {
        return;
    };
    let admin = match testbed.admin() {
        Ok(admin) => admin,
        #[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
        Err(error) => {
            println!("skipped: the cluster gives no certificate to log in with: {error}");
            return;
        }
    };
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    // With a certificate in the Secret, with one that a command prints, with the token of a service account.
    let folder = tempfile::tempdir().unwrap();
    let printed = folder.path().join("credential.json");
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"clientCertificateData": admin.client.certificate, "clientKeyData": admin.client.key},
    });
    std::fs::write(&printed, credential.to_string()).unwrap();
    let authority = encode(&admin.authority);
    let token = token_of(testbed, "cluster-secret").await;
    for (config, commands) in [
        (
            json!({"tlsClientConfig": {
                "caData": authority, "certData": encode(&admin.client.certificate), "keyData": encode(&admin.client.key),
            }}),
            Commands::Refuse,
        ),
        (
            json!({
                "execProviderConfig": {"command": "cat", "args": [printed],
                    "apiVersion": "client.authentication.k8s.io/v1"},
                "tlsClientConfig": {"caData": authority},
            }),
            Commands::Allow,
        ),
        (
            json!({"bearerToken": token, "tlsClientConfig": {"caData": authority}}),
            Commands::Refuse,
        ),
    ] {
        let secret = Object::try_from(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "here", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "stringData": {"name": "here", "server": admin.server, "namespaces": "default", "config": config.to_string()},
        }))
        .unwrap();
        let cluster = ClusterSecret::parse(&secret).unwrap();
        let options = cluster.options(KubeOptions::default());
        let config = cluster.config(commands).await.unwrap();
        let target = KubeTarget::connect(config, options).unwrap();
        let snapshot = target.snapshot(&Scope::all()).await.unwrap();
        let namespaces: Vec<&str> = snapshot.objects.iter().map(Object::namespace).collect();
        assert!(namespaces.contains(&"default"), "{namespaces:?}");
        assert!(
            namespaces.iter().all(|namespace| *namespace == "default"),
            "{namespaces:?}"
        );
    }
    // Without its authority the server is not trusted, and with another name it is not the one that is meant.
    let stranger = Object::try_from(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "here", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"server": admin.server, "config": json!({
            "tlsClientConfig": {"caData": authority, "serverName": "elsewhere.example.com"},
        }).to_string()},
    }))
    .unwrap();
    let config = ClusterSecret::parse(&stranger)
        .unwrap()
        .config(Commands::Refuse)
        .await
        .unwrap();
    let mut options = KubeOptions::default();
    options.retry.attempts = 2;
    let error = KubeTarget::connect(config, options)
        .unwrap()
        .discover()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
