//! Metrics, under the names that dashboards for Argo CD know.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitops::application::{Application, ApplicationStatus, OperationPhase};
use gitops::manifest::{FileTree, Str};
use gitops::project::Cluster;
use gitops::{
    ApplicationId, Clock, Engine, Event, EventKind, Observer, Revision, RevisionInfo, Source,
    SourceError, SourceRef, Timestamp, Verb,
};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

mod ordered;
mod process;

use ordered::Ordered;

type Labels = Vec<(&'static str, String)>;
type Floats = Counter<f64, AtomicU64>;

/// The buckets of `argocd_app_reconcile`, those of Argo CD.
const RECONCILE: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// The buckets of `argocd_git_request_duration_seconds`, those of Argo CD.
const GIT: [f64; 8] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0];
/// The buckets of the durations of syncs.
const SYNC: [f64; 10] = [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// What is counted.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Shared>);

#[derive(Default)]
struct Shared {
    counts: Mutex<Counts>,
}

struct Counts {
    applications: BTreeMap<ApplicationId, Counted>,
    reconcile: Ordered<Histogram>,
    syncs: Ordered<Histogram>,
    git: Ordered<Counter>,
    git_time: Ordered<Histogram>,
    git_failed: Ordered<Counter>,
    webhooks: Ordered<Counter>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            applications: BTreeMap::new(),
            reconcile: Ordered::new(|| Histogram::new(RECONCILE)),
            syncs: Ordered::new(|| Histogram::new(SYNC)),
            git: Ordered::default(),
            git_time: Ordered::new(|| Histogram::new(GIT)),
            git_failed: Ordered::default(),
            webhooks: Ordered::default(),
        }
    }
}

/// What is counted of one application. It goes with it.
#[derive(Default)]
struct Counted {
    began: Option<Timestamp>,
    /// Syncs that came to an end, by phase and whether they were tried out only.
    ended: BTreeMap<(OperationPhase, bool), u64>,
    seconds: f64,
    deployments: u64,
    failed: u64,
    /// Requests about its objects.
    requests: BTreeMap<Request, u64>,
    /// Looks at it that are not in the histogram yet: where it goes was not known.
    looks: Vec<Duration>,
    /// Syncs that are not in the histogram yet.
    took: Vec<(OperationPhase, f64)>,
}

/// What requests are told apart by: verb, kind, namespace, answer, and whether it was a dry run.
type Request = (Verb, Str, Str, u16, bool);

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a webhook.
    pub(crate) fn webhook(&self, repo: &str) {
        let labels = vec![("repo", repo.to_owned())];
        self.counts().webhooks.get_or_create(&labels).inc();
    }

    fn git(&self, repo: &str, revision: &str, took: Duration, failed: bool) {
        let counts = self.counts();
        let repo = gitops::source::redact(repo);
        let labels = vec![("repo", repo.clone()), ("request_type", "fetch".to_owned())];
        counts.git.get_or_create(&labels).inc();
        counts
            .git_time
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if failed {
            let labels = vec![("repo", repo), ("revision", revision.to_owned())];
            counts.git_failed.get_or_create(&labels).inc();
        }
    }

    /// Writes all metrics in the `OpenMetrics` text format.
    pub(crate) fn encode(&self, engine: &Engine) -> String {
        let mut registry = Registry::default();
        let shown = Shown::default();
        let mut counts = self.counts();
        let ids = engine.applications();
        let clusters = engine.cluster_list();
        counts
            .applications
            .retain(|id, _| ids.binary_search(id).is_ok());
        for id in &ids {
            let (Some(application), Some(status)) = (engine.application(id), engine.status(id))
            else {
                continue;
            };
            let destination = &application.spec.destination;
            let named = |cluster: &&Cluster| *cluster.name == *destination.name;
            let server = match clusters.iter().find(named) {
                Some(cluster) if destination.server.is_empty() => cluster.server.as_str(),
                _ => or(&destination.server, &destination.name),
            };
            shown.application(id, &application, server, &status, &mut counts);
            if let Some(refreshed) = engine.refreshed(id) {
                let labels = base(id, &application);
                let orphans = count(refreshed.orphans.len());
                shown.orphans.get_or_create(&labels).set(orphans);
            }
        }
        for cluster in clusters {
            let labels = vec![("server", cluster.server.to_string())];
            let known = engine.cluster_state(&cluster.server).unwrap_or_default();
            let (objects, kinds) = (count(known.objects), count(known.kinds));
            shown.objects.get_or_create(&labels).set(objects);
            shown.kinds.get_or_create(&labels).set(kinds);
            for (kind, number) in &known.changes {
                let labels = vec![
                    ("server", cluster.server.to_string()),
                    ("group", kind.group.to_string()),
                    ("kind", kind.kind.to_string()),
                ];
                shown.events.get_or_create(&labels).inc_by(*number);
            }
            let mut labels = labels;
            labels.push(("k8s_version", known.version.to_string()));
            let up = i64::from(known.watched);
            shown.connection.get_or_create(&labels).set(up);
            labels.push(("name", cluster.name.to_string()));
            shown.cluster.get_or_create(&labels).set(1);
        }
        let queue = vec![("name", "app_reconciliation_queue".to_owned())];
        shown
            .waiting
            .get_or_create(&queue)
            .set(count(engine.waiting()));
        process::register(&mut registry);
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        shown.version.get_or_create(&version).set(1);
        shown.register(&mut registry);
        registry.register(
            "argocd_app_reconcile",
            "Application reconciliation performance in seconds",
            counts.reconcile.clone(),
        );
        registry.register(
            "gitops_app_sync_duration_seconds",
            "Duration of syncs of applications in seconds, retries included",
            counts.syncs.clone(),
        );
        registry.register(
            "argocd_git_request",
            "Number of requests to Git repositories",
            counts.git.clone(),
        );
        registry.register(
            "argocd_git_request_duration_seconds",
            "Duration of requests to Git repositories in seconds",
            counts.git_time.clone(),
        );
        registry.register(
            "argocd_git_fetch_fail",
            "Number of requests to Git repositories that failed",
            counts.git_failed.clone(),
        );
        registry.register(
            "argocd_webhook_requests",
            "Number of webhooks that were taken",
            counts.webhooks.clone(),
        );
        drop(counts);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to memory does not fail");
        text
    }
}

