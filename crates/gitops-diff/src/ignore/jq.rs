//! jq path expressions, on jaq.
//!
//! An expression is asked for the paths that it stands for, and these are taken out by our own hand: what the expression does not
//! name never passes through jq, so that no number loses a digit.
//!
//! jq is a whole language, and an expression may come from anybody who may change an application. So each step of the evaluation is
//! counted: every term of the program is compiled with a counter before it (see [`counted`]), and the program fails when they come
//! to more than it may have. A step over a large value counts as many steps as the value has parts, and strings cannot grow beyond a
//! bound, so that memory is bounded too. Nothing here reads a clock: the same expression on the same object always ends the same way.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use gitops_manifest::{Map, Number, Str, Value};
use jaq_core::data::{DataT, HasLut};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::native::{self, Fun};
use jaq_core::{Compiler, Ctx, Error, Exn, Filter, Lut, Native, ops};
use jaq_json::{Num, Val};

use super::JqLimits;
use crate::{Pointer, pointer};

/// How many steps an evaluation may have.
const STEPS: u64 = 500_000;
/// How long a string may become, in bytes.
const MAX_STRING: usize = 4 << 20;
/// How deep an expression may be nested.
const MAX_DEPTH: usize = 64;
/// What is not let in: it reads a clock, the environment or other inputs, ends the process, or is not jq's.
const REFUSED: [&str; 10] = [
    "now",
    "localtime",
    "strflocaltime",
    "mktime",
    "input",
    "inputs",
    "env",
    "halt",
    "debug_empty",
    "stderr_empty",
];
/// `range` is written in jq here, so that its steps count.
const PRELUDE: &str = "
def range($from; $to; $by):
  def up: if . < $to then ., (. + $by | up) else {}[] as $x | . end;
  def down: if . > $to then ., (. + $by | down) else {}[] as $x | . end;
  $from | if $by > 0 then up elif $by < 0 then down else {}[] as $x | . end;
def debug: .;
def debug(msgs): .;
def stderr: .;
";

/// What an evaluation may still do.
struct Fuel(Cell<u64>);

impl Fuel {
    fn burn(&self, steps: u64) -> Result<(), Error<Val>> {
        match self.0.get().checked_sub(steps) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => {
                self.0.set(0);
                Err(Error::str("the expression takes too many steps"))
            }
        }
    }

    fn check(&self, value: &Val) -> Result<(), Error<Val>> {
        match value {
            Val::TStr(text) | Val::BStr(text) if text.len() > MAX_STRING => {
                Err(Error::str("the expression makes a string that is too long"))
            }
            Val::TStr(text) | Val::BStr(text) => self.burn(1 + text.len() as u64 / 1024),
            Val::Arr(list) => self.burn(1 + list.len() as u64 / 16),
            Val::Obj(map) => self.burn(1 + map.len() as u64 / 16),
            _ => self.burn(1),
        }
    }

    /// Charges for every part of a value. Values share their parts, and can have more of them than fit in memory.
    fn check_whole(&self, value: &Val) -> Result<(), Error<Val>> {
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            self.check(value)?;
            match value {
                Val::Arr(list) => todo.extend(list.iter()),
                Val::Obj(map) => todo.extend(map.values()),
                _ => {}
            }
        }
        Ok(())
    }
}

struct Data;

#[derive(Clone)]
struct Shared<'a> {
    lut: &'a Lut<Data>,
    fuel: &'a Fuel,
}

impl DataT for Data {
    type V<'a> = Val;
    type Data<'a> = Shared<'a>;
}

impl<'a> HasLut<'a, Data> for Shared<'a> {
    fn lut(&self) -> &'a Lut<Data> {
        self.lut
    }
}

