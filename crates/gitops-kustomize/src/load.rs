//! Where files come from: the tree, within the limits that the build sets, and remote repositories.

use std::sync::Arc;

use gitops_manifest::tree::{self, EntryKind};
use gitops_manifest::{FileTree, TreeError};

use crate::error::{BuildError, ErrorKind};
use crate::near::nearest_file;
use crate::remote::{RemoteError, RemoteLoader, RepositorySpec};

/// A tree, of the caller or of a remote repository.
#[derive(Clone)]
enum Tree<'a> {
    Given(&'a dyn FileTree),
    Fetched(Arc<dyn FileTree>),
}

impl Tree<'_> {
    fn get(&self) -> &dyn FileTree {
        match self {
            Self::Given(tree) => *tree,
            Self::Fetched(tree) => &**tree,
        }
    }
}

/// A folder with a kustomization, and the folders on the way to it.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    tree: Tree<'a>,
    /// How files of the tree are called in messages: empty for the caller's tree.
    label: Arc<str>,
    /// The folder.
    root: Arc<str>,
    /// Whether files must lie in or below the folder.
    restricted: bool,
    /// The folders of the same tree that are being built, outermost first.
    visited: Vec<Arc<str>>,
    /// The remote repositories that are being built.
    repositories: Vec<Arc<str>>,
    remote: Option<&'a dyn RemoteLoader>,
}

