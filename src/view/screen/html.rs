//! The same tables and trees for a page. Every text is escaped.

use super::{Branch, Cell, Table};
use maud::{Markup, html};

/// Where a name leads to: the heading of its column, or an empty text in a tree, and the name.
pub type Link<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

impl Cell {
    fn markup(&self, heading: &str, link: Link<'_>) -> Markup {
        let target = link(heading, &self.text).filter(|_| !self.text.is_empty());
        html! {
            @match target {
                Some(target) => a href=(target) class=(self.tone.as_str()) { (self.text) },
                None => span class=(self.tone.as_str()) { (self.text) },
            }
        }
    }
}

impl Table {
    /// The table. `caption` says what it shows, `actions` what can be done about the row of this number.
    pub fn markup(&self, caption: &str, link: Link<'_>, actions: &dyn Fn(usize) -> Option<Markup>) -> Markup {
        let has_reasons = self.rows.iter().any(|(_, reason)| !reason.is_empty());
        let has_actions = (0..self.rows.len()).any(|row| actions(row).is_some());
        html! {
            div.wide tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead { tr {
                        @for heading in &self.headings { th scope="col" { (heading.to_lowercase()) } }
                        @if has_reasons { th scope="col" { (self.reason.to_lowercase()) } }
                        @if has_actions { th scope="col" { "actions" } }
                    } }
                    tbody {
                        @for (number, (cells, reason)) in self.rows.iter().enumerate() {
                            tr {
                                @for (cell, heading) in cells.iter().zip(&self.headings) {
                                    td { (cell.markup(heading, link)) }
                                }
                                @if has_reasons { td.why { (reason) } }
                                @if has_actions { td.acts { @if let Some(acts) = actions(number) { (acts) } } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Branch {
    /// The tree as nested lists.
    pub fn markup(&self, link: Link<'_>) -> Markup {
        html! { ul.tree { (self.item(link)) } }
    }

    fn item(&self, link: Link<'_>) -> Markup {
        html! {
            li {
                @for cell in &self.cells { (cell.markup("", link)) " " }
                @if !self.reason.is_empty() { span.why { (self.reason) } }
                @if !self.branches.is_empty() {
                    ul { @for branch in &self.branches { (branch.item(link)) } }
                }
            }
        }
    }
}
