//! Executing the templates of a chart and its subcharts.

use std::rc::Rc;

use gitops_template::{ErrorKind, Frame, Map, MapType, Output, Render, Str, Value};

use crate::Error;
use crate::data::FileData;
use crate::functions::{FAILURE, Host};
use crate::load::ChartFile;
use crate::objects::{CapabilitiesObject, ChartObject, Files, values_type};
use crate::render::{HelmVersion, RenderOptions};
use crate::resolve::{ChartId, Charts};
use crate::trace;

/// A template file and the chart that it belongs to.
pub(crate) struct Source {
    /// The name that templates know it by: the path of the chart and the path within.
    pub(crate) name: String,
    pub(crate) text: FileData,
    /// How many slashes the name has.
    depth: usize,
    /// Which of the scopes it is executed with.
    scope: usize,
}

/// The data of one chart's templates.
struct Scope {
    data: Map,
    base_path: String,
}

/// The templates of a render, with their data.
pub(crate) struct Program {
    helm: HelmVersion,
    pub(crate) sources: Vec<Source>,
    scopes: Vec<Scope>,
}

/// A template file's output.
pub(crate) struct RenderedFile {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Program {
    /// Collects the templates of the charts that take part and their data.
    pub(crate) fn new(charts: &Charts, values: &Map, options: &RenderOptions) -> Self {
        let helm = options.helm_version;
        let mut program = Self {
            helm,
            sources: Vec::new(),
            scopes: Vec::new(),
        };
        let release = &options.release;
        let common = Common {
            release: Map::from_iter([
                (Str::new("Name"), Value::from(release.name.as_str())),
                (
                    Str::new("Namespace"),
                    Value::from(release.namespace.as_str()),
                ),
                (
                    Str::new("IsUpgrade"),
                    Value::Bool(release.action.is_upgrade()),
                ),
                (
                    Str::new("IsInstall"),
                    Value::Bool(release.action.is_install()),
                ),
                (Str::new("Revision"), Value::Int(release.revision.into())),
                (Str::new("Service"), Value::from("Helm")),
            ]),
            capabilities: Value::object(CapabilitiesObject::new(&options.capabilities, helm)),
        };
        let values = values.with_type(values_type(helm));
        program.add(charts, Charts::ROOT, &values, &common);
        program.order();
        program
    }

    fn add(&mut self, charts: &Charts, id: ChartId, values: &Map, common: &Common) -> Map {
        let instance = &charts[id];
        let subcharts = Map::new();
        let values_type = values_type(self.helm);
        let chart = ChartObject::new(charts, id);
        let chart = match self.helm {
            HelmVersion::V3 => Value::object(chart),
            HelmVersion::V4 => Value::Map(chart.to_map()),
        };
        let data = Map::from_entries(
            &MapType::ANY,
            vec![
                (Str::new("Capabilities"), common.capabilities.clone()),
                (Str::new("Chart"), chart),
                (
                    Str::new("Files"),
                    Value::object(Files::new(instance.chart.files())),
                ),
                (Str::new("Release"), Value::Map(common.release.clone())),
                (Str::new("Subcharts"), Value::Map(subcharts.clone())),
                (Str::new("Values"), Value::Map(values.clone())),
            ],
        );
        for &child in &instance.charts {
            let name = charts[child].name.as_str();
            // A name with dots would be followed as a path, as Helm does.
            let values = crate::resolve::table(values, name).map_or_else(
                |_| Map::typed(values_type),
                |table| table.with_type(values_type),
            );
            let child = self.add(charts, child, &values, common);
            subcharts.insert(Str::new(name), Value::Map(child));
        }
        let path = charts.full_path(id);
        let scope = self.scopes.len();
        self.scopes.push(Scope {
            data: data.clone(),
            base_path: format!("{path}/templates"),
        });
        let is_library = instance.chart.metadata().is_library();
        for ChartFile { name, data } in instance.chart.templates() {
            if is_library && !base_name(name).starts_with('_') {
                continue;
            }
            let name = format!("{path}/{name}");
            self.sources.push(Source {
                depth: name.bytes().filter(|byte| *byte == b'/').count(),
                name,
                text: data.clone(),
                scope,
            });
        }
        data
    }

