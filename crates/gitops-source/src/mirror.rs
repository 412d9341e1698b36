//! Bare mirrors of repositories.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{Either, select};
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions};
use gitops_core::nearness::nearest;
use gitops_core::{Clock, Revision, RevisionInfo, SourceError, SourceRef, Timestamp};
use gitops_manifest::Str;
use gitops_template::semver::{Constraint, Version};

use crate::address::{Address, redact};
use crate::fetch::{FetchError, fetch};
use crate::tree::GitTree;
use crate::{GitOptions, GitSource};

/// How deep submodules may nest.
const SUBMODULES: u32 = 8;

/// How many trees are kept open per mirror.
const OPEN_TREES: usize = 32;

/// A bare mirror, and what is known of it.
pub(crate) struct Mirror {
    folder: PathBuf,
    address: Address,
    /// One fetch at a time; holds when the last one ended well.
    fetched: tokio::sync::Mutex<Option<Timestamp>>,
    trees: Mutex<Vec<(Oid, Arc<GitTree>)>>,
}

fn storage<E>(address: &Address) -> impl Fn(E) -> SourceError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let repo = Str::from(redact(&address.url));
    move |error| SourceError::Storage {
        repo: repo.clone(),
        source: Box::new(error),
    }
}

/// Carries out blocking work: on the threads of the runtime that are there for it, or here where there is none.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        },
        Err(_) => work(),
    }
}

impl Mirror {
    pub(crate) fn new(folder: PathBuf, address: Address) -> Self {
        Self {
            folder,
            address,
            fetched: tokio::sync::Mutex::default(),
            trees: Mutex::default(),
        }
    }

    pub(crate) fn invalidate(&self) {
        // Where a fetch is going on, its result is new enough.
        if let Ok(mut fetched) = self.fetched.try_lock() {
            *fetched = None;
        }
    }

