//! Syncs step by step, beyond the recorded cases. What is expected was told by the sync engine of Argo CD 3.6.

use gitops_manifest::Value;
use serde_json::{Value as Json, json};

use crate::conformance::scenarios::Play;

const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const FINALIZERS: [&str; 1] = [gitops_core::sync::HOOK_FINALIZER];

fn object(kind: &str, name: &str, annotations: &Json) -> Json {
    let api = match kind {
        "Job" => "batch/v1",
        "Widget" => "example.com/v1",
        "ClusterRole" => "rbac.authorization.k8s.io/v1",
        _ => "v1",
    };
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "annotations": annotations}})
}

fn hook(name: &str, phases: &str) -> Json {
    object("Job", name, &json!({"argocd.argoproj.io/hook": phases}))
}

fn hook_until(name: &str, phases: &str, policy: &str) -> Json {
    let annotations =
        json!({"argocd.argoproj.io/hook": phases, "argocd.argoproj.io/hook-delete-policy": policy});
    object("Job", name, &annotations)
}

fn in_wave(kind: &str, name: &str, wave: &str) -> Json {
    object(kind, name, &json!({"argocd.argoproj.io/sync-wave": wave}))
}

fn plain(kind: &str, name: &str) -> Json {
    object(kind, name, &json!({}))
}

/// A hook of an earlier sync that was not let go.
fn held(mut hook: Json) -> Json {
    hook["metadata"]["finalizers"] = json!(FINALIZERS);
    hook
}

/// Takes a sync of `targets` step by step; each step is what happens before, and what is done and said. What is only tried
/// out is left aside.
fn plays(options: &Json, targets: &[Json], cluster: &[Json], steps: &[(Json, &[&str])]) {
    let case = json!({
        "namespace": "app", "revision": "0123456789abcdef", "startedAt": "2024-01-02T03:04:05Z",
        "options": options, "targets": targets, "cluster": cluster,
    });
    let mut play = Play::new(Value::from(case));
    for (i, (given, expected)) in steps.iter().enumerate() {
        let mut found = play.step(&Value::from(given.clone()));
        found.retain(|line| !line.contains("dryRun"));
        assert_eq!(found, *expected, "step {i}");
    }
}

fn health(of: &[(&str, &str)]) -> Json {
    let of = of
        .iter()
        .map(|(job, status)| (format!("batch/Job/app/{job}"), json!({"status": status})));
    Json::Object(of.collect())
}

#[test]
fn a_callback_that_fails_stops_the_hooks_of_its_wave() {
    let later = object(
        "Job",
        "later",
        &json!({"argocd.argoproj.io/hook": "PreSync", "argocd.argoproj.io/sync-wave": "1"}),
    );
    let hooks = [hook_until("pre", "PreSync", "HookFailed"), later];
    plays(
        &json!({}),
        &hooks,
        &[],
        &[(
            json!({"waveHookFails": "broken"}),
            &[
                "apply pre",
                "wave-done PreSync 0",
                "remove-finalizer pre",
                "delete-hook pre foreground",
                "= Error: SyncWaveHook failed: broken",
                "- pre PreSync Synced Failed: Terminated",
            ],
        )],
    );
}

#[test]
fn hooks_are_deleted_as_pruned_objects_are() {
    plays(
        &json!({"prunePropagationPolicy": "background"}),
        &[hook("pre", "PreSync")],
        &[hook("pre", "PreSync")],
        &[(
            json!({}),
            &[
                "delete-hook pre background",
                "wave-done PreSync 0 final",
                "= Running: waiting for deletion of hook batch/Job/pre",
            ],
        )],
    );
}

#[test]
fn what_is_stopped_is_stopped_by_how_far_it_has_come() {
    plays(
        &json!({}),
        &[
            hook("gone", "PreSync"),
            hook("running", "PreSync"),
            hook("broken", "PreSync"),
            hook("post", "PostSync"),
        ],
        &[held(hook("post", "PostSync"))],
        &[
            (
                json!({}),
                &[
                    "apply broken",
                    "apply gone",
                    "apply running",
                    "wave-done PreSync 0",
                    "= Running: waiting for completion of hook batch/Job/broken and 2 more hooks",
                    "- broken PreSync Synced Running: job/broken apply",
                    "- gone PreSync Synced Running: job/gone apply",
                    "- running PreSync Synced Running: job/running apply",
                ],
            ),
            (
                json!({
                    "terminate": true, "remove": ["batch/Job/app/gone"],
                    "health": health(&[("running", "Progressing"), ("broken", "Degraded")]),
                }),
                &[
                    "remove-finalizer broken",
                    "remove-finalizer running",
                    "delete-hook running foreground",
                    "= Failed: Operation terminated",
                    "- broken PreSync Synced Failed: job/broken apply",
                    "- gone PreSync Synced Succeeded: Terminated",
                    "- running PreSync Synced Failed: Terminated",
                ],
            ),
        ],
    );
}

