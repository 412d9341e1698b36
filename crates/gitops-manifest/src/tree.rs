//! File trees: what renderers read instead of a file system.
//!
//! A [`FileTree`] is immutable and jailed in its root: a path is relative, separated by `/`, free of `.` and
//! `..`, and `""` is the root itself; what leads out of it, a link included, is an error. Every file and
//! folder has a content hash, [`FileTree::id`]. A renderer runs behind a [`RecordingTree`], which notes what
//! was looked at with its hash, so that a result can be kept for exactly as long as those hashes stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Str;

/// Why a tree could not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Nothing is at the path.
    #[error("{path}: no such file or folder")]
    NotFound {
        /// The path from the root of the tree.
        path: String,
    },
    /// A file was asked for and the path is a folder, or the other way round.
    #[error("{path}: is {found}, not {wanted}")]
    WrongKind {
        /// The path from the root of the tree.
        path: String,
        /// What was asked for.
        wanted: EntryKind,
        /// What is there.
        found: EntryKind,
    },
    /// The path, or a link on the way, leads out of the root.
    #[error("{path}: leads out of the root")]
    Escapes {
        /// The path as it was written.
        path: String,
    },
    /// The store behind the tree failed. Trying again may help.
    #[error("{path}: cannot be read")]
    Io {
        /// The path from the root of the tree.
        path: String,
        /// What the store said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl TreeError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// Whether an entry is a file or a folder. Links are followed and never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
        })
    }
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeEntry {
    /// The name within its folder.
    pub name: Str,
    /// Whether it is a file or a folder.
    pub kind: EntryKind,
}

/// The hash of the content of a file or of everything below a folder. Equal hashes mean equal content
/// within one kind of tree; different kinds of tree may hash in different ways.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub Str);

impl ContentId {
    /// Hashes the bytes of a file with SHA-256.
    #[must_use]
    pub fn of_file(bytes: &[u8]) -> Self {
        Self::digest(Sha256::new_with_prefix(b"file\0").chain_update(bytes))
    }

    /// Hashes a folder, given the names, kinds and hashes of its entries in order of name.
    #[must_use]
    pub fn of_folder<'a>(entries: impl IntoIterator<Item = (&'a str, EntryKind, Self)>) -> Self {
        let mut hash = Sha256::new_with_prefix(b"folder\0");
        for (name, kind, id) in entries {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update([u8::from(kind == EntryKind::Folder)]);
            hash.update(id.0.as_bytes());
        }
        Self::digest(hash)
    }

    fn digest(hash: Sha256) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        Self(text.into())
    }
}

/// An immutable, root-jailed file tree. See the [module](self) for the form of a path.
pub trait FileTree: Send + Sync {
    /// Reads a file.
    ///
    /// # Errors
    /// Where the path is absent, a folder, or leads out of the root.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError>;

    /// Lists a folder, in order of name. A link that leads out of the root is listed as a file; reading it fails.
    ///
    /// # Errors
    /// Where the path is absent, a file, or leads out of the root.
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError>;

    /// Tells what is at a path; `None` where nothing is.
    ///
    /// # Errors
    /// Where the path leads out of the root or the store fails.
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError>;

    /// Returns the content hash of a file or of a whole folder.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn id(&self, path: &str) -> Result<ContentId, TreeError>;
}

impl<T: FileTree + ?Sized> FileTree for &T {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        (**self).read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        (**self).list(path)
    }
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        (**self).kind(path)
    }
    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        (**self).id(path)
    }
}

impl<T: FileTree + ?Sized> FileTree for Arc<T> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        (**self).read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        (**self).list(path)
    }
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        (**self).kind(path)
    }
    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        (**self).id(path)
    }
}

