//! Functions that templates can call, and their Go signatures.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::exec::Context;
use crate::regexp::KeptRegexps;
use crate::value::{Type, Value};

/// The parameters and the result of a function, as Go declares them.
///
/// Arguments are checked against it before the function runs, with Go's messages, so that the
/// function may rely on their types.
#[derive(Clone, Debug)]
pub struct Signature {
    parameters: Cow<'static, [Type]>,
    variadic: bool,
    result: Type,
}

impl Signature {
    /// Makes a signature of fixed parameters.
    #[must_use]
    pub fn new(parameters: impl Into<Cow<'static, [Type]>>, result: Type) -> Self {
        Self {
            parameters: parameters.into(),
            variadic: false,
            result,
        }
    }

    /// Makes a signature whose last parameter may be given any number of times.
    ///
    /// # Panics
    /// If there is no parameter.
    #[must_use]
    pub fn variadic(parameters: impl Into<Cow<'static, [Type]>>, result: Type) -> Self {
        let parameters = parameters.into();
        assert!(
            !parameters.is_empty(),
            "a variadic function has a last parameter"
        );
        Self {
            parameters,
            variadic: true,
            result,
        }
    }

    /// Returns the declared parameters.
    #[must_use]
    pub fn parameters(&self) -> &[Type] {
        &self.parameters
    }

    /// Tells whether the last parameter may be given any number of times.
    #[must_use]
    pub const fn is_variadic(&self) -> bool {
        self.variadic
    }

    /// Returns the type of the result.
    #[must_use]
    pub const fn result(&self) -> Type {
        self.result
    }

    /// Returns the type that argument `index` must have.
    pub(crate) fn parameter(&self, index: usize) -> Type {
        self.parameters
            .get(index)
            .or_else(|| self.parameters.last())
            .copied()
            .unwrap_or(Type::Any)
    }
}

/// The code of a function.
type Body = dyn Fn(&mut Context<'_>, &mut [Value]) -> Result<Value> + Send + Sync;

/// A function that templates can call.
pub struct Function {
    name: Cow<'static, str>,
    signature: Signature,
    pub(crate) special: Special,
    body: Box<Body>,
}

/// The built-in functions that the executor treats by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    None,
    And,
    Or,
    Call,
}

impl Function {
    /// Makes a function from a closure.
    ///
    /// The closure sees the render through its [`Context`], and gets arguments that fit the
    /// signature; it may take them out of the slice instead of cloning them.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        signature: Signature,
        body: impl Fn(&mut Context<'_>, &mut [Value]) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            signature,
            special: Special::None,
            body: Box::new(body),
        }
    }

    pub(crate) fn special(name: &'static str, signature: Signature, special: Special) -> Self {
        let body = |_: &mut Context<'_>, _: &mut [Value]| Ok(Value::Missing);
        Self {
            name: Cow::Borrowed(name),
            signature,
            special,
            body: Box::new(body),
        }
    }

    /// Returns the name that templates call it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Calls the function with arguments that fit its signature.
    pub(crate) fn call(&self, context: &mut Context<'_>, arguments: &mut [Value]) -> Result<Value> {
        (self.body)(context, arguments)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// The functions that a set of templates knows, by name.
///
/// A clone shares the functions, and the regular expressions that were compiled for them: a few small ones are kept
/// from one render to the next.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    by_name: FxHashMap<Cow<'static, str>, Arc<Function>>,
    /// The regular expressions that the functions were called with.
    regexps: Arc<KeptRegexps>,
}

impl Functions {
    /// Makes an empty table, without even the built-in functions.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes the table of the functions that Go's `text/template` predefines.
    #[must_use]
    pub fn builtin() -> Self {
        let mut functions = Self::default();
        crate::builtin::register(&mut functions);
        functions
    }

    /// Makes the table of the built-in functions and those of sprig 3.3.
    ///
    /// `env`, `expandenv` and `getHostByName` are not among them, because they read the
    /// environment of the process and the network; a host may insert its own.
    #[must_use]
    pub fn sprig() -> Self {
        let mut functions = Self::builtin();
        crate::sprig::register(&mut functions);
        functions
    }

    /// Adds a function, in place of one of the same name.
    pub fn insert(&mut self, function: Function) {
        self.by_name
            .insert(function.name.clone(), Arc::new(function));
    }

    /// Takes a function away and tells whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.by_name.remove(name).is_some()
    }

    /// Returns the function of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.by_name.get(name)
    }

    pub(crate) fn regexps(&self) -> &KeptRegexps {
        &self.regexps
    }

    /// Returns the names of all functions, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names
    }
}
