//! Programs that end with this process.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{Error, Result};

/// A program of the control plane, which can be stopped and started again.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    log: PathBuf,
    /// A folder that the program removes when this process is gone.
    removes: Option<PathBuf>,
    child: Option<Child>,
}

impl Process {
    pub(crate) fn new(
        name: &'static str,
        program: &Path,
        folder: &Path,
        logs: &Path,
        arguments: Vec<String>,
    ) -> Self {
        Self {
            name,
            program: program.to_owned(),
            arguments,
            folder: folder.to_owned(),
            log: logs.join(format!("{name}.log")),
            removes: None,
            child: None,
        }
    }

    /// Has the program remove a folder once this process is gone.
    pub(crate) fn removing(mut self, folder: &Path) -> Self {
        self.removes = Some(folder.to_owned());
        self
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        self.stop();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::file("opening", &self.log))?;
        let errors = log.try_clone().map_err(Error::file("opening", &self.log))?;
        let mut command = Command::new(&self.program);
        command.arg("--until-stdin-closes");
        if let Some(folder) = &self.removes {
            command.arg("--remove").arg(folder);
        }
        command
            .arg(self.name)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            // kwok looks for a configuration there.
            .env("HOME", &self.folder)
            .env("TMPDIR", &self.folder)
            // Nothing to gain from returning memory late.
            .env("GOGC", "50")
            // What a terminal sends to the foreground is for us, not for them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors);
        self.child = Some(
            command
                .spawn()
                .map_err(Error::file("starting", &self.program))?,
        );
        Ok(())
    }

    /// Kills the program, without a chance to say goodbye.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Returns the process id, while the program runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let Some(child) = &self.child else {
            return Ok(());
        };
        Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status()
            .map_err(Error::file("sending a signal to", &self.program))?;
        Ok(())
    }

    /// Says whether the program is still there, and how it ended if not.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        match child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::Ended {
                program: self.name,
                status: status.to_string(),
                log: self.tail(),
            }),
            Err(source) => Err(Error::File {
                action: "waiting for",
                path: self.program.clone(),
                source,
            }),
        }
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let mut tail = format!("-- {}\n", self.log.display());
        for line in &lines[lines.len().saturating_sub(15)..] {
            tail.push_str(line);
            tail.push('\n');
        }
        tail
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Finds ports on loopback that nobody listens on, below those that the system gives to outgoing connections: a port stays
/// free while its server is restarted.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let random = RandomState::new();
    let mut held: Vec<(u16, TcpListener)> = Vec::new();
    let mut tried = 0_u64;
    while held.len() < N {
        let mut hasher = random.build_hasher();
        hasher.write_u64(tried);
        let port = 12_000 + (hasher.finish() % 20_000) as u16;
        tried += 1;
        assert!(
            tried < 100_000,
            "no free port on 127.0.0.1 between 12000 and 32000"
        );
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    std::array::from_fn(|index| held[index].0)
}

/// Runs a program of the control plane to its end.
pub(crate) fn run(program: &Path, name: &'static str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .arg(name)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(Error::file("starting", program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Ended {
        program: name,
        status: output.status.to_string(),
        log: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::file("writing", path))
}
