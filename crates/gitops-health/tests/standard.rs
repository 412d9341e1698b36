//! The default strategy: Argo CD's rules, and what comes where it has none.

use gitops_health::{Context, HealthStatus, Strategy, assess};
use gitops_manifest::Value;
use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Strategy_;
use serde_json::json;

use crate::support;

fn judge(object: &serde_json::Value) -> Option<(HealthStatus, String)> {
    let object = support::json(object.clone());
    assess(&object, &Context::new()).map(|health| (health.status, health.message.to_string()))
}

#[test]
fn kinds_without_a_rule_of_argo_cd() {
    use HealthStatus::{Degraded, Healthy, Progressing, Suspended};
    let condition = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "Why", "message": "so"}]});
    let object = |api: &str, kind: &str, spec: serde_json::Value, status: serde_json::Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x", "generation": 1}, "spec": spec, "status": status});
    for (object, expected) in [
        (
            object("v1", "Node", json!({}), condition("Ready", "True")),
            Some((Healthy, "so")),
        ),
        (
            object("v1", "Node", json!({}), condition("Ready", "Unknown")),
            Some((Degraded, "so")),
        ),
        (
            object(
                "v1",
                "Node",
                json!({"unschedulable": true}),
                condition("Ready", "True"),
            ),
            Some((Suspended, "Node is cordoned")),
        ),
        (
            object("v1", "Namespace", json!({}), json!({"phase": "Active"})),
            Some((Healthy, "")),
        ),
        (
            object(
                "v1",
                "Namespace",
                json!({}),
                condition("NamespaceDeletionContentFailure", "True"),
            ),
            Some((Degraded, "so")),
        ),
        (
            object(
                "v1",
                "PersistentVolume",
                json!({}),
                json!({"phase": "Failed", "message": "no disk"}),
            ),
            Some((Degraded, "no disk")),
        ),
        (
            object(
                "v1",
                "PersistentVolume",
                json!({"persistentVolumeReclaimPolicy": "Retain"}),
                json!({"phase": "Released"}),
            ),
            Some((
                Suspended,
                "Volume is released and kept, as its reclaim policy says",
            )),
        ),
        (
            object(
                "v1",
                "ReplicationController",
                json!({"replicas": 2}),
                json!({"observedGeneration": 1, "availableReplicas": 1}),
            ),
            Some((
                Progressing,
                "Waiting for rollout to finish: 1 out of 2 new replicas are available...",
            )),
        ),
        (
            object(
                "v1",
                "ResourceQuota",
                json!({"hard": {"pods": "2"}}),
                json!({"hard": {"pods": "2"}, "used": {"pods": "2"}}),
            ),
            Some((Healthy, "Used up: pods")),
        ),
        (
            object(
                "v1",
                "ResourceQuota",
                json!({"hard": {"pods": "2"}}),
                json!({}),
            ),
            Some((Progressing, "Waiting for the quota to be enforced")),
        ),
        (
            object(
                "certificates.k8s.io/v1",
                "CertificateSigningRequest",
                json!({}),
                json!({}),
            ),
            Some((Suspended, "Waiting for approval")),
        ),
        (
            object(
                "example.org/v1",
                "Widget",
                json!({}),
                condition("Ready", "False"),
            ),
            Some((Progressing, "so")),
        ),
        (
            object(
                "example.org/v1",
                "Widget",
                json!({}),
                condition("Stalled", "True"),
            ),
            Some((Degraded, "so")),
        ),
        (
            object(
                "example.org/v1",
                "Widget",
                json!({}),
                condition("Other", "False"),
            ),
            None,
        ),
        (object("v1", "ConfigMap", json!({}), json!({})), None),
    ] {
        let expected = expected.map(|(status, message)| (status, message.to_owned()));
        assert_eq!(judge(&object), expected, "{object}");
        let strict = Context::new().with_strategy(Strategy::ArgoCd);
        assert_eq!(
            assess(&support::json(object), &strict),
            None,
            "Argo CD has no rule"
        );
    }
    let webhook = |bundle: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "x", "annotations": {"cert-manager.io/inject-ca-from": "a/b"}},
            "webhooks": [{"name": "w.example.org", "clientConfig": {"caBundle": bundle}}],
        })
    };
    assert_eq!(judge(&webhook("Zm9v")), Some((Healthy, String::new())));
    let waiting = "Waiting for the CA bundle of webhook w.example.org".to_owned();
    assert_eq!(judge(&webhook("")), Some((Progressing, waiting)));
}

