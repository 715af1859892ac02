//! `plan`: when a release can be in each environment.

use crate::api::ReleaseName;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::user::reader::checked;
use crate::view::plan::plan;
use std::io::Write;
use std::process::ExitCode;

/// Show the earliest time at which a release can be in each environment, and who has to act before.
///
/// The times assume that people act at once, that nothing fails, and that promotions take as long as the last ones took.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the release.
    release: ReleaseName,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let name = checked(&arguments.release)?;
    let reader = arguments.connection.open(None).await?;
    let all = reader.everything().await?;
    let view = plan(&all.project, all.release(name)?, reader.now());
    let names: Vec<String> =
        view.steps.iter().map(|step| format!("environment/{}", step.environment)).collect();
    output::write(out, arguments.output, "Plan", &view, || view.table(), names)?;
    Ok(ExitCode::SUCCESS)
}