/// The counters: filters that give back their input.
fn counters() -> [Fun<Data>; 3] {
    let once = |name, run, paths, update| {
        let native: Native<Data> = Native::new(run).with_paths(paths).with_update(update);
        (name, native::v(0), native)
    };
    [
        once(
            "tick",
            |cv| {
                Box::new(std::iter::once(
                    cv.0.data()
                        .fuel
                        .check(&cv.1)
                        .map(|()| cv.1)
                        .map_err(Exn::from),
                ))
            },
            |cv| {
                Box::new(std::iter::once(
                    cv.0.data()
                        .fuel
                        .check(&cv.1.0)
                        .map(|()| cv.1)
                        .map_err(Exn::from),
                ))
            },
            |cv, update| match cv.0.data().fuel.check(&cv.1) {
                Ok(()) => update(cv.1),
                Err(error) => Box::new(std::iter::once(Err(Exn::from(error)))),
            },
        ),
        once(
            "tick_whole",
            |cv| {
                Box::new(std::iter::once(
                    cv.0.data()
                        .fuel
                        .check_whole(&cv.1)
                        .map(|()| cv.1)
                        .map_err(Exn::from),
                ))
            },
            |cv| {
                Box::new(std::iter::once(
                    cv.0.data()
                        .fuel
                        .check_whole(&cv.1.0)
                        .map(|()| cv.1)
                        .map_err(Exn::from),
                ))
            },
            |cv, update| match cv.0.data().fuel.check_whole(&cv.1) {
                Ok(()) => update(cv.1),
                Err(error) => Box::new(std::iter::once(Err(Exn::from(error)))),
            },
        ),
        // Strings are multiplied by numbers in one step.
        (
            "times",
            native::v(2),
            Native::new(|mut cv| {
                let right = cv.0.pop_var();
                let left = cv.0.pop_var();
                let text = |value: &Val| matches!(value, Val::TStr(_) | Val::BStr(_));
                let number = |value: &Val| matches!(value, Val::Num(_));
                let result = if text(&left) && number(&right) || number(&left) && text(&right) {
                    Err(Error::str("strings cannot be multiplied here"))
                } else {
                    left * right
                };
                native::bome(result)
            }),
        ),
    ]
}

type T<'s> = Term<&'s str>;
type D<'s> = Def<&'s str>;

fn call<'s>(name: &'static str) -> T<'s> {
    Term::Call(name, Vec::new())
}

fn then<'s>(counter: &'static str, term: T<'s>) -> T<'s> {
    Term::BinOp(
        Box::new(call(counter)),
        BinaryOp::Pipe(None),
        Box::new(term),
    )
}

/// Puts a counter before every term that is more than a constant.
fn counted(term: T<'_>) -> T<'_> {
    fn boxed(term: Box<T<'_>>) -> Box<T<'_>> {
        let mut term = term;
        *term = counted(std::mem::take(&mut *term));
        term
    }
    let all = |terms: Vec<_>| terms.into_iter().map(counted).collect::<Vec<_>>();
    let term = match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) => return term,
        Term::Recurse => return then("tick_whole", Term::Recurse),
        Term::Str(format, parts) => Term::Str(
            format,
            parts
                .into_iter()
                .map(|part| match part {
                    // Interpolation writes the value out.
                    StrPart::Term(term) => StrPart::Term(Term::BinOp(
                        Box::new(counted(term)),
                        BinaryOp::Pipe(None),
                        Box::new(call("tick_whole")),
                    )),
                    part => part,
                })
                .collect(),
        ),
        Term::Arr(inner) => Term::Arr(inner.map(boxed)),
        Term::Obj(entries) => Term::Obj(
            entries
                .into_iter()
                // A key alone is short for a member or variable of that name; the form decides, so it stays.
                .map(|(key, value)| match value {
                    Some(value) => (counted(key), Some(counted(value))),
                    None => (key, None),
                })
                .collect(),
        ),
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::BinOp(left, BinaryOp::Math(ops::Math::Mul), right) => {
            Term::Call("times", vec![counted(*left), counted(*right)])
        }
        Term::BinOp(left, op, right) => {
            let op = match op {
                BinaryOp::Pipe(pattern) => BinaryOp::Pipe(pattern.map(counted_pattern)),
                op => op,
            };
            Term::BinOp(boxed(left), op, boxed(right))
        }
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(kind, over, pattern, steps) => Term::Fold(
            kind,
            boxed(over),
            counted_pattern(pattern),
            steps
                .into_iter()
                .map(|step| then("tick_whole", counted(step)))
                .collect(),
        ),
        Term::TryCatch(inner, catch) => Term::TryCatch(boxed(inner), catch.map(boxed)),
        Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
            branches
                .into_iter()
                .map(|(condition, then)| (counted(condition), counted(then)))
                .collect(),
            otherwise.map(boxed),
        ),
        Term::Def(defs, inner) => {
            Term::Def(defs.into_iter().map(counted_def).collect(), boxed(inner))
        }
        Term::Call(name, args) => Term::Call(name, all(args)),
        Term::Path(inner, path) => Term::Path(
            boxed(inner),
            jaq_core::path::Path(
                path.0
                    .into_iter()
                    .map(|(part, opt)| {
                        use jaq_core::path::Part::{Index, Range};
                        let part = match part {
                            Index(index) => Index(counted(index)),
                            Range(from, to) => Range(from.map(counted), to.map(counted)),
                        };
                        (part, opt)
                    })
                    .collect(),
            ),
        ),
    };
    then("tick", term)
}

