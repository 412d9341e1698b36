//! An engine on the simulated cluster of a folder.

use std::error::Error;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gitops::application::{AppProject, Application, ApplicationSource, SyncPolicy, definitions};
use gitops::manifest::{Object, Value, objects, yaml::ParseOptions};
use gitops::memory::{MemoryOptions, MemoryTarget, SimClock};
use gitops::source::{ChartOptions, ChartSource, GitOptions, GitSource};
use gitops::{
    ApplicationId, ApplyOptions, Charts, Clock, Engine, HelmRenderer, KustomizeRenderer, Next,
    RedbStore, RemoteBases, Sources, SystemClock, Target, kept_seed,
};

use crate::args::{State, Which};
use crate::commands::template::locate::proxy;
use crate::folder::FolderSource;
use crate::output::{Paint, Progress};

/// How long the simulated cluster may take to come to rest; it takes no time of ours.
pub(crate) const LIMIT: Duration = Duration::from_secs(3600);

/// An engine, and the cluster that it works on.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    pub(crate) target: MemoryTarget,
    pub(crate) clock: SimClock,
    cluster: PathBuf,
}

fn describe<E: Error + 'static>(what: String) -> impl FnOnce(E) -> Box<dyn Error> {
    move |error| format!("{what}: {error}").into()
}

impl Session {
    /// Opens the folder of a cluster, or makes it.
    pub(crate) fn open(state: &State, progress: Option<Paint>) -> Result<Self, Box<dyn Error>> {
        let folder = &state.state;
        fs::create_dir_all(folder)
            .map_err(describe(format!("cannot make {}", folder.display())))?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
        let clock = SimClock::starting_at(SystemClock.now());
        let cluster = folder.join("cluster.json");
        let known = load(&cluster)?;
        let fresh = known.is_empty();
        let mut options = MemoryOptions::default();
        options.seed = u64::try_from(SystemClock.now().as_micros()).unwrap_or(0);
        let target = MemoryTarget::restore(Arc::new(clock.clone()), &options, known);
        let mut git = GitOptions::default();
        git.git_program = Some(PathBuf::from("git"));
        let git = GitSource::with_options(folder.join("mirrors"), git);
        let mut fetching = ChartOptions::default();
        fetching.proxy = proxy();
        let charts = ChartSource::with_options(folder.join("charts"), fetching);
        let bases = RemoteBases::new(git.clone()).with_files(charts.clone());
        let sources = Sources::new()
            .with(Arc::new(FolderSource))
            .with(Arc::new(charts.clone()))
            .with(Arc::new(git));
        // Charts may draw passwords: nobody is to guess what they are drawn from.
        let drawn = || RandomState::new().build_hasher().finish();
        let seed = kept_seed(&folder.join("seed"), drawn)?;
        let store = RedbStore::open(folder.join("state.redb"))?;
        let mut builder = Engine::builder(sources, target.clone(), store)
            .clock(clock.clone())
            .renderer(
                KustomizeRenderer::default()
                    .with_remote(bases)
                    .with_helm(Charts::new(seed).with_loader(charts.clone())),
            )
            .renderer(HelmRenderer::new(seed).with_loader(charts));
        if let Some(paint) = progress {
            builder = builder.observer(Progress::new(paint));
        }
        let session = Self {
            engine: builder.build(),
            target,
            clock,
            cluster,
        };
        if fresh {
            session.prepare()?;
        }
        Ok(session)
    }

    /// Gives a new cluster the kinds that applications of applications need.
    fn prepare(&self) -> Result<(), Box<dyn Error>> {
        let namespace = serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
        let mut prepared = vec![Object::try_from(namespace)?];
        prepared.extend(definitions());
        self.clock.run(async {
            for object in &prepared {
                self.target
                    .apply(object, &ApplyOptions::server_side("gitops"))
                    .await?;
            }
            self.clock.sleep(Duration::from_secs(5)).await;
            Ok(())
        })
    }

    /// Keeps the cluster as it is now.
    pub(crate) fn save(&self) -> Result<(), Box<dyn Error>> {
        let list = Value::Array(self.target.objects().iter().map(Object::to_value).collect());
        let temporary = self.cluster.with_extension("json.new");
        fs::write(&temporary, list.to_json())?;
        fs::rename(&temporary, &self.cluster)?;
        Ok(())
    }

    /// Takes over the application that the arguments name.
    pub(crate) fn application(&self, which: &Which) -> Result<ApplicationId, Box<dyn Error>> {
        if let Some(file) = &which.file {
            return self.application_of(file);
        }
        let repo = absolute(&which.repo)?;
        let name = if which.name.is_empty() {
            name_of(&repo, &which.path)
        } else {
            which.name.clone()
        };
        let source = ApplicationSource::git(repo, &which.path, &which.revision);
        let namespace = which.namespace.as_deref().unwrap_or("default");
        let mut application = Application::new(name, source, namespace);
        let mut policy = SyncPolicy::default();
        policy.sync_options.push("CreateNamespace=true".into());
        application.spec.sync_policy = Some(policy);
        let id = self.engine.set_application(application.clone());
        if which.namespace.is_none()
            && let Some(namespace) = self.common_namespace(&id)?
        {
            application.spec.destination.namespace = namespace;
            self.engine.set_application(application);
        }
        Ok(id)
    }

