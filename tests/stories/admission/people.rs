//! The people of a project, and what each of them tries.

use super::support::*;
use anyhow::Result;
use control_plane::ControlPlane;
use http::Method;
use serde_json::{Value, json};

/// Bob approves prod; Ann approves and promotes staging; Mallory may write every object and has none of the verbs; a robot is
/// bound to the roles of an approver and a requester.
pub struct Cast {
    pub ann: Person,
    pub bob: Person,
    pub mallory: Person,
    pub robot: Person,
}

impl Cast {
    pub async fn of(cluster: &ControlPlane, project: &str) -> Result<Self> {
        let everything = ["create", "delete", "deletecollection", "get", "list", "patch", "update"];
        let kinds = [
            "approvals",
            "approvals/status",
            "promotions",
            "promotions/status",
            "recalls",
            "recalls/status",
            "releases",
            "reviews",
        ];
        let writes = rule(&kinds, &[], &everything);
        let on = |environment: &str, verbs: &[&str]| rule(&["environments"], &[environment], verbs);
        let (staging, prod) = (on("staging", &["approve", "promote"]), on("prod", &["approve"]));
        let approves = rule(&["approvals"], &[], &["create", "delete", "get"]);
        grant(cluster, project, "ann", json!([writes, staging])).await?;
        grant(cluster, project, "bob", json!([approves, prod])).await?;
        grant(cluster, project, "mallory", json!([writes])).await?;
        let admin = Person::admin(cluster)?;
        let robot = json!({ "metadata": { "name": "robot" } });
        admin.post(&path("v1", project, "serviceaccounts", ""), robot).await?.allowed()?;
        let robot = Person::account(cluster, project, "robot").await?;
        for role in ["towpath-approver", "towpath-requester"] {
            let subject = json!({ "kind": "ServiceAccount", "namespace": project, "name": "robot" });
            bind(cluster, project, role, &subject).await?;
        }
        until_may(cluster, "ann", "promote", "environments", (project, "staging")).await?;
        until_may(cluster, "bob", "approve", "environments", (project, "prod")).await?;
        until_may(cluster, "mallory", "deletecollection", "approvals", (project, "")).await?;
        until_may(cluster, &robot.name, "approve", "environments", (project, "prod")).await?;
        until_may(cluster, &robot.name, "promote", "environments", (project, "prod")).await?;
        Ok(Self {
            ann: Person::new(cluster, "ann", &["developers"]).await?,
            bob: Person::new(cluster, "bob", &["developers", "release-managers"]).await?,
            mallory: Person::new(cluster, "mallory", &["developers"]).await?,
            robot,
        })
    }
}

/// Requests that have to be refused, each with the words of the refusal, on one kind in one project.
pub struct Attempts {
    project: String,
    plural: &'static str,
    tried: usize,
    faults: Vec<String>,
}

impl Attempts {
    pub fn on(project: &str, plural: &'static str) -> Self {
        Self { project: project.into(), plural, tried: 0, faults: Vec::new() }
    }

    pub async fn create(&mut self, what: &str, who: &Person, object: Value, words: &str) -> Result<()> {
        let answer = who.post(&ours(&self.project, self.plural, ""), object).await?;
        self.judge(what, answer, words);
        Ok(())
    }

    /// A change of what is called `given`.
    pub async fn edit(&mut self, what: &str, who: &Person, patch: Value, words: &str) -> Result<()> {
        let answer = who.patch(&ours(&self.project, self.plural, "given"), patch).await?;
        self.judge(what, answer, words);
        Ok(())
    }

    /// A change of its status.
    pub async fn report(&mut self, what: &str, who: &Person, status: Value, words: &str) -> Result<()> {
        let path = ours(&self.project, self.plural, "given") + "/status";
        let answer = who.patch(&path, json!({ "status": status })).await?;
        self.judge(what, answer, words);
        Ok(())
    }

    /// The end of `given`, or with no name of all.
    pub async fn delete(&mut self, what: &str, who: &Person, name: &str, words: &str) -> Result<()> {
        let answer = who
            .send(Method::DELETE, &ours(&self.project, self.plural, name), "application/json", None)
            .await?;
        self.judge(what, answer, words);
        Ok(())
    }

    pub fn judge(&mut self, what: &str, answer: Answer, words: &str) {
        self.tried += 1;
        self.faults.extend(answer.refused(words).err().map(|error| format!("{what}: {error:#}")));
    }

    /// How many there were; an error if one was not refused so.
    pub fn end(self) -> Result<usize> {
        all_hold(self.faults, self.tried)?;
        Ok(self.tried)
    }
}
