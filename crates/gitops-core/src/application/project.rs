use std::collections::BTreeMap;

use gitops_manifest::{Map, Object, Str, Value};

use super::wire::{self, wire};
use super::{ApplicationDestination, ApplicationError};

wire! {
    /// What a team may deploy, from where and to where.
    struct AppProject {
        /// The metadata, as the API holds it.
        always metadata: Map,
        /// What is allowed.
        always spec: AppProjectSpec,
        /// What was found.
        status: AppProjectStatus,
    }

    /// What a project allows.
    struct AppProjectSpec {
        /// The repositories; globs, denied with `!`.
        source_repos: Vec<String>,
        /// The destinations; globs, denied with `!`.
        destinations: Vec<ApplicationDestination>,
        /// What the project is for.
        description: String,
        /// Roles with their rights.
        roles: Vec<ProjectRole>,
        /// The kinds of the cluster that are allowed; none where it is empty.
        cluster_resource_whitelist: Vec<ResourceRule>,
        /// The kinds in namespaces that are denied.
        namespace_resource_blacklist: Vec<ResourceRule>,
        /// Whether objects that belong to no application are watched for.
        orphaned_resources: Option<OrphanedResources>,
        /// When syncs are allowed or denied. An explicit `null` in the list counts for nothing.
        #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "wire::without_nulls")]
        always sync_windows: Vec<SyncWindow>,
        /// The kinds in namespaces that are allowed; all where it is absent.
        namespace_resource_whitelist: Option<Vec<ResourceRule>>,
        /// The keys that commits must be signed with.
        signature_keys: Vec<SignatureKey>,
        /// The kinds of the cluster that are denied.
        cluster_resource_blacklist: Vec<ResourceRule>,
        /// The namespaces in which applications of this project may be.
        source_namespaces: Vec<String>,
        /// Whether only clusters that are registered for the project may be used.
        permit_only_project_scoped_clusters: bool,
        /// The service accounts that syncs run as.
        destination_service_accounts: Vec<DestinationServiceAccount>,
        /// How revisions must be signed.
        source_integrity: Option<SourceIntegrity>,
    }

    /// A role of a project.
    struct ProjectRole {
        /// Its name.
        always name: String,
        /// What it is for.
        description: String,
        /// Its rights, as lines of policy.
        policies: Vec<String>,
        /// Its tokens.
        jwt_tokens: Vec<JwtToken>,
        /// The groups that have it.
        groups: Vec<String>,
    }

    /// A token of a role.
    struct JwtToken {
        /// When it was issued, in seconds since 1970.
        always iat: i64,
        /// When it expires.
        exp: i64,
        /// Its id.
        id: String,
    }

    /// The tokens of a role.
    struct JwtTokens {
        /// The tokens.
        items: Vec<JwtToken>,
    }

    /// A rule on kinds.
    struct ResourceRule {
        /// The API group, a glob.
        always group: String,
        /// The kind, a glob.
        always kind: String,
        /// The name, a glob; empty for any.
        name: String,
    }

    /// Whether objects that belong to no application are watched for.
    struct OrphanedResources {
        /// Whether they make a warning.
        warn: Option<bool>,
        /// Those that are left out.
        ignore: Vec<OrphanKey>,
    }

    /// Objects that may belong to no application.
    struct OrphanKey {
        /// The API group.
        group: String,
        /// The kind, a glob.
        kind: String,
        /// The name, a glob.
        name: String,
    }

    /// When syncs are allowed or denied.
    struct SyncWindow {
        /// `allow` or `deny`.
        kind: String,
        /// When it begins, as five fields of cron.
        schedule: String,
        /// How long it lasts, as `1h`.
        duration: String,
        /// The applications, globs.
        applications: Vec<String>,
        /// The namespaces, globs.
        namespaces: Vec<String>,
        /// The clusters, globs.
        clusters: Vec<String>,
        /// Whether syncs by hand are allowed nevertheless.
        manual_sync: bool,
        /// The time zone of the schedule.
        time_zone: String,
        /// Whether applications, namespaces and clusters must all match.
        and_operator: bool,
        /// What it is for.
        description: String,
        /// Whether a running sync may go on when the window closes.
        sync_overrun: bool,
    }

    /// A key that commits must be signed with.
    struct SignatureKey {
        /// Its id.
        #[serde(rename = "keyID")]
        always key_id: String,
    }

    /// The service account that syncs to a destination run as.
    struct DestinationServiceAccount {
        /// The address of the API server, a glob.
        always server: String,
        /// The namespace, a glob.
        namespace: String,
        /// The account: `name` or `namespace:name`.
        always default_service_account: String,
    }

    /// How revisions must be signed.
    struct SourceIntegrity {
        /// Of Git repositories.
        git: Option<GitIntegrity>,
    }

    /// How revisions of Git repositories must be signed.
    struct GitIntegrity {
        /// The policies, the first that matches counts.
        policies: Vec<IntegrityPolicy>,
    }

    /// How revisions of some repositories must be signed.
    struct IntegrityPolicy {
        /// The repositories.
        repos: Vec<IntegrityRepo>,
        /// Signatures by GPG.
        gpg: Option<GpgIntegrity>,
    }

    /// A repository of a policy.
    struct IntegrityRepo {
        /// Its address, a glob.
        url: String,
    }

    /// Signatures by GPG.
    struct GpgIntegrity {
        /// `none`, `head` or `strict`.
        mode: String,
        /// The ids of the keys.
        keys: Vec<String>,
    }

    /// What was found of a project.
    struct AppProjectStatus {
        /// The tokens of each role.
        jwt_tokens_by_role: BTreeMap<String, JwtTokens>,
    }
}

impl AppProject {
    /// Makes one of a name and what it allows.
    #[must_use]
    pub fn new(name: impl Into<Str>, spec: AppProjectSpec) -> Self {
        Self {
            metadata: Map::from([("name", Value::from(name.into()))]),
            spec,
            status: AppProjectStatus::default(),
        }
    }

    /// Makes the project `default`, as Argo CD does: everything is allowed.
    #[must_use]
    pub fn allow_all() -> Self {
        let any = || ResourceRule {
            group: "*".into(),
            kind: "*".into(),
            name: String::new(),
        };
        Self::new(
            "default",
            AppProjectSpec {
                source_repos: vec!["*".into()],
                destinations: vec![ApplicationDestination {
                    server: "*".into(),
                    namespace: "*".into(),
                    name: String::new(),
                }],
                cluster_resource_whitelist: vec![any()],
                ..AppProjectSpec::default()
            },
        )
    }

    /// Reads an object.
    ///
    /// # Errors
    /// Where it is of another kind, or a field does not fit.
    pub fn from_object(object: &Object) -> Result<Self, ApplicationError> {
        wire::read(object, "AppProject")
    }

    /// Writes the project as an object.
    #[must_use]
    pub fn to_object(&self) -> Object {
        wire::write(self, "AppProject")
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}
