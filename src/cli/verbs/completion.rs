//! `completion`: scripts that complete words with real names.

use crate::cli::{Plugin, names};
use anyhow::anyhow;
use clap::{CommandFactory, ValueEnum};
use clap_complete::engine::complete;
use clap_complete::env::Shells;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The variable with which the scripts call this program.
pub const VARIABLE: &str = "KUBECTL_TOWPATH_COMPLETE";
const NAME: &str = "kubectl-towpath";
/// The end of an answer to kubectl: names only, and no names of files.
const NO_FILES: &str = ":4";

/// Print a script that completes commands and the names of releases, environments and promotions.
///
/// For `kubectl towpath` itself, print the program that kubectl asks, and put it on the PATH:
///
///   kubectl towpath completion kubectl > ~/.local/bin/kubectl_complete-towpath && chmod +x ~/.local/bin/kubectl_complete-towpath
///
/// For `kubectl-towpath` in bash: source <(kubectl towpath completion bash)
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The shell, or kubectl.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// kubectl, for all of its shells.
    Kubectl,
}

/// Prints the script.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let shell = match arguments.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Kubectl => {
            writeln!(out, "#!/bin/sh\nexec {NAME} __complete \"$@\"")?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or_else(|| anyhow!("{shell} is not supported"))?;
    completer.write_registration(VARIABLE, NAME, NAME, NAME, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Completes the last of these words, for kubectl.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Words {
    /// The words after `kubectl towpath`. The last one is unfinished.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Writes what the last word may become, one per line, as kubectl reads it.
pub fn words(words: &Words, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let mut all = vec![OsString::from(NAME)];
    all.extend(words.words.iter().cloned());
    if words.words.is_empty() {
        all.push(OsString::new());
    }
    let last = all.len() - 1;
    for candidate in complete(&mut names::completed(Plugin::command()), all, last, None)? {
        if candidate.is_hide_set() {
            continue;
        }
        let value = candidate.get_value().to_string_lossy().into_owned();
        let help = candidate.get_help().map(|help| help.to_string()).unwrap_or_default();
        match help.lines().next().unwrap_or_default() {
            "" => writeln!(out, "{value}")?,
            help => writeln!(out, "{value}\t{help}")?,
        }
    }
    writeln!(out, "{NO_FILES}")?;
    Ok(ExitCode::SUCCESS)
}
