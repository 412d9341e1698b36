use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spec::{InitiatedBy, Operation};
use super::wire::wire;
use super::{
    ApplicationDestination, ApplicationSource, ManagedNamespaceMetadata, ResourceIgnoreDifferences,
};
use crate::Timestamp;

/// Whether live state is as desired.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum SyncStatusCode {
    /// It could not be found out.
    #[default]
    Unknown,
    /// It is.
    Synced,
    /// It is not.
    OutOfSync,
}

impl std::fmt::Display for SyncStatusCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Unknown => "Unknown",
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
        })
    }
}

/// How far an operation, or a hook, has come.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum OperationPhase {
    /// It runs.
    #[default]
    Running,
    /// It runs and is to stop.
    Terminating,
    /// It was carried out and did not succeed.
    Failed,
    /// It could not be carried out.
    Error,
    /// It succeeded.
    Succeeded,
}

impl OperationPhase {
    /// Whether it has come to its end.
    #[must_use]
    pub const fn is_completed(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Succeeded)
    }

    /// Whether it has come to a good end.
    #[must_use]
    pub const fn is_successful(self) -> bool {
        matches!(self, Self::Succeeded)
    }
}

impl std::fmt::Display for OperationPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Running => "Running",
            Self::Terminating => "Terminating",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Succeeded => "Succeeded",
        })
    }
}

/// What became of one object in a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResultCode {
    /// It was applied.
    Synced,
    /// It could not be applied or deleted.
    SyncFailed,
    /// It was deleted.
    Pruned,
    /// It should be deleted and was not.
    PruneSkipped,
}

impl std::fmt::Display for ResultCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Synced => "Synced",
            Self::SyncFailed => "SyncFailed",
            Self::Pruned => "Pruned",
            Self::PruneSkipped => "PruneSkipped",
        })
    }
}

