//! From what is asked for to what is in the cache, over the network where that is needed.

use std::sync::Arc;

use gitops_core::{Revision, RevisionInfo, SourceError, SourceRef, Timestamp};
use gitops_manifest::{MemoryTree, Str};
use reqwest::Url;
use reqwest::header::{ACCEPT, IF_MODIFIED_SINCE, IF_NONE_MATCH};

use super::address::{self, ChartAddress, OciRepository, is_digest};
use super::cache::{Note, hash};
use super::credentials::{ChartCredentials, basic};
use super::index::{Entry, Index, Missing, choose, near_versions};
use super::network::{NetworkError, Request, same_origin};
use super::oci::{Layer, LayerKind, Registry, annotation, tag_of};
use super::{FreshIndex, OPEN_TREES, Shared, archive, guard, invalid, network_error, status_error};
use crate::Credentials;
use crate::address::redact;

/// So many answers of registries are remembered.
const RESOLVED: usize = 4_096;

/// A repository with an index, and what opens it.
struct Repository {
    url: Url,
    credentials: ChartCredentials,
}

impl Repository {
    fn new(shared: &Shared, url: Url, user: Option<(String, String)>) -> Self {
        let mut credentials = shared.options.keyring.find(url.as_str());
        if let Some((user, password)) = user
            && matches!(credentials.login, Credentials::None)
        {
            credentials.login = Credentials::Basic { user, password };
        }
        Self { url, credentials }
    }

    fn shown(&self) -> String {
        redact(self.url.as_str())
    }
}

/// What an address of the registry's side is asked with.
fn registry<'a>(
    shared: &'a Shared,
    repository: &'a OciRepository,
    credentials: &'a ChartCredentials,
) -> Registry<'a> {
    Registry {
        shared,
        repository,
        credentials,
    }
}

fn storage(repo: &str) -> impl Fn(std::io::Error) -> SourceError + use<> {
    let repo = Str::from(redact(repo));
    move |error| SourceError::Storage {
        repo: repo.clone(),
        source: Box::new(error),
    }
}

fn offline(repo: &str, what: &str) -> SourceError {
    SourceError::Unreachable {
        repo: redact(repo).into(),
        source: Box::new(NetworkError::Unreachable(format!(
            "{what} is not in the cache, and nothing is asked over the network"
        ))),
    }
}

fn no_such(repo: &str, revision: &str, nearest: Vec<Str>) -> SourceError {
    SourceError::NoSuchRevision {
        repo: redact(repo).into(),
        revision: revision.into(),
        nearest,
    }
}

fn missing(repo: &str, chart: &str, wanted: &str, missing: Missing) -> SourceError {
    match missing {
        Missing::Chart(nearest) => SourceError::NoSuchChart {
            repo: redact(repo).into(),
            chart: chart.into(),
            nearest,
        },
        Missing::Version(nearest) => no_such(repo, wanted, nearest),
        Missing::Range(reason) => invalid_request(repo, reason),
    }
}

fn invalid_request(repo: &str, reason: String) -> SourceError {
    SourceError::BadAddress {
        repo: redact(repo).into(),
        reason,
    }
}

impl Shared {
    pub(super) fn resolve(&self, source: &SourceRef) -> Result<Revision, SourceError> {
        match ChartAddress::of(source)? {
            ChartAddress::Http { url, user } => {
                let repository = Repository::new(self, url, user);
                self.resolve_http(source, &repository)
            }
            ChartAddress::Oci(repository) => {
                let now = self.clock.now();
                let fresh = guard(&self.resolved).get(source).cloned();
                if let Some((at, revision)) = fresh
                    && now.since(at) < self.options.fresh_for
                {
                    return Ok(revision);
                }
                let revision = self.resolve_oci(source, &repository)?;
                let mut resolved = guard(&self.resolved);
                if resolved.len() >= RESOLVED {
                    resolved.clear();
                }
                resolved.insert(source.clone(), (self.clock.now(), revision.clone()));
                Ok(revision)
            }
        }
    }

