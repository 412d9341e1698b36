//! Deployments, stateful sets, daemon sets and replica sets, as in Argo CD 3.6.

use std::time::SystemTime;

use gitops_manifest::{Object, Str};

use crate::rules::typed::{Decoded, Fields, List};
use crate::{HealthStatus, Verdict, time};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};

/// Whether the controller has not yet seen the present specification.
fn lags(object: &Object, status: Fields<'_>) -> Decoded<bool> {
    let generation = Fields::of(object, "metadata")?.int64("generation")?;
    let observed = status.int64("observedGeneration")?;
    Ok(generation.unwrap_or(0) > observed.unwrap_or(0))
}

/// Returns when a condition last moved.
fn moved(condition: Option<Fields<'_>>) -> Option<SystemTime> {
    let condition = condition?;
    let at = |key| time::parse(condition.text(key).ok()?);
    at("lastUpdateTime").or_else(|| at("lastTransitionTime"))
}

fn reason_of(condition: Option<Fields<'_>>) -> Str {
    condition
        .and_then(|condition| condition.shared("reason").ok().flatten())
        .cloned()
        .unwrap_or_default()
}

pub(super) fn deployment(object: &Object) -> Decoded<Verdict> {
    let (spec, status) = (Fields::of(object, "spec")?, Fields::of(object, "status")?);
    if spec.bool("paused")? {
        return Ok(Verdict::fixed(Suspended, "Deployment is paused"));
    }
    let conditions = status.list("conditions")?;
    let progress = conditions.first_with("type", "Progressing")?;
    if lags(object, status)? {
        return Ok(Verdict::fixed(
            Progressing,
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        ));
    }
    let rolling = |message: String| {
        let (condition, reason) = hindrance(conditions, progress);
        Ok(Verdict::new(Progressing, message)
            .because(reason)
            .since(moved(condition)))
    };
    if let Some(progress) = progress
        && progress.text("reason")? == "ProgressDeadlineExceeded"
    {
        let name = go_quote(object.name());
        return Ok(Verdict::new(
            Degraded,
            format!("Deployment {name} exceeded its progress deadline"),
        )
        .because(reason_of(Some(progress)))
        .since(moved(Some(progress))));
    }
    let total = status.int32("replicas")?.unwrap_or(0);
    let updated = status.int32("updatedReplicas")?.unwrap_or(0);
    let available = status.int32("availableReplicas")?.unwrap_or(0);
    if let Some(wanted) = spec.int32("replicas")?
        && updated < wanted
    {
        return rolling(format!(
            "Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated..."
        ));
    }
    if total > updated {
        return rolling(format!(
            "Waiting for rollout to finish: {} old replicas are pending termination...",
            total - updated
        ));
    }
    if available < updated {
        return rolling(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas are available..."
        ));
    }
    Ok(Verdict::fixed(Healthy, "").since(moved(progress)))
}

/// Returns the condition that says best why a rollout is not through: pods that cannot be made come before
/// the progress itself.
fn hindrance<'a>(conditions: List<'a>, progress: Option<Fields<'a>>) -> (Option<Fields<'a>>, Str) {
    let failure = conditions
        .first_with("type", "ReplicaFailure")
        .ok()
        .flatten()
        .filter(|failure| failure.text("status").is_ok_and(|status| status == "True"));
    let condition = failure.or(progress);
    (condition, reason_of(condition))
}

