//! The build of a kustomization, from its folder to the objects.

use gitops_manifest::{Diagnostic, FileTree, Object, Severity, Str, Value, yaml};

use crate::builder::{Accumulated, Builder, Stop, Target};
use crate::error::{BuildError, BuildErrors, ErrorKind};
use crate::fieldspec::{FieldSpec, FieldSpecs};
use crate::hash;
use crate::id::Gvk;
use crate::kustomization::{At, SortOptions};
use crate::load::Loader;
use crate::options::{BuildOptions, LoadRestrictor, Reorder};
use crate::origin::Origin;
use crate::sort;
use crate::transform::{conflict, metadata, references, vars};

/// What a build gives.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Build {
    /// The resources, in the order of the output. One that no API server could take, as it has no `apiVersion`, is
    /// not among them: a warning of the severity of an error says so.
    pub objects: Vec<Object>,
    /// What is to be said about the kustomizations, though they could be built.
    pub warnings: Vec<Diagnostic>,
    /// All that is written; shares its content with the objects.
    documents: Vec<Document>,
}

/// What is written of one resource.
#[derive(Clone, Debug, PartialEq)]
struct Document {
    value: Value,
    /// Whether its kind has no namespace.
    cluster: bool,
}

impl Build {
    /// Writes the resources as `kustomize build` does, byte for byte.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let options = yaml::EmitOptions::new(yaml::Profile::Sigs);
        let mut out = String::new();
        for (i, document) in self.documents.iter().enumerate() {
            if i > 0 {
                out.push_str("---\n");
            }
            yaml::emit_into(&document.value, &options, &mut out);
        }
        out
    }

    /// Returns the files that `kustomize build --output FOLDER` writes into a folder that is there: a name and the
    /// text of each resource. The namespace is part of the name where there is more than one.
    #[must_use]
    pub fn to_files(&self) -> Vec<(String, String)> {
        let text = |value: &Value, path: &[&str]| {
            let value = value.at(path).and_then(Value::as_str);
            value.unwrap_or_default().to_lowercase()
        };
        let namespace =
            |document: &Document| match text(&document.value, &["metadata", "namespace"]) {
                empty if empty.is_empty() => "default".to_owned(),
                other => other,
            };
        let mut namespaces: Vec<String> = self
            .documents
            .iter()
            .filter(|document| !document.cluster)
            .map(namespace)
            .collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let several = namespaces.len() > 1;
        let options = yaml::EmitOptions::new(yaml::Profile::Sigs);
        let file = |document: &Document| {
            let value = &document.value;
            let api_version = text(value, &["apiVersion"]).replace('/', "_");
            let parts = [
                api_version,
                text(value, &["kind"]),
                text(value, &["metadata", "name"]),
            ];
            let parts: Vec<&str> = parts
                .iter()
                .map(String::as_str)
                .filter(|p| !p.is_empty())
                .collect();
            let mut name = parts.join("_") + ".yaml";
            if several && !document.cluster {
                name = format!("{}_{name}", namespace(document));
            }
            (name, yaml::emit(value, &options))
        };
        self.documents.iter().map(file).collect()
    }
}

/// Builds the kustomization of a folder, as `kustomize build` 5.8.2 does.
///
/// `path` is the folder in `tree`; the empty path is its root. Nothing outside of the tree is read, and nothing is
/// written.
///
/// ```
/// use gitops_kustomize::{BuildOptions, build};
/// use gitops_manifest::MemoryTree;
///
/// let tree = MemoryTree::from_iter([
///     ("base/kustomization.yaml", "resources: [service.yaml]\n"),
///     ("base/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"),
///     ("prod/kustomization.yaml", "resources: [../base]\nnamePrefix: prod-\nnamespace: shop\n"),
/// ]);
/// let build = build(&tree, "prod", &BuildOptions::default())?;
/// assert_eq!(
///     build.to_yaml(),
///     "apiVersion: v1\nkind: Service\nmetadata:\n  name: prod-web\n  namespace: shop\n"
/// );
/// # Ok::<(), gitops_kustomize::BuildErrors>(())
/// ```
///
/// # Errors
/// All mistakes that were found, each with its file, line and field and the kustomizations that led there.
pub fn build(
    tree: &dyn FileTree,
    path: &str,
    options: &BuildOptions<'_>,
) -> Result<Build, BuildErrors> {
    let mut builder = Builder::new(options);
    match run(&mut builder, tree, path) {
        Ok((objects, documents)) if builder.errors.is_empty() => Ok(Build {
            objects,
            warnings: builder.warnings,
            documents,
        }),
        _ => Err(BuildErrors::new(builder.errors)),
    }
}

