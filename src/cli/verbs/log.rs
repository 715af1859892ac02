//! `log`: the time line of one promotion.

use crate::api::Promotion;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::view::log::log;
use std::io::Write;
use std::process::ExitCode;

/// Show the time line of one promotion: request, approvals, steps, writes, tests, measurements and end.
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

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // As `--output name` prints it.
    let given = arguments.promotion.as_str();
    let prefixed = given.strip_prefix("promotion/").or_else(|| given.strip_prefix("promotion.towpath.dev/"));
    let name = prefixed.unwrap_or(given);
    let reader = arguments.connection.open(None).await?;
    let view = log(&reader.existing::<Promotion>(name).await?);
    let names = [format!("promotion/{name}")];
    output::write_lines(out, arguments.output, "Log", &view, |layout| view.lines(layout), names)?;
    Ok(ExitCode::SUCCESS)
}
