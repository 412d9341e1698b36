use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use gitops_manifest::{Object, ObjectKey, Str};

use super::gate::OF_DECISION;
use super::operate::own_key;
use super::resolve::reference;
use super::{ClusterConnection, Engine, EngineError, Hold, record};
use crate::application::{
    AppProject, Application, ApplicationSource, ApplicationSummary, ComparedTo, HealthState,
    OrphanedResources, SyncStatus, SyncStatusCode,
};
use crate::comparison::{Basis, Comparison, compare, prepare, shown_revision, shown_revisions};
use crate::orphans;
use crate::project::Cluster;
use crate::{ApplicationId, Differ, Discovery, EventKind, RenderOptions, Revision, Timestamp};

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
    /// The objects of the destination namespace that belong to no application, where the project wants to know of them.
    pub orphans: Vec<ObjectKey>,
    /// What its objects were compared with.
    differ: Arc<Differ>,
    /// When health changes though nothing is heard of the objects.
    pub(super) until: Option<Timestamp>,
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
    /// Whether the metadata of the namespace is other than what was applied last.
    namespace_metadata: Option<bool>,
    /// The state of the namespace, where orphans are looked for.
    namespace_epoch: Option<u64>,
}

/// What a refresh goes by.
struct Checked {
    connection: Arc<ClusterConnection>,
    project: Arc<AppProject>,
    registered: Arc<[Cluster]>,
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

    /// Returns what its objects were compared with, for asking where they differ and why.
    #[must_use]
    pub fn differ(&self) -> &Differ {
        &self.differ
    }

    /// Returns the revisions as people are told of them: the versions of charts, of everything else the ids.
    #[must_use]
    pub fn shown_revisions(&self) -> Vec<Str> {
        self.revisions
            .iter()
            .map(|revision| revision.shown().clone())
            .collect()
    }

    /// Returns the revision for showing; those of several sources joined.
    #[must_use]
    pub fn shown_revision(&self) -> Str {
        shown_revision(&self.shown_revisions())
    }

    /// Returns the revisions for showing where they are other than the ids, to be kept beside these.
    pub(crate) fn versions(&self) -> Vec<Str> {
        let shown = self.shown_revisions();
        if shown == self.revision_ids() {
            Vec::new()
        } else {
            shown
        }
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

    pub(super) fn spec(message: impl Into<String>) -> Self {
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
        let next = cause.to_string();
        // Some errors tell their cause themselves.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
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
            Ok(checked) => {
                let resolved = self.resolve(spec.sources()).await;
                self.refresh_with(
                    id,
                    &application,
                    &checked,
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
                let due = refreshed.until.is_some_and(|at| at <= self.clock.now());
                let refreshed = if !same || due {
                    self.judge(id, &application, refreshed, same)
                } else {
                    refreshed
                };
                if !same || due || !self.conditions_of(id).is_empty() {
                    self.take(id, &application, &refreshed, previous.as_deref());
                }
                Ok(Some(refreshed))
            }
            Err(trouble) => {
                let now = self.clock.now();
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
                    state.status.reconciled_at = Some(now.to_second());
                    if state.refreshed.is_none() {
                        state.status.health.status = "Unknown".into();
                    }
                }
                Ok(None)
            }
        }
    }

