//! Finding the chart that a command line names.

use std::fs;
use std::path::{Path, PathBuf};

use gitops::helm::Chart;
use gitops::manifest::{DirTree, Value, yaml};
use gitops::source::{
    ChartCredentials, ChartKeyring, ChartOptions, ChartSource, ClientCertificate, Credentials,
};
use gitops::{Source, SourceError, SourceRef, error_chain};

use super::flags::Flags;
use super::wait;

/// A chart, and the folder that it was read from, if it was.
pub(super) struct Located {
    pub(super) chart: Chart,
    pub(super) folder: Option<DirTree>,
}

/// Returns the folder that keeps what is fetched.
pub(crate) fn cache() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    of("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| of("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("gitops/charts")
}

/// Returns the proxy that the environment names.
pub(crate) fn proxy() -> Option<(String, String)> {
    let of = |name: &str| {
        let lower = std::env::var(name.to_lowercase());
        lower
            .or_else(|_| std::env::var(name))
            .ok()
            .filter(|value| !value.is_empty())
    };
    let proxy = of("HTTPS_PROXY").or_else(|| of("HTTP_PROXY"))?;
    Some((proxy, of("NO_PROXY").unwrap_or_default()))
}

/// Makes a source of charts with these credentials for everything.
pub(super) fn source(credentials: Option<ChartCredentials>) -> ChartSource {
    let mut options = ChartOptions::default();
    options.proxy = proxy();
    if let Some(credentials) = credentials {
        let mut keyring = ChartKeyring::default();
        keyring.add("", credentials);
        options.keyring = keyring;
    }
    ChartSource::with_options(cache(), options)
}

/// Reads the credentials that the flags name.
pub(super) fn credentials(flags: &Flags) -> Result<ChartCredentials, String> {
    let mut credentials = ChartCredentials::default();
    let (user, password) = (flags.text("username"), flags.text("password"));
    if !user.is_empty() && !password.is_empty() {
        credentials.login = Credentials::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        };
    }
    let read = |file: &str| {
        fs::read(file).map_err(|error| {
            format!(
                "can't create TLS config for client: open {file}: {}",
                reason(&error)
            )
        })
    };
    let (certificate, key) = (flags.text("cert-file"), flags.text("key-file"));
    if !certificate.is_empty() && !key.is_empty() {
        credentials.client_certificate = Some(ClientCertificate {
            certificate: read(certificate)?,
            key: read(key)?,
        });
    }
    if !flags.text("ca-file").is_empty() {
        credentials.authorities = Some(read(flags.text("ca-file"))?);
    }
    credentials.insecure = flags.is_on("insecure-skip-tls-verify");
    credentials.pass_credentials = flags.is_on("pass-credentials");
    credentials.plain_http = flags.is_on("plain-http");
    Ok(credentials)
}

/// Says what went wrong with a file in Go's words.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

/// Finds a chart in Helm's order: a path, a repository that is named, an address, a repository by its short name.
pub(super) fn locate(flags: &Flags, name: &str) -> Result<Located, String> {
    let name = name.trim();
    let version = match flags.text("version").trim() {
        "" if flags.is_on("devel") => ">0.0.0-0",
        version => version,
    };
    let repository = flags.text("repo");
    if Path::new(name).exists() {
        if !repository.is_empty() {
            eprintln!(
                "WARN local chart found in current working directory. repository url ignored chart={name} \
                 repository={repository}"
            );
        }
        return local(Path::new(name));
    }
    if name.starts_with(['/', '.']) {
        return Err(format!("path {name:?} not found"));
    }
    let own = credentials(flags)?;
    if !repository.is_empty() {
        let source = source(Some(own));
        return of_repository(&source, repository, name, version)
            .map_err(|error| repository_error(&error, repository, name, version));
    }
    if name.starts_with("oci://") {
        let source = source(Some(own));
        let wanted = SourceRef::git(name, version);
        return fetched(&source, &wanted).map_err(|error| told(&error));
    }
    if name.starts_with("https://") || name.starts_with("http://") {
        let source = source(Some(own));
        let bytes = wait(source.fetch(name)).map_err(|error| told(&error))?;
        return packed(&bytes);
    }
    let Some((short, chart)) = name.split_once('/') else {
        return Err(format!(
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: {name}"
        ));
    };
    let entry = named_repository(flags, short)?;
    let url = entry.url.clone();
    let source = source(Some(entry.credentials(own)?));
    of_repository(&source, &url, chart, version).map_err(|error| match error {
        SourceError::NoSuchChart { .. } | SourceError::NoSuchRevision { .. } => format!(
            "chart {chart:?} matching {version} not found in {short} index. (try 'helm repo update'): {}",
            error_chain(&error)
        ),
        other => told(&other),
    })
}

fn of_repository(
    source: &ChartSource,
    url: &str,
    chart: &str,
    version: &str,
) -> Result<Located, SourceError> {
    fetched(source, &SourceRef::chart(url, chart, version))
}

fn fetched(source: &ChartSource, wanted: &SourceRef) -> Result<Located, SourceError> {
    let bytes = wait(async {
        let revision = source.resolve(wanted).await?;
        source.archive(&revision).await
    })?;
    packed(&bytes).map_err(|reason| SourceError::Invalid {
        repo: wanted.repo.clone(),
        source: reason.into(),
    })
}

fn packed(bytes: &[u8]) -> Result<Located, String> {
    let chart = Chart::from_archive(bytes).map_err(|error| error.helm_text())?;
    Ok(Located {
        chart,
        folder: None,
    })
}

