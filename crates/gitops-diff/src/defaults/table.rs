//! Fields that have one default whatever else is set.

use std::collections::HashMap;
use std::sync::OnceLock;

use gitops_manifest::{Str, Value};

/// By type: fields and their defaults, as JSON.
const TABLE: &[(&str, &[(&str, &str)])] = &[
    ("admissionregistration/v1.MatchResources", MATCH_RESOURCES),
    (
        "admissionregistration/v1.MutatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1.MutatingWebhook",
        &[
            ("failurePolicy", r#""Fail""#),
            ("matchPolicy", r#""Equivalent""#),
            ("namespaceSelector", "{}"),
            ("objectSelector", "{}"),
            ("timeoutSeconds", "10"),
            ("reinvocationPolicy", r#""Never""#),
        ],
    ),
    (
        "admissionregistration/v1.RuleWithOperations",
        &[("scope", r#""*""#)],
    ),
    (
        "admissionregistration/v1.NamedRuleWithOperations",
        &[("scope", r#""*""#)],
    ),
    (
        "admissionregistration/v1.ServiceReference",
        &[("port", "443")],
    ),
    (
        "admissionregistration/v1.ValidatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1.ValidatingWebhook",
        &[
            ("failurePolicy", r#""Fail""#),
            ("matchPolicy", r#""Equivalent""#),
            ("namespaceSelector", "{}"),
            ("objectSelector", "{}"),
            ("timeoutSeconds", "10"),
        ],
    ),
    (
        "admissionregistration/v1alpha1.MatchResources",
        MATCH_RESOURCES,
    ),
    (
        "admissionregistration/v1alpha1.NamedRuleWithOperations",
        &[("scope", r#""*""#)],
    ),
    (
        "admissionregistration/v1alpha1.MutatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1alpha1.ParamRef",
        &[("parameterNotFoundAction", r#""Deny""#)],
    ),
    (
        "admissionregistration/v1alpha1.ValidatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1beta1.MatchResources",
        MATCH_RESOURCES,
    ),
    (
        "admissionregistration/v1beta1.NamedRuleWithOperations",
        &[("scope", r#""*""#)],
    ),
    (
        "admissionregistration/v1beta1.MutatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1beta1.MutatingWebhook",
        &[
            ("failurePolicy", r#""Ignore""#),
            ("matchPolicy", r#""Exact""#),
            ("namespaceSelector", "{}"),
            ("objectSelector", "{}"),
            ("sideEffects", r#""Unknown""#),
            ("timeoutSeconds", "30"),
            ("reinvocationPolicy", r#""Never""#),
            ("admissionReviewVersions", r#"["v1beta1"]"#),
        ],
    ),
    (
        "admissionregistration/v1beta1.ServiceReference",
        &[("port", "443")],
    ),
    (
        "admissionregistration/v1beta1.ValidatingAdmissionPolicySpec",
        &[("failurePolicy", r#""Fail""#)],
    ),
    (
        "admissionregistration/v1beta1.ValidatingWebhook",
        &[
            ("failurePolicy", r#""Ignore""#),
            ("matchPolicy", r#""Exact""#),
            ("namespaceSelector", "{}"),
            ("objectSelector", "{}"),
            ("sideEffects", r#""Unknown""#),
            ("timeoutSeconds", "30"),
            ("admissionReviewVersions", r#"["v1beta1"]"#),
        ],
    ),
    ("apps/v1.DaemonSetSpec", &[("revisionHistoryLimit", "10")]),
    ("apps/v1.DaemonSetUpdateStrategy", ROLLING_UPDATE),
    (
        "apps/v1.DeploymentSpec",
        &[
            ("replicas", "1"),
            ("revisionHistoryLimit", "10"),
            ("progressDeadlineSeconds", "600"),
        ],
    ),
    ("apps/v1.DeploymentStrategy", ROLLING_UPDATE),
    ("apps/v1.ReplicaSetSpec", &[("replicas", "1")]),
    (
        "apps/v1.StatefulSetPersistentVolumeClaimRetentionPolicy",
        RETAIN_CLAIMS,
    ),
    ("apps/v1.StatefulSetSpec", STATEFUL_SET),
    (
        "apps/v1beta1.DeploymentSpec",
        &[
            ("replicas", "1"),
            ("revisionHistoryLimit", "2"),
            ("progressDeadlineSeconds", "600"),
        ],
    ),
    ("apps/v1beta1.DeploymentStrategy", ROLLING_UPDATE),
    (
        "apps/v1beta1.StatefulSetPersistentVolumeClaimRetentionPolicy",
        RETAIN_CLAIMS,
    ),
    ("apps/v1beta1.StatefulSetSpec", STATEFUL_SET),
    (
        "apps/v1beta1.StatefulSetUpdateStrategy",
        &[("type", r#""OnDelete""#)],
    ),
    (
        "apps/v1beta2.DaemonSetSpec",
        &[("revisionHistoryLimit", "10")],
    ),
    ("apps/v1beta2.DaemonSetUpdateStrategy", ROLLING_UPDATE),
    (
        "apps/v1beta2.DeploymentSpec",
        &[
            ("replicas", "1"),
            ("revisionHistoryLimit", "10"),
            ("progressDeadlineSeconds", "600"),
        ],
    ),
    ("apps/v1beta2.DeploymentStrategy", ROLLING_UPDATE),
    ("apps/v1beta2.ReplicaSetSpec", &[("replicas", "1")]),
    (
        "apps/v1beta2.StatefulSetPersistentVolumeClaimRetentionPolicy",
        RETAIN_CLAIMS,
    ),
    ("apps/v1beta2.StatefulSetSpec", STATEFUL_SET),
    (
        "authentication/v1.TokenRequestSpec",
        &[("expirationSeconds", "3600")],
    ),
    (
        "autoscaling/v1.HorizontalPodAutoscalerSpec",
        &[("minReplicas", "1")],
    ),
    (
        "autoscaling/v2.HorizontalPodAutoscalerSpec",
        &[
            ("minReplicas", "1"),
            (
                "metrics",
                r#"[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]"#,
            ),
        ],
    ),
    (
        "batch/v1.CronJobSpec",
        &[
            ("concurrencyPolicy", r#""Allow""#),
            ("suspend", "false"),
            ("successfulJobsHistoryLimit", "3"),
            ("failedJobsHistoryLimit", "1"),
        ],
    ),
    (
        "batch/v1.PodFailurePolicyOnPodConditionsPattern",
        &[("status", r#""True""#)],
    ),
    (
        "batch/v1beta1.CronJobSpec",
        &[
            ("concurrencyPolicy", r#""Allow""#),
            ("suspend", "false"),
            ("successfulJobsHistoryLimit", "3"),
            ("failedJobsHistoryLimit", "1"),
        ],
    ),
    (
        "certificates/v1beta1.PodCertificateRequestSpec",
        &[("maxExpirationSeconds", "86400")],
    ),
    (
        "certificates/v1beta1.CertificateSigningRequestCondition",
        &[("status", r#""True""#)],
    ),
    (
        "core/v1.AzureDiskVolumeSource",
        &[
            ("cachingMode", r#""ReadWrite""#),
            ("fsType", r#""ext4""#),
            ("readOnly", "false"),
            ("kind", r#""Shared""#),
        ],
    ),
    ("core/v1.ConfigMapVolumeSource", MODE),
    ("core/v1.Container", CONTAINER),
    ("core/v1.ContainerPort", TCP),
    ("core/v1.DownwardAPIVolumeSource", MODE),
    ("core/v1.EndpointPort", TCP),
    ("core/v1.EphemeralContainer", CONTAINER),
    ("core/v1.FileKeySelector", &[("optional", "false")]),
    ("core/v1.GRPCAction", &[("service", r#""""#)]),
    (
        "core/v1.HTTPGetAction",
        &[("path", r#""/""#), ("scheme", r#""HTTP""#)],
    ),
    ("core/v1.HostPathVolumeSource", &[("type", r#""""#)]),
    (
        "core/v1.ISCSIPersistentVolumeSource",
        &[("iscsiInterface", r#""default""#)],
    ),
    (
        "core/v1.ISCSIVolumeSource",
        &[("iscsiInterface", r#""default""#)],
    ),
    ("core/v1.NamespaceStatus", &[("phase", r#""Active""#)]),
    ("core/v1.ObjectFieldSelector", &[("apiVersion", r#""v1""#)]),
    (
        "core/v1.PersistentVolumeClaimSpec",
        &[("volumeMode", r#""Filesystem""#)],
    ),
    (
        "core/v1.PersistentVolumeClaimStatus",
        &[("phase", r#""Pending""#)],
    ),
    (
        "core/v1.PersistentVolumeStatus",
        &[("phase", r#""Pending""#)],
    ),
    (
        "core/v1.PodSpec",
        &[
            ("dnsPolicy", r#""ClusterFirst""#),
            ("restartPolicy", r#""Always""#),
            ("securityContext", "{}"),
            ("terminationGracePeriodSeconds", "30"),
            ("schedulerName", r#""default-scheduler""#),
        ],
    ),
    (
        "core/v1.Probe",
        &[
            ("timeoutSeconds", "1"),
            ("periodSeconds", "10"),
            ("successThreshold", "1"),
            ("failureThreshold", "3"),
        ],
    ),
    ("core/v1.ProjectedVolumeSource", MODE),
    ("core/v1.RBDPersistentVolumeSource", RBD),
    ("core/v1.RBDVolumeSource", RBD),
    ("core/v1.ReplicationControllerSpec", &[("replicas", "1")]),
    ("core/v1.ScaleIOPersistentVolumeSource", SCALE_IO),
    ("core/v1.ScaleIOVolumeSource", SCALE_IO),
    ("core/v1.Secret", &[("type", r#""Opaque""#)]),
    ("core/v1.SecretVolumeSource", MODE),
    (
        "core/v1.ServiceAccountTokenProjection",
        &[("expirationSeconds", "3600")],
    ),
    ("discovery/v1.EndpointPort", ENDPOINT_PORT),
    ("discovery/v1beta1.EndpointPort", ENDPOINT_PORT),
    (
        "extensions/v1beta1.DaemonSetSpec",
        &[("revisionHistoryLimit", "10")],
    ),
    (
        "extensions/v1beta1.DaemonSetUpdateStrategy",
        &[("type", r#""OnDelete""#)],
    ),
    (
        "extensions/v1beta1.DeploymentSpec",
        &[
            ("replicas", "1"),
            ("progressDeadlineSeconds", "2147483647"),
            ("revisionHistoryLimit", "2147483647"),
        ],
    ),
    ("extensions/v1beta1.DeploymentStrategy", ROLLING_UPDATE),
    ("extensions/v1beta1.HTTPIngressPath", PATH_TYPE),
    ("extensions/v1beta1.ReplicaSetSpec", &[("replicas", "1")]),
    ("flowcontrol/v1.ExemptPriorityLevelConfiguration", EXEMPT),
    ("flowcontrol/v1.FlowSchemaSpec", PRECEDENCE),
    (
        "flowcontrol/v1.LimitedPriorityLevelConfiguration",
        &[("nominalConcurrencyShares", "30"), ("lendablePercent", "0")],
    ),
    ("flowcontrol/v1.QueuingConfiguration", QUEUES),
    (
        "flowcontrol/v1beta1.ExemptPriorityLevelConfiguration",
        EXEMPT,
    ),
    ("flowcontrol/v1beta1.FlowSchemaSpec", PRECEDENCE),
    (
        "flowcontrol/v1beta1.LimitedPriorityLevelConfiguration",
        &[("assuredConcurrencyShares", "30"), ("lendablePercent", "0")],
    ),
    ("flowcontrol/v1beta1.QueuingConfiguration", QUEUES),
    (
        "flowcontrol/v1beta2.ExemptPriorityLevelConfiguration",
        EXEMPT,
    ),
    ("flowcontrol/v1beta2.FlowSchemaSpec", PRECEDENCE),
    (
        "flowcontrol/v1beta2.LimitedPriorityLevelConfiguration",
        &[("assuredConcurrencyShares", "30"), ("lendablePercent", "0")],
    ),
    ("flowcontrol/v1beta2.QueuingConfiguration", QUEUES),
    (
        "flowcontrol/v1beta3.ExemptPriorityLevelConfiguration",
        EXEMPT,
    ),
    ("flowcontrol/v1beta3.FlowSchemaSpec", PRECEDENCE),
    (
        "flowcontrol/v1beta3.LimitedPriorityLevelConfiguration",
        &[("lendablePercent", "0")],
    ),
    ("flowcontrol/v1beta3.QueuingConfiguration", QUEUES),
    (
        "networking/v1.IngressClassParametersReference",
        &[("scope", r#""Cluster""#)],
    ),
    ("networking/v1.NetworkPolicyPort", TCP),
    ("networking/v1beta1.HTTPIngressPath", PATH_TYPE),
    ("scheduling/v1.PriorityClass", PREEMPTION),
    (
        "scheduling/v1alpha2.PodGroupSpec",
        &[("disruptionMode", r#""Pod""#)],
    ),
    ("scheduling/v1beta1.PriorityClass", PREEMPTION),
    ("storage/v1.CSIDriverSpec", CSI_DRIVER),
    ("storage/v1.StorageClass", STORAGE_CLASS),
    ("storage/v1beta1.CSIDriverSpec", CSI_DRIVER),
    ("storage/v1beta1.StorageClass", STORAGE_CLASS),
];

type Rules = &'static [(&'static str, &'static str)];

const CONTAINER: Rules = &[
    ("terminationMessagePath", r#""/dev/termination-log""#),
    ("terminationMessagePolicy", r#""File""#),
];
const CSI_DRIVER: Rules = &[
    ("attachRequired", "true"),
    ("podInfoOnMount", "false"),
    ("storageCapacity", "false"),
    ("fsGroupPolicy", r#""ReadWriteOnceWithFSType""#),
    ("volumeLifecycleModes", r#"["Persistent"]"#),
    ("requiresRepublish", "false"),
    ("seLinuxMount", "false"),
];
const ENDPOINT_PORT: Rules = &[("name", r#""""#), ("protocol", r#""TCP""#)];
const EXEMPT: Rules = &[("nominalConcurrencyShares", "0"), ("lendablePercent", "0")];
const MATCH_RESOURCES: Rules = &[
    ("matchPolicy", r#""Equivalent""#),
    ("namespaceSelector", "{}"),
    ("objectSelector", "{}"),
];
const MODE: Rules = &[("defaultMode", "420")];
const PATH_TYPE: Rules = &[("pathType", r#""ImplementationSpecific""#)];
const PRECEDENCE: Rules = &[("matchingPrecedence", "1000")];
const PREEMPTION: Rules = &[("preemptionPolicy", r#""PreemptLowerPriority""#)];
const QUEUES: Rules = &[
    ("handSize", "8"),
    ("queues", "64"),
    ("queueLengthLimit", "50"),
];
const RBD: Rules = &[
    ("pool", r#""rbd""#),
    ("user", r#""admin""#),
    ("keyring", r#""/etc/ceph/keyring""#),
];
const RETAIN_CLAIMS: Rules = &[
    ("whenDeleted", r#""Retain""#),
    ("whenScaled", r#""Retain""#),
];
const ROLLING_UPDATE: Rules = &[("type", r#""RollingUpdate""#)];
const SCALE_IO: Rules = &[
    ("storageMode", r#""ThinProvisioned""#),
    ("fsType", r#""xfs""#),
];
const STATEFUL_SET: Rules = &[
    ("podManagementPolicy", r#""OrderedReady""#),
    ("persistentVolumeClaimRetentionPolicy", "{}"),
    ("replicas", "1"),
    ("revisionHistoryLimit", "10"),
];
const STORAGE_CLASS: Rules = &[
    ("reclaimPolicy", r#""Delete""#),
    ("volumeBindingMode", r#""Immediate""#),
];
const TCP: Rules = &[("protocol", r#""TCP""#)];

type Table = HashMap<&'static str, Vec<(Str, Value)>>;

/// The fields of a type that have a default. An immutable table: the cell only puts off reading it.
pub(super) fn rules(name: &str) -> &'static [(Str, Value)] {
    static READ: OnceLock<Table> = OnceLock::new();
    let table = READ.get_or_init(|| {
        TABLE
            .iter()
            .map(|(name, rules)| {
                let rules = rules
                    .iter()
                    .map(|(field, json)| {
                        let value = Value::from_json(json).expect("a default of the table is JSON");
                        (Str::from_static(field), value)
                    })
                    .collect();
                (*name, rules)
            })
            .collect()
    });
    table.get(name).map_or(&[], |rules| rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schemas;

    #[test]
    fn every_rule_is_of_a_field_that_exists() {
        for (name, rules) in TABLE {
            let Some(ty) = Schemas::builtin().named(name) else {
                panic!("there is no type {name}");
            };
            for (field, json) in *rules {
                assert!(ty.field(field).is_some(), "{name} has no field {field}");
                assert!(Value::from_json(json).is_ok(), "{name}.{field}: {json}");
            }
        }
    }
}