fn counted_pattern(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(patterns) => Pattern::Arr(patterns.into_iter().map(counted_pattern).collect()),
        Pattern::Obj(entries) => Pattern::Obj(
            entries
                .into_iter()
                .map(|(key, pattern)| (key, counted_pattern(pattern)))
                .collect(),
        ),
    }
}

/// Only definitions recurse, so that each call of one pays for all that it is given.
fn counted_def(def: D<'_>) -> D<'_> {
    let counter = match def.name {
        // These are called for each value of a stream, and do not build on what they have made.
        "select" | "empty" | "not" | "true" | "false" | "null" | "type" | "test" | "values"
        | "isstring" => "tick",
        _ => "tick_whole",
    };
    Def {
        name: def.name,
        args: def.args,
        body: then(counter, counted(def.body)),
    }
}

/// How deep brackets are nested in a text; strings are not told apart, which errs on the safe side.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    // Words open levels too.
    let words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| matches!(*word, "if" | "def" | "try" | "reduce" | "foreach" | "label"))
        .count();
    let minus = text.split(|c| c != '-').map(str::len).max().unwrap_or(0);
    deepest + words + minus
}

type Program = Filter<Data>;

fn compile(code: &str) -> Result<Program, String> {
    fn parse(code: &str) -> Result<Vec<D<'_>>, String> {
        load::parse(code, |parser| parser.defs())
            .ok_or_else(|| "it is not a jq expression".to_owned())
    }
    let user = parse(code)?;
    let prelude = parse(PRELUDE)?;
    // The compiler shortens lifetimes only outside of iterators.
    let known: Vec<D<'_>> = jaq_core::defs()
        .chain(jaq_std::defs())
        .filter(|def| {
            let replaced =
                def.name == "debug" || def.name == "stderr" || def.name.starts_with("halt");
            !replaced
        })
        .chain(jaq_json::defs())
        .collect();
    let defs = prelude
        .into_iter()
        .chain(known)
        .map(counted_def)
        .chain(user.into_iter().map(counted_def));
    let natives = jaq_core::funs::<Data>()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        .filter(|(name, ..)| *name != "range" && !REFUSED.contains(name))
        .chain(counters());
    let arena = Arena::default();
    let main = File {
        code: "program",
        path: (),
    };
    let modules = Loader::new(defs)
        .load(&arena, main)
        .map_err(|_| "it is not a jq expression".to_owned())?;
    Compiler::default()
        .with_funs(natives)
        .compile(modules)
        .map_err(|errors| {
            let unknown: Vec<_> = errors
                .iter()
                .flat_map(|(_, errors)| errors.iter().map(|(name, _)| *name))
                .collect();
            format!("there is no {}", unknown.join(", "))
        })
}