    /// Returns the namespace that all objects of an application name, where there is such a one.
    fn common_namespace(&self, id: &ApplicationId) -> Result<Option<String>, Box<dyn Error>> {
        let refreshed = self.clock.run(async {
            self.engine.update().await?;
            self.engine.refresh(id).await
        })?;
        let Some(refreshed) = refreshed else {
            return Ok(None);
        };
        let mut names: Vec<&str> = refreshed
            .desired
            .iter()
            .map(Object::namespace)
            .filter(|namespace| !namespace.is_empty())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(match names[..] {
            [one] => Some(one.to_owned()),
            _ => None,
        })
    }

    fn application_of(&self, file: &Path) -> Result<ApplicationId, Box<dyn Error>> {
        let shown = file.display().to_string();
        let text = fs::read_to_string(file).map_err(describe(format!("cannot read {shown}")))?;
        let (found, mistakes) = objects(&shown, &text, &ParseOptions::default());
        if let Some(mistake) = mistakes.first() {
            return Err(mistake.to_string().into());
        }
        let mut id = None;
        for object in found {
            match object.kind() {
                "AppProject" => self.engine.set_project(AppProject::from_object(&object)?),
                "Application" => {
                    for warning in Application::warnings(&object)? {
                        eprintln!("warning: {shown}: {warning}");
                    }
                    id = Some(
                        self.engine
                            .set_application(Application::from_object(&object)?),
                    );
                }
                kind => {
                    return Err(format!(
                        "{shown}: {kind} is neither an Application nor an AppProject"
                    )
                    .into());
                }
            }
        }
        id.ok_or_else(|| format!("{shown} holds no Application").into())
    }

    /// Takes over an application by its name alone, for what needs no source.
    pub(crate) fn by_name(&self, name: &str) -> ApplicationId {
        let source = ApplicationSource::git("unknown", "", "");
        self.engine
            .set_application(Application::new(name, source, "default"))
    }

    /// Lets an application come to rest. `false`: it did not.
    pub(crate) async fn settle(&self, id: &ApplicationId) -> Result<bool, Box<dyn Error>> {
        let begin = self.clock.now();
        loop {
            self.engine.update().await?;
            let next = self.engine.reconcile(id).await?;
            let health = self.engine.status(id).unwrap_or_default().health.status;
            if next == Next::Idle && health != "Progressing" {
                return Ok(true);
            }
            if self.clock.now().since(begin) > LIMIT {
                return Ok(false);
            }
            let wait = match next {
                Next::After(wait) => wait,
                Next::Idle => Duration::from_secs(1),
            };
            self.clock.sleep(wait.max(Duration::from_millis(100))).await;
        }
    }

    /// Says how an application stands; returns the exit code.
    pub(crate) fn verdict(&self, id: &ApplicationId, paint: Paint) -> u8 {
        let status = self.engine.status(id).unwrap_or_default();
        let failed = status
            .operation_state
            .as_ref()
            .is_some_and(|state| state.phase.is_completed() && !state.phase.is_successful());
        println!(
            "{} {} {}",
            paint.bold(&id.name),
            status.sync.status,
            paint.health(&status.health.status)
        );
        for condition in &status.conditions {
            println!("  {}: {}", condition.kind, condition.message);
        }
        u8::from(failed || status.health.status == "Degraded")
    }
}

fn load(file: &Path) -> Result<Vec<Object>, Box<dyn Error>> {
    match fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_err(describe(format!(
            "{} is damaged; remove it to begin anew",
            file.display()
        )))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("cannot read {}: {error}", file.display()).into()),
    }
}

/// Makes the path of a local repository absolute: its name must not depend on where one stands. A folder within a
/// repository stands for the repository only where it is its root.
fn absolute(repo: &str) -> Result<String, Box<dyn Error>> {
    let is_address = repo.contains("://") || (repo.contains(':') && !Path::new(repo).exists());
    if is_address {
        return Ok(repo.to_owned());
    }
    let path = fs::canonicalize(repo).map_err(describe(format!("{repo} is no folder")))?;
    Ok(path.display().to_string())
}

fn name_of(repo: &str, path: &str) -> String {
    let part = |text: &str| {
        text.trim_matches('/')
            .rsplit(['/', ':'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let name = if part(path).is_empty() {
        part(repo)
    } else {
        part(path)
    };
    let name: String = name
        .trim_end_matches(".git")
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() {
        "application".to_owned()
    } else {
        name.to_owned()
    }
}
