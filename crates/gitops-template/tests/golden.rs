//! Every case is a template; beside it stands what Go printed, or the error that it returned.

use std::fmt::Write as _;
use std::path::Path;

use gitops_template::{
    Function, Functions, List, Map, MissingKey, Output, Render, RenderOptions, Signature, Str,
    Templates, Type, Value,
};

fn convert(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => {
            Value::Float(number.to_string().parse().expect("a number"))
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => {
            Value::List(List::new(items.iter().map(convert).collect()))
        }
        serde_json::Value::Object(entries) => Value::Map(Map::from_iter(
            entries
                .iter()
                .map(|(key, value)| (Str::new(key), convert(value))),
        )),
    }
}

/// What the first line of a file of cases asks for.
#[derive(Default)]
struct Setup {
    builtin_only: bool,
    missing_key: MissingKey,
    delimiters: Option<(String, String)>,
}

impl Setup {
    fn read(path: &Path) -> Self {
        let mut setup = Self::default();
        let text = std::fs::read_to_string(path).expect("cases can be read");
        let Some(line) = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("#! "))
        else {
            return setup;
        };
        for (key, value) in line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
        {
            match (key, value) {
                ("funcs", "builtin") => setup.builtin_only = true,
                ("missingkey", "zero") => setup.missing_key = MissingKey::Zero,
                ("missingkey", "error") => setup.missing_key = MissingKey::Error,
                ("delims", delimiters) => {
                    let (left, right) = delimiters.split_once(',').expect("two delimiters");
                    setup.delimiters = Some((left.to_owned(), right.to_owned()));
                }
                _ => {}
            }
        }
        setup
    }

    fn functions(&self) -> Functions {
        if self.builtin_only {
            return Functions::builtin();
        }
        let mut functions = Functions::sprig();
        functions.insert(Function::new(
            "include",
            Signature::new(&[Type::String, Type::Any][..], Type::String),
            |context, arguments| {
                let Value::Str(name) = arguments[0].clone() else {
                    unreachable!()
                };
                context.render(&name, arguments[1].clone()).map(Value::Str)
            },
        ));
        functions
    }

    fn run(&self, functions: &Functions, text: &str, data: Value) -> Result<Vec<u8>, String> {
        let mut templates = Templates::new(functions.clone())
            .named("t")
            .missing_key(self.missing_key);
        if let Some((left, right)) = &self.delimiters {
            templates = templates.delimiters(left.as_str(), right.as_str());
        }
        templates
            .parse("t", text)
            .map_err(|error| error.to_string())?;
        let mut output = Output::new();
        let mut render = Render::new(RenderOptions::default());
        templates
            .execute("t", data, &mut render, &mut output)
            .map_err(|error| error.to_string())?;
        Ok(output.as_bytes().to_vec())
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bits = 0_u32;
    let mut count = 0;
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[test]
fn templates_give_what_go_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let data = std::fs::read_to_string(folder.join("data.json")).expect("data can be read");
    let data: serde_json::Value = serde_json::from_str(&data).expect("data is JSON");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "golden")
        })
        .collect();
    files.sort();
    let (mut total, mut failed) = (0, 0);
    let mut report = String::new();
    for path in files {
        let setup = Setup::read(&path.with_extension("cases"));
        let functions = setup.functions();
        let golden = std::fs::read_to_string(&path).expect("golden data can be read");

        for line in golden.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a case");
            let text = case["t"].as_str().expect("a template");
            let want = match (&case["o"], &case["b"], &case["e"]) {
                (serde_json::Value::String(text), _, _) => Ok(text.clone().into_bytes()),
                (_, serde_json::Value::String(bytes), _) => Ok(decode_base64(bytes)),
                (_, _, serde_json::Value::String(error)) => Err(error.clone()),
                _ => panic!("a case without a result: {line}"),
            };
            let got = setup.run(&functions, text, convert(&data));
            total += 1;
            if got != want {
                failed += 1;
                let show = |result: &Result<Vec<u8>, String>| match result {
                    Ok(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
                    Err(error) => format!("error {error}"),
                };
                let name = path.file_stem().unwrap_or_default().display();
                let _ = writeln!(
                    report,
                    "{name}: {text}\n  want {}\n  got  {}",
                    show(&want),
                    show(&got)
                );
            }
        }
    }
    assert!(total > 1000, "only {total} cases");
    assert_eq!(failed, 0, "{failed} of {total} differ:\n{report}");
}