fn run<'a>(
    builder: &mut Builder<'a>,
    tree: &'a dyn FileTree,
    path: &str,
) -> Result<(Vec<Object>, Vec<Document>), Stop> {
    let options = builder.options;
    let restricted = options.load_restrictor == LoadRestrictor::RootOnly;
    let loader = Loader::new(tree, path, restricted, options.remote).map_err(|error| {
        builder.errors.push(error);
        Stop
    })?;
    let mut target = builder.target(loader, None)?;
    // Without its schema the rest is built all the same, for its mistakes.
    let _ = builder.set_schema(&target);
    if !target.kustomization.build_metadata.is_empty() {
        target.origin = Some(Origin::default());
    }
    let mut built = builder.accumulate(&target, Accumulated::default())?;
    finish(builder, &target, &mut built)?;
    order(builder, &target, &mut built)?;
    label(builder, &target, &mut built)?;
    to_objects(builder, &target, built)
}

fn note(builder: &mut Builder<'_>, target: &Target<'_>, mut error: BuildError) {
    if error.chain.is_empty() {
        error.chain = target.loader.visited();
    }
    builder.errors.push(error);
}

/// Does what is done once, for the whole: hashes, references, variables, dropping what is local.
fn finish(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    built: &mut Accumulated,
) -> Result<(), Stop> {
    for resource in built.resources.all_mut() {
        if !resource.needs_hash {
            continue;
        }
        match hash::content_hash(resource) {
            Ok(hash) => {
                resource.remember_id(&builder.world.scope);
                let name = format!("{}-{hash}", resource.name());
                resource.set_name(&name);
            }
            Err(error) => {
                let id = resource.id(&builder.world.scope);
                let error = BuildError::new(ErrorKind::Plugin, format!("hashing {id}: {error}"));
                note(builder, target, error);
            }
        }
    }
    if !builder.errors.is_empty() {
        return Err(Stop);
    }
    let config = built.config.clone();
    references::update(
        &mut built.resources,
        &config.name_references,
        &builder.world,
    )
    .map_err(|errors| {
        for error in errors {
            note(builder, target, error);
        }
        Stop
    })?;
    let specs = config.section(crate::config::Section::VarReference);
    let unused = vars::resolve(&mut built.resources, &built.vars, specs, &builder.world);
    match unused {
        Ok(unused) if unused.is_empty() => {}
        Ok(unused) => {
            let names: Vec<&str> = unused.iter().map(Str::as_str).collect();
            builder.warnings.push(Diagnostic::new(
                Severity::Warning,
                "",
                format!(
                    "well-defined vars that were never replaced: {}",
                    names.join(",")
                ),
            ));
        }
        Err(errors) => {
            for error in errors {
                note(builder, target, error);
            }
            return Err(Stop);
        }
    }
    // A transformer may have taken the name or the kind away.
    for resource in built.resources.as_slice() {
        if resource.node.is_null_or_empty() {
            continue;
        }
        if let Err(reason) = crate::resource::validate(&resource.node) {
            let id = resource.id(&builder.world.scope);
            let mut error = BuildError::new(
                ErrorKind::Plugin,
                format!("what becomes of {id} is no resource: {reason}"),
            );
            error.place.clone_from(&resource.place);
            note(builder, target, error);
        }
    }
    if !builder.errors.is_empty() {
        return Err(Stop);
    }
    let resources = built.resources.all_mut();
    resources.retain(|resource| !resource.is_local());
    if let Some((first, second)) = built.resources.duplicate(&builder.world.scope) {
        let list = built.resources.as_slice();
        let id = list[second].id(&builder.world.scope);
        let error = conflict(&list[first], &list[second], &id);
        note(builder, target, error);
        return Err(Stop);
    }
    Ok(())
}

