//! The type of a change counts only where the requester may declare it: no user passes approvals or a freeze by writing a word.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::objects::deployment;
use support::people::Person;
use support::{Project, in_project};

support::stories![
    a_type_that_the_requester_may_not_declare_counts_as_normal_and_the_release_says_so,
    a_freeze_lets_an_emergency_pass_only_if_its_requester_may_declare_it,
];

fn in_seconds(seconds: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    Timestamp::from_second(at.as_second()).map(|at| at.to_string()).unwrap_or_default()
}

async fn requests(project: &Project, person: &Person, version: &str, change: Value) -> Result<String> {
    let name = format!("shop-{version}");
    let spec = json!({
        "application": "shop", "version": version, "change": change,
        "source": { "manifests": [deployment("web", &format!("v{version}"), None)] },
    });
    person.create(project, "releases", &name, spec).await?;
    Ok(name)
}

async fn waits(project: &Project, release: &str, gate: &str, words: &[&str]) -> Result<()> {
    let found = project.condition("releases", release, "Ready", "True", gate).await?;
    let message = found["status"]["message"].as_str().unwrap_or_default();
    for words in words {
        ensure!(message.contains(words), "{release} waits at {gate}, and says: {message}");
    }
    Ok(())
}

async fn a_type_that_the_requester_may_not_declare_counts_as_normal_and_the_release_says_so() -> Result<()> {
    let rules = json!({ "required": 1, "notFor": ["Standard"], "emergencyWithin": "1h" });
    in_project(&[json!({ "name": "prod", "approvals": rules })], async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        for (version, type_) in [("1.0.0", "Standard"), ("2.0.0", "Emergency")] {
            let release = requests(project, &alice, version, json!({ "type": type_ })).await?;
            let normal =
                format!("it counts as Normal here, not as {type_}: alice may not declare {type_} changes");
            let words = ["has 0 of 1 approvals", &normal, "the verb declare on environments/prod"];
            waits(project, &release, "Approval", &words).await?;
        }
        ensure!(project.snapshot("prod").await?.is_empty(), "a word passed the approvals");
        // The right is checked again, because it cannot be watched.
        project.bind("alice", "towpath-declarer").await?;
        let emergency = project.ended("prod-shop-2.0.0", "Verified").await?;
        ensure!(
            emergency["status"]["approvals"]["due"].is_string(),
            "{:#?}",
            emergency["status"]["approvals"]
        );
        // And it is checked when it is used, not only when the release is made.
        project.unbind("alice", "towpath-declarer").await?;
        project.until_may("alice", "declare", "prod", false).await?;
        let later = json!([{ "environment": "prod", "at": in_seconds(8) }]);
        let change = json!({ "type": "Standard", "notBefore": later });
        let release = requests(project, &alice, "3.0.0", change).await?;
        waits(project, &release, "Approval", &["it counts as Normal here, not as Standard"]).await
    })
    .await
}

async fn a_freeze_lets_an_emergency_pass_only_if_its_requester_may_declare_it() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let mallory = project.person("mallory", &[], &["towpath-requester"]).await?;
        let olga = project.person("olga", &[], &["towpath-requester", "towpath-oncall"]).await?;
        let freeze = json!({
            "from": in_seconds(-60), "to": in_seconds(3600), "reason": "year-end", "passes": ["Emergency"],
        });
        project.create("changefreezes", "year-end", freeze).await?;
        let release = requests(project, &mallory, "1.0.0", json!({ "type": "Emergency" })).await?;
        let words = ["rollbacks and Emergency changes pass", "mallory may not declare Emergency changes"];
        waits(project, &release, "Freeze", &words).await?;
        ensure!(project.snapshot("prod").await?.is_empty(), "a word passed the freeze");
        let release = requests(project, &olga, "2.0.0", json!({ "type": "Emergency" })).await?;
        project.ended(&format!("prod-{release}"), "Verified").await.map(drop)
    })
    .await
}
