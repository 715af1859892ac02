//! A release that cannot be rolled back fails: automation holds and says what a person has to do, and the person can.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::objects::{deployment, image};
use support::{in_project, same};

support::stories![an_irreversible_release_that_crashes_holds_the_lane_until_a_person_names_the_revision,];

fn message(object: &Value) -> &str {
    object["status"]["message"].as_str().unwrap_or_default()
}

async fn an_irreversible_release_that_crashes_holds_the_lane_until_a_person_names_the_revision() -> Result<()>
{
    in_project(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let spec = json!({
            "source": { "manifests": [deployment("web", "v2-crash-loop", None)] },
            "change": { "reversible": false },
        });
        let second = project.release_of("shop", "2.0.0", spec).await?;
        let failed = project.ended(&format!("prod-{second}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("CrashLoopBackOff"))?;
        let said = message(&failed);
        ensure!(said.contains("shop-2.0.0 is irreversible"), "{said}");
        ensure!(said.ends_with("kind: Rollback and toRevision: 1"), "{said}");

        let third = project.release("3.0.0", &[deployment("web", "v3", None)]).await?;
        project.condition("releases", &third, "Ready", "True", "FailureHold").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2-crash-loop"))?;
        same("promotions", project.all("promotions").await?.len(), 2)?;
        project.delete("releases", &third).await?;

        let mut back = json!({ "release": second, "environment": "prod", "kind": "Rollback" });
        project.promotion("unnamed", back.clone()).await?;
        let refused = project.ended("unnamed", "Failed").await?;
        same("reason", refused["status"]["reason"].as_str(), Some("Irreversible"))?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2-crash-loop"))?;
        back["toRevision"] = json!(1);
        project.promotion("named", back).await?;
        let restored = project.ended("named", "Verified").await?;
        same("restores", restored["status"]["restores"].as_i64(), Some(1))?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v1"))
    })
    .await
}
