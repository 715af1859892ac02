//! The command line: arguments in, exit code out. Results go to stdout, everything else to stderr.

pub mod verbs;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;
use verbs::{controller, crds};

/// Leads a release of an application through its environments on Kubernetes, and back when it is not healthy.
#[derive(Debug, Parser)]
#[command(name = "towpath", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Controller(controller::Arguments),
    Crds(crds::Arguments),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let mut stdout = io::stdout().lock();
    match run(Arguments::parse(), &mut stdout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "towpath: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one command; what it prints for people and scripts goes to `out`.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    match arguments.command {
        Command::Controller(arguments) => controller::run(arguments),
        Command::Crds(arguments) => crds::run(&arguments, out),
    }
}

/// `towpath crds | head` ends before everything is written; that is no fault.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
