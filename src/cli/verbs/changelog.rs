//! `changelog`: everything between what runs in an environment and a release.

use super::promote::OfRelease;
use crate::api::{Environment, EnvironmentName, Release, ReleaseName};
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::reader::Reader;
use crate::view::changelog::{Changelog, changelog};
use anyhow::bail;
use clap::ValueEnum;
use std::io::Write;
use std::process::ExitCode;

/// Show everything between what runs in an environment and a release: versions, tickets, owners, images and objects.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfRelease,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Shown,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// A tree that fits the terminal.
    #[default]
    Tree,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Markdown, for release notes.
    Markdown,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let reader = arguments.connection.open(None).await?;
    let view = changes(&reader, &arguments.of.release, &arguments.of.environment).await?;
    let format = match arguments.output {
        Shown::Markdown => {
            out.write_all(view.markdown().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Shown::Tree => Format::Table,
        Shown::Json => Format::Json,
        Shown::Yaml => Format::Yaml,
    };
    output::write_lines(out, format, "Changelog", &view, |layout| view.lines(layout), [])?;
    Ok(ExitCode::SUCCESS)
}

/// Everything between what runs in an environment and a release.
pub async fn changes(
    reader: &Reader,
    name: &ReleaseName,
    place: &EnvironmentName,
) -> anyhow::Result<Changelog> {
    let (release, environment) =
        tokio::try_join!(reader.existing::<Release>(name), reader.existing::<Environment>(place))?;
    let releases = reader.releases_of(&release.spec.application).await?;
    // What runs there is what was promoted to the namespace that exists now.
    let project = reader.project("", releases).await?.with_reported();
    let Some(release) = project.releases.get(name) else {
        bail!("release {name} was deleted in the meantime")
    };
    Ok(changelog(&project, &environment, release))
}
