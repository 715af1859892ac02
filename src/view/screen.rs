//! Text for a terminal: tables and trees that fit a width.
//!
//! Invariant: no line is wider than the terminal, unless a single column cannot be narrower. Names are cut in the middle, because their
//! ends tell them apart; a reason is never cut but continues on further lines.

pub mod html;

use super::tone::Tone;
use serde::{Serialize, Serializer};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest column that a reason is laid out in. If less is left, it gets lines of its own.
const NARROWEST_REASON: usize = 36;
/// The narrowest that a name is cut to.
const NARROWEST_NAME: usize = 6;
const GAP: usize = 2;
const INDENT: usize = 4;

/// How a screen is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Width of the terminal. None if the output is not a terminal: lines are as long as they have to be.
    pub width: Option<usize>,
    /// Whether words have colours.
    pub colour: bool,
}

/// A word or a name in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A name, or anything else without a meaning of its own.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// A word with a meaning.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: printable(text.as_ref()), tone }
    }
}

/// Rows under headings. Each row may have a reason, which needs more room than a column has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    headings: Vec<&'static str>,
    reason: &'static str,
    rows: Vec<(Vec<Cell>, String)>,
}

impl Table {
    /// A table with these columns, and the heading of the reasons.
    pub fn new(headings: &[&'static str], reason: &'static str) -> Self {
        Self { headings: headings.to_vec(), reason, rows: Vec::new() }
    }

    /// Adds a row. An empty reason is not shown.
    pub fn row(&mut self, cells: Vec<Cell>, reason: impl AsRef<str>) {
        self.rows.push((cells, printable(reason.as_ref())));
    }

    /// The table as lines.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        let mut widths = self.natural();
        let gaps = GAP * self.headings.len();
        let is_beside = layout.width.is_none_or(|width| {
            let columns: usize = widths.iter().sum();
            width >= columns + gaps + NARROWEST_REASON
        });
        let has_reasons = self.rows.iter().any(|(_, reason)| !reason.is_empty());
        if let Some(width) = layout.width {
            shrink(&mut widths, width.saturating_sub(gaps.saturating_sub(GAP)));
        }
        let mut headings: Vec<String> = self
            .headings
            .iter()
            .zip(&widths)
            .map(|(heading, width)| padded(&middle(heading, *width), *width))
            .collect();
        if has_reasons && is_beside {
            headings.push(self.reason.to_owned());
        }
        let mut lines = vec![join(&headings)];
        let columns: usize = widths.iter().map(|width| width + GAP).sum();
        for (cells, reason) in &self.rows {
            let shown = cells.iter().zip(&widths).map(|(cell, width)| {
                let text = middle(&cell.text, *width);
                let missing = width.saturating_sub(text.width());
                format!("{}{}", coloured(&text, cell.tone, layout), " ".repeat(missing))
            });
            let mut shown: Vec<String> = shown.collect();
            let (indent, room) = match is_beside {
                true => (columns, layout.width.map(|width| width - columns)),
                false => (INDENT, layout.width.map(|width| width.saturating_sub(INDENT).max(1))),
            };
            let mut reason = wrapped(reason, room).into_iter();
            if is_beside {
                shown.extend(reason.next());
            }
            lines.push(join(&shown));
            lines.extend(reason.map(|line| format!("{}{line}", " ".repeat(indent))));
        }
        lines
    }

    fn natural(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| heading.width()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }
}

/// A line of a tree, and what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Branch {
    #[serde(rename = "words", serialize_with = "texts")]
    cells: Vec<Cell>,
    #[serde(rename = "message", skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    branches: Vec<Branch>,
}

/// The words of a line, without what they look like.
fn texts<S: Serializer>(cells: &[Cell], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(cells.iter().map(|cell| &cell.text))
}

impl Branch {
    /// A line: its words, and a sentence.
    pub fn new(cells: Vec<Cell>, reason: impl AsRef<str>) -> Self {
        Self { cells, reason: printable(reason.as_ref()), branches: Vec::new() }
    }

