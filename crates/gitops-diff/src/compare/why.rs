//! The reasons of differences.

use gitops_manifest::{Map, Value};

use super::owner::{Owner, owner_of};
use super::{Comparison, Difference, merge::clean};
use crate::ignore::IgnoreRule;
use crate::normalize::{quantity, time};
use crate::path::{Path, Step};
use crate::schema::TypeRef;

/// Why a place differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "by")]
#[non_exhaustive]
pub enum Why {
    /// Desired was changed since it was last applied, or was never applied.
    ChangedInDesired,
    /// Live was changed since desired was last applied; by whom, where that is known.
    ChangedInLive(Option<Owner>),
    /// Live has lost it since desired was last applied.
    MissingInLive,
    /// It was applied, and desired has it no more.
    RemovedFromDesired,
    /// The elements of the list are the same, in another order.
    OrderOnly,
    /// The API server filled it in, or would. Does not count by itself.
    Defaulted,
    /// Only live has it: it belongs to somebody else. Does not count.
    Extra(Option<Owner>),
    /// Two spellings of one value. Does not count.
    SameValue,
}

/// Fills in why each difference is one.
pub(super) fn explain_all(comparison: &mut Comparison) {
    let mut differences = std::mem::take(&mut comparison.differences);
    let desired = comparison
        .desired
        .clone()
        .map(Value::Object)
        .unwrap_or_default();
    let last = comparison.last_applied.clone().map(Value::Object);
    for difference in &mut differences {
        if difference.why == Why::OrderOnly {
            continue;
        }
        difference.why = why(comparison, difference, &desired, last.as_ref());
    }
    comparison.differences = differences;
}

fn why(
    comparison: &Comparison,
    difference: &Difference,
    desired: &Value,
    last: Option<&Value>,
) -> Why {
    let path = &difference.path;
    let wanted = path.get(desired);
    let before = last.and_then(|last| path.get(last));
    let owner = || {
        comparison
            .given
            .as_ref()
            .and_then(|live| owner_of(live, path))
    };
    match (wanted, &difference.live) {
        // Desired is silent here: it was removed, or comes from a default.
        (None, Some(_)) if difference.desired.is_none() => Why::RemovedFromDesired,
        (None, _) => Why::Defaulted,
        (Some(wanted), None) if before.is_some_and(|before| clean(before) == clean(wanted)) => {
            Why::MissingInLive
        }
        (Some(wanted), Some(_)) if before.is_some_and(|before| clean(before) == clean(wanted)) => {
            Why::ChangedInLive(owner())
        }
        // Without last-applied it is only known that somebody else than the one who applies owns it.
        (Some(_), Some(_)) if last.is_none() => match owner() {
            Some(owner) if owner.operation == "Update" => Why::ChangedInLive(Some(owner)),
            _ => Why::ChangedInDesired,
        },
        _ => Why::ChangedInDesired,
    }
}

/// What differs between desired and live without counting.
pub(super) fn remarks(comparison: &Comparison) -> Vec<Difference> {
    let (Some(desired), Some(live)) = (&comparison.desired, &comparison.live) else {
        return Vec::new();
    };
    let mut walk = Remarks {
        comparison,
        path: Path::default(),
        found: Vec::new(),
    };
    walk.maps(Some(desired), live, comparison.ty);
    walk.found.retain(|remark| {
        !comparison
            .differences
            .iter()
            .any(|difference| difference.path == remark.path)
    });
    walk.found
}

struct Remarks<'c> {
    comparison: &'c Comparison,
    path: Path,
    found: Vec<Difference>,
}

