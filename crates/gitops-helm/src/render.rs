//! Rendering: from a chart and values to manifests.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use gitops_manifest::Object;
use gitops_manifest::yaml::{self, ParseOptions};
use gitops_template::semver::{Constraint, Version};
use gitops_template::{Functions, Limits, Templates, Time};

use crate::capabilities::Capabilities;
use crate::coalesce::Mode;
use crate::data::FileData;
use crate::engine::{self, Program, RenderedFile};
use crate::load::{self, extension};
use crate::lookup::Lookup;
use crate::manifest::{Splitting, split};
use crate::order::{Head, HookEvent, sort_key, words};
use crate::pathmatch::PathPattern;
use crate::resolve::{ChartId, Charts};
use crate::{Chart, Error, Values, go};

/// The version of Helm whose behaviour is copied, where Helm 3 and Helm 4 differ.
///
/// Helm 4 merges all documents of a values file, takes nulls out of defaults, shows `.Chart` as a map, keeps the
/// space at the end of documents, sorts webhook configurations last, knows durations and `mustToYaml`, and shows
/// errors of templates over several lines. The values have to be
/// [read](Values::of) and the chart [rendered](RenderOptions::of) for the same version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelmVersion {
    /// Helm 3.22.
    #[default]
    V3,
    /// Helm 4.3.
    V4,
}

/// What a release is rendered for; templates see it in `.Release`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// To be shown or handed on, as `helm template` and Argo CD do; templates see an installation.
    #[default]
    Template,
    /// To be installed.
    Install,
    /// To take the place of an earlier revision.
    Upgrade,
    /// To go back to an earlier revision; templates see neither an installation nor an upgrade.
    Rollback,
}

impl Action {
    pub(crate) const fn is_install(self) -> bool {
        matches!(self, Self::Template | Self::Install)
    }

    pub(crate) const fn is_upgrade(self) -> bool {
        matches!(self, Self::Upgrade)
    }

    /// Returns the events before and after the manifests are applied.
    #[must_use]
    pub const fn hook_events(self) -> [HookEvent; 2] {
        match self {
            Self::Template | Self::Install => [HookEvent::PreInstall, HookEvent::PostInstall],
            Self::Upgrade => [HookEvent::PreUpgrade, HookEvent::PostUpgrade],
            Self::Rollback => [HookEvent::PreRollback, HookEvent::PostRollback],
        }
    }
}

/// The release that a chart is rendered for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// The name, a DNS name of at most 53 characters.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The number of the revision, from 1.
    pub revision: u32,
    /// What it is rendered for.
    pub action: Action,
}

impl Default for Release {
    /// Returns what `helm template` assumes where nothing is said.
    fn default() -> Self {
        Self {
            name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            action: Action::Template,
        }
    }
}

/// Works on the rendered manifests before they are handed out, as the program behind `--post-renderer` does.
pub trait PostRender: Send + Sync {
    /// Takes the manifests, and CRDs where they are included, as one text; returns what is to stand for them.
    ///
    /// # Errors
    /// Fails the render.
    fn post_render(
        &self,
        manifests: String,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;
}

/// What is told of a warning, in Helm's words.
pub type OnWarning = dyn Fn(&str) + Send + Sync;

/// The warnings of a render.
#[derive(Default)]
pub(crate) struct Warnings {
    told: Option<Arc<OnWarning>>,
    all: Vec<String>,
}

impl Warnings {
    pub(crate) fn push(&mut self, warning: String) {
        if let Some(told) = &self.told {
            told(&warning);
        }
        self.all.push(warning);
    }
}

/// How a chart is rendered. The default is `helm template` without flags.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// The release.
    pub release: Release,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Whether the CRDs of the chart stand in front of the output (`--include-crds`).
    pub include_crds: bool,
    /// Whether hooks are left out of the output (`--no-hooks`).
    pub no_hooks: bool,
    /// Whether tests are left out of the output (`--skip-tests`).
    pub skip_tests: bool,
    /// Whether values are not held against schemas (`--skip-schema-validation`).
    pub skip_schema_validation: bool,
    /// Whether the notes of subcharts are rendered too (`--render-subchart-notes`).
    pub subchart_notes: bool,
    /// The version of Helm that is followed.
    pub helm_version: HelmVersion,
    /// What answers `lookup`; without it nothing is found.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// What works on the manifests before they are handed out.
    pub post_render: Option<Arc<dyn PostRender>>,
    /// What is told of all that is odd and does no harm as it comes up, so that it is heard of where the render fails
    /// later; [`Rendered::warnings`] has it too.
    pub on_warning: Option<Arc<OnWarning>>,
    /// What random functions start from; the same seed gives the same output.
    pub seed: u64,
    /// What `now` returns.
    pub now: Time,
    /// How far templates may go.
    pub limits: Limits,
}

