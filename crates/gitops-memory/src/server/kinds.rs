//! Which kinds the server knows: those built into Kubernetes 1.36, and those that definitions add.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::{ApiKind, Discovery};
use gitops_manifest::{GroupKind, GroupVersionKind, Object, Str, Value};

/// What is served by default: group, version, kind, plural, whether in a namespace, whether with a status
/// that ordinary writes leave alone. Of one kind the preferred version comes first.
const BUILT_IN: &[(&str, &str, &str, &str, bool, bool)] = &[
    ("", "v1", "ConfigMap", "configmaps", true, false),
    ("", "v1", "Endpoints", "endpoints", true, false),
    ("", "v1", "Event", "events", true, false),
    ("", "v1", "LimitRange", "limitranges", true, false),
    ("", "v1", "Namespace", "namespaces", false, true),
    ("", "v1", "Node", "nodes", false, true),
    (
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        false,
        true,
    ),
    (
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
        true,
    ),
    ("", "v1", "Pod", "pods", true, true),
    ("", "v1", "PodTemplate", "podtemplates", true, false),
    (
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        true,
        true,
    ),
    ("", "v1", "ResourceQuota", "resourcequotas", true, true),
    ("", "v1", "Secret", "secrets", true, false),
    ("", "v1", "Service", "services", true, true),
    ("", "v1", "ServiceAccount", "serviceaccounts", true, false),
    (
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        false,
        true,
    ),
    (
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        true,
        false,
    ),
    ("apps", "v1", "DaemonSet", "daemonsets", true, true),
    ("apps", "v1", "Deployment", "deployments", true, true),
    ("apps", "v1", "ReplicaSet", "replicasets", true, true),
    ("apps", "v1", "StatefulSet", "statefulsets", true, true),
    ("events.k8s.io", "v1", "Event", "events", true, false),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
        true,
    ),
    (
        "autoscaling",
        "v1",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
        true,
    ),
    ("batch", "v1", "CronJob", "cronjobs", true, true),
    ("batch", "v1", "Job", "jobs", true, true),
    (
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        false,
        true,
    ),
    (
        "networking.k8s.io",
        "v1",
        "IPAddress",
        "ipaddresses",
        false,
        false,
    ),
    (
        "networking.k8s.io",
        "v1",
        "Ingress",
        "ingresses",
        true,
        true,
    ),
    (
        "networking.k8s.io",
        "v1",
        "IngressClass",
        "ingressclasses",
        false,
        false,
    ),
    (
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        true,
        false,
    ),
    (
        "networking.k8s.io",
        "v1",
        "ServiceCIDR",
        "servicecidrs",
        false,
        true,
    ),
    (
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
        true,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
        "clusterroles",
        false,
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "Role",
        "roles",
        true,
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        "rolebindings",
        true,
        false,
    ),
    (
        "storage.k8s.io",
        "v1",
        "CSIDriver",
        "csidrivers",
        false,
        false,
    ),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", false, false),
    (
        "storage.k8s.io",
        "v1",
        "CSIStorageCapacity",
        "csistoragecapacities",
        true,
        false,
    ),
    (
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        false,
        false,
    ),
    (
        "storage.k8s.io",
        "v1",
        "VolumeAttachment",
        "volumeattachments",
        false,
        true,
    ),
    (
        "storage.k8s.io",
        "v1",
        "VolumeAttributesClass",
        "volumeattributesclasses",
        false,
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        false,
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        false,
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        false,
        true,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        false,
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        true,
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        false,
        false,
    ),
    ("coordination.k8s.io", "v1", "Lease", "leases", true, false),
    (
        "node.k8s.io",
        "v1",
        "RuntimeClass",
        "runtimeclasses",
        false,
        false,
    ),
    (
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        true,
        false,
    ),
    (
        "resource.k8s.io",
        "v1",
        "DeviceClass",
        "deviceclasses",
        false,
        false,
    ),
    (
        "resource.k8s.io",
        "v1",
        "ResourceClaim",
        "resourceclaims",
        true,
        true,
    ),
    (
        "resource.k8s.io",
        "v1",
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        true,
        false,
    ),
    (
        "resource.k8s.io",
        "v1",
        "ResourceSlice",
        "resourceslices",
        false,
        false,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "FlowSchema",
        "flowschemas",
        false,
        true,
    ),
    (
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        false,
        true,
    ),
];

/// Whether a kind is one of Kubernetes itself.
pub(super) fn is_built_in(group: &str, kind: &str) -> bool {
    BUILT_IN
        .iter()
        .any(|known| known.0 == group && known.2 == kind)
}

/// One version of a kind, as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) api: ApiKind,
    /// Whether ordinary writes leave `status` alone.
    pub(crate) has_status: bool,
}