/// What is done with an expression.
#[derive(Clone)]
enum Use {
    /// It gives paths, which are deleted.
    Paths(Arc<Program>),
    /// It is a part of a larger program, as `.a) | .b |= (.c`, which makes an object of an object. Argo CD puts expressions into the
    /// text `del(…)`, and some rules rely on it.
    Rewrite(Arc<Program>),
}

/// An expression, ready to be evaluated.
#[derive(Clone)]
pub(super) struct Expression {
    text: Str,
    used: Use,
    limits: JqLimits,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Reads and compiles an expression.
    pub(super) fn new(text: &str, limits: JqLimits) -> Result<Self, String> {
        if text.len() > limits.length {
            return Err(format!("it is longer than {} bytes", limits.length));
        }
        if nesting(text) > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        let alone = load::parse(text, |parser| parser.term()).is_some();
        let used = if alone {
            Use::Paths(Arc::new(compile(&format!("def program: path({text}\n);"))?))
        } else {
            Use::Rewrite(Arc::new(compile(&format!("def program: del({text}\n);"))?))
        };
        Ok(Self {
            text: text.into(),
            used,
            limits,
        })
    }

    /// Evaluates the expression: every place that it stands for. None where it fails.
    pub(super) fn places(&self, value: &Value) -> Vec<Pointer> {
        let Use::Paths(program) = &self.used else {
            return Vec::new();
        };
        let mut places = Vec::new();
        let result = run(program, value, |path| {
            add_pointers(&path, value, self.limits.paths, &mut places).ok_or(())
        });
        if result.is_err() {
            return Vec::new();
        }
        places.retain(|pointer| pointer.get(value).is_some());
        // In the order of the value, so that removing from the end leaves the indexes of the others alone.
        places.sort_by(compare);
        places.dedup();
        places
    }

    /// Carries out an expression that is a program; `None` where it is none, or fails, or gives something else than a map.
    pub(super) fn rewrite(&self, value: &Value) -> Option<Value> {
        let Use::Rewrite(program) = &self.used else {
            return None;
        };
        let mut first = None;
        run(program, value, |out| {
            if first.is_none() {
                first = Some(from_val(&out, 0).ok_or(())?);
            }
            Ok(())
        })
        .ok()?;
        first.filter(|value| value.as_object().is_some())
    }
}

fn run(
    program: &Program,
    value: &Value,
    mut each: impl FnMut(Val) -> Result<(), ()>,
) -> Result<(), ()> {
    let fuel = Fuel(Cell::new(STEPS));
    let data = Shared {
        lut: &program.lut,
        fuel: &fuel,
    };
    let input = to_val(value);
    for out in program
        .id
        .run((Ctx::<Data>::new(data, jaq_core::Vars::new([])), input))
    {
        each(out.map_err(|_| ())?)?;
    }
    Ok(())
}

