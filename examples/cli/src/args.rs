//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Renders, compares, syncs and rolls back Kubernetes applications from Git.
#[derive(Parser)]
#[command(name = "gitops", version, propagate_version = true)]
pub(crate) struct Cli {
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Render a kustomization, as `kustomize build` does.
    #[command(after_help = "Example:\n  gitops build apps/production/backend")]
    Build(Build),
    /// Render a chart, as `helm template` does, with its flags, output and exit codes.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  gitops template shop ./charts/shop -f production.yaml -n shop"
    )]
    Template {
        /// The arguments of `helm template`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Change a kustomization file, as `kustomize edit` does; comments and the order of the file stay.
    #[command(
        after_help = "Example:\n  gitops edit set image web=registry.example.com/web:2.1.0\n  gitops edit add resource web.yaml\n  gitops edit fix"
    )]
    Edit(Edit),
    /// Show how live state differs from what is desired. Exits with 0 where nothing does, with 1 where something does.
    #[command(after_help = "Example:\n  gitops diff --repo . --path apps/production/backend")]
    Diff(Diff),
    /// Work out what a sync would do, for reviewing it and carrying it out later.
    #[command(
        after_help = "Example:\n  gitops plan --repo . --path apps/production/backend -o plan.json\n  gitops apply plan.json"
    )]
    Plan(Plan),
    /// Carry out a plan: exactly what it says, or nothing where live state has moved.
    #[command(after_help = "Example:\n  gitops apply plan.json")]
    Apply(Apply),
    /// Take live state to what is desired.
    #[command(
        after_help = "Example:\n  gitops sync --repo https://git.example.com/shop.git --path apps/staging/web --prune"
    )]
    Sync(Sync),
    /// Follow an application: sync it whenever its source changes, until interrupted or for a number of rounds.
    #[command(
        after_help = "Example:\n  gitops watch --repo . --path apps/staging/web --interval 5"
    )]
    Watch(Watch),
    /// Show how the objects of an application are doing, and why. Exits with 1 where they are not well.
    #[command(after_help = "Example:\n  gitops health --repo . --path apps/staging/web")]
    Health(Show),
    /// Show the objects of an application with everything that they own.
    #[command(after_help = "Example:\n  gitops tree --repo . --path apps/staging/web")]
    Tree(Show),
    /// Show the syncs that succeeded.
    #[command(after_help = "Example:\n  gitops history --name web")]
    History(History),
    /// Bring back what an earlier sync applied. No repository is asked.
    #[command(
        after_help = "Example:\n  gitops rollback --name web       # the last that was healthy\n  gitops rollback --name web 3"
    )]
    Rollback(Rollback),
    /// Print a script that completes the words of this command in a shell.
    #[command(after_help = "Example:\n  gitops completions bash > /etc/bash_completion.d/gitops")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Which application.
#[derive(Args)]
pub(crate) struct Which {
    /// The repository: an address, a path, or `.` for the folder one is in.
    #[arg(long, default_value = ".")]
    pub(crate) repo: String,
    /// The folder within the repository.
    #[arg(long, default_value = "")]
    pub(crate) path: String,
    /// The branch, tag, commit or range of versions.
    #[arg(long, default_value = "")]
    pub(crate) revision: String,
    /// The namespace for objects that name none. Where it is not given it is the one that all objects name, if there
    /// is such a one, else `default`.
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
    /// The name of the application; the last part of the path where it is not given.
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// A file with an `Application`, and projects if any, instead of the above.
    #[arg(long, short)]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: State,
}

