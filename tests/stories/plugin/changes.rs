//! Changes: a release is cut, what it would change is compared, and what it brought is told.

use super::{PLUGIN, has, printed, towpath, viewer};
use anyhow::{Context, Result, ensure};
use control_plane::{Mark, eventually};
use http::Method;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use support::installation::SOON;
use support::objects::{config, deployment, service};
use support::people::Person;
use support::project::Project;
use support::requests::is_write;
use support::{in_project, same};

support::stories![
    a_release_is_cut_from_files_helm_kustomize_and_an_environment,
    a_cut_that_may_not_be_created_says_why_in_one_sentence,
    the_time_line_and_the_changelog_tell_what_a_release_brought,
    a_diff_shows_what_would_change_behind_closed_gates_and_writes_nothing,
    a_diff_shows_only_values_that_the_dry_run_saw,
    a_diff_says_what_the_api_server_refuses_and_who_may_not_compare,
    a_dry_run_is_kept_apart_from_promotions_by_its_name,
];

/// A person who may create releases and promotions.
async fn requester(project: &Project) -> Result<Person> {
    project.person("rita", &[], &["towpath-requester"]).await
}

/// Runs `kubectl towpath` with kubectl and helm on the PATH.
async fn with_tools(project: &Project, person: &Person, arguments: &[&str]) -> Result<Output> {
    let (kubectl, helm) = (project.cluster.kubectl(&person.access), project.cluster.helm(&person.access));
    let folders =
        [Path::new(PLUGIN), kubectl.path(), helm.path()].map(|path| path.parent().map(Path::to_owned));
    let path = std::env::join_paths(folders.into_iter().flatten())?;
    let all = [&["towpath"], arguments, &["--namespace", &project.name]].concat();
    let mut command = kubectl.command(&all);
    command.env("PATH", path);
    tokio::task::spawn_blocking(move || command.output()).await?.context("kubectl towpath")
}

fn succeeded(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What one sentence on stderr says, after exit code 1.
async fn refused(project: &Project, person: &Person, arguments: &[&str]) -> Result<String> {
    let output = towpath(project, person, arguments).await?;
    same(&format!("exit code of {arguments:?}"), output.status.code(), Some(1))?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.lines().count() == 1, "more than one line:\n{said}");
    Ok(said)
}

async fn a_release_is_cut_from_files_helm_kustomize_and_an_environment() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let rita = requester(project).await?;
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let text = |path: &Path| path.display().to_string();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [deployment("web", "v1", Some("web")), config("web", "a")] });
        fs::write(at("web.json"), list.to_string())?;
        let file = text(&at("web.json"));
        let described = ["--summary", "The first one", "--risk", "Low", "--ticket", "SHOP-1"];
        let cut = [&["cut", "shop", "1.0.0", "-f", &file, "--apply"][..], &described].concat();
        let made = towpath(project, &rita, &cut).await?;
        has(&succeeded(&made)?, &["release/shop-1.0.0 created"])?;
        project.ended("dev-shop-1.0.0", "Verified").await?;
        let release = project.ours("releases", "shop-1.0.0").await?;
        same("who", release["spec"]["requestedBy"]["username"].as_str(), Some("rita"))?;
        same("change", release["spec"]["change"]["tickets"].clone(), json!(["SHOP-1"]))?;

        let captured = printed(project, &rita, &["cut", "shop", "1.1.0", "--from", "dev", "-o", "json"]).await?;
        let captured: Value = serde_json::from_str(&captured)?;
        same("source", captured["spec"]["source"].clone(), json!({ "environment": { "name": "dev" } }))?;
        let made = printed(project, &rita, &["cut", "shop", "1.1.0", "--from", "dev", "--apply", "-o", "name"]).await?;
        same("made", made.trim(), "release/shop-1.1.0")?;
        let has_content = |it: &Value| it["status"]["content"].is_string();
        project.until("releases", "shop-1.1.0", "is captured", has_content).await?;
        let ahead = printed(project, &rita, &["explain", "shop-1.1.0", "-e", "prod"]).await?;
        has(&ahead, &["it was captured in dev and is never promoted there"])?;

        fs::create_dir_all(at("chart/templates"))?;
        fs::write(at("chart/Chart.yaml"), "apiVersion: v2\nname: chart\nversion: 1.0.0\n")?;
        fs::write(at("chart/values.yaml"), "mode: plain\n")?;
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  mode: {{ .Values.mode }}\n";
        fs::write(at("chart/templates/config.yaml"), template)?;
        fs::write(at("values.yaml"), "mode: fancy\n")?;
        let (chart, values) = (text(&at("chart")), text(&at("values.yaml")));
        let rendered = with_tools(project, &rita, &["cut", "shop", "1.2.0", "--helm", &chart, "--values", &values]).await?;
        has(&succeeded(&rendered)?, &["kind: Release", "name: shop\n", "mode: fancy"])?;

        fs::create_dir_all(at("kustomize"))?;
        fs::write(at("kustomize/kustomization.yaml"), "namePrefix: my-\nresources: [config.yaml]\n")?;
        fs::write(at("kustomize/config.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n")?;
        let folder = text(&at("kustomize"));
        let built = with_tools(project, &rita, &["cut", "shop", "1.3.0", "-k", &folder]).await?;
        has(&succeeded(&built)?, &["kind: Release", "name: my-web"])?;
        let without = towpath(project, &rita, &["cut", "shop", "1.2.0", "--helm", &chart]).await?;
        has(&String::from_utf8(without.stderr)?, &["there is no helm on the PATH"])
    })
    .await
}