    /// Compares an application as it would be with other sources, or with given manifests; nothing is kept of it. The inner
    /// error is what stands in the way.
    pub(super) async fn refresh_other(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        manifests: &[String],
    ) -> Result<Result<Arc<Refreshed>, String>, EngineError> {
        let checked = match self.checked(id, application) {
            Ok(checked) => checked,
            Err(trouble) => return Ok(Err(trouble.message)),
        };
        let mut resolved = Ok(Vec::new());
        for source in application.spec.sources() {
            // Not one of those that are kept: it is asked for this once.
            match (
                self.source.resolve(&reference(&source)).await,
                &mut resolved,
            ) {
                (Ok(revision), Ok(resolved)) => resolved.push((source, revision)),
                (Err(error), _) => {
                    resolved = Err(Trouble::comparison(&error));
                    break;
                }
                (Ok(_), Err(_)) => break,
            }
        }
        if manifests.is_empty() {
            let outcome = self
                .refresh_with(id, application, &checked, resolved, None, None)
                .await?;
            return Ok(outcome.map_err(|trouble| trouble.message));
        }
        let mut objects = Vec::new();
        for (i, text) in manifests.iter().enumerate() {
            let name = format!("operation.sync.manifests[{i}]");
            let options = gitops_manifest::yaml::ParseOptions::default();
            let (parsed, diagnostics) = gitops_manifest::objects(&name, text, &options);
            if !diagnostics.is_empty() {
                let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
                return Ok(Err(texts.join("\n")));
            }
            objects.extend(parsed);
        }
        let (sources, revisions) = match resolved {
            Ok(resolved) => resolved.into_iter().unzip(),
            Err(trouble) => return Ok(Err(trouble.message)),
        };
        let outcome = self
            .compare_with(
                id,
                application,
                &checked,
                (sources, revisions),
                Desire::Given(objects),
                None,
            )
            .await?;
        Ok(outcome.map_err(|trouble| trouble.message))
    }

