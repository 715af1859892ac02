//! Who else is on the machine or in the browser: nothing is read and nothing is done by them.

use super::{Ui, show};
use crate::plugin::viewer;
use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::browser::Browser;
use support::in_project;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

support::stories![
    other_sites_names_and_users_read_nothing,
    the_page_survives_a_server_that_goes_away_and_many_tabs,
    credentials_come_from_a_program_and_end_while_the_page_is_open,
];

/// The answer to a request as it is, without a client that helps.
async fn raw(ui: &Ui, request: &str) -> Result<String> {
    let address = ui.address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.replace("HOST", address).as_bytes()).await?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn other_sites_names_and_users_read_nothing() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let ui = Ui::start(project, &vera).await?;
        let folder = ui.file.parent().context("no folder")?;
        ensure!(std::fs::metadata(folder)?.permissions().mode() & 0o777 == 0o700, "others can read the folder");
        ensure!(std::fs::metadata(&ui.file)?.permissions().mode() & 0o777 == 0o600, "others can read the file");
        let name = &project.name;
        let post = format!("POST /act/{name}/hold HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\nConnection: close\r\n"
        );
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        let part = get(&format!("/part/{name}"));
        for (request, headers, code) in [
            (get("/"), "Host: HOST", "200"),
            // Another name of this machine, which others control.
            (get("/"), "Host: rebound.example", "421"),
            (get("/"), "Host: localhost:1", "421"),
            // No token, a wrong one, and the secret itself.
            (part.clone(), "Host: HOST", "401"),
            (part.clone(), "Host: HOST\r\nAuthorization: Bearer 00", "401"),
            (part.clone(), "Host: HOST\r\nAuthorization: Bearer SECRET", "401"),
            (part, "Host: HOST\r\nSec-Fetch-Site: cross-site", "403"),
            (post.clone(), "Host: HOST", "403"),
            (post.clone(), "Host: HOST\r\nOrigin: http://evil.example", "403"),
            (post, "Host: HOST\r\nOrigin: http://HOST", "401"),
            (get("/part/../../etc/passwd"), "Host: HOST", "401"),
        ] {
            let secret = ui.secret_address()?;
            let secret = secret.split_once("secret=").context("no secret")?.1.to_owned();
            let answer = raw(&ui, &format!("{request}{}\r\n\r\n", headers.replace("SECRET", &secret))).await?;
            ensure!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{request}{headers}\n{answer}");
            ensure!(!answer.contains("prod"), "{answer}");
            for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "cache-control: no-store"] {
                ensure!(answer.to_lowercase().contains(header), "{header}: {answer}");
            }
            ensure!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
        }

        // The address with the secret opens the page once, and leaves neither the address nor the history.
        let browser = Browser::start().await?;
        let address = ui.secret_address()?;
        let tab = ui.open(&browser).await?;
        ensure!(!tab.value("location.href").await?.as_str().unwrap_or_default().contains("secret"), "the address has it");
        let stolen = browser.tab(&address).await?;
        stolen.says("was used before").await?;
        ensure!(!stolen.text().await?.contains("prod"), "a used address shows the project");

        // Another page may neither frame it nor read it.
        let foreign = browser.tab("data:text/html,<title>evil</title>").await?;
        let read = format!("fetch('{}/part/{name}').then((it) => it.text(), () => 'refused')", ui.address);
        ensure!(foreign.value(&read).await? == json!("refused"), "another page reads it");
        let frame = format!(
            "new Promise((done) => {{ const it = document.createElement('iframe'); it.src = '{}/'; it.onload = () => {{ \
             let text = ''; try {{ text = it.contentDocument.body.innerText; }} catch {{ text = 'closed'; }} done(text); }}; document.body.append(it); }})",
            ui.address
        );
        let framed = foreign.value(&frame).await?;
        ensure!(framed == json!("closed") || framed == json!(""), "it is framed: {framed}");
        show(&tab, &format!("/{name}"), "Board of").await
    })
    .await
}

