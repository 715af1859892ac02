//! A release on its way from dev to prod: it arrives, or it fails on the way and everything comes back.

use anyhow::Result;
use serde_json::{Value, json};
use support::objects::{Object, config, deployment, image, service, stateful_set, with};
use support::waits::condition;
use support::{Project, in_project, same};

support::stories![
    a_release_goes_from_dev_through_staging_to_prod,
    a_release_that_crashes_in_staging_comes_back_whole_and_prod_is_not_touched,
    a_release_that_becomes_bad_in_prod_within_the_observe_window_comes_back_there,
];

fn three_environments() -> [Value; 3] {
    [
        json!({ "name": "dev", "delivery": "Observed" }),
        json!({ "name": "staging", "after": ["dev"] }),
        json!({ "name": "prod", "after": ["staging"] }),
    ]
}

/// When pods become bad, if they do: after staging has verified them, on a machine that is busy, too.
fn later() -> Value {
    let template = json!({ "metadata": { "annotations": { "fate.towpath.dev/seconds": "30" } } });
    json!({ "spec": { "template": template } })
}

/// The application: two Deployments, a StatefulSet, two ConfigMaps, a Service.
fn shop(tag: &str, greeting: &str) -> Vec<Object> {
    vec![
        config("web-config", greeting),
        config("cache-config", greeting),
        service("web"),
        with(deployment("web", tag, Some("web-config")), later()),
        with(deployment("api", tag, None), later()),
        with(stateful_set("cache", tag, Some("cache-config")), later()),
    ]
}

/// CI puts an edition into dev, and it is captured there once it runs.
async fn edition(project: &Project, version: &str, objects: &[Object]) -> Result<String> {
    project.apply("dev", objects)?;
    project.settled("dev", "deployments", "web").await?;
    project.settled("dev", "deployments", "api").await?;
    project.settled("dev", "statefulsets", "cache").await?;
    project.capture(version, "dev").await
}

async fn first_edition_in_prod(project: &Project) -> Result<String> {
    let release = edition(project, "1.0.0", &shop("v1", "hello")).await?;
    project.condition("releases", &release, "Verified", "True", "").await?;
    Ok(release)
}

async fn a_release_goes_from_dev_through_staging_to_prod() -> Result<()> {
    in_project(&three_environments(), async |project| {
        let release = first_edition_in_prod(project).await?;
        for environment in ["staging", "prod"] {
            for (kind, name) in [("deployments", "web"), ("deployments", "api"), ("statefulsets", "cache")] {
                project.settled(environment, kind, name).await?;
                let found = project.image_of(environment, kind, name).await?;
                let pinned = format!("registry.example/shop@{}", control_plane::image_digest(&image("v1")));
                same(&format!("image of {name} in {environment}"), found, pinned)?;
            }
            let read = project.config_of(environment, "deployments", "web").await?;
            same("config of web", read, vec![json!({ "GREETING": "hello" })])?;
            project.here(environment, "services", "web").await?;
        }
        for environment in ["dev", "staging", "prod"] {
            let found = project.condition("environments", environment, "Ready", "True", "").await?;
            let current = &found["status"]["applications"][0]["current"];
            same(&format!("current of {environment}"), current["version"].as_str(), Some("1.0.0"))?;
            let promotion = project.ours("promotions", &format!("{environment}-{release}")).await?;
            same("phase", promotion["status"]["phase"].as_str(), Some("Verified"))?;
            same("Ready", condition(&promotion, "Ready").map(|c| c["status"].clone()), Some(json!("True")))?;
        }
        let found = project.ours("releases", &release).await?;
        same("release phase", found["status"]["phase"].as_str(), Some("Verified"))?;
        same("Ready", condition(&found, "Ready").map(|c| c["status"].clone()), Some(json!("True")))?;
        same("no Stalled", condition(&found, "Stalled").is_none(), true)
    })
    .await
}