fn order(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    built: &mut Accumulated,
) -> Result<(), Stop> {
    let legacy = SortOptions {
        order: Str::from_static("legacy"),
        legacy: None,
        at: At::default(),
    };
    let chosen = match (&target.kustomization.sort_options, builder.options.reorder) {
        (Some(options), reorder) => {
            if reorder.is_some() {
                builder.warnings.push(Diagnostic::new(
                    Severity::Warning,
                    "",
                    "Warning: Sorting order is set both in 'kustomization.yaml' ('sortOptions') and in a CLI flag ('--reorder'). Using the kustomization file over the CLI flag.",
                ));
            }
            options
        }
        (None, None | Some(Reorder::Legacy)) => &legacy,
        (None, Some(Reorder::None)) => return Ok(()),
    };
    let resources = built.resources.all_mut();
    sort::sort(resources, chosen, &builder.world.scope).map_err(|error| {
        let error = BuildError::new(ErrorKind::Kustomization, error.to_string())
            .field("sortOptions")
            .at(target.place(chosen.at))
            .hint("the order is fifo or legacy");
        note(builder, target, error);
        Stop
    })
}

fn label(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    built: &mut Accumulated,
) -> Result<(), Stop> {
    let asked = builder.options.managed_by_label || target.kustomization.asks_for("managedByLabel");
    if !asked {
        return Ok(());
    }
    let value = format!("kustomize-{}", builder.options.version);
    let entries = [(
        Str::from_static("app.kubernetes.io/managed-by"),
        value.into(),
    )];
    let mut specs = FieldSpecs::new(vec![FieldSpec {
        gvk: Gvk::default(),
        path: "metadata/labels".into(),
        create: true,
    }]);
    metadata::set_entries(
        &mut built.resources,
        &entries,
        &mut specs,
        "setting labels",
        &mut builder.world,
    )
    .map_err(|error| {
        note(builder, target, error);
        Stop
    })
}

fn to_objects(
    builder: &mut Builder<'_>,
    target: &Target<'_>,
    built: Accumulated,
) -> Result<(Vec<Object>, Vec<Document>), Stop> {
    let origins = target.kustomization.asks_for("originAnnotations");
    let transformations = target.kustomization.asks_for("transformerAnnotations");
    let resources = built.resources.into_vec();
    let mut objects = Vec::with_capacity(resources.len());
    let mut documents = Vec::with_capacity(resources.len());
    for mut resource in resources {
        resource.finish(origins, transformations);
        let id = resource.id(&builder.world.scope).to_owned_id();
        let cluster = id.as_id().cluster;
        let value = match resource.node.into_value() {
            Ok(value) => value,
            Err(error) => {
                let message = format!("{}: {error}", id.as_id());
                let mut error = BuildError::new(ErrorKind::Syntax, message);
                error.place = resource.place;
                note(builder, target, error);
                continue;
            }
        };
        documents.push(Document {
            value: value.clone(),
            cluster,
        });
        match Object::try_from(value) {
            Ok(object) => objects.push(object),
            Err(error) => {
                let file = resource
                    .place
                    .map_or_else(Str::default, |place| (*place.file).into());
                let message = format!("{} is no object of an API: {error}", id.as_id());
                let warning = Diagnostic::new(Severity::Error, file, message);
                builder.warnings.push(warning);
            }
        }
    }
    if builder.errors.is_empty() {
        Ok((objects, documents))
    } else {
        Err(Stop)
    }
}
