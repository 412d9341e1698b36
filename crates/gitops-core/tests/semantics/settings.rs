//! What `argocd-cm` sets, and what sources set for themselves.

use std::sync::Arc;

use gitops_core::application::{
    AppProject, AppProjectSpec, ApplicationSource, OperationPhase, SyncStatusCode,
};
use gitops_core::settings::ResourceSettings;
use gitops_core::{EngineOptions, Renderer as _, SyncRequest};
use gitops_health::{Context, HealthStatus, Rule, RuleError, Rules, Verdict};
use gitops_manifest::{Map, Object, ObjectKey, Value};
use serde_json::json;

use super::bed::{
    Bed, REPO, application, by_hand, condition, config, deployment, health, last, parse,
    sync_status, with_options,
};

fn read(data: &serde_json::Value) -> (ResourceSettings, Vec<String>) {
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data,
    });
    let config = Object::try_from(config).expect("it is an object");
    let (settings, complaints) = ResourceSettings::read(&config);
    let complaints = complaints.iter().map(ToString::to_string).collect();
    (settings, complaints)
}

fn apply(data: &serde_json::Value) -> impl FnOnce(&mut EngineOptions) + use<> {
    let (settings, complaints) = read(data);
    assert!(complaints.is_empty(), "{complaints:?}");
    move |options| settings.apply(options)
}

#[test]
fn kinds_are_left_alone_by_cluster() {
    let exclusions = "- apiGroups: ['']\n  kinds: [ConfigMap]\n  clusters: ['https://kubernetes.*']\n\
                      - apiGroups: [apps]\n  kinds: ['*']\n  clusters: [https://elsewhere]\n";
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "one")),
        ("web/web.yaml", deployment("web", "shop/web:1")),
    ]);
    let engine = bed.engine(apply(&json!({"resource.exclusions": exclusions})));
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    assert_eq!(bed.value("a"), None);
    assert!(bed.get("Deployment", "web").is_some());
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    let warning = condition(&engine, &id, "ExcludedResourceWarning").expect("it is told");
    assert_eq!(warning, "Resource /ConfigMap a is excluded in the settings");
}

#[test]
fn what_is_said_of_exclusions_takes_the_place_of_the_defaults() {
    let mut options = EngineOptions::default();
    assert!(options.excludes("", "Endpoints", "https://a"));
    assert!(options.excludes("kyverno.io", "PolicyReport", "https://a"));
    apply(
        &json!({"resource.exclusions": "- kinds: [Secret]\n", "resource.inclusions": "- apiGroups: ['', apps]\n"}),
    )(&mut options);
    let excluded = |group, kind| options.excludes(group, kind, "https://a");
    assert!(excluded("", "Secret"));
    assert!(!excluded("", "Endpoints"));
    assert!(!excluded("apps", "Deployment"));
    assert!(excluded("batch", "Job"), "it is not among the inclusions");
    assert!(
        excluded("", "Event"),
        "events are left alone whatever is said"
    );
    assert!(excluded("metrics.k8s.io", "PodMetrics"));
}

#[test]
fn differences_of_a_kind_are_ignored_everywhere() {
    let bed = Bed::new(&[("web/web.yaml", deployment("web", "shop/web:1"))]);
    let engine = bed.engine(apply(&json!({
        "resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]\n",
    })));
    let options = ["RespectIgnoreDifferences=true"];
    let id = engine.set_application(with_options(application("web", "web"), &options));
    bed.settle(&engine);
    let key = ObjectKey::new("apps", "Deployment", "shop", "web");
    let scaled = bed.target.edit(&key, |object| {
        object
            .as_map_mut()
            .entry_object("spec")
            .insert("replicas", 3);
    });
    scaled.expect("it is there");
    bed.settle(&engine);
    assert_eq!(sync_status(&engine, &id), SyncStatusCode::Synced);
    let replicas = |bed: &Bed| {
        let live = bed.get("Deployment", "web")?;
        live.at(&["spec", "replicas"]).and_then(Value::as_i64)
    };
    assert_eq!(replicas(&bed), Some(3));
    // And a sync leaves them as they are.
    bed.clock
        .run(engine.sync(&id, &SyncRequest::by("alice")))
        .expect("it begins");
    bed.settle(&engine);
    assert_eq!(replicas(&bed), Some(3));
}

