//! Applications that are charts, and applications of several sources, on the engine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gitops::application::{
    Application, ApplicationSource, AutomatedSync, DirectorySource, HelmFileParameter,
    HelmParameter, HelmSource, KustomizeSource, SyncPolicy, SyncStatusCode,
};
use gitops::manifest::{FileTree, Map, MemoryTree, ObjectKey, Value};
use gitops::memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};
use gitops::{
    ApplicationId, Engine, Event, EventKind, HelmRenderer, KustomizeRenderer, Revision,
    RevisionInfo, Source, SourceCharts, SourceError, SourceRef, Sources,
};

const CHARTS: &str = "https://charts.example.com";
const REPO: &str = "https://git.example.com/shop.git";
const LIMIT: Duration = Duration::from_secs(600);

/// A chart repository with the versions 1.0.0 and 1.1.0 of `web`, and `base` 0.1.0.
#[derive(Clone, Default)]
struct Charts {
    /// What was asked for.
    asked: Arc<Mutex<Vec<SourceRef>>>,
}

fn web(version: &str) -> MemoryTree {
    MemoryTree::from_iter([
        ("Chart.yaml", format!("apiVersion: v2\nname: web\nversion: {version}\n")),
        ("values.yaml", "from: chart\nkept: chart\ncrd: x\n".to_owned()),
        ("extra.yaml", "from: extra\n".to_owned()),
        (
            "templates/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {{- toYaml .Values | nindent 2 }}\n".to_owned(),
        ),
        (
            "templates/cluster.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster}\ndata:\n  version: {{ .Capabilities.KubeVersion.Version }}\n  deployments: '{{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" }}'\n  nonsense: '{{ .Capabilities.APIVersions.Has \"example.com/v1\" }}'\n  namespace: {{ .Release.Namespace }}\n  chart: {{ .Chart.Version }}\n  found: '{{ lookup \"v1\" \"ConfigMap\" \"\" \"\" | len }}'\n".to_owned(),
        ),
        (
            "templates/before.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: before\n  annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: '-5'}\n".to_owned(),
        ),
        (
            "templates/test.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: test\n  annotations: {helm.sh/hook: test}\n".to_owned(),
        ),
    ])
}

#[async_trait]
impl Source for Charts {
    fn supports(&self, source: &SourceRef) -> bool {
        source.repo == CHARTS && source.chart.is_some()
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        self.asked
            .lock()
            .expect("nobody failed")
            .push(source.clone());
        let name = match (source.chart.as_deref(), &*source.revision) {
            (Some("web"), "1.0.0") => "1.0.0",
            (Some("web"), _) => "1.1.0",
            (Some("base"), _) => "0.1.0",
            _ => {
                return Err(SourceError::NoSuchChart {
                    repo: source.repo.clone(),
                    chart: source.chart.clone().unwrap_or_default(),
                    nearest: Vec::new(),
                });
            }
        };
        Ok(Revision {
            repo: source.repo.clone(),
            id: format!("sha256:{name}").into(),
            name: name.into(),
            chart: source.chart.clone(),
        })
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let tree = match revision.chart.as_deref() {
            Some("web") => web(revision.id.trim_start_matches("sha256:")),
            _ => MemoryTree::from_iter([
                ("Chart.yaml", "apiVersion: v2\nname: base\nversion: 0.1.0\n"),
                (
                    "templates/b.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\n",
                ),
            ]),
        };
        Ok(Arc::new(tree))
    }

    async fn describe(&self, _: &Revision) -> Result<RevisionInfo, SourceError> {
        Ok(RevisionInfo::default())
    }
}

struct World {
    clock: SimClock,
    git: MemorySource,
    charts: Charts,
    target: MemoryTarget,
    store: MemoryStore,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    fn new() -> Self {
        let clock = SimClock::new();
        Self {
            git: MemorySource::new(),
            charts: Charts::default(),
            target: MemoryTarget::new(Arc::new(clock.clone())),
            store: MemoryStore::new(),
            events: Arc::default(),
            clock,
        }
    }

