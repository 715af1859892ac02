//! `waiting`: what waits for a person.

use crate::cli::of_project::OfProject;
use crate::cli::output::{self, Format};
use crate::cli::reader::Reader;
use crate::cli::writer::{may, user};
use crate::view::right::Right;
use crate::view::waiting::{Waiting, waiting};
use futures::future::join_all;
use jiff::Timestamp;
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
        Format::Wide => view.wide(Timestamp::now()),
        Format::Table | Format::Json | Format::Yaml | Format::Name => view.table(Timestamp::now()),
    };
    output::write(out, arguments.of.output, "Waiting", &view, || table, names)?;
    Ok(ExitCode::SUCCESS)
}

/// What waits for the user: one question per verb and environment.
async fn mine(reader: &Reader) -> anyhow::Result<Waiting> {
    let view = waiting(&reader.everything().await?.project);
    let user = user(reader).await.map(|user| user.username).unwrap_or_default();
    let asked: BTreeSet<(&str, &str)> =
        view.rows.iter().filter_map(|row| Some((row.verb?, row.environment.as_str()))).collect();
    let answers = asked.into_iter().map(|(verb, environment)| async move {
        let may = may(reader, &Right::on(environment, verb)).await;
        // The API server judges later if it does not answer now.
        ((verb.to_owned(), environment.to_owned()), may.unwrap_or(true))
    });
    let rights: BTreeMap<(String, String), bool> = join_all(answers).await.into_iter().collect();
    Ok(view.for_user(&user, |verb, environment| {
        rights.get(&(verb.to_owned(), environment.to_owned())).copied().unwrap_or_default()
    }))
}
