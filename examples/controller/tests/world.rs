//! A cluster in memory with the definitions, a repository, and a controller beside which a story runs.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use gitops::application::definitions;
use gitops::manifest::{Object, ObjectKey, Value};
use gitops::memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};
use gitops::{ApplyMode, ApplyOptions, Clock, HelmRenderer, Sources, Target};
use gitops_controller::{Controller, ControllerOptions, Parts};
use serde_json::json;

use crate::charts::Charts;

pub(crate) const REPO: &str = "https://git.example.com/shop.git";

/// How long a story waits for something, in simulated time.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: SimClock,
    pub(crate) target: MemoryTarget,
    pub(crate) source: MemorySource,
    pub(crate) charts: Charts,
    pub(crate) store: MemoryStore,
}

pub(crate) fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value}\n")
}

impl World {
    /// Makes a world in which the repository has a folder for each name, with one ConfigMap in it.
    pub(crate) fn new(names: &[&str]) -> Self {
        let clock = SimClock::new();
        let world = Self {
            target: MemoryTarget::new(Arc::new(clock.clone())),
            source: MemorySource::new(),
            charts: Charts::default(),
            store: MemoryStore::new(),
            clock,
        };
        let files: Vec<(String, String)> = names
            .iter()
            .map(|name| (format!("{name}/config.yaml"), config(name, "one")))
            .collect();
        world.source.commit(REPO, "main", files);
        world.clock.run(async {
            for definition in definitions() {
                world.create(&definition).await;
            }
            for namespace in ["argocd", "shop"] {
                let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
                world.create(&Object::try_from(object).unwrap()).await;
            }
            // A kind is served a moment after it was defined.
            world.clock.sleep(Duration::from_secs(5)).await;
        });
        world
    }

    pub(crate) async fn create(&self, object: &Object) -> Object {
        let options = ApplyOptions::server_side("kubectl").with_mode(ApplyMode::Create);
        self.target.apply(object, &options).await.unwrap().object
    }

    pub(crate) fn parts(&self) -> Parts {
        let sources = Sources::new()
            .with(Arc::new(self.charts.clone()))
            .with(Arc::new(self.source.clone()));
        let mut parts = Parts::new(
            Arc::new(self.target.clone()),
            Arc::new(sources),
            Arc::new(self.store.clone()),
            Arc::new(self.clock.clone()),
        );
        parts.renderers = vec![Arc::new(
            HelmRenderer::new(1).with_clock(self.clock.clone()),
        )];
        parts
    }

    pub(crate) async fn controller(&self, options: ControllerOptions) -> Controller {
        Controller::new(self.parts(), options).await.unwrap()
    }

    /// Runs a story beside a controller, then stops that.
    pub(crate) fn play<F: Future<Output = ()> + Send>(
        &self,
        options: ControllerOptions,
        story: impl FnOnce(Arc<Controller>) -> F,
    ) {
        self.clock.run(async {
            let controller = Arc::new(self.controller(options).await);
            let story = story(Arc::clone(&controller));
            controller.run(story).await.unwrap();
        });
    }

    /// Makes an Application whose one object is the ConfigMap of its name.
    pub(crate) async fn application(&self, name: &str, automated: bool) {
        let mut object = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": REPO, "path": name, "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            },
        });
        if automated {
            object["spec"]["syncPolicy"] = json!({"automated": {"prune": true, "selfHeal": true}});
        }
        self.create(&Object::try_from(object).unwrap()).await;
    }

    pub(crate) fn app(&self, name: &str) -> Object {
        let key = ObjectKey::new("argoproj.io", "Application", "argocd", name);
        self.target
            .object(&key)
            .unwrap_or_else(|| panic!("{name} is there"))
    }

    /// Returns a text of an Application's object; empty where it has none there.
    pub(crate) fn text(&self, name: &str, path: &[&str]) -> String {
        let object = self.app(name);
        let value = object.at(path).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    }

    /// Whether an Application's status says Synced and Healthy.
    pub(crate) fn is_good(&self, name: &str) -> bool {
        self.text(name, &["status", "sync", "status"]) == "Synced"
            && self.text(name, &["status", "health", "status"]) == "Healthy"
    }

    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let key = ObjectKey::new("", "ConfigMap", "shop", name);
        let object = self.target.object(&key)?;
        object
            .at(&["data", "key"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// Changes an Application by hand.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Object)) {
        self.target.edit(&self.app(name).key(), change).unwrap();
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = self.clock.now();
        while !holds() {
            assert!(
                self.clock.now().since(begin) < PATIENCE,
                "{what}: it did not come about; {:#?}",
                self.target
                    .objects()
                    .iter()
                    .filter(|o| o.kind() == "Application")
                    .map(|o| o.get("status").map(Value::to_json))
                    .collect::<Vec<_>>()
            );
            self.clock.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the reasons and messages of the Events about an Application.
    pub(crate) fn events(&self, name: &str) -> Vec<(String, String)> {
        self.target
            .objects()
            .iter()
            .filter(|object| object.kind() == "Event")
            .filter(|event| {
                event
                    .at(&["involvedObject", "name"])
                    .and_then(Value::as_str)
                    == Some(name)
            })
            .map(|event| {
                let text = |field| {
                    let value = event.get(field).and_then(Value::as_str);
                    value.unwrap_or_default().to_owned()
                };
                (text("reason"), text("message"))
            })
            .collect()
    }
}

/// Runs two things until the first is done.
pub(crate) async fn beside<A: Future, B: Future>(one: A, other: B) {
    match select(std::pin::pin!(one), std::pin::pin!(other)).await {
        Either::Left(_) | Either::Right(_) => {}
    }
}
