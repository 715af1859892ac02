//! `approve` and `reject`: a person's decision about what a promotion would write.

use super::changelog::changes;
use super::promote::OfRelease;
use crate::api::{ApprovalDecision, Meta, Promotion};
use crate::cli::output;
use crate::cli::question::confirmed;
use crate::cli::writer::{Writer, Writing};
use crate::user::reader::Reader;
use crate::view::changelog::Changelog;
use crate::view::choice::awaiting_approval;
use crate::view::intent::decide;
use crate::view::proposal::Proposal;
use anyhow::bail;
use std::io::Write;
use std::process::ExitCode;

const USAGE: u8 = 2;

/// Approve a release for an environment. It shows what would be approved, and asks.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    decision: Decision,
}

/// Reject a release for an environment. The rejection closes the gate until you delete it.
#[derive(Debug, clap::Args)]
pub struct Rejecting {
    #[command(flatten)]
    decision: Decision,
}

#[derive(Debug, clap::Args)]
struct Decision {
    #[command(flatten)]
    of: OfRelease,
    /// Reason for the decision. It is copied into the record.
    #[arg(long, visible_alias = "comment")]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs `approve`.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.decision.writing.open().await?;
    let (promotion, proposal) = waiting(&writer.reader, &arguments.decision.of).await?;
    let Some(of) = promotion.status.as_ref().and_then(|status| Some(&status.approvals.as_ref()?.of)) else {
        bail!("{} needs no approval", promotion.name());
    };
    let request = writer.request(arguments.decision.reason.as_deref());
    let intent = decide(request, of, ApprovalDecision::Approve);
    writer.check(&intent).await?;
    let of = &arguments.decision.of;
    show(&writer, &proposal, &changes(&writer.reader, &of.release, &of.environment).await?, out)?;
    if writer.is_in_earnest() && !arguments.yes {
        match confirmed(&format!("Approve {} for {}?", proposal.release, proposal.environment))? {
            Some(true) => {}
            Some(false) => bail!("{} was not approved", proposal.release),
            None => {
                writeln!(
                    std::io::stderr(),
                    "error: there is no terminal to ask on: approve what is shown with --yes"
                )?;
                return Ok(ExitCode::from(USAGE));
            }
        }
    }
    writer.write(&intent, out).await?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `reject`.
pub async fn run_reject(arguments: &Rejecting, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.decision.writing.open().await?;
    let (promotion, _) = waiting(&writer.reader, &arguments.decision.of).await?;
    let Some(of) = promotion.status.as_ref().and_then(|status| Some(&status.approvals.as_ref()?.of)) else {
        bail!("{} needs no approval", promotion.name());
    };
    let request = writer.request(arguments.decision.reason.as_deref());
    writer.write(&decide(request, of, ApprovalDecision::Reject), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// What an approver reads before the question: the proposal, and everything between what runs there and the release.
fn show(
    writer: &Writer,
    proposal: &Proposal,
    changes: &Changelog,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let layout = output::layout();
    let mut lines = proposal.tree(writer.reader.now()).lines(layout);
    lines.push(String::new());
    lines.extend(changes.lines(layout));
    if proposal.excludes(writer.user()) {
        lines.push(format!("You requested it, so your approval does not count in {}.", proposal.environment));
    }
    match writer.is_for_a_program() {
        true => output::lines(&mut std::io::stderr(), lines),
        false => output::lines(out, lines),
    }
}

/// The promotion that waits for approvals, and what it would write.
async fn waiting(reader: &Reader, of: &OfRelease) -> anyhow::Result<(Promotion, Proposal)> {
    let (release, environment) = of.read(reader).await?;
    let project = reader.project(&format!("spec.release={}", of.release), Vec::new()).await?;
    let here = project.promotions.values().map(AsRef::as_ref);
    let here: Vec<&Promotion> = here.filter(|other| other.spec.environment == of.environment).collect();
    let (promotion, proposal) =
        awaiting_approval(&here, &release, &environment).map_err(anyhow::Error::msg)?;
    Ok((promotion.clone(), proposal))
}
