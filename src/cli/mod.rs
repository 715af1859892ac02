//! The command line: parses arguments and returns an exit code. Results are written to stdout, everything else to stderr.

mod connection;
mod drawing;
mod files;
mod installation;
mod kinds;
pub mod lint;
mod names;
mod of_project;
mod output;
mod question;
mod verbose;
pub mod verbs;
mod writer;

use crate::view::screen::printable;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;
use std::io::{self, Write};
use std::process::ExitCode;
use verbs::{
    approve, calendar, changelog, check, completion, controller, crds, cut, diff, explain, freeze, get,
    history, hold, lint as lint_files, log, plan, promote, recall, record, report, review, rollback, status,
    ui, ui_server, version, waiting,
};

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
    UiServer(ui_server::Arguments),
    #[command(flatten)]
    Verb(Box<Verb>),
}

/// Releases, environments and promotions of a project: what runs, what waits, and why. It reads with the rights of its user.
#[derive(Debug, Parser)]
#[command(name = "kubectl-towpath", bin_name = "kubectl towpath", version, propagate_version = true)]
pub struct Plugin {
    #[command(subcommand)]
    verb: Verb,
}

/// What people do.
#[derive(Debug, Subcommand)]
enum Verb {
    Get(get::Arguments),
    Status(status::Arguments),
    Explain(explain::Arguments),
    Plan(plan::Arguments),
    Calendar(calendar::Arguments),
    Waiting(waiting::Arguments),
    History(history::Arguments),
    Promote(promote::Arguments),
    Approve(approve::Arguments),
    Reject(approve::Rejecting),
    Hold(hold::Arguments),
    Resume(hold::Resuming),
    Abort(rollback::Aborting),
    Retry(promote::Retrying),
    Rollback(rollback::Arguments),
    Recall(recall::Arguments),
    Freeze(freeze::Arguments),
    Unfreeze(freeze::Lifting),
    Override(promote::Overriding),
    Lint(lint_files::Arguments),
    Check(check::Arguments),
    Completion(completion::Arguments),
    Version(version::Arguments),
    #[command(name = "__complete", hide = true)]
    Words(completion::Words),
    Log(log::Arguments),
    Record(record::Arguments),
    Report(report::Arguments),
    Review(review::Arguments),
    Changelog(changelog::Arguments),
    Cut(Box<cut::Arguments>),
    Diff(Box<diff::Arguments>),
    Ui(ui::Arguments),
}

/// Parses the arguments of `towpath` and runs the command.
pub fn main() -> ExitCode {
    ended("towpath", run(Arguments::parse(), &mut io::stdout().lock()))
}

/// Parses the arguments of `kubectl towpath` and runs the verb.
pub fn plugin() -> ExitCode {
    CompleteEnv::with_factory(|| names::completed(Plugin::command())).var(completion::VARIABLE).complete();
    ended("kubectl towpath", Plugin::parse().verb.run(&mut io::stdout().lock()))
}

fn ended(program: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{program}: {}", printable(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

/// Runs one command and writes its result to `out`.
pub fn run(arguments: Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Controller(arguments) => controller::run(*arguments).map(|()| ExitCode::SUCCESS),
        Command::Crds(arguments) => crds::run(&arguments, out).map(|()| ExitCode::SUCCESS),
        Command::UiServer(arguments) => ui_server::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Verb(verb) => (*verb).run(out),
    }
}

impl Verb {
    fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        // Names are read in a runtime of their own.
        if let Self::Words(words) = &self {
            return completion::words(words, out);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Get(arguments) => get::run(&arguments, out).await,
                Self::Status(arguments) => status::run(&arguments, out).await,
                Self::Explain(arguments) => explain::run(&arguments, out).await,
                Self::Plan(arguments) => plan::run(&arguments, out).await,
                Self::Calendar(arguments) => calendar::run(&arguments, out).await,
                Self::Waiting(arguments) => waiting::run(&arguments, out).await,
                Self::History(arguments) => history::run(&arguments, out).await,
                Self::Promote(arguments) => promote::run(&arguments, out).await,
                Self::Approve(arguments) => approve::run(&arguments, out).await,
                Self::Reject(arguments) => approve::run_reject(&arguments, out).await,
                Self::Hold(arguments) => hold::run(&arguments, out).await,
                Self::Resume(arguments) => hold::run_resume(&arguments, out).await,
                Self::Abort(arguments) => rollback::run_abort(&arguments, out).await,
                Self::Retry(arguments) => promote::run_retry(&arguments, out).await,
                Self::Rollback(arguments) => rollback::run(&arguments, out).await,
                Self::Recall(arguments) => recall::run(&arguments, out).await,
                Self::Freeze(arguments) => freeze::run(&arguments, out).await,
                Self::Unfreeze(arguments) => freeze::run_unfreeze(&arguments, out).await,
                Self::Override(arguments) => promote::run_override(&arguments, out).await,
                Self::Lint(arguments) => lint_files::run(&arguments, out),
                Self::Check(arguments) => check::run(&arguments, out).await,
                Self::Completion(arguments) => completion::run(&arguments, out),
                Self::Version(arguments) => version::run(&arguments, out).await,
                Self::Words(words) => completion::words(&words, out),
                Self::Log(arguments) => log::run(&arguments, out).await,
                Self::Record(arguments) => record::run(&arguments, out).await,
                Self::Report(arguments) => report::run(&arguments, out).await,
                Self::Review(arguments) => review::run(&arguments, out).await,
                Self::Changelog(arguments) => changelog::run(&arguments, out).await,
                Self::Cut(arguments) => cut::run(&arguments, out).await,
                Self::Diff(arguments) => diff::run(&arguments, out).await,
                Self::Ui(arguments) => ui::run(&arguments, out).await,
            }
        })
    }
}

/// `towpath crds | head` closes the pipe early. That is not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    // An error with a context says what the end of the output means.
    let cause = error.downcast_ref::<io::Error>().filter(|_| error.chain().count() == 1);
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// As the programs use them: a flag that all verbs have may clash with an argument of one.
    #[test]
    fn the_arguments_of_every_verb_can_be_parsed() {
        Arguments::command().debug_assert();
        Plugin::command().debug_assert();
    }
}
