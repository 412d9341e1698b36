//! When actions are offered, and when they are disabled.

use gitops_manifest::{Object, Str, Value};

use super::effect::Effect;
use super::{Action, Param};
use crate::view;

/// An action of a kind.
pub(super) struct ActionRule {
    pub(super) name: &'static str,
    pub(super) display: &'static str,
    pub(super) icon: &'static str,
    /// The parameters, with their defaults.
    pub(super) params: &'static [(&'static str, &'static str)],
    pub(super) offered: When,
    pub(super) disabled: When,
    pub(super) effect: Effect,
}

/// A question about an object's state.
#[derive(Clone, Copy)]
pub(super) enum When {
    Always,
    Never,
    /// The field is there and neither `false` nor `null`.
    Holds(&'static [&'static str]),
    /// It does not hold.
    Lacks(&'static [&'static str]),
    /// The field holds this text.
    Is(&'static [&'static str], &'static str),
    /// The field does not hold this text.
    IsNot(&'static [&'static str], &'static str),
    /// Code tells.
    Code(fn(&Object) -> bool),
}

impl When {
    fn holds(self, object: &Object) -> bool {
        let text =
            |path: &[&str], text: &str| object.at(path).and_then(Value::as_str) == Some(text);
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Holds(path) => view::is_truthy(object.at(path)),
            Self::Lacks(path) => !view::is_truthy(object.at(path)),
            Self::Is(path, wanted) => text(path, wanted),
            Self::IsNot(path, wanted) => !text(path, wanted),
            Self::Code(tell) => tell(object),
        }
    }
}

/// Starts an action that is always offered and never disabled.
pub(super) const fn action(name: &'static str, effect: Effect) -> ActionRule {
    ActionRule {
        name,
        display: "",
        icon: "",
        params: &[],
        offered: When::Always,
        disabled: When::Never,
        effect,
    }
}

impl ActionRule {
    pub(super) const fn named(mut self, display: &'static str) -> Self {
        self.display = display;
        self
    }
    pub(super) const fn icon(mut self, icon: &'static str) -> Self {
        self.icon = icon;
        self
    }
    pub(super) const fn params(mut self, params: &'static [(&'static str, &'static str)]) -> Self {
        self.params = params;
        self
    }
    pub(super) const fn offered(mut self, when: When) -> Self {
        self.offered = when;
        self
    }
    pub(super) const fn disabled(mut self, when: When) -> Self {
        self.disabled = when;
        self
    }

    /// Offers the action for an object, where it is.
    pub(super) fn offer(&self, object: &Object) -> Option<Action> {
        self.offered.holds(object).then(|| Action {
            name: Str::from_static(self.name),
            disabled: self.disabled.holds(object),
            display_name: self.display_name(object),
            icon_class: Str::from_static(self.icon),
            params: self
                .params
                .iter()
                .map(|(name, default)| Param::new(*name, self.default(object, default)))
                .collect(),
        })
    }

    fn display_name(&self, object: &Object) -> Str {
        if self.name == "toggle-auto-sync" {
            let syncs = super::table::syncs_itself(object);
            return Str::from_static(if syncs {
                "Disable Auto-Sync"
            } else {
                "Enable Auto-Sync"
            });
        }
        Str::from_static(self.display)
    }

    /// Returns a default, or what the annotation holds that it names after an `@`.
    fn default(&self, object: &Object, default: &'static str) -> Str {
        match default
            .strip_prefix('@')
            .and_then(|rest| rest.split_once('='))
        {
            Some((annotation, otherwise)) => {
                object.annotation(annotation).unwrap_or(otherwise).into()
            }
            None => Str::from_static(default),
        }
    }
}
