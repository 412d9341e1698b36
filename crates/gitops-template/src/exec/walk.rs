//! Statements: text, actions and blocks.

use super::{Exec, Flow, Slot, execute};
use crate::error::Result;
use crate::format;
use crate::output::Output;
use crate::syntax::{NodeId, NodeKind};
use crate::value::{Kind, Value};

impl Exec<'_> {
    pub(super) fn walk(&mut self, dot: &Slot, id: NodeId, output: &mut Output) -> Result<Flow> {
        self.render.step()?;
        self.at = id;
        let tree = self.tree;
        let node = tree.node(id);
        match node.kind {
            NodeKind::Text(end) => {
                let text = tree.text_of(node, end);
                self.render.count_output(text.len())?;
                output.write_str(text);
            }
            NodeKind::Action(pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if !self.declares(pipe) {
                    self.at = id;
                    self.print(&value, output)?;
                }
            }
            NodeKind::List(span) => {
                for child in tree.children(span) {
                    match self.walk(dot, *child, output)? {
                        Flow::Next => {}
                        flow => return Ok(flow),
                    }
                }
            }
            NodeKind::If {
                pipe,
                list,
                otherwise,
            } => {
                return self.branch(dot, pipe, list, otherwise, false, output);
            }
            NodeKind::With {
                pipe,
                list,
                otherwise,
            } => {
                return self.branch(dot, pipe, list, otherwise, true, output);
            }
            NodeKind::Range {
                pipe,
                list,
                otherwise,
            } => {
                let mark = self.render.variables.len();
                let flow = crate::stack::grow(|| self.range(dot, pipe, list, otherwise, output));
                self.render.variables.truncate(mark);
                return flow;
            }
            NodeKind::Template { name, pipe } => {
                self.template(dot, id, name, pipe, output)?;
            }
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
            _ => return self.fail(format!("unknown node: {}", tree.print(id))),
        }
        Ok(Flow::Next)
    }

    /// Tells whether a pipeline declares or assigns variables.
    fn declares(&self, pipe: NodeId) -> bool {
        matches!(self.tree.node(pipe).kind, NodeKind::Pipe { variables, .. } if variables.len > 0)
    }

    fn print(&mut self, value: &Value, output: &mut Output) -> Result<()> {
        let before = output.len();
        match value {
            Value::Str(text) => {
                self.render.count_output(text.len())?;
                output.write(text);
                return Ok(());
            }
            Value::Missing => output.write_str("<no value>"),
            value if value.kind() == Kind::Func => {
                let node = self.tree.print(self.at);
                return self.fail(format!("can't print {node} of type {}", value.type_name()));
            }
            value => {
                let limits = &self.render.limits;
                if let Err(error) = format::print_result(output, value, limits) {
                    return Err(self.locate(error, None));
                }
            }
        }
        self.render.count_output(output.len() - before)
    }

    fn branch(
        &mut self,
        dot: &Slot,
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
        is_with: bool,
        output: &mut Output,
    ) -> Result<Flow> {
        let mark = self.render.variables.len();
        let value = self.pipeline(dot, pipe)?;
        let flow = if value.truth() {
            let inner;
            let dot = if is_with {
                inner = Slot::plain(value);
                &inner
            } else {
                dot
            };
            crate::stack::grow(|| self.walk(dot, list, output))
        } else if let Some(otherwise) = otherwise {
            crate::stack::grow(|| self.walk(dot, otherwise, output))
        } else {
            Ok(Flow::Next)
        };
        self.render.variables.truncate(mark);
        flow
    }

    fn range(
        &mut self,
        dot: &Slot,
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
        output: &mut Output,
    ) -> Result<Flow> {
        let value = self.pipeline(dot, pipe)?;
        let value = match &value {
            Value::Object(object) => object.underlying().unwrap_or(value),
            _ => value,
        };
        let mark = self.render.variables.len();
        let mut ran = false;
        // Each iteration ends what the last one declared.
        let mut iterate = |exec: &mut Self, index: Option<Slot>, element: Slot| -> Result<bool> {
            ran = true;
            exec.render.step()?;
            exec.assign_range(pipe, index, &element)?;
            let flow = exec.walk(&element, list, output)?;
            exec.render.variables.truncate(mark);
            Ok(flow != Flow::Break)
        };
        match &value {
            Value::Int(_) | Value::Int64(_) | Value::Uint8(_) | Value::Uint64(_) => {
                if self.range_variables(pipe).0.len() > 1 {
                    let shown = format::display(&value);
                    return self.fail(format!(
                        "can't use {shown} to iterate over more than one variable"
                    ));
                }
                let end = match &value {
                    Value::Int(end) | Value::Int64(end) => u64::try_from(*end).unwrap_or(0),
                    Value::Uint8(end) => u64::from(*end),
                    Value::Uint64(end) => *end,
                    _ => 0,
                };
                for at in 0..end {
                    let element = match &value {
                        Value::Int(_) => Value::Int(at as i64),
                        Value::Int64(_) => Value::Int64(at as i64),
                        Value::Uint8(_) => Value::Uint8(at as u8),
                        _ => Value::Uint64(at),
                    };
                    if !iterate(self, None, Slot::plain(element))? {
                        break;
                    }
                }
            }
            Value::List(items) => {
                let element = items.ty().element();
                for at in 0..items.len() {
                    let Some(item) = items.get(at) else { break };
                    let index = Some(Slot::plain(Value::Int(at as i64)));
                    if !iterate(self, index, Slot::element(item, element))? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                let element = map.ty().element();
                for (key, item) in map.to_vec() {
                    let index = Some(Slot::plain(Value::Str(key)));
                    if !iterate(self, index, Slot::element(item, element))? {
                        break;
                    }
                }
            }
            Value::Missing | Value::Nil => {}
            other => {
                let shown = format::display(other);
                return self.fail(format!("range can't iterate over {shown}"));
            }
        }
        if !ran && let Some(otherwise) = otherwise {
            return self.walk(dot, otherwise, output);
        }
        Ok(Flow::Next)
    }

    /// Returns the variable nodes of a pipeline, and whether it assigns them.
    fn range_variables(&self, pipe: NodeId) -> (&[NodeId], bool) {
        match self.tree.node(pipe).kind {
            NodeKind::Pipe {
                variables, assigns, ..
            } => (self.tree.children(variables), assigns),
            _ => (&[], false),
        }
    }

    /// Gives the variables of a range the values of an iteration.
    fn assign_range(&mut self, pipe: NodeId, index: Option<Slot>, element: &Slot) -> Result<()> {
        let (variables, assigns) = self.range_variables(pipe);
        let variables = match *variables {
            [] => return Ok(()),
            [only] => [Some(only), None],
            [first, second, ..] => [Some(first), Some(second)],
        };
        let values = match variables[1] {
            None => [Some(element.clone()), None],
            Some(_) => [Some(index.unwrap_or(Slot::MISSING)), Some(element.clone())],
        };
        let count = if variables[1].is_some() { 2 } else { 1 };
        let top = self.render.variables.len();
        for (at, (variable, value)) in variables.into_iter().zip(values).enumerate() {
            let (Some(variable), Some(value)) = (variable, value) else {
                continue;
            };
            if assigns {
                self.set_variable(variable, value)?;
            } else if let Some(place) = self.render.variables.get_mut(top + at - count) {
                place.slot = value;
            }
        }
        Ok(())
    }

    fn template(
        &mut self,
        dot: &Slot,
        id: NodeId,
        name: u32,
        pipe: Option<NodeId>,
        output: &mut Output,
    ) -> Result<()> {
        self.at = id;
        let name = &self.tree.strings[name as usize];
        let Some(template) = self.templates.get(name) else {
            let quoted = format::quote::quote(name.as_bytes());
            return self.fail(format!("template {quoted} not defined"));
        };
        if self.render.depth >= self.render.limits.depth {
            let limit = self.render.limits.depth;
            return self.fail(format!("exceeded maximum template depth ({limit})"));
        }
        let data = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Missing,
        };
        execute(self.render, self.templates, template, name, data, output)
    }
}
