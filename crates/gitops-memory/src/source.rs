//! Repositories in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gitops_core::{Revision, RevisionInfo, Source, SourceError, SourceRef, Timestamp};
use gitops_manifest::{
    ContentId, EntryKind, FileTree, MemoryTree, Str, TreeEntry, TreeError, tree::join,
};
use sha2::{Digest, Sha256};

/// Who committed, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The author, as `Name <address>`.
    pub author: String,
    /// The message.
    pub message: String,
    /// The date.
    pub date: Timestamp,
    /// The signature, as it would stand in the commit.
    pub signature: Option<String>,
}

impl Default for CommitOptions {
    fn default() -> Self {
        Self {
            author: "Author <author@example.com>".to_owned(),
            message: "change".to_owned(),
            date: Timestamp::from_secs(1_767_225_600),
            signature: None,
        }
    }
}

impl CommitOptions {
    /// Makes options with a message.
    #[must_use]
    pub fn message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Sets the author.
    #[must_use]
    pub fn with_author(mut self, author: impl Into<String>) -> Self {
        self.author = author.into();
        self
    }

    /// Sets the date.
    #[must_use]
    pub const fn with_date(mut self, date: Timestamp) -> Self {
        self.date = date;
        self
    }
}

/// A [`Source`] of repositories that live in memory: commits of file trees on branches, with tags.
///
/// Clones are handles of one source. It serves the repositories that something was committed to.
///
/// ```
/// use gitops_core::{Source as _, SourceRef};
/// use gitops_memory::{MemorySource, SimClock};
///
/// let source = MemorySource::new();
/// let repo = "https://git.example.com/shop.git";
/// let first = source.commit(repo, "main", [("web/config.yaml", "kind: ConfigMap")]);
/// source.tag(repo, "v1.0.0", &first);
/// source.edit(repo, "main", [("web/config.yaml", None), ("web/other.yaml", Some("kind: Secret"))]);
///
/// SimClock::new().run(async {
///     let released = source.resolve(&SourceRef::git(repo, "v1.0.0")).await?;
///     assert_eq!(released.id, first);
///     let head = source.resolve(&SourceRef::git(repo, "HEAD")).await?;
///     assert_eq!(source.tree(&head).await?.list("web").unwrap()[0].name, "other.yaml");
///     source.set_reachable(repo, false);
///     assert!(source.resolve(&SourceRef::git(repo, "HEAD")).await.is_err());
///     assert!(source.tree(&head).await.is_ok());
///     Ok::<(), gitops_core::SourceError>(())
/// })?;
/// # Ok::<(), gitops_core::SourceError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemorySource(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    repositories: BTreeMap<Str, Repository>,
    resolved: u64,
    opened: u64,
}

#[derive(Debug, Default)]
struct Repository {
    commits: BTreeMap<Str, Commit>,
    branches: BTreeMap<Str, Str>,
    tags: BTreeMap<Str, Str>,
    /// The branch that was committed to first.
    head: Str,
    unreachable: bool,
}

#[derive(Debug, Clone)]
struct Commit {
    tree: Arc<CommitTree>,
    options: CommitOptions,
}

#[derive(Debug, thiserror::Error)]
#[error("the repository was made unreachable")]
struct MadeUnreachable;