impl RenderOptions {
    /// Returns what `helm template` of a version of Helm does without flags.
    ///
    /// ```
    /// use gitops_helm::{HelmVersion, RenderOptions};
    ///
    /// let options = RenderOptions::of(HelmVersion::V4);
    /// assert_eq!(options.capabilities.helm_version, "v4.3.2");
    /// ```
    #[must_use]
    pub fn of(helm_version: HelmVersion) -> Self {
        Self {
            helm_version,
            capabilities: Capabilities::of(helm_version),
            ..Self::default()
        }
    }
}

impl std::fmt::Debug for RenderOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenderOptions")
            .field("release", &self.release)
            .field("helm_version", &self.helm_version)
            .finish_non_exhaustive()
    }
}

/// A part of a rendered file.
#[derive(Clone, Debug)]
struct Part {
    file: Arc<RenderedText>,
    range: Range<usize>,
}

#[derive(Debug)]
struct RenderedText {
    name: String,
    text: String,
}

impl Part {
    fn text(&self) -> &str {
        &self.file.text[self.range.clone()]
    }
}

/// A rendered manifest that is no hook.
#[derive(Clone, Debug)]
pub struct Manifest {
    part: Part,
    kind: String,
}

impl Manifest {
    /// Returns the template that it was rendered from, as Helm shows it behind `# Source:`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.part.file.name
    }

    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.part.text()
    }

    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// A rendered manifest that is applied at an event of a release.
#[derive(Clone, Debug)]
pub struct Hook {
    part: Part,
    kind: String,
    /// The name of the object.
    pub name: String,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Its place among the hooks of an event: lower runs earlier.
    pub weight: i64,
    /// When it is deleted: the words of `helm.sh/hook-delete-policy`.
    pub delete_policies: Vec<String>,
    /// When its output is shown: the words of `helm.sh/hook-output-log-policy`.
    pub output_log_policies: Vec<String>,
}

impl Hook {
    /// Returns the template that it was rendered from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.part.file.name
    }

    /// Returns its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.part.text()
    }

    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// A file of a chart's `crds/`, as it stands there.
#[derive(Clone, Debug)]
pub struct Crd {
    source: String,
    data: FileData,
}

impl Crd {
    /// Returns the path of the file, the path of its chart before it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        load::text(&self.data)
    }
}

/// What a chart renders to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rendered {
    /// The manifests in install order.
    pub manifests: Vec<Manifest>,
    /// The hooks in install order, whatever their weights.
    pub hooks: Vec<Hook>,
    /// The CRDs of the chart and its subcharts; in the output only where the options say so.
    pub crds: Vec<Crd>,
    /// The rendered `NOTES.txt`.
    pub notes: String,
    /// What was odd and did no harm, in Helm's words.
    pub warnings: Vec<String>,
    /// What a post-renderer made of CRDs and manifests.
    post_rendered: Option<String>,
    helm_version: HelmVersion,
    include_crds: bool,
    no_hooks: bool,
    skip_tests: bool,
}

