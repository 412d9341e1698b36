//! What the cluster can do, as templates see it: `.Capabilities`.

use crate::{Error, HelmVersion};

/// A version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeVersion {
    version: String,
    as_written: String,
    major: u64,
    minor: u64,
}

impl KubeVersion {
    /// Reads a version such as `1.33`, `v1.33.2` or `1.33.2-eks-1`: at least two numbers, of which as many are
    /// kept as are written; what follows them is not.
    ///
    /// # Errors
    /// [`Error::KubeVersion`] where the text is no version.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::KubeVersion {
            version: text.to_owned(),
            reason,
        };
        let body = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let body = body.strip_prefix('v').unwrap_or(body);
        let numbers: Vec<&str> = body
            .split('.')
            .map(|part| {
                let end = part.find(|c: char| !c.is_ascii_digit());
                (&part[..end.unwrap_or(part.len())], end.is_some())
            })
            // The first part that holds more than a number is the last that counts.
            .scan(false, |ended, (number, ends)| {
                let go_on = !*ended && !number.is_empty();
                *ended = ends;
                go_on.then_some(number)
            })
            .collect();
        if numbers.is_empty() {
            return Err(invalid(format!("could not parse {text:?} as version")));
        }
        if numbers.len() < 2 {
            return Err(invalid(format!("illegal version string {text:?}")));
        }
        if numbers[0].len() > 1 && numbers[0].starts_with('0') {
            return Err(invalid(format!(
                "illegal zero-prefixed version component {:?} in {text:?}",
                numbers[0]
            )));
        }
        let mut parts = Vec::with_capacity(numbers.len());
        for number in &numbers {
            parts.push(number.parse::<u64>().map_err(|_| {
                invalid(format!(
                    "illegal non-numeric version component {number:?} in {text:?}: \
                     strconv.ParseUint: parsing {number:?}: value out of range"
                ))
            })?);
        }
        let shown: Vec<_> = parts.iter().map(u64::to_string).collect();
        let as_written = if text.starts_with('v') {
            text.to_owned()
        } else {
            format!("v{text}")
        };
        Ok(Self {
            version: format!("v{}", shown.join(".")),
            as_written,
            major: parts[0],
            minor: parts[1],
        })
    }

    /// Returns the version with a leading `v`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the version as it was written, with a leading `v`: what Helm 4 tells templates.
    #[must_use]
    pub fn as_written(&self) -> &str {
        &self.as_written
    }

    /// Returns the first number.
    #[must_use]
    pub const fn major(&self) -> u64 {
        self.major
    }

    /// Returns the second number.
    #[must_use]
    pub const fn minor(&self) -> u64 {
        self.minor
    }
}

/// The version of Kubernetes and the APIs that charts are rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The API versions: `v1`, `apps/v1`, and with their kinds (`apps/v1/Deployment`) those that are asked
    /// for in that form.
    pub api_versions: Vec<String>,
    /// The version of Helm that templates are told.
    pub helm_version: String,
    /// The version of Go that templates are told.
    pub go_version: String,
    /// The version of Kubernetes whose client Helm is built with; Helm 4 tells it to templates.
    pub kube_client_version: String,
}

impl Capabilities {
    /// Returns what `helm template` of a version of Helm assumes without a cluster.
    #[must_use]
    pub fn of(helm: HelmVersion) -> Self {
        let mut capabilities = Self::default();
        if helm == HelmVersion::V4 {
            capabilities.helm_version = "v4.3.2".to_owned();
        }
        capabilities
    }
}

impl Default for Capabilities {
    /// Returns what `helm template` of Helm 3.22.0 assumes without a cluster.
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.37.0".to_owned(),
                as_written: "v1.37.0".to_owned(),
                major: 1,
                minor: 37,
            },
            api_versions: API_VERSIONS.iter().map(|&v| v.to_owned()).collect(),
            helm_version: "v3.22.0".to_owned(),
            go_version: "go1.26.8".to_owned(),
            kube_client_version: "v1.37".to_owned(),
        }
    }
}

/// The API versions that Helm 3.22 and 4.3 are built with, in their order.
const API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of `k8s.io/apimachinery/pkg/util/version.ParseGeneric`.
    #[test]
    fn versions_are_generic() {
        for (text, want) in [
            ("1.33", Some("v1.33")),
            (" v1.33.2-eks-1 ", Some("v1.33.2")),
            ("1.33.2.4", Some("v1.33.2.4")),
            ("1.33+", Some("v1.33")),
            ("1.05.0", Some("v1.5.0")),
            ("01.5", None),
            ("1", None),
            ("1.", None),
            ("1.x", None),
            ("abc", None),
            ("", None),
        ] {
            let got = KubeVersion::parse(text).ok();
            assert_eq!(got.as_ref().map(KubeVersion::version), want, "{text}");
        }
    }
}
