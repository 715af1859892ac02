//! `status`: one release, promotion or environment as a tree, and a wait for its end.

use crate::api::{Duration, Environment, Meta, Promotion, Release};
use crate::cli::connection::Connection;
use crate::cli::output;
use crate::cli::reader::{Reader, cached, checked, suggestion};
use crate::decide::world::Project;
use crate::view::outlook::{self, Outlook};
use crate::view::screen::Branch;
use crate::view::status::{self, Pods};
use anyhow::{Context, anyhow, bail};
use console::Term;
use jiff::Timestamp;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// How often a wait looks again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// How long errors of the API server are waited out.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// How long one look may take.
const LOOK: std::time::Duration = std::time::Duration::from_secs(30);
const TIMED_OUT: u8 = 12;
/// An end of the output is no verdict.
const CLOSED: &str = "the output was closed before the wait ended";

/// Show one release, environment or promotion: its stages, steps, checks and tests, and the pods that fail.
///
/// With --wait, the exit code tells how it ended: 0 verified, 10 failed or rolled back, 11 waits for a person, 12 timed out,
/// 13 inconclusive, 14 superseded. 1 is an error, 2 a wrong argument.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of a release, an environment or a promotion; with its kind where names are alike, as in environment/prod.
    name: String,
    /// Wait until it has ended, or until nothing goes on without a person.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, such as 90s, 10m or 2h. Default: no limit.
    #[arg(long, requires = "wait")]
    timeout: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
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
        Some(kind) => kind,
        None => found(&reader, name).await?,
    };
    let Some((tree, outlook)) = look(&reader, kind, name).await? else {
        return missing(&reader, kind, name).await;
    };
    if !arguments.wait {
        output::lines(out, tree.lines(output::layout()))?;
        return Ok(ExitCode::SUCCESS);
    }
    wait(arguments, &reader, kind, name, (tree, outlook), out).await
}

/// Looks again until it has ended. On a terminal the tree is drawn in its place; else what changed is written.
async fn wait(
    arguments: &Arguments,
    reader: &Reader,
    kind: Kind,
    name: &str,
    mut seen: (Branch, Outlook),
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let terminal = Term::stdout();
    let begun = Instant::now();
    let (mut answered, mut drawn, mut written) = (Instant::now(), 0, Vec::new());
    loop {
        let lines = seen.0.lines(output::layout());
        if terminal.is_term() {
            terminal.clear_last_lines(drawn)?;
            drawn = lines.len();
            output::lines(out, lines)?;
        } else {
            // Ages change with every look; what happened is said once.
            let is_new = |line: &&String| !written.contains(&ageless(line));
            let new: Vec<String> = lines.iter().filter(is_new).cloned().collect();
            written = lines.iter().map(|line| ageless(line)).collect();
            output::lines(out, new).context(CLOSED)?;
        }
        out.flush().context(CLOSED)?;
        if let Some(code) = seen.1.exit_code() {
            return Ok(ExitCode::from(code));
        }
        let limit = arguments.timeout.map(std::time::Duration::from);
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            writeln!(
                std::io::stderr(),
                "{name} has not ended within {}",
                arguments.timeout.map(|it| it.to_string()).unwrap_or_default()
            )?;
            return Ok(ExitCode::from(TIMED_OUT));
        }
        tokio::time::sleep(PAUSE).await;
        let left = limit.map_or(LOOK, |limit| limit.saturating_sub(begun.elapsed()).min(LOOK));
        let looked = tokio::time::timeout(left, look(reader, kind, name)).await;
        match looked.unwrap_or_else(|_| Err(anyhow!("the cluster does not answer"))) {
            Ok(Some(now)) => (seen, answered) = (now, Instant::now()),
            Ok(None) => bail!("{name} was deleted while it was waited for"),
            Err(error) if answered.elapsed() >= PATIENCE => return Err(error),
            Err(_) => {}
        }
    }
}

/// A line without its ages, such as `45s`.
fn ageless(line: &str) -> String {
    let is_age = |word: &&str| {
        let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
        number.len() + 1 == word.len() && number.chars().all(|char| char.is_ascii_digit())
    };
    line.split(' ').filter(|word| !is_age(word)).collect::<Vec<_>>().join(" ")
}

fn parsed(text: &str) -> anyhow::Result<(Option<Kind>, &str)> {
    let Some((kind, name)) = text.split_once('/') else { return Ok((None, checked(text)?)) };
    let kind = match kind {
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

async fn missing(reader: &Reader, kind: Kind, name: &str) -> anyhow::Result<ExitCode> {
    let (word, names) = match kind {
        Kind::Release => ("release", reader.names::<Release>().await?),
        Kind::Environment => ("environment", reader.names::<Environment>().await?),
        Kind::Promotion => ("promotion", reader.names::<Promotion>().await?),
    };
    let like = suggestion(name, &names);
    bail!("namespace {} has no {word} {name}{like}", reader.project)
}

/// The tree as it is now. None if the object does not exist.
async fn look(reader: &Reader, kind: Kind, name: &str) -> anyhow::Result<Option<(Branch, Outlook)>> {
    let now = Timestamp::now();
    Ok(match kind {
        Kind::Release => {
            let Some(release) = reader.get::<Release>(name).await? else { return Ok(None) };
            let release = cached(release);
            let project = reader.project(&format!("spec.release={name}"), vec![release.clone()]).await?;
            let pods = pods(reader, &project).await;
            let tree = status::of_release(&project, &release, &pods, now);
            Some((tree, outlook::of_release(&release)))
        }
        Kind::Environment => {
            let project = reader.project(&format!("spec.environment={name}"), Vec::new()).await?;
            let Some(environment) = project.environments.get(name) else { return Ok(None) };
            let pods = pods(reader, &project).await;
            let tree = status::of_environment(&project, environment, &pods, now);
            Some((tree, outlook::of_environment(environment)))
        }
        Kind::Promotion => {
            let project = reader.project(&format!("metadata.name={name}"), Vec::new()).await?;
            let Some(promotion) = project.promotions.get(name) else { return Ok(None) };
            let pods = pods(reader, &project).await;
            let tree = status::of_promotion(promotion, &pods, now);
            Some((tree, outlook::of_promotion(promotion)))
        }
    })
}

/// The pods of the environments in which something moves or has failed.
async fn pods(reader: &Reader, project: &Project) -> Pods {
    let is_shown = |promotion: &&std::sync::Arc<Promotion>| {
        promotion.phase().is_running() || promotion.phase().has_failed()
    };
    let environments = project.promotions.values().filter(is_shown);
    let mut environments: Vec<_> =
        environments.filter_map(|promotion| project.environments.get(&promotion.spec.environment)).collect();
    environments.dedup_by_key(|environment| environment.name().to_owned());
    let namespaces: Vec<String> =
        environments.iter().map(|environment| environment.spec.namespace.to_string()).collect();
    let read = reader.pods(&namespaces).await;
    environments.iter().map(|environment| environment.name().to_owned()).zip(read).collect()
}
