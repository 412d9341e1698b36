//! Charts that Helm 3.22 rendered, and what it printed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gitops_helm::Chart;
use gitops_manifest::Value;
use gitops_manifest::yaml::{self, ParseOptions};

use crate::args::Invocation;

/// Returns the folder of the recorded cases, if there is one.
fn corpus() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance");
    let root = std::env::var("GITOPS_CONFORMANCE").unwrap_or_else(|_| default.to_owned());
    let root = Path::new(&root).join("helm");
    root.is_dir().then_some(root)
}

/// The folders of the renderings of a suite, in order.
fn renderings(suite: &Path) -> Vec<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.is_dir());
        paths.sort();
        paths
    };
    let mut found: Vec<_> = folders(suite)
        .iter()
        .flat_map(|path| folders(path))
        .collect();
    found.retain(|path| path.join("case.json").is_file());
    found
}

/// How a rendering compares with the recorded one, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The same bytes, or the same message.
    Equal,
    /// Fails as it must, with another message.
    OtherMessage,
    /// The same YAML documents, not the same bytes.
    SameDocuments,
    /// Something else.
    Different,
}

struct Case {
    folder: PathBuf,
    case: Value,
}

impl Case {
    fn open(folder: PathBuf) -> Self {
        let text = std::fs::read(folder.join("case.json")).expect("a case");
        let case = Value::from_json(text).expect("JSON");
        Self { folder, case }
    }

    fn chart_path(&self) -> PathBuf {
        self.folder
            .join(self.case["chart"].as_str().unwrap_or_default())
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(name)).ok()
    }

    /// The output or Helm's message.
    fn run(&self, charts: &Charts) -> Result<String, String> {
        let args = self.case["args"].as_array().cloned().unwrap_or_default();
        let args = args.iter().filter_map(|arg| arg.as_str()).skip(1);
        let invocation = Invocation::parse(args.map(str::to_owned))?;
        let values = invocation.values(&self.folder)?;
        let chart = charts.load(&self.chart_path(), &invocation)?;
        invocation.render(&chart, &values).map(|(output, _)| output)
    }

    fn verdict(&self, charts: &Charts) -> (Verdict, String) {
        let outcome = self.run(charts);
        match (self.file("expected.yaml"), outcome) {
            (Some(want), Ok(got)) => self.compare(&got, &want),
            (None, Err(got)) => {
                let want = self.file("expected_error.txt").unwrap_or_default();
                let want = want.split_once("Error: ").map_or("", |(_, text)| text);
                let hint = "\n\nUse --debug flag to render out invalid YAML\n";
                let want = want
                    .strip_suffix(hint)
                    .or(want.strip_suffix('\n'))
                    .unwrap_or(want);
                if got == want {
                    return (Verdict::Equal, String::new());
                }
                (Verdict::OtherMessage, format!("got  {got}\nwant {want}"))
            }
            (Some(_), Err(error)) => (Verdict::Different, format!("fails: {error}")),
            (None, Ok(_)) => (Verdict::Different, "does not fail".to_owned()),
        }
    }

    fn compare(&self, got: &str, want: &str) -> (Verdict, String) {
        let ignored = self.case["ignore_lines"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ignored: Vec<i64> = ignored.iter().filter_map(Value::as_i64).collect();
        let mask = |text: &str| -> Vec<String> {
            let lines = text.split_inclusive('\n').enumerate();
            let masked = lines.map(|(i, line)| {
                if ignored.contains(&(i as i64 + 1)) {
                    String::new()
                } else {
                    line.to_owned()
                }
            });
            masked.collect()
        };
        let (got_lines, want_lines) = (mask(got), mask(want));
        if got_lines == want_lines {
            return (Verdict::Equal, String::new());
        }
        let at = got_lines.iter().zip(&want_lines).position(|(a, b)| a != b);
        let at = at.unwrap_or(got_lines.len().min(want_lines.len()));
        let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(end)\n".into());
        let shown = format!(
            "line {}:\ngot  {}want {}",
            at + 1,
            line(&got_lines),
            line(&want_lines)
        );
        let documents = |text: &str| yaml::parse(text, &ParseOptions::default()).ok();
        let same = documents(got).is_some_and(|got| Some(got) == documents(want));
        (
            if same {
                Verdict::SameDocuments
            } else {
                Verdict::Different
            },
            shown,
        )
    }
}

/// Charts that several renderings share, loaded once. Archives stand for the folders that the cases were
/// recorded on, so that `.helmignore` is applied to their files.
#[derive(Default)]
struct Charts(Mutex<HashMap<PathBuf, Chart>>);

impl Charts {
    fn load(&self, path: &Path, invocation: &Invocation) -> Result<Chart, String> {
        if let Some(chart) = self.0.lock().expect("no panic").get(path) {
            return Ok(chart.clone());
        }
        let chart = if path.is_file() {
            let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
            let tree = unpack(&bytes);
            Chart::load(&tree, "").map_err(|error| error.helm_text())?
        } else {
            invocation.load(path.parent().unwrap_or(path))?
        };
        let mut charts = self.0.lock().expect("no panic");
        Ok(charts.entry(path.to_owned()).or_insert(chart).clone())
    }
}

fn unpack(bytes: &[u8]) -> gitops_manifest::MemoryTree {
    use std::io::Read as _;
    let mut tree = gitops_manifest::MemoryTree::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let (_, path) = path.split_once('/').expect("a folder");
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("an entry");
        tree.insert(path, data).expect("a path");
    }
    tree
}

fn check(suite: &str) {
    let Some(root) = corpus() else {
        println!("{suite}: skipped, the recorded cases are not here");
        return;
    };
    let cases: Vec<Case> = renderings(&root.join(suite))
        .into_iter()
        .map(Case::open)
        .collect();
    let charts = Charts::default();
    let next = AtomicUsize::new(0);
    let only = std::env::var("GITOPS_CASE").ok();
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let worker = std::thread::Builder::new().stack_size(64 << 20);
            let work = || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = case.case["name"].as_str().unwrap_or_default().to_owned();
                    if only
                        .as_ref()
                        .is_some_and(|only| !name.contains(only.as_str()))
                    {
                        continue;
                    }
                    let verdict = case.verdict(&charts);
                    verdicts.lock().expect("no panic").push((name, verdict));
                }
            };
            worker.spawn_scoped(scope, work).expect("a thread");
        }
    });
    let mut verdicts = verdicts.into_inner().expect("no panic");
    verdicts.sort();
    let count = |wanted| {
        verdicts
            .iter()
            .filter(|(_, (verdict, _))| *verdict == wanted)
            .count()
    };
    for (name, (verdict, shown)) in &verdicts {
        if *verdict != Verdict::Equal {
            println!("{verdict:?} {suite}/{name}\n{shown}\n");
        }
    }
    let passed = count(Verdict::Equal);
    println!(
        "helm/{suite}: {} / {} ({} equal to the byte or the message, {} failing with another message, {} equal as \
         documents only)",
        passed + count(Verdict::OtherMessage),
        verdicts.len(),
        passed,
        count(Verdict::OtherMessage),
        count(Verdict::SameDocuments)
    );
    assert!(!verdicts.is_empty(), "no cases in {}", root.display());
    let failed = count(Verdict::SameDocuments) + count(Verdict::Different);
    assert_eq!(failed, 0, "renderings of helm/{suite} differ");
}

#[test]
fn conformance_micro() {
    check("micro");
}

#[test]
fn conformance_real() {
    check("real");
}
