//! `Chart.yaml`: who a chart is and what it depends on.

use gitops_manifest::Value;
use gitops_template::semver::Version;

use crate::Error;
use crate::decode::{Decoder, Place, field};

/// The content of `Chart.yaml`, with the dependencies of `requirements.yaml` in charts of the first form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The name of the chart, or the alias that its parent gives it.
    pub name: String,
    /// The address of the project.
    pub home: String,
    /// Where the source is found.
    pub sources: Vec<String>,
    /// The version of the chart.
    pub version: String,
    /// A sentence on the chart.
    pub description: String,
    /// Words to find the chart by.
    pub keywords: Vec<String>,
    /// Who looks after the chart.
    pub maintainers: Vec<Maintainer>,
    /// The address of an icon.
    pub icon: String,
    /// The form of the chart: `v1` or `v2`.
    pub api_version: String,
    /// The condition under which the chart is enabled; kept for templates, without effect here.
    pub condition: String,
    /// The tags of the chart; kept for templates, without effect here.
    pub tags: String,
    /// The version of the application that the chart installs.
    pub app_version: String,
    /// Whether the chart is deprecated.
    pub deprecated: bool,
    /// Annotations, sorted by name.
    pub annotations: Vec<(String, String)>,
    /// The versions of Kubernetes that the chart is made for.
    pub kube_version: String,
    /// The charts that this one depends on; `None` where nothing is said.
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, `library`, or nothing, which means `application`.
    pub kind: String,
    /// Whether a maintainer is null, which Helm refuses later than other mistakes.
    null_maintainer: bool,
    /// Whether a dependency is.
    null_dependency: bool,
}

/// Who looks after a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintainer {
    /// The name of a person or an organisation.
    pub name: String,
    /// An e-mail address.
    pub email: String,
    /// An address on the web.
    pub url: String,
}

/// A chart that another depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dependency {
    /// The name of the chart.
    pub name: String,
    /// The versions that are accepted.
    pub version: String,
    /// The repository that the chart comes from.
    pub repository: String,
    /// Paths into the values, separated by commas; the first that leads to a boolean decides.
    pub condition: String,
    /// Tags, which the values under `tags` switch.
    pub tags: Vec<String>,
    /// Whether the dependency is enabled; what the file says is overwritten.
    pub enabled: bool,
    /// Which of the dependency's values the parent takes over.
    pub import_values: Vec<Value>,
    /// The name that the chart goes by within its parent.
    pub alias: String,
}

const METADATA: &[&str] = &[
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];
const MAINTAINER: &[&str] = &["name", "email", "url"];
const DEPENDENCY: &[&str] = &[
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
];

impl Metadata {
    /// Whether this is a library chart, which renders nothing by itself.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Reads the document of a `Chart.yaml` or `requirements.yaml` over what is there already.
    pub(crate) fn read(&mut self, document: &Value) -> Result<(), String> {
        let mut decoder = Decoder::default();
        if let Some(map) = decoder.structure(document, None, "chart.Metadata") {
            for (key, value) in map {
                if let Some(name) = field(key, METADATA) {
                    self.read_field(&mut decoder, name, value);
                }
            }
        }
        decoder.finish()
    }

    fn read_field(&mut self, decoder: &mut Decoder, name: &'static str, value: &Value) {
        let place = Place {
            owner: "Metadata",
            path: name,
        };
        match name {
            "name" => decoder.text(value, place, &mut self.name),
            "home" => decoder.text(value, place, &mut self.home),
            "sources" => decoder.texts(value, place, &mut self.sources),
            "version" => decoder.text(value, place, &mut self.version),
            "description" => decoder.text(value, place, &mut self.description),
            "keywords" => decoder.texts(value, place, &mut self.keywords),
            "maintainers" => {
                if let Some(items) = decoder.list(value, place, "[]*chart.Maintainer") {
                    self.null_maintainer = items.iter().any(Value::is_null);
                    self.maintainers = items
                        .iter()
                        .map(|item| Maintainer::read(decoder, item, place))
                        .collect();
                }
            }
            "icon" => decoder.text(value, place, &mut self.icon),
            "apiVersion" => decoder.text(value, place, &mut self.api_version),
            "condition" => decoder.text(value, place, &mut self.condition),
            "tags" => decoder.text(value, place, &mut self.tags),
            "appVersion" => decoder.text(value, place, &mut self.app_version),
            "deprecated" => decoder.boolean(value, place, &mut self.deprecated),
            "annotations" => {
                let mut annotations = Vec::new();
                decoder.text_map(value, place, |key, text| {
                    annotations.push((key.to_owned(), text));
                });
                self.annotations = annotations;
            }
            "kubeVersion" => decoder.text(value, place, &mut self.kube_version),
            "dependencies" => match decoder.list(value, place, "[]*chart.Dependency") {
                Some(items) => {
                    self.null_dependency = items.iter().any(Value::is_null);
                    self.dependencies = Some(
                        items
                            .iter()
                            .map(|item| Dependency::read(decoder, item, place))
                            .collect(),
                    );
                }
                None if value.is_null() => self.dependencies = None,
                None => {}
            },
            _ => decoder.text(value, place, &mut self.kind),
        }
    }

