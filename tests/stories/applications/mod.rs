//! Do whole applications arrive, change, fail and come back exactly? One story for each file of `data/`, written manually in the manner
//! of well-known public samples and charts: their kinds, ports, claims, configuration, hooks, and what namespace owners bring.
//!
//! Each is promoted through two environments, changed, made worse by a release whose pods crash in prod alone, rolled back by the
//! controller, and then by a person to the first revision.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::judgement::Timing;
use support::judgement::acts::{Act, perform};
use support::judgement::moments::come;
use support::judgement::play::{LIMIT, grant};
use support::judgement::situation::Moment;
use support::judgement::snapshot::{Snapshot, differences, snapshot};
use support::judgement::timeline::Timeline;
use support::manifests::{read, root};
use support::story::Story;
use support::{Project, in_project, merge};

const FOLDER: &str = "tests/stories/applications/data";

/// An application and two changes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    /// A sentence. Its words are the name of the story.
    name: String,
    /// Merged over both environments.
    #[serde(default)]
    environment: Value,
    /// What namespace owners bring.
    #[serde(default)]
    given: Vec<Value>,
    /// The first release.
    objects: Vec<Value>,
    /// The second, as a change of the first.
    change: Vec<Edit>,
    /// The third, as a change of the second.
    bad: Vec<Edit>,
    /// The label `app` of the pods that crash in prod when they run the third.
    crashes: String,
}

/// A change of an application.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Edit {
    /// Fields of an object.
    Merge { object: String, with: Value },
    /// A further object.
    Add { add: Value },
    /// One object less.
    Drop { drop: String },
}

/// The stories of the folder. A file that cannot be read is a story that fails.
pub fn stories() -> Vec<Story> {
    let mut files: Vec<_> =
        fs::read_dir(root(FOLDER)).expect(FOLDER).map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| told(&file)).collect()
}

fn told(file: &Path) -> Story {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
    let yaml = read(file);
    Story::new(format!("{}::{stem}_comes_back_exactly", module_path!()), move || {
        let application = serde_yaml::from_str::<Value>(&yaml).map_err(anyhow::Error::from);
        let application = application.and_then(|value| Ok(serde_json::from_value::<Application>(value)?));
        Box::pin(async move { comes_back_exactly(&application.context("the file cannot be read")?).await })
    })
}

async fn comes_back_exactly(application: &Application) -> Result<()> {
    in_project(&[], async |project| {
        prepare(project, application).await?;
        let first = application.objects.clone();
        let second = edited(&first, &application.change)?;
        let third = edited(&second, &application.bad)?;
        let one = verified(project, "1.0.0", &first).await?;
        let two = verified(project, "2.0.0", &second).await?;
        ensure!(!differences(&one, &two, &[]).is_empty(), "the second release changes nothing");
        crash(project, &third, &application.crashes).await?;
        back("the controller rolled back", project, &two).await?;
        let spec =
            json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback", "toRevision": 1 });
        project.promotion("manual", spec).await?;
        project.ended_within(LIMIT, "manual", "Verified").await?;
        back("a person rolled back", project, &one).await
    })
    .await
    .with_context(|| application.name.clone())
}

async fn prepare(project: &Project, application: &Application) -> Result<()> {
    project.policy("calm", json!({ "observeWindow": "8s" })).await?;
    for (name, policy, after) in [("dev", "quick", json!([])), ("prod", "calm", json!(["dev"]))] {
        let mut environment = json!({ "name": name, "rollbackPolicyRef": policy, "after": after });
        if application.environment.is_object() {
            merge(&mut environment, &application.environment);
        }
        project.environment(&environment).await?;
        grant(project, name, &environment["kinds"]).await?;
        if !application.given.is_empty() {
            project.apply(name, &application.given)?;
        }
    }
    Ok(())
}

/// The objects after a change.
fn edited(objects: &[Value], edits: &[Edit]) -> Result<Vec<Value>> {
    let mut objects = objects.to_vec();
    for edit in edits {
        let name = |object: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
        };
        let count = objects.len();
        match edit {
            Edit::Add { add } => objects.push(add.clone()),
            Edit::Drop { drop } => {
                objects.retain(|object| name(object) != *drop);
                ensure!(objects.len() < count, "there is no {drop}");
            }
            Edit::Merge { object, with } => {
                let found = objects.iter_mut().find(|found| name(found) == *object);
                merge(found.with_context(|| format!("there is no {object}"))?, with);
            }
        }
    }
    Ok(objects)
}

/// A release that is verified in prod, and what prod holds then.
async fn verified(project: &Project, version: &str, objects: &[Value]) -> Result<Snapshot> {
    let release = project.release(version, objects).await?;
    project.ended_within(LIMIT, &format!("dev-{release}"), "Verified").await?;
    project.ended_within(LIMIT, &format!("prod-{release}"), "Verified").await?;
    snapshot(project, "prod").await
}

/// A release whose pods crash in prod while it is observed there.
async fn crash(project: &Project, objects: &[Value], app: &str) -> Result<()> {
    let timeline = Timeline::start(project, "shop-3.0.0", &[]);
    project.change("rollbackpolicies", "calm", json!({ "spec": { "observeWindow": "60s" } })).await?;
    let release = project.release("3.0.0", objects).await?;
    project.ended_within(LIMIT, &format!("dev-{release}"), "Verified").await?;
    if !come(project, &timeline, Moment::Window, LIMIT).await? {
        bail!("the window of prod never came: {}", timeline.shown());
    }
    let fate = json!({ "fate": { "pods": app, "is": "crash-after-ready", "seconds": 0 } });
    perform(project, &serde_json::from_value::<Act>(fate)?, &Timing::earliest()).await?;
    project.ended_within(LIMIT, &format!("prod-{release}"), "Failed").await?;
    project.ended_within(LIMIT, &format!("prod-{release}-rollback"), "Verified").await.map(drop)
}

async fn back(what: &str, project: &Project, wanted: &Snapshot) -> Result<()> {
    let found = differences(wanted, &snapshot(project, "prod").await?, &[]);
    ensure!(found.is_empty(), "after {what}:\n- {}", found.join("\n- "));
    Ok(())
}
