//! One story: who does what, what goes wrong, and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use gitops_core::application::{
    Application, ApplicationSource, AutomatedSync, Backoff, RetryStrategy, SyncPolicy,
    SyncStatusCode,
};
use gitops_core::{
    ApplicationId, ApplyOptions, Clock as _, DeleteOptions, Engine, EngineError, EngineOptions,
    Propagation, SourceNews, SyncRequest, Target as _,
};
use gitops_manifest::{Object, ObjectKey, Value};
use gitops_memory::{
    Fault, FaultKind, Faults, MemoryOptions, MemorySource, MemoryStore, MemoryTarget, Operation,
    SimClock,
};

use crate::Random;
use crate::spy::{HostClock, Spy};

const REPO: &str = "https://git.example.com/shop.git";

/// How long everything may take once nothing goes wrong any more.
const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) struct Story {
    random: Random,
    pub(crate) clock: SimClock,
    host: HostClock,
    source: MemorySource,
    spy: Spy,
    store: MemoryStore,
    /// What Git holds: values by name.
    git: BTreeMap<String, String>,
    /// The objects that are nobody's business, as they were made.
    bystanders: Vec<Object>,
    application: Application,
    /// Whether there are hooks.
    hooks: bool,
}

fn config(name: &str, value: &str, annotations: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, annotations: {{{annotations}}}}}, data: \
         {{key: \"{value}\"}}}}\n"
    )
}

fn hook(name: &str, annotations: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{{name}, annotations: {{{annotations}}}}}, spec: {{template: \
         {{spec: {{restartPolicy: Never, containers: [{{name: main, image: 'tool:1'}}]}}}}}}}}\n"
    )
}

