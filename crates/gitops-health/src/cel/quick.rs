//! The common part of CEL over an object as it is: fields, comparisons, logic, and loops over lists.
//!
//! An expression that asks for nothing else is answered without a copy of the object. Where anything is not plain (a field that is
//! missing, values of two types, a number that is no integer) there is no answer, and the full evaluation gives it, or its error:
//! what is answered here is what that would answer.

use ::cel::IdedExpr;
use ::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use gitops_manifest::{Object, Value};

/// A part of an expression.
pub(super) enum Quick {
    Bool(bool),
    Int(i64),
    Text(String),
    /// A field of the object.
    Root(String),
    /// What a loop has bound, counted from the outermost.
    Bound(usize),
    Field(Box<Self>, String),
    Has(Box<Self>, String),
    List(Vec<Self>),
    Not(Box<Self>),
    And(Box<[Self; 2]>),
    Or(Box<[Self; 2]>),
    Equal(Box<[Self; 2]>),
    Differ(Box<[Self; 2]>),
    /// Whether the order of two integers is one of these.
    Order(Box<[Self; 2]>, &'static [std::cmp::Ordering]),
    /// The sum of two integers, or a list followed by another.
    Sum(Box<[Self; 2]>),
    Choice(Box<[Self; 3]>),
    Loop(Box<Loop>),
}

/// A loop over a list. The element and the result so far are bound one after the other.
pub(super) struct Loop {
    range: Quick,
    init: Quick,
    goes_on: Quick,
    step: Quick,
    result: Quick,
}

/// What a part comes to.
#[derive(Clone)]
enum Plain<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Map(&'a gitops_manifest::Map),
    Array(&'a [Value]),
    List(Vec<Self>),
}

impl Quick {
    /// Makes one of an expression; `None` where it asks for more.
    pub(super) fn new(expression: &IdedExpr) -> Option<Self> {
        Self::of(expression, &mut Vec::new())
    }

    fn of<'e>(part: &'e IdedExpr, bound: &mut Vec<&'e str>) -> Option<Self> {
        Some(match &part.expr {
            Expr::Literal(LiteralValue::Boolean(value)) => Self::Bool(*value.inner()),
            Expr::Literal(LiteralValue::Int(value)) => Self::Int(*value.inner()),
            Expr::Literal(LiteralValue::String(text)) => Self::Text(text.inner().to_owned()),
            Expr::Ident(name) => match bound.iter().rposition(|bound| bound == name) {
                Some(place) => Self::Bound(place),
                None => Self::Root(name.clone()),
            },
            Expr::Select(select) => {
                let of = Box::new(Self::of(&select.operand, bound)?);
                if select.test {
                    Self::Has(of, select.field.clone())
                } else {
                    Self::Field(of, select.field.clone())
                }
            }
            Expr::List(list) if list.optional_indices.is_empty() => {
                let elements = list.elements.iter();
                Self::List(
                    elements
                        .map(|part| Self::of(part, bound))
                        .collect::<Option<_>>()?,
                )
            }
            Expr::Call(call) => Self::call(call, bound)?,
            Expr::Comprehension(looped) => Self::looped(looped, bound)?,
            _ => return None,
        })
    }

    fn call<'e>(call: &'e CallExpr, bound: &mut Vec<&'e str>) -> Option<Self> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        if call.target.is_some() {
            return None;
        }
        let mut part = |i: usize| Self::of(call.args.get(i)?, bound);
        match (call.func_name.as_str(), call.args.len()) {
            (operators::LOGICAL_NOT, 1) => return Some(Self::Not(Box::new(part(0)?))),
            // It takes errors for true; where there is one, nothing is answered here.
            (operators::NOT_STRICTLY_FALSE, 1) => return part(0),
            (operators::CONDITIONAL, 3) => {
                return Some(Self::Choice(Box::new([part(0)?, part(1)?, part(2)?])));
            }
            (_, 2) => {}
            _ => return None,
        }
        let both = Box::new([part(0)?, part(1)?]);
        Some(match call.func_name.as_str() {
            operators::LOGICAL_AND => Self::And(both),
            operators::LOGICAL_OR => Self::Or(both),
            operators::EQUALS => Self::Equal(both),
            operators::NOT_EQUALS => Self::Differ(both),
            operators::LESS => Self::Order(both, &[Less]),
            operators::LESS_EQUALS => Self::Order(both, &[Less, Equal]),
            operators::GREATER => Self::Order(both, &[Greater]),
            operators::GREATER_EQUALS => Self::Order(both, &[Greater, Equal]),
            operators::ADD => Self::Sum(both),
            _ => return None,
        })
    }

    fn looped<'e>(looped: &'e ComprehensionExpr, bound: &mut Vec<&'e str>) -> Option<Self> {
        if looped.iter_var2.is_some() {
            return None;
        }
        let (range, init) = (
            Self::of(&looped.iter_range, bound)?,
            Self::of(&looped.accu_init, bound)?,
        );
        bound.push(&looped.iter_var);
        bound.push(&looped.accu_var);
        let mut inner = |part| Self::of(part, bound);
        let (goes_on, step, result) = (
            inner(&looped.loop_cond),
            inner(&looped.loop_step),
            inner(&looped.result),
        );
        bound.truncate(bound.len() - 2);
        Some(Self::Loop(Box::new(Loop {
            range,
            init,
            goes_on: goes_on?,
            step: step?,
            result: result?,
        })))
    }

    /// Tells whether the expression holds; `None` where it is for the full evaluation to say.
    pub(super) fn holds(&self, object: &Object) -> Option<bool> {
        self.bool(object, &mut Vec::new())
    }

    fn bool<'a>(&'a self, object: &'a Object, bound: &mut Vec<Plain<'a>>) -> Option<bool> {
        match self.value(object, bound)? {
            Plain::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn value<'a>(&'a self, object: &'a Object, bound: &mut Vec<Plain<'a>>) -> Option<Plain<'a>> {
        Some(match self {
            Self::Bool(value) => Plain::Bool(*value),
            Self::Int(value) => Plain::Int(*value),
            Self::Text(text) => Plain::Text(text),
            Self::Root(name) => plain(object.get(name)?)?,
            Self::Bound(place) => bound.get(*place)?.clone(),
            Self::Field(of, name) => plain(of.map(object, bound)?.get(name.as_str())?)?,
            Self::Has(of, name) => Plain::Bool(of.map(object, bound)?.contains_key(name.as_str())),
            Self::List(parts) => {
                let parts = parts.iter().map(|part| part.value(object, bound));
                Plain::List(parts.collect::<Option<_>>()?)
            }
            Self::Not(of) => Plain::Bool(!of.bool(object, bound)?),
            Self::And(both) => {
                Plain::Bool(both[0].bool(object, bound)? && both[1].bool(object, bound)?)
            }
            Self::Or(both) => {
                Plain::Bool(both[0].bool(object, bound)? || both[1].bool(object, bound)?)
            }
            Self::Equal(both) => Plain::Bool(equal(both, object, bound)?),
            Self::Differ(both) => Plain::Bool(!equal(both, object, bound)?),
            Self::Order(both, wanted) => {
                match (both[0].value(object, bound)?, both[1].value(object, bound)?) {
                    (Plain::Int(a), Plain::Int(b)) => Plain::Bool(wanted.contains(&a.cmp(&b))),
                    _ => return None,
                }
            }
            Self::Sum(both) => {
                match (both[0].value(object, bound)?, both[1].value(object, bound)?) {
                    (Plain::Int(a), Plain::Int(b)) => Plain::Int(a.checked_add(b)?),
                    (Plain::List(mut all), Plain::List(more)) => {
                        all.extend(more);
                        Plain::List(all)
                    }
                    _ => return None,
                }
            }
            Self::Choice(parts) => {
                let chosen = if parts[0].bool(object, bound)? { 1 } else { 2 };
                parts[chosen].value(object, bound)?
            }
            Self::Loop(looped) => looped.run(object, bound)?,
        })
    }

    fn map<'a>(
        &'a self,
        object: &'a Object,
        bound: &mut Vec<Plain<'a>>,
    ) -> Option<&'a gitops_manifest::Map> {
        // What is bound is looked at where it is.
        if let Self::Bound(place) = self {
            return match bound.get(*place)? {
                Plain::Map(map) => Some(map),
                _ => None,
            };
        }
        match self.value(object, bound)? {
            Plain::Map(map) => Some(map),
            _ => None,
        }
    }
}

