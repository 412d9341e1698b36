//! What a chart depends on: the lock file, and charts that are put in place of missing ones.

use gitops_manifest::Value;
use gitops_template::semver::{Constraint, Version};
use sha2::{Digest, Sha256};

use crate::Chart;
use crate::decode::{Decoder, Place};
use crate::metadata::{Dependency, Metadata};

/// The content of `Chart.lock`, or of `requirements.lock` in charts of the first form: which versions of its
/// dependencies a chart was last put together with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lock {
    /// The hash over the dependencies of the chart and those of the lock.
    pub digest: String,
    /// The dependencies, each with one version.
    pub dependencies: Vec<Dependency>,
}

impl Lock {
    /// Reads the document of a lock file.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let mut decoder = Decoder::default();
        let mut lock = Self::default();
        if let Some(map) = decoder.structure(document, None, "chart.Lock") {
            for (key, value) in map {
                let place = |path| Place {
                    owner: "Lock",
                    path,
                };
                if key.eq_ignore_ascii_case("digest") {
                    decoder.text(value, place("digest"), &mut lock.digest);
                } else if key.eq_ignore_ascii_case("dependencies") {
                    let place = place("dependencies");
                    if let Some(items) = decoder.list(value, place, "[]*chart.Dependency") {
                        lock.dependencies = items
                            .iter()
                            .map(|item| Dependency::read(&mut decoder, item, place))
                            .collect();
                    }
                }
            }
        }
        decoder.finish()?;
        Ok(lock)
    }

    /// Whether the lock was made for the dependencies that `metadata` names.
    ///
    /// `resolved` are the same dependencies with the addresses of repositories in place of their short names
    /// (`@name`), which is what Helm 3 hashes. Locks of charts of the first form may have been made by Helm 2, which
    /// hashed what stands in the file.
    #[must_use]
    pub fn fits(&self, metadata: &Metadata, resolved: &[Dependency]) -> bool {
        let list = |dependencies: &[Dependency]| {
            let all: Vec<String> = dependencies.iter().map(go_json).collect();
            format!("[{}]", all.join(","))
        };
        let hash = |text: String| {
            let mut out = String::from("sha256:");
            for byte in Sha256::digest(text) {
                use std::fmt::Write as _;
                let _ = write!(out, "{byte:02x}");
            }
            out
        };
        let both = format!("[{},{}]", list(resolved), list(&self.dependencies));
        if hash(both) == self.digest {
            return true;
        }
        let own = metadata.dependencies.as_deref().unwrap_or_default();
        metadata.api_version == "v1"
            && hash(format!("{{\"dependencies\":{}}}", list(own))) == self.digest
    }
}

/// Writes a dependency as Go's JSON encoder writes Helm's type.
fn go_json(dependency: &Dependency) -> String {
    let text = |value: &str| Value::from(value).to_go_json();
    let mut fields = vec![format!("\"name\":{}", text(&dependency.name))];
    if !dependency.version.is_empty() {
        fields.push(format!("\"version\":{}", text(&dependency.version)));
    }
    fields.push(format!("\"repository\":{}", text(&dependency.repository)));
    if !dependency.condition.is_empty() {
        fields.push(format!("\"condition\":{}", text(&dependency.condition)));
    }
    if !dependency.tags.is_empty() {
        let tags: Vec<String> = dependency.tags.iter().map(|tag| text(tag)).collect();
        fields.push(format!("\"tags\":[{}]", tags.join(",")));
    }
    if dependency.enabled {
        fields.push("\"enabled\":true".to_owned());
    }
    if !dependency.import_values.is_empty() {
        let values: Vec<String> = dependency
            .import_values
            .iter()
            .map(Value::to_go_json)
            .collect();
        fields.push(format!("\"import-values\":[{}]", values.join(",")));
    }
    if !dependency.alias.is_empty() {
        fields.push(format!("\"alias\":{}", text(&dependency.alias)));
    }
    format!("{{{}}}", fields.join(","))
}

impl Chart {
    /// Returns the dependencies of `Chart.yaml` that no chart in `charts/` stands for: those that
    /// [`render`](crate::render) would refuse the chart for.
    #[must_use]
    pub fn missing_dependencies(&self) -> Vec<&Dependency> {
        let present = |name: &str| self.charts().iter().any(|c| c.metadata().name == name);
        self.metadata()
            .dependencies
            .iter()
            .flatten()
            .filter(|dependency| !present(&dependency.name))
            .collect()
    }
}

/// Whether a version of a chart is one that a dependency accepts. Neither has to be well-formed: what is not fits
/// nothing.
#[must_use]
pub fn version_fits(version: &str, wanted: &str) -> bool {
    let constraint = Constraint::parse(if wanted.is_empty() { "*" } else { wanted });
    Version::parse(version)
        .is_ok_and(|version| constraint.is_ok_and(|constraint| constraint.check(&version)))
}