async fn a_release_that_crashes_in_staging_comes_back_whole_and_prod_is_not_touched() -> Result<()> {
    in_project(&three_environments(), async |project| {
        first_edition_in_prod(project).await?;
        let (staging, prod) = (project.snapshot("staging").await?, project.snapshot("prod").await?);
        let release = bad_edition(project, "2.0.0", "v2-crash-loop").await?;
        let failed = project.ended(&format!("staging-{release}"), "Failed").await?;
        same("reason", failed["status"]["reason"].as_str(), Some("CrashLoopBackOff"))?;
        same("Stalled", condition(&failed, "Stalled").map(|c| c["status"].clone()), Some(json!("True")))?;
        let back = project.ended(&format!("staging-{release}-rollback"), "Verified").await?;
        same("restores", back["status"]["restores"].as_i64(), Some(1))?;
        same("staging", project.snapshot("staging").await?, staging)?;
        same("prod", project.snapshot("prod").await?, prod)?;
        came_back(project, "staging", &release).await?;
        let lines = project.ours("releases", &release).await?["status"]["environments"].clone();
        same("prod waits", lines[2]["state"].as_str(), Some("Order"))
    })
    .await
}

async fn a_release_that_becomes_bad_in_prod_within_the_observe_window_comes_back_there() -> Result<()> {
    let mut environments = three_environments();
    environments[2]["rollbackPolicyRef"] = json!("patient");
    in_project(&environments, async |project| {
        project.policy("patient", json!({ "observeWindow": "60s" })).await?;
        first_edition_in_prod(project).await?;
        let prod = project.snapshot("prod").await?;
        let release = bad_edition(project, "2.0.0", "v2-crash-after-ready").await?;
        let failed = project.ended(&format!("prod-{release}"), "Failed").await?;
        same("was rolled out", failed["status"]["rolledOutAt"].is_string(), true)?;
        project.ended(&format!("prod-{release}-rollback"), "Verified").await?;
        same("prod", project.snapshot("prod").await?, prod)?;
        came_back(project, "prod", &release).await?;
        let staging = project.ours("promotions", &format!("staging-{release}")).await?;
        same("staging", staging["status"]["phase"].as_str(), Some("Verified"))
    })
    .await
}

/// An edition that is well in dev and has another image everywhere else.
async fn bad_edition(project: &Project, version: &str, tag: &str) -> Result<String> {
    let mut objects = shop("v2", "goodbye");
    objects.extend([
        service("new"),
        config("new-config", "new"),
        with(deployment("new", "v2", Some("new-config")), later()),
    ]);
    project.apply("dev", &objects)?;
    for (kind, name) in
        [("deployments", "web"), ("deployments", "api"), ("deployments", "new"), ("statefulsets", "cache")]
    {
        project.settled("dev", kind, name).await?;
    }
    let spec = json!({
        "source": { "environment": { "name": "dev" } },
        "images": [{ "name": "registry.example/shop", "image": image(tag) }],
    });
    project.release_of("shop", version, spec).await
}

/// Nothing of the bad release runs or is left but copies of its ConfigMaps, and the statuses say so.
async fn came_back(project: &Project, environment: &str, release: &str) -> Result<()> {
    for (kind, name) in [("deployments", "web"), ("deployments", "api"), ("statefulsets", "cache")] {
        project.settled(environment, kind, name).await?;
        let pinned = format!("registry.example/shop@{}", control_plane::image_digest(&image("v1")));
        same(&format!("image of {name}"), project.image_of(environment, kind, name).await?, pinned)?;
    }
    for (kind, name) in [("deployments", "web"), ("statefulsets", "cache")] {
        let read = project.config_of(environment, kind, name).await?;
        same(&format!("config of {name}"), read, vec![json!({ "GREETING": "hello" })])?;
    }
    same("no new Deployment", project.live(environment, "deployments", "new").await?.is_none(), true)?;
    same("no new Service", project.live(environment, "services", "new").await?.is_none(), true)?;
    let found = project.condition("releases", release, "Stalled", "True", "RolledBack").await?;
    same("phase", found["status"]["phase"].as_str(), Some("RolledBack"))?;
    let found = project.condition("environments", environment, "Ready", "True", "").await?;
    let application = &found["status"]["applications"][0];
    same("current", application["current"]["version"].as_str(), Some("1.0.0"))?;
    same("nothing active", application["active"].is_null(), true)
}
