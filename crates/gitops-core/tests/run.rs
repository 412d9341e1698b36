//! The engine while it runs: what wakes it, and whom.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::select;
use gitops_core::application::{Application, ApplicationSource, AutomatedSync, SyncPolicy};
use gitops_core::project::Cluster;
use gitops_core::{ApplicationId, Clock, Engine, EngineOptions, Event, EventKind, SourceNews};
use gitops_manifest::{ObjectKey, Value};
use gitops_memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};

const REPO: &str = "https://git.example.com/shop.git";
const OTHER: &str = "https://other.example.com";

struct World {
    clock: SimClock,
    source: MemorySource,
    local: MemoryTarget,
    other: MemoryTarget,
    events: Arc<Mutex<Vec<Event>>>,
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value}\n")
}

impl World {
    fn new() -> Self {
        let clock = SimClock::new();
        let source = MemorySource::new();
        source.commit(
            REPO,
            "main",
            [
                ("a/c.yaml", config("a", "one")),
                ("b/c.yaml", config("b", "one")),
            ],
        );
        Self {
            local: MemoryTarget::new(Arc::new(clock.clone())),
            other: MemoryTarget::new(Arc::new(clock.clone())),
            source,
            clock,
            events: Arc::default(),
        }
    }

    fn engine(&self) -> Engine {
        let events = Arc::clone(&self.events);
        let mut options = EngineOptions::default();
        options.poll = Duration::from_secs(86_400);
        Engine::builder(self.source.clone(), self.local.clone(), MemoryStore::new())
            .clock(self.clock.clone())
            .options(options)
            .observer(move |event: &Event| events.lock().unwrap().push(event.clone()))
            .build()
    }

    /// Counts the looks at an application so far.
    fn looks(&self, name: &str) -> usize {
        let events = self.events.lock().unwrap();
        let look = |event: &&Event| {
            &*event.application.name == name && matches!(event.kind, EventKind::Reconciled { .. })
        };
        events.iter().filter(look).count()
    }

    async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begin = self.clock.now();
        while !holds() {
            let waited = self.clock.now().since(begin);
            assert!(
                waited < Duration::from_secs(600),
                "{what}: it did not come about"
            );
            self.clock.sleep(Duration::from_millis(50)).await;
        }
    }
}

fn value(target: &MemoryTarget, name: &str) -> Option<String> {
    let object = target.object(&ObjectKey::new("", "ConfigMap", "default", name))?;
    object
        .at(&["data", "key"])
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn application(name: &str, server: &str) -> Application {
    let source = ApplicationSource::git(REPO, name, "main");
    let mut application = Application::new(name, source, "default");
    application.spec.destination.server = server.into();
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

#[test]
fn changes_of_any_cluster_wake_those_that_they_concern_and_clusters_come_and_go() {
    let world = World::new();
    let w = &world;
    let engine = world.engine();
    let e = &engine;
    world.clock.run(async {
        let story = async {
            let (a, b) = (
                e.set_application(application("a", gitops_core::LOCAL_SERVER)),
                e.set_application(application("b", OTHER)),
            );
            w.until("a is rolled out", || value(&w.local, "a").is_some())
                .await;
            let told = |id: &ApplicationId| {
                let conditions = e.status(id).unwrap_or_default().conditions;
                conditions
                    .first()
                    .map(|c| c.message.clone())
                    .unwrap_or_default()
            };
            assert!(told(&b).contains("there is no cluster"), "{}", told(&b));
            let cluster = Cluster {
                server: OTHER.into(),
                name: "other".into(),
            };
            e.add_cluster(cluster, Arc::new(w.other.clone()));
            w.until("b is rolled out", || value(&w.other, "b").is_some())
                .await;
            w.clock.sleep(Duration::from_secs(60)).await;
            let (of_a, of_b) = (w.looks("a"), w.looks("b"));
            w.clock.sleep(Duration::from_secs(3600)).await;
            assert_eq!(
                (w.looks("a"), w.looks("b")),
                (of_a, of_b),
                "nothing happens"
            );
            let key = ObjectKey::new("", "ConfigMap", "default", "b");
            w.other
                .edit(&key, |object| {
                    object
                        .as_map_mut()
                        .entry_object("data")
                        .insert("key", "by hand");
                })
                .unwrap();
            w.until("b is healed", || {
                value(&w.other, "b").as_deref() == Some("one")
            })
            .await;
            w.clock.sleep(Duration::from_secs(60)).await;
            assert_eq!(w.looks("a"), of_a, "it does not concern a");
            e.remove_cluster(OTHER);
            w.until("b is told", || told(&b).contains("there is no cluster"))
                .await;
            assert!(value(&w.other, "b").is_some(), "what is there stays");
            assert_eq!(e.status(&a).unwrap().health.status, "Healthy");
        };
        let run = std::pin::pin!(e.run(std::future::pending()));
        select(run, std::pin::pin!(story)).await;
    });
}

#[test]
fn news_of_a_repository_are_asked_for_once_and_at_once() {
    let world = World::new();
    let w = &world;
    let engine = world.engine();
    let e = &engine;
    world.clock.run(async {
        let story = async {
            for name in ["a", "b"] {
                e.set_application(application(name, gitops_core::LOCAL_SERVER));
            }
            let both = |wanted: &str| {
                ["a", "b"]
                    .iter()
                    .all(|name| value(&w.local, name).as_deref() == Some(wanted))
            };
            w.until("rolled out", || both("one")).await;
            w.clock.sleep(Duration::from_secs(60)).await;
            w.source.edit(
                REPO,
                "main",
                [
                    ("a/c.yaml", Some(&*config("a", "two"))),
                    ("b/c.yaml", Some(&*config("b", "two"))),
                ],
            );
            w.clock.sleep(Duration::from_secs(3600)).await;
            assert!(both("one"), "nobody has told");
            let told = w.clock.now();
            e.notify(SourceNews::of(REPO));
            w.until("rolled out", || both("two")).await;
            assert!(w.clock.now().since(told) < Duration::from_secs(1));
        };
        let run = std::pin::pin!(e.run(std::future::pending()));
        select(run, std::pin::pin!(story)).await;
    });
}
