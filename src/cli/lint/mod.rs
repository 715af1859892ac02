//! Lint: what the API server and the controller would say about objects in files, without a cluster.
//!
//! ```text
//!   text -> YAML with positions -> objects of Towpath -> schema -> rules -> what the controller refuses
//!                                                     \-> references between the files
//! ```
//!
//! Invariant: what cannot be judged is a note, never a pass without a word.

mod judge;
mod meaning;
mod references;
mod rules;
mod scalar;
mod schema;
mod yaml;

use crate::view::findings::{Finding, Findings, Severity};
use jiff::Timestamp;
use judge::{Judge, Linted};
use meaning::written;
use schema::Problem;
use yaml::{Node, Position};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, as it was given.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What was found, and what could not be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong.
    pub findings: Findings,
    /// What could not be judged, and why.
    pub notes: Vec<String>,
}

/// Judges the objects of Towpath in files.
pub fn lint(files: &[File], now: Timestamp) -> anyhow::Result<Report> {
    let judge = Judge::new(now)?;
    let mut report = Report::default();
    let mut linted = Vec::new();
    for file in files {
        let (documents, fault) = yaml::documents(&file.text);
        if let Some(fault) = fault {
            report.add(&file.name, fault.at, Severity::Error, "", "", fault.message);
        }
        for node in documents.iter().flat_map(Node::objects) {
            let value = node.value();
            if value["apiVersion"].is_string() && value["kind"].is_string() {
                linted.extend(judge.linted(&file.name, node.clone(), value));
            } else {
                let at = format!("{}:{}", file.name, node.at.line);
                report
                    .notes
                    .push(format!("{at}: not a Kubernetes object, because apiVersion or kind is missing"));
            }
        }
    }
    report.findings.objects = linted.len();
    for object in &linted {
        let (problems, notes) = judge.alone(object, &linted);
        report.take(object, Severity::Error, problems);
        report.notes.extend(notes.into_iter().map(|note| format!("{}: {note}", object.place())));
    }
    judge.together(&linted, &mut |object, problems| report.take(object, Severity::Warning, problems));
    let key = |it: &Finding| {
        (it.file.clone(), it.line, it.column, it.severity, it.field.clone(), it.message.clone())
    };
    report.findings.findings.sort_by_cached_key(key);
    report.findings.findings.dedup();
    report.notes.sort();
    report.notes.dedup();
    Ok(report)
}

impl Report {
    fn take(&mut self, object: &Linted, severity: Severity, problems: Vec<Problem>) {
        for problem in problems {
            let at = object.node.position(&problem.path);
            let field = written(&problem.path);
            // Messages that name a field themselves need not name it twice.
            let message = problem.message.strip_prefix(&format!("{field}: ")).unwrap_or(&problem.message);
            self.add(&object.file, at, severity, &object.shown(), &field, message.to_owned());
        }
    }

    fn add(
        &mut self,
        file: &str,
        at: Position,
        severity: Severity,
        object: &str,
        field: &str,
        message: String,
    ) {
        self.findings.findings.push(Finding {
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            severity,
            object: object.to_owned(),
            field: field.to_owned(),
            message,
        });
    }
}
