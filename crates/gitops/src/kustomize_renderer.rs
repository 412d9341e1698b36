//! Kustomize as a renderer of the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gitops_core::application::{ApplicationSource, KustomizeSource};
use gitops_core::{Basis, BuildEnvironment, RenderError, RenderOptions, Rendered, Renderer};
use gitops_kustomize::{
    BuildOptions, HelmRenderer, HelmRequest, LoadRestrictor, RemoteLoader, Reorder, build,
};
use gitops_manifest::tree::join;
use gitops_manifest::yaml::{self, ParseOptions, Profile};
use gitops_manifest::{ContentId, EntryKind, FileTree, Map, Str, TreeEntry, TreeError, Value};

/// The names under which a kustomization is looked for, in this order.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Renders folders that hold a kustomization, with the settings that an application lays over it.
#[derive(Clone, Default)]
pub struct KustomizeRenderer {
    restrictor: LoadRestrictor,
    reorder: Option<Reorder>,
    managed_by_label: bool,
    remote: Option<Arc<dyn RemoteLoader>>,
    helm: Option<Arc<dyn HelmRenderer>>,
}

impl KustomizeRenderer {
    /// Lets kustomizations read files outside their folders, as `--load-restrictor=LoadRestrictionsNone` does. They
    /// stay within the repository.
    #[must_use]
    pub fn without_load_restrictions(mut self) -> Self {
        self.restrictor = LoadRestrictor::None;
        self
    }

    /// Sets the order of what kustomizations bring that do not say so themselves, as `--reorder` does.
    #[must_use]
    pub const fn with_reorder(mut self, reorder: Reorder) -> Self {
        self.reorder = Some(reorder);
        self
    }

    /// Gives all resources the label `app.kubernetes.io/managed-by`, as `--enable-managedby-label` does.
    #[must_use]
    pub const fn with_managed_by_label(mut self) -> Self {
        self.managed_by_label = true;
        self
    }

    /// Fetches remote bases; without a loader they are refused. See [`RemoteBases`](crate::RemoteBases).
    #[must_use]
    pub fn with_remote(mut self, loader: impl RemoteLoader + 'static) -> Self {
        self.remote = Some(Arc::new(loader));
        self
    }

    /// Renders `helmCharts`, as `--enable-helm` does; without a renderer they are refused. With the feature `helm`
    /// there is `Charts`.
    #[must_use]
    pub fn with_helm(mut self, renderer: impl HelmRenderer + 'static) -> Self {
        self.helm = Some(Arc::new(renderer));
        self
    }
}

fn find(tree: &dyn FileTree, path: &str) -> Result<Option<String>, TreeError> {
    for name in NAMES {
        let file = join(path, name)?;
        if tree.kind(&file)? == Some(EntryKind::File) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

impl Renderer for KustomizeRenderer {
    fn name(&self) -> &'static str {
        "Kustomize"
    }

    fn detects(
        &self,
        tree: &dyn FileTree,
        path: &str,
        source: &ApplicationSource,
    ) -> Result<bool, TreeError> {
        let explicit = source.explicit_types();
        Ok(explicit.contains(&"Kustomize") || explicit.is_empty() && find(tree, path)?.is_some())
    }

    fn render(
        &self,
        tree: &dyn FileTree,
        path: &str,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        let mut settings = BuildOptions::default();
        settings.load_restrictor = self.restrictor;
        settings.reorder = self.reorder;
        settings.managed_by_label = self.managed_by_label;
        settings.remote = self.remote.as_deref();
        let helm = self.helm.as_deref().map(|renderer| Noted {
            renderer,
            used: AtomicBool::new(false),
        });
        settings.helm = helm.as_ref().map(|helm| helm as &dyn HelmRenderer);
        settings.enable_helm = helm.is_some();
        let own = options.source.kustomize.clone().unwrap_or_default();
        settings.helm_kube_version = if own.kube_version.is_empty() {
            options.kube_version.to_string()
        } else {
            own.kube_version.clone()
        };
        settings.helm_api_versions = if own.api_versions.is_empty() {
            options.api_versions.iter().map(Str::to_string).collect()
        } else {
            own.api_versions
        };
        let environment = BuildEnvironment::new(options);
        let edited = match &options.source.kustomize {
            Some(kustomize) => edit(tree, path, &expanded(kustomize, &environment))?,
            None => None,
        };
        let built = match &edited {
            Some((file, text)) => {
                let edited = EditedTree {
                    tree,
                    file,
                    text: Arc::from(text.as_bytes()),
                };
                build(&edited, path, &settings)
            }
            None => build(tree, path, &settings),
        };
        let built = built.map_err(|errors| RenderError::Invalid {
            renderer: Str::from_static("Kustomize"),
            path: path.to_owned(),
            messages: errors.errors().iter().map(ToString::to_string).collect(),
        })?;
        // What cannot be an object of a cluster is written by `kustomize build` all the same; here it is a mistake.
        let broken: Vec<String> = built
            .warnings
            .iter()
            .filter(|w| w.is_error())
            .map(ToString::to_string)
            .collect();
        if !broken.is_empty() {
            return Err(RenderError::Invalid {
                renderer: Str::from_static("Kustomize"),
                path: path.to_owned(),
                messages: broken,
            });
        }
        let warnings = built
            .warnings
            .iter()
            .map(|warning| match warning.position {
                Some(position) => {
                    format!("{}:{}: {}", warning.file, position.line, warning.message)
                }
                None => format!("{}: {}", warning.file, warning.message),
            })
            .collect();
        let basis = Basis::default()
            .on_cluster(helm.is_some_and(|helm| helm.used.into_inner()))
            .on_revision(environment.asked_for_revision());
        Ok(Rendered::new(built.objects, warnings).resting_on(basis))
    }
}

/// A renderer of charts, and whether it was asked: then the result rests on what the cluster can do.
struct Noted<'a> {
    renderer: &'a dyn HelmRenderer,
    used: AtomicBool,
}