/// Joins a relative path, as a manifest writes it, to a folder of a tree and brings it into the form that
/// trees take.
///
/// # Errors
/// [`TreeError::Escapes`] where the path is absolute or climbs out of the root.
///
/// ```
/// use gitops_manifest::tree::join;
/// assert_eq!(join("apps/web", "../base/./x.yaml")?, "apps/base/x.yaml");
/// assert!(join("apps", "../../x").is_err());
/// # Ok::<(), gitops_manifest::TreeError>(())
/// ```
pub fn join(folder: &str, relative: &str) -> Result<String, TreeError> {
    let escapes = || TreeError::Escapes {
        path: relative.to_owned(),
    };
    if relative.starts_with('/') {
        return Err(escapes());
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(escapes)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Returns the folder that holds a path; `""` for entries of the root.
#[must_use]
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn not_found(path: &str) -> TreeError {
    TreeError::NotFound {
        path: path.to_owned(),
    }
}

/// A tree in memory: the files of a test, of an archive, or of a program's own defaults.
///
/// ```
/// use gitops_manifest::{FileTree, MemoryTree};
/// let tree = MemoryTree::from_iter([("base/a.yaml", "kind: A"), ("base/b.yaml", "kind: B")]);
/// assert_eq!(tree.list("base")?.len(), 2);
/// assert_eq!(&*tree.read("base/a.yaml")?, b"kind: A");
/// # Ok::<(), gitops_manifest::TreeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Arc<[u8]>>,
    folders: BTreeMap<String, BTreeMap<Str, EntryKind>>,
}

impl MemoryTree {
    /// Makes an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at a path, with the folders above it; replaces what was there.
    ///
    /// # Errors
    /// Where the path leads out of the root, or a file stands where one of its folders would be.
    pub fn insert(&mut self, path: &str, bytes: impl Into<Arc<[u8]>>) -> Result<(), TreeError> {
        let path = join("", path)?;
        if self.folders.contains_key(&path) {
            return Err(TreeError::WrongKind {
                path,
                wanted: EntryKind::File,
                found: EntryKind::Folder,
            });
        }
        let mut child = path.as_str();
        let mut kind = EntryKind::File;
        loop {
            let folder = parent(child);
            if self.files.contains_key(folder) {
                return Err(TreeError::WrongKind {
                    path: folder.to_owned(),
                    wanted: EntryKind::Folder,
                    found: EntryKind::File,
                });
            }
            let name = child.rsplit('/').next().unwrap_or(child);
            self.folders
                .entry(folder.to_owned())
                .or_default()
                .insert(name.into(), kind);
            if folder.is_empty() {
                break;
            }
            child = folder;
            kind = EntryKind::Folder;
        }
        self.files.insert(path, bytes.into());
        Ok(())
    }

    /// Goes over the files in order of path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes))
    }

    fn kind_at(&self, path: &str) -> Option<EntryKind> {
        if self.files.contains_key(path) {
            Some(EntryKind::File)
        } else if path.is_empty() || self.folders.contains_key(path) {
            Some(EntryKind::Folder)
        } else {
            None
        }
    }
}

impl<P: AsRef<str>, B: AsRef<[u8]>> FromIterator<(P, B)> for MemoryTree {
    /// Makes a tree of files.
    ///
    /// # Panics
    /// Where a path leads out of the root or two paths exclude each other; use [`MemoryTree::insert`] for
    /// paths that the program did not write itself.
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        let mut tree = Self::new();
        for (path, bytes) in files {
            tree.insert(path.as_ref(), bytes.as_ref())
                .expect("paths of a literal tree are valid");
        }
        tree
    }
}

impl FileTree for MemoryTree {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let path = join("", path)?;
        self.files
            .get(&path)
            .cloned()
            .ok_or_else(|| match self.kind_at(&path) {
                Some(found) => TreeError::WrongKind {
                    path: path.clone(),
                    wanted: EntryKind::File,
                    found,
                },
                None => not_found(&path),
            })
    }

    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let path = join("", path)?;
        match (self.folders.get(&path), self.kind_at(&path)) {
            (Some(entries), _) => Ok(entries
                .iter()
                .map(|(name, kind)| TreeEntry {
                    name: name.clone(),
                    kind: *kind,
                })
                .collect()),
            (None, Some(EntryKind::Folder)) => Ok(Vec::new()),
            (None, Some(found)) => Err(TreeError::WrongKind {
                path,
                wanted: EntryKind::Folder,
                found,
            }),
            (None, None) => Err(not_found(&path)),
        }
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(self.kind_at(&join("", path)?))
    }

    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        folder_id(self, &join("", path)?)
    }
}

