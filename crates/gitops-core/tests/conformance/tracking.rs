use gitops_core::tracking::{Tracking, TrackingId, TrackingMethod};
use gitops_manifest::{Object, Value};
use serde_json::json;

use super::{check, same};

fn object(value: &Value) -> Result<Object, String> {
    Object::try_from(value.clone()).map_err(|error| error.to_string())
}

fn owner(tracking: &Tracking, object: &Object) -> String {
    tracking.owner(object).map(String::from).unwrap_or_default()
}

#[test]
fn conformance_sync_tracking() {
    check("sync", "tracking.json", |case| {
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let mut tracking = Tracking::default();
        tracking.method = match text("method") {
            "label" => TrackingMethod::Label,
            "annotation+label" => TrackingMethod::AnnotationAndLabel,
            _ => TrackingMethod::Annotation,
        };
        tracking.installation = text("installation").into();
        if !text("labelKey").is_empty() {
            tracking.label = text("labelKey").into();
        }
        let metadata = |object: &Object| {
            let field = |name: &str| object.meta(name).cloned().unwrap_or_default();
            json!({"annotations": serde_json::Value::from(field("annotations")),
                   "labels": serde_json::Value::from(field("labels"))})
        };
        let found = match text("type") {
            "track" => {
                let mut object = object(&case["object"])?;
                tracking.track(&mut object, text("application"), text("namespace"));
                let mut found = metadata(&object);
                found["owner"] = owner(&tracking, &object).into();
                found
            }
            "owner" => owner(&tracking, &object(&case["object"])?).into(),
            "parse" => TrackingId::parse(text("value")).map_or(serde_json::Value::Null, |id| {
                json!({"application": id.application, "group": id.key.group, "kind": id.key.kind,
                       "namespace": id.key.namespace, "name": id.key.name})
            }),
            "normalizeTracking" => {
                let mut live = object(&case["live"])?;
                tracking.normalize(&object(&case["target"])?, &mut live);
                metadata(&live)
            }
            "selfReferenced" => {
                // What does not exist yet cannot be somebody else's.
                let live = match &case["live"] {
                    Value::Null => return same("", &case["expected"], &Value::Bool(true)),
                    live => object(live)?,
                };
                let target = match &case["target"] {
                    Value::Null => None,
                    target => Some(object(target)?),
                };
                // Without a method the id on the object is not looked at.
                if text("method").is_empty() && target.is_none() {
                    return same("", &case["expected"], &Value::Bool(true));
                }
                tracking.is_self_referenced(&live, target.as_ref()).into()
            }
            other => return Err(format!("unknown type {other}: {case}")),
        };
        same("", &case["expected"], &found.into())
    });
}
