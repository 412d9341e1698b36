//! The flags of `helm template`, as far as rendering has to do with them, and `--helm-version 4`.

use std::path::Path;

use gitops_helm::{
    Action, Capabilities, Chart, Error, HelmVersion, KubeVersion, RenderOptions, Rendered, Values,
    render,
};
use gitops_manifest::DirTree;
use gitops_template::{Functions, Templates, Value};

/// A call of `helm template`.
pub(crate) struct Invocation {
    /// The chart's folder or archive.
    pub(crate) chart: String,
    /// The templates whose output is wanted; all where there are none.
    pub(crate) show_only: Vec<String>,
    /// How to render.
    pub(crate) options: RenderOptions,
    values: Vec<(&'static str, String)>,
}

/// The flags that give values, in the order in which Helm merges them.
const VALUE_FLAGS: [&str; 6] = [
    "--values",
    "--set-json",
    "--set",
    "--set-string",
    "--set-file",
    "--set-literal",
];

impl Invocation {
    /// Reads the arguments behind `helm template`.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = RenderOptions::default();
        let mut values = Vec::new();
        let mut show_only = Vec::new();
        let mut positional = Vec::new();
        let mut name_template = None;
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                positional.push(arg);
                continue;
            }
            let (flag, inline) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
                _ => (arg.as_str(), None),
            };
            match flag {
                "--is-upgrade" => options.release.action = Action::Upgrade,
                "--no-hooks" => options.no_hooks = true,
                "--skip-tests" => options.skip_tests = true,
                "--include-crds" => options.include_crds = true,
                "--skip-schema-validation" => options.skip_schema_validation = true,
                "--render-subchart-notes" => options.subchart_notes = true,
                _ => {
                    let value = inline
                        .or_else(|| args.next())
                        .ok_or_else(|| format!("flag needs an argument: {arg}"))?;
                    match flag {
                        "-n" | "--namespace" => options.release.namespace = value,
                        "--kube-version" => {
                            options.capabilities.kube_version =
                                KubeVersion::parse(&value).map_err(|error| error.helm_text())?;
                        }
                        "-a" | "--api-versions" => {
                            let versions = value.split(',').map(str::to_owned);
                            options.capabilities.api_versions.extend(versions);
                        }
                        "-s" | "--show-only" => show_only.push(value),
                        "--helm-version" => {
                            options.helm_version = match value.as_str() {
                                "3" => HelmVersion::V3,
                                "4" => HelmVersion::V4,
                                _ => return Err(format!("there is no Helm {value}")),
                            };
                            options.capabilities.helm_version =
                                Capabilities::of(options.helm_version).helm_version;
                        }
                        "--name-template" => name_template = Some(value),
                        "-f" | "--values" => {
                            let files = value.split(',').map(|file| ("--values", file.to_owned()));
                            values.extend(files);
                        }
                        _ => match VALUE_FLAGS.iter().find(|known| **known == flag) {
                            Some(known) => values.push((known, value)),
                            None => return Err(format!("unknown flag: {flag}")),
                        },
                    }
                }
            }
        }
        let chart = positional
            .pop()
            .ok_or("\"helm template\" requires at least 1 argument")?;
        if let Some(name) = positional.pop() {
            options.release.name = name;
        } else if let Some(template) = name_template {
            let options_of_name = gitops_template::RenderOptions::default();
            options.release.name =
                Templates::render_text(Functions::sprig(), &template, Value::Nil, options_of_name)
                    .map_err(|error| error.to_string())?;
        }
        Ok(Self {
            chart,
            show_only,
            options,
            values,
        })
    }

    /// Merges the values; files are relative to `folder`.
    pub(crate) fn values(&self, folder: &Path) -> Result<Values, String> {
        let read = |path: &str| {
            std::fs::read(folder.join(path)).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => format!("open {path}: no such file or directory"),
                _ => format!("open {path}: {error}"),
            })
        };
        let helm = self.options.helm_version;
        let mut values = Values::of(helm);
        for wanted in VALUE_FLAGS {
            for (flag, value) in self.values.iter().filter(|(flag, _)| *flag == wanted) {
                let outcome = match *flag {
                    "--values" => values.merge_yaml(value, read(value)?),
                    "--set-json" => values.set_json(value),
                    "--set" => values.set(value),
                    "--set-string" => values.set_string(value),
                    "--set-file" => values.set_file(value, |path| {
                        let content = read(path)?;
                        Ok(String::from_utf8_lossy(&content).into_owned())
                    }),
                    _ => values.set_literal(value),
                };
                outcome.map_err(|error| error.text_of(helm))?;
            }
        }
        Ok(values)
    }

    /// Loads the chart.
    pub(crate) fn load(&self, folder: &Path) -> Result<Chart, String> {
        let path = folder.join(&self.chart);
        let chart = if path.is_file() {
            let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
            Chart::from_archive(&bytes)
        } else {
            let tree = DirTree::open(&path).map_err(|_| {
                format!(
                    "non-absolute URLs should be in form of repo_name/path_to_chart, got: {}",
                    self.chart
                )
            })?;
            Chart::load(&tree, "")
        };
        chart.map_err(|error| error.text_of(self.options.helm_version))
    }

    /// Renders a chart that is loaded.
    pub(crate) fn render(
        &self,
        chart: &Chart,
        values: &Values,
    ) -> Result<(String, Rendered), String> {
        let text = |error: Error| error.text_of(self.options.helm_version);
        let rendered = render(chart, values, &self.options).map_err(text)?;
        let patterns: Vec<&str> = self.show_only.iter().map(String::as_str).collect();
        let output = if patterns.is_empty() {
            rendered.to_yaml()
        } else {
            rendered.show_only(&patterns).map_err(text)?
        };
        Ok((output, rendered))
    }
}