    fn trees(&self) -> MutexGuard<'_, Vec<(Oid, Arc<GitTree>)>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the mirror up to date, unless somebody just did.
    async fn update(
        &self,
        options: &GitOptions,
        clock: &dyn Clock,
        wanted: Option<&str>,
    ) -> Result<(), SourceError> {
        let asked = clock.now();
        let mut fetched = self.fetched.lock().await;
        if wanted.is_none()
            && fetched.is_some_and(|at| at >= asked || clock.now().since(at) < options.fresh_for)
        {
            return Ok(());
        }
        let (folder, address, settings) =
            (self.folder.clone(), self.address.clone(), options.clone());
        let wanted_reference = wanted.map(str::to_owned);
        let work = std::pin::pin!(blocking(move || {
            update(&folder, &address, &settings, wanted_reference.as_deref())
        }));
        let result = match select(work, clock.sleep(options.timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(SourceError::Unreachable {
                repo: redact(&self.address.url).into(),
                source: format!("no answer within {} seconds", options.timeout.as_secs()).into(),
            }),
        };
        if result.is_ok() && wanted.is_none() {
            *fetched = Some(clock.now());
        }
        result
    }

    pub(crate) async fn resolve(
        &self,
        source: &SourceRef,
        options: &GitOptions,
        clock: &dyn Clock,
    ) -> Result<Revision, SourceError> {
        let wanted = source.revision.trim();
        // A full commit that the mirror has needs no question.
        if let Ok(id) = Oid::from_str(wanted)
            && wanted.len() == 40
            && self.has(id).await?
        {
            return Ok(revision(source, id, ""));
        }
        self.update(options, clock, None).await?;
        if let Some(found) = self.look_up(source).await? {
            return Ok(found);
        }
        // A reference outside branches and tags, or a commit that none of them leads to.
        if wanted.starts_with("refs/") || wanted.len() == 40 && Oid::from_str(wanted).is_ok() {
            match self.update(options, clock, Some(wanted)).await {
                Ok(()) => {
                    if let Some(found) = self.look_up(source).await? {
                        return Ok(found);
                    }
                }
                Err(error @ SourceError::AccessDenied { .. }) => return Err(error),
                Err(_) => {}
            }
        }
        let nearest = self.names(wanted).await?;
        Err(SourceError::NoSuchRevision {
            repo: redact(&source.repo).into(),
            revision: source.revision.clone(),
            nearest,
        })
    }

    async fn has(&self, id: Oid) -> Result<bool, SourceError> {
        let folder = self.folder.clone();
        Ok(blocking(move || {
            Repository::open_bare(&folder)
                .is_ok_and(|repository| repository.find_commit(id).is_ok())
        })
        .await)
    }

    async fn look_up(&self, source: &SourceRef) -> Result<Option<Revision>, SourceError> {
        let (folder, source, address) = (self.folder.clone(), source.clone(), self.address.clone());
        blocking(move || {
            let repository = Repository::open_bare(&folder).map_err(storage(&address))?;
            look_up(&repository, &source).map_err(storage(&address))
        })
        .await
    }

    async fn names(&self, wanted: &str) -> Result<Vec<Str>, SourceError> {
        let (folder, wanted, address) =
            (self.folder.clone(), wanted.to_owned(), self.address.clone());
        blocking(move || {
            let repository = Repository::open_bare(&folder).map_err(storage(&address))?;
            let mut names = BTreeSet::new();
            for reference in repository
                .references()
                .map_err(storage(&address))?
                .flatten()
            {
                if let Ok(name) = reference.shorthand() {
                    names.insert(name.to_owned());
                }
            }
            let names = names.iter().map(String::as_str);
            Ok(nearest(&wanted, names).into_iter().map(Str::from).collect())
        })
        .await
    }

    pub(crate) async fn describe(
        &self,
        revision: &Revision,
        options: &GitOptions,
        clock: &dyn Clock,
    ) -> Result<RevisionInfo, SourceError> {
        self.ensure(revision, options, clock).await?;
        let (folder, id, address) = (
            self.folder.clone(),
            revision.id.to_string(),
            self.address.clone(),
        );
        blocking(move || {
            let repository = Repository::open_bare(&folder).map_err(storage(&address))?;
            describe(&repository, &id).map_err(storage(&address))
        })
        .await
    }

    /// Makes sure that the mirror has a revision: it may have been rebuilt since that was resolved.
    async fn ensure(
        &self,
        revision: &Revision,
        options: &GitOptions,
        clock: &dyn Clock,
    ) -> Result<Oid, SourceError> {
        let source = SourceRef::git(revision.repo.clone(), revision.id.clone());
        let found = self.resolve(&source, options, clock).await?;
        Oid::from_str(&found.id).map_err(storage(&self.address))
    }
}

fn revision(source: &SourceRef, id: Oid, name: &str) -> Revision {
    Revision {
        repo: source.repo.clone(),
        id: id.to_string().into(),
        name: name.into(),
        chart: None,
    }
}

/// Opens the mirror, or makes it, and fetches; a mirror that is damaged is made anew.
fn update(
    folder: &Path,
    address: &Address,
    options: &GitOptions,
    wanted: Option<&str>,
) -> Result<(), SourceError> {
    let storage_io = storage::<std::io::Error>(address);
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(&storage_io)?;
    }
    // Several processes share a mirror; one writes at a time.
    let lock = File::create(folder.with_extension("lock")).map_err(&storage_io)?;
    lock.lock().map_err(&storage_io)?;
    let credentials = match options.keyring.find(&address.url) {
        crate::Credentials::None => match &address.user {
            Some((user, Some(password))) => crate::Credentials::Basic {
                user: user.clone(),
                password: password.clone(),
            },
            Some((token, None)) if address.url.starts_with("http") => {
                crate::Credentials::Token(token.clone())
            }
            _ => crate::Credentials::None,
        },
        credentials => credentials,
    };
    if let crate::Transport::Local(path) = &address.transport
        && !path.exists()
    {
        return Err(SourceError::Unreachable {
            repo: redact(&address.url).into(),
            source: format!("{} does not exist", path.display()).into(),
        });
    }
    let mut rebuilt = false;
    loop {
        let repository = match Repository::open_bare(folder) {
            Ok(repository) => repository,
            Err(_) => {
                remove(folder).map_err(&storage_io)?;
                let mut init = RepositoryInitOptions::new();
                init.bare(true).external_template(false);
                rebuilt = true;
                Repository::init_opts(folder, &init).map_err(storage(address))?
            }
        };
        let result = fetch(&repository, address, &credentials, options, wanted);
        if (result.is_ok() && is_sound(&repository)) || rebuilt || wanted.is_some() {
            return result.map_err(|error| match error {
                FetchError::Denied { .. } => SourceError::AccessDenied {
                    repo: redact(&address.url).into(),
                    source: Box::new(error),
                },
                FetchError::Failed { .. } => SourceError::Unreachable {
                    repo: redact(&address.url).into(),
                    source: Box::new(error),
                },
            });
        }
        if result.is_err() && is_sound(&repository) {
            // The mirror is well: it is the repository that does not answer.
            rebuilt = true;
            continue;
        }
        tracing::warn!(mirror = %folder.display(), "the mirror is damaged and is made anew");
        drop(repository);
        remove(folder).map_err(&storage_io)?;
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether every branch and tag leads to a commit whose tree can be read.
fn is_sound(repository: &Repository) -> bool {
    match repository.head() {
        Err(error) if error.code() != git2::ErrorCode::UnbornBranch => return false,
        _ => {}
    }
    let Ok(references) = repository.references() else {
        return false;
    };
    for reference in references {
        let Ok(reference) = reference else {
            return false;
        };
        match reference.peel(ObjectType::Any) {
            Ok(object) => match object.peel_to_commit() {
                Ok(commit) if commit.tree().is_err() => return false,
                // A tag may point at something that is no commit.
                _ => {}
            },
            Err(_) => return false,
        }
    }
    true
}

fn look_up(repository: &Repository, source: &SourceRef) -> Result<Option<Revision>, git2::Error> {
    let wanted = source.revision.trim();
    let peel = |name: &str| -> Option<Oid> {
        let reference = repository.find_reference(name).ok()?;
        Some(reference.peel_to_commit().ok()?.id())
    };
    if wanted.is_empty() || wanted == "HEAD" {
        let head = repository.head().ok();
        let name = head
            .as_ref()
            .and_then(|head| head.name().ok())
            .unwrap_or("HEAD")
            .to_owned();
        let id = head
            .and_then(|head| head.peel_to_commit().ok())
            .map(|commit| commit.id());
        return Ok(id.map(|id| revision(source, id, &name)));
    }
    let gitops = format!("refs/gitops/{}", wanted.trim_start_matches("refs/"));
    for name in [
        wanted.to_owned(),
        format!("refs/heads/{wanted}"),
        format!("refs/tags/{wanted}"),
        gitops,
    ] {
        if name.starts_with("refs/")
            && let Some(id) = peel(&name)
        {
            let shown = if name.starts_with("refs/gitops/") {
                wanted
            } else {
                &name
            };
            return Ok(Some(revision(source, id, shown)));
        }
    }
    if wanted.len() >= 7
        && wanted.len() <= 40
        && wanted.bytes().all(|b| b.is_ascii_hexdigit())
        && let Ok(object) = repository.revparse_single(wanted)
        && let Ok(commit) = object.peel_to_commit()
    {
        return Ok(Some(revision(source, commit.id(), "")));
    }
    newest_in_range(repository, source, wanted)
}

/// Finds the highest version among the tags that a range of semantic versions allows.
fn newest_in_range(
    repository: &Repository,
    source: &SourceRef,
    range: &str,
) -> Result<Option<Revision>, git2::Error> {
    // A plain name is no range, though a parser of ranges may take it for one.
    if !range.contains(['*', 'x', 'X', '^', '~', '>', '<', '=', '|', ' ', ',']) {
        return Ok(None);
    }
    let Ok(constraint) = Constraint::parse(range) else {
        return Ok(None);
    };
    let mut best: Option<(Version, String)> = None;
    for reference in repository.references_glob("refs/tags/*")? {
        let reference = reference?;
        let Ok(name) = reference.name() else { continue };
        let tag = name.trim_start_matches("refs/tags/");
        let Ok(version) = Version::parse(tag) else {
            continue;
        };
        if constraint.check(&version) && best.as_ref().is_none_or(|(known, _)| version > *known) {
            best = Some((version, name.to_owned()));
        }
    }
    let Some((_, name)) = best else {
        return Ok(None);
    };
    let id = repository.find_reference(&name)?.peel_to_commit()?.id();
    Ok(Some(revision(source, id, &name)))
}

fn describe(repository: &Repository, id: &str) -> Result<RevisionInfo, git2::Error> {
    let id = Oid::from_str(id)?;
    let commit = repository.find_commit(id)?;
    let author = commit.author();
    let mut info = RevisionInfo::default();
    info.author = author.to_string();
    info.date = Some(Timestamp::from_secs(author.when().seconds()));
    info.message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    info.signature = repository
        .extract_signature(&id, None)
        .ok()
        .map(|(signature, _)| String::from_utf8_lossy(&signature).into_owned());
    for reference in repository.references_glob("refs/tags/*")?.flatten() {
        if reference
            .peel_to_commit()
            .is_ok_and(|tagged| tagged.id() == id)
            && let Ok(name) = reference.shorthand()
        {
            info.tags.push(name.to_owned());
            // The signature may stand on the annotated tag instead.
            if info.signature.is_none()
                && let Ok(tag) = reference.peel(ObjectType::Tag)
                && let Some(tag) = tag.as_tag()
                && let Ok(Some(message)) = tag.message()
                && let Some(at) = message.find("-----BEGIN ")
            {
                info.signature = Some(message[at..].to_owned());
            }
        }
    }
    info.tags.sort();
    Ok(info)
}

/// Opens the tree of a revision, with those of its submodules.
pub(crate) async fn tree(
    source: &GitSource,
    revision: &Revision,
    depth: u32,
) -> Result<Arc<GitTree>, SourceError> {
    let mirror = source.mirror(&revision.repo)?;
    let options = &source.0.options;
    let commit = mirror.ensure(revision, options, &*source.0.clock).await?;
    if let Some((_, tree)) = mirror.trees().iter().find(|(id, _)| *id == commit) {
        return Ok(Arc::clone(tree));
    }
    let (folder, address) = (mirror.folder.clone(), mirror.address.clone());
    let (root, modules) = blocking(move || {
        let repository = Repository::open_bare(&folder).map_err(storage(&address))?;
        open(&repository, commit).map_err(storage(&address))
    })
    .await?;
    let mut submodules = HashMap::new();
    for (path, url, id) in modules {
        if depth >= SUBMODULES {
            return Err(SourceError::BadAddress {
                repo: url.into(),
                reason: format!("submodules nest deeper than {SUBMODULES}"),
            });
        }
        let repo = mirror.address.submodule(&url);
        let below = Revision {
            repo: repo.into(),
            id: id.into(),
            name: Str::default(),
            chart: None,
        };
        let below = Box::pin(tree(source, &below, depth + 1)).await?;
        submodules.insert(path, below);
    }
    let repository = Repository::open_bare(&mirror.folder).map_err(storage(&mirror.address))?;
    let tree = Arc::new(GitTree::new(repository, root, submodules));
    let mut trees = mirror.trees();
    if trees.len() >= OPEN_TREES {
        trees.remove(0);
    }
    trees.push((commit, Arc::clone(&tree)));
    Ok(tree)
}

type Submodule = (String, String, String);

/// Returns the root tree of a commit and its submodules: path, address, commit.
fn open(repository: &Repository, commit: Oid) -> Result<(Oid, Vec<Submodule>), git2::Error> {
    let tree = repository.find_commit(commit)?.tree()?;
    let mut modules = Vec::new();
    if let Some(entry) = tree.get_name(".gitmodules")
        && let Ok(blob) = repository.find_blob(entry.id())
    {
        let text = String::from_utf8_lossy(blob.content()).into_owned();
        for (path, url) in parse_modules(&text) {
            if let Ok(entry) = tree.get_path(Path::new(&path))
                && entry.kind() == Some(ObjectType::Commit)
            {
                modules.push((path, url, entry.id().to_string()));
            }
        }
    }
    Ok((tree.id(), modules))
}

/// Reads path and address of each submodule out of `.gitmodules`.
fn parse_modules(text: &str) -> Vec<(String, String)> {
    let mut modules = Vec::new();
    let (mut path, mut url) = (None, None);
    for line in text.lines().map(str::trim).chain(["["]) {
        if line.starts_with('[') {
            if let (Some(path), Some(url)) = (path.take(), url.take()) {
                modules.push((path, url));
            }
            continue;
        }
        if let Some((key, value)) = line.split_once('=') {
            let value = value.trim().trim_matches('"').to_owned();
            match key.trim() {
                "path" => path = Some(value.trim_matches('/').to_owned()),
                "url" => url = Some(value),
                _ => {}
            }
        }
    }
    modules
}