/// Orders pointers as the places stand in a value: list indexes by number.
fn compare(a: &Pointer, b: &Pointer) -> std::cmp::Ordering {
    let rank = |token: &Str| pointer::index(token);
    for (a, b) in a.tokens().iter().zip(b.tokens()) {
        let order = match (rank(a), rank(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.tokens().len().cmp(&b.tokens().len())
}

/// A path as jq gives it: a list of keys, indexes, perhaps from the end, and slices. A slice at its end stands for all its elements.
fn add_pointers(path: &Val, value: &Value, limit: usize, out: &mut Vec<Pointer>) -> Option<()> {
    let Val::Arr(steps) = path else { return None };
    let mut tokens: Vec<Str> = Vec::with_capacity(steps.len());
    let mut here = Some(value);
    let len = |here: Option<&Value>| here.and_then(Value::as_array).map_or(0, |list| list.len());
    // The part of the list that slices have left.
    let mut window: Option<std::ops::Range<usize>> = None;
    for step in steps.iter() {
        let token: Str = match step {
            Val::TStr(text) if window.is_none() => std::str::from_utf8(text).ok()?.into(),
            Val::Num(number) => {
                let index = number.as_isize()?;
                let sliced = window.is_some();
                let within = window.take().unwrap_or(0..len(here));
                let index = if index < 0 {
                    within.len().checked_sub(index.unsigned_abs())?
                } else {
                    index.unsigned_abs()
                };
                if sliced && index >= within.len() {
                    // Nothing is there, whatever the list has after the slice.
                    return Some(());
                }
                (within.start + index).to_string().into()
            }
            Val::Obj(bounds) => {
                let within = window.take().unwrap_or(0..len(here));
                let bound = |name: &str, otherwise: usize| {
                    let bound = bounds.get(&Val::utf8_str(name.to_owned()));
                    match bound {
                        None | Some(Val::Null) => Some(otherwise),
                        Some(Val::Num(number)) => {
                            let index = number.as_isize()?;
                            let from_start = if index < 0 {
                                within.len().saturating_sub(index.unsigned_abs())
                            } else {
                                index.unsigned_abs().min(within.len())
                            };
                            Some(from_start)
                        }
                        Some(_) => None,
                    }
                };
                let (start, end) = (bound("start", 0)?, bound("end", within.len())?);
                window = Some(within.start + start..within.start + end.max(start));
                continue;
            }
            _ => return None,
        };
        here = here.and_then(|value| match value {
            Value::Object(map) => map.get(&token),
            Value::Array(list) => list.get(pointer::index(&token)?),
            _ => None,
        });
        tokens.push(token);
    }
    let mut add = |tokens: Vec<Str>| {
        if out.len() >= limit {
            return None;
        }
        out.push(Pointer::from_tokens(tokens));
        Some(())
    };
    match window {
        None => add(tokens),
        Some(range) => range.into_iter().try_for_each(|i| {
            let mut tokens = tokens.clone();
            tokens.push(i.to_string().into());
            add(tokens)
        }),
    }
}

fn to_val(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(value) => Val::Bool(*value),
        Value::Number(number) => Val::Num(match number.as_i64().map(isize::try_from) {
            Some(Ok(int)) => Num::Int(int),
            _ if number.is_integer() => {
                Num::from_str_radix(&number.to_string(), 10).unwrap_or(Num::Float(number.as_f64()))
            }
            _ => Num::Float(number.as_f64()),
        }),
        Value::String(text) => Val::utf8_str(text.as_str().to_owned()),
        Value::Array(list) => list.iter().map(to_val).collect(),
        Value::Object(map) => Val::obj(
            map.iter()
                .map(|(key, value)| (Val::utf8_str(key.as_str().to_owned()), to_val(value)))
                .collect(),
        ),
    }
}

fn from_val(value: &Val, depth: usize) -> Option<Value> {
    if depth > 128 {
        return None;
    }
    Some(match value {
        Val::Null => Value::Null,
        Val::Bool(value) => Value::Bool(*value),
        Val::Num(number) => Value::Number(match number {
            Num::Int(int) => i64::try_from(*int).ok()?.into(),
            Num::Float(float) => Number::from_f64(*float)?,
            number => Number::parse(&number.to_string())?,
        }),
        Val::TStr(text) => std::str::from_utf8(text).ok()?.into(),
        Val::BStr(_) => return None,
        Val::Arr(list) => list
            .iter()
            .map(|value| from_val(value, depth + 1))
            .collect::<Option<Vec<_>>>()?
            .into(),
        Val::Obj(map) => Map::from_entries(
            map.iter()
                .map(|(key, value)| match key {
                    Val::TStr(key) => Some((
                        std::str::from_utf8(key).ok()?.into(),
                        from_val(value, depth + 1)?,
                    )),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?,
        )
        .into(),
    })
}
