//! Executes templates, as `text/template` does.

mod call;
mod context;
mod eval;
mod field;
mod walk;

pub use context::Context;

use crate::error::{Error, Frame, Result};
use crate::output::Output;
use crate::render::Render;
use crate::syntax::{NodeId, Tree};
use crate::template::{Template, Templates};
use crate::text::Str;
use crate::value::{Map, Type, Value};

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    /// Whether it was found in an `interface {}`, which is what messages call its type then.
    pub(crate) boxed: bool,
}

impl Slot {
    pub(crate) const MISSING: Self = Self {
        value: Value::Missing,
        boxed: false,
    };

    pub(crate) const fn plain(value: Value) -> Self {
        Self {
            value,
            boxed: false,
        }
    }

    /// A value out of a container whose elements are of type `element`.
    pub(crate) fn element(value: Value, element: Type) -> Self {
        Self {
            value,
            boxed: matches!(element, Type::Any),
        }
    }

    fn type_name(&self) -> &'static str {
        if self.boxed {
            "interface {}"
        } else {
            self.value.type_name()
        }
    }
}

/// A variable on the stack.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// The place of the name in the tree of the template that declared it.
    pub(crate) name: u32,
    pub(crate) slot: Slot,
}

/// What happens after a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The execution of one template.
struct Exec<'a> {
    render: &'a mut Render,
    templates: &'a Templates,
    tree: &'a Tree,
    name: &'a Str,
    /// The node that messages point at.
    at: NodeId,
    /// Where the variables of this template start on the stack.
    base: usize,
}

/// Executes a template as one call deeper than what is being executed.
pub(crate) fn execute(
    render: &mut Render,
    templates: &Templates,
    template: &Template,
    name: &Str,
    data: Value,
    output: &mut Output,
) -> Result<()> {
    if render.depth >= render.limits.depth {
        return Err(Error::limit(
            "the depth of templates",
            render.limits.depth as u64,
        ));
    }
    render.depth += 1;
    let base = render.variables.len();
    let slot = Slot::plain(data);
    render.variables.push(Variable {
        name: 0,
        slot: slot.clone(),
    });
    let mut exec = Exec {
        render,
        templates,
        tree: &template.tree,
        name,
        at: template.root,
        base,
    };
    let result = crate::stack::grow(|| exec.walk(&slot, template.root, output));
    render.variables.truncate(base);
    render.depth -= 1;
    result.map(|_| ())
}

impl Exec<'_> {
    /// Makes an error at the current node.
    fn error(&self, message: impl Into<String>) -> Error {
        self.locate(Error::new(message), None)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.error(message))
    }

    /// Adds the current node to the way to an error.
    fn locate(&self, mut error: Error, called: Option<Str>) -> Error {
        let (line, column) = self.tree.location(self.at);
        error.push(Frame::Action {
            template: self.name.clone(),
            source: self.tree.source.clone(),
            line,
            column,
            action: self.tree.print(self.at),
            called,
        });
        error
    }
}

/// Returns the zero of a type.
pub(crate) fn zero(ty: Type) -> Value {
    match ty {
        Type::Any | Type::Func | Type::Object(_) => Value::Nil,
        Type::Reflect => Value::Missing,
        Type::Bool => Value::Bool(false),
        Type::Int => Value::Int(0),
        Type::Int64 => Value::Int64(0),
        Type::Uint8 => Value::Uint8(0),
        Type::Uint32 | Type::Uint64 => Value::Uint64(0),
        Type::Float64 => Value::Float(0.0),
        Type::Complex128 => Value::Complex(0.0, 0.0),
        Type::String => Value::Str(Str::default()),
        Type::List(ty) => Value::List(crate::value::List::nil(ty)),
        Type::Map(ty) => Value::Map(Map::nil(ty)),
    }
}
