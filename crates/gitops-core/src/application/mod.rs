//! `Application` and `AppProject`, wire-compatible with `argoproj.io/v1alpha1`.
//!
//! The types carry every field of the API as Argo CD 3.6 has it: what was read is written again. Fields that
//! the engine does not act on are named by [`Application::warnings`], so that nobody relies on a setting
//! that does nothing.

mod definitions;
mod project;
mod schema;
mod source;
mod spec;
mod status;
mod warnings;
mod wire;

pub use definitions::definitions;
pub use project::{
    AppProject, AppProjectSpec, AppProjectStatus, DestinationServiceAccount, GitIntegrity,
    GpgIntegrity, IntegrityPolicy, IntegrityRepo, JwtToken, JwtTokens, OrphanKey,
    OrphanedResources, ProjectRole, ResourceRule, SignatureKey, SourceIntegrity, SyncWindow,
};
pub use source::{
    ApplicationSource, DirectorySource, EnvEntry, HelmFileParameter, HelmParameter, HelmSource,
    JsonnetSource, JsonnetVar, KustomizePatch, KustomizeReplica, KustomizeSource, KustomizeTarget,
    OptionalArray, OptionalMap, PluginParameter, PluginSource,
};
pub use spec::{
    Application, ApplicationDestination, ApplicationSpec, AutomatedSync, Backoff, DrySource,
    HydrateTo, Info, InitiatedBy, ManagedNamespaceMetadata, Operation, ResourceIgnoreDifferences,
    RetryStrategy, SKIP_RECONCILE, SourceHydrator, SyncOperation, SyncOperationResource,
    SyncPolicy, SyncSource, SyncStrategy, SyncStrategyApply, SyncStrategyHook,
};
pub use status::{
    ApplicationStatus, ApplicationSummary, ComparedTo, Condition, HealthState, HydrateOperation,
    HydratorStatus, OperationPhase, OperationState, ResourceResult, ResourceStatus, ResultCode,
    RevisionHistory, SuccessfulHydrateOperation, SyncOperationResult, SyncStatus, SyncStatusCode,
};
pub use warnings::FieldWarning;

/// The API group and version of the types of this module.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";

/// Why an object could not be read as an `Application` or `AppProject`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplicationError {
    /// The object is of another kind.
    #[error("{key} is not an {wanted} of {API_VERSION}")]
    WrongKind {
        /// The object.
        key: gitops_manifest::ObjectKey,
        /// The kind that was wanted.
        wanted: &'static str,
    },
    /// A field has a value that does not fit.
    #[error("{key} cannot be read: {reason}")]
    Invalid {
        /// The object.
        key: gitops_manifest::ObjectKey,
        /// Which field and why.
        reason: String,
    },
}
