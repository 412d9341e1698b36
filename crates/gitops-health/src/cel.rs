//! Health rules in CEL, as Flux runs them (`healthCheckExprs` of RFC 0009).
//!
//! Three expressions over the fields of the object are asked in this order: whether it is *in progress*, whether
//! it has *failed*, whether it is *current*; the first that is true answers, and where none is it is in progress.
//! An object whose status is of an earlier generation is in progress before any is asked.
//!
//! ```
//! use gitops_health::cel::CelRule;
//! use gitops_health::{Context, HealthStatus, Rules, assess};
//! use gitops_manifest::Object;
//!
//! let rule = CelRule::new("status.phase == 'Ready'")?.failed("status.phase == 'Broken'")?;
//! let mut rules = Rules::new();
//! rules.insert("example.org/Widget", rule);
//!
//! let widget = Object::try_from(serde_json::json!({
//!     "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"phase": "Broken"},
//! }))?;
//! let health = assess(&widget, &Context::new().with_rules(&rules)).expect("there is a rule");
//! assert_eq!(health.status, HealthStatus::Degraded);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod quick;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::cel::common::ast::{EntryExpr, Expr};
use ::cel::objects::{Key, Map};
use ::cel::{IdedExpr, Program};
use gitops_manifest::{Object, Value};
use kube_cel::KubeCelExt;

use crate::{Context, HealthStatus, Rule, RuleError, Verdict};
use quick::Quick;

/// How long an expression may be.
const MAX_LENGTH: usize = 16 * 1024;
/// How deep brackets may be nested in an expression: it is parsed, and run, by recursion.
const MAX_DEPTH: usize = 48;
/// How deep loops over lists may be nested: each multiplies the time.
const MAX_LOOPS: usize = 4;

/// An expression cannot be used. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the expression {expression:?}: {why}")]
#[non_exhaustive]
pub struct CelError {
    /// The expression.
    pub expression: String,
    /// What is wrong with it.
    pub why: String,
}

/// A health rule in CEL.
#[derive(Clone)]
pub struct CelRule {
    in_progress: Option<Arc<Expression>>,
    failed: Option<Arc<Expression>>,
    current: Arc<Expression>,
    functions: Arc<Functions>,
}

/// The functions of CEL and of Kubernetes.
struct Functions(::cel::Context<'static>);

impl CelRule {
    /// Makes a rule of the expression that tells whether an object is current.
    ///
    /// # Errors
    /// Where the expression cannot be parsed, is too long or nested too deep.
    pub fn new(current: &str) -> Result<Self, CelError> {
        Ok(Self {
            in_progress: None,
            failed: None,
            current: Expression::new(current)?,
            functions: Arc::new(Functions(::cel::Context::default().with_all())),
        })
    }

    /// Adds the expression that tells whether an object has failed.
    ///
    /// # Errors
    /// As [`CelRule::new`].
    pub fn failed(mut self, expression: &str) -> Result<Self, CelError> {
        self.failed = Some(Expression::new(expression)?);
        Ok(self)
    }

    /// Adds the expression that tells whether an object is in progress.
    ///
    /// # Errors
    /// As [`CelRule::new`].
    pub fn in_progress(mut self, expression: &str) -> Result<Self, CelError> {
        self.in_progress = Some(Expression::new(expression)?);
        Ok(self)
    }
}

impl fmt::Debug for CelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = |expression: &Option<Arc<Expression>>| {
            expression
                .as_ref()
                .map(|expression| expression.source.clone())
        };
        f.debug_struct("CelRule")
            .field("in_progress", &source(&self.in_progress))
            .field("failed", &source(&self.failed))
            .field("current", &self.current.source)
            .finish_non_exhaustive()
    }
}

impl Rule for CelRule {
    fn judge(&self, object: &Object, _: &Context<'_>) -> Result<Verdict, RuleError> {
        let observed = object
            .at(&["status", "observedGeneration"])
            .and_then(Value::as_i64);
        if let (Some(generation), Some(observed)) = (object.generation(), observed)
            && generation != observed
        {
            return Ok(Verdict::fixed(
                HealthStatus::Progressing,
                "the status is of an earlier generation",
            ));
        }
        let expressions = [
            (self.in_progress.as_ref(), HealthStatus::Progressing),
            (self.failed.as_ref(), HealthStatus::Degraded),
            (Some(&self.current), HealthStatus::Healthy),
        ];
        for (expression, status) in expressions {
            let Some(expression) = expression else {
                continue;
            };
            if expression.holds(object, &self.functions)? {
                return Ok(Verdict::fixed(status, ""));
            }
        }
        Ok(Verdict::fixed(HealthStatus::Progressing, ""))
    }
}

