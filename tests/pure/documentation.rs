//! The README and the pages in `docs/`: a story can run all of their commands, and their links lead somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use support::manifests::root;
use support::pages::{Block, PAGES, blocks, hints, text};
use towpath::api::Reason;

#[test]
fn every_page_is_listed() {
    let on_disk = fs::read_dir(root("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let pages = on_disk.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".md"));
    let mut on_disk: BTreeSet<String> = pages.map(|name| format!("docs/{name}")).collect();
    on_disk.insert("README.md".to_owned());
    assert_eq!(on_disk, PAGES.map(str::to_owned).into(), "no story runs the commands of the other pages");
}

#[test]
fn every_command_is_in_a_block_that_a_story_runs() {
    for page in PAGES {
        let text = text(page);
        let outside = text.split("```").step_by(2).flat_map(str::lines);
        let is_command = |line: &&str| {
            line.starts_with("    ")
                && ["cargo", "docker", "helm", "kubectl"]
                    .iter()
                    .any(|program| line.trim().starts_with(program))
        };
        assert_eq!(outside.filter(is_command).collect::<Vec<_>>(), Vec::<&str>::new(), "{page}");
    }
}

/// kubectl watches one kind at a time: `you may only specify a single resource type`.
#[test]
fn no_command_watches_several_kinds() {
    let hints = hints().unwrap();
    assert!(hints.iter().any(|(_, command)| command.contains(" --watch")), "no notes: {hints:?}");
    let mut commands: Vec<(String, String)> = hints;
    for page in PAGES {
        let lines = text(page);
        commands.extend(lines.lines().map(|line| (page.to_owned(), line.to_owned())));
    }
    let watches = |command: &str| command.contains(" --watch") || command.contains(" -w ");
    for (place, command) in commands.iter().filter(|(_, command)| watches(command)) {
        let kinds = command.split("kubectl get ").nth(1).and_then(|rest| rest.split(' ').next());
        assert!(!kinds.unwrap_or_default().contains(','), "{place}: {command}");
    }
}

#[test]
fn every_file_is_used_by_a_command_after_it() {
    for page in PAGES {
        let blocks = blocks(page).unwrap();
        for (index, block) in blocks.iter().enumerate() {
            let Block::File { name, .. } = block else { continue };
            let flags = ["filename", "values"].map(|flag| format!("--{flag} {name}\n"));
            let uses = |block: &Block| matches!(block, Block::Commands(text) if flags.iter().any(|flag| text.contains(flag)));
            assert!(blocks[index..].iter().any(uses), "{page}: no command uses {name}");
        }
    }
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() {
    for page in PAGES {
        for link in links(&text(page)).filter(|link| !link.contains("://")) {
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = match (path, page.rsplit_once('/')) {
                ("", _) => page.to_owned(),
                (path, Some(_)) if path.starts_with("../") => path.trim_start_matches("../").to_owned(),
                (path, Some((folder, _))) => format!("{folder}/{path}"),
                (path, None) => path.to_owned(),
            };
            assert!(root(&target).exists(), "{page}: {link} leads nowhere");
            if let Some(anchor) = anchor {
                assert!(
                    anchors(&text(&target)).contains(anchor),
                    "{page}: {link}: {target} has no such heading"
                );
            }
        }
    }
}

#[test]
fn every_gate_is_explained_to_developers() {
    let page = text("docs/developers.md");
    let rows: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    for reason in Reason::NAMED.iter().filter(|reason| reason.is_holding()) {
        assert!(rows.contains(&format!("`{reason}`")), "docs/developers.md does not explain {reason}");
    }
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The headings of a page, as GitHub names them in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |heading: &str| {
        heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>()
    };
    headings.map(|heading| kept(&heading.to_lowercase()).replace(' ', "-")).collect()
}

#[test]
fn the_readme_tells_how_many_situations_the_catalogue_holds() {
    let held = support::judgement::catalogue().unwrap().len();
    let text = text("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let told = format!("a catalogue of {held} situations");
    assert!(text.contains(&told), "the README does not say: {told}");
}

/// The output that the pages show is what the views print: a golden screen, line by line.
#[test]
fn every_output_of_the_plugin_is_a_screen() {
    let folder = fs::read_dir(root("tests/pure/golden/screens")).unwrap();
    let screens: Vec<String> = folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let mut shown = 0;
    for page in PAGES.iter().filter(|page| page.starts_with("docs/")) {
        for block in text(page).split("```text\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert!(screens.iter().any(|screen| screen == block), "{page}: no view prints\n{block}");
            shown += 1;
        }
    }
    assert!(shown >= 3, "the pages show {shown} screens");
}
