//! Watching with `kubectl towpath`: what it asks of the API server, and when it ends.

use super::{PLUGIN, has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use control_plane::{Mark, eventually};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;
use support::objects::deployment;
use support::people::Person;
use support::project::Project;
use support::{SOON, in_project, same};

support::stories![
    a_wait_asks_once_and_ends_when_its_object_is_deleted,
    a_wait_ends_when_its_user_may_no_longer_read,
    a_watched_board_writes_each_row_when_it_changes,
    requests_are_written_at_the_levels_of_kubectl_and_without_tokens,
];

/// Starts `kubectl towpath` in the namespace of the project.
fn started(project: &Project, person: &Person, arguments: &[&str]) -> Result<Child> {
    let folder = Path::new(PLUGIN).parent().context("the plugin has no folder")?;
    let kubectl = project.cluster.kubectl(&person.access);
    let all = [&["towpath"], arguments, &["--namespace", &project.name]].concat();
    let mut command = kubectl.command(&all);
    command.env("PATH", folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().context("kubectl towpath")
}

async fn ended(child: Child) -> Result<Output> {
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    Ok(tokio::time::timeout(Duration::from_secs(90), ended).await.context("it does not end")???)
}

/// The requests of a person about the objects of the project.
async fn asked(project: &Project, person: &Person, mark: Mark) -> Result<Vec<String>> {
    let events = project.cluster.audit()?.since(mark).await?;
    let own = events.into_iter().filter(|it| it.user == person.name && it.namespace == project.name);
    Ok(own.map(|it| format!("{} {}", it.verb, it.resource)).collect())
}

/// Waits until a person watches the promotions of the project.
pub async fn watches(project: &Project, person: &Person, mark: Mark) -> Result<()> {
    eventually("watches", SOON, async || {
        Ok(asked(project, person, mark).await?.contains(&"watch promotions".to_owned()).then_some(()))
    })
    .await
}

/// An environment that a release waits for, without a person.
fn soaked() -> serde_json::Value {
    json!({ "name": "prod", "after": ["dev"], "soak": "1h" })
}

async fn a_wait_asks_once_and_ends_when_its_object_is_deleted() -> Result<()> {
    in_project(&[json!({ "name": "dev" }), soaked()], async |project| {
        let vera = viewer(project).await?;
        let soaking = json!({ "source": { "manifests": [deployment("web", "v1", None)] } });
        project.release_of("slow", "1.0.0", soaking).await?;
        project.until("releases", "slow-1.0.0", "soaks", |it| it["status"]["phase"] == "Waiting").await?;
        let mark = project.cluster.audit()?.mark().await?;
        let child = started(project, &vera, &["status", "slow-1.0.0", "--wait"])?;
        eventually("watches", SOON, async || {
            let asked = asked(project, &vera, mark).await?;
            Ok(["releases", "environments", "promotions"]
                .iter()
                .all(|kind| asked.contains(&format!("watch {kind}")))
                .then_some(()))
        })
        .await?;
        let before = project.cluster.audit()?.mark().await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let asked = asked(project, &vera, before).await?;
        ensure!(asked.len() <= 3, "a watch that is open asks nothing: {asked:?}");
        project.delete("releases", "slow-1.0.0").await?;
        let output = ended(child).await?;
        same("exit code", output.status.code(), Some(1))?;
        has(&String::from_utf8_lossy(&output.stderr), &["slow-1.0.0 was deleted while it was waited for"])?;
        has(&String::from_utf8_lossy(&output.stdout), &["Release  slow-1.0.0"])
    })
    .await
}

async fn a_wait_ends_when_its_user_may_no_longer_read() -> Result<()> {
    in_project(&[json!({ "name": "dev" }), soaked()], async |project| {
        let mona = project.person("mona", &[], &["towpath-viewer"]).await?;
        let soaking = json!({ "source": { "manifests": [deployment("web", "v1", None)] } });
        project.release_of("slow", "1.0.0", soaking).await?;
        project.until("releases", "slow-1.0.0", "soaks", |it| it["status"]["phase"] == "Waiting").await?;
        let mark = project.cluster.audit()?.mark().await?;
        let child = started(project, &mona, &["status", "slow-1.0.0", "--wait"])?;
        watches(project, &mona, mark).await?;
        project.unbind("mona", "towpath-viewer").await?;
        let output = ended(child).await?;
        same("exit code", output.status.code(), Some(1))?;
        let said = String::from_utf8(output.stderr)?;
        has(&said, &["you may not read", &project.name, "--clusterrole towpath-viewer"])
    })
    .await
}

async fn a_watched_board_writes_each_row_when_it_changes() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        let mut child = started(project, &vera, &["get", "--watch", "-o", "wide"])?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("dev-{release}"), "Verified").await?;
        let waits = |it: &serde_json::Value| it["status"]["applications"][0]["waiting"]["gate"] == "Manual";
        project.until("environments", "prod", "waits", waits).await?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let until_manual = tokio::task::spawn_blocking(move || -> Result<_> {
            let mut text = String::new();
            while !text.contains("Manual: ") {
                text += &format!("{}\n", lines.next().context("the board ends")??);
            }
            Ok((text, lines))
        });
        let (mut text, lines) =
            tokio::time::timeout(SOON, until_manual).await.context("the board does not say Manual")???;
        child.kill()?;
        for line in lines {
            text += &format!("{}\n", line?);
        }
        child.wait()?;
        has(&text, &["APPLICATION", "NAMESPACE", "Verified", "Manual: ", "dev-shop-1.0.0"])?;
        same("headings", text.matches("APPLICATION").count(), 1)?;
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            ensure!(pair[0] != pair[1], "a row was written although it did not change:\n{text}");
        }
        let wide = printed(project, &vera, &["history", "dev", "-o", "wide"]).await?;
        has(&wide, &["TOOK", "PROMOTION", "dev-shop-1.0.0"])
    })
    .await
}

async fn requests_are_written_at_the_levels_of_kubectl_and_without_tokens() -> Result<()> {
    in_project(&[json!({ "name": "dev" })], async |project| {
        let vera = viewer(project).await?;
        let said = async |level: &str| -> Result<String> {
            let output = towpath(project, &vera, &["waiting", "-v", level]).await?;
            same("exit code", output.status.code(), Some(0))?;
            Ok(String::from_utf8(output.stderr)?)
        };
        same("silent", said("0").await?.as_str(), "")?;
        let requests = said("6").await?;
        let path = format!("/apis/towpath.dev/v1alpha1/namespaces/{}/environments 200 OK in ", project.name);
        has(&requests, &["GET https://", &path, " milliseconds"])?;
        ensure!(!requests.contains("Body"), "a body at level 6:\n{requests}");
        let bodies = said("8").await?;
        has(&bodies, &["Response Body: {"])?;
        let whole = said("9").await?;
        for secret in ["Bearer", "PRIVATE KEY", "authorization:"] {
            ensure!(!whole.contains(secret), "{secret} is written");
        }
        Ok(())
    })
    .await
}