    fn engine(&self) -> Engine {
        let events = Arc::clone(&self.events);
        let sources = Sources::new()
            .with(Arc::new(self.charts.clone()))
            .with(Arc::new(self.git.clone()));
        Engine::builder(sources, self.target.clone(), self.store.clone())
            .clock(self.clock.clone())
            .renderer(KustomizeRenderer::default())
            .renderer(
                HelmRenderer::new(1)
                    .with_clock(self.clock.clone())
                    .with_loader(SourceCharts::new(self.charts.clone()))
                    .with_repository("shop", CHARTS),
            )
            .observer(move |event: &Event| {
                events.lock().expect("nobody failed").push(event.clone());
            })
            .build()
    }

    fn data(&self, name: &str) -> Option<Map> {
        let object = self
            .target
            .object(&ObjectKey::new("", "ConfigMap", "shop", name))?;
        match object.at(&["data"]) {
            Some(Value::Object(data)) => Some(data.clone()),
            _ => Some(Map::new()),
        }
    }

    fn value(&self, name: &str, key: &str) -> Option<String> {
        Some(self.data(name)?.get(key)?.as_str()?.to_owned())
    }

    fn renders(&self) -> usize {
        let events = self.events.lock().expect("nobody failed");
        let rendered = |event: &&Event| matches!(event.kind, EventKind::Rendered { .. });
        events.iter().filter(rendered).count()
    }

    /// Settles an application; fails with its conditions where it is not Synced.
    async fn settle(&self, engine: &Engine, id: &ApplicationId) {
        engine.settle(LIMIT).await.expect("the engine works");
        let status = engine.status(id).expect("the application is known");
        assert_eq!(
            status.sync.status,
            SyncStatusCode::Synced,
            "{:?}",
            status.conditions
        );
    }
}

fn automated(mut application: Application) -> Application {
    application.spec.sync_policy = Some(SyncPolicy {
        automated: Some(AutomatedSync {
            prune: true,
            ..AutomatedSync::default()
        }),
        sync_options: vec!["CreateNamespace=true".into()],
        ..SyncPolicy::default()
    });
    application
}

fn application(source: ApplicationSource) -> Application {
    automated(Application::new("app", source, "shop"))
}

fn several(sources: Vec<ApplicationSource>) -> Application {
    let mut application = application(ApplicationSource::default());
    application.spec.source = None;
    application.spec.sources = sources;
    application
}

fn of_chart(helm: HelmSource) -> ApplicationSource {
    ApplicationSource {
        helm: Some(helm),
        ..ApplicationSource::chart(CHARTS, "web", "1.0.0")
    }
}

fn parameter(name: &str, value: &str, force_string: bool) -> HelmParameter {
    HelmParameter {
        name: name.into(),
        value: value.into(),
        force_string,
    }
}

/// The messages of the conditions of an application that cannot be rendered.
fn conditions(application: Application) -> String {
    let world = World::new();
    world
        .git
        .commit(REPO, "main", [("values.yaml", "from: git\n")]);
    world.clock.run(async {
        let engine = world.engine();
        let id = engine.set_application(application);
        engine.settle(LIMIT).await.expect("the engine works");
        let status = engine.status(&id).expect("the application is known");
        assert_eq!(status.sync.status, SyncStatusCode::Unknown);
        let messages: Vec<String> = status
            .conditions
            .iter()
            .map(|c| format!("{}: {}", c.kind, c.message))
            .collect();
        messages.join("\n")
    })
}

