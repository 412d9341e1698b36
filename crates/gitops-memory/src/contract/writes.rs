//! What single writes do.

use gitops_core::{ApplyMode, ApplyOptions, DeleteOptions, Effect, Precondition, TargetError};
use gitops_manifest::{GroupKind, Object, ObjectKey, Value};
use serde_json::json;

use super::{Cluster, Outcome, ensure, object, options, refused};

fn data(object: &Object) -> String {
    object.get("data").map_or_else(String::new, Value::to_json)
}

pub(super) async fn kinds_are_discovered(cluster: &Cluster<'_>) -> Outcome {
    let discovery = cluster.target.discover().await;
    let discovery = discovery.map_err(|error| error.to_string())?;
    let find = |group: &str, kind: &str| discovery.preferred(&GroupKind::new(group, kind));
    for (group, kind, version, namespaced) in [
        ("", "ConfigMap", "v1", true),
        ("", "Namespace", "v1", false),
        ("apps", "Deployment", "v1", true),
        ("autoscaling", "HorizontalPodAutoscaler", "v2", true),
        ("rbac.authorization.k8s.io", "ClusterRole", "v1", false),
    ] {
        let Some(found) = find(group, kind) else {
            return Err(format!("{kind} is not served"));
        };
        ensure(
            found.gvk.version == version && found.namespaced == namespaced,
            || format!("{kind} is served as {found:?}"),
        )?;
    }
    ensure(find("", "Nothing").is_none(), || {
        "kind Nothing is served".to_owned()
    })
}

pub(super) async fn an_object_is_created_once_and_found(cluster: &Cluster<'_>) -> Outcome {
    let wanted = cluster.map("created", &json!({"x": "1"}));
    let made = cluster.apply(&wanted).await?;
    ensure(made.effect == Effect::Created, || {
        format!("the effect is {:?}", made.effect)
    })?;
    let complete = !made.object.uid().is_empty() && !made.object.resource_version().is_empty();
    ensure(complete, || {
        format!("uid or resource version is absent: {:?}", made.object)
    })?;
    let found = cluster.get(&wanted.key()).await?;
    ensure(found.as_ref() == Some(&made.object), || {
        format!("{:?} was made, {found:?} is found", made.object)
    })?;
    let again = options().with_mode(ApplyMode::Create);
    let again = cluster.target.apply(&wanted, &again).await;
    refused(again, "a second creation", |e| {
        matches!(e, TargetError::AlreadyExists { .. })
    })
}

pub(super) async fn what_changes_nothing_keeps_the_resource_version(
    cluster: &Cluster<'_>,
) -> Outcome {
    for (mode, name) in [
        (ApplyMode::ServerSide, "same-ssa"),
        (ApplyMode::ClientSide, "same-csa"),
        (ApplyMode::Replace, "same-replace"),
    ] {
        let options = options().with_mode(mode);
        let first = cluster
            .apply_with(&cluster.map(name, &json!({"x": "1"})), &options)
            .await?;
        let same = cluster
            .apply_with(&cluster.map(name, &json!({"x": "1"})), &options)
            .await?;
        let kept = first.object.resource_version() == same.object.resource_version();
        ensure(kept && same.effect == Effect::Unchanged, || {
            format!("{mode:?} of the same is {:?}", same.effect)
        })?;
        let other = cluster
            .apply_with(&cluster.map(name, &json!({"x": "2"})), &options)
            .await?;
        let moved = first.object.resource_version() != other.object.resource_version();
        let kept = first.object.uid() == other.object.uid();
        ensure(moved && kept && other.effect == Effect::Configured, || {
            format!("{mode:?} of a change is {:?}", other.effect)
        })?;
    }
    Ok(())
}

pub(super) async fn the_generation_counts_changes_of_the_specification(
    cluster: &Cluster<'_>,
) -> Outcome {
    let deployment = |replicas: i64, label: &str| {
        object(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "counted", "namespace": cluster.namespace, "labels": {"l": label}},
            "spec": {
                "replicas": replicas, "paused": true, "selector": {"matchLabels": {"app": "counted"}},
                "template": {
                    "metadata": {"labels": {"app": "counted"}},
                    "spec": {"containers": [{"name": "c", "image": "registry.example.com/c:1"}]},
                },
            },
        }))
    };
    for (replicas, label, wanted) in [(0, "a", 1), (0, "b", 1), (1, "b", 2), (0, "b", 3)] {
        let applied = cluster.apply(&deployment(replicas, label)).await?;
        let generation = applied.object.generation();
        ensure(generation == Some(wanted), || {
            format!("replicas {replicas}, label {label}: generation {generation:?}, not {wanted}")
        })?;
        let defaulted = applied
            .object
            .at(&["spec", "strategy", "type"])
            .and_then(Value::as_str);
        ensure(defaulted == Some("RollingUpdate"), || {
            "nothing was filled in".to_owned()
        })?;
    }
    Ok(())
}

