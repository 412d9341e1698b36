//! What projects ask for.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_core::application::{
    AppProject, DestinationServiceAccount, OrphanKey, OrphanedResources, SyncStatusCode, SyncWindow,
};
use gitops_core::project::Cluster;
use gitops_core::{
    Applied, ApplyOptions, DeleteOptions, Discovery, Engine, LOCAL_SERVER, Scope, Snapshot, Target,
    TargetError, WatchEvent,
};
use gitops_manifest::{Object, ObjectKey, Str};
use gitops_memory::MemoryTarget;

use super::bed::{Bed, REPO, application, condition, config, sync_status};
use super::running::project;

/// A cluster that notes in whose name it is written.
struct Named {
    target: MemoryTarget,
    user: Str,
    users: Arc<Mutex<Vec<Str>>>,
}

#[async_trait]
impl Target for Named {
    async fn discover(&self) -> Result<Arc<Discovery>, TargetError> {
        self.target.discover().await
    }

    async fn snapshot(&self, scope: &Scope) -> Result<Snapshot, TargetError> {
        self.target.snapshot(scope).await
    }

    async fn watch(
        &self,
        scope: &Scope,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, TargetError>>, TargetError> {
        self.target.watch(scope, version).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, TargetError> {
        self.target.get(key).await
    }

    async fn apply(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, TargetError> {
        self.users.lock().unwrap().push(self.user.clone());
        self.target.apply(object, options).await
    }

    async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<(), TargetError> {
        self.users.lock().unwrap().push(self.user.clone());
        self.target.delete(key, options).await
    }

    fn impersonate(&self, user: &str, _: &[Str]) -> Option<Arc<dyn Target>> {
        Some(Arc::new(Self {
            target: self.target.clone(),
            user: user.into(),
            users: Arc::clone(&self.users),
        }))
    }
}

fn accounts(namespace: &str) -> AppProject {
    let mut project = project(Vec::new());
    project.spec.destination_service_accounts = vec![DestinationServiceAccount {
        server: "*".into(),
        namespace: namespace.into(),
        default_service_account: "deployer".into(),
    }];
    project
}

#[test]
fn objects_are_written_in_the_name_of_the_account_that_the_project_names() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let users = Arc::new(Mutex::new(Vec::new()));
    let target = Named {
        target: bed.target.clone(),
        user: "controller".into(),
        users: Arc::clone(&users),
    };
    let engine = Engine::builder(bed.source.clone(), target, bed.store.clone())
        .clock(bed.clock.clone())
        .build();
    engine.set_project(accounts("shop"));
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    let users = users.lock().unwrap().clone();
    assert!(!users.is_empty());
    assert!(
        users
            .iter()
            .all(|user| **user == *"system:serviceaccount:shop:deployer"),
        "{users:?}"
    );
}

#[test]
fn nothing_is_written_where_the_account_cannot_be_had_or_none_is_named() {
    for namespace in ["shop", "other"] {
        let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
        let engine = bed.engine(|_| {});
        engine.set_project(accounts(namespace));
        let mut web = application("web", "web");
        web.spec.project = "team".into();
        let id = engine.set_application(web);
        bed.run(&engine, 10);
        assert_eq!(bed.value("a"), None);
        let said = engine
            .operation_state(&id)
            .map(|state| state.message)
            .unwrap_or_default();
        let reason = if namespace == "shop" {
            "cannot do here"
        } else {
            "names no service account"
        };
        assert!(said.contains(reason), "{said}");
    }
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|options| options.impersonation = false);
    engine.set_project(accounts("shop"));
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    engine.set_application(web);
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn orphans_are_found_and_told() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    for name in ["lost", "known-1"] {
        let text = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: shop}}}}"
        );
        bed.make(&text);
    }
    let engine = bed.engine(|_| {});
    let mut team = project(Vec::new());
    team.spec.orphaned_resources = Some(OrphanedResources {
        warn: Some(true),
        ignore: vec![OrphanKey {
            kind: "ConfigMap".into(),
            name: "known-*".into(),
            group: String::new(),
        }],
    });
    engine.set_project(team);
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    let id = engine.set_application(web);
    bed.settle(&engine);
    let lost = ObjectKey::new("", "ConfigMap", "shop", "lost");
    assert_eq!(engine.refreshed(&id).unwrap().orphans, [lost]);
    let said = condition(&engine, &id, "OrphanedResourceWarning");
    assert_eq!(
        said.as_deref(),
        Some("Application has 1 orphaned resources")
    );
    // Another one is noticed though it is nobody's.
    bed.make("{apiVersion: v1, kind: ConfigMap, metadata: {name: lost-too, namespace: shop}}");
    bed.run(&engine, 2);
    assert_eq!(engine.refreshed(&id).unwrap().orphans.len(), 2);
    // What another application brings is no orphan.
    bed.edit("other/lost.yaml", Some(&config("lost", "found")));
    engine.set_application(application("other", "other"));
    bed.settle(&engine);
    bed.run(&engine, 2);
    assert_eq!(engine.refreshed(&id).unwrap().orphans.len(), 1);
}

