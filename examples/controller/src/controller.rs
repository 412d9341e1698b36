//! The controller: the engine, and what goes on around it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use gitops::application::Application;
use gitops::kube::ClusterSecret;
use gitops::manifest::{GroupKind, Object, ObjectKey, Str, Value};
use gitops::project::Cluster;
use gitops::{
    ApplicationId, Clock, Engine, EngineError, EngineOptions, LiveCache, PatchOptions, REFRESH,
    Renderer, Scope, Source, SourceNews, Store, Target, TargetError,
};
use serde_json::json;

use crate::events::Recorder;
use crate::http::Answer;
use crate::inbox::Inbox;
use crate::lease::{LeaseOptions, Shards, shard_of};
use crate::log::Log;
use crate::metrics::{Metered, Metrics};
use crate::settings::Settings;
use crate::status::key_of;
use crate::webhook::{self, Push, WebhookError};
use crate::writer::Writer;

/// How long it takes until a cluster that could not be connected to is tried again.
const CONNECT_AGAIN: Duration = Duration::from_secs(30);

/// Connects to the cluster that a Secret describes.
pub type Connect =
    dyn Fn(Object) -> BoxFuture<'static, Result<(Cluster, Arc<dyn Target>), String>> + Send + Sync;

/// What a controller is put together of.
#[non_exhaustive]
pub struct Parts {
    /// The cluster that holds the Applications.
    pub target: Arc<dyn Target>,
    /// Where desired state comes from.
    pub source: Arc<dyn Source>,
    /// What must survive a crash.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The renderers.
    pub renderers: Vec<Arc<dyn Renderer>>,
    /// What connects to the clusters of Secrets; without it there is the local cluster alone.
    pub connect: Option<Arc<Connect>>,
}

impl Parts {
    /// Makes them of what there has to be.
    #[must_use]
    pub fn new(
        target: Arc<dyn Target>,
        source: Arc<dyn Source>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            target,
            source,
            store,
            clock,
            renderers: Vec::new(),
            connect: None,
        }
    }
}

/// How a controller works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerOptions {
    /// The settings of the engine, before those of the cluster.
    pub engine: EngineOptions,
    /// How Leases are taken; `None` where there is one replica and nobody asks.
    pub lease: Option<LeaseOptions>,
    /// Whether Events are written.
    pub events: bool,
    /// How long a change of a status waits for the next one before it is written.
    pub status_delay: Duration,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            lease: None,
            events: true,
            status_delay: Duration::from_millis(100),
        }
    }
}

/// Why a controller could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The settings could not be read from the cluster.
    #[error("the settings in namespace {namespace} cannot be read")]
    Settings {
        /// The namespace.
        namespace: Str,
        /// What went wrong.
        #[source]
        source: TargetError,
    },
    /// The cluster does not serve the kinds that are looked after.
    #[error(
        "the cluster does not know {kind} of argoproj.io; run `controller crds | kubectl apply --server-side -f -`"
    )]
    NotInstalled {
        /// The kind.
        kind: &'static str,
    },
    /// The engine failed.
    #[error("the engine cannot go on")]
    Engine {
        /// What went wrong.
        #[from]
        source: EngineError,
    },
}

/// Why a controller came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// Settings were changed that it has to begin anew with.
    SettingsChanged,
}

/// The Secrets of clusters that were taken up.
#[derive(Default)]
struct Clusters {
    /// Those that are connected to, with the address of the server.
    known: BTreeMap<String, (Object, String)>,
    /// Those that are not, with the address and the reason.
    refused: BTreeMap<String, (String, String)>,
}

/// A controller.
pub struct Controller {
    parts: Parts,
    options: ControllerOptions,
    engine: Arc<Engine>,
    inbox: Inbox,
    metrics: Metrics,
    /// The objects of the control namespace that hold settings.
    config: LiveCache,
    settings: RwLock<Arc<Settings>>,
    /// The settings that the engine was made with.
    first: Arc<Settings>,
    held: RwLock<Option<BTreeSet<u32>>>,
    alive: AtomicBool,
}

