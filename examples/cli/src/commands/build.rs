use std::fs;
use std::path::Path;

use gitops::kustomize::{self, BuildOptions, LoadRestrictor};
use gitops::manifest::{DirTree, Value, yaml};
use gitops::source::{GitOptions, GitSource};
use gitops::{Charts, RemoteBases};

use crate::Outcome;
use crate::args::{Build, Reorder, Restrictor};

pub(crate) fn run(args: &Build) -> Outcome {
    let folder = fs::canonicalize(&args.folder)
        .map_err(|error| format!("{} cannot be read: {error}", args.folder.display()))?;
    // Bases may lie outside the folder, as for kustomize: the tree is the file system from the top of the
    // repository, or all of it.
    let root = folder
        .ancestors()
        .find(|folder| folder.join(".git").exists())
        .or_else(|| folder.ancestors().last())
        .unwrap_or(Path::new("/"));
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
    options.managed_by_label = args.enable_managedby_label;
    options.enable_helm = args.enable_helm;
    options.helm = Some(&Charts);
    options
        .helm_kube_version
        .clone_from(&args.helm_kube_version);
    options
        .helm_api_versions
        .clone_from(&args.helm_api_versions);
    let mut git = GitOptions::default();
    git.git_program = Some("git".into());
    let mirrors = std::env::temp_dir().join("gitops-mirrors");
    let bases = RemoteBases::new(GitSource::with_options(mirrors, git));
    options.remote = Some(&bases);
    let built = kustomize::build(&tree, &path, &options)?;
    for warning in &built.warnings {
        eprintln!("{warning}");
    }
    match &args.output {
        None => print!("{}", built.to_yaml()),
        Some(folder) if folder.is_dir() => {
            for object in &built.objects {
                let group = object.api_version().replace('/', "_").to_lowercase();
                let name = format!(
                    "{group}_{}_{}.yaml",
                    object.kind().to_lowercase(),
                    object.name()
                );
                let text = yaml::emit(&Value::from(object.clone()), &yaml::EmitOptions::default());
                fs::write(folder.join(name), text)?;
            }
        }
        Some(file) => fs::write(file, built.to_yaml())?,
    }
    Ok(0)
}
