//! `get`: the board.

use crate::cli::connection::OfProject;
use crate::cli::output::{self, Format};
use crate::view::board::board;
use anyhow::bail;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Show the board of a project: what runs in each environment, what moves, and which gate is closed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.of.open().await?;
    let found = reader.project("", Vec::new()).await?;
    if found.environments.is_empty() && arguments.of.output == Format::Table {
        bail!(
            "namespace {} has no environments: name a project, as in: kubectl towpath get PROJECT",
            reader.project
        );
    }
    let view = board(&found);
    let names: Vec<String> = found.environments.keys().map(|name| format!("environment/{name}")).collect();
    output::write(out, arguments.of.output, "Board", &view, || view.table(Timestamp::now()), names)?;
    Ok(ExitCode::SUCCESS)
}
