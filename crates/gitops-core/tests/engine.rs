//! The engine on an in-memory cluster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gitops_core::application::{
    Application, ApplicationSource, AutomatedSync, SyncPolicy, SyncStatusCode,
};
use gitops_core::{ApplicationId, Engine, EngineError, Event, EventKind, SyncRequest};
use gitops_manifest::{ObjectKey, Value};
use gitops_memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};

const REPO: &str = "https://git.example.com/shop.git";
const LIMIT: Duration = Duration::from_secs(600);

struct World {
    clock: SimClock,
    source: MemorySource,
    target: MemoryTarget,
    store: MemoryStore,
    events: Arc<Mutex<Vec<Event>>>,
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value}\n")
}

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  \
         progressDeadlineSeconds: 60\n  selector:\n    matchLabels: {{app: web}}\n  template:\n    metadata:\n      \
         labels: {{app: web}}\n    spec:\n      containers:\n      - name: web\n        image: {image}\n"
    )
}

impl World {
    fn new() -> Self {
        let clock = SimClock::new();
        let source = MemorySource::new();
        source.commit(
            REPO,
            "main",
            [
                ("web/a.yaml", config("a", "one")),
                ("web/b.yaml", config("b", "one")),
            ],
        );
        Self {
            target: MemoryTarget::new(Arc::new(clock.clone())),
            clock,
            source,
            store: MemoryStore::new(),
            events: Arc::default(),
        }
    }

    /// Starts an engine on what is there: also after a crash.
    fn engine(&self) -> Engine {
        let events = Arc::clone(&self.events);
        Engine::builder(self.source.clone(), self.target.clone(), self.store.clone())
            .clock(self.clock.clone())
            .observer(move |event: &Event| events.lock().unwrap().push(event.clone()))
            .build()
    }

    fn edit(&self, path: &str, text: Option<&str>) {
        self.source.edit(REPO, "main", [(path, text)]);
    }

    fn value(&self, name: &str) -> Option<String> {
        let key = ObjectKey::new("", "ConfigMap", "shop", name);
        let object = self.target.object(&key)?;
        object
            .at(&["data", "key"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    fn renders(&self) -> usize {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Rendered { .. }))
            .count()
    }
}

fn application(name: &str, path: &str) -> Application {
    let source = ApplicationSource::git(REPO, path, "main");
    let mut application = Application::new(name, source, "shop");
    application.spec.sync_policy = Some(SyncPolicy {
        automated: Some(AutomatedSync {
            prune: true,
            self_heal: true,
            ..Default::default()
        }),
        sync_options: vec!["CreateNamespace=true".into()],
        ..Default::default()
    });
    application
}

fn status(engine: &Engine, id: &ApplicationId) -> (SyncStatusCode, String) {
    let status = engine.status(id).expect("the application is known");
    (status.sync.status, status.health.status)
}

#[test]
fn a_commit_is_rolled_out_drift_reverted_and_removed_objects_pruned() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let id = engine.set_application(application("web", "web"));
        assert!(
            engine.settle(LIMIT).await.unwrap(),
            "{:?}",
            engine.status(&id)
        );
        assert_eq!(
            status(&engine, &id),
            (SyncStatusCode::Synced, "Healthy".into())
        );
        assert_eq!(world.value("a").as_deref(), Some("one"));

        world.edit("web/a.yaml", Some(&config("a", "two")));
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.value("a").as_deref(), Some("two"));

        let key = ObjectKey::new("", "ConfigMap", "shop", "a");
        world
            .target
            .edit(&key, |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("key", "by hand");
            })
            .unwrap();
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.value("a").as_deref(), Some("two"));

        world.edit("web/b.yaml", None);
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.value("b"), None);
        assert_eq!(
            engine.history_of(&id).await.unwrap().len(),
            3,
            "self-heal makes no history"
        );
    });
}

#[test]
fn nothing_is_rendered_twice_and_a_refresh_without_news_reuses_everything() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        for i in 0..500 {
            let path = format!("apps/{i:03}");
            world.edit(
                &format!("{path}/c.yaml"),
                Some(&config(&format!("c{i:03}"), "one")),
            );
            engine.set_application(application(&format!("app{i:03}"), &path));
        }
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.renders(), 500);
        world.edit("apps/007/c.yaml", Some(&config("c007", "two")));
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.renders(), 501, "a commit renders what it touches");
        assert_eq!(world.value("c007").as_deref(), Some("two"));
    });
}

