//! Functions of the Kubernetes resource model: what they are told, and what they answer.
//!
//! A generator or transformer that is not built in is a function: a program that reads a `ResourceList` and writes
//! one. The library starts no programs; it says what is to be run and with what input, and a host's
//! [`FunctionRunner`] does it.

use gitops_manifest::yaml::{self, EmitOptions, ParseOptions};
use gitops_manifest::{Map, Object, Value};

use crate::kustomization::decode::{At, Decoder, Fields, Spanned};

/// Runs functions of the Kubernetes resource model: generators and transformers in containers or programs. kustomize
/// starts them; a library leaves that to its host.
///
/// A host that starts programs gives them [`FunctionCall::resource_list`] and reads their answer with
/// [`read_resource_list`]; one that has functions of its own works on [`FunctionCall::input`].
pub trait FunctionRunner: Send + Sync {
    /// Runs a function and returns its output: all resources that are to be there after it.
    ///
    /// # Errors
    /// Where the function cannot be run or fails; the text says why.
    fn run(&self, call: &FunctionCall<'_>) -> Result<Vec<Object>, String>;
}

/// A function that is to be run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FunctionCall<'a> {
    /// The object that configures it, as the kustomization has it.
    pub config: &'a Object,
    /// What its annotation says is to be run; `None` where there is no such annotation: kustomize then looks for a
    /// plugin of the object's kind in the home of plugins.
    pub function: Option<&'a Function>,
    /// The resources; none for a generator.
    pub input: Vec<Object>,
    /// Whether it is to make resources rather than to change them.
    pub is_generator: bool,
    /// The folder of the kustomization: the path from the root of the tree, or of the remote repository.
    pub folder: &'a str,
    /// The remote repository that the folder is in; `None` where it is in the tree that was given to the build.
    pub repository: Option<&'a str>,
}

/// What is to be run, as the annotation `config.kubernetes.io/function` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Function {
    /// Whether the resources that a failing function gave are to be taken.
    pub defer_failure: bool,
    /// A container.
    pub container: Option<ContainerFunction>,
    /// A program.
    pub exec: Option<ExecFunction>,
}

/// A function in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerFunction {
    /// The image.
    pub image: String,
    /// Whether it needs the network.
    pub network: bool,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// `KEY=value`, or `KEY` for a variable of the host.
    pub envs: Vec<String>,
}

/// A function in a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecFunction {
    /// The path of the program, from the folder of the kustomization.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub envs: Vec<String>,
}

/// What is mounted into the container of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mount {
    /// The type: `bind`, `volume`, `tmpfs`.
    pub kind: String,
    /// The path on the host, from the folder of the kustomization.
    pub src: String,
    /// The path in the container.
    pub dst: String,
    /// Whether the container may write there.
    pub writable: bool,
}

const ANNOTATIONS: [&str; 2] = ["config.kubernetes.io/function", "config.k8s.io/function"];

