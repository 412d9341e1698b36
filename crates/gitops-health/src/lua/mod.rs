//! Health rules and resource actions in Lua, as Argo CD runs them.
//!
//! A [`LuaRuntime`] keeps a bounded pool of LuaJIT states, in which scripts are compiled once. A script sees
//! the object as the global `obj` and the library functions that Argo CD gives it, and nothing else: no files,
//! no processes, no network, no code from elsewhere. How long it runs and how much memory it takes is bounded;
//! what goes beyond is an error of the script, and does the process no harm.
//!
//! ```
//! use std::sync::Arc;
//! use gitops_health::lua::{LuaOptions, LuaRule, LuaRuntime};
//! use gitops_health::{Context, HealthStatus, Rules, assess};
//! use gitops_manifest::Object;
//!
//! let runtime = Arc::new(LuaRuntime::new(LuaOptions::default()));
//! let rule = LuaRule::new(&runtime, r#"
//!     hs = { status = "Progressing", message = "waiting" }
//!     if obj.status ~= nil and obj.status.ready then hs = { status = "Healthy" } end
//!     return hs
//! "#, false)?;
//! let mut rules = Rules::new();
//! rules.insert("example.org/Widget", rule);
//!
//! let widget = Object::try_from(serde_json::json!({
//!     "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"ready": true},
//! }))?;
//! let health = assess(&widget, &Context::new().with_rules(&rules)).expect("there is a rule");
//! assert_eq!(health.status, HealthStatus::Healthy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actions;
mod convert;
mod guard;
mod library;
mod runtime;
mod state;

pub use actions::LuaActions;
pub use runtime::{LuaError, LuaOptions, LuaRuntime};

use std::fmt;
use std::sync::Arc;

use gitops_manifest::Object;

use crate::{Context, HealthStatus, Rule, RuleError, Verdict};
use runtime::Script;

/// A health rule in Lua.
#[derive(Clone)]
pub struct LuaRule {
    runtime: Arc<LuaRuntime>,
    script: Arc<Script>,
}

impl LuaRule {
    /// Makes a rule of a script. With `open_libs` the script may use the `string` and `math` libraries, as the
    /// scripts that Argo CD ships may; it then runs on a thread of its own, which is given up on where it takes
    /// too long: within a function of `string` no script can be stopped.
    ///
    /// # Errors
    /// Where the script cannot be parsed.
    pub fn new(runtime: &Arc<LuaRuntime>, script: &str, open_libs: bool) -> Result<Self, LuaError> {
        Ok(Self {
            runtime: Arc::clone(runtime),
            script: runtime.compile(script, open_libs)?,
        })
    }
}

impl fmt::Debug for LuaRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LuaRule")
            .field("script", &self.script.source())
            .finish_non_exhaustive()
    }
}

impl Rule for LuaRule {
    fn judge(&self, object: &Object, context: &Context<'_>) -> Result<Verdict, RuleError> {
        self.runtime
            .run(&self.script, object, None, context.now)
            .map_err(|error| RuleError::new(error.to_string()))
            .and_then(|returned| verdict(&returned))
    }
}

/// Reads what a script has returned, as Argo CD does.
fn verdict(returned: &convert::Returned) -> Result<Verdict, RuleError> {
    use gitops_manifest::Value;
    let map = match returned {
        convert::Returned::Nothing => return Ok(Verdict::fixed(HealthStatus::Unset, "")),
        convert::Returned::Other(kind) => {
            return Err(RuleError::new(format!(
                "expect table output from Lua script, not {kind}"
            )));
        }
        convert::Returned::Table(Value::Object(map)) => map,
        // An empty table is an empty list, which says nothing; so does any other list.
        convert::Returned::Table(_) => return Ok(Verdict::fixed(HealthStatus::Unset, "")),
    };
    let text = |field: &str| match map.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let found = match other {
                Value::Bool(_) => "bool",
                Value::Array(_) => "array",
                other => other.type_name(),
            };
            Err(RuleError::new(format!(
                "json: cannot unmarshal {found} into Go struct field HealthStatus.{field} of type string"
            )))
        }
    };
    let (status, message) = (text("status")?, text("message")?);
    let status: HealthStatus = match status.map(|status| status.parse()) {
        Some(Ok(status)) if status != HealthStatus::Unset => status,
        _ => {
            return Ok(Verdict::fixed(
                HealthStatus::Unknown,
                "Lua returned an invalid health status",
            ));
        }
    };
    Ok(Verdict::new(status, message.cloned().unwrap_or_default()))
}
