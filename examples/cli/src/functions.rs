//! Runs functions of kustomizations as programs and in containers, as `kustomize build --enable-alpha-plugins` does.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use gitops::kustomize::{
    ContainerFunction, ExecFunction, FunctionCall, FunctionRunner, read_resource_list, read_results,
};
use gitops::manifest::Object;

use crate::args::Build;

/// Starts what a function names.
pub(crate) struct Functions {
    /// The folder that is the root of the tree of the build.
    root: PathBuf,
    enable_exec: bool,
    network: bool,
    as_current_user: bool,
    mounts: Vec<String>,
    envs: Vec<String>,
}

impl Functions {
    pub(crate) fn new(root: PathBuf, args: &Build) -> Self {
        Self {
            root,
            enable_exec: args.enable_exec,
            network: args.network,
            as_current_user: args.as_current_user,
            mounts: args.mount.clone(),
            envs: args.env.clone(),
        }
    }

    fn folder(&self, call: &FunctionCall<'_>) -> Result<PathBuf, String> {
        if let Some(repository) = call.repository {
            return Err(format!(
                "it comes from {repository}, and functions of remote repositories are not run"
            ));
        }
        let folder = self.root.join(call.folder);
        if folder.parent().is_none() {
            return Err("functions are not run in the root folder of the system".to_owned());
        }
        Ok(folder)
    }

    fn program(&self, call: &FunctionCall<'_>, exec: &ExecFunction) -> Result<Command, String> {
        if !self.enable_exec {
            return Err("it is a program; --enable-exec lets programs run".to_owned());
        }
        let folder = self.folder(call)?;
        let mut command = if exec.path.contains('/') {
            Command::new(folder.join(&exec.path))
        } else {
            Command::new(&exec.path)
        };
        command.args(&exec.args).current_dir(folder);
        // Of two with the same name the one of the command line counts.
        for env in exec.envs.iter().chain(&self.envs) {
            if let Some((key, value)) = env.split_once('=').filter(|(_, v)| !v.contains('=')) {
                command.env(key, value);
            }
        }
        Ok(command)
    }

    fn container(
        &self,
        call: &FunctionCall<'_>,
        container: &ContainerFunction,
    ) -> Result<Command, String> {
        if container.network && !self.network {
            return Err("it needs the network; --network lets functions have it".to_owned());
        }
        let folder = self.folder(call)?;
        let mut command = Command::new("docker");
        command.args([
            "run", "--rm", "-i", "-a", "STDIN", "-a", "STDOUT", "-a", "STDERR",
        ]);
        command.args(["--network", if container.network { "host" } else { "none" }]);
        let user = if self.as_current_user {
            format!("{}:{}", id("-u")?, id("-g")?)
        } else {
            "nobody".to_owned()
        };
        command.args(["--user", &user, "--security-opt=no-new-privileges"]);
        let own = container.mounts.iter();
        let own = own.map(|m| (m.kind.clone(), m.src.clone(), m.dst.clone(), m.writable));
        for (kind, src, dst, writable) in own.chain(self.mounts.iter().map(|text| mount(text))) {
            let src = folder.join(src);
            let mode = if writable { "" } else { ",readonly" };
            command.arg("--mount");
            command.arg(format!(
                "type={kind},source={},target={dst}{mode}",
                src.display()
            ));
        }
        for env in environment(container.envs.iter().chain(&self.envs)) {
            command.args(["-e", &env]);
        }
        command.arg(&container.image).current_dir(folder);
        Ok(command)
    }
}

/// Asks for the number of the user or group.
fn id(flag: &str) -> Result<String, String> {
    let output = Command::new("id").arg(flag).output();
    let output =
        output.map_err(|error| format!("asking for the user with `id {flag}`: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Reads `type=bind,src=x,dst=y,rw=true`.
fn mount(text: &str) -> (String, String, String, bool) {
    let mut out = (String::new(), String::new(), String::new(), false);
    for (key, value) in text.split(',').filter_map(|option| option.split_once('=')) {
        match key {
            "type" => out.0 = value.to_owned(),
            "src" | "source" => out.1 = value.to_owned(),
            "dst" | "target" => out.2 = value.to_owned(),
            "rw" if value == "true" => out.3 = true,
            _ => {}
        }
    }
    out
}

/// Merges variables for a container: those with a value sorted, the last of equal names counting, then the names of
/// those that it takes from the host.
fn environment<'e>(envs: impl Iterator<Item = &'e String>) -> Vec<String> {
    let mut values = std::collections::BTreeMap::from([
        ("LOG_TO_STDERR", "true"),
        ("STRUCTURED_RESULTS", "true"),
    ]);
    let mut names: Vec<&str> = Vec::new();
    for env in envs {
        match env.split_once('=') {
            Some((key, value)) => {
                values.insert(key, value);
            }
            None if !names.contains(&env.as_str()) => names.push(env),
            None => {}
        }
    }
    let values = values
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"));
    values.chain(names.into_iter().map(str::to_owned)).collect()
}

/// Lets a program read a text and returns what it writes; its messages go to the standard error output.
fn pipe(mut command: Command, input: String) -> Result<(bool, String), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    let stdin = child.stdin.take();
    // A program that writes before it has read all must not wait for us.
    let writer = thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A program need not read to the end.
            let _ = stdin.write_all(input.as_bytes());
        }
    });
    let output = child.wait_with_output();
    let _ = writer.join();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8(output.stdout)
        .map_err(|_| format!("what {name} writes is not UTF-8 text"))?;
    Ok((output.status.success(), text))
}

impl FunctionRunner for Functions {
    fn run(&self, call: &FunctionCall<'_>) -> Result<Vec<Object>, String> {
        let Some(function) = call.function else {
            return Err(
                "it names neither a container nor a program in the annotation config.kubernetes.io/function"
                    .to_owned(),
            );
        };
        let (command, name) = match (&function.container, &function.exec) {
            (Some(container), _) => (self.container(call, container)?, &container.image),
            (None, Some(exec)) => (self.program(call, exec)?, &exec.path),
            (None, None) => {
                return Err("its function names neither a container nor a program".to_owned());
            }
        };
        let (ok, text) = pipe(command, call.resource_list())?;
        if ok {
            return read_resource_list(&text);
        }
        let mut message = format!("the function {name} fails");
        for result in read_results(&text) {
            message.push_str("\n  ");
            message.push_str(&result);
        }
        Err(message)
    }
}
