//! `waiting`: what waits for a person.

use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::cli::reader::Reader;
use crate::view::waiting::waiting;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Show what waits for a person: approvals, holds, failures and inconclusive releases.
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
    let view = waiting(&reader.project("", Vec::new()).await?);
    if view.rows.is_empty() && arguments.output == Format::Table {
        writeln!(out, "Nothing waits for a person in {}.", reader.project)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = view.rows.iter().map(|row| row.name.clone()).collect();
    output::write(out, arguments.output, "Waiting", &view, || view.table(Timestamp::now()), names)?;
    Ok(ExitCode::SUCCESS)
}
