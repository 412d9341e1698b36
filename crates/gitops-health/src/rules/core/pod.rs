//! Pods, as in Argo CD 3.6, with the container at fault and its reason.

use gitops_manifest::{Object, Str};

use super::workload::go_quote;
use crate::rules::typed::{Decoded, Fields, List};
use crate::{HealthStatus, Verdict, time};

use HealthStatus::{Degraded, Healthy, Progressing, Unknown};

/// Has a pod that is no hook treated as long-running, whatever its restart policy.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

pub(super) fn pod(object: &Object) -> Decoded<Verdict> {
    let (spec, status) = (Fields::of(object, "spec")?, Fields::of(object, "status")?);
    let policy = spec.text("restartPolicy")?;
    let containers = status.list("containerStatuses")?;
    let runs_on = policy == "Always"
        || object.annotation(IGNORE_RESTART_POLICY) == Some("true") && !is_hook(object);

    if runs_on && let Some(verdict) = stuck(containers)? {
        return Ok(verdict);
    }

    let message = status.shared("message")?.cloned().unwrap_or_default();
    let reason = status.shared("reason")?.cloned().unwrap_or_default();
    Ok(match status.text("phase")? {
        "Pending" => waiting(status, message)?,
        "Succeeded" => Verdict::new(Healthy, message),
        "Failed" => {
            let fault = failure(status.list("initContainerStatuses")?)?
                .map_or_else(|| failure(containers), |fault| Ok(Some(fault)))?;
            match (message.is_empty(), fault) {
                (true, Some(fault)) => fault,
                (_, fault) => {
                    let mut verdict = Verdict::new(Degraded, message).because(reason);
                    if let Some(fault) = fault
                        && verdict.reason.is_empty()
                    {
                        verdict.reason = fault.reason;
                        verdict.part = fault.part;
                    }
                    verdict
                }
            }
        }
        "Running" if runs_on => running(status, containers, message)?,
        "Running" if matches!(policy, "OnFailure" | "Never") => Verdict::new(Progressing, message),
        _ => Verdict::new(Unknown, message).because(reason),
    })
}

/// Whether Argo CD or Helm treats the object as a hook.
fn is_hook(object: &Object) -> bool {
    ["argocd.argoproj.io/hook", "helm.sh/hook"]
        .iter()
        .any(|annotation| {
            object
                .annotation(annotation)
                .is_some_and(|hook| !hook.is_empty())
        })
}

/// Whether a waiting container will not get on by waiting.
fn is_stuck(reason: &str) -> bool {
    reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
}

/// Gathers the containers that wait for what does not come.
fn stuck(containers: List<'_>) -> Decoded<Option<Verdict>> {
    let mut verdict: Option<Verdict> = None;
    for container in containers.iter() {
        let container = container?;
        let waiting = container.fields("state")?.fields("waiting")?;
        let reason = waiting.text("reason")?;
        if !is_stuck(reason) {
            continue;
        }
        let message = waiting.shared("message")?.cloned().unwrap_or_default();
        match &mut verdict {
            Some(verdict) => verdict.message = format!("{}, {message}", verdict.message).into(),
            None => {
                let mut first = Verdict::new(Degraded, message).because(reason);
                first.part = name_of(container)?;
                verdict = Some(first);
            }
        }
    }
    Ok(verdict)
}

/// Finds why a pending pod is pending: a container that waits, or a condition that does not hold.
fn waiting(status: Fields<'_>, message: Str) -> Decoded<Verdict> {
    let mut verdict = Verdict::new(Progressing, message);
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in status.list(list)?.iter() {
            let container = container?;
            let reason = container
                .fields("state")?
                .fields("waiting")?
                .text("reason")?;
            // What every container says while others start tells nothing.
            if !matches!(reason, "" | "PodInitializing" | "ContainerCreating") {
                verdict.part = name_of(container)?;
                return Ok(verdict.because(reason));
            }
        }
    }
    if let Some(scheduled) = status
        .list("conditions")?
        .first_with("type", "PodScheduled")?
        && scheduled.text("status")? == "False"
    {
        verdict.reason = scheduled.shared("reason")?.cloned().unwrap_or_default();
        verdict.since = time::parse(scheduled.text("lastTransitionTime")?);
    }
    Ok(verdict)
}

/// Finds the first container that ended badly.
fn failure(containers: List<'_>) -> Decoded<Option<Verdict>> {
    for container in containers.iter() {
        let container = container?;
        let ended = container.fields("state")?.fields("terminated")?;
        if !ended.is_present() {
            continue;
        }
        let message = ended.text("message")?;
        let reason = ended.text("reason")?;
        let code = ended.int32("exitCode")?.unwrap_or(0);
        let message: Str = if !message.is_empty() {
            message.into()
        } else if reason == "OOMKilled" {
            reason.into()
        } else if code != 0 {
            let name = go_quote(container.text("name")?);
            format!("container {name} failed with exit code {code}").into()
        } else {
            continue;
        };
        let mut verdict = Verdict::new(Degraded, message)
            .because(reason)
            .since(time::parse(ended.text("finishedAt")?));
        verdict.part = name_of(container)?;
        return Ok(Some(verdict));
    }
    Ok(None)
}

/// Judges a running pod that is meant to run on.
fn running(status: Fields<'_>, containers: List<'_>, message: Str) -> Decoded<Verdict> {
    let ready = status.list("conditions")?.first_with("type", "Ready")?;
    let since = match ready {
        Some(ready) => time::parse(ready.text("lastTransitionTime")?),
        None => None,
    };
    if let Some(ready) = ready
        && ready.text("status")? == "True"
    {
        return Ok(Verdict::new(Healthy, message).since(since));
    }
    for container in containers.iter() {
        let container = container?;
        let last = container.fields("lastState")?.fields("terminated")?;
        if last.is_present() {
            let mut verdict = Verdict::new(Degraded, message)
                .because(last.text("reason")?)
                .since(since);
            verdict.part = name_of(container)?;
            return Ok(verdict);
        }
    }
    let reason = match ready {
        Some(ready) => ready.shared("reason")?.cloned().unwrap_or_default(),
        None => Str::default(),
    };
    Ok(Verdict::new(Progressing, message)
        .because(reason)
        .since(since))
}

fn name_of(container: Fields<'_>) -> Decoded<Str> {
    Ok(container.shared("name")?.cloned().unwrap_or_default())
}