#[test]
fn a_project_that_is_not_well_formed_is_told() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut team = project(vec![SyncWindow {
        kind: "allow".into(),
        schedule: "every day".into(),
        duration: "1h".into(),
        applications: vec!["other".into()],
        time_zone: "Mars/Olympus".into(),
        ..SyncWindow::default()
    }]);
    team.spec.source_repos = vec!["*".into(), "*".into()];
    engine.set_project(team);
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    let id = engine.set_application(web);
    bed.settle(&engine);
    let conditions = engine.status(&id).unwrap().conditions;
    let told: Vec<&str> = conditions
        .iter()
        .filter(|c| c.kind == "InvalidProjectWarning")
        .map(|c| c.message.as_str())
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("spec.sourceRepos[1]: source repository '*' already added"),
        "{told:?}"
    );
    assert!(
        told[1].contains("cannot parse schedule 'every day'"),
        "{told:?}"
    );
    assert!(told[2].contains("Mars/Olympus"), "{told:?}");
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
}

#[test]
fn only_clusters_of_the_project_are_used_where_it_says_so() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(|_| {});
    let mut team = project(Vec::new());
    team.spec.permit_only_project_scoped_clusters = true;
    engine.set_project(team);
    let mut web = application("web", "web");
    web.spec.project = "team".into();
    let id = engine.set_application(web);
    bed.run(&engine, 5);
    assert_eq!(bed.value("a"), None);
    assert!(condition(&engine, &id, "InvalidSpecError").is_some());
    let cluster = Cluster {
        server: LOCAL_SERVER.into(),
        name: "in-cluster".into(),
    };
    engine.set_project_clusters("team", vec![cluster]);
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
}

#[test]
fn applications_may_be_in_the_namespaces_that_engine_and_project_name() {
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    for name in ["argocd", "team-a", "elsewhere"] {
        bed.make(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
        ));
    }
    for definition in gitops_core::application::definitions() {
        bed.make(&definition.to_value().to_json());
    }
    for namespace in ["team-a", "elsewhere"] {
        let mut web = application("web", "web");
        web.metadata.insert("namespace", namespace);
        web.spec.project = "team".into();
        bed.make(&web.to_object().to_value().to_json());
    }
    let engine = bed.engine(|options| options.application_namespaces = vec!["team-*".into()]);
    let mut team = project(Vec::new());
    engine.set_project(team.clone());
    bed.run(&engine, 5);
    let ids = engine.applications();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let said = condition(&engine, &ids[0], "InvalidSpecError").unwrap_or_default();
    assert!(said.contains("spec.sourceNamespaces"), "{said}");
    assert_eq!(bed.value("a"), None);
    team.spec.source_namespaces = vec!["/^team-[a-z]$/".into()];
    engine.set_project(team);
    bed.settle(&engine);
    let live = bed.get("ConfigMap", "a").expect("it was applied");
    let id = live
        .annotation("argocd.argoproj.io/tracking-id")
        .unwrap_or_default();
    assert!(id.starts_with("team-a_web:"), "{id}");
    let _ = REPO;
}