/// An expression and what it asks of an object.
struct Expression {
    source: String,
    program: Program,
    /// The same, where it asks for nothing out of the common.
    quick: Option<Quick>,
    fields: Fields,
}

impl Expression {
    fn new(source: &str) -> Result<Arc<Self>, CelError> {
        let error = |why: String| CelError {
            expression: source.chars().take(200).collect(),
            why,
        };
        if source.len() > MAX_LENGTH {
            return Err(error(format!("it is longer than {MAX_LENGTH} bytes")));
        }
        if depth(source) > MAX_DEPTH {
            return Err(error(format!(
                "it is nested deeper than {MAX_DEPTH} levels"
            )));
        }
        // The parser is not ours: what it does to odd text must not reach the process.
        let program = catch_unwind(|| Program::compile(source))
            .map_err(|_| error("the parser failed".to_owned()))?
            .map_err(|why| error(why.to_string().trim().to_owned()))?;
        let mut fields = Fields::default();
        if fields.gather(program.expression(), &mut Names::default(), 0) > MAX_LOOPS {
            return Err(error(format!(
                "loops are nested deeper than {MAX_LOOPS} levels"
            )));
        }
        Ok(Arc::new(Self {
            source: source.to_owned(),
            quick: Quick::new(program.expression()),
            program,
            fields,
        }))
    }

    fn holds(&self, object: &Object, functions: &Functions) -> Result<bool, RuleError> {
        if let Some(holds) = self.quick.as_ref().and_then(|quick| quick.holds(object)) {
            return Ok(holds);
        }
        self.evaluate(object, functions)
    }

    /// Tells whether the expression holds, by the evaluation of all of CEL.
    fn evaluate(&self, object: &Object, functions: &Functions) -> Result<bool, RuleError> {
        let run = || {
            let mut scope = functions.0.new_inner_scope();
            for (name, fields) in &self.fields.children {
                if let Some(value) = object.get(name) {
                    scope.add_variable_from_value(name.as_str(), to_cel(value, fields));
                }
            }
            self.program.execute(&scope)
        };
        let result = catch_unwind(AssertUnwindSafe(run))
            .map_err(|_| RuleError::new(format!("the evaluation of {:?} failed", self.source)))?;
        match result {
            Ok(::cel::Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(RuleError::new(format!(
                "the expression {:?} gives a {}, not a boolean",
                self.source,
                other.type_of()
            ))),
            Err(why) => Err(RuleError::new(format!(
                "cannot evaluate {:?}: {why}",
                self.source
            ))),
        }
    }
}

/// Counts how deep brackets, and runs of unary operators, are nested; quotes are not looked at, which errs on
/// the safe side.
fn depth(source: &str) -> usize {
    let (mut open, mut unary, mut deepest) = (0_usize, 0_usize, 0);
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            '!' | '-' | '?' => unary += 1,
            c if c.is_whitespace() => continue,
            _ => {}
        }
        if !matches!(c, '!' | '-' | '?') {
            unary = 0;
        }
        deepest = deepest.max(open + unary);
    }
    deepest
}

/// Which fields of a value an expression asks for, so that no others are made ready for it.
#[derive(Default)]
struct Fields {
    /// Whether the value is used as a whole.
    whole: bool,
    children: BTreeMap<Arc<String>, Self>,
    /// What is asked for of each element, where loops go over the value.
    elements: Option<Box<Self>>,
}

/// One step from a value to a part of it.
#[derive(Clone)]
enum Step {
    Field(Arc<String>),
    Element,
}

/// The names that stand for something else than fields of the object at a place of an expression: for an element, with the
/// way to it, or for something that was worked out.
type Names = Vec<(String, Option<Vec<Step>>)>;

