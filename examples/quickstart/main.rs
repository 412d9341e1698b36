//! A Git repository, brought to a cluster in memory and kept there.
//!
//! `cargo run --release -p gitops-examples --example quickstart` makes a repository of `examples/infrastructure` and shows the main
//! job: deploy, follow a commit, revert drift, prune, degrade, roll back. Every step is verified; the exit code is
//! 0 only if all were. `-- --repo URL --path P [--revision R]` runs on any other repository.
//!
//! The cluster is `gitops::memory::MemoryTarget`, and its time is simulated: minutes pass in milliseconds.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod repository;
mod screen;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gitops::application::{Application, ApplicationSource, SyncStatusCode, definitions};
use gitops::manifest::{Object, ObjectKey, Value, objects, yaml::ParseOptions};
use gitops::memory::{MemoryTarget, SimClock};
use gitops::source::{GitOptions, GitSource};
use gitops::{
    ApplicationId, ApplyOptions, Clock, Engine, KustomizeRenderer, Observer, RedbStore,
    SyncRequest, Target,
};
use repository::DemoRepository;
use screen::Screen;

/// How long the simulated cluster may take to come to rest.
const LIMIT: Duration = Duration::from_secs(1800);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

struct Demo {
    engine: Engine,
    target: MemoryTarget,
    clock: SimClock,
    screen: Arc<Screen>,
    failures: std::cell::Cell<usize>,
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("\n{failures} steps did not go as they should");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("  caused by: {source}");
                cause = source.source();
            }
            ExitCode::from(2)
        }
    }
}

const USAGE: &str = "usage: quickstart [--repo URL --path PATH [--revision REVISION]]";

fn run() -> Result<usize> {
    let mut arguments = std::env::args().skip(1);
    let (mut repo, mut path, mut revision) = (None, String::new(), String::new());
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or(format!("{argument} wants a value; {USAGE}"))
        };
        match argument.as_str() {
            "--repo" => repo = Some(value()?),
            "--path" => path = value()?,
            "--revision" => revision = value()?,
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(0);
            }
            other => return Err(format!("unknown argument {other:?}; {USAGE}").into()),
        }
    }
    let folder = tempfile::tempdir()?;
    let demo = Demo::new(folder.path())?;
    let clock = demo.clock.clone();
    clock.run(async {
        match repo {
            Some(repo) => demo.own(repo, path, revision).await?,
            None => demo.shop(&folder.path().join("infrastructure")).await?,
        }
        Ok(demo.failures.get())
    })
}

impl Demo {
    fn new(folder: &Path) -> Result<Self> {
        let clock = SimClock::new();
        let target = MemoryTarget::new(Arc::new(clock.clone()));
        let screen = Arc::new(Screen::new(clock.now()));
        let mut options = GitOptions::default();
        options.fresh_for = Duration::ZERO;
        options.git_program = Some(PathBuf::from("git"));
        let source = GitSource::with_options(folder.join("mirrors"), options);
        let store = RedbStore::open(folder.join("state.redb"))?;
        let observer = Arc::clone(&screen);
        let engine = Engine::builder(source, target.clone(), store)
            .clock(clock.clone())
            .renderer(KustomizeRenderer::default())
            .observer(move |event: &gitops::Event| observer.observe(event))
            .build();
        Ok(Self {
            engine,
            target,
            clock,
            screen,
            failures: std::cell::Cell::new(0),
        })
    }

    fn verify(&self, what: &str, holds: bool) {
        if holds {
            self.screen.done(what);
        } else {
            self.screen.failed(what);
            self.failures.set(self.failures.get() + 1);
        }
    }

    async fn apply(&self, object: &Object) -> Result {
        self.target
            .apply(object, &ApplyOptions::server_side("quickstart"))
            .await?;
        Ok(())
    }

    async fn settle(&self) -> Result {
        if !self.engine.settle(LIMIT).await? {
            self.verify("the cluster comes to rest", false);
        }
        Ok(())
    }

    fn stands(&self, id: &ApplicationId) -> (SyncStatusCode, String) {
        let status = self.engine.status(id).unwrap_or_default();
        (status.sync.status, status.health.status)
    }

    fn is_well(&self, id: &ApplicationId) -> bool {
        self.stands(id) == (SyncStatusCode::Synced, "Healthy".into())
    }

