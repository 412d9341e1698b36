//! The actions of each kind.

use gitops_manifest::{Object, Value};

use super::ActionError;
use super::effect::Change::{AskedAt, Bool, Now, Release, Remove, Text};
use super::effect::Effect::{Changes, Code, Create};
use super::effect::{Params, set};
use super::offer::When::{Holds, Is, IsNot, Lacks};
use super::offer::{ActionRule, When, action};
use super::{create, numa};
use crate::{time, view};

/// Returns the actions of a kind.
pub(super) fn find(group: &str, kind: &str) -> &'static [ActionRule] {
    TABLE
        .iter()
        .find(|(g, kinds, _)| *g == group && kinds.contains(&kind))
        .map_or(&[], |(_, _, rules)| rules)
}

type Kinds = (&'static str, &'static [&'static str], &'static [ActionRule]);

const SUSPEND: &[&str] = &["spec", "suspend"];
const PAUSED: &[&str] = &["spec", "paused"];

const RESTART: ActionRule = action(
    "restart",
    Changes(&[Now(&[
        "spec",
        "template",
        "metadata",
        "annotations",
        "kubectl.kubernetes.io/restartedAt",
    ])]),
)
.icon("fa fa-fw fa-redo");

const SCALE: ActionRule = action("scale", Code(scale))
    .icon("fa fa-fw fa-plus-circle")
    .params(&[("replicas", "")]);

static TABLE: &[Kinds] = &[
    ("apps", &["DaemonSet"], &[RESTART]),
    (
        "apps",
        &["Deployment"],
        &[
            RESTART,
            action("pause", Changes(&[Bool(PAUSED, true)]))
                .icon("fa fa-fw fa-pause-circle")
                .disabled(Holds(PAUSED)),
            action("resume", Changes(&[Remove(PAUSED)]))
                .icon("fa fa-fw fa-play-circle")
                .disabled(Lacks(PAUSED)),
            SCALE,
        ],
    ),
    ("apps", &["StatefulSet"], &[RESTART, SCALE]),
    (
        "argoproj.io",
        &["AnalysisRun"],
        &[
            action("terminate", Changes(&[Bool(&["spec", "terminate"], true)]))
                .disabled(When::Code(is_through)),
        ],
    ),
    (
        "argoproj.io",
        &["Application"],
        &[action("toggle-auto-sync", Code(toggle_sync))],
    ),
    (
        "argoproj.io",
        &["CronWorkflow"],
        &[create_workflow(create::cron_workflow)],
    ),
    ("argoproj.io", &["Rollout"], ROLLOUT),
    (
        "argoproj.io",
        &["WorkflowTemplate"],
        &[create_workflow(create::workflow_template)],
    ),
    (
        "batch",
        &["CronJob"],
        &[
            action("create-job", Create(create::job))
                .icon("fa fa-fw fa-plus")
                .named("Create Job"),
            action("resume", Changes(&[Release(SUSPEND)]))
                .icon("fa fa-fw fa-play")
                .offered(Holds(SUSPEND)),
            action("suspend", Changes(&[Bool(SUSPEND, true)]))
                .icon("fa fa-fw fa-pause")
                .offered(Lacks(SUSPEND)),
        ],
    ),
    (
        "batch",
        &["Job"],
        &[
            action("resume", Changes(&[Release(SUSPEND)]))
                .icon("fa fa-fw fa-play")
                .offered(When::Code(|job| {
                    !has_ended(job) && view::is_truthy(job.at(SUSPEND))
                })),
            action("suspend", Changes(&[Bool(SUSPEND, true)]))
                .icon("fa fa-fw fa-pause")
                .offered(When::Code(|job| {
                    !has_ended(job) && !view::is_truthy(job.at(SUSPEND))
                })),
            action("terminate", Code(terminate_job))
                .icon("fa fa-fw fa-stop")
                .offered(When::Code(|job| {
                    !has_ended(job) && view::at(job, &["status"]).is_some()
                })),
        ],
    ),
    (
        "capsule.clastix.io",
        &["GlobalTenantResource", "TenantResource"],
        &[CORDON, UNCORDON, CAPSULE_RECONCILE],
    ),
    ("capsule.clastix.io", &["Tenant"], &[CORDON, UNCORDON]),
    (
        "core.strimzi.io",
        &["StrimziPodSet"],
        &[action("rolling-update", Changes(&[Text(ROLLING, "true")]))
            .disabled(Is(ROLLING, "true"))],
    ),
    (
        "external-secrets.io",
        &["ExternalSecret"],
        &[action("refresh", FORCE_SYNC).disabled(When::Code(|secret| {
            never_refreshes(secret)
                && view::text_or_empty(secret, &["spec", "refreshPolicy"]) != "OnChange"
        }))],
    ),
    (
        "external-secrets.io",
        &["PushSecret"],
        &[action("push", FORCE_SYNC).disabled(When::Code(never_refreshes))],
    ),
    ("helm.toolkit.fluxcd.io", &["HelmRelease"], FLUX),
    (
        "image.toolkit.fluxcd.io",
        &["ImageRepository", "ImageUpdateAutomation"],
        FLUX,
    ),
    ("kustomize.toolkit.fluxcd.io", &["Kustomization"], FLUX),
    (
        "notification.toolkit.fluxcd.io",
        &["Alert", "Provider"],
        &[FLUX_RESUME, FLUX_SUSPEND],
    ),
    ("notification.toolkit.fluxcd.io", &["Receiver"], FLUX),
    (
        "source.toolkit.fluxcd.io",
        &[
            "Bucket",
            "GitRepository",
            "HelmChart",
            "HelmRepository",
            "OCIRepository",
        ],
        FLUX,
    ),
    (
        "k8s.mariadb.com",
        &["MariaDB"],
        &[
            action("resume", Changes(&[Release(SUSPEND)]))
                .icon("fa fa-fw fa-play")
                .named("Resume")
                .offered(Holds(SUSPEND)),
            action("suspend", Changes(&[Bool(SUSPEND, true)]))
                .icon("fa fa-fw fa-pause")
                .named("Suspend")
                .offered(Lacks(SUSPEND)),
        ],
    ),
    (
        "keda.sh",
        &["ScaledJob"],
        &[
            action("pause", Changes(&[Text(KEDA_PAUSED, "true")]))
                .icon("fa fa-fw fa-pause-circle")
                .disabled(Is(KEDA_PAUSED, "true")),
            action("resume", Changes(&[Remove(KEDA_PAUSED)]))
                .icon("fa fa-fw fa-play-circle")
                .disabled(IsNot(KEDA_PAUSED, "true")),
        ],
    ),
    (
        "keda.sh",
        &["ScaledObject"],
        &[
            action("pause", Changes(&[Text(KEDA_PAUSED, "true")]))
                .icon("fa fa-fw fa-pause-circle")
                .disabled(When::Code(keda_is_paused)),
            action("paused-replicas", Code(keda_pause_at))
                .icon("fa fa-fw fa-pause-circle")
                .params(&[("replicas", "@autoscaling.keda.sh/paused-replicas=0")])
                .disabled(Is(KEDA_PAUSED, "true")),
            action(
                "resume",
                Changes(&[Remove(KEDA_PAUSED), Remove(KEDA_REPLICAS)]),
            )
            .icon("fa fa-fw fa-play-circle")
            .disabled(When::Code(|object| !keda_is_paused(object))),
        ],
    ),
    (
        "numaflow.numaproj.io",
        &["InterStepBufferService"],
        numa::BUFFER,
    ),
    ("numaflow.numaproj.io", &["MonoVertex"], numa::MONO_VERTEX),
    ("numaflow.numaproj.io", &["Pipeline"], numa::PIPELINE),
    (
        "numaplane.numaproj.io",
        &["MonoVertexRollout"],
        numa::MONO_VERTEX_ROLLOUT,
    ),
    (
        "numaplane.numaproj.io",
        &["PipelineRollout"],
        numa::PIPELINE_ROLLOUT,
    ),
    ("postgresql.cnpg.io", &["Cluster"], CNPG),
    (
        "promoter.argoproj.io",
        &["PullRequest"],
        &[
            action("merge", Changes(&[Text(&["spec", "state"], "merged")]))
                .icon("fa fa-fw fa-code-merge")
                .named("Merge PR")
                .disabled(IsNot(&["spec", "state"], "open")),
        ],
    ),
    (
        "psmdb.percona.com",
        &["PerconaServerMongoDB"],
        &[
            action("pause", Changes(&[Bool(PAUSE, true)]))
                .icon("fa fa-fw fa-pause-circle")
                .disabled(Holds(PAUSE)),
            action("unpause", Changes(&[Bool(PAUSE, false)]))
                .icon("fa fa-fw fa-play-circle")
                .disabled(Lacks(PAUSE)),
        ],
    ),
];

const PAUSE: &[&str] = &["spec", "pause"];

fn scale(object: &mut Object, params: &Params<'_>) -> Result<(), ActionError> {
    let given = params.get("replicas")?;
    let replicas = view::lua_number(given)
        .and_then(gitops_manifest::Number::from_f64)
        .ok_or_else(|| ActionError::refused(format!("invalid number: {given}")))?;
    set(object, &["spec", "replicas"], Value::Number(replicas));
    Ok(())
}

fn is_through(run: &Object) -> bool {
    view::is_truthy(run.at(&["spec", "terminate"]))
        || matches!(
            view::text_or_empty(run, &["status", "phase"]),
            "Successful" | "Failed" | "Error" | "Inconclusive"
        )
}

const AUTOMATED: &[&str] = &["spec", "syncPolicy", "automated"];

/// Whether an application is synced without being asked.
pub(super) fn syncs_itself(object: &Object) -> bool {
    view::at(object, AUTOMATED).is_some_and(|automated| {
        matches!(
            automated.get("enabled"),
            None | Some(Value::Null | Value::Bool(true))
        )
    })
}

fn toggle_sync(object: &mut Object, _: &Params<'_>) -> Result<(), ActionError> {
    let enabled = !syncs_itself(object);
    set(
        object,
        &["spec", "syncPolicy", "automated", "enabled"],
        Value::from(enabled),
    );
    Ok(())
}

const fn create_workflow(make: fn(&Object, std::time::SystemTime) -> Object) -> ActionRule {
    action("create-workflow", Create(make))
        .icon("fa fa-fw fa-plus")
        .named("Create Workflow")
}

static ROLLOUT: &[ActionRule] = &[
    action("restart", Changes(&[Now(&["spec", "restartAt"])])).named("Restart Pods"),
    action("resume", Code(resume_rollout)).disabled(When::Code(|rollout| !is_paused(rollout))),
    action("abort", Changes(&[Bool(ABORT, true)])).disabled(When::Code(|rollout| {
        is_promoted(rollout) || is_aborted(rollout)
    })),
    action("retry", Changes(&[Remove(ABORT)])).disabled(When::Code(|rollout| {
        is_promoted(rollout) || !is_aborted(rollout)
    })),
    action("pause", Changes(&[Bool(PAUSED, true)])).disabled(When::Code(|rollout| {
        is_promoted(rollout) || is_aborted(rollout) || view::is_truthy(rollout.at(PAUSED))
    })),
    action("promote-full", Code(promote_rollout)).disabled(When::Code(|rollout| {
        is_promoted(rollout)
            || has_old_controller(rollout)
                && view::at(rollout, &["spec", "strategy", "blueGreen"]).is_some()
    })),
    action("skip-current-step", Code(skip_step)).disabled(When::Code(|rollout| {
        let Some(steps) = steps_of(rollout) else {
            return true;
        };
        view::at(rollout, &["status"]).is_none() || step_of(rollout) == Some(steps)
    })),
];

const ABORT: &[&str] = &["status", "abort"];
const PAUSES: &[&str] = &["status", "pauseConditions"];
const STEP: &[&str] = &["status", "currentStepIndex"];

fn is_aborted(rollout: &Object) -> bool {
    view::is_truthy(rollout.at(ABORT))
}

fn is_paused(rollout: &Object) -> bool {
    match view::at(rollout, PAUSES) {
        Some(pauses) => !view::list(Some(pauses)).is_empty(),
        None => view::is_truthy(rollout.at(PAUSED)),
    }
}

/// Whether there is nothing to promote: all pods are of one revision, or nothing is known yet.
fn is_promoted(rollout: &Object) -> bool {
    view::at(rollout, &["status"]).is_none()
        || view::at(rollout, &["status", "currentPodHash"])
            == view::at(rollout, &["status", "stableRS"])
}

/// Before version 1.0 the controller kept a hash where it now keeps a generation.
fn has_old_controller(rollout: &Object) -> bool {
    let generation = view::number(rollout, &["metadata", "generation"]).unwrap_or(0.0);
    view::number_of(rollout.at(&["status", "observedGeneration"]))
        .is_none_or(|observed| observed > generation)
}

fn steps_of(rollout: &Object) -> Option<i64> {
    let steps = view::at(rollout, &["spec", "strategy", "canary", "steps"])?;
    i64::try_from(view::list(Some(steps)).len()).ok()
}

fn step_of(rollout: &Object) -> Option<i64> {
    rollout.at(STEP).and_then(Value::as_i64)
}

/// Takes away what the rollout waits for.
fn release(rollout: &mut Object) {
    if !view::list(rollout.at(PAUSES)).is_empty() {
        super::effect::remove(rollout, PAUSES);
    }
}

fn resume_rollout(rollout: &mut Object, _: &Params<'_>) -> Result<(), ActionError> {
    release(rollout);
    if view::is_truthy(rollout.at(PAUSED)) {
        set(rollout, PAUSED, Value::from(false));
    }
    Ok(())
}

fn promote_rollout(rollout: &mut Object, _: &Params<'_>) -> Result<(), ActionError> {
    if view::at(rollout, &["status"]).is_none() {
        return Ok(());
    }
    if has_old_controller(rollout) {
        super::effect::remove(rollout, ABORT);
        if let Some(steps) = steps_of(rollout) {
            set(rollout, STEP, Value::from(steps));
        }
    } else {
        set(rollout, &["status", "promoteFull"], Value::from(true));
    }
    Ok(())
}

fn skip_step(rollout: &mut Object, _: &Params<'_>) -> Result<(), ActionError> {
    if let (Some(steps), Some(step)) = (steps_of(rollout), step_of(rollout))
        && step < steps
    {
        release(rollout);
        set(rollout, STEP, Value::from(step + 1));
    }
    Ok(())
}

/// Whether a job has ended, or is about to.
fn has_ended(job: &Object) -> bool {
    view::conditions(job).any(|condition| {
        condition.is_true()
            && matches!(
                condition.kind(),
                "Complete" | "Failed" | "FailureTarget" | "SuccessCriteriaMet"
            )
    })
}

fn terminate_job(job: &mut Object, params: &Params<'_>) -> Result<(), ActionError> {
    if view::at(job, &["status"]).is_none() || has_ended(job) {
        return Ok(());
    }
    let mut conditions = view::list(job.at(&["status", "conditions"])).to_vec();
    conditions.push(
        serde_json::json!({
            "lastTransitionTime": time::format(params.now),
            "message": "Job was terminated explicitly through Argo CD",
            "reason": "ManuallyTerminated",
            "status": "True",
            "type": "FailureTarget",
        })
        .into(),
    );
    set(job, &["status", "conditions"], Value::from(conditions));
    Ok(())
}

const CORDONED: &[&str] = &["spec", "cordoned"];
const CORDON: ActionRule = action("cordon", Changes(&[Bool(CORDONED, true)]))
    .icon("fa fa-fw fa-pause")
    .disabled(Holds(CORDONED));
const UNCORDON: ActionRule = action("uncordon", Changes(&[Release(CORDONED)]))
    .icon("fa fa-fw fa-play")
    .disabled(Lacks(CORDONED));
const CAPSULE_RECONCILE: ActionRule = action(
    "reconcile",
    Changes(&[Now(&[
        "metadata",
        "annotations",
        "reconcile.projectcapsule.dev/requestedAt",
    ])]),
)
.icon("fa fa-fw fa-rotate-right")
.disabled(Holds(CORDONED));

const ROLLING: &[&str] = &[
    "metadata",
    "annotations",
    "strimzi.io/manual-rolling-update",
];

const FORCE_SYNC: super::effect::Effect =
    Changes(&[Now(&["metadata", "annotations", "force-sync"])]);

/// Whether an interval of zero, in any unit, says that a secret is read once.
fn never_refreshes(object: &Object) -> bool {
    let interval = match object.at(&["spec", "refreshInterval"]) {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Number(number)) => return number.as_i64() == Some(0),
        _ => return false,
    };
    interval
        .strip_prefix('0')
        .is_some_and(|unit| matches!(unit, "" | "ns" | "us" | "µs" | "ms" | "s" | "m" | "h"))
}