#[test]
fn a_chart_is_rolled_out_with_hooks_and_what_the_cluster_can_do() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let source = ApplicationSource::chart(CHARTS, "web", "^1.0");
        let id = engine.set_application(application(source));
        world.settle(&engine, &id).await;
        assert_eq!(world.value("app", "from").as_deref(), Some("chart"));
        let cluster = |key: &str| world.value("cluster", key);
        assert_eq!(cluster("version").as_deref(), Some("v1.36.0"));
        assert_eq!(cluster("deployments").as_deref(), Some("true"));
        assert_eq!(cluster("nonsense").as_deref(), Some("false"));
        assert_eq!(cluster("namespace").as_deref(), Some("shop"));
        assert_eq!(cluster("chart").as_deref(), Some("1.1.0"));
        assert_eq!(
            cluster("found").as_deref(),
            Some("0"),
            "lookup finds nothing"
        );
        // A hook of Helm ran before, and a test is no part of a sync.
        assert!(world.data("before").is_some() && world.data("test").is_none());
        let status = engine.status(&id).expect("the application is known");
        assert_eq!(status.source_type, "Helm");
        assert_eq!(status.sync.revision, "1.1.0");
        assert!(status.conditions.is_empty(), "{:?}", status.conditions);
        let state = status.operation_state.expect("it was synced");
        let result = state.sync_result.expect("it was synced");
        let hook = result
            .resources
            .iter()
            .find(|r| r.name == "before")
            .expect("the hook");
        assert_eq!(
            (hook.hook_type.as_str(), hook.sync_phase.as_str()),
            ("PreSync", "PreSync")
        );
        assert!(result.resources.iter().all(|r| r.name != "test"));
    });
}

#[test]
fn values_win_over_each_other_as_in_argo_cd() {
    let world = World::new();
    world.clock.run(async {
        let engine = world.engine();
        let helm = HelmSource {
            release_name: "shop".into(),
            value_files: vec!["extra.yaml".into(), "absent.yaml".into()],
            ignore_missing_value_files: true,
            values: "from: values\nname: values\nonly: values\n".into(),
            parameters: vec![
                parameter("name", "first", false),
                parameter(
                    "name",
                    "$ARGOCD_APP_NAME,$ARGOCD_APP_NAMESPACE/$ARGOCD_APP_PROJECT_NAME",
                    false,
                ),
                parameter("version", "$ARGOCD_APP_REVISION", false),
                parameter("text", "12", true),
            ],
            file_parameters: vec![HelmFileParameter {
                name: "file".into(),
                path: "extra.yaml".into(),
            }],
            ..HelmSource::default()
        };
        let id = engine.set_application(application(of_chart(helm.clone())));
        world.settle(&engine, &id).await;
        let value = |key: &str| world.value("shop", key);
        assert_eq!(value("kept").as_deref(), Some("chart"));
        assert_eq!(
            value("from").as_deref(),
            Some("values"),
            "values win over files"
        );
        assert_eq!(value("only").as_deref(), Some("values"));
        assert_eq!(
            value("name").as_deref(),
            Some("app,shop/default"),
            "the last parameter wins"
        );
        assert_eq!(value("version").as_deref(), Some("1.0.0"));
        assert_eq!(value("text").as_deref(), Some("12"));
        assert_eq!(value("file").as_deref(), Some("from: extra\n"));

        // The object takes the place of the text.
        let helm = HelmSource {
            values_object: Some(Value::from(Map::from([("from", "object")]))),
            ..helm
        };
        engine.set_application(application(of_chart(helm)));
        world.settle(&engine, &id).await;
        assert_eq!(value("from").as_deref(), Some("object"));
        assert_eq!(value("only"), None);
    });
}

