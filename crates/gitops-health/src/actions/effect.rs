//! What actions do.

use std::collections::BTreeMap;
use std::time::SystemTime;

use gitops_manifest::{Map, Object, Value};

use super::{ActionError, Impact, Operation};
use crate::time;

/// A change of an object that is written as data.
#[derive(Clone, Copy)]
pub(super) enum Change {
    /// Sets a field to a text.
    Text(&'static [&'static str], &'static str),
    /// Sets a field to a boolean.
    Bool(&'static [&'static str], bool),
    /// Takes a field away.
    Remove(&'static [&'static str]),
    /// Sets a field to the time.
    Now(&'static [&'static str]),
    /// Sets a field to the time, in Flux' words.
    AskedAt(&'static [&'static str]),
    /// Sets a field that holds to `false`.
    Release(&'static [&'static str]),
}

/// What comes of an action.
pub(super) type Outcome = Result<Vec<Impact>, ActionError>;

/// What an action does.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Changes the object, one change after the other.
    Changes(&'static [Change]),
    /// Runs code on the object.
    Code(fn(&mut Object, &Params<'_>) -> Result<(), ActionError>),
    /// Makes another object of it.
    Create(fn(&Object, SystemTime) -> Object),
}

/// What an action is given.
pub(super) struct Params<'a> {
    given: &'a BTreeMap<String, String>,
    pub(super) now: SystemTime,
}

impl Params<'_> {
    /// Returns a parameter.
    pub(super) fn get(&self, name: &str) -> Result<&str, ActionError> {
        self.given
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| ActionError::refused(format!("{name} parameter is required")))
    }
}

impl Effect {
    pub(super) fn apply(
        self,
        object: &Object,
        params: &BTreeMap<String, String>,
        now: SystemTime,
    ) -> Outcome {
        let mut object = object.clone();
        match self {
            Self::Changes(changes) => {
                for change in changes {
                    change.apply(&mut object, now);
                }
            }
            Self::Code(code) => code(&mut object, &Params { given: params, now })?,
            Self::Create(make) => {
                return Ok(vec![Impact::new(Operation::Create, make(&object, now))]);
            }
        }
        Ok(vec![Impact::new(Operation::Patch, object)])
    }
}

impl Change {
    fn apply(self, object: &mut Object, now: SystemTime) {
        match self {
            Self::Text(path, text) => set(object, path, Value::from(text)),
            Self::Bool(path, value) => set(object, path, Value::from(value)),
            Self::Remove(path) => remove(object, path),
            Self::Now(path) => set(object, path, Value::from(time::format(now))),
            Self::AskedAt(path) => {
                let now = time::format(now);
                let now = now.trim_end_matches('Z');
                set(object, path, Value::from(format!("By Argo CD at: {now}")));
            }
            Self::Release(path) => {
                if crate::view::is_truthy(object.at(path)) {
                    set(object, path, Value::from(false));
                }
            }
        }
    }
}

/// Sets a field, and makes the maps on the way to it.
pub(super) fn set(object: &mut Object, path: &[&'static str], value: Value) {
    let Some((last, way)) = path.split_last() else {
        return;
    };
    let map = way.iter().fold(object.as_map_mut(), |map: &mut Map, key| {
        map.entry_object(*key)
    });
    map.insert(*last, value);
}

/// Takes a field away; maps stay where they were left empty by it.
pub(super) fn remove(object: &mut Object, path: &[&'static str]) {
    let Some((last, way)) = path.split_last() else {
        return;
    };
    if object.at(path).is_none() {
        return;
    }
    let map = way.iter().fold(object.as_map_mut(), |map: &mut Map, key| {
        map.entry_object(*key)
    });
    map.retain(|key, _| key != *last);
}
