//! What is refused before the first write, and what is not shown without consent.

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use support::objects::{config, deployment, image, service};
use support::waits::condition;
use support::{Project, in_project, same};

support::stories![
    an_object_that_the_api_server_refuses_keeps_all_others_from_being_written,
    another_owners_object_is_left_alone,
    an_object_under_another_controller_is_left_alone_and_the_controller_is_named,
    a_further_kind_needs_a_role_that_the_environment_prints_ready_to_make,
    a_promotion_that_is_refused_goes_on_once_the_cause_is_gone,
    with_the_preflight_role_a_quota_refuses_before_anything_is_written,
    with_the_preflight_role_a_missing_secret_refuses_before_anything_is_written,
    with_the_preflight_role_a_policy_about_pods_refuses_an_image_before_anything_is_written,
    without_the_preflight_role_the_promotion_says_what_was_not_tried,
    without_consent_nothing_of_the_namespace_is_shown_and_the_message_is_the_command_that_consents,
    an_observed_environment_without_consent_captures_nothing,
    a_field_that_does_not_exist_and_a_value_of_another_type_are_named,
];

/// Waits until a promotion says why nothing was written, and demands that nothing was.
async fn refused(project: &Project, release: &str, words: &[&str]) -> Result<()> {
    let before = project.snapshot("prod").await?;
    let name = format!("prod-{release}");
    let has = |it: &Value| {
        let message = it["status"]["message"].as_str().unwrap_or_default();
        words.iter().all(|word| message.contains(word))
    };
    let found = project.until("promotions", &name, &format!("says {words:?}"), has).await?;
    same("revision", found["status"]["revision"].is_null(), true)?;
    same("everything of prod", project.snapshot("prod").await?, before)
}

async fn an_object_that_the_api_server_refuses_keeps_all_others_from_being_written() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mut invalid = deployment("broken", "v1", None);
        invalid["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 70000 }]);
        let objects = [config("web-config", "hello"), deployment("web", "v1", Some("web-config")), invalid];
        let release = project.release("1.0.0", &objects).await?;
        refused(project, &release, &["broken", "containerPort"]).await?;
        same("objects", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

async fn another_owners_object_is_left_alone() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = json!({ "source": { "manifests": [service("web")] } });
        let blog = project.release_of("blog", "1.0.0", first).await?;
        project.ended(&format!("prod-{blog}"), "Verified").await?;
        let release = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        let owner = format!("{}.prod.blog", project.name);
        refused(project, &release, &["Service web", &owner]).await
    })
    .await
}

async fn an_object_under_another_controller_is_left_alone_and_the_controller_is_named() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let namespace = project.target("prod");
        let mut synced = deployment("web", "v0", None);
        let tracking = format!("shop:apps/Deployment:{namespace}/web");
        synced["metadata"]["annotations"] = json!({ "argocd.argoproj.io/tracking-id": tracking });
        let list = synced.to_string();
        let arguments =
            ["apply", "--server-side", "--field-manager=argocd-controller", "-n", &namespace, "-f", "-"];
        project.kubectl().run_with(&arguments, &list)?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        refused(project, &release, &["Argo CD"]).await
    })
    .await
}

async fn a_further_kind_needs_a_role_that_the_environment_prints_ready_to_make() -> Result<()> {
    let claims = json!([{ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }]);
    in_project(&[json!({ "name": "prod", "kinds": claims })], async |project| {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "disk" },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
        });
        let release = project.release("1.0.0", &[service("web"), claim]).await?;
        let found = project.condition("environments", "prod", "Ready", "False", "NotGranted").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default().to_owned();
        same("objects", project.snapshot("prod").await?.len(), 0)?;
        let waits = project.condition("releases", &release, "Reconciling", "True", "NotGranted").await?;
        same("phase", waits["status"]["phase"].as_str(), Some("Waiting"))?;
        same("summary", waits["status"]["summary"].as_str(), Some("prod:NotGranted"))?;
        let commands: Vec<&str> = message.lines().filter_map(|line| line.strip_prefix("kubectl ")).collect();
        same(&message, commands.len(), 2)?;
        for command in commands {
            project.kubectl().run(&command.split_whitespace().collect::<Vec<_>>())?;
        }
        project.ended(&format!("prod-{release}"), "Verified").await?;
        same("disk", project.live("prod", "persistentvolumeclaims", "disk").await?.is_some(), true)
    })
    .await
}