impl Story {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let clock = SimClock::new();
        let mut options = MemoryOptions::default();
        options.seed = seed;
        let cluster = MemoryTarget::with_options(Arc::new(clock.clone()), &options);
        let application = application(&mut random);
        let mut story = Self {
            host: HostClock::new(clock.clone()),
            spy: Spy::new(cluster, clock.clone()),
            source: MemorySource::new(),
            store: MemoryStore::new(),
            git: BTreeMap::new(),
            bystanders: Vec::new(),
            hooks: random.chance(50),
            random,
            clock,
            application,
        };
        story.found();
        story
    }

    /// Makes the repository, and what is in the cluster before anything begins.
    fn found(&mut self) {
        let mut files = vec![("web/README.md".to_owned(), "The shop.".to_owned())];
        if self.hooks {
            let policy = ["BeforeHookCreation", "HookSucceeded", "HookFailed"]
                [usize::try_from(self.random.below(3)).expect("small")];
            files.extend([
                (
                    "web/before.yaml".to_owned(),
                    hook(
                        "generateName: before-",
                        "argocd.argoproj.io/hook: PreSync",
                    ),
                ),
                (
                    "web/migrate.yaml".to_owned(),
                    hook(
                        "name: migrate",
                        &format!(
                            "argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: {policy}"
                        ),
                    ),
                ),
            ]);
        }
        self.source.commit(REPO, "main", files);
        for name in ["a", "b", "c"] {
            self.commit(name, Some("0"));
        }
        let id = "argocd.argoproj.io/tracking-id";
        let there = [
            "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}".to_owned(),
            "{apiVersion: v1, kind: Namespace, metadata: {name: other}}".to_owned(),
            config("bystander", "mine", ""),
            config("a", "mine", "").replace("name: a,", "name: a, namespace: other,"),
            // A copy of one of ours, annotations and all, as people make it.
            config("copy", "mine", &format!("{id}: 'web:/ConfigMap:shop/a'")),
            config(
                "neighbour",
                "theirs",
                &format!("{id}: 'api:/ConfigMap:shop/neighbour'"),
            ),
        ];
        for text in there {
            let (mut objects, _) = gitops_manifest::objects("there", &text, &Default::default());
            let mut object = objects.remove(0);
            if object.kind() == "ConfigMap" && object.namespace().is_empty() {
                object.set_namespace("shop");
            }
            let options = ApplyOptions::server_side("somebody");
            let made = self.clock.run(self.spy.cluster.apply(&object, &options));
            let object = made.expect("nothing goes wrong yet").object;
            if object.kind() == "ConfigMap" {
                self.bystanders.push(object);
            }
        }
    }

    fn commit(&mut self, name: &str, value: Option<&str>) {
        let path = format!("web/{name}.yaml");
        let wave = name.len() % 3;
        let annotations = format!("argocd.argoproj.io/sync-wave: '{wave}'");
        let text = value.map(|value| config(name, value, &annotations));
        let revision = self
            .source
            .edit(REPO, "main", [(path.as_str(), text.as_deref())]);
        match value {
            Some(value) => self.git.insert(name.into(), value.into()),
            None => self.git.remove(name),
        };
        let revision = revision.to_string();
        self.spy
            .say(format!("commit {revision}: {name} = {value:?}"));
        let mut record = self.spy.record();
        record.revisions.insert(revision, self.git.clone());
    }

    fn engine(&self) -> Engine {
        let mut options = EngineOptions::default();
        options.poll = Duration::from_secs(20);
        let engine = Engine::builder(self.source.clone(), self.spy.clone(), self.store.clone())
            .clock(self.host.clone())
            .observer(self.spy.clone())
            .options(options)
            .build();
        engine.set_application(self.application.clone());
        engine
    }

    fn value(&self, name: &str) -> Option<String> {
        let key = ObjectKey::new("", "ConfigMap", "shop", name);
        let object = self.spy.cluster.object(&key)?;
        object
            .at(&["data", "key"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    pub(crate) fn course(&self) -> String {
        let record = self.spy.record();
        format!("  {}", record.log.join("\n  "))
    }

    /// Looks at what must not have happened.
    fn check(&self) -> Result<(), String> {
        if let Some(wrong) = self.spy.record().wrongs.first() {
            return Err(wrong.clone());
        }
        for object in &self.bystanders {
            let now = self.spy.cluster.object(&object.key());
            if now.as_ref().map(Object::resource_version) != Some(object.resource_version()) {
                return Err(format!("{} was touched: {now:?}", object.key()));
            }
        }
        Ok(())
    }

    /// Somebody does something.
    async fn event(&mut self, engine: &Engine) {
        let cluster = self.spy.cluster.clone();
        let key = |name: &str| ObjectKey::new("", "ConfigMap", "shop", name);
        match self.random.below(14) {
            0..=4 => {
                let value = self.random.below(1000).to_string();
                match self.random.below(4) {
                    0 => self.commit("a", Some(&value)),
                    1 if self.git.contains_key("comes-and-goes") => {
                        self.commit("comes-and-goes", None);
                    }
                    1 | 2 => self.commit("comes-and-goes", Some(&value)),
                    _ => self.commit("cc", Some(&value)),
                }
                if self.random.chance(70) {
                    engine.notify(SourceNews::of(REPO));
                }
            }
            5 | 6 => {
                let edited = cluster.edit(&key("b"), |object| {
                    let data = object.as_map_mut().entry_object("data");
                    data.insert("key", "drift");
                });
                self.spy.say(format!("b drifts: {}", edited.is_ok()));
            }
            7 => {
                let options = DeleteOptions::new(Propagation::Background);
                let gone = cluster.delete(&key("c"), &options).await;
                self.spy
                    .say(format!("somebody deletes c: {}", gone.is_ok()));
            }
            8 => {
                let seconds = i64::try_from(self.random.below(14_400)).expect("small") - 7200;
                self.host.jump(seconds);
                self.spy.say(format!("the clock jumps by {seconds}s"));
            }
            9 => {
                cluster.break_watches();
                self.spy.say("watches break");
            }
            10 => {
                self.lose_watches();
                self.spy.say("watches expire");
            }
            11 => {
                let there = self.random.chance(50);
                self.source.set_reachable(REPO, there);
                self.spy.say(format!("the source can be reached: {there}"));
            }
            12 => {
                let id = ApplicationId::new("argocd", "web");
                let mut request = SyncRequest::by("alice");
                request.prune = self.random.chance(50);
                let outcome = engine.sync(&id, &request).await;
                let told = outcome.as_ref().err().map(ToString::to_string);
                self.spy.say(format!("alice asks for a sync: {told:?}"));
            }
            _ => {
                engine
                    .request_refresh(&ApplicationId::new("argocd", "web"), self.random.chance(50));
                self.spy.say("somebody asks for a refresh");
            }
        }
    }

    /// Lets no watch go on from where it was: everything is listed anew.
    fn lose_watches(&self) {
        let cluster = &self.spy.cluster;
        cluster.break_watches();
        let key = ObjectKey::new("", "Namespace", "", "other");
        let touched = cluster.edit(&key, |object| {
            object.set_label("touched", self.clock.now().as_micros().to_string());
        });
        touched.expect("it is there");
        cluster.expire_watches();
    }

    /// Something goes wrong from now on, or nothing does.
    fn faults(&mut self) {
        let cluster = self.spy.cluster.clone();
        cluster.clear_faults();
        match self.random.below(6) {
            0 | 1 => {
                let percent = u32::try_from(1 + self.random.below(30)).expect("small");
                cluster.set_faults(Faults::all(f64::from(percent) / 100.0));
                self.spy.say(format!("{percent}% of requests fail"));
            }
            2 => {
                let writes = self.random.below(8);
                self.store.fail_after(writes);
                self.spy
                    .say(format!("a crash after {writes} writes of the store"));
            }
            3 => {
                let after = self.random.below(8);
                cluster.inject(Fault::on_write(FaultKind::Hang).after(after));
                self.spy
                    .say(format!("a crash at write {after} of the cluster"));
            }
            4 => {
                let unlisted = Fault::new(Operation::Snapshot, FaultKind::Unlisted);
                cluster.inject(unlisted.on_kind("", "ConfigMap"));
                self.lose_watches();
                self.spy.say("ConfigMaps cannot be listed once");
            }
            _ => {}
        }
    }

    /// Lets an engine work for a time; `false` where it dies on the way.
    async fn work(&mut self, engine: &Engine, seconds: u64) -> Result<bool, String> {
        let outcome = {
            let cluster = self.spy.cluster.clone();
            let clock = self.clock.clone();
            // Whoever is killed does not bring anything to its end.
            let death = std::pin::pin!(async move {
                cluster.hung().await;
            });
            let stop = async move { clock.sleep(Duration::from_secs(seconds)).await };
            let run = std::pin::pin!(engine.run(stop));
            match select(run, death).await {
                Either::Left((outcome, _)) => Some(outcome),
                Either::Right(_) => None,
            }
        };
        self.check()?;
        match outcome {
            Some(Ok(())) => Ok(true),
            Some(Err(EngineError::Store { .. })) | None => Ok(false),
            Some(Err(error)) => Err(format!("the engine fails: {error}")),
        }
    }

    fn crash(&mut self) -> Engine {
        self.spy.say("crash");
        self.store.recover();
        self.spy.cluster.clear_faults();
        self.engine()
    }

    pub(crate) async fn tell(&mut self) -> Result<(), String> {
        let mut engine = self.engine();
        let rounds = 2 + self.random.below(5);
        for _ in 0..rounds {
            self.store.recover();
            self.spy.cluster.clear_faults();
            self.event(&engine).await;
            self.faults();
            let seconds = 1 + self.random.below(20);
            if !self.work(&engine, seconds).await? {
                engine = self.crash();
            }
        }
        // From here on all is well, and somebody commits once more.
        self.store.recover();
        self.spy.cluster.clear_faults();
        self.source.set_reachable(REPO, true);
        // What could not be listed is, once it is listed anew.
        self.spy.cluster.break_watches();
        self.spy.say("from here on all is well");
        if self.random.chance(50) {
            engine = self.crash();
        }
        self.commit("a", Some("last"));
        let end = self.clock.now() + LIMIT;
        loop {
            if !self.work(&engine, 60).await? {
                return Err("the engine dies though all is well".to_owned());
            }
            let Some(rest) = self.rest(&engine) else {
                break;
            };
            if self.clock.now() > end {
                return Err(format!("the end is not reached: {rest}"));
            }
        }
        // What is at rest stays as it is.
        if self.random.chance(20) {
            self.is_at_rest(&engine).await?;
        }
        if self.random.chance(20) {
            self.delete(&engine).await?;
        }
        Ok(())
    }

    /// Tells what is missing in the state that Git wants.
    fn rest(&self, engine: &Engine) -> Option<String> {
        let id = ApplicationId::new("argocd", "web");
        let status = engine.status(&id).unwrap_or_default();
        for (name, wanted) in &self.git {
            if self.value(name).as_ref() != Some(wanted) {
                return Some(format!(
                    "{name} is {:?}, and Git has {wanted:?}; {status:?}",
                    self.value(name)
                ));
            }
        }
        if !self.git.contains_key("comes-and-goes") && self.value("comes-and-goes").is_some() {
            return Some(format!("comes-and-goes has not gone; {status:?}"));
        }
        if status.sync.status != SyncStatusCode::Synced {
            return Some(format!("the cluster is as Git wants it; {status:?}"));
        }
        let state = status.operation_state;
        if state.is_some_and(|state| !state.phase.is_completed()) {
            return Some("an operation runs on".to_owned());
        }
        None
    }

    async fn is_at_rest(&mut self, engine: &Engine) -> Result<(), String> {
        let _ = self.spy.cluster.take_requests();
        if !self.work(engine, 600).await? {
            return Err("the engine dies though all is well".to_owned());
        }
        let writes = self.spy.cluster.take_requests().into_iter();
        let mut writes =
            writes.filter(|r| matches!(r.operation, Operation::Apply | Operation::Delete));
        match writes.next() {
            Some(write) => Err(format!("it is at rest, and there is {write:?}")),
            None => Ok(()),
        }
    }

    /// Deletes the application while things go wrong.
    async fn delete(&mut self, engine: &Engine) -> Result<(), String> {
        self.spy.say("the application is deleted");
        self.spy.record().deleting = true;
        let finalizer = "resources-finalizer.argocd.argoproj.io";
        let metadata = &mut self.application.metadata;
        metadata.insert("finalizers", Value::from(vec![Value::from(finalizer)]));
        let now = self.host.now().to_second().to_string();
        metadata.insert("deletionTimestamp", now);
        engine.set_application(self.application.clone());
        self.faults();
        let mut engine = if self.work(engine, 10).await? {
            None
        } else {
            Some(self.crash())
        };
        self.store.recover();
        self.spy.cluster.clear_faults();
        let fresh = engine.take().unwrap_or_else(|| self.engine());
        let end = self.clock.now() + LIMIT;
        loop {
            if !self.work(&fresh, 20).await? {
                return Err("the engine dies though all is well".to_owned());
            }
            let left: Vec<&String> = self
                .git
                .keys()
                .filter(|n| self.value(n).is_some())
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            if self.clock.now() > end {
                return Err(format!("{left:?} are left of a deleted application"));
            }
        }
    }
}

/// An application with some of what there is to choose.
fn application(random: &mut Random) -> Application {
    let source = ApplicationSource::git(REPO, "web", "main");
    let mut application = Application::new("web", source, "shop");
    let retry = random.chance(50).then(|| RetryStrategy {
        limit: i64::try_from(random.below(4)).expect("small"),
        backoff: Some(Backoff {
            duration: "2s".into(),
            ..Backoff::default()
        }),
        refresh: random.chance(50),
    });
    let options = [
        "ServerSideApply=true",
        "ApplyOutOfSyncOnly=true",
        "PruneLast=true",
        "PrunePropagationPolicy=background",
        "Replace=true",
    ];
    let options = options.iter().filter(|_| random.chance(20));
    application.spec.sync_policy = Some(SyncPolicy {
        automated: Some(AutomatedSync {
            prune: true,
            self_heal: true,
            ..AutomatedSync::default()
        }),
        sync_options: options.map(ToString::to_string).collect(),
        // Without a limit of its own an operation is tried five times.
        retry: Some(retry.unwrap_or_default()),
        ..SyncPolicy::default()
    });
    application
}
