//! `log`: the time line of one promotion.

use crate::api::{Promotion, RecordEntry};
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::reader::{Reader, checked};
use crate::view::log::log;
use crate::view::record::entries;
use crate::view::record::log::log as recorded;
use std::io::Write;
use std::process::ExitCode;

/// Show the time line of one promotion: request, approvals, steps, writes, tests, measurements and end.
///
/// The record holds less of a promotion that was deleted because of the history limit of its environment.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of a promotion. `history` and `status` show the names.
    promotion: String,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The newest entry in the record of a promotion that was deleted.
async fn deleted(reader: &Reader, name: &str) -> anyhow::Result<Option<RecordEntry>> {
    let (releases, environments) = reader.recorded().await?;
    let named = entries(&releases, &environments).filter(|entry| entry.promotion == name);
    Ok(named.max_by_key(|entry| entry.created_at.0).cloned())
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // As `--output name` prints it.
    let given = arguments.promotion.as_str();
    let prefixed = given.strip_prefix("promotion/").or_else(|| given.strip_prefix("promotion.towpath.dev/"));
    let name = prefixed.unwrap_or(given);
    let reader = arguments.connection.open(None).await?;
    let view = match reader.get::<Promotion>(checked(name)?).await? {
        Some(promotion) => log(&promotion),
        None => match deleted(&reader, name).await? {
            Some(entry) => recorded(&entry),
            None => log(&reader.existing::<Promotion>(name).await?),
        },
    };
    let names = [format!("promotion/{name}")];
    output::write_lines(out, arguments.output, "Log", &view, |layout| view.lines(layout), names)?;
    Ok(ExitCode::SUCCESS)
}
