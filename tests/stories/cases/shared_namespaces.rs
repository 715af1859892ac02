//! A target namespace that several environments name: it is occupied by one that its owner consented to.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::objects::{deployment, image};
use support::{Project, in_project, same};

support::stories![
    an_environment_without_consent_takes_the_namespace_from_no_other,
    an_environment_without_consent_takes_the_namespace_from_no_other_project,
];

fn web(tag: &str) -> [Value; 1] {
    [deployment("web", tag, None)]
}

/// An environment that names the target of prod.
async fn names_the_target_of_prod(project: &Project, name: &str) -> Result<()> {
    let spec =
        json!({ "namespace": project.target("prod"), "rollbackPolicyRef": "quick", "promotion": "Manual" });
    project.create("environments", name, spec).await.map(drop)
}

/// The owner of the target of prod consents to another environment as well.
async fn consents_to(project: &Project, name: &str) -> Result<()> {
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "towpath-deploy" },
        "subjects": [{
            "kind": "ServiceAccount", "namespace": "towpath-deployers", "name": format!("{}.{name}", project.name),
        }],
    });
    let target = project.target("prod");
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{target}/rolebindings");
    project.post(&path, binding).await.map(drop)
}

async fn an_environment_without_consent_takes_the_namespace_from_no_other() -> Result<()> {
    in_project(&[], async |project| {
        names_the_target_of_prod(project, "early").await?;
        project.condition("environments", "early", "Ready", "False", "NamespaceMissing").await?;
        project.environment(&json!({ "name": "prod" })).await?;
        project.condition("environments", "prod", "Ready", "True", "").await?;
        let early = project.condition("environments", "early", "Ready", "False", "SharedNamespace").await?;
        let message = early["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains(&format!("also the target of {}/prod", project.name)), "{message}");
        project.condition("environments", "early", "Reconciling", "True", "SharedNamespace").await?;
        let release = project.release("1.0.0", &web("v1")).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;

        // A second consent does not take the namespace from the environment that runs there, although the other one is older.
        consents_to(project, "early").await?;
        let release = project.release("2.0.0", &web("v2")).await?;
        project.ended(&format!("prod-{release}"), "Verified").await?;
        same("image", project.image_of("prod", "deployments", "web").await?, image("v2"))?;
        project.condition("environments", "early", "Ready", "False", "SharedNamespace").await?;

        // When the owner withdraws the consent to prod, the other environment gets the namespace.
        project.withdraw("prod", "towpath-deploy").await?;
        project.condition("environments", "early", "Ready", "True", "").await.map(drop)
    })
    .await
}

async fn an_environment_without_consent_takes_the_namespace_from_no_other_project() -> Result<()> {
    in_project(&[], async |project| {
        in_project(&[], async |other| {
            let spec = json!({ "namespace": project.target("prod"), "rollbackPolicyRef": "quick" });
            other.create("environments", "early", spec).await?;
            other.condition("environments", "early", "Ready", "False", "NamespaceMissing").await?;
            project.environment(&json!({ "name": "prod" })).await?;
            project.condition("environments", "prod", "Ready", "True", "").await?;
            other.condition("environments", "early", "Ready", "False", "SharedNamespace").await?;
            let release = project.release("1.0.0", &web("v1")).await?;
            project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
        })
        .await
    })
    .await
}