/// Where the cluster is.
#[derive(Args)]
pub(crate) struct State {
    /// The folder that keeps the simulated cluster, the history and the mirrors of repositories.
    #[arg(long, default_value = ".gitops", env = "GITOPS_STATE")]
    pub(crate) state: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Restrictor {
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    #[value(name = "LoadRestrictionsNone")]
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reorder {
    None,
    Legacy,
}

#[derive(Args)]
pub(crate) struct Build {
    /// The folder of the kustomization.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Which files a kustomization may read.
    #[arg(long, value_enum, default_value_t = Restrictor::RootOnly)]
    pub(crate) load_restrictor: Restrictor,
    /// The order of the output.
    #[arg(long, value_enum)]
    pub(crate) reorder: Option<Reorder>,
    /// Whether all resources get the label app.kubernetes.io/managed-by.
    #[arg(long)]
    pub(crate) enable_managedby_label: bool,
    /// Render helmCharts.
    #[arg(long)]
    pub(crate) enable_helm: bool,
    /// The version of Kubernetes that charts are told.
    #[arg(long, default_value = "")]
    pub(crate) helm_kube_version: String,
    /// The API versions that charts are told, besides Helm's own.
    #[arg(long)]
    pub(crate) helm_api_versions: Vec<String>,
    /// The program that kustomize renders charts with. Charts are rendered in process here, and it is not started.
    #[arg(long, default_value = "helm")]
    pub(crate) helm_command: String,
    /// Say which charts are rendered, and with what.
    #[arg(long)]
    pub(crate) helm_debug: bool,
    /// Run functions: generators and transformers in containers, and with --enable-exec in programs.
    #[arg(long)]
    pub(crate) enable_alpha_plugins: bool,
    /// Let functions be programs of this machine. Not for kustomizations that are not trusted.
    #[arg(long)]
    pub(crate) enable_exec: bool,
    /// A variable for functions: `KEY=value`, or for containers also `KEY`.
    #[arg(long, short)]
    pub(crate) env: Vec<String>,
    /// What is mounted into the containers of functions: `type=bind,src=…,dst=…,rw=true`.
    #[arg(long)]
    pub(crate) mount: Vec<String>,
    /// Let functions that ask for the network have it.
    #[arg(long)]
    pub(crate) network: bool,
    /// The network of containers. As in kustomize it changes nothing: they get the host's or none.
    #[arg(long, default_value = "bridge")]
    pub(crate) network_name: String,
    /// Run containers as the present user, and not as nobody.
    #[arg(long)]
    pub(crate) as_current_user: bool,
    /// A file, or a folder for a file per resource, instead of the standard output.
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Print one line an object.
    #[arg(long, short)]
    pub(crate) summary: bool,
    /// Print why each field differs, and the rule that would leave it out.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print in two columns: live on the left, what would be on the right.
    #[arg(long)]
    pub(crate) side_by_side: bool,
    /// How many columns there are.
    #[arg(long, default_value_t = 120)]
    pub(crate) width: usize,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Delete what is gone from the source.
    #[arg(long)]
    pub(crate) prune: bool,
    /// Write the plan to a file. It holds Secrets in clear.
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Apply {
    /// The plan.
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) state: State,
}

#[derive(Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Delete what is gone from the source.
    #[arg(long)]
    pub(crate) prune: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make objects that cannot be changed anew.
    #[arg(long)]
    pub(crate) force: bool,
    /// Options such as Replace=true.
    #[arg(long = "sync-option")]
    pub(crate) sync_options: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Delete what is gone from the source.
    #[arg(long)]
    pub(crate) prune: bool,
    /// How many seconds to wait between two looks at the source.
    #[arg(long, default_value_t = 10)]
    pub(crate) interval: u64,
    /// How often to look; without end where it is not given.
    #[arg(long)]
    pub(crate) rounds: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args)]
pub(crate) struct History {
    /// The application.
    #[arg(long)]
    pub(crate) name: String,
    /// The form of the output.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) state: State,
}

#[derive(Args)]
pub(crate) struct Rollback {
    /// The history entry; the last healthy one before the present where it is not given.
    pub(crate) entry: Option<i64>,
    /// The application.
    #[arg(long)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) state: State,
}

#[derive(Args)]
pub(crate) struct Edit {
    /// The folder of the kustomization.
    #[arg(long, default_value = ".", global = true)]
    pub(crate) folder: PathBuf,
    #[command(subcommand)]
    pub(crate) command: EditCommand,
}