/// Whether `path` is `root` or below.
fn within(path: &str, root: &str) -> bool {
    root.is_empty()
        || path == root
        || path
            .strip_prefix(root)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a path is of a file on the web.
pub(crate) fn is_url(path: &str) -> bool {
    let lower = |prefix: &str| {
        path.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    lower("http://") || lower("https://")
}

fn tree_error(error: &TreeError, path: &str) -> BuildError {
    let kind = match error {
        TreeError::Escapes { .. } => ErrorKind::Restricted,
        _ => ErrorKind::Missing,
    };
    let mut out = BuildError::new(kind, format!("`{path}`: {error}"));
    out.transient = error.is_transient();
    out
}

fn remote_error(error: &RemoteError) -> BuildError {
    let mut out = BuildError::new(ErrorKind::Missing, error.to_string());
    out.transient = error.transient;
    out
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        tree: &'a dyn FileTree,
        path: &str,
        restricted: bool,
        remote: Option<&'a dyn RemoteLoader>,
    ) -> Result<Self, BuildError> {
        let root = tree::join("", path).map_err(|error| tree_error(&error, path))?;
        let loader = Self {
            tree: Tree::Given(tree),
            label: "".into(),
            root: root.into(),
            restricted,
            visited: Vec::new(),
            repositories: Vec::new(),
            remote,
        };
        loader.expect_folder(path)?;
        Ok(loader)
    }

    fn expect_folder(&self, path: &str) -> Result<(), BuildError> {
        match self.tree.get().kind(&self.root) {
            Ok(Some(EntryKind::Folder)) => Ok(()),
            Ok(Some(_)) => Err(BuildError::new(
                ErrorKind::Missing,
                format!("`{path}` is a file and not a folder with a kustomization"),
            )),
            Ok(None) => {
                let message = format!("there is no file or folder `{path}`");
                let error = BuildError::new(ErrorKind::Missing, message);
                Err(error.maybe(self.near(path, &self.root)))
            }
            Err(error) => Err(tree_error(&error, path)),
        }
    }

    /// Returns the path of the folder.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the remote repository that the folder is in; `None` for the tree of the build.
    pub(crate) fn repository(&self) -> Option<&str> {
        self.label.strip_suffix("//")
    }

    /// Returns what a file of the folder is called in messages.
    pub(crate) fn name_of(&self, file: &str) -> Arc<str> {
        let path = match tree::join(&self.root, file) {
            Ok(path) => path,
            Err(_) => file.to_owned(),
        };
        format!("{}{path}", self.label).into()
    }

    /// Returns the folders of this tree on the way here, this one last.
    pub(crate) fn visited(&self) -> Vec<Arc<str>> {
        let mut out = self.visited.clone();
        out.push(format!("{}{}", self.label, self.root).into());
        out
    }

    /// Whether a file is in the folder itself.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        tree::join(&self.root, name)
            .ok()
            .and_then(|path| self.tree.get().kind(&path).ok().flatten())
            == Some(EntryKind::File)
    }

    /// Tells what is at a path, if it lies within the tree.
    pub(crate) fn kind(&self, path: &str) -> Option<EntryKind> {
        let path = tree::join(&self.root, path).ok()?;
        self.tree.get().kind(&path).ok().flatten()
    }

    /// Reads a file.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<[u8]>, BuildError> {
        if is_url(path) {
            let Some(remote) = self.remote else {
                return Err(no_remote(path));
            };
            return remote.file(path).map_err(|error| remote_error(&error));
        }
        let full = tree::join(&self.root, path).map_err(|error| tree_error(&error, path))?;
        let kind = self.tree.get().kind(&full);
        match kind {
            Ok(Some(EntryKind::File)) => {}
            Ok(Some(_)) => {
                return Err(BuildError::new(
                    ErrorKind::Missing,
                    format!("`{path}` is a folder and not a file"),
                ));
            }
            Ok(None) => {
                let message = format!("there is no file `{path}`");
                let error = BuildError::new(ErrorKind::Missing, message);
                return Err(error.maybe(self.near(path, &full)));
            }
            Err(error) => return Err(tree_error(&error, path)),
        }
        if self.restricted && !within(&full, &self.root) {
            return Err(BuildError::new(
                ErrorKind::Restricted,
                format!(
                    "the file `{path}` (/{full}) is not in or below the folder of the kustomization (/{})",
                    self.root
                ),
            )
            .hint("move it there, or lift the load restriction"));
        }
        self.tree
            .get()
            .read(&full)
            .map_err(|error| tree_error(&error, path))
    }

    /// Asks for the entry of a folder whose name is nearest to one that is not there. `written` is the path as it
    /// stands in the kustomization, `full` the one in the tree.
    fn near(&self, written: &str, full: &str) -> Option<String> {
        let (folder, name) = full.rsplit_once('/').unwrap_or(("", full));
        if self.restricted && !within(folder, &self.root) && !within(&self.root, folder) {
            return None;
        }
        let entries = self.tree.get().list(folder).ok()?;
        let near = nearest_file(name, entries.iter().map(|entry| entry.name.as_str()))?;
        let before = written.strip_suffix(name).unwrap_or_default();
        Some(format!("did you mean `{before}{near}`?"))
    }

    /// Reads a file as text.
    pub(crate) fn read_text(&self, path: &str) -> Result<String, BuildError> {
        let bytes = self.read(path)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(BuildError::new(
                ErrorKind::Syntax,
                format!("`{path}` is not UTF-8 text"),
            )),
        }
    }

    /// Opens another folder: one of the tree, or of a remote repository.
    pub(crate) fn open(&self, path: &str) -> Result<Self, BuildError> {
        if path.is_empty() {
            return Err(BuildError::new(ErrorKind::Missing, "the path is empty"));
        }
        if let Ok(spec) = RepositorySpec::parse(path) {
            return self.open_remote(path, &spec);
        }
        if path.starts_with('/') {
            return Err(BuildError::new(
                ErrorKind::Restricted,
                format!("the folder `{path}` must be named by a relative path"),
            ));
        }
        let ambiguous = |part: &str| !matches!(part, "" | "." | "..") && part.contains("..");
        if path.split('/').any(ambiguous) {
            return Err(BuildError::new(
                ErrorKind::Missing,
                format!("the path `{path}` has a part with `..` in it"),
            )
            .hint("look for a mistake of indentation"));
        }
        let root = tree::join(&self.root, path).map_err(|error| tree_error(&error, path))?;
        let mut visited = self.visited.clone();
        visited.push(self.root.clone());
        if visited.iter().any(|visited| within(visited, &root)) {
            let way: Vec<&str> = visited.iter().map(|root| &**root).collect();
            return Err(BuildError::new(
                ErrorKind::Conflict,
                format!(
                    "cycle: `{path}` (/{root}) contains the folder being built (/{})",
                    way.join(" > /")
                ),
            ));
        }
        let loader = Self {
            root: root.into(),
            visited,
            ..self.clone()
        };
        loader.expect_folder(path)?;
        Ok(loader)
    }

    fn open_remote(&self, path: &str, spec: &RepositorySpec) -> Result<Self, BuildError> {
        let Some(remote) = self.remote else {
            return Err(no_remote(path));
        };
        if self.repositories.iter().any(|raw| raw.starts_with(path)) {
            return Err(BuildError::new(
                ErrorKind::Conflict,
                format!("cycle: `{path}` is being built already"),
            ));
        }
        let tree = remote
            .repository(spec)
            .map_err(|error| remote_error(&error))?;
        let root = tree::join("", &spec.path).map_err(|error| tree_error(&error, path))?;
        let mut repositories = self.repositories.clone();
        repositories.push(path.into());
        let loader = Self {
            tree: Tree::Fetched(tree),
            label: format!("{}//", spec.url).into(),
            root: root.into(),
            restricted: true,
            visited: Vec::new(),
            repositories,
            remote: self.remote,
        };
        loader.expect_folder(path)?;
        Ok(loader)
    }

    /// Returns the tree, for a renderer of Helm.
    pub(crate) fn tree(&self) -> &dyn FileTree {
        self.tree.get()
    }
}

fn no_remote(path: &str) -> BuildError {
    BuildError::new(
        ErrorKind::Unsupported,
        format!("`{path}` is remote and this build has no loader for remote files"),
    )
    .hint("copy it into the tree, or give the build a RemoteLoader")
}
