use std::path::PathBuf;

/// What a [`std::result::Result`] of this crate is.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no control plane. To try again helps only where a port was taken meanwhile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to build the programs with.
    #[error(
        "Go is not installed; install Go 1.26, or point TESTBED_PROGRAMS at a folder with a built controlplane"
    )]
    NoGo,
    /// `TESTBED_PROGRAMS` names a folder without the program.
    #[error("{} is not there, though TESTBED_PROGRAMS says so", .path.display())]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The programs do not build.
    #[error("building the control plane by `go build` in {} failed:\n{output}", .folder.display())]
    Build {
        /// The Go module.
        folder: PathBuf,
        /// What the command wrote.
        output: String,
    },
    /// A file could not be read or written, or a program not be started.
    #[error("{action} {}", .path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program ended when it should not have.
    #[error("{program} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {seconds} s: {last}\n{log}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// What was seen last.
        last: String,
        /// The last lines of the programs' logs.
        log: String,
    },
    /// The kubeconfig cannot be used.
    #[error("reading the kubeconfig {}", .path.display())]
    Kubeconfig {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// The cluster refused something.
    #[error("{action}")]
    Cluster {
        /// What was attempted.
        action: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The cluster is that of `KUBECONFIG_TESTBED`, whose programs are not ours to stop or whose keys we do not have.
    #[error(
        "{action} is possible only on a control plane that this process started, not on that of KUBECONFIG_TESTBED"
    )]
    NotOurs {
        /// What was attempted.
        action: &'static str,
    },
}

impl Error {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// The message with those of its sources.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut error: &dyn std::error::Error = self;
        while let Some(source) = error.source() {
            text.push_str(": ");
            text.push_str(&source.to_string());
            error = source;
        }
        text
    }
}