/// The kinds that are served.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    /// Of one group and kind the preferred version comes first.
    served: BTreeMap<GroupKind, Vec<Served>>,
    discovery: Arc<Discovery>,
}

impl Kinds {
    pub(crate) fn built_in() -> Self {
        let mut kinds = Self {
            served: BTreeMap::new(),
            discovery: Arc::default(),
        };
        for (group, version, kind, plural, namespaced, has_status) in BUILT_IN {
            let gvk = GroupVersionKind {
                group: Str::from_static(group),
                version: Str::from_static(version),
                kind: Str::from_static(kind),
            };
            kinds
                .served
                .entry(gvk.group_kind())
                .or_default()
                .push(Served {
                    api: ApiKind {
                        gvk,
                        plural: Str::from_static(plural),
                        namespaced: *namespaced,
                    },
                    has_status: *has_status,
                });
        }
        kinds.publish();
        kinds
    }

    fn publish(&mut self) {
        let all = self
            .served
            .values()
            .flatten()
            .map(|served| served.api.clone());
        self.discovery = Arc::new(Discovery::new(all));
    }

    pub(crate) const fn discovery(&self) -> &Arc<Discovery> {
        &self.discovery
    }

    /// Returns one version of a kind.
    pub(crate) fn get(&self, gvk: &GroupVersionKind) -> Option<&Served> {
        let versions = self.served.get(&gvk.group_kind())?;
        versions
            .iter()
            .find(|served| served.api.gvk.version == gvk.version)
    }

    /// Returns the preferred version of a kind.
    pub(crate) fn preferred(&self, kind: &GroupKind) -> Option<&Served> {
        self.served.get(kind)?.first()
    }

    /// Serves the kinds of a definition; those that it served before and no longer names go.
    pub(crate) fn define(&mut self, definition: &Object) {
        let Some((kind, versions)) = read_definition(definition) else {
            return;
        };
        if versions.is_empty() {
            self.served.remove(&kind);
        } else {
            self.served.insert(kind, versions);
        }
        self.publish();
    }

    /// Serves the kinds of a definition no longer, and names them.
    pub(crate) fn forget(&mut self, definition: &Object) -> Vec<GroupVersionKind> {
        let kind = defined_kind(definition);
        let served = kind.and_then(|kind| self.served.remove(&kind));
        self.publish();
        let served = served.into_iter().flatten();
        served.map(|served| served.api.gvk).collect()
    }
}

/// Returns the group and kind that a `CustomResourceDefinition` defines.
pub(crate) fn defined_kind(definition: &Object) -> Option<GroupKind> {
    let text = |path: &[&str]| definition.at(path).and_then(Value::as_str);
    Some(GroupKind::new(
        text(&["spec", "group"])?,
        text(&["spec", "names", "kind"])?,
    ))
}

fn read_definition(definition: &Object) -> Option<(GroupKind, Vec<Served>)> {
    let text = |path: &[&str]| definition.at(path).and_then(Value::as_str);
    let kind = defined_kind(definition)?;
    let plural = text(&["spec", "names", "plural"])?;
    let namespaced = text(&["spec", "scope"])? == "Namespaced";
    let mut versions: Vec<Served> = definition
        .at(&["spec", "versions"])?
        .as_array()?
        .iter()
        .filter(|version| version["served"].as_bool() == Some(true))
        .filter_map(|version| {
            Some(Served {
                api: ApiKind {
                    gvk: GroupVersionKind::new(&kind.group, version["name"].as_str()?, &kind.kind),
                    plural: plural.into(),
                    namespaced,
                },
                has_status: version.at(&["subresources", "status"]).is_some(),
            })
        })
        .collect();
    versions.sort_by_cached_key(|served| std::cmp::Reverse(version_rank(&served.api.gvk.version)));
    Some((kind, versions))
}

/// Ranks a version as Kubernetes does: released over beta over alpha, then by number; other names last,
/// by alphabet.
fn version_rank(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let other = (0, 0, 0, std::cmp::Reverse(version.to_owned()));
    let Some(rest) = version.strip_prefix('v') else {
        return other;
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (major, rest) = rest.split_at(digits);
    let Ok(major) = major.parse::<u64>() else {
        return other;
    };
    let stage = |rank, rest: &str| {
        let minor = rest.parse::<u64>().ok()?;
        Some((rank, major, minor, std::cmp::Reverse(String::new())))
    };
    if rest.is_empty() {
        (3, major, 0, std::cmp::Reverse(String::new()))
    } else if let Some(rest) = rest.strip_prefix("beta") {
        stage(2, rest).unwrap_or(other)
    } else if let Some(rest) = rest.strip_prefix("alpha") {
        stage(1, rest).unwrap_or(other)
    } else {
        other
    }
}