impl Function {
    /// Reads what an object says is to be run: in its annotation, in `metadata.configFn`, or as an image in the
    /// annotation `config.kubernetes.io/container`. `None` where it says nothing.
    ///
    /// ```
    /// use gitops_kustomize::Function;
    /// use gitops_manifest::Object;
    ///
    /// let config = Object::try_from(serde_json::json!({
    ///     "apiVersion": "example.com/v1", "kind": "Label",
    ///     "metadata": {"name": "l", "annotations": {"config.kubernetes.io/function": "container: {image: 'label:1'}"}},
    /// }))?;
    /// let function = Function::of(&config)?.expect("it is a function");
    /// assert_eq!(function.container.expect("in a container").image, "label:1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where that is no description of a function, or mounts what lies outside of the kustomization.
    pub fn of(config: &Object) -> Result<Option<Self>, String> {
        let text = ANNOTATIONS.iter().find_map(|name| {
            Some((
                *name,
                config.annotation(name).filter(|text| !text.is_empty())?,
            ))
        });
        let (from, value) = match (text, config.meta("configFn")) {
            (Some((name, text)), _) => {
                let value = yaml::parse_one(text, &ParseOptions::default());
                (
                    name,
                    value.map_err(|error| format!("the annotation {name}: {error}"))?,
                )
            }
            (None, Some(value)) if !value.is_null() => ("metadata.configFn", value.clone()),
            _ => {
                let image = config.annotation("config.kubernetes.io/container");
                return Ok(image.filter(|image| !image.is_empty()).map(|image| Self {
                    container: Some(ContainerFunction {
                        image: image.to_owned(),
                        ..ContainerFunction::default()
                    }),
                    ..Self::default()
                }));
            }
        };
        let mut decoder = Decoder::strict();
        decoder.lenient = true;
        let function = read(&mut decoder, &Spanned::of_value(&value, At::default()));
        if let Some(fault) = decoder.faults.into_iter().next() {
            let hint = fault
                .hint
                .map(|hint| format!("; {hint}"))
                .unwrap_or_default();
            return Err(format!("{from}: {}: {}{hint}", fault.field, fault.message));
        }
        let mounts = function
            .container
            .iter()
            .flat_map(|container| &container.mounts);
        for mount in mounts {
            if mount.src.starts_with('/') || leads_out(&mount.src) {
                return Err(format!(
                    "the mount of `{}` is not permitted: the path must be relative to the folder of the kustomization and below it",
                    mount.src
                ));
            }
        }
        Ok(Some(function))
    }
}

/// Whether a relative path leads above where it begins.
fn leads_out(path: &str) -> bool {
    let mut depth = 0_i32;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

fn read(d: &mut Decoder, value: &Spanned) -> Function {
    let Some(f) = d.fields(value, "", &["deferFailure", "container", "exec"]) else {
        return Function::default();
    };
    Function {
        defer_failure: d.bool(&f, "deferFailure"),
        container: f.get("container").and_then(|value| container(d, value)),
        exec: f.get("exec").and_then(|value| exec(d, value)),
    }
}

fn text(d: &mut Decoder, f: &Fields<'_>, name: &str) -> String {
    d.str(f, name).to_string()
}

fn texts(d: &mut Decoder, f: &Fields<'_>, name: &str) -> Vec<String> {
    d.strs(f, name).iter().map(ToString::to_string).collect()
}

fn container(d: &mut Decoder, value: &Spanned) -> Option<ContainerFunction> {
    let f = d.fields(value, "container", &["image", "network", "mounts", "envs"])?;
    let container = ContainerFunction {
        image: text(d, &f, "image"),
        network: d.bool(&f, "network"),
        mounts: d.list(&f, "mounts", mount),
        envs: texts(d, &f, "envs"),
    };
    (!container.image.is_empty()).then_some(container)
}

fn mount(d: &mut Decoder, value: &Spanned, path: &str) -> Mount {
    match d.fields(value, path, &["type", "src", "dst", "rw"]) {
        Some(f) => Mount {
            kind: text(d, &f, "type"),
            src: text(d, &f, "src"),
            dst: text(d, &f, "dst"),
            writable: d.bool(&f, "rw"),
        },
        None => Mount::default(),
    }
}

fn exec(d: &mut Decoder, value: &Spanned) -> Option<ExecFunction> {
    let f = d.fields(value, "exec", &["path", "args", "envs"])?;
    let exec = ExecFunction {
        path: text(d, &f, "path"),
        args: texts(d, &f, "args"),
        envs: texts(d, &f, "envs"),
    };
    (!exec.path.is_empty()).then_some(exec)
}

const LOCAL: &str = "config.kubernetes.io/local-config";
/// The annotations that number the items of a list, from 0.
const INDEX: [&str; 3] = [
    "config.kubernetes.io/index",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
];
/// Those that number them from 1.
const ID: [&str; 2] = ["internal.config.kubernetes.io/id", "config.k8s.io/id"];
/// Those that a function may leave at what it gives, and that are not part of it.
const TRANSPORT: [&str; 8] = [
    "config.kubernetes.io/index",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "internal.config.kubernetes.io/id",
    "config.k8s.io/id",
    "config.kubernetes.io/path",
    "internal.config.kubernetes.io/path",
    "kustomize.config.k8s.io/id",
];

impl FunctionCall<'_> {
    /// Writes what the function is to read: a `ResourceList` with the resources, numbered, and the configuration. A
    /// generator gets its own configuration as the only item.
    #[must_use]
    pub fn resource_list(&self) -> String {
        let mut config = self.config.clone();
        config.set_annotation(LOCAL, "true");
        let mut items: Vec<Object> = self.input.clone();
        if self.is_generator {
            items.push(config.clone());
        }
        let items: Vec<Value> = items
            .into_iter()
            .enumerate()
            .map(|(i, mut item)| {
                for name in INDEX {
                    item.set_annotation(name, i.to_string());
                }
                for name in ID {
                    item.set_annotation(name, (i + 1).to_string());
                }
                Value::from(item)
            })
            .collect();
        let mut list = Map::new();
        list.insert("apiVersion", "config.kubernetes.io/v1");
        list.insert("kind", "ResourceList");
        list.insert("items", items);
        list.insert("functionConfig", Value::from(config));
        yaml::emit(&Value::Object(list), &EmitOptions::default())
    }
}