#[test]
fn values_come_from_another_source_and_only_they_are_read_of_it() {
    let world = World::new();
    world.git.commit(
        REPO,
        "main",
        [
            ("envs/a.yaml", "from: a\n"),
            ("envs/b.yaml", "from: b\n"),
            ("other.txt", "1"),
        ],
    );
    world.clock.run(async {
        let engine = world.engine();
        let chart = of_chart(HelmSource {
            value_files: vec!["$values/envs/*.yaml".into()],
            file_parameters: vec![HelmFileParameter {
                name: "kept".into(),
                path: "$values/other.txt".into(),
            }],
            ..HelmSource::default()
        });
        let values = ApplicationSource {
            r#ref: "values".into(),
            ..ApplicationSource::git(REPO, "", "main")
        };
        let id = engine.set_application(several(vec![chart, values]));
        world.settle(&engine, &id).await;
        assert_eq!(
            world.value("app", "from").as_deref(),
            Some("b"),
            "the last file wins"
        );
        assert_eq!(world.value("app", "kept").as_deref(), Some("1"));
        let status = engine.status(&id).expect("the application is known");
        assert_eq!(status.source_types, ["Helm", ""]);
        assert_eq!(status.sync.revisions.len(), 2);
        assert_eq!(status.sync.revisions[0], "1.0.0");
        assert!(status.sync.revision.is_empty());
        let history = &engine.history_of(&id).await.expect("a history")[0];
        let wire = history.to_wire();
        assert_eq!((wire.revisions.len(), wire.sources.len()), (2, 2));
        assert_eq!(world.renders(), 1);

        // What is not read does not matter; what is read does, a file that a pattern finds included.
        world.git.edit(REPO, "main", [("README.md", Some("x"))]);
        world.settle(&engine, &id).await;
        assert_eq!(world.renders(), 1);
        world
            .git
            .edit(REPO, "main", [("envs/c.yaml", Some("from: c\n"))]);
        world.settle(&engine, &id).await;
        assert_eq!(
            (world.renders(), world.value("app", "from").as_deref()),
            (2, Some("c"))
        );
        world.git.edit(REPO, "main", [("other.txt", Some("2"))]);
        world.settle(&engine, &id).await;
        assert_eq!(
            (world.renders(), world.value("app", "kept").as_deref()),
            (3, Some("2"))
        );
    });
}

#[test]
fn a_render_that_tells_the_revision_is_made_for_each() {
    let world = World::new();
    world.git.commit(
        REPO,
        "main",
        [
            ("app/Chart.yaml", "apiVersion: v2\nname: own\nversion: 1.0.0\n"),
            (
                "app/templates/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {revision: '{{ .Values.revision }}'}\n",
            ),
        ],
    );
    world.clock.run(async {
        let engine = world.engine();
        let plain = ApplicationSource::git(REPO, "app", "main");
        let telling = ApplicationSource {
            helm: Some(HelmSource {
                parameters: vec![parameter("revision", "${ARGOCD_APP_REVISION_SHORT}", true)],
                ..HelmSource::default()
            }),
            ..plain.clone()
        };
        let id = engine.set_application(application(telling));
        world.settle(&engine, &id).await;
        let head = world.git.edit(REPO, "main", [("README.md", Some("x"))]);
        world.settle(&engine, &id).await;
        assert_eq!(world.value("own", "revision").as_deref(), Some(&head[..7]));
        assert_eq!(world.renders(), 2);
        // A folder with a Chart.yaml is a chart without any settings; its render tells no revision.
        engine.set_application(application(plain));
        world.settle(&engine, &id).await;
        assert_eq!(world.renders(), 3);
        world.git.edit(REPO, "main", [("README.md", Some("y"))]);
        world.settle(&engine, &id).await;
        assert_eq!(world.renders(), 3);
    });
}

#[test]
fn folders_kustomizations_and_charts_go_together() {
    let world = World::new();
    let config = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{from: git}}\n"
        )
    };
    world.git.commit(
        REPO,
        "main",
        [
            ("plain/a.yaml", config("plain")),
            (
                "kust/kustomization.yaml",
                "resources: [a.yaml]\nnamePrefix: k-\n".to_owned(),
            ),
            ("kust/a.yaml", config("a")),
        ],
    );
    world.clock.run(async {
        let engine = world.engine();
        let annotated = KustomizeSource {
            common_annotations: [("of".to_owned(), "$ARGOCD_APP_NAME".to_owned())].into(),
            common_annotations_envsubst: true,
            ..KustomizeSource::default()
        };
        let kustomization = ApplicationSource {
            kustomize: Some(annotated),
            ..ApplicationSource::git(REPO, "kust", "main")
        };
        let id = engine.set_application(several(vec![
            ApplicationSource::git(REPO, "plain", "main"),
            kustomization,
            ApplicationSource::chart(CHARTS, "web", "1.0.0"),
        ]));
        world.settle(&engine, &id).await;
        for name in ["plain", "k-a", "app"] {
            assert!(world.data(name).is_some(), "{name}");
        }
        let object = world
            .target
            .object(&ObjectKey::new("", "ConfigMap", "shop", "k-a"))
            .expect("it is there");
        assert_eq!(object.annotation("of"), Some("app"));
        let status = engine.status(&id).expect("the application is known");
        assert_eq!(status.source_types, ["Directory", "Kustomize", "Helm"]);
    });
}