/// Hashes a path of a tree that keeps no hashes of its own.
fn folder_id(tree: &dyn FileTree, path: &str) -> Result<ContentId, TreeError> {
    match tree.kind(path)? {
        None => Err(not_found(path)),
        Some(EntryKind::File) => Ok(ContentId::of_file(&tree.read(path)?)),
        Some(EntryKind::Folder) => {
            let mut entries = Vec::new();
            for entry in tree.list(path)? {
                let id = folder_id(tree, &join(path, &entry.name)?)?;
                entries.push((entry, id));
            }
            Ok(ContentId::of_folder(
                entries
                    .iter()
                    .map(|(entry, id)| (&*entry.name, entry.kind, id.clone())),
            ))
        }
    }
}

/// A folder of the file system as a tree. Links are followed while they stay within the root.
///
/// The tree is as immutable as the folder is left alone; what is read twice may differ.
#[derive(Clone, Debug)]
pub struct DirTree {
    root: PathBuf,
    /// Folders that were found to be reached without any link: what is in them and is no link needs no more
    /// looking up than itself.
    plain: Arc<Mutex<BTreeSet<String>>>,
}

impl DirTree {
    /// Opens a folder.
    ///
    /// # Errors
    /// Where there is no folder at `root`.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, TreeError> {
        let shown = root.as_ref().display().to_string();
        let root = root
            .as_ref()
            .canonicalize()
            .map_err(|error| io_error(&shown, error))?;
        if !root.is_dir() {
            return Err(TreeError::WrongKind {
                path: shown,
                wanted: EntryKind::Folder,
                found: EntryKind::File,
            });
        }
        Ok(Self {
            root,
            plain: Arc::new(Mutex::new(BTreeSet::from([String::new()]))),
        })
    }

    /// Returns the absolute path of the root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn plain(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.plain
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn resolve(&self, path: &str) -> Result<PathBuf, TreeError> {
        let path = join("", path)?;
        let direct = self.root.join(&path);
        if path.is_empty() {
            return Ok(direct);
        }
        if self.plain().contains(parent(&path)) {
            let found = direct
                .symlink_metadata()
                .map_err(|error| io_error(&path, error))?;
            if !found.is_symlink() {
                if found.is_dir() {
                    self.plain().insert(path);
                }
                return Ok(direct);
            }
        }
        let full = direct
            .canonicalize()
            .map_err(|error| io_error(&path, error))?;
        if !full.starts_with(&self.root) {
            return Err(TreeError::Escapes { path });
        }
        if full == direct {
            let mut plain = self.plain();
            let mut folder = parent(&path);
            while plain.insert(folder.to_owned()) {
                folder = parent(folder);
            }
        }
        Ok(full)
    }
}

fn io_error(path: &str, error: std::io::Error) -> TreeError {
    use std::io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    if matches!(error.kind(), NotFound | NotADirectory | InvalidInput) {
        not_found(path)
    } else {
        TreeError::Io {
            path: path.to_owned(),
            source: Arc::new(error),
        }
    }
}

