//! `waiting`: what waits for a person.

use crate::cli::connection::OfProject;
use crate::cli::output::{self, Format};
use crate::view::waiting::waiting;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;

/// Show what waits for a person: approvals, holds, failures and inconclusive releases.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.of.open().await?;
    let view = waiting(&reader.project("", Vec::new()).await?);
    if view.rows.is_empty() && arguments.of.output.is_table() {
        writeln!(out, "Nothing waits for a person in {}.", reader.project)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = view.rows.iter().map(|row| row.name.clone()).collect();
    let table = match arguments.of.output {
        Format::Wide => view.wide(Timestamp::now()),
        Format::Table | Format::Json | Format::Yaml | Format::Name => view.table(Timestamp::now()),
    };
    output::write(out, arguments.of.output, "Waiting", &view, || table, names)?;
    Ok(ExitCode::SUCCESS)
}
