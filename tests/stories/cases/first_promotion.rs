//! The first promotion into a namespace can be undone, too.

use anyhow::Result;
use serde_json::json;
use support::objects::{config, deployment, image, service};
use support::{in_project, same};

support::stories![
    a_bad_first_promotion_into_an_empty_namespace_leaves_it_empty,
    a_bad_first_promotion_over_hand_made_objects_puts_them_back,
    hand_made_objects_are_adopted_from_the_named_manager_and_lose_what_the_release_lacks,
    hand_made_objects_of_an_unknown_manager_are_left_alone_and_the_manager_is_named,
    the_first_promotion_is_undone_by_a_person_who_asks_for_revision_0,
];

async fn a_bad_first_promotion_into_an_empty_namespace_leaves_it_empty() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let before = project.snapshot("prod").await?;
        let objects = [
            config("web-config", "hello"),
            service("web"),
            deployment("web", "v1-crash-loop", Some("web-config")),
        ];
        let release = project.release("1.0.0", &objects).await?;
        project.ended(&format!("prod-{release}"), "Failed").await?;
        let back = project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
        same("restores", back["status"]["restores"].as_i64(), Some(0))?;
        same("everything of prod", project.snapshot("prod").await?, before)?;
        let configs = project.list("prod", "configmaps").await?;
        let left: Vec<_> = configs.iter().filter_map(|found| found["metadata"]["name"].as_str()).collect();
        same("copies of ConfigMaps", left, vec!["kube-root-ca.crt"])?;
        project.condition("environments", "prod", "Ready", "True", "").await?;
        project.condition("releases", &release, "Stalled", "True", "RolledBack").await.map(drop)
    })
    .await
}

async fn a_bad_first_promotion_over_hand_made_objects_puts_them_back() -> Result<()> {
    let prod = json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] });
    in_project(&[prod], async |project| {
        project.apply(
            "prod",
            &[config("web-config", "manually"), service("web"), deployment("web", "v0", Some("web-config"))],
        )?;
        project.settled("prod", "deployments", "web").await?;
        let before = project.snapshot("prod").await?;

        let objects = [
            config("web-config", "hello"),
            service("web"),
            deployment("web", "v1-crash-loop", Some("web-config")),
        ];
        let release = project.release("1.0.0", &objects).await?;
        project.ended(&format!("prod-{release}"), "Failed").await?;
        project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
        project.settled("prod", "deployments", "web").await?;
        same("everything of prod", project.snapshot("prod").await?, before)?;
        let read = project.config_of("prod", "deployments", "web").await?;
        same("config", read, vec![json!({ "GREETING": "manually" })])
    })
    .await
}

async fn hand_made_objects_are_adopted_from_the_named_manager_and_lose_what_the_release_lacks() -> Result<()>
{
    let prod = json!({ "name": "prod", "adoptFrom": ["kubectl-client-side-apply"] });
    in_project(&[prod], async |project| {
        let mut manual = deployment("web", "v0", None);
        manual["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{ "name": "OLD", "value": "1" }]);
        project.apply("prod", &[manual])?;
        project.settled("prod", "deployments", "web").await?;
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        let web = project.here("prod", "deployments", "web").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))?;
        let env = &web["spec"]["template"]["spec"]["containers"][0]["env"];
        same("what the release lacks", env.is_null(), true)
    })
    .await
}

async fn hand_made_objects_of_an_unknown_manager_are_left_alone_and_the_manager_is_named() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        project.apply("prod", &[deployment("web", "v0", None)])?;
        project.settled("prod", "deployments", "web").await?;
        let before = project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone();
        let release = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        let name = format!("prod-{release}");
        let found = project
            .until("promotions", &name, "refused by preflight", |it| it["status"]["reason"] == "Preflight")
            .await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        same(message, message.contains("kubectl-client-side-apply"), true)?;
        let after = project.here("prod", "deployments", "web").await?["metadata"]["generation"].clone();
        same("generation", after, before)
    })
    .await
}

async fn the_first_promotion_is_undone_by_a_person_who_asks_for_revision_0() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let release = project.release("1.0.0", &[service("web"), deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        let undo = json!({ "release": release, "environment": "prod", "kind": "Rollback", "toRevision": 0 });
        project.promotion("undo", undo).await?;
        project.ended("undo", "Verified").await?;
        same("everything of prod", project.snapshot("prod").await?.len(), 0)
    })
    .await
}
