//! The summary: what was written where, as the API server's audit log has it, and how long a way back took.

use crate::board::{Board, PROJECT};
use crate::installation::Installation;
use crate::screen::Screen;
use crate::story::{Act, Sign};
use anyhow::{Context, Result, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Table};
use control_plane::{AuditEvent, Mark};
use jiff::Timestamp;
use std::collections::BTreeMap;
use towpath::api::PromotionPhase;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// Requests of one kind of doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    created: usize,
    changed: usize,
    deleted: usize,
    tried: usize,
}

impl Count {
    fn add(&mut self, event: &AuditEvent) {
        match (event.dry_run, event.verb.as_str(), event.code) {
            (true, _, _) => self.tried += 1,
            (false, "delete", _) => self.deleted += 1,
            (false, _, 201) => self.created += 1,
            (false, _, _) => self.changed += 1,
        }
    }

    fn shown(self) -> String {
        let words = [(self.created, "created"), (self.changed, "changed"), (self.deleted, "deleted")];
        let words: Vec<String> = words
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let written = if words.is_empty() { "-".to_owned() } else { words.join(", ") };
        if self.tried > 0 { format!("{written} ({} tried)", self.tried) } else { written }
    }
}

/// A request that was made as the identity of an environment and may change something, dry runs included.
fn acts(event: &AuditEvent, environment: &str) -> bool {
    let identity = format!("system:serviceaccount:towpath-deployers:{PROJECT}.{environment}");
    let verb = matches!(event.verb.as_str(), "create" | "patch" | "update" | "delete" | "deletecollection");
    event.impersonated_user.as_deref() == Some(&identity) && verb && event.code < 300
}

/// The same, and it did change something.
pub fn writes(event: &AuditEvent, environment: &str) -> bool {
    acts(event, environment) && !event.dry_run
}

/// When the record of a rollback was made.
fn turned(events: &[AuditEvent], environment: &str, release: &str) -> Option<Timestamp> {
    let made = |event: &&AuditEvent| {
        event.resource == "promotions"
            && event.subresource.is_empty()
            && matches!(event.verb.as_str(), "create" | "patch")
            && event.name.starts_with(&format!("{environment}-{release}-rollback"))
    };
    events.iter().find(made).map(|event| event.time)
}

pub async fn print(
    screen: &Screen,
    installation: &Installation,
    board: &Board,
    acts_: &[Act],
    mark: Mark,
) -> Result<()> {
    let events = installation.cluster.audit()?.since(mark).await?;
    let counts = count(&events, acts_);
    screen.title("What was written, from the API server's audit log");
    for line in written(&counts, acts_) {
        screen.say(&format!("    {line}"));
    }
    screen.say("");
    screen.paragraph(
        "Tried: dry runs, made before the first write. Every write was made in the name of its environment, in its own namespace; \
         dev belongs to CI and got none.",
    );
    let strays = events.iter().filter(|event| writes(event, "dev")).count();
    ensure!(strays == 0, "{strays} writes were made in dev, where Towpath only looks");
    screen.title("How fast a bad release came back");
    for (index, act) in acts_.iter().enumerate() {
        let until = acts_.get(index + 1).map_or(Timestamp::MAX, |next| next.from);
        if act.back.is_some() {
            screen.say(&format!("    {}", way_back(board, &events, act, until)?));
        }
    }
    screen.title(&format!(
        "One release reached prod, three came back whole, in {:.0} s.",
        screen.elapsed().as_secs_f64()
    ));
    Ok(())
}

type Counts = BTreeMap<(usize, bool, &'static str), Count>;

/// By act, whether on the way back, and environment.
fn count(events: &[AuditEvent], acts_: &[Act]) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        let Some(environment) = ENVIRONMENTS.into_iter().find(|environment| acts(event, environment)) else {
            continue;
        };
        let Some(index) = acts_.iter().rposition(|act| act.from <= event.time) else { continue };
        let turn = turned(events, environment, acts_[index].release);
        let back = turn.is_some_and(|turn| event.time >= turn);
        counts.entry((index, back, environment)).or_default().add(event);
    }
    counts
}

fn written(counts: &Counts, acts_: &[Act]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header([bold(""), bold("dev"), bold("staging"), bold("prod")]);
    for (index, act) in acts_.iter().enumerate() {
        let mut row = |title: String, back: bool| {
            let cells = ENVIRONMENTS
                .map(|environment| counts.get(&(index, back, environment)).copied().unwrap_or_default());
            table.add_row([vec![title], cells.map(Count::shown).to_vec()].concat());
        };
        row(act.release.to_owned(), false);
        if act.back.is_some() {
            row("  and back".to_owned(), true);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// From the crash that decided, as a watch showed it, to the last write and to health.
fn way_back(board: &Board, events: &[AuditEvent], act: &Act, until: Timestamp) -> Result<String> {
    let (environment, sign) = act.back.context("nothing was rolled back")?;
    let seen = match sign {
        Sign::Metric(at) => at,
        Sign::Crash(exits) => {
            let namespace = format!("{PROJECT}-{environment}");
            let crashes = board.crashes.get(&namespace).map(Vec::as_slice).unwrap_or_default();
            let counts = |(at, count): &&(Timestamp, i32)| *at >= act.from && *count >= exits;
            let seen = crashes.iter().filter(counts).map(|(at, _)| *at).min();
            seen.with_context(|| format!("no crash was seen in {environment}"))?
        }
    };
    let turn = turned(events, environment, act.release).context("the audit log has no rollback")?;
    let back =
        events.iter().filter(|event| writes(event, environment) && event.time >= turn && event.time < until);
    let last = back.map(|event| event.time).max().context("nothing was written on the way back")?;
    let healthy = board
        .promotions
        .values()
        .filter(|promotion| {
            promotion.spec.environment == environment && promotion.spec.release == act.release
        })
        .filter_map(|promotion| {
            let name = promotion.metadata.name.clone()?;
            name.contains("-rollback").then(|| board.phases.get(&(name, PromotionPhase::Verified)))?.copied()
        })
        .max()
        .context("nothing was restored")?;
    let seconds = |until: Timestamp| (until - seen).total(jiff::Unit::Second).unwrap_or_default();
    let what = match sign {
        Sign::Metric(_) => "errors rise",
        Sign::Crash(exits) if exits > 1 => "second crash seen",
        Sign::Crash(_) => "first crash seen",
    };
    Ok(format!(
        "{} in {environment}: {what}, all of it restored after {:.2} s, healthy again after {:.2} s",
        act.release,
        seconds(last),
        seconds(healthy)
    ))
}