async fn a_promotion_that_is_refused_goes_on_once_the_cause_is_gone() -> Result<()> {
    in_project(&[json!({ "name": "prod", "adoptFrom": [] })], async |project| {
        project.apply("prod", &[service("web")])?;
        project.kubectl().run(&[
            "label",
            "service",
            "web",
            "towpath-test=1",
            "-n",
            &project.target("prod"),
        ])?;
        let mut other = service("web");
        other["spec"]["ports"] = json!([{ "port": 81 }]);
        let release = project.release("1.0.0", &[other]).await?;
        refused(project, &release, &["Service web"]).await?;
        let path = format!("{}/web", project.live_path("prod", "services"));
        project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn with_the_preflight_role_a_quota_refuses_before_anything_is_written() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "pods" },
            "spec": { "hard": { "requests.cpu": "1" } },
        });
        project.post(&project.live_path("prod", "resourcequotas"), quota).await?;
        let path = format!("{}/pods", project.live_path("prod", "resourcequotas"));
        control_plane::eventually("the quota to be counted", support::SOON, async || {
            Ok(project.get(&path).await?.filter(|it| it["status"]["used"].is_object()))
        })
        .await?;
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "2" } });
        let release = project.release("1.0.0", &[config("c", "x"), web]).await?;
        refused(project, &release, &["quota"]).await?;
        same("objects", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

/// A policy of another tool, such as one that verifies signatures.
async fn with_the_preflight_role_a_policy_about_pods_refuses_an_image_before_anything_is_written()
-> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
        let name = format!("signed-{}", project.name);
        let policy = json!({
            "metadata": { "name": name },
            "spec": {
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
                }] },
                "validations": [{
                    "expression": "object.spec.containers.all(c, !c.image.contains('unsigned'))",
                    "messageExpression": "'image ' + object.spec.containers[0].image + ' has no signature of team release'",
                }],
            },
        });
        let here = json!({ "matchLabels": { "kubernetes.io/metadata.name": project.target("prod") } });
        let binding = json!({
            "metadata": { "name": name },
            "spec": {
                "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": here },
            },
        });
        project.post(&format!("{policies}ies"), policy).await?;
        project.post(&format!("{policies}ybindings"), binding).await?;
        let pods = format!("{}?dryRun=All", project.live_path("prod", "pods"));
        let unsigned = json!({
            "metadata": { "name": "probe" }, "spec": { "containers": [{ "name": "main", "image": image("unsigned") }] },
        });
        control_plane::eventually("the policy to be in force", support::SOON, async || {
            let refused = project.post(&pods, unsigned.clone()).await.err();
            Ok(refused.filter(|error| format!("{error:#}").contains("no signature")).map(drop))
        })
        .await?;
        let release = project.release("1.0.0", &[config("c", "x"), deployment("web", "unsigned", None)]).await?;
        refused(project, &release, &["web", &image("unsigned"), "has no signature of team release"]).await?;
        same("objects", project.snapshot("prod").await?.len(), 0)?;
        for path in [format!("{policies}ybindings/{name}"), format!("{policies}ies/{name}")] {
            project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        }
        Ok(())
    })
    .await
}

async fn with_the_preflight_role_a_missing_secret_refuses_before_anything_is_written() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        project.consent("prod", "towpath-preflight").await?;
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
            json!([{ "secretRef": { "name": "password" } }]);
        let release = project.release("1.0.0", &[web]).await?;
        refused(project, &release, &["password"]).await?;
        let secret = json!({ "metadata": { "name": "password" }, "stringData": { "P": "hunter2" } });
        project.post(&project.live_path("prod", "secrets"), secret).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}