pub(super) async fn a_dry_run_changes_nothing(cluster: &Cluster<'_>) -> Outcome {
    let dry = options().with_dry_run(true);
    let wanted = cluster.map("dry", &json!({"x": "1"}));
    let answer = cluster.apply_with(&wanted, &dry).await?;
    ensure(data(&answer.object) == r#"{"x":"1"}"#, || {
        format!("the answer is {:?}", answer.object)
    })?;
    let found = cluster.get(&wanted.key()).await?;
    ensure(found.is_none(), || "a dry run made an object".to_owned())?;
    let made = cluster.apply(&wanted).await?.object;
    let changed = cluster.map("dry", &json!({"x": "2"}));
    let answer = cluster.apply_with(&changed, &dry).await?;
    ensure(data(&answer.object) == r#"{"x":"2"}"#, || {
        format!("the answer is {:?}", answer.object)
    })?;
    let mut delete = DeleteOptions::default();
    delete.dry_run = true;
    let deleted = cluster.target.delete(&wanted.key(), &delete).await;
    deleted.map_err(|error| format!("a dry run of a deletion: {error}"))?;
    let found = cluster.get(&wanted.key()).await?;
    ensure(found.as_ref() == Some(&made), || {
        format!("a dry run made {found:?} of {made:?}")
    })
}

pub(super) async fn managers_conflict_over_fields(cluster: &Cluster<'_>) -> Outcome {
    let alice = ApplyOptions::server_side("alice");
    let bob = ApplyOptions::server_side("bob");
    cluster
        .apply_with(&cluster.map("owned", &json!({"color": "red"})), &alice)
        .await?;
    let blue = cluster.map("owned", &json!({"color": "blue"}));
    let answer = cluster.target.apply(&blue, &bob).await;
    let Err(TargetError::Conflict { conflicts, .. }) = &answer else {
        return Err(format!("a conflict was expected: {answer:?}"));
    };
    let named = conflicts.len() == 1
        && conflicts[0].manager == "alice"
        && conflicts[0].field == ".data.color";
    ensure(named, || format!("the conflicts are {conflicts:?}"))?;
    let taken = cluster.apply_with(&blue, &bob.with_force(true)).await?;
    ensure(data(&taken.object) == r#"{"color":"blue"}"#, || {
        format!("{:?}", taken.object)
    })
}

pub(super) async fn server_side_apply_removes_what_a_manager_no_longer_names(
    cluster: &Cluster<'_>,
) -> Outcome {
    let alice = ApplyOptions::server_side("alice");
    let bob = ApplyOptions::server_side("bob");
    let first = cluster.map("pruned", &json!({"both": "1", "hers": "1"}));
    cluster.apply_with(&first, &alice).await?;
    cluster
        .apply_with(
            &cluster.map("pruned", &json!({"both": "1", "his": "1"})),
            &bob,
        )
        .await?;
    let bare = cluster.map("pruned", &json!({}));
    let after = cluster.apply_with(&bare, &alice).await?;
    ensure(data(&after.object) == r#"{"both":"1","his":"1"}"#, || {
        data(&after.object)
    })
}

pub(super) async fn client_side_apply_removes_what_it_no_longer_names(
    cluster: &Cluster<'_>,
) -> Outcome {
    let client = options().with_mode(ApplyMode::ClientSide);
    let first = cluster.map("patched", &json!({"kept": "1", "gone": "1"}));
    let first = cluster.apply_with(&first, &client).await?;
    let note = "kubectl.kubernetes.io/last-applied-configuration";
    ensure(first.object.annotation(note).is_some(), || {
        "there is no last-applied annotation".to_owned()
    })?;
    let other = cluster.map("patched", &json!({"other": "1"}));
    cluster
        .apply_with(&other, &ApplyOptions::server_side("other"))
        .await?;
    let after = cluster
        .apply_with(&cluster.map("patched", &json!({"kept": "2"})), &client)
        .await?;
    ensure(data(&after.object) == r#"{"kept":"2","other":"1"}"#, || {
        data(&after.object)
    })
}

pub(super) async fn replace_leaves_nothing_of_before(cluster: &Cluster<'_>) -> Outcome {
    cluster
        .apply(&cluster.map("replaced", &json!({"x": "1", "y": "1"})))
        .await?;
    let replace = options().with_mode(ApplyMode::Replace);
    let after = cluster
        .apply_with(&cluster.map("replaced", &json!({"z": "1"})), &replace)
        .await?;
    ensure(data(&after.object) == r#"{"z":"1"}"#, || {
        data(&after.object)
    })
}

