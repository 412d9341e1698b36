use std::fs;
use std::path::Path;
use std::sync::Arc;

use gitops::kustomize::{
    self, BuildErrors, BuildOptions, HelmRenderer, HelmRequest, LoadRestrictor,
};
use gitops::manifest::{DirTree, FileTree};
use gitops::source::{ChartOptions, ChartSource, GitOptions, GitSource};
use gitops::{Charts, RemoteBases};

use crate::Outcome;
use crate::args::{Build, Reorder, Restrictor};
use crate::commands::template::locate::{cache, proxy};
use crate::functions::Functions;

/// Renders charts, and says which, if asked to.
struct DebugCharts {
    charts: Charts,
    debug: bool,
}

impl HelmRenderer for DebugCharts {
    fn render(&self, tree: &dyn FileTree, request: &HelmRequest) -> Result<String, String> {
        if self.debug {
            eprintln!(
                "rendering the chart {} as {} in {:?} with the values {}",
                request.chart,
                request.release_name,
                request.namespace,
                request.values.to_json()
            );
        }
        self.charts.render(tree, request)
    }
}

/// Returns the top of the repository that a folder is in; the root of the file system where it is in none.
pub(crate) fn repository_root(folder: &Path) -> &Path {
    folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())
        .or_else(|| folder.ancestors().last())
        .unwrap_or(Path::new("/"))
}

/// Tells the mistakes of a build, with paths from the folder that the command is run in, or whole ones.
fn told(errors: BuildErrors, root: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let here = here.unwrap_or_default();
    let shown = |file: &Arc<str>| -> Arc<str> {
        // Files of remote repositories have the address before them.
        if file.contains("//") {
            return file.clone();
        }
        let path = root.join(&**file);
        match path.strip_prefix(&here) {
            Ok(path) if path.as_os_str().is_empty() => ".".into(),
            Ok(path) => path.display().to_string().into(),
            Err(_) => path.display().to_string().into(),
        }
    };
    let lines = errors.into_iter().map(|mut error| {
        if let Some(place) = &mut error.place {
            place.file = shown(&place.file);
        }
        for folder in &mut error.chain {
            *folder = shown(folder);
        }
        error.to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn run(args: &Build) -> Outcome {
    let folder = fs::canonicalize(&args.folder)
        .map_err(|error| format!("{} cannot be read: {error}", args.folder.display()))?;
    // Bases may lie outside the folder, as for kustomize: the tree is the file system from the top of the
    // repository, or all of it.
    let root = repository_root(&folder);
    let tree = DirTree::open(root)?;
    let path = folder.strip_prefix(root)?.display().to_string();
    let mut options = BuildOptions::default();
    options.load_restrictor = match args.load_restrictor {
        Restrictor::RootOnly => LoadRestrictor::RootOnly,
        Restrictor::None => LoadRestrictor::None,
    };
    options.reorder = args.reorder.map(|reorder| match reorder {
        Reorder::None => kustomize::Reorder::None,
        Reorder::Legacy => kustomize::Reorder::Legacy,
    });
    options.managed_by_label = args.enable_managedby_label
        || std::env::var_os("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL").is_some_and(|on| on == "on");
    options.enable_helm = args.enable_helm || args.enable_alpha_plugins;
    let mut fetching = ChartOptions::default();
    fetching.proxy = proxy();
    let client = ChartSource::with_options(cache(), fetching);
    let charts = DebugCharts {
        charts: Charts::default().with_loader(client.clone()),
        debug: args.helm_debug,
    };
    options.helm = Some(&charts);
    if args.helm_command != "helm" {
        eprintln!("--helm-command is not used: charts are rendered in process");
    }
    let functions = Functions::new(root.to_owned(), args);
    options.enable_functions = args.enable_alpha_plugins;
    options.functions = Some(&functions);
    options
        .helm_kube_version
        .clone_from(&args.helm_kube_version);
    options
        .helm_api_versions
        .clone_from(&args.helm_api_versions);
    let mut git = GitOptions::default();
    git.git_program = Some("git".into());
    let mirrors = std::env::temp_dir().join("gitops-mirrors");
    let bases = RemoteBases::new(GitSource::with_options(mirrors, git)).with_files(client);
    options.remote = Some(&bases);
    let built = kustomize::build(&tree, &path, &options).map_err(|errors| told(errors, root))?;
    for warning in &built.warnings {
        eprintln!("{warning}");
    }
    match &args.output {
        None => print!("{}", built.to_yaml()),
        Some(folder) if folder.is_dir() => {
            for (name, text) in built.to_files() {
                fs::write(folder.join(name), text)?;
            }
        }
        Some(file) => fs::write(file, built.to_yaml())?,
    }
    // The process ends, and takes the memory along faster than piece by piece.
    std::mem::forget(built);
    Ok(0)
}
