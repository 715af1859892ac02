//! Questions, which only a person at a terminal is asked: each answer, and what is written.

use super::{command, has, viewer};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use support::objects::deployment;
use support::people::Person;
use support::project::Project;
use support::terminal::{CTRL_C, CTRL_D, Command, Terminal, interruptible};
use support::{in_project, same};

support::stories![
    an_approval_is_written_only_if_the_answer_is_yes,
    nothing_is_asked_where_a_person_cannot_see_the_question,
];

const QUESTION: &str = "Approve shop-v1 for prod? [y/N] ";

/// What a program reads its answers from.
enum Stdin {
    Terminal,
    Closed,
}

/// A release that waits for an approval, and a person who may give it.
async fn waiting(project: &Project) -> Result<Person> {
    let source = json!({ "manifests": [deployment("web", "v1", None)] });
    project.release_of("shop", "v1", json!({ "source": source })).await?;
    let waits = |it: &Value| it["status"]["approvals"]["required"] == 1;
    project.until("promotions", "prod-shop-v1", "waits for approvals", waits).await?;
    project.person("bob", &[], &["towpath-approver"]).await
}

/// How `approve` ends if the person at the terminal types this after the question, and what they see.
async fn answered(project: &Project, person: &Person, typed: &'static str) -> Result<(ExitStatus, String)> {
    let command = command(project, person, &["approve", "shop-v1", "-e", "prod"])?;
    tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::start(interruptible(&command))?;
        terminal.reads(QUESTION)?;
        terminal.types(typed)?;
        terminal.ended()
    })
    .await?
}

async fn an_approval_is_written_only_if_the_answer_is_yes() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let bob = waiting(project).await?;
        for typed in ["n\n", "\n", "yessir\n", CTRL_D] {
            let (status, shown) = answered(project, &bob, typed).await?;
            same(&format!("exit code after {typed:?}"), status.code(), Some(1))?;
            has(
                &shown,
                &["Approval  shop-v1  for  prod", "0 of 1", "kubectl towpath: shop-v1 was not approved"],
            )?;
            // What the terminal shows next must not follow the question.
            ensure!(!shown.contains("[y/N] kubectl towpath"), "{shown}");
        }
        let (status, shown) = answered(project, &bob, CTRL_C).await?;
        same("signal after Ctrl-C", status.signal(), Some(2))?;
        ensure!(shown.ends_with(&format!("{QUESTION}^C")), "{shown}");
        same("approvals", project.all("approvals").await?.len(), 0)?;

        let (status, shown) = answered(project, &bob, "Y\n").await?;
        same("exit code after Y", status.code(), Some(0))?;
        has(&shown, &["approval.towpath.dev/prod-shop-v1-", "created"])?;
        same("approvals", project.all("approvals").await?.len(), 1)?;
        project.ended("prod-shop-v1", "Verified").await.map(drop)
    })
    .await
}

async fn nothing_is_asked_where_a_person_cannot_see_the_question() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let (bob, vera) = (waiting(project).await?, viewer(project).await?);
        let approve = ["approve", "shop-v1", "-e", "prod"];
        // With 2>log, the question would be in the log, and a person would wait for nothing.
        for stdin in [Stdin::Terminal, Stdin::Closed] {
            let folder = tempfile::tempdir()?;
            let log = folder.path().join("log");
            let said = std::fs::File::create(&log)?;
            let command = Command::from(command(project, &bob, &approve)?);
            let command = match stdin {
                Stdin::Terminal => command.stderr(said),
                Stdin::Closed => command.stderr(said).stdin(Stdio::null()),
            };
            let (status, _) =
                tokio::task::spawn_blocking(move || Terminal::start(command)?.ended()).await??;
            same("exit code", status.code(), Some(2))?;
            let sentence = "there is no terminal to ask on: approve what is shown with --yes";
            has(&std::fs::read_to_string(&log)?, &[sentence])?;
        }
        // A missing right is said before anything is asked.
        let command = command(project, &vera, &approve)?;
        let (status, shown) =
            tokio::task::spawn_blocking(move || Terminal::start(command)?.ended()).await??;
        same("exit code", status.code(), Some(1))?;
        has(&shown, &["vera lacks the verb create on approvals.towpath.dev"])?;
        ensure!(!shown.contains("[y/N]"), "{shown}");
        same("approvals", project.all("approvals").await?.len(), 0)
    })
    .await
}