/// Renders a chart.
///
/// # Errors
/// Where the values do not fit the chart, a template fails, or what it renders is not a manifest.
///
/// ```
/// use gitops_helm::{Chart, RenderOptions, Values, render};
/// use gitops_manifest::MemoryTree;
///
/// let tree = MemoryTree::from_iter([
///     ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n"),
///     ("web/values.yaml", "port: 80\n"),
///     ("web/templates/service.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  \
///       name: {{ .Release.Name }}\nspec:\n  ports:\n  - port: {{ .Values.port }}\n"),
/// ]);
/// let chart = Chart::load(&tree, "web")?;
/// let mut values = Values::new();
/// values.set("port=8080")?;
/// let mut options = RenderOptions::default();
/// options.release.name = "shop".to_owned();
///
/// let rendered = render(&chart, &values, &options)?;
/// assert!(rendered.to_yaml().starts_with("---\n# Source: web/templates/service.yaml\n"));
/// let objects = rendered.objects()?;
/// assert_eq!(objects[0].name(), "shop");
/// # Ok::<(), gitops_helm::Error>(())
/// ```
pub fn render(chart: &Chart, values: &Values, options: &RenderOptions) -> Result<Rendered, Error> {
    let helm = options.helm_version;
    check_installable(chart, helm)?;
    check_release_name(&options.release.name)?;
    let mut warnings = Warnings {
        told: options.on_warning.clone(),
        all: Vec::new(),
    };
    for warning in chart.warnings() {
        warnings.push(warning.clone());
    }
    let mut charts =
        Charts::resolve(chart, values, helm, warnings).map_err(|error| match error {
            error @ Error::NotATable { .. } => Error::Dependencies {
                source: Box::new(error),
            },
            error => error,
        })?;
    let coalesced = charts.lay_over(Charts::ROOT, go::node_map(values.nodes()), Mode::Coalesce)?;
    if !options.skip_schema_validation {
        charts.validate(&coalesced)?;
    }
    check_kube_version(chart, options)?;
    let program = Program::new(&charts, &coalesced, options);
    let mut files = program.execute(chart, &mut engine::start(options))?;
    let notes = take_notes(&mut files, &charts, options);
    let mut warnings = std::mem::take(&mut charts.warnings);
    let mut rendered = Rendered {
        manifests: Vec::new(),
        hooks: Vec::new(),
        crds: Vec::new(),
        notes,
        warnings: Vec::new(),
        post_rendered: None,
        helm_version: helm,
        include_crds: options.include_crds,
        no_hooks: options.no_hooks,
        skip_tests: options.skip_tests,
    };
    rendered.sort(files, &mut warnings)?;
    collect_crds(&charts, Charts::ROOT, &mut rendered.crds);
    if let Some(post_render) = &options.post_render {
        let mut text = String::new();
        rendered.write_manifests(&mut text);
        let text = post_render
            .post_render(text)
            .map_err(|source| Error::PostRender { source })?;
        rendered.post_rendered = Some(text);
    }
    rendered.warnings = warnings.all;
    Ok(rendered)
}

fn check_installable(chart: &Chart, helm: HelmVersion) -> Result<(), Error> {
    let metadata = chart.metadata();
    if helm == HelmVersion::V4 && !matches!(metadata.api_version.as_str(), "v1" | "v2") {
        return Err(Error::ChartApiVersion {
            version: metadata.api_version.clone(),
        });
    }
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(Error::NotInstallable {
            kind: metadata.kind.clone(),
        });
    }
    let names: Vec<String> = chart
        .missing_dependencies()
        .into_iter()
        .map(|dependency| dependency.name.clone())
        .collect();
    if names.is_empty() {
        Ok(())
    } else {
        Err(Error::MissingDependencies { names })
    }
}

/// Renders the template of a release's name, as `--name-template` does. The functions are sprig's, without data.
///
/// # Errors
/// [`Error::Template`].
///
/// ```
/// use gitops_helm::{RenderOptions, release_name};
/// assert_eq!(release_name("{{ lower \"SHOP\" }}-web", &RenderOptions::default())?, "shop-web");
/// # Ok::<(), gitops_helm::Error>(())
/// ```
pub fn release_name(template: &str, options: &RenderOptions) -> Result<String, Error> {
    const NAME: &str = "name-template";
    let failed = |source: gitops_template::Error| Error::Template {
        message: source.to_string(),
        file: NAME.to_owned(),
        source,
    };
    let mut templates = Templates::new(Functions::sprig());
    templates.parse(NAME, template).map_err(failed)?;
    templates
        .render(
            NAME,
            gitops_template::Value::Nil,
            &mut engine::start(options),
        )
        .map_err(failed)
}

