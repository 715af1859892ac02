//! The page in the cluster, for people without a kubeconfig: each request has the rights of its bearer token, and no others.

use crate::plugin::viewer;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;
use support::browser::Browser;
use support::objects::deployment;
use support::people::Person;
use support::{Project, in_project};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

support::stories![
    visitors_see_what_their_own_token_may_read_and_nothing_without_one,
    a_pasted_token_opens_the_page_and_a_withdrawn_right_closes_it,
];

/// The page as the chart runs it, without credentials of its own.
struct Server {
    host: String,
    _child: Child,
    _folder: TempDir,
}

impl Server {
    async fn start(project: &Project) -> Result<Self> {
        Self::start_for(&viewer(project).await?, None).await
    }

    /// The same for the API server of a person, or for one at another address.
    async fn start_for(vera: &Person, server: Option<&str>) -> Result<Self> {
        let config: Value = serde_yaml::from_str(&std::fs::read_to_string(&vera.access.kubeconfig)?)?;
        let cluster = &config["clusters"][0]["cluster"];
        let folder = tempfile::tempdir()?;
        let ca = folder.path().join("ca.crt");
        let data = cluster["certificate-authority-data"].as_str();
        match (data, cluster["certificate-authority"].as_str()) {
            (Some(data), _) => std::fs::write(&ca, STANDARD.decode(data)?)?,
            (None, Some(path)) => drop(std::fs::copy(path, &ca)?),
            (None, None) => anyhow::bail!("the kubeconfig has no certificate authority"),
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let host = format!("127.0.0.1:{port}");
        let server = server.or(cluster["server"].as_str()).context("no server")?;
        let child = Command::new(env!("CARGO_BIN_EXE_towpath"))
            .args([
                "ui-server",
                "--listen",
                &host,
                "--host",
                &host,
                "--scheme",
                "http",
                "--server",
                server,
                "--ca",
            ])
            .arg(&ca)
            .env_clear()
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let begun = Instant::now();
        while TcpStream::connect(&host).await.is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(30), "the page does not listen on {host}");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { host, _child: child, _folder: folder })
    }

    /// The answer to a request for a path with a token.
    async fn get(&self, path: &str, host: &str, token: Option<&str>) -> Result<String> {
        let authorization =
            token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(&self.host).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// A ServiceAccount with these ClusterRoles in the project, and its token.
async fn account(project: &Project, name: &str, roles: &[&str]) -> Result<String> {
    let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", project.name);
    project.post(&accounts, json!({ "metadata": { "name": name } })).await?;
    let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", project.name);
    for role in roles {
        let binding = json!({
            "metadata": { "name": format!("{name}-{role}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": project.name }],
        });
        project.post(&bindings, binding).await?;
    }
    let request = json!({ "spec": { "expirationSeconds": 600 } });
    let answer = project.post(&format!("{accounts}/{name}/token"), request).await?;
    Ok(answer["status"]["token"].as_str().context("no token")?.to_owned())
}

async fn visitors_see_what_their_own_token_may_read_and_nothing_without_one() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let (reader, stranger) = (
            account(project, "reader", &["towpath-viewer"]).await?,
            account(project, "stranger", &[]).await?,
        );
        let vera = viewer(project).await?;
        let server = Server::start_for(&vera, None).await?;
        let (host, part) = (server.host.clone(), format!("/part/{}", project.name));
        let begun = Instant::now();
        loop {
            let seen = server.get(&part, &host, Some(&reader)).await?;
            if seen.contains("Board of") && seen.contains("reader") {
                break;
            }
            // The authorizer may not know the binding yet.
            ensure!(begun.elapsed() < Duration::from_secs(60), "{seen}");
            sleep(Duration::from_millis(200)).await;
        }
        let refused = server.get(&part, &host, Some(&stranger)).await?;
        let begun = Instant::now();
        let mut last = refused;
        while !last.contains("you may not read") {
            ensure!(!last.contains("Board of"), "a stranger sees the project:\n{last}");
            ensure!(begun.elapsed() < Duration::from_secs(60), "{last}");
            last = server.get(&part, &host, Some(&stranger)).await?;
        }
        for (token, name, code) in [
            (None, host.as_str(), "401"),
            (Some("not.a.token"), &host, "401"),
            (Some(reader.as_str()), "other.example", "421"),
        ] {
            let answer = server.get(&part, name, token).await?;
            ensure!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{name} {token:?}: {answer}");
            ensure!(!answer.contains("prod"), "{answer}");
        }
        // An API server that does not answer says nothing about a token.
        let away = Server::start_for(&vera, Some("https://127.0.0.1:1")).await?;
        let answer = away.get(&part, &away.host, Some(&reader)).await?;
        ensure!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("cannot reach the cluster"),
            "{answer}"
        );
        // A probe knows no name and no token.
        let healthy = server.get("/healthz", "10.0.0.1:8080", None).await?;
        ensure!(healthy.starts_with("HTTP/1.1 200") && healthy.ends_with("ok\n"), "{healthy}");
        Ok(())
    })
    .await
}

async fn a_pasted_token_opens_the_page_and_a_withdrawn_right_closes_it() -> Result<()> {
    in_project(&[json!({ "name": "prod", "approvals": { "required": 1 } })], async |project| {
        let token = account(project, "reader", &["towpath-viewer", "towpath-requester"]).await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let server = Server::start(project).await?;
        let browser = Browser::start().await?;
        let tab =
            browser.tab(&format!("http://{}/#/{}/release/{release}", server.host, project.name)).await?;
        tab.says("needs a bearer token").await?;
        tab.accessible().await?;
        tab.fill("#asked", "nonsense").await?;
        tab.click("main form button", "Open").await?;
        tab.says("does not accept the credentials").await?;
        tab.fill("#asked", &token).await?;
        tab.click("main form button", "Open").await?;
        tab.says("shop 1.0.0").await?;
        tab.says("reader").await?;

        // What is written has the name of the visitor.
        tab.click("[data-act='hold']", "").await?;
        tab.fill("#reason", "wait").await?;
        tab.says("lacks the verb rollback on all environments").await?;
        tab.says(&format!("system:serviceaccount:{}:reader lacks", project.name)).await?;
        tab.press("Escape").await?;

        let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", project.name);
        for role in ["towpath-viewer", "towpath-requester"] {
            let path = format!("{bindings}/reader-{role}");
            project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        }
        let begun = Instant::now();
        tab.says("is not shown").await?;
        ensure!(begun.elapsed() < Duration::from_secs(60), "it took {:?}", begun.elapsed());
        tab.says("you may not read").await?;
        ensure!(!tab.text().await?.contains("1.0.0"), "the release is still shown");
        Ok(())
    })
    .await
}