impl MemorySource {
    /// Makes a source without repositories.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits a whole tree to a branch and returns the hash of the commit. Makes repository and branch
    /// where they are absent; the first branch is what `HEAD` means.
    ///
    /// # Panics
    /// Where the paths are not those of a tree: a path leads out of the root, or a file is a folder too.
    pub fn commit<P: AsRef<str>, B: AsRef<[u8]>>(
        &self,
        repo: &str,
        branch: &str,
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Str {
        self.commit_with(repo, branch, files, CommitOptions::default())
    }

    /// Does what [`commit`](Self::commit) does, with author, message and date.
    ///
    /// # Panics
    /// As [`commit`](Self::commit).
    pub fn commit_with<P: AsRef<str>, B: AsRef<[u8]>>(
        &self,
        repo: &str,
        branch: &str,
        files: impl IntoIterator<Item = (P, B)>,
        options: CommitOptions,
    ) -> Str {
        self.state()
            .commit(repo, branch, MemoryTree::from_iter(files), options)
    }

    /// Commits changes of single files to a branch: those with content are put, those without removed.
    ///
    /// # Panics
    /// As [`commit`](Self::commit).
    pub fn edit<P: AsRef<str>, B: AsRef<[u8]>>(
        &self,
        repo: &str,
        branch: &str,
        changes: impl IntoIterator<Item = (P, Option<B>)>,
    ) -> Str {
        self.edit_with(repo, branch, changes, CommitOptions::default())
    }

    /// Does what [`edit`](Self::edit) does, with author, message and date.
    ///
    /// # Panics
    /// As [`commit`](Self::commit).
    pub fn edit_with<P: AsRef<str>, B: AsRef<[u8]>>(
        &self,
        repo: &str,
        branch: &str,
        changes: impl IntoIterator<Item = (P, Option<B>)>,
        options: CommitOptions,
    ) -> Str {
        let mut state = self.state();
        let mut files: BTreeMap<String, Arc<[u8]>> = state
            .branch(repo, branch)
            .map(|commit| {
                let files = commit.tree.files.files();
                files.map(|(p, b)| (p.to_owned(), Arc::clone(b))).collect()
            })
            .unwrap_or_default();
        for (path, content) in changes {
            let path = join("", path.as_ref()).expect("a change stays within the root");
            match content {
                Some(bytes) => files.insert(path, bytes.as_ref().into()),
                None => files.remove(&path),
            };
        }
        let mut tree = MemoryTree::new();
        for (path, bytes) in files {
            tree.insert(&path, bytes).expect("no file is a folder too");
        }
        state.commit(repo, branch, tree, options)
    }

    /// Lets a tag point at a commit; moves it where it exists.
    pub fn tag(&self, repo: &str, tag: &str, commit: &str) {
        let mut state = self.state();
        let repository = state.repositories.entry(repo.into()).or_default();
        repository.tags.insert(tag.into(), commit.into());
    }

    /// Lets a branch point at a commit, as a forced push or a new branch does.
    pub fn set_branch(&self, repo: &str, branch: &str, commit: &str) {
        let mut state = self.state();
        let repository = state.repositories.entry(repo.into()).or_default();
        repository.branches.insert(branch.into(), commit.into());
    }

    /// Makes a repository reachable or not. What was resolved before stays readable.
    pub fn set_reachable(&self, repo: &str, reachable: bool) {
        let mut state = self.state();
        let repository = state.repositories.entry(repo.into()).or_default();
        repository.unreachable = !reachable;
    }

    /// Returns how often a revision was asked for.
    #[must_use]
    pub fn resolved(&self) -> u64 {
        self.state().resolved
    }

    /// Returns how often a tree was opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.state().opened
    }
}

impl State {
    fn branch(&self, repo: &str, branch: &str) -> Option<&Commit> {
        let repository = self.repositories.get(repo)?;
        repository.commits.get(repository.branches.get(branch)?)
    }

    fn commit(
        &mut self,
        repo: &str,
        branch: &str,
        files: MemoryTree,
        options: CommitOptions,
    ) -> Str {
        let tree = Arc::new(CommitTree::new(files));
        let root = tree
            .id("")
            .expect("the root of a tree in memory has a hash");
        let repository = self.repositories.entry(repo.into()).or_default();
        let parent = repository.branches.get(branch);
        let hash = Sha256::new_with_prefix(root.0.as_bytes())
            .chain_update(parent.map(|p| p.as_bytes()).unwrap_or_default())
            .chain_update(&options.author)
            .chain_update([0])
            .chain_update(&options.message)
            .chain_update(options.date.as_micros().to_le_bytes())
            .finalize();
        let id: Str = hash[..20]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into();
        if repository.head.is_empty() {
            repository.head = branch.into();
        }
        repository.branches.insert(branch.into(), id.clone());
        repository
            .commits
            .insert(id.clone(), Commit { tree, options });
        id
    }

    fn reachable(&self, repo: &Str) -> Result<&Repository, SourceError> {
        let repository = self.repositories.get(repo);
        let repository =
            repository.ok_or_else(|| SourceError::Unsupported { repo: repo.clone() })?;
        if repository.unreachable {
            return Err(SourceError::Unreachable {
                repo: repo.clone(),
                source: Box::new(MadeUnreachable),
            });
        }
        Ok(repository)
    }

    fn commit_of(&self, revision: &Revision) -> Result<(&Repository, &Commit), SourceError> {
        self.repositories
            .get(&revision.repo)
            .and_then(|repository| Some((repository, repository.commits.get(&revision.id)?)))
            .ok_or_else(|| SourceError::NoSuchRevision {
                repo: revision.repo.clone(),
                revision: revision.id.clone(),
                nearest: Vec::new(),
            })
    }
}

impl Repository {
    /// Finds what a name means: the hash of the commit, and the full name of the reference.
    fn resolve(&self, name: &str) -> Option<(Str, Str)> {
        let branch = |name: &str| {
            let (name, id) = self.branches.get_key_value(name)?;
            Some((id.clone(), format!("refs/heads/{name}").into()))
        };
        let tag = |name: &str| {
            let (name, id) = self.tags.get_key_value(name)?;
            Some((id.clone(), format!("refs/tags/{name}").into()))
        };
        if name.is_empty() || name == "HEAD" {
            return branch(&self.head);
        }
        if let Some(name) = name.strip_prefix("refs/heads/") {
            return branch(name);
        }
        if let Some(name) = name.strip_prefix("refs/tags/") {
            return tag(name);
        }
        branch(name)
            .or_else(|| tag(name))
            .or_else(|| self.by_hash(name))
            .or_else(|| self.by_range(name))
    }

