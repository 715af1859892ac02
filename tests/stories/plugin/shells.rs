//! The scripts of `completion` in the shells that this machine has: each completes the name of an environment.

use super::{PLUGIN, has, viewer};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::people::Person;
use support::terminal::Terminal;
use support::{Project, in_project};

support::stories![each_shell_completes_the_name_of_an_environment,];

/// A folder with the script of a shell.
struct Script {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn script(shell: &str) -> Result<Script> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("script");
    let made = Command::new(PLUGIN).args(["completion", shell]).output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&path, made.stdout)?;
    Ok(Script { folder, path })
}

/// A program that finds the plugin, and the cluster as this person.
fn command(program: &str, person: &Person, script: &Script) -> Result<Command> {
    let folder = Path::new(PLUGIN).parent().context("the plugin has no folder")?;
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command.env("KUBECONFIG", &person.access.kubeconfig).env("HOME", script.folder.path());
    command.env("TERM", "xterm").current_dir(script.folder.path());
    Ok(command)
}

/// Fails unless a shell completes the name of an environment.
type Completes = fn(&Project, &Person) -> Result<()>;

/// The shells that a machine may lack.
const OF_A_MACHINE: [(&str, Completes); 2] = [("fish", in_fish), ("zsh", in_zsh)];

/// Whether the machine has a shell. Only bash is on every one.
fn is_installed(shell: &str) -> bool {
    ["/usr/bin", "/bin"].iter().any(|folder| Path::new(folder).join(shell).exists())
}

async fn each_shell_completes_the_name_of_an_environment() -> Result<()> {
    in_project(&[json!({ "name": "dev" }), json!({ "name": "prod", "after": ["dev"] })], async |project| {
        let vera = viewer(project).await?;
        tokio::task::block_in_place(|| {
            in_bash(project, &vera)?;
            for (shell, completes) in OF_A_MACHINE {
                match is_installed(shell) {
                    true => completes(project, &vera)?,
                    // A story that passes says nothing else about what it left out.
                    false => eprintln!("    skipped: {shell} is not installed; .ci/run installs it"),
                }
            }
            as_powershell_asks(project, &vera)
        })
    })
    .await
}

fn words(project: &Project) -> String {
    format!("kubectl-towpath history --namespace {} pr", project.name)
}

/// The function that bash calls, with the variables that it sets.
fn in_bash(project: &Project, vera: &Person) -> Result<()> {
    let script = script("bash")?;
    let line = words(project);
    let function = "_clap_complete_kubectl_towpath";
    let program = format!(
        "source {}; complete -p kubectl-towpath | grep -q -e '-F {function} ' || exit 1
         COMP_WORDS=({line}); COMP_CWORD=4; COMP_TYPE=9; COMP_LINE='{line}'
         {function} kubectl-towpath pr {}; echo \"${{COMPREPLY[*]}}\"",
        script.path.display(),
        project.name
    );
    let output = command("bash", vera, &script)?.args(["--norc", "-c", &program]).output()?;
    let found = String::from_utf8(output.stdout)?;
    ensure!(found.trim() == "prod", "bash: {found:?} {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn in_fish(project: &Project, vera: &Person) -> Result<()> {
    let script = script("fish")?;
    let program = format!("source {}; complete -C '{}'", script.path.display(), words(project));
    let output = command("fish", vera, &script)?.args(["--no-config", "-c", &program]).output()?;
    let found = String::from_utf8(output.stdout)?;
    ensure!(found.trim() == "prod", "fish: {found:?} {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// zsh completes only for a person at a terminal.
fn in_zsh(project: &Project, vera: &Person) -> Result<()> {
    let script = script("zsh")?;
    let mut zsh = command("zsh", vera, &script)?;
    zsh.args(["-f", "-i"]);
    let mut terminal = Terminal::start(zsh)?;
    let load = format!("autoload -Uz compinit && compinit -u -D && source {}", script.path.display());
    terminal.types(&format!("PS1='READ''Y> '; {load}\n"))?;
    terminal.reads("READY> ")?;
    terminal.types(&format!("{}\t", words(project)))?;
    terminal.reads(&format!("--namespace {} prod", project.name))?;
    terminal.types("\u{15}exit\n")?;
    terminal.ended().map(drop)
}

/// No machine of the tests has PowerShell: this is the call that its script makes.
fn as_powershell_asks(project: &Project, vera: &Person) -> Result<()> {
    let script = script("powershell")?;
    let text = std::fs::read_to_string(&script.path)?;
    has(
        &text,
        &[
            "-CommandName kubectl-towpath",
            "$env:KUBECTL_TOWPATH_COMPLETE = \"powershell\"",
            "& kubectl-towpath -- $args",
        ],
    )?;
    let mut call = command(PLUGIN, vera, &script)?;
    call.env("KUBECTL_TOWPATH_COMPLETE", "powershell").arg("--").args(words(project).split(' '));
    let found = String::from_utf8(call.output()?.stdout)?;
    ensure!(found.trim() == "prod", "PowerShell: {found:?}");
    Ok(())
}
