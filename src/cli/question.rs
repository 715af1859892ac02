//! Questions to the person at the terminal.
//!
//! Invariant: nothing is asked where the person cannot see the question or cannot answer it.

use anyhow::Context;
use std::io::{IsTerminal, Write, stderr, stdin};

/// Whether there is a person to ask.
pub fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// What the person types in one line, without white space around it. Empty if they end the input with Ctrl-D.
pub fn answer(question: &str) -> anyhow::Result<String> {
    let mut stderr = stderr();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let mut line = String::new();
    if stdin().read_line(&mut line).context("cannot read the answer")? == 0 {
        // The terminal shows no line break for Ctrl-D.
        writeln!(stderr)?;
    }
    Ok(line.trim().to_owned())
}

/// Whether the person says yes. None without a terminal to ask on.
pub fn confirmed(question: &str) -> anyhow::Result<Option<bool>> {
    if !can_ask() {
        return Ok(None);
    }
    let answer = answer(&format!("{question} [y/N]"))?;
    Ok(Some(["y", "yes"].contains(&answer.to_lowercase().as_str())))
}
