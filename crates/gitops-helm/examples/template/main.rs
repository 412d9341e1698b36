//! `helm template [NAME] CHART` with Helm's flags: prints what Helm prints.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

#[path = "args.rs"]
mod args;

use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let invocation = match args::Invocation::parse(std::env::args().skip(1)) {
        Ok(invocation) => invocation,
        Err(message) => return fail(&message),
    };
    let folder = Path::new("");
    let outcome = invocation.values(folder).and_then(|values| {
        // The process ends with the render: what the chart holds need not be given back piece by piece.
        let chart = ManuallyDrop::new(invocation.load(folder)?);
        let (output, rendered) = invocation.render(&chart, &values)?;
        Ok((output, ManuallyDrop::new(rendered)))
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
