//! `values.schema.json`: whether values are what a chart wants, in the words of `santhosh-tekuri/jsonschema` 6.

use std::sync::OnceLock;

use boon::{CompileError, Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use gitops_template::{Map, Value};
use serde_json::Value as Json;

use crate::functions;
use crate::plain;
use crate::resolve::{ChartId, Charts};
use crate::{Error, go};

/// The address that a chart's schema has for itself.
const ADDRESS: &str = "file:///values.schema.json";

impl Charts {
    /// Holds the values of the chart and its subcharts against their schemas.
    pub(crate) fn validate(&self, values: &Map) -> Result<(), Error> {
        let mut message = String::new();
        self.validate_chart(Self::ROOT, values, &mut message);
        if message.is_empty() {
            Ok(())
        } else {
            Err(Error::Schema { message })
        }
    }

    fn validate_chart(&self, id: ChartId, values: &Map, message: &mut String) {
        let instance = &self[id];
        if let Some(schema) = instance.chart.schema()
            && let Err(error) = instance.chart.compiled_schema().validate(schema, values)
        {
            message.push_str(&format!("{}:\n{error}", instance.name));
        }
        for &child in &instance.charts {
            let name = &self[child].name;
            match values.get(name.as_bytes()) {
                None | Some(Value::Nil) => {}
                Some(Value::Map(values)) => self.validate_chart(child, &values, message),
                Some(other) => message.push_str(&format!(
                    "{name}:\ninvalid type for values: expected object (map), got {}\n",
                    other.type_name()
                )),
            }
        }
    }
}

/// A schema made ready at its first use, and kept with its chart.
#[derive(Default)]
pub(crate) struct CompiledSchema {
    /// The schema, where it says plain things only.
    plain: OnceLock<Option<Json>>,
    compiled: OnceLock<Result<(Schemas, SchemaIndex), String>>,
}

impl std::fmt::Debug for CompiledSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompiledSchema")
    }
}

impl CompiledSchema {
    /// Holds values against the schema.
    fn validate(&self, schema: &[u8], values: &Map) -> Result<(), String> {
        let values = Value::Map(values.clone());
        let plain = self
            .plain
            .get_or_init(|| serde_json::from_slice(schema).ok().filter(plain::is_plain));
        if plain
            .as_ref()
            .is_some_and(|schema| plain::accepts(schema, &values))
        {
            return Ok(());
        }
        let compiled = self.compiled.get_or_init(|| compile(schema));
        let (schemas, index) = compiled.as_ref().map_err(Clone::clone)?;
        let values = functions::to_json_value(&values, 0)
            .map(|value| Json::from(&value))
            .unwrap_or_default();
        schemas.validate(&values, *index).map_err(|error| {
            let text = show(&error);
            let prefix = format!("jsonschema validation failed with '{ADDRESS}#'\n");
            format!("{}\n", text.strip_prefix(&prefix).unwrap_or(&text))
        })
    }
}

fn compile(schema: &[u8]) -> Result<(Schemas, SchemaIndex), String> {
    let schema: Json = serde_json::from_slice(schema).map_err(|error| error.to_string())?;
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(NoLoader));
    let index = compiler
        .add_resource(ADDRESS, schema)
        .and_then(|()| compiler.compile(ADDRESS, &mut schemas))
        .map_err(|error| show_compile_error(&error))?;
    Ok((schemas, index))
}

/// Schemas are not fetched: a render reads no network. Names (`urn:`) stand for anything, as in Helm.
struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Json, Box<dyn std::error::Error>> {
        if url.starts_with("urn:") {
            Ok(Json::Bool(true))
        } else {
            Err("schemas are not fetched while rendering".into())
        }
    }
}

fn show_compile_error(error: &CompileError) -> String {
    match error {
        CompileError::ValidationError { url, src } => {
            let url = if url.contains('#') {
                url.clone()
            } else {
                format!("{url}#")
            };
            format!("{url:?} is not valid against metaschema: {}", show(src))
        }
        CompileError::LoadUrlError { url, src } => format!("failing loading {url:?}: {src}"),
        other => other.to_string(),
    }
}

/// Shows an error with its causes, one a line, each indented by how deep it is.
fn show(error: &ValidationError<'_, '_>) -> String {
    let mut out = String::new();
    show_into(error, error.schema_url, None, "", 0, &mut out);
    out
}

fn start_line(indent: usize, out: &mut String) {
    if indent > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", indent - 1));
        out.push_str("- ");
    }
}

