//! What a failed start or a failed story shows of a control plane: the end of every component's log.

use std::fmt::Write;
use std::fs;
use std::path::Path;

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
