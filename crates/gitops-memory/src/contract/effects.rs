//! What writes expect, and what they say they did.

use gitops_core::{ApplyMode, ApplyOptions, Effect, Precondition, TargetError};
use gitops_manifest::{Object, Value};
use serde_json::json;

use super::{Cluster, Outcome, ensure, options, refused};

const MODES: [ApplyMode; 4] = [
    ApplyMode::ServerSide,
    ApplyMode::ClientSide,
    ApplyMode::Replace,
    ApplyMode::Create,
];

fn named(prefix: &str, mode: ApplyMode) -> String {
    format!("{prefix}-{mode:?}").to_lowercase()
}

fn is_changed(error: &TargetError) -> bool {
    matches!(error, TargetError::Changed { .. })
}

pub(super) async fn an_object_that_must_be_absent_is_made_or_left(
    cluster: &Cluster<'_>,
) -> Outcome {
    for mode in MODES {
        let name = named("absent", mode);
        let absent = options()
            .with_mode(mode)
            .with_precondition(Precondition::Absent);
        let one = cluster.map(&name, &json!({"x": "1"}));
        for dry_run in [true, false] {
            let made = cluster
                .apply_with(&one, &absent.clone().with_dry_run(dry_run))
                .await?;
            ensure(made.effect == Effect::Created, || {
                format!("{mode:?}, dry run {dry_run}: {:?}", made.effect)
            })?;
        }
        let two = cluster.map(&name, &json!({"x": "2"}));
        for dry_run in [true, false] {
            let again = absent.clone().with_dry_run(dry_run);
            refused(
                cluster.target.apply(&two, &again).await,
                &format!("a second {mode:?}, dry run {dry_run}"),
                is_changed,
            )?;
        }
    }
    Ok(())
}

pub(super) async fn a_dry_run_tells_what_the_write_will_do(cluster: &Cluster<'_>) -> Outcome {
    for mode in [
        ApplyMode::ServerSide,
        ApplyMode::ClientSide,
        ApplyMode::Replace,
    ] {
        let name = named("foretold", mode);
        for (x, wanted) in [
            ("1", Effect::Created),
            ("1", Effect::Unchanged),
            ("2", Effect::Configured),
            ("2", Effect::Unchanged),
        ] {
            let object = cluster.map(&name, &json!({"x": x}));
            for dry_run in [true, false] {
                let options = options().with_mode(mode).with_dry_run(dry_run);
                let applied = cluster.apply_with(&object, &options).await?;
                ensure(applied.effect == wanted, || {
                    format!(
                        "{mode:?} of {x}, dry run {dry_run}: {:?}, not {wanted:?}",
                        applied.effect
                    )
                })?;
            }
        }
    }
    Ok(())
}

pub(super) async fn what_an_object_says_of_itself_is_expected(cluster: &Cluster<'_>) -> Outcome {
    for mode in [
        ApplyMode::ServerSide,
        ApplyMode::ClientSide,
        ApplyMode::Replace,
    ] {
        let name = named("stated", mode);
        let options = options().with_mode(mode);
        let map = |x: &str| cluster.map(&name, &json!({"x": x}));
        let first = cluster.apply_with(&map("1"), &options).await?.object;
        let stating = |x: &str, live: &Object| {
            let mut map = map(x);
            map.metadata_mut()
                .insert("resourceVersion", live.resource_version());
            map.metadata_mut().insert("uid", live.uid());
            map
        };
        let second = cluster
            .apply_with(&stating("2", &first), &options)
            .await?
            .object;
        ensure(second.uid() == first.uid(), || {
            format!("{mode:?} made another object")
        })?;
        let what = format!("{mode:?} of a stale version");
        let stale = cluster.target.apply(&stating("3", &first), &options).await;
        refused(stale, &what, is_changed)?;
        let mut other = map("3");
        other
            .metadata_mut()
            .insert("uid", "00000000-0000-4000-8000-000000000000");
        let what = format!("{mode:?} of another uid");
        let other = cluster.target.apply(&other, &options).await;
        refused(other, &what, is_changed)?;
    }
    Ok(())
}

pub(super) async fn server_side_apply_takes_over_from_client_side_apply(
    cluster: &Cluster<'_>,
) -> Outcome {
    for (name, manager) in [
        ("taken-over", "kubectl-client-side-apply"),
        // Whoever it was: the annotation tells.
        ("taken-over-from-others", "somebody"),
        ("taken-over-from-itself", super::MANAGER),
    ] {
        let client = ApplyOptions::server_side(manager).with_mode(ApplyMode::ClientSide);
        let both = cluster.map(name, &json!({"kept": "1", "gone": "1"}));
        cluster.apply_with(&both, &client).await?;
        // Without force: nobody else owns anything.
        let kept = cluster.map(name, &json!({"kept": "2"}));
        let after = cluster.apply(&kept).await?.object;
        let data = after.get("data").map(Value::to_json);
        ensure(data.as_deref() == Some(r#"{"kept":"2"}"#), || {
            format!("what is no longer named stays after {manager}: {data:?}")
        })?;
        let managers: Vec<&str> = after
            .meta("managedFields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["manager"].as_str())
            .collect();
        ensure(managers == [super::MANAGER], || {
            format!("the managers after {manager} are {managers:?}")
        })?;
        let again = cluster.apply(&kept).await?;
        ensure(again.effect == Effect::Unchanged, || {
            format!("the same again is {:?}", again.effect)
        })?;
    }
    Ok(())
}

pub(super) async fn what_has_no_name_or_place_is_refused(cluster: &Cluster<'_>) -> Outcome {
    let invalid = |error: &TargetError| matches!(error, TargetError::Invalid { .. });
    for mode in MODES {
        let options = options().with_mode(mode);
        let mut nowhere = cluster.map("nowhere", &json!({}));
        nowhere.metadata_mut().remove("namespace");
        let answer = cluster.target.apply(&nowhere, &options).await;
        refused(answer, &format!("{mode:?} without a namespace"), invalid)?;
        let mut nameless = cluster.map("nameless", &json!({}));
        nameless.metadata_mut().remove("name");
        let answer = cluster.target.apply(&nameless, &options).await;
        refused(answer, &format!("{mode:?} without a name"), invalid)?;
    }
    let mut generated = cluster.map("generated", &json!({}));
    generated.metadata_mut().remove("name");
    generated.metadata_mut().insert("generateName", "made-");
    let create = options().with_mode(ApplyMode::Create);
    let made = cluster.apply_with(&generated, &create).await?.object;
    ensure(
        made.name().starts_with("made-") && made.name().len() == "made-".len() + 5,
        || format!("the name is {:?}", made.name()),
    )
}
