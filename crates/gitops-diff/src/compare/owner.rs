//! Who set a field: what `metadata.managedFields` tells.

use gitops_manifest::{Map, Object, Str, Value};

use crate::path::{Path, Step};

/// Who set a field last.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Owner {
    /// The field manager.
    pub manager: Str,
    /// `Apply` or `Update`.
    pub operation: Str,
    /// When it last changed something, by RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Str>,
    /// Through which subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<Str>,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.manager)?;
        if let Some(time) = &self.time {
            write!(f, " ({} at {time})", self.operation.to_lowercase())?;
        }
        Ok(())
    }
}

/// Finds who owns a place of a live object: of several owners the one that changed something last.
pub(super) fn owner_of(live: &Object, path: &Path) -> Option<Owner> {
    let entries = live.meta("managedFields")?.as_array()?;
    let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).map(Str::from);
    entries
        .iter()
        .filter(|entry| {
            entry
                .get("fieldsV1")
                .and_then(Value::as_object)
                .is_some_and(|set| holds(set, path.steps()))
        })
        .max_by_key(|entry| text(entry, "time"))
        .map(|entry| Owner {
            manager: text(entry, "manager").unwrap_or_default(),
            operation: text(entry, "operation").unwrap_or_default(),
            time: text(entry, "time"),
            subresource: text(entry, "subresource").filter(|text| !text.is_empty()),
        })
}

/// Whether a set in its serialised form holds a place, something above it that is owned as a whole, or something within it.
fn holds(set: &Map, steps: &[Step]) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return true;
    };
    let below = match first {
        Step::Field(field) => {
            let mut name = String::with_capacity(field.len() + 2);
            name.push_str("f:");
            name.push_str(field);
            set.get(&name)
        }
        Step::Index(i) => set.get(&format!("i:{i}")),
        Step::Value(value) => set.get(&format!("v:{value}")),
        Step::Key(keys) => set.iter().find_map(|(name, below)| {
            let Value::Object(owned) = Value::from_json(name.strip_prefix("k:")?).ok()? else {
                return None;
            };
            let same = keys
                .iter()
                .all(|(key, value)| owned.get(key).is_none_or(|owned| owned == value))
                && owned
                    .keys()
                    .any(|key| keys.iter().any(|(name, _)| name == key));
            same.then_some(below)
        }),
    };
    match below {
        // A leaf: it is owned with all that lies within.
        Some(Value::Object(map)) if map.is_empty() => true,
        Some(Value::Object(map)) => holds(map, rest),
        _ => false,
    }
}
