//! `review`: closes the post-release review of a release.

use crate::api::{Promotion, Release, ReleaseName, ReviewOutcome};
use crate::cli::writer::Writing;
use crate::user::reader::{Reader, checked};
use crate::view::choice::reviewed;
use crate::view::intent::review;
use crate::view::suggestion::suggestion;
use anyhow::bail;
use clap::ValueEnum;
use std::io::Write;
use std::process::ExitCode;

/// Close the review of a release: how it went, what was learned, and what will be done. Read the facts first: `kubectl towpath report RELEASE`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the release. It may have been deleted.
    release: ReleaseName,
    /// How it went.
    #[arg(long, value_enum)]
    outcome: Outcome,
    /// What was learned.
    #[arg(long, visible_alias = "reason")]
    notes: Option<String>,
    /// What will be done, in a sentence. Can be repeated.
    #[arg(long = "action", value_name = "TEXT")]
    actions: Vec<String>,
    #[command(flatten)]
    writing: Writing,
}

/// The outcome, as users type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Outcome {
    /// The release achieved its purpose.
    Successful,
    /// The release achieved its purpose, with issues that need follow-up.
    SuccessfulWithIssues,
    /// The release did not achieve its purpose.
    Failed,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let name = checked(&arguments.release)?;
    can_be_reviewed(&writer.reader, name).await?;
    let outcome = match arguments.outcome {
        Outcome::Successful => ReviewOutcome::Successful,
        Outcome::SuccessfulWithIssues => ReviewOutcome::SuccessfulWithIssues,
        Outcome::Failed => ReviewOutcome::Failed,
    };
    let request = writer.request(arguments.notes.as_deref());
    writer.write(&review(request, &name.into(), outcome, &arguments.actions), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Fails if there is neither a release of this name nor a promotion of one, and if it is in progress.
async fn can_be_reviewed(reader: &Reader, name: &str) -> anyhow::Result<()> {
    if let Some(release) = reader.get::<Release>(name).await? {
        return reviewed(&release).map_err(anyhow::Error::msg);
    }
    if reader.list::<Promotion>(&format!("spec.release={name}")).await?.is_empty() {
        let like = suggestion(name, &reader.names::<Release>().await?);
        bail!("namespace {} has no release {name}, and no promotion of one{like}", reader.project);
    }
    Ok(())
}