    /// The same with these lines below it.
    pub fn with(mut self, branches: impl IntoIterator<Item = Branch>) -> Self {
        self.branches.extend(branches);
        self
    }

    /// The tree as lines.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        let mut lines = Vec::new();
        self.draw("", "", layout, &mut lines);
        lines
    }

    /// `first` comes before the first line, `rest` before all others.
    fn draw(&self, first: &str, rest: &str, layout: Layout, lines: &mut Vec<String>) {
        let room = layout.width.map(|width| width.saturating_sub(first.width()).max(1));
        let mut used = 0;
        let mut shown = String::new();
        for cell in &self.cells {
            let left = room.map_or(usize::MAX, |room| room.saturating_sub(used + GAP));
            let text = middle(&cell.text, left.max(NARROWEST_NAME));
            let gap = if shown.is_empty() { 0 } else { GAP };
            used += gap + text.width();
            shown.push_str(&" ".repeat(gap));
            shown.push_str(&coloured(&text, cell.tone, layout));
        }
        let below = if self.branches.is_empty() { "" } else { "|" };
        let left = room.map(|room| room.saturating_sub(used + GAP));
        let fits = left.is_none_or(|left| self.reason.width() <= left);
        if fits && !self.reason.is_empty() {
            shown.push_str(&" ".repeat(GAP));
            shown.push_str(&self.reason);
        }
        lines.push(format!("{first}{shown}").trim_end().to_owned());
        if !fits {
            let before = format!("{rest}{}", padded(below, INDENT));
            let room = layout.width.map(|width| width.saturating_sub(before.width()).max(1));
            lines.extend(wrapped(&self.reason, room).into_iter().map(|line| format!("{before}{line}")));
        }
        let last = self.branches.len().saturating_sub(1);
        for (index, branch) in self.branches.iter().enumerate() {
            let (own, further) = if index == last { ("`-- ", "    ") } else { ("|-- ", "|   ") };
            branch.draw(&format!("{rest}{own}"), &format!("{rest}{further}"), layout, lines);
        }
    }
}

/// A text without control characters, which could change the terminal, on one line.
pub fn printable(text: &str) -> String {
    let visible = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        other if other.is_control() || is_invisible(other) => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    text.trim().chars().map(visible).collect()
}

/// Characters that change the direction or the look of the text around them.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A text of at most this width, cut in the middle.
pub fn middle(text: &str, width: usize) -> String {
    const MARK: &str = "..";
    if text.width() <= width {
        return text.to_owned();
    }
    if width <= MARK.len() {
        return fitting(text.chars(), width).into_iter().collect();
    }
    let kept = width - MARK.len();
    let head = fitting(text.chars(), kept.div_ceil(2));
    let mut tail = fitting(text.chars().rev(), kept / 2);
    tail.reverse();
    head.into_iter().chain(MARK.chars()).chain(tail).collect()
}

/// The first characters that fit into this width.
fn fitting(characters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    let fits = |character: &char| {
        used += character.width().unwrap_or(0);
        used <= width
    };
    characters.take_while(fits).collect()
}

/// A sentence as lines of at most this width, broken between words where a word fits.
fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return Some(text.to_owned()).into_iter().filter(|text| !text.is_empty()).collect();
    };
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: String = word.to_owned();
        let with_gap = if line.is_empty() { 0 } else { line.width() + 1 };
        if with_gap + rest.width() <= width {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&rest);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while rest.width() > width {
            let mut head: String = fitting(rest.chars(), width).into_iter().collect();
            if head.is_empty() {
                // A wide character in a narrower column.
                head = rest.chars().take(1).collect();
            }
            rest = rest.split_off(head.len());
            lines.push(head);
        }
        line = rest;
    }
    lines.extend(Some(line).filter(|line| !line.is_empty()));
    lines
}

