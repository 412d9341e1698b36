//! What a project permits: repositories, destinations, kinds, namespaces of applications; in whose name it is synced;
//! and whether it is well-formed. The rules are those of Argo CD 3.6.

mod accounts;
mod namespaces;
mod validation;

use std::fmt;

use gitops_manifest::{GroupKind, Str};

use crate::application::{AppProject, AppProjectSpec, ApplicationDestination, ResourceRule};
use crate::glob::{Glob, Syntax, matches, matches_or_denied};

pub use accounts::{AccountError, ServiceAccount};
pub use namespaces::lists_namespace;
pub use validation::{
    InvalidField, check_group_name, check_policy, check_role_name, is_policy_object,
};

/// A rule of a project that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// There is no such project.
    #[error("project {project:?} does not exist")]
    NoSuchProject {
        /// The project.
        project: Str,
    },
    /// The repository is not among the project's.
    #[error(
        "repository {repo} is not permitted in project {project:?} (spec.sourceRepos: {rules})"
    )]
    Repository {
        /// The project.
        project: Str,
        /// The repository.
        repo: Str,
        /// What the project says.
        rules: String,
    },
    /// The destination is not among the project's.
    #[error(
        "destination server {server:?} and namespace {namespace:?} do not match any of the allowed \
         destinations in project {project:?} (spec.destinations: {rules})"
    )]
    Destination {
        /// The project.
        project: Str,
        /// The address of the API server.
        server: Str,
        /// The namespace.
        namespace: Str,
        /// What the project says.
        rules: String,
    },
    /// The kind may not be managed.
    #[error("resource {group}:{kind} is not permitted in project {project} ({rule})")]
    Kind {
        /// The project.
        project: Str,
        /// The API group.
        group: Str,
        /// The kind.
        kind: Str,
        /// The rule that refuses it.
        rule: &'static str,
    },
    /// The namespace of the object may not be used.
    #[error(
        "namespace {namespace} is not permitted in project '{project}' (spec.destinations: {rules})"
    )]
    Namespace {
        /// The project.
        project: Str,
        /// The namespace.
        namespace: Str,
        /// What the project says.
        rules: String,
    },
}

/// A cluster as a destination names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// The address of the API server.
    pub server: Str,
    /// The name; may be empty.
    pub name: Str,
}

/// Whether a project may use a repository. The address and the patterns are brought into one form first.
#[must_use]
pub fn permits_repository(spec: &AppProjectSpec, repo: &str) -> bool {
    let repo = normalize_repository(repo);
    let mut permitted = false;
    for rule in &spec.source_repos {
        match rule.strip_prefix('!') {
            Some(denied) => {
                if Glob::new(&normalize_repository(denied), Syntax::Segments).matches(&repo) {
                    return false;
                }
                permitted = true;
            }
            None => permitted |= repository_matches(rule, &repo),
        }
    }
    permitted
}

fn repository_matches(pattern: &str, repo: &str) -> bool {
    pattern == "*" || Glob::new(&normalize_repository(pattern), Syntax::Segments).matches(repo)
}