#[test]
fn dependencies_are_fetched_as_the_lock_says() {
    // The digest is what Helm 3.22 writes for these dependencies.
    let chart = "apiVersion: v2\nname: own\nversion: 1.0.0\ndependencies:\n- {name: base, version: 0.1.0, repository: 'https://charts.example.com'}\n- {name: near, version: 1.x.x, repository: 'file://../near'}\n";
    let lock = "dependencies:\n- name: base\n  repository: https://charts.example.com\n  version: 0.1.0\n- name: near\n  repository: file://../near\n  version: 1.2.3\ndigest: DIGEST\ngenerated: \"2024-01-01T00:00:00Z\"\n";
    let lock = lock.replace("DIGEST", LOCK_DIGEST);
    let files = |chart: &str, lock: &str| {
        let mut files = vec![
            ("own/Chart.yaml", chart.to_owned()),
            (
                "near/Chart.yaml",
                "apiVersion: v2\nname: near\nversion: 1.2.3\n".to_owned(),
            ),
            (
                "near/templates/n.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: near}\n".to_owned(),
            ),
        ];
        if !lock.is_empty() {
            files.push(("own/Chart.lock", lock.to_owned()));
        }
        files
    };
    let named = chart.replace("https://charts.example.com", "@shop");
    for (chart, lock, want) in [
        (chart, lock.as_str(), "0.1.0"),
        (chart, "", "0.1.0"),
        (&named, &lock, "0.1.0"),
    ] {
        let world = World::new();
        world.git.commit(REPO, "main", files(chart, lock));
        world.clock.run(async {
            let engine = world.engine();
            let id =
                engine.set_application(application(ApplicationSource::git(REPO, "own", "main")));
            world.settle(&engine, &id).await;
            assert!(world.data("base").is_some() && world.data("near").is_some());
            let asked = world.charts.asked.lock().expect("nobody failed").clone();
            assert_eq!(asked, [SourceRef::chart(CHARTS, "base", want)]);
            // A local dependency is read like any file.
            world.git.edit(
                REPO,
                "main",
                [(
                    "near/templates/n.yaml",
                    Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: near}\ndata: {a: b}\n"),
                )],
            );
            world.settle(&engine, &id).await;
            assert_eq!(world.value("near", "a").as_deref(), Some("b"));
        });
    }
    for (chart, lock, want) in [
        (
            chart.replace("1.x.x", "2.x.x"),
            lock.as_str(),
            "the lock file (Chart.lock) is out of sync",
        ),
        (
            chart.replace("1.x.x", "2.x.x"),
            "",
            "near has version 1.2.3, which does not fit \"2.x.x\"",
        ),
        (
            chart.replace("../near", "../far"),
            "",
            "directory far not found",
        ),
        (
            chart.replace("../near", "../../near"),
            "",
            "leads out of the root",
        ),
        (
            chart.replace("https://charts.example.com", "@other"),
            "",
            "no repository definition for @other",
        ),
        (
            chart.replace("https://charts.example.com", "stable"),
            "",
            "is no address of a repository",
        ),
        (
            chart.replace("base", "absent"),
            "",
            "has no chart \"absent\"",
        ),
    ] {
        let world = World::new();
        world.git.commit(REPO, "main", files(&chart, lock));
        world.clock.run(async {
            let engine = world.engine();
            let id =
                engine.set_application(application(ApplicationSource::git(REPO, "own", "main")));
            engine.settle(LIMIT).await.expect("the engine works");
            let status = engine.status(&id).expect("the application is known");
            let message = &status.conditions.first().expect("a condition").message;
            assert!(message.contains(want), "{want}: {message}");
        });
    }
}

