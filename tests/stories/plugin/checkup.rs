//! `kubectl towpath check`, `version` and `completion`: with a viewer's rights, and with an administrator's.

use super::{PLUGIN, has, towpath, viewer};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use support::people::Person;
use support::project::Project;
use support::{in_project, same};

support::stories![
    a_viewer_is_told_what_is_missing_and_what_they_may_not_see,
    an_administrator_sees_the_installation,
    words_are_completed_with_real_names_by_kubectl,
];

async fn checked(project: &Project, person: &Person, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = towpath(project, person, &[&["check"], arguments].concat()).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.is_empty(), "{said}");
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

async fn a_viewer_is_told_what_is_missing_and_what_they_may_not_see() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"] });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        for environment in ["dev", "prod"] {
            project.until("environments", environment, "is ready", |it| ready(it, "True")).await?;
        }
        let (code, text) = checked(project, &vera, &[]).await?;
        same("what is not seen is no fault", code, Some(0))?;
        has(&text, &["server", "Kubernetes v1.", "kinds", "vera may read", "environment/dev"])?;
        has(&text, &["Unknown", "not shown: it needs the right to list leases"])?;
        has(&text, &["kubectl create clusterrolebinding towpath-see-rolebindings", "--user vera"])?;

        let broken = json!({ "spec": { "after": ["nowhere"] } });
        project.change("environments", "prod", broken).await?;
        project.until("environments", "prod", "has a fault", |it| ready(it, "False")).await?;
        let (code, text) = checked(project, &vera, &[]).await?;
        same("an environment has a fault", code, Some(1))?;
        has(&text, &["environment/prod", "Missing", "UnknownEnvironment: spec.after names nowhere"])?;
        let data = towpath(project, &vera, &["check", "-o", "json"]).await?;
        let data: Value = serde_json::from_slice(&data.stdout)?;
        same("kind", data["kind"].as_str(), Some("Checkup"))?;
        let missing = |it: &&Value| it["state"] == "Missing";
        let missing: Vec<&Value> =
            data["items"].as_array().context("items")?.iter().filter(missing).collect();
        same("missing", missing.len(), 1)?;

        let nora = project.person("nora", &[], &[]).await?;
        let (code, text) = checked(project, &nora, &[]).await?;
        same("she may not read", code, Some(1))?;
        has(&text, &["nora may not read this project", "--clusterrole towpath-viewer --user nora"])
    })
    .await
}

fn ready(environment: &Value, status: &str) -> bool {
    let conditions = environment["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == status)
}

async fn an_administrator_sees_the_installation() -> Result<()> {
    in_project(&[json!({ "name": "dev" })], async |project| {
        project.until("environments", "dev", "is ready", |it| ready(it, "True")).await?;
        let admin = project.kubectl();
        let folder = Path::new(PLUGIN).parent().context("the plugin has no folder")?;
        let mut command = admin.command(&["towpath", "check", &project.name]);
        let output = tokio::task::block_in_place(|| command.env("PATH", folder).output())?;
        let text = String::from_utf8(output.stdout)?;
        has(&text, &["policies are there and bound", "controller", "names its identity"])?;
        ensure!(!text.contains("needs the right"), "{text}");
        project.withdraw("dev", "towpath-deploy").await?;
        let mut command = admin.command(&["towpath", "check", &project.name]);
        let output = tokio::task::block_in_place(|| command.env("PATH", folder).output())?;
        same("consent is missing", output.status.code(), Some(1))?;
        let target = project.target("dev");
        let command =
            format!("kubectl create rolebinding towpath --namespace {target} --clusterrole towpath-deploy");
        has(&String::from_utf8(output.stdout)?, &["has not consented", &command])?;
        let mut command = admin.command(&["towpath", "version"]);
        let output = tokio::task::block_in_place(|| command.env("PATH", folder).output())?;
        let text = String::from_utf8(output.stdout)?;
        has(
            &text,
            &["Client:     0.", "Server:     v1.", "Kinds:      towpath.dev/v1alpha1\n", "Controller: "],
        )?;

        let vera = viewer(project).await?;
        let output = towpath(project, &vera, &["version"]).await?;
        has(
            &String::from_utf8(output.stdout)?,
            &["it needs the right to list deployments in namespace towpath-system"],
        )
    })
    .await
}

async fn words_are_completed_with_real_names_by_kubectl() -> Result<()> {
    in_project(&[json!({ "name": "dev" }), json!({ "name": "prod", "after": ["dev"] })], async |project| {
        let vera = viewer(project).await?;
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("kubectl_complete-towpath");
        let made = Command::new(PLUGIN).args(["completion", "kubectl"]).output()?;
        std::fs::write(&script, made.stdout)?;
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        std::os::unix::fs::symlink(PLUGIN, folder.path().join("kubectl-towpath"))?;
        let completed = async |words: &[&str]| -> Result<String> {
            let kubectl = project.cluster.kubectl(&vera.access);
            let mut command = kubectl.command(&[&["__complete", "towpath"], words].concat());
            command.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
            let output = tokio::task::spawn_blocking(move || command.output()).await??;
            Ok(String::from_utf8(output.stdout)?)
        };
        has(&completed(&["sta"]).await?, &["status\tShow one release"])?;
        // A server under load may not answer within the two seconds that a completion may take.
        let named = async |words: &[&str]| -> Result<String> {
            for _ in 0..10 {
                let names = completed(words).await?;
                if names.contains("prod") {
                    return Ok(names);
                }
            }
            completed(words).await
        };
        let names = named(&["status", "--namespace", &project.name, ""]).await?;
        has(&names, &["dev\n", "prod\n", ":4"])?;
        let names = named(&["history", "--namespace", &project.name, "pr"]).await?;
        ensure!(names.contains("prod") && !names.contains("dev"), "{names}");
        let namespace = ["--namespace", project.name.as_str()];
        for (words, last) in [
            (&["rollback"][..], &[""][..]),
            (&["explain", "shop-1.0.0"], &["-e", ""]),
            (&["abort"], &[""]),
            (&["freeze"], &["-e", ""]),
        ] {
            has(&named(&[words, &namespace, last].concat()).await?, &["dev\n", "prod\n"])?;
        }
        has(&completed(&["get", "-o", "w"]).await?, &["wide"])?;
        // Without a cluster there are no names, and no error.
        let nowhere = completed(&["status", "--kubeconfig", "/nowhere", "pr"]).await?;
        ensure!(!nowhere.contains("prod"), "{nowhere}");
        Ok(())
    })
    .await
}
