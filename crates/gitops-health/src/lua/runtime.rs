//! The pool of states that scripts run in.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use gitops_manifest::Object;

use super::convert::Returned;
use super::state::State;

/// What scripts may take.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LuaOptions {
    /// How long a script may run; a second, as in Argo CD.
    pub time_limit: Duration,
    /// How much memory a state may take, in bytes; 16 MiB.
    pub memory_limit: usize,
    /// How many scripts may run at once; 8. More wait for one to be through.
    pub states: usize,
}

impl Default for LuaOptions {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(1),
            memory_limit: 16 << 20,
            states: 8,
        }
    }
}

/// Why a script gave no answer. Trying again helps with none but [`LuaError::Busy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LuaError {
    /// The script cannot be parsed, or failed.
    #[error("{message}")]
    Failed {
        /// What Lua says.
        message: String,
    },
    /// The script ran for too long.
    #[error("the script ran longer than {limit:?}")]
    TimedOut {
        /// How long it may run.
        limit: Duration,
    },
    /// The script took too much memory.
    #[error("the script took more than {limit} bytes of memory")]
    OutOfMemory {
        /// How much it may take.
        limit: usize,
    },
    /// Too many scripts are overdue within a function that cannot be stopped.
    #[error(
        "{overdue} scripts have run out of time and cannot be stopped: no more are run until they end"
    )]
    Busy {
        /// How many are overdue.
        overdue: usize,
    },
}

impl LuaError {
    pub(super) fn failed(error: &mlua::Error) -> Self {
        let mut message = Self::text(error);
        // What follows tells of the inside of this crate.
        if let Some(end) = message.find("\nstack traceback:") {
            message.truncate(end);
        }
        Self::Failed { message }
    }

    /// Returns what went wrong at the root, without the words of the binding.
    fn text(error: &mlua::Error) -> String {
        match error {
            mlua::Error::CallbackError { cause, .. } => Self::text(cause),
            mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => {
                message.clone()
            }
            other => other.to_string(),
        }
    }
}

/// A script of a runtime.
#[derive(Debug)]
pub(super) struct Script {
    id: u64,
    source: String,
    open_libs: bool,
}

impl Script {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }
    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

/// States of one kind that are free, and how many there are.
#[derive(Default)]
struct Pool {
    free: Vec<State>,
    in_use: usize,
}

/// A script runs on its thread, and somebody waits for it.
const RUNNING: u8 = 0;
/// Its time is over and nobody waits any more.
const GIVEN_UP: u8 = 1;
/// It has come to its end.
const ENDED: u8 = 2;

/// A bounded pool of LuaJIT states.
pub struct LuaRuntime {
    options: LuaOptions,
    /// States without the `string` library, and with it.
    pools: [Mutex<Pool>; 2],
    freed: [Condvar; 2],
    /// How many scripts were given up on and still run.
    overdue: Arc<AtomicUsize>,
}