#[test]
fn what_cannot_be_stopped_is_told() {
    let running = health(&[("a", "Progressing"), ("b", "Progressing")]);
    plays(
        &json!({}),
        &[hook("a", "PreSync"), hook("b", "PreSync")],
        &[],
        &[
            (
                json!({}),
                &[
                    "apply a",
                    "apply b",
                    "wave-done PreSync 0 final",
                    "= Running: waiting for completion of hook batch/Job/a and 1 more hooks",
                    "- a PreSync Synced Running: job/a apply",
                    "- b PreSync Synced Running: job/b apply",
                ],
            ),
            (
                json!({
                    "terminate": true, "health": running,
                    "fail": {"delete-hook batch/Job/app/a": "refused", "remove-finalizer batch/Job/app/b": "refused"},
                }),
                &[
                    "remove-finalizer a",
                    "delete-hook a foreground refused",
                    "remove-finalizer b refused",
                    "= Error: Operation termination had errors",
                    "- a PreSync Synced Failed: Failed to delete: failed to delete resource: refused",
                    "- b PreSync Synced Error: Failed to remove hook finalizer: failed to update resource: failed to update resource: refused",
                ],
            ),
        ],
    );
}

#[test]
fn hooks_for_failures_run_beside_those_that_still_run() {
    plays(
        &json!({}),
        &[
            hook("mid", "Sync"),
            plain("Widget", "w"),
            hook("oops", "SyncFail"),
        ],
        &[],
        &[
            (
                json!({"fail": {"apply example.com/Widget/app/w": "refused"}}),
                &[
                    "apply mid",
                    "apply w refused",
                    "apply oops",
                    "= Running: waiting for completion of hook batch/Job/mid and 1 more hooks",
                    "- mid Sync Synced Running: job/mid apply",
                    "- oops SyncFail Synced Running: job/oops apply",
                    "- w Sync SyncFailed Failed: refused",
                ],
            ),
            (
                json!({"health": health(&[("mid", "Progressing"), ("oops", "Healthy")])}),
                &[
                    "= Running: waiting for completion of hook batch/Job/mid",
                    "- mid Sync Synced Running: job/mid apply",
                    "- oops SyncFail Synced Succeeded: job/oops apply",
                    "- w Sync SyncFailed Failed: refused",
                ],
            ),
            (
                json!({"health": health(&[("mid", "Healthy")])}),
                &[
                    "remove-finalizer mid",
                    "remove-finalizer oops",
                    "= Failed: one or more synchronization tasks completed unsuccessfully, reason: refused",
                    "- mid Sync Synced Succeeded: job/mid apply",
                    "- oops SyncFail Synced Succeeded: job/oops apply",
                    "- w Sync SyncFailed Failed: refused",
                ],
            ),
        ],
    );
}

#[test]
fn hooks_that_go_with_a_failure_go_before_those_for_failures_run() {
    plays(
        &json!({}),
        &[
            hook_until("pre", "PreSync", "HookFailed"),
            hook("oops", "SyncFail"),
        ],
        &[],
        &[
            (
                json!({}),
                &[
                    "apply pre",
                    "wave-done PreSync 0 final",
                    "= Running: waiting for completion of hook batch/Job/pre",
                    "- pre PreSync Synced Running: job/pre apply",
                ],
            ),
            (
                json!({"health": health(&[("pre", "Degraded")])}),
                &[
                    "remove-finalizer pre",
                    "delete-hook pre foreground",
                    "apply oops",
                    "= Running: waiting for completion of hook batch/Job/oops",
                    "- oops SyncFail Synced Running: job/oops apply",
                    "- pre PreSync Synced Failed: job/pre apply",
                ],
            ),
        ],
    );
}

#[test]
fn an_old_hook_that_cannot_be_let_go_stops_its_wave() {
    plays(
        &json!({}),
        &[hook("pre", "PreSync"), hook("pre2", "PreSync")],
        &[held(hook("pre", "PreSync"))],
        &[(
            json!({"fail": {"remove-finalizer batch/Job/app/pre": "refused"}}),
            &[
                "remove-finalizer pre refused",
                "= Failed: one or more objects failed to apply",
                "- pre PreSync  Error: failed to remove hook finalizer: failed to update resource: failed to update resource: refused",
            ],
        )],
    );
}

#[test]
fn a_hook_of_two_names_for_one_phase_runs_once() {
    let both = object(
        "Job",
        "pre",
        &json!({"helm.sh/hook": "pre-install,pre-upgrade"}),
    );
    plays(
        &json!({}),
        &[both],
        &[],
        &[(
            json!({}),
            &[
                "apply pre",
                "wave-done PreSync 0 final",
                "= Running: waiting for completion of hook batch/Job/pre",
                "- pre PreSync Synced Running: job/pre apply",
            ],
        )],
    );
}

#[test]
fn what_is_marked_to_be_skipped_is_not_pruned() {
    let kept = object(
        "ConfigMap",
        "kept",
        &json!({"argocd.argoproj.io/hook": "Skip"}),
    );
    plays(
        &json!({"prune": true}),
        &[],
        &[kept],
        &[(
            json!({}),
            &["= Succeeded: successfully synced (no more tasks)"],
        )],
    );
}

