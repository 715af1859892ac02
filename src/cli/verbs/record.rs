//! `record`: what people and the controller did in a project, as a chain of lines that shows changes and gaps.

use crate::api::{ChangeFreeze, Promotion, Recall, Review};
use crate::cli::connection::Connection;
use crate::cli::files;
use crate::user::reader::Reader;
use crate::view::record::chain::Chain;
use crate::view::record::{Objects, events};
use anyhow::{Context, bail};
use jiff::Timestamp;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Export the record of a project for auditors, or check an export.
///
/// The record holds releases, promotions, rollbacks, approvals, rejections, overrides, holds, recalls, reviews and freezes of the project, also of promotions
/// that were deleted because of the history limit. Users who may read the objects can export it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Export(Export),
    Verify(Verify),
}

/// Write one JSON object per line and event, oldest first. Each line holds the SHA-256 of the line before it.
#[derive(Debug, clap::Args)]
struct Export {
    /// Leave out what happened before this time, such as 2026-10-01T00:00:00Z. Default: everything.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// An earlier export, or - for stdin. Only the events that it does not hold are written, as lines that follow it: append them to it.
    #[arg(long = "continue", value_name = "FILE")]
    earlier: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Check that each line of an export follows the one before it. The exit code is 0 if so, 1 if not.
///
/// A change, a removal or an addition in the middle breaks the chain. To find lines that are missing at the end, and an export that was
/// rewritten as a whole, keep the hash of the last line elsewhere, and give it with --holds.
#[derive(Debug, clap::Args)]
struct Verify {
    /// The export, or - for stdin.
    file: PathBuf,
    /// Hash that a line must have: that of the last line of an earlier export, as `verify` printed it.
    #[arg(long, value_name = "SHA256")]
    holds: Option<String>,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        What::Export(arguments) => export(arguments, out).await?,
        What::Verify(arguments) => verify(arguments, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(arguments: &Export, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut chain = match &arguments.earlier {
        Some(path) => read(path)?,
        None => Chain::default(),
    };
    let reader = arguments.connection.open(None).await?;
    if let Some(project) = chain.project.as_ref().filter(|project| **project != *reader.project) {
        bail!("the export to continue is of namespace {project}, and not of {}", reader.project);
    }
    let mut events = events(&objects(&reader, "record export --namespace PROJECT").await?);
    events.retain(|event| arguments.since.is_none_or(|since| event.at >= since));
    for line in chain.continued(&reader.project, events)? {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What the record of a project is made of. Fails for a namespace that has none; `verb` is then shown with a project.
pub(super) async fn objects(reader: &Reader, verb: &str) -> anyhow::Result<Objects> {
    // A promotion that is deleted in between is in the record then.
    let promotions = reader.list::<Promotion>("").await?;
    let ((releases, environments), recalls, reviews, freezes) = tokio::try_join!(
        reader.recorded(),
        reader.list::<Recall>(""),
        reader.list::<Review>(""),
        reader.list::<ChangeFreeze>("")
    )?;
    if environments.is_empty() && releases.is_empty() && promotions.is_empty() {
        bail!(
            "namespace {} has no environments: name a project, as in: kubectl towpath {verb}",
            reader.project
        );
    }
    Ok(Objects { releases, environments, promotions, recalls, reviews, freezes })
}

fn verify(arguments: &Verify, out: &mut dyn Write) -> anyhow::Result<()> {
    let chain = read(&arguments.file)?;
    let held = match &arguments.holds {
        None => None,
        Some(hash) => match chain.line_of(hash) {
            Some(line) => Some(line),
            None => bail!(
                "no line has the hash {hash}: lines are missing at the end, or the export was rewritten"
            ),
        },
    };
    let (Some(project), Some((first, last))) = (&chain.project, chain.span) else {
        bail!("{} holds no events", arguments.file.display())
    };
    let count = if chain.lines == 1 { "1 event".to_owned() } else { format!("{} events", chain.lines) };
    writeln!(out, "{count} of {project}, from {first} to {last}: each line follows the one before it.")?;
    if let Some(line) = held {
        writeln!(out, "Line {line} has the hash that was given: no line up to it was changed.")?;
    }
    writeln!(out, "Hash of the last line: {}", chain.last)?;
    Ok(())
}

/// The chain in a file, or why it is broken.
fn read(path: &Path) -> anyhow::Result<Chain> {
    Chain::read(&files::text(path)?).with_context(|| path.display().to_string())
}
