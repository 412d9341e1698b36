//! Whether a project is well-formed, by the rules of Argo CD 3.6.

use std::collections::HashSet;
use std::fmt;

use crate::application::{
    AppProject, AppProjectSpec, DestinationServiceAccount, ProjectRole, SyncWindow,
};
use crate::glob::{Glob, Syntax};

/// A field of a project that is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidField {
    /// The path of the field, as `spec.roles[0].policies[1]`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Complaints, and what was seen before in the list that is being read.
#[derive(Default)]
struct Complaints(Vec<InvalidField>);

impl Complaints {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(InvalidField {
            field: field.into(),
            message: message.into(),
        });
    }

    fn check(&mut self, field: impl Into<String>, outcome: Result<(), String>) {
        if let Err(message) = outcome {
            self.add(field, message);
        }
    }
}

impl AppProject {
    /// Names the fields that are not well-formed, in the order in which Argo CD looks at them: it refuses a project for
    /// the first.
    #[must_use]
    pub fn validate(&self) -> Vec<InvalidField> {
        let mut complaints = Complaints::default();
        destinations(&self.spec, &mut complaints);
        let mut seen = HashSet::new();
        for (i, namespace) in self.spec.source_namespaces.iter().enumerate() {
            if !seen.insert(namespace) {
                complaints.add(
                    format!("spec.sourceNamespaces[{i}]"),
                    format!("source namespace '{namespace}' already added"),
                );
            }
        }
        let mut seen = HashSet::new();
        for (i, repo) in self.spec.source_repos.iter().enumerate() {
            let field = format!("spec.sourceRepos[{i}]");
            if repo == "!*" {
                complaints.add(field, "source repository has an invalid format, '!*'");
            } else if !seen.insert(repo) {
                complaints.add(field, format!("source repository '{repo}' already added"));
            }
        }
        let mut seen = HashSet::new();
        for (i, one) in self.spec.roles.iter().enumerate() {
            if !seen.insert(&one.name) {
                complaints.add(
                    format!("spec.roles[{i}].name"),
                    format!("role '{}' already exists", one.name),
                );
            }
            role(self.name(), i, one, &mut complaints);
        }
        windows(&self.spec.sync_windows, &mut complaints);
        accounts(&self.spec.destination_service_accounts, &mut complaints);
        complaints.0
    }

    /// Returns the lines of policy that the project brings along: for each role, that it may see the project, what it
    /// may do, and which groups have it.
    #[must_use]
    pub fn policy_lines(&self) -> Vec<String> {
        let project = self.name();
        let mut lines = Vec::new();
        for ProjectRole {
            name,
            policies,
            groups,
            ..
        } in &self.spec.roles
        {
            lines.push(format!(
                "p, proj:{project}:{name}, projects, get, {project}, allow"
            ));
            lines.extend(policies.iter().cloned());
            lines.extend(
                groups
                    .iter()
                    .map(|group| format!("g, {group}, proj:{project}:{name}")),
            );
        }
        lines
    }
}

fn destinations(spec: &AppProjectSpec, complaints: &mut Complaints) {
    let mut seen = HashSet::new();
    for (i, destination) in spec.destinations.iter().enumerate() {
        let at = format!("spec.destinations[{i}]");
        for (field, value) in [
            ("name", &destination.name),
            ("server", &destination.server),
            ("namespace", &destination.namespace),
        ] {
            if value == "!*" {
                complaints.add(
                    format!("{at}.{field}"),
                    format!("{field} has an invalid format, '!*'"),
                );
            }
        }
        let cluster = if destination.server.is_empty() {
            &destination.name
        } else {
            &destination.server
        };
        let key = format!("{cluster}/{}", destination.namespace);
        if seen.contains(&key) {
            complaints.add(at, format!("destination '{key}' already added"));
        }
        seen.insert(key);
    }
}

fn role(project: &str, i: usize, role: &ProjectRole, complaints: &mut Complaints) {
    let at = format!("spec.roles[{i}]");
    complaints.check(format!("{at}.name"), check_role_name(&role.name));
    let mut seen = HashSet::new();
    for (j, policy) in role.policies.iter().enumerate() {
        let field = format!("{at}.policies[{j}]");
        if !seen.insert(policy) {
            complaints.add(
                &*field,
                format!("policy '{policy}' already exists for role '{}'", role.name),
            );
        }
        complaints.check(field, check_policy(project, &role.name, policy));
    }
    let mut seen = HashSet::new();
    for (j, group) in role.groups.iter().enumerate() {
        let field = format!("{at}.groups[{j}]");
        if !seen.insert(group) {
            complaints.add(
                &*field,
                format!("group '{group}' already exists for role '{}'", role.name),
            );
        }
        complaints.check(field, check_group_name(group));
    }
}

