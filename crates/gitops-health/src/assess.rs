use gitops_manifest::Object;

use crate::{Assessment, Cause, Context, HealthStatus, Strategy, Verdict, kstatus, rules, view};

/// The finalizer by which Argo CD keeps a finished hook until its result has been read.
const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// The annotation that takes an object out of the health of its application.
const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";

/// Tells how an object is doing; `None` where there is no rule for it, hence no health.
///
/// Asked in this order, the first that knows the object answers, as in Argo CD 3.6:
/// 1. an object under deletion is progressing, unless it is a hook whose result is still to be read;
/// 2. rules of users ([`Context::rules`]): the one for exactly this group and kind, then patterns;
/// 3. built-in rules of the strategy.
///
/// ```
/// use gitops_health::{Context, HealthStatus, assess};
/// use gitops_manifest::Object;
///
/// let pod = Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
///     "spec": {"restartPolicy": "Always"},
///     "status": {"phase": "Pending", "containerStatuses": [{
///         "name": "app",
///         "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"app:2\""}},
///     }]},
/// }))?;
/// let health = assess(&pod, &Context::new()).expect("pods have health");
/// assert_eq!(health.status, HealthStatus::Degraded);
/// assert_eq!(health.message, "Back-off pulling image \"app:2\"");
/// let cause = health.cause.expect("there is a reason");
/// assert_eq!(cause.to_string(), "Pod/shop/web (app): ImagePullBackOff: Back-off pulling image \"app:2\"");
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[must_use]
pub fn assess(object: &Object, context: &Context<'_>) -> Option<Assessment> {
    judge(object, context).map(|verdict| finish(object, verdict))
}

/// Whether an object asks to be left out of the health of its application, by the annotation
/// `argocd.argoproj.io/ignore-healthcheck: "true"`.
#[must_use]
pub fn ignores_health(object: &Object) -> bool {
    object.annotation(IGNORE_HEALTHCHECK) == Some("true")
}

fn judge(object: &Object, context: &Context<'_>) -> Option<Verdict> {
    if is_being_deleted(object) {
        return Some(Verdict::fixed(
            HealthStatus::Progressing,
            "Pending deletion",
        ));
    }
    if let Some(rules) = context.rules
        && let Some(verdict) = rules.judge(object, context)
    {
        return Some(verdict);
    }
    match context.strategy {
        Strategy::ArgoCd => rules::argo_cd(object),
        Strategy::GitopsEngine => rules::gitops_engine(object),
        Strategy::Kstatus => Some(kstatus::assess(object, context.now).into_verdict()),
        Strategy::Standard => rules::argo_cd(object)
            .or_else(|| rules::further(object))
            .or_else(|| kstatus::conventional(object)),
    }
}

/// Whether deletion has begun and nobody waits for a hook's result any more.
fn is_being_deleted(object: &Object) -> bool {
    object.is_deleting()
        && !view::list(object.meta("finalizers"))
            .iter()
            .any(|finalizer| finalizer.as_str() == Some(HOOK_FINALIZER))
}

fn finish(object: &Object, verdict: Verdict) -> Assessment {
    let cause = (!verdict.status.is_healthy() && !verdict.reason.is_empty()).then(|| {
        Box::new(Cause {
            object: object.key(),
            part: verdict.part,
            reason: verdict.reason,
            message: verdict.message.clone(),
        })
    });
    Assessment {
        status: verdict.status,
        message: verdict.message,
        cause,
        since: verdict.since,
    }
}