    /// Judges what was read and cleans its text, as Helm does when it loads a chart.
    pub(crate) fn validate(&mut self) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::Metadata { message });
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ]
        .into_iter()
        .chain(&mut self.sources)
        .chain(&mut self.keywords)
        {
            clean(text);
        }
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required".to_owned());
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return invalid(format!(
                "chart.metadata.name {:?} is not allowed",
                self.name
            ));
        }
        if self.name.contains('/') {
            return invalid(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return invalid(format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library".to_owned());
        }
        if self.null_maintainer {
            return invalid("maintainers must not contain empty or null nodes".to_owned());
        }
        for maintainer in &mut self.maintainers {
            clean(&mut maintainer.name);
            clean(&mut maintainer.email);
            clean(&mut maintainer.url);
        }
        if self.null_dependency {
            return invalid("dependencies must not contain empty or null nodes".to_owned());
        }
        let mut names = Vec::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            dependency.validate()?;
            let name = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if names.contains(&name) {
                return invalid(format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
            names.push(name);
        }
        Ok(())
    }
}

impl Maintainer {
    fn read(decoder: &mut Decoder, value: &Value, place: Place<'_>) -> Self {
        let mut maintainer = Self::default();
        let Some(map) = decoder.structure(value, Some(place), "chart.Maintainer") else {
            return maintainer;
        };
        for (key, value) in map {
            let Some(name) = field(key, MAINTAINER) else {
                continue;
            };
            let path = format!("{}.{name}", place.path);
            let place = Place {
                owner: "Maintainer",
                path: &path,
            };
            let into = match name {
                "name" => &mut maintainer.name,
                "email" => &mut maintainer.email,
                _ => &mut maintainer.url,
            };
            decoder.text(value, place, into);
        }
        maintainer
    }
}

impl Dependency {
    pub(crate) fn read(decoder: &mut Decoder, value: &Value, place: Place<'_>) -> Self {
        let mut dependency = Self::default();
        let Some(map) = decoder.structure(value, Some(place), "chart.Dependency") else {
            return dependency;
        };
        for (key, value) in map {
            let Some(name) = field(key, DEPENDENCY) else {
                continue;
            };
            let path = format!("{}.{name}", place.path);
            let place = Place {
                owner: "Dependency",
                path: &path,
            };
            match name {
                "name" => decoder.text(value, place, &mut dependency.name),
                "version" => decoder.text(value, place, &mut dependency.version),
                "repository" => decoder.text(value, place, &mut dependency.repository),
                "condition" => decoder.text(value, place, &mut dependency.condition),
                "tags" => decoder.texts(value, place, &mut dependency.tags),
                "enabled" => decoder.boolean(value, place, &mut dependency.enabled),
                "import-values" => {
                    if let Some(items) = decoder.list(value, place, "[]interface {}") {
                        dependency.import_values = items.to_vec();
                    }
                }
                _ => decoder.text(value, place, &mut dependency.alias),
            }
        }
        dependency
    }

    fn validate(&mut self) -> Result<(), Error> {
        for text in [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ]
        .into_iter()
        .chain(&mut self.tags)
        {
            clean(text);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !self.alias.chars().all(plain) {
            return Err(Error::Metadata {
                message: format!(
                    "dependency {:?} has disallowed characters in the alias",
                    self.name
                ),
            });
        }
        Ok(())
    }
}

/// Turns every space into a plain one and takes out what cannot be printed.
fn clean(text: &mut String) {
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    if text.chars().all(plain) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| {
            if c.is_whitespace() {
                Some(' ')
            } else {
                (!c.is_control() && !is_unprintable(c)).then_some(c)
            }
        })
        .collect();
}

/// Characters that Go's `unicode.IsPrint` refuses beside controls: formats, private use, unassigned planes.
fn is_unprintable(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x600..=0x605
            | 0x61c
            | 0x6dd
            | 0x70f
            | 0x180e
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0xe000..=0xf8ff
            | 0xfeff
            | 0xfff9..=0xfffb
            | 0xfffe..=0xffff
            | 0xe0000..=0x10_ffff
    )
}