    fn checked(&self, id: &ApplicationId, application: &Application) -> Result<Checked, Trouble> {
        let spec = &application.spec;
        let project = self
            .project(spec.project())
            .ok_or_else(|| Trouble::spec(format!("project {:?} does not exist", spec.project())))?;
        let control = &self.options.control_namespace;
        if !project.permits_application_in(&id.namespace, control) {
            return Err(Trouble::spec(format!(
                "application {:?} in namespace {:?} is not permitted to use project {:?} \
                 (spec.sourceNamespaces: {})",
                application.name(),
                id.namespace,
                project.name(),
                if project.spec.source_namespaces.is_empty() {
                    "none".to_owned()
                } else {
                    project.spec.source_namespaces.join(", ")
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
        let registered = self.registered(spec.project());
        project
            .check_destination(
                &connection.cluster,
                &spec.destination.namespace,
                &registered,
            )
            .map_err(|denial| Trouble::spec(denial.to_string()))?;
        Ok(Checked {
            connection,
            project,
            registered,
        })
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

    async fn refresh_with(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        checked: &Checked,
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
        let (pinned, desire) = match (resolved, hold) {
            (_, Some(hold)) => (held(&hold), Desire::Held(hold)),
            (Ok(resolved), None) => (resolved.into_iter().unzip(), Desire::Rendered),
            (Err(trouble), None) => return Ok(Err(trouble)),
        };
        self.compare_with(id, application, checked, pinned, desire, previous)
            .await
    }

    /// Works out what is desired and compares it with what is there.
    async fn compare_with(
        &self,
        id: &ApplicationId,
        application: &Arc<Application>,
        checked: &Checked,
        (sources, revisions): (Vec<ApplicationSource>, Vec<Revision>),
        desire: Desire,
        previous: Option<&Arc<Refreshed>>,
    ) -> Result<Result<Arc<Refreshed>, Trouble>, EngineError> {
        let Checked {
            connection,
            project,
            registered,
        } = checked;
        if !connection.live.is_loaded() {
            return Ok(Err(Trouble {
                condition: "ComparisonError",
                message: connection.unknown(),
            }));
        }
        let hold = match &desire {
            Desire::Held(hold) => Some(hold),
            _ => None,
        };
        let discovery = match connection.target.discover().await {
            Ok(discovery) => discovery,
            Err(error) => return Ok(Err(Trouble::comparison(&error))),
        };
        connection.kinds.store(
            discovery.kinds().len(),
            std::sync::atomic::Ordering::Relaxed,
        );
        let instance = self.instance(id);
        let namespace_epoch = project.spec.orphaned_resources.as_ref().map(|_| {
            let live = connection.live.state();
            live.namespace_epoch(&application.spec.destination.namespace)
        });
        let fingerprint = Fingerprint {
            application: Arc::clone(application),
            project: Arc::clone(project),
            revisions: revisions
                .iter()
                .map(|revision: &Revision| revision.id.clone())
                .collect(),
            epoch: connection.live.state().epoch(&instance),
            hold: hold.map(|hold| hold.entry),
            kinds: discovery.kinds().len(),
            namespace_metadata: self.namespace_metadata(id, application),
            namespace_epoch,
        };
        if let Some(previous) = previous
            && previous.basis == fingerprint
        {
            return Ok(Ok(Arc::clone(previous)));
        }
        let namespace = &application.spec.destination.namespace;
        let mut renderers = Vec::new();
        let mut conditions: Vec<(&'static str, String)> = Vec::new();
        let rendered: Vec<Object> = match &desire {
            Desire::Given(objects) => objects.clone(),
            Desire::Held(hold) => {
                conditions.push((
                    "RolledBackWarning",
                    format!(
                        "rolled back to revision {} (history entry {}); {} is not synced until something \
                         newer comes",
                        shown_revision(shown_revisions(&hold.revisions, &hold.versions)),
                        hold.entry,
                        shown_revision(shown_revisions(&hold.from, &hold.from_versions)),
                    ),
                ));
                self.history.objects(id, &hold.content).await?
            }
            Desire::Rendered => match self
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
        let (excluded, rendered): (Vec<Object>, Vec<Object>) =
            rendered.into_iter().partition(|object| {
                let server = &connection.cluster.server;
                self.options.excludes(object.group(), object.kind(), server)
            });
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
        let made = self
            .differ_for(
                id,
                application,
                connection,
                || self.acting(id, project, connection, namespace),
                &prepared.objects,
                &discovery,
            )
            .await;
        let (differ, definitions) = match made {
            Ok(made) => made,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let (shown, own) = (id.to_string(), own_key(id));
        let basis = Basis {
            application: &instance,
            shown: &shown,
            itself: Some(&own),
            namespace,
            cluster: &connection.cluster,
            project,
            registered,
            namespace_metadata: fingerprint.namespace_metadata,
            compat: self.options.compat,
            discovery: &discovery,
            tracking,
            differ: &differ,
            health: self.health(),
            now: self.clock.now(),
        };
        let mut comparison = {
            let mut live = connection.live.state();
            let keys = prepared.objects.iter().map(Object::key);
            live.watch_for(&instance, keys.chain(definitions));
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
        conditions.extend(project_conditions(project));
        let orphans = self.orphans_of(&basis, connection, &comparison);
        let warns = |rules: &OrphanedResources| rules.warn.unwrap_or(false);
        if !orphans.is_empty() && project.spec.orphaned_resources.as_ref().is_some_and(warns) {
            conditions.push((
                "OrphanedResourceWarning",
                format!("Application has {} orphaned resources", orphans.len()),
            ));
        }
        comparison.conditions = conditions;
        Ok(Ok(Arc::new(Refreshed {
            orphans,
            revisions,
            renderers,
            sources,
            desired: prepared.objects.into(),
            comparison: Arc::new(comparison),
            hold: hold.cloned(),
            differ: Arc::new(differ),
            until: None,
            basis: fingerprint,
        })))
    }

    /// Finds the orphans of an application's namespace, where its project wants to know of them.
    fn orphans_of(
        &self,
        basis: &Basis<'_>,
        connection: &ClusterConnection,
        comparison: &Comparison,
    ) -> Vec<ObjectKey> {
        let Some(rules) = &basis.project.spec.orphaned_resources else {
            return Vec::new();
        };
        let instances: HashSet<Str> = {
            let ids = self.applications();
            ids.iter().map(|id| self.instance(id)).collect()
        };
        let managed: HashSet<ObjectKey> =
            comparison.resources.iter().map(|r| r.key.clone()).collect();
        let search = orphans::Search {
            namespace: basis.namespace,
            managed: &managed,
            tracking: basis.tracking,
            rules,
            exists: &|name| instances.contains(name),
            permits: &|object| {
                let checked =
                    basis
                        .project
                        .check_object(object, true, basis.cluster, basis.registered);
                checked.is_ok()
            },
        };
        orphans::find(&connection.live.state(), &search)
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
        connection.note_version(&kube_version);
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
            let merged = super::overrides::merged(source, &*tree, &self.instance(id));
            let source = &merged.map_err(|error| Trouble::comparison(&error))?;
            let spec = &application.spec;
            let mut options = RenderOptions::new(
                id.name.clone(),
                spec.destination.namespace.as_str(),
                revision.shown().clone(),
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
                .render(id, index, tree, options)
                .await
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
        // A chart may be published anew under its version.
        if previous.map(Refreshed::revision_ids) != Some(refreshed.revision_ids()) {
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
            let message = health.message.to_string();
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
        // Whether the last sync failed, and what the next one waits for, is for the decision on that one to say.
        for condition in self.conditions_of(id) {
            if let Some(kind) = OF_DECISION.into_iter().find(|kind| *kind == condition.kind) {
                conditions.push((kind, condition.message));
            }
        }
        self.set_conditions(id, conditions);
        let spec = &application.spec;
        let single = spec.sources.is_empty();
        let shown: Vec<String> = refreshed
            .shown_revisions()
            .iter()
            .map(ToString::to_string)
            .collect();
        let sync = SyncStatus {
            status: comparison.status,
            revision: if single {
                shown.concat()
            } else {
                String::new()
            },
            revisions: if single { Vec::new() } else { shown },
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
            .filter(|resource| resource.is_shown())
            .map(|resource| resource.to_wire())
            .collect();
        let summary = ApplicationSummary {
            images: record::images(comparison.resources.iter().filter_map(|r| r.live.as_ref())),
            external_urls: self.external_urls(application, comparison),
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

    /// Returns the addresses at which people reach an application: those of its objects, and of what these own.
    fn external_urls(&self, application: &Application, comparison: &Comparison) -> Vec<String> {
        let Ok(connection) = self.connection(&application.spec.destination) else {
            return Vec::new();
        };
        let live = connection.live.state();
        let mut urls = BTreeSet::new();
        for root in comparison.resources.iter().filter_map(|r| r.live.as_ref()) {
            crate::links::external_urls(root, &mut urls);
            let has_children = live.owned(root.uid()).next().is_some();
            if has_children && !root.uid().is_empty() {
                for object in live.family(root).iter().skip(1) {
                    crate::links::external_urls(object, &mut urls);
                }
            }
        }
        urls.into_iter().collect()
    }
}

/// Returns the sources and revisions of a rollback that is in force.
fn held(hold: &Hold) -> (Vec<ApplicationSource>, Vec<Revision>) {
    let revisions = hold
        .revisions
        .iter()
        .zip(shown_revisions(&hold.revisions, &hold.versions))
        .zip(&hold.sources)
        .map(|((id, shown), source)| Revision {
            repo: source.repo_url.as_str().into(),
            id: id.clone(),
            name: if shown == id {
                Str::default()
            } else {
                shown.clone()
            },
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

/// Where the desired objects come from.
enum Desire {
    /// The sources are rendered.
    Rendered,
    /// They are given.
    Given(Vec<Object>),
    /// They are those of a rollback.
    Held(Hold),
}

/// What users of a project should know of it.
fn project_conditions(project: &AppProject) -> Vec<(&'static str, String)> {
    let name = project.name();
    let mut conditions = Vec::new();
    for complaint in project.validate() {
        conditions.push((
            "InvalidProjectWarning",
            format!("project {name:?}: {complaint}"),
        ));
    }
    for window in &project.spec.sync_windows {
        if !crate::windows::knows_zone(window) {
            conditions.push((
                "InvalidProjectWarning",
                format!(
                    "project {name:?}: spec.syncWindows: time zone {:?} is not known and counts as UTC",
                    window.time_zone
                ),
            ));
        }
    }
    for warning in AppProject::warnings(&project.to_object()).unwrap_or_default() {
        conditions.push((
            "UnsupportedFieldWarning",
            format!("project {name:?}: {warning}"),
        ));
    }
    conditions
}
