//! What an API server says when it refuses, and what that means to the engine.

use gitops_core::{FieldConflict, TargetError};
use gitops_manifest::{GroupVersionKind, ObjectKey};
use http::StatusCode;
use serde::Deserialize;

/// A `metav1.Status`, as far as it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) details: Option<Details>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Details {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) causes: Vec<Cause>,
    pub(crate) retry_after_seconds: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) field: String,
}

/// How much of an answer that is no status is shown.
const SHOWN: usize = 300;

impl Status {
    /// Reads the body of an answer that refuses. What is not a status, as a proxy or a server that has no such address
    /// sends, is taken for the message.
    pub(crate) fn read(code: StatusCode, body: &[u8]) -> Self {
        let mut status = match serde_json::from_slice::<Self>(body) {
            Ok(status) if !status.message.is_empty() || !status.reason.is_empty() => status,
            _ => {
                let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
                let text = text.trim();
                let reason = code.canonical_reason().unwrap_or("an error");
                Self {
                    message: if text.is_empty() {
                        reason.to_owned()
                    } else {
                        text.to_owned()
                    },
                    ..Self::default()
                }
            }
        };
        status.code = code.as_u16();
        status
    }

    fn causes(&self) -> &[Cause] {
        self.details
            .as_ref()
            .map_or(&[], |details| details.causes.as_slice())
    }

    /// Whether nothing is served at the address: the kind is not there, rather than the object.
    pub(crate) fn is_no_such_address(&self) -> bool {
        let named = self
            .details
            .as_ref()
            .is_some_and(|details| !details.name.is_empty());
        self.code == 404 && !named
    }

    /// Whether a write was refused because the object changed meanwhile, or is another.
    pub(crate) fn is_changed(&self) -> bool {
        self.code == 409
            && self.reason != "AlreadyExists"
            && !self
                .causes()
                .iter()
                .any(|cause| cause.reason == "FieldManagerConflict")
    }

    /// The fields that others own, where that is why.
    pub(crate) fn field_conflicts(&self) -> Option<Vec<FieldConflict>> {
        let conflicts: Vec<FieldConflict> = self
            .causes()
            .iter()
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                manager: manager_of(&cause.message),
                field: cause.field.clone(),
            })
            .collect();
        (self.code == 409 && !conflicts.is_empty()).then_some(conflicts)
    }

    /// What it means for a request about one object.
    pub(crate) fn into_error(
        self,
        attempt: &str,
        key: &ObjectKey,
        gvk: &GroupVersionKind,
    ) -> TargetError {
        let key = key.clone();
        if let Some(conflicts) = self.field_conflicts() {
            return TargetError::Conflict { key, conflicts };
        }
        let of_uid = self
            .causes()
            .iter()
            .any(|cause| cause.field == "metadata.uid");
        // These are mistakes of the request that come as failures of the server.
        let malformed = self.message.contains("failed to create typed patch object")
            || self
                .message
                .contains("failed to create manager for existing fields")
            || self.message.contains("unable to decode");
        let reason = self.message;
        match self.code {
            404 => {
                let details = self.details.unwrap_or_default();
                if details.name.is_empty() {
                    TargetError::UnknownKind { gvk: gvk.clone() }
                } else if details.kind == "namespaces" && key.kind != "Namespace" {
                    TargetError::NoNamespace {
                        key,
                        namespace: details.name.into(),
                    }
                } else {
                    TargetError::NotFound { key }
                }
            }
            409 if self.reason == "AlreadyExists" => TargetError::AlreadyExists { key },
            409 => TargetError::Changed { key, reason },
            422 if of_uid => TargetError::Changed { key, reason },
            400 | 405 | 406 | 413 | 415 | 422 => TargetError::Invalid { key, reason },
            500 if malformed => TargetError::Invalid { key, reason },
            401 => TargetError::Forbidden {
                key,
                reason: format!("the credentials were not accepted: {reason}"),
            },
            403 => TargetError::Forbidden { key, reason },
            410 => TargetError::Expired {
                version: String::new().into(),
            },
            _ => TargetError::Unavailable {
                attempt: attempt.to_owned(),
                reason,
            },
        }
    }
}