impl std::fmt::Debug for LuaRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LuaRuntime")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl LuaRuntime {
    /// Makes a runtime; its states are made when they are needed.
    #[must_use]
    pub fn new(options: LuaOptions) -> Self {
        Self {
            options,
            pools: Default::default(),
            freed: Default::default(),
            overdue: Arc::default(),
        }
    }

    /// Parses a script.
    pub(super) fn compile(&self, source: &str, open_libs: bool) -> Result<Arc<Script>, LuaError> {
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let script = Script {
            id: hasher.finish(),
            source: source.to_owned(),
            open_libs,
        };
        self.with_state(open_libs, |state| {
            let result = state.compile(&script).map(drop);
            result.map_err(|error| LuaError::failed(&error))
        })?;
        Ok(Arc::new(script))
    }

    /// Runs a script on an object.
    pub(super) fn run(
        &self,
        script: &Arc<Script>,
        object: &Object,
        params: Option<&[(String, String)]>,
        now: Option<SystemTime>,
    ) -> Result<Returned, LuaError> {
        let limit = self.options.time_limit;
        if !script.open_libs {
            return self.with_state(false, |state| state.run(script, object, params, now, limit));
        }
        self.run_apart(script, object, params, now)
    }

    /// Runs a script on a thread of its own, and gives up on it where it takes too long: within a function of
    /// the `string` library no hook is called. The thread ends when the function does.
    fn run_apart(
        &self,
        script: &Arc<Script>,
        object: &Object,
        params: Option<&[(String, String)]>,
        now: Option<SystemTime>,
    ) -> Result<Returned, LuaError> {
        let overdue = self.overdue.load(Ordering::Relaxed);
        if overdue >= self.options.states.max(1) {
            return Err(LuaError::Busy { overdue });
        }
        let limit = self.options.time_limit;
        let mut state = self.take(true)?;
        let (script, object) = (Arc::clone(script), object.clone());
        let params = params.map(<[_]>::to_vec);
        let (sender, receiver) = mpsc::sync_channel(1);
        let late = Arc::clone(&self.overdue);
        let stage = Arc::new(AtomicU8::new(RUNNING));
        let own_stage = Arc::clone(&stage);
        let spawned = std::thread::Builder::new()
            .name("lua".to_owned())
            .spawn(move || {
                let result = state.run(&script, &object, params.as_deref(), now, limit);
                if own_stage.swap(ENDED, Ordering::AcqRel) == GIVEN_UP {
                    late.fetch_sub(1, Ordering::AcqRel);
                }
                // Nobody listens any more where the script was given up on; the state then goes with it.
                let _ = sender.send((result, state));
            });
        if let Err(error) = spawned {
            self.put(true, None);
            let message = format!("cannot start a thread for the script: {error}");
            return Err(LuaError::Failed { message });
        }
        // The script's own limit comes first where it can be kept.
        match receiver.recv_timeout(limit + limit / 4 + Duration::from_millis(20)) {
            Ok((result, state)) => {
                let keep = result.is_ok() && state.tidy();
                self.put(true, keep.then_some(state));
                result
            }
            Err(_) => {
                // Counted first: the thread, once it sees that it was given up on, takes itself off.
                self.overdue.fetch_add(1, Ordering::AcqRel);
                let given_up =
                    stage.compare_exchange(RUNNING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
                if given_up.is_err() {
                    self.overdue.fetch_sub(1, Ordering::AcqRel);
                }
                self.put(true, None);
                Err(LuaError::TimedOut { limit })
            }
        }
    }

    /// Uses a state, and keeps it where nothing went wrong.
    fn with_state<T>(
        &self,
        open_libs: bool,
        act: impl FnOnce(&mut State) -> Result<T, LuaError>,
    ) -> Result<T, LuaError> {
        let mut state = self.take(open_libs)?;
        let result = act(&mut state);
        let keep = result.is_ok() && state.tidy();
        self.put(open_libs, keep.then_some(state));
        result
    }

    /// Takes a state out of the pool, waits for one to be free, or makes one.
    fn take(&self, open_libs: bool) -> Result<State, LuaError> {
        let i = usize::from(open_libs);
        let mut pool = self.pools[i].lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(state) = pool.free.pop() {
                pool.in_use += 1;
                return Ok(state);
            }
            if pool.in_use < self.options.states.max(1) {
                pool.in_use += 1;
                drop(pool);
                return State::new(open_libs, self.options.memory_limit).map_err(|error| {
                    self.put(open_libs, None);
                    LuaError::failed(&error)
                });
            }
            pool = self.freed[i]
                .wait(pool)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives a state back, or tells that it is gone.
    fn put(&self, open_libs: bool, state: Option<State>) {
        let i = usize::from(open_libs);
        let mut pool = self.pools[i].lock().unwrap_or_else(PoisonError::into_inner);
        pool.in_use = pool.in_use.saturating_sub(1);
        pool.free.extend(state);
        drop(pool);
        self.freed[i].notify_one();
    }
}
