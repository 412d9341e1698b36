//! `gitops template`: what `helm template` prints.

mod flags;
pub(crate) mod locate;

use std::fs;
use std::io::{Read as _, Write as _};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use gitops::helm::{
    Action, Error, HookEvent, KubeVersion, PostRender, RenderOptions, Rendered, Values,
    release_name, render,
};
use gitops::manifest::{MemoryTree, Value};
use gitops::memory::SimClock;
use gitops::{Clock as _, SystemClock};

use flags::Flags;
use locate::{Located, locate, reason, repositories, source};

const HELP: &str = "Renders a chart and prints its manifests, as `helm template` does.

Usage:
  gitops template [NAME] CHART [flags]

CHART is a folder, a packed chart, an address of one (https://…), a chart of a registry (oci://…), a chart of the
repository that --repo names, or repo/chart of a repository that Helm was told of.

The flags are those of `helm template`. Without a cluster, --validate and --dry-run=server are refused.

Example:
  gitops template shop ./charts/shop -f production.yaml --set image.tag=2.1.0 -n shop
";

/// Carries out a future of a source, which waits by itself.
fn wait<F: Future>(future: F) -> F::Output {
    SimClock::new().run(future)
}

/// Runs the command: prints what Helm prints and ends as Helm ends.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    match template(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("Error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn template(arguments: &[String]) -> Result<(), String> {
    let flags = Flags::parse(arguments)?;
    // A post-renderer that is not there is a mistake of the flag, and told before anything else.
    let post_renderer = PostRenderer::of(&flags)?;
    if flags.is_on("help") {
        print(HELP)?;
        return Ok(());
    }
    if flags.positional.is_empty() {
        return Err(
            "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]"
                .to_owned(),
        );
    }
    refuse(&flags)?;
    let told = |error: Error| error.helm_text();
    let mut options = RenderOptions::default();
    options.seed = entropy();
    let now = SystemClock.now().as_micros();
    let nanos = u32::try_from(now.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    options.now = gitops::helm::Time::from_unix(now.div_euclid(1_000_000), nanos);
    if !flags.text("kube-version").is_empty() {
        options.capabilities.kube_version =
            KubeVersion::parse(flags.text("kube-version")).map_err(told)?;
    }
    locate::credentials(&flags)?;
    let (name, chart) = name_and_chart(&flags, &options)?;
    options.release.name = name;
    let Located { chart, folder } = locate(&flags, &chart)?;
    let values = values(&flags)?;
    let metadata = chart.metadata();
    if !matches!(metadata.kind.as_str(), "" | "application") {
        return Err(told(Error::NotInstallable {
            kind: metadata.kind.clone(),
        }));
    }
    if metadata.deprecated {
        eprintln!("WARNING: This chart is deprecated");
    }
    let chart = if flags.is_on("dependency-update") && !chart.missing_dependencies().is_empty() {
        update_dependencies(&flags, &chart, folder.as_ref())?
    } else {
        chart
    };
    if !matches!(
        flags.text("dry-run"),
        "" | "true" | "false" | "none" | "client"
    ) {
        return Err(
            "Invalid dry-run flag. Flag must one of the following: false, true, none, client, server"
                .to_owned(),
        );
    }
    options.release.namespace = match flags.text("namespace") {
        "" => match std::env::var("HELM_NAMESPACE") {
            Ok(namespace) if !namespace.is_empty() => namespace,
            _ => "default".to_owned(),
        },
        namespace => namespace.to_owned(),
    };
    if flags.is_on("is-upgrade") {
        options.release.action = Action::Upgrade;
    }
    let extra = flags.all("api-versions").map(str::to_owned);
    options.capabilities.api_versions.extend(extra);
    options.include_crds = flags.is_on("include-crds");
    options.no_hooks = flags.is_on("no-hooks");
    options.skip_tests = flags.is_on("skip-tests");
    options.skip_schema_validation = flags.is_on("skip-schema-validation");
    options.subchart_notes = flags.is_on("render-subchart-notes");
    let output = flags.text("output-dir");
    if output.is_empty() {
        options.post_render = post_renderer.clone().map(|p| p as Arc<dyn PostRender>);
    }
    options.on_warning = Some(Arc::new(|warning| eprintln!("{warning}")));
    // The process ends with the render: what it holds need not be given back piece by piece.
    let chart = ManuallyDrop::new(chart);
    let rendered = render(&chart, &values, &options).map(ManuallyDrop::new);
    let rendered = rendered.map_err(|error| hint(&flags, &error))?;
    if output.is_empty() {
        return print(&shown(&flags, &rendered)?);
    }
    let written = write(&flags, &options, &rendered, Path::new(output))?;
    let manifests = match &post_renderer {
        Some(post_renderer) => post_renderer
            .post_render(String::new())
            .map_err(|source| hint(&flags, &Error::PostRender { source }))?,
        None => String::new(),
    };
    print(&format!("{written}{}\n", manifests.trim()))
}

/// Refuses what needs a cluster, or what this command cannot do.
fn refuse(flags: &Flags) -> Result<(), String> {
    for (flag, why) in [
        (
            "validate",
            "manifests are held against a cluster, and there is none",
        ),
        ("verify", "signatures of charts are not checked"),
        ("enable-dns", "a render looks up no names"),
    ] {
        if flags.is_on(flag) {
            return Err(format!("--{flag} is not supported: {why}"));
        }
    }
    if flags.text("dry-run") == "server" {
        return Err("--dry-run=server is not supported: there is no cluster to ask".to_owned());
    }
    Ok(())
}

/// Returns a seed that nobody can guess.
fn entropy() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

/// Errors that come up while templates and manifests are worked on are followed by a hint.
fn hint(flags: &Flags, error: &Error) -> String {
    let text = error.helm_text();
    let of_render = matches!(
        error,
        Error::Template { .. }
            | Error::Manifest { .. }
            | Error::IncompatibleKubeVersion { .. }
            | Error::PostRender { .. }
    );
    if of_render && flags.is_on("debug") {
        // With that flag Helm prints the release all the same, which has come to nothing here.
        let _ = print("\n");
        text
    } else if of_render {
        format!("{text}\n\nUse --debug flag to render out invalid YAML")
    } else {
        text
    }
}

fn name_and_chart(flags: &Flags, options: &RenderOptions) -> Result<(String, String), String> {
    let template = flags.text("name-template");
    match flags.positional.as_slice() {
        [name, chart] => {
            if flags.is_on("generate-name") {
                return Err("cannot set --generate-name and also specify a name".to_owned());
            }
            if !template.is_empty() {
                return Err("cannot set --name-template and also specify a name".to_owned());
            }
            Ok((name.clone(), chart.clone()))
        }
        [chart] if !template.is_empty() => {
            let name = release_name(template, options).map_err(|error| error.helm_text())?;
            Ok((name, chart.clone()))
        }
        // The name that the command assumes goes before one that would be made.
        [chart] => Ok(("release-name".to_owned(), chart.clone())),
        more => Err(format!(
            "expected at most two arguments, unexpected arguments: {}",
            more[2..].join(", ")
        )),
    }
}

/// Merges the values in Helm's order.
fn values(flags: &Flags) -> Result<Values, String> {
    let told = |error: Error| error.helm_text();
    let mut values = Values::new();
    for file in flags.all("values") {
        values.merge_yaml(file, read(file)?).map_err(told)?;
    }
    for text in flags.all("set-json") {
        values.set_json(text).map_err(told)?;
    }
    for text in flags.all("set") {
        values.set(text).map_err(told)?;
    }
    for text in flags.all("set-string") {
        values.set_string(text).map_err(told)?;
    }
    for text in flags.all("set-file") {
        let read = |file: &str| Ok(String::from_utf8_lossy(&read(file)?).into_owned());
        values.set_file(text, read).map_err(told)?;
    }
    for text in flags.all("set-literal") {
        values.set_literal(text).map_err(told)?;
    }
    Ok(values)
}

/// Reads a file of values: a path, an address, or the standard input.
fn read(file: &str) -> Result<Vec<u8>, String> {
    if file.trim() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        return Ok(bytes);
    }
    if file.starts_with("http://") || file.starts_with("https://") {
        let bytes = wait(source(None).fetch(file)).map_err(|error| locate::told(&error))?;
        return Ok(bytes.to_vec());
    }
    fs::read(file).map_err(|error| {
        let verb = if error.kind() == std::io::ErrorKind::IsADirectory {
            "read"
        } else {
            "open"
        };
        format!("{verb} {file}: {}", reason(&error))
    })
}

