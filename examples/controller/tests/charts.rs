//! Applications that are charts: their revision is the version, as Argo CD shows it, and their content its digest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gitops::manifest::{FileTree, MemoryTree, Object, Value};
use gitops::memory::MemoryStore;
use gitops::{Clock, Revision, RevisionInfo, Source, SourceError, SourceRef};
use gitops_controller::ControllerOptions;
use serde_json::json;

use crate::world::{World, config};

const CHARTS: &str = "https://charts.example.com";

/// A repository of one chart with one ConfigMap.
#[derive(Clone, Default)]
pub(crate) struct Charts {
    /// The text of the templates, for each version.
    published: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Charts {
    /// Publishes a version, or publishes it anew.
    fn publish(&self, version: &str, template: &str) {
        self.versions()
            .insert(version.to_owned(), template.to_owned());
    }

    fn versions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name for the content, that looks as the digest of an archive does.
fn digest(template: &str) -> String {
    let hash = template
        .bytes()
        .fold(7_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
    format!("sha256:{hash:064x}")
}

#[async_trait]
impl Source for Charts {
    fn supports(&self, source: &SourceRef) -> bool {
        source.repo == CHARTS
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let versions = self.versions();
        let found = versions.iter().rfind(|(version, template)| {
            matches!(&*source.revision, "" | "*")
                || *source.revision == **version
                || *source.revision == *digest(template)
        });
        let Some((version, template)) = found else {
            return Err(SourceError::NoSuchRevision {
                repo: source.repo.clone(),
                revision: source.revision.clone(),
                nearest: Vec::new(),
            });
        };
        let id = digest(template);
        Ok(Revision {
            repo: source.repo.clone(),
            name: if *source.revision == *id {
                "".into()
            } else {
                version.as_str().into()
            },
            id: id.into(),
            chart: source.chart.clone(),
        })
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let versions = self.versions();
        let found = versions
            .iter()
            .find(|(_, template)| *revision.id == *digest(template));
        let (version, template) = found.ok_or_else(|| SourceError::NoSuchRevision {
            repo: revision.repo.clone(),
            revision: revision.id.clone(),
            nearest: Vec::new(),
        })?;
        Ok(Arc::new(MemoryTree::from_iter([
            (
                "Chart.yaml",
                format!("apiVersion: v2\nname: web\nversion: {version}\n"),
            ),
            ("templates/all.yaml", template.clone()),
        ])))
    }

    async fn describe(&self, _: &Revision) -> Result<RevisionInfo, SourceError> {
        Ok(RevisionInfo::default())
    }
}

async fn application(world: &World, policy: serde_json::Value) {
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": CHARTS, "chart": "web", "targetRevision": "*"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": policy,
        },
    });
    world.create(&Object::try_from(object).unwrap()).await;
}

fn refresh(world: &World) {
    world.edit("web", |object| {
        let annotations = object.metadata_mut().entry_object("annotations");
        annotations.insert("argocd.argoproj.io/refresh", "normal");
    });
}

fn stands(world: &World, value: &str) -> bool {
    world.value("web").as_deref() == Some(value) && world.is_good("web")
}

/// Returns the revisions of the history.
fn history(world: &World) -> Vec<String> {
    let history = world.app("web").at(&["status", "history"]).cloned();
    let entries = history.unwrap_or_default();
    let revision = |entry: &Value| entry["revision"].as_str().unwrap_or_default().to_owned();
    let entries = entries.as_array().into_iter();
    entries
        .flat_map(|entries| entries.iter())
        .map(revision)
        .collect()
}

#[test]
fn the_revision_of_a_chart_is_its_version() {
    let world = World::new(&[]);
    world.charts.publish("1.2.3", &config("web", "one"));
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        application(&w, json!({"automated": {"selfHeal": true}})).await;
        w.until("synced", || stands(&w, "one") && history(&w).len() == 1)
            .await;
        assert_eq!(w.text("web", &["status", "sync", "revision"]), "1.2.3");
        let result = ["status", "operationState", "syncResult", "revision"];
        assert_eq!(w.text("web", &result), "1.2.3");
        let asked = ["status", "operationState", "operation", "sync", "revision"];
        assert_eq!(w.text("web", &asked), "1.2.3");
        assert_eq!(history(&w), ["1.2.3"]);
        let said = || w.events("web").into_iter().map(|(_, message)| message);
        assert!(said().any(|said| said == "Initiated automated sync to '1.2.3'"));
        assert!(said().any(|said| said == "Sync operation to 1.2.3 succeeded"));

        // Published anew, it is news all the same, be the last sync of that version or not.
        w.charts.publish("1.2.3", &config("web", "two"));
        refresh(&w);
        w.until("the new content", || {
            stands(&w, "two") && history(&w).len() == 2
        })
        .await;
        assert_eq!(history(&w), ["1.2.3", "1.2.3"]);
        w.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(history(&w).len(), 2, "and it is news once");
    });
}

#[test]
fn a_version_that_is_published_anew_is_synced_where_nothing_is_healed() {
    let world = World::new(&[]);
    world.charts.publish("1.2.3", &config("web", "one"));
    let w = world.clone();
    world.play(ControllerOptions::default(), |_| async move {
        application(&w, json!({"automated": {}})).await;
        w.until("synced", || stands(&w, "one")).await;
        w.charts.publish("1.2.3", &config("web", "two"));
        refresh(&w);
        w.until("the new content", || stands(&w, "two")).await;
    });
}

