//! Checkup: what a project needs of its cluster, and what is missing.

mod environments;

pub use environments::{consent, environments};

use super::right::{Role, command};
use super::screen::{Cell, Table};
use super::times::length;
use super::tone::Tone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;

/// The oldest minor version of Kubernetes 1 that Towpath works with.
const OLDEST: u32 = 32;
/// A Lease that was not renewed for this many times its duration has no holder.
const MISSED: i32 = 2;
/// A clock that is further off makes ages and waits wrong.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Everything that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkup {
    /// In the order in which things are needed.
    pub items: Vec<Item>,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What it belongs to: `cluster`, `user`, or `environment/<name>`.
    pub of: String,
    /// What was checked, in one word.
    pub name: String,
    /// How it is.
    pub state: ItemState,
    /// What was found.
    pub message: String,
    /// The commands that fix it, one per line, or that grant the right to see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ItemState {
    /// It is as it should be.
    Fine,
    /// Something is missing.
    Missing,
    /// It could not be read.
    Unknown,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What happened.
    pub message: String,
    /// The command that grants the right that is missing.
    pub grant: Option<String>,
}

/// What was read.
pub type Seen<T> = Result<T, Unseen>;

/// The Lease by which replicas of the controller agree who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The replica that acts.
    pub holder: String,
    /// When it renewed the Lease.
    pub renewed: Timestamp,
    /// How long that counts.
    pub duration: SignedDuration,
}

fn item(of: &str, name: &str, state: ItemState, message: impl Into<String>) -> Item {
    Item { of: of.to_owned(), name: name.to_owned(), state, message: message.into(), fix: None }
}

