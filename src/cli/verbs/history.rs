//! `history`: the revisions of an environment or of a release.

use crate::api::{Environment, Promotion, RecordEntry, Release};
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::reader::{checked, shared};
use crate::view::history::history;
use crate::view::record::entries;
use crate::view::suggestion::suggestion;
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

/// Show the revisions of an environment, or of a release in all environments, with who, when and how each ended.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of an environment or of a release.
    name: String,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let name = checked(&arguments.name)?;
    let reader = arguments.connection.open(None).await?;
    let is_environment = reader.get::<Environment>(name).await?.is_some();
    let field = if is_environment { "environment" } else { "release" };
    let selector = format!("spec.{field}={name}");
    // A promotion that is deleted in between is in the record then.
    let promotions = reader.list::<Promotion>(&selector).await?;
    let (releases, environments) = reader.recorded().await?;
    let recorded: Vec<RecordEntry> = entries(&releases, &environments).cloned().collect();
    let found = reader.assembled(shared(environments), shared(promotions), Vec::new());
    let view = match is_environment {
        true => history(&found, &recorded, Some(&name.into()), None),
        false => history(&found, &recorded, None, Some(&name.into())),
    };
    if view.rows.is_empty() && !is_environment && reader.get::<Release>(name).await?.is_none() {
        let names = [reader.names::<Environment>().await?, reader.names::<Release>().await?].concat();
        let like = suggestion(name, &names);
        bail!("namespace {} has no environment and no release {name}{like}", reader.project);
    }
    if view.rows.is_empty() && arguments.output.is_table() {
        writeln!(out, "Nothing was promoted yet: {name} has no revisions.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = view.rows.iter().map(|row| format!("promotion/{}", row.promotion)).collect();
    let table = match arguments.output {
        Format::Wide => view.wide(reader.now()),
        Format::Table | Format::Json | Format::Yaml | Format::Name => view.table(reader.now()),
    };
    output::write(out, arguments.output, "History", &view, || table, names)?;
    Ok(ExitCode::SUCCESS)
}
