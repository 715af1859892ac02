//! `explain`: why a release is not in an environment.

use crate::cli::connection::Connection;
use crate::cli::everything::Everything;
use crate::cli::output::{self, Format};
use crate::cli::reader::{checked, suggestion};
use crate::view::explain::explain;
use anyhow::bail;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Explain why a release is, or is not, in an environment: every gate, open or closed, what opens it, and what happens next.
///
/// It runs the rules of the controller on what you may read.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the release.
    release: String,
    /// Name of the environment.
    #[arg(short, long)]
    environment: String,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (release, environment) = (checked(&arguments.release)?, checked(&arguments.environment)?);
    let reader = arguments.connection.open(None).await?;
    let all = reader.everything().await?;
    let Some(found) = all.project.releases.get(release) else { return missing(&all, "release", release) };
    let Some(view) = explain(&all.project, found, environment, all.is_whole, Timestamp::now()) else {
        return missing(&all, "environment", environment);
    };
    let now = Timestamp::now();
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

/// The sentence for a name that does not exist.
pub fn missing(all: &Everything, kind: &str, name: &str) -> anyhow::Result<ExitCode> {
    let project = &all.project;
    let names: Vec<String> = match kind {
        "release" => project.releases.keys().map(ToString::to_string).collect(),
        _ => project.environments.keys().map(ToString::to_string).collect(),
    };
    bail!("namespace {} has no {kind} {name}{}", project.name, suggestion(name, &names))
}
