//! Which files import each other in a circle. A module that re-exports a name stands for the file that defines it.

use super::rust_tokens::{Token, tokens};
use super::{Module, branches, mentions, module, product};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(&product());
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

#[test]
fn a_circle_is_reported_with_its_files() {
    let circle = |sources: &[(&str, &str)]| {
        let owned = sources.iter().map(|(path, source)| ((*path).to_owned(), (*source).to_owned()));
        circles(&owned.collect::<Vec<_>>())
    };
    let one = ["src/a/b.rs, src/a/c.rs import each other"];
    assert_eq!(circle(&[("src/a/b.rs", "use super::c::X;"), ("src/a/c.rs", "use crate::a::b::Y;")]), one);
    let exported = ("src/a/mod.rs", "mod b; mod c; pub use c::X;");
    assert_eq!(
        circle(&[exported, ("src/a/b.rs", "use super::X;"), ("src/a/c.rs", "use super::b::{Y, Z};")]),
        one
    );
    // A module and what is below it may name each other.
    let below = [("src/a/mod.rs", "mod b; pub struct X; fn f() { b::g() }"), ("src/a/b.rs", "use super::X;")];
    assert!(circle(&below).is_empty());
    assert!(circle(&[("src/a.rs", "use crate::b::X;"), ("src/b.rs", "use std::fs;")]).is_empty());
}

/// Each circle as a sentence.
fn circles(sources: &[(String, String)]) -> Vec<String> {
    let parsed: Vec<(&str, Module, Vec<Token>)> =
        sources.iter().map(|(path, source)| (path.as_str(), module(path), tokens(source))).collect();
    let names: BTreeMap<&Module, &str> = parsed.iter().map(|(path, module, _)| (module, *path)).collect();
    let exports: BTreeMap<Module, Module> =
        parsed.iter().flat_map(|(_, module, tokens)| exports(module, tokens)).collect();
    let named = |path: &str, module: &Module, tokens: &[Token]| -> BTreeSet<Module> {
        let targets =
            mentions(path, tokens).into_iter().filter_map(|(path, _)| file(&path, &names, &exports));
        let is_apart = |target: &Module| !target.starts_with(module) && !module.starts_with(target);
        targets.filter(is_apart).collect()
    };
    let arrows: BTreeMap<Module, BTreeSet<Module>> =
        parsed.iter().map(|(path, module, tokens)| (module.clone(), named(path, module, tokens))).collect();
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        arrows.keys().map(|from| (from, reached_from(from, &arrows))).collect();
    let circle = |from: &Module| {
        let back = |to: &&&Module| reached.get(**to).is_some_and(|further| further.contains(from));
        let members: Vec<&str> = reached[from].iter().filter(back).map(|member| names[*member]).collect();
        (!members.is_empty()).then(|| format!("{} import each other", members.join(", ")))
    };
    arrows.keys().filter_map(circle).collect::<BTreeSet<_>>().into_iter().collect()
}

fn reached_from<'a>(from: &Module, arrows: &'a BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut waiting: Vec<&Module> = arrows.get(from).into_iter().flatten().collect();
    let mut reached = BTreeSet::new();
    while let Some(next) = waiting.pop() {
        if reached.insert(next) {
            waiting.extend(arrows.get(next).into_iter().flatten());
        }
    }
    reached
}

/// The module whose file defines what a path names.
fn file(
    path: &[String],
    names: &BTreeMap<&Module, &str>,
    exports: &BTreeMap<Module, Module>,
) -> Option<Module> {
    let length = (1..=path.len()).rev().find(|length| names.contains_key(&path[..*length].to_vec()))?;
    let exported = path.get(..=length).and_then(|name| exports.get(name));
    match exported {
        Some(defined) if defined.as_slice() != path => file(defined, names, exports),
        Some(_) | None => Some(path[..length].to_vec()),
    }
}

/// The names that a module re-exports from the modules below it.
fn exports(module: &Module, tokens: &[Token]) -> Vec<(Module, Module)> {
    let is_use = |place: &usize| tokens[*place].text == "use" && *place > 0;
    let mut found = Vec::new();
    for place in (0..tokens.len()).filter(is_use) {
        let Some(first) = tokens.get(place + 1).map(|token| token.text.clone()) else { continue };
        let is_exported = matches!(tokens[place - 1].text.as_str(), "pub" | ")");
        if is_exported && !matches!(first.as_str(), "crate" | "super" | "std" | "towpath") {
            branches(tokens, place + 2, &[module.as_slice(), &[first]].concat(), &mut found);
        }
    }
    let exported = found.into_iter().filter_map(|(path, _)| {
        let name = path.last()?.clone();
        Some(([module.as_slice(), &[name]].concat(), path))
    });
    exported.collect()
}
