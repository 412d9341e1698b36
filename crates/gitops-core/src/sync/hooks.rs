use gitops_manifest::Object;
use serde::{Deserialize, Serialize};

use super::SyncPhase;

const HOOK: &str = "argocd.argoproj.io/hook";
const HOOK_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_HOOK_DELETE: &str = "helm.sh/hook-delete-policy";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookType {
    /// Before anything is applied.
    PreSync,
    /// When the objects are applied.
    Sync,
    /// After all is applied and healthy.
    PostSync,
    /// After a failure.
    SyncFail,
    /// Never.
    Skip,
}

impl HookType {
    /// Returns the name as the annotation has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
            Self::Skip => "Skip",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::PreSync,
            Self::Sync,
            Self::PostSync,
            Self::SyncFail,
            Self::Skip,
        ]
        .into_iter()
        .find(|hook| hook.as_str() == text)
    }

    fn parse_helm(text: &str) -> Option<Self> {
        match text {
            "pre-install" | "pre-upgrade" => Some(Self::PreSync),
            "post-install" | "post-upgrade" => Some(Self::PostSync),
            _ => None,
        }
    }

    const fn phase(self) -> Option<SyncPhase> {
        match self {
            Self::PreSync => Some(SyncPhase::PreSync),
            Self::Sync => Some(SyncPhase::Sync),
            Self::PostSync => Some(SyncPhase::PostSync),
            Self::SyncFail => Some(SyncPhase::SyncFail),
            Self::Skip => None,
        }
    }
}

/// When a hook's object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookDeletePolicy {
    /// Before it is made anew.
    BeforeHookCreation,
    /// When the sync has succeeded.
    HookSucceeded,
    /// When the sync has failed.
    HookFailed,
}

impl HookDeletePolicy {
    /// Returns the name as the annotation has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeHookCreation => "BeforeHookCreation",
            Self::HookSucceeded => "HookSucceeded",
            Self::HookFailed => "HookFailed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::BeforeHookCreation,
            Self::HookSucceeded,
            Self::HookFailed,
        ]
        .into_iter()
        .find(|policy| policy.as_str() == text)
    }

    fn parse_helm(text: &str) -> Option<Self> {
        match text {
            "before-hook-creation" => Some(Self::BeforeHookCreation),
            "hook-succeeded" => Some(Self::HookSucceeded),
            "hook-failed" => Some(Self::HookFailed),
            _ => None,
        }
    }
}

/// What the annotations of an object say of hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Whether the object is a hook, even one of no known type.
    pub is_hook: bool,
    /// Whether the object is marked to be skipped.
    pub skip: bool,
    /// The known types of a sync, in order of appearance.
    pub types: Vec<HookType>,
    /// Whether the object runs before the application is deleted.
    pub before_deletion: bool,
    /// Whether the object runs after the application is deleted.
    pub after_deletion: bool,
    /// When the object is deleted.
    pub delete_policies: Vec<HookDeletePolicy>,
}

/// Splits a comma list; without duplicates, in order.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut seen: Vec<&str> = Vec::with_capacity(items.len());
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen.into_iter()
}

impl Hooks {
    /// Reads the annotations of an object.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let mut types = Vec::new();
        let argo = object.annotation(HOOK);
        let helm = object.annotation(HELM_HOOK);
        types.extend(list(argo.unwrap_or_default()).filter_map(HookType::parse));
        if types.is_empty() {
            types.extend(list(helm.unwrap_or_default()).filter_map(HookType::parse_helm));
        }
        let mut delete_policies = Vec::new();
        let policies = object.annotation(HOOK_DELETE).unwrap_or_default();
        delete_policies.extend(list(policies).filter_map(HookDeletePolicy::parse));
        let policies = object.annotation(HELM_HOOK_DELETE).unwrap_or_default();
        delete_policies.extend(list(policies).filter_map(HookDeletePolicy::parse_helm));
        if delete_policies.is_empty() {
            delete_policies.push(HookDeletePolicy::BeforeHookCreation);
        }
        let named = |own: &str, of_helm: &str| {
            list(argo.unwrap_or_default()).any(|item| item == own)
                || list(helm.unwrap_or_default()).any(|item| item == of_helm)
        };
        let skip = types == [HookType::Skip];
        let is_hook = if argo.is_some() {
            !skip
        } else {
            helm.is_some_and(|helm| helm != "crd-install")
        };
        Self {
            is_hook,
            skip,
            before_deletion: named("PreDelete", "pre-delete"),
            after_deletion: named("PostDelete", "post-delete"),
            types,
            delete_policies,
        }
    }

    /// Whether the object is a hook without a known type: it takes part in nothing.
    #[must_use]
    pub fn is_ignored(&self) -> bool {
        self.is_hook && self.types.is_empty()
    }

    /// Whether the object is made at the deletion of the application.
    #[must_use]
    pub const fn is_of_deletion(&self) -> bool {
        self.before_deletion || self.after_deletion
    }

    /// Whether the object is a hook of some phase of a sync.
    #[must_use]
    pub fn takes_part_in_sync(&self) -> bool {
        self.types.iter().any(|hook| hook.phase().is_some())
    }

    /// Whether the object belongs to the deletion of the application alone.
    #[must_use]
    pub fn is_delete_only(&self) -> bool {
        self.is_of_deletion() && !self.takes_part_in_sync()
    }

    /// Returns the phases that the object takes part in, in their order.
    #[must_use]
    pub fn phases(&self) -> Vec<SyncPhase> {
        if !self.is_hook {
            return if self.skip {
                Vec::new()
            } else {
                vec![SyncPhase::Sync]
            };
        }
        let mut phases: Vec<SyncPhase> =
            self.types.iter().filter_map(|hook| hook.phase()).collect();
        phases.sort();
        phases.dedup();
        phases
    }

    /// Whether the object is deleted under a policy.
    #[must_use]
    pub fn deletes(&self, policy: HookDeletePolicy) -> bool {
        self.delete_policies.contains(&policy)
    }
}

/// Returns the wave of an object: that of its annotation, else the weight of a Helm hook, else 0.
#[must_use]
pub fn wave_of(object: &Object) -> i64 {
    let number = |name| object.annotation(name)?.parse::<i64>().ok();
    number(WAVE).or_else(|| number(HELM_WEIGHT)).unwrap_or(0)
}
