//! `promote`, `override` and `retry`: a promotion of a release to an environment.

use crate::api::{Environment, EnvironmentName, GateName, Meta, Promotion, Release, ReleaseName};
use crate::cli::writer::Writing;
use crate::user::reader::Reader;
use crate::view::choice::retried;
use crate::view::intent::{override_gates, promote};
use std::io::Write;
use std::process::ExitCode;

/// Promote a release to an environment.
///
/// It waits for the gates, except Manual, FailureHold and EvidenceHold. To follow it: kubectl towpath status RELEASE --wait.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    of: OfRelease,
    /// Reason, in a sentence.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// A release and an environment.
#[derive(Debug, clap::Args)]
pub struct OfRelease {
    /// Name of the release.
    pub release: ReleaseName,
    /// Name of the environment.
    #[arg(short, long)]
    pub environment: EnvironmentName,
}

impl OfRelease {
    /// Both objects. An error names the one that does not exist, and the nearest name.
    pub async fn read(&self, reader: &Reader) -> anyhow::Result<(Release, Environment)> {
        tokio::try_join!(reader.existing(&self.release), reader.existing(&self.environment))
    }
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let (release, environment) = (&arguments.of.release, &arguments.of.environment);
    arguments.of.read(&writer.reader).await?;
    let intent = promote(writer.request(arguments.reason.as_deref()), release, environment);
    writer.write(&intent, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Promote a release past closed gates.
///
/// The gates and the reason are kept permanently in the record.
#[derive(Debug, clap::Args)]
pub struct Overriding {
    #[command(flatten)]
    of: OfRelease,
    /// Gate that the promotion passes although it is closed. Can be repeated, or a list with commas.
    #[arg(short, long = "gate", required = true, value_delimiter = ',', value_parser = gate)]
    gates: Vec<GateName>,
    /// Reason, in a sentence. It is kept permanently.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    writing: Writing,
}

/// Runs the verb.
pub async fn run_override(arguments: &Overriding, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let (release, environment) = (&arguments.of.release, &arguments.of.environment);
    arguments.of.read(&writer.reader).await?;
    let request = writer.request(Some(&arguments.reason));
    let mut gates = arguments.gates.clone();
    gates.sort_by_key(|gate| GateName::ALL.iter().position(|other| other == gate));
    gates.dedup();
    writer.write(&override_gates(request, release, environment, &gates), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Promote a release again that failed in an environment, was rolled back, or is inconclusive there.
#[derive(Debug, clap::Args)]
pub struct Retrying {
    #[command(flatten)]
    of: OfRelease,
    /// Reason, in a sentence. Default: the name of the promotion that failed.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs the verb.
pub async fn run_retry(arguments: &Retrying, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let (release, environment) = (&arguments.of.release, &arguments.of.environment);
    arguments.of.read(&writer.reader).await?;
    let project = writer.reader.project(&format!("spec.environment={environment}"), Vec::new()).await?;
    let here = project.promotions.values().map(AsRef::as_ref);
    let here: Vec<&Promotion> = here.filter(|other| other.spec.release == *release).collect();
    let newest = retried(&here, release, environment).map_err(anyhow::Error::msg)?;
    let reason = format!("retry of {}", newest.name());
    let request = writer.request(Some(arguments.reason.as_deref().unwrap_or(&reason)));
    writer.write(&promote(request, release, environment), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// The gate of this name, in upper or lower case.
fn gate(text: &str) -> Result<GateName, String> {
    let named = |gate: &GateName| gate.reason().to_string().eq_ignore_ascii_case(text);
    GateName::ALL.into_iter().find(named).ok_or_else(|| {
        let all: Vec<String> = GateName::ALL.iter().map(|gate| gate.reason().to_string()).collect();
        format!("no such gate: use {}", all.join(", "))
    })
}
