//! Hiding the values of Secrets, with equal values staying visibly equal and different ones different.

use gitops_manifest::{Map, Object, ObjectKey, Str, Value};

use crate::compare::{Difference, LAST_APPLIED};
use crate::normalize::{NormalizeOptions, normalize};
use crate::path::Step;

/// What stands for the first value of a key; each further value has four more.
const MASK: &str = "++++++++";

/// What is hidden beside the data of Secrets.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MaskOptions {
    /// Annotations whose values are hidden.
    pub annotations: Vec<Str>,
}

impl MaskOptions {
    /// Hides the values of annotations too.
    #[must_use]
    pub fn annotations<T: Into<Str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.annotations = names.into_iter().map(Into::into).collect();
        self
    }
}

/// Whether an object is a Secret, whose data is not to be shown.
#[must_use]
pub fn is_secret(object: &Object) -> bool {
    object.kind() == "Secret" && object.group().is_empty()
}

/// Hides the data of a desired and a live Secret, in their last-applied annotations too.
///
/// For each key equal values get the same mask, and each new value a longer one, in the order desired, live, desired's last-applied,
/// live's. `stringData` becomes `data` on the way. A last-applied annotation that cannot be read is hidden as a whole. This is what
/// Argo CD shows; data that is no map is hidden as a whole.
///
/// ```
/// use gitops_diff::mask::{self, MaskOptions};
/// use gitops_manifest::Object;
/// let secret = |value: &str| Object::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"token": value, "user": "YQ=="},
/// }));
/// let (desired, live) = (secret("Yg==")?, secret("Yw==")?);
/// let (desired, live) = mask::secrets(Some(&desired), Some(&live), &MaskOptions::default());
/// assert_eq!(desired.unwrap().get("data").unwrap().to_json(), r#"{"token":"++++++++","user":"++++++++"}"#);
/// assert_eq!(live.unwrap().get("data").unwrap().to_json(), r#"{"token":"++++++++++++","user":"++++++++"}"#);
/// # Ok::<(), gitops_manifest::ObjectError>(())
/// ```
#[must_use]
pub fn secrets(
    desired: Option<&Object>,
    live: Option<&Object>,
    options: &MaskOptions,
) -> (Option<Object>, Option<Object>) {
    let plain = |object: &Object| {
        let timestamp = object.meta("creationTimestamp").cloned();
        let mut object = normalize(object, &NormalizeOptions::default().compat(true));
        if let Some(timestamp) = timestamp {
            object.metadata_mut().insert("creationTimestamp", timestamp);
        }
        object
    };
    let applied = |object: Option<&Object>| {
        let text = object?.annotation(LAST_APPLIED)?;
        let parsed = Value::from_json(text)
            .ok()
            .and_then(|value| Object::try_from(value).ok());
        Some(parsed.as_ref().map(plain))
    };
    let (of_desired, of_live) = (applied(desired), applied(live));
    let mut all = [
        desired.map(plain),
        live.map(plain),
        of_desired.clone().flatten(),
        of_live.clone().flatten(),
    ];
    hide_at(&mut all, &["data"], None);
    hide_at(
        &mut all,
        &["metadata", "annotations"],
        Some(&options.annotations),
    );
    let [mut desired, mut live, desired_applied, live_applied] = all;
    let whole = options.annotations.iter().any(|name| name == LAST_APPLIED);
    for (object, was, now) in [
        (&mut desired, of_desired, desired_applied),
        (&mut live, of_live, live_applied),
    ] {
        if let (Some(object), Some(was)) = (object, was) {
            let text = match now {
                Some(now) if was.is_some() && !whole => {
                    Str::from(crate::places::go_json(&now.to_value()))
                }
                _ => MASK.into(),
            };
            object.set_annotation(LAST_APPLIED, text);
        }
    }
    (desired, live)
}