#[test]
fn a_bad_image_degrades_and_a_rollback_holds_until_something_newer_comes() {
    let world = World::new();
    world.edit("web/web.yaml", Some(&deployment("shop/web:1")));
    world.clock.run(async {
        let engine = world.engine();
        let id = engine.set_application(application("web", "web"));
        assert!(
            engine.settle(LIMIT).await.unwrap(),
            "{:?}",
            engine.status(&id)
        );
        assert_eq!(
            status(&engine, &id),
            (SyncStatusCode::Synced, "Healthy".into())
        );
        world.edit("web/web.yaml", Some(&deployment("shop/web:bad")));
        assert!(
            engine.settle(LIMIT).await.unwrap(),
            "{:?}",
            engine.status(&id)
        );
        assert_eq!(status(&engine, &id).1, "Degraded");

        // The rollback needs no repository.
        world.source.set_reachable(REPO, false);
        engine.rollback(&id, None, "alice").await.unwrap();
        assert!(
            engine.settle(LIMIT).await.unwrap(),
            "{:?}",
            engine.status(&id)
        );
        let key = ObjectKey::new("apps", "Deployment", "shop", "web");
        let image = || {
            let object = world.target.object(&key).unwrap();
            object.as_map().get("spec").unwrap()["template"]["spec"]["containers"]
                .as_array()
                .unwrap()[0]["image"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(image(), "shop/web:1");
        assert_eq!(status(&engine, &id).1, "Healthy");
        world.source.set_reachable(REPO, true);
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(
            image(),
            "shop/web:1",
            "the bad revision is not synced again"
        );

        // After a restart too.
        drop(engine);
        let engine = world.engine();
        let id = engine.set_application(application("web", "web"));
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(image(), "shop/web:1");
        world.edit("web/web.yaml", Some(&deployment("shop/web:2")));
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(image(), "shop/web:2");
        assert_eq!(
            status(&engine, &id),
            (SyncStatusCode::Synced, "Healthy".into())
        );
    });
}

#[test]
fn an_unreachable_source_leaves_everything_as_it_is() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let id = engine.set_application(application("web", "web"));
        assert!(engine.settle(LIMIT).await.unwrap());
        world.source.set_reachable(REPO, false);
        engine.reconcile_all().await.unwrap();
        assert_eq!(status(&engine, &id).0, SyncStatusCode::Unknown);
        let conditions = engine.status(&id).unwrap().conditions;
        assert_eq!(conditions[0].kind, "ComparisonError");
        assert!(
            conditions[0].message.contains("cannot be reached"),
            "{}",
            conditions[0].message
        );
        assert_eq!(world.value("a").as_deref(), Some("one"));
        world.source.set_reachable(REPO, true);
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(
            status(&engine, &id),
            (SyncStatusCode::Synced, "Healthy".into())
        );
        assert!(engine.status(&id).unwrap().conditions.is_empty());
    });
}

#[test]
fn an_application_that_renders_to_nothing_keeps_its_objects() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let id = engine.set_application(application("web", "web"));
        assert!(engine.settle(LIMIT).await.unwrap());
        world.source.edit(
            REPO,
            "main",
            [("web/a.yaml", Some("")), ("web/b.yaml", Some(""))],
        );
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.value("a").as_deref(), Some("one"));
        let conditions = engine.status(&id).unwrap().conditions;
        assert!(
            conditions.iter().any(|c| c.kind == "SyncError"),
            "{conditions:?}"
        );
        let refused = engine
            .sync(&id, &SyncRequest::by("alice").with_prune(true))
            .await;
        assert!(matches!(refused, Err(EngineError::NotReady { .. })));
        let mut allowed = application("web", "web");
        if let Some(automated) = allowed
            .spec
            .sync_policy
            .as_mut()
            .and_then(|p| p.automated.as_mut())
        {
            automated.allow_empty = true;
        }
        engine.set_application(allowed);
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(world.value("a"), None);
    });
}