async fn without_the_preflight_role_the_promotion_says_what_was_not_tried() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mut web = deployment("web", "v1", None);
        web["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
            json!([{ "secretRef": { "name": "password" } }]);
        let release = project.release("1.0.0", &[web]).await?;
        let ended = project.ended(&format!("prod-{release}"), "Verified").await?;
        let warnings = ended["status"]["warnings"].to_string();
        let words = ["pods", "Secrets", "not tried", "towpath-preflight"];
        same(&warnings, words.iter().all(|word| warnings.contains(word)), true)
    })
    .await
}

async fn without_consent_nothing_of_the_namespace_is_shown_and_the_message_is_the_command_that_consents()
-> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let target = project.target("prod");
        let bindings =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{target}/rolebindings/towpath-deploy");
        project.condition("environments", "prod", "Ready", "True", "").await?;
        project.send(Method::DELETE, &bindings, "application/json", json!({})).await?;
        project.apply("prod", &[deployment("hush-hush", "v0-crash-loop", None)])?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let name = format!("prod-{release}");
        let found = project.condition("environments", "prod", "Ready", "False", "NotGranted").await;
        let found = match found {
            Ok(found) => found,
            // A right that was taken away is noticed by the promotion that needs it.
            Err(_) => project.condition("promotions", &name, "Reconciling", "True", "NotGranted").await?,
        };
        let message = condition(&found, "Ready").context("no Ready")?["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let shown = format!(
            "{:?}{:?}",
            project.ours("environments", "prod").await?,
            project.all("promotions").await?
        );
        same("what is shown", shown.contains("hush-hush"), false)?;
        let command =
            message.lines().find(|line| line.starts_with("kubectl ")).context("no command in the message")?;
        let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
        project.kubectl().run(&arguments)?;
        project.ended(&name, "Verified").await.map(drop)
    })
    .await
}

async fn an_observed_environment_without_consent_captures_nothing() -> Result<()> {
    in_project(&[json!({ "name": "dev", "delivery": "Observed" })], async |project| {
        let target = project.target("dev");
        let bindings =
            format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{target}/rolebindings/towpath-observe");
        project.send(Method::DELETE, &bindings, "application/json", json!({})).await?;
        project.apply(
            "dev",
            &[config("hush-hush", "secret-ish"), deployment("hush-web", "v0", Some("hush-hush"))],
        )?;
        project.settled("dev", "deployments", "hush-web").await?;
        let release = project.capture("1.0.0", "dev").await?;
        let waits = |it: &Value| {
            it["status"]["message"].as_str().is_some_and(|text| text.contains("towpath-observe"))
        };
        let found = project.until("releases", &release, "asks for consent", waits).await?;
        same("content", found["status"]["content"].is_null(), true)?;
        let shown = format!("{found:?}{:?}", project.ours("environments", "dev").await?);
        same("what is shown", shown.contains("hush"), false)?;
        project.consent("dev", "towpath-observe").await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

/// The API server answers 500 to both, as if it were its own fault.
async fn a_field_that_does_not_exist_and_a_value_of_another_type_are_named() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mut misspelt = deployment("web", "v1", None);
        misspelt["spec"]["replica"] = json!(3);
        let mut number = config("numbers", "hello");
        number["data"]["port"] = json!(80_443);
        let release = project.release("1.0.0", &[misspelt, number]).await?;
        let words = [
            ".spec.replica: field not declared in schema",
            "ConfigMap numbers",
            ".data.port: expected string",
        ];
        refused(project, &release, &words).await?;
        let found = project.ours("promotions", &format!("prod-{release}")).await?;
        same("the value is told", found.to_string().contains("80443"), false)
    })
    .await
}
