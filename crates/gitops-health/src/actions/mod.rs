//! What people may do to an object: restart it, pause it, scale it, promote it.
//!
//! An action is offered by [`discover`] and carried out by [`run`], which makes no change itself: it returns
//! the objects to be patched or created. The built-in actions are those of Argo CD 3.6.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::time::{Duration, SystemTime};
//! use gitops_health::actions::{self, Operation};
//! use gitops_manifest::Object;
//!
//! let deployment = Object::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
//!     "spec": {"paused": true, "template": {}},
//! }))?;
//! let offered = actions::discover(&deployment);
//! let resume = offered.iter().find(|action| action.name == "resume").expect("it is paused");
//! assert!(!resume.disabled);
//!
//! let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
//! let impacts = actions::run(&deployment, "resume", &BTreeMap::new(), now)?;
//! assert_eq!(impacts[0].operation, Operation::Patch);
//! assert_eq!(impacts[0].object.at(&["spec", "paused"]), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod create;
mod effect;
mod numa;
mod offer;
mod table;

use std::collections::BTreeMap;
use std::time::SystemTime;

use gitops_manifest::{Object, Str};
use serde::{Deserialize, Serialize};

/// An action that an object offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Action {
    /// The name by which it is run.
    pub name: Str,
    /// Whether it makes no sense in the object's present state.
    #[serde(default)]
    pub disabled: bool,
    /// The name for people; empty where the name serves.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub display_name: Str,
    /// The classes of an icon of Font Awesome; empty where there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub icon_class: Str,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
}

impl Action {
    /// Makes an action of a name, that is enabled.
    #[must_use]
    pub fn new(name: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// What an action asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Param {
    /// The name.
    pub name: Str,
    /// What is taken where nothing is given; empty where there is no such value.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub default: Str,
}

impl Param {
    /// Makes a parameter of a name and a default, which may be empty.
    #[must_use]
    pub fn new(name: impl Into<Str>, default: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            default: default.into(),
        }
    }
}

/// What is to be done with an object that an action returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Bring the object that is there into this state.
    Patch,
    /// Create this object.
    Create,
}

/// An object that an action changes or makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Impact {
    /// What is to be done.
    pub operation: Operation,
    /// The object as it is to be.
    pub object: Object,
}

impl Impact {
    /// Makes an impact.
    #[must_use]
    pub const fn new(operation: Operation, object: Object) -> Self {
        Self { operation, object }
    }
}

/// An action could not be carried out. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The object does not offer the action.
    #[error("{kind} offers no action {action:?}")]
    Unknown {
        /// The object's kind.
        kind: Str,
        /// The name of the action.
        action: String,
    },
    /// The action refused its parameters, or the object as it is.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
    },
}

impl ActionError {
    /// Makes an error of why an action refused.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused {
            message: message.into(),
        }
    }
}

/// Returns the actions that an object offers, sorted by name; none where its kind has none.
#[must_use]
pub fn discover(object: &Object) -> Vec<Action> {
    let rules = table::find(object.group(), object.kind());
    let mut actions: Vec<Action> = rules.iter().filter_map(|rule| rule.offer(object)).collect();
    actions.sort_by(|a, b| a.name.cmp(&b.name));
    actions
}

/// Carries an action out on an object, and returns what is to be patched or created.
///
/// `now` is written where an action marks when it was asked for.
///
/// # Errors
/// Where the object's kind has no such action, or the action refuses its parameters. That an action is
/// disabled is for the one to respect who offers it.
pub fn run(
    object: &Object,
    action: &str,
    params: &BTreeMap<String, String>,
    now: SystemTime,
) -> Result<Vec<Impact>, ActionError> {
    let rules = table::find(object.group(), object.kind());
    let rule = rules
        .iter()
        .find(|rule| rule.name == action)
        .ok_or_else(|| ActionError::Unknown {
            kind: object.kind().into(),
            action: action.to_owned(),
        })?;
    rule.effect.apply(object, params, now)
}
