//! Draws a view again and again: in its place on a terminal; in a pipe, what changed is written as lines.

use super::output;
use crate::view::screen::Layout;
use anyhow::Context;
use console::Term;
use std::io::Write;
use std::time::Duration;

/// How often ages are drawn again on a terminal.
const TICK: Duration = Duration::from_secs(1);

/// What was drawn last.
pub struct Drawing {
    /// None in a pipe.
    terminal: Option<Term>,
    drawn: Vec<String>,
    written: Vec<String>,
    /// Whether the first line is a heading, which is written once in a pipe.
    has_heading: bool,
}

impl Drawing {
    /// Draws a tree on this process' stdout.
    pub fn of_tree() -> Self {
        let terminal = Some(Term::stdout()).filter(Term::is_term);
        Self { terminal, drawn: Vec::new(), written: Vec::new(), has_heading: false }
    }

    /// Draws a table on this process' stdout.
    pub fn of_table() -> Self {
        Self { has_heading: true, ..Self::of_tree() }
    }

    /// Whether it is drawn on a terminal, and not in a pipe.
    pub fn is_on_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// How long to wait for a change before the ages are drawn again. None in a pipe.
    pub fn tick(&self) -> Option<Duration> {
        self.terminal.as_ref().map(|_| TICK)
    }

    /// Draws these lines. `closed` is the error if the output is closed.
    pub fn draw(
        &mut self,
        lines: impl FnOnce(Layout) -> Vec<String>,
        note: Option<String>,
        is_last: bool,
        out: &mut dyn Write,
        closed: &'static str,
    ) -> anyhow::Result<()> {
        let mut lines = lines(output::layout());
        match &self.terminal {
            Some(terminal) => {
                let (rows, columns) = terminal.size();
                lines.extend(note);
                if !is_last {
                    lines = fitting(lines, usize::from(rows));
                }
                if lines == self.drawn && !is_last {
                    return Ok(());
                }
                terminal.clear_last_lines(rows_of(&self.drawn, usize::from(columns)))?;
                output::lines(out, lines.iter().cloned())?;
                self.drawn = lines;
            }
            None => {
                // The heading changes with the columns.
                let is_known = self.has_heading && !self.written.is_empty();
                let rows = lines.get(usize::from(is_known)..).unwrap_or_default();
                let new = unwritten(rows, &self.written).into_iter();
                let new = new.map(|line| match self.has_heading {
                    true => line,
                    false => without_branches(&line).to_owned(),
                });
                self.written = lines.iter().map(|line| ageless(line)).collect();
                output::lines(out, new).context(closed)?;
            }
        }
        out.flush().context(closed)
    }
}

/// A line of a tree on its own: in a pipe, its parent lines may have been written long ago.
fn without_branches(mut line: &str) -> &str {
    const PIECES: [&str; 4] = ["|-- ", "`-- ", "|   ", "    "];
    while let Some(rest) = PIECES.iter().find_map(|piece| line.strip_prefix(piece)) {
        line = rest;
    }
    line
}

/// The lines that were not written before. Ages change with every look; what happened is said once.
fn unwritten(lines: &[String], written: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !written.contains(&ageless(line))).cloned().collect()
}

/// What fits on a terminal, or what was drawn could not be cleared.
fn fitting(mut lines: Vec<String>, rows: usize) -> Vec<String> {
    let room = rows.saturating_sub(1).max(1);
    if lines.len() > room {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(format!(".. {more} more lines"));
    }
    lines
}

/// How many rows lines take: a terminal that became narrower shows one line on several rows.
fn rows_of(lines: &[String], columns: usize) -> usize {
    let rows = |line: &String| console::measure_text_width(line).div_ceil(columns.max(1)).max(1);
    lines.iter().map(rows).sum()
}

/// A line without its ages, such as `45s`, and without the room between its columns.
fn ageless(line: &str) -> String {
    let is_age = |word: &&str| {
        let word = word.trim_end_matches(',');
        let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
        number.len() + 1 == word.len() && number.chars().all(|char| char.is_ascii_digit())
    };
    line.split_whitespace().filter(|word| !is_age(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[&str]) -> Vec<String> {
        of.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_line_is_written_again_when_more_than_its_age_changed() {
        let written: Vec<String> = lines(&["NAME  AGE", "dev   45s", "prod  Window, opens in 2h, at 12:00"])
            .iter()
            .map(|it| ageless(it))
            .collect();
        for (now, new) in [
            (vec!["NAME  AGE", "dev   46s"], vec![]),
            (vec!["NAME     AGE", "dev      2m", "staging  1s"], vec!["staging  1s"]),
            (vec!["dev  Failed  2s"], vec!["dev  Failed  2s"]),
            (vec!["prod  Window, opens in 119m, at 12:00"], vec![]),
            (vec!["prod  Window, opens in 2h, at 13:00"], vec!["prod  Window, opens in 2h, at 13:00"]),
        ] {
            assert_eq!(unwritten(&lines(&now), &written), lines(&new), "{now:?}");
        }
    }

    #[test]
    fn a_line_of_a_tree_stands_on_its_own_in_a_pipe() {
        for (line, alone) in [
            ("prod-shop-2.0.0  Promoting", "prod-shop-2.0.0  Promoting"),
            ("|   |-- Rollout  Running  | 2 of 3", "Rollout  Running  | 2 of 3"),
            ("    `-- web-1  CrashLoopBackOff", "web-1  CrashLoopBackOff"),
            ("|       it waits", "it waits"),
        ] {
            assert_eq!(without_branches(line), alone);
        }
    }

    #[test]
    fn no_more_is_drawn_than_can_be_cleared() {
        assert_eq!(fitting(lines(&["a", "b", "c"]), 4), lines(&["a", "b", "c"]));
        assert_eq!(fitting(lines(&["a", "b", "c"]), 3), lines(&["a", ".. 2 more lines"]));
        assert_eq!(fitting(lines(&["a", "b"]), 1), lines(&[".. 2 more lines"]));
        assert_eq!(rows_of(&lines(&["abcdef", "", "\u{1b}[32mabc\u{1b}[0m"]), 3), 2 + 1 + 1);
    }
}
