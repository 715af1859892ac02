//! The path through the code that `src/lib.rs` draws: every file is there, with the functions that it names, and a reader opens few of
//! them.

use super::files;
use std::collections::BTreeMap;

/// More files, and no reader follows.
const MOST_FILES: usize = 16;

#[test]
fn the_drawn_path_of_a_failure_is_true_and_short() {
    let sources: BTreeMap<String, String> = files(&["src"]).into_iter().collect();
    let steps = steps(&sources["src/lib.rs"]);
    assert!((10..=MOST_FILES).contains(&steps.len()), "{} files are drawn", steps.len());
    let faults: Vec<String> = steps.iter().flat_map(|(file, text)| faults(file, text, &sources)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_step_that_is_not_true_is_reported() {
    let sources = BTreeMap::from([("src/a.rs".to_owned(), "fn go() {}\npub async fn stop() {}".to_owned())]);
    assert!(faults("a.rs", "go -> stop: it moves", &sources).is_empty());
    assert!(faults("a.rs", "stop, then go; go: again", &sources).is_empty());
    assert_eq!(faults("a.rs", "go -> wait: it moves", &sources), ["src/lib.rs: a.rs has no function wait"]);
    assert_eq!(faults("b.rs", "go: it moves", &sources), ["src/lib.rs: there is no file b.rs"]);
}

/// The files of the drawing, each with what it says about them.
fn steps(source: &str) -> Vec<(String, String)> {
    let lines = source.lines().filter_map(|line| line.trim_start_matches("//!").trim().strip_prefix("|  "));
    let steps = lines.filter_map(|line| line.split_once(".rs"));
    steps.map(|(file, text)| (format!("{file}.rs"), text.trim().to_owned())).collect()
}

fn faults(file: &str, text: &str, sources: &BTreeMap<String, String>) -> Vec<String> {
    let Some(source) = sources.get(&format!("src/{file}")) else {
        return vec![format!("src/lib.rs: there is no file {file}")];
    };
    let is_missing =
        |name: &&str| !["(", "<"].iter().any(|open| source.contains(&format!("fn {name}{open}")));
    functions(text)
        .into_iter()
        .filter(is_missing)
        .map(|name| format!("src/lib.rs: {file} has no function {name}"))
        .collect()
}

/// The functions in `a -> b: words; c: words` and `a, then b: words`.
fn functions(text: &str) -> Vec<&str> {
    let named = text.split("; ").filter_map(|part| part.split_once(':').map(|(names, _)| names));
    let names = named.flat_map(|names| names.split(" -> ")).flat_map(|names| names.split(", then "));
    names.map(str::trim).filter(|name| !name.contains(' ')).collect()
}
