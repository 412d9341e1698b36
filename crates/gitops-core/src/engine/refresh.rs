use std::sync::Arc;

use gitops_manifest::{Object, ObjectKey, Str};

use super::discover::names_namespace;
use super::resolve::reference;
use super::{ClusterConnection, Engine, EngineError, Hold, record};
use crate::application::{
    AppProject, Application, ApplicationSource, ApplicationSummary, ComparedTo, HealthState,
    SyncStatus, SyncStatusCode,
};
use crate::comparison::{Basis, Comparison, compare, is_good, prepare, shown_revision};
use crate::diffing::Differ;
use crate::{ApplicationId, Discovery, EventKind, RenderOptions, Revision};

/// An application as it was last looked at.
#[derive(Clone)]
#[non_exhaustive]
pub struct Refreshed {
    /// The revisions of its sources, one each.
    pub revisions: Vec<Revision>,
    /// The names of the renderers of its sources.
    pub renderers: Vec<&'static str>,
    /// The sources.
    pub sources: Vec<ApplicationSource>,
    /// What is desired, ready to be compared.
    pub desired: Arc<[Object]>,
    /// The comparison with what is there.
    pub comparison: Arc<Comparison>,
    /// The rollback that is in force, if any.
    pub hold: Option<Hold>,
    basis: Fingerprint,
}

/// What a comparison rested on: while it stays the same, so does the comparison.
#[derive(Clone, PartialEq)]
struct Fingerprint {
    application: Arc<Application>,
    project: Arc<AppProject>,
    revisions: Vec<Str>,
    epoch: u64,
    hold: Option<i64>,
    kinds: usize,
}

impl Refreshed {
    /// Returns the ids of the revisions.
    #[must_use]
    pub fn revision_ids(&self) -> Vec<Str> {
        self.revisions
            .iter()
            .map(|revision| revision.id.clone())
            .collect()
    }

    /// Returns the revision for showing; those of several sources joined.
    #[must_use]
    pub fn shown_revision(&self) -> Str {
        shown_revision(&self.revision_ids())
    }
}

/// The condition that tells that a revision was tried and failed.
pub(super) const SYNC_ERROR: &str = "SyncError";

/// Why an application could not be refreshed: what its users are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) condition: &'static str,
    pub(super) message: String,
}

impl Trouble {
    pub(super) fn comparison(error: &dyn std::error::Error) -> Self {
        Self {
            condition: "ComparisonError",
            message: chain(error),
        }
    }

    fn spec(message: impl Into<String>) -> Self {
        Self {
            condition: "InvalidSpecError",
            message: message.into(),
        }
    }
}

