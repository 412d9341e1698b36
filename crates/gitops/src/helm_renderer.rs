//! Helm as a renderer of the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gitops_core::application::{ApplicationSource, HelmSource};
use gitops_core::{
    Basis, BuildEnvironment, Clock, RenderError, RenderOptions, Rendered, Renderer, SystemClock,
};
use gitops_helm::{Chart, HelmVersion, HookEvent, KubeVersion, Lookup, Time, Values, render};
use gitops_manifest::tree::join;
use gitops_manifest::yaml::ParseOptions;
use gitops_manifest::{ContentId, EntryKind, FileTree, Str, TreeError, Value};

use crate::chart_loader::{ChartLoader, build_dependencies};
use crate::value_files::{Files, Place};

/// How many charts are kept, with their templates parsed.
const CHARTS: usize = 64;

/// Renders charts, with the settings that an application gives them: as `helm template` does where Argo CD runs it.
///
/// Applications with a `chart`, with settings under `helm`, and folders with a `Chart.yaml` are charts. Hooks of Helm
/// stay what they are, for the sync to take them as hooks of its own.
///
/// ```
/// use gitops::application::{ApplicationSource, HelmSource};
/// use gitops::manifest::{MemoryTree, Value};
/// use gitops::{HelmRenderer, RenderOptions, Renderer};
///
/// let tree = MemoryTree::from_iter([
///     ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
///     ("web/templates/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"),
/// ]);
/// let mut source = ApplicationSource::git("https://git.example.com/shop.git", "web", "main");
/// source.helm = Some(HelmSource { release_name: "shop".into(), ..HelmSource::default() });
/// let options = RenderOptions::new("web", "default", "1", source);
/// let rendered = HelmRenderer::new(7).render(&tree, "web", &options)?;
/// assert_eq!(rendered.objects[0].name(), "shop");
/// # Ok::<(), gitops::RenderError>(())
/// ```
#[derive(Clone)]
pub struct HelmRenderer {
    seed: u64,
    clock: Arc<dyn Clock>,
    loader: Option<Arc<dyn ChartLoader>>,
    repositories: BTreeMap<String, String>,
    lookup: Option<Arc<dyn Lookup>>,
    /// Charts that were loaded, the latest last.
    charts: Arc<Mutex<Vec<(ContentId, Chart)>>>,
}