impl HelmRenderer for Noted<'_> {
    fn render(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<String, String> {
        self.used.store(true, Ordering::Relaxed);
        self.renderer.render(tree, request)
    }
}

/// Puts the build environment in place of its names, where Argo CD does: in images, and in annotations that say so.
fn expanded(settings: &KustomizeSource, environment: &BuildEnvironment<'_>) -> KustomizeSource {
    let mut settings = settings.clone();
    for image in &mut settings.images {
        *image = environment.expand(image);
    }
    if settings.common_annotations_envsubst {
        for value in settings.common_annotations.values_mut() {
            *value = environment.expand(value);
        }
    }
    settings
}

/// Lays the settings of an application over its kustomization, as Argo CD does with `kustomize edit`. Returns the
/// file and its new text; `None` where nothing is set.
fn edit(
    tree: &dyn FileTree,
    path: &str,
    settings: &KustomizeSource,
) -> Result<Option<(String, String)>, RenderError> {
    let cluster_only = KustomizeSource {
        version: settings.version.clone(),
        kube_version: settings.kube_version.clone(),
        api_versions: settings.api_versions.clone(),
        ..KustomizeSource::default()
    };
    if *settings == cluster_only {
        return Ok(None);
    }
    let tree_error = |source| RenderError::Tree { source };
    let file = find(tree, path)
        .map_err(tree_error)?
        .ok_or_else(|| RenderError::Unsupported {
            path: path.to_owned(),
            reason: "spec.source.kustomize is set, and there is no kustomization".into(),
        })?;
    let bytes = tree.read(&file).map_err(tree_error)?;
    let text = String::from_utf8_lossy(&bytes);
    let invalid = |message: String| RenderError::Invalid {
        renderer: Str::from_static("Kustomize"),
        path: path.to_owned(),
        messages: vec![message],
    };
    let parsed = yaml::parse_one(&text, &ParseOptions::new(Profile::Sigs))
        .map_err(|error| invalid(format!("{file}: {error}")))?;
    let mut kustomization = match parsed {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => {
            return Err(invalid(format!(
                "{file}: must be a map, not {}",
                other.type_name()
            )));
        }
    };
    apply(&mut kustomization, settings, tree, path).map_err(invalid)?;
    let text = yaml::emit(&Value::Object(kustomization), &yaml::EmitOptions::default());
    Ok(Some((file, text)))
}