/// Reads what a function has written: a `ResourceList`, or the documents of resources. What numbers the items is taken
/// off them.
///
/// # Errors
/// Where that is no YAML of resources.
pub fn read_resource_list(text: &str) -> Result<Vec<Object>, String> {
    let mut out = Vec::new();
    for document in yaml::documents(text, &ParseOptions::default()) {
        let value = document
            .value
            .map_err(|error| format!("what the function gives is no YAML: {error}"))?;
        if value.is_null() {
            continue;
        }
        let is_list = matches!(
            value.get("kind").and_then(Value::as_str),
            Some("ResourceList" | "List")
        );
        let items = match value.get("items") {
            Some(Value::Array(items)) if is_list => items.to_vec(),
            None | Some(Value::Null) if is_list => Vec::new(),
            _ => vec![value],
        };
        for item in items {
            let mut object = Object::try_from(item)
                .map_err(|error| format!("what the function gives is no object: {error}"))?;
            strip(&mut object);
            out.push(object);
        }
    }
    Ok(out)
}

/// Collects what a function says about its run in `results` of its `ResourceList`; one text an entry.
#[must_use]
pub fn read_results(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for document in yaml::documents(text, &ParseOptions::default()) {
        let Ok(value) = document.value else { continue };
        let results = match value.get("results") {
            Some(Value::Array(results)) => results.to_vec(),
            Some(one @ Value::Object(_)) => match one.get("items") {
                Some(Value::Array(items)) => items.to_vec(),
                _ => vec![one.clone()],
            },
            _ => continue,
        };
        for result in results {
            let text = |path: &[&str]| result.at(path).and_then(Value::as_str);
            let severity = text(&["severity"]).unwrap_or("error");
            let message = text(&["message"]).unwrap_or_default();
            let mut line = format!("{severity}: {message}");
            let of = ["resourceRef", "field"];
            if let Some(name) = text(&[of[0], "name"]) {
                line.push_str(&format!(
                    " ({} {name})",
                    text(&[of[0], "kind"]).unwrap_or_default()
                ));
            }
            if let Some(path) = text(&[of[1], "path"]) {
                line.push_str(&format!(" at {path}"));
            }
            out.push(line);
        }
    }
    out
}

/// Takes the numbers off an item.
fn strip(object: &mut Object) {
    let metadata = object.metadata_mut();
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|name, _| !TRANSPORT.contains(&name));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}