async fn a_cut_that_may_not_be_created_says_why_in_one_sentence() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let (vera, rita) = (viewer(project).await?, requester(project).await?);
        let said = refused(project, &vera, &["cut", "shop", "1.0.0", "--from", "prod", "--apply"]).await?;
        has(
            &said,
            &[
                "lacks the verb create on releases.towpath.dev in namespace",
                "--clusterrole towpath-requester",
            ],
        )?;
        let said = refused(project, &rita, &["cut", "shop", "1.0.0", "--from", "prd", "--apply"]).await?;
        has(&said, &["has no environment prd: did you mean prod?"])?;
        let folder = tempfile::tempdir()?;
        let secret = folder.path().join("secret.yaml");
        fs::write(
            &secret,
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n",
        )?;
        let secret = secret.display().to_string();
        let said = refused(project, &rita, &["cut", "shop", "1.0.0", "-f", &secret]).await?;
        has(&said, &["secret.yaml", "Secret"])?;
        ensure!(!said.contains("hunter2"), "{said}");
        let service = folder.path().join("service.json");
        fs::write(&service, support::objects::service("web").to_string())?;
        let service = service.display().to_string();
        let cut = ["cut", "shop", "1.0.0", "-f", &service, "--apply"];
        printed(project, &rita, &cut).await?;
        has(
            &refused(project, &rita, &cut).await?,
            &["release shop-1.0.0 already exists in namespace", "a Release is immutable"],
        )?;
        let long = "x".repeat(2000);
        let said =
            refused(project, &rita, &["cut", "shop", "2.0.0", "-f", &service, "--summary", &long, "--apply"])
                .await?;
        has(&said, &["the API server refuses release shop-2.0.0", "spec.change.summary"])
    })
    .await
}