#[test]
fn a_plan_is_carried_out_as_it_is_or_not_at_all() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let mut manual = application("web", "web");
        manual.spec.sync_policy.as_mut().unwrap().automated = None;
        let id = engine.set_application(manual);
        engine.settle(LIMIT).await.unwrap();
        assert_eq!(world.value("a"), None);
        let plan = engine.plan(&id, &SyncRequest::by("alice")).await.unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        let plan: gitops_core::Plan = serde_json::from_str(&text).unwrap();
        world.edit("web/a.yaml", Some(&config("a", "later")));
        engine.apply_plan(&plan).await.unwrap();
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(
            world.value("a").as_deref(),
            Some("one"),
            "what was planned is what is applied"
        );

        let plan = engine.plan(&id, &SyncRequest::by("alice")).await.unwrap();
        let key = ObjectKey::new("", "ConfigMap", "shop", "b");
        world
            .target
            .edit(&key, |object| {
                object
                    .as_map_mut()
                    .entry_object("data")
                    .insert("key", "by hand");
            })
            .unwrap();
        match engine.apply_plan(&plan).await {
            Err(EngineError::PlanOutdated { differences, .. }) => {
                assert_eq!(differences, ["ConfigMap/shop/b has changed: .data.key"]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.value("a").as_deref(), Some("one"));
    });
}

#[test]
fn what_a_project_does_not_allow_is_refused_with_the_rule() {
    use gitops_core::application::{
        AppProject, AppProjectSpec, ApplicationDestination, ResourceRule,
    };
    let world = World::new();
    let destination = |namespace: &str| ApplicationDestination {
        server: "https://kubernetes.default.svc".into(),
        namespace: namespace.into(),
        name: String::new(),
    };
    let allowed = AppProjectSpec {
        source_repos: vec![REPO.into()],
        destinations: vec![destination("shop")],
        cluster_resource_whitelist: vec![ResourceRule {
            group: String::new(),
            kind: "Namespace".into(),
            name: String::new(),
        }],
        ..AppProjectSpec::default()
    };
    let secrets = ResourceRule {
        group: "*".into(),
        kind: "ConfigMap".into(),
        name: String::new(),
    };
    let cases = [
        (
            AppProjectSpec {
                source_repos: vec!["https://else.example.com/**".into()],
                ..allowed.clone()
            },
            "spec.sourceRepos",
        ),
        (
            AppProjectSpec {
                destinations: vec![destination("other-*")],
                ..allowed.clone()
            },
            "spec.destinations",
        ),
        (
            AppProjectSpec {
                namespace_resource_blacklist: vec![secrets],
                ..allowed.clone()
            },
            "spec.namespaceResourceBlacklist",
        ),
    ];
    for (spec, rule) in cases {
        world.clock.run(async {
            let engine = world.engine();
            engine.set_project(AppProject::new("team", spec));
            let mut application = application("web", "web");
            application.spec.project = "team".into();
            let id = engine.set_application(application);
            engine.settle(LIMIT).await.unwrap();
            let status = engine.status(&id).unwrap();
            let mut said: Vec<String> = status.conditions.into_iter().map(|c| c.message).collect();
            said.extend(status.operation_state.map(|state| state.message));
            assert!(
                said.iter().any(|said| said.contains(rule)),
                "{rule}: {said:?}"
            );
            assert_eq!(world.value("a"), None, "{rule}: nothing is applied");
        });
    }
    world.clock.run(async {
        let engine = world.engine();
        engine.set_project(AppProject::new("team", allowed));
        let mut application = application("web", "web");
        application.spec.project = "team".into();
        let id = engine.set_application(application);
        assert!(engine.settle(LIMIT).await.unwrap());
        assert_eq!(
            status(&engine, &id),
            (SyncStatusCode::Synced, "Healthy".into())
        );
    });
}

#[test]
fn a_kind_that_is_not_known_is_told_and_the_others_compare() {
    let world = World::new();
    world.edit(
        "web/c.yaml",
        Some("apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\n"),
    );
    world.clock.run(async {
        let engine = world.engine();
        let mut manual = application("web", "web");
        manual.spec.sync_policy.as_mut().unwrap().automated = None;
        let id = engine.set_application(manual);
        engine.reconcile_all().await.unwrap();
        let status = engine.status(&id).unwrap();
        let told = status
            .conditions
            .iter()
            .find(|c| c.kind == "UnknownKindWarning")
            .expect("a warning");
        assert!(
            told.message.contains("example.com/v1/Gadget"),
            "{}",
            told.message
        );
        assert_eq!(status.resources.len(), 3);
    });
}