    fn by_hash(&self, prefix: &str) -> Option<(Str, Str)> {
        if prefix.len() < 7 || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let prefix = prefix.to_ascii_lowercase();
        let mut found = self
            .commits
            .range(Str::from(&prefix)..)
            .map(|(id, _)| id)
            .take_while(|id| id.starts_with(&*prefix));
        let id = found.next()?;
        found.next().is_none().then(|| (id.clone(), Str::default()))
    }

    fn by_range(&self, range: &str) -> Option<(Str, Str)> {
        let range = semver::VersionReq::parse(range).ok()?;
        let versions = self.tags.iter().filter_map(|(tag, id)| {
            let version = semver::Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?;
            range.matches(&version).then_some((version, tag, id))
        });
        let (_, tag, id) = versions.max()?;
        Some((id.clone(), format!("refs/tags/{tag}").into()))
    }

    fn nearest(&self, name: &str) -> Vec<Str> {
        let common = |known: &Str| {
            known
                .bytes()
                .zip(name.bytes())
                .take_while(|(a, b)| a == b)
                .count()
        };
        let mut names: Vec<&Str> = self.branches.keys().chain(self.tags.keys()).collect();
        names.sort_by_key(|known| (std::cmp::Reverse(common(known)), (*known).clone()));
        names.into_iter().take(3).cloned().collect()
    }
}

#[async_trait]
impl Source for MemorySource {
    fn supports(&self, source: &SourceRef) -> bool {
        source.chart.is_none() && self.state().repositories.contains_key(&source.repo)
    }

    async fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        let mut state = self.state();
        state.resolved += 1;
        let repository = state.reachable(&source.repo)?;
        let (id, name) =
            repository
                .resolve(&source.revision)
                .ok_or_else(|| SourceError::NoSuchRevision {
                    repo: source.repo.clone(),
                    revision: source.revision.clone(),
                    nearest: repository.nearest(&source.revision),
                })?;
        Ok(Revision {
            repo: source.repo.clone(),
            id,
            name,
            chart: None,
        })
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let mut state = self.state();
        state.opened += 1;
        let tree: Arc<CommitTree> = Arc::clone(&state.commit_of(revision)?.1.tree);
        Ok(tree)
    }

    async fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        let state = self.state();
        let (repository, commit) = state.commit_of(revision)?;
        let mut info = RevisionInfo::default();
        info.author.clone_from(&commit.options.author);
        info.date = Some(commit.options.date);
        info.message.clone_from(&commit.options.message);
        info.signature.clone_from(&commit.options.signature);
        info.tags = repository
            .tags
            .iter()
            .filter(|(_, id)| **id == revision.id)
            .map(|(tag, _)| tag.to_string())
            .collect();
        Ok(info)
    }
}

/// The tree of a commit: its hashes are computed once.
#[derive(Debug)]
struct CommitTree {
    files: MemoryTree,
    ids: BTreeMap<String, ContentId>,
}

impl CommitTree {
    fn new(files: MemoryTree) -> Self {
        fn hash(
            files: &MemoryTree,
            path: &str,
            ids: &mut BTreeMap<String, ContentId>,
        ) -> ContentId {
            let id = match files.list(path) {
                Ok(entries) => {
                    let entries: Vec<(TreeEntry, ContentId)> = entries
                        .into_iter()
                        .map(|entry| {
                            let child = if path.is_empty() {
                                entry.name.to_string()
                            } else {
                                format!("{path}/{}", entry.name)
                            };
                            let id = hash(files, &child, ids);
                            (entry, id)
                        })
                        .collect();
                    ContentId::of_folder(
                        entries
                            .iter()
                            .map(|(entry, id)| (&*entry.name, entry.kind, id.clone())),
                    )
                }
                Err(_) => ContentId::of_file(&files.read(path).unwrap_or_default()),
            };
            ids.insert(path.to_owned(), id.clone());
            id
        }
        let mut ids = BTreeMap::new();
        hash(&files, "", &mut ids);
        Self { files, ids }
    }
}

impl FileTree for CommitTree {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        self.files.read(path)
    }
    fn list(&self, path: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.files.list(path)
    }
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        self.files.kind(path)
    }
    fn id(&self, path: &str) -> Result<ContentId, TreeError> {
        let path = join("", path)?;
        let id = self.ids.get(&path).cloned();
        id.ok_or(TreeError::NotFound { path })
    }
}
