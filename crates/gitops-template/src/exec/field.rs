//! Fields, keys and methods.

use super::{Exec, Slot, zero};
use crate::error::Result;
use crate::format::quote::quote;
use crate::syntax::{NodeId, Span};
use crate::template::MissingKey;
use crate::value::{Type, Value};

impl Exec<'_> {
    /// Evaluates `.X.Y.Z` on a receiver. The last of the fields gets the arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        node: NodeId,
        fields: Span,
        arguments: &[NodeId],
        last: Option<Value>,
    ) -> Result<Slot> {
        let tree = self.tree;
        let Some((final_name, names)) = tree.names(fields).split_last() else {
            return Ok(receiver.clone());
        };
        let mut reached = None;
        for name in names {
            let receiver = reached.as_ref().unwrap_or(receiver);
            let name = tree.name(*name);
            reached = Some(match self.entry(name, receiver) {
                Some(slot) => slot,
                None => self.field(dot, name, node, &[], None, receiver)?,
            });
        }
        let receiver = reached.as_ref().unwrap_or(receiver);
        let name = tree.name(*final_name);
        if arguments.len() <= 1
            && last.is_none()
            && let Some(slot) = self.entry(name, receiver)
        {
            return Ok(slot);
        }
        self.field(dot, name, node, arguments, last, receiver)
    }

    /// Evaluates what most fields are: an entry of a map, or one of nothing.
    #[inline]
    fn entry(&self, name: &str, receiver: &Slot) -> Option<Slot> {
        match &receiver.value {
            Value::Map(map) => {
                let methods = map.ty().methods();
                if methods.is_some_and(|methods| methods.method(name).is_some()) {
                    return None;
                }
                let element = map.ty().element();
                match map.get(name.as_bytes()) {
                    Some(value) => Some(Slot::element(value, element)),
                    None => self.missing(name, element).ok(),
                }
            }
            Value::Missing if self.templates.missing_key != MissingKey::Error => {
                Some(Slot::MISSING)
            }
            _ => None,
        }
    }

    fn field(
        &mut self,
        dot: &Slot,
        name: &str,
        node: NodeId,
        arguments: &[NodeId],
        last: Option<Value>,
        receiver: &Slot,
    ) -> Result<Slot> {
        let has_arguments = arguments.len() > 1 || last.is_some();
        match &receiver.value {
            Value::Missing => {
                if self.templates.missing_key == MissingKey::Error {
                    let name = quote(name.as_bytes());
                    return self.fail(format!("nil data; no entry for key {name}"));
                }
                return Ok(Slot::MISSING);
            }
            Value::Nil => {
                let ty = receiver.type_name();
                return self.fail(format!("nil pointer evaluating {ty}.{name}"));
            }
            Value::Map(map) => {
                if let Some(methods) = map.ty().methods()
                    && let Some(signature) = methods.method(name)
                {
                    return self.method(dot, receiver, name, &signature, node, arguments, last);
                }
                if has_arguments {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let element = map.ty().element();
                return match map.get(name.as_bytes()) {
                    Some(value) => Ok(Slot::element(value, element)),
                    None => self.missing(name, element),
                };
            }
            Value::List(list) => {
                if let Some(methods) = list.ty().methods()
                    && let Some(signature) = methods.method(name)
                {
                    return self.method(dot, receiver, name, &signature, node, arguments, last);
                }
            }
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    return self.method(dot, receiver, name, &signature, node, arguments, last);
                }
                if let Some(value) = object.field(name) {
                    if has_arguments {
                        return self.fail(format!(
                            "{name} has arguments but cannot be invoked as function"
                        ));
                    }
                    let boxed = matches!(value, Value::Nil);
                    return Ok(Slot { value, boxed });
                }
                // A defined type over a map has the fields of a map.
                if let Some(Value::Map(map)) = object.underlying() {
                    if has_arguments {
                        return self.fail(format!("{name} is not a method but has arguments"));
                    }
                    let element = map.ty().element();
                    return match map.get(name.as_bytes()) {
                        Some(value) => Ok(Slot::element(value, element)),
                        None => self.missing(name, element),
                    };
                }
            }
            _ => {}
        }
        let ty = receiver.type_name();
        self.fail(format!("can't evaluate field {name} in type {ty}"))
    }

    fn missing(&self, name: &str, element: Type) -> Result<Slot> {
        match self.templates.missing_key {
            MissingKey::Invalid => Ok(Slot::MISSING),
            MissingKey::Zero => Ok(Slot::element(zero(element), element)),
            MissingKey::Error => {
                let name = quote(name.as_bytes());
                self.fail(format!("map has no entry for key {name}"))
            }
        }
    }
}