pub(super) fn stateful_set(object: &Object) -> Decoded<Verdict> {
    let (spec, status) = (Fields::of(object, "spec")?, Fields::of(object, "status")?);
    let observed = status.int64("observedGeneration")?.unwrap_or(0);
    if observed == 0 || lags(object, status)? {
        return Ok(Verdict::fixed(
            Progressing,
            "Waiting for statefulset spec update to be observed...",
        ));
    }
    let replicas = spec.int32("replicas")?;
    let ready = status.int32("readyReplicas")?.unwrap_or(0);
    let updated = status.int32("updatedReplicas")?.unwrap_or(0);
    if let Some(wanted) = replicas
        && ready < wanted
    {
        let message = format!("Waiting for {} pods to be ready...", wanted - ready);
        return Ok(Verdict::new(Progressing, message));
    }
    let strategy = spec.fields("updateStrategy")?;
    let kind = strategy.text("type")?;
    let rolling = strategy.fields("rollingUpdate")?;
    if kind == "RollingUpdate" && rolling.is_present() {
        // Revisions are not compared here: a block without partition is healthy while pods still roll.
        if let (Some(wanted), Some(partition)) = (replicas, rolling.int32("partition")?)
            && updated < wanted - partition
        {
            return Ok(Verdict::new(
                Progressing,
                format!(
                    "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                    wanted - partition
                ),
            ));
        }
        let message =
            format!("partitioned roll out complete: {updated} new pods have been updated...");
        return Ok(Verdict::new(Healthy, message));
    }
    if kind == "OnDelete" {
        return Ok(Verdict::new(
            Healthy,
            format!("statefulset has {ready} ready pods"),
        ));
    }
    let (current, update) = (
        status.text("currentRevision")?,
        status.text("updateRevision")?,
    );
    Ok(if current == update {
        let pods = status.int32("currentReplicas")?.unwrap_or(0);
        let message =
            format!("statefulset rolling update complete {pods} pods at revision {current}...");
        Verdict::new(Healthy, message)
    } else {
        let message = format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        );
        Verdict::new(Progressing, message)
    })
}

pub(super) fn daemon_set(object: &Object) -> Decoded<Verdict> {
    let (spec, status) = (Fields::of(object, "spec")?, Fields::of(object, "status")?);
    if lags(object, status)? {
        return Ok(Verdict::fixed(
            Progressing,
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        ));
    }
    let desired = status.int32("desiredNumberScheduled")?.unwrap_or(0);
    let updated = status.int32("updatedNumberScheduled")?.unwrap_or(0);
    let available = status.int32("numberAvailable")?.unwrap_or(0);
    if spec.fields("updateStrategy")?.text("type")? == "OnDelete" {
        let message = format!("daemon set {updated} out of {desired} new pods have been updated");
        return Ok(Verdict::new(Healthy, message));
    }
    let waiting = |what: String| {
        let name = go_quote(object.name());
        let message = format!("Waiting for daemon set {name} rollout to finish: {what}...");
        Ok(Verdict::new(Progressing, message))
    };
    if updated < desired {
        return waiting(format!(
            "{updated} out of {desired} new pods have been updated"
        ));
    }
    if available < desired {
        return waiting(format!(
            "{available} of {desired} updated pods are available"
        ));
    }
    Ok(Verdict::fixed(Healthy, ""))
}

pub(super) fn replica_set(object: &Object) -> Decoded<Verdict> {
    let (spec, status) = (Fields::of(object, "spec")?, Fields::of(object, "status")?);
    if lags(object, status)? {
        return Ok(Verdict::fixed(
            Progressing,
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        ));
    }
    let failure = status
        .list("conditions")?
        .first_with("type", "ReplicaFailure")?;
    if let Some(failure) = failure
        && failure.text("status")? == "True"
    {
        let message = failure.shared("message")?.cloned().unwrap_or_default();
        return Ok(Verdict::new(Degraded, message)
            .because(reason_of(Some(failure)))
            .since(moved(Some(failure))));
    }
    let available = status.int32("availableReplicas")?.unwrap_or(0);
    Ok(match spec.int32("replicas")? {
        Some(wanted) if available < wanted => Verdict::new(
            Progressing,
            format!(
                "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
            ),
        ),
        _ => Verdict::fixed(Healthy, ""),
    })
}

/// Quotes as Go's `%q` does, for the text that names of Kubernetes can be.
pub(super) fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
