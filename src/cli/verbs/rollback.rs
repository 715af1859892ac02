//! `rollback` and `abort`: restore a revision that was verified, or end what is in progress.

use crate::api::{ApplicationName, Environment, EnvironmentName, Meta, Promotion};
use crate::cli::writer::Writing;
use crate::user::reader::{Reader, checked};
use crate::view::choice::{end, lane, rolled_back};
use crate::view::intent::roll_back;
use crate::view::suggestion::suggestion;
use anyhow::{Error, bail};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

/// Roll an application back in an environment, to its newest verified revision of another release.
///
/// Rollbacks ignore windows and freezes. A promotion that is in progress ends.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the environment.
    environment: EnvironmentName,
    /// Name of the application. Required if the environment has more than one.
    #[arg(short, long)]
    app: Option<ApplicationName>,
    /// Revision to restore; 0 restores what existed before Towpath first wrote. See: kubectl towpath history ENVIRONMENT.
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(0..))]
    to: Option<i64>,
    /// Reason, in a sentence.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `rollback`.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let environment = writer.reader.existing::<Environment>(&arguments.environment).await?;
    let lane = lane(&environment, arguments.app.as_ref()).map_err(Error::msg)?;
    let active = match &lane.active {
        Some(name) => writer.reader.get::<Promotion>(name).await?,
        None => None,
    };
    let release = rolled_back(&environment, lane, arguments.to, active.as_ref()).map_err(Error::msg)?;
    let request = writer.request(arguments.reason.as_deref());
    let intent = roll_back(request, &release, &environment.environment_name(), &lane.name, arguments.to);
    writer.write(&intent, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// End what is in progress in an environment: roll back a promotion that has started, or withdraw one that has not.
#[derive(Debug, clap::Args)]
pub struct Aborting {
    /// Name of an environment, or of a promotion.
    name: String,
    /// Name of the application, if the environment has more than one.
    #[arg(short, long)]
    app: Option<ApplicationName>,
    /// Reason, in a sentence.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `abort`.
pub async fn run_abort(arguments: &Aborting, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let (promotion, application) =
        in_progress(&writer.reader, &arguments.name, arguments.app.as_ref()).await?;
    let request = writer.request(arguments.reason.as_deref());
    writer.write(&end(request, &promotion, &application).map_err(Error::msg)?, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// The promotion that is in progress in an environment, or the one of this name, and its application.
async fn in_progress(
    reader: &Reader,
    name: &str,
    application: Option<&ApplicationName>,
) -> anyhow::Result<(Promotion, ApplicationName)> {
    let name = checked(name)?;
    let (environment, promotion) =
        tokio::try_join!(reader.get::<Environment>(name), reader.get::<Promotion>(name))?;
    let (selector, is_environment) = match (environment, promotion) {
        (Some(_), _) => (format!("spec.environment={name}"), true),
        (None, Some(_)) => (format!("metadata.name={name}"), false),
        (None, None) => {
            let (environments, promotions) =
                tokio::try_join!(reader.names::<Environment>(), reader.names::<Promotion>())?;
            let like = suggestion(name, &[environments, promotions].concat());
            bail!("namespace {} has no environment and no promotion {name}{like}", reader.project)
        }
    };
    let project = reader.project(&selector, Vec::new()).await?;
    let of = |promotion: &Promotion| project.application_of(promotion).unwrap_or_default();
    let all = project.promotions.values().map(AsRef::as_ref);
    let mut open: Vec<&Promotion> = all
        .filter(|promotion: &&Promotion| !is_environment || !promotion.phase().is_final())
        .filter(|promotion| application.is_none_or(|wanted| of(promotion) == *wanted))
        .collect();
    let applications: BTreeSet<ApplicationName> = open.iter().map(|promotion| of(promotion)).collect();
    if applications.len() > 1 {
        let names: Vec<&str> = applications.iter().map(ApplicationName::as_str).collect();
        bail!("several applications are in progress in {name} ({}): name one with --app", names.join(", "))
    }
    // What has started comes before what waits behind it.
    if open.iter().any(|promotion| promotion.phase().is_running()) {
        open.retain(|promotion| promotion.phase().is_running());
    }
    match open.as_slice() {
        [promotion] => Ok(((*promotion).clone(), of(promotion))),
        [] => bail!("nothing is in progress in {name}"),
        several => {
            let names: Vec<&str> = several.iter().map(|promotion| promotion.name()).collect();
            bail!("several promotions are in progress ({}): name one", names.join(", "))
        }
    }
}