impl Item {
    fn fixed_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// An item about what was seen, or about why it was not.
pub fn judged<T>(of: &str, name: &str, seen: Seen<T>, judge: impl FnOnce(T) -> Item) -> Item {
    match seen {
        Ok(found) => judge(found),
        Err(unseen) => Item { fix: unseen.grant, ..item(of, name, ItemState::Unknown, unseen.message) },
    }
}

/// The version of the API server, such as `v1.37.2`.
pub fn server(version: &str) -> Item {
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    match minor {
        Some(minor) if minor < OLDEST => item(
            "cluster",
            "server",
            ItemState::Missing,
            format!("Kubernetes {version}; Towpath needs 1.{OLDEST} or later"),
        ),
        Some(_) | None => item("cluster", "server", ItemState::Fine, format!("Kubernetes {version}")),
    }
}

/// The clocks of the API server and of this computer.
pub fn clock(server: Timestamp, own: Timestamp) -> Item {
    let ahead = own.duration_since(server);
    if ahead.abs() <= SKEW {
        return item(
            "cluster",
            "clock",
            ItemState::Fine,
            "the clocks of the API server and of this computer agree",
        );
    }
    let word = if ahead.is_negative() { "behind" } else { "ahead" };
    let message = format!(
        "this computer is {} {word} of the API server, so the ages that it shows are wrong",
        length(ahead.abs())
    );
    item("cluster", "clock", ItemState::Missing, message).fixed_by("set the clock of this computer")
}

/// The kinds that the API server serves. `older` and `newer` are fields that only this program or only the server knows.
pub fn kinds(version: &str, older: &[String], newer: &[String]) -> Item {
    let few = |fields: &[String]| match fields {
        [] => String::new(),
        [first] => first.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    if !older.is_empty() {
        let message = format!("{version} is older than this program: it lacks {}", few(older));
        return item("cluster", "kinds", ItemState::Missing, message)
            .fixed_by("towpath crds | kubectl apply --server-side --filename -");
    }
    let newer =
        if newer.is_empty() { String::new() } else { format!("; this program does not know {}", few(newer)) };
    item("cluster", "kinds", ItemState::Fine, format!("{version} is served{newer}"))
}

/// The controller, by its Lease.
pub fn controller(namespace: &str, leadership: Option<&Leadership>, now: Timestamp) -> Item {
    let look = format!("kubectl get pods --namespace {namespace} --selector app.kubernetes.io/name=towpath");
    let Some(Leadership { holder, renewed, duration }) = leadership else {
        let message = format!("no replica of the controller ever held a Lease in namespace {namespace}");
        return item("cluster", "controller", ItemState::Missing, message).fixed_by(look);
    };
    let age = now.duration_since(*renewed);
    if age > *duration * MISSED {
        let message = format!("{holder} renewed its Lease {} ago: the controller does not run", length(age));
        return item("cluster", "controller", ItemState::Missing, message).fixed_by(look);
    }
    item("cluster", "controller", ItemState::Fine, format!("{holder} acts"))
}

/// The admission policies: those that are expected, and those that there are, each as `Kind name`.
pub fn policies(expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Item {
    let missing: Vec<&str> = expected.difference(found).map(String::as_str).collect();
    if missing.is_empty() {
        return item(
            "cluster",
            "policies",
            ItemState::Fine,
            format!("all {} policies are there and bound", expected.len() / 2),
        );
    }
    let message = format!(
        "missing: {}; without them, users may approve and override more than their roles say",
        missing.join(", ")
    );
    item("cluster", "policies", ItemState::Missing, message)
        .fixed_by("helm upgrade towpath charts/towpath --namespace towpath-system --reuse-values --set admission.enabled=true")
}

/// What a user may do in a project.
pub fn rights(user: &str, project: &str, allowed: &BTreeSet<String>) -> Item {
    let is_reader = ["environments", "promotions", "releases"]
        .iter()
        .all(|kind| ["list", "watch"].iter().all(|verb| allowed.contains(&format!("{verb} {kind}"))));
    let verbs = ["promote", "approve", "rollback", "override", "declare"];
    let mut may: Vec<&str> =
        verbs.into_iter().filter(|verb| allowed.contains(&format!("{verb} environments"))).collect();
    if allowed.contains("create releases") {
        may.insert(0, "release");
    }
    if !is_reader {
        return item("user", "rights", ItemState::Missing, format!("{user} may not read this project"))
            .fixed_by(command(Role::Viewer, project, user));
    }
    let may = if may.is_empty() { "read".to_owned() } else { format!("read, {}", may.join(", ")) };
    item("user", "rights", ItemState::Fine, format!("{user} may {may}"))
}

impl Checkup {
    /// Whether nothing is missing.
    pub fn is_fine(&self) -> bool {
        self.items.iter().all(|item| item.state != ItemState::Missing)
    }

    /// The checkup as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["OF", "CHECK", "STATE"], "WHAT WAS FOUND");
        for item in &self.items {
            let (word, tone) = match item.state {
                ItemState::Fine => ("Fine", Tone::Good),
                ItemState::Missing => ("Missing", Tone::Bad),
                ItemState::Unknown => ("Unknown", Tone::Waits),
            };
            let cells = vec![Cell::plain(&item.of), Cell::plain(&item.name), Cell::toned(word, tone)];
            table.row(cells, &item.message);
        }
        table
    }

    /// The commands that fix what is missing or show what is unknown, each once: they are copied, so they are never broken into lines.
    pub fn commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = Vec::new();
        for line in self.items.iter().filter_map(|item| item.fix.as_ref()).flat_map(|fix| fix.lines()) {
            let line = super::screen::printable(line);
            if !commands.contains(&line) {
                commands.push(line);
            }
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_missed_two_renewals_does_not_run() {
        let renewed: Timestamp = "2026-11-02T15:00:00Z".parse().unwrap();
        let leadership =
            Leadership { holder: "towpath-0".to_owned(), renewed, duration: SignedDuration::from_secs(15) };
        for (age, state) in
            [(0, ItemState::Fine), (30, ItemState::Fine), (31, ItemState::Missing), (-40, ItemState::Fine)]
        {
            let found =
                controller("towpath-system", Some(&leadership), renewed + SignedDuration::from_secs(age));
            assert_eq!(found.state, state, "{age}");
        }
        assert_eq!(controller("towpath-system", None, renewed).state, ItemState::Missing);
    }

    #[test]
    fn versions_clocks_and_policies_have_limits() {
        for (version, state) in [
            ("v1.31.9", ItemState::Missing),
            ("v1.32.0", ItemState::Fine),
            ("v1.37.2+k3s1", ItemState::Fine),
            ("what", ItemState::Fine),
        ] {
            assert_eq!(server(version).state, state, "{version}");
        }
        let now: Timestamp = "2026-11-02T15:00:00Z".parse().unwrap();
        for (seconds, state) in [(60, ItemState::Fine), (-61, ItemState::Missing), (61, ItemState::Missing)] {
            assert_eq!(clock(now, now + SignedDuration::from_secs(seconds)).state, state, "{seconds}");
        }
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(policies(&of(&["P a", "B a"]), &of(&["P a", "B a", "P b"])).state, ItemState::Fine);
        let missing = policies(&of(&["P a", "B a"]), &of(&["P a"]));
        assert!(missing.state == ItemState::Missing && missing.message.contains("B a"), "{missing:?}");
    }
}
