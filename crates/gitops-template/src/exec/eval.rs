//! Expressions: pipelines, commands and operands.

use smallvec::SmallVec;

use super::{Exec, Slot, Variable, zero};
use crate::error::Result;
use crate::syntax::{NodeId, NodeKind, Number, Span};
use crate::value::{Type, Value};

impl Exec<'_> {
    /// Evaluates a pipeline. What it gives is never in an `interface {}`: nil is a missing value.
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: NodeId) -> Result<Value> {
        self.at = pipe;
        let tree = self.tree;
        let NodeKind::Pipe {
            variables,
            commands,
            assigns,
        } = tree.node(pipe).kind
        else {
            return self.fail("not a pipeline");
        };
        let Some((first, others)) = tree.children(commands).split_first() else {
            return self.fail("not a pipeline");
        };
        let mut value = self.command(dot, *first, None)?.value;
        for command in others {
            if matches!(value, Value::Nil) {
                value = Value::Missing;
            }
            value = self.command(dot, *command, Some(value))?.value;
        }
        if matches!(value, Value::Nil) {
            value = Value::Missing;
        }
        for variable in tree.children(variables) {
            let slot = Slot::plain(value.clone());
            if assigns {
                self.set_variable(*variable, slot)?;
            } else if let NodeKind::Variable { name, .. } = tree.node(*variable).kind {
                self.render.variables.push(Variable { name, slot });
            }
        }
        Ok(value)
    }

    /// Evaluates a command; `last` is what the command before it in the pipeline gave.
    fn command(&mut self, dot: &Slot, id: NodeId, last: Option<Value>) -> Result<Slot> {
        let tree = self.tree;
        let NodeKind::Command(span) = tree.node(id).kind else {
            return self.fail("not a command");
        };
        let arguments = tree.children(span);
        let first = arguments[0];
        let kind = tree.node(first).kind;
        match kind {
            NodeKind::Field(fields) => {
                self.at = first;
                return self.field_chain(dot, dot, first, fields, arguments, last);
            }
            NodeKind::Chain { node, fields } => {
                return self.chain(dot, first, node, fields, arguments, last);
            }
            NodeKind::Function(function) => {
                return self.function(dot, first, function, id, arguments, last);
            }
            NodeKind::Pipe { .. } => {
                self.not_a_function(arguments, last.as_ref())?;
                return crate::stack::grow(|| self.pipeline(dot, first)).map(Slot::plain);
            }
            NodeKind::Variable { name, fields } => {
                return self.variable(dot, first, name, fields, arguments, last);
            }
            _ => {}
        }
        self.at = first;
        self.not_a_function(arguments, last.as_ref())?;
        match kind {
            NodeKind::Bool(value) => Ok(Slot::plain(Value::Bool(value))),
            NodeKind::Dot => Ok(dot.clone()),
            NodeKind::Nil => self.fail("nil is not a command"),
            NodeKind::Number { number, .. } => self.number(number).map(Slot::plain),
            NodeKind::String { string, .. } => Ok(Slot::plain(Value::Str(
                tree.strings[string as usize].clone(),
            ))),
            _ => {
                let node = crate::format::quote::quote(tree.print(first).as_bytes());
                self.fail(format!("can't evaluate command {node}"))
            }
        }
    }

    fn not_a_function(&self, arguments: &[NodeId], last: Option<&Value>) -> Result<()> {
        if arguments.len() > 1 || last.is_some() {
            let node = self.tree.print(arguments[0]);
            return self.fail(format!("can't give argument to non-function {node}"));
        }
        Ok(())
    }

    /// Returns the value of a number where any type will do.
    fn number(&self, number: u32) -> Result<Value> {
        let Number {
            int,
            float,
            complex,
            looks_float,
            ..
        } = self.tree.numbers[number as usize];
        match (complex, float, int) {
            (Some((re, im)), ..) => Ok(Value::Complex(re, im)),
            (None, Some(float), _) if looks_float => Ok(Value::Float(float)),
            (None, _, Some(int)) => Ok(Value::Int(int)),
            _ => {
                let text = self.tree.print(self.at);
                self.fail(format!("{text} overflows int"))
            }
        }
    }

    fn chain(
        &mut self,
        dot: &Slot,
        id: NodeId,
        node: NodeId,
        fields: Span,
        arguments: &[NodeId],
        last: Option<Value>,
    ) -> Result<Slot> {
        self.at = id;
        if matches!(self.tree.node(node).kind, NodeKind::Nil) {
            let chain = self.tree.print(id);
            return self.fail(format!("indirection through explicit nil in {chain}"));
        }
        let receiver = self.operand(dot, node)?;
        self.field_chain(dot, &receiver, id, fields, arguments, last)
    }

    fn variable(
        &mut self,
        dot: &Slot,
        id: NodeId,
        name: u32,
        fields: Span,
        arguments: &[NodeId],
        last: Option<Value>,
    ) -> Result<Slot> {
        self.at = id;
        let slot = self.find_variable(name)?;
        if fields.len == 0 {
            self.not_a_function(arguments, last.as_ref())?;
            return Ok(slot);
        }
        self.field_chain(dot, &slot, id, fields, arguments, last)
    }

    fn find_variable(&self, name: u32) -> Result<Slot> {
        let variables = &self.render.variables[self.base..];
        let found = if name == 0 && !self.tree.redeclares_root {
            variables.first()
        } else {
            variables.iter().rfind(|variable| variable.name == name)
        };
        match found {
            Some(variable) => Ok(variable.slot.clone()),
            None => self.undefined(name),
        }
    }

    fn undefined<T>(&self, name: u32) -> Result<T> {
        self.fail(format!(
            "undefined variable: {}",
            self.tree.variables[name as usize]
        ))
    }

    pub(super) fn set_variable(&mut self, id: NodeId, slot: Slot) -> Result<()> {
        let NodeKind::Variable { name, .. } = self.tree.node(id).kind else {
            return self.fail("not a variable");
        };
        let variables = &mut self.render.variables[self.base..];
        match variables.iter_mut().rfind(|variable| variable.name == name) {
            Some(variable) => {
                variable.slot = slot;
                Ok(())
            }
            None => self.undefined(name),
        }
    }

    /// Evaluates an operand without a wanted type.
    fn operand(&mut self, dot: &Slot, id: NodeId) -> Result<Slot> {
        self.at = id;
        let one = [id];
        match self.tree.node(id).kind {
            NodeKind::Dot => Ok(dot.clone()),
            NodeKind::Field(fields) => self.field_chain(dot, dot, id, fields, &one, None),
            NodeKind::Variable { name, fields } => self.variable(dot, id, name, fields, &[], None),
            NodeKind::Pipe { .. } => crate::stack::grow(|| self.pipeline(dot, id)).map(Slot::plain),
            NodeKind::Function(function) => self.function(dot, id, function, id, &[], None),
            NodeKind::Chain { node, fields } => {
                crate::stack::grow(|| self.chain(dot, id, node, fields, &[], None))
            }
            NodeKind::Nil => Ok(Slot {
                value: Value::Nil,
                boxed: true,
            }),
            NodeKind::Bool(value) => Ok(Slot::plain(Value::Bool(value))),
            NodeKind::Number { number, .. } => self.number(number).map(Slot::plain),
            NodeKind::String { string, .. } => Ok(Slot::plain(Value::Str(
                self.tree.strings[string as usize].clone(),
            ))),
            _ => {
                let node = self.tree.print(id);
                self.fail(format!(
                    "can't handle assignment of {node} to empty interface argument"
                ))
            }
        }
    }

    /// Evaluates an argument of a wanted type.
    pub(super) fn argument(&mut self, dot: &Slot, ty: Type, id: NodeId) -> Result<Value> {
        match self.tree.node(id).kind {
            NodeKind::Nil => {
                self.at = id;
                if matches!(
                    ty,
                    Type::Any | Type::Reflect | Type::List(_) | Type::Map(_) | Type::Func
                ) {
                    return Ok(zero(ty));
                }
                self.fail(format!("cannot assign nil to {ty}"))
            }
            NodeKind::Bool(_) | NodeKind::Number { .. } | NodeKind::String { .. } => {
                self.literal(dot, ty, id)
            }
            _ => {
                let slot = self.operand(dot, id)?;
                self.validate(slot.value, ty)
            }
        }
    }

    /// Evaluates a literal as the wanted type.
    fn literal(&mut self, dot: &Slot, ty: Type, id: NodeId) -> Result<Value> {
        self.at = id;
        let kind = self.tree.node(id).kind;
        let number = match kind {
            NodeKind::Number { number, .. } => self.tree.numbers[number as usize],
            _ => Number::default(),
        };
        let (value, wanted) = match ty {
            Type::Any | Type::Reflect => return self.operand(dot, id).map(|slot| slot.value),
            Type::Bool => match kind {
                NodeKind::Bool(value) => (Some(Value::Bool(value)), "bool"),
                _ => (None, "bool"),
            },
            Type::String => match kind {
                NodeKind::String { string, .. } => (
                    Some(Value::Str(self.tree.strings[string as usize].clone())),
                    "string",
                ),
                _ => (None, "string"),
            },
            Type::Int => (number.int.map(Value::Int), "integer"),
            Type::Int64 => (number.int.map(Value::Int64), "integer"),
            Type::Uint8 => (
                number.uint.map(|uint| Value::Uint8(uint as u8)),
                "unsigned integer",
            ),
            Type::Uint32 => {
                let value = number
                    .uint
                    .map(|uint| Value::Uint64(u64::from(uint as u32)));
                (value, "unsigned integer")
            }
            Type::Uint64 => (number.uint.map(Value::Uint64), "unsigned integer"),
            Type::Float64 => (number.float.map(Value::Float), "float"),
            Type::Complex128 => (
                number.complex.map(|(re, im)| Value::Complex(re, im)),
                "complex",
            ),
            Type::List(_) | Type::Map(_) | Type::Object(_) | Type::Func => {
                let node = self.tree.print(id);
                return self.fail(format!("can't handle {node} for arg of type {ty}"));
            }
        };
        match value {
            Some(value) => Ok(value),
            None => {
                let node = self.tree.print(id);
                self.fail(format!("expected {wanted}; found {node}"))
            }
        }
    }

    /// Makes sure that a value may stand where `ty` is wanted.
    pub(super) fn validate(&self, value: Value, ty: Type) -> Result<Value> {
        let fits = match (&value, ty) {
            (_, Type::Reflect) => true,
            (Value::Object(object), Type::Any) => return Ok(object.passed().unwrap_or(value)),
            (Value::Missing, Type::Any | Type::List(_) | Type::Map(_) | Type::Func) => {
                return Ok(zero(ty));
            }
            (Value::Missing, _) => {
                return self.fail(format!("invalid value; expected {ty}"));
            }
            (_, Type::Any)
            | (Value::Bool(_), Type::Bool)
            | (Value::Int(_), Type::Int)
            | (Value::Int64(_), Type::Int64)
            | (Value::Uint8(_), Type::Uint8)
            | (Value::Uint64(_), Type::Uint64)
            | (Value::Float(_), Type::Float64)
            | (Value::Complex(..), Type::Complex128)
            | (Value::Func(_), Type::Func)
            | (Value::Str(_), Type::String) => true,
            (Value::List(list), Type::List(ty)) => {
                if list.ty().assignable_to(ty) {
                    return Ok(Value::List(list.with_type(ty)));
                }
                false
            }
            (Value::Map(map), Type::Map(ty)) => {
                if map.ty().assignable_to(ty) {
                    return Ok(Value::Map(map.with_type(ty)));
                }
                false
            }
            (Value::Object(object), Type::Object(name)) => {
                object.type_name().trim_start_matches('*') == name.trim_start_matches('*')
            }
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        let got = if matches!(value, Value::Nil) {
            "interface {}"
        } else {
            value.type_name()
        };
        self.fail(format!("wrong type for value; expected {ty}; got {got}"))
    }

    /// Evaluates the arguments of a call: those of the command, and what came through the pipe.
    pub(super) fn arguments(
        &mut self,
        dot: &Slot,
        signature: &crate::function::Signature,
        nodes: &[NodeId],
        last: Option<Value>,
    ) -> Result<SmallVec<[Value; 4]>> {
        let mut values = SmallVec::new();
        for (at, node) in nodes.iter().enumerate() {
            values.push(self.argument(dot, signature.parameter(at), *node)?);
        }
        if let Some(last) = last {
            values.push(self.validate(last, signature.parameter(nodes.len()))?);
        }
        Ok(values)
    }

    /// Makes the message about a wrong number of arguments, if it is wrong.
    pub(super) fn check_count(
        &self,
        name: &str,
        signature: &crate::function::Signature,
        nodes: usize,
        total: usize,
    ) -> Result<()> {
        let wanted = signature.parameters().len();
        if signature.is_variadic() {
            if total < wanted - 1 {
                let least = wanted - 1;
                return self.fail(format!(
                    "wrong number of args for {name}: want at least {least} got {nodes}"
                ));
            }
        } else if total != wanted {
            return self.fail(format!(
                "wrong number of args for {name}: want {wanted} got {total}"
            ));
        }
        Ok(())
    }
}