#[test]
fn the_destination_namespace_comes_first_whoever_brings_it() {
    plays(
        &json!({}),
        &[
            plain("ClusterRole", "r"),
            in_wave("ConfigMap", "cm", "1"),
            in_wave("Namespace", "app", "3"),
        ],
        &[],
        &[
            (
                json!({}),
                &[
                    "apply app",
                    "= Running: waiting for healthy state of /Namespace/app",
                    "- app Sync Synced Running: namespace/app apply",
                ],
            ),
            (
                json!({}),
                &[
                    "apply r",
                    "wave-done Sync 0",
                    "= Running: waiting for healthy state of rbac.authorization.k8s.io/ClusterRole/r",
                    "- app Sync Synced Succeeded: namespace/app apply",
                    "- r Sync Synced Running: clusterrole/r apply",
                ],
            ),
        ],
    );
}

#[test]
fn what_is_updated_in_place_is_never_made_anew() {
    plays(
        &json!({"replace": true, "force": true}),
        &[plain("Namespace", "app"), plain("ConfigMap", "cm")],
        &[plain("Namespace", "app"), plain("ConfigMap", "cm")],
        &[(
            json!({}),
            &[
                "update app",
                "replace cm force",
                "wave-done Sync 0 final",
                "= Succeeded: successfully synced (all tasks run)",
                "- cm Sync Synced Running: configmap/cm replace",
                "- app Sync Synced Running: Namespace/app updated",
            ],
        )],
    );
}

#[test]
fn a_hook_that_is_missing_by_its_health_is_done() {
    plays(
        &json!({}),
        &[hook("pre", "PreSync"), plain("ConfigMap", "cm")],
        &[],
        &[
            (
                json!({}),
                &[
                    "apply pre",
                    "wave-done PreSync 0",
                    "= Running: waiting for completion of hook batch/Job/pre",
                    "- pre PreSync Synced Running: job/pre apply",
                ],
            ),
            (
                json!({"health": health(&[("pre", "Missing")])}),
                &[
                    "remove-finalizer pre",
                    "apply cm",
                    "wave-done Sync 0 final",
                    "= Succeeded: successfully synced (all tasks run)",
                    "- cm Sync Synced Running: configmap/cm apply",
                    "- pre PreSync Synced Succeeded: pre created",
                ],
            ),
        ],
    );
}

#[test]
fn a_hook_that_another_phase_made_does_not_count_as_run() {
    let step: &[&str] = &[
        "= Running: waiting for completion of hook batch/Job/both",
        "- both SyncFail Synced Running: job/both apply",
        "- x Sync  Error: failed to delete resource: failed to delete resource: refused",
    ];
    let mut first = vec!["delete-hook x foreground refused", "apply both"];
    first.extend(step);
    plays(
        &json!({}),
        &[
            hook_until("both", "Sync,SyncFail", "BeforeHookCreation"),
            hook("x", "Sync"),
        ],
        &[hook("x", "Sync")],
        &[
            (
                json!({"fail": {"delete-hook batch/Job/app/x": "refused"}}),
                &first,
            ),
            (json!({}), step),
        ],
    );
}

#[test]
fn a_namespace_that_is_only_tried_out_is_told_of_like_the_rest() {
    plays(
        &json!({"createNamespace": true, "dryRun": true}),
        &[plain("ConfigMap", "cm")],
        &[],
        &[(
            json!({}),
            &[
                "= Succeeded: successfully synced (no more tasks)",
                "- cm Sync Synced Succeeded: configmap/cm apply",
                "- app PreSync Synced Succeeded: namespace/app apply",
            ],
        )],
    );
}

#[test]
fn a_kind_that_nobody_knows_needs_leave_to_be_tried_later() {
    let gadget = |options: &str| {
        let annotations = match options {
            "" => json!({}),
            options => json!({OPTIONS: options}),
        };
        let mut object = object("Widget", "g", &annotations);
        object["kind"] = json!("Gadget");
        object
    };
    let unknown = "Gadget.example.com \"\" not found";
    plays(
        &json!({}),
        &[gadget(""), plain("ConfigMap", "cm")],
        &[],
        &[(
            json!({}),
            &[
                &format!("= Failed: one or more synchronization tasks are not valid: {unknown}"),
                &format!("- g Sync SyncFailed : {unknown}"),
            ],
        )],
    );
    for (options, leave) in [
        (json!({}), "SkipDryRunOnMissingResource=true"),
        (json!({"skipDryRunOnMissingResource": true}), ""),
    ] {
        plays(
            &options,
            &[gadget(leave)],
            &[],
            &[(
                json!({}),
                &[
                    "apply g",
                    "wave-done Sync 0 final",
                    "= Succeeded: successfully synced (all tasks run)",
                    "- g Sync Synced Running: gadget/g apply",
                ],
            )],
        );
    }
}
