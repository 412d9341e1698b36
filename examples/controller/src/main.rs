//! The controller's program.

use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use clap::{Parser, Subcommand};
use futures::FutureExt as _;
use gitops::kube::{
    ClusterSecret, Commands, Content, KubeOptions, KubeTarget, PodAccess, default_content,
};
use gitops::manifest::{Object, yaml};
use gitops::project::Cluster;
use gitops::source::{ChartOptions, ChartSource, GitOptions, GitSource};
use gitops::{
    Charts, EngineOptions, HelmRenderer, KustomizeRenderer, LOCAL_SERVER, RedbStore, RemoteBases,
    Sources, SystemClock, Target, TargetError, kept_seed,
};
use gitops_controller::{
    Connect, Controller, ControllerOptions, Ended, LeaseOptions, Parts, Settings, router,
    shared_seed,
};
use tokio::signal::unix::{SignalKind, signal};

/// Looks after Applications of argoproj.io/v1alpha1, in place of Argo CD's controllers.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs until SIGTERM or SIGINT.
    Run(Box<Run>),
    /// Prints the CustomResourceDefinitions, for `kubectl apply -f -`.
    Crds,
}

#[derive(Parser)]
struct Run {
    /// The namespace of Applications, AppProjects and settings.
    #[arg(long, env = "CONTROLLER_NAMESPACE", default_value = "argocd")]
    namespace: String,
    /// Other namespaces in which Applications may be, as globs.
    #[arg(long, env = "CONTROLLER_APPLICATION_NAMESPACES", value_delimiter = ',')]
    application_namespaces: Vec<String>,
    /// The kubeconfig; without it the pod's own access is used.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Where pods find the server of their cluster.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", hide = true)]
    service_host: Option<String>,
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", hide = true)]
    service_port: Option<String>,
    /// The context of the kubeconfig.
    #[arg(long)]
    context: Option<String>,
    /// Where state and the mirrors of repositories are kept.
    #[arg(long, env = "CONTROLLER_DATA", default_value = "/data")]
    data: PathBuf,
    /// Where metrics, probes and webhooks are served.
    #[arg(long, env = "CONTROLLER_LISTEN", default_value = "0.0.0.0:8082")]
    listen: SocketAddr,
    /// The name of this replica, different from those of others.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// How many shards the Applications are in; each is one replica's at a time.
    #[arg(long, env = "CONTROLLER_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    shards: u32,
    /// Works without a Lease. For a single replica.
    #[arg(long)]
    no_lease: bool,
    /// Writes no Events.
    #[arg(long)]
    no_events: bool,
    /// The git program, for https:// and ssh://.
    #[arg(long, env = "CONTROLLER_GIT", default_value = "git")]
    git: PathBuf,
    /// Lets commands of kubeconfigs and cluster Secrets run that print credentials.
    #[arg(long)]
    allow_commands: bool,
    /// What is logged: a level, or levels of parts as in `warn,controller=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log: String,
    /// Writes the log as JSON lines.
    #[arg(long)]
    log_json: bool,
}

