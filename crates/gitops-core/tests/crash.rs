//! Crashes between any two writes, and a cluster and sources that fail.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::application::{
    Application, ApplicationSource, AutomatedSync, RetryStrategy, SyncPolicy, SyncStatusCode,
};
use gitops_core::{Engine, SyncRequest};
use gitops_manifest::{ObjectKey, Value};
use gitops_memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};

const REPO: &str = "https://git.example.com/shop.git";
const LIMIT: Duration = Duration::from_secs(3600);

const HOOK: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations:
    argocd.argoproj.io/hook: PreSync
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: migrate, image: \"shop/web:1\"}
";

fn config(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: \"{value}\"}}\n"
    )
}

struct World {
    clock: SimClock,
    source: MemorySource,
    target: MemoryTarget,
    store: MemoryStore,
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
                ("web/hook.yaml", HOOK.to_owned()),
            ],
        );
        let target = MemoryTarget::new(Arc::new(clock.clone()));
        Self {
            clock,
            source,
            target,
            store: MemoryStore::new(),
        }
    }

    fn engine(&self) -> Engine {
        Engine::builder(self.source.clone(), self.target.clone(), self.store.clone())
            .clock(self.clock.clone())
            .build()
    }

    fn value(&self, name: &str) -> Option<String> {
        let object = self
            .target
            .object(&ObjectKey::new("", "ConfigMap", "shop", name))?;
        object
            .at(&["data", "key"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    fn hook(&self) -> Option<String> {
        let object = self
            .target
            .object(&ObjectKey::new("batch", "Job", "shop", "migrate"))?;
        Some(object.uid().to_owned())
    }
}

fn application(automated: bool) -> Application {
    let source = ApplicationSource::git(REPO, "web", "main");
    let mut application = Application::new("web", source, "shop");
    application.spec.sync_policy = Some(SyncPolicy {
        automated: automated.then(|| AutomatedSync {
            prune: true,
            self_heal: true,
            ..AutomatedSync::default()
        }),
        sync_options: vec!["CreateNamespace=true".into()],
        retry: Some(RetryStrategy {
            limit: -1,
            ..RetryStrategy::default()
        }),
        ..SyncPolicy::default()
    });
    application
}

#[test]
fn a_crash_before_any_write_is_gone_on_from() {
    // How many writes the whole story takes tells where the crashes go.
    let mut crashes = 0;
    for crash in 0.. {
        let world = World::new();
        world.store.fail_after(crash);
        let crashed = world.clock.run(async {
            let engine = world.engine();
            engine.set_application(application(true));
            engine.settle(LIMIT).await.is_err()
        });
        world.store.recover();
        let hook_before = world.hook();
        world.clock.run(async {
            let engine = world.engine();
            let id = engine.set_application(application(true));
            assert!(
                engine.settle(LIMIT).await.expect("the store is well"),
                "crash {crash}"
            );
            let status = engine.status(&id).expect("known");
            assert_eq!(status.sync.status, SyncStatusCode::Synced, "crash {crash}");
            assert_eq!(
                engine.history_of(&id).await.expect("history").len(),
                1,
                "crash {crash}"
            );
        });
        assert_eq!(world.value("a").as_deref(), Some("one"));
        assert_eq!(world.value("b").as_deref(), Some("one"));
        // A hook that was made is not made again.
        if hook_before.is_some() {
            assert_eq!(
                world.hook(),
                hook_before,
                "crash {crash}: the hook ran twice"
            );
        }
        if !crashed {
            break;
        }
        crashes += 1;
    }
    assert!(
        crashes > 3,
        "only {crashes} crashes: the store is hardly used"
    );
}

#[test]
fn what_is_applied_after_a_crash_is_what_was_begun() {
    for crash in 2..6 {
        let world = World::new();
        world.store.fail_after(crash);
        let crashed = world.clock.run(async {
            let engine = world.engine();
            let id = engine.set_application(application(false));
            let begun = engine.sync(&id, &SyncRequest::by("alice")).await;
            begun.is_ok() && engine.settle(LIMIT).await.is_err()
        });
        world.store.recover();
        if !crashed {
            continue;
        }
        // The source moves on while nobody is looking.
        world
            .source
            .edit(REPO, "main", [("web/a.yaml", Some(config("a", "two")))]);
        world.clock.run(async {
            let engine = world.engine();
            engine.set_application(application(false));
            engine.settle(LIMIT).await.expect("the store is well");
        });
        assert_eq!(world.value("a").as_deref(), Some("one"), "crash {crash}");
    }
}
