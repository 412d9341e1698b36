//! Trees out of the object database: no checkout.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Oid, Repository};
use gitops_manifest::tree::join;
use gitops_manifest::{ContentId, EntryKind, FileTree, Str, TreeEntry, TreeError};

/// How many links are followed on the way to one path.
const LINKS: u32 = 40;

const LINK_MODE: i32 = 0o120_000;

/// How many entries make a folder large: the library keeps folders of up to four kilobytes that it has read.
const LARGE: usize = 64;
/// How many entries of large folders are kept; some hundred bytes each.
const KEPT: usize = 100_000;

/// The tree of a commit.
pub(crate) struct GitTree {
    repository: Mutex<Repository>,
    root: Oid,
    /// The trees of submodules, by their paths.
    submodules: HashMap<String, Arc<Self>>,
    /// Large folders: each path through one would have it read, inflated and hashed again.
    large: Mutex<HashMap<Oid, Entries>>,
}

/// The entries of a folder by their names.
type Entries = HashMap<Box<[u8]>, Entry>;

/// What a path leads to.
enum Found {
    Nothing,
    Blob(Oid),
    Folder(Oid),
    /// A path within a submodule.
    Below(Arc<GitTree>, String),
}

impl GitTree {
    pub(crate) fn new(
        repository: Repository,
        root: Oid,
        submodules: HashMap<String, Arc<Self>>,
    ) -> Self {
        Self {
            repository: Mutex::new(repository),
            root,
            submodules,
            large: Mutex::default(),
        }
    }

    fn repository(&self) -> MutexGuard<'_, Repository> {
        self.repository
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the entry of a folder.
    fn entry(
        &self,
        repository: &Repository,
        folder: Oid,
        name: &str,
    ) -> Result<Option<Entry>, git2::Error> {
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = large.get(&folder) {
            return Ok(entries.get(name.as_bytes()).copied());
        }
        let tree = repository.find_tree(folder)?;
        if tree.len() <= LARGE {
            return Ok(tree.get_name(name).map(|entry| Entry::of(&entry)));
        }
        let entries: Entries = tree
            .iter()
            .map(|entry| (entry.name_bytes().into(), Entry::of(&entry)))
            .collect();
        let found = entries.get(name.as_bytes()).copied();
        let kept: usize = large.values().map(HashMap::len).sum();
        if kept + entries.len() > KEPT {
            large.clear();
        }
        large.insert(folder, entries);
        Ok(found)
    }

    /// Follows a path, links included.
    fn find(&self, path: &str) -> Result<Found, TreeError> {
        let mut path = join("", path)?;
        for _ in 0..LINKS {
            match self.walk(&path)? {
                Step::Found(found) => return Ok(found),
                Step::Link(next) => path = next,
            }
        }
        Err(TreeError::Escapes { path })
    }

    /// Follows a path up to the first link.
    fn walk(&self, path: &str) -> Result<Step, TreeError> {
        if path.is_empty() {
            return Ok(Step::Found(Found::Folder(self.root)));
        }
        let repository = self.repository();
        let mut folder = self.root;
        let mut walked = String::with_capacity(path.len());
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let here = if walked.is_empty() {
                part.to_owned()
            } else {
                format!("{walked}/{part}")
            };
            let rest = || path[here.len()..].trim_start_matches('/').to_owned();
            if let Some(submodule) = self.submodules.get(&here) {
                return Ok(Step::Found(Found::Below(Arc::clone(submodule), rest())));
            }
            let entry = self.entry(&repository, folder, part);
            let Some(entry) = entry.map_err(|error| io(path, error))? else {
                return Ok(Step::Found(Found::Nothing));
            };
            if entry.mode == LINK_MODE {
                let blob = repository
                    .find_blob(entry.id)
                    .map_err(|error| io(path, error))?;
                let target = String::from_utf8_lossy(blob.content()).into_owned();
                let escapes = |_| TreeError::Escapes {
                    path: path.to_owned(),
                };
                let base = join(&walked, &target).map_err(escapes)?;
                return Ok(Step::Link(join(&base, &rest())?));
            }
            match entry.kind {
                Some(ObjectType::Tree) => folder = entry.id,
                Some(ObjectType::Blob) if parts.peek().is_none() => {
                    return Ok(Step::Found(Found::Blob(entry.id)));
                }
                _ => return Ok(Step::Found(Found::Nothing)),
            }
            walked = here;
        }
        Ok(Step::Found(Found::Folder(folder)))
    }
}