/// Fetches the dependencies that are missing, as `helm dependency update` would. The chart's folder stays as it is.
fn update_dependencies(
    flags: &Flags,
    chart: &gitops::helm::Chart,
    folder: Option<&gitops::manifest::DirTree>,
) -> Result<gitops::helm::Chart, String> {
    let names = repositories(flags)?
        .iter()
        .filter_map(|entry| {
            let text = |field: &str| entry.get(field).and_then(Value::as_str).map(str::to_owned);
            Some((text("name")?, text("url")?))
        })
        .collect();
    let loader = source(Some(locate::credentials(flags)?));
    let Some(folder) = folder else {
        return Err("only unpacked charts can be updated".to_owned());
    };
    // Dependencies beside the chart are named from its folder, and may lie outside of it.
    let root = folder.root();
    let top = root.ancestors().last().unwrap_or(root);
    match gitops::manifest::DirTree::open(top) {
        Ok(tree) => {
            let path = root.strip_prefix(top).unwrap_or(root).display().to_string();
            gitops::build_dependencies(chart, &tree, &path, &names, Some(&loader))
        }
        Err(_) => gitops::build_dependencies(chart, &MemoryTree::new(), "", &names, Some(&loader)),
    }
}

fn shown(flags: &Flags, rendered: &Rendered) -> Result<String, String> {
    let patterns: Vec<&str> = flags.all("show-only").collect();
    if patterns.is_empty() {
        Ok(rendered.to_yaml())
    } else {
        rendered
            .show_only(&patterns)
            .map_err(|error| error.helm_text())
    }
}

fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// Writes a file per template; returns what is said of it.
fn write(
    flags: &Flags,
    options: &RenderOptions,
    rendered: &Rendered,
    folder: &Path,
) -> Result<String, String> {
    let own = if flags.is_on("release-name") {
        folder.join(&options.release.name)
    } else {
        folder.to_owned()
    };
    let mut said = String::new();
    let mut written: Vec<PathBuf> = Vec::new();
    let mut put =
        |folder: &Path, source: &str, text: &str, append_to_old: bool| -> Result<(), String> {
            let file = folder.join(source);
            let failed =
                |error: std::io::Error| format!("open {}: {}", file.display(), reason(&error));
            fs::create_dir_all(file.parent().unwrap_or(folder)).map_err(failed)?;
            let append = written.contains(&file) || append_to_old && file.exists();
            let mut open = fs::OpenOptions::new();
            if append {
                open.append(true);
            } else {
                open.write(true).create(true).truncate(true);
            }
            let mut opened = open.open(&file).map_err(failed)?;
            write!(opened, "---\n# Source: {source}\n{text}\n").map_err(failed)?;
            said.push_str(&format!("wrote {}\n", file.display()));
            written.push(file);
            Ok(())
        };
    if options.include_crds {
        for crd in &rendered.crds {
            put(folder, crd.source(), &crd.text(), false)?;
        }
    }
    for manifest in &rendered.manifests {
        put(&own, manifest.source(), manifest.text(), false)?;
    }
    if !options.no_hooks {
        for hook in &rendered.hooks {
            if !(options.skip_tests && hook.events.contains(&HookEvent::Test)) {
                // As Helm does: a file that is there is added to.
                put(&own, hook.source(), hook.text(), true)?;
            }
        }
    }
    Ok(said)
}

/// Whether the mode of a file lets it be run.
#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
}

/// Whether the mode of a file lets it be run: elsewhere its name decides.
#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// The program behind `--post-renderer`.
struct PostRenderer {
    program: PathBuf,
    arguments: Vec<String>,
}

impl PostRenderer {
    fn of(flags: &Flags) -> Result<Option<Arc<Self>>, String> {
        let name = flags.text("post-renderer");
        if name.is_empty() {
            return Ok(None);
        }
        let found = if name.contains('/') {
            Some(PathBuf::from(name)).filter(|path| path.is_file())
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                .map(|folder| folder.join(name))
                .find(|path| path.is_file() && is_executable(path))
        };
        let found = found.filter(|path| is_executable(path));
        let Some(found) = found else {
            let why = if name.contains('/') && Path::new(name).is_file() {
                format!("exec: {name:?}: permission denied")
            } else if name.contains('/') {
                format!("exec: {name:?}: stat {name}: no such file or directory")
            } else {
                format!("exec: {name:?}: executable file not found in $PATH")
            };
            return Err(format!(
                "invalid argument {name:?} for \"--post-renderer\" flag: unable to find binary at {name}: {why}"
            ));
        };
        Ok(Some(Arc::new(Self {
            program: std::path::absolute(&found).unwrap_or(found),
            arguments: flags.all("post-renderer-args").map(str::to_owned).collect(),
        })))
    }
}

impl PostRender for PostRenderer {
    fn post_render(
        &self,
        manifests: String,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let writer = std::thread::spawn(move || {
            // A program that does not read to the end is none the worse for it.
            input.map(|mut input| input.write_all(manifests.as_bytes()))
        });
        let output = child.wait_with_output()?;
        let _ = writer.join();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let status = match output.status.code() {
            Some(code) => format!("exit status {code}"),
            None => output.status.to_string(),
        };
        Err(format!(
            "error while running command {}. error output:\n{}: {status}",
            self.program.display(),
            String::from_utf8_lossy(&output.stderr)
        )
        .into())
    }
}
