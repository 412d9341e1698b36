//! Horizontal pod autoscalers, as in Argo CD 3.6.

use gitops_manifest::{Object, Value};

use crate::rules::typed::{Decoded, Fields};
use crate::view::Condition;
use crate::{HealthStatus, Verdict, view};

/// Where version 1 of the API keeps the conditions, as JSON.
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

const WAITING: Verdict = Verdict::fixed(HealthStatus::Progressing, "Waiting to Autoscale");

/// Pairs of type and reason that mean trouble, whatever the condition's status.
const TROUBLE: [(&str, &str); 8] = [
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "FailedGetObjectMetric"),
    ("ScalingActive", "FailedGetPodsMetric"),
    ("ScalingActive", "FailedGetExternalMetric"),
    ("ScalingActive", "FailedComputeMetricsReplicas"),
    ("ScalingActive", "InvalidSelector"),
];

pub(super) fn autoscaler(object: &Object) -> Decoded<Verdict> {
    if object.version() != "v1" {
        Fields::of(object, "status")?.list("conditions")?;
        return Ok(judge(object.at(&["status", "conditions"])));
    }
    let Some(text) = object.annotation(CONDITIONS) else {
        return Ok(WAITING);
    };
    Ok(match Value::from_json(text) {
        Ok(Value::Null) => WAITING,
        Ok(conditions @ Value::Array(_)) => judge(Some(&conditions)),
        Ok(other) => broken(&format!(
            "cannot read conditions from {}",
            other.type_name()
        )),
        Err(error) => broken(&error.to_string()),
    })
}

fn broken(why: &str) -> Verdict {
    let message = format!("failed to convert conditions annotation to typed: {why}");
    Verdict::new(HealthStatus::Unknown, message)
}

fn judge(conditions: Option<&Value>) -> Verdict {
    let conditions = view::conditions_of(conditions);
    let of = |status, condition: Condition<'_>| {
        Verdict::new(status, condition.message().cloned().unwrap_or_default())
            .because(condition.reason_text())
            .since(condition.since())
    };
    conditions
        .clone()
        .find(|c| TROUBLE.contains(&(c.kind(), c.reason_text())))
        .map(|trouble| of(HealthStatus::Degraded, trouble))
        .or_else(|| {
            conditions
                .clone()
                .find(|c| matches!(c.kind(), "AbleToScale" | "ScalingLimited") && c.is_true())
                .map(|scaling| of(HealthStatus::Healthy, scaling))
        })
        .unwrap_or(WAITING)
}