impl HelmRenderer {
    /// Makes one. `seed` is what random functions (`randAlphaNum`, `genCA`) start from: with one seed an application's
    /// chart renders to the same each time, so that it does not drift by itself. Passwords that charts make are only
    /// as secret as the seed: take it from the system's entropy, and keep it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Arc::new(SystemClock),
            loader: None,
            repositories: BTreeMap::new(),
            lookup: None,
            charts: Arc::default(),
        }
    }

    /// Sets the clock, for `now` and the validity of certificates.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Fetches dependencies that are not in `charts/`, and values files on the web; without a loader both are refused.
    #[must_use]
    pub fn with_loader(mut self, loader: impl ChartLoader + 'static) -> Self {
        self.loader = Some(Arc::new(loader));
        self
    }

    /// Names a repository, for dependencies that refer to it as `@name` or `alias:name`.
    #[must_use]
    pub fn with_repository(mut self, name: impl Into<String>, url: impl Into<String>) -> Self {
        self.repositories.insert(name.into(), url.into());
        self
    }

    /// Answers `lookup` of templates; without it nothing is found, as in Argo CD.
    #[must_use]
    pub fn with_lookup(mut self, lookup: impl Lookup + 'static) -> Self {
        self.lookup = Some(Arc::new(lookup));
        self
    }

    /// Loads the chart in a folder, or takes one that was loaded from the same content.
    fn chart(&self, tree: &dyn FileTree, path: &str) -> Result<Chart, String> {
        let id = tree.id(path).map_err(|error| error.to_string())?;
        let charts = || self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chart)) = charts().iter().find(|(known, _)| *known == id) {
            return Ok(chart.clone());
        }
        let chart = Chart::load(tree, path).map_err(|error| error.helm_text())?;
        let mut charts = charts();
        if charts.len() >= CHARTS {
            charts.remove(0);
        }
        charts.push((id, chart.clone()));
        Ok(chart)
    }

    fn values(&self, files: &Files<'_>, helm: &HelmSource) -> Result<Values, String> {
        let told = |error: gitops_helm::Error| error.helm_text();
        let mut values = Values::of(version_of(helm)?);
        for place in files.list(&helm.value_files, helm.ignore_missing_value_files)? {
            let bytes = self.read(files, &place)?;
            values.merge_yaml(&place.to_string(), bytes).map_err(told)?;
        }
        match &helm.values_object {
            Some(Value::Object(map)) => values.merge(map),
            Some(Value::Null) | None => {
                values
                    .merge_yaml("values of the application", &helm.values)
                    .map_err(told)?;
            }
            Some(other) => {
                return Err(format!(
                    "helm.valuesObject must be a map, not {}",
                    other.type_name()
                ));
            }
        }
        // Of parameters with one name the last counts; those that stay text come after the others, as Helm's flags do.
        let last = |force: bool| {
            let of_kind = |p: &&gitops_core::application::HelmParameter| p.force_string == force;
            let all: Vec<_> = helm.parameters.iter().filter(of_kind).collect();
            let mut kept: Vec<_> = Vec::new();
            for (i, parameter) in all.iter().enumerate() {
                if !all[i + 1..]
                    .iter()
                    .any(|later| later.name == parameter.name)
                {
                    kept.push(*parameter);
                }
            }
            kept
        };
        for parameter in last(false) {
            let text = escape(&files.environment.expand(&parameter.value));
            values
                .set(&format!("{}={text}", parameter.name))
                .map_err(told)?;
        }
        for parameter in last(true) {
            let text = escape(&files.environment.expand(&parameter.value));
            values
                .set_string(&format!("{}={text}", parameter.name))
                .map_err(told)?;
        }
        for (i, parameter) in helm.file_parameters.iter().enumerate() {
            let later = &helm.file_parameters[i + 1..];
            if later.iter().any(|later| later.name == parameter.name) {
                continue;
            }
            let place = files.place(&parameter.path)?;
            let bytes = self.read(files, &place)?;
            let content = String::from_utf8_lossy(&bytes).into_owned();
            values
                .set_file(&format!("{}=file", parameter.name), |_| Ok(content.clone()))
                .map_err(told)?;
        }
        Ok(values)
    }

    fn read(&self, files: &Files<'_>, place: &Place) -> Result<Arc<[u8]>, String> {
        match place {
            Place::Path(name, path) => files.read(name.as_deref(), path),
            Place::Url(url) => match &self.loader {
                Some(loader) => loader.file(url),
                None => Err(format!("{url}: files are not fetched from the web here")),
            },
        }
    }

    fn options(
        &self,
        options: &RenderOptions,
        helm: &HelmSource,
    ) -> Result<gitops_helm::RenderOptions, String> {
        let given = |own: &str, other: &Str| -> String {
            if own.is_empty() {
                other.to_string()
            } else {
                own.to_owned()
            }
        };
        let mut settings = gitops_helm::RenderOptions::of(version_of(helm)?);
        settings.release.name = given(&helm.release_name, &options.application);
        let namespace = given(&helm.namespace, &options.namespace);
        if !namespace.is_empty() {
            settings.release.namespace = namespace;
        }
        let version = given(&helm.kube_version, &options.kube_version);
        if !version.is_empty() {
            settings.capabilities.kube_version =
                KubeVersion::parse(&version).map_err(|error| error.helm_text())?;
        }
        let capabilities = &mut settings.capabilities.api_versions;
        if helm.api_versions.is_empty() {
            capabilities.extend(options.api_versions.iter().map(ToString::to_string));
        } else {
            capabilities.extend(helm.api_versions.iter().cloned());
        }
        settings.include_crds = !helm.skip_crds;
        settings.skip_tests = helm.skip_tests;
        settings.skip_schema_validation = helm.skip_schema_validation;
        settings.lookup.clone_from(&self.lookup);
        settings.seed = seed(self.seed, &options.instance);
        let now = self.clock.now().as_micros();
        let nanos = u32::try_from(now.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        settings.now = Time::from_unix(now.div_euclid(1_000_000), nanos);
        Ok(settings)
    }

    fn try_render(
        &self,
        tree: &dyn FileTree,
        path: &str,
        options: &RenderOptions,
    ) -> Result<Rendered, Vec<String>> {
        let one = |message: String| vec![message];
        let helm = options.source.helm.clone().unwrap_or_default();
        let environment = BuildEnvironment::new(options);
        let files = Files {
            tree,
            path,
            refs: &options.refs,
            environment: &environment,
        };
        let loaded = self.chart(tree, path).map_err(one)?;
        let chart = build_dependencies(
            &loaded,
            tree,
            path,
            &self.repositories,
            self.loader.as_deref(),
        )
        .map_err(one)?;
        let values = self.values(&files, &helm).map_err(one)?;
        let settings = self.options(options, &helm).map_err(one)?;
        let rendered =
            render(&chart, &values, &settings).map_err(|error| one(error.helm_text()))?;
        let mut warnings = rendered.warnings.clone();
        if chart.metadata().deprecated {
            warnings.push(format!("chart {} is deprecated", chart.metadata().name));
        }
        let mut objects = Vec::new();
        let mut mistakes = Vec::new();
        let mut read = |source: &str, text: &str| {
            let (found, diagnostics) =
                gitops_manifest::objects(source, text, &ParseOptions::default());
            objects.extend(found);
            mistakes.extend(diagnostics.iter().map(ToString::to_string));
        };
        if settings.include_crds {
            for crd in &rendered.crds {
                read(crd.source(), &crd.text());
            }
        }
        for manifest in &rendered.manifests {
            read(manifest.source(), manifest.text());
        }
        for hook in &rendered.hooks {
            if !(settings.skip_tests && hook.events.contains(&HookEvent::Test)) {
                read(hook.source(), hook.text());
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let basis = Basis::default()
            .on_cluster(true)
            .on_revision(environment.asked_for_revision());
        Ok(Rendered::new(objects, warnings).resting_on(basis))
    }
}

/// Returns the version of Helm that an application wants.
fn version_of(helm: &HelmSource) -> Result<HelmVersion, String> {
    match helm.version.as_str() {
        "" | "v3" => Ok(HelmVersion::V3),
        "v4" => Ok(HelmVersion::V4),
        other => Err(format!(
            "helm.version: {other:?} is not supported; there are v3 and v4"
        )),
    }
}

/// Mixes a seed with the name of an application, so that two do not get the same passwords.
fn seed(seed: u64, instance: &str) -> u64 {
    let id = ContentId::of_file(format!("{seed} {instance}").as_bytes());
    u64::from_str_radix(&id.0[..16], 16).unwrap_or(seed)
}

/// Escapes the commas of a parameter that is no list, as Argo CD does: a value is one value.
fn escape(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    let mut before = ' ';
    for c in value.chars() {
        if c == ',' && before != '\\' {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

impl Renderer for HelmRenderer {
    fn name(&self) -> &'static str {
        "Helm"
    }

    fn detects(
        &self,
        tree: &dyn FileTree,
        path: &str,
        source: &ApplicationSource,
    ) -> Result<bool, TreeError> {
        if source.helm.is_some() || !source.chart.is_empty() {
            return Ok(true);
        }
        Ok(tree.kind(&join(path, "Chart.yaml")?)? == Some(EntryKind::File))
    }

    fn render(
        &self,
        tree: &dyn FileTree,
        path: &str,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        self.try_render(tree, path, options)
            .map_err(|messages| RenderError::Invalid {
                renderer: Str::from_static("Helm"),
                path: path.to_owned(),
                messages,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of `cleanSetParameters` of Argo CD.
    #[test]
    fn commas_of_parameters_are_text() {
        for (value, want) in [
            ("val1", "val1"),
            ("bar,baz", "bar\\,baz"),
            ("bar\\,baz", "bar\\,baz"),
            ("{foo,bar}", "{foo,bar}"),
            (",", "\\,"),
        ] {
            assert_eq!(escape(value), want);
        }
    }
}
