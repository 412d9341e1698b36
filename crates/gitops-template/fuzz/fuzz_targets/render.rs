//! Parses and renders whatever comes: no text may panic, exhaust the stack or run without end.
#![no_main]

use gitops_template::{Functions, Map, Render, RenderOptions, Str, Templates, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut templates = Templates::new(Functions::sprig());
    if templates.parse("t", text).is_err() {
        return;
    }
    let mut options = RenderOptions::default();
    options.limits.steps = 20_000;
    options.limits.output = 1 << 20;
    options.limits.depth = 200;
    let list = Value::list(vec![Value::Float(1.0), Value::from("two"), Value::Nil]);
    let data = Map::from_iter([
        (Str::new("a"), list.clone()),
        (Str::new("b"), Value::Map(Map::from_iter([(Str::new("c"), list)]))),
        (Str::new("s"), Value::from("text")),
    ]);
    let _ = templates.render("t", data.into(), &mut Render::new(options));
});