const FLUX_RESUME: ActionRule =
    action("resume", Changes(&[Release(SUSPEND)])).disabled(Lacks(SUSPEND));
const FLUX_SUSPEND: ActionRule =
    action("suspend", Changes(&[Bool(SUSPEND, true)])).disabled(Holds(SUSPEND));

static FLUX: &[ActionRule] = &[
    action(
        "reconcile",
        Changes(&[AskedAt(&[
            "metadata",
            "annotations",
            "reconcile.fluxcd.io/requestedAt",
        ])]),
    )
    .disabled(Holds(SUSPEND)),
    FLUX_RESUME,
    FLUX_SUSPEND,
];

const KEDA_PAUSED: &[&str] = &["metadata", "annotations", "autoscaling.keda.sh/paused"];
const KEDA_REPLICAS: &[&str] = &[
    "metadata",
    "annotations",
    "autoscaling.keda.sh/paused-replicas",
];

fn keda_is_paused(object: &Object) -> bool {
    view::text_or_empty(object, KEDA_PAUSED) == "true" || view::at(object, KEDA_REPLICAS).is_some()
}

fn keda_pause_at(object: &mut Object, params: &Params<'_>) -> Result<(), ActionError> {
    let given = params.get("replicas")?;
    let replicas = view::lua_number(given)
        .filter(|replicas| *replicas >= 0.0)
        .and_then(gitops_manifest::Number::from_f64)
        .ok_or_else(|| ActionError::refused(format!("invalid number: {given} (must be >= 0)")))?;
    set(object, KEDA_REPLICAS, Value::from(replicas.to_string()));
    Ok(())
}