/// One step of following a path.
enum Step {
    Found(Found),
    /// A link leads to this path.
    Link(String),
}

/// An entry of a folder.
#[derive(Clone, Copy)]
struct Entry {
    id: Oid,
    mode: i32,
    kind: Option<ObjectType>,
}

impl Entry {
    fn of(entry: &git2::TreeEntry<'_>) -> Self {
        Self {
            id: entry.id(),
            mode: entry.filemode(),
            kind: entry.kind(),
        }
    }
}

fn io(path: &str, error: git2::Error) -> TreeError {
    TreeError::Io {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}

fn not_found(path: &str) -> TreeError {
    TreeError::NotFound {
        path: path.to_owned(),
    }
}

impl FileTree for GitTree {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.find(path)? {
            Found::Blob(id) => {
                let repository = self.repository();
                let blob = repository.find_blob(id).map_err(|error| io(path, error))?;
                Ok(blob.content().into())
            }
            Found::Below(tree, rest) => tree.read(&rest),
            Found::Folder(_) => Err(TreeError::WrongKind {
                path: path.to_owned(),
                wanted: EntryKind::File,
                found: EntryKind::Folder,
            }),
            Found::Nothing => Err(not_found(path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let id = match self.find(path)? {
            Found::Folder(id) => id,
            Found::Below(tree, rest) => return tree.list(&rest),
            Found::Blob(_) => {
                return Err(TreeError::WrongKind {
                    path: path.to_owned(),
                    wanted: EntryKind::Folder,
                    found: EntryKind::File,
                });
            }
            Found::Nothing => return Err(not_found(path)),
        };
        let real = join("", path)?;
        let mut entries = Vec::new();
        let mut links: Vec<Str> = Vec::new();
        {
            let repository = self.repository();
            let folder = repository.find_tree(id).map_err(|error| io(path, error))?;
            for entry in &folder {
                // A name that is not UTF-8 cannot be written in a manifest.
                let Ok(name) = entry.name() else { continue };
                let name = Str::from(name);
                match entry.kind() {
                    _ if entry.filemode() == LINK_MODE => links.push(name),
                    Some(ObjectType::Blob) => entries.push(TreeEntry {
                        name,
                        kind: EntryKind::File,
                    }),
                    Some(ObjectType::Tree) => entries.push(TreeEntry {
                        name,
                        kind: EntryKind::Folder,
                    }),
                    Some(ObjectType::Commit)
                        if self.submodules.contains_key(&join(&real, &name)?) =>
                    {
                        entries.push(TreeEntry {
                            name,
                            kind: EntryKind::Folder,
                        });
                    }
                    _ => {}
                }
            }
        }
        for name in links {
            let kind = match self.kind(&join(&real, &name)?) {
                Ok(kind) => kind,
                // Whoever reads it is told so: left out, what it stood for would seem to be gone.
                Err(TreeError::Escapes { .. }) => Some(EntryKind::File),
                Err(_) => None,
            };
            // A link that leads nowhere is no entry.
            if let Some(kind) = kind {
                entries.push(TreeEntry { name, kind });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(match self.find(path)? {
            Found::Nothing => None,
            Found::Blob(_) => Some(EntryKind::File),
            Found::Folder(_) => Some(EntryKind::Folder),
            Found::Below(tree, rest) => return tree.kind(&rest),
        })
    }

    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        match self.find(path)? {
            Found::Blob(id) | Found::Folder(id) => Ok(ContentId(id.to_string().into())),
            Found::Below(tree, rest) => tree.id(&rest),
            Found::Nothing => Err(not_found(path)),
        }
    }
}
