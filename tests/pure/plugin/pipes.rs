//! A closed pipe is the end of what is shown, and no verdict; a terminal may change its size.

use super::stub::{Answer, parsed, project, undated};
use super::{command, environment, promotion, text};
use serde_json::json;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use support::terminal::{CTRL_C, Terminal, interruptible};

/// Starts the program with a pipe, reads one line of it, and closes the pipe.
fn head(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn said(child: &mut Child) -> String {
    let mut said = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut said).unwrap();
    text(&said)
}

#[test]
fn what_is_only_read_in_part_has_succeeded() {
    // More rows than a pipe holds.
    let many: Vec<_> = (0..3000).map(|number| environment(&format!("environment-{number}"))).collect();
    let server = undated(move |path| project(path, &many));
    for format in ["table", "json", "name"] {
        let (_folder, mut command) = command(&server, &["get", "-o", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert!(!head(&mut child).is_empty());
        let (status, said) = (child.wait().unwrap(), said(&mut child));
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{format}");
    }
}

/// One message after the other, for a minute, so that a wait has something to write.
fn moving() -> String {
    undated(|path| match parsed(path) {
        ("promotions", _, true) => {
            let events = (0..300).map(|number| {
                let mut changed = promotion("dev-shop-1.0.0", "Promoting");
                changed["status"]["message"] = json!(format!("web: {number} of 300 pods are ready"));
                json!({ "type": "MODIFIED", "object": changed })
            });
            Answer::Events(events.collect())
        }
        _ => project(path, &[environment("dev"), promotion("dev-shop-1.0.0", "Promoting")]),
    })
}

#[test]
fn a_wait_whose_output_is_closed_is_no_success() {
    let server = moving();
    let (_folder, mut command) =
        command(&server, &["status", "dev-shop-1.0.0", "--wait", "--timeout", "30s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(head(&mut child).contains("dev-shop-1.0.0"));
    let (status, said) = (child.wait().unwrap(), said(&mut child));
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the output was closed before the wait ended"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_wait_goes_on_in_a_terminal_that_becomes_narrow() {
    let server = moving();
    let (_folder, command) = command(&server, &["status", "dev-shop-1.0.0", "--wait", "--timeout", "40s"]);
    let mut terminal = Terminal::start(interruptible(&command)).unwrap();
    terminal.resize(40).unwrap();
    terminal.reads("pods are").unwrap();
    terminal.resize(20).unwrap();
    // It draws again and again, in lines that fit.
    let before = terminal.shown();
    terminal.until("it draws again", |shown| shown.len() > before + 1000).unwrap();
    terminal.types(CTRL_C).unwrap();
    let (_, shown) = terminal.ended().unwrap();
    assert!(!shown.contains("panicked"), "{shown}");
    // The cells of the first line are cut as far as they can be; the message is wrapped.
    let is_message = |line: &&str| line.starts_with("    ") && !line.contains("^C");
    let last: Vec<&str> = shown.lines().rev().filter(is_message).take(4).collect();
    assert_eq!(last.len(), 4, "{shown}");
    for line in last {
        assert!(console::measure_text_width(line) <= 20, "{line:?} is wider than the terminal:\n{shown}");
    }
}
