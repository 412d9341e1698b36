//! Compares the built-in rules with the scripts that Argo CD ships, over objects that are changed at random:
//! `against_scripts SCRIPTS OBJECTS [ROUNDS [SEED [KIND]]]`.
//!
//! SCRIPTS is the folder `resource_customizations` of a checkout of Argo CD, OBJECTS a folder of recorded suites
//! (`health` of the conformance data). Each object is changed ROUNDS times; what is put in comes from the script's own
//! texts and from the other objects of the kind. Prints each kind's first differences; the exit code is 1 where there
//! is one. A script that fails is skipped: what is judged then is a deliberate difference.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gitops_health::lua::{LuaOptions, LuaRule, LuaRuntime};
use gitops_health::{Context, Rule, Strategy, assess};
use gitops_manifest::{Map, Object, Value, yaml};

/// A small generator of pseudo-random numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.below(items.len()))
    }
}

/// A script with what its text offers for changing objects.
struct Script {
    rule: LuaRule,
    texts: Vec<String>,
    paths: Vec<Vec<String>>,
}

/// Reads the texts and the paths of fields out of a script.
fn words(source: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut texts = Vec::new();
    let mut paths = Vec::new();
    for line in source.lines() {
        let line = line.split("--").next().unwrap_or_default();
        for quote in ['"', '\''] {
            for (i, part) in line.split(quote).enumerate() {
                if i % 2 == 1 && !texts.iter().any(|t| t == part) {
                    texts.push(part.to_owned());
                }
            }
        }
        let tokens = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'));
        for token in tokens {
            let mut steps: Vec<String> = token.split('.').map(str::to_owned).collect();
            if steps.len() < 2 || steps.iter().any(String::is_empty) {
                continue;
            }
            let root = steps.remove(0);
            // A local of the script is mostly a part of the status: its last step is still the name of a field.
            if root != "obj" {
                steps.insert(0, "status".to_owned());
            }
            if !paths.contains(&steps) {
                paths.push(steps);
            }
        }
    }
    (texts, paths)
}

fn scripts(root: &Path, runtime: &Arc<LuaRuntime>) -> BTreeMap<(String, String), Script> {
    let mut out = BTreeMap::new();
    let entries = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path)
            .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    };
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    for group in entries(root) {
        for kind in entries(&group) {
            let Ok(source) = std::fs::read_to_string(kind.join("health.lua")) else {
                continue;
            };
            match LuaRule::new(runtime, &source, true) {
                Ok(rule) => {
                    let (texts, paths) = words(&source);
                    let key = (name(&group), name(&kind));
                    out.insert(key, Script { rule, texts, paths });
                }
                Err(error) => eprintln!("{}: {error}", kind.display()),
            }
        }
    }
    out
}

/// Finds the script of a kind: its own, or that of a pattern (`_` stands for anything).
fn find<'s>(
    scripts: &'s BTreeMap<(String, String), Script>,
    object: &Object,
) -> Option<(&'s (String, String), &'s Script)> {
    let own = (object.group().to_owned(), object.kind().to_owned());
    if let Some(found) = scripts.get_key_value(&own) {
        return Some(found);
    }
    scripts.iter().find(|((group, kind), _)| {
        let group_fits = match group.strip_prefix('_') {
            Some(rest) => object.group().ends_with(rest),
            None => group == object.group(),
        };
        group_fits && (kind == "_" || kind == object.kind())
    })
}

fn manifests(folder: &Path, out: &mut Vec<Object>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            manifests(&path, out);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml")
        {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Ok(value) = yaml::parse_one(&text, &yaml::ParseOptions::default())
                && let Ok(object) = Object::try_from(value)
            {
                out.push(object);
            }
        }
    }
}

/// Collects the values below each name of a field.
fn collect(value: &Value, name: &str, pool: &mut BTreeMap<String, Vec<Value>>) {
    let list = pool.entry(name.to_owned()).or_default();
    if list.len() < 40 && !list.contains(value) {
        list.push(value.clone());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect(value, key, pool);
            }
        }
        Value::Array(items) => {
            for item in items.iter() {
                collect(item, name, pool);
            }
        }
        _ => {}
    }
}

/// Whether values are of one type. Objects of an API server keep to the types of their fields, and so do changed ones.
fn alike(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}

