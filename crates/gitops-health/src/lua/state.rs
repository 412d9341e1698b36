//! A state of LuaJIT with the scripts that are compiled in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gitops_manifest::Object;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, StdLib, VmState};

use super::convert::{self, Returned};
use super::guard::{Guard, INTERVAL};
use super::library;
use super::runtime::{LuaError, Script};

/// A state; it is thrown away after a script that went beyond a limit.
pub(super) struct State {
    environment: Function,
    guard: Arc<Guard>,
    scripts: HashMap<u64, Function>,
    memory_limit: usize,
    // Dropped last: what is above refers to it.
    lua: Lua,
}

/// How many compiled scripts a state keeps; more are compiled again when they are run again.
const KEPT: usize = 1024;

impl State {
    pub(super) fn new(open_libs: bool, memory_limit: usize) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::NONE, mlua::LuaOptions::new())?;
        let guard = Arc::new(Guard::new());
        let environment = library::environment(&lua, &guard, open_libs)?;
        let watch = Arc::clone(&guard);
        lua.set_hook(
            HookTriggers::new().every_nth_instruction(INTERVAL),
            move |_, _| {
                if watch.is_over() {
                    return Err(mlua::Error::runtime("the script has run out of time"));
                }
                Ok(VmState::Continue)
            },
        )?;
        lua.set_memory_limit(memory_limit)?;
        Ok(Self {
            environment,
            guard,
            scripts: HashMap::new(),
            memory_limit,
            lua,
        })
    }

    /// Parses a script, and keeps what comes of it.
    pub(super) fn compile(&mut self, script: &Script) -> mlua::Result<Function> {
        if let Some(function) = self.scripts.get(&script.id()) {
            return Ok(function.clone());
        }
        let function = self
            .lua
            .load(script.source())
            .set_name("=script")
            .set_mode(ChunkMode::Text)
            .into_function()?;
        if self.scripts.len() >= KEPT {
            self.scripts.clear();
        }
        self.scripts.insert(script.id(), function.clone());
        Ok(function)
    }

    /// Runs a script on an object.
    pub(super) fn run(
        &mut self,
        script: &Script,
        object: &Object,
        params: Option<&[(String, String)]>,
        now: Option<SystemTime>,
        limit: Duration,
    ) -> Result<Returned, LuaError> {
        self.guard.start(limit);
        let returned = self.attempt(script, object, params, now);
        returned.map_err(|error| {
            if self.guard.has_tripped() {
                LuaError::TimedOut { limit }
            } else if is_memory(&error) {
                LuaError::OutOfMemory {
                    limit: self.memory_limit,
                }
            } else {
                LuaError::failed(&error)
            }
        })
    }

    fn attempt(
        &mut self,
        script: &Script,
        object: &Object,
        params: Option<&[(String, String)]>,
        now: Option<SystemTime>,
    ) -> mlua::Result<Returned> {
        let function = self.compile(script)?;
        let lua = &self.lua;
        // While the limit of memory is in force, each write to a table is a protected call. The object is not the script's
        // doing: its size is bounded by whoever read it, and it counts once the script runs.
        lua.set_memory_limit(0)?;
        let obj = convert::to_lua(lua, &object.to_value());
        lua.set_memory_limit(self.memory_limit)?;
        let obj = obj?;
        let params = params
            .map(|params| {
                lua.create_table_from(params.iter().map(|(k, v)| (k.as_str(), v.as_str())))
            })
            .transpose()?;
        let now = now
            .and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok())
            .map(|since| since.as_secs() as f64);
        let environment: mlua::Table = self.environment.call((obj, params, now))?;
        function.set_environment(environment)?;
        let value: mlua::Value = function.call(())?;
        convert::returned(value)
    }

    /// Whether the state may run another script: it has room, and nothing went beyond a limit.
    pub(super) fn tidy(&self) -> bool {
        // Garbage counts as memory in use: it is collected before it stands in the way.
        if self.lua.used_memory() > self.memory_limit / 4 && self.lua.gc_collect().is_err() {
            return false;
        }
        self.lua.used_memory() < self.memory_limit / 4
    }
}

/// Whether an error, or what it was caused by, is that memory has run out.
fn is_memory(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. } => is_memory(cause),
        mlua::Error::RuntimeError(message) => message.contains("not enough memory"),
        _ => false,
    }
}