/// Writes an error and its causes in one line, each behind the one that it caused.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl Engine {
    /// Finds out how an application stands: resolves its sources, renders what has changed, compares with live
    /// state, assesses health. Changes nothing outside the engine.
    ///
    /// Where a source cannot be reached or rendered, or the project does not allow the application, the last
    /// good comparison stays what the answer holds, the status becomes Unknown and a condition tells why.
    ///
    /// # Errors
    /// Where there is no such application, or the store fails.
    pub async fn refresh(&self, id: &ApplicationId) -> Result<Option<Arc<Refreshed>>, EngineError> {
        let application = self
            .application(id)
            .ok_or_else(|| EngineError::NoSuchApplication {
                application: id.clone(),
            })?;
        let previous = self.refreshed(id);
        let hold = self.load_hold(id).await?;
        let spec = &application.spec;
        let outcome = match self.checked(id, &application) {
            Ok((connection, project)) => {
                let resolved = self.resolve(spec.sources()).await;
                self.refresh_with(
                    id,
                    &application,
                    &connection,
                    project,
                    resolved,
                    previous.as_ref(),
                    hold,
                )
                .await?
            }
            Err(trouble) => Err(trouble),
        };
        match outcome {
            Ok(refreshed) => {
                let same = previous
                    .as_ref()
                    .is_some_and(|p| Arc::ptr_eq(p, &refreshed));
                if !same || !self.conditions_of(id).is_empty() {
                    self.take(id, &application, &refreshed, previous.as_deref());
                }
                Ok(Some(refreshed))
            }
            Err(trouble) => {
                self.set_conditions(id, vec![(trouble.condition, trouble.message)]);
                let status = self.status(id).unwrap_or_default();
                if status.sync.status != SyncStatusCode::Unknown {
                    let from = status.sync.status;
                    let to = SyncStatusCode::Unknown;
                    self.emit(
                        id,
                        EventKind::SyncStatusChanged {
                            from,
                            to,
                            out_of_sync: 0,
                        },
                    );
                }
                if let Some(state) = self.known().applications.get_mut(id) {
                    state.status.sync.status = SyncStatusCode::Unknown;
                    if state.refreshed.is_none() {
                        state.status.health.status = "Unknown".into();
                    }
                }
                Ok(None)
            }
        }
    }

    pub(super) fn checked(
        &self,
        id: &ApplicationId,
        application: &Application,
    ) -> Result<(Arc<ClusterConnection>, Arc<AppProject>), Trouble> {
        let spec = &application.spec;
        let project = self
            .project(spec.project())
            .ok_or_else(|| Trouble::spec(format!("project {:?} does not exist", spec.project())))?;
        if id.namespace != self.options.control_namespace
            && !names_namespace(&project.spec.source_namespaces, &id.namespace)
        {
            return Err(Trouble::spec(format!(
                "application '{}' in namespace '{}' is not permitted to use project '{}': its sourceNamespaces are {}",
                id.name,
                id.namespace,
                project.name(),
                match project.spec.source_namespaces.join(", ") {
                    list if list.is_empty() => "none".to_owned(),
                    list => list,
                },
            )));
        }
        let connection = self.connection(&spec.destination).map_err(Trouble::spec)?;
        let sources = spec.sources();
        if sources.is_empty() {
            return Err(Trouble::spec("spec.source and spec.sources are both empty"));
        }
        for source in &sources {
            project
                .check_repository(&source.repo_url)
                .map_err(|denial| Trouble::spec(denial.to_string()))?;
        }
        project
            .check_destination(&connection.cluster, &spec.destination.namespace)
            .map_err(|denial| Trouble::spec(denial.to_string()))?;
        Ok((connection, project))
    }

    pub(super) async fn resolve(
        &self,
        sources: Vec<ApplicationSource>,
    ) -> Result<Vec<(ApplicationSource, Revision)>, Trouble> {
        let mut resolved = Vec::with_capacity(sources.len());
        for source in sources {
            let revision = self.resolve_one(&reference(&source)).await?;
            resolved.push((source, revision));
        }
        Ok(resolved)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the steps of one function, told apart for reading"
    )]
    pub(super) async fn refresh_with(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        connection: &ClusterConnection,
        project: Arc<AppProject>,
        resolved: Result<Vec<(ApplicationSource, Revision)>, Trouble>,
        previous: Option<&Arc<Refreshed>>,
        hold: Option<Hold>,
    ) -> Result<Result<Arc<Refreshed>, Trouble>, EngineError> {
        let ids = |resolved: &[(ApplicationSource, Revision)]| -> Vec<Str> {
            resolved
                .iter()
                .map(|(_, revision)| revision.id.clone())
                .collect()
        };
        let hold = match (&resolved, hold) {
            // Something newer ends the hold.
            (Ok(resolved), Some(hold)) if ids(resolved) != hold.from => {
                self.drop_hold(id).await?;
                None
            }
            (_, hold) => hold,
        };
        // A rollback needs no source: it holds even while Git is down.
        let (sources, revisions) = match (resolved, &hold) {
            (_, Some(hold)) => held(hold),
            (Ok(resolved), None) => resolved.into_iter().unzip(),
            (Err(trouble), None) => return Ok(Err(trouble)),
        };
        if !connection.live.is_loaded() {
            return Ok(Err(Trouble {
                condition: "ComparisonError",
                message: format!(
                    "what is in cluster {} is not known yet",
                    connection.cluster.server
                ),
            }));
        }
        let discovery = match connection.target.discover().await {
            Ok(discovery) => discovery,
            Err(error) => return Ok(Err(Trouble::comparison(&error))),
        };
        connection.kinds.store(
            discovery.kinds().len(),
            std::sync::atomic::Ordering::Relaxed,
        );
        let instance = self.instance(id);
        let fingerprint = Fingerprint {
            application: Arc::clone(application),
            project: Arc::clone(&project),
            revisions: revisions
                .iter()
                .map(|revision: &Revision| revision.id.clone())
                .collect(),
            epoch: connection.live.state().epoch(&instance),
            hold: hold.as_ref().map(|hold| hold.entry),
            kinds: discovery.kinds().len(),
        };
        if let Some(previous) = previous
            && previous.basis == fingerprint
        {
            return Ok(Ok(Arc::clone(previous)));
        }
        let namespace = &application.spec.destination.namespace;
        let mut renderers = Vec::new();
        let mut conditions: Vec<(&'static str, String)> = Vec::new();
        let rendered: Vec<Object> = match &hold {
            Some(hold) => {
                conditions.push((
                    "RolledBackWarning",
                    format!(
                        "rolled back to revision {} (history entry {}); {} is not synced until something \
                         newer comes",
                        shown_revision(&hold.revisions),
                        hold.entry,
                        shown_revision(&hold.from),
                    ),
                ));
                self.history.objects(id, &hold.content).await?
            }
            None => match self
                .render_all(
                    id,
                    application,
                    connection,
                    &sources,
                    &revisions,
                    &discovery,
                )
                .await
            {
                Ok((objects, names, warnings)) => {
                    renderers = names;
                    conditions.extend(warnings);
                    objects
                }
                Err(trouble) => return Ok(Err(trouble)),
            },
        };
        let tracking = &self.options.tracking;
        let (excluded, rendered): (Vec<Object>, Vec<Object>) = rendered
            .into_iter()
            .partition(|object| self.options.excluded_kinds.contains(&object.group_kind()));
        for object in &excluded {
            conditions.push((
                "ExcludedResourceWarning",
                format!(
                    "Resource {}/{} {} is excluded in the settings",
                    object.group(),
                    object.kind(),
                    object.name()
                ),
            ));
        }
        let prepared = prepare(&rendered, &instance, namespace, &discovery, tracking);
        conditions.extend(prepared.warnings);
        let differ = match Differ::new(&application.spec.ignore_differences) {
            Ok(differ) => differ,
            Err(error) => {
                return Ok(Err(Trouble::spec(format!(
                    "spec.ignoreDifferences: {error}"
                ))));
            }
        };
        let own = ObjectKey::new(
            "argoproj.io",
            "Application",
            id.namespace.clone(),
            id.name.clone(),
        );
        let basis = Basis {
            application: &instance,
            itself: Some(&own),
            namespace,
            cluster: &connection.cluster,
            project: &project,
            discovery: &discovery,
            tracking,
            differ: &differ,
            now: self.clock.now(),
        };
        let mut comparison = {
            let mut live = connection.live.state();
            live.watch_for(&instance, prepared.objects.iter().map(Object::key));
            compare(&prepared.objects, &live, &basis)
        };
        conditions.append(&mut comparison.conditions);
        for object in &prepared.objects {
            if discovery.preferred(&object.group_kind()).is_none() {
                conditions.push((
                    "UnknownKindWarning",
                    format!(
                        "{}: the cluster does not know kind {}",
                        object.key(),
                        object.gvk()
                    ),
                ));
            }
        }
        if let Ok(warnings) = Application::warnings(&application.to_object()) {
            let of_spec = |w: &&crate::application::FieldWarning| w.path().starts_with("spec.");
            for warning in warnings.iter().filter(of_spec) {
                conditions.push(("UnsupportedFieldWarning", warning.to_string()));
            }
        }
        comparison.conditions = conditions;
        Ok(Ok(Arc::new(Refreshed {
            revisions,
            renderers,
            sources,
            desired: prepared.objects.into(),
            comparison: Arc::new(comparison),
            hold,
            basis: fingerprint,
        })))
    }

    async fn render_all(
        &self,
        id: &ApplicationId,
        application: &Application,
        connection: &ClusterConnection,
        sources: &[ApplicationSource],
        revisions: &[Revision],
        discovery: &Discovery,
    ) -> Result<(Vec<Object>, Vec<&'static str>, Vec<(&'static str, String)>), Trouble> {
        let mut objects = Vec::new();
        let mut names = Vec::new();
        let mut warnings = Vec::new();
        check_refs(sources).map_err(Trouble::spec)?;
        let kube_version = connection
            .target
            .version()
            .await
            .map_err(|error| Trouble::comparison(&error))?;
        let api_versions: Arc<[Str]> = api_versions(discovery).into();
        for (index, (source, revision)) in sources.iter().zip(revisions).enumerate() {
            // A source that others refer to, and that names no folder, brings no objects of its own.
            if source.is_only_referred_to() {
                names.push("");
                continue;
            }
            let tree = self
                .tree(revision)
                .await
                .map_err(|error| Trouble::comparison(&error))?;
            let named = if source.chart.is_empty() || revision.name.is_empty() {
                &revision.id
            } else {
                &revision.name
            };
            let spec = &application.spec;
            let mut options = RenderOptions::new(
                id.name.clone(),
                spec.destination.namespace.as_str(),
                named.clone(),
                source.clone(),
            );
            options.instance = self.instance(id);
            options.project = spec.project().into();
            options.kube_version = kube_version.clone();
            options.api_versions = Arc::clone(&api_versions);
            for (other, revision) in sources.iter().zip(revisions) {
                if refers_to(source, &other.r#ref) {
                    let tree = self
                        .tree(revision)
                        .await
                        .map_err(|error| Trouble::comparison(&error))?;
                    options.refs.insert(other.r#ref.as_str(), tree);
                }
            }
            let render = self
                .renders
                .render(id, index, &self.renderers, &*tree, options)
                .map_err(|error| Trouble::comparison(&error))?;
            let revision = revision.id.clone();
            self.emit(
                id,
                if render.reused {
                    EventKind::RenderReused { revision }
                } else {
                    EventKind::Rendered {
                        revision,
                        objects: render.rendered.objects.len(),
                    }
                },
            );
            names.push(render.renderer);
            objects.extend(render.rendered.objects.iter().cloned());
            let warning = |text: &String| ("RenderWarning", text.clone());
            warnings.extend(render.rendered.warnings.iter().map(warning));
        }
        Ok((objects, names, warnings))
    }

    /// Takes a new state of an application over into its status, and tells what changed.
    fn take(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        refreshed: &Arc<Refreshed>,
        previous: Option<&Refreshed>,
    ) {
        let comparison = &refreshed.comparison;
        let (old, now) = (
            self.status(id).unwrap_or_default(),
            self.clock.now().to_second(),
        );
        let revision = refreshed.shown_revision();
        let before = previous.map(Refreshed::shown_revision);
        if before.as_ref() != Some(&revision) {
            self.emit(
                id,
                EventKind::RevisionChanged {
                    from: before,
                    to: revision,
                },
            );
        }
        if old.sync.status != comparison.status {
            let (from, to) = (old.sync.status, comparison.status);
            let out_of_sync = comparison.out_of_sync();
            self.emit(
                id,
                EventKind::SyncStatusChanged {
                    from,
                    to,
                    out_of_sync,
                },
            );
        }
        let health = &comparison.health;
        let was = old
            .health
            .status
            .parse()
            .unwrap_or(gitops_health::HealthStatus::Unknown);
        if old.health.status.is_empty() || was != health.status {
            let message = self.explain_health(application, comparison);
            self.emit(
                id,
                EventKind::HealthChanged {
                    from: was,
                    to: health.status,
                    message,
                },
            );
        }
        let mut conditions = comparison.conditions.clone();
        // Whether the last sync failed is for the decision on the next one to say.
        let failed = |c: &&crate::application::Condition| c.kind == SYNC_ERROR;
        if let Some(failed) = self.conditions_of(id).iter().find(failed) {
            conditions.push((SYNC_ERROR, failed.message.clone()));
        }
        self.set_conditions(id, conditions);
        let spec = &application.spec;
        let single = spec.sources.is_empty();
        let ids: Vec<String> = refreshed
            .revision_ids()
            .iter()
            .map(ToString::to_string)
            .collect();
        let sync = SyncStatus {
            status: comparison.status,
            revision: if single { ids.concat() } else { String::new() },
            revisions: if single { Vec::new() } else { ids },
            compared_to: Some(ComparedTo {
                source: spec.source.clone().filter(|_| single),
                sources: spec.sources.clone(),
                destination: spec.destination.clone(),
                ignore_differences: spec.ignore_differences.clone(),
            }),
        };
        let health = HealthState {
            status: health.status.to_string(),
            message: health.message.to_string(),
            last_transition_time: if old.health.status == health.status.as_str() {
                old.health.last_transition_time
            } else {
                Some(now)
            },
        };
        let resources = comparison
            .resources
            .iter()
            .map(|resource| resource.to_wire())
            .collect();
        let summary = ApplicationSummary {
            images: record::images(comparison.resources.iter().filter_map(|r| r.live.as_ref())),
            external_urls: Vec::new(),
        };
        let mut known = self.known();
        let Some(state) = known.applications.get_mut(id) else {
            return;
        };
        state.refreshed = Some(Arc::clone(refreshed));
        let status = &mut state.status;
        status.sync = sync;
        status.health = health;
        status.resources = resources;
        status.summary = summary;
        status.reconciled_at = Some(now);
        let names = &refreshed.renderers;
        status.source_type = if single {
            names.first().copied().unwrap_or_default().into()
        } else {
            String::new()
        };
        status.source_types = if single {
            Vec::new()
        } else {
            names.iter().map(ToString::to_string).collect()
        };
    }

    /// Says what is at the root of an application's health: the deepest object below the one that is not well.
    fn explain_health(&self, application: &Application, comparison: &Comparison) -> String {
        let message = comparison.health.message.to_string();
        if is_good(comparison.health.status) {
            return message;
        }
        let Ok(connection) = self.connection(&application.spec.destination) else {
            return message;
        };
        let worst = comparison.resources.iter().find(|r| {
            r.health
                .as_ref()
                .is_some_and(|h| h.status == comparison.health.status)
        });
        let Some(live) = worst.and_then(|resource| resource.live.as_ref()) else {
            return message;
        };
        let family = connection.live.state().family(live);
        match crate::health::root_cause(live, &family) {
            Some(cause) => format!("{message}: {cause}"),
            None => message,
        }
    }
}

