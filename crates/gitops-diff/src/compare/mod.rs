//! The comparison of a desired object with a live one.
//!
//! [`compare`] does what Argo CD does before it says `Synced` or `OutOfSync`, with the reason of each difference: both sides
//! are brought into one form, what the ignore rules name is left out, and the three-way merge of
//! last-applied, desired and live tells what applying desired would change in live. Fields that only live has do not count:
//! they were defaulted, or belong to somebody else.
//!
//! ```
//! use gitops_diff::compare::{CompareOptions, Status, compare};
//! use gitops_manifest::Object;
//!
//! let desired = Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
//!     "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}},
//! }))?;
//! let live = Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "uid": "8f7c"},
//!     "spec": {"replicas": 2, "template": {"spec": {"containers": [
//!         {"name": "proxy", "image": "proxy:1"},
//!         {"name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent"},
//!     ]}}},
//! }))?;
//! let comparison = compare(Some(&desired), Some(&live), &CompareOptions::default())?;
//! assert_eq!(comparison.status, Status::Modified);
//! assert_eq!(comparison.differences.len(), 1);
//! assert_eq!(comparison.differences[0].path.to_string(), "spec.template.spec.containers[name=web].image");
//! assert_eq!(comparison.summary(), "~ apps/Deployment/web: 1 difference");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client_side;
mod differences;
mod merge;
mod options;
mod owner;
mod peer;
mod server_side;
mod text;
mod why;

use gitops_manifest::{Map, Object, ObjectKey, Value};

pub use options::{CompareOptions, Strategy};
pub use owner::Owner;
pub use why::Why;

use crate::ignore::without_managed;
use crate::path::Path;
use crate::strategic::StrategicError;

/// The annotation in which client-side apply keeps what it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Why two objects cannot be compared. Trying again with the same objects does not help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// There is neither a desired nor a live object.
    #[error("there is neither a desired nor a live object to compare")]
    NothingToCompare,
    /// The objects cannot be compared by the rules of server-side apply; with [`CompareOptions::compat`], or where the live
    /// object's managed fields cannot be read.
    #[error("cannot tell what a server-side apply of {key} would do")]
    Structured {
        /// The object.
        key: Box<ObjectKey>,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The strategic merge patch of the two cannot be made; with [`CompareOptions::compat`] only.
    #[error("cannot make the three-way patch of {key}")]
    Patch {
        /// The object.
        key: Box<ObjectKey>,
        /// What is wrong.
        #[source]
        source: StrategicError,
    },
}

/// How a desired object stands to a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Applying desired changes nothing that counts.
    InSync,
    /// Applying desired changes live.
    Modified,
    /// There is no live object.
    Missing,
    /// There is no desired object.
    Extra,
}

impl Status {
    /// Whether live is not what is desired. An object that is only live counts: it is to be pruned.
    #[must_use]
    pub const fn is_out_of_sync(self) -> bool {
        !matches!(self, Self::InSync)
    }
}

/// One difference, with its reason.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Where.
    #[serde(serialize_with = "path_as_text")]
    pub path: Path,
    /// What is there once desired is applied; `None`: nothing. The data of Secrets is masked.
    pub desired: Option<Value>,
    /// What is there now; `None`: nothing. The data of Secrets is masked.
    pub live: Option<Value>,
    /// Why it is so.
    pub why: Why,
}

fn path_as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

/// What [`compare`] found.
#[derive(Clone)]
#[non_exhaustive]
pub struct Comparison {
    /// Which object.
    pub key: ObjectKey,
    /// How the two stand to each other.
    pub status: Status,
    /// What applying desired would change, in the order of the object's fields; empty unless the status is
    /// [`Status::Modified`].
    pub differences: Vec<Difference>,
    /// Desired in its normal form.
    desired: Option<Map>,
    /// Live in its normal form.
    live: Option<Map>,
    /// What live would be.
    predicted: Option<Map>,
    last_applied: Option<Map>,
    /// Live as it was given: normalising takes away who owns what.
    given: Option<Object>,
    ty: Option<crate::schema::TypeRef<'static>>,
}

/// Shows what was found and not the objects, which may hold secrets.
impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparison")
            .field("key", &self.key)
            .field("status", &self.status)
            .field("differences", &self.differences)
            .finish_non_exhaustive()
    }
}

impl Comparison {
    /// Whether live is not what is desired.
    #[must_use]
    pub const fn is_out_of_sync(&self) -> bool {
        self.status.is_out_of_sync()
    }

    /// Whether applying desired would change the live object, or make it.
    #[must_use]
    pub const fn is_modified(&self) -> bool {
        matches!(self.status, Status::Modified | Status::Missing)
    }

    /// Returns live in its normal form: what the differences are counted against.
    #[must_use]
    pub fn live(&self) -> Option<Value> {
        self.live.clone().map(Value::Object)
    }