    /// Puts the templates in Helm's order, deepest first; of equal names the last stays.
    fn order(&mut self) {
        self.sources.reverse();
        self.sources
            .sort_by(|a, b| (b.depth, b.name.as_str()).cmp(&(a.depth, a.name.as_str())));
        self.sources
            .dedup_by(|later, first| later.name == first.name);
    }

    /// Executes the templates that are no partials.
    pub(crate) fn execute(
        &self,
        charts: &crate::Chart,
        render: &mut Render,
    ) -> Result<Vec<RenderedFile>, Error> {
        let values_type = values_type(self.helm);
        let templates = charts.compiled().get(&self.sources, self.helm)?;
        let mut files = Vec::with_capacity(self.sources.len());
        let no_value = memchr::memmem::Finder::new(NO_VALUE);
        for source in &self.sources {
            if base_name(&source.name).starts_with('_') {
                continue;
            }
            let scope = &self.scopes[source.scope];
            let template = Map::from_entries(
                values_type,
                vec![
                    (Str::new("BasePath"), Value::from(scope.base_path.as_str())),
                    (Str::new("Name"), Value::from(source.name.as_str())),
                ],
            );
            scope
                .data
                .insert(Str::new("Template"), Value::Map(template));
            let mut output = Output::new();
            let data = Value::Map(scope.data.with_type(values_type));
            templates
                .execute(&source.name, data, render, &mut output)
                .map_err(|error| execution_error(&source.name, error, self.helm))?;
            let mut text = output.into_string();
            if no_value.find(text.as_bytes()).is_some() {
                text = text.replace(NO_VALUE, "");
            }
            files.push(RenderedFile {
                name: source.name.clone(),
                text,
            });
        }
        Ok(files)
    }
}

/// What a missing value prints as, and what Helm takes out of everything.
const NO_VALUE: &str = "<no value>";

struct Common {
    release: Map,
    capabilities: Value,
}

/// Starts a render of the template engine.
pub(crate) fn start(options: &RenderOptions) -> Render {
    let mut render = gitops_template::RenderOptions::default();
    render.seed = options.seed;
    render.now = options.now.clone();
    render.limits = options.limits.clone();
    let mut host = Host::default();
    host.lookup.clone_from(&options.lookup);
    render.host = Some(Rc::new(host));
    Render::new(render)
}

pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Shows an error of parsing as Helm does: the place and the last words.
pub(crate) fn parse_error(file: &str, error: gitops_template::Error) -> Error {
    let text = error.to_string();
    let parts: Vec<&str> = text.split(": ").collect();
    let message = match parts.as_slice() {
        [_, place, .., last] => format!("parse error at ({place}): {last}"),
        [_, place] => format!("parse error at ({place}): {place}"),
        _ => format!("parse error in ({file}): {text}"),
    };
    Error::Template {
        message,
        file: file.to_owned(),
        source: error,
    }
}

/// Shows an error of execution as Helm does: `fail` and `required` with the outermost place alone.
fn execution_error(file: &str, error: gitops_template::Error, helm: HelmVersion) -> Error {
    let text = error.to_string();
    let mut message = text.clone();
    let executing = matches!(error.frames().next(), Some(Frame::Action { .. }));
    if executing && !matches!(error.kind(), ErrorKind::Interrupted) {
        let mut parts = text.splitn(3, ": ");
        if let (Some(_), Some(place), Some(rest)) = (parts.next(), parts.next(), parts.next())
            && let Some(start) = rest.find(FAILURE.0)
            && let Some(end) = rest.rfind(FAILURE.1)
            && start + FAILURE.0.len() <= end
        {
            let own = &rest[start + FAILURE.0.len()..end];
            message = format!("execution error at ({place}): {own}");
        } else if helm == HelmVersion::V4
            && let Some(lines) = trace::lines(&error)
        {
            message = lines;
        }
    }
    Error::Template {
        message,
        file: file.to_owned(),
        source: error,
    }
}
