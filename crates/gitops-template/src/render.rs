//! One render: its limits, clock, randomness and state.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::exec::Variable;
use crate::output::Output;
use crate::random::Random;
use crate::template::Snippet;
use crate::text::Str;
use crate::time::Time;
use crate::value::{Map, Value, WeakMap, take_apart};

/// How far a render may go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How deep templates may call each other, through `template` and through functions.
    pub depth: usize,
    /// How many bytes all templates together may write, and no value that a function makes may be
    /// larger.
    pub output: u64,
    /// How many nodes and calls may be executed.
    pub steps: u64,
    /// How deep values may nest where they are printed, copied or compared.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 100_000,
            output: 256 << 20,
            steps: 100_000_000,
            nesting: 10_000,
        }
    }
}

/// Tells the offset and the abbreviation of a time zone, by its name and a moment.
pub type Zones = Box<dyn Fn(&str, i64) -> Option<(i32, String)>>;

/// What a render is given besides templates and data.
#[derive(Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// How far the render may go.
    pub limits: Limits,
    /// What random functions start from. The same seed gives the same result.
    pub seed: u64,
    /// What `now` returns.
    pub now: Time,
    /// Asked from time to time whether to stop.
    pub interrupt: Option<Box<dyn FnMut() -> bool>>,
    /// Tells the offset from UTC in seconds and the abbreviation of a named time zone, such as
    /// `Europe/Berlin`, at a moment in seconds since 1970. Without it, and where it knows no such
    /// zone, UTC is used, as Go does for zones that it does not know. `Local` is asked for too.
    pub zones: Option<Zones>,
    /// A value for the host's own functions, which get it from their [`Context`](crate::Context).
    pub host: Option<Rc<dyn Any>>,
}

impl fmt::Debug for RenderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderOptions")
            .field("limits", &self.limits)
            .field("seed", &self.seed)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// How many steps go by between two questions whether to stop.
const STEPS_BETWEEN_QUESTIONS: u64 = 4096;

/// The state of one render, which may execute several templates.
///
/// Where it is dropped, maps that `set` or `merge` made to hold themselves are taken apart, so that
/// they are freed.
pub struct Render {
    pub(crate) limits: Limits,
    pub(crate) random: Random,
    pub(crate) now: Time,
    pub(crate) host: Option<Rc<dyn Any>>,
    interrupt: Option<Box<dyn FnMut() -> bool>>,
    zones: Option<Zones>,
    steps: u64,
    written: u64,
    pub(crate) depth: usize,
    /// The variables of all templates that are being executed, innermost last.
    pub(crate) variables: Vec<Variable>,
    /// Texts that were parsed during the render.
    pub(crate) snippets: FxHashMap<(Str, Str), Rc<Snippet>>,
    pub(crate) regexes: crate::sprig::RegexCache,
    spare: Vec<String>,
    /// Maps that got a list or a map after they were made: no cycle is without one.
    changed: Vec<WeakMap>,
}

impl Render {
    /// Starts a render.
    #[must_use]
    pub fn new(options: RenderOptions) -> Self {
        Self {
            limits: options.limits,
            random: Random::new(options.seed),
            now: options.now,
            host: options.host,
            interrupt: options.interrupt,
            zones: options.zones,
            steps: 0,
            written: 0,
            depth: 0,
            variables: Vec::new(),
            snippets: FxHashMap::default(),
            regexes: crate::sprig::RegexCache::default(),
            spare: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Counts one step.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_BETWEEN_QUESTIONS) {
            self.check()
        } else {
            Ok(())
        }
    }

    /// Counts the steps of work that is done at once.
    pub(crate) fn spend(&mut self, steps: u64) -> Result<()> {
        let before = self.steps / STEPS_BETWEEN_QUESTIONS;
        self.steps = self.steps.saturating_add(steps);
        if self.steps / STEPS_BETWEEN_QUESTIONS > before {
            self.check()
        } else {
            Ok(())
        }
    }

    fn check(&mut self) -> Result<()> {
        if self.steps > self.limits.steps {
            return Err(Error::limit("the number of steps", self.limits.steps));
        }
        let stop = self.interrupt.as_mut().is_some_and(|interrupt| interrupt());
        if stop {
            Err(Error::from(ErrorKind::Interrupted))
        } else {
            Ok(())
        }
    }

    /// Counts bytes that were written.
    #[inline]
    pub(crate) fn count_output(&mut self, bytes: usize) -> Result<()> {
        self.written += bytes as u64;
        if self.written > self.limits.output {
            return Err(Error::limit("the output", self.limits.output));
        }
        Ok(())
    }

    /// Returns a time in a named zone.
    pub(crate) fn in_zone(&self, time: &Time, zone: &str) -> Time {
        let known = match zone {
            "" | "UTC" => None,
            zone => self
                .zones
                .as_ref()
                .and_then(|zones| zones(zone, time.unix())),
        };
        match known {
            Some((offset, name)) => time.in_zone(offset, name),
            None => time.in_utc(),
        }
    }

    /// Checks the size of a value before a function makes it.
    pub(crate) fn check_size(&self, bytes: u64) -> Result<()> {
        if bytes > self.limits.output {
            return Err(Error::limit("the size of a value", self.limits.output));
        }
        Ok(())
    }

    /// Notes that a map got a value, which may hold the map itself.
    pub(crate) fn note_change(&mut self, map: &Map, value: &Value) {
        if !value.is_container() {
            return;
        }
        if self.changed.len() == self.changed.capacity() {
            // Most such maps live for a moment only.
            self.changed.retain(|map| map.upgrade().is_some());
        }
        self.changed.push(map.downgrade());
    }

    /// Returns an empty output, with the memory of one that is no longer needed.
    pub(crate) fn take_output(&mut self) -> Output {
        Output::with_buffer(self.spare.pop().unwrap_or_default())
    }

    /// Takes the memory of an output back.
    pub(crate) fn give_output(&mut self, output: Output) {
        self.spare.push(output.into_buffer());
    }
}

impl Drop for Render {
    fn drop(&mut self) {
        self.variables.clear();
        let changed = std::mem::take(&mut self.changed);
        take_apart(changed.iter().filter_map(WeakMap::upgrade).collect());
    }
}

impl Default for Render {
    fn default() -> Self {
        Self::new(RenderOptions::default())
    }
}

impl fmt::Debug for Render {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Render")
            .field("limits", &self.limits)
            .field("steps", &self.steps)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