/// Makes the widest columns narrower until all fit.
fn shrink(widths: &mut [usize], room: usize) {
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max() else { return };
        if *widest <= NARROWEST_NAME {
            return;
        }
        *widest -= 1;
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn join(columns: &[String]) -> String {
    columns.join(&" ".repeat(GAP)).trim_end().to_owned()
}

fn coloured(text: &str, tone: Tone, layout: Layout) -> String {
    tone.painted(text, layout.colour && !text.is_empty())
}

/// Text without a meaning in Markdown, on one line.
pub fn markdown(text: &str) -> String {
    let text = printable(text);
    let is_mark = |character: char| "\\`*_[]<>#|~!&".contains(character);
    text.chars()
        .flat_map(|character| is_mark(character).then_some('\\').into_iter().chain([character]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Layout = Layout { width: Some(80), colour: false };

    fn table() -> Table {
        let mut table = Table::new(&["APPLICATION", "RUNS"], "WHY");
        table.row(vec![Cell::plain("shop"), Cell::plain("1.4.0")], "");
        table.row(
            vec![
                Cell::plain("a-name-that-is-much-too-long-for-a-narrow-terminal"),
                Cell::plain("2026-11-03.1"),
            ],
            "the window opens tomorrow, and a freeze is in force until then",
        );
        table
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_reason_is_cut() {
        let tree =
            Branch::new(vec![Cell::plain("Release"), Cell::plain("shop-1.4.0")], "it waits for a window")
                .with([
                    Branch::new(
                        vec![Cell::plain("prod"), Cell::toned("Window", Tone::Waits)],
                        "opens in two hours from now",
                    ),
                    Branch::new(vec![Cell::plain("qa")], "")
                        .with([Branch::new(vec![Cell::plain("check")], "it passed")]),
                ]);
        for width in 1..=200 {
            let layout = Layout { width: Some(width), colour: false };
            for (lines, words) in
                [(table().lines(layout), "thewindowopenstomorrow"), (tree.lines(layout), "itwaitsforawindow")]
            {
                let widest = lines.iter().map(|line| line.as_str().width()).max().unwrap_or(0);
                assert!(widest <= width.max(30), "{width}: {widest}\n{}", lines.join("\n"));
                let joined: String =
                    lines.iter().map(|line| line.trim_start_matches(['|', '`', '-', ' '])).collect();
                let joined = joined.replace(' ', "");
                assert!(joined.contains(words), "{width}\n{}", lines.join("\n"));
            }
        }
    }

    #[test]
    fn a_reason_gets_lines_of_its_own_when_the_columns_leave_no_room() {
        assert_eq!(
            table().lines(WIDE),
            [
                "APPLICATION                                         RUNS",
                "shop                                                1.4.0",
                "a-name-that-is-much-too-long-for-a-narrow-terminal  2026-11-03.1",
                "    the window opens tomorrow, and a freeze is in force until then",
            ]
        );
        let lines = table().lines(Layout { width: Some(120), colour: false });
        assert_eq!(lines[0], "APPLICATION                                         RUNS          WHY");
        assert!(
            lines[2].ends_with("2026-11-03.1  the window opens tomorrow, and a freeze is in force"),
            "{}",
            lines[2]
        );
    }

    #[test]
    fn a_name_keeps_both_of_its_ends() {
        assert_eq!(middle("checkout-service-blue", 12), "check..-blue");
        assert_eq!(middle("shop", 12), "shop");
        assert_eq!(middle("checkout", 2), "ch");
        assert_eq!(middle("商品商品商品", 8), "商..品");
    }

    #[test]
    fn a_text_cannot_change_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d"), "a\u{fffd}[31mb c\u{fffd}d");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new(&["STATE", "NEXT"], "WHY");
        table.row(vec![Cell::toned("Verified", Tone::Good), Cell::plain("1.5.0")], "");
        let lines = table.lines(Layout { colour: true, ..WIDE });
        assert_eq!(lines[1], "\u{1b}[32mVerified\u{1b}[0m  1.5.0");
    }
}
