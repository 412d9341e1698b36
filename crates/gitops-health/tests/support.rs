//! Where the recorded suites are, and how their files are read.

use std::path::{Path, PathBuf};

use gitops_manifest::{Object, Value, yaml};

/// Returns the folder of the health suites; `None` where there is none, which is printed.
pub(crate) fn suites() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance");
    let root = std::env::var_os("GITOPS_CONFORMANCE").map_or_else(|| default.into(), PathBuf::from);
    let root = root.join("health");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no suites at {}", root.display());
    None
}

/// Reads a list of cases; `None` where the suite is not there, which is printed.
pub(crate) fn cases(root: &Path, file: &str) -> Option<Vec<Value>> {
    let path = root.join(file);
    let Ok(text) = std::fs::read(&path) else {
        println!("skipped: no suite at {}", path.display());
        return None;
    };
    let cases = Value::from_json(text).expect("a suite is JSON");
    Some(cases.as_array().expect("a suite is a list").to_vec())
}

/// Reads a manifest.
pub(crate) fn manifest(path: &Path) -> Value {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    yaml::parse_one(&text, &yaml::ParseOptions::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Takes a value for an object.
pub(crate) fn object(value: Value) -> Object {
    Object::try_from(value).expect("a manifest is an object")
}

/// Makes an object of JSON.
pub(crate) fn json(value: serde_json::Value) -> Object {
    object(value.into())
}

/// What came out of a suite.
pub(crate) struct Tally {
    suite: &'static str,
    passed: usize,
    failed: Vec<String>,
}

impl Tally {
    pub(crate) const fn new(suite: &'static str) -> Self {
        Self {
            suite,
            passed: 0,
            failed: Vec::new(),
        }
    }

    pub(crate) fn check(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(why) => self.failed.push(format!("{name}: {why}")),
        }
    }

    pub(crate) fn finish(self) {
        let total = self.passed + self.failed.len();
        println!("{}: {} / {total}", self.suite, self.passed);
        for failure in &self.failed {
            println!("  {failure}");
        }
        assert!(total > 0, "{}: the suite is empty", self.suite);
        assert!(
            self.failed.is_empty(),
            "{}: {} of {total} fail",
            self.suite,
            self.failed.len()
        );
    }
}

/// Applies the operations of a JSON patch that the suites use: `add`, `remove` and `replace`.
pub(crate) fn patch(document: &mut Value, operations: &Value) {
    for operation in operations.as_array().expect("a patch is a list") {
        let path = operation["path"].as_str().expect("an operation has a path");
        let mut tokens: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|token| token.replace("~1", "/").replace("~0", "~"))
            .collect();
        let last = tokens.pop().expect("a path leads somewhere");
        let mut at = &mut *document;
        for token in &tokens {
            at = match at {
                Value::Object(map) => map.get_mut(token).expect("the path is there"),
                Value::Array(array) => {
                    let index: usize = token.parse().expect("an index");
                    &mut array.make_mut()[index]
                }
                _ => panic!("no path {path}"),
            };
        }
        let value = operation["value"].clone();
        match (operation["op"].as_str().expect("an operation"), at) {
            ("add" | "replace", Value::Object(map)) => {
                map.insert(last, value);
            }
            ("remove", Value::Object(map)) => map.retain(|key, _| key != last),
            ("replace", Value::Array(array)) => {
                array.make_mut()[last.parse::<usize>().expect("an index")] = value;
            }
            ("add", Value::Array(array)) if last == "-" => array.make_mut().push(value),
            ("add", Value::Array(array)) => {
                array
                    .make_mut()
                    .insert(last.parse().expect("an index"), value);
            }
            ("remove", Value::Array(array)) => {
                array
                    .make_mut()
                    .remove(last.parse::<usize>().expect("an index"));
            }
            (op, _) => panic!("{op} at {path}"),
        }
    }
}
