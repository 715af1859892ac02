//! `status`: one release, promotion or environment as a tree, and a wait for its end.

mod wait;

use crate::api::{CachedRelease, Duration, Environment, NamespaceName, Promotion, Release};
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::decide::world::Project;
use crate::user::reader::{Reader, cached, checked};
use crate::view::outlook::{self, Outlook};
use crate::view::screen::Branch;
use crate::view::status::data::{self, Data};
use crate::view::status::{self, Pods, with_pods};
use crate::view::suggestion::suggestion;
use anyhow::bail;
use jiff::Timestamp;
use serde::Serialize;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Show one release, environment or promotion: its stages, steps, checks and tests, and the pods that fail.
///
/// With --wait, the exit code tells how it ended: 0 verified, 10 failed or rolled back, 11 waits for a person, 12 timed out,
/// 13 inconclusive, 14 superseded. 1 is an error, 2 a wrong argument.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of a release, an environment or a promotion; with its kind where names are alike, as in environment/prod.
    name: String,
    /// Wait until it has ended, or until only a person can continue.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, such as 90s, 10m or 2h. Default: no limit.
    #[arg(long, requires = "wait")]
    timeout: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t, conflicts_with = "wait")]
    output: Format,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Release,
    Environment,
    Promotion,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (kind, name) = parsed(&arguments.name)?;
    let reader = arguments.connection.open(None).await?;
    let kind = match kind {
        Some(kind) => existing(&reader, kind, name).await?,
        None => found(&reader, name).await?,
    };
    let seen = Seen::read(&reader, kind, name).await?;
    let pods = pods(&reader, &seen.project).await;
    let Some((tree, outlook)) = seen.shown(kind, name, &pods, reader.now()) else {
        bail!("{name} was deleted in the meantime");
    };
    if arguments.wait {
        return wait::wait(&reader, kind, name, arguments.timeout, out).await;
    }
    let names = [format!("{}/{name}", kind.word())];
    let view = Status { data: seen.data(kind, name, &pods), outlook, tree: &tree };
    output::write_lines(out, arguments.output, "Status", &view, |layout| tree.lines(layout), names)?;
    Ok(ExitCode::SUCCESS)
}

/// The status as data.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(flatten)]
    data: Option<Data>,
    /// What a command that waits can expect.
    outlook: Outlook,
    /// The lines that a person reads.
    tree: &'a Branch,
}

/// What is read of an object and of what belongs to it.
struct Seen {
    release: Option<Arc<CachedRelease>>,
    project: Project,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Environment => "environment",
            Self::Promotion => "promotion",
        }
    }

    /// The promotions that belong to an object of this kind.
    fn promotions(self, name: &str) -> String {
        match self {
            Self::Release => format!("spec.release={name}"),
            Self::Environment => format!("spec.environment={name}"),
            Self::Promotion => format!("metadata.name={name}"),
        }
    }
}

impl Seen {
    async fn read(reader: &Reader, kind: Kind, name: &str) -> anyhow::Result<Self> {
        let release = match kind {
            Kind::Release => reader.get::<Release>(name).await?.map(cached),
            Kind::Environment | Kind::Promotion => None,
        };
        let releases = release.iter().cloned().collect();
        Ok(Self { project: reader.project(&kind.promotions(name), releases).await?, release })
    }

    /// The status of a release or an environment does not know a promotion that was just created.
    fn outlook(&self, reported: Outlook) -> Outlook {
        let mut open = self.project.promotions.values().filter(|promotion| !promotion.phase().is_final());
        match open.any(|promotion| outlook::of_promotion(promotion) == Outlook::Moving) {
            true => Outlook::Moving,
            false => reported,
        }
    }

    /// The same as fields.
    fn data(&self, kind: Kind, name: &str, pods: &Pods) -> Option<Data> {
        let project = &self.project;
        Some(match kind {
            Kind::Release => data::of_release(project, self.release.as_ref()?, pods),
            Kind::Environment => data::of_environment(project, project.environments.get(name)?, pods),
            Kind::Promotion => data::of_promotion(project.promotion(name)?, pods),
        })
    }

    /// The tree, and what can be expected. None if the object does not exist.
    fn shown(&self, kind: Kind, name: &str, pods: &Pods, now: Timestamp) -> Option<(Branch, Outlook)> {
        let project = &self.project;
        Some(match kind {
            Kind::Release => {
                let release = self.release.as_ref()?;
                (status::of_release(project, release, pods, now), self.outlook(outlook::of_release(release)))
            }
            Kind::Environment => {
                let environment = project.environments.get(name)?;
                (
                    status::of_environment(project, environment, pods, now),
                    self.outlook(outlook::of_environment(environment)),
                )
            }
            Kind::Promotion => {
                let promotion = project.promotion(name)?;
                (status::of_promotion(promotion, pods, now), outlook::of_promotion(promotion))
            }
        })
    }
}

fn parsed(text: &str) -> anyhow::Result<(Option<Kind>, &str)> {
    let Some((kind, name)) = text.split_once('/') else { return Ok((None, checked(text)?)) };
    // As `--output name` prints it.
    let kind = match kind.trim_end_matches(".towpath.dev") {
        "release" | "releases" | "rel" => Kind::Release,
        "environment" | "environments" | "env" => Kind::Environment,
        "promotion" | "promotions" | "prm" => Kind::Promotion,
        other => bail!("{other:?} has no status here: use release/, environment/ or promotion/"),
    };
    Ok((Some(kind), checked(name)?))
}

/// The kind of the object of this name.
async fn found(reader: &Reader, name: &str) -> anyhow::Result<Kind> {
    let (release, environment, promotion) = tokio::try_join!(
        reader.get::<Release>(name),
        reader.get::<Environment>(name),
        reader.get::<Promotion>(name),
    )?;
    match (release, environment, promotion) {
        (Some(_), None, None) => Ok(Kind::Release),
        (None, Some(_), None) => Ok(Kind::Environment),
        (None, None, Some(_)) => Ok(Kind::Promotion),
        (None, None, None) => {
            let (releases, environments, promotions) = tokio::try_join!(
                reader.names::<Release>(),
                reader.names::<Environment>(),
                reader.names::<Promotion>(),
            )?;
            let names = [releases, environments, promotions].concat();
            let like = suggestion(name, &names);
            bail!("namespace {} has no release, environment or promotion {name}{like}", reader.project)
        }
        (_, _, _) => {
            bail!("more than one object is called {name}: write release/{name} or environment/{name}")
        }
    }
}

/// The kind, if it has an object of this name that can be read.
async fn existing(reader: &Reader, kind: Kind, name: &str) -> anyhow::Result<Kind> {
    match kind {
        Kind::Release => drop(reader.existing::<Release>(name).await?),
        Kind::Environment => drop(reader.existing::<Environment>(name).await?),
        Kind::Promotion => drop(reader.existing::<Promotion>(name).await?),
    }
    Ok(kind)
}

/// The pods of the environments in which something moves or has failed.
async fn pods(reader: &Reader, project: &Project) -> Pods {
    let shown = with_pods(project);
    let namespaces: Vec<NamespaceName> = shown.values().cloned().collect();
    shown.into_keys().zip(reader.pods(&namespaces).await).collect()
}
