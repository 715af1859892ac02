//! The changelog as a tree for a terminal, and as Markdown.

use super::{Changelog, Direction, Image, Version};
use crate::api::{ChangeType, Risk};
use crate::view::screen::{Branch, Cell, Layout, markdown, printable};
use crate::view::tone::Tone;
use std::fmt::Write;

impl Changelog {
    /// What the changelog is about, in a sentence.
    pub fn sentence(&self) -> String {
        let runs = self.from.as_ref().map(|from| match &from.version {
            Some(version) => version.clone(),
            None => from.release.to_string(),
        });
        let (environment, version) = (&self.environment, &self.version);
        match (self.direction, runs) {
            (Direction::None, _) => format!("{version} runs in {environment}: nothing changes"),
            (Direction::Forward, Some(runs)) => format!("from {runs} to {version}"),
            (Direction::Back, Some(runs)) => {
                format!("back from {runs} to {version}, which is older: these versions would be taken away")
            }
            (Direction::First | Direction::Forward | Direction::Back, _) => {
                format!("to {version}; no earlier version is known in {environment}")
            }
        }
    }

    /// The changelog for a terminal.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        self.tree().lines(layout)
    }

    /// The changelog as a tree.
    pub fn tree(&self) -> Branch {
        let title = vec![
            Cell::plain(&self.application),
            Cell::plain(&self.version),
            Cell::plain(format!("in {}", self.environment)),
        ];
        let mut branches: Vec<Branch> = self.versions.iter().map(Version::branch).collect();
        if !self.images.is_empty() {
            let images =
                self.images.iter().map(|image| Branch::new(vec![Cell::plain(&image.name)], image.change()));
            branches.push(Branch::new(vec![Cell::plain("Images")], "").with(images));
        }
        if let Some(objects) = &self.objects {
            let lines = objects.changes.iter().map(|object| {
                Branch::new(
                    vec![
                        Cell::plain(&object.action),
                        Cell::plain(format!("{} {}", object.kind, object.name)),
                    ],
                    "",
                )
            });
            let of = match objects.dry_run {
                true => format!("{} compared them in {}", objects.promotion, objects.environment),
                false => format!("changed by {} in {}", objects.promotion, objects.environment),
            };
            branches.push(Branch::new(vec![Cell::plain("Objects")], of).with(lines));
        }
        branches
            .extend(self.notes.iter().map(|note| Branch::new(vec![Cell::toned("Note", Tone::Waits)], note)));
        Branch::new(title, self.sentence()).with(branches)
    }

    /// The changelog as Markdown, for release notes.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(format!("# {} {}", markdown(&self.application), markdown(&self.version)));
        line(format!("\nEnvironment {}: {}.", markdown(&self.environment), markdown(&self.sentence())));
        for version in &self.versions {
            line(format!("\n## {}\n", markdown(&version.version)));
            let about = &version.change.description;
            if let Some(summary) = &about.summary {
                line(format!("{}\n", markdown(summary)));
            }
            for (name, value) in version.facts() {
                line(format!("- {name}: {}", markdown(&value)));
            }
            for link in &about.links {
                line(format!("- [{}](<{}>)", markdown(&link.title), address(&link.url)));
            }
        }
        if !self.images.is_empty() {
            line("\n## Images\n\n| Image | Change |\n|---|---|".to_owned());
            for image in &self.images {
                line(format!("| {} | {} |", markdown(&image.name), markdown(&image.change())));
            }
        }
        if let Some(objects) = &self.objects {
            let of = match objects.dry_run {
                true => format!("{} compared them in {}:", objects.promotion, objects.environment),
                false => format!("Changed by {} in {}:", objects.promotion, objects.environment),
            };
            line(format!("\n## Objects\n\n{}\n", markdown(&of)));
            for object in &objects.changes {
                line(format!("- {} {} {}", object.action, markdown(&object.kind), markdown(&object.name)));
            }
        }
        for note in &self.notes {
            line(format!("\n> {}", markdown(note)));
        }
        text
    }
}

impl Image {
    fn change(&self) -> String {
        match (self.from.is_empty(), self.to.is_empty()) {
            (true, _) => {
                let word = match self.has_run {
                    Some(true) => "used again",
                    Some(false) => "new",
                    None => "added",
                };
                format!("{word}: {}", self.to.join(", "))
            }
            (_, true) => format!("no longer used: {}", self.from.join(", ")),
            _ => format!("{} -> {}", self.from.join(", "), self.to.join(", ")),
        }
    }
}

impl Version {
    fn branch(&self) -> Branch {
        let about = &self.change.description;
        let mut cells = vec![Cell::plain(&self.version)];
        cells.extend(self.type_().map(|type_| Cell::toned(type_, Tone::Waits)));
        if let Some(risk) = about.risk {
            let tone = if risk == Risk::High { Tone::Bad } else { Tone::Plain };
            cells.push(Cell::toned(format!("{risk:?} risk"), tone));
        }
        let facts = self.facts().into_iter().filter(|(name, _)| !matches!(*name, "type" | "risk"));
        let facts = facts.map(|(name, value)| Branch::new(vec![Cell::plain(name)], value));
        let links = about.links.iter().map(|link| Branch::new(vec![Cell::plain(&link.title)], &link.url));
        Branch::new(cells, about.summary.as_deref().unwrap_or_default()).with(facts).with(links)
    }

    /// The type of the change, if it is not the usual one.
    fn type_(&self) -> Option<&'static str> {
        let type_ = self.change.type_;
        (type_ != ChangeType::Normal).then(|| type_.as_str())
    }

    /// What is known about the version, except its summary and its links.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let about = &self.change.description;
        let mut facts = Vec::new();
        facts.extend(self.type_().map(|type_| ("type", type_.to_owned())));
        facts.extend(about.risk.map(|risk| ("risk", format!("{risk:?}"))));
        facts.extend(about.owner.clone().map(|owner| ("owner", owner)));
        if !about.tickets.is_empty() {
            facts.push(("tickets", about.tickets.join(", ")));
        }
        if !self.change.reversible {
            facts.push(("irreversible", "automation does not roll it back".to_owned()));
        }
        if self.deleted {
            facts.push(("deleted", format!("the release {} no longer exists", self.release)));
        }
        facts
    }
}

/// An address that cannot end the link that it is in.
fn address(url: &str) -> String {
    printable(url).replace('<', "%3C").replace('>', "%3E").replace('\\', "%5C")
}
