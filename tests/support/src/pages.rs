//! The commands and the files in the README and in `docs/`, in the order in which a reader meets them.
//!
//! A block of the language `sh` contains commands. A block of the language `yaml` is a file; its first line is a comment with its name.

use crate::manifests::{read, root};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// Every page. The README comes first, because each page starts where the README ends; the page that uninstalls Towpath comes last.
pub const PAGES: [&str; 9] = [
    "README.md",
    "docs/developers.md",
    "docs/release-managers.md",
    "docs/checks.md",
    "docs/on-call.md",
    "docs/page.md",
    "docs/gitops.md",
    "docs/platform-teams.md",
    "docs/plugin.md",
];

/// A block of a page that a reader uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Commands for a shell.
    Commands(String),
    /// A file that commands refer to by name.
    File {
        /// Name of the file.
        name: String,
        /// Its content.
        text: String,
    },
}

/// The text of a page.
pub fn text(page: &str) -> String {
    read(&root(page))
}

/// The blocks of a page. Fails for a block in a language that nothing would run or write.
pub fn blocks(page: &str) -> Result<Vec<Block>> {
    let text = text(page);
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "sh" => blocks.push(Block::Commands(body)),
            "yaml" => {
                let first = body.lines().next().and_then(|line| line.strip_prefix("# "));
                let name = first.with_context(|| format!("{page}: a yaml block without a name:\n{body}"))?;
                blocks.push(Block::File { name: name.to_owned(), text: body.clone() });
            }
            "text" | "lua" => {}
            other => bail!("{page}: a block in the language {other:?}; commands belong in sh, files in yaml"),
        }
    }
    Ok(blocks)
}

/// The metrics that the documentation lists.
pub fn metrics() -> BTreeSet<String> {
    let page = text("docs/platform-teams.md");
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| `")).filter(|row| row.starts_with("towpath_"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// The commands that only read, in what `helm install` prints and in the comments of the examples: file and command.
pub fn hints() -> Result<Vec<(String, String)>> {
    let mut files = vec!["charts/towpath/templates/NOTES.txt".to_owned()];
    for entry in std::fs::read_dir(root("deploy/examples"))? {
        files.push(format!("deploy/examples/{}", entry?.file_name().to_string_lossy()));
    }
    files.sort();
    let command = |line: &str| {
        let start = ["kubectl get ", "kubectl explain "].iter().find_map(|start| line.find(start))?;
        line.get(start..).map(|command| format!("{}\n", command.trim()))
    };
    let commands = |file: &String| -> Vec<(String, String)> {
        text(file).lines().filter_map(command).map(|command| (file.clone(), command)).collect()
    };
    Ok(files.iter().flat_map(commands).collect())
}