    pub(super) fn tree(&self, revision: &Revision) -> Result<Arc<MemoryTree>, SourceError> {
        let known = guard(&self.trees)
            .iter()
            .find(|(id, _)| *id == *revision.id)
            .map(|(_, tree)| Arc::clone(tree));
        if let Some(tree) = known {
            return Ok(tree);
        }
        let (bytes, kind) = self.archive(revision)?;
        let tree = archive::unpack(&bytes, kind)
            .map_err(|reason| invalid(&revision.repo, format!("{}: {reason}", name(revision))))?;
        let tree = Arc::new(tree);
        let mut trees = guard(&self.trees);
        if trees.len() >= OPEN_TREES {
            trees.remove(0);
        }
        trees.push((revision.id.to_string(), Arc::clone(&tree)));
        Ok(tree)
    }

    /// Returns the archive of a revision: out of the cache, else fetched again.
    pub(super) fn archive(&self, revision: &Revision) -> Result<(Vec<u8>, LayerKind), SourceError> {
        let source = SourceRef {
            repo: revision.repo.clone(),
            revision: revision.id.clone(),
            chart: revision.chart.clone(),
        };
        let Some(wanted) = revision.id.strip_prefix("sha256:") else {
            return Err(no_such(&revision.repo, &revision.id, Vec::new()));
        };
        match ChartAddress::of(&source)? {
            ChartAddress::Http { url, user } => {
                let cached = || self.cache.get(wanted).map_err(storage(&revision.repo));
                if let Some(bytes) = cached()? {
                    return Ok((bytes, LayerKind::Chart));
                }
                let repository = Repository::new(self, url, user);
                let chart = revision.chart.as_deref().unwrap_or_default();
                let found = self.fetch_again(&repository, chart, revision, wanted)?;
                if found != wanted {
                    return Err(invalid(
                        &revision.repo,
                        format!(
                            "{} is another archive now: sha256:{found}, not {}",
                            name(revision),
                            revision.id
                        ),
                    ));
                }
                let bytes = cached()?.ok_or_else(|| {
                    storage(&revision.repo)(std::io::Error::other("what was written is not there"))
                })?;
                Ok((bytes, LayerKind::Chart))
            }
            ChartAddress::Oci(repository) => {
                let credentials = self.options.keyring.find(&repository.url());
                let registry = registry(self, &repository, &credentials);
                let layer = self.layer(&registry, &revision.id)?;
                let bytes = self.blob(&registry, &layer)?;
                Ok((bytes, layer.kind))
            }
        }
    }

    pub(super) fn describe(&self, revision: &Revision) -> Result<RevisionInfo, SourceError> {
        let source = SourceRef {
            repo: revision.repo.clone(),
            revision: revision.id.clone(),
            chart: revision.chart.clone(),
        };
        let mut info = RevisionInfo::default();
        if !revision.name.is_empty() {
            info.tags.push(revision.name.to_string());
        }
        match ChartAddress::of(&source)? {
            ChartAddress::Http { url, user } => {
                let repository = Repository::new(self, url, user);
                let index = self.index(&repository)?;
                let chart = revision.chart.as_deref().unwrap_or_default();
                let hash = revision.id.strip_prefix("sha256:").unwrap_or_default();
                let entry = index
                    .by_digest(chart, hash)
                    .or_else(|| index.find(chart, &revision.name).ok());
                if let Some(entry) = entry {
                    info.date = entry.date();
                    info.message = entry.description.to_string();
                }
            }
            ChartAddress::Oci(repository) => {
                let credentials = self.options.keyring.find(&repository.url());
                let registry = registry(self, &repository, &credentials);
                let manifest = self.manifest(&registry, &revision.id)?;
                let say =
                    |name: &str| annotation(&manifest, &format!("org.opencontainers.image.{name}"));
                info.date = say("created").and_then(|text| Timestamp::parse(&text));
                info.message = say("description").unwrap_or_default();
                info.author = say("authors").unwrap_or_default();
            }
        }
        Ok(info)
    }

