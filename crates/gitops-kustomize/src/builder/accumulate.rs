//! Files, bases, components and generators of a kustomization.

use std::sync::Arc;

use gitops_manifest::tree::EntryKind;

use super::{Accumulated, Builder, Built, Stop, Target};
use crate::config::{self, Config};
use crate::error::{BuildError, ErrorKind, Place};
use crate::generate::{self, Generated, Mistake};
use crate::kustomization::decode::Decoder;
use crate::kustomization::{At, GeneratorArgs, GeneratorOptions, Text, Var, Written};
use crate::load::is_url;
use crate::origin::{ConfiguredBy, Origin};
use crate::plugin::{self, Plugin};
use crate::read;
use crate::resource::Resource;
use crate::transform::vars;

impl<'a> Builder<'a> {
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
            self.look_through(target, 0);
            return Err(Stop);
        }
        for (i, path) in k.components.iter().enumerate() {
            let Ok(built) = self.component(target, into, path, i) else {
                self.look_through(target, i + 1);
                return Err(Stop);
            };
            into = built;
        }
        self.transformers(target, &mut into)?;
        self.validators(target, &mut into)?;
        self.variables(target, &mut into)?;
        Ok(into)
    }

    /// Looks for mistakes in what follows when a kustomization cannot be built any more: in what its components, from
    /// one on, and it itself read. Nothing is applied, as there is nothing to apply it to.
    fn look_through(&mut self, target: &Target<'a>, from: usize) {
        for (i, path) in target
            .kustomization
            .components
            .iter()
            .enumerate()
            .skip(from)
        {
            let field = format!("components[{i}]");
            let Ok(below) = self.open_component(target, path, &field) else {
                continue;
            };
            let k = &below.kustomization;
            let mut read = Accumulated::default();
            self.resources(&below, &mut read, &k.resources, "resources", true);
            let mut config = Config::default();
            let _ = self.configurations(&below, &mut config);
            self.crds(&below, &mut config);
            self.look_through(&below, 0);
        }
        let _ = self.load(target);
    }

    /// Reads files and folders. A file that cannot be read does not hide the mistakes of the next.
    pub(super) fn resources(
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

    pub(super) fn file(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
        path: &Text,
        field: &str,
    ) -> Built<()> {
        let is_repository = is_repository(&path.value);
        // What is plainly a repository is not asked for as a file first.
        if is_repository && is_marked(&path.value) {
            return self.base(target, into, path, field);
        }
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
            // A page about a repository, not a file with resources.
            Err(_) if is_repository && is_url(&path.value) => {
                return self.base(target, into, path, field);
            }
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

    pub(super) fn append(
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

    pub(super) fn add(
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
                let mut error = BuildError::new(
                    ErrorKind::Conflict,
                    format!("there is a resource with the id {id} already{first}"),
                );
                if resource.place.is_some() && resource.place == other.place {
                    error = error.hint(
                        "it comes in twice: name it once, or give one of the two another namePrefix, nameSuffix or namespace",
                    );
                }
                let error = match &resource.place {
                    Some(place) => error.at(place.clone()).field(field),
                    None => error,
                };
                self.fail_at(target, at, field, error)
            })
    }

    /// Opens a folder below.
    pub(super) fn open(
        &mut self,
        target: &Target<'a>,
        path: &Text,
        field: &str,
    ) -> Built<Target<'a>> {
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
        let _ = self.set_schema(&below);
        Ok(below)
    }

    pub(super) fn base(
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

    fn open_component(
        &mut self,
        target: &Target<'a>,
        path: &Text,
        field: &str,
    ) -> Built<Target<'a>> {
        let below = self.open(target, path, field)?;
        if below.kustomization.is_component() {
            return Ok(below);
        }
        let message = format!(
            "`{}` is a {} and no Component",
            path.value, below.kustomization.kind
        );
        let error =
            BuildError::new(ErrorKind::Kustomization, message).hint("name it under resources");
        Err(self.fail_at(target, path.at, field, error))
    }

    pub(super) fn component(
        &mut self,
        target: &Target<'a>,
        into: Accumulated,
        path: &Text,
        i: usize,
    ) -> Built<Accumulated> {
        let field = format!("components[{i}]");
        let below = self.open_component(target, path, &field)?;
        let mut built = self.accumulate(&below, into)?;
        // kustomize merges what comes out of a component into nothing, and by that looks for conflicts once more.
        let mut config = Config::default();
        config.merge(&built.config).map_err(|conflict| {
            let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
            self.fail_at(target, path.at, field, error)
        })?;
        built.config = config;
        Ok(built)
    }

    pub(super) fn merge(
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

    pub(super) fn merge_vars(
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
                Ok(i) => {
                    let first = match &into.vars[i].written {
                        Some(written) => format!(" (first at {})", written.place),
                        None => String::new(),
                    };
                    let error = BuildError::new(
                        ErrorKind::Reference,
                        format!("the variable `{}` is defined twice{first}", var.name),
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

    pub(super) fn configurations(&mut self, target: &Target<'_>, config: &mut Config) -> Built<()> {
        let before = self.errors.len();
        let mut all = Config::default();
        for (i, path) in target.kustomization.configurations.iter().enumerate() {
            let field = format!("configurations[{i}]");
            let at = Some((field.as_str(), path.at));
            let read = self.settings_read_by(target, &path.value, at, read::configuration);
            let Ok(settings) = read else {
                continue;
            };
            let mut decoder = Decoder::lenient(true);
            let more = config::parse(&mut decoder, &settings);
            if self.faults(target, &path.value, decoder).is_err() {
                continue;
            }
            if let Err(conflict) = all.merge(&more) {
                let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
                self.fail_at(target, path.at, field, error);
            }
        }
        if self.errors.len() > before {
            return Err(Stop);
        }
        config.merge(&all).map_err(|conflict| {
            let error = BuildError::new(ErrorKind::Kustomization, conflict.to_string());
            self.fail_at(target, At::default(), "configurations", error)
        })
    }

    pub(super) fn crds(&mut self, target: &Target<'_>, config: &mut Config) {
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

    pub(super) fn generators(&mut self, target: &Target<'a>, into: &mut Accumulated) {
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

    pub(super) fn generate(
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

    pub(super) fn validators(&mut self, target: &Target<'a>, into: &mut Accumulated) -> Built<()> {
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
                    format!(
                        "the validator {} `{}` changes resources",
                        resource.kind(),
                        resource.name()
                    ),
                );
                let error = match resource.place.clone() {
                    Some(place) => error.at(place),
                    None => error,
                };
                return Err(self.fail_at(target, At::default(), "validators", error));
            }
        }
        Ok(())
    }

    pub(super) fn variables(&mut self, target: &Target<'_>, into: &mut Accumulated) -> Built<()> {
        let vars_of_this = &target.kustomization.vars;
        if vars_of_this.is_empty() {
            return Ok(());
        }
        let chain = target.loader.visited();
        let mut vars = vars_of_this.clone();
        for (i, var) in vars.iter_mut().enumerate() {
            var.written = Some(Arc::new(Written {
                place: target.place(var.at),
                field: format!("vars[{i}]"),
                chain: chain.clone(),
            }));
        }
        vars::note(&mut into.resources, &vars, &self.world)
            .map_err(|errors| self.fail_all(target, At::default(), "vars", errors))?;
        self.merge_vars(target, into, &vars, None)
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

    pub(super) fn transformers(
        &mut self,
        target: &Target<'a>,
        into: &mut Accumulated,
    ) -> Built<()> {
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
}

/// Whether a path may be of a repository: it can be read as one, and is no address of a file of YAML or JSON.
fn is_repository(path: &str) -> bool {
    let address = path.split('?').next().unwrap_or(path);
    let is_file = is_url(path)
        && [".yaml", ".yml", ".json"]
            .iter()
            .any(|ending| address.ends_with(ending));
    !is_file && crate::remote::RepositorySpec::parse(path).is_ok()
}

/// Whether an address has what those of files do not have: `.git`, a revision, a path behind two slashes.
fn is_marked(path: &str) -> bool {
    let (address, query) = path.split_once('?').unwrap_or((path, ""));
    let behind = address.split_once("://").map_or("", |(_, rest)| rest);
    address.contains(".git/")
        || address.ends_with(".git")
        || behind.contains("//")
        || query.contains("ref=")
        || query.contains("version=")
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