impl Loop {
    fn run<'a>(&'a self, object: &'a Object, bound: &mut Vec<Plain<'a>>) -> Option<Plain<'a>> {
        let range = self.range.value(object, bound)?;
        let mut so_far = self.init.value(object, bound)?;
        let place = bound.len();
        let mut round = |element: Plain<'a>, so_far: &mut Plain<'a>| -> Option<bool> {
            bound.truncate(place);
            bound.push(element);
            bound.push(so_far.clone());
            if !self.goes_on.bool(object, bound)? {
                return Some(false);
            }
            *so_far = self.step.value(object, bound)?;
            Some(true)
        };
        match range {
            Plain::Array(array) => {
                for element in array {
                    if !round(plain(element)?, &mut so_far)? {
                        break;
                    }
                }
            }
            Plain::List(list) => {
                for element in list {
                    if !round(element, &mut so_far)? {
                        break;
                    }
                }
            }
            _ => return None,
        }
        bound.truncate(place);
        bound.push(Plain::Bool(false));
        bound.push(so_far);
        let result = self.result.value(object, bound);
        bound.truncate(place);
        result
    }
}

fn equal<'a>(both: &'a [Quick; 2], object: &'a Object, bound: &mut Vec<Plain<'a>>) -> Option<bool> {
    match (both[0].value(object, bound)?, both[1].value(object, bound)?) {
        (Plain::Bool(a), Plain::Bool(b)) => Some(a == b),
        (Plain::Int(a), Plain::Int(b)) => Some(a == b),
        (Plain::Text(a), Plain::Text(b)) => Some(a == b),
        _ => None,
    }
}

fn plain(value: &Value) -> Option<Plain<'_>> {
    match value {
        Value::Bool(value) => Some(Plain::Bool(*value)),
        Value::Number(number) => number.as_i64().map(Plain::Int),
        Value::String(text) => Some(Plain::Text(text.as_str())),
        Value::Array(array) => Some(Plain::Array(array)),
        Value::Object(map) => Some(Plain::Map(map)),
        Value::Null => None,
    }
}