fn apply(
    kustomization: &mut Map,
    settings: &KustomizeSource,
    tree: &dyn FileTree,
    path: &str,
) -> Result<(), String> {
    for (field, value) in [
        ("namePrefix", &settings.name_prefix),
        ("nameSuffix", &settings.name_suffix),
        ("namespace", &settings.namespace),
    ] {
        if !value.is_empty() {
            kustomization.insert(field, value.as_str());
        }
    }
    for image in &settings.images {
        set_image(list(kustomization, "images"), image)?;
    }
    for replica in &settings.replicas {
        let count = match &replica.count {
            Value::String(text) => text.parse::<i64>().map(Value::from).map_err(|_| {
                format!(
                    "spec.source.kustomize.replicas: {} is no count for {}",
                    text, replica.name
                )
            })?,
            other => other.clone(),
        };
        let entry = Map::from([
            ("name", Value::from(replica.name.as_str())),
            ("count", count),
        ]);
        put_named(list(kustomization, "replicas"), &replica.name, entry);
    }
    if !settings.common_labels.is_empty() {
        let pairs: Map = settings
            .common_labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        if settings.label_without_selector {
            let mut entry = Map::from([("pairs", Value::from(pairs))]);
            entry.insert("includeSelectors", false);
            if settings.label_include_templates {
                entry.insert("includeTemplates", true);
            }
            list(kustomization, "labels").push(entry.into());
        } else {
            merge(
                kustomization,
                "commonLabels",
                &pairs,
                settings.force_common_labels,
            )?;
        }
    }
    if !settings.common_annotations.is_empty() {
        let pairs: Map = settings
            .common_annotations
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        merge(
            kustomization,
            "commonAnnotations",
            &pairs,
            settings.force_common_annotations,
        )?;
    }
    for patch in &settings.patches {
        let value = serde_json::to_value(patch).map_err(|error| error.to_string())?;
        list(kustomization, "patches").push(value.into());
    }
    for component in &settings.components {
        let folder = join(path, component).map_err(|error| error.to_string())?;
        let exists = matches!(tree.kind(&folder), Ok(Some(EntryKind::Folder)));
        if exists || !settings.ignore_missing_components {
            list(kustomization, "components").push(component.as_str().into());
        }
    }
    Ok(())
}

fn list<'a>(kustomization: &'a mut Map, field: &str) -> &'a mut Vec<Value> {
    let value = kustomization.entry(field);
    if value.as_array().is_none() {
        *value = Vec::new().into();
    }
    match value {
        Value::Array(list) => list.make_mut(),
        _ => unreachable!("it was made a list above"),
    }
}

fn merge(kustomization: &mut Map, field: &str, pairs: &Map, force: bool) -> Result<(), String> {
    let known = kustomization.entry_object(field);
    for (key, value) in pairs {
        if !force && known.contains_key(key) {
            return Err(format!(
                "{field} has {key} already; set force to replace it (spec.source.kustomize)"
            ));
        }
        known.insert(key.clone(), value.clone());
    }
    Ok(())
}

fn put_named(list: &mut Vec<Value>, name: &str, entry: Map) {
    match list
        .iter_mut()
        .find(|known| known["name"].as_str() == Some(name))
    {
        Some(known) => *known = entry.into(),
        None => list.push(entry.into()),
    }
}

/// Adds an image as `kustomize edit set image` takes it: `name=newName:newTag@digest`, parts left out at will.
fn set_image(list: &mut Vec<Value>, image: &str) -> Result<(), String> {
    let (name, new) = image.split_once('=').unwrap_or(("", image));
    let (rest, digest) = match new.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (new, None),
    };
    // A colon before the last slash belongs to the port of a registry.
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (new_name, tag) = match rest[slash..].find(':') {
        Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
        None => (rest, None),
    };
    let name = if name.is_empty() { new_name } else { name };
    if name.is_empty() {
        return Err(format!(
            "spec.source.kustomize.images: {image:?} names no image"
        ));
    }
    let mut entry = Map::from([("name", name)]);
    if !new_name.is_empty() && new_name != name {
        entry.insert("newName", new_name);
    }
    if let Some(tag) = tag {
        entry.insert("newTag", tag);
    }
    if let Some(digest) = digest {
        entry.insert("digest", digest);
    }
    put_named(list, name, entry);
    Ok(())
}

/// A tree with one file of another content.
struct EditedTree<'a> {
    tree: &'a dyn FileTree,
    file: &'a str,
    text: Arc<[u8]>,
}

impl FileTree for EditedTree<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        if join("", path)? == self.file {
            return Ok(Arc::clone(&self.text));
        }
        self.tree.read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.tree.list(path)
    }
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.tree.kind(path)
    }
    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        if join("", path)? == self.file {
            return Ok(ContentId::of_file(&self.text));
        }
        self.tree.id(path)
    }
}