impl Fields {
    /// Notes what a part of an expression asks for, and returns how deep loops are nested in it.
    fn gather(&mut self, part: &IdedExpr, bound: &mut Names, loops: usize) -> usize {
        match &part.expr {
            Expr::Ident(_) | Expr::Select(_) => self.chain(part, bound, loops),
            Expr::Call(call) => {
                let target = call.target.iter().map(|target| &**target);
                target
                    .chain(&call.args)
                    .map(|part| self.gather(part, bound, loops))
                    .max()
                    .unwrap_or(loops)
            }
            Expr::List(list) => self.gather_all(list.elements.iter(), bound, loops),
            Expr::Map(map) => {
                self.gather_entries(map.entries.iter().map(|e| &e.expr), bound, loops)
            }
            Expr::Struct(map) => {
                self.gather_entries(map.entries.iter().map(|e| &e.expr), bound, loops)
            }
            Expr::Comprehension(comprehension) => {
                let range = &comprehension.iter_range;
                // Of a list that is there as it is, only what is asked of its elements is needed.
                let (range, element) = match way(range, bound) {
                    Some(mut way) if comprehension.iter_var2.is_none() => {
                        way.push(Step::Element);
                        self.at(&way);
                        (loops, Some(way))
                    }
                    _ => (self.gather(range, bound, loops), None),
                };
                let init = self.gather(&comprehension.accu_init, bound, loops);
                let names = bound.len();
                bound.push((comprehension.iter_var.clone(), element));
                bound.extend(comprehension.iter_var2.clone().map(|name| (name, None)));
                bound.push((comprehension.accu_var.clone(), None));
                let body = [
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ];
                let body = self.gather_all(body.into_iter(), bound, loops + 1);
                bound.truncate(names);
                range.max(init).max(body)
            }
            Expr::Literal(_) | Expr::Unspecified => loops,
        }
    }

    fn gather_all<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a IdedExpr>,
        bound: &mut Names,
        loops: usize,
    ) -> usize {
        parts
            .map(|part| self.gather(part, bound, loops))
            .max()
            .unwrap_or(loops)
    }

    fn gather_entries<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a EntryExpr>,
        bound: &mut Names,
        loops: usize,
    ) -> usize {
        entries
            .map(|entry| match entry {
                EntryExpr::StructField(field) => self.gather(&field.value, bound, loops),
                EntryExpr::MapEntry(entry) => self
                    .gather(&entry.key, bound, loops)
                    .max(self.gather(&entry.value, bound, loops)),
            })
            .max()
            .unwrap_or(loops)
    }

    /// Notes a chain of fields, as `status.conditions`.
    fn chain(&mut self, part: &IdedExpr, bound: &mut Names, loops: usize) -> usize {
        if let Some(way) = way(part, bound) {
            self.at(&way).whole = true;
            return loops;
        }
        let mut at = part;
        while let Expr::Select(select) = &at.expr {
            at = &*select.operand;
        }
        match &at.expr {
            // Something that was worked out: what of was noted where that happened.
            Expr::Ident(_) => loops,
            _ => self.gather(at, bound, loops),
        }
    }

    /// Returns what is noted of a part.
    fn at(&mut self, way: &[Step]) -> &mut Self {
        way.iter().fold(self, |fields, step| match step {
            Step::Field(name) => fields.children.entry(Arc::clone(name)).or_default(),
            Step::Element => fields.elements.get_or_insert_default(),
        })
    }
}

/// Returns the way from the object to what a chain of fields names; `None` where the chain starts at something else.
fn way(part: &IdedExpr, bound: &Names) -> Option<Vec<Step>> {
    let mut names = Vec::new();
    let mut at = part;
    while let Expr::Select(select) = &at.expr {
        names.push(&select.field);
        at = &*select.operand;
    }
    let Expr::Ident(root) = &at.expr else {
        return None;
    };
    let mut way = match bound.iter().rev().find(|(name, _)| name == root) {
        Some((_, way)) => way.clone()?,
        None => vec![Step::Field(Arc::new(root.clone()))],
    };
    let names = names.into_iter().rev();
    way.extend(names.map(|name| Step::Field(Arc::new(name.clone()))));
    Some(way)
}

/// Makes a value of CEL, of the fields that are asked for.
fn to_cel(value: &Value, fields: &Fields) -> ::cel::Value {
    match value {
        // A loop over a map goes over its keys: all of them are needed.
        Value::Object(map) if !fields.whole && fields.elements.is_none() => {
            let mut entries = HashMap::with_capacity(fields.children.len());
            for (name, fields) in &fields.children {
                if let Some(value) = map.get(name.as_str()) {
                    entries.insert(Key::String(Arc::clone(name)), to_cel(value, fields));
                }
            }
            ::cel::Value::Map(Map {
                map: Arc::new(entries),
            })
        }
        Value::Array(array) if !fields.whole => match &fields.elements {
            Some(elements) => {
                let elements = array.iter().map(|element| to_cel(element, elements));
                ::cel::Value::List(Arc::new(elements.collect()))
            }
            None => whole(value),
        },
        other => whole(other),
    }
}

