//! `waiting`: what waits for a person.

use crate::cli::of_project::OfProject;
use crate::cli::output::{self, Format};
use crate::user::reader::Reader;
use crate::user::rights::{may, user};
use crate::view::right::Right;
use crate::view::waiting::{Waiting, waiting};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

/// Show what waits for a person: approvals, holds, failures and inconclusive releases.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfProject,
    /// Show only what you can do something about: it asks the API server for your rights.
    #[arg(long)]
    me: bool,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.of.open().await?;
    let view = match arguments.me {
        false => waiting(&reader.project("", Vec::new()).await?),
        true => mine(&reader).await?,
    };
    if view.rows.is_empty() && arguments.of.output.is_table() {
        let whom = if arguments.me { "you" } else { "a person" };
        writeln!(out, "Nothing waits for {whom} in {}.", reader.project)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = view.rows.iter().map(|row| row.name.clone()).collect();
    let table = match arguments.of.output {
        Format::Wide => view.wide(reader.now()),
        Format::Table | Format::Json | Format::Yaml | Format::Name => view.table(reader.now()),
    };
    output::write(out, arguments.of.output, "Waiting", &view, || table, names)?;
    Ok(ExitCode::SUCCESS)
}

/// What waits for the user: one question per right.
async fn mine(reader: &Reader) -> anyhow::Result<Waiting> {
    let all = reader.everything().await?;
    let view = waiting(&all.project);
    let user = user(reader).await.map(|user| user.username).unwrap_or_default();
    let asked: BTreeSet<Right> = view.rows.iter().flat_map(|row| row.rights(&user, &all.holds)).collect();
    let answers = asked.into_iter().map(|right| async move {
        // The API server judges later if it does not answer now.
        let may = may(reader, &right).await.unwrap_or(true);
        (right, may)
    });
    let rights: BTreeMap<Right, bool> = join_all(answers).await.into_iter().collect();
    Ok(view.for_user(&user, &all.holds, |right| rights.get(right).copied().unwrap_or_default()))
}
