//! From a kustomization to its resources: bases and files first, then generators, components and transformers.

mod accumulate;
mod configured;
mod transformers;

use std::sync::Arc;

use gitops_manifest::{Diagnostic, Severity, Str, yaml};

use crate::config::Config;
use crate::error::{BuildError, ErrorKind, Place};
use crate::kustomization::decode::{Decoder, Spanned};
use crate::kustomization::{At, FILE_NAMES, Kustomization, Var, parse};
use crate::load::Loader;
use crate::options::BuildOptions;
use crate::origin::Origin;
use crate::read;
use crate::resmap::ResMap;
use crate::schema::Schema;
use crate::transform::World;

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
    pub(super) fn file(&self) -> Arc<str> {
        self.loader.name_of(self.file_name)
    }

    pub(crate) const fn helm_namespace(&self) -> &Str {
        &self.helm_namespace
    }

    pub(crate) fn place(&self, at: At) -> Place {
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
    pub(super) fn fail(&mut self, target: &Target<'_>, mut error: BuildError) -> Stop {
        if error.chain.is_empty() {
            error.chain = target.loader.visited();
        }
        self.errors.push(error);
        Stop
    }

    pub(super) fn fail_at(
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

    pub(super) fn fail_all(
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

    pub(super) fn warn_deprecated(&mut self, target: &Target<'_>, field: &str, at: At) {
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
    pub(super) fn faults(
        &mut self,
        target: &Target<'_>,
        file: &str,
        decoder: Decoder,
    ) -> Built<()> {
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
    pub(super) fn settings(
        &mut self,
        target: &Target<'_>,
        path: &str,
        field: Option<(&str, At)>,
    ) -> Built<Spanned> {
        self.settings_read_by(target, path, field, read::settings)
    }

    /// Reads a file of settings in a certain way.
    pub(super) fn settings_read_by(
        &mut self,
        target: &Target<'_>,
        path: &str,
        field: Option<(&str, At)>,
        read: impl FnOnce(&str) -> Result<Spanned, read::ReadError>,
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
        read(&text).map_err(|error| {
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
}
