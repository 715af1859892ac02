//! `explain`: why a release is not in an environment.

use super::promote::OfRelease;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::everything::missing;
use crate::user::reader::checked;
use crate::view::explain::explain;
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

/// Explain why a release is, or is not, in an environment: every gate, open or closed, what opens it, and what happens next.
///
/// It runs the rules of the controller on what you may read.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfRelease,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (release, environment) = (checked(&arguments.of.release)?, checked(&arguments.of.environment)?);
    let reader = arguments.connection.open(None).await?;
    let all = reader.everything().await?;
    let found = all.release(release)?;
    let now = reader.now();
    let Some(view) = explain(&all.project, found, &arguments.of.environment, all.is_whole, now) else {
        bail!("{}", missing("environment", environment, &all.project.name, all.project.environments.keys()));
    };
    let lines = |layout| {
        let mut lines = view.head().lines(layout);
        if !view.gates.is_empty() {
            lines.push(String::new());
            lines.extend(view.table(now).lines(layout));
        }
        lines
    };
    let names = [format!("release/{release}")];
    output::write_lines(out, arguments.output, "Explanation", &view, lines, names)?;
    Ok(ExitCode::SUCCESS)
}
