//! The order in which manifests are installed, and hooks.

use std::fmt;

use crate::HelmVersion;
use crate::decode::{Decoder, Place, field};
use crate::skim::skim;
use crate::yaml;
use gitops_manifest::Value;

/// The kinds that come first, in Helm's order of installing them.
const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// The kinds that Helm 4 puts behind those.
const HELM4_LAST: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// What a manifest is sorted by: known kinds by rank, unknown ones behind them by name.
pub(crate) fn sort_key(kind: &str, helm: HelmVersion) -> (usize, &str) {
    let last: &[&str] = match helm {
        HelmVersion::V3 => &[],
        HelmVersion::V4 => HELM4_LAST,
    };
    let mut known = INSTALL_ORDER.iter().chain(last);
    match known.position(|known| *known == kind) {
        Some(rank) => (rank, ""),
        None => (usize::MAX, kind),
    }
}

/// An event of a release, at which hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HookEvent {
    /// Before the manifests of an installation are applied.
    PreInstall,
    /// After they are.
    PostInstall,
    /// Before a release is removed.
    PreDelete,
    /// After it is.
    PostDelete,
    /// Before the manifests of an upgrade are applied.
    PreUpgrade,
    /// After they are.
    PostUpgrade,
    /// Before a release is taken back to an earlier revision.
    PreRollback,
    /// After it is.
    PostRollback,
    /// When the release is tested.
    Test,
}

impl HookEvent {
    const ALL: [(Self, &'static str); 9] = [
        (Self::PreInstall, "pre-install"),
        (Self::PostInstall, "post-install"),
        (Self::PreDelete, "pre-delete"),
        (Self::PostDelete, "post-delete"),
        (Self::PreUpgrade, "pre-upgrade"),
        (Self::PostUpgrade, "post-upgrade"),
        (Self::PreRollback, "pre-rollback"),
        (Self::PostRollback, "post-rollback"),
        (Self::Test, "test"),
    ];

    /// Returns the word of the annotation `helm.sh/hook`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(event, _)| *event == self);
        found.map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        // What Helm 2 called its tests.
        if name == "test-success" {
            return Some(Self::Test);
        }
        let found = Self::ALL.iter().find(|(_, word)| *word == name);
        found.map(|(event, _)| *event)
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a document says of itself, as far as sorting needs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) hook: Option<HookAnnotations>,
}

/// The annotations of a hook.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HookAnnotations {
    /// Whether there is the annotation that makes a hook.
    pub(crate) is_hook: bool,
    pub(crate) events: String,
    pub(crate) weight: String,
    pub(crate) delete_policies: Option<String>,
    pub(crate) output_log_policies: Option<String>,
}

const HEAD: &[&str] = &["apiVersion", "kind", "metadata"];
const METADATA: &[&str] = &["name", "annotations"];
const METADATA_TYPE: &str = "struct { Name string \"json:\\\"name\\\"\"; Annotations \
                             map[string]string \"json:\\\"annotations\\\"\" }";

impl Head {
    /// Reads a document, all of which must be YAML; the error is Helm's message.
    pub(crate) fn read(document: &str, helm: HelmVersion) -> Result<Self, String> {
        skim(document).map_or_else(|| Self::read_in_full(document, helm), Ok)
    }

    /// Reads a document by parsing it.
    pub(crate) fn read_in_full(document: &str, helm: HelmVersion) -> Result<Self, String> {
        let value = yaml::read_text(document)?;
        Self::decode(&value, helm)
    }

    fn decode(document: &Value, helm: HelmVersion) -> Result<Self, String> {
        let mut head = Self::default();
        let mut decoder = Decoder::default();
        let name = match helm {
            HelmVersion::V3 => "releaseutil.SimpleHead",
            HelmVersion::V4 => "util.SimpleHead",
        };
        if let Some(map) = decoder.structure(document, None, name) {
            for (key, value) in map {
                let Some(name) = field(key, HEAD) else {
                    continue;
                };
                let place = Place {
                    owner: "SimpleHead",
                    path: name,
                };
                match name {
                    "kind" => decoder.text(value, place, &mut head.kind),
                    "metadata" => head.decode_metadata(&mut decoder, value, place),
                    _ => decoder.text(value, place, &mut String::new()),
                }
            }
        }
        decoder.finish().map(|()| head)
    }

    fn decode_metadata(&mut self, decoder: &mut Decoder, value: &Value, place: Place<'_>) {
        let Some(map) = decoder.structure(value, Some(place), METADATA_TYPE) else {
            return;
        };
        for (key, value) in map {
            match field(key, METADATA) {
                Some("name") => {
                    let place = Place {
                        owner: "",
                        path: "metadata.name",
                    };
                    decoder.text(value, place, &mut self.name);
                }
                Some(_) => {
                    let place = Place {
                        owner: "",
                        path: "metadata.annotations",
                    };
                    let mut hook = HookAnnotations::default();
                    decoder.text_map(value, place, |key, text| match key {
                        "helm.sh/hook" => {
                            hook.events = text;
                            hook.is_hook = true;
                        }
                        "helm.sh/hook-weight" => hook.weight = text,
                        "helm.sh/hook-delete-policy" => hook.delete_policies = Some(text),
                        "helm.sh/hook-output-log-policy" => hook.output_log_policies = Some(text),
                        _ => {}
                    });
                    self.hook = hook.is_hook.then_some(hook);
                }
                None => {}
            }
        }
    }
}

impl HookAnnotations {
    /// Returns the events; `None` where one of them is unknown.
    pub(crate) fn events(&self) -> Option<Vec<HookEvent>> {
        let words = self.events.split(',');
        words
            .map(|word| HookEvent::parse(&word.trim().to_lowercase()))
            .collect()
    }

    /// Returns the weight; 0 where there is none or it is no integer.
    pub(crate) fn weight(&self) -> i64 {
        self.weight.parse().unwrap_or(0)
    }
}

/// Returns the words of a list in an annotation.
pub(crate) fn words(list: Option<&str>) -> Vec<String> {
    list.into_iter()
        .flat_map(|list| list.split(','))
        .map(|word| word.trim().to_lowercase())
        .collect()
}
