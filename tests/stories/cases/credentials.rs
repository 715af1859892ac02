//! Credentials of check providers: a server that echoes what it gets brings none of them into the cluster, a log or a metric.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use control_plane::eventually;
use http::Method;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use support::installation::SOON;
use support::metrics::{fetch, serve};
use support::objects::deployment;
use support::operator::Flags;
use support::{Project, same};

support::stories![a_credential_that_a_provider_echoes_is_nowhere];

const SECRET: &str = "pl4nted/cr3dential";

/// Echoes the credential: as a Prometheus that refuses a query, and in a document and a header of another server.
async fn echo() -> Result<SocketAddr> {
    let refuses = async |headers: HeaderMap| {
        let error = format!("no access with {}", authorization(&headers));
        let body = json!({ "status": "error", "errorType": "unavailable", "error": error });
        (StatusCode::UNAUTHORIZED, body.to_string())
    };
    let shows = async |headers: HeaderMap| {
        let sent = authorization(&headers);
        let body = json!({ "sent": sent, "escaped": sent }).to_string().replacen('/', "\\/", 1);
        ([("x-echo", sent)], body).into_response()
    };
    let router = Router::new().route("/api/v1/query", axum::routing::post(refuses)).fallback(shows);
    serve("127.0.0.1:0", router).await
}

fn authorization(headers: &HeaderMap) -> String {
    headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

async fn provider(project: &Project, kind: &str, server: SocketAddr) -> Result<String> {
    let name = format!("{}-{kind}", project.name);
    let provider = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "CheckProvider",
        "metadata": { "name": name },
        "spec": {
            (kind): { "url": format!("http://{server}") }, "projects": [project.name],
            "allowAddresses": ["127.0.0.0/8"], "auth": { "bearer": "echo/token" },
        },
    });
    let path = "/apis/towpath.dev/v1alpha1/checkproviders";
    project.send(Method::POST, path, "application/json", provider).await?;
    Ok(name)
}

async fn a_credential_that_a_provider_echoes_is_nowhere() -> Result<()> {
    let project = Project::without_controller(&[json!({ "name": "prod" })]).await?;
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("echo"))?;
    std::fs::write(folder.path().join("echo/token"), SECRET)?;
    // Just released: nothing else takes a port by its number.
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let flags = Flags {
        credentials: Some(folder.path().to_owned()),
        listen: listen.to_string(),
        ..project.flags().clone()
    };
    project.start_as(&flags).await?;
    let server = echo().await?;
    let (http, prometheus) =
        (provider(&project, "http", server).await?, provider(&project, "prometheus", server).await?);
    let shown = |name: &str, more: Value| {
        let mut check = json!({ "provider": http });
        support::merge(&mut check, &more);
        json!({ "name": name, "interval": "5s", "dryRun": true, "http": check })
    };
    let checks = json!([
        shown("body", json!({ "json": { "path": "$.sent", "value": "nothing" } })),
        shown("escaped", json!({ "json": { "path": "$.escaped", "value": "nothing" } })),
        shown("header", json!({ "headers": { "X-Echo": "nothing" } })),
    ]);
    project.policy("echoed", json!({ "observeWindow": "6s", "checks": checks })).await?;
    project.change("environments", "prod", json!({ "spec": { "rollbackPolicyRef": "echoed" } })).await?;
    let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
    let first = project.ended(&format!("prod-{first}"), "Verified").await?;
    let reports = first["status"]["checks"].as_array().context("no checks")?;
    same("reports", reports.len(), 3)?;
    ensure!(reports.iter().all(|it| it["message"].to_string().contains("Bearer ***")), "{reports:?}");

    let query = json!([{
        "name": "query", "window": "1s", "prometheus": { "provider": prometheus, "query": "up", "max": 1 },
    }]);
    project.change("rollbackpolicies", "echoed", json!({ "spec": { "checks": query } })).await?;
    let second = format!("prod-{}", project.release("2.0.0", &[deployment("web", "v2", None)]).await?);
    let says = |it: &Value| it["status"].to_string().contains("no access with Bearer ***");
    project.until("promotions", &second, "shows the answer of the provider", says).await?;
    let path = format!("/apis/towpath.dev/v1alpha1/checkproviders/{prometheus}");
    eventually("the provider to show its answer", SOON, async || {
        let found = project.get(&path).await?.unwrap_or_default();
        Ok(found["status"].to_string().contains("Bearer ***").then_some(()))
    })
    .await?;
    let log = project.operator(|operator| operator.log())?;
    let measured = tokio::task::spawn_blocking(move || fetch(&format!("http://{listen}/metrics"))).await??;
    ensure!(measured.contains("# EOF") && !log.is_empty(), "{measured}");
    let mut texts = vec![("log", log), ("metrics", measured)];
    let (own, target) = (&project.name, project.target("prod"));
    for path in [
        "/apis/towpath.dev/v1alpha1/checkproviders".to_owned(),
        format!("/apis/towpath.dev/v1alpha1/namespaces/{own}/promotions"),
        format!("/apis/towpath.dev/v1alpha1/namespaces/{own}/releases"),
        format!("/apis/towpath.dev/v1alpha1/namespaces/{own}/environments"),
        format!("/apis/towpath.dev/v1alpha1/namespaces/{own}/rollbackpolicies"),
        format!("/api/v1/namespaces/{own}/events"),
        format!("/api/v1/namespaces/{target}/events"),
    ] {
        texts.push(("the cluster", project.get(&path).await?.context(path)?.to_string()));
    }
    for (place, text) in texts {
        ensure!(!text.contains("cr3dential"), "{place} holds the credential: {text}");
    }
    Ok(())
}
