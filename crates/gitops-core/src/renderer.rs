//! From a file tree to desired objects.

use std::sync::Arc;

use gitops_manifest::{FileTree, Object, Reads, Str, TreeError};

use crate::application::ApplicationSource;

/// What a renderer is told besides the tree.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RenderOptions {
    /// The name of the application.
    pub application: Str,
    /// The namespace that the application is deployed to.
    pub namespace: Str,
    /// The revision that is rendered.
    pub revision: Str,
    /// The source as the application writes it, with the settings of each renderer.
    pub source: ApplicationSource,
    /// The version of the cluster, as `1.36.0`; empty where it is not known.
    pub kube_version: Str,
    /// The API versions that the cluster serves, as `apps/v1` and `apps/v1/Deployment`.
    pub api_versions: Arc<[Str]>,
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
        Self {
            application: application.into(),
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
}

impl Rendered {
    /// Makes a result. The reads are filled in by whoever ran the renderer behind a recording tree.
    #[must_use]
    pub fn new(objects: Vec<Object>, warnings: Vec<String>) -> Self {
        Self {
            objects,
            warnings,
            reads: Reads::default(),
        }
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
    #[error("{renderer} cannot render {path:?}:\n{}", .messages.join("\n"))]
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