#[derive(Debug)]
struct Sealed;

impl Rule for Sealed {
    fn judge(&self, object: &Object, _: &Context<'_>) -> Result<Verdict, RuleError> {
        let sealed = object.at(&["data", "key"]).and_then(Value::as_str) == Some("sealed");
        Ok(match sealed {
            true => Verdict::new(HealthStatus::Healthy, ""),
            false => Verdict::new(HealthStatus::Degraded, "it is not sealed"),
        })
    }
}

#[test]
fn rules_of_users_tell_health_and_gate_waves() {
    let later = config("later", "one").replace(
        "annotations: {}",
        "annotations: {argocd.argoproj.io/sync-wave: '1'}",
    );
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "open")),
        ("web/later.yaml", later),
    ]);
    let mut rules = Rules::new();
    rules.insert("ConfigMap", Sealed);
    let engine = bed.engine(|options| options.health_rules = Some(Arc::new(rules)));
    let id = engine.set_application(application("web", "web"));
    bed.run(&engine, 10);
    assert_eq!(health(&engine, &id), "Degraded");
    assert_eq!(bed.value("later"), None, "the wave before is not well");
    bed.edit("web/a.yaml", Some(&config("a", "sealed")));
    bed.run(&engine, 10);
    assert_eq!(bed.value("later").as_deref(), Some("one"));
}

#[test]
fn rules_of_a_global_project_hold_for_others() {
    let settings = "- projectName: global\n  labelSelector:\n    matchExpressions:\n    - {key: team, operator: In, values: \
                    [shop, pay]}\n";
    let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
    let engine = bed.engine(apply(&json!({"globalProjects": settings})));
    let all = AppProject::allow_all().spec;
    let mut own = AppProject::new(
        "shop",
        AppProjectSpec {
            destinations: all.destinations,
            ..AppProjectSpec::default()
        },
    );
    let labels = Map::from([("team", "shop")]);
    own.metadata.insert("labels", labels);
    engine.set_project(own.clone());
    let mut wanted = application("web", "web");
    wanted.spec.project = "shop".into();
    let id = engine.set_application(wanted);
    bed.run(&engine, 2);
    let refused =
        condition(&engine, &id, "InvalidSpecError").expect("its project permits no repository");
    assert!(refused.contains("is not permitted"), "{refused}");
    // The global project permits it, for whoever has the label.
    engine.set_project(AppProject::new(
        "global",
        AppProjectSpec {
            source_repos: vec![REPO.into()],
            ..AppProjectSpec::default()
        },
    ));
    bed.settle(&engine);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    own.metadata
        .insert("labels", Map::from([("team", "other")]));
    own.spec.description = "another team".into();
    engine.set_project(own);
    bed.run(&engine, 2);
    assert!(condition(&engine, &id, "InvalidSpecError").is_some());
}

