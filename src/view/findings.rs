//! Findings: what is wrong in files, and where.

use super::screen::printable;
use super::tone::Tone;
use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// How many objects of Towpath were read.
    pub objects: usize,
    /// By file, then by line.
    pub findings: Vec<Finding>,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The API server or the controller refuses the object.
    Error,
    /// It is wrong unless the cluster holds what the files do not.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Path of the file, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// How much it weighs.
    pub severity: Severity,
    /// Kind and name of the object, such as `Environment prod`. Empty if the file cannot be read.
    pub object: String,
    /// Path of the field, such as `spec.windows[2].schedule`. Empty if it is no field.
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Findings {
    /// Whether there is an error among them.
    pub fn have_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// One line for each finding, as compilers write them.
    pub fn lines(&self, colour: bool) -> Vec<String> {
        self.findings.iter().map(|finding| finding.shown(colour)).collect()
    }

    /// How many there are, in one line.
    pub fn summary(&self) -> String {
        let errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let count = |number: usize, word: &str| match number {
            1 => format!("1 {word}"),
            _ => format!("{number} {word}s"),
        };
        format!(
            "{}: {}, {}",
            count(self.objects, "object"),
            count(errors, "error"),
            count(self.findings.len() - errors, "warning"),
        )
    }
}

impl Finding {
    fn shown(&self, colour: bool) -> String {
        let (word, tone) = match self.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Waits),
        };
        let word = tone.painted(word, colour);
        let place = [&self.object, &self.field].map(|part| printable(part));
        let place: Vec<&str> = place.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(": ")) };
        let (file, message) = (printable(&self.file), printable(&self.message));
        format!("{file}:{}:{}: {word}: {place}{message}", self.line, self.column)
    }
}