fn check_release_name(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::NoReleaseName);
    }
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| letter(*b))
            && bytes.last().is_some_and(|b| letter(*b))
            && bytes.iter().all(|b| letter(*b) || *b == b'-')
    };
    if name.len() > 53 || !name.split('.').all(label) {
        return Err(Error::ReleaseName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn check_kube_version(chart: &Chart, options: &RenderOptions) -> Result<(), Error> {
    let wanted = &chart.metadata().kube_version;
    if wanted.is_empty() {
        return Ok(());
    }
    let kube_version = &options.capabilities.kube_version;
    let fits = Version::parse(kube_version.version()).is_ok_and(|version| {
        Constraint::parse(wanted).is_ok_and(|constraint| constraint.check(&version))
    });
    if fits {
        Ok(())
    } else {
        let found = match options.helm_version {
            HelmVersion::V3 => kube_version.version(),
            HelmVersion::V4 => kube_version.as_written(),
        };
        Err(Error::IncompatibleKubeVersion {
            wanted: wanted.clone(),
            found: found.to_owned(),
        })
    }
}

/// Takes the notes out of the rendered files.
fn take_notes(files: &mut Vec<RenderedFile>, charts: &Charts, options: &RenderOptions) -> String {
    let own = format!("{}/templates/NOTES.txt", charts[Charts::ROOT].name);
    let mut notes = String::new();
    files.retain_mut(|file| {
        if !file.name.ends_with("NOTES.txt") {
            return true;
        }
        if options.subchart_notes || file.name == own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(&file.text);
        }
        false
    });
    notes
}

fn collect_crds(charts: &Charts, id: ChartId, crds: &mut Vec<Crd>) {
    let path = charts.full_path(id);
    for file in charts[id].chart.files() {
        let is_manifest = matches!(
            extension(&file.name).to_ascii_lowercase().as_str(),
            ".yaml" | ".yml" | ".json"
        );
        if file.name.starts_with("crds/") && is_manifest {
            crds.push(Crd {
                source: format!("{path}/{}", file.name),
                data: file.data.clone(),
            });
        }
    }
    for &child in &charts[id].charts {
        collect_crds(charts, child, crds);
    }
}

impl Rendered {
    /// Splits the rendered files into documents and puts these in order.
    fn sort(&mut self, mut files: Vec<RenderedFile>, warnings: &mut Warnings) -> Result<(), Error> {
        let helm = self.helm_version;
        let splitting = Splitting::of(helm);
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for RenderedFile { name, text } in files {
            if text.trim().is_empty() {
                continue;
            }
            let file = Arc::new(RenderedText { name, text });
            for document in split(&file.text, splitting) {
                let start = document.as_ptr() as usize - file.text.as_ptr() as usize;
                let part = Part {
                    file: Arc::clone(&file),
                    range: start..start + document.len(),
                };
                let head = Head::read(document, helm).map_err(|reason| Error::Manifest {
                    file: file.name.clone(),
                    reason,
                })?;
                self.add(part, head, warnings);
            }
        }
        self.manifests
            .sort_by(|a, b| sort_key(&a.kind, helm).cmp(&sort_key(&b.kind, helm)));
        self.hooks
            .sort_by(|a, b| sort_key(&a.kind, helm).cmp(&sort_key(&b.kind, helm)));
        Ok(())
    }

    fn add(&mut self, part: Part, head: Head, warnings: &mut Warnings) {
        let Head { kind, name, hook } = head;
        let Some(hook) = hook else {
            self.manifests.push(Manifest { part, kind });
            return;
        };
        let Some(events) = hook.events() else {
            warnings.push(format!("info: skipping unknown hook: {:?}", hook.events));
            return;
        };
        self.hooks.push(Hook {
            part,
            kind,
            name,
            events,
            weight: hook.weight(),
            delete_policies: words(hook.delete_policies.as_deref()),
            output_log_policies: words(hook.output_log_policies.as_deref()),
        });
    }

    /// Returns the hooks of an event in the order in which they run: by weight, then by kind, then by name.
    #[must_use]
    pub fn hooks_for(&self, event: HookEvent) -> Vec<&Hook> {
        let mut hooks: Vec<&Hook> = self
            .hooks
            .iter()
            .filter(|hook| hook.events.contains(&event))
            .collect();
        hooks.sort_by(|a, b| (a.weight, &a.name).cmp(&(b.weight, &b.name)));
        hooks
    }

    fn write_manifests(&self, out: &mut String) {
        let crds: &[Crd] = if self.include_crds { &self.crds } else { &[] };
        for crd in crds {
            write_document(crd.source(), &crd.text(), out);
        }
        for manifest in &self.manifests {
            write_document(manifest.source(), manifest.text(), out);
        }
    }

    /// Returns the hooks that stand in the output.
    fn shown_hooks(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(|hook| {
            let is_test = hook.events.contains(&HookEvent::Test);
            !(self.no_hooks || self.skip_tests && is_test)
        })
    }

    /// Writes what `helm template` prints.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let size: usize = self.manifests.iter().map(|m| m.text().len() + 64).sum();
        let hooks: usize = self.hooks.iter().map(|h| h.text().len() + 64).sum();
        let mut out = String::with_capacity(size + hooks);
        match &self.post_rendered {
            Some(text) => out.push_str(text.trim()),
            None => {
                self.write_manifests(&mut out);
                out.truncate(out.trim_end().len());
                let start = out.len() - out.trim_start().len();
                out.drain(..start);
            }
        }
        out.push('\n');
        for hook in self.shown_hooks() {
            write_document(hook.source(), hook.text(), &mut out);
        }
        out
    }

    /// Writes the documents of some templates alone, as `--show-only` does. A pattern stands for paths
    /// within the chart.
    ///
    /// # Errors
    /// [`Error::NoSuchTemplate`] where a pattern fits no document.
    pub fn show_only(&self, patterns: &[&str]) -> Result<String, Error> {
        let all = self.to_yaml();
        let documents = split(&all, Splitting::of(self.helm_version));
        let mut out = String::new();
        for pattern in patterns {
            let matcher = PathPattern::parse(pattern).ok();
            let mut missing = true;
            for document in &documents {
                // The first comment of this form counts, whoever wrote it.
                let Some(path) = document.lines().find_map(source_path) else {
                    continue;
                };
                if matcher
                    .as_ref()
                    .is_some_and(|matcher| matcher.matches(path))
                {
                    let _ = write!(out, "---\n{document}\n");
                    missing = false;
                }
            }
            if missing {
                return Err(Error::NoSuchTemplate {
                    pattern: (*pattern).to_owned(),
                });
            }
        }
        Ok(out)
    }

    /// Reads the output into objects, in its order.
    ///
    /// # Errors
    /// [`Error::Manifest`] where a document is no object of Kubernetes.
    pub fn objects(&self) -> Result<Vec<Object>, Error> {
        let mut objects = Vec::new();
        match &self.post_rendered {
            Some(text) => read_objects("post-renderer", text, &mut objects)?,
            None => {
                let crds: &[Crd] = if self.include_crds { &self.crds } else { &[] };
                for crd in crds {
                    read_objects(crd.source(), &crd.text(), &mut objects)?;
                }
                for manifest in &self.manifests {
                    read_objects(manifest.source(), manifest.text(), &mut objects)?;
                }
            }
        }
        for hook in self.shown_hooks() {
            read_objects(hook.source(), hook.text(), &mut objects)?;
        }
        Ok(objects)
    }
}

fn read_objects(source: &str, text: &str, objects: &mut Vec<Object>) -> Result<(), Error> {
    let failed = |reason: String| Error::Manifest {
        file: source.to_owned(),
        reason,
    };
    let values = yaml::parse(text, &ParseOptions::default())
        .map_err(|error| failed(crate::yaml::message(&error)))?;
    for value in values.into_iter().filter(|value| !value.is_null()) {
        objects.push(Object::try_from(value).map_err(|error| failed(error.to_string()))?);
    }
    Ok(())
}

/// Returns the path within the chart that a comment `# Source:` names.
fn source_path(line: &str) -> Option<&str> {
    let mut rest = line;
    loop {
        let at = rest.find("# Source: ")?;
        rest = &rest[at + "# Source: ".len()..];
        match rest.split_once('/') {
            Some((chart, path)) if !chart.is_empty() && !path.is_empty() => return Some(path),
            _ => {}
        }
    }
}

fn write_document(source: &str, text: &str, out: &mut String) {
    out.push_str("---\n# Source: ");
    out.push_str(source);
    out.push('\n');
    out.push_str(text);
    out.push('\n');
}
