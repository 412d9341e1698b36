//! Who may do what, by lines of policy as Argo CD 3.6 has them.
//!
//! A request is a subject, a resource, an action and an object. A rule applies to it if the subject is the rule's or
//! inherits from it, and the other three match the rule's patterns. What at least one rule allows and no rule denies is
//! allowed; the order of the rules does not matter.
//!
//! ```
//! use std::collections::BTreeMap;
//! use gitops_core::rbac::{Claims, Enforcer, EnforcerOptions, Request};
//!
//! let mut options = EnforcerOptions::default();
//! options.policy = "p, role:dev, applications, sync, shop/*, allow\ng, acme:devs, role:dev".into();
//! let enforcer = Enforcer::new(&options)?;
//! let alice = Claims::from_json(r#"{"sub": "alice", "groups": ["acme:devs"]}"#)?;
//! let sync = |object| Request { resource: "applications", action: "sync", object };
//! assert!(enforcer.permits_claims(&alice, &sync("shop/web"), &BTreeMap::new()));
//! assert!(!enforcer.permits_claims(&alice, &sync("bank/web"), &BTreeMap::new()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_manifest::Str;

use crate::application::AppProject;

pub use claims::Claims;
pub use policy::{MatchMode, Policy, PolicyError, user_policy};

/// What an [`Enforcer`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnforcerOptions {
    /// The lines of policy.
    pub policy: String,
    /// Whether the roles `role:readonly` and `role:admin` are there, and the user `admin` has the latter.
    pub builtin: bool,
    /// A role that everybody has; empty for none. What it allows, no rule on the user can deny.
    pub default_role: Str,
    /// How patterns match.
    pub match_mode: MatchMode,
    /// The claims that name groups.
    pub scopes: Vec<Str>,
}

impl Default for EnforcerOptions {
    fn default() -> Self {
        Self {
            policy: String::new(),
            builtin: true,
            default_role: Str::default(),
            match_mode: MatchMode::default(),
            scopes: vec![Str::from_static("groups")],
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The resource, as `applications`.
    pub resource: &'a str,
    /// The action, as `sync` or `delete/apps/Deployment/shop/web`.
    pub action: &'a str,
    /// The object, as `project/application`.
    pub object: &'a str,
}

/// Decides on requests.
#[derive(Clone, Debug)]
pub struct Enforcer {
    /// The built-in and the user's policy.
    policy: Policy,
    default_role: Str,
    match_mode: MatchMode,
    scopes: Vec<Str>,
}

impl Enforcer {
    /// Makes one.
    ///
    /// # Errors
    /// Where a line of policy cannot be read: then none of them counts.
    pub fn new(options: &EnforcerOptions) -> Result<Self, PolicyError> {
        let mut policy = if options.builtin {
            Policy::builtin(options.match_mode)
        } else {
            Policy::default()
        };
        policy.add(&options.policy, options.match_mode)?;
        Ok(Self {
            policy,
            default_role: options.default_role.clone(),
            match_mode: options.match_mode,
            scopes: options.scopes.clone(),
        })
    }

    /// Whether a subject that is known by its name alone may do something: a local user, or a service.
    #[must_use]
    pub fn permits(&self, subject: &str, request: &Request<'_>) -> bool {
        self.permits_under(&self.policy, subject, request)
    }

    fn permits_under(&self, policy: &Policy, subject: &str, request: &Request<'_>) -> bool {
        !self.default_role.is_empty() && policy.permits(&self.default_role, request)
            || policy.permits(subject, request)
    }

    /// Whether somebody who has signed in may do something. `projects` are those that there are: the roles of the project
    /// that the request is about count as well.
    #[must_use]
    pub fn permits_claims(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        projects: &BTreeMap<Str, Arc<AppProject>>,
    ) -> bool {
        self.permits_signed_in(claims, request, projects) || self.permits("", request)
    }

    fn permits_signed_in(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        projects: &BTreeMap<Str, Arc<AppProject>>,
    ) -> bool {
        // The default role is asked for before anything else.
        if !self.default_role.is_empty() && self.policy.permits(&self.default_role, request) {
            return true;
        }
        let subject = claims.user();
        let project = project_of(request).and_then(|name| projects.get(name));
        let own;
        let policy = match project {
            Some(project) => {
                if let Some(name) = project_of_token(subject)
                    && name != project.name()
                {
                    return false;
                }
                own = self.with_project(project);
                own.as_ref().unwrap_or(&self.policy)
            }
            None => &self.policy,
        };
        if self.permits_under(policy, subject, request) {
            return true;
        }
        if project.is_some() && project_of_token(subject).is_some() {
            return false;
        }
        // A group counts where a role is bound to it. Each is asked for on its own: a denial for one is none for another.
        claims
            .groups(&self.scopes)
            .any(|group| policy.is_bound(group) && self.permits_under(policy, group, request))
    }

    /// Adds what a project brings along; `None` where that cannot be read, and nothing of it counts.
    fn with_project(&self, project: &AppProject) -> Option<Policy> {
        let mut policy = self.policy.clone();
        let lines = project.policy_lines().join("\n");
        policy.add(&lines, self.match_mode).ok()?;
        Some(policy)
    }
}

/// Returns the name of the project that a request is about.
fn project_of<'a>(request: &Request<'a>) -> Option<&'a str> {
    match request.resource {
        "applications" | "applicationsets" | "logs" | "exec" | "repositories" | "clusters" => {
            Some(request.object.split_once('/')?.0)
        }
        "projects" => Some(request.object),
        _ => None,
    }
}

/// Returns the project of which a subject is the token of a role.
fn project_of_token(subject: &str) -> Option<&str> {
    let mut parts = subject.strip_prefix("proj:")?.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(project), Some(_), None) => Some(project),
        _ => None,
    }
}
