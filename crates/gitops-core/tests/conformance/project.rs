use gitops_core::application::{AppProjectSpec, ResourceRule};
use gitops_core::glob::{Syntax, matches};
use gitops_core::project::{Cluster, permits_destination, permits_kind, permits_repository};
use gitops_manifest::{GroupKind, Value};

use super::check;

fn expect(wanted: &Value, found: bool) -> Result<(), String> {
    match wanted.as_bool() {
        Some(wanted) if wanted == found => Ok(()),
        _ => Err(format!("expected {wanted}, found {found}")),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone().into()).map_err(|error| error.to_string())
}

#[test]
fn conformance_project_glob() {
    check("project", "glob.json", |case| {
        let syntax = if case["separators"].as_str() == Some("/") {
            Syntax::Segments
        } else {
            Syntax::Any
        };
        let (pattern, value) = (
            case["pattern"].as_str().unwrap_or(""),
            case["value"].as_str().unwrap_or(""),
        );
        let found = match (case["negation"].as_bool(), pattern.strip_prefix('!')) {
            (Some(true), Some(denied)) => !matches(denied, value, syntax),
            _ => matches(pattern, value, syntax),
        };
        expect(&case["matches"], found)
    });
}

#[test]
fn conformance_project_sources() {
    check("project", "sources.json", |case| {
        let spec = AppProjectSpec {
            source_repos: read(&case["sourceRepos"])?,
            ..Default::default()
        };
        let repo = case["repoURL"].as_str().unwrap_or_default();
        expect(&case["permitted"], permits_repository(&spec, repo))
    });
}

#[test]
fn conformance_project_destinations() {
    check("project", "destinations.json", |case| {
        let spec = AppProjectSpec {
            destinations: read(&case["destinations"])?,
            permit_only_project_scoped_clusters: case["permitOnlyProjectScopedClusters"]
                .as_bool()
                .unwrap_or_default(),
            ..Default::default()
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().into();
        let cluster = |value: &Value| Cluster {
            server: text(&value["server"]),
            name: text(&value["name"]),
        };
        let registered: Vec<Cluster> = case["projectClusters"]
            .as_array()
            .map(|list| list.iter().map(cluster).collect())
            .unwrap_or_default();
        let cluster = cluster(&case["cluster"]);
        let namespace = case["namespace"].as_str().unwrap_or_default();
        expect(
            &case["permitted"],
            permits_destination(&spec, &cluster, namespace, &registered),
        )
    });
}

#[test]
fn conformance_project_resources() {
    check("project", "resources.json", |case| {
        let rules =
            |field: &str| -> Result<Option<Vec<ResourceRule>>, String> { read(&case[field]) };
        let spec = AppProjectSpec {
            cluster_resource_whitelist: rules("clusterResourceWhitelist")?.unwrap_or_default(),
            cluster_resource_blacklist: rules("clusterResourceBlacklist")?.unwrap_or_default(),
            namespace_resource_whitelist: rules("namespaceResourceWhitelist")?,
            namespace_resource_blacklist: rules("namespaceResourceBlacklist")?.unwrap_or_default(),
            ..Default::default()
        };
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let kind = GroupKind::new(text("group"), text("kind"));
        let namespaced = case["namespaced"].as_bool().unwrap_or_default();
        let found = permits_kind(&spec, &kind, text("resourceName"), namespaced).is_ok();
        expect(&case["permitted"], found)
    });
}