impl Observer for Metrics {
    fn observe(&self, event: &Event) {
        let counts = &mut *self.counts();
        match &event.kind {
            EventKind::Reconciled { took } => {
                let counted = counts
                    .applications
                    .entry(event.application.clone())
                    .or_default();
                counted.looks.push(*took);
                if counted.looks.len() > 1024 {
                    counted.looks.drain(..512);
                }
            }
            EventKind::Requested {
                verb,
                key,
                dry_run,
                code,
            } => {
                let request = (
                    *verb,
                    key.kind.clone(),
                    key.namespace.clone(),
                    *code,
                    *dry_run,
                );
                let application = event.application.clone();
                let counted = counts.applications.entry(application).or_default();
                *counted.requests.entry(request).or_default() += 1;
            }
            EventKind::OperationStarted { retry: 0, .. } => {
                let counted = counts
                    .applications
                    .entry(event.application.clone())
                    .or_default();
                counted.began = Some(event.at);
            }
            EventKind::OperationFinished { phase, dry_run, .. } => {
                let counted = counts
                    .applications
                    .entry(event.application.clone())
                    .or_default();
                let seconds = counted
                    .began
                    .take()
                    .map_or(0.0, |began| event.at.since(began).as_secs_f64());
                *counted.ended.entry((*phase, *dry_run)).or_default() += 1;
                counted.seconds += seconds;
                if *dry_run {
                    // Nothing was deployed, nor failed to be.
                    return;
                }
                counted.took.push((*phase, seconds));
                if *phase == OperationPhase::Succeeded {
                    counted.deployments += 1;
                } else {
                    counted.failed += 1;
                }
            }
            _ => {}
        }
    }
}

