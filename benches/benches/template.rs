//! Templates as charts have them: forty workloads through helpers, `include` and `tpl`.
//!
//! `benches/peers/template` measures Go on the same input.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gitops_template::{
    Function, Functions, Map, MissingKey, Render, Signature, Str, Templates, Type, Value,
};

const TEXT: &str = include_str!("../peers/template/chart.tpl");
const DATA: &str = include_str!("../peers/template/data.json");

fn functions() -> Functions {
    let mut functions = Functions::sprig();
    let text_and_data = || Signature::new(&[Type::String, Type::Any][..], Type::String);
    functions.insert(Function::new(
        "include",
        text_and_data(),
        |context, arguments| {
            let [Value::Str(name), data] = arguments else {
                return Ok(Value::Missing);
            };
            context.render(name, data.clone()).map(Value::Str)
        },
    ));
    functions.insert(Function::new(
        "tpl",
        text_and_data(),
        |context, arguments| {
            let [Value::Str(text), data] = arguments else {
                return Ok(Value::Missing);
            };
            let snippet = context.parse(&Str::from_static("tpl"), text)?;
            context.execute(&snippet, data.clone()).map(Value::Str)
        },
    ));
    functions
}

fn parse(functions: &Functions) -> Templates {
    let mut templates = Templates::new(functions.clone()).missing_key(MissingKey::Zero);
    templates.parse("t", TEXT).expect("a template");
    templates
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(value).collect()),
        serde_json::Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, item)| (Str::new(key), value(item)));
            Value::Map(Map::from_iter(entries))
        }
    }
}

fn templates(criterion: &mut Criterion) {
    let functions = functions();
    criterion.bench_function("template/parse", |bench| {
        bench.iter(|| parse(black_box(&functions)));
    });
    let templates = parse(&functions);
    let data = value(&serde_json::from_str(DATA).expect("JSON"));
    criterion.bench_function("template/execute", |bench| {
        bench.iter(|| {
            templates
                .render("t", data.clone(), &mut Render::default())
                .expect("text")
        });
    });
}

criterion_group!(benches, templates);
criterion_main!(benches);
