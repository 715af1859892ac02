//! `version`: of this program, the API server, the kinds and the controller.

use crate::cli::connection::Connection;
use crate::cli::installation::Installation;
use crate::cli::kinds::API_VERSION;
use crate::cli::output::{self, Format};
use crate::view::versions::Versions;
use std::io::Write;
use std::process::ExitCode;

/// Show the versions of this program, the API server, the kinds and the controller.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only the version of this program, without asking a cluster.
    #[arg(long)]
    client: bool,
    /// Namespace of the controller.
    #[arg(long, default_value = "towpath-system", value_name = "NAMESPACE")]
    controller_namespace: String,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut versions = Versions { client: env!("CARGO_PKG_VERSION").to_owned(), ..Versions::default() };
    if !arguments.client {
        let reader = arguments.connection.open(None).await?;
        let installation = Installation::new(&reader, &arguments.controller_namespace);
        versions.server = Some(installation.server().await?.0);
        versions.kinds = Some(match installation.kinds().await {
            Ok(Some(it)) if !it.older.is_empty() => format!("{API_VERSION}, older than this program"),
            Ok(Some(it)) if !it.newer.is_empty() => format!("{API_VERSION}, newer than this program"),
            Ok(Some(_)) => API_VERSION.to_owned(),
            Ok(None) => "not installed".to_owned(),
            Err(unseen) => unseen.message,
        });
        versions.controller = Some(match installation.images().await {
            Ok(images) if images.is_empty() => {
                format!("none in namespace {}", arguments.controller_namespace)
            }
            Ok(images) => images.join(", "),
            Err(unseen) => format!("{} in namespace {}", unseen.message, arguments.controller_namespace),
        });
    }
    if !arguments.output.is_table() {
        let names = [versions.client.clone()];
        output::data(out, arguments.output, "Versions", &versions, names)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::lines(out, versions.lines())?;
    Ok(ExitCode::SUCCESS)
}
