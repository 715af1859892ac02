//! Real names for shells: the releases, environments, promotions and projects that a word may be completed to.
//!
//! Invariant: completing a word never fails, never asks, and takes two seconds at most. Without an answer there are no names.

use super::connection::Connection;
use crate::api::{Environment, Promotion, Release};
use clap::Parser;
use clap_complete::engine::CompletionCandidate;
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

/// The names of releases, environments and promotions.
pub fn objects(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    candidates(&current, |connection| async move {
        let reader = connection.open(None).await.ok()?;
        let (releases, environments, promotions) = tokio::join!(
            reader.names::<Release>(),
            reader.names::<Environment>(),
            reader.names::<Promotion>()
        );
        let all = [environments, releases, promotions];
        Some(all.into_iter().filter_map(Result::ok).flatten().collect())
    })
}

/// The names of environments and releases.
pub fn environments_and_releases(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    candidates(&current, |connection| async move {
        let reader = connection.open(None).await.ok()?;
        let (environments, releases) = tokio::join!(reader.names::<Environment>(), reader.names::<Release>());
        Some([environments, releases].into_iter().filter_map(Result::ok).flatten().collect())
    })
}

/// The names of namespaces, which are projects if they hold environments.
pub fn projects(current: &OsStr) -> Vec<CompletionCandidate> {
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
