//! What goes when an application is deleted, and in which order. The rules are those of Argo CD 3.6.

use gitops_manifest::Object;

use crate::application::{Application, SyncPolicy};
use crate::compat::Compat;
use crate::sync::{Hooks, object_options, wave_of};
use crate::{ApplicationId, Timestamp};

/// The annotation of an application by which somebody agrees to what asks for it, `Delete=confirm` and `Prune=confirm`: the
/// time of the agreement, as RFC 3339.
pub const APPROVED: &str = "argocd.argoproj.io/deletion-approved";

/// The finalizer with which the objects of an application go when it is deleted. `/foreground` or `/background` may follow.
pub const CASCADE: &str = "resources-finalizer.argocd.argoproj.io";

/// The finalizer with which the `PreDelete` hooks of an application run before its objects go.
pub const PRE_DELETE: &str = "pre-delete-finalizer.argocd.argoproj.io";

/// The finalizer with which the `PostDelete` hooks of an application run after its objects are gone.
pub const POST_DELETE: &str = "post-delete-finalizer.argocd.argoproj.io";

/// What becomes of an object when its application is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether it is deleted.
    pub deleted: bool,
    /// Whether somebody must agree first.
    pub needs_confirmation: bool,
}

/// Returns an option of an object: its own, else that of the application. The first value counts.
fn option<'a>(object: &'a Object, policy: Option<&'a SyncPolicy>, name: &str) -> Option<&'a str> {
    object_options(object)
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .or_else(|| {
            policy?.sync_options.iter().find_map(|option| {
                let (key, value) = option.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
        })
}

/// Decides what becomes of an object when its application is deleted. Definitions of kinds stay, as all objects of theirs
/// would go with them; so does the application itself, and what says so by `Delete=false` or `helm.sh/resource-policy`.
#[must_use]
pub fn decide(object: &Object, application: &Application, id: &ApplicationId) -> Decision {
    let policy = application.spec.sync_policy.as_ref();
    let definition =
        object.kind() == "CustomResourceDefinition" && object.group() == "apiextensions.k8s.io";
    let itself = object.kind() == "Application"
        && object.group() == "argoproj.io"
        && object.name() == &*id.name
        && object.namespace() == &*id.namespace;
    let kept = object
        .annotation("helm.sh/resource-policy")
        .is_some_and(|policy| policy.split(',').any(|item| item.trim() == "keep"));
    let confirms = |name| option(object, policy, name) == Some("confirm");
    Decision {
        deleted: !definition
            && !itself
            && !kept
            && option(object, policy, "Delete") != Some("false"),
        needs_confirmation: confirms("Delete") || confirms("Prune"),
    }
}

/// Picks the objects that are deleted first: those of the highest wave.
pub fn first_batch<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Vec<&'a Object> {
    let mut batch = Vec::new();
    let mut highest = i64::MIN;
    for object in objects {
        let wave = wave_of(object);
        if wave > highest {
            highest = wave;
            batch.clear();
        }
        if wave == highest {
            batch.push(object);
        }
    }
    batch
}

/// Whether somebody has agreed, no earlier than `since`.
#[must_use]
pub fn is_approved(application: &Application, since: Timestamp) -> bool {
    application
        .annotation(APPROVED)
        .and_then(Timestamp::parse)
        .is_some_and(|approved| approved >= since.to_second())
}

/// Whether objects bring hooks that run before and after the deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionHooks {
    /// Before.
    pub before: bool,
    /// After.
    pub after: bool,
}

impl DeletionHooks {
    /// Looks through desired objects.
    pub fn among<'a>(objects: impl IntoIterator<Item = &'a Object>, compat: Compat) -> Self {
        let mut found = Self::default();
        for object in objects {
            let hooks = Hooks::of(object);
            found.before |= hooks.before_deletion;
            if compat.one_deletion_hook && hooks.before_deletion && !hooks.takes_part_in_sync() {
                continue;
            }
            found.after |= hooks.after_deletion;
        }
        found
    }
}
