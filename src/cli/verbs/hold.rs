//! `hold` and `resume`: whether promotions of a release may start.

use crate::api::{Release, ReleaseName};
use crate::cli::writer::Writing;
use crate::view::intent::{hold, resume};
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

/// Hold a release: no promotion of it starts until it is resumed. Promotions that have started are finished.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the release.
    release: ReleaseName,
    /// Reason, in a sentence. It is kept in an annotation of the release while it is held.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `hold`.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let release = writer.reader.existing::<Release>(&arguments.release).await?;
    if release.spec.hold == Some(true) {
        bail!("{} is held already", arguments.release);
    }
    writer.write(&hold(writer.request(arguments.reason.as_deref()), &release), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Resume a release that is held.
#[derive(Debug, clap::Args)]
pub struct Resuming {
    /// Name of the release.
    release: ReleaseName,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `resume`.
pub async fn run_resume(arguments: &Resuming, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let release = writer.reader.existing::<Release>(&arguments.release).await?;
    if release.spec.hold != Some(true) {
        bail!("{} is not held", arguments.release);
    }
    writer.write(&resume(writer.request(None), &release), out).await?;
    Ok(ExitCode::SUCCESS)
}
