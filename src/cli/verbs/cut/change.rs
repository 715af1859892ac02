//! What a release says about its change: from flags, and from answers on a terminal.

use crate::api::{
    ChangeDescription, ChangeType, EnvironmentName, Link, NotBefore, PlannedStart, ReleaseChange, Risk,
};
use crate::cli::question::{answer, can_ask};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::io::Write;

/// Fields of `spec.change`.
#[derive(Debug, clap::Args)]
pub struct Described {
    /// What changes, in a few sentences.
    #[arg(long)]
    summary: Option<String>,
    /// Person or team that is responsible for the change.
    #[arg(long)]
    owner: Option<String>,
    /// Risk of the change: Low, Medium or High.
    #[arg(long, value_parser = risk)]
    risk: Option<Risk>,
    /// Type of the change: Standard, Normal or Emergency. Default: Normal.
    #[arg(long = "type", value_name = "TYPE", value_parser = change_type)]
    type_: Option<ChangeType>,
    /// Ticket of the change. Can be repeated.
    #[arg(long)]
    ticket: Vec<String>,
    /// Page about the change, as TITLE=URL or as URL. Can be repeated.
    #[arg(long, value_name = "TITLE=URL", value_parser = link)]
    link: Vec<Link>,
    /// Person or team that has an interest in the change. Can be repeated.
    #[arg(long)]
    stakeholder: Vec<String>,
    /// Earliest start in an environment, as ENVIRONMENT=TIME, with a time such as 2026-11-03T08:00:00Z. Can be repeated.
    #[arg(long, value_name = "ENVIRONMENT=TIME", value_parser = not_before)]
    not_before: Vec<NotBefore>,
    /// Planned start in an environment, as ENVIRONMENT=TIME. It is no gate: the calendar shows it. Can be repeated.
    #[arg(long, value_name = "ENVIRONMENT=TIME", value_parser = planned_for)]
    planned_for: Vec<PlannedStart>,
    /// Time after which the release is promoted to no further environment.
    #[arg(long, value_name = "TIME")]
    deadline: Option<Timestamp>,
    /// Test of the last verified revision that no longer applies. Can be repeated.
    #[arg(long, value_name = "TEST")]
    drops: Vec<String>,
    /// No earlier version works on what the release leaves behind: automation does not roll it back.
    #[arg(long)]
    irreversible: bool,
}

fn risk(text: &str) -> Result<Risk, String> {
    match text.to_ascii_lowercase().as_str() {
        "low" => Ok(Risk::Low),
        "medium" => Ok(Risk::Medium),
        "high" => Ok(Risk::High),
        _ => Err("a risk is Low, Medium or High".to_owned()),
    }
}

fn change_type(text: &str) -> Result<ChangeType, String> {
    match text.to_ascii_lowercase().as_str() {
        "standard" => Ok(ChangeType::Standard),
        "normal" => Ok(ChangeType::Normal),
        "emergency" => Ok(ChangeType::Emergency),
        _ => Err("a type is Standard, Normal or Emergency".to_owned()),
    }
}

fn link(text: &str) -> Result<Link, String> {
    let is_url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
    let (title, url) = match text.split_once('=') {
        Some((title, url)) if is_url(url) && !is_url(title) => (title, url),
        Some(_) | None => (text, text),
    };
    let title: String = title.chars().take(100).collect();
    let is_valid = is_url(url) && !url.contains(' ') && !title.is_empty();
    is_valid
        .then(|| Link { title, url: url.to_owned() })
        .ok_or_else(|| "write it as TITLE=URL, with a URL that starts with https:// or http://".to_owned())
}

fn not_before(text: &str) -> Result<NotBefore, String> {
    let (environment, at) = start(text)?;
    Ok(NotBefore { environment, at })
}

fn planned_for(text: &str) -> Result<PlannedStart, String> {
    let (environment, at) = start(text)?;
    Ok(PlannedStart { environment, at })
}

fn start(text: &str) -> Result<(EnvironmentName, Time), String> {
    let rule = || "write it as ENVIRONMENT=TIME, as in prod=2026-11-03T08:00:00Z".to_owned();
    let (environment, at) = text.split_once('=').ok_or_else(rule)?;
    let at: Timestamp = at.parse().map_err(|_| rule())?;
    Ok((environment.into(), Time(at)))
}

impl Described {
    /// The change, with answers for what is missing and important. It asks only on a terminal.
    pub fn complete(&self) -> anyhow::Result<Option<ReleaseChange>> {
        let mut description = ChangeDescription {
            owner: self.owner.clone(),
            risk: self.risk,
            summary: self.summary.clone(),
            tickets: self.ticket.clone(),
            links: self.link.clone(),
            stakeholders: self.stakeholder.clone(),
        };
        if can_ask() {
            ask(&mut description)?;
        }
        let change = ReleaseChange {
            type_: self.type_.unwrap_or_default(),
            not_before: self.not_before.clone(),
            planned_for: self.planned_for.clone(),
            deadline: self.deadline.map(Time),
            drops: self.drops.clone(),
            reversible: !self.irreversible,
            description,
        };
        Ok((change != ReleaseChange::default()).then_some(change))
    }
}

/// Asks for what approvers read first. An empty answer leaves a field out.
fn ask(description: &mut ChangeDescription) -> anyhow::Result<()> {
    let answer = |question: &str| -> anyhow::Result<Option<String>> {
        Ok(Some(answer(&format!("{question} (empty: none):"))?).filter(|line| !line.is_empty()))
    };
    if description.summary.is_none() {
        description.summary = answer("Summary: what changes")?;
    }
    if description.owner.is_none() {
        description.owner = answer("Owner: person or team")?;
    }
    while description.risk.is_none() {
        let Some(said) = answer("Risk: Low, Medium or High")? else { break };
        match risk(&said) {
            Ok(risk) => description.risk = Some(risk),
            Err(rule) => writeln!(std::io::stderr(), "{rule}")?,
        }
    }
    if description.tickets.is_empty() {
        let tickets = answer("Tickets, with commas between them")?.unwrap_or_default();
        let tickets = tickets.split(',').map(str::trim).filter(|ticket| !ticket.is_empty());
        description.tickets = tickets.map(str::to_owned).collect();
    }
    Ok(())
}