/// Returns the sources and revisions of a rollback that is in force.
fn held(hold: &Hold) -> (Vec<ApplicationSource>, Vec<Revision>) {
    let revisions = hold
        .revisions
        .iter()
        .zip(&hold.sources)
        .map(|(id, source)| Revision {
            repo: source.repo_url.as_str().into(),
            id: id.clone(),
            name: Str::default(),
            chart: (!source.chart.is_empty()).then(|| source.chart.as_str().into()),
        })
        .collect();
    (hold.sources.clone(), revisions)
}

/// Returns the API versions of a cluster as charts are told of them: `apps/v1`, and `apps/v1/Deployment`.
fn api_versions(discovery: &Discovery) -> Vec<Str> {
    let mut versions = std::collections::BTreeSet::new();
    for kind in discovery.kinds() {
        let version = kind.gvk.api_version();
        versions.insert(Str::from(format!("{version}/{}", kind.gvk.kind)));
        versions.insert(version);
    }
    versions.into_iter().collect()
}

/// Whether the settings of a source name files of another one by its `ref`.
fn refers_to(source: &ApplicationSource, name: &str) -> bool {
    let Some(helm) = &source.helm else {
        return false;
    };
    let files = helm.value_files.iter();
    let parameters = helm.file_parameters.iter().map(|parameter| &parameter.path);
    !name.is_empty()
        && files.chain(parameters).any(|file| {
            let first = file.split('/').next().unwrap_or_default();
            first.strip_prefix('$') == Some(name)
        })
}

/// Checks the names under which sources refer to each other, by Argo CD's rules.
fn check_refs(sources: &[ApplicationSource]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for (i, source) in sources.iter().enumerate() {
        let name = source.r#ref.as_str();
        if name.is_empty() {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.chars().all(plain) {
            return Err(format!(
                "spec.sources[{i}].ref: {name:?} may have letters, digits, `_` and `-` only"
            ));
        }
        if !source.chart.is_empty() {
            return Err(format!(
                "spec.sources[{i}] has both ref and chart: files are referred to in Git repositories only"
            ));
        }
        if !seen.insert(name) {
            return Err(format!(
                "spec.sources[{i}].ref: another source has the name {name:?} already"
            ));
        }
    }
    Ok(())
}