async fn the_time_line_and_the_changelog_tell_what_a_release_brought() -> Result<()> {
    let prod = json!({ "name": "prod", "after": ["dev"], "promotion": "Manual" });
    in_project(&[json!({ "name": "dev" }), prod], async |project| {
        let vera = viewer(project).await?;
        for (version, tag) in [("1.0.0", "v1"), ("1.1.0", "v2"), ("1.2.0", "v3")] {
            let change = json!({ "summary": format!("All about {version}"), "tickets": [format!("SHOP-{tag}")], "risk": "High" });
            let spec = json!({ "source": { "manifests": [deployment("web", tag, None)] }, "change": change });
            project.release_of("shop", version, spec).await?;
            project.ended(&format!("dev-shop-{version}"), "Verified").await?;
        }
        let promotion = json!({ "release": "shop-1.0.0", "environment": "prod", "reason": "ship it" });
        project.promotion("first", promotion).await?;
        project.ended("first", "Verified").await?;

        let log = printed(project, &vera, &["log", "first"]).await?;
        has(&log, &["Promotion  first  Verified  revision 1", "Request", "ship it", "Preflight", "Rollout", "Deployment web", "Create", "End"])?;
        let data: Value = serde_json::from_str(&printed(project, &vera, &["log", "first", "-o", "json"]).await?)?;
        same("version", data["apiVersion"].as_str(), Some("view.towpath.dev/v1alpha1"))?;
        same("kind", data["kind"].as_str(), Some("Log"))?;
        same("the first entry", data["entries"][0]["what"].as_str(), Some("Request"))?;

        let changelog = printed(project, &vera, &["changelog", "shop-1.2.0", "-e", "prod"]).await?;
        has(&changelog, &["from 1.0.0 to 1.2.0", "All about 1.1.0", "SHOP-v3", "High risk", "Images", "Update  Deployment web"])?;
        ensure!(!changelog.contains("All about 1.0.0"), "{changelog}");
        let back = printed(project, &vera, &["changelog", "shop-1.0.0", "-e", "dev"]).await?;
        has(&back, &["back from 1.2.0 to 1.0.0", "All about 1.1.0", "All about 1.2.0"])?;
        let notes = printed(project, &vera, &["changelog", "shop-1.1.0", "-e", "prod", "-o", "markdown"]).await?;
        has(&notes, &["# shop 1.1.0", "## 1.1.0", "- tickets: SHOP-v2"])?;

        has(&refused(project, &vera, &["log", "frist"]).await?, &["did you mean first?"])?;
        has(&refused(project, &vera, &["changelog", "shop-1.9.0", "-e", "prod"]).await?, &["has no release shop-1.9.0"])?;
        has(&refused(project, &vera, &["changelog", "shop-1.2.0", "-e", "prd"]).await?, &["did you mean prod?"])?;
        let nora = project.person("nora", &[], &[]).await?;
        for arguments in [&["log", "first"][..], &["changelog", "shop-1.2.0", "-e", "prod"]] {
            has(&refused(project, &nora, arguments).await?, &["you may not read", "--clusterrole towpath-viewer"])?;
        }
        Ok(())
    })
    .await
}

/// What was written into the target namespace of prod since the mark, and that every write was a dry run of the identity.
async fn only_dry_runs(project: &Project, mark: Mark) -> Result<()> {
    let target = project.target("prod");
    let identity = format!("system:serviceaccount:towpath-deployers:{}.prod", project.name);
    let events = project.cluster.audit()?.since(mark).await?;
    let here: Vec<_> = events.iter().filter(|event| event.namespace == target).collect();
    let of_identity: Vec<_> =
        here.iter().filter(|event| event.impersonated_user.as_deref() == Some(identity.as_str())).collect();
    ensure!(
        of_identity.iter().any(|event| event.dry_run && event.verb == "patch"),
        "nothing was tried: {here:#?}"
    );
    let written: Vec<_> = of_identity.iter().filter(|event| is_write(event)).collect();
    ensure!(written.is_empty(), "{written:#?}");
    Ok(())
}

