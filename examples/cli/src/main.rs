//! The `gitops` command: what the engine can do, from a terminal.
//!
//! The cluster is a simulated one that is kept in a folder (`--state`), so that every command can be tried without
//! a Kubernetes. Exit codes are those of `kubectl diff`: 0 where all is as desired, 1 where something differs or is
//! not well, more than 1 for errors.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod args;
mod commands;
mod folder;
mod functions;
mod output;
mod session;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// What a command comes to: an exit code, or an error.
type Outcome = Result<u8, Box<dyn std::error::Error>>;

/// Ends quietly where the reader of the output has seen enough, as `head` does.
fn end_with_the_reader() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>();
        if message.is_some_and(|text| text.starts_with("failed printing to stdout: Broken pipe")) {
            std::process::exit(141);
        }
        told(panic);
    }));
}

fn main() -> ExitCode {
    end_with_the_reader();
    let cli = Cli::parse();
    let paint = output::Paint::new(cli.color);
    let outcome = match cli.command {
        Command::Build(args) => commands::build::run(&args),
        // Ends as Helm ends.
        Command::Template { arguments } => return commands::template::run(&arguments),
        Command::Edit(args) => commands::edit::run(&args),
        Command::Diff(args) => commands::diff::run(&args, paint),
        Command::Plan(args) => commands::plan::run(&args, paint),
        Command::Apply(args) => commands::apply::run(&args, paint),
        Command::Sync(args) => commands::sync::run(&args, paint),
        Command::Watch(args) => commands::watch::run(&args, paint),
        Command::Health(args) => commands::health::run(&args, paint),
        Command::Tree(args) => commands::tree::run(&args, paint),
        Command::History(args) => commands::history::run(&args),
        Command::Rollback(args) => commands::rollback::run(&args, paint),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "gitops", &mut std::io::stdout());
            Ok(0)
        }
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{} {error}", paint.red("error:"));
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("  caused by: {source}");
                cause = source.source();
            }
            ExitCode::from(2)
        }
    }
}
