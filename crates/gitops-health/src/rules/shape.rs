//! The shapes that rules are told in: conditions gone over in order, fields looked up in tables, tests.

use gitops_manifest::{Object, Str, Value};

use crate::view::{self, Condition};
use crate::{HealthStatus, Verdict};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};

/// Where a field lies within the object.
pub(crate) type Path = &'static [&'static str];

/// What a rule says beside the status.
#[derive(Clone, Copy)]
pub(crate) enum Say {
    /// These words.
    Text(&'static str),
    /// The condition's message.
    Message,
    /// The condition's message, or these words where it has none.
    MessageOr(&'static str),
    /// The condition's message, or its reason where it has none.
    MessageOrReason,
    /// The condition's reason.
    Reason,
    /// The condition's reason and message as `reason: message`; the reason alone where the message is empty.
    ReasonAndMessage,
    /// What a field of the object holds.
    Field(Path),
    /// What a field of the object holds, or these words where it is absent.
    FieldOr(Path, &'static str),
    /// These words, then what a field of the object holds.
    Before(&'static str, Path),
    /// The object's kind, then these words.
    Kind(&'static str),
}

impl Say {
    pub(crate) const NOTHING: Self = Self::Text("");

    fn text(self, object: &Object, condition: Option<Condition<'_>>) -> Str {
        let message = condition.and_then(Condition::message);
        let reason = condition.and_then(Condition::reason);
        match self {
            Self::Text(text) => Str::from_static(text),
            Self::Message => message.cloned().unwrap_or_default(),
            Self::MessageOr(text) => message.cloned().unwrap_or_else(|| Str::from_static(text)),
            Self::MessageOrReason => message.or(reason).cloned().unwrap_or_default(),
            Self::Reason => reason.cloned().unwrap_or_default(),
            Self::ReasonAndMessage => match (reason, message) {
                (Some(reason), Some(message)) if !message.is_empty() => {
                    format!("{reason}: {message}").into()
                }
                (reason, _) => reason.cloned().unwrap_or_default(),
            },
            Self::Field(path) => view::at(object, path).map(words).unwrap_or_default(),
            Self::FieldOr(path, text) => {
                view::at(object, path).map_or_else(|| Str::from_static(text), words)
            }
            Self::Before(text, path) => format!(
                "{text}{}",
                view::at(object, path).map(words).unwrap_or_default()
            )
            .into(),
            Self::Kind(text) => format!("{}{text}", object.kind()).into(),
        }
    }

    /// Makes the verdict of a status.
    pub(crate) fn verdict(
        self,
        status: HealthStatus,
        object: &Object,
        condition: Option<Condition<'_>>,
    ) -> Verdict {
        let verdict = Verdict::new(status, self.text(object, condition));
        match condition {
            Some(condition) => verdict
                .because(condition.reason_text())
                .since(condition.since()),
            None => verdict,
        }
    }
}

/// Writes a value into a message: text as it is, other values as JSON.
pub(crate) fn words(value: &Value) -> Str {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_json().into(),
    }
}

/// Which texts a field may hold.
#[derive(Clone, Copy)]
pub(crate) enum Is {
    Any,
    OneOf(&'static [&'static str]),
    Not(&'static str),
}

impl Is {
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.contains(&text),
            Self::Not(other) => text != other,
        }
    }
}

/// What is answered to a condition.
#[derive(Clone, Copy)]
pub(crate) struct Arm {
    kind: Is,
    status: Is,
    reason: Is,
    health: HealthStatus,
    say: Say,
}

/// Fits conditions of any of these types, whatever their status.
pub(crate) const fn on(kinds: &'static [&'static str]) -> Arm {
    Arm {
        kind: Is::OneOf(kinds),
        status: Is::Any,
        reason: Is::Any,
        health: HealthStatus::Unset,
        say: Say::Message,
    }
}

/// Fits conditions of any type.
pub(crate) const fn on_any() -> Arm {
    Arm {
        kind: Is::Any,
        ..on(&[])
    }
}

/// Fits conditions of any of these types that are true.
pub(crate) const fn when(kinds: &'static [&'static str]) -> Arm {
    Arm {
        status: Is::OneOf(&["True"]),
        ..on(kinds)
    }
}

/// Fits conditions of any of these types that are false.
pub(crate) const fn unless(kinds: &'static [&'static str]) -> Arm {
    Arm {
        status: Is::OneOf(&["False"]),
        ..on(kinds)
    }
}

impl Arm {
    /// Fits only a condition of one of these reasons.
    pub(crate) const fn for_reason(mut self, reasons: &'static [&'static str]) -> Self {
        self.reason = Is::OneOf(reasons);
        self
    }
    /// Fits only a condition of another reason.
    pub(crate) const fn not_for_reason(mut self, reason: &'static str) -> Self {
        self.reason = Is::Not(reason);
        self
    }
    /// Fits only a condition of one of these statuses.
    pub(crate) const fn status(mut self, statuses: &'static [&'static str]) -> Self {
        self.status = Is::OneOf(statuses);
        self
    }
    /// Fits only a condition of another status.
    pub(crate) const fn not_status(mut self, status: &'static str) -> Self {
        self.status = Is::Not(status);
        self
    }
    /// Sets what to say instead of the condition's message.
    pub(crate) const fn say(mut self, say: Say) -> Self {
        self.say = say;
        self
    }
    /// Sets the words to say instead of the condition's message.
    pub(crate) const fn text(self, text: &'static str) -> Self {
        self.say(Say::Text(text))
    }
    /// Sets the words to say where the condition has no message.
    pub(crate) const fn or(self, text: &'static str) -> Self {
        self.say(Say::MessageOr(text))
    }
    const fn answers(mut self, health: HealthStatus) -> Self {
        self.health = health;
        self
    }
    pub(crate) const fn healthy(self) -> Self {
        self.answers(Healthy)
    }
    pub(crate) const fn progressing(self) -> Self {
        self.answers(Progressing)
    }
    pub(crate) const fn degraded(self) -> Self {
        self.answers(Degraded)
    }
    pub(crate) const fn suspended(self) -> Self {
        self.answers(Suspended)
    }

    fn fits(&self, condition: Condition<'_>) -> bool {
        self.kind.fits(condition.kind())
            && self.status.fits(condition.status())
            && self.reason.fits(condition.reason_text())
    }
}

