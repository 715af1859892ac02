//! The form of the data: one situation, and the whole catalogue.

use super::objects::Short;
use super::real::Images;
use super::timing::Range;
use crate::manifests::{read, root};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Where the data is.
const FOLDER: &str = "tests/stories/judgement/catalogue";

/// A release in a situation, and the judgement that is right.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Situation {
    /// A sentence. Its words are the name of the story.
    pub name: String,
    /// Where its pods run. Default: on the played node.
    #[serde(default)]
    pub node: Node,
    /// On a real node: the environment of the images, by tag.
    #[serde(default)]
    pub images: Images,
    /// How many played nodes of its own it has: `$project-1` and so on. Objects use them with `nodes: own`.
    #[serde(default)]
    pub nodes: usize,
    /// Objects of the cluster, named after `$project`, that are there before everything else.
    #[serde(default)]
    pub cluster: Vec<Short>,
    /// Objects of the target namespace that are there before the first release.
    #[serde(default)]
    pub given: Vec<Short>,
    /// Merged over the environment `prod`.
    #[serde(default = "nothing")]
    pub environment: Value,
    /// Merged over the policy of the catalogue: a short observe window, no tolerated restart.
    #[serde(default = "nothing")]
    pub policy: Value,
    /// The content of the release that is verified first. Empty: the release on trial is the first.
    #[serde(default)]
    pub one: Vec<Short>,
    /// The content of the release on trial.
    pub two: Vec<Short>,
    /// Merged over the spec of the release on trial.
    #[serde(default = "nothing")]
    pub release: Value,
    /// What happens, in this order.
    #[serde(default)]
    pub happens: Vec<Happening>,
    /// The release on trial has to wait, and say why.
    #[serde(default)]
    pub waits: Option<Waits>,
    /// How its promotion has to end. Without it, it has to wait still.
    #[serde(default)]
    pub ends: Option<End>,
    /// The reason of its end: one of these.
    #[serde(default)]
    pub reason: Vec<String>,
    /// What the message of its end contains.
    #[serde(default)]
    pub says: Vec<String>,
    /// How its rollback has to end, where the promotion ends as `RollbackFailed`.
    #[serde(default)]
    pub rollback: Option<RollbackEnd>,
    /// What is left at the end.
    #[serde(default)]
    pub leaves: Vec<Left>,
    /// Objects that need not come back as they were, because something else changed them on purpose.
    #[serde(default)]
    pub not_compared: Vec<String>,
}

/// Where the pods of a situation run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// On a node that plays them.
    #[default]
    Played,
    /// On a real kubelet.
    Real,
}

/// Something that happens at a moment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happening {
    /// The moment.
    pub when: Moment,
    /// How long after it.
    #[serde(default)]
    pub after: Range,
    /// What happens. See [`super::acts::Act`].
    #[serde(rename = "do")]
    pub acts: Vec<Value>,
}

/// A moment of a situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Moment {
    /// The first release is verified, the second does not exist.
    #[serde(rename = "before")]
    Before,
    /// The second is being written or rolls out.
    #[serde(rename = "promoting")]
    Promoting,
    /// The second is rolled out and observed.
    #[serde(rename = "in the window")]
    Window,
    /// It is known to wait, as `waits` says.
    #[serde(rename = "waiting")]
    Waiting,
    /// The second is verified.
    #[serde(rename = "verified")]
    Verified,
    /// Its rollback has begun.
    #[serde(rename = "rolling back")]
    RollingBack,
}

/// What has to be seen of a release that waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waits {
    /// Fragments of the messages of its promotion, the release or the environment.
    #[serde(default)]
    pub says: Vec<String>,
    /// How long it has to wait like that. Default: 3s.
    #[serde(default = "three_seconds", rename = "for")]
    pub lasts: Range,
    /// It waits before anything is written.
    #[serde(default)]
    pub unwritten: bool,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

fn three_seconds() -> Range {
    let three = std::time::Duration::from_secs(3);
    Range { from: three, to: three }
}

/// How the promotion of the release on trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum End {
    /// It is verified.
    Verified,
    /// It failed, and what was there before is back exactly.
    RolledBack,
    /// It failed, and nothing was written after that.
    Failed,
    /// It failed, and so did its rollback.
    RollbackFailed,
    /// It waits or has ended, is not verified, and is not rolled back.
    NotVerified,
}

/// What the record of a rollback says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackEnd {
    /// The reason of its end: one of these.
    pub reason: Vec<String>,
    /// What its message contains.
    #[serde(default)]
    pub says: Vec<String>,
}

/// Something that is left at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Left {
    /// The object, as `Deployment web`.
    #[serde(default)]
    pub object: String,
    /// Instead of an object: no pod of this `app` runs.
    #[serde(default)]
    pub no_pods: Option<String>,
    /// Fields that it has. Without it, it only has to be there.
    #[serde(default)]
    pub has: Value,
    /// It is the object that was there before the release on trial, not one of the same name.
    #[serde(default)]
    pub same: bool,
    /// It is not there.
    #[serde(default)]
    pub gone: bool,
}

/// What a situation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing is wrong with the release: it has to be verified.
    Good,
    /// The release is bad: its failure has to be seen.
    Bad,
    /// The release has to wait, or to end without a verdict.
    Wait,
}

impl Situation {
    /// The name of its story.
    pub fn story(&self) -> String {
        let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name: String = self.name.chars().map(word).collect();
        name.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
    }

    /// What the situation is about.
    pub fn class(&self) -> Class {
        match (&self.waits, self.ends) {
            (Some(_), _) | (None, None | Some(End::NotVerified)) => Class::Wait,
            (None, Some(End::Verified)) => Class::Good,
            (None, Some(End::RolledBack | End::RollbackFailed | End::Failed)) => Class::Bad,
        }
    }
}

/// Every situation, in the order of the files.
pub fn catalogue() -> Result<Vec<Situation>> {
    let folder = root(FOLDER);
    let entries = fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    let (mut all, mut names) = (Vec::new(), BTreeSet::new());
    for file in files {
        // Through JSON: a YAML reader takes one of several for a tag.
        let values: Vec<Value> =
            serde_yaml::from_str(&read(&file)).with_context(|| format!("{}", file.display()))?;
        for value in values {
            let name = value["name"].as_str().unwrap_or_default().to_owned();
            let situation: Situation =
                serde_json::from_value(value).with_context(|| format!("{}: {name}", file.display()))?;
            ensure!(names.insert(situation.story()), "two situations are called {name}");
            ensure!(situation.waits.is_some() || situation.ends.is_some(), "{name}: nothing is expected");
            all.push(situation);
        }
    }
    Ok(all)
}
