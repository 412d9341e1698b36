//! Runs a control plane in the foreground.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use testbed::Testbed;

const USAGE: &str = "\
usage: testbed [--for DURATION]

Starts a Kubernetes control plane on loopback and prints the path of its kubeconfig. It ends with an interrupt (Ctrl-C), when
standard input ends, or after the duration if one is given (such as 90s, 20m, 2h); standard input is then left alone.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let duration = match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, ..) => None,
        (Some("--for"), Some(text), None) => match duration(&text) {
            Some(duration) => Some(duration),
            None => {
                eprintln!("testbed: {text} is not a duration such as 90s, 20m or 2h");
                return ExitCode::from(2);
            }
        },
        (Some("--help" | "-h"), None, _) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let testbed = match Testbed::start_blocking() {
        Ok(testbed) => testbed,
        Err(error) => {
            eprint!("testbed: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                eprint!(": {error}");
                source = error.source();
            }
            eprintln!();
            return ExitCode::FAILURE;
        }
    };
    println!("{}", testbed.kubeconfig_path().display());
    // Whoever reads this may be a script behind a pipe.
    let _ = std::io::stdout().flush();
    match duration {
        Some(duration) => std::thread::sleep(duration),
        None => {
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        }
    }
    ExitCode::SUCCESS
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}
