//! What every [`Target`] must do, as checks that run against any of them.
//!
//! The checks are carried out on the cluster in memory and on real API servers; what both pass may be relied on. An
//! implementation of one's own is checked in the same way:
//!
//! ```
//! use gitops_memory::{MemoryTarget, SimClock, contract};
//!
//! let clock = SimClock::new();
//! let target = MemoryTarget::new(std::sync::Arc::new(clock.clone()));
//! let failures = clock.run(contract::check(&target, &clock, "default"));
//! assert!(failures.is_empty(), "{failures:?}");
//! ```

mod effects;
mod lifecycle;
mod writes;

use std::fmt;
use std::time::Duration;

use gitops_core::{Applied, ApplyOptions, Clock, Target, TargetError};
use gitops_manifest::{Object, ObjectKey};
use serde_json::json;

/// How long a check waits for what a cluster does in its own time.
const PATIENCE: Duration = Duration::from_secs(30);
const MANAGER: &str = "contract";

/// A check that a target did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the check.
    pub check: &'static str,
    /// What was expected, and what came.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.reason)
    }
}

/// Carries out all checks in a namespace that exists and has nothing of theirs in it. Returns those that failed.
///
/// Each check makes objects with names of its own and leaves some of them behind: delete the namespace afterwards.
/// The cluster must have the controllers for garbage collection. Besides the namespace a definition of the kind
/// `Probe.contract.example.com` is made, and deleted.
pub async fn check(target: &dyn Target, clock: &dyn Clock, namespace: &str) -> Vec<Failure> {
    let cluster = Cluster {
        target,
        clock,
        namespace,
    };
    let mut failures = Vec::new();
    macro_rules! run {
        ($($module:ident::$check:ident),* $(,)?) => {$(
            if let Err(reason) = $module::$check(&cluster).await {
                failures.push(Failure { check: stringify!($check), reason });
            }
        )*};
    }
    run!(
        writes::kinds_are_discovered,
        writes::an_object_is_created_once_and_found,
        writes::what_changes_nothing_keeps_the_resource_version,
        writes::the_generation_counts_changes_of_the_specification,
        writes::a_dry_run_changes_nothing,
        writes::managers_conflict_over_fields,
        writes::server_side_apply_removes_what_a_manager_no_longer_names,
        writes::client_side_apply_removes_what_it_no_longer_names,
        writes::replace_leaves_nothing_of_before,
        writes::preconditions_hold_or_refuse,
        writes::what_is_not_there_is_told_apart,
        writes::what_is_invalid_is_refused,
        effects::an_object_that_must_be_absent_is_made_or_left,
        effects::a_dry_run_tells_what_the_write_will_do,
        effects::what_an_object_says_of_itself_is_expected,
        effects::server_side_apply_takes_over_from_client_side_apply,
        effects::what_has_no_name_or_place_is_refused,
        lifecycle::a_scope_limits_a_snapshot,
        lifecycle::a_watch_goes_on_from_a_snapshot,
        lifecycle::a_finalizer_keeps_an_object,
        lifecycle::dependents_go_in_the_background,
        lifecycle::dependents_go_first_in_the_foreground,
        lifecycle::dependents_stay_as_orphans,
        lifecycle::a_definition_makes_a_kind_known,
    );
    failures
}

type Outcome = Result<(), String>;

/// The cluster that is checked.
struct Cluster<'a> {
    target: &'a dyn Target,
    clock: &'a dyn Clock,
    namespace: &'a str,
}

impl Cluster<'_> {
    fn key(&self, kind: &str, name: &str) -> ObjectKey {
        ObjectKey::new("", kind, self.namespace, name)
    }

    fn map(&self, name: &str, data: &serde_json::Value) -> Object {
        object(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace}, "data": data,
        }))
    }

    async fn apply(&self, object: &Object) -> Result<Applied, String> {
        self.apply_with(object, &options()).await
    }

    async fn apply_with(&self, object: &Object, options: &ApplyOptions) -> Result<Applied, String> {
        let applied = self.target.apply(object, options).await;
        applied.map_err(|error| format!("{} cannot be applied: {error}", object.key()))
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, String> {
        let got = self.target.get(key).await;
        got.map_err(|error| format!("{key} cannot be read: {error}"))
    }

    /// Waits until an object is as it should be.
    async fn until(
        &self,
        key: &ObjectKey,
        what: &str,
        holds: impl Fn(Option<&Object>) -> bool,
    ) -> Outcome {
        let step = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        loop {
            let live = self.get(key).await?;
            if holds(live.as_ref()) {
                return Ok(());
            }
            if waited >= PATIENCE {
                return Err(format!("{key} never {what}: {live:?}"));
            }
            self.clock.sleep(step).await;
            waited += step;
        }
    }

    async fn until_gone(&self, key: &ObjectKey) -> Outcome {
        self.until(key, "goes", |live| live.is_none()).await
    }
}

fn options() -> ApplyOptions {
    ApplyOptions::server_side(MANAGER)
}

fn object(value: serde_json::Value) -> Object {
    Object::try_from(value).expect("the objects of the checks are written here")
}

/// Fails a check with what came instead.
fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Expects that a request is refused in a certain way.
fn refused<T: fmt::Debug>(
    answer: Result<T, TargetError>,
    what: &str,
    is: impl Fn(&TargetError) -> bool,
) -> Outcome {
    match answer {
        Err(error) if is(&error) => Ok(()),
        Err(error) => Err(format!("{what}: the error is another: {error:?}")),
        Ok(answer) => Err(format!("{what}: it was taken: {answer:?}")),
    }
}