fn windows(windows: &[SyncWindow], complaints: &mut Complaints) {
    let mut seen: Vec<SyncWindow> = Vec::new();
    for (i, window) in windows.iter().enumerate() {
        let field = format!("spec.syncWindows[{i}]");
        let SyncWindow {
            kind,
            schedule,
            duration,
            ..
        } = window;
        // Two windows are the same where they differ in nothing but what they except and what they are for.
        let identity = SyncWindow {
            manual_sync: false,
            sync_overrun: false,
            description: String::new(),
            ..window.clone()
        };
        if seen.contains(&identity) {
            complaints.add(
                &*field,
                format!(
                    "sync window with kind '{kind}', schedule '{schedule}', and duration '{duration}' \
                     already exists"
                ),
            );
        }
        seen.push(identity);
        complaints.check(
            &*field,
            crate::windows::validate(window).map_err(|error| error.to_string()),
        );
        if window.applications.is_empty()
            && window.namespaces.is_empty()
            && window.clusters.is_empty()
        {
            complaints.add(
                field,
                format!(
                    "window '{kind}':'{schedule}':'{duration}' requires one of application, cluster or \
                     namespace"
                ),
            );
        }
    }
}

fn accounts(accounts: &[DestinationServiceAccount], complaints: &mut Complaints) {
    let mut seen = HashSet::new();
    for (i, account) in accounts.iter().enumerate() {
        let at = format!("spec.destinationServiceAccounts[{i}]");
        for (field, pattern) in [
            ("server", &account.server),
            ("namespace", &account.namespace),
        ] {
            if pattern.contains('!') || !Glob::new(pattern, Syntax::Any).is_valid() {
                complaints.add(
                    format!("{at}.{field}"),
                    format!("{field} has an invalid format, '{pattern}'"),
                );
            }
        }
        let name = &account.default_service_account;
        if !super::accounts::is_account_name(name) {
            complaints.add(
                format!("{at}.defaultServiceAccount"),
                format!("defaultServiceAccount has an invalid format, '{name}'"),
            );
        }
        let key = format!("{}/{}", account.server, account.namespace);
        if seen.contains(&key) {
            complaints.add(
                at,
                format!("destinationServiceAccount '{key}' already added"),
            );
        }
        seen.insert(key);
    }
}

/// Checks the name of a role.
///
/// # Errors
/// What is wrong with it.
pub fn check_role_name(name: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let outer = |c: char| c.is_ascii_alphanumeric();
    if !name.is_empty()
        && name.chars().all(inner)
        && name.starts_with(outer)
        && name.ends_with(outer)
    {
        return Ok(());
    }
    Err(format!(
        "invalid role name '{name}'. Must consist of alphanumeric characters, '-' or '_', and must start and end \
         with an alphanumeric character"
    ))
}

/// Checks the name of a group. One with a comma stands in quotes, as it is part of a line of policy.
///
/// # Errors
/// What is wrong with it.
pub fn check_group_name(text: &str) -> Result<(), String> {
    let unquoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let name = match unquoted {
        Some(name) => name,
        None if text.contains(',') => {
            return Err(format!("group '{}' must be quoted", text.trim()));
        }
        None => text.trim(),
    };
    if name.is_empty() {
        return Err(format!("group '{name}' is empty"));
    }
    if name.contains(['"', '\n', '\r', '\t']) {
        return Err(format!("group '{name}' contains invalid characters"));
    }
    if text.starts_with(char::is_whitespace) {
        return Err(format!("group '{name}' contains a leading space"));
    }
    if text.ends_with(char::is_whitespace) {
        return Err(format!("group '{name}' contains a trailing space"));
    }
    Ok(())
}

/// Checks a line of policy of a role of a project: it may speak of that role and of that project alone.
///
/// # Errors
/// What is wrong with it.
pub fn check_policy(project: &str, role: &str, policy: &str) -> Result<(), String> {
    let refuse = |what: String| Err(format!("invalid policy rule '{policy}': {what}"));
    let parts: Vec<&str> = policy.split(',').map(str::trim).collect();
    let ["p", subject, resource, action, object, effect] = parts[..] else {
        return refuse("must be of the form: 'p, sub, res, act, obj, eft'".into());
    };
    let wanted = format!("proj:{project}:{role}");
    if subject != wanted {
        return refuse(format!(
            "policy subject must be: '{wanted}', not '{subject}'"
        ));
    }
    let resources = [
        "applications",
        "applicationsets",
        "repositories",
        "exec",
        "logs",
        "clusters",
    ];
    if !resources.contains(&resource) {
        return refuse(format!(
            "project resource must be: 'applications', 'applicationsets', 'repositories', 'exec', 'logs' or \
             'clusters', not '{resource}'"
        ));
    }
    let actions = [
        "get", "create", "update", "delete", "sync", "override", "rollback", "*",
    ];
    let fine_grained = ["action/", "update/", "delete/"];
    if !actions.contains(&action) && !fine_grained.iter().any(|part| action.contains(part)) {
        return refuse(format!("invalid action '{action}'"));
    }
    if !is_policy_object(project, object) {
        return refuse(format!(
            "object must be of form '{project}/*', '{project}[/<NAMESPACE>]/<APPNAME>' or \
             '{project}/<APPNAME>', not '{object}'"
        ));
    }
    if effect != "allow" && effect != "deny" {
        return refuse("effect must be: 'allow' or 'deny'".into());
    }
    Ok(())
}

/// Whether a role of a project may speak of an object: `project/name` or `project/namespace/name`.
#[must_use]
pub fn is_policy_object(project: &str, object: &str) -> bool {
    let Some(rest) = object
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let part = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*');
        !part.is_empty() && part.chars().all(allowed)
    };
    match rest.split_once('/') {
        None => part(rest),
        Some((namespace, name)) => part(namespace) && part(name),
    }
}