const LOOP: &[&str] = &["metadata", "annotations", "cnpg.io/reconciliationLoop"];
const HIBERNATION: &[&str] = &["metadata", "annotations", "cnpg.io/hibernation"];

static CNPG: &[ActionRule] = &[
    action(
        "restart",
        Changes(&[Now(&[
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/restartedAt",
        ])]),
    )
    .icon("fa fa-fw fa-recycle")
    .named("Rollout restart Cluster"),
    action(
        "reload",
        Changes(&[Now(&["metadata", "annotations", "cnpg.io/reloadedAt"])]),
    )
    .icon("fa fa-fw fa-rotate-right")
    .named("Reload all Configuration"),
    action("promote", Code(promote_instance))
        .icon("fa fa-fw fa-angles-up")
        .named("Promote Replica to Primary")
        .params(&[("instance", "any")])
        .disabled(When::Code(|cluster| healthy_instances(cluster).len() < 2)),
    action("resume", Changes(&[Remove(LOOP)]))
        .icon("fa fa-fw fa-play")
        .named("Resume Reconciliation")
        .offered(Is(LOOP, "disabled")),
    action("suspend", Changes(&[Text(LOOP, "disabled")]))
        .icon("fa fa-fw fa-pause")
        .named("Suspend Reconciliation")
        .offered(IsNot(LOOP, "disabled")),
    action("rehydrate", Changes(&[Text(HIBERNATION, "off")]))
        .icon("fa fa-fw fa-play")
        .named("Rehydrate Cluster")
        .offered(Is(HIBERNATION, "on")),
    action("hibernate", Changes(&[Text(HIBERNATION, "on")]))
        .icon("fa fa-fw fa-pause")
        .named("Hibernate Cluster")
        .offered(IsNot(HIBERNATION, "on")),
];

