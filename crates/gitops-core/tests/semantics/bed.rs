//! What the tests stand on: a repository, a cluster, a store and a clock.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::application::{
    Application, ApplicationSource, AutomatedSync, OperationPhase, OperationState, SyncPolicy,
    SyncStatusCode,
};
use gitops_core::{
    ApplicationId, ApplyOptions, Clock as _, Engine, EngineOptions, Target as _, Timestamp,
};
use gitops_manifest::{Object, ObjectKey, Value};
use gitops_memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};

pub(crate) const REPO: &str = "https://git.example.com/shop.git";
pub(crate) const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) struct Bed {
    pub(crate) clock: SimClock,
    pub(crate) source: MemorySource,
    pub(crate) target: MemoryTarget,
    pub(crate) store: MemoryStore,
}

impl Bed {
    /// Makes one with files of the repository, and the namespace `shop`.
    pub(crate) fn new(files: &[(&str, String)]) -> Self {
        let clock = SimClock::new();
        let source = MemorySource::new();
        source.commit(
            REPO,
            "main",
            files.iter().map(|(path, text)| (*path, text.clone())),
        );
        let bed = Self {
            target: MemoryTarget::new(Arc::new(clock.clone())),
            clock,
            source,
            store: MemoryStore::new(),
        };
        bed.make("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
        bed
    }

    /// Makes one whose folder `web` has the ConfigMaps `a` and `b`.
    pub(crate) fn with_two() -> Self {
        Self::new(&[
            ("web/a.yaml", config("a", "one")),
            ("web/b.yaml", config("b", "one")),
        ])
    }

    pub(crate) fn engine(&self, options: impl FnOnce(&mut EngineOptions)) -> Engine {
        let mut settings = EngineOptions::default();
        options(&mut settings);
        Engine::builder(self.source.clone(), self.target.clone(), self.store.clone())
            .clock(self.clock.clone())
            .options(settings)
            .build()
    }

    /// Applies an object as somebody else does.
    pub(crate) fn make(&self, text: &str) -> Object {
        let object = parse(text);
        let options = ApplyOptions::server_side("somebody").with_force(true);
        self.clock.run(async {
            let made = self.target.apply(&object, &options).await;
            // A new kind is served a moment later.
            self.clock.sleep(Duration::from_secs(1)).await;
            made.expect("the object can be made").object
        })
    }

    /// Makes a ConfigMap `child` that the Deployment `web` owns, as a controller does, with finalizers.
    pub(crate) fn make_child(&self, finalizers: &str) {
        let owner = self.get("Deployment", "web").expect("it is there");
        let uid = owner.uid();
        self.make(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: child\n  namespace: shop\n  finalizers: [{finalizers}]\n  \
             ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, uid: {uid}, blockOwnerDeletion: \
             true}}]\ndata: {{key: one}}\n"
        ));
    }

    pub(crate) fn edit(&self, path: &str, text: Option<&str>) {
        self.source.edit(REPO, "main", [(path, text)]);
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Object> {
        let group = match kind {
            "Deployment" => "apps",
            "Job" => "batch",
            _ => "",
        };
        self.target
            .object(&ObjectKey::new(group, kind, "shop", name))
    }

    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let object = self.get("ConfigMap", name)?;
        object
            .at(&["data", "key"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    pub(crate) fn set_value(&self, name: &str, value: &str) {
        let key = ObjectKey::new("", "ConfigMap", "shop", name);
        let edited = self.target.edit(&key, |object| {
            object
                .as_map_mut()
                .entry_object("data")
                .insert("key", value);
        });
        edited.expect("the object is there");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn settle(&self, engine: &Engine) {
        let rest = self
            .clock
            .run(engine.settle(LIMIT))
            .expect("the store is well");
        assert!(
            rest,
            "it did not come to rest: {:?}",
            engine
                .applications()
                .iter()
                .map(|id| engine.status(id))
                .collect::<Vec<_>>()
        );
    }

    /// Goes on for a time, whether there is anything to do or not.
    pub(crate) fn run(&self, engine: &Engine, seconds: u64) {
        let until = self.now() + Duration::from_secs(seconds);
        self.clock.run(async {
            while self.now() < until {
                engine.reconcile_all().await.expect("the store is well");
                self.clock.sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

pub(crate) fn parse(text: &str) -> Object {
    let (mut objects, complaints) = gitops_manifest::objects("test", text, &Default::default());
    assert!(complaints.is_empty(), "{complaints:?}");
    objects.remove(0)
}

pub(crate) fn config(name: &str, value: &str) -> String {
    annotated(name, value, "")
}

/// A ConfigMap with annotations, as `a: b, c: d`.
pub(crate) fn annotated(name: &str, value: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\ndata: \
         {{key: \"{value}\"}}\n"
    )
}

pub(crate) fn job(name: &str, image: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec:\n  \
         backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - {{name: main, \
         image: \"{image}\"}}\n"
    )
}

pub(crate) fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         progressDeadlineSeconds: 600\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: \
         {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n      - {{name: main, image: \"{image}\"}}\n"
    )
}

pub(crate) fn application(name: &str, path: &str) -> Application {
    let mut application =
        Application::new(name, ApplicationSource::git(REPO, path, "main"), "shop");
    application.spec.sync_policy = Some(SyncPolicy {
        automated: Some(AutomatedSync {
            prune: true,
            self_heal: true,
            ..AutomatedSync::default()
        }),
        ..SyncPolicy::default()
    });
    application
}

pub(crate) fn by_hand(name: &str, path: &str) -> Application {
    let mut application = application(name, path);
    policy(&mut application).automated = None;
    application
}

pub(crate) fn policy(application: &mut Application) -> &mut SyncPolicy {
    application.spec.sync_policy.get_or_insert_default()
}

pub(crate) fn with_options(mut application: Application, options: &[&str]) -> Application {
    policy(&mut application).sync_options = options.iter().map(ToString::to_string).collect();
    application
}

pub(crate) fn annotate(application: &mut Application, name: &str, value: &str) {
    application
        .metadata
        .entry_object("annotations")
        .insert(name, value);
}

/// Makes the object of an application that is being deleted, with finalizers.
pub(crate) fn deleting(
    mut application: Application,
    finalizers: &[&str],
    at: Timestamp,
) -> Application {
    let list: Vec<Value> = finalizers.iter().map(|f| Value::from(*f)).collect();
    application.metadata.insert("finalizers", Value::from(list));
    application
        .metadata
        .insert("deletionTimestamp", at.to_second().to_string());
    application
}

pub(crate) fn sync_status(engine: &Engine, id: &ApplicationId) -> SyncStatusCode {
    engine.status(id).expect("it is known").sync.status
}

pub(crate) fn health(engine: &Engine, id: &ApplicationId) -> String {
    engine.status(id).expect("it is known").health.status
}

pub(crate) fn last(engine: &Engine, id: &ApplicationId) -> OperationState {
    engine.operation_state(id).expect("there was an operation")
}

pub(crate) fn phase(engine: &Engine, id: &ApplicationId) -> Option<OperationPhase> {
    Some(engine.operation_state(id)?.phase)
}

/// Returns the message of the condition of a type.
pub(crate) fn condition(engine: &Engine, id: &ApplicationId, kind: &str) -> Option<String> {
    let conditions = engine.status(id)?.conditions;
    conditions
        .into_iter()
        .find(|c| c.kind == kind)
        .map(|c| c.message)
}
