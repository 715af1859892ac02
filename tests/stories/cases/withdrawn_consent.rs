//! Consent that is withdrawn while something is on its way.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::objects::{deployment, image};
use support::requests::{is_write, shown};
use support::{same, with_own_controller};

support::stories![consent_that_is_withdrawn_in_mid_rollout_stops_every_write_until_it_is_given_again,];

/// A Deployment whose pods are ready only after so many seconds.
fn slow(name: &str, tag: &str, seconds: &str) -> Value {
    let mut slow = deployment(name, &format!("{tag}-ready-after"), None);
    slow["spec"]["template"]["metadata"]["annotations"] = json!({ "fate.towpath.dev/seconds": seconds });
    slow
}

async fn consent_that_is_withdrawn_in_mid_rollout_stops_every_write_until_it_is_given_again() -> Result<()> {
    with_own_controller(&[json!({ "name": "prod" })], async |project| {
        let first = project.release("1.0.0", &[deployment("web", "v1", None)]).await?;
        project.ended(&format!("prod-{first}"), "Verified").await?;
        let mark = project.cluster.audit()?.mark().await?;
        // The second wave is still to be written when consent goes.
        let mut late = deployment("late", "v2", None);
        late["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
        let second = project.release("2.0.0", &[slow("web", "v2", "8"), late]).await?;
        let name = format!("prod-{second}");
        let tag = image("v2-ready-after");
        control_plane::eventually("the first write", support::SOON, async || {
            Ok((project.image_of("prod", "deployments", "web").await? == tag).then_some(()))
        })
        .await?;
        project.withdraw("prod", "towpath-deploy").await?;
        let found = project
            .until("promotions", &name, "says NotGranted", |it| it["status"]["reason"] == "NotGranted");
        let message = found.await?["status"]["message"].as_str().unwrap_or_default().to_owned();
        let command = message.lines().find(|line| line.starts_with("kubectl create rolebinding "));
        let arguments: Vec<&str> = command.unwrap_or_default().split_whitespace().skip(1).collect();
        ensure!(!arguments.is_empty(), "no command in: {message}");
        // The moment at which the second wave would be written passes.
        project.settled("prod", "deployments", "web").await?;
        project.quiet().await?;
        same("second wave", project.live("prod", "deployments", "late").await?.is_none(), true)?;
        project.kubectl().run(&arguments)?;
        project.ended(&name, "Verified").await?;
        project.settled("prod", "deployments", "late").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, tag)?;
        same("rollbacks", project.all("promotions").await?.len(), 2)?;
        written_as_the_identity_alone(project, mark, &project.target("prod")).await
    })
    .await
}

/// What was refused counts, too: nothing was even tried under another name.
async fn written_as_the_identity_alone(
    project: &support::Project,
    mark: control_plane::Mark,
    target: &str,
) -> Result<()> {
    let identity = format!("system:serviceaccount:towpath-deployers:{}.prod", project.name);
    let mut others = project.requests(mark).await?;
    others.retain(|event| {
        is_write(event)
            && event.namespace == target
            && event.impersonated_user.as_deref() != Some(identity.as_str())
    });
    ensure!(others.is_empty(), "written as itself:\n{}", shown(&others));
    Ok(())
}
