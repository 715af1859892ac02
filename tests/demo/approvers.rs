//! The people of the demo: alice makes releases, and she, bob and carol may approve for prod.

use crate::board::{Follower, PROJECT};
use crate::installation::Installation;
use crate::screen::{Screen, Tone};
use anyhow::{Result, ensure};
use control_plane::{Tool, eventually};
use serde_json::json;
use std::time::Duration;
use towpath::api::{Promotion, PromotionKind};

const LIMIT: Duration = Duration::from_secs(30);
/// Who, and the ClusterRoles of the chart that they are bound to.
const PEOPLE: [(&str, &[&str]); 3] = [
    ("alice", &["towpath-requester", "towpath-approver"]),
    ("bob", &["towpath-approver"]),
    ("carol", &["towpath-approver"]),
];

pub struct Approvers<'a> {
    pub installation: &'a Installation,
    pub screen: &'a Screen,
    pub follower: &'a Follower,
}

impl Approvers<'_> {
    /// prod demands two approvals from now on, for all but Standard changes.
    pub async fn demand(&self) -> Result<()> {
        for (person, roles) in PEOPLE {
            for role in roles {
                let user = format!("--user={person}");
                let role = format!("--clusterrole={role}");
                let name = format!("{person}-{}", &role[14..]);
                self.installation.run(&["create", "rolebinding", &name, &role, &user, "-n", PROJECT])?;
            }
        }
        let rules = json!({ "spec": { "approvals": { "required": 2, "notFor": ["Standard"] } } }).to_string();
        self.installation.run(&[
            "patch",
            "environment",
            "prod",
            "-n",
            PROJECT,
            "--type=merge",
            "-p",
            &rules,
        ])?;
        let ask = ["auth", "can-i", "create", "releases.towpath.dev", "-n", PROJECT, "--as=alice"];
        eventually("alice to be let in", LIMIT, async || Ok(self.installation.run(&ask).ok())).await?;
        Ok(())
    }

    /// Alice makes a release.
    pub async fn release(&self, manifest: &str) -> Result<()> {
        let alice = self.kubectl("alice").await?;
        // A kind is served a moment after it is established, and not by every part of the server at once.
        eventually("alice's release to be taken", LIMIT, async || {
            tokio::task::block_in_place(|| alice.run_with(&["create", "-f", "-"], manifest)).map(Some)
        })
        .await?;
        Ok(())
    }

    /// prod waits; alice does not count, bob and carol do.
    pub async fn decide(&self, release: &str) -> Result<()> {
        let waits = |promotion: &Promotion| {
            let status =
                promotion.status.as_ref().filter(|status| status.reason.as_deref() == Some("Approval"))?;
            status.message.clone()
        };
        let message = self
            .follower
            .until("prod to wait for approvals", LIMIT, |board| {
                Ok(board.promotion("prod", release, PromotionKind::Promote).and_then(waits))
            })
            .await?;
        let message = message.split(';').next().unwrap_or_default().to_owned();
        self.screen.event("prod", Tone::Busy, &format!("{release} waits: {message}"));
        self.approve("alice", release).await?;
        let path = "jsonpath={.items[?(@.spec.approver.username==\"alice\")].status.conditions[0].message}";
        let ask = ["get", "approvals", "-n", PROJECT, "-o", path];
        let why = eventually("alice's approval to be observed", LIMIT, async || {
            Ok(Some(self.installation.run(&ask)?).filter(|said| !said.is_empty()))
        })
        .await?;
        let why = why.split(';').next().unwrap_or_default().replace("it does not count: spec.approver: ", "");
        self.screen.event("prod", Tone::Bad, &format!("alice approves: {why}"));
        for person in ["bob", "carol"] {
            self.approve(person, release).await?;
            self.screen.event(
                "prod",
                Tone::Good,
                &format!("{person}: kubectl towpath approve {release} -e prod"),
            );
        }
        Ok(())
    }

    async fn approve(&self, person: &str, release: &str) -> Result<()> {
        let kubectl = self.kubectl(person).await?;
        let approve = ["towpath", "approve", release, "--environment", "prod", "-n", PROJECT, "--yes"];
        let mut command = kubectl.command(&approve);
        command.env("PATH", &self.installation.plugins);
        let said = tokio::task::block_in_place(|| command.output())?;
        ensure!(said.status.success(), "{person} cannot approve: {}", String::from_utf8_lossy(&said.stderr));
        Ok(())
    }

    async fn kubectl(&self, person: &str) -> Result<Tool> {
        let cluster = &self.installation.cluster;
        Ok(cluster.kubectl(&cluster.user(person, &["shop"]).await?))
    }
}