impl Remarks<'_> {
    fn add(&mut self, desired: Option<&Value>, live: &Value, why: Why) {
        self.found.push(Difference {
            path: self.path.clone(),
            desired: desired.cloned(),
            live: Some(live.clone()),
            why,
        });
    }

    fn maps(&mut self, desired: Option<&Map>, live: &Map, ty: Option<TypeRef<'static>>) {
        for (key, now) in live {
            self.path.push(Step::Field(key.clone()));
            let field = ty.and_then(|ty| ty.field(key));
            let below = ty.and_then(|ty| ty.under(key));
            match desired.and_then(|desired| desired.get(key)) {
                None => {
                    let owner = self
                        .comparison
                        .given
                        .as_ref()
                        .and_then(|live| owner_of(live, &self.path));
                    // What nobody owns came with the request of somebody: a default.
                    let why = match owner {
                        None if field.is_some() => Why::Defaulted,
                        owner => Why::Extra(owner),
                    };
                    self.add(None, now, why);
                }
                Some(wanted) if wanted == now => {}
                Some(Value::Object(wanted)) if now.as_object().is_some() => {
                    if let Value::Object(now) = now {
                        self.maps(Some(wanted), now, below);
                    }
                }
                Some(Value::Array(wanted)) if now.as_array().is_some() => {
                    if let Value::Array(now) = now {
                        self.lists(
                            wanted,
                            now,
                            below,
                            field.and_then(|field| Some(field.merge_key()?.as_str())),
                        );
                    }
                }
                Some(wanted) => {
                    if let (Value::String(a), Value::String(b)) = (wanted, now)
                        && (quantity::same(a, b) || time::same_duration(a, b))
                    {
                        self.add(Some(wanted), now, Why::SameValue);
                    }
                }
            }
            self.path.pop();
        }
    }

    fn lists(
        &mut self,
        desired: &[Value],
        live: &[Value],
        ty: Option<TypeRef<'static>>,
        key: Option<&str>,
    ) {
        let element = ty.and_then(TypeRef::list).map(|list| list.element());
        for (i, now) in live.iter().enumerate() {
            let (step, wanted) = match key.and_then(|key| Some((key, now.get(key)?))) {
                Some((key, id)) => (
                    Step::Key(vec![(key.into(), id.clone())]),
                    desired.iter().find(|wanted| wanted.get(key) == Some(id)),
                ),
                None => (Step::Index(i), desired.get(i)),
            };
            self.path.push(step);
            match (wanted, now) {
                (Some(Value::Object(wanted)), Value::Object(now)) => {
                    self.maps(Some(wanted), now, element);
                }
                (None, now) if key.is_some() => {
                    let owner = self
                        .comparison
                        .given
                        .as_ref()
                        .and_then(|live| owner_of(live, &self.path));
                    self.add(None, now, Why::Extra(owner));
                }
                _ => {}
            }
            self.path.pop();
        }
    }
}

impl Difference {
    /// Says in a sentence what differs and why.
    #[must_use]
    pub fn explain(&self) -> String {
        let path = &self.path;
        let short =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), brief);
        let (desired, live) = (short(&self.desired), short(&self.live));
        match &self.why {
            Why::ChangedInDesired => match (&self.desired, &self.live) {
                (Some(_), None) => format!("{path} is new in the desired object: {desired}"),
                (None, _) => {
                    format!("{path} is {live} in live, and applying the desired object removes it")
                }
                _ => format!(
                    "{path} was changed in the desired object: live has {live}, desired is {desired}"
                ),
            },
            Why::ChangedInLive(Some(owner)) => {
                format!("{path} was changed to {live} in live by {owner}; desired is {desired}")
            }
            Why::ChangedInLive(None) => format!(
                "{path} was changed to {live} in live since it was applied; desired is {desired}"
            ),
            Why::MissingInLive => format!("{path} was applied as {desired} and is gone from live"),
            Why::RemovedFromDesired => {
                format!("{path} was applied before and is no longer desired; live still has {live}")
            }
            Why::OrderOnly => format!("{path} has the same elements in another order"),
            Why::Defaulted => match (&self.desired, &self.live) {
                (None, _) => format!(
                    "{path} is {live} in live: the API server's default, desired does not name it"
                ),
                _ => format!("{path} is {live} in live and falls back to the default, {desired}"),
            },
            Why::Extra(Some(owner)) => format!("{path} is only in live, set by {owner}"),
            Why::Extra(None) => format!("{path} is only in live"),
            Why::SameValue => {
                format!("{path} is {live} in live, which is {desired} written in another way")
            }
        }
    }

    /// Proposes the rule that would leave this difference of `object` out.
    ///
    /// Elements of lists are named by their keys, in a jq path expression, so that the rule still holds when the list grows; a
    /// plain path becomes a JSON pointer.
    #[must_use]
    pub fn ignore_rule(&self, object: &gitops_manifest::Object) -> IgnoreRule {
        let rule = IgnoreRule::of_object(object);
        let mut tokens = Vec::with_capacity(self.path.steps().len());
        for step in self.path.steps() {
            match step {
                Step::Field(field) => tokens.push(field.clone()),
                _ => return rule.jq(self.path.to_jq()),
            }
        }
        rule.pointer(crate::Pointer::from_tokens(tokens).to_string())
    }
}

/// A value, short enough for a sentence.
fn brief(value: &Value) -> String {
    let text = value.to_json();
    if text.chars().count() <= 60 {
        return text;
    }
    match value {
        Value::Object(map) => format!("a map of {}", map.len()),
        Value::Array(list) => format!("a list of {}", list.len()),
        _ => text.chars().take(57).chain("…".chars()).collect(),
    }
}
