//! `get`: the board.

use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::cli::reader::Reader;
use crate::view::board::board;
use anyhow::bail;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Show the board of a project: what runs in each environment, what moves, and which gate is closed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project, which is a namespace. Default: the namespace of the context.
    project: Option<String>,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (client, project) = arguments.connection.open(arguments.project.as_deref()).await?;
    let reader = Reader::new(client, project);
    let found = reader.project("", Vec::new()).await?;
    if found.environments.is_empty() && arguments.output == Format::Table {
        bail!(
            "namespace {} has no environments: name a project, as in: kubectl towpath get PROJECT",
            reader.project
        );
    }
    let view = board(&found);
    let names: Vec<String> = found.environments.keys().map(|name| format!("environment/{name}")).collect();
    output::write(out, arguments.output, "Board", &view, || view.table(Timestamp::now()), names)?;
    Ok(ExitCode::SUCCESS)
}
