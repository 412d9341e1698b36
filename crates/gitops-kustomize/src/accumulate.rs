//! From a kustomization to its resources: bases and files first, then generators, components and transformers.

use std::sync::Arc;

use gitops_manifest::tree::EntryKind;
use gitops_manifest::{Diagnostic, Severity, Str, yaml};

use crate::config::{self, Config, Section};
use crate::error::{BuildError, ErrorKind, Place};
use crate::fieldspec::{FieldSpec, FieldSpecs, merge};
use crate::generate::{self, Generated, Mistake};
use crate::kustomization::decode::{Decoder, Spanned};
use crate::kustomization::{
    At, FILE_NAMES, GeneratorArgs, GeneratorOptions, Kustomization, Label, Patch, Replacement,
    Text, Var, parse,
};
use crate::load::{Loader, is_url};
use crate::options::BuildOptions;
use crate::origin::{ConfiguredBy, Origin};
use crate::plugin::{self, Plugin};
use crate::read;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Schema;
use crate::transform::names::Affix;
use crate::transform::namespace::{self, Subjects};
use crate::transform::{World, images, metadata, names, patches, replacements, replicas, vars};

/// The build has failed, and the errors are noted.
#[derive(Debug)]
pub(crate) struct Stop;

/// What has been accumulated.
#[derive(Debug, Default)]
pub(crate) struct Accumulated {
    pub(crate) resources: ResMap,
    pub(crate) config: Config,
    /// Sorted by name.
    pub(crate) vars: Vec<Var>,
}

/// A kustomization that is being built.
pub(crate) struct Target<'a> {
    pub(crate) loader: Loader<'a>,
    pub(crate) kustomization: Kustomization,
    /// The name of its file.
    pub(crate) file_name: &'static str,
    /// Where it comes from, where that is asked for.
    pub(crate) origin: Option<Origin>,
    /// The namespace that charts get from the kustomizations above.
    helm_namespace: Str,
    depth: usize,
}

impl Target<'_> {
    fn file(&self) -> Arc<str> {
        self.loader.name_of(self.file_name)
    }

    pub(crate) const fn helm_namespace(&self) -> &Str {
        &self.helm_namespace
    }

    fn place(&self, at: At) -> Place {
        Place::new(self.file(), at.line, at.column)
    }
}

/// A build on its way.
pub(crate) struct Builder<'a> {
    pub(crate) options: &'a BuildOptions<'a>,
    pub(crate) world: World,
    pub(crate) errors: Vec<BuildError>,
    pub(crate) warnings: Vec<Diagnostic>,
    defaults: Config,
    /// Whether a kustomization has said which schema counts.
    schema_set: bool,
    /// Whether a kind that the built-in table does not have was met before that.
    unknown_kind_met: bool,
    resources_read: usize,
}

type Built<T> = Result<T, Stop>;

impl<'a> Builder<'a> {
    pub(crate) fn new(options: &'a BuildOptions<'a>) -> Self {
        Self {
            options,
            world: World {
                scope: crate::scope::Scope::default(),
                schemas: crate::schema::Schemas {
                    built_in: Some(Schema::built_in()),
                    custom: None,
                    inline: Vec::new(),
                },
                shared: 0,
            },
            errors: Vec::new(),
            warnings: Vec::new(),
            defaults: Config::built_in(),
            schema_set: false,
            unknown_kind_met: false,
            resources_read: 0,
        }
    }

    /// Notes an error with the way to it.
    fn fail(&mut self, target: &Target<'_>, mut error: BuildError) -> Stop {
        if error.chain.is_empty() {
            error.chain = target.loader.visited();
        }
        self.errors.push(error);
        Stop
    }

    fn fail_at(
        &mut self,
        target: &Target<'_>,
        at: At,
        field: impl Into<String>,
        error: BuildError,
    ) -> Stop {
        let place = target.place(at);
        let error = error.at(place).field(field);
        self.fail(target, error)
    }

    fn fail_all(
        &mut self,
        target: &Target<'_>,
        at: At,
        field: &str,
        errors: Vec<BuildError>,
    ) -> Stop {
        for error in errors {
            self.fail_at(target, at, field, error);
        }
        Stop
    }

