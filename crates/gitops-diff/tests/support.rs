//! Reading conformance cases and reporting on them.

use std::path::PathBuf;

use gitops_manifest::Value;

/// The folder of a suite; `None` where the cases are not on this machine.
pub(crate) fn suite(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CONFORMANCE").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/conformance"
            ))
        },
        PathBuf::from,
    );
    let folder = root.join(name);
    if !folder.is_dir() {
        println!("{name}: skipped, there is no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The documents of a suite, by file name.
pub(crate) fn documents(name: &str) -> Vec<(String, Value)> {
    let Some(folder) = suite(name) else {
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder can be listed")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read(&path).expect("the file can be read");
            let value = Value::from_json(text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path
                .file_name()
                .expect("it is a file")
                .to_string_lossy()
                .into_owned();
            (name, value)
        })
        .collect()
}

/// The cases of a document.
pub(crate) fn cases(document: &Value) -> &[Value] {
    document["cases"].as_array().map_or(&[], |cases| cases)
}

/// Counts what passes and keeps what does not.
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
        println!(
            "{}: {} / {}",
            self.suite,
            self.passed,
            self.passed + self.failed.len()
        );
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
    }
}

/// Compares two values; the error shows where they first differ.
pub(crate) fn same(what: &str, got: &Value, want: &Value) -> Result<(), String> {
    fn first(got: &Value, want: &Value, path: &mut String) -> (Value, Value) {
        match (got, want) {
            (Value::Object(a), Value::Object(b)) => {
                let keys = a.keys().chain(b.keys());
                for key in keys {
                    match (a.get(key), b.get(key)) {
                        (Some(a), Some(b)) if a == b => {}
                        (Some(a), Some(b)) => {
                            path.push('/');
                            path.push_str(key);
                            return first(a, b, path);
                        }
                        (a, b) => {
                            path.push('/');
                            path.push_str(key);
                            let text =
                                |v: Option<&Value>| v.cloned().unwrap_or_else(|| "(absent)".into());
                            return (text(a), text(b));
                        }
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (i, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                    if a != b {
                        path.push_str(&format!("/{i}"));
                        return first(a, b, path);
                    }
                }
            }
            _ => {}
        }
        (got.clone(), want.clone())
    }
    if got == want {
        return Ok(());
    }
    let mut path = String::new();
    let (got, want) = first(got, want, &mut path);
    Err(format!(
        "{what} differs at {path:?}\n   got {got}\n  want {want}"
    ))
}
