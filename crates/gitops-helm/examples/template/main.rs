//! `helm template [NAME] CHART` with Helm's flags: prints what Helm prints.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

#[path = "args.rs"]
mod args;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let invocation = match args::Invocation::parse(std::env::args().skip(1)) {
        Ok(invocation) => invocation,
        Err(message) => return fail(&message),
    };
    let folder = Path::new("");
    let outcome = invocation.values(folder).and_then(|values| {
        let chart = invocation.load(folder)?;
        invocation.render(&chart, &values)
    });
    match outcome {
        Ok((output, rendered)) => {
            for warning in &rendered.warnings {
                eprintln!("{warning}");
            }
            match std::io::stdout().write_all(output.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string()),
            }
        }
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("Error: {message}");
    ExitCode::FAILURE
}
