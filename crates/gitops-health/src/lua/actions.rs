//! Resource actions of users.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use gitops_manifest::{Object, Value};

use super::convert::{self, Returned};
use super::runtime::{LuaError, LuaRuntime, Script};
use crate::actions::{Action, ActionError, Impact, Operation, Param};
use crate::view;

/// The actions of a kind, in Lua: a script that tells which there are, and one for each.
#[derive(Clone, Debug)]
pub struct LuaActions {
    runtime: Arc<LuaRuntime>,
    discovery: Option<Arc<Script>>,
    definitions: BTreeMap<String, Arc<Script>>,
}

impl LuaActions {
    /// Makes actions of their scripts.
    ///
    /// # Errors
    /// Where one of the scripts cannot be parsed.
    pub fn new<'a>(
        runtime: &Arc<LuaRuntime>,
        discovery: Option<&str>,
        definitions: impl IntoIterator<Item = (&'a str, &'a str)>,
        open_libs: bool,
    ) -> Result<Self, LuaError> {
        Ok(Self {
            runtime: Arc::clone(runtime),
            discovery: discovery
                .filter(|script| !script.trim().is_empty())
                .map(|script| runtime.compile(script, open_libs))
                .transpose()?,
            definitions: definitions
                .into_iter()
                .map(|(name, script)| Ok((name.to_owned(), runtime.compile(script, open_libs)?)))
                .collect::<Result<_, LuaError>>()?,
        })
    }

    /// Returns the actions that an object offers, sorted by name.
    ///
    /// # Errors
    /// Where the script fails, or returns what is no table of actions.
    pub fn discover(
        &self,
        object: &Object,
        now: Option<SystemTime>,
    ) -> Result<Vec<Action>, LuaError> {
        let Some(script) = &self.discovery else {
            return Ok(Vec::new());
        };
        let table = match self.runtime.run(script, object, None, now)? {
            Returned::Table(Value::Object(map)) => map,
            Returned::Table(Value::Array(array)) if array.is_empty() => return Ok(Vec::new()),
            Returned::Nothing => return Ok(Vec::new()),
            Returned::Table(_) => return Err(failed("expect a table of actions by name")),
            Returned::Other(kind) => {
                return Err(failed(format!(
                    "expect table output from Lua script, not {kind}"
                )));
            }
        };
        // Maps are sorted by their keys.
        Ok(table
            .iter()
            .map(|(name, told)| action(name, told))
            .collect())
    }

    /// Carries an action out on an object, and returns what is to be patched or created.
    ///
    /// # Errors
    /// Where there is no such action, or its script fails or returns what is no object.
    pub fn run(
        &self,
        object: &Object,
        action: &str,
        params: &BTreeMap<String, String>,
        now: Option<SystemTime>,
    ) -> Result<Vec<Impact>, ActionError> {
        let script = self
            .definitions
            .get(action)
            .ok_or_else(|| ActionError::Unknown {
                kind: object.kind().into(),
                action: action.to_owned(),
            })?;
        let params: Vec<(String, String)> =
            params.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let returned = self
            .runtime
            .run(script, object, Some(&params), now)
            .map_err(|error| ActionError::refused(error.to_string()))?;
        match returned {
            Returned::Table(Value::Array(impacts)) => {
                impacts.iter().map(|told| impact(told, object)).collect()
            }
            Returned::Table(value) => Ok(vec![patch(value, object)?]),
            Returned::Nothing => Err(ActionError::refused(
                "expect table output from Lua script, not nil",
            )),
            Returned::Other(kind) => Err(ActionError::refused(format!(
                "expect table output from Lua script, not {kind}"
            ))),
        }
    }
}

fn failed(message: impl Into<String>) -> LuaError {
    LuaError::Failed {
        message: message.into(),
    }
}

fn action(name: &str, told: &Value) -> Action {
    let mut action = Action::new(name);
    action.disabled = view::is_truthy(told.get("disabled"));
    action.display_name = view::text_of(told, "displayName").into();
    action.icon_class = view::text_of(told, "iconClass").into();
    action.params = view::list(told.get("params"))
        .iter()
        .map(|param| {
            Param::new(
                view::text_of(param, "name"),
                view::text_of(param, "default"),
            )
        })
        .collect();
    action
}

fn patch(mut value: Value, object: &Object) -> Result<Impact, ActionError> {
    convert::restore(&mut value, &object.to_value());
    Ok(Impact::new(Operation::Patch, to_object(value)?))
}

fn impact(told: &Value, object: &Object) -> Result<Impact, ActionError> {
    let resource = told.get("resource").cloned().unwrap_or_default();
    match view::text_of(told, "operation") {
        "create" => Ok(Impact::new(Operation::Create, to_object(resource)?)),
        "patch" => patch(resource, object),
        other => Err(ActionError::refused(format!(
            "unsupported operation: {other}"
        ))),
    }
}

fn to_object(value: Value) -> Result<Object, ActionError> {
    Object::try_from(value)
        .map_err(|error| ActionError::refused(format!("the script returned no object: {error}")))
}