#[test]
fn what_cannot_be_used_is_complained_of_with_key_and_line() {
    let (settings, complaints) = read(&json!({
        "resource.exclusions": "- kinds: [A]\n- 7\n- kinds: B\n- kinds: [C]\n",
        "resource.inclusions": "a: [",
        "resource.compareoptions": "ignoreAggregatedRoles: true\nignoreResourceStatusField: some\n",
        "resource.customizations": "apps/Deployment:\n  ignoreDifferences: 7\n",
        "resource.customizations.ignoreDifferences.all": "jsonPointers:\n- spec\n",
        "resource.customizations.knownTypeFields.a_B": "- {field: spec.x}\n",
        "resource.customizations.health.a_b_c": "x",
        "globalProjects": "- projectName: g\n  labelSelector: {matchExpressions: [{key: k, operator: Near}]}\n",
    }));
    let begins: Vec<&str> = complaints
        .iter()
        .map(|text| {
            text.strip_prefix("argocd-cm: ")
                .expect("the ConfigMap is named")
        })
        .collect();
    let wanted = [
        "resource.exclusions, line 2: a rule must be a map, not number",
        "resource.exclusions, line 3: kinds must be a list of texts, not string",
        "resource.inclusions, line 2: did not find",
        "resource.compareoptions, line 2: ignoreResourceStatusField must be all, crd or none",
        "globalProjects, line 2: operator \"Near\" is not one of In, NotIn, Exists and DoesNotExist",
        "resource.customizations.health.a_b_c: the key must end in <group>_<kind> or <kind>, not \"a_b_c\"",
        "resource.customizations, line 1: ignoreDifferences must be a map, not number",
        "resource.customizations.ignoreDifferences.all: ignore rule 0 has a bad json pointer",
        "resource.customizations.knownTypeFields.a_B, line 1: a known type must have a field and a type",
    ];
    assert_eq!(begins.len(), wanted.len(), "{complaints:#?}");
    for (told, wanted) in begins.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told}\nis not\n{wanted}");
    }
    // What can be used is.
    let kinds: Vec<&str> = settings
        .exclusions
        .iter()
        .flatten()
        .flat_map(|rule| rule.kinds.iter().map(|kind| &**kind))
        .collect();
    assert_eq!(kinds, ["A", "C"]);
    assert!(settings.diffing.ignore_aggregated_roles);
}

#[test]
fn a_folder_sets_parts_of_its_source() {
    let bed = Bed::new(&[
        ("web/a.yaml", config("a", "one")),
        ("web/b.yaml", config("b", "one")),
        ("web/c.yaml", config("c", "one")),
        (
            "web/.argocd-source.yaml",
            "directory: {exclude: b.yaml}\npath: elsewhere\n".into(),
        ),
        (
            "web/.argocd-source-web.yaml",
            "directory: {include: '[ab].yaml'}\n".into(),
        ),
    ]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let there: Vec<bool> = ["a", "b", "c"]
        .iter()
        .map(|n| bed.value(n).is_some())
        .collect();
    assert_eq!(there, [true, false, false]);
    // A change of it is a change of the application.
    bed.edit("web/.argocd-source-web.yaml", None);
    bed.settle(&engine);
    assert!(bed.value("c").is_some());
    bed.edit("web/.argocd-source-web.yaml", Some("directory: 7\n"));
    bed.run(&engine, 2);
    let told = condition(&engine, &id, "ComparisonError").expect("it is told");
    assert!(
        told.starts_with("web/.argocd-source-web.yaml has settings of the source"),
        "{told}"
    );
}

#[test]
fn one_source_in_a_list_is_synced_once_and_shown_as_a_list() {
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: 7\n";
    let bed = Bed::new(&[("web/a.yaml", broken.to_owned())]);
    let engine = bed.engine(|_| {});
    let mut wanted = application("web", "web");
    wanted.spec.source = None;
    wanted.spec.sources = vec![ApplicationSource::git(REPO, "web", "main")];
    wanted.spec.sync_policy.get_or_insert_default().retry = Some(Default::default());
    let id = engine.set_application(wanted);
    bed.run(&engine, 30);
    let executions = bed
        .clock
        .run(engine.executions_of(&id))
        .expect("the store is well");
    assert_eq!(executions.len(), 1, "one attempt per revision");
    bed.edit("web/a.yaml", Some(&config("a", "one")));
    bed.settle(&engine);
    let status = engine.status(&id).expect("it is known");
    let result = last(&engine, &id)
        .sync_result
        .expect("it has come to its end");
    assert_eq!((result.revision.as_str(), result.revisions.len()), ("", 1));
    assert_eq!((result.source.is_none(), result.sources.len()), (true, 1));
    let entry = status.history.last().expect("it was deployed");
    assert_eq!((entry.revision.as_str(), entry.revisions.len()), ("", 1));
}

#[test]
fn objects_can_be_left_out_of_a_sync() {
    let bed = Bed::with_two();
    let engine = bed.engine(|_| {});
    let mut wanted = by_hand("web", "web");
    let operation =
        json!({"sync": {"resources": [{"kind": "ConfigMap", "name": "b", "exclude": true}]}});
    wanted.operation = Some(serde_json::from_value(operation).expect("it is an operation"));
    let id = engine.set_application(wanted);
    bed.run(&engine, 5);
    assert_eq!(last(&engine, &id).phase, OperationPhase::Succeeded);
    assert_eq!(bed.value("a").as_deref(), Some("one"));
    assert_eq!(bed.value("b"), None);
    assert!(
        engine.status(&id).expect("it is known").history.is_empty(),
        "not all was deployed"
    );
}

#[test]
fn addresses_are_summed_up() {
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  rules:\n  - host: \
                   shop.example.com\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: \
                   {number: 80}}}}]}\n";
    let bed = Bed::new(&[("web/ingress.yaml", ingress.to_owned())]);
    let engine = bed.engine(|_| {});
    let id = engine.set_application(application("web", "web"));
    bed.settle(&engine);
    let summary = engine.status(&id).expect("it is known").summary;
    assert_eq!(summary.external_urls, ["http://shop.example.com/"]);
}

