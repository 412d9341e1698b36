use gitops_manifest::TreeError;

use crate::HelmVersion;
use crate::values::SET_JSON_OBJECT;

/// What Helm 4 says before the reason why a values file is none.
const OF_STREAM: &str = "cannot unmarshal yaml document: ";

/// Why a chart could not be loaded or rendered.
///
/// [`Error::helm_text`] gives what Helm prints behind `Error: `. Trying again does not help, except where a
/// tree could not be read: see [`Error::is_transient`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tree that holds the chart could not be read.
    #[error("cannot read the chart's files")]
    Tree {
        /// What the tree said.
        #[from]
        source: TreeError,
    },
    /// An archive is damaged, too large, or holds paths that lead out of the chart.
    #[error("{message}")]
    Archive {
        /// What is wrong.
        message: String,
    },
    /// A pattern of `.helmignore` or of `--show-only` is malformed.
    #[error("syntax error in pattern")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// A pattern of `.helmignore` contains `**`.
    #[error("double-star (**) syntax is not supported")]
    DoubleStar {
        /// The pattern.
        pattern: String,
    },
    /// A file that describes the chart could not be read.
    #[error("cannot load {file}: {reason}")]
    ChartFile {
        /// The file, relative to the chart.
        file: String,
        /// What is wrong with it, in the words of Go's YAML reader.
        reason: String,
    },
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// `Chart.yaml` says something that a chart cannot be.
    #[error("validation: {message}")]
    Metadata {
        /// What is wrong.
        message: String,
    },
    /// A chart in `charts/` could not be loaded.
    #[error("error unpacking subchart {name} in {chart}")]
    Subchart {
        /// The folder or archive in `charts/`.
        name: String,
        /// The chart that it is in.
        chart: String,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// Charts lie within charts too deep, or a chart's folders do.
    #[error("charts are nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A values file could not be read.
    #[error("failed to parse {file}: {reason}")]
    ValuesFile {
        /// The file as it was named.
        file: String,
        /// What is wrong with it, in the words of Go's YAML reader.
        reason: String,
    },
    /// An assignment is malformed or does not fit the values that are there.
    #[error("failed parsing {flag} data: {reason}")]
    Set {
        /// The flag that Helm has for the assignment.
        flag: &'static str,
        /// The assignment.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A library chart cannot be rendered by itself.
    #[error("{kind} charts are not installable")]
    NotInstallable {
        /// The type of the chart.
        kind: String,
    },
    /// `Chart.yaml` names dependencies that are not in `charts/`.
    #[error(
        "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to \
         fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .names.join(", ")
    )]
    MissingDependencies {
        /// The names of the dependencies.
        names: Vec<String>,
    },
    /// The chart has a form that Helm 4 does not render.
    #[error("unsupported chart version {version}")]
    ChartApiVersion {
        /// What the chart says in `apiVersion`.
        version: String,
    },
    /// The name of the release cannot be one.
    #[error(
        "release name {name:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    )]
    ReleaseName {
        /// The name.
        name: String,
    },
    /// No name was given to the release.
    #[error("release name \"\": no name provided")]
    NoReleaseName,
    /// A version of Kubernetes is malformed.
    #[error("invalid kube version '{version}': {reason}")]
    KubeVersion {
        /// The version as it was written.
        version: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The chart is not made for this version of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    IncompatibleKubeVersion {
        /// The versions that the chart accepts.
        wanted: String,
        /// The version that it is rendered for.
        found: String,
    },
    /// The values for a subchart are not a map.
    #[error("type mismatch on {chart}: {value}")]
    NotATable {
        /// The subchart.
        chart: String,
        /// What there is instead, as Go shows it.
        value: String,
    },
    /// Which charts take part could not be found out.
    #[error("chart dependencies processing failed")]
    Dependencies {
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// The values do not satisfy the schema of a chart.
    #[error(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{message}"
    )]
    Schema {
        /// What is wrong, chart by chart.
        message: String,
    },
    /// A template could not be parsed or executed, or it failed on purpose.
    #[error("{message}")]
    Template {
        /// The message as Helm shows it, with the place.
        message: String,
        /// The template file that was being parsed or executed.
        file: String,
        /// What the template engine said.
        source: gitops_template::Error,
    },
    /// A rendered document is not a manifest.
    #[error("YAML parse error on {file}: {reason}")]
    Manifest {
        /// The template file that it was rendered from.
        file: String,
        /// What is wrong with it, in the words of Go's YAML reader.
        reason: String,
    },
    /// The host's post-renderer failed.
    #[error("error while running post render on files")]
    PostRender {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No rendered document comes from a template that was asked for.
    #[error("could not find template {pattern} in chart")]
    NoSuchTemplate {
        /// The pattern.
        pattern: String,
    },
}

impl Error {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Tree { source } => source.is_transient(),
            Self::Subchart { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// Returns what a version of Helm prints behind `Error: `; for Helm 3 it is [`helm_text`](Self::helm_text).
    ///
    /// Messages that rendering makes are already those of the version that was rendered for.
    #[must_use]
    pub fn text_of(&self, helm: HelmVersion) -> String {
        if helm == HelmVersion::V3 {
            return self.helm_text();
        }
        match self {
            Self::Subchart { source, .. } => format!("{self}: {}", source.text_of(helm)),
            Self::ChartFile { file, reason }
                if file == "values.yaml" && !reason.starts_with(OF_STREAM) =>
            {
                format!("cannot load {file}: {OF_STREAM}{reason}")
            }
            Self::Dependencies { source } => format!("{self}: {}", source.text_of(helm)),
            Self::ChartApiVersion { version } if version == "v3" => {
                "invalid chart apiVersion".to_owned()
            }
            Self::ChartApiVersion { .. } => "unsupported chart version".to_owned(),
            Self::MissingDependencies { names } => format!(
                "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' \
                 to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
                names.join(", ")
            ),
            Self::ReleaseName { .. } | Self::NoReleaseName => {
                format!("release name check failed: {self}")
            }
            Self::Set {
                flag: SET_JSON_OBJECT,
                text,
                ..
            } => format!("failed parsing --set-json data JSON: {text}"),
            _ => self.helm_text(),
        }
    }

    /// Returns what Helm 3.22 prints behind `Error: `.
    ///
    /// Errors that come up while templates and manifests are worked on are followed by a hint in Helm's output,
    /// which its command adds and this text does not have.
    #[must_use]
    pub fn helm_text(&self) -> String {
        match self {
            Self::Tree { source } => source.to_string(),
            Self::Subchart { source, .. } => format!("{self}: {}", source.helm_text()),
            Self::Dependencies { source } => source.helm_text(),
            // Helm leaves the reason out.
            Self::Set {
                flag: flag @ "--set-json",
                text,
                ..
            } => format!("failed parsing {flag} data {text}"),
            Self::PostRender { source } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}
