//! Calls of functions and methods.

use std::sync::Arc;

use super::{Context, Exec, Slot};
use crate::error::{Error, Result};
use crate::function::{Function, Signature, Special};
use crate::syntax::NodeId;
use crate::text::Str;
use crate::value::{Kind, Type, Value};

impl Exec<'_> {
    /// Calls a function. `node` is its name, and `command` what messages about its failure show.
    pub(super) fn function(
        &mut self,
        dot: &Slot,
        node: NodeId,
        function: u32,
        command: NodeId,
        arguments: &[NodeId],
        last: Option<Value>,
    ) -> Result<Slot> {
        self.at = node;
        self.render.step()?;
        let function: &Arc<Function> = &self.tree.functions[function as usize];
        let signature = function.signature();
        let nodes = arguments.get(1..).unwrap_or_default();
        let total = nodes.len() + usize::from(last.is_some());
        if signature.is_variadic() && total + 1 >= signature.parameters().len()
            || !signature.is_variadic() && total == signature.parameters().len()
        {
        } else {
            self.check_count(function.name(), signature, nodes.len(), total)?;
        }
        match function.special {
            Special::And => return self.logic(dot, nodes, last, false),
            Special::Or => return self.logic(dot, nodes, last, true),
            Special::None | Special::Call => {}
        }
        let mut values = self.arguments(dot, signature, nodes, last)?;
        let mut context = Context {
            render: self.render,
            templates: self.templates,
            template: self.name,
        };
        let result = if function.special == Special::Call {
            let name = match nodes.first() {
                Some(node) => self.tree.print(*node),
                None => values
                    .first()
                    .map_or_else(String::new, crate::format::display),
            };
            call(&mut context, &name, &mut values)
        } else {
            function.call(&mut context, &mut values)
        };
        match result {
            Ok(value) => {
                let boxed = matches!(signature.result(), Type::Any | Type::Reflect);
                Ok(Slot { value, boxed })
            }
            Err(error) => {
                self.at = command;
                Err(self.locate(error, Some(Str::new(function.name()))))
            }
        }
    }

    /// Calls a method of a value.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn method(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        name: &str,
        signature: &Signature,
        node: NodeId,
        arguments: &[NodeId],
        last: Option<Value>,
    ) -> Result<Slot> {
        self.render.step()?;
        let nodes = arguments.get(1..).unwrap_or_default();
        let total = nodes.len() + usize::from(last.is_some());
        self.check_count(name, signature, nodes.len(), total)?;
        let mut values = self.arguments(dot, signature, nodes, last)?;
        let mut context = Context {
            render: self.render,
            templates: self.templates,
            template: self.name,
        };
        let value = &receiver.value;
        let result = match value {
            Value::Object(object) => object.call(name, &mut context, &mut values),
            Value::Map(map) => match map.ty().methods() {
                Some(methods) => methods.call(name, value, &mut context, &mut values),
                None => Ok(Value::Missing),
            },
            Value::List(list) => match list.ty().methods() {
                Some(methods) => methods.call(name, value, &mut context, &mut values),
                None => Ok(Value::Missing),
            },
            _ => Ok(Value::Missing),
        };
        match result {
            Ok(value) => {
                let boxed = matches!(signature.result(), Type::Any | Type::Reflect);
                Ok(Slot { value, boxed })
            }
            Err(error) => {
                self.at = node;
                Err(self.locate(error, Some(Str::new(name))))
            }
        }
    }

    /// `and` and `or`, which evaluate no more arguments than they need.
    fn logic(
        &mut self,
        dot: &Slot,
        nodes: &[NodeId],
        last: Option<Value>,
        stop_at: bool,
    ) -> Result<Slot> {
        let mut value = Value::Missing;
        for node in nodes {
            value = self.argument(dot, Type::Reflect, *node)?;
            if value.truth() == stop_at {
                return Ok(Slot { value, boxed: true });
            }
        }
        if let Some(last) = last {
            value = last;
        }
        Ok(Slot { value, boxed: true })
    }
}

/// The built-in `call`: calls the function that is its first argument. `name` is how the template
/// spells that argument.
fn call(context: &mut Context<'_>, name: &str, arguments: &mut [Value]) -> Result<Value> {
    let Some((callee, arguments)) = arguments.split_first_mut() else {
        return Err(Error::new("call of nil"));
    };
    let function = match callee {
        Value::Missing | Value::Nil => return Err(Error::new("call of nil")),
        Value::Func(function) => Arc::clone(function),
        other => {
            let ty = other.type_name();
            return Err(Error::new(format!("non-function {name} of type {ty}")));
        }
    };
    call_function(context, name, &function, arguments)
}

/// Calls a function value, converting its arguments as the built-in `call` does.
pub(crate) fn call_function(
    context: &mut Context<'_>,
    name: &str,
    function: &Function,
    arguments: &mut [Value],
) -> Result<Value> {
    let signature = function.signature();
    let wanted = signature.parameters().len();
    let got = arguments.len();
    if signature.is_variadic() {
        if got < wanted - 1 {
            let least = wanted - 1;
            return Err(Error::new(format!(
                "wrong number of args for {name}: got {got} want at least {least}"
            )));
        }
    } else if got != wanted {
        return Err(Error::new(format!(
            "wrong number of args for {name}: got {got} want {wanted}"
        )));
    }
    for (at, argument) in arguments.iter_mut().enumerate() {
        let value = std::mem::take(argument);
        *argument = prepare(value, signature.parameter(at))
            .map_err(|error| error.context(format!("arg {at}")))?;
    }
    function.call(context, arguments)
}

/// Converts a value to a type: integers to integers, otherwise what is assignable.
fn prepare(value: Value, ty: Type) -> Result<Value> {
    let fits = match (&value, ty) {
        (Value::Missing | Value::Nil, Type::Any | Type::List(_) | Type::Map(_) | Type::Func) => {
            return Ok(super::zero(ty));
        }
        (Value::Missing, Type::Reflect) => return Ok(Value::Missing),
        (Value::Missing | Value::Nil, _) => {
            return Err(Error::new(format!("value is nil; should be of type {ty}")));
        }
        (_, Type::Any | Type::Reflect) => true,
        (Value::Map(map), Type::Map(ty)) if map.ty().assignable_to(ty) => {
            return Ok(Value::Map(map.with_type(ty)));
        }
        (Value::List(list), Type::List(ty)) if list.ty().assignable_to(ty) => {
            return Ok(Value::List(list.with_type(ty)));
        }
        (Value::Int(_) | Value::Int64(_) | Value::Uint8(_) | Value::Uint64(_), _) => {
            let number = match value {
                Value::Int(number) | Value::Int64(number) => number,
                Value::Uint8(number) => i64::from(number),
                Value::Uint64(number) => number as i64,
                _ => 0,
            };
            match ty {
                Type::Int => return Ok(Value::Int(number)),
                Type::Int64 => return Ok(Value::Int64(number)),
                Type::Uint8 => return Ok(Value::Uint8(number as u8)),
                Type::Uint32 => return Ok(Value::Uint64(u64::from(number as u32))),
                Type::Uint64 => return Ok(Value::Uint64(number as u64)),
                _ => false,
            }
        }
        _ => value.kind() != Kind::Invalid && value.type_name() == ty.name(),
    };
    if fits {
        return Ok(value);
    }
    Err(Error::new(format!(
        "value has type {}; should be {ty}",
        value.type_name()
    )))
}
