//! The questions of `cut`, asked by the real program on a pseudo terminal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use support::terminal::{CTRL_C, CTRL_D, Terminal, interruptible};

/// `cut` at a terminal.
fn cut() -> Terminal {
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_kubectl-towpath"));
    plugin.args(["cut", "shop", "1.0.0", "--from", "dev"]);
    Terminal::start(interruptible(&plugin)).unwrap()
}

#[test]
fn a_cut_asks_for_what_approvers_read_first() {
    let mut terminal = cut();
    for (question, answer) in [
        ("Summary: what changes (empty: none): ", "A new color\n"),
        ("Owner: person or team (empty: none): ", "\n"),
        ("Risk: Low, Medium or High (empty: none): ", "huge\n"),
        ("a risk is Low, Medium or High\n", "low\n"),
        ("Tickets, with commas between them (empty: none): ", "SHOP-1, SHOP-2\n"),
    ] {
        terminal.reads(question).unwrap();
        terminal.types(answer).unwrap();
    }
    let (status, shown) = terminal.ended().unwrap();
    assert_eq!(status.code(), Some(0), "{shown}");
    for line in ["summary: A new color\n", "risk: Low\n", "- SHOP-1\n", "- SHOP-2\n"] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains("owner:"), "{shown}");
}

#[test]
fn control_characters_end_the_questions_of_a_cut() {
    let mut terminal = cut();
    terminal.reads("Summary").unwrap();
    terminal.types(CTRL_C).unwrap();
    let (status, shown) = terminal.ended().unwrap();
    assert_eq!(status.signal(), Some(2), "{shown}");
    assert!(!shown.contains("kind: Release"), "{shown}");

    // The end of the input is an empty answer to the question, and to each that follows.
    let mut terminal = cut();
    for question in ["Summary", "Owner", "Risk", "Tickets"] {
        terminal.reads(question).unwrap();
        terminal.types(CTRL_D).unwrap();
    }
    let (status, shown) = terminal.ended().unwrap();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(shown.contains("kind: Release") && !shown.contains("change:"), "{shown}");
}
