//! `freeze` and `unfreeze`: a period in which no promotion starts in the environments of a project, or of the cluster.

use crate::api::{
    ChangeFreeze, ChangeFreezeSpec, ChangeType, ClusterChangeFreeze, ClusterChangeFreezeSpec, Duration,
    Environment, EnvironmentName, ProjectName,
};
use crate::cli::writer::{Writer, Writing};
use crate::user::reader::{Reader, checked};
use crate::view::intent::{Intent, freeze, freeze_cluster, unfreeze, unfreeze_cluster};
use crate::view::suggestion::suggestion;
use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::process::ExitCode;

/// Freeze a project, or the cluster: no promotion starts. Rollbacks pass, and promotions that have started are finished.
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
    environments: Vec<EnvironmentName>,
    /// Freeze all projects of the cluster, or those that --project names. It needs a right that no role of Towpath grants.
    #[arg(long, conflicts_with = "environments")]
    cluster: bool,
    /// Project that is frozen, with --cluster. Can be repeated, or a list with commas. Default: all.
    #[arg(long = "project", value_name = "NAMESPACE", value_delimiter = ',', requires = "cluster")]
    projects: Vec<ProjectName>,
    /// Type of change that passes: Standard, Normal or Emergency. Can be repeated.
    #[arg(long, value_delimiter = ',', value_parser = change_type)]
    passes: Vec<ChangeType>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `freeze`.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let name = arguments.name.as_deref().map(checked).transpose()?;
    let writer = arguments.writing.open().await?;
    let from = match arguments.from {
        Some(from) => from,
        None => Timestamp::from_second(writer.reader.now().as_second())?,
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
    let period = Period { from: Time(from), to: Time(to) };
    if arguments.cluster {
        let writer = writer.in_cluster();
        let intent = of_cluster(arguments, &writer, name, period).await?;
        writer.write(&intent, out).await?;
    } else {
        writer.write(&of_project(arguments, &writer, name, period).await?, out).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// When a freeze starts and ends.
struct Period {
    from: Time,
    to: Time,
}

async fn of_project(
    arguments: &Arguments,
    writer: &Writer,
    name: Option<&str>,
    Period { from, to }: Period,
) -> anyhow::Result<Intent> {
    let known = writer.reader.names::<Environment>().await?;
    for wanted in &arguments.environments {
        if !known.iter().any(|name| name == wanted) {
            bail!(
                "namespace {} has no environment {wanted}{}",
                writer.reader.project,
                suggestion(wanted, &known)
            );
        }
    }
    let environments = arguments.environments.clone();
    let (reason, passes) = (arguments.reason.clone(), arguments.passes.clone());
    let spec = ChangeFreezeSpec { from, to, reason, environments, passes };
    Ok(freeze(writer.request(None), name, spec))
}

async fn of_cluster(
    arguments: &Arguments,
    writer: &Writer,
    name: Option<&str>,
    Period { from, to }: Period,
) -> anyhow::Result<Intent> {
    // A user who may not list namespaces may still name them.
    let known = match arguments.projects.is_empty() {
        true => Vec::new(),
        false => writer.reader.namespaces().await.unwrap_or_default(),
    };
    for wanted in &arguments.projects {
        if !known.is_empty() && !known.iter().any(|name| name == wanted) {
            bail!("the cluster has no namespace {wanted}{}", suggestion(wanted, &known));
        }
    }
    let projects = arguments.projects.clone();
    let (reason, passes) = (arguments.reason.clone(), arguments.passes.clone());
    let spec = ClusterChangeFreezeSpec { from, to, reason, projects, passes };
    Ok(freeze_cluster(writer.request(None), name, spec))
}

/// Lift a freeze of the project, or of the cluster.
#[derive(Debug, clap::Args)]
pub struct Lifting {
    /// Name of the freeze. Required if there is more than one.
    name: Option<String>,
    /// Lift a freeze of the cluster.
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `unfreeze`.
pub async fn run_unfreeze(arguments: &Lifting, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    let name = arguments.name.as_deref();
    if arguments.cluster {
        let writer = writer.in_cluster();
        // Before they are read: roles in a project do not grant that.
        writer.check(&unfreeze_cluster("")).await?;
        let name = lifted::<ClusterChangeFreeze>(&writer.reader, name).await?;
        writer.write(&unfreeze_cluster(&name), out).await?;
    } else {
        let name = lifted::<ChangeFreeze>(&writer.reader, name).await?;
        writer.write(&unfreeze(&name), out).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of the freeze that is lifted: the named one, or the only one.
async fn lifted<K>(reader: &Reader, name: Option<&str>) -> anyhow::Result<String>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    if let Some(name) = name {
        reader.existing::<K>(name).await?;
        return Ok(name.to_owned());
    }
    match reader.names::<K>().await?.as_slice() {
        [name] => Ok(name.clone()),
        [] => bail!("{} has no freeze", reader.place()),
        several => bail!("{} has several freezes: name one of {}", reader.place(), several.join(", ")),
    }
}

fn change_type(text: &str) -> Result<ChangeType, String> {
    let all = [ChangeType::Standard, ChangeType::Normal, ChangeType::Emergency];
    let named = |type_: &ChangeType| format!("{type_:?}").eq_ignore_ascii_case(text);
    all.into_iter().find(named).ok_or_else(|| "no such type: use Standard, Normal or Emergency".to_owned())
}
