//! `diff`: what a promotion would change, tried by the controller as a dry run.

mod values;

use crate::api::{Duration, Environment, EnvironmentName, Meta, Promotion, PromotionPhase, Release};
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::cli::writer::Writer;
use crate::user::reader::{Reader, checked};
use crate::view::diff::{Diff, against_live, between, promoted_instead};
use crate::view::intent::{compare, withdraw};
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// How often the dry run is read.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(300);
/// How long it may take, if the user says nothing else.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
const TIMED_OUT: u8 = 12;

/// Show what a release would change in an environment, object by object, or what lies between two releases there.
///
/// The controller sends every object to the API server as a dry run, with the identity of the environment. Nothing is written in the
/// target namespace. It needs the right to promote to the environment. Fields are shown with hashes: --show-values reads the values with
/// your own rights.
#[derive(Debug, clap::Args)]
#[command(override_usage = "kubectl towpath diff RELEASE --environment ENVIRONMENT\n       \
                            kubectl towpath diff ENVIRONMENT --from RELEASE --to RELEASE")]
pub struct Arguments {
    /// Name of the release; with --from and --to, name of the environment.
    name: String,
    /// Name of the environment.
    #[arg(short, long, required_unless_present = "from", conflicts_with = "from")]
    environment: Option<String>,
    /// Release to compare with, instead of what is there.
    #[arg(long, value_name = "RELEASE", requires = "to")]
    from: Option<String>,
    /// Release to compare.
    #[arg(long, value_name = "RELEASE", requires = "from")]
    to: Option<String>,
    /// Show the values that the dry run saw: those that are there, and those of the release, as far as you may read them.
    #[arg(long)]
    show_values: bool,
    /// How long to wait for the dry run, such as 90s. Default: 60s.
    #[arg(long)]
    timeout: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (place, to) = match (&arguments.environment, &arguments.to) {
        (Some(environment), _) => (environment.as_str(), arguments.name.as_str()),
        (None, Some(to)) => (arguments.name.as_str(), to.as_str()),
        (None, None) => {
            bail!("name the environment with --environment, or two releases with --from and --to")
        }
    };
    let (place, to) = (checked(place)?, checked(to)?);
    let from = arguments.from.as_deref().map(checked).transpose()?;
    let writer = Writer::open(&arguments.connection).await?;
    let reader = &writer.reader;
    let environment = reader.existing::<Environment>(place).await?;
    let mut releases = Vec::new();
    for name in from.into_iter().chain([to]) {
        releases.push(reader.existing::<Release>(name).await?);
    }
    if let [first, second] = releases.as_slice()
        && first.spec.application != second.spec.application
    {
        bail!(
            "{} is of application {}, and {to} of {}",
            from.unwrap_or_default(),
            first.spec.application,
            second.spec.application
        )
    }
    if let Some(why) = promoted_instead(&environment) {
        bail!(why);
    }
    let mut made = Vec::new();
    let ended = ended(arguments, &writer, &releases, &environment.environment_name(), &mut made).await;
    for promotion in &made {
        writer.attempt(&withdraw(writer.request(None), promotion)).await;
    }
    let Some(ended) = ended? else {
        let names: Vec<&str> = made.iter().map(Meta::name).collect();
        writeln!(
            std::io::stderr(),
            "the dry run {} has not ended in time: see whether the controller runs",
            names.join(", ")
        )?;
        return Ok(ExitCode::from(TIMED_OUT));
    };
    let mut view = compared(&ended)?;
    if arguments.show_values {
        values::add(reader, &environment, &releases, &mut view).await;
    }
    let names = view.objects.iter().map(|object| format!("{}/{}", object.kind.to_lowercase(), object.name));
    let names: Vec<String> = names.collect();
    output::write_lines(out, arguments.output, "Diff", &view, |layout| view.lines(layout), names)?;
    Ok(ExitCode::SUCCESS)
}

/// Creates a dry run of each release. All of them once they have ended, or None if that takes too long. `made` are those that exist.
async fn ended(
    arguments: &Arguments,
    writer: &Writer,
    releases: &[Release],
    place: &EnvironmentName,
    made: &mut Vec<Promotion>,
) -> anyhow::Result<Option<Vec<Promotion>>> {
    for release in releases {
        let written = writer.written(&compare(writer.request(None), release, place)).await?;
        made.push(serde_json::from_value(written)?);
    }
    wait(arguments, &writer.reader, made).await
}

/// The dry runs once all have ended. None if that takes too long.
async fn wait(
    arguments: &Arguments,
    reader: &Reader,
    made: &[Promotion],
) -> anyhow::Result<Option<Vec<Promotion>>> {
    let begun = Instant::now();
    let limit = arguments.timeout.map_or(PATIENCE, std::time::Duration::from);
    let mut ended = Vec::new();
    while let Some(next) = made.get(ended.len()) {
        let Some(now) = reader.get::<Promotion>(next.name()).await? else {
            bail!("the dry run {} was deleted before it ended", next.name())
        };
        if now.phase().is_final() {
            ended.push(now);
            continue;
        }
        if begun.elapsed() >= limit {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Some(ended))
}

fn compared(ended: &[Promotion]) -> anyhow::Result<Diff> {
    for promotion in ended {
        if promotion.phase() != PromotionPhase::Compared {
            let status = promotion.status.clone().unwrap_or_default();
            bail!(
                "{} cannot be compared in {}: {}: {}",
                promotion.spec.release,
                promotion.spec.environment,
                status.reason.unwrap_or_default(),
                status.message.unwrap_or_default()
            );
        }
    }
    match ended {
        [to] => Ok(against_live(to)),
        [from, to] => Ok(between(from, to)),
        _ => bail!("there is no dry run to show"),
    }
}