/// Makes a value for a field: one that it has elsewhere, a text of the script, or another of its type.
fn fresh(
    random: &mut Random,
    name: &str,
    old: Option<&Value>,
    script: &Script,
    pool: &BTreeMap<String, Vec<Value>>,
) -> Value {
    let known: Vec<&Value> = pool.get(name).into_iter().flatten().collect();
    let like = old.or_else(|| known.first().copied()).cloned();
    let known: Vec<&Value> = known
        .into_iter()
        .filter(|value| like.as_ref().is_none_or(|like| alike(like, value)))
        .collect();
    if random.below(3) > 0
        && let Some(value) = random.pick(&known)
    {
        return (*value).clone();
    }
    match like {
        Some(Value::Null) | None => text(random, script),
        Some(Value::Bool(b)) => Value::from(!b),
        Some(Value::Number(_)) => Value::from(i64::try_from(random.below(4)).unwrap_or(0)),
        Some(Value::Object(_)) => Value::Object(Map::new()),
        Some(Value::Array(items)) => match items.first() {
            Some(first) if first.get("type").is_some() => {
                Value::Array(vec![condition(random, script), condition(random, script)].into())
            }
            _ => Value::Array(Vec::new().into()),
        },
        Some(_) => match random.below(8) {
            0 => Value::from(""),
            1 => Value::from(
                *random
                    .pick(&["True", "False", "Unknown"])
                    .unwrap_or(&"True"),
            ),
            _ => text(random, script),
        },
    }
}

fn text(random: &mut Random, script: &Script) -> Value {
    random
        .pick(&script.texts)
        .map_or_else(|| Value::from("other"), |text| Value::from(text.as_str()))
}

fn condition(random: &mut Random, script: &Script) -> Value {
    let mut map = Map::new();
    let types = ["Ready", "Available", "Progressing", "Healthy", "Degraded"];
    let kind = if random.below(3) == 0 {
        Value::from(*random.pick(&types).unwrap_or(&"Ready"))
    } else {
        text(random, script)
    };
    map.insert("type", kind);
    map.insert(
        "status",
        *random
            .pick(&["True", "False", "Unknown"])
            .unwrap_or(&"True"),
    );
    if random.below(4) > 0 {
        map.insert("reason", text(random, script));
    }
    if random.below(4) > 0 {
        map.insert(
            "message",
            *random.pick(&["a message", "", "b"]).unwrap_or(&""),
        );
    }
    if random.below(4) == 0 {
        map.insert(
            "observedGeneration",
            i64::try_from(random.below(3)).unwrap_or(0),
        );
    }
    Value::Object(map)
}

/// Changes one place of a value, found by walking down at random.
fn change(
    random: &mut Random,
    value: &mut Value,
    name: &str,
    script: &Script,
    pool: &BTreeMap<String, Vec<Value>>,
) {
    match value {
        Value::Object(map) if !map.is_empty() && random.below(6) > 0 => {
            let keys: Vec<String> = map.keys().map(ToString::to_string).collect();
            let Some(key) = random.pick(&keys) else {
                return;
            };
            match random.below(10) {
                0 => {
                    map.remove(key);
                }
                _ => {
                    if let Some(inner) = map.get_mut(key) {
                        change(random, inner, key, script, pool);
                    }
                }
            }
        }
        Value::Object(map) => {
            let names: Vec<&String> = script.paths.iter().filter_map(|path| path.last()).collect();
            if let Some(name) = random.pick(&names) {
                let value = fresh(random, name, map.get(name), script, pool);
                map.insert(name.as_str(), value);
            }
        }
        Value::Array(items) => {
            let items = items.make_mut();
            let at = random.below(items.len());
            match random.below(10) {
                0 if !items.is_empty() => {
                    items.remove(at);
                }
                1 if !items.is_empty() => {
                    let copy = items[at].clone();
                    items.push(copy);
                }
                2 if items
                    .first()
                    .is_none_or(|first| first.get("type").is_some()) =>
                {
                    items.push(condition(random, script));
                }
                3 if items.len() > 1 => items.rotate_left(1),
                _ => match items.get_mut(at) {
                    Some(inner) => change(random, inner, name, script, pool),
                    None if name == "conditions" => items.push(condition(random, script)),
                    None => {}
                },
            }
        }
        Value::Bool(b) => *b = !*b,
        other => *other = fresh(random, name, Some(other), script, pool),
    }
}