/// Reads the manager out of `conflict with "NAME" using apps/v1` or `… with subresource "status" using …`.
fn manager_of(message: &str) -> String {
    let rest = message.strip_prefix("conflict with ").unwrap_or(message);
    if !rest.starts_with('"') {
        return rest.to_owned();
    }
    // A name is written as Go quotes strings, which is JSON but for characters that no manager has.
    let mut names = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    match names.next() {
        Some(Ok(name)) => name,
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, body: &str) -> TargetError {
        let code = StatusCode::from_u16(code).unwrap();
        let gvk = GroupVersionKind::new("apps", "v1", "Deployment");
        let key = ObjectKey::new("apps", "Deployment", "shop", "web");
        Status::read(code, body.as_bytes()).into_error("apply", &key, &gvk)
    }

    // The bodies were recorded from kube-apiserver 1.36, but for those of proxies.
    #[test]
    fn refusals_are_told_apart() {
        assert!(matches!(
            error(404, "404 page not found\n"),
            TargetError::UnknownKind { gvk } if gvk.kind == "Deployment"
        ));
        assert!(matches!(
            error(
                404,
                r#"{"kind":"Status","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#
            ),
            TargetError::UnknownKind { .. }
        ));
        assert!(matches!(
            error(
                404,
                r#"{"kind":"Status","message":"deployments.apps \"web\" not found","reason":"NotFound","details":{"name":"web","group":"apps","kind":"deployments"},"code":404}"#
            ),
            TargetError::NotFound { .. }
        ));
        assert!(matches!(
            error(404, r#"{"kind":"Status","message":"namespaces \"shop\" not found","reason":"NotFound","details":{"name":"shop","kind":"namespaces"},"code":404}"#),
            TargetError::NoNamespace { namespace, .. } if namespace == "shop"
        ));
        assert!(matches!(
            error(
                409,
                r#"{"reason":"AlreadyExists","message":"deployments.apps \"web\" already exists","details":{"name":"web"},"code":409}"#
            ),
            TargetError::AlreadyExists { .. }
        ));
        assert!(matches!(
            error(409, r#"{"reason":"Conflict","message":"Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified","code":409}"#),
            TargetError::Changed { reason, .. } if reason.contains("has been modified")
        ));
        assert!(matches!(error(403, "{}"), TargetError::Forbidden { .. }));
        assert!(matches!(error(410, "{}"), TargetError::Expired { .. }));
        for code in [429, 500, 502, 503, 504] {
            let error = error(code, "<html>gateway</html>");
            assert!(error.is_transient(), "{code}: {error}");
        }
        for code in [400, 413, 415, 422] {
            assert!(matches!(error(code, "no"), TargetError::Invalid { .. }));
        }
    }

    #[test]
    fn conflicts_name_managers_and_fields() {
        let body = r#"{"kind":"Status","reason":"Conflict","code":409,
            "message":"Apply failed with 2 conflicts","details":{"causes":[
            {"reason":"FieldManagerConflict","message":"conflict with \"kube\\\"ctl\" using apps/v1","field":".spec.replicas"},
            {"reason":"FieldManagerConflict","message":"conflict with \"hpa\" with subresource \"scale\" using v1","field":".a"}]}}"#;
        let TargetError::Conflict { conflicts, .. } = error(409, body) else {
            panic!("it is a conflict");
        };
        let conflicts: Vec<(&str, &str)> = conflicts
            .iter()
            .map(|conflict| (conflict.manager.as_str(), conflict.field.as_str()))
            .collect();
        assert_eq!(conflicts, [("kube\"ctl", ".spec.replicas"), ("hpa", ".a")]);
    }
}