#[test]
fn absent_fields_are_empty() {
    for (api, kind) in [
        ("apps.kruise.io/v1", "AdvancedCronJob"),
        ("rollouts.kruise.io/v1", "Rollout"),
        ("lifecycle.keptn.sh/v1", "KeptnTask"),
        ("metrics.keptn.sh/v1", "Analysis"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
        ("postgresql.cnpg.io/v1", "Cluster"),
    ] {
        let object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}});
        let (status, _) = judge(&object).expect("there is a rule");
        assert_ne!(status, HealthStatus::Unknown, "{kind}");
    }
}

#[test]
fn fields_of_the_wrong_type_are_told_as_argo_cd_tells_them() {
    let deployment = |spec: serde_json::Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec});
    let unknown = |message: &str| Some((HealthStatus::Unknown, message.to_owned()));
    assert_eq!(
        judge(&deployment(json!({"replicas": "three"}))),
        unknown("failed to convert unstructured Deployment to typed: unrecognized type: int32")
    );
    assert_eq!(
        judge(&deployment(json!([]))),
        unknown(
            "failed to convert unstructured Deployment to typed: cannot restore struct from: slice"
        )
    );
    let old =
        json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "x"}});
    assert_eq!(
        judge(&old),
        unknown("unsupported Deployment GVK: apps/v1beta1, Kind=Deployment")
    );
}

/// Makes values of any shape out of words that rules ask for.
fn any_value() -> impl Strategy_<Value = Value> {
    let words = prop_oneof![
        Just("Ready"),
        Just("True"),
        Just("False"),
        Just("Unknown"),
        Just("Failed"),
        Just("Running"),
        Just("x"),
        Just(""),
    ];
    let keys = prop_oneof![
        Just("conditions"),
        Just("type"),
        Just("status"),
        Just("reason"),
        Just("message"),
        Just("phase"),
        Just("state"),
        Just("replicas"),
        Just("observedGeneration"),
        Just("parents"),
        Just("name"),
        Just("environments"),
        Just("spec"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Kinds with rules of every shape.
const KINDS: [(&str, &str); 24] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Pod"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("apps.kruise.io/v1", "CloneSet"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("promoter.argoproj.io/v1", "PromotionStrategy"),
    ("promoter.argoproj.io/v1", "ChangeTransferPolicy"),
    ("operators.coreos.com/v1", "Subscription"),
    ("serving.kserve.io/v1", "InferenceService"),
    ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
    ("sparkoperator.k8s.io/v1", "SparkApplication"),
    ("policy.open-cluster-management.io/v1", "Policy"),
    ("flagger.app/v1", "Canary"),
    ("ceph.rook.io/v1", "CephCluster"),
    ("kubevirt.io/v1", "VirtualMachine"),
    ("work.karmada.io/v1", "ResourceBinding"),
    ("x.crossplane.io/v1", "Thing"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("keda.sh/v1", "ScaledObject"),
];

proptest! {
    #[test]
    fn any_object_is_judged(kind in 0..KINDS.len(), spec in any_value(), status in any_value(), annotations in any_value()) {
        let (api_version, kind) = KINDS[kind];
        let mut object = support::json(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}));
        object.metadata_mut().insert("annotations", annotations);
        object.as_map_mut().insert("spec", spec);
        object.as_map_mut().insert("status", status);
        for strategy in [Strategy::Standard, Strategy::ArgoCd, Strategy::Kstatus] {
            let context = Context::new().with_strategy(strategy);
            prop_assert_eq!(assess(&object, &context), assess(&object.clone(), &context));
        }
        let _ = gitops_health::actions::discover(&object);
        let text = serde_json::to_string(&assess(&object, &Context::new())).expect("it is written");
        let back: Option<gitops_health::Assessment> = serde_json::from_str(&text).expect("it is read");
        prop_assert_eq!(back.is_some(), assess(&object, &Context::new()).is_some());
    }
}

/// What Argo CD's own script gives for it: a phase that says nothing is no health.
#[test]
fn an_empty_phase_of_a_rollout_is_unknown() {
    let object = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "x"}, "spec": {}, "status": {"phase": ""}});
    let expected = (
        HealthStatus::Unknown,
        "Lua returned an invalid health status".to_owned(),
    );
    assert_eq!(judge(&object), Some(expected));
}