pub(super) async fn preconditions_hold_or_refuse(cluster: &Cluster<'_>) -> Outcome {
    let map = |x: &str| cluster.map("conditional", &json!({"x": x}));
    let key = map("1").key();
    let with = |precondition: Precondition| options().with_precondition(precondition);
    let changed = |error: &TargetError| matches!(error, TargetError::Changed { .. });
    let never = with(Precondition::Uid(
        "00000000-0000-4000-8000-000000000000".into(),
    ));
    refused(
        cluster.target.apply(&map("1"), &never).await,
        "a uid of nothing",
        changed,
    )?;
    let made = cluster
        .apply_with(&map("1"), &with(Precondition::Absent))
        .await?
        .object;
    let seen = Precondition::unchanged(Some(&made));
    cluster.apply_with(&map("2"), &with(seen.clone())).await?;
    for stale in [Precondition::Absent, seen.clone()] {
        let what = format!("{stale:?}");
        refused(
            cluster.target.apply(&map("3"), &with(stale)).await,
            &what,
            changed,
        )?;
    }
    refused(
        cluster.target.apply(&map("3"), &never).await,
        "another uid",
        changed,
    )?;
    cluster
        .apply_with(&map("3"), &with(Precondition::Uid(made.uid().into())))
        .await?;
    let stale = DeleteOptions::default().with_precondition(seen);
    refused(
        cluster.target.delete(&key, &stale).await,
        "a stale deletion",
        changed,
    )?;
    let live = cluster.get(&key).await?;
    let exact = DeleteOptions::default().with_precondition(Precondition::unchanged(live.as_ref()));
    let deleted = cluster.target.delete(&key, &exact).await;
    deleted.map_err(|error| format!("a deletion of what was seen: {error}"))?;
    cluster.until_gone(&key).await
}

pub(super) async fn what_is_not_there_is_told_apart(cluster: &Cluster<'_>) -> Outcome {
    let mut elsewhere = cluster.map("lost", &json!({}));
    elsewhere.set_namespace("contract-no-such-namespace");
    let answer = cluster.target.apply(&elsewhere, &options()).await;
    refused(answer, "no namespace", |e| {
        matches!(e, TargetError::NoNamespace { .. })
    })?;
    let unknown = object(json!({
        "apiVersion": "contract.example.com/v1", "kind": "Nothing",
        "metadata": {"name": "n", "namespace": cluster.namespace},
    }));
    let answer = cluster.target.apply(&unknown, &options()).await;
    refused(answer, "no kind", |e| {
        matches!(e, TargetError::UnknownKind { .. })
    })?;
    let key = cluster.key("ConfigMap", "contract-no-such-object");
    let found = cluster.get(&key).await?;
    ensure(found.is_none(), || format!("{found:?} was found"))?;
    let answer = cluster.target.delete(&key, &DeleteOptions::default()).await;
    refused(answer, "no object", |e| {
        matches!(e, TargetError::NotFound { .. })
    })?;
    let unknown = ObjectKey::new("contract.example.com", "Nothing", cluster.namespace, "n");
    let answer = cluster.target.get(&unknown).await;
    refused(answer, "no kind", |e| {
        matches!(e, TargetError::UnknownKind { .. })
    })
}

pub(super) async fn what_is_invalid_is_refused(cluster: &Cluster<'_>) -> Outcome {
    let invalid = |error: &TargetError| matches!(error, TargetError::Invalid { .. });
    let answer = cluster
        .target
        .apply(&cluster.map("Not_A_Name", &json!({})), &options())
        .await;
    refused(answer, "a name", invalid)?;
    let mut label = cluster.map("label", &json!({}));
    label.set_label("l", "not valid!");
    refused(
        cluster.target.apply(&label, &options()).await,
        "a label",
        invalid,
    )?;
    let mut typo = cluster.map("typo", &json!({}));
    typo.as_map_mut().insert("dtaa", "x");
    for mode in [
        ApplyMode::ServerSide,
        ApplyMode::ClientSide,
        ApplyMode::Create,
    ] {
        let options = options().with_mode(mode);
        refused(
            cluster.target.apply(&typo, &options).await,
            "an unknown field",
            invalid,
        )?;
    }
    let binding = |role: &str| {
        object(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "bound", "namespace": cluster.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        }))
    };
    cluster.apply(&binding("view")).await?;
    let answer = cluster.target.apply(&binding("edit"), &options()).await;
    refused(answer, "another role", invalid)?;
    let mut sealed = cluster.map("sealed", &json!({"x": "1"}));
    sealed.as_map_mut().insert("immutable", true);
    cluster.apply(&sealed).await?;
    sealed.as_map_mut().entry_object("data").insert("x", "2");
    let answer = cluster.target.apply(&sealed, &options()).await;
    refused(answer, "a change of what is immutable", invalid)
}
