//! Regular expressions.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::{Table, bytes, int, string, text};
use crate::error::{Error, Result};
use crate::exec::Context;
use crate::regexp::{KeptRegexps, Regexp, quote_meta, shown};
use crate::text::Str;
use crate::value::{List, ListType, Type, Value};

/// How many compiled expressions a render keeps.
const MAX_CACHED: usize = 1_000;

/// Expressions that were compiled during a render.
#[derive(Default)]
pub(crate) struct RegexCache(FxHashMap<Str, Result<Rc<Regexp>, Rc<str>>>);

impl RegexCache {
    fn compile(&mut self, kept: &KeptRegexps, expression: &Str) -> Result<Rc<Regexp>, Rc<str>> {
        if let Some(compiled) = self.0.get(expression) {
            return compiled.clone();
        }
        let compiled = kept.compile(expression).map(Rc::new).map_err(Rc::from);
        if self.0.len() >= MAX_CACHED {
            self.0.clear();
        }
        self.0.insert(expression.clone(), compiled.clone());
        compiled
    }
}

/// Compiles an expression, unless this render has done so or others have.
fn compiled(context: &mut Context<'_>, expression: &Str) -> Result<Result<Rc<Regexp>, Rc<str>>> {
    context.spend(16)?;
    let kept = context.templates().functions().regexps();
    Ok(context.render.regexes.compile(kept, expression))
}

/// Compiles an expression for a function that returns errors.
fn compile(context: &mut Context<'_>, expression: &Value) -> Result<Rc<Regexp>> {
    compiled(context, &string(expression))?.map_err(|message| Error::new(&*message))
}

/// Compiles an expression for a function that panics.
fn must_compile(context: &mut Context<'_>, expression: &Value) -> Result<Rc<Regexp>> {
    compiled(context, &string(expression))?.map_err(|message| {
        Error::new(format!(
            "regexp: Compile({}): {message}",
            shown(text(expression))
        ))
    })
}

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Bool, Int, String};
    const STRINGS: Type = Type::List(&ListType::STRINGS);
    table.add("regexMatch", &[String, String], Bool, |context, a| {
        // Only the error is ignored.
        let matches = compile(context, &a[0]).is_ok_and(|regexp| regexp.is_match(text(&a[1])));
        Ok(Value::Bool(matches))
    });
    table.add("mustRegexMatch", &[String, String], Bool, |context, a| {
        Ok(Value::Bool(compile(context, &a[0])?.is_match(text(&a[1]))))
    });
    table.add("regexFind", &[String, String], String, |context, a| {
        Ok(bytes(must_compile(context, &a[0])?.find(text(&a[1]))))
    });
    table.add("mustRegexFind", &[String, String], String, |context, a| {
        Ok(bytes(compile(context, &a[0])?.find(text(&a[1]))))
    });
    table.add(
        "regexFindAll",
        &[String, String, Int],
        STRINGS,
        |context, a| Ok(find_all(&*must_compile(context, &a[0])?, a)),
    );
    table.add(
        "mustRegexFindAll",
        &[String, String, Int],
        STRINGS,
        |context, a| Ok(find_all(&*compile(context, &a[0])?, a)),
    );
    table.add(
        "regexSplit",
        &[String, String, Int],
        STRINGS,
        |context, a| Ok(split(&*must_compile(context, &a[0])?, a)),
    );
    table.add(
        "mustRegexSplit",
        &[String, String, Int],
        STRINGS,
        |context, a| Ok(split(&*compile(context, &a[0])?, a)),
    );
    table.add(
        "regexReplaceAll",
        &[String, String, String],
        String,
        |context, a| {
            let regexp = must_compile(context, &a[0])?;
            replace(context, &regexp, a, false)
        },
    );
    table.add(
        "mustRegexReplaceAll",
        &[String, String, String],
        String,
        |context, a| {
            let regexp = compile(context, &a[0])?;
            replace(context, &regexp, a, false)
        },
    );
    table.add(
        "regexReplaceAllLiteral",
        &[String, String, String],
        String,
        |context, a| {
            let regexp = must_compile(context, &a[0])?;
            replace(context, &regexp, a, true)
        },
    );
    table.add(
        "mustRegexReplaceAllLiteral",
        &[String, String, String],
        String,
        |context, a| {
            let regexp = compile(context, &a[0])?;
            replace(context, &regexp, a, true)
        },
    );
    table.add("regexQuoteMeta", &[String], String, |_, a| {
        Ok(bytes(quote_meta(text(&a[0]))))
    });
}

fn find_all(regexp: &Regexp, arguments: &[Value]) -> Value {
    let source = text(&arguments[1]);
    let found = regexp.find_all(source, int(&arguments[2]));
    if found.is_empty() {
        return Value::List(List::nil(&ListType::STRINGS));
    }
    Value::strings(
        found
            .into_iter()
            .map(|(start, end)| Str::from_bytes(&source[start..end])),
    )
}

fn split(regexp: &Regexp, arguments: &[Value]) -> Value {
    match regexp.split(text(&arguments[1]), int(&arguments[2])) {
        None => Value::List(List::nil(&ListType::STRINGS)),
        Some(parts) => Value::strings(parts.into_iter().map(Str::from_bytes)),
    }
}

fn replace(
    context: &Context<'_>,
    regexp: &Regexp,
    arguments: &[Value],
    literal: bool,
) -> Result<Value> {
    let (source, replacement) = (text(&arguments[1]), text(&arguments[2]));
    let limit = context.limits().output;
    let replaced = regexp.replace_all(source, limit, |out, groups| {
        if literal || memchr::memchr(b'$', replacement).is_none() {
            out.extend_from_slice(replacement);
        } else {
            regexp.expand(out, replacement, groups);
        }
    });
    replaced
        .map(bytes)
        .ok_or_else(|| Error::limit("the size of a value", limit))
}