#[test]
fn what_was_applied_on_the_client_side_is_taken_over_unless_told_otherwise() {
    for (option, stays) in [
        ("ClientSideApplyMigration=true", false),
        ("ClientSideApplyMigration=false", true),
    ] {
        let bed = Bed::new(&[("web/a.yaml", config("a", "one"))]);
        let mut object = parse(&config("a", "zero"));
        object.set_namespace("shop");
        let mut by_kubectl = gitops_core::ApplyOptions::server_side("kubectl-client-side-apply");
        by_kubectl.mode = gitops_core::ApplyMode::ClientSide;
        use gitops_core::Target as _;
        bed.clock
            .run(bed.target.apply(&object, &by_kubectl))
            .expect("it is applied");
        let engine = bed.engine(|_| {});
        let options = ["ServerSideApply=true", option];
        let id = engine.set_application(with_options(application("web", "web"), &options));
        bed.settle(&engine);
        assert_eq!(last(&engine, &id).phase, OperationPhase::Succeeded);
        let live = bed.get("ConfigMap", "a").expect("it is there");
        let managers = live
            .meta("managedFields")
            .and_then(Value::as_array)
            .expect("they are kept");
        let by_kubectl = managers
            .iter()
            .any(|m| m["manager"].as_str() == Some("kubectl-client-side-apply"));
        assert_eq!(by_kubectl, stays, "{option}");
    }
}

#[cfg(unix)]
#[test]
fn a_manifest_that_is_a_link_out_of_the_repository_is_an_error_and_not_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.yaml"), config("a", "one")).expect("written");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("b.yaml")).expect("linked");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("notes.txt")).expect("linked");
    std::os::unix::fs::symlink("nowhere.yaml", folder.path().join("c.yaml")).expect("linked");
    let tree = gitops_manifest::DirTree::open(folder.path()).expect("a folder");
    let source = gitops_core::application::ApplicationSource::git("r", "", "main");
    let options = gitops_core::RenderOptions::new("web", "shop", "1", source);
    let render = || gitops_core::DirectoryRenderer.render(&tree, "", &options);
    let error = render().expect_err("Argo CD refuses it as well");
    assert_eq!(
        gitops_core::error_chain(&error),
        "the files cannot be read: b.yaml: leads out of the root"
    );
    std::fs::remove_file(folder.path().join("b.yaml")).expect("removed");
    let rendered = render().expect("what is no manifest, or leads nowhere, does not matter");
    assert_eq!(rendered.objects.len(), 1);
}
