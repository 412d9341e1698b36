//! Which kinds are of the cluster and not of a namespace.

use rustc_hash::FxHashMap;

/// What is known of scopes: the table built into kyaml 0.21.2, and what the `openapi` of the build adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    declared: FxHashMap<(String, String), bool>,
}

impl Scope {
    /// Notes what a schema says of a kind. The built-in table goes before it.
    pub(crate) fn declare(&mut self, api_version: String, kind: String, namespaced: bool) {
        let entry = self
            .declared
            .entry((api_version, kind))
            .or_insert(namespaced);
        *entry |= namespaced;
    }

    /// Whether a kind is certainly of the cluster. Unknown kinds count as namespaced.
    pub(crate) fn is_cluster(&self, api_version: &str, kind: &str) -> bool {
        built_in(api_version, kind)
            || (!self.declared.is_empty()
                && self
                    .declared
                    .get(&(api_version.to_owned(), kind.to_owned()))
                    == Some(&false))
    }
}

fn built_in(api_version: &str, kind: &str) -> bool {
    let versions: &[&str] = match kind {
        "Namespace" | "Node" | "PersistentVolume" | "ComponentStatus" | "NodeProxyOptions" => {
            &["v1"]
        }
        "ClusterRole" | "ClusterRoleBinding" => &[
            "rbac.authorization.k8s.io/v1",
            "rbac.authorization.k8s.io/v1beta1",
        ],
        "CustomResourceDefinition" => &["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"],
        "APIService" => &[
            "apiregistration.k8s.io/v1",
            "apiregistration.k8s.io/v1beta1",
        ],
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => &[
            "admissionregistration.k8s.io/v1",
            "admissionregistration.k8s.io/v1beta1",
        ],
        "ValidatingAdmissionPolicy" | "ValidatingAdmissionPolicyBinding" => {
            &["admissionregistration.k8s.io/v1"]
        }
        "CertificateSigningRequest" => &["certificates.k8s.io/v1", "certificates.k8s.io/v1beta1"],
        "FlowSchema" | "PriorityLevelConfiguration" => &["flowcontrol.apiserver.k8s.io/v1beta1"],
        "IngressClass" => &["networking.k8s.io/v1", "networking.k8s.io/v1beta1"],
        "RuntimeClass" => &["node.k8s.io/v1", "node.k8s.io/v1beta1"],
        "PodSecurityPolicy" => &["policy/v1beta1"],
        "PriorityClass" => &["scheduling.k8s.io/v1", "scheduling.k8s.io/v1beta1"],
        "CSINode" => &["storage.k8s.io/v1"],
        "CSIDriver" | "StorageClass" | "VolumeAttachment" => {
            &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"]
        }
        _ => return false,
    };
    versions.contains(&api_version)
}