/// Hides the values of a map in several objects, key by key.
fn hide_at(objects: &mut [Option<Object>], path: &[&str], names: Option<&[Str]>) {
    let mut keys: Vec<Str> = match names {
        Some(names) => names.to_vec(),
        None => objects
            .iter()
            .flatten()
            .filter_map(|object| object.at(path)?.as_object())
            .flat_map(|map| map.keys().cloned())
            .collect(),
    };
    keys.sort();
    keys.dedup();
    for object in objects.iter_mut().flatten() {
        if names.is_none()
            && object
                .at(path)
                .is_some_and(|value| !value.is_null() && value.as_object().is_none())
        {
            object.as_map_mut().insert(path[0], MASK);
        }
    }
    for key in keys {
        let mut masks = Masks::default();
        for object in objects.iter_mut().flatten() {
            let value = object
                .as_map_mut()
                .get_mut(path[0])
                .and_then(|value| value.at_mut(&path[1..]));
            if let Some(Value::Object(map)) = value
                && let Some(value) = map.get(&key)
            {
                let mask = masks.of(value);
                map.insert(key.clone(), mask);
            }
        }
    }
}

/// The masks of the values of one key.
#[derive(Default)]
struct Masks(Vec<Value>);

impl Masks {
    fn of(&mut self, value: &Value) -> Str {
        let value = match value {
            Value::Null => "".into(),
            value => value.clone(),
        };
        let i = self
            .0
            .iter()
            .position(|seen| *seen == value)
            .unwrap_or_else(|| {
                self.0.push(value);
                self.0.len() - 1
            });
        format!("{MASK}{}", "++++".repeat(i)).into()
    }
}

/// Hides the data of one object, where it is a Secret.
pub(crate) fn value_of(key: &ObjectKey, value: Value) -> Value {
    if key.kind != "Secret" || !key.group.is_empty() {
        return value;
    }
    match Object::try_from(value) {
        Ok(object) => {
            let options = MaskOptions::default().annotations([LAST_APPLIED]);
            secrets(None, Some(&object), &options)
                .1
                .map_or(Value::Null, Value::from)
        }
        Err(_) => MASK.into(),
    }
}

/// Hides the values in differences of a Secret.
pub(crate) fn differences(differences: &mut [Difference]) {
    for difference in differences {
        let steps: Vec<&str> = difference
            .path
            .steps()
            .iter()
            .map_while(|step| match step {
                Step::Field(field) => Some(field.as_str()),
                _ => None,
            })
            .collect();
        match steps[..] {
            ["data" | "stringData"] | ["metadata", "annotations"] => {
                let secret_key = |key: &str| steps[0] != "metadata" || key == LAST_APPLIED;
                let (mut a, mut b) = (difference.desired.take(), difference.live.take());
                hide_pair(&mut a, &mut b, secret_key);
                (difference.desired, difference.live) = (a, b);
            }
            ["data" | "stringData", ..] | ["metadata", "annotations", LAST_APPLIED] => {
                let mut masks = Masks::default();
                for value in [&mut difference.desired, &mut difference.live]
                    .into_iter()
                    .flatten()
                {
                    *value = masks.of(value).into();
                }
            }
            _ => {}
        }
    }
}

fn hide_pair(a: &mut Option<Value>, b: &mut Option<Value>, hides: impl Fn(&str) -> bool) {
    let mut keys: Vec<Str> = [&*a, &*b]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(|map: &Map| map.keys().cloned())
        .filter(|key| hides(key))
        .collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let mut masks = Masks::default();
        for value in [&mut *a, &mut *b].into_iter().flatten() {
            if let Value::Object(map) = value
                && let Some(value) = map.get(&key)
            {
                let mask = masks.of(value);
                map.insert(key.clone(), mask);
            }
        }
    }
    for value in [a, b].into_iter().flatten() {
        if value.as_object().is_none() && !value.is_null() {
            *value = MASK.into();
        }
    }
}