#[allow(
    clippy::print_stderr,
    reason = "there is no log where there is nothing to do"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Crds => print_definitions(),
        Command::Run(run) => start(&run),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("controller: {}", gitops::error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn start(run: &Run) -> Result<(), Box<dyn Error>> {
    // The client's own lines say less than the errors that come of them, once for each attempt.
    let quiet = "kube_client::client::builder=off";
    let filter = tracing_subscriber::EnvFilter::try_new(format!("{quiet},{}", run.log))
        .map_err(|error| format!("{:?} says not what is logged, see --log: {error}", run.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if run.log_json {
        log.json().init();
    } else {
        log.init();
    }
    // The loop is one task, what is served another: two threads are enough, and cost least.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()?
        .block_on(serve(run))
}

fn print_definitions() -> Result<(), Box<dyn Error>> {
    let definitions = gitops::application::definitions();
    let values: Vec<_> = definitions.iter().map(Object::to_value).collect();
    let text = yaml::emit_all(&values, &yaml::EmitOptions::default());
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

async fn serve(run: &Run) -> Result<(), Box<dyn Error>> {
    let data = run.data.display();
    std::fs::create_dir_all(&run.data)
        .map_err(|error| format!("the data folder {data} cannot be made, see --data: {error}"))?;
    let commands = if run.allow_commands {
        Commands::Allow
    } else {
        Commands::Refuse
    };
    let pod = match (&run.service_host, &run.service_port) {
        (Some(host), Some(port)) => PodAccess::at(host, port),
        _ => PodAccess::default(),
    };
    let config = match &run.kubeconfig {
        Some(path) => gitops::kube::kubeconfig_file(path, run.context.as_deref(), commands).await?,
        None => gitops::kube::in_cluster(&pod).await.map_err(|error| {
            let reason = gitops::error_chain(&error);
            format!("there is no way to a cluster: no kubeconfig is given, see --kubeconfig, and {reason}")
        })?,
    };
    let reading = Reading::default();
    let target: Arc<dyn Target> =
        Arc::new(KubeTarget::connect(config, reading.options(LOCAL_SERVER))?);
    let store = Arc::new(RedbStore::open(run.data.join("state.redb"))?);
    let clock = Arc::new(SystemClock);
    let mut options = ControllerOptions::default();
    options.engine.control_namespace = run.namespace.as_str().into();
    options.engine.application_namespaces = run
        .application_namespaces
        .iter()
        .map(|pattern| pattern.as_str().into())
        .collect();
    options.events = !run.no_events;
    if !run.no_lease {
        let identity = match &run.identity {
            Some(identity) => identity.clone(),
            None => format!("controller-{}", std::process::id()),
        };
        let mut lease = LeaseOptions::new(&*run.namespace, identity);
        lease.shards = run.shards;
        options.lease = Some(lease);
    }
    let of_secrets = reading.clone();
    let connect: Arc<Connect> =
        Arc::new(move |secret| connect(secret, pod.clone(), commands, of_secrets.clone()).boxed());
    let current: Arc<RwLock<Option<Arc<Controller>>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind(run.listen)
        .await
        .map_err(|error| {
            format!(
                "nothing can be served on {}, see --listen: {error}",
                run.listen
            )
        })?;
    tracing::info!(address = %listener.local_addr()?, "serving metrics, probes and webhooks");
    let served = tokio::spawn(axum::serve(listener, router(Arc::clone(&current))).into_future());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is brought to its end");
        let _ = stop.send(true);
    });
    loop {
        let mut stopped = stopped.clone();
        let settled = async {
            loop {
                match begin(run, &target, &store, &clock, &connect, &reading, &options).await {
                    Ok(controller) => return controller,
                    Err(error) => {
                        let reason = gitops::error_chain(&*error);
                        tracing::warn!(reason, "the controller cannot begin; trying again");
                        tokio::time::sleep(Duration::from_secs(5)).await;
                    }
                }
            }
        };
        let controller = tokio::select! {
            controller = settled => Arc::new(controller),
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        *current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&controller));
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        if controller.run(stop).await? == Ended::Stopped {
            break;
        }
        *current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
    served.abort();
    Ok(())
}

async fn begin(
    run: &Run,
    target: &Arc<dyn Target>,
    store: &Arc<RedbStore>,
    clock: &Arc<SystemClock>,
    connect: &Arc<Connect>,
    reading: &Reading,
    options: &ControllerOptions,
) -> Result<Controller, Box<dyn Error + Send + Sync>> {
    // The credentials of repositories are settings as well: they are read first, and again when they change.
    let settings = Controller::read_settings(&**target, &options.engine.control_namespace).await?;
    reading.follow(&settings, &options.engine);
    let keys = run.data.join("keys");
    let mut git = GitOptions::default();
    git.keyring = settings.keyring(|key| write_key(&keys, key))?;
    git.git_program = Some(run.git.clone());
    // Webhooks and the regular question decide when to ask; within a moment all ask once.
    git.fresh_for = Duration::from_secs(1);
    let git = GitSource::with_options(run.data.join("mirrors"), git);
    let mut fetching = ChartOptions::default();
    fetching.keyring = settings.chart_keyring();
    let charts = ChartSource::with_options(run.data.join("charts"), fetching);
    let source = Sources::new()
        .with(Arc::new(charts.clone()))
        .with(Arc::new(git.clone()));
    let source = Arc::new(source);
    // What charts draw at random stays the same over restarts, and from one replica to the other.
    let drawn = || RandomState::new().build_hasher().finish();
    let seed = kept_seed(&run.data.join("seed"), drawn)?;
    let seed = match shared_seed(&**target, &run.namespace, seed).await {
        Ok(shared) => shared,
        Err(error @ TargetError::Forbidden { .. }) => {
            let reason = gitops::error_chain(&error);
            tracing::warn!(reason, "what charts draw at random is this replica's own");
            seed
        }
        Err(error) => return Err(error.into()),
    };
    let (target, store, clock) = (Arc::clone(target), Arc::clone(store), Arc::clone(clock));
    let mut parts = Parts::new(target, source, store, clock);
    let mut kustomize = KustomizeRenderer::default()
        .with_remote(RemoteBases::new(git).with_files(charts.clone()))
        .with_helm(Charts::new(seed).with_loader(charts.clone()));
    if settings.kustomize.without_load_restrictions {
        kustomize = kustomize.without_load_restrictions();
    }
    if let Some(reorder) = settings.kustomize.reorder {
        kustomize = kustomize.with_reorder(reorder);
    }
    if settings.kustomize.managed_by_label {
        kustomize = kustomize.with_managed_by_label();
    }
    parts.renderers = vec![
        Arc::new(kustomize),
        Arc::new(HelmRenderer::new(seed).with_loader(charts)),
    ];
    parts.connect = Some(Arc::clone(connect));
    Ok(Controller::new(parts, options.clone()).await?)
}

/// Writes a key for ssh to a file that nobody else can read, named after what it holds.
fn write_key(folder: &Path, key: &str) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::create_dir_all(folder)?;
    let id = gitops::manifest::ContentId::of_file(key.as_bytes());
    let path = folder.join(id.0.to_string());
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(key.as_bytes())?;
    if !key.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    Ok(path)
}

/// What is read of each kind of object: nothing of what the settings leave alone, everything of what they take up though it
/// is left alone by default.
#[derive(Clone, Default)]
struct Reading(Arc<RwLock<EngineOptions>>);

impl Reading {
    /// Goes by settings from now on.
    fn follow(&self, settings: &Settings, options: &EngineOptions) {
        let mut options = options.clone();
        settings.apply(&mut options);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Returns how a cluster is read.
    fn options(&self, server: &str) -> KubeOptions {
        let (options, server) = (Arc::clone(&self.0), server.to_owned());
        let defaults = EngineOptions::default();
        KubeOptions::default().with_content(move |kind| {
            let (group, name) = (&*kind.gvk.group, &*kind.gvk.kind);
            // What the controller itself lives on.
            let ours = matches!(
                (group, name),
                ("argoproj.io", "Application" | "AppProject") | ("", "ConfigMap" | "Secret")
            );
            let options = options.read().unwrap_or_else(PoisonError::into_inner);
            if ours {
                Content::Full
            } else if options.excludes(group, name, &server) {
                Content::None
            } else if defaults.excludes(group, name, &server) {
                Content::Full
            } else {
                default_content(kind)
            }
        })
    }
}

/// How long a command that prints credentials may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

async fn connect(
    secret: Object,
    pod: PodAccess,
    commands: Commands,
    reading: Reading,
) -> Result<(Cluster, Arc<dyn Target>), String> {
    let told = |error: &dyn Error| gitops::error_chain(error);
    let described = ClusterSecret::parse(&secret).map_err(|error| told(&error))?;
    let config = described
        .config_in(&pod, commands)
        .await
        .map_err(|error| told(&error))?;
    let options = described.options(reading.options(&described.server));
    // A command may be run for the credentials, which nobody else waits for.
    let connecting = tokio::task::spawn_blocking(move || KubeTarget::connect(config, options));
    let target = tokio::time::timeout(COMMAND_LIMIT, connecting)
        .await
        .map_err(|_| {
            let seconds = COMMAND_LIMIT.as_secs();
            format!(
                "the command that prints the credentials of {} took longer than {seconds}s",
                described.server
            )
        })?
        .map_err(|error| error.to_string())?
        .map_err(|error| told(&error))?;
    let cluster = Cluster {
        server: described.server.clone(),
        name: described.name.clone(),
    };
    Ok((cluster, Arc::new(target)))
}