/// Answers to the conditions of a list, asked one by one; `None` where no arm fits any.
pub(crate) fn first_fit<'a>(
    arms: &[Arm],
    object: &Object,
    conditions: impl Iterator<Item = Condition<'a>>,
) -> Option<Verdict> {
    for condition in conditions {
        if let Some(arm) = arms.iter().find(|arm| arm.fits(condition)) {
            return Some(arm.say.verdict(arm.health, object, Some(condition)));
        }
    }
    None
}

/// What is answered to the text of a field.
pub(crate) struct Case {
    texts: Is,
    health: HealthStatus,
    say: Say,
}

/// Answers to a field that holds one of these texts.
pub(crate) const fn case(texts: &'static [&'static str], health: HealthStatus, say: Say) -> Case {
    Case {
        texts: Is::OneOf(texts),
        health,
        say,
    }
}

/// Answers to a field that holds anything else.
pub(crate) const fn other(health: HealthStatus, say: Say) -> Case {
    Case {
        texts: Is::Any,
        health,
        say,
    }
}

/// A question whose answer is yes or no.
#[derive(Clone, Copy)]
pub(crate) enum Test {
    /// The field is there and neither `false` nor `null`.
    Holds(Path),
    /// The field is `true`.
    IsTrue(Path),
    /// The field is `false`.
    IsFalse(Path),
    /// The field holds this text.
    Equals(Path, &'static str),
    /// The field is absent or `null`.
    Absent(Path),
    /// The field is a list without elements, a map without entries, or absent.
    Empty(Path),
    /// Both the generation and the field that tells the one observed are there, and they differ.
    Stale(Path),
    /// The field that tells the observed generation is there, and not the generation.
    Outdated(Path),
    /// The field that tells the observed generation is not the generation, or one of them is absent.
    NotObserved(Path),
}

/// Where most controllers tell the generation that they have seen.
pub(crate) const OBSERVED: Path = &["status", "observedGeneration"];

impl Test {
    pub(crate) fn holds(self, object: &Object) -> bool {
        match self {
            Self::Holds(path) => view::is_truthy(object.at(path)),
            Self::IsTrue(path) => object.at(path) == Some(&Value::Bool(true)),
            Self::IsFalse(path) => object.at(path) == Some(&Value::Bool(false)),
            Self::Equals(path, text) => object.at(path).and_then(Value::as_str) == Some(text),
            Self::Absent(path) => view::at(object, path).is_none(),
            Self::Empty(path) => match object.at(path) {
                None | Some(Value::Null) => true,
                Some(Value::Array(array)) => array.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                Some(_) => false,
            },
            Self::Stale(path) => {
                match (
                    view::at(object, &["metadata", "generation"]),
                    view::at(object, path),
                ) {
                    (Some(generation), Some(observed)) => generation != observed,
                    _ => false,
                }
            }
            Self::Outdated(path) => view::at(object, path).is_some_and(|observed| {
                view::at(object, &["metadata", "generation"]) != Some(observed)
            }),
            Self::NotObserved(path) => {
                view::at(object, &["metadata", "generation"]) != view::at(object, path)
            }
        }
    }
}

/// One step of a rule: it answers, or leaves it to the next.
pub(crate) enum Step {
    /// Answers where the test holds.
    If(Test, HealthStatus, Say),
    /// Answers to the first condition under `status` that an arm fits.
    Conditions(&'static [Arm]),
    /// Answers to the first condition of a list elsewhere that an arm fits.
    ConditionsAt(Path, &'static [Arm]),
    /// Answers to what a field holds, where it is there.
    Lookup(Path, &'static [Case]),
    /// Asks code.
    Ask(fn(&Object) -> Option<Verdict>),
    /// Asks code that several kinds share, with the words that tell them apart.
    AskOf(fn(&Object, &'static str) -> Option<Verdict>, &'static str),
}

/// Takes the steps in order, until one answers.
pub(crate) fn walk(steps: &[Step], object: &Object) -> Option<Verdict> {
    steps.iter().find_map(|step| match step {
        Step::If(test, health, say) => test
            .holds(object)
            .then(|| say.verdict(*health, object, None)),
        Step::Conditions(arms) => first_fit(arms, object, view::conditions(object)),
        Step::ConditionsAt(path, arms) => {
            first_fit(arms, object, view::conditions_of(object.at(path)))
        }
        Step::Lookup(path, cases) => {
            let value = view::at(object, path)?;
            let case = cases.iter().find(|case| match case.texts {
                Is::Any => true,
                texts => value.as_str().is_some_and(|text| texts.fits(text)),
            })?;
            Some(case.say.verdict(case.health, object, None))
        }
        Step::Ask(judge) => judge(object),
        Step::AskOf(judge, words) => judge(object, words),
    })
}

/// `Ready` false is degraded, true is healthy, with the condition's message.
pub(crate) const READY: &[Arm] = &[unless(&["Ready"]).degraded(), when(&["Ready"]).healthy()];
