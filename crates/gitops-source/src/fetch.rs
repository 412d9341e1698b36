//! Bringing a mirror up to date.

use std::path::Path;
use std::process::Stdio;

use git2::{CertificateCheckStatus, Cred, FetchOptions, RemoteCallbacks, Repository};

use crate::address::{Address, Transport};
use crate::credentials::{Credentials, KnownHosts, base64};
use crate::{GitOptions, Progress};

/// What is fetched: all branches and tags.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("access was refused: {reason}")]
    Denied { reason: String },
    #[error("{reason}")]
    Failed { reason: String },
}

fn is_denial(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "authentication",
        "permission denied",
        "could not read username",
        "could not read password",
        "terminal prompts disabled",
        "access denied",
        "status code: 401",
        "status code: 403",
        "error: 401",
        "error: 403",
        "host key verification failed",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

fn failed(reason: String) -> FetchError {
    if is_denial(&reason) {
        FetchError::Denied { reason }
    } else {
        FetchError::Failed { reason }
    }
}

/// Whether a transport works without another program.
fn in_process(transport: &Transport) -> bool {
    match transport {
        Transport::Local(_) | Transport::Http => true,
        Transport::Https => cfg!(feature = "https"),
        Transport::Ssh => cfg!(feature = "ssh"),
    }
}

/// Fetches all branches and tags, or the given references, and notes what `HEAD` points at.
pub(crate) fn fetch(
    repository: &Repository,
    address: &Address,
    credentials: &Credentials,
    options: &GitOptions,
    wanted: Option<&str>,
) -> Result<(), FetchError> {
    if in_process(&address.transport) {
        fetch_in_process(repository, address, credentials, options, wanted)
    } else if let Some(program) = &options.git_program {
        fetch_by_program(program, repository, address, credentials, options, wanted)
    } else {
        let scheme = if address.transport == Transport::Ssh {
            "ssh"
        } else {
            "https"
        };
        Err(FetchError::Failed {
            reason: format!(
                "this program was built without {scheme} in process (feature {scheme:?} of gitops-source), and \
                 was not told to use the git program"
            ),
        })
    }
}

fn fetch_in_process(
    repository: &Repository,
    address: &Address,
    credentials: &Credentials,
    options: &GitOptions,
    wanted: Option<&str>,
) -> Result<(), FetchError> {
    let error = |error: git2::Error| failed(error.message().to_owned());
    let mut remote = repository.remote_anonymous(&address.url).map_err(error)?;
    let mut tries = 0;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.credentials(move |_, user, allowed| {
        tries += 1;
        // The library asks again when what it was given did not open the door.
        if tries > 3 {
            return Err(git2::Error::from_str("authentication failed"));
        }
        let user = user.unwrap_or("git");
        match credentials {
            Credentials::Token(token) => Cred::userpass_plaintext("x-access-token", token),
            Credentials::Basic { user, password } => Cred::userpass_plaintext(user, password),
            Credentials::SshKey { path, passphrase } => {
                Cred::ssh_key(user, None, path, passphrase.as_deref())
            }
            Credentials::Agent => Cred::ssh_key_from_agent(user),
            Credentials::None if allowed.is_username() => Cred::username(user),
            Credentials::None => Err(git2::Error::from_str(
                "authentication required, and no credentials",
            )),
        }
    });
    if options.known_hosts == KnownHosts::AcceptAll {
        callbacks.certificate_check(|_, _| Ok(CertificateCheckStatus::CertificateOk));
    }
    let progress = options.progress.clone();
    let url = address.url.clone();
    callbacks.transfer_progress(move |stats| {
        if let Some(progress) = &progress {
            progress(&Progress {
                repo: &url,
                received_objects: stats.received_objects(),
                total_objects: stats.total_objects(),
                received_bytes: stats.received_bytes(),
            });
        }
        true
    });
    let mut fetch = FetchOptions::new();
    fetch
        .remote_callbacks(callbacks)
        .prune(git2::FetchPrune::On);
    match wanted {
        Some(reference) => {
            fetch.prune(git2::FetchPrune::Off);
            let refspec = wanted_refspec(reference);
            remote
                .fetch(&[refspec], Some(&mut fetch), None)
                .map_err(error)?;
        }
        None => {
            remote
                .fetch(&REFSPECS, Some(&mut fetch), None)
                .map_err(error)?;
            if let Ok(branch) = remote.default_branch()
                && let Ok(branch) = branch.as_str()
            {
                set_head(repository, branch).map_err(error)?;
            }
        }
    }
    Ok(())
}

/// Where a reference that is neither a branch nor a tag, or a bare commit, is kept.
fn wanted_refspec(reference: &str) -> String {
    format!(
        "+{reference}:refs/gitops/{}",
        reference.trim_start_matches("refs/")
    )
}

fn set_head(repository: &Repository, branch: &str) -> Result<(), git2::Error> {
    repository.set_head(branch)
}

/// Asks the git program to fetch, with nothing of the user's own settings but what ssh reads.
fn fetch_by_program(
    program: &Path,
    repository: &Repository,
    address: &Address,
    credentials: &Credentials,
    options: &GitOptions,
    wanted: Option<&str>,
) -> Result<(), FetchError> {
    let refspecs: Vec<String> = match wanted {
        Some(reference) => vec![wanted_refspec(reference)],
        None => REFSPECS.iter().map(ToString::to_string).collect(),
    };
    let mut fetch = command(program, repository, credentials, options);
    fetch.args([
        "fetch",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-gc",
        "--quiet",
    ]);
    if wanted.is_none() {
        fetch.arg("--prune");
    }
    fetch.arg("--").arg(&address.url).args(&refspecs);
    run(&mut fetch)?;
    if wanted.is_none() {
        let mut list = command(program, repository, credentials, options);
        list.args(["ls-remote", "--symref", "--", &address.url, "HEAD"]);
        let answer = run(&mut list)?;
        let head = answer.lines().find_map(|line| {
            line.strip_prefix("ref: ")?
                .split_whitespace()
                .next()
                .map(str::to_owned)
        });
        if let Some(head) = head {
            set_head(repository, &head).map_err(|error| failed(error.message().to_owned()))?;
        }
    }
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the host has named this program for reaching repositories"
)]
fn command(
    program: &Path,
    repository: &Repository,
    credentials: &Credentials,
    options: &GitOptions,
) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_DIR", repository.path())
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("LC_ALL", "C");
    let header = match credentials {
        Credentials::Token(token) => Some(base64(format!("x-access-token:{token}").as_bytes())),
        Credentials::Basic { user, password } => {
            Some(base64(format!("{user}:{password}").as_bytes()))
        }
        _ => None,
    };
    if let Some(header) = header {
        // In the environment, where other users do not see it; arguments are public.
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env(
                "GIT_CONFIG_VALUE_0",
                format!("Authorization: Basic {header}"),
            );
    }
    let mut ssh = String::from("ssh -o BatchMode=yes");
    match &options.known_hosts {
        KnownHosts::User => {}
        KnownHosts::File(path) => {
            ssh.push_str(" -o StrictHostKeyChecking=yes -o UserKnownHostsFile=");
            ssh.push_str(&quoted(path));
        }
        KnownHosts::AcceptAll => {
            ssh.push_str(" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null");
        }
    }
    if let Credentials::SshKey { path, .. } = credentials {
        ssh.push_str(" -o IdentitiesOnly=yes -i ");
        ssh.push_str(&quoted(path));
    }
    command.env("GIT_SSH_COMMAND", ssh);
    command
}

/// Quotes a path for the shell that reads `GIT_SSH_COMMAND`.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn run(command: &mut std::process::Command) -> Result<String, FetchError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("the git program could not be started: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            line.trim_start_matches("fatal: ")
                .trim_start_matches("error: ")
                .trim()
        })
        .filter(|line| !line.is_empty())
        .collect();
    Err(failed(lines.join("; ")))
}
