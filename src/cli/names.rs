//! Real names for shells: the releases, environments, promotions and projects that a word may be completed to.
//!
//! Invariant: completing a word never fails, never asks, and takes two seconds at most. Without an answer there are no names.

use super::connection::Connection;
use crate::api::{Environment, Promotion, Release};
use clap::{Command, Parser};
use clap_complete::ArgValueCompleter;
use clap_complete::engine::CompletionCandidate;
use futures::future::join_all;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(2);
/// More would not be read.
const MOST: usize = 500;

/// The flags among the words of an unfinished command.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Flags {
    #[command(flatten)]
    connection: Connection,
}

/// What completes the word of an argument.
type Completer = fn(&OsStr) -> Vec<CompletionCandidate>;

/// The command with real names for the words of all its verbs.
pub fn completed(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        let name = verb.get_name().to_owned();
        verb.mut_args(|argument| match completer(&name, argument.get_id().as_str()) {
            Some(completer) => argument.add(ArgValueCompleter::new(completer)),
            None => argument,
        })
    })
}

/// What completes an argument of a verb.
fn completer(verb: &str, argument: &str) -> Option<Completer> {
    match (verb, argument) {
        ("status", "name") => Some(objects),
        ("history" | "diff", "name") => Some(environments_and_releases),
        ("abort", "name") => Some(environments_and_promotions),
        ("freeze" | "unfreeze", "name") => None,
        ("diff", "from" | "to") => Some(releases),
        ("cut", "from" | "until") => Some(environments),
        (_, "release" | "releases") => Some(releases),
        (_, "environment" | "environments") => Some(environments),
        (_, "promotion") => Some(promotions),
        (_, "project") => Some(projects),
        _ => None,
    }
}

/// A kind whose names are read.
#[derive(Clone, Copy)]
enum Named {
    Environment,
    Release,
    Promotion,
}

fn objects(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Environment, Named::Release, Named::Promotion])
}

fn environments_and_releases(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Environment, Named::Release])
}

fn environments_and_promotions(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Environment, Named::Promotion])
}

fn environments(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Environment])
}

fn releases(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Release])
}

fn promotions(current: &OsStr) -> Vec<CompletionCandidate> {
    of(current, &[Named::Promotion])
}

/// The names of the objects of these kinds.
fn of(current: &OsStr, kinds: &[Named]) -> Vec<CompletionCandidate> {
    candidates(&current.to_string_lossy(), |connection| async move {
        let reader = connection.open(None).await.ok()?;
        let names = kinds.iter().map(|kind| async {
            match kind {
                Named::Environment => reader.names::<Environment>().await,
                Named::Release => reader.names::<Release>().await,
                Named::Promotion => reader.names::<Promotion>().await,
            }
        });
        Some(join_all(names).await.into_iter().filter_map(Result::ok).flatten().collect())
    })
}

/// The names of namespaces, which are projects if they hold environments.
fn projects(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    candidates(
        &current,
        |connection| async move { connection.open(None).await.ok()?.namespaces().await.ok() },
    )
}

fn candidates<F>(current: &str, read: impl FnOnce(Connection) -> F) -> Vec<CompletionCandidate>
where
    F: Future<Output = Option<Vec<String>>>,
{
    let Some(flags) = flags(std::env::args_os().collect()) else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let read = async { tokio::time::timeout(LONGEST, read(flags.connection)).await.ok().flatten() };
    let names = runtime.block_on(read).unwrap_or_default();
    let fitting = names.into_iter().filter(|name| name.starts_with(current)).take(MOST);
    fitting.map(CompletionCandidate::new).collect()
}

/// The flags that decide which cluster and project are asked.
fn flags(words: Vec<OsString>) -> Option<Flags> {
    const OURS: [&str; 6] = ["-n", "--namespace", "--context", "--kubeconfig", "--as", "--as-group"];
    let mut kept: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if OURS.contains(&text.as_str()) {
            // The last word is the unfinished one.
            if let Some(value) = words.next() {
                kept.extend([word, value]);
            }
        } else if OURS.iter().any(|flag| text.starts_with(&format!("{flag}="))) {
            kept.push(word);
        }
    }
    Flags::try_parse_from(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The arguments without completion are listed here, so that a new verb is not forgotten.
    #[test]
    fn every_verb_that_takes_a_name_completes_it() {
        let command = crate::cli::Plugin::command();
        let named =
            ["name", "release", "releases", "environment", "environments", "promotion", "project", "from"];
        let mut without: Vec<String> = Vec::new();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let ids = verb.get_arguments().map(|argument| argument.get_id().as_str());
            let missing = ids.filter(|id| named.contains(id) && completer(verb.get_name(), id).is_none());
            without.extend(missing.map(|id| format!("{} {id}", verb.get_name())));
        }
        // New names, and a time.
        let expected = ["cut name", "recall name", "freeze name", "freeze from", "unfreeze name"];
        assert_eq!(
            without.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            expected.into()
        );
        assert!(completer("plan", "release").is_some() && completer("diff", "environment").is_some());
    }

    #[test]
    fn the_flags_of_an_unfinished_command_are_found() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (text, is_there) in [
            ("kubectl-towpath -- kubectl-towpath status -n shop ", true),
            ("kubectl-towpath __complete status --namespace=shop --context", true),
            ("kubectl-towpath __complete status --wait --timeout 3s -n shop sho", true),
            ("kubectl-towpath __complete -n", true),
        ] {
            assert_eq!(flags(words(text)).is_some(), is_there, "{text}");
        }
    }
}
