//! The few laws of the code, read from the source: who may import whom, what may not be said where, how long a file is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

mod circles;
mod language;
mod path;
mod rust_tokens;

use rust_tokens::{Token, tokens};
use std::fs;
use std::path::{Path, PathBuf};

/// A module as its path from the root of the crate.
type Module = Vec<String>;

/// Left may name right, and nothing else of ours. Observe fills the world and asks which facts are needed
/// (`decide::needs`); it never decides. `decide::world` means that module and what is below it.
const MAY_IMPORT: [(&str, &[&str]); 15] = [
    ("api", &[]),
    ("content", &["api"]),
    ("decide", &["api", "content"]),
    ("cluster", &["api"]),
    ("probe", &[]),
    ("process", &["api", "content", "decide::world", "cluster", "probe"]),
    ("observe", &["api", "content", "decide::world", "decide::needs", "cluster", "process"]),
    ("act", &["api", "content", "decide::decision", "cluster", "process", "probe"]),
    ("controller", &["api", "content", "decide", "cluster", "probe", "process", "observe", "act"]),
    ("view", &["api", "content", "decide"]),
    ("user", &["api", "decide", "view", "cluster"]),
    ("web", &["api", "decide", "view", "user"]),
    (
        "cli",
        &["api", "content", "decide", "view", "user", "web", "cluster", "process", "observe", "controller"],
    ),
    ("main", &["cli"]),
    ("bin", &["cli"]),
];

/// What a layer never says, and why not.
const FORBIDDEN: [(&str, &[&str], &str); 11] = [
    ("decide", PURE, "decide is total, deterministic and knows no cluster"),
    ("view", PURE, "a view is a pure function of objects"),
    ("content", PURE, "content is total, deterministic and knows no cluster"),
    ("api", &["Client", "async", "await", "tokio"], "api is data"),
    (
        "observe",
        &[".patch(", ".patch_status(", ".replace_status(", ".delete(", ".delete_collection("],
        "observe only reads",
    ),
    ("observe", &["decide("], "observe gathers facts and draws no conclusion"),
    ("act", &["decide("], "act does what was decided"),
    ("act", &["watcher", ".watch("], "act does not look in order to choose"),
    ("", &["println", "print"], "stdout belongs to results, and those are written to a given writer"),
    ("", &["lazy_static", "thread_local"], "no globals"),
    ("", &["todo", "unimplemented", "dbg"], "unfinished"),
];

const PURE: &[&str] = &[
    "kube::",
    "tokio",
    "futures",
    "async",
    "await",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "::now(",
    "rand",
    "HashMap",
    "HashSet",
    "tracing",
    "anyhow",
    "unwrap",
];

const VAGUE: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];
const LONGEST: usize = 400;

#[test]
fn every_layer_imports_only_what_it_may() {
    hold(imports);
}

#[test]
fn no_layer_says_what_it_may_not() {
    hold(words);
}

#[test]
fn nothing_is_global_and_nothing_exists_for_tests_only() {
    hold(globals);
}