/// Returns the labels that tell an application.
fn base(id: &ApplicationId, application: &Application) -> Labels {
    vec![
        ("namespace", id.namespace.to_string()),
        ("name", id.name.to_string()),
        ("project", application.spec.project().to_owned()),
    ]
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is worked out anew each time that metrics are asked for.
#[derive(Default)]
struct Shown {
    info: Ordered<Gauge>,
    condition: Ordered<Gauge>,
    syncs: Ordered<Counter>,
    seconds: Ordered<Floats>,
    deployments: Ordered<Counter>,
    failed: Ordered<Counter>,
    score: Ordered<Gauge<f64, AtomicU64>>,
    cluster: Ordered<Gauge>,
    connection: Ordered<Gauge>,
    objects: Ordered<Gauge>,
    kinds: Ordered<Gauge>,
    events: Ordered<Counter>,
    orphans: Ordered<Gauge>,
    requests: Ordered<Counter>,
    waiting: Ordered<Gauge>,
    version: Ordered<Gauge>,
}

impl Shown {
    fn application(
        &self,
        id: &ApplicationId,
        application: &Application,
        server: &str,
        status: &ApplicationStatus,
        counts: &mut Counts,
    ) {
        let spec = &application.spec;
        let base = || base(id, application);
        let with = |more: &[(&'static str, &str)]| -> Labels {
            let mut labels = base();
            labels.extend(
                more.iter()
                    .map(|(name, value)| (*name, (*value).to_owned())),
            );
            labels
        };
        let sources = spec.sources();
        let repo = sources.first().map_or("", |source| &source.repo_url);
        let running = status
            .operation_state
            .as_ref()
            .is_some_and(|state| !state.phase.is_completed());
        let operation = match (application.is_deleting(), running) {
            (true, _) => "delete",
            (false, true) => "sync",
            (false, false) => "",
        };
        let health = or(&status.health.status, "Unknown");
        let automated = spec.automated().is_some().to_string();
        let info = with(&[
            ("autosync_enabled", &automated),
            ("repo", &gitops::source::redact(repo)),
            ("dest_server", server),
            ("dest_namespace", &spec.destination.namespace),
            ("sync_status", &status.sync.status.to_string()),
            ("health_status", health),
            ("operation", operation),
        ]);
        self.info.get_or_create(&info).set(1);
        for condition in &status.conditions {
            let labels = with(&[("condition", &condition.kind)]);
            self.condition.get_or_create(&labels).inc();
        }
        self.score.get_or_create(&base()).set(score(health));
        let Some(counted) = counts.applications.get_mut(id) else {
            return;
        };
        for ((phase, dry), number) in &counted.ended {
            let labels = with(&[
                ("dest_server", server),
                ("phase", &phase.to_string()),
                ("dry_run", &dry.to_string()),
            ]);
            self.syncs.get_or_create(&labels).inc_by(*number);
        }
        if !counted.ended.is_empty() {
            let labels = with(&[("dest_server", server)]);
            self.seconds.get_or_create(&labels).inc_by(counted.seconds);
        }
        for ((verb, kind, namespace, code, dry), number) in &counted.requests {
            let labels = with(&[
                ("server", server),
                ("response_code", &code.to_string()),
                ("verb", &verb.to_string()),
                ("resource_kind", kind),
                ("resource_namespace", namespace),
                ("dry_run", &dry.to_string()),
            ]);
            self.requests.get_or_create(&labels).inc_by(*number);
        }
        self.deployments
            .get_or_create(&base())
            .inc_by(counted.deployments);
        self.failed.get_or_create(&base()).inc_by(counted.failed);
        let (looks, took) = (
            std::mem::take(&mut counted.looks),
            std::mem::take(&mut counted.took),
        );
        let labels = vec![
            ("namespace", id.namespace.to_string()),
            ("dest_server", server.to_owned()),
        ];
        if !looks.is_empty() {
            let histogram = counts.reconcile.get_or_create(&labels);
            looks
                .iter()
                .for_each(|look| histogram.observe(look.as_secs_f64()));
        }
        for (phase, seconds) in took {
            let labels = with(&[("phase", &phase.to_string())]);
            counts.syncs.get_or_create(&labels).observe(seconds);
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "argocd_app_info",
            "Information about application",
            self.info.clone(),
        );
        registry.register(
            "argocd_app_condition",
            "Conditions of applications",
            self.condition.clone(),
        );
        // The library adds the ending of counters, `_total`.
        registry.register(
            "argocd_app_sync",
            "Number of application syncs",
            self.syncs.clone(),
        );
        registry.register(
            "argocd_app_sync_duration_seconds",
            "Total time of application syncs in seconds",
            self.seconds.clone(),
        );
        registry.register(
            "gitops_app_deployments",
            "Number of syncs of applications that succeeded",
            self.deployments.clone(),
        );
        registry.register(
            "gitops_app_failed_syncs",
            "Number of syncs of applications that failed",
            self.failed.clone(),
        );
        registry.register(
            "gitops_app_health_score",
            "How well an application is: 1 healthy or suspended, 0.5 progressing, 0.25 missing, 0 degraded or unknown",
            self.score.clone(),
        );
        registry.register(
            "argocd_cluster_info",
            "Information about cluster",
            self.cluster.clone(),
        );
        registry.register(
            "argocd_cluster_connection_status",
            "Whether the cluster is watched",
            self.connection.clone(),
        );
        registry.register(
            "argocd_cluster_api_resource_objects",
            "Number of objects in the cache",
            self.objects.clone(),
        );
        registry.register(
            "argocd_cluster_api_resources",
            "Number of kinds that the cluster serves",
            self.kinds.clone(),
        );
        registry.register(
            "argocd_cluster_events",
            "Number of changes of objects that the cluster told of",
            self.events.clone(),
        );
        registry.register(
            "argocd_app_orphaned_resources_count",
            "Number of orphaned objects in the namespace of an application",
            self.orphans.clone(),
        );
        registry.register(
            "argocd_app_k8s_request",
            "Number of requests to clusters about objects of applications",
            self.requests.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Number of applications that wait to be looked at",
            self.waiting.clone(),
        );
        registry.register(
            "argocd_info",
            "Version of the controller",
            self.version.clone(),
        );
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn score(health: &str) -> f64 {
    match health {
        "Healthy" | "Suspended" => 1.0,
        "Progressing" => 0.5,
        "Missing" => 0.25,
        _ => 0.0,
    }
}

/// A source whose requests are counted.
pub(crate) struct Metered {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Source for Metered {
    fn supports(&self, source: &SourceRef) -> bool {
        self.source.supports(source)
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let begin = self.clock.now();
        let answer = self.source.resolve(source).await;
        let took = self.clock.now().since(begin);
        let revision: &Str = &source.revision;
        self.metrics
            .git(&source.repo, revision, took, answer.is_err());
        answer
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        self.source.tree(revision).await
    }

    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        self.source.describe(revision).await
    }

    fn invalidate(&self, repo: &str) {
        self.source.invalidate(repo);
    }
}