impl Controller {
    /// Reads the settings of the cluster and puts a controller together.
    ///
    /// # Errors
    /// Where the settings cannot be read.
    pub async fn new(
        parts: Parts,
        mut options: ControllerOptions,
    ) -> Result<Self, ControllerError> {
        let namespace = options.engine.control_namespace.clone();
        let kinds = ["ConfigMap", "Secret"].map(|kind| GroupKind::new("", kind));
        let scope = Scope::all()
            .with_kinds(kinds)
            .with_namespaces([namespace.clone()]);
        let config = LiveCache::new(
            Arc::clone(&parts.target),
            scope,
            options.engine.tracking.clone(),
        );
        let unread = |source| ControllerError::Settings {
            namespace: namespace.clone(),
            source,
        };
        // Asked for by name, a kind that was defined a moment ago is looked for anew.
        for kind in ["Application", "AppProject"] {
            let key = ObjectKey::new("argoproj.io", kind, namespace.clone(), "default");
            match parts.target.get(&key).await {
                Ok(_) => {}
                Err(TargetError::UnknownKind { .. }) => {
                    return Err(ControllerError::NotInstalled { kind });
                }
                Err(source) => return Err(unread(source)),
            }
        }
        config.update().await.map_err(unread)?;
        let settings = Arc::new(read_settings(&config));
        settings.apply(&mut options.engine);
        let (inbox, metrics) = (Inbox::default(), Metrics::default());
        let source = Metered {
            source: Arc::clone(&parts.source),
            metrics: metrics.clone(),
            clock: Arc::clone(&parts.clock),
        };
        let mut builder = Engine::builder_of(
            Arc::new(source),
            Arc::clone(&parts.target),
            Arc::clone(&parts.store),
        )
        .clock(Arc::clone(&parts.clock))
        .options(options.engine.clone())
        .observer(inbox.clone())
        .observer(metrics.clone())
        .observer(Log);
        for renderer in &parts.renderers {
            builder = builder.shared_renderer(Arc::clone(renderer));
        }
        let engine = Arc::new(builder.build());
        if options.lease.is_some() {
            // Nothing is ours before a Lease says so.
            engine.set_filter(|_| false);
        }
        Ok(Self {
            parts,
            options,
            engine,
            inbox,
            metrics,
            config,
            settings: RwLock::new(Arc::clone(&settings)),
            first: settings,
            held: RwLock::new(None),
            alive: AtomicBool::new(false),
        })
    }

