//! Trees out of the object database: no checkout.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Oid, Repository, Tree};
use gitops_manifest::tree::{join, parent};
use gitops_manifest::{ContentId, EntryKind, FileTree, Str, TreeEntry, TreeError};

/// How many links are followed on the way to one path.
const LINKS: u32 = 40;

const LINK_MODE: i32 = 0o120_000;

/// The tree of a commit.
pub(crate) struct GitTree {
    repository: Mutex<Repository>,
    root: Oid,
    /// The trees of submodules, by their paths.
    submodules: HashMap<String, Arc<GitTree>>,
    /// Folders that were looked up, by path.
    folders: Mutex<HashMap<String, Option<Oid>>>,
}

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
        Self { repository: Mutex::new(repository), root, submodules, folders: Mutex::default() }
    }

    fn repository(&self) -> MutexGuard<'_, Repository> {
        self.repository.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, path: &str) -> Result<(String, Found), TreeError> {
        let mut path = join("", path)?;
        let mut links = LINKS;
        'restart: loop {
            if path.is_empty() {
                return Ok((path, Found::Folder(self.root)));
            }
            let repository = self.repository();
            let mut folder = self.folder(&repository, self.root, &path)?;
            let mut walked = String::new();
            let parts: Vec<&str> = path.split('/').collect();
            for (i, part) in parts.iter().enumerate() {
                let here = join(&walked, part)?;
                if let Some(submodule) = self.submodules.get(&here) {
                    let rest = parts[i + 1..].join("/");
                    return Ok((path.clone(), Found::Below(Arc::clone(submodule), rest)));
                }
                let Some(entry) = folder.get_name(part) else {
                    return Ok((path.clone(), Found::Nothing));
                };
                let last = i + 1 == parts.len();
                if entry.filemode() == LINK_MODE {
                    links = links.checked_sub(1).ok_or_else(|| TreeError::Escapes { path: path.clone() })?;
                    let blob = repository.find_blob(entry.id()).map_err(|e| io(&path, e))?;
                    let target = String::from_utf8_lossy(blob.content()).into_owned();
                    let base = join(&walked, &target)
                        .map_err(|_| TreeError::Escapes { path: path.clone() })?;
                    path = join(&base, &parts[i + 1..].join("/"))?;
                    continue 'restart;
                }
                match (entry.kind(), last) {
                    (Some(ObjectType::Blob), true) => {
                        return Ok((path.clone(), Found::Blob(entry.id())));
                    }
                    (Some(ObjectType::Tree), true) => {
                        return Ok((path.clone(), Found::Folder(entry.id())));
                    }
                    (Some(ObjectType::Tree), false) => {
                        let id = entry.id();
                        folder = self.folder(&repository, id, &path)?;
                    }
                    _ => return Ok((path.clone(), Found::Nothing)),
                }
                walked = here;
            }
            return Ok((path.clone(), Found::Nothing));
        }
    }

    /// Finds a path, by way of the folder that holds it where that is known already.
    fn look_up(&self, path: &str) -> Result<(String, Found), TreeError> {
        let path = join("", path)?;
        let folder = parent(&path).to_owned();
        let known = self.folders.lock().unwrap_or_else(PoisonError::into_inner).get(&folder).copied();
        match known {
            Some(Some(id)) => {
                let name = &path[if folder.is_empty() { 0 } else { folder.len() + 1 }..];
                let repository = self.repository();
                let tree = self.folder(&repository, id, &path)?;
                if self.submodules.contains_key(&path) {
                    drop(tree);
                    drop(repository);
                    return self.find(&path);
                }
                let found = match tree.get_name(name) {
                    None if path.is_empty() => Found::Folder(self.root),
                    None => Found::Nothing,
                    Some(entry) if entry.filemode() != LINK_MODE => match entry.kind() {
                        Some(ObjectType::Blob) => Found::Blob(entry.id()),
                        Some(ObjectType::Tree) => Found::Folder(entry.id()),
                        _ => Found::Nothing,
                    },
                    Some(_) => {
                        drop(tree);
                        drop(repository);
                        return self.find(&path);
                    }
                };
                drop(tree);
                drop(repository);
                Ok((path, found))
            }
            _ => {
                let (real, found) = self.find(&path)?;
                if !matches!(found, Found::Nothing | Found::Below(..))
                    && real == path
                    && let Ok((real_folder, Found::Folder(id))) = self.find(&folder)
                    && real_folder == folder
                {
                    let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
                    folders.insert(folder, Some(id));
                }
                Ok((real, found))
            }
        }
    }

    fn folder<'r>(
        &self,
        repository: &'r Repository,
        id: Oid,
        path: &str,
    ) -> Result<Tree<'r>, TreeError> {
        repository.find_tree(id).map_err(|error| io(path, error))
    }
}

fn io(path: &str, error: git2::Error) -> TreeError {
    TreeError::Io { path: path.to_owned(), source: Arc::new(error) }
}

fn not_found(path: &str) -> TreeError {
    TreeError::NotFound { path: path.to_owned() }
}

impl FileTree for GitTree {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.look_up(path)? {
            (real, Found::Blob(id)) => {
                let repository = self.repository();
                let blob = repository.find_blob(id).map_err(|error| io(&real, error))?;
                Ok(blob.content().into())
            }
            (_, Found::Below(tree, rest)) => tree.read(&rest),
            (_, Found::Folder(_)) => Err(TreeError::WrongKind {
                path: path.to_owned(),
                wanted: EntryKind::File,
                found: EntryKind::Folder,
            }),
            (_, Found::Nothing) => Err(not_found(path)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let (real, id) = match self.look_up(path)? {
            (real, Found::Folder(id)) => (real, id),
            (_, Found::Below(tree, rest)) => return tree.list(&rest),
            (_, Found::Blob(_)) => {
                return Err(TreeError::WrongKind {
                    path: path.to_owned(),
                    wanted: EntryKind::Folder,
                    found: EntryKind::File,
                });
            }
            (_, Found::Nothing) => return Err(not_found(path)),
        };
        let mut entries = Vec::new();
        let mut links: Vec<Str> = Vec::new();
        {
            let repository = self.repository();
            for entry in &self.folder(&repository, id, &real)? {
                // A name that is not UTF-8 cannot be written in a manifest.
                let Ok(name) = entry.name() else { continue };
                let name = Str::from(name);
                match entry.kind() {
                    _ if entry.filemode() == LINK_MODE => links.push(name),
                    Some(ObjectType::Blob) => entries.push(TreeEntry { name, kind: EntryKind::File }),
                    Some(ObjectType::Tree) => entries.push(TreeEntry { name, kind: EntryKind::Folder }),
                    Some(ObjectType::Commit) if self.submodules.contains_key(&join(&real, &name)?) => {
                        entries.push(TreeEntry { name, kind: EntryKind::Folder });
                    }
                    _ => {}
                }
            }
        }
        for name in links {
            // A link that leads nowhere or out of the root is no entry.
            if let Ok(Some(kind)) = self.kind(&join(&real, &name)?) {
                entries.push(TreeEntry { name, kind });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(match self.look_up(path)?.1 {
            Found::Nothing => None,
            Found::Blob(_) => Some(EntryKind::File),
            Found::Folder(_) => Some(EntryKind::Folder),
            Found::Below(tree, rest) => return tree.kind(&rest),
        })
    }

    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        match self.look_up(path)?.1 {
            Found::Blob(id) | Found::Folder(id) => Ok(ContentId(id.to_string().into())),
            Found::Below(tree, rest) => tree.id(&rest),
            Found::Nothing => Err(not_found(path)),
        }
    }
}