    /// Reads the kustomization of a folder.
    pub(crate) fn target(
        &mut self,
        loader: Loader<'a>,
        parent: Option<&Target<'_>>,
    ) -> Built<Target<'a>> {
        let mut target = Target {
            file_name: FILE_NAMES[0],
            kustomization: Kustomization::default(),
            origin: parent.and_then(|parent| parent.origin.clone()),
            helm_namespace: Str::default(),
            depth: parent.map_or(0, |parent| parent.depth + 1),
            loader,
        };
        if target.depth > self.options.max_depth {
            let error = BuildError::new(
                ErrorKind::Limit,
                format!("kustomizations nest deeper than {}", self.options.max_depth),
            );
            return Err(self.fail(&target, error));
        }
        let found: Vec<&'static str> = FILE_NAMES
            .into_iter()
            .filter(|name| target.loader.has_file(name))
            .collect();
        let folder = target.loader.name_of("");
        match found[..] {
            [] => {
                let error = BuildError::new(
                    ErrorKind::Missing,
                    format!(
                        "the folder `/{folder}` has none of kustomization.yaml, kustomization.yml and Kustomization"
                    ),
                );
                return Err(self.fail(&target, error));
            }
            [name] => target.file_name = name,
            _ => {
                let error = BuildError::new(
                    ErrorKind::Kustomization,
                    format!(
                        "the folder `/{folder}` has several kustomizations: {}",
                        found.join(", ")
                    ),
                );
                return Err(self.fail(&target, error));
            }
        }
        let settings = self.settings(&target, target.file_name, None)?;
        let mut decoder = Decoder::strict();
        let kustomization = parse::kustomization(&mut decoder, &settings);
        if kustomization.is_empty && decoder.faults.is_empty() {
            let error = BuildError::new(ErrorKind::Kustomization, "the kustomization is empty");
            return Err(self.fail_at(&target, parse::top(), "", error));
        }
        target.kustomization = kustomization;
        for (field, at) in &target.kustomization.deprecated {
            self.warn_deprecated(&target, field, *at);
        }
        self.faults(&target, target.file_name, decoder)?;
        Ok(target)
    }

    fn warn_deprecated(&mut self, target: &Target<'_>, field: &str, at: At) {
        let (instead, fix) = match field {
            "bases" => ("resources", ""),
            "commonLabels" => ("labels", ""),
            "imageTags" => ("images", ""),
            "vars" => ("replacements", "[EXPERIMENTAL] "),
            _ => ("patches", ""),
        };
        let message = format!(
            "'{field}' is deprecated. Please use '{instead}' instead. {fix}Run 'kustomize edit fix' to update your Kustomization automatically."
        );
        let mut warning = Diagnostic::new(Severity::Warning, &*target.file(), message);
        if at.line > 0 {
            warning.position = Some(yaml::Position {
                line: at.line,
                column: at.column,
            });
        }
        self.warnings.push(warning);
    }

    /// Notes what a decoder found wrong in a file.
    fn faults(&mut self, target: &Target<'_>, file: &str, decoder: Decoder) -> Built<()> {
        if decoder.faults.is_empty() {
            return Ok(());
        }
        let name = target.loader.name_of(file);
        for fault in decoder.faults {
            let place = Place::new(name.clone(), fault.at.line, fault.at.column);
            let mut error = BuildError::new(ErrorKind::Kustomization, fault.message).at(place);
            error.field = Some(fault.field).filter(|field| !field.is_empty());
            error.hint = fault.hint;
            self.fail(target, error);
        }
        Err(Stop)
    }

    /// Reads a file of settings. `field` is what names it.
    fn settings(
        &mut self,
        target: &Target<'_>,
        path: &str,
        field: Option<(&str, At)>,
    ) -> Built<Spanned> {
        let text = match target.loader.read_text(path) {
            Ok(text) => text,
            Err(error) => {
                let (field, at) = field.unwrap_or(("", At::default()));
                return Err(match field {
                    "" => self.fail(target, error),
                    field => self.fail_at(target, at, field, error),
                });
            }
        };
        read::settings(&text).map_err(|error| {
            let place = Place::new(target.loader.name_of(path), error.line, error.column);
            let error = BuildError::new(ErrorKind::Syntax, error.message).at(place);
            self.fail(target, error)
        })
    }

    /// Takes over the schema that a kustomization names, if none was named before.
    pub(crate) fn set_schema(&mut self, target: &Target<'_>) -> Built<()> {
        let k = &target.kustomization;
        let (path, version) = (&k.openapi_path, &k.openapi_version);
        if self.schema_set || (path.is_none() && version.is_none()) {
            return Ok(());
        }
        if let Some(path) = path {
            let settings = self.settings(target, &path.value, Some(("openapi.path", path.at)))?;
            if version.is_some() {
                let error = BuildError::new(
                    ErrorKind::Kustomization,
                    "openapi takes either a path or a version",
                );
                return Err(self.fail_at(target, path.at, "openapi", error));
            }
            let document = settings.to_value();
            let custom = Schema::from_openapi(&document, &mut self.world.scope);
            self.world.schemas.custom = Some(custom);
            if !self.unknown_kind_met {
                self.world.schemas.built_in = None;
            }
            self.schema_set = true;
            return Ok(());
        }
        let Some(version) = version else {
            return Ok(());
        };
        if version.value.is_empty() {
            return Ok(());
        }
        if version.value != "v1.21.2" {
            let error = BuildError::new(
                ErrorKind::Kustomization,
                format!("the OpenAPI version `{}` is not built in", version.value),
            )
            .hint("v1.21.2 is");
            return Err(self.fail_at(target, version.at, "openapi.version", error));
        }
        self.schema_set = true;
        Ok(())
    }

    /// Accumulates a kustomization.
    pub(crate) fn accumulate(
        &mut self,
        target: &Target<'a>,
        mut into: Accumulated,
    ) -> Built<Accumulated> {
        let errors_before = self.errors.len();
        let k = &target.kustomization;
        self.resources(target, &mut into, &k.resources, "resources", true);
        let mut config = self.defaults.clone();
        if self.configurations(target, &mut config).is_ok()
            && let Err(conflict) = into.config.merge(&config)
        {
            let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
            self.fail_at(target, At::default(), "configurations", error);
        }
        self.crds(target, &mut into.config);
        self.generators(target, &mut into);
        // What follows works on the whole, and a part that is missing would be reported again and again.
        if self.errors.len() > errors_before {
            return Err(Stop);
        }
        for (i, path) in k.components.iter().enumerate() {
            into = self.component(target, into, path, i)?;
        }
        self.transformers(target, &mut into)?;
        self.validators(target, &mut into)?;
        self.variables(target, &mut into)?;
        Ok(into)
    }

    /// Reads files and folders. A file that cannot be read does not hide the mistakes of the next.
    fn resources(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        paths: &[Text],
        field: &str,
        strict: bool,
    ) {
        for (i, path) in paths.iter().enumerate() {
            let field = format!("{field}[{i}]");
            let is_folder =
                !is_url(&path.value) && target.loader.kind(&path.value) == Some(EntryKind::Folder);
            let done = if is_folder {
                self.base(target, into, path, &field)
            } else {
                self.file(target, into, path, &field)
            };
            if done.is_err() && !strict {
                return;
            }
        }
    }

    fn file(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        path: &Text,
        field: &str,
    ) -> Built<()> {
        let is_repository = crate::remote::RepositorySpec::parse(&path.value).is_ok();
        let text = match target.loader.read_text(&path.value) {
            Ok(text) => text,
            Err(_) if is_repository => return self.base(target, into, path, field),
            Err(error) => return Err(self.fail_at(target, path.at, field, error)),
        };
        let name = if is_url(&path.value) {
            path.value.as_str().into()
        } else {
            target.loader.name_of(&path.value)
        };
        let documents = match read::resources(&text, &mut self.world.schemas.inline) {
            Ok(documents) => documents,
            Err(error) => {
                let place = Place::new(name, error.line, error.column);
                let error = BuildError::new(ErrorKind::Syntax, error.message)
                    .at(place)
                    .field(field);
                return Err(self.fail(target, error));
            }
        };
        let origin = target
            .origin
            .as_ref()
            .map(|origin| Arc::new(origin.below(&path.value)));
        for document in documents {
            let place = Place::new(name.clone(), document.line, 0);
            let mut resource = Resource::new(document.node, Some(place));
            resource.origin.clone_from(&origin);
            self.append(target, into, resource, path.at, field)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        resource: Resource,
        at: At,
        field: &str,
    ) -> Built<()> {
        self.resources_read += 1;
        if self.resources_read > self.options.max_resources {
            let error = BuildError::new(
                ErrorKind::Limit,
                format!(
                    "there are more than {} resources",
                    self.options.max_resources
                ),
            );
            return Err(self.fail_at(target, at, field, error));
        }
        if !self.unknown_kind_met
            && let Some(schema) = &self.world.schemas.built_in
        {
            self.unknown_kind_met = !schema.knows(resource.api_version(), resource.kind());
        }
        self.add(target, into, resource, at, field)
    }

    fn add(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        resource: Resource,
        at: At,
        field: &str,
    ) -> Built<()> {
        into.resources
            .append(resource, &self.world.scope)
            .map_err(|taken| {
                let (resource, other) = *taken;
                let other = &into.resources.as_slice()[other];
                let id = resource.id(&self.world.scope);
                let first = match &other.place {
                    Some(place) => format!(" ({place})"),
                    None => String::new(),
                };
                let error = BuildError::new(
                    ErrorKind::Conflict,
                    format!("there is a resource with the id {id} already{first}"),
                );
                let error = match &resource.place {
                    Some(place) => error.at(place.clone()).field(field),
                    None => error,
                };
                self.fail_at(target, at, field, error)
            })
    }

    /// Opens a folder below.
    fn open(&mut self, target: &Target<'a>, path: &Text, field: &str) -> Built<Target<'a>> {
        let loader = target
            .loader
            .open(&path.value)
            .map_err(|error| self.fail_at(target, path.at, field, error))?;
        let mut below = self.target(loader, Some(target))?;
        below.kustomization.build_metadata = target.kustomization.build_metadata.clone();
        if let Some(origin) = &target.origin {
            below.origin = Some(origin_below(origin, &path.value));
        }
        let namespace = &target.kustomization.namespace.value;
        below.helm_namespace = if namespace.is_empty() {
            target.helm_namespace.clone()
        } else {
            namespace.clone()
        };
        self.set_schema(&below)?;
        Ok(below)
    }

    fn base(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        path: &Text,
        field: &str,
    ) -> Built<()> {
        let below = self.open(target, path, field)?;
        if below.kustomization.is_component() {
            let error = BuildError::new(
                ErrorKind::Kustomization,
                format!("`{}` is a Component", path.value),
            )
            .hint("name it under components");
            return Err(self.fail_at(target, path.at, field, error));
        }
        let built = self.accumulate(&below, Accumulated::default())?;
        self.merge(target, into, built, path.at, field)
    }

    fn component(
        &mut self,
        target: &Target<'a>,
        into: Accumulated,
        path: &Text,
        i: usize,
    ) -> Built<Accumulated> {
        let field = format!("components[{i}]");
        let below = self.open(target, path, &field)?;
        if !below.kustomization.is_component() {
            let error = BuildError::new(
                ErrorKind::Kustomization,
                format!(
                    "`{}` is a {} and no Component",
                    path.value, below.kustomization.kind
                ),
            )
            .hint("name it under resources");
            return Err(self.fail_at(target, path.at, field, error));
        }
        self.accumulate(&below, into)
    }

    fn merge(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        other: Accumulated,
        at: At,
        field: &str,
    ) -> Built<()> {
        for resource in other.resources.into_vec() {
            self.add(target, into, resource, at, field)?;
        }
        into.config.merge(&other.config).map_err(|conflict| {
            let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
            self.fail_at(target, at, field, error)
        })?;
        self.merge_vars(target, into, &other.vars, Some((at, field)))
    }

    fn merge_vars(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        vars: &[Var],
        from: Option<(At, &str)>,
    ) -> Built<()> {
        let before = self.errors.len();
        for var in vars {
            match into.vars.binary_search_by(|own| own.name.cmp(&var.name)) {
                Err(i) => into.vars.insert(i, var.clone()),
                Ok(_) => {
                    let error = BuildError::new(
                        ErrorKind::Reference,
                        format!("the variable `{}` is defined twice", var.name),
                    );
                    let (at, field) = from.unwrap_or((var.at, "vars"));
                    self.fail_at(target, at, field, error);
                }
            }
        }
        if self.errors.len() > before {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    fn configurations(&mut self, target: &Target<'_>, config: &mut Config) -> Built<()> {
        let mut all = Config::default();
        for (i, path) in target.kustomization.configurations.iter().enumerate() {
            let field = format!("configurations[{i}]");
            let settings = self.settings(target, &path.value, Some((&field, path.at)))?;
            let mut decoder = Decoder::lenient(true);
            let more = config::parse(&mut decoder, &settings);
            self.faults(target, &path.value, decoder)?;
            all.merge(&more).map_err(|conflict| {
                let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
                self.fail_at(target, path.at, field, error)
            })?;
        }
        config.merge(&all).map_err(|conflict| {
            let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
            self.fail_at(target, At::default(), "configurations", error)
        })
    }

    fn crds(&mut self, target: &Target<'_>, config: &mut Config) {
        for (i, path) in target.kustomization.crds.iter().enumerate() {
            let field = format!("crds[{i}]");
            let Ok(settings) = self.settings(target, &path.value, Some((&field, path.at))) else {
                continue;
            };
            let merged =
                config::from_crds(&settings.to_value()).and_then(|more| config.merge(&more));
            if let Err(conflict) = merged {
                let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
                self.fail_at(target, path.at, field, error);
            }
        }
    }

    fn generators(&mut self, target: &Target<'a>, into: &mut Accumulated) {
        let k = &target.kustomization;
        for (what, field, list) in [
            (
                Generated::ConfigMap,
                "configMapGenerator",
                &k.config_map_generator,
            ),
            (Generated::Secret, "secretGenerator", &k.secret_generator),
        ] {
            for (i, args) in list.iter().enumerate() {
                let mut args = args.clone();
                args.options = GeneratorOptions::with_global(
                    args.options.take(),
                    k.generator_options.as_ref(),
                );
                let origin = target.origin.as_ref().map(|origin| {
                    let kind = format!("{}Generator", what.kind());
                    Arc::new(origin.built_in(target.file_name, &kind))
                });
                let field = format!("{field}[{i}]");
                let _ = self.generate(target, into, what, &args, origin, &field);
            }
        }
        for (i, chart) in k.helm_charts.iter().enumerate() {
            let field = format!("helmCharts[{i}]");
            let origin = target.origin.as_ref().map(|origin| {
                Arc::new(origin.built_in(target.file_name, "HelmChartInflationGenerator"))
            });
            let _ = self.helm_chart(
                target,
                into,
                &k.helm_globals,
                chart,
                origin.as_ref(),
                &field,
            );
        }
        let Ok(plugins) = self.plugins(target, &k.generators, "generators") else {
            return;
        };
        for (resource, plugin) in plugins {
            let _ = self.run_generator(target, into, &resource, plugin);
        }
    }

    fn generate(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        what: Generated,
        args: &GeneratorArgs,
        origin: Option<Arc<Origin>>,
        field: &str,
    ) -> Built<()> {
        match generate::generate(what, args, &target.loader, self.options.environment) {
            Ok(mut resource) => {
                resource.origin = origin;
                resource.place = Some(target.place(args.at));
                self.absorb(target, into, resource, args.at, field)
            }
            Err(Mistake { error, at }) => Err(self.fail_at(target, at, field, error)),
        }
    }

    pub(crate) fn absorb(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        resource: Resource,
        at: At,
        field: &str,
    ) -> Built<()> {
        generate::absorb(&mut into.resources, resource, &self.world.scope)
            .map_err(|error| self.fail_at(target, at, field, error))
    }

    /// Reads the resources that configure generators or transformers: inline, of files, of folders.
    pub(crate) fn plugins(
        &mut self,
        target: &Target<'a>,
        entries: &[Text],
        field: &str,
    ) -> Built<Vec<(Resource, Plugin)>> {
        let before = self.errors.len();
        let mut configured = Accumulated::default();
        let mut paths = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            // What is no list of resources is the path of a file.
            let schemas = &mut self.world.schemas.inline;
            let Ok(documents) = read::resources(&entry.value, schemas) else {
                paths.push(entry.clone());
                continue;
            };
            let field = format!("{field}[{i}]");
            for document in documents {
                let place = target.place(entry.at);
                let mut resource = Resource::new(document.node, Some(place));
                resource.origin = target
                    .origin
                    .as_ref()
                    .map(|origin| Arc::new(origin.below(target.file_name)));
                let _ = self.append(target, &mut configured, resource, entry.at, &field);
            }
        }
        self.resources(target, &mut configured, &paths, field, true);
        let mut out = Vec::new();
        for resource in configured.resources.into_vec() {
            match plugin::configure(&resource) {
                Ok(plugin) => out.push((resource, plugin)),
                Err(errors) => {
                    self.fail_all(target, At::default(), field, errors);
                }
            }
        }
        if self.errors.len() > before {
            Err(Stop)
        } else {
            Ok(out)
        }
    }

    fn validators(&mut self, target: &Target<'a>, into: &mut Accumulated) -> Built<()> {
        let entries = &target.kustomization.validators;
        if entries.is_empty() {
            return Ok(());
        }
        for (resource, plugin) in self.plugins(target, entries, "validators")? {
            let before: Vec<Resource> = into.resources.as_slice().to_vec();
            self.run_transformer(target, into, &resource, plugin)?;
            let unchanged = before.len() == into.resources.as_slice().len()
                && before
                    .iter()
                    .zip(into.resources.as_slice())
                    .all(|(before, after)| same_but_for_validation(before, after));
            if !unchanged {
                let error = BuildError::new(
                    ErrorKind::Plugin,
                    format!("the validator {} changes resources", resource.name()),
                );
                return Err(self.fail_at(target, At::default(), "validators", error));
            }
        }
        Ok(())
    }

    fn variables(&mut self, target: &Target<'_>, into: &mut Accumulated) -> Built<()> {
        let vars_of_this = &target.kustomization.vars;
        if vars_of_this.is_empty() {
            return Ok(());
        }
        vars::note(&mut into.resources, vars_of_this, &self.world)
            .map_err(|error| self.fail_at(target, vars_of_this[0].at, "vars", error))?;
        self.merge_vars(target, into, vars_of_this, None)
    }

    /// Notes a transformer at all resources, where that is asked for, and drops what it deleted.
    pub(crate) fn after_transformer(&self, into: &mut Accumulated, origin: Option<&Arc<Origin>>) {
        if let Some(origin) = origin {
            for resource in into.resources.contents_mut() {
                if resource.deleted {
                    continue;
                }
                if resource.origin.is_none() {
                    resource.origin = Some(origin.clone());
                } else {
                    resource.transformations.push(origin.clone());
                }
                resource.settle_annotations();
            }
        }
        into.resources.drop_deleted();
    }

    fn transformers(&mut self, target: &Target<'a>, into: &mut Accumulated) -> Built<()> {
        self.built_in_transformers(target, into)?;
        let entries = &target.kustomization.transformers;
        for (resource, plugin) in self.plugins(target, entries, "transformers")? {
            let origin = target.origin.as_ref().map(|_| {
                let from = resource.origin.as_deref().cloned().unwrap_or_default();
                Arc::new(custom_origin(&from, &resource))
            });
            self.run_transformer(target, into, &resource, plugin)?;
            self.after_transformer(into, origin.as_ref());
        }
        Ok(())
    }

    /// Runs the transformers that the fields of a kustomization stand for, in the order that kustomize keeps.
    #[allow(clippy::too_many_lines)]
    fn built_in_transformers(&mut self, target: &Target<'a>, into: &mut Accumulated) -> Built<()> {
        let k = &target.kustomization;
        let origin = |kind: &str| {
            target
                .origin
                .as_ref()
                .map(|origin| Arc::new(origin.built_in(target.file_name, kind)))
        };
        // All patches are read before the first is applied: what is wrong with one does not hide the others.
        let before = self.errors.len();
        let strategic = self.strategic_patches(target, &k.patches_strategic_merge);
        let mut loaded = Vec::new();
        for (i, patch) in k.patches.iter().enumerate() {
            let field = format!("patches[{i}]");
            if let Ok(patch) = self.load_patch(target, patch, &field) {
                loaded.push(patch);
            }
        }
        let mut json = Vec::new();
        for (i, patch) in k.patches_json6902.iter().enumerate() {
            let field = format!("patchesJson6902[{i}]");
            if let Ok(patch) = self.load_json_patch(target, patch, &field) {
                json.push(patch);
            }
        }
        let mut replacements_of_this = Vec::new();
        for (i, entry) in k.replacements.iter().enumerate() {
            let field = format!("replacements[{i}]");
            if let Ok(list) = self.load_replacements(target, entry, &field) {
                replacements_of_this.extend(list);
            }
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !k.patches_strategic_merge.is_empty() {
            let at = k.patches_strategic_merge[0].at;
            patches::merge_all(&mut into.resources, &strategic, &self.world)
                .map_err(|errors| self.fail_all(target, at, "patchesStrategicMerge", errors))?;
            self.after_transformer(into, origin("PatchStrategicMergeTransformer").as_ref());
        }
        for (i, (patch, (loaded, source))) in k.patches.iter().zip(&loaded).enumerate() {
            let done = patches::apply(
                &mut into.resources,
                loaded,
                patch.target.as_ref(),
                source,
                &self.world,
            );
            if let Err(error) = done {
                self.fail_at(target, patch.at, format!("patches[{i}]"), error);
                continue;
            }
            self.after_transformer(into, origin("PatchTransformer").as_ref());
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !k.namespace.value.is_empty() {
            let options = namespace::Options {
                namespace: k.namespace.value.clone(),
                unset_only: false,
                subjects: Subjects::Default,
            };
            let specs = into.config.section(Section::Namespace).to_vec();
            namespace::set_namespace(&mut into.resources, &options, &specs, &self.world)
                .map_err(|error| self.fail_at(target, k.namespace.at, "namespace", error))?;
            self.after_transformer(into, origin("NamespaceTransformer").as_ref());
        }
        for (text, field, section, kind) in [
            (
                &k.name_prefix,
                "namePrefix",
                Section::NamePrefix,
                "PrefixTransformer",
            ),
            (
                &k.name_suffix,
                "nameSuffix",
                Section::NameSuffix,
                "SuffixTransformer",
            ),
        ] {
            if text.value.is_empty() {
                continue;
            }
            let affix = if section == Section::NamePrefix {
                Affix::Prefix(text.value.clone())
            } else {
                Affix::Suffix(text.value.clone())
            };
            let specs = into.config.section(section).to_vec();
            names::rename(&mut into.resources, &affix, &specs, &self.world)
                .map_err(|error| self.fail_at(target, text.at, field, error))?;
            self.after_transformer(into, origin(kind).as_ref());
        }
        if !k.labels.is_empty() || !k.common_labels.is_empty() {
            for (i, label) in k.labels.iter().enumerate() {
                let field = format!("labels[{i}]");
                let specs = self.label_specs(target, into, label, &field)?;
                self.set_labels(target, into, &label.pairs, specs, label.at, &field)?;
                self.after_transformer(into, origin("LabelTransformer").as_ref());
            }
            let specs = into.config.section(Section::CommonLabels).to_vec();
            let at = At::default();
            self.set_labels(target, into, &k.common_labels, specs, at, "commonLabels")?;
            self.after_transformer(into, origin("LabelTransformer").as_ref());
        }
        if !k.common_annotations.is_empty() {
            let specs = into.config.section(Section::CommonAnnotations);
            let mut specs = FieldSpecs::new(specs.to_vec());
            metadata::set_entries(
                &mut into.resources,
                &k.common_annotations,
                &mut specs,
                "setting annotations",
                &mut self.world,
            )
            .map_err(|error| self.fail_at(target, At::default(), "commonAnnotations", error))?;
            self.after_transformer(into, origin("AnnotationsTransformer").as_ref());
        }
        for (i, (patch, loaded)) in k.patches_json6902.iter().zip(&json).enumerate() {
            let field = format!("patchesJson6902[{i}]");
            self.apply_json(target, into, patch, loaded, &field)?;
            self.after_transformer(into, origin("PatchJson6902Transformer").as_ref());
        }
        for (i, replica) in k.replicas.iter().enumerate() {
            let specs = into.config.section(Section::Replicas).to_vec();
            let done = replicas::set_replicas(
                &mut into.resources,
                &replica.name,
                replica.count,
                &specs,
                &self.world,
            );
            if let Err(error) = done {
                self.fail_at(target, replica.at, format!("replicas[{i}]"), error);
            }
            self.after_transformer(into, origin("ReplicaCountTransformer").as_ref());
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        if !k.images.is_empty() {
            let specs = into.config.section(Section::Images);
            let mut specs = FieldSpecs::new(specs.to_vec());
            let rules: Vec<images::ImageRule<'_>> =
                k.images.iter().map(images::ImageRule::new).collect();
            images::set_images(&mut into.resources, &rules, &mut specs, &self.world)
                .map_err(|error| self.fail_at(target, k.images[0].at, "images", error))?;
            for _ in &k.images {
                self.after_transformer(into, origin("ImageTagTransformer").as_ref());
            }
        }
        if !k.replacements.is_empty() {
            self.apply_replacements(target, into, &replacements_of_this)?;
            self.after_transformer(into, origin("ReplacementTransformer").as_ref());
        }
        Ok(())
    }

    /// Applies replacements; the field of an error counts them, those of files included.
    pub(crate) fn apply_replacements(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        list: &[Replacement],
    ) -> Built<()> {
        let before = self.errors.len();
        for (i, replacement) in list.iter().enumerate() {
            let one = std::slice::from_ref(replacement);
            if let Err(error) = replacements::replace(&mut into.resources, one, &self.world) {
                let field = format!("replacements[{i}]");
                self.fail_at(target, replacement.at, field, error);
            }
        }
        if self.errors.len() > before {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    fn set_labels(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        pairs: &[(Str, Str)],
        specs: Vec<FieldSpec>,
        at: At,
        field: &str,
    ) -> Built<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        let mut specs = FieldSpecs::new(specs);
        metadata::set_entries(
            &mut into.resources,
            pairs,
            &mut specs,
            "setting labels",
            &mut self.world,
        )
        .map_err(|error| self.fail_at(target, at, field, error))
    }

    /// Returns the fields that an entry of `labels` works on.
    fn label_specs(
        &mut self,
        target: &Target<'_>,
        into: &Accumulated,
        label: &Label,
        field: &str,
    ) -> Built<Vec<FieldSpec>> {
        let mut specs = label.fields.clone();
        let config = &into.config;
        let mut done = merge(&mut specs, config.section(Section::Labels));
        let mut add = |more: &[FieldSpec]| {
            if done.is_ok() {
                done = merge(&mut specs, more);
            }
        };
        if label.include_selectors {
            add(config.section(Section::CommonLabels));
        } else {
            if label.include_templates {
                add(config.section(Section::TemplateLabels));
            }
            if label.include_volume_claim_templates {
                add(config.section(Section::VolumeClaimTemplateLabels));
            }
            add(&[FieldSpec {
                gvk: crate::id::Gvk::default(),
                path: "metadata/labels".into(),
                create: true,
            }]);
        }
        match done {
            Ok(()) => Ok(specs),
            Err(conflict) => {
                let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
                Err(self.fail_at(target, label.at, field, error))
            }
        }
    }

    pub(crate) fn strategic_patches(
        &mut self,
        target: &Target<'_>,
        entries: &[Text],
    ) -> Vec<Resource> {
        let mut out = Vec::new();
        for (i, entry) in entries.iter().enumerate() {
            let field = format!("patchesStrategicMerge[{i}]");
            // An entry is a patch or the path of a file with some.
            if let Ok(patches) = patches::strategic(&entry.value, &mut self.world) {
                out.extend(patches);
                continue;
            }
            let text = match target.loader.read_text(&entry.value) {
                Ok(text) => text,
                Err(error) => {
                    self.fail_at(target, entry.at, field, error);
                    continue;
                }
            };
            match patches::strategic(&text, &mut self.world) {
                Ok(patches) => out.extend(patches.into_iter().map(|mut patch| {
                    let name = target.loader.name_of(&entry.value);
                    patch.place = Some(Place::new(name, 0, 0));
                    patch
                })),
                Err(error) => {
                    let name = target.loader.name_of(&entry.value);
                    let place = Place::new(name, error.line, error.column);
                    let error = BuildError::new(ErrorKind::Patch, error.message)
                        .at(place)
                        .field(field);
                    self.fail(target, error);
                }
            }
        }
        out
    }

    /// Reads an entry of `patches`; returns it with the name that it has in messages.
    pub(crate) fn load_patch(
        &mut self,
        target: &Target<'_>,
        patch: &Patch,
        field: &str,
    ) -> Built<(patches::Loaded, String)> {
        let fail = |message: &str| BuildError::new(ErrorKind::Patch, message);
        let inline = patch.patch.value.trim();
        let (text, source) = match (inline.is_empty(), patch.path.value.is_empty()) {
            (true, true) => {
                let error = fail("a patch needs either `patch` or `path`");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, false) => {
                let error = fail("a patch has either `patch` or `path`, and not both");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, true) => (inline.to_owned(), format!("[patch: {inline:?}]")),
            (true, false) => {
                let path = &patch.path;
                let text = target.loader.read_text(&path.value).map_err(|error| {
                    self.fail_at(target, path.at, format!("{field}.path"), error)
                })?;
                (text, format!("[path: {:?}]", path.value))
            }
        };
        let mut loaded = patches::load(&text, &source, &mut self.world)
            .map_err(|error| self.fail_at(target, patch.at, field, error))?;
        if let patches::Loaded::Strategic(patches) = &mut loaded {
            for one in patches {
                one.allow_name_change |= patch.allow_name_change;
                one.allow_kind_change |= patch.allow_kind_change;
            }
        }
        Ok((loaded, source))
    }

    pub(crate) fn load_json_patch(
        &mut self,
        target: &Target<'_>,
        patch: &Patch,
        field: &str,
    ) -> Built<crate::jsonpatch::JsonPatch> {
        let fail = |message: &str| BuildError::new(ErrorKind::Patch, message);
        if patch.target.as_ref().is_none_or(|t| t.name.is_empty()) {
            let error = fail("the name of the target is missing");
            return Err(self.fail_at(target, patch.at, format!("{field}.target"), error));
        }
        let inline = &patch.patch.value;
        let text = match (inline.is_empty(), patch.path.value.is_empty()) {
            (true, true) => {
                let error = fail("a JSON patch needs either `patch` or `path`");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, false) => {
                let error = fail("a JSON patch has either `patch` or `path`, and not both");
                return Err(self.fail_at(target, patch.at, field, error));
            }
            (false, true) => inline.to_string(),
            (true, false) => {
                let path = &patch.path;
                target.loader.read_text(&path.value).map_err(|error| {
                    self.fail_at(target, path.at, format!("{field}.path"), error)
                })?
            }
        };
        let loaded = patches::json_patch(&text).and_then(|loaded| {
            if loaded.is_empty() {
                Err("it has no operation".to_owned())
            } else {
                Ok(loaded)
            }
        });
        loaded.map_err(|reason| {
            let what = if inline.is_empty() {
                &patch.path.value
            } else {
                inline
            };
            let error = fail(&format!("the JSON patch {:?}: {reason}", what.as_str()));
            self.fail_at(target, patch.at, field, error)
        })
    }

    pub(crate) fn apply_json(
        &mut self,
        target: &Target<'_>,
        into: &mut Accumulated,
        patch: &Patch,
        loaded: &crate::jsonpatch::JsonPatch,
        field: &str,
    ) -> Built<()> {
        let selector = patch.target.clone().unwrap_or_default();
        let compiled = crate::selector::Compiled::new(&selector).map_err(|error| {
            let error = BuildError::new(ErrorKind::Patch, error.to_string());
            self.fail_at(target, patch.at, field, error)
        })?;
        let selected = compiled.select(&mut into.resources, &self.world.scope);
        let source = format!("for `{}`", selector.name);
        patches::json_to_selected(
            &mut into.resources,
            &selected,
            loaded,
            false,
            &source,
            &self.world,
        )
        .map_err(|error| self.fail_at(target, patch.at, field, error))
    }

    /// Reads an entry of `replacements`: itself, or those of its file.
    pub(crate) fn load_replacements(
        &mut self,
        target: &Target<'_>,
        entry: &crate::kustomization::ReplacementField,
        field: &str,
    ) -> Built<Vec<Replacement>> {
        let replacement = &entry.replacement;
        if entry.path.value.is_empty() {
            return Ok(vec![replacement.clone()]);
        }
        let named = replacement.source.is_some()
            || replacement.targets.as_ref().is_some_and(|t| !t.is_empty());
        if named {
            let error = BuildError::new(
                ErrorKind::Kustomization,
                "a replacement has either a path or a source and targets",
            );
            return Err(self.fail_at(target, entry.path.at, field, error));
        }
        let path = &entry.path;
        let settings = self.settings(target, &path.value, Some((field, path.at)))?;
        let mut decoder = Decoder::lenient(false);
        let list = match &settings.content {
            crate::kustomization::decode::Content::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, value)| parse::replacement(&mut decoder, value, &format!("[{i}]")))
                .collect(),
            crate::kustomization::decode::Content::Map(_) => {
                vec![parse::replacement(&mut decoder, &settings, "")]
            }
            crate::kustomization::decode::Content::Plain(_) => {
                let error = BuildError::new(
                    ErrorKind::Kustomization,
                    format!(
                        "`{}` holds neither a replacement nor a list of them",
                        path.value
                    ),
                );
                return Err(self.fail_at(target, path.at, field, error));
            }
        };
        self.faults(target, &path.value, decoder)?;
        Ok(list)
    }
}

fn origin_below(origin: &Origin, path: &str) -> Origin {
    match crate::remote::RepositorySpec::parse(path) {
        Ok(spec) => Origin {
            repo: spec.url,
            git_ref: spec.reference,
            path: spec.path,
            ..Origin::default()
        },
        Err(_) => origin.below(path),
    }
}

/// Returns the origin of what a configured generator or transformer does.
pub(crate) fn custom_origin(from: &Origin, resource: &Resource) -> Origin {
    Origin {
        repo: from.repo.clone(),
        git_ref: from.git_ref.clone(),
        configured_in: from.path.clone(),
        configured_by: Some(ConfiguredBy {
            api_version: resource.api_version().to_owned(),
            kind: resource.kind().to_owned(),
            name: resource.name().to_owned(),
            namespace: resource.namespace().to_owned(),
        }),
        ..Origin::default()
    }
}

fn same_but_for_validation(before: &Resource, after: &Resource) -> bool {
    const LABEL: &str = "validated-by";
    if before.node == after.node {
        return true;
    }
    let without = |resource: &Resource| {
        let mut copy = resource.clone();
        let mut labels = copy.meta_map("labels");
        labels.retain(|(key, _)| key != LABEL);
        copy.set_meta_map("labels", labels);
        copy.node
    };
    without(before) == without(after)
}