    /// Reads the settings of a cluster, for those parts of a controller that depend on them.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn read_settings(
        target: &dyn Target,
        namespace: &str,
    ) -> Result<Settings, ControllerError> {
        let kinds = ["ConfigMap", "Secret"].map(|kind| GroupKind::new("", kind));
        let scope = Scope::all().with_kinds(kinds).with_namespaces([namespace]);
        let snapshot = target.snapshot(&scope).await;
        let snapshot = snapshot.map_err(|source| ControllerError::Settings {
            namespace: namespace.into(),
            source,
        })?;
        Ok(Settings::read(&snapshot.objects))
    }

    /// Returns the engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Returns the settings as they are now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read();
        Arc::clone(&settings.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Whether the controller runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Whether it runs and knows what is in its cluster.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_alive() && self.engine.live().is_some_and(|live| live.is_loaded())
    }

    /// Returns the shards that this replica holds; `None` where there are no Leases.
    #[must_use]
    pub fn shards(&self) -> Option<BTreeSet<u32>> {
        self.held
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Returns the metrics as text.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.metrics.encode(&self.engine)
    }

    /// Runs until `stop` is done, or until settings are changed that it has to begin anew with. Steps that are under way
    /// come to their end, what has become of them is written, and Leases are let go of.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn run<F: Future<Output = ()> + Send>(
        &self,
        stop: F,
    ) -> Result<Ended, ControllerError> {
        self.alive.store(true, Ordering::Release);
        let ended = self.run_until(stop).await;
        self.alive.store(false, Ordering::Release);
        ended
    }

    async fn run_until<F: Future<Output = ()> + Send>(
        &self,
        stop: F,
    ) -> Result<Ended, ControllerError> {
        let writer = Writer {
            engine: Arc::clone(&self.engine),
            target: Arc::clone(&self.parts.target),
            clock: Arc::clone(&self.parts.clock),
            inbox: self.inbox.clone(),
            manager: self.options.engine.manager.to_string(),
            delay: self.options.status_delay,
            events: self.options.events,
            recorder: Recorder::default(),
        };
        let mut shards = self.options.lease.clone().map(|lease| {
            let (target, clock) = (&self.parts.target, &self.parts.clock);
            Shards::new(Arc::clone(target), Arc::clone(clock), lease)
        });
        let stopped = AtomicBool::new(false);
        let outcome = {
            // The engine stops when it is told to or when settings have changed.
            let end = async {
                let settings = pin!(self.follow_settings());
                if let Either::Left(_) = select(pin!(stop), settings).await {
                    stopped.store(true, Ordering::Release);
                }
            };
            let engine = pin!(self.engine.run(end));
            let leases = pin!(async {
                match &mut shards {
                    Some(shards) => shards.run(|held| self.hold(held)).await,
                    None => std::future::pending().await,
                }
            });
            let writing = pin!(writer.run());
            let around = select(writing, leases);
            match select(engine, around).await {
                Either::Left((outcome, _)) => outcome,
                Either::Right(_) => unreachable!("they run until they are dropped"),
            }
        };
        // What came of the last steps is written as well, as far as that goes.
        let flush = pin!(writer.flush());
        select(flush, self.parts.clock.sleep(Duration::from_secs(5))).await;
        if let Some(shards) = &mut shards {
            self.hold(&BTreeSet::new());
            let release = pin!(shards.release_all());
            select(release, self.parts.clock.sleep(Duration::from_secs(5))).await;
        }
        outcome?;
        Ok(if stopped.load(Ordering::Acquire) {
            Ended::Stopped
        } else {
            Ended::SettingsChanged
        })
    }

    /// Takes over which shards are held.
    fn hold(&self, held: &BTreeSet<u32>) {
        *self
            .held
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(held.clone());
        let held = held.clone();
        let shards = self.options.lease.as_ref().map_or(1, |lease| lease.shards);
        self.engine
            .set_filter(move |id| held.contains(&shard_of(id, shards)));
    }

    /// Takes over changes of settings until the engine has to be made anew.
    async fn follow_settings(&self) {
        let mut clusters = Clusters::default();
        loop {
            let settings = Arc::new(read_settings(&self.config));
            for complaint in &settings.complaints {
                tracing::warn!(complaint, "a setting is left aside");
            }
            if settings.needs_restart(&self.first) {
                tracing::info!("settings were changed; beginning anew");
                return;
            }
            let failed = self.take_clusters(&settings, &mut clusters).await;
            *self
                .settings
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = settings;
            let changed = pin!(self.config.changed());
            if failed {
                // A command may have failed, or have had no network: it is tried again.
                let wait = self.parts.clock.sleep(CONNECT_AGAIN);
                match select(changed, wait).await {
                    Either::Left((Err(_), _)) => {}
                    _ => continue,
                }
            } else if changed.await.is_ok() {
                continue;
            }
            self.parts.clock.sleep(Duration::from_secs(5)).await;
        }
    }

    /// Connects to the clusters of Secrets. Tells whether that failed with any.
    async fn take_clusters(
        &self,
        settings: &Settings,
        Clusters { known, refused }: &mut Clusters,
    ) -> bool {
        let Some(connect) = &self.parts.connect else {
            return false;
        };
        refused.retain(|name, (server, _)| {
            let stays = settings.clusters.contains_key(name);
            if !stays {
                self.engine.remove_cluster(server);
            }
            stays
        });
        let gone: Vec<String> = known
            .keys()
            .filter(|name| !settings.clusters.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if let Some((_, server)) = known.remove(&name) {
                self.engine.remove_cluster(&server);
            }
        }
        for (name, secret) in &settings.clusters {
            if known.get(name).is_some_and(|(old, _)| {
                old.get("data") == secret.get("data")
                    && old.get("metadata") == secret.get("metadata")
            }) {
                continue;
            }
            match connect(secret.clone()).await {
                Ok((cluster, target)) => {
                    refused.remove(name);
                    let server = cluster.server.to_string();
                    if let Some((_, before)) =
                        known.insert(name.clone(), (secret.clone(), server.clone()))
                        && before != server
                    {
                        self.engine.remove_cluster(&before);
                    }
                    self.engine.add_cluster(cluster, target);
                }
                Err(reason) => {
                    let described = ClusterSecret::parse(secret).ok();
                    let server = described
                        .as_ref()
                        .map(|described| described.server.to_string());
                    let told = (server.unwrap_or_default(), reason.clone());
                    if refused.insert(name.clone(), told.clone()) != Some(told) {
                        tracing::warn!(secret = name, reason, "the cluster cannot be connected to");
                    }
                    if let Some(described) = described {
                        let cluster = Cluster {
                            server: described.server,
                            name: described.name,
                        };
                        self.engine.note_unconnected(&cluster, reason);
                    }
                }
            }
        }
        !refused.is_empty()
    }

    /// Takes a webhook. `header` gives a header by its name in small letters.
    pub async fn webhook<'a>(
        &self,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
    ) -> Answer {
        let settings = self.settings();
        match webhook::read(header, body, &settings.webhooks) {
            Ok(Some(push)) => {
                let concerned = self.take_push(&push).await;
                let text = match concerned {
                    1 => "1 application is looked at\n".to_owned(),
                    number => format!("{number} applications are looked at\n"),
                };
                Answer::new(200, text)
            }
            Ok(None) => Answer::new(200, "nothing to do for this event\n"),
            Err(error @ WebhookError::BadSignature { .. }) => {
                Answer::new(401, format!("{error}\n"))
            }
            Err(error) => Answer::new(400, format!("{error}\n")),
        }
    }

    /// Has the applications looked at that a push concerns; those of other replicas are asked to by their annotation.
    /// Returns how many there are.
    async fn take_push(&self, push: &Push) -> usize {
        for repo in push.repos.iter().take(1) {
            self.metrics.webhook(repo);
        }
        let own: Vec<(ApplicationId, Arc<Application>)> = self
            .engine
            .applications()
            .into_iter()
            .filter_map(|id| Some((id.clone(), self.engine.application(&id)?)))
            .collect();
        let (first, repos) = webhook::concerned(push, own.iter().map(|(id, app)| (id, &**app)));
        let mut count = first.len();
        if !repos.is_empty() {
            let mut news = SourceNews::default();
            news.repos = repos.into_iter().map(Str::from).collect();
            news.first = first;
            self.engine.notify(news);
        }
        if self.options.lease.is_some() {
            count += self.ask_others(push, &own).await;
        }
        count
    }

    async fn ask_others(&self, push: &Push, own: &[(ApplicationId, Arc<Application>)]) -> usize {
        let Some(live) = self.engine.live() else {
            return 0;
        };
        let own: BTreeSet<&ApplicationId> = own.iter().map(|(id, _)| id).collect();
        let others: Vec<(ApplicationId, Application)> = live
            .of_kind(&GroupKind::new("argoproj.io", "Application"))
            .iter()
            .filter_map(|object| {
                let id = ApplicationId::new(object.namespace(), object.name());
                if own.contains(&id) {
                    return None;
                }
                Some((id, Application::from_object(object).ok()?))
            })
            .collect();
        let (ids, _) = webhook::concerned(push, others.iter().map(|(id, app)| (id, app)));
        let patch = Value::from(json!({"metadata": {"annotations": {REFRESH: "normal"}}}));
        let options = PatchOptions::new(self.options.engine.manager.clone());
        for id in &ids {
            let asked = self.parts.target.patch(&key_of(id), &patch, &options).await;
            if let Err(error) = asked {
                let reason = gitops::error_chain(&error);
                tracing::warn!(application = %id, reason, "another replica cannot be told of a push");
            }
        }
        ids.len()
    }
}

fn read_settings(config: &LiveCache) -> Settings {
    let state = config.state();
    let of = |kind| state.of_kind(&GroupKind::new("", kind));
    let objects: Vec<&Object> = of("ConfigMap").into_iter().chain(of("Secret")).collect();
    Settings::read(objects)
}
