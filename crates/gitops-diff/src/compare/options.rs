use std::sync::Arc;

use gitops_manifest::{Object, Str};

use crate::ignore::IgnoreRules;
use crate::normalize::{KnownTypes, NormalizeOptions};
use crate::schema::Schemas;

/// How what applying desired would do is worked out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// A three-way merge with the last-applied annotation, as client-side apply does; two-way where there is none.
    #[default]
    ClientSide,
    /// A server-side apply by [`CompareOptions::manager`], worked out here from `metadata.managedFields` and the schema. An object that
    /// does not fit its schema is compared as on the client side.
    Structured,
    /// The answer of a server-side apply in dry-run mode.
    DryRun {
        /// The answer.
        answer: Box<Object>,
        /// Count what admission webhooks changed as a difference too. Otherwise only fields that the manager owns count.
        keep_webhook_mutations: bool,
    },
}

/// How objects are compared. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompareOptions {
    /// How what applying desired would do is worked out.
    pub strategy: Strategy,
    /// Who applies: the field manager.
    pub manager: Str,
    /// What is left out.
    pub ignore: Arc<IgnoreRules>,
    /// The types of objects.
    pub schemas: Arc<Schemas>,
    /// How objects are normalised.
    pub normalize: NormalizeOptions,
    /// The fields of custom resources that are of built-in types.
    pub known_types: Arc<[KnownTypes]>,
    /// Do as Argo CD does where it is known to be wrong; see `docs/differences-diff.md`.
    pub compat: bool,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            manager: Str::from_static("argocd-controller"),
            ignore: Arc::new(IgnoreRules::server_fields()),
            schemas: Arc::default(),
            normalize: NormalizeOptions::default(),
            known_types: KnownTypes::builtin().into(),
            compat: false,
        }
    }
}

impl CompareOptions {
    /// Sets how what applying desired would do is worked out.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets what is left out.
    #[must_use]
    pub fn ignore(mut self, rules: impl Into<Arc<IgnoreRules>>) -> Self {
        self.ignore = rules.into();
        self
    }

    /// Sets who applies.
    #[must_use]
    pub fn manager(mut self, manager: impl Into<Str>) -> Self {
        self.manager = manager.into();
        self
    }

    /// Sets the types of objects.
    #[must_use]
    pub fn schemas(mut self, schemas: impl Into<Arc<Schemas>>) -> Self {
        self.schemas = schemas.into();
        self
    }

    /// Sets how objects are normalised.
    #[must_use]
    pub fn normalize(mut self, options: NormalizeOptions) -> Self {
        self.normalize = options;
        self
    }

    /// Sets the fields of custom resources that are of built-in types.
    #[must_use]
    pub fn known_types(mut self, known: impl Into<Arc<[KnownTypes]>>) -> Self {
        self.known_types = known.into();
        self
    }

    /// Sets whether Argo CD's weaknesses are kept.
    #[must_use]
    pub fn compat(mut self, compat: bool) -> Self {
        self.compat = compat;
        self.normalize.compat = compat;
        self
    }

    /// The built-in type of an object: client-side comparison knows only these.
    pub(crate) fn builtin(object: &Object) -> Option<crate::schema::TypeRef<'static>> {
        Schemas::builtin().lookup(object.group(), object.version(), object.kind())
    }
}