/// Shows an error that has come up on the way from the schema at `from`, which failed as `parent`.
fn show_into(
    error: &ValidationError<'_, '_>,
    from: &str,
    parent: Option<&ErrorKind<'_, '_>>,
    parent_place: &str,
    mut indent: usize,
    out: &mut String,
) {
    let causes = kept_causes(error);
    if let (ErrorKind::Group, [only]) = (&error.kind, causes.as_slice()) {
        return show_into(only, from, parent, parent_place, indent, out);
    }
    for (message, place) in left_out(error, from, parent) {
        start_line(indent, out);
        out.push_str(&format!("at {}: {message}", quote(&place)));
        indent += 1;
    }
    let place = match &error.kind {
        ErrorKind::PropertyName { .. } => place_of_map(error, from, parent_place),
        _ => error.instance_location.to_string(),
    };
    let is_reference = matches!(error.kind, ErrorKind::Reference { .. });
    if !(is_reference && causes.len() == 1) {
        start_line(indent, out);
        indent += 1;
        if let ErrorKind::Schema { url } = &error.kind {
            let url = if url.contains('#') {
                (*url).to_owned()
            } else {
                format!("{url}#")
            };
            out.push_str(&format!(
                "jsonschema validation failed with {}",
                quote(&url)
            ));
        } else {
            out.push_str(&format!("at {}: {}", quote(&place), message(&error.kind)));
        }
    }
    let from = match &error.kind {
        ErrorKind::Reference { url, .. } | ErrorKind::Schema { url } => url,
        _ => error.schema_url,
    };
    for cause in causes {
        show_into(cause, from, Some(&error.kind), &place, indent, out);
    }
}

/// Returns the causes of an error that the original has too: it leaves off where a format is wrong, this validator
/// goes on.
fn kept_causes<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>) -> Vec<&'e ValidationError<'s, 'v>> {
    let mut kept: Vec<&ValidationError<'s, 'v>> = Vec::new();
    for cause in &error.causes {
        let goes_on = kept.iter().any(|earlier| {
            matches!(earlier.kind, ErrorKind::Format { .. })
                && earlier.schema_url == cause.schema_url
                && earlier.instance_location.to_string() == cause.instance_location.to_string()
        });
        if !goes_on {
            kept.push(cause);
        }
    }
    kept
}

/// Returns the place of the map whose property has a wrong name. The validator leaves it out; it follows from the way
/// through the schema.
fn place_of_map(error: &ValidationError<'_, '_>, from: &str, parent_place: &str) -> String {
    let mut place = parent_place.to_owned();
    let Some(way) = error.schema_url.strip_prefix(from) else {
        return place;
    };
    let mut parts = way.trim_start_matches('#').split('/').skip(1);
    while let Some(keyword) = parts.next() {
        if keyword == "properties"
            && let Some(name) = parts.next()
        {
            place.push('/');
            place.push_str(name);
        }
    }
    place
}