fn local(path: &Path) -> Result<Located, String> {
    if path.is_dir() {
        let folder = DirTree::open(path).map_err(|error| error.to_string())?;
        let chart = Chart::load(&folder, "").map_err(|error| error.helm_text())?;
        return Ok(Located {
            chart,
            folder: Some(folder),
        });
    }
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes =
        fs::read(path).map_err(|error| format!("open {}: {}", shown.display(), reason(&error)))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        let shown = shown.display();
        let is_yaml = matches!(
            path.extension().and_then(|extension| extension.to_str()),
            Some("yaml" | "yml")
        );
        return Err(if is_yaml {
            format!("file '{shown}' seems to be a YAML file, but expected a gzipped archive")
        } else {
            // Helm looks at 512 bytes, zeros behind the end included, which makes data of short texts.
            let kind = match std::str::from_utf8(&bytes) {
                Ok(_) if bytes.len() >= 512 => "text/plain; charset=utf-8",
                _ => "application/octet-stream",
            };
            format!("file '{shown}' does not appear to be a gzipped archive; got '{kind}'")
        });
    }
    packed(&bytes)
}

/// Says what went wrong with a repository that was named, in Helm's words.
fn repository_error(error: &SourceError, url: &str, chart: &str, version: &str) -> String {
    let shown = if version.is_empty() {
        format!("chart {chart:?}")
    } else {
        format!("chart {chart:?} version {version:?}")
    };
    match error {
        SourceError::NoSuchChart { .. } | SourceError::NoSuchRevision { .. } => {
            format!("{shown} not found in {url} repository")
        }
        SourceError::Unreachable { source, .. } => format!(
            "looks like {url:?} is not a valid chart repository or cannot be reached: {source}"
        ),
        SourceError::Invalid { source, .. } | SourceError::AccessDenied { source, .. } => {
            let why = told(error);
            let reason = source.to_string();
            if reason.contains("/index.yaml answers ") || reason.starts_with("the index ") {
                let why = if why.starts_with("failed to fetch ") {
                    why
                } else {
                    reason
                };
                format!(
                    "looks like {url:?} is not a valid chart repository or cannot be reached: {why}"
                )
            } else {
                why
            }
        }
        other => told(other),
    }
}

/// Says what went wrong with a source; answers of servers in Helm's words.
pub(super) fn told(error: &SourceError) -> String {
    let text = error_chain(error);
    if let Some((before, status)) = text.split_once(" answers ")
        && status.starts_with(|c: char| c.is_ascii_digit())
        && let Some(url) = before.rsplit(' ').next()
    {
        return format!("failed to fetch {url} : {status}");
    }
    text
}

/// A repository that Helm was told of.
struct Entry {
    url: String,
    user: String,
    password: String,
    certificate: String,
    key: String,
    authorities: String,
    insecure: bool,
    pass: bool,
}

impl Entry {
    fn credentials(&self, mut own: ChartCredentials) -> Result<ChartCredentials, String> {
        let read =
            |file: &str| fs::read(file).map_err(|error| format!("open {file}: {}", reason(&error)));
        if !self.user.is_empty() && !self.password.is_empty() {
            own.login = Credentials::Basic {
                user: self.user.clone(),
                password: self.password.clone(),
            };
            own.pass_credentials = self.pass;
        }
        if !self.certificate.is_empty() && !self.key.is_empty() {
            own.client_certificate = Some(ClientCertificate {
                certificate: read(&self.certificate)?,
                key: read(&self.key)?,
            });
        }
        if !self.authorities.is_empty() {
            own.authorities = Some(read(&self.authorities)?);
        }
        own.insecure |= self.insecure;
        Ok(own)
    }
}

/// Finds a repository by its short name in Helm's `repositories.yaml`.
fn named_repository(flags: &Flags, name: &str) -> Result<Entry, String> {
    let not_found = || format!("repo {name} not found");
    let repositories = repositories(flags)?;
    let entry = repositories
        .iter()
        .find(|entry| entry["name"].as_str() == Some(name))
        .ok_or_else(not_found)?;
    let text = |field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let flag = |field: &str| {
        entry
            .get(field)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    };
    if text("url").is_empty() {
        return Err(format!("no URL found for repository {name}"));
    }
    Ok(Entry {
        url: text("url"),
        user: text("username"),
        password: text("password"),
        certificate: text("certFile"),
        key: text("keyFile"),
        authorities: text("caFile"),
        insecure: flag("insecure_skip_tls_verify"),
        pass: flag("pass_credentials_all"),
    })
}

/// Returns the entries of Helm's `repositories.yaml`.
pub(super) fn repositories(flags: &Flags) -> Result<Vec<Value>, String> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = match flags.text("repository-config") {
        "" => of("HELM_REPOSITORY_CONFIG").map(PathBuf::from).or_else(|| {
            let folder = of("HELM_CONFIG_HOME").map(PathBuf::from).or_else(|| {
                of("XDG_CONFIG_HOME")
                    .map(PathBuf::from)
                    .or_else(|| of("HOME").map(|home| Path::new(&home).join(".config")))
                    .map(|folder| folder.join("helm"))
            });
            folder.map(|folder| folder.join("repositories.yaml"))
        }),
        file => Some(PathBuf::from(file)),
    };
    let Some(text) = file
        .as_deref()
        .and_then(|file| fs::read_to_string(file).ok())
    else {
        return Ok(Vec::new());
    };
    let value = yaml::parse_one(&text, &yaml::ParseOptions::default())
        .map_err(|error| format!("couldn't load repositories file: {error}"))?;
    let list = value.get("repositories").and_then(Value::as_array);
    Ok(list
        .map(|list| list.iter().cloned().collect())
        .unwrap_or_default())
}
