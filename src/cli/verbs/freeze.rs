//! `freeze` and `unfreeze`: a period in which no promotion starts in the environments of a project.

use crate::api::{ChangeFreeze, ChangeFreezeSpec, ChangeType, Duration, Environment, EnvironmentName};
use crate::cli::reader::{checked, suggestion};
use crate::cli::writer::Writing;
use crate::view::intent::{freeze, unfreeze};
use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::io::Write;
use std::process::ExitCode;

/// Freeze a project: no promotion starts. Rollbacks pass, and promotions that have started are finished.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("end").required(true))]
pub struct Arguments {
    /// Name of the freeze. Default: freeze and a suffix.
    name: Option<String>,
    /// Start, such as 2026-12-20T00:00:00Z. Default: now.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// End, such as 2027-01-04T00:00:00Z.
    #[arg(long, value_name = "TIME", group = "end")]
    to: Option<Timestamp>,
    /// How long it lasts, such as 90m or 48h.
    #[arg(long = "for", value_name = "DURATION", group = "end")]
    lasts: Option<Duration>,
    /// Reason, in a sentence. It is shown to those who wait.
    #[arg(long)]
    reason: String,
    /// Environment that is frozen. Can be repeated, or a list with commas. Default: all of the project.
    #[arg(short, long = "environment", value_delimiter = ',')]
    environments: Vec<String>,
    /// Type of change that passes: Standard, Normal or Emergency. Can be repeated.
    #[arg(long, value_delimiter = ',', value_parser = change_type)]
    passes: Vec<ChangeType>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `freeze`.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let name = arguments.name.as_deref().map(checked).transpose()?;
    let from = match arguments.from {
        Some(from) => from,
        None => Timestamp::from_second(Timestamp::now().as_second())?,
    };
    let to = match (arguments.to, arguments.lasts) {
        (Some(to), _) => to,
        (None, lasts) => {
            let lasts = lasts.map(std::time::Duration::from).unwrap_or_default();
            from.checked_add(SignedDuration::try_from(lasts)?).context("--for is too long")?
        }
    };
    if to <= from {
        bail!("the freeze ends at {to}, which is not after its start at {from}");
    }
    let writer = arguments.writing.open().await?;
    let known = writer.reader.names::<Environment>().await?;
    for wanted in &arguments.environments {
        if !known.contains(wanted) {
            bail!(
                "namespace {} has no environment {wanted}{}",
                writer.reader.project,
                suggestion(wanted, &known)
            );
        }
    }
    let spec = ChangeFreezeSpec {
        from: Time(from),
        to: Time(to),
        reason: arguments.reason.clone(),
        environments: arguments
            .environments
            .iter()
            .map(|name| EnvironmentName::from(name.as_str()))
            .collect(),
        passes: arguments.passes.clone(),
    };
    writer.write(&freeze(writer.request(None), name, spec), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Lift a freeze of the project.
#[derive(Debug, clap::Args)]
pub struct Lifting {
    /// Name of the freeze. Required if the project has more than one.
    name: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `unfreeze`.
pub async fn run_unfreeze(arguments: &Lifting, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let name = match &arguments.name {
        Some(name) => {
            writer.reader.existing::<ChangeFreeze>(name).await?;
            name.clone()
        }
        None => match writer.reader.names::<ChangeFreeze>().await?.as_slice() {
            [name] => name.clone(),
            [] => bail!("namespace {} has no freeze", writer.reader.project),
            several => bail!(
                "namespace {} has several freezes: name one of {}",
                writer.reader.project,
                several.join(", ")
            ),
        },
    };
    writer.write(&unfreeze(&name), out).await?;
    Ok(ExitCode::SUCCESS)
}

fn change_type(text: &str) -> Result<ChangeType, String> {
    let all = [ChangeType::Standard, ChangeType::Normal, ChangeType::Emergency];
    let named = |type_: &ChangeType| format!("{type_:?}").eq_ignore_ascii_case(text);
    all.into_iter().find(named).ok_or_else(|| "no such type: use Standard, Normal or Emergency".to_owned())
}
