//! The command line: parses arguments and returns an exit code. Results are written to stdout, everything else to stderr.

pub mod verbs;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;
use verbs::{controller, crds};

/// Release management for Kubernetes: promotes releases through environments and rolls back failed releases.
#[derive(Debug, Parser)]
#[command(name = "towpath", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Controller(Box<controller::Arguments>),
    Crds(crds::Arguments),
}

/// Parses the arguments of the process and runs the command.
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

/// Runs one command and writes its result to `out`.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    match arguments.command {
        Command::Controller(arguments) => controller::run(*arguments),
        Command::Crds(arguments) => crds::run(&arguments, out),
    }
}

/// `towpath crds | head` closes the pipe early. That is not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