async fn the_page_survives_a_server_that_goes_away_and_many_tabs() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let ui = Ui::start(project, &vera).await?;
        let browser = Browser::start().await?;
        let tab = ui.open(&browser).await?;
        // A tab that the page opens knows the token; one that a user opens does not.
        tab.click_with_control("nav a").await?;
        let begun = Instant::now();
        let second = loop {
            match browser.opened(&[&tab]).await?.pop() {
                Some(tab) => break tab,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            ensure!(begun.elapsed() < Duration::from_secs(30), "no tab opens: {}", browser.targets().await?);
        };
        second.says("Board of").await?;
        let stranger = browser.tab(&format!("{}/", ui.address)).await?;
        stranger.says("does not know the token").await?;
        // A hidden tab asks nothing.
        tab.show().await?;
        // A thousand tabs ask at once.
        let many = "Promise.all(Array.from({ length: 1000 }, () => request('/part/' + path().slice(1)).then((it) => it.status)))\
                    .then((all) => all.filter((it) => it === 200).length)";
        ensure!(tab.value(many).await? == json!(1000), "some tabs were not answered");
        let port = ui.address.rsplit(':').next().context("no port")?.to_owned();
        drop(ui);
        tab.says("does not answer").await?;
        tab.says("Board of").await?;
        // Another server does not know the token, and its own file opens the page again.
        let ui = Ui::start_with(project, &vera, &["--port", &port]).await?;
        tab.says("does not know the token").await?;
        ensure!(!tab.text().await?.contains("Board of"), "the old page is shown");
        tab.go(&ui.secret_address()?).await?;
        tab.says("Board of").await
    })
    .await
}

/// A kubeconfig whose user is known by the token that a program prints.
fn kubeconfig(folder: &Path, access: &Path, token: &str) -> Result<PathBuf> {
    let program = folder.join("credentials");
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token },
    });
    std::fs::write(
        &program,
        // Words of the shell alone: there is nothing else on the PATH.
        format!("#!/bin/sh\necho called >> \"$0.log\"\nprintf '%s\\n' '{credential}'\n"),
    )?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
    let mut config: Value = serde_yaml::from_str(&std::fs::read_to_string(access)?)?;
    config["users"][0]["user"] = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": program, "interactiveMode": "Never",
    } });
    let path = folder.join("config");
    std::fs::write(&path, serde_yaml::to_string(&config)?)?;
    Ok(path)
}

async fn credentials_come_from_a_program_and_end_while_the_page_is_open() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let vera = viewer(project).await?;
        let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", project.name);
        project.post(&accounts, json!({ "metadata": { "name": "robot" } })).await?;
        let user = format!("system:serviceaccount:{}:robot", project.name);
        let binding = json!({
            "metadata": { "name": "robot" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "towpath-viewer" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user }],
        });
        let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", project.name);
        project.post(&bindings, binding).await?;
        let answer = project.post(&format!("{accounts}/robot/token"), json!({ "spec": { "expirationSeconds": 600 } })).await?;
        let token = answer["status"]["token"].as_str().context("no token")?;

        let folder = tempfile::tempdir()?;
        let config = kubeconfig(folder.path(), &vera.access.kubeconfig, token)?;
        let flags = ["--kubeconfig", config.to_str().context("no path")?];
        let ui = Ui::start_with(project, &vera, &flags).await?;
        ensure!(folder.path().join("credentials.log").exists(), "the program was not called before the page was there");
        let browser = Browser::start().await?;
        let tab = ui.open(&browser).await?;
        tab.says("robot").await?;
        tab.says("Board of").await?;
        project.send(Method::DELETE, &format!("{accounts}/robot"), "application/json", json!({})).await?;
        tab.says("is not shown").await?;
        tab.says("does not accept the credentials").await?;
        ensure!(!tab.text().await?.contains("Board of"), "the project is still shown");

        // Without credentials, nothing listens.
        let refused = crate::plugin::towpath(project, &vera, &[&["ui", "--no-browser"], &flags[..]].concat()).await?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(!refused.status.success() && said.contains("does not accept the credentials"), "{said}");
        Ok(())
    })
    .await
}