fn healthy_instances(cluster: &Object) -> Vec<&str> {
    view::list(cluster.at(&["status", "instancesStatus", "healthy"]))
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// Makes another instance the primary one: the next after the present, or the one that is named, by its name
/// or its number.
fn promote_instance(cluster: &mut Object, params: &Params<'_>) -> Result<(), ActionError> {
    let wanted = params.get("instance")?;
    let healthy = healthy_instances(cluster);
    let selected = if wanted == "any" {
        let primary = view::text_or_empty(cluster, &["status", "currentPrimary"]);
        let next = healthy
            .iter()
            .position(|name| *name == primary)
            .map_or(0, |i| i + 1);
        healthy.get(next).or(healthy.first())
    } else {
        let numbered = format!("{}-{wanted}", cluster.name());
        let by_number = view::lua_number(wanted).is_some();
        let name = if by_number { numbered.as_str() } else { wanted };
        healthy.iter().find(|instance| **instance == name)
    };
    let Some(selected) = selected.map(|name| (*name).to_owned()) else {
        return Err(ActionError::refused(format!(
            "Could not find a healthy instance matching the criteria: {wanted}"
        )));
    };
    set(
        cluster,
        &["status", "targetPrimaryTimestamp"],
        Value::from(time::format(params.now)),
    );
    set(
        cluster,
        &["status", "phase"],
        Value::from("Switchover in progress"),
    );
    set(
        cluster,
        &["status", "phaseReason"],
        Value::from(format!("Switching over to {selected}")),
    );
    set(cluster, &["status", "targetPrimary"], Value::from(selected));
    Ok(())
}
