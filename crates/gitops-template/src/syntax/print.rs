//! Prints nodes back, as they appear in messages.

use super::tree::{NodeId, NodeKind, Span, Tree};
use crate::format::quote::quote;

impl Tree {
    /// Prints a node as Go does.
    pub(crate) fn print(&self, id: NodeId) -> String {
        let mut out = String::new();
        self.write(id, &mut out);
        out
    }

    fn write(&self, id: NodeId, out: &mut String) {
        let node = self.node(id);
        match node.kind {
            NodeKind::List(span) => {
                for child in self.children(span) {
                    self.write_deep(*child, out);
                }
            }
            NodeKind::Text(end) | NodeKind::Number { end, .. } | NodeKind::String { end, .. } => {
                out.push_str(self.text_of(node, end));
            }
            NodeKind::Action(pipe) => {
                out.push_str("{{");
                self.write(pipe, out);
                out.push_str("}}");
            }
            NodeKind::If {
                pipe,
                list,
                otherwise,
            } => {
                self.write_branch("{{if ", pipe, list, otherwise, out);
            }
            NodeKind::With {
                pipe,
                list,
                otherwise,
            } => {
                self.write_branch("{{with ", pipe, list, otherwise, out);
            }
            NodeKind::Range {
                pipe,
                list,
                otherwise,
            } => {
                self.write_branch("{{range ", pipe, list, otherwise, out);
            }
            NodeKind::Template { name, pipe } => {
                out.push_str("{{template ");
                out.push_str(&quote(self.strings[name as usize].as_bytes()));
                if let Some(pipe) = pipe {
                    out.push(' ');
                    self.write(pipe, out);
                }
                out.push_str("}}");
            }
            NodeKind::Break => out.push_str("{{break}}"),
            NodeKind::Continue => out.push_str("{{continue}}"),
            NodeKind::Pipe {
                variables,
                commands,
                assigns,
            } => {
                for (at, variable) in self.children(variables).iter().enumerate() {
                    out.push_str(if at > 0 { ", " } else { "" });
                    self.write(*variable, out);
                }
                if variables.len > 0 {
                    out.push_str(if assigns { " = " } else { " := " });
                }
                for (at, command) in self.children(commands).iter().enumerate() {
                    out.push_str(if at > 0 { " | " } else { "" });
                    self.write(*command, out);
                }
            }
            NodeKind::Command(span) => {
                for (at, argument) in self.children(span).iter().enumerate() {
                    out.push_str(if at > 0 { " " } else { "" });
                    self.write_operand(*argument, out);
                }
            }
            NodeKind::Function(function) => {
                out.push_str(self.functions[function as usize].name());
            }
            NodeKind::Variable { name, fields } => {
                out.push_str(&self.variables[name as usize].to_text());
                self.write_fields(fields, out);
            }
            NodeKind::Field(fields) => self.write_fields(fields, out),
            NodeKind::Chain { node, fields } => {
                self.write_operand(node, out);
                self.write_fields(fields, out);
            }
            NodeKind::Dot => out.push('.'),
            NodeKind::Nil => out.push_str("nil"),
            NodeKind::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        }
    }

    fn write_deep(&self, id: NodeId, out: &mut String) {
        crate::stack::grow(|| self.write(id, out));
    }

    fn write_operand(&self, id: NodeId, out: &mut String) {
        if matches!(self.node(id).kind, NodeKind::Pipe { .. }) {
            out.push('(');
            self.write_deep(id, out);
            out.push(')');
        } else {
            self.write(id, out);
        }
    }

    fn write_fields(&self, fields: Span, out: &mut String) {
        for field in self.names(fields) {
            out.push('.');
            out.push_str(self.name(*field));
        }
    }

    fn write_branch(
        &self,
        start: &str,
        pipe: NodeId,
        list: NodeId,
        otherwise: Option<NodeId>,
        out: &mut String,
    ) {
        out.push_str(start);
        self.write(pipe, out);
        out.push_str("}}");
        self.write_deep(list, out);
        if let Some(otherwise) = otherwise {
            out.push_str("{{else}}");
            self.write_deep(otherwise, out);
        }
        out.push_str("{{end}}");
    }
}