    /// Returns what live would be once desired is applied, in normal form.
    #[must_use]
    pub fn predicted(&self) -> Option<Value> {
        self.predicted.clone().map(Value::Object)
    }

    /// Returns desired in its normal form.
    #[must_use]
    pub fn desired(&self) -> Option<Value> {
        self.desired.clone().map(Value::Object)
    }

    /// Returns what was applied last, where that is known.
    #[must_use]
    pub fn last_applied(&self) -> Option<Value> {
        self.last_applied.clone().map(Value::Object)
    }

    /// Works out what else differs between desired and live, and why it does not count: what the API server defaulted, what
    /// belongs to somebody else, what is only written in another way.
    #[must_use]
    pub fn remarks(&self) -> Vec<Difference> {
        why::remarks(self)
    }

    /// Returns the merge patch (RFC 7396) that brings live to what is predicted.
    #[must_use]
    pub fn merge_patch(&self) -> Value {
        match (&self.live, &self.predicted) {
            (Some(live), Some(predicted)) => crate::merge_patch::create(
                &Value::Object(live.clone()),
                &Value::Object(predicted.clone()),
            ),
            (None, Some(predicted)) => Value::Object(predicted.clone()),
            _ => Value::Object(Map::new()),
        }
    }

    /// Says in one line how the two stand to each other.
    #[must_use]
    pub fn summary(&self) -> String {
        crate::show::summary(self)
    }
}

/// Compares a desired object with a live one.
///
/// # Errors
/// Where both are missing. With [`CompareOptions::compat`] also where Argo CD fails: a list that merges has elements
/// without its key.
pub fn compare(
    desired: Option<&Object>,
    live: Option<&Object>,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let key = desired
        .or(live)
        .ok_or(CompareError::NothingToCompare)?
        .key();
    let prepared = |object: &Object| client_side::prepare(object, options);
    let trusted;
    let (desired, live) = match (desired, live) {
        (Some(desired), Some(live)) => {
            let managers = options.ignore.managers(desired);
            let ty = options.schemas.of_or_deduced(desired);
            trusted = (!managers.is_empty()).then(|| without_managed(desired, live, &managers, ty));
            trusted
                .as_ref()
                .map_or((Some(desired), Some(live)), |(desired, live)| {
                    (Some(desired), Some(live))
                })
        }
        one => one,
    };
    match (desired, live) {
        (Some(desired), Some(live)) => match &options.strategy {
            Strategy::DryRun {
                answer,
                keep_webhook_mutations,
            } => server_side::dry_run(key, desired, live, answer, *keep_webhook_mutations, options),
            Strategy::Structured => server_side::structured(key, desired, live, options),
            Strategy::ClientSide if asks_for_server_side(desired) => {
                server_side::structured(key, desired, live, options)
            }
            Strategy::ClientSide => client_side::compare(key, desired, live, options),
        },
        (Some(desired), None) => {
            let desired = prepared(desired).into_map();
            Ok(Comparison {
                key,
                status: Status::Missing,
                differences: Vec::new(),
                live: None,
                predicted: Some(desired.clone()),
                desired: Some(desired),
                last_applied: None,
                given: None,
                ty: None,
            })
        }
        (None, live) => Ok(Comparison {
            key,
            status: Status::Extra,
            differences: Vec::new(),
            desired: None,
            live: live.map(|live| prepared(live).into_map()),
            predicted: None,
            last_applied: None,
            given: live.cloned(),
            ty: None,
        }),
    }
}

/// Compares many pairs of objects; the results are in the order of the pairs. With the feature `parallel` several threads share the
/// work.
///
/// # Errors
/// Each pair has a result of its own, as of [`compare`].
#[must_use]
pub fn compare_all<'o>(
    pairs: &[(Option<&'o Object>, Option<&'o Object>)],
    options: &CompareOptions,
) -> Vec<Result<Comparison, CompareError>> {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        pairs
            .par_iter()
            .map(|(desired, live)| compare(*desired, *live, options))
            .collect()
    }
    #[cfg(not(feature = "parallel"))]
    pairs
        .iter()
        .map(|(desired, live)| compare(*desired, *live, options))
        .collect()
}

/// Whether an object asks to be applied by the server (`argocd.argoproj.io/sync-options: ServerSideApply=true`).
fn asks_for_server_side(desired: &Object) -> bool {
    desired
        .annotation("argocd.argoproj.io/sync-options")
        .is_some_and(|options| {
            options
                .split(',')
                .any(|option| option.trim() == "ServerSideApply=true")
        })
}

/// Returns what live would be once desired is applied by a three-way merge with what was applied last: the result of
/// `kubectl apply` on the client side, without defaults.
///
/// Fields that `last_applied` has and `desired` lacks are removed; without it nothing is.
#[must_use]
pub fn three_way(
    last_applied: Option<&Object>,
    desired: &Object,
    live: &Object,
    options: &CompareOptions,
) -> Object {
    client_side::three_way(last_applied, desired, live, options)
}