/// Puts a value at a path that the script asks for.
fn put(
    random: &mut Random,
    value: &mut Value,
    script: &Script,
    pool: &BTreeMap<String, Vec<Value>>,
) {
    let Some(path) = random.pick(&script.paths).cloned() else {
        return;
    };
    let Some((last, way)) = path.split_last() else {
        return;
    };
    let mut at = value;
    for step in way {
        let Value::Object(map) = at else { return };
        if map.get(step).is_none() {
            map.insert(step.as_str(), Value::Object(Map::new()));
        }
        match map.get_mut(step) {
            Some(inner) => at = inner,
            None => return,
        }
    }
    if let Value::Object(map) = at {
        if random.below(6) == 0 {
            map.remove(last);
        } else {
            let value = fresh(random, last, map.get(last), script, pool);
            map.insert(last.as_str(), value);
        }
    }
}

fn mutate(
    random: &mut Random,
    object: &Object,
    script: &Script,
    pool: &BTreeMap<String, Vec<Value>>,
) -> Option<Object> {
    let mut value = object.to_value();
    for _ in 0..=random.below(3) {
        match random.below(5) {
            0 | 1 => put(random, &mut value, script, pool),
            2 => {
                if let Some(status) = value.at_mut(&["status"]) {
                    change(random, status, "status", script, pool);
                }
            }
            3 => {
                if let Some(Value::Array(list)) = value.at_mut(&["status", "conditions"]) {
                    list.make_mut().push(condition(random, script));
                }
            }
            _ => change(random, &mut value, "", script, pool),
        }
    }
    let changed = Object::try_from(value).ok()?;
    let same = changed.api_version() == object.api_version() && changed.kind() == object.kind();
    (same && !changed.is_deleting()).then_some(changed)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(root), Some(objects)) = (args.first(), args.get(1)) else {
        eprintln!("against_scripts SCRIPTS OBJECTS [ROUNDS [SEED [KIND]]]");
        return ExitCode::FAILURE;
    };
    let number = |i: usize, default| args.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (rounds, seed): (u64, u64) = (number(2, 50), number(3, 1));
    let only = args.get(4);
    let runtime = Arc::new(LuaRuntime::new(LuaOptions::default()));
    let scripts = scripts(Path::new(root), &runtime);
    let mut all = Vec::new();
    manifests(Path::new(objects), &mut all);
    let mut pools: BTreeMap<&(String, String), BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    for object in &all {
        if let Some((key, _)) = find(&scripts, object) {
            collect(&object.to_value(), "", pools.entry(key).or_default());
        }
    }
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let context = Context::new().with_strategy(Strategy::ArgoCd).with_now(now);
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut compared, mut failed) = (0_u64, 0_u64);
    let mut differing: BTreeMap<String, (u64, Vec<String>)> = BTreeMap::new();
    for object in &all {
        let Some((key, script)) = find(&scripts, object) else {
            continue;
        };
        let title = format!("{}/{}", key.0, key.1);
        if only.is_some_and(|only| !title.contains(only.as_str())) {
            continue;
        }
        let pool = &pools[key];
        for _ in 0..rounds {
            let Some(changed) = mutate(&mut random, object, script, pool) else {
                continue;
            };
            let Ok(theirs) = script.rule.judge(&changed, &context) else {
                failed += 1;
                continue;
            };
            compared += 1;
            let ours = assess(&changed, &context);
            let ours = ours.map(|a| (a.status.to_string(), a.message));
            let theirs = (theirs.status.to_string(), theirs.message.to_string());
            let no_health = theirs.0.is_empty() && ours.is_none();
            if no_health
                || ours
                    .as_ref()
                    .is_some_and(|o| o.0 == theirs.0 && *o.1 == *theirs.1)
            {
                continue;
            }
            let (count, shown) = differing.entry(title.clone()).or_default();
            *count += 1;
            if shown.len() < 3 {
                shown.push(format!(
                    "  script {theirs:?}\n  ours   {ours:?}\n  spec   {}\n  status {}\n  meta   {}",
                    changed.get("spec").map(Value::to_json).unwrap_or_default(),
                    changed
                        .get("status")
                        .map(Value::to_json)
                        .unwrap_or_default(),
                    changed
                        .get("metadata")
                        .map(Value::to_json)
                        .unwrap_or_default(),
                ));
            }
        }
    }
    for (kind, (count, shown)) in &differing {
        println!("== {kind}: {count}\n{}", shown.join("\n"));
    }
    println!(
        "{compared} objects compared, {failed} that the script failed on, {} kinds differ",
        differing.len()
    );
    if differing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