/// Of `helm dependency update` 3.22 for the chart of the test above.
const LOCK_DIGEST: &str = "sha256:a8267e2511dda4b2200ea465607666adbcb6c4a46d6fa8a421422a8977289170";

#[test]
fn what_is_wrong_with_an_application_is_said() {
    let helm = |helm: HelmSource| application(of_chart(helm));
    let cases: Vec<(Application, &str)> = vec![
        (
            helm(HelmSource {
                value_files: vec!["absent.yaml".into()],
                ..HelmSource::default()
            }),
            "open absent.yaml: no such file or directory",
        ),
        (
            helm(HelmSource {
                value_files: vec!["no/*.yaml".into()],
                ..HelmSource::default()
            }),
            "values file glob \"no/*.yaml\" matched no files",
        ),
        (
            helm(HelmSource {
                value_files: vec!["$values/x.yaml".into()],
                ..HelmSource::default()
            }),
            "no source of the application has the ref \"values\"",
        ),
        (
            helm(HelmSource {
                value_files: vec!["https://example.com/x.yaml".into()],
                ..HelmSource::default()
            }),
            "single files are not fetched",
        ),
        (
            helm(HelmSource {
                values: "a: [".into(),
                ..HelmSource::default()
            }),
            "failed to parse values of the application",
        ),
        (
            helm(HelmSource {
                parameters: vec![parameter("a[", "x", false)],
                ..HelmSource::default()
            }),
            "failed parsing --set data",
        ),
        (
            helm(HelmSource {
                version: "v2".into(),
                ..HelmSource::default()
            }),
            "\"v2\" is not supported",
        ),
        (
            helm(HelmSource {
                kube_version: "x".into(),
                ..HelmSource::default()
            }),
            "invalid kube version 'x'",
        ),
        (
            helm(HelmSource {
                release_name: "No_Name".into(),
                ..HelmSource::default()
            }),
            "invalid release name",
        ),
        (
            application(ApplicationSource::chart(CHARTS, "nothing", "1")),
            "has no chart \"nothing\"",
        ),
        (
            application(ApplicationSource {
                helm: Some(HelmSource::default()),
                ..ApplicationSource::git(REPO, "", "main")
            }),
            "Chart.yaml file is missing",
        ),
        (
            application(ApplicationSource {
                kustomize: Some(KustomizeSource::default()),
                directory: Some(DirectorySource::default()),
                ..ApplicationSource::git(REPO, "", "main")
            }),
            "settings for Kustomize and Directory; give those of one",
        ),
        (
            several(vec![ApplicationSource {
                r#ref: "a b".into(),
                ..ApplicationSource::git(REPO, "", "main")
            }]),
            "letters, digits, `_` and `-` only",
        ),
        (
            several(vec![
                ApplicationSource {
                    r#ref: "v".into(),
                    ..ApplicationSource::git(REPO, "", "main")
                },
                ApplicationSource {
                    r#ref: "v".into(),
                    ..ApplicationSource::git(REPO, "", "main")
                },
            ]),
            "another source has the name \"v\" already",
        ),
        (
            several(vec![ApplicationSource {
                r#ref: "v".into(),
                ..ApplicationSource::chart(CHARTS, "web", "1.0.0")
            }]),
            "has both ref and chart",
        ),
    ];
    for (application, want) in cases {
        let told = conditions(application);
        assert!(told.contains(want), "{want}: {told}");
    }
}

#[test]
fn an_engine_without_a_renderer_for_charts_says_so() {
    let world = World::new();
    world.clock.run(async {
        let engine = Engine::builder(
            world.charts.clone(),
            world.target.clone(),
            world.store.clone(),
        )
        .clock(world.clock.clone())
        .build();
        let id = engine.set_application(application(ApplicationSource::chart(
            CHARTS, "web", "1.0.0",
        )));
        engine.settle(LIMIT).await.expect("the engine works");
        let status = engine.status(&id).expect("the application is known");
        let message = &status.conditions.first().expect("a condition").message;
        assert!(
            message.contains("the source is one for Helm, and the engine has no such renderer"),
            "{message}"
        );
    });
}