async fn a_diff_shows_what_would_change_behind_closed_gates_and_writes_nothing() -> Result<()> {
    let prod = json!({ "name": "prod", "approvals": { "required": 2 } });
    in_project(&[prod], async |project| {
        let (rita, vera) = (requester(project).await?, viewer(project).await?);
        let freeze =
            json!({ "from": "2020-01-01T00:00:00Z", "to": "2090-01-01T00:00:00Z", "reason": "sale" });
        let manifests = |tag: &str, value: &str| {
            [deployment("web", tag, Some("web")), config("web", value), service(tag)]
        };
        project.release("1.0.0", &manifests("v1", "a")).await?;
        let override_ = json!({ "gates": ["Approval"], "reason": "the first one" });
        let first = json!({ "release": "shop-1.0.0", "environment": "prod", "override": override_ });
        project.promotion("first", first).await?;
        project.ended("first", "Verified").await?;
        project.create("changefreezes", "sale", freeze).await?;
        for (version, tag) in [("1.1.0", "v2"), ("1.2.0", "v3")] {
            project.release(version, &manifests(tag, version)).await?;
            let has_content = |it: &Value| it["status"]["content"].is_string();
            project.until("releases", &format!("shop-{version}"), "is captured", has_content).await?;
        }
        let (before, mark) = (project.snapshot("prod").await?, project.cluster.audit()?.mark().await?);

        let diff = printed(project, &rita, &["diff", "shop-1.1.0", "-e", "prod"]).await?;
        has(
            &diff,
            &[
                "Update  Deployment web",
                "~  spec.template.spec.containers[",
                "].image  #",
                "Create  Service v2",
                "Delete  Service v1",
            ],
        )?;
        let data = printed(project, &rita, &["diff", "shop-1.1.0", "-e", "prod", "-o", "json"]).await?;
        let data: Value = serde_json::from_str(&data)?;
        same("kind", data["kind"].as_str(), Some("Diff"))?;
        let between =
            printed(project, &rita, &["diff", "prod", "--from", "shop-1.1.0", "--to", "shop-1.2.0"]).await?;
        has(
            &between,
            &["from shop-1.1.0", "Update  Deployment web", "Create  Service v3", "Delete  Service v2"],
        )?;
        let valued = printed(project, &rita, &["diff", "shop-1.1.0", "-e", "prod", "--show-values"]).await?;
        has(&valued, &["you may not get deployments in namespace", "the right to get contents.towpath.dev"])?;

        only_dry_runs(project, mark).await?;
        same("prod", project.snapshot("prod").await?, before)?;
        let made = project.all("promotions").await?;
        // Who requested them may delete them.
        same("dry runs", made.iter().filter(|it| it["spec"]["dryRun"] == true).count(), 0)?;
        let spec = json!({ "release": "shop-1.1.0", "environment": "prod", "dryRun": true });
        rita.create(project, "promotions", "dry-run.kept", spec).await?;
        project.in_phase("dry-run.kept", "Compared").await?;
        let dry_run = project.ours("promotions", "dry-run.kept").await?;
        same("revision", dry_run["status"]["revision"].is_null(), true)?;
        let record = dry_run["status"].to_string();
        ensure!(!record.contains("registry"), "the record holds a value: {record}");
        for view in [&["get"][..], &["waiting"], &["history", "prod"]] {
            let shown = printed(project, &vera, view).await?;
            ensure!(!shown.contains("dry-run."), "{view:?}\n{shown}");
        }
        let prod = project.ours("environments", "prod").await?;
        ensure!(!prod["status"].to_string().contains("dry-run."), "{}", prod["status"]);
        Ok(())
    })
    .await
}

async fn a_diff_shows_only_values_that_the_dry_run_saw() -> Result<()> {
    let seconds = json!({ "op": "add", "path": "/spec/minReadySeconds", "value": 7 });
    let overrides = json!({ "patches": [{ "kind": "Deployment", "name": "web", "operations": [seconds] }] });
    let prod = json!({ "name": "prod", "promotion": "Manual", "overrides": overrides });
    in_project(&[prod], async |project| {
        let rita = requester(project).await?;
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let subjects = json!([{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "rita" }]);
        let bind = async |namespace: &str, kind: &str, role: &str| {
            let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role });
            let binding = json!({ "metadata": { "name": role }, "roleRef": reference, "subjects": subjects });
            project.post(&format!("{rbac}/namespaces/{namespace}/rolebindings"), binding).await
        };
        let rule = json!({ "apiGroups": ["towpath.dev"], "resources": ["contents"], "verbs": ["get"] });
        let role = json!({ "metadata": { "name": "contents" }, "rules": [rule] });
        project.post(&format!("{rbac}/namespaces/{}/roles", project.name), role).await?;
        bind(&project.name, "Role", "contents").await?;
        bind(&project.target("prod"), "ClusterRole", "view").await?;

        let web = |tag: &str, seconds: i64| {
            let mut web = deployment("web", tag, None);
            web["spec"]["minReadySeconds"] = json!(seconds);
            web
        };
        project.apply("prod", &[web("v1", 1)])?;
        project.release("2.0.0", &[web("v2", 2)]).await?;
        let has_content = |it: &Value| it["status"]["content"].is_string();
        project.until("releases", "shop-2.0.0", "is captured", has_content).await?;
        let diff = ["diff", "shop-2.0.0", "-e", "prod", "--show-values"];
        let shown = eventually("the values that rita may read", SOON, async || {
            let shown = printed(project, &rita, &diff).await?;
            Ok((!shown.contains("are not shown")).then_some(shown))
        })
        .await?;
        let image = |tag: &str| format!("{:?}", support::objects::image(tag));
        has(&shown, &[&format!("{} -> {}", image("v1"), image("v2"))])?;
        // The release says 2, and the environment overrides it.
        has(
            &shown,
            &[
                "spec.minReadySeconds  1 -> #",
                "the value of spec.minReadySeconds of Deployment web is not the one that the dry run saw",
            ],
        )?;
        ensure!(!shown.contains("1 -> 2"), "{shown}");
        Ok(())
    })
    .await
}

