use gitops_core::application::{AppProject, AppProjectSpec, ProjectRole, ResourceRule};
use gitops_core::glob::{Syntax, matches};
use gitops_core::project::{
    Cluster, check_group_name, check_policy, check_role_name, is_policy_object,
    permits_destination, permits_kind, permits_repository,
};
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

#[test]
fn conformance_project_app_namespaces() {
    check("project", "app-namespaces.json", |case| {
        let spec = AppProjectSpec {
            source_namespaces: read(&case["sourceNamespaces"])?,
            ..Default::default()
        };
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let project = AppProject::new("team", spec);
        let found = project.permits_application_in(text("namespace"), text("controllerNamespace"));
        expect(&case["permitted"], found)
    });
}

/// Compares whether something is valid, and the first complaint.
fn valid(case: &Value, complaint: Option<&str>) -> Result<(), String> {
    expect(&case["valid"], complaint.is_none())?;
    let wanted = case["message"].as_str();
    if wanted.is_some() && wanted != complaint {
        return Err(format!("expected {wanted:?}, found {complaint:?}"));
    }
    Ok(())
}

#[test]
fn conformance_project_validation() {
    check("project", "validation.json", |case| {
        let name = case["project"].as_str().unwrap_or_default();
        let project = AppProject::new(name, read(&case["spec"])?);
        let complaints = project.validate();
        valid(case, complaints.first().map(|c| c.message.as_str()))
    });
}

#[test]
fn conformance_project_names() {
    check("project", "names.json", |case| {
        let text = |field: &str| case[field].as_str().unwrap_or_default();
        let outcome = match text("type") {
            "groupName" => check_group_name(text("value")),
            "roleName" => check_role_name(text("value")),
            "policy" => check_policy(text("project"), text("role"), text("policy")),
            "policyObject" if is_policy_object(text("project"), text("object")) => Ok(()),
            "policyObject" => Err(String::new()),
            other => return Err(format!("unknown type {other}")),
        };
        valid(case, outcome.err().as_deref())
    });
}

#[test]
fn conformance_project_policies() {
    check("project", "policies.json", |case| {
        let roles: Vec<ProjectRole> = read(&case["roles"])?;
        let spec = AppProjectSpec {
            roles,
            ..Default::default()
        };
        let project = AppProject::new(case["project"].as_str().unwrap_or_default(), spec);
        super::same(
            "",
            &case["lines"],
            &serde_json::json!(project.policy_lines()).into(),
        )
    });
}

#[test]
fn conformance_project_impersonation() {
    check("project", "impersonation.json", |case| {
        let spec = AppProjectSpec {
            destination_service_accounts: read(&case["destinationServiceAccounts"])?,
            ..Default::default()
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let cluster = Cluster {
            server: text(&case["cluster"]["server"]).into(),
            name: text(&case["cluster"]["name"]).into(),
        };
        let found = AppProject::new("team", spec).service_account(
            &cluster,
            &text(&case["destinationNamespace"]),
            &text(&case["applicationNamespace"]),
        );
        let account = match found {
            Ok(account) => account.map(|account| account.user).unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        super::same("", &case["account"], &account.into())
    });
}