/// The errors of `allOf` and its like that the validator leaves out because they have one cause only, and that
/// the original shows. They follow from the way through the schema.
fn left_out(
    error: &ValidationError<'_, '_>,
    from: &str,
    parent: Option<&ErrorKind<'_, '_>>,
) -> Vec<(&'static str, String)> {
    let pointer = |url: &str| {
        url.split_once('#')
            .map_or(String::new(), |(_, p)| p.to_owned())
    };
    let document = |url: &str| url.split('#').next().unwrap_or_default().to_owned();
    let (base, way) = (pointer(from), pointer(error.schema_url));
    if document(from) != document(error.schema_url) {
        return Vec::new();
    }
    let Some(way) = way.strip_prefix(&base) else {
        return Vec::new();
    };
    let mut found: Vec<(&'static str, usize)> = Vec::new();
    // How many steps into the value the way through the schema has taken.
    let mut depth = 0;
    let mut parts = way.split('/').skip(1).peekable();
    let mut first = true;
    while let Some(keyword) = parts.next() {
        let combination = match keyword {
            "allOf" => Some("'allOf' failed"),
            "anyOf" => Some("'anyOf' failed"),
            "oneOf" => Some("'oneOf' failed, none matched"),
            _ => None,
        };
        if let Some(message) = combination {
            parts.next();
            let is_parents = first
                && matches!(
                    (keyword, parent),
                    ("allOf", Some(ErrorKind::AllOf))
                        | ("anyOf", Some(ErrorKind::AnyOf))
                        | ("oneOf", Some(ErrorKind::OneOf(_)))
                );
            if !is_parents {
                found.push((message, depth));
            }
        }
        first = false;
        match keyword {
            "properties" | "patternProperties" | "prefixItems" => {
                parts.next();
                depth += 1;
            }
            "items" => {
                parts.next_if(|part| part.bytes().all(|b| b.is_ascii_digit()));
                depth += 1;
            }
            "additionalProperties"
            | "additionalItems"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "contains" => depth += 1,
            "dependentSchemas" | "dependencies" | "$defs" | "definitions" => {
                parts.next();
            }
            _ => {}
        }
    }
    let place = error.instance_location.to_string();
    let steps: Vec<&str> = place.split('/').collect();
    found
        .into_iter()
        .map(|(message, at)| {
            let kept = steps.len().saturating_sub(depth - at).max(1);
            (message, steps[..kept].join("/"))
        })
        .collect()
}

fn message(kind: &ErrorKind<'_, '_>) -> String {
    let compare = |name: &str, got: usize, want: usize| {
        format!("{name}: got {}, want {}", grouped(got), grouped(want))
    };
    let limit = |name: &str, got: &serde_json::Number, want: &serde_json::Number| {
        format!("{name}: got {}, want {}", number(got), number(want))
    };
    let needs = |missing: &[&str], property: &str| {
        format!(
            "properties {} required, if {} exists",
            quote_all(missing),
            quote(property)
        )
    };
    let at = |indexes: &[usize]| {
        let indexes: Vec<_> = indexes.iter().map(usize::to_string).collect();
        indexes.join(" ")
    };
    match kind {
        ErrorKind::Group | ErrorKind::Reference { .. } => "validation failed".to_owned(),
        ErrorKind::Schema { url } => format!("jsonschema validation failed with {}", quote(url)),
        ErrorKind::ContentSchema => "'contentSchema' failed".to_owned(),
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quote(prop)),
        ErrorKind::RefCycle {
            url,
            kw_loc1,
            kw_loc2,
        } => {
            format!("both {kw_loc1} and {kw_loc2} resolve to {url:?} causing reference cycle")
        }
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::Type { got, want } => {
            let want: Vec<_> = want.iter().map(|ty| ty.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } if want.iter().all(is_primitive) => {
            let shown: Vec<_> = want.iter().map(display).collect();
            match shown.as_slice() {
                [one] => format!("value must be {one}"),
                _ => format!("value must be one of {}", shown.join(", ")),
            }
        }
        ErrorKind::Enum { .. } => "'enum' failed".to_owned(),
        ErrorKind::Const { want } if is_primitive(want) => {
            format!("value must be {}", display(want))
        }
        ErrorKind::Const { .. } => "'const' failed".to_owned(),
        ErrorKind::Format { got, want, err } => {
            format!("{} is not valid {want}: {err}", display(got))
        }
        ErrorKind::MinProperties { got, want } => compare("minProperties", *got, *want),
        ErrorKind::MaxProperties { got, want } => compare("maxProperties", *got, *want),
        ErrorKind::AdditionalProperties { got } => {
            let got: Vec<&str> = got.iter().map(AsRef::as_ref).collect();
            format!("additional properties {} not allowed", quote_all(&got))
        }
        ErrorKind::Required { want } => match want.as_slice() {
            [one] => format!("missing property {}", quote(one)),
            _ => format!("missing properties {}", quote_all(want)),
        },
        ErrorKind::Dependency { prop, missing }
        | ErrorKind::DependentRequired { prop, missing } => needs(missing, prop),
        ErrorKind::MinItems { got, want } => compare("minItems", *got, *want),
        ErrorKind::MaxItems { got, want } => compare("maxItems", *got, *want),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => format!(
            "min {} items required to match contains schema, but none matched",
            grouped(*want)
        ),
        ErrorKind::MinContains { got, want } => format!(
            "min {} items required to match contains schema, but matched {} items at {}",
            grouped(*want),
            grouped(got.len()),
            at(got)
        ),
        ErrorKind::MaxContains { got, want } => format!(
            "max {} items required to match contains schema, but matched {} items at {}",
            grouped(*want),
            grouped(got.len()),
            at(got)
        ),
        ErrorKind::UniqueItems { got: [a, b] } => {
            format!("items at {} and {} are equal", grouped(*a), grouped(*b))
        }
        ErrorKind::AdditionalItems { got } => {
            format!("last {} additionalItem(s) not allowed", grouped(*got))
        }
        ErrorKind::MinLength { got, want } => compare("minLength", *got, *want),
        ErrorKind::MaxLength { got, want } => compare("maxLength", *got, *want),
        ErrorKind::Pattern { got, want } => {
            format!("{} does not match pattern {}", quote(got), quote(want))
        }
        ErrorKind::ContentEncoding { want, err } => {
            format!("value is not {} encoded: {err}", quote(want))
        }
        ErrorKind::ContentMediaType { want, err, .. } => {
            format!("value is not of mediatype {}: {err}", quote(want))
        }
        ErrorKind::Minimum { got, want } => limit("minimum", got, want),
        ErrorKind::Maximum { got, want } => limit("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => limit("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => limit("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => limit("multipleOf", got, want),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((a, b))) => {
            format!(
                "'oneOf' failed, subschemas {}, {} matched",
                grouped(*a),
                grouped(*b)
            )
        }
    }
}

const fn is_primitive(value: &Json) -> bool {
    !matches!(value, Json::Array(_) | Json::Object(_))
}

fn display(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        other => other.to_string(),
    }
}

fn quote(text: &str) -> String {
    let quoted = go::quote_text(text)
        .replace("\\\"", "\"")
        .replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

fn quote_all(texts: &[&str]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quote(text)).collect();
    quoted.join(", ")
}

/// Writes a number as English does: with commas between groups of three digits.
fn grouped(value: usize) -> String {
    group(&value.to_string())
}

fn number(value: &serde_json::Number) -> String {
    let text = value.as_f64().unwrap_or_default().to_string();
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text.as_str(), None),
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let fraction = fraction.map(|fraction| format!(".{fraction}"));
    format!("{sign}{}{}", group(digits), fraction.unwrap_or_default())
}

fn group(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