fn whole(value: &Value) -> ::cel::Value {
    match value {
        Value::Null => ::cel::Value::Null,
        Value::Bool(value) => ::cel::Value::Bool(*value),
        Value::Number(number) => number
            .as_i64()
            .map(::cel::Value::Int)
            .or_else(|| number.as_u64().map(::cel::Value::UInt))
            .unwrap_or_else(|| ::cel::Value::Float(number.as_f64())),
        Value::String(text) => ::cel::Value::String(Arc::new(text.as_str().to_owned())),
        Value::Array(array) => ::cel::Value::List(Arc::new(array.iter().map(whole).collect())),
        Value::Object(map) => ::cel::Value::Map(Map {
            map: Arc::new(
                map.iter()
                    .map(|(key, value)| (Key::String(Arc::new(key.to_string())), whole(value)))
                    .collect(),
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Values of a field, plain ones and others.
    fn value() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            Just(json!("True")),
            Just(json!("False")),
            Just(json!(1)),
            Just(json!(-3)),
            Just(json!(2.5)),
            Just(json!(1.0)),
            Just(json!(18_446_744_073_709_551_615_u64)),
            Just(json!(true)),
            Just(json!(null)),
            Just(json!({"type": "True"})),
            Just(json!([1, "True"])),
        ]
    }

    fn object() -> impl Strategy<Value = Object> {
        let condition = prop_oneof![
            4 => (value(), value()).prop_map(|(a, b)| json!({"type": a, "status": b})),
            1 => value().prop_map(|a| json!({"type": a})),
            1 => value(),
        ];
        (value(), proptest::collection::vec(condition, 0..4)).prop_map(|(phase, conditions)| {
            let object = json!({
                "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"},
                "status": {"phase": phase, "conditions": conditions},
            });
            Object::try_from(object).expect("an object")
        })
    }

    fn expression() -> impl Strategy<Value = String> {
        let atom = prop_oneof![
            Just("status.phase"),
            Just("status.none"),
            Just("c.type"),
            Just("c.status"),
            Just("c"),
            Just("'True'"),
            Just("1"),
            Just("-3"),
            Just("2.5"),
            Just("true"),
            Just("[1, 'True']"),
            Just("size(status.conditions)"),
        ];
        let operator = prop_oneof![
            Just("=="),
            Just("!="),
            Just("<"),
            Just("<="),
            Just(">"),
            Just(">="),
            Just("+ 1 =="),
        ];
        let test = prop_oneof![
            6 => (atom.clone(), operator, atom).prop_map(|(a, by, b)| format!("{a} {by} {b}")),
            1 => Just("has(c.status)".to_owned()),
            1 => Just("has(status.phase.type)".to_owned()),
            1 => Just("true".to_owned()),
        ];
        let part = test.prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.clone().prop_map(|a| format!("!({a})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ? {b} : {a})")),
                inner
                    .clone()
                    .prop_map(|a| format!("status.conditions.exists(c, {a})")),
                inner
                    .clone()
                    .prop_map(|a| format!("status.conditions.all(c, {a})")),
                inner
                    .clone()
                    .prop_map(|a| format!("status.conditions.exists_one(c, {a})")),
                (inner.clone(), inner.clone())
                    .prop_map(|(a, b)| { format!("status.conditions.filter(c, {a}).all(c, {b})") }),
                inner.prop_map(|a| format!("status.conditions.map(c, c.type).exists(c, {a})")),
            ]
        });
        part.prop_map(|part| format!("status.conditions.exists(c, {part}) || {part}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_answered_at_once_is_what_the_full_evaluation_answers(
            source in expression(),
            object in object(),
        ) {
            let Ok(expression) = Expression::new(&source) else { return Ok(()) };
            let Some(quick) = expression.quick.as_ref().and_then(|quick| quick.holds(&object)) else {
                return Ok(());
            };
            let functions = Functions(::cel::Context::default().with_all());
            let full = expression.evaluate(&object, &functions);
            prop_assert_eq!(full.map_err(|error| error.to_string()), Ok(quick), "{}", source);
        }
    }

    #[test]
    fn the_usual_is_answered_at_once() {
        let object = Object::try_from(json!({
            "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"},
            "status": {"phase": "Up", "replicas": 2, "conditions": [
                {"type": "Live", "status": "False"}, {"type": "Ready", "status": "True"},
            ]},
        }));
        let object = object.expect("an object");
        for source in [
            "status.phase == 'Up' && status.replicas >= 2",
            "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
            "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')",
            "has(status.phase) && !has(status.none)",
        ] {
            let expression = Expression::new(source).expect("it parses");
            let quick = expression
                .quick
                .as_ref()
                .and_then(|quick| quick.holds(&object));
            assert_eq!(quick, Some(true), "{source}");
        }
    }
}
