//! From a file tree to desired objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gitops_manifest::{FileTree, Object, Reads, Str, TreeError};

use crate::application::ApplicationSource;

/// What a renderer is told besides the tree.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// The name of the application.
    pub application: Str,
    /// The name under which its objects are tracked: with its own namespace before it, where that is not the one of
    /// the engine.
    pub instance: Str,
    /// The project of the application.
    pub project: Str,
    /// The namespace that the application is deployed to.
    pub namespace: Str,
    /// The revision that is rendered: a commit; of a chart its version.
    pub revision: Str,
    /// The source as the application writes it, with the settings of each renderer.
    pub source: ApplicationSource,
    /// The version of the cluster, as `1.36.0`; empty where it is not known.
    pub kube_version: Str,
    /// The API versions that the cluster serves, as `apps/v1` and `apps/v1/Deployment`.
    pub api_versions: Arc<[Str]>,
    /// The trees of the other sources of the application that have a `ref`, as far as this one refers to them.
    pub refs: SourceTrees,
}

/// File trees under the names that sources have given them with `ref`.
#[derive(Clone, Default)]
pub struct SourceTrees(BTreeMap<Str, Arc<dyn FileTree>>);

impl SourceTrees {
    /// Adds a tree under a name, without a dollar.
    pub fn insert(&mut self, name: impl Into<Str>, tree: Arc<dyn FileTree>) {
        self.0.insert(name.into(), tree);
    }

    /// Returns the tree of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn FileTree>> {
        self.0.get(name)
    }

    /// Goes over names and trees, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Arc<dyn FileTree>)> {
        self.0.iter()
    }
}

impl fmt::Debug for SourceTrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl RenderOptions {
    /// Makes options for an application, its namespace and its source.
    #[must_use]
    pub fn new(
        application: impl Into<Str>,
        namespace: impl Into<Str>,
        revision: impl Into<Str>,
        source: ApplicationSource,
    ) -> Self {
        let application: Str = application.into();
        Self {
            instance: application.clone(),
            application,
            project: Str::from_static("default"),
            namespace: namespace.into(),
            revision: revision.into(),
            source,
            ..Self::default()
        }
    }
}

/// What a renderer made.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rendered {
    /// The desired objects, in the renderer's order.
    pub objects: Vec<Object>,
    /// What the author should know, though it did not stop the render.
    pub warnings: Vec<String>,
    /// What was read, with its content hashes: on a tree where these hold the result is the same.
    pub reads: Reads,
    /// What the result rests on besides the trees and the settings of the source.
    pub basis: Basis,
}

/// What a render rests on besides what it read and the settings of its source: where this has changed, it is made
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Basis {
    /// The version and the APIs of the cluster.
    pub cluster: bool,
    /// The name of the revision.
    pub revision: bool,
}

impl Basis {
    /// Rests on the cluster.
    #[must_use]
    pub const fn on_cluster(mut self, yes: bool) -> Self {
        self.cluster = yes;
        self
    }

    /// Rests on the name of the revision.
    #[must_use]
    pub const fn on_revision(mut self, yes: bool) -> Self {
        self.revision = yes;
        self
    }
}

impl Rendered {
    /// Makes a result. The reads are filled in by whoever ran the renderer behind a recording tree.
    #[must_use]
    pub fn new(objects: Vec<Object>, warnings: Vec<String>) -> Self {
        Self {
            objects,
            warnings,
            reads: Reads::default(),
            basis: Basis::default(),
        }
    }

    /// Says what the result rests on besides the trees.
    #[must_use]
    pub const fn resting_on(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }
}

/// Why nothing could be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The path is not in the revision.
    #[error("path {path:?} is not in the revision{}", crate::source::name_list(.nearest))]
    NoSuchPath {
        /// The path.
        path: String,
        /// The paths that come nearest.
        nearest: Vec<Str>,
    },
    /// The tree could not be read.
    #[error("the files cannot be read")]
    Tree {
        /// What went wrong.
        #[source]
        source: TreeError,
    },
    /// No renderer takes what is at the path.
    #[error("no renderer takes {path:?}: {reason}")]
    Unsupported {
        /// The path.
        path: String,
        /// What was looked for.
        reason: String,
    },
    /// The input has errors. Each of them says where it stands.
    #[error("{renderer} cannot render {:?}:\n{}", if .path.is_empty() { "." } else { .path }, .messages.join("\n"))]
    Invalid {
        /// The name of the renderer.
        renderer: Str,
        /// The path.
        path: String,
        /// One text per error, with file, line, column and excerpt where they are known.
        messages: Vec<String>,
    },
}

impl RenderError {
    /// Whether trying the same again may help without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Tree { source } if source.is_transient())
    }
}

/// Turns a folder of a tree into objects. Pure: the tree and the options decide the result, nothing else.
pub trait Renderer: Send + Sync {
    /// Returns the name, as `Kustomize`, `Helm` or `Directory`; `status.sourceType` shows it.
    fn name(&self) -> &'static str;

    /// Whether this renderer takes what is at the path, by what is there and by what the source sets.
    ///
    /// # Errors
    /// Where the tree cannot be read.
    fn detects(
        &self,
        tree: &dyn FileTree,
        path: &str,
        source: &ApplicationSource,
    ) -> Result<bool, TreeError>;

    /// Renders.
    ///
    /// # Errors
    /// [`RenderError`], with all errors of the input together where possible.
    fn render(
        &self,
        tree: &dyn FileTree,
        path: &str,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError>;
}
