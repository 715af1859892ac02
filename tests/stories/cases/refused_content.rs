//! Content that no release may hold: refused with the reason, and nothing else suffers.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::objects::{config, deployment, service};
use support::{Project, in_project, same};

support::stories![
    a_name_that_would_change_the_request_is_refused,
    a_name_that_leads_elsewhere_is_refused,
    an_object_for_another_namespace_is_refused,
    kinds_that_hand_out_rights_are_refused,
    a_secret_is_refused,
    more_objects_than_a_release_holds_are_refused_at_admission,
    as_many_objects_as_a_release_holds_arrive,
    two_objects_of_one_name_are_refused,
    more_bytes_than_a_release_holds_are_refused_with_the_figure_and_the_limit,
    as_many_bytes_as_a_release_holds_arrive,
    a_release_goes_its_way_among_more_environments_than_its_status_holds,
    more_and_longer_images_than_a_status_holds_are_led_all_the_same,
];

/// The release says these words, and nothing is written anywhere.
async fn is_refused(project: &Project, release: &str, words: &[&str]) -> Result<()> {
    let mark = project.cluster.audit()?.mark().await?;
    let has = |message: &str| words.iter().all(|word| message.contains(word));
    let says = |it: &Value| it["status"]["message"].as_str().is_some_and(has);
    project.until("releases", release, &format!("says {words:?}"), says).await?;
    let target = project.target("prod");
    let writes = project.cluster.audit()?.since(mark).await?;
    let identity = format!("system:serviceaccount:towpath-deployers:{}.prod", project.name);
    let written = writes.iter().any(|event| {
        event.impersonated_user.as_deref() == Some(&identity)
            && event.namespace == target
            && !event.dry_run
            && !matches!(event.verb.as_str(), "get" | "list" | "watch")
    });
    same("written", written, false)?;
    same("everything of prod", project.snapshot("prod").await?.len(), 0)?;
    // Another release goes its way.
    let good = json!({ "source": { "manifests": [service("good")] } });
    let good = project.release_of("good", "1.0.0", good).await?;
    project.condition("releases", &good, "Verified", "True", "").await.map(drop)
}

async fn a_name_that_would_change_the_request_is_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let objects = [config("x?dryRun=All", "hello"), deployment("web", "v1", None)];
        let release = project.release("1.0.0", &objects).await?;
        is_refused(project, &release, &["x?dryRun=All"]).await
    })
    .await
}

async fn a_name_that_leads_elsewhere_is_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let release = project.release("1.0.0", &[config("../../kube-system/configmaps/x", "hello")]).await?;
        is_refused(project, &release, &["kube-system"]).await
    })
    .await
}

async fn an_object_for_another_namespace_is_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mut elsewhere = config("x", "hello");
        elsewhere["metadata"]["namespace"] = json!("kube-system");
        let release = project.release("1.0.0", &[elsewhere]).await?;
        is_refused(project, &release, &["kube-system", "metadata.namespace"]).await
    })
    .await
}

async fn kinds_that_hand_out_rights_are_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "mine" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin" },
            "subjects": [],
        });
        let release = project.release("1.0.0", &[binding]).await?;
        is_refused(project, &release, &["RoleBinding"]).await
    })
    .await
}

async fn a_secret_is_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "a": "b" } });
        let release = project.release("1.0.0", &[secret]).await?;
        is_refused(project, &release, &["Secret"]).await
    })
    .await
}

async fn more_objects_than_a_release_holds_are_refused_at_admission() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let many: Vec<Value> = (0..201).map(|index| config(&format!("c{index}"), "x")).collect();
        let refused = project.release("1.0.0", &many).await;
        let message = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
        same(&message, message.contains("200"), true)
    })
    .await
}

async fn as_many_objects_as_a_release_holds_arrive() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let many: Vec<Value> = (0..200).map(|index| config(&format!("c{index}"), "x")).collect();
        let release = project.release("1.0.0", &many).await?;
        project.condition("releases", &release, "Verified", "True", "").await?;
        let live = project.list("prod", "configmaps").await?;
        same("ConfigMaps", live.len(), 201)
    })
    .await
}

async fn two_objects_of_one_name_are_refused() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let release = project.release("1.0.0", &[config("x", "1"), config("x", "2")]).await?;
        is_refused(project, &release, &["twice"]).await
    })
    .await
}

/// So many characters that no compression makes much smaller.
fn noise(seed: u64, length: usize) -> String {
    let mut bytes = Vec::new();
    for block in 0u64.. {
        if bytes.len() >= length {
            break;
        }
        bytes.extend(Sha256::digest([seed.to_be_bytes(), block.to_be_bytes()].concat()));
    }
    let mut text = STANDARD.encode(bytes);
    text.truncate(length);
    text
}

async fn more_bytes_than_a_release_holds_are_refused_with_the_figure_and_the_limit() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        // Base64 shrinks by a quarter: 750,000 characters are 560,000 bytes at best, more than 512 KiB.
        let large: Vec<Value> =
            (0..3).map(|seed| config(&format!("c{seed}"), &noise(seed, 250_000))).collect();
        let release = project.release("1.0.0", &large).await?;
        is_refused(project, &release, &["compressed", "bytes", "524288"]).await?;
        let found = project.ours("releases", &release).await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        let figures =
            message.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<u64>().ok());
        same(message, figures.filter(|figure| *figure > 524_288).count(), 1)?;
        let contents = project.all("contents").await?;
        same("Contents of it", contents.iter().filter(|it| it["spec"]["application"] == "shop").count(), 0)
    })
    .await
}

async fn as_many_bytes_as_a_release_holds_arrive() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let large: Vec<Value> =
            (0..3).map(|seed| config(&format!("c{seed}"), &noise(seed, 225_000))).collect();
        let release = project.release("1.0.0", &large).await?;
        project.condition("releases", &release, "Verified", "True", "").await?;
        let live = project.here("prod", "configmaps", "c2").await?;
        same("data", live["data"]["GREETING"].as_str(), Some(noise(2, 225_000).as_str()))
    })
    .await
}

async fn a_release_goes_its_way_among_more_environments_than_its_status_holds() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        for index in 0..60 {
            let namespace = format!("{}-e{index}", project.name);
            let spec = json!({ "namespace": namespace, "promotion": "Manual" });
            project.create("environments", &format!("e{index}"), spec).await?;
        }
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        let found = project.condition("releases", &release, "Ready", "True", "Manual").await?;
        same("lines", found["status"]["environments"].as_array().map(Vec::len), Some(50))
    })
    .await
}

async fn more_and_longer_images_than_a_status_holds_are_led_all_the_same() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let many: Vec<Value> = (0..120)
            .map(|index| {
                let mut workload = deployment(&format!("w{index}"), &format!("v{index}"), None);
                let image = format!("registry.example/{}:v{index}", "long/".repeat(120));
                workload["spec"]["replicas"] = json!(0);
                workload["spec"]["template"]["spec"]["initContainers"] =
                    json!([{ "name": "init", "image": image }]);
                workload
            })
            .collect();
        let release = project.release("1.0.0", &many).await?;
        project.condition("releases", &release, "Verified", "True", "").await?;
        let found = project.ours("releases", &release).await?;
        same("images", found["status"]["images"].as_array().map(Vec::len), Some(200))
    })
    .await
}
