//! What a failed test shows: the end of every component's log, and the objects and events of its namespaces.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::Tool;

const LINES: usize = 25;
const WIDTH: usize = 300;

/// The last lines of every log in a directory.
pub(crate) fn tails(logs: &Path) -> String {
    let mut files: Vec<_> =
        fs::read_dir(logs).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut out = String::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let _ = writeln!(out, "--- {name}\n{}", tail(&file));
    }
    out
}

pub(crate) fn tail(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(shortened).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// etcd and kwok write JSON in which the place in the source hides the message.
fn shortened(line: &str) -> String {
    let mut shown = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line) {
        Ok(mut fields) => {
            for noise in ["source", "caller", "id"] {
                fields.remove(noise);
            }
            fields.iter().map(|(name, value)| format!("{name}={value} ")).collect()
        }
        Err(_) => line.to_owned(),
    };
    if let Some((end, _)) = shown.char_indices().nth(WIDTH) {
        shown.truncate(end);
    }
    shown
}

/// Prints when the test that holds it panics. Keep it in a variable for the length of the test.
#[must_use = "dropped at once, it sees no failure"]
pub struct OnFailure {
    pub(crate) kubectl: Tool,
    pub(crate) logs: Option<PathBuf>,
    pub(crate) namespaces: Vec<String>,
}

impl Drop for OnFailure {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for namespace in &self.namespaces {
            let kinds = "deployments,replicasets,statefulsets,daemonsets,jobs,pods,services,configmaps";
            for arguments in [
                &["get", kinds, "-o", "wide", "-n", namespace][..],
                &["get", "events", "--sort-by=.lastTimestamp", "-n", namespace][..],
            ] {
                let said = self.kubectl.run(arguments).unwrap_or_else(|error| format!("{error:#}"));
                eprintln!("--- kubectl {}\n{said}", arguments.join(" "));
            }
        }
        if let Some(logs) = &self.logs {
            eprintln!("{}", tails(logs));
        }
    }
}