/// Brings the address of a repository into the form in which addresses are compared: lower case, without a
/// leading `ssh://`, a trailing `.git` or blanks, scp-like addresses with a slash.
#[must_use]
pub fn normalize_repository(repo: &str) -> String {
    let mut repo = repo.trim().to_lowercase();
    let scheme = |repo: &str| repo.contains("://");
    if !scheme(&repo)
        && let Some((user_host, path)) = repo.split_once(':')
        && user_host.contains('@')
    {
        repo = format!("ssh://{user_host}/{}", path.trim_start_matches('/'));
    }
    let repo = repo.strip_suffix(".git").unwrap_or(&repo);
    let repo = repo.strip_prefix("ssh://").unwrap_or(repo);
    // A URL is written back as a parser would: what cannot stand in a path is escaped.
    let mut out = String::with_capacity(repo.len());
    let path = repo.find("://").map_or(0, |at| at + 3);
    for (i, c) in repo.char_indices() {
        match c {
            '{' | '}' | '^' | '`' | '|' | '<' | '>' | '"' | ' ' | '\\' if i >= path => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a project may deploy to a namespace of a cluster. `registered` are the clusters that belong to the
/// project alone; they count where it may use no others.
#[must_use]
pub fn permits_destination(
    spec: &AppProjectSpec,
    cluster: &Cluster,
    namespace: &str,
    registered: &[Cluster],
) -> bool {
    if spec.permit_only_project_scoped_clusters {
        let same = |own: &Cluster| own.name == cluster.name || own.server == cluster.server;
        if !registered.iter().any(same) {
            return false;
        }
    }
    let denies = |pattern: &str| pattern.starts_with('!');
    let mut permitted = false;
    for rule in &spec.destinations {
        let name = !cluster.name.is_empty() && matches_or_denied(&rule.name, &cluster.name);
        let server = !cluster.server.is_empty() && matches_or_denied(&rule.server, &cluster.server);
        let in_namespace = matches_or_denied(&rule.namespace, namespace);
        if (server || name) && in_namespace {
            permitted = true;
            continue;
        }
        let name_hit = denies(&rule.name) && !name;
        let server_hit = denies(&rule.server) && !server && in_namespace;
        let namespace_hit = denies(&rule.namespace) && !in_namespace && server;
        if name_hit || server_hit || namespace_hit {
            return false;
        }
    }
    permitted
}

/// Whether a project may manage a kind, and an object of that name. Returns the rule that refuses it.
///
/// # Errors
/// The field of the project that refuses it.
pub fn permits_kind(
    spec: &AppProjectSpec,
    kind: &GroupKind,
    name: &str,
    namespaced: bool,
) -> Result<(), &'static str> {
    let listed = |rules: &[ResourceRule], named: bool| {
        rules.iter().any(|rule| {
            matches(&rule.group, &kind.group, Syntax::Path)
                && matches(&rule.kind, &kind.kind, Syntax::Path)
                && (!named || rule.name.is_empty() || matches(&rule.name, name, Syntax::Path))
        })
    };
    if namespaced {
        if let Some(rules) = &spec.namespace_resource_whitelist
            && !listed(rules, false)
        {
            return Err("spec.namespaceResourceWhitelist does not list it");
        }
        if listed(&spec.namespace_resource_blacklist, false) {
            return Err("spec.namespaceResourceBlacklist lists it");
        }
    } else {
        if !listed(&spec.cluster_resource_whitelist, true) {
            return Err("spec.clusterResourceWhitelist does not list it");
        }
        if listed(&spec.cluster_resource_blacklist, true) {
            return Err("spec.clusterResourceBlacklist lists it");
        }
    }
    Ok(())
}

struct Rules<'a>(&'a [ApplicationDestination]);

impl fmt::Display for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, rule) in self.0.iter().enumerate() {
            let cluster = if rule.server.is_empty() {
                &rule.name
            } else {
                &rule.server
            };
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{cluster} {}", rule.namespace)?;
        }
        Ok(())
    }
}

impl AppProject {
    /// Checks a repository.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check_repository(&self, repo: &str) -> Result<(), Denial> {
        if permits_repository(&self.spec, repo) {
            return Ok(());
        }
        Err(Denial::Repository {
            project: self.name().into(),
            repo: repo.into(),
            rules: or_none(&self.spec.source_repos.join(", ")),
        })
    }

    /// Checks a destination. `registered` are the clusters that belong to the project alone.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check_destination(
        &self,
        cluster: &Cluster,
        namespace: &str,
        registered: &[Cluster],
    ) -> Result<(), Denial> {
        if permits_destination(&self.spec, cluster, namespace, registered) {
            return Ok(());
        }
        let server = if cluster.server.is_empty() {
            &cluster.name
        } else {
            &cluster.server
        };
        Err(Denial::Destination {
            project: self.name().into(),
            server: server.clone(),
            namespace: namespace.into(),
            rules: Rules(&self.spec.destinations).to_string(),
        })
    }

    /// Checks an object: its kind, and its namespace as a destination. `registered` are the clusters that belong to the
    /// project alone.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check_object(
        &self,
        object: &gitops_manifest::Object,
        namespaced: bool,
        cluster: &Cluster,
        registered: &[Cluster],
    ) -> Result<(), Denial> {
        let kind = object.group_kind();
        permits_kind(&self.spec, &kind, object.name(), namespaced).map_err(|rule| {
            Denial::Kind {
                project: self.name().into(),
                group: kind.group.clone(),
                kind: kind.kind.clone(),
                rule,
            }
        })?;
        if namespaced && !permits_destination(&self.spec, cluster, object.namespace(), registered) {
            return Err(Denial::Namespace {
                project: self.name().into(),
                namespace: object.namespace().into(),
                rules: Rules(&self.spec.destinations).to_string(),
            });
        }
        Ok(())
    }
}

fn or_none(rules: &str) -> String {
    if rules.is_empty() {
        "none".to_owned()
    } else {
        rules.to_owned()
    }
}