#[derive(Subcommand)]
pub(crate) enum EditCommand {
    /// Set a value.
    Set {
        #[command(subcommand)]
        what: SetEntry,
    },
    /// Add an entry.
    Add {
        #[command(subcommand)]
        what: AddEntry,
    },
    /// Remove an entry.
    Remove {
        #[command(subcommand)]
        what: RemoveEntry,
    },
    /// Bring deprecated fields into their present form.
    Fix {
        /// Turn variables into replacements too. Files that hold variables change; look at what comes out of it.
        #[arg(long)]
        vars: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum SetEntry {
    /// Images: `name=newName:newTag@digest`, parts left out at will; `*` keeps what is there.
    Image {
        #[arg(required = true)]
        images: Vec<String>,
    },
    /// The namespace of all resources.
    Namespace { namespace: String },
    /// The prefix of all names.
    Nameprefix {
        #[arg(allow_hyphen_values = true)]
        prefix: String,
    },
    /// The suffix of all names.
    Namesuffix {
        #[arg(allow_hyphen_values = true)]
        suffix: String,
    },
    /// Replicas: `name=count`.
    Replicas {
        #[arg(required = true)]
        replicas: Vec<String>,
    },
    /// Labels: `key:value`.
    Label(Pairs),
    /// Annotations: `key:value`.
    Annotation(Pairs),
    /// The options of buildMetadata: those and no others.
    Buildmetadata(Options),
    /// Literals of a generator of a ConfigMap, or its namespace.
    Configmap(SetGenerator),
    /// Literals of a generator of a Secret, or its namespace.
    Secret(SetGenerator),
}

#[derive(Subcommand)]
pub(crate) enum AddEntry {
    /// Resources: paths, patterns of the shell, addresses.
    Resource {
        #[arg(required = true)]
        paths: Vec<String>,
        /// Take paths as they are said, whether they are there or not.
        #[arg(long)]
        no_verify: bool,
    },
    /// Bases; they go into resources.
    Base(Paths),
    /// Components.
    Component(Paths),
    /// Files of transformer configurations.
    Configuration(Paths),
    /// Files of generators.
    Generator(Paths),
    /// Files of transformers.
    Transformer(Paths),
    /// A patch.
    #[command(disable_version_flag = true)]
    Patch(PatchArgs),
    /// Labels: `key:value`.
    Label(Labels),
    /// Annotations: `key:value`.
    Annotation {
        #[command(flatten)]
        pairs: Pairs,
        /// Take the place of one that is there.
        #[arg(long, short)]
        force: bool,
    },
    /// Options of buildMetadata.
    Buildmetadata(Options),
    /// A generator of a ConfigMap.
    Configmap(Generator),
    /// A generator of a Secret.
    Secret(Generator),
}

#[derive(Subcommand)]
pub(crate) enum RemoveEntry {
    /// Resources, by path or pattern.
    Resource(Paths),
    /// Components, by path or pattern.
    Component(Paths),
    /// Files of transformers, by path or pattern.
    Transformer(Paths),
    /// A patch.
    #[command(disable_version_flag = true)]
    Patch(PatchArgs),
    /// Labels, by key.
    Label(Keys),
    /// Annotations, by key.
    Annotation(Keys),
    /// Options of buildMetadata.
    Buildmetadata(Options),
    /// Generators of ConfigMaps, by name.
    Configmap(Names),
    /// Generators of Secrets, by name.
    Secret(Names),
}

#[derive(Args)]
pub(crate) struct Paths {
    /// Paths; several are separated by blanks or commas.
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) paths: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Options {
    /// originAnnotations, transformerAnnotations, managedByLabel; several are separated by commas.
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) options: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Pairs {
    /// `key:value`; several are separated by blanks or commas.
    #[arg(required = true)]
    pub(crate) pairs: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Keys {
    /// Keys; several are separated by commas.
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) keys: Vec<String>,
    /// Say nothing of those that are not there.
    #[arg(long, short)]
    pub(crate) ignore_non_existence: bool,
}

#[derive(Args)]
pub(crate) struct Names {
    /// Names; several are separated by commas.
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) names: Vec<String>,
    /// The namespace.
    #[arg(long, default_value = "")]
    pub(crate) namespace: String,
}

#[derive(Args)]
pub(crate) struct Labels {
    #[command(flatten)]
    pub(crate) pairs: Pairs,
    /// Leave selectors as they are.
    #[arg(long)]
    pub(crate) without_selector: bool,
    /// Put them into the templates of pods.
    #[arg(long, requires = "without_selector")]
    pub(crate) include_templates: bool,
    /// Take the place of one that is there.
    #[arg(long, short)]
    pub(crate) force: bool,
}

#[derive(Args)]
pub(crate) struct SetGenerator {
    /// The name.
    pub(crate) name: String,
    /// `key=value`, of a key that is there.
    #[arg(long)]
    pub(crate) from_literal: Vec<String>,
    /// The namespace that it has.
    #[arg(long, default_value = "")]
    pub(crate) namespace: String,
    /// The namespace that it is to have.
    #[arg(long, default_value = "")]
    pub(crate) new_namespace: String,
}

#[derive(Args)]
pub(crate) struct PatchArgs {
    /// The file of the patch.
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// The text of the patch.
    #[arg(long)]
    pub(crate) patch: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) version: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) annotation_selector: Option<String>,
    /// Of the target.
    #[arg(long)]
    pub(crate) label_selector: Option<String>,
}

#[derive(Args)]
pub(crate) struct Generator {
    /// The name.
    pub(crate) name: String,
    /// The namespace.
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// create, merge or replace.
    #[arg(long)]
    pub(crate) behavior: Option<String>,
    /// `key=value`.
    #[arg(long)]
    pub(crate) from_literal: Vec<String>,
    /// `path` or `key=path`; the path may be a pattern.
    #[arg(long, value_delimiter = ',')]
    pub(crate) from_file: Vec<String>,
    /// A file of `key=value` lines.
    #[arg(long)]
    pub(crate) from_env_file: Vec<String>,
    /// The type of a Secret.
    #[arg(long)]
    pub(crate) r#type: Option<String>,
    /// Leave the name without a hash.
    #[arg(long = "disableNameSuffixHash")]
    pub(crate) disable_name_suffix_hash: bool,
}
