//! `report`: what happened to a release, or the delivery figures of a project.

use super::record::objects;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::everything::missing;
use crate::user::reader::checked;
use crate::view::record::Objects;
use crate::view::report::delivery::delivery;
use crate::view::report::report;
use anyhow::bail;
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

/// Show what happened to a release: its way through the environments, waits, incidents and events. Without a release, show the delivery
/// figures of the project.
///
/// The figures are those of DORA, per application and environment: deployments, lead time for changes, change failure rate, failed deployment
/// recovery time and rework rate.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of a release.
    release: Option<String>,
    /// Days that the delivery figures are about.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3650), conflicts_with = "release")]
    days: i64,
    /// Application of the delivery figures. Can be repeated, or a list with commas. Default: all.
    #[arg(short, long = "app", value_delimiter = ',', conflicts_with = "release")]
    applications: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Shown,
}

/// The format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// Tables that fit the terminal.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Markdown, of a release.
    Markdown,
    /// A page without references to other files, of a release.
    Html,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let format = match arguments.output {
        Shown::Table | Shown::Markdown | Shown::Html => Format::Table,
        Shown::Json => Format::Json,
        Shown::Yaml => Format::Yaml,
    };
    let reader = arguments.connection.open(None).await?;
    let objects = objects(&reader, "report --namespace PROJECT").await?;
    let Some(name) = &arguments.release else {
        if matches!(arguments.output, Shown::Markdown | Shown::Html) {
            bail!("--output markdown and html need a release: delivery figures are a table, JSON or YAML");
        }
        for name in &arguments.applications {
            let known = applications(&objects);
            if !known.contains(name) {
                bail!(missing("application", name, &reader.project, known.into_iter()));
            }
        }
        let view = delivery(&objects, &arguments.applications, arguments.days, reader.now());
        if view.rows.is_empty() && format.is_table() {
            writeln!(out, "Nothing was deployed in the last {} days.", view.days)?;
            return Ok(ExitCode::SUCCESS);
        }
        output::write(out, format, "Delivery", &view, || view.table(), [])?;
        if view.rows.iter().any(|row| row.means) && format.is_table() {
            writeln!(out, "~: a mean, because promotions of some days are gone. Other times are medians.")?;
        }
        if view.incomplete && format.is_table() {
            writeln!(out, "Older promotions were dropped from the record: the figures may be incomplete.")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let name = checked(name.strip_prefix("release/").unwrap_or(name))?;
    let found = objects.releases.iter().find(|release| release.metadata.name.as_deref() == Some(name));
    let Some(release) = found else {
        let names = objects.releases.iter().filter_map(|release| release.metadata.name.as_ref());
        bail!(missing("release", name, &reader.project, names));
    };
    let view = report(&objects, release, reader.now());
    match arguments.output {
        Shown::Markdown => out.write_all(view.markdown().as_bytes())?,
        Shown::Html => out.write_all(view.html(reader.now()).as_bytes())?,
        Shown::Table | Shown::Json | Shown::Yaml => {
            output::write_lines(out, format, "Report", &view, |layout| view.lines(layout), [])?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The applications that a project has, or had.
fn applications(objects: &Objects) -> BTreeSet<String> {
    let released = objects.releases.iter().map(|release| release.spec.application.to_string());
    let statuses = objects.environments.iter().flat_map(|environment| &environment.status);
    let deployed = statuses.flat_map(|status| &status.applications).map(|it| it.name.to_string());
    released.chain(deployed).collect()
}