#[test]
fn a_status_that_has_the_version_or_the_digest_is_understood() {
    for written in ["1.2.3", &*digest(&config("web", "one"))] {
        let world = World::new(&[]);
        world.charts.publish("1.2.3", &config("web", "one"));
        let w = world.clone();
        world.play(ControllerOptions::default(), |_| async move {
            application(&w, json!({"automated": {}})).await;
            w.until("synced", || stands(&w, "one") && history(&w).len() == 1)
                .await;
        });
        // Argo CD writes the version, earlier releases wrote the digest; neither has our store.
        world.edit("web", |object| {
            let status = object.as_map_mut().entry_object("status");
            status.entry_object("sync").insert("revision", written);
            let state = status.entry_object("operationState");
            state.entry_object("syncResult").insert("revision", written);
        });
        let other = World {
            store: MemoryStore::new(),
            ..world
        };
        let w = other.clone();
        other.play(ControllerOptions::default(), |_| async move {
            w.until("looked at", || w.is_good("web")).await;
            w.target
                .edit(
                    &gitops::manifest::ObjectKey::new("", "ConfigMap", "shop", "web"),
                    |object| {
                        object
                            .as_map_mut()
                            .entry_object("data")
                            .insert("key", "by hand");
                    },
                )
                .unwrap();
            w.clock.sleep(Duration::from_secs(600)).await;
            assert_eq!(
                w.value("web").as_deref(),
                Some("by hand"),
                "{written} was synced already, and self-heal is off"
            );
            assert_eq!(w.text("web", &["status", "sync", "revision"]), "1.2.3");
            assert_eq!(history(&w).len(), 1);
        });
    }
}

#[test]
fn a_rollback_names_the_version() {
    for automated in [true, false] {
        let world = World::new(&[]);
        world.charts.publish("1.2.3", &config("web", "one"));
        let w = world.clone();
        world.play(ControllerOptions::default(), |_| async move {
            let policy = if automated {
                json!({"automated": {"selfHeal": true}})
            } else {
                json!({})
            };
            application(&w, policy).await;
            let ask = |sync: serde_json::Value| {
                w.edit("web", |object| {
                    object
                        .as_map_mut()
                        .insert("operation", Value::from(json!({"sync": sync})));
                });
            };
            let done = || w.app("web").get("operation").is_none();
            if !automated {
                w.until("compared", || {
                    w.text("web", &["status", "sync", "status"]) == "OutOfSync"
                })
                .await;
                ask(json!({}));
            }
            w.until("the first", || stands(&w, "one") && done()).await;
            w.charts.publish("1.3.0", &config("web", "two"));
            refresh(&w);
            if !automated {
                w.until("compared", || {
                    w.text("web", &["status", "sync", "status"]) == "OutOfSync"
                })
                .await;
                ask(json!({}));
            }
            w.until("the second", || {
                stands(&w, "two")
                    && done()
                    && w.text("web", &["status", "sync", "revision"]) == "1.3.0"
                    && history(&w).len() == 2
            })
            .await;
            // What `argocd app rollback` writes.
            ask(json!({
                "revision": "1.2.3", "prune": true, "syncStrategy": {"apply": {}},
                "source": {"repoURL": CHARTS, "chart": "web", "targetRevision": "*"},
            }));
            w.until("the first again", || {
                w.value("web").as_deref() == Some("one") && done()
            })
            .await;
            w.clock.sleep(Duration::from_secs(600)).await;
            assert_eq!(w.value("web").as_deref(), Some("one"));
            let result = ["status", "operationState", "syncResult", "revision"];
            assert_eq!(w.text("web", &result), "1.2.3");
            assert_eq!(history(&w), ["1.2.3", "1.3.0", "1.2.3"]);
            if automated {
                assert_eq!(w.text("web", &["status", "sync", "revision"]), "1.2.3");
                let conditions = w.app("web").at(&["status", "conditions"]).cloned();
                let said = conditions.unwrap_or_default().to_json();
                assert!(
                    said.contains(
                        "rolled back to revision 1.2.3 (history entry 0); 1.3.0 is not synced"
                    ),
                    "{said}"
                );
            }
        });
    }
}

#[test]
fn a_hook_of_a_chart_gets_a_name_that_the_server_takes() {
    let hook = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: before-\n  annotations: {argocd.argoproj.io/hook: PreSync}\n";
    for version in ["1.2.3", "1.2+7.abcdef", "0.1.0+B"] {
        let world = World::new(&[]);
        let both = format!("{}{hook}", config("web", "one"));
        world.charts.publish(version, &both);
        let w = world.clone();
        world.play(ControllerOptions::default(), |_| async move {
            application(&w, json!({"automated": {}})).await;
            w.until("synced", || stands(&w, "one")).await;
            let objects = w.target.objects();
            let made = |object: &&Object| object.name().starts_with("before-");
            let hook = objects.iter().find(made).expect("the hook was made");
            let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.');
            assert!(hook.name().chars().all(plain), "{}", hook.name());
        });
    }
}