async fn a_diff_says_what_the_api_server_refuses_and_who_may_not_compare() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let (rita, vera) = (requester(project).await?, viewer(project).await?);
        project.release("1.0.0", &[deployment("web", "v1-never-ready", None)]).await?;
        project.in_phase("prod-shop-1.0.0", "Promoting").await?;
        let mut invalid = deployment("broken", "v1", None);
        invalid["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 70000 }]);
        let held = json!({ "source": { "manifests": [invalid, service("web")] }, "hold": true });
        project.release_of("shop", "2.0.0", held).await?;
        let has_content = |it: &Value| it["status"]["content"].is_string();
        project.until("releases", "shop-2.0.0", "is captured", has_content).await?;
        // Neither the hold nor the promotion that runs keeps it from being compared.
        let diff = printed(project, &rita, &["diff", "shop-2.0.0", "-e", "prod"]).await?;
        has(&diff, &["Create  Service web", "Refused  Deployment broken", "containerPort"])?;
        project.in_phase("prod-shop-1.0.0", "Promoting").await?;

        let said = refused(project, &vera, &["diff", "shop-2.0.0", "-e", "prod"]).await?;
        has(&said, &["promote on environments.towpath.dev \"prod\"", "--clusterrole towpath-requester"])?;
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "dryRun": true });
        let answer = vera.create(project, "promotions", "dry-run.mine", spec).await;
        ensure!(answer.is_err(), "vera may create a dry run");
        has(
            &refused(project, &rita, &["diff", "shop-2.0.1", "-e", "prod"]).await?,
            &["did you mean shop-2.0.0?"],
        )?;
        has(&refused(project, &rita, &["diff", "shop-2.0.0", "-e", "pord"]).await?, &["did you mean prod?"])?;

        project.withdraw("prod", "towpath-deploy").await?;
        // The controller asks for the consent again within seconds.
        eventually("a dry run without consent to wait", SOON, async || {
            let waits = ["diff", "shop-2.0.0", "-e", "prod", "--timeout", "3s"];
            let waits = towpath(project, &rita, &waits).await?;
            Ok((waits.status.code() == Some(12)).then_some(()))
        })
        .await
    })
    .await
}

async fn a_dry_run_is_kept_apart_from_promotions_by_its_name() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        project.release("1.0.0", &[service("web")]).await?;
        let promotion = |name: &str, more: Value| {
            let mut spec = json!({ "release": "shop-1.0.0", "environment": "prod" });
            support::project::merge(&mut spec, &more);
            let object = support::project::object("promotions", name, &spec);
            async move {
                let path = project.path("promotions", "");
                let answer = project.send(Method::POST, &path, "application/json", object).await;
                anyhow::Ok(answer.err().map(|error| format!("{error:#}")).unwrap_or_default())
            }
        };
        let dry = |more: Value| {
            let mut spec = json!({ "dryRun": true });
            support::project::merge(&mut spec, &more);
            spec
        };
        let named = "the name of a Promotion starts with dry-run.";
        let only = "spec.dryRun is only allowed with kind: Promote and without spec.override";
        has(&promotion("mine", dry(json!({}))).await?, &[named])?;
        has(&promotion("dry-run.mine", json!({})).await?, &[named])?;
        has(&promotion("dry-run.a", dry(json!({ "kind": "Rollback" }))).await?, &[only])?;
        let override_ = json!({ "gates": ["Window"], "reason": "r" });
        has(&promotion("dry-run.b", dry(json!({ "override": override_ }))).await?, &[only])?;
        same("a dry run", promotion("dry-run.c", dry(json!({}))).await?, String::new())?;
        project.ended("dry-run.c", "Compared").await.map(drop)
    })
    .await
}
