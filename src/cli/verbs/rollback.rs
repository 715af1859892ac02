//! `rollback` and `abort`: restore a revision that was verified, or end what is in progress.

use crate::api::{
    ApplicationName, ApplicationStatus, Environment, EnvironmentName, Meta, Promotion, PromotionKind,
    PromotionPhase, ReleaseName, RevisionRecord,
};
use crate::cli::reader::{Reader, checked, suggestion};
use crate::cli::writer::Writing;
use crate::view::intent::{Intent, Request, roll_back, withdraw};
use anyhow::bail;
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
    let lane = lane(&environment, arguments.app.as_ref())?;
    if let Some(to) = arguments.to {
        is_revision(&environment, lane, to)?;
        is_another(&environment, lane, to)?;
    }
    let active = match &lane.active {
        Some(name) => writer.reader.get::<Promotion>(name).await?,
        None => None,
    };
    let active =
        active.filter(|active| active.spec.kind == PromotionKind::Promote && active.phase().is_running());
    let Some(release) = active.map(|active| active.spec.release).or_else(|| runs(lane)) else {
        bail!(
            "nothing of {} was promoted to {} yet: there is nothing to roll back",
            lane.name,
            environment.name()
        );
    };
    let request = writer.request(arguments.reason.as_deref());
    let intent = roll_back(request, &release, &environment.environment_name(), &lane.name, arguments.to);
    writer.write(&intent, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// The lane of the application, or the only one.
fn lane<'a>(
    environment: &'a Environment,
    application: Option<&ApplicationName>,
) -> anyhow::Result<&'a ApplicationStatus> {
    let name = environment.name();
    let lanes = environment.status.as_ref().map(|status| status.applications.as_slice()).unwrap_or_default();
    let names: Vec<String> = lanes.iter().map(|lane| lane.name.to_string()).collect();
    match (application, lanes) {
        (Some(wanted), _) => match lanes.iter().find(|lane| lane.name == *wanted) {
            Some(lane) => Ok(lane),
            None => bail!("environment {name} has no application {wanted}{}", suggestion(wanted, &names)),
        },
        (None, [lane]) => Ok(lane),
        (None, []) => bail!("nothing was promoted to {name} yet: there is nothing to roll back"),
        (None, _) => bail!("{name} has several applications ({}): name one with --app", names.join(", ")),
    }
}

/// The release that runs, or ran last.
fn runs(lane: &ApplicationStatus) -> Option<ReleaseName> {
    let current = lane.current.as_ref().and_then(|current| current.release.clone());
    current.or_else(|| lane.history.first().map(|record| record.release.clone()))
}

/// Refuses a revision that cannot be restored, as far as the history says so.
fn is_revision(environment: &Environment, lane: &ApplicationStatus, to: i64) -> anyhow::Result<()> {
    let verified = |record: &&RevisionRecord| {
        record.ended().is_some_and(|ended| ended.phase == PromotionPhase::Verified)
    };
    let known: Vec<i64> = lane.history.iter().filter(verified).map(|record| record.revision).collect();
    if to == 0 || known.contains(&to) {
        return Ok(());
    }
    let shown: Vec<String> = known.iter().map(i64::to_string).collect();
    bail!(
        "{} has no verified revision {to} of {}: the verified ones are {}",
        environment.name(),
        lane.name,
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    )
}

/// Refuses the revision that runs: its rollback would change nothing, and would hold up every other until it ends.
fn is_another(environment: &Environment, lane: &ApplicationStatus, to: i64) -> anyhow::Result<()> {
    let runs = lane.current.as_ref().is_some_and(|current| current.revision == to);
    if runs && lane.active.is_none() {
        bail!(
            "revision {to} of {} is what runs in {}: name another one with --to; to write it again, promote its release again",
            lane.name,
            environment.name()
        );
    }
    Ok(())
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
    writer.write(&end(request, &promotion, &application)?, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// What ends a promotion.
fn end(request: Request<'_>, promotion: &Promotion, application: &ApplicationName) -> anyhow::Result<Intent> {
    let (name, release, environment) =
        (promotion.name(), &promotion.spec.release, &promotion.spec.environment);
    match (promotion.phase(), promotion.spec.kind) {
        (PromotionPhase::Pending, PromotionKind::Promote) if promotion.is_automatic() => bail!(
            "Towpath created {name} and would create it again: hold the release with: kubectl towpath hold {release}"
        ),
        (PromotionPhase::Pending, _) => Ok(withdraw(request, promotion)),
        (PromotionPhase::Observing, _) => bail!(
            "another tool deploys to {environment}: end {name} by deploying an earlier version with that tool"
        ),
        (PromotionPhase::Promoting, PromotionKind::Rollback) => {
            bail!(
                "{name} is a rollback and is not aborted: it ends when what it restores is healthy, or at its progress deadline; to restore \
                 another revision instead: kubectl towpath rollback {environment} --app {application} --to REVISION"
            )
        }
        (PromotionPhase::Promoting, PromotionKind::Promote) => {
            Ok(roll_back(request, release, environment, application, None))
        }
        (PromotionPhase::Compared, _) => bail!("{name} is a dry run that has ended: it wrote nothing"),
        (
            PromotionPhase::Verified
            | PromotionPhase::Failed
            | PromotionPhase::Inconclusive
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled,
            _,
        ) => bail!(
            "{name} has ended: roll back with: kubectl towpath rollback {environment} --app {application}"
        ),
    }
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
