//! Files that a user names; `-` is stdin.

use anyhow::Context;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// The text of a file, or of stdin.
pub fn text(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