    fn image(&self, key: &ObjectKey) -> Option<String> {
        let object = self.target.object(key)?;
        let containers = object.at(&["spec", "template", "spec", "containers"])?;
        containers
            .pointer("/0/image")
            .and_then(Value::as_str)
            .map(str::to_owned)
    }

    /// The demonstration on `examples/infrastructure`.
    async fn shop(&self, folder: &Path) -> Result {
        let infrastructure = Path::new(env!("CARGO_MANIFEST_DIR")).join("infrastructure");
        let git = DemoRepository::create(&infrastructure, folder)?;
        self.deploy(&git).await?;
        self.follow_a_commit(&git).await?;
        self.revert_drift().await?;
        self.prune(&git).await?;
        self.roll_back(&git).await?;
        self.history().await?;
        println!("\nOn your own repository:");
        println!(
            "  cargo run --release -p gitops-examples --example quickstart -- --repo URL --path PATH"
        );
        println!("Or from the command line, with the cluster kept in a folder:");
        println!("  cargo run --release -p gitops-cli -- sync --repo URL --path PATH");
        Ok(())
    }

    async fn deploy(&self, git: &DemoRepository) -> Result {
        self.screen
            .title("1. From a Git repository to healthy applications");
        let namespace = serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
        self.apply(&Object::try_from(namespace)?).await?;
        for definition in definitions() {
            self.apply(&definition).await?;
        }
        self.clock.sleep(Duration::from_secs(2)).await;
        // All that is applied by hand: the application of applications.
        let (root, _) = objects(
            "root.yaml",
            &git.read("argocd/root.yaml")?,
            &ParseOptions::default(),
        );
        for object in &root {
            self.apply(object).await?;
        }
        self.settle().await?;
        let applications = self.engine.applications();
        println!();
        println!(
            "  {:<22}{:<12}{:<12}OBJECTS",
            "APPLICATION", "SYNC", "HEALTH"
        );
        for id in &applications {
            let (sync, health) = self.stands(id);
            let objects = self.engine.status(id).unwrap_or_default().resources.len();
            println!("  {:<22}{sync:<12}{health:<12}{objects}", id.name);
        }
        self.verify(
            "the root application brought four others",
            applications.len() == 5,
        );
        self.verify(
            "all are synced and healthy",
            applications.iter().all(|id| self.is_well(id)),
        );
        let migrations = self
            .target
            .objects()
            .iter()
            .filter(|o| o.kind() == "Job")
            .count();
        self.verify("both migrations ran before their backends", migrations == 2);
        Ok(())
    }

    async fn follow_a_commit(&self, git: &DemoRepository) -> Result {
        self.screen.title("2. A commit bumps an image tag");
        let id = ApplicationId::new("argocd", "backend-staging");
        let file = "apps/staging/backend/kustomization.yaml";
        let commit = git.replace(file, "2.5.0-rc.1", "2.5.0", "Release backend 2.5.0")?;
        self.settle().await?;
        let key = ObjectKey::new("apps", "Deployment", "backend-staging", "backend");
        let image = self.image(&key).unwrap_or_default();
        self.verify(
            &format!("{commit} is rolled out: {image}"),
            image.ends_with(":2.5.0"),
        );
        self.verify("backend-staging is healthy with it", self.is_well(&id));
        Ok(())
    }

    async fn revert_drift(&self) -> Result {
        self.screen
            .title("3. Somebody changes a live object by hand");
        let key = ObjectKey::new("apps", "Deployment", "frontend-production", "frontend");
        let replicas = || {
            let object = self.target.object(&key)?;
            object.at(&["spec", "replicas"]).and_then(Value::as_i64)
        };
        self.target.edit(&key, |object| {
            object
                .as_map_mut()
                .entry_object("spec")
                .insert("replicas", 1);
        })?;
        self.verify("the deployment is scaled down to 1", replicas() == Some(1));
        self.settle().await?;
        self.verify(
            "self-heal scales it back to 3, as Git has it",
            replicas() == Some(3),
        );
        let id = ApplicationId::new("argocd", "frontend-production");
        self.verify("frontend-production is healthy", self.is_well(&id));
        Ok(())
    }