impl FileTree for DirTree {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match std::fs::read(self.resolve(path)?) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                Err(TreeError::WrongKind {
                    path: path.to_owned(),
                    wanted: EntryKind::File,
                    found: EntryKind::Folder,
                })
            }
            Err(error) => Err(io_error(path, error)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let full = self.resolve(path)?;
        if !full.is_dir() {
            return Err(TreeError::WrongKind {
                path: path.to_owned(),
                wanted: EntryKind::Folder,
                found: EntryKind::File,
            });
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(full).map_err(|error| io_error(path, error))? {
            let entry = entry.map_err(|error| io_error(path, error))?;
            // A name that is not UTF-8 cannot be written in a manifest; a link that leads nowhere is no entry. Of one that
            // leads out of the root whoever reads it is told: left out, what it stood for would seem to be gone.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_dir() => Some(EntryKind::Folder),
                Ok(kind) if !kind.is_symlink() => Some(EntryKind::File),
                _ => match self.kind(&join(path, &name)?) {
                    Err(TreeError::Escapes { .. }) => Some(EntryKind::File),
                    kind => kind.ok().flatten(),
                },
            };
            if let Some(kind) = kind {
                let name = name.into();
                entries.push(TreeEntry { name, kind });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        match self.resolve(path) {
            Ok(full) if full.is_dir() => Ok(Some(EntryKind::Folder)),
            Ok(_) => Ok(Some(EntryKind::File)),
            Err(TreeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        folder_id(self, &join("", path)?)
    }
}

/// What was asked of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadKind {
    /// The content of a file, or the hash of a file or folder.
    Content,
    /// The names in a folder.
    Names,
    /// What is there, if anything.
    Kind,
}

/// What a renderer looked at, each with what it found. Equal findings on another tree mean that the
/// renderer would do exactly the same there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reads(Vec<(String, ReadKind, Option<ContentId>)>);

impl Reads {
    /// Whether everything that was looked at is the same on `tree`.
    #[must_use]
    pub fn hold_on(&self, tree: &dyn FileTree) -> bool {
        self.0
            .iter()
            .all(|(path, kind, finding)| find(tree, path, *kind) == *finding)
    }

    /// Goes over the paths that were looked at, in order.
    pub fn paths(&self) -> impl Iterator<Item = (&str, ReadKind)> {
        self.0.iter().map(|(path, kind, _)| (path.as_str(), *kind))
    }

    /// Adds the reads of another run.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort();
        self.0.dedup();
    }
}

/// Asks a tree for a finding; `None` where it cannot answer.
fn find(tree: &dyn FileTree, path: &str, kind: ReadKind) -> Option<ContentId> {
    match kind {
        ReadKind::Content => tree.id(path).ok(),
        ReadKind::Names => {
            let mut names = Sha256::new_with_prefix(b"names\0");
            for entry in tree.list(path).ok()? {
                names.update(entry.name.as_bytes());
                names.update([0, u8::from(entry.kind == EntryKind::Folder)]);
            }
            Some(ContentId::digest(names))
        }
        ReadKind::Kind => Some(ContentId(Str::from_static(match tree.kind(path).ok()? {
            None => "nothing",
            Some(EntryKind::File) => "file",
            Some(EntryKind::Folder) => "folder",
        }))),
    }
}

/// A tree that notes what is asked of another.
pub struct RecordingTree<'a> {
    tree: Recorded<'a>,
    asked: Mutex<BTreeSet<(String, ReadKind)>>,
}

enum Recorded<'a> {
    Borrowed(&'a dyn FileTree),
    Shared(Arc<dyn FileTree>),
}

impl RecordingTree<'static> {
    /// Records what is asked of a tree that others hold too.
    #[must_use]
    pub fn shared(tree: Arc<dyn FileTree>) -> Self {
        Self {
            tree: Recorded::Shared(tree),
            asked: Mutex::new(BTreeSet::new()),
        }
    }
}

impl<'a> RecordingTree<'a> {
    /// Records what is asked of `tree`.
    #[must_use]
    pub const fn new(tree: &'a dyn FileTree) -> Self {
        Self {
            tree: Recorded::Borrowed(tree),
            asked: Mutex::new(BTreeSet::new()),
        }
    }

    fn tree(&self) -> &dyn FileTree {
        match &self.tree {
            Recorded::Borrowed(tree) => *tree,
            Recorded::Shared(tree) => &**tree,
        }
    }

    fn note(&self, path: &str, kind: ReadKind) {
        if let Ok(path) = join("", path) {
            self.asked
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert((path, kind));
        }
    }

    /// Returns what was asked, with what the tree answers.
    #[must_use]
    pub fn into_reads(self) -> Reads {
        self.reads()
    }

    /// Returns what was asked so far, with what the tree answers.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let asked = self
            .asked
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        Reads(
            asked
                .into_iter()
                .map(|(path, kind)| {
                    let finding = find(self.tree(), &path, kind);
                    (path, kind, finding)
                })
                .collect(),
        )
    }
}

impl FileTree for RecordingTree<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        self.note(path, ReadKind::Content);
        self.tree().read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.note(path, ReadKind::Names);
        self.tree().list(path)
    }
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.note(path, ReadKind::Kind);
        self.tree().kind(path)
    }
    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        self.note(path, ReadKind::Content);
        self.tree().id(path)
    }
}