    /// Fetches a single file.
    pub(super) fn fetch(&self, url: &str) -> Result<Vec<u8>, SourceError> {
        let (parsed, user) = address::http(url).map_err(|reason| invalid_request(url, reason))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(invalid_request(
                url,
                "only http and https are fetched".to_owned(),
            ));
        }
        let repository = Repository::new(self, parsed, user);
        if self.options.offline {
            return Err(offline(url, "it"));
        }
        self.download(&repository, &repository.url)
    }

    fn download(&self, repository: &Repository, url: &Url) -> Result<Vec<u8>, SourceError> {
        let tls = repository.credentials.tls();
        let mut request = Request::get(url, &tls, self.options.max_chart);
        request.headers.push((
            ACCEPT,
            "application/gzip,application/octet-stream".to_owned(),
        ));
        // As in Helm, another host is shown the login only where that is wanted.
        if repository.credentials.pass_credentials || same_origin(url, &repository.url) {
            request.authorization = repository.credentials.authorization();
        }
        if url.password().is_some() || !url.username().is_empty() {
            request.authorization = Some(basic(url.username(), url.password().unwrap_or_default()));
        }
        let answer = self
            .network()?
            .ask(&request)
            .map_err(|error| network_error(&repository.shown(), error))?;
        match answer.status {
            200 => Ok(answer.body),
            _ => Err(status_error(&repository.shown(), &answer)),
        }
    }

    // ---- repositories with an index ----

    fn resolve_http(
        &self,
        source: &SourceRef,
        repository: &Repository,
    ) -> Result<Revision, SourceError> {
        let chart = source.chart.as_deref().unwrap_or_default();
        let wanted = source.revision.trim();
        let revision = |hash: &str, version: &str| Revision {
            repo: source.repo.clone(),
            id: format!("sha256:{hash}").into(),
            name: version.into(),
            chart: source.chart.clone(),
        };
        if is_digest(wanted) {
            let hash = &wanted["sha256:".len()..];
            // A digest that is in the cache needs no question.
            if self
                .cache
                .get(hash)
                .map_err(storage(&source.repo))?
                .is_some()
            {
                let version = self.version_note(repository, chart, hash);
                return Ok(revision(hash, &version.unwrap_or_default()));
            }
            let index = self.index(repository)?;
            let entry = index
                .by_digest(chart, hash)
                .ok_or_else(|| no_such(&source.repo, wanted, Vec::new()))?;
            let hash = self.fetch_entry(repository, chart, entry)?;
            return Ok(revision(&hash, &entry.version));
        }
        let index = self.index(repository)?;
        let entry = index
            .find(chart, wanted)
            .map_err(|found| missing(&source.repo, chart, wanted, found))?;
        let hash = self.fetch_entry(repository, chart, entry)?;
        Ok(revision(&hash, &entry.version))
    }

    /// Returns the index of a repository, asked for unless it is fresh.
    fn index(&self, repository: &Repository) -> Result<Arc<Index>, SourceError> {
        let key = repository.url.to_string();
        let known = guard(&self.indexes).get(&key).cloned();
        let is_fresh = |known: &FreshIndex| {
            self.options.offline || self.clock.now().since(known.at) < self.options.fresh_for
        };
        if let Some(known) = &known
            && is_fresh(known)
        {
            return Ok(Arc::clone(&known.index));
        }
        let note_name = format!("index {key}");
        let failed = storage(&key);
        let _locked = self.cache.lock(&note_name).map_err(&failed)?;
        // Another task may have asked while this one waited.
        let known = guard(&self.indexes).get(&key).cloned();
        if let Some(known) = &known
            && is_fresh(known)
        {
            return Ok(Arc::clone(&known.index));
        }
        let note = self.cache.read_note(&note_name);
        let cached = match &note {
            Some(note) => self.cache.get(&note.hash).map_err(&failed)?,
            None => None,
        };
        let (hash, index) = if self.options.offline {
            let bytes = cached.ok_or_else(|| offline(&key, "the index"))?;
            self.read_index(repository, &bytes)?
        } else {
            let tls = repository.credentials.tls();
            let url = address::resolve(&repository.url, "index.yaml")
                .map_err(|reason| invalid_request(&key, reason))?;
            let mut request = Request::get(&url, &tls, self.options.max_index as u64);
            request.authorization = repository.credentials.authorization();
            if cached.is_some()
                && let Some(note) = &note
            {
                let headers = [
                    (IF_NONE_MATCH, &note.etag),
                    (IF_MODIFIED_SINCE, &note.modified),
                ];
                for (header, value) in headers {
                    request
                        .headers
                        .extend(value.clone().map(|value| (header, value)));
                }
            }
            let answer = self
                .network()?
                .ask(&request)
                .map_err(|error| network_error(&repository.shown(), error))?;
            match (answer.status, cached) {
                (200, _) => {
                    let (hash, index) = match &known {
                        Some(known) if known.hash == super::cache::hash(&answer.body) => {
                            (known.hash.clone(), Arc::clone(&known.index))
                        }
                        _ => self.read_index(repository, &answer.body)?,
                    };
                    self.cache.put(&answer.body).map_err(&failed)?;
                    let header = |name: &str| answer.header(name).map(str::to_owned);
                    let new = Note {
                        hash: hash.clone(),
                        etag: header("etag"),
                        modified: header("last-modified"),
                        text: String::new(),
                    };
                    self.cache.write_note(&note_name, &new).map_err(&failed)?;
                    if let Some(old) = note
                        && old.hash != hash
                    {
                        self.cache.remove(&old.hash);
                    }
                    (hash, index)
                }
                (304, Some(bytes)) => match &known {
                    Some(known) => (known.hash.clone(), Arc::clone(&known.index)),
                    None => self.read_index(repository, &bytes)?,
                },
                _ => return Err(status_error(&repository.shown(), &answer)),
            }
        };
        let fresh = FreshIndex {
            at: self.clock.now(),
            hash,
            index: Arc::clone(&index),
        };
        guard(&self.indexes).insert(key, fresh);
        Ok(index)
    }

    fn read_index(
        &self,
        repository: &Repository,
        bytes: &[u8],
    ) -> Result<(String, Arc<Index>), SourceError> {
        let index = Index::parse(bytes, self.options.max_index)
            .map_err(|reason| invalid(&repository.shown(), reason))?;
        Ok((hash(bytes), Arc::new(index)))
    }

    /// Makes sure that the cache has a version of a chart; returns its hash.
    fn fetch_entry(
        &self,
        repository: &Repository,
        chart: &str,
        entry: &Entry,
    ) -> Result<String, SourceError> {
        let repo = repository.shown();
        let failed = storage(&repo);
        let Some(first) = entry.urls.first() else {
            return Err(invalid(
                &repo,
                format!(
                    "chart {chart} {} has no address to fetch it from",
                    entry.version
                ),
            ));
        };
        // Where the index says no digest, what it says otherwise must not have changed.
        let note_name = format!(
            "chart {first} {} {} {}",
            repository.url, entry.version, entry.created
        );
        let known = || {
            entry.digest.as_ref().map(Str::to_string).or_else(|| {
                let note = self.cache.read_note(&note_name)?;
                Some(note.hash)
            })
        };
        let cached = |hash: Option<String>| -> Result<Option<String>, SourceError> {
            let Some(hash) = hash else { return Ok(None) };
            let found = self.cache.get(&hash).map_err(&failed)?;
            Ok(found.map(|_| hash))
        };
        if let Some(hash) = cached(known())? {
            return Ok(hash);
        }
        if self.options.offline {
            return Err(offline(&repo, &format!("chart {chart} {}", entry.version)));
        }
        let _locked = self.cache.lock(&note_name).map_err(&failed)?;
        if let Some(hash) = cached(known())? {
            return Ok(hash);
        }
        let mut outcome = Err(offline(&repo, "nothing"));
        for url in &entry.urls {
            outcome = address::resolve(&repository.url, url)
                .map_err(|reason| invalid(&repo, reason))
                .and_then(|url| self.download(repository, &url));
            // Another address may do where this one gives no answer.
            if !matches!(outcome, Err(SourceError::Unreachable { .. })) {
                break;
            }
        }
        let bytes = outcome?;
        let found = hash(&bytes);
        if let Some(wanted) = &entry.digest
            && **wanted != *found
        {
            return Err(invalid(
                &repo,
                format!(
                    "chart {chart} {} has the digest sha256:{found}, and the index says sha256:{wanted}",
                    entry.version
                ),
            ));
        }
        self.cache.put(&bytes).map_err(&failed)?;
        let note = Note {
            hash: found.clone(),
            text: entry.version.to_string(),
            ..Note::default()
        };
        self.cache.write_note(&note_name, &note).map_err(&failed)?;
        let version = version_note(repository, chart, &found);
        self.cache.write_note(&version, &note).map_err(&failed)?;
        Ok(found)
    }

    fn version_note(&self, repository: &Repository, chart: &str, hash: &str) -> Option<String> {
        let note = self
            .cache
            .read_note(&version_note(repository, chart, hash))?;
        Some(note.text)
    }

    /// Fetches a revision that was resolved before and is not in the cache any more.
    fn fetch_again(
        &self,
        repository: &Repository,
        chart: &str,
        revision: &Revision,
        hash: &str,
    ) -> Result<String, SourceError> {
        if self.options.offline {
            return Err(offline(&revision.repo, &name(revision)));
        }
        let index = self.index(repository)?;
        if let Some(entry) = index.by_digest(chart, hash) {
            return self.fetch_entry(repository, chart, entry);
        }
        let version = if revision.name.is_empty() {
            self.version_note(repository, chart, hash)
        } else {
            Some(revision.name.to_string())
        };
        let entry = version
            .and_then(|version| index.find(chart, &version).ok())
            .ok_or_else(|| no_such(&revision.repo, &name(revision), Vec::new()))?;
        self.fetch_entry(repository, chart, entry)
    }

    // ---- registries ----

    fn resolve_oci(
        &self,
        source: &SourceRef,
        repository: &OciRepository,
    ) -> Result<Revision, SourceError> {
        let credentials = self.options.keyring.find(&repository.url());
        let registry = registry(self, repository, &credentials);
        let wanted = source.revision.trim();
        let (wanted, digest) = match (&repository.tag, &repository.digest) {
            (_, Some(digest)) => (wanted, Some(digest.as_str())),
            (Some(tag), None) if wanted.is_empty() => (tag.as_str(), None),
            (Some(tag), None) if tag_of(wanted) != *tag && wanted != tag => {
                return Err(invalid_request(
                    &source.repo,
                    format!("the address names {tag}, and the version is {wanted}"),
                ));
            }
            _ => (wanted, None),
        };
        let digest = digest.or_else(|| is_digest(wanted).then_some(wanted));
        let (id, version) = match digest {
            Some(digest) => {
                let version = if is_digest(wanted) { "" } else { wanted };
                (digest.to_owned(), version.to_owned())
            }
            None => self.tagged(&registry, &source.repo, wanted)?,
        };
        // The revision is of use only with its content.
        let layer = self.layer(&registry, &id)?;
        self.blob(&registry, &layer)?;
        Ok(Revision {
            repo: source.repo.clone(),
            id: id.into(),
            name: version.into(),
            chart: source.chart.clone(),
        })
    }

    /// Finds the manifest of a version, a range or a tag. Returns its digest and the version.
    fn tagged(
        &self,
        registry: &Registry<'_>,
        repo: &str,
        wanted: &str,
    ) -> Result<(String, String), SourceError> {
        let url = registry.repository.url();
        let note_name = format!("tag {url} {wanted}");
        if self.options.offline {
            let note = self
                .cache
                .read_note(&note_name)
                .ok_or_else(|| offline(repo, &format!("revision {wanted:?}")))?;
            return Ok((note.hash, note.text));
        }
        let is_version = gitops_template::semver::Version::parse(wanted).is_ok();
        let is_range =
            wanted.is_empty() || gitops_template::semver::Constraint::parse(wanted).is_ok();
        let version = if is_version || !is_range {
            wanted.to_owned()
        } else {
            let versions = registry.versions()?;
            let list = || versions.iter().map(String::as_str);
            choose(list(), wanted)
                .map_err(|reason| invalid_request(repo, reason))?
                .map(|at| versions[at].clone())
                .ok_or_else(|| no_such(repo, wanted, near_versions(wanted, list())))?
        };
        let Some((digest, bytes)) = registry.manifest(&tag_of(&version))? else {
            let versions = registry.versions()?;
            let near = near_versions(&version, versions.iter().map(String::as_str));
            return Err(no_such(repo, &version, near));
        };
        let failed = storage(repo);
        self.cache.put(&bytes).map_err(&failed)?;
        let note = Note {
            hash: digest.clone(),
            text: version.clone(),
            ..Note::default()
        };
        self.cache.write_note(&note_name, &note).map_err(&failed)?;
        Ok((digest, version))
    }

    /// Returns a manifest by its digest: out of the cache, else fetched.
    fn manifest(&self, registry: &Registry<'_>, digest: &str) -> Result<Vec<u8>, SourceError> {
        let repo = registry.repository.url();
        let failed = storage(&repo);
        if !is_digest(digest) {
            return Err(no_such(&repo, digest, Vec::new()));
        }
        let hash = &digest["sha256:".len()..];
        if let Some(bytes) = self.cache.get(hash).map_err(&failed)? {
            return Ok(bytes);
        }
        if self.options.offline {
            return Err(offline(&repo, &format!("the manifest {digest}")));
        }
        let (_, bytes) = registry
            .manifest(digest)?
            .ok_or_else(|| no_such(&repo, digest, Vec::new()))?;
        self.cache.put(&bytes).map_err(&failed)?;
        Ok(bytes)
    }

    fn layer(&self, registry: &Registry<'_>, digest: &str) -> Result<Layer, SourceError> {
        let bytes = self.manifest(registry, digest)?;
        registry.layer(&bytes, |child| self.manifest(registry, child))
    }

    /// Returns a layer: out of the cache, else fetched.
    fn blob(&self, registry: &Registry<'_>, layer: &Layer) -> Result<Vec<u8>, SourceError> {
        let repo = registry.repository.url();
        let failed = storage(&repo);
        let hash = &layer.digest["sha256:".len()..];
        let cached = || self.cache.get(hash).map_err(&failed);
        if let Some(bytes) = cached()? {
            return Ok(bytes);
        }
        if self.options.offline {
            return Err(offline(&repo, &layer.digest));
        }
        let _locked = self.cache.lock(&layer.digest).map_err(&failed)?;
        if let Some(bytes) = cached()? {
            return Ok(bytes);
        }
        let bytes = registry.blob(&layer.digest, self.options.max_chart)?;
        self.cache.put(&bytes).map_err(&failed)?;
        Ok(bytes)
    }
}

fn version_note(repository: &Repository, chart: &str, hash: &str) -> String {
    format!("version {} {chart} {hash}", repository.url)
}

/// Names a revision for people.
fn name(revision: &Revision) -> String {
    let version = if revision.name.is_empty() {
        &revision.id
    } else {
        &revision.name
    };
    match &revision.chart {
        Some(chart) => format!("chart {chart} {version}"),
        None => format!("revision {version}"),
    }
}
