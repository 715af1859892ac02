//! The record as lines: one event each, with its place and the hash of the line before it.
//!
//! ```text
//!   {"at":"...","event":"Started", ... ,"previous":"<SHA-256 of line 41>","sequence":42}
//! ```
//!
//! A line is RFC 8785 canonical JSON, so that the hash of a line is the hash of its text. A chain is consistent in itself also if
//! it was rewritten from some line on. An auditor who keeps the hash of a last line elsewhere finds that, too.

use super::Event;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// The hash before the first line.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Name of the project.
    pub project: String,
    /// Number of the line. The first one is 1.
    pub sequence: u64,
    /// SHA-256 of the line before, in hexadecimal; zeros for the first one.
    pub previous: String,
}

/// The end of a chain, and the events that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Number of lines.
    pub lines: u64,
    /// Hash of the last line.
    pub last: String,
    /// Times of the first and the last event.
    pub span: Option<(jiff::Timestamp, jiff::Timestamp)>,
    /// Name of the project. None if there are no lines.
    pub project: Option<String>,
    ids: BTreeSet<String>,
    hashes: Vec<String>,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            lines: 0,
            last: START.to_owned(),
            span: None,
            project: None,
            ids: BTreeSet::new(),
            hashes: Vec::new(),
        }
    }
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Broken {
    /// Number of the line in the text.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

/// The hash of a line.
fn hash(line: &str) -> String {
    Sha256::digest(line.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Chain {
    /// The chain that ends with these lines.
    pub fn read(text: &str) -> Result<Self, Broken> {
        let mut chain = Self::default();
        for (index, line) in text.lines().enumerate() {
            chain.follow(line).map_err(|message| Broken { line: index + 1, message })?;
        }
        Ok(chain)
    }

    /// The lines for those events that the chain does not hold.
    pub fn continued(&mut self, project: &str, events: Vec<Event>) -> Result<Vec<String>, serde_json::Error> {
        let mut lines = Vec::new();
        for event in events {
            if self.ids.contains(&event.id) {
                continue;
            }
            let (sequence, previous) = (self.lines + 1, self.last.clone());
            let line = Line { event, project: project.to_owned(), sequence, previous };
            let text = serde_json_canonicalizer::to_string(&line)?;
            self.add(&line, &text);
            lines.push(text);
        }
        Ok(lines)
    }

    fn follow(&mut self, text: &str) -> Result<(), String> {
        let line: Line =
            serde_json::from_str(text).map_err(|error| format!("it is not an event: {error}"))?;
        if line.previous != self.last {
            return Err(match self.lines {
                0 => {
                    format!("it follows a line with the hash {}: lines before it are missing", line.previous)
                }
                before => format!(
                    "it follows a line with the hash {}, and line {before} has the hash {}: that line was changed, or lines between \
                     them were removed or added",
                    line.previous, self.last
                ),
            });
        }
        let next = self.lines + 1;
        if line.sequence != next {
            return Err(format!("its number is {}, and {next} is the next one", line.sequence));
        }
        if self.project.as_ref().is_some_and(|project| *project != line.project) {
            return Err(format!("it is of the project {}", line.project));
        }
        if self.ids.contains(&line.event.id) {
            return Err(format!("the event {} is in an earlier line, too", line.event.id));
        }
        self.add(&line, text);
        Ok(())
    }

    fn add(&mut self, line: &Line, text: &str) {
        let at = line.event.at;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        self.lines = line.sequence;
        self.last = hash(text);
        self.project.get_or_insert_with(|| line.project.clone());
        self.ids.insert(line.event.id.clone());
        self.hashes.push(self.last.clone());
    }

    /// The number of the line with this hash.
    pub fn line_of(&self, hash: &str) -> Option<usize> {
        self.hashes.iter().position(|known| known.eq_ignore_ascii_case(hash)).map(|nth| nth + 1)
    }
}