#[test]
fn every_file_is_short_and_named_after_its_subject() {
    let mut faults = Vec::new();
    for (path, source) in files(&["src", "tests"]) {
        let lines = source.lines().count();
        if lines > LONGEST {
            faults.push(format!(
                "{path}:{LONGEST}: {lines} lines, {LONGEST} at most: which subject wants its own file?"
            ));
        }
        if path.trim_end_matches(".rs").split('/').any(|part| VAGUE.contains(&part)) {
            faults.push(format!("{path}:1: the name says nothing about the subject"));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The laws themselves: each line breaks exactly the law that it stands for.
#[test]
fn a_broken_law_is_reported_with_file_and_line() {
    let cases = [
        ("src/api/a.rs", "use crate::decide::World;", "src/api/a.rs:1: api may not import decide"),
        (
            "src/decide/a.rs",
            "use crate::{api, observe::X};",
            "src/decide/a.rs:1: decide may not import observe",
        ),
        ("src/decide/a.rs", "\nuse super::super::act::x;", "src/decide/a.rs:2: decide may not import act"),
        ("src/decide/mod.rs", "fn f() { super::act::x() }", "src/decide/mod.rs:1: decide may not import act"),
        ("src/decide.rs", "use super::act::x;", "src/decide.rs:1: decide may not import act"),
        (
            "src/observe/a.rs",
            "use crate::decide::{world::W, decision::D};",
            "src/observe/a.rs:1: observe may not import decide::decision",
        ),
        ("src/observe/a.rs", "use crate::decide;", "src/observe/a.rs:1: observe may not import decide"),
        (
            "src/main.rs",
            "fn main() { towpath::controller::run() }",
            "src/main.rs:1: main may not import controller",
        ),
        ("src/bin/a.rs", "use towpath::{cli, api};", "src/bin/a.rs:1: bin may not import api"),
        ("src/decide/a.rs", "use std::{collections, env};", "src/decide/a.rs:1: `std::env`"),
        ("src/decide/a.rs", "let a = jiff::Timestamp::now();", "src/decide/a.rs:1: `::now(`"),
        ("src/content/a.rs", "fn f(x: Option<u8>) { x.unwrap(); }", "src/content/a.rs:1: `unwrap`"),
        ("src/observe/a.rs", "api.delete(&name)", "src/observe/a.rs:1: `.delete(`"),
        ("src/act/a.rs", "decide(&world)", "src/act/a.rs:1: `decide(`"),
        ("src/cli/a.rs", "println!()", "src/cli/a.rs:1: `println`"),
        (
            "src/act/a.rs",
            "static X: OnceLock<u8> = OnceLock::new();",
            "src/act/a.rs:1: a global that changes",
        ),
        ("src/act/a.rs", "struct A { #[cfg(test)] b: u8 }", "src/act/a.rs:1: exists for tests only"),
        ("src/act/a.rs", "mod a_tests;", "src/act/a.rs:1: a test module in the product"),
    ];
    for (path, source, wanted) in cases {
        let found: Vec<String> =
            [imports, words, globals].iter().flat_map(|law| law(path, &tokens(source))).collect();
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{path}: {source}\n{found:?}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let cases = [
        ("src/api/a.rs", "use super::{Condition, schema};"),
        (
            "src/decide/a.rs",
            "use super::world::World; use crate::api::Release; // kube:: tokio\n/* crate::act */",
        ),
        ("src/decide/a.rs", r##"const A: &str = "std::env"; const B: &str = r#"crate::act "unwrap""#;"##),
        (
            "src/decide/gates/order.rs",
            "use super::super::world::World; fn f<'a>(x: &'a str) -> char { '\\'' }",
        ),
        ("src/decide/a.rs", "#[cfg(test)] mod tests { use crate::act::X; fn f() { x.unwrap() } }"),
        ("src/decide/a.rs", "#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;"),
        ("src/decide/a.rs", "#[cfg(test)]\npub(crate) mod fixture_tests;"),
        ("src/observe/a.rs", "use crate::decide::world::{Pod, World}; use crate::cluster::Clock;"),
        ("src/act/a.rs", "static NAMES: [&str; 1] = [\"a\"]; fn f(x: &'static str) {}"),
        ("src/lib.rs", "pub mod api; pub mod act;"),
    ];
    for (path, source) in cases {
        let found: Vec<String> =
            [imports, words, globals].iter().flat_map(|law| law(path, &tokens(source))).collect();
        assert!(found.is_empty(), "{path}: {source}\n{found:?}");
    }
}

fn hold(law: fn(&str, &[Token]) -> Vec<String>) {
    let faults: Vec<String> =
        product().iter().flat_map(|(path, source)| law(path, &tokens(source))).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn imports(path: &str, tokens: &[Token]) -> Vec<String> {
    let layer = layer(path);
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == layer) else { return Vec::new() };
    let mut faults = Vec::new();
    for (named, line) in mentions(path, tokens) {
        let Some(target) = named.first().filter(|target| **target != layer) else { continue };
        if !MAY_IMPORT.iter().any(|(name, _)| name == target) {
            continue;
        }
        let full = named.join("::");
        let covers = |allowed: &&str| full == **allowed || full.starts_with(&format!("{allowed}::"));
        if !allowed.iter().any(covers) {
            let shown = if allowed.iter().any(|allowed| allowed.starts_with(&format!("{target}::"))) {
                named[..named.len().min(2)].join("::")
            } else {
                target.clone()
            };
            faults.push(format!("{path}:{line}: {layer} may not import {shown}, only {allowed:?}"));
        }
    }
    faults
}

/// What a file names, as paths from the root of the crate, however they are written: `crate::a::b`, `super::a`, `towpath::{a, b}`.
fn mentions(path: &str, tokens: &[Token]) -> Vec<(Module, usize)> {
    let module = module(path);
    let mut found = Vec::new();
    for place in 0..tokens.len() {
        let inside_path = place > 0 && tokens[place - 1].text == "::";
        match tokens[place].text.as_str() {
            "crate" | "towpath" if !inside_path => {
                branches(tokens, place + 1, &[], &mut found);
            }
            "super" if !inside_path => {
                let chain = tokens[place..].chunks(2).take_while(|pair| pair[0].text == "super").count();
                let base = &module[..module.len().saturating_sub(chain)];
                branches(tokens, place + 2 * chain - 1, base, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// `[decide, gates]` for `src/decide/gates/mod.rs`.
fn module(path: &str) -> Module {
    let parts = path.trim_start_matches("src/").trim_end_matches(".rs").split('/');
    parts.filter(|part| *part != "mod").map(str::to_owned).collect()
}

/// Follows `::a::{b, c::d}` from `place`, which is at the `::`.
fn branches(
    tokens: &[Token],
    place: usize,
    before: &[String],
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text.as_str());
    if text(place) != "::" {
        if let (false, Some(last)) = (before.is_empty(), tokens.get(place - 1)) {
            found.push((before.to_vec(), last.line));
        }
        return place;
    }
    if text(place + 1) != "{" {
        let longer = [before, &[text(place + 1).to_owned()]].concat();
        return branches(tokens, place + 2, &longer, found);
    }
    let mut place = place + 2;
    while place < tokens.len() && text(place) != "}" {
        if text(place) == "," {
            place += 1;
            continue;
        }
        let longer = [before, &[text(place).to_owned()]].concat();
        place = branches(tokens, place + 1, &longer, found);
        while !matches!(text(place), "," | "}" | "") {
            place += 1;
        }
    }
    place + 1
}

fn words(path: &str, tokens: &[Token]) -> Vec<String> {
    let mut faults = Vec::new();
    for (_, forbidden, why) in FORBIDDEN.iter().filter(|(of, _, _)| of.is_empty() || *of == layer(path)) {
        for word in *forbidden {
            for line in lines_that_say(word, tokens) {
                faults.push(format!("{path}:{line}: `{word}`: {why}"));
            }
        }
    }
    faults
}

/// `std::env` is found in `std::{collections, env}` too; anything else as the sequence of its words.
fn lines_that_say(word: &str, tokens: &[Token]) -> Vec<usize> {
    if let Some(module) = word.strip_prefix("std::") {
        let mut found = Vec::new();
        for place in (0..tokens.len()).filter(|place| tokens[*place].text == "std") {
            branches(tokens, place + 1, &[], &mut found);
        }
        let hits = found.into_iter().filter(|(named, _)| named.first().is_some_and(|first| first == module));
        return hits.map(|(_, line)| line).collect();
    }
    let sequence: Vec<String> = rust_tokens::tokens(word).into_iter().map(|token| token.text).collect();
    let windows = tokens.windows(sequence.len());
    let hits = windows.filter(|window| window.iter().map(|token| &token.text).eq(sequence.iter()));
    hits.map(|window| window[0].line).collect()
}

fn globals(path: &str, tokens: &[Token]) -> Vec<String> {
    const CHANGING: [&str; 8] =
        ["mut", "OnceLock", "LazyLock", "OnceCell", "LazyCell", "Mutex", "RwLock", "RefCell"];
    let mut faults = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        if token.text == "static" {
            let mut item = tokens[place..].iter().take_while(|token| token.text != ";" && token.text != "=");
            if item.any(|token| CHANGING.contains(&token.text.as_str()) || token.text.starts_with("Atomic")) {
                faults.push(format!("{path}:{}: a global that changes: pass it as an argument", token.line));
            }
        }
    }
    for pair in tokens.windows(2).filter(|pair| pair[0].text == "mod" && is_tests(&pair[1].text)) {
        faults.push(format!(
            "{path}:{}: a test module in the product: write #[cfg(test)] before it",
            pair[0].line
        ));
    }
    for line in lines_that_say("#[cfg(test)]", tokens) {
        faults.push(format!("{path}:{line}: exists for tests only: put it into a test module"));
    }
    faults
}

/// Whether a module or the stem of a file holds tests. Such a file is no part of the product, as no product code may declare it.
fn is_tests(name: &str) -> bool {
    name == "tests" || name.ends_with("_tests")
}

/// `decide` for `src/decide/gates.rs`, `main` for `src/main.rs`.
fn layer(path: &str) -> &str {
    let below = path.trim_start_matches("src/").trim_end_matches(".rs");
    below.split('/').next().unwrap_or(below)
}

/// The files of the product, without its tests.
fn product() -> Vec<(String, String)> {
    let is_product = |path: &str| !path.trim_end_matches(".rs").rsplit('/').next().is_some_and(is_tests);
    files(&["src"]).into_iter().filter(|(path, _)| is_product(path)).collect()
}

/// Every Rust file below the folders that exist, with its path from the root of the workspace.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    files_of(folders, &["rs"])
}

/// The same for files with one of these extensions.
fn files_of(folders: &[&str], extensions: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if let Ok(entries) = fs::read_dir(&path) {
            waiting.extend(entries.map(|entry| entry.expect("a readable folder").path()));
        } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
            let source = fs::read_to_string(&path).expect("a readable file");
            let shown = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            found.push((shown, source));
        }
    }
    found.sort();
    found
}