    async fn prune(&self, git: &DemoRepository) -> Result {
        self.screen.title("4. An object is removed from Git");
        let folder = "apps/production/backend";
        git.remove(&format!("{folder}/autoscaler.yaml"))?;
        git.replace(
            &format!("{folder}/kustomization.yaml"),
            "  - autoscaler.yaml\n",
            "",
            "Scale backend by hand",
        )?;
        self.settle().await?;
        let key = ObjectKey::new(
            "autoscaling",
            "HorizontalPodAutoscaler",
            "backend-production",
            "backend",
        );
        self.verify(
            "the autoscaler is pruned",
            self.target.object(&key).is_none(),
        );
        let deployment = ObjectKey::new("apps", "Deployment", "backend-production", "backend");
        self.verify(
            "the deployment is still there",
            self.target.object(&deployment).is_some(),
        );
        Ok(())
    }

    async fn roll_back(&self, git: &DemoRepository) -> Result {
        self.screen.title("5. A bad image, and the way back");
        let id = ApplicationId::new("argocd", "frontend-production");
        let key = ObjectKey::new("apps", "Deployment", "frontend-production", "frontend");
        let good = self.image(&key);
        let file = "apps/production/frontend/kustomization.yaml";
        git.replace(file, "1.9.2", "1.9.3-bad", "Release frontend 1.9.3")?;
        self.settle().await?;
        let health = self.stands(&id).1;
        self.verify(
            &format!("frontend-production is {health}"),
            health == "Degraded",
        );
        let entry = self.engine.rollback(&id, None, "quickstart").await?;
        let begin = self.clock.now();
        self.settle().await?;
        let seconds = self.clock.now().since(begin).as_secs();
        let short: String = entry.revision().chars().take(7).collect();
        self.verify(
            &format!("rolled back to {short} from stored objects, healthy after {seconds}s"),
            self.image(&key) == good && self.is_well(&id),
        );
        self.settle().await?;
        self.verify(
            "the bad revision is not synced again",
            self.image(&key) == good,
        );
        git.replace(file, "1.9.3-bad", "1.9.4", "Release frontend 1.9.4")?;
        self.settle().await?;
        let image = self.image(&key).unwrap_or_default();
        self.verify(
            &format!("the next commit is: {image}"),
            image.ends_with(":1.9.4") && self.is_well(&id),
        );
        Ok(())
    }

    async fn history(&self) -> Result {
        self.screen.title("6. History");
        println!(
            "  {:<22}{:<5}{:<10}{:<22}BY",
            "APPLICATION", "ID", "REVISION", "DEPLOYED AT"
        );
        for id in self.engine.applications() {
            for entry in self.engine.history_of(&id).await? {
                let revision: String = entry.revision().chars().take(7).collect();
                let by = match &entry.initiated_by {
                    by if by.automated => "automated".to_owned(),
                    by => by.username.clone(),
                };
                let note = match entry.rollback_of {
                    Some(entry) => format!("rollback to {entry}"),
                    None => String::new(),
                };
                let at = entry.deployed_at.to_second();
                println!(
                    "  {:<22}{:<5}{revision:<10}{at:<22}{by:<14}{note}",
                    id.name, entry.id
                );
            }
        }
        let id = ApplicationId::new("argocd", "frontend-production");
        let entries = self.engine.history_of(&id).await?;
        let rollbacks = entries
            .iter()
            .filter(|entry| entry.rollback_of.is_some())
            .count();
        self.verify("the history knows the rollback", rollbacks == 1);
        Ok(())
    }

    /// Runs on somebody's own repository.
    async fn own(&self, repo: String, path: String, revision: String) -> Result {
        self.screen.title(&format!("{repo} {path}"));
        let source = ApplicationSource::git(repo, path, revision);
        let mut application = Application::new("own", source, "default");
        let mut policy = gitops::application::SyncPolicy::default();
        policy.sync_options.push("CreateNamespace=true".into());
        application.spec.sync_policy = Some(policy);
        let id = self.engine.set_application(application);
        self.engine
            .sync(&id, &SyncRequest::by("quickstart"))
            .await?;
        self.settle().await?;
        let status = self.engine.status(&id).unwrap_or_default();
        println!();
        for resource in &status.resources {
            let sync = resource
                .status
                .map(|status| status.to_string())
                .unwrap_or_default();
            let health = resource
                .health
                .as_ref()
                .map(|health| health.status.as_str())
                .unwrap_or("");
            let (kind, name) = (&resource.kind, &resource.name);
            println!("  {sync:<11}{health:<13}{kind}/{name}");
        }
        for condition in &status.conditions {
            println!("  {}: {}", condition.kind, condition.message);
        }
        let synced = status.sync.status == SyncStatusCode::Synced;
        self.verify(
            &format!("it is {}, {}", status.sync.status, status.health.status),
            synced,
        );
        Ok(())
    }
}