wire! {
    /// What was found of an application.
    struct ApplicationStatus {
        /// Its objects.
        resources: Vec<ResourceStatus>,
        /// Whether it is in sync.
        sync: SyncStatus,
        /// Whether it is well.
        health: HealthState,
        /// Its successful syncs, the latest last.
        history: Vec<RevisionHistory>,
        /// What its users should know.
        conditions: Vec<Condition>,
        /// When it was last looked at.
        reconciled_at: Option<Timestamp>,
        /// The operation that runs, or ran last.
        operation_state: Option<OperationState>,
        /// When it was last observed.
        observed_at: Option<Timestamp>,
        /// The renderer of its source.
        source_type: String,
        /// What it deploys, in short.
        summary: ApplicationSummary,
        /// Where the health of its objects is kept: `inline` or `appTree`.
        resource_health_source: String,
        /// The renderers of its sources.
        source_types: Vec<String>,
        /// The namespace of the controller that looks after it.
        controller_namespace: String,
        /// How the hydrator stands.
        source_hydrator: Option<HydratorStatus>,
    }

    /// One object of an application.
    struct ResourceStatus {
        /// The API group.
        group: String,
        /// The version.
        version: String,
        /// The kind.
        kind: String,
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
        /// Whether it is in sync; absent for hooks and ignored objects.
        status: Option<SyncStatusCode>,
        /// Whether it is well.
        health: Option<HealthState>,
        /// Whether it is a hook.
        hook: bool,
        /// Whether it is gone from the source.
        requires_pruning: bool,
        /// Its wave.
        sync_wave: i64,
        /// Whether its deletion waits for approval.
        requires_deletion_confirmation: bool,
    }

    /// Whether an application is in sync, and with what.
    struct SyncStatus {
        /// Whether it is.
        always status: SyncStatusCode,
        /// What live state was compared with.
        compared_to: Option<ComparedTo>,
        /// The revision that it was compared with.
        revision: String,
        /// The revisions, where there are several sources.
        revisions: Vec<String>,
    }

    /// What live state was compared with.
    struct ComparedTo {
        /// The source.
        source: Option<ApplicationSource>,
        /// The destination.
        always destination: ApplicationDestination,
        /// The sources.
        sources: Vec<ApplicationSource>,
        /// Differences that did not count.
        ignore_differences: Vec<ResourceIgnoreDifferences>,
    }

    /// Whether something is well.
    struct HealthState {
        /// The name of the status, as `Healthy`.
        status: String,
        /// Why.
        message: String,
        /// Since when.
        last_transition_time: Option<Timestamp>,
    }

    /// A successful sync.
    struct RevisionHistory {
        /// The revision.
        revision: String,
        /// When it was done.
        deployed_at: Option<Timestamp>,
        /// Its number.
        always id: i64,
        /// The source.
        source: Option<ApplicationSource>,
        /// When it began.
        deploy_started_at: Option<Timestamp>,
        /// The sources.
        sources: Vec<ApplicationSource>,
        /// The revisions, where there are several sources.
        revisions: Vec<String>,
        /// Who asked for it.
        initiated_by: InitiatedBy,
    }

    /// Something that the users of an application should know.
    struct Condition {
        /// Its type, as `SyncError`; one that ends with `Warning` is no error.
        #[serde(rename = "type")]
        always kind: String,
        /// What there is to know.
        always message: String,
        /// Since when.
        last_transition_time: Option<Timestamp>,
    }

    /// An operation that runs, or ran.
    struct OperationState {
        /// What was asked for.
        always operation: Operation,
        /// How far it has come.
        always phase: OperationPhase,
        /// What there is to say of it.
        message: String,
        /// What became of the objects.
        sync_result: Option<SyncOperationResult>,
        /// When it began.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Option<Timestamp>,
        /// How often it was tried again.
        retry_count: i64,
    }

    /// What became of the objects of a sync.
    struct SyncOperationResult {
        /// Each object.
        resources: Vec<ResourceResult>,
        /// The revision.
        always revision: String,
        /// The source.
        source: Option<ApplicationSource>,
        /// The sources.
        sources: Vec<ApplicationSource>,
        /// The revisions, where there are several sources.
        revisions: Vec<String>,
        /// The metadata of the namespace.
        managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    }

    /// What became of one object of a sync.
    struct ResourceResult {
        /// The API group.
        always group: String,
        /// The version.
        always version: String,
        /// The kind.
        always kind: String,
        /// The namespace.
        always namespace: String,
        /// The name.
        always name: String,
        /// What became of it.
        status: Option<ResultCode>,
        /// What there is to say of it.
        message: String,
        /// The hook type, of a hook.
        hook_type: String,
        /// How far it has come.
        hook_phase: Option<OperationPhase>,
        /// The phase of the sync that it belongs to.
        sync_phase: String,
        /// The images that it runs.
        images: Vec<String>,
    }

    /// What an application deploys, in short.
    struct ApplicationSummary {
        /// Addresses under which it can be reached.
        #[serde(rename = "externalURLs")]
        external_urls: Vec<String>,
        /// The images that it runs.
        images: Vec<String>,
    }

    /// How the hydrator stands.
    struct HydratorStatus {
        /// The last operation that succeeded.
        last_successful_operation: Option<SuccessfulHydrateOperation>,
        /// The operation that runs, or ran last.
        current_operation: Option<HydrateOperation>,
    }

    /// A hydration that succeeded.
    struct SuccessfulHydrateOperation {
        /// The revision that was rendered.
        #[serde(rename = "drySHA")]
        dry_sha: String,
        /// The commit that holds the result.
        #[serde(rename = "hydratedSHA")]
        hydrated_sha: String,
        /// What was asked for.
        source_hydrator: super::SourceHydrator,
    }

    /// A hydration.
    struct HydrateOperation {
        /// When it began.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Option<Timestamp>,
        /// How far it has come.
        always phase: String,
        /// What there is to say of it.
        message: String,
        /// The revision that is rendered.
        #[serde(rename = "drySHA")]
        dry_sha: String,
        /// The commit that holds the result.
        #[serde(rename = "hydratedSHA")]
        hydrated_sha: String,
        /// What was asked for.
        source_hydrator: super::SourceHydrator,
    }
}

impl Condition {
    /// Whether the condition tells of an error, not of something to know.
    #[must_use]
    pub fn is_error(&self) -> bool {
        !self.kind.ends_with("Warning")
    }
}

impl ApplicationStatus {
    /// Counts the objects by their sync status.
    #[must_use]
    pub fn count_by_status(&self) -> BTreeMap<SyncStatusCode, usize> {
        let mut counts = BTreeMap::new();
        for status in self.resources.iter().filter_map(|resource| resource.status) {
            *counts.entry(status).or_default() += 1;
        }
        counts
    }
}
