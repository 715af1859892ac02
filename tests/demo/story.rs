//! The four acts, and what has to come true in each.

use crate::approvers::Approvers;
use crate::board::{Board, Follower, PROJECT};
use crate::containers::CHECKOUT;
use crate::installation::{Installation, example, replaced};
use crate::ledger;
use crate::metrics::Metrics;
use crate::running::{self, Running};
use crate::screen::{Screen, Tone};
use crate::telling;
use anyhow::{Context, Result, bail, ensure};
use control_plane::eventually;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use towpath::api::{PromotionKind, PromotionPhase};

const LIMIT: Duration = Duration::from_secs(60);
const API: &str = "docker.io/traefik/whoami";

pub struct Story<'a> {
    pub screen: &'a Screen,
    pub installation: &'a Installation,
    pub follower: &'a Follower,
}

/// One release and the time from which on what happens is its doing.
pub struct Act {
    pub release: &'static str,
    pub from: Timestamp,
    /// Where it was rolled back, and what showed that it is bad.
    pub back: Option<(&'static str, Sign)>,
}

/// What shows that a release is bad.
#[derive(Clone, Copy)]
pub enum Sign {
    /// A container has ended so often.
    Crash(i32),
    /// A metric, from this time on.
    Metric(Timestamp),
}

impl Story<'_> {
    pub async fn tell(&self) -> Result<Vec<Act>> {
        let acts = vec![self.first().await?, self.second().await?, self.third().await?, self.fourth().await?];
        let ask = ["get"];
        self.screen.output(&ask, &self.installation.towpath(&ask)?);
        Ok(acts)
    }

    async fn first(&self) -> Result<Act> {
        self.screen.heading(
            1,
            "shop-1.0.0 goes from dev to prod",
            "CI has put a shop into the namespace shop-dev: two Deployments, a StatefulSet, a ConfigMap for each. A Release \
             captures what runs there. dev and staging are watched for 3 s each; prod waits until staging has soaked for 2 s \
             more and two people have approved, and is watched for 8 s.",
        );
        let from = Timestamp::now();
        let approvers =
            Approvers { installation: self.installation, screen: self.screen, follower: self.follower };
        approvers.demand().await?;
        approvers.release(&example("deploy/examples/50-release.yaml")?).await?;
        approvers.decide("shop-1.0.0").await?;
        self.verified("prod", "shop-1.0.0").await?;
        for ((workload, aspect), (said, _)) in self.look("shop-prod", "/").await? {
            if aspect == "says" {
                self.screen.event("prod", Tone::Good, &format!("{workload} answers: {said}"));
            }
        }
        Ok(Act { release: "shop-1.0.0", from, back: None })
    }

    async fn second(&self) -> Result<Act> {
        self.screen.heading(
            2,
            "shop-1.1.0 crashes in staging",
            "CI changes the images and the config in dev, where all is well. But the build of api that the Release names is \
             broken: it crashes wherever it runs. One exit is tolerated, the second is a verdict.",
        );
        let (release, from) = ("shop-1.1.0", Timestamp::now());
        let before = self.look("shop-staging", "/").await?;
        let prod = self.look("shop-prod", "/").await?;
        let mark = self.installation.cluster.audit()?.mark().await?;
        self.deploy("1.29-alpine", "v1.11", "spring sale")?;
        let broken = json!([{ "name": API, "image": format!("{API}:v1.11-crash-loop") }]);
        self.release("1.1.0", &broken)?;

        let what = "a crash in staging";
        self.follower
            .until(what, LIMIT, |board| Ok(board.crashed("shop-staging", from).then_some(())))
            .await?;
        ensure!(self.follower.board().ready("dev"), "dev is not healthy while {release} crashes in staging");
        self.screen.event("dev", Tone::Good, "healthy, while api crashes in staging");
        let during = self.look("shop-staging", "/").await?;
        self.reaches("dev", release, PromotionKind::Promote, PromotionPhase::Verified).await?;
        self.reaches("staging", release, PromotionKind::Promote, PromotionPhase::Failed).await?;
        self.reaches("staging", release, PromotionKind::Rollback, PromotionPhase::Verified).await?;
        let after = self.look("shop-staging", "/").await?;
        self.compare("staging", release, [&before, &during, &after])?;
        self.status(release, "RolledBack").await?;

        ensure!(self.look("shop-prod", "/").await? == prod, "prod is not what it was");
        let events = self.installation.cluster.audit()?.since(mark).await?;
        let touched = events.iter().filter(|event| ledger::writes(event, "prod")).count();
        ensure!(touched == 0, "{touched} writes were made in prod for a release that failed in staging");
        self.screen.event("prod", Tone::Good, "not one write was made here");
        Ok(Act { release, from, back: Some(("staging", Sign::Crash(2))) })
    }

    async fn third(&self) -> Result<Act> {
        self.screen.heading(
            3,
            "shop-1.2.0 turns bad in prod",
            "CI repairs api. shop-1.2.0, a Standard change that needs no approval, is verified in dev and staging and rolled out \
             in prod; there, while it is still being watched, customers check out, which was never tried, and api crashes.",
        );
        let (release, from) = ("shop-1.2.0", Timestamp::now());
        let before = self.look("shop-prod", CHECKOUT).await?;
        self.deploy("1.30-alpine", "v1.12", "summer sale")?;
        self.release("1.2.0", &json!([]))?;
        self.verified("staging", release).await?;
        self.rolled_out("prod", release).await?;
        let during = self.check_out().await?;
        self.reaches("prod", release, PromotionKind::Promote, PromotionPhase::Failed).await?;
        self.reaches("prod", release, PromotionKind::Rollback, PromotionPhase::Verified).await?;
        let after = self.look("shop-prod", CHECKOUT).await?;
        self.compare("prod", release, [&before, &during, &after])?;
        Ok(Act { release, from, back: Some(("prod", Sign::Crash(1))) })
    }

    async fn fourth(&self) -> Result<Act> {
        self.screen.heading(
            4,
            "shop-1.3.0 loses orders in prod",
            "Every pod of shop-1.3.0 is healthy. But the policy of prod also asks a Prometheus for the ratio of orders that fail, and \
             some time after the rollout is complete, one in five does.",
        );
        let (release, from) = ("shop-1.3.0", Timestamp::now());
        let metrics = Metrics::start(self.installation).await?;
        let before = self.look("shop-prod", "/").await?;
        self.deploy("1.31-alpine", "v1.13", "autumn sale")?;
        self.release("1.3.0", &json!([]))?;
        self.verified("staging", release).await?;
        self.rolled_out("prod", release).await?;
        let during = self.look("shop-prod", "/").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let sign = Sign::Metric(Timestamp::now());
        metrics.fail(20);
        self.screen.event("prod", Tone::Quiet, "one order in five fails; every pod is healthy");
        self.reaches("prod", release, PromotionKind::Promote, PromotionPhase::Failed).await?;
        self.reaches("prod", release, PromotionKind::Rollback, PromotionPhase::Verified).await?;
        let after = self.look("shop-prod", "/").await?;
        self.compare("prod", release, [&before, &during, &after])?;
        Ok(Act { release, from, back: Some(("prod", sign)) })
    }

    /// The customers of prod ask for what api does not survive.
    async fn check_out(&self) -> Result<Running> {
        self.screen.event("prod", Tone::Quiet, "customers check out");
        if self.installation.real {
            return self.look("shop-prod", CHECKOUT).await;
        }
        // The node plays what the annotation says.
        let fate = ["fate.towpath.dev/pod=crash-after-ready", "fate.towpath.dev/seconds=1"];
        let annotate = ["annotate", "pods", "-n", "shop-prod", "-l", "app=api", "--overwrite"];
        self.installation.run(&[&annotate[..], &fate].concat())?;
        self.look("shop-prod", CHECKOUT).await
    }

    async fn look(&self, namespace: &str, path: &str) -> Result<Running> {
        self.installation.look(namespace, path).await
    }

    /// Shows the three, and fails unless the last is the first.
    fn compare(&self, environment: &str, release: &str, states: [&Running; 3]) -> Result<()> {
        self.screen.say("");
        let with = format!("with {release}");
        let titles = ["before", &with, "after"];
        for line in running::side_by_side(titles, states) {
            self.screen.say(&format!("    {line}"));
        }
        self.screen.say("");
        let [before, during, after] = states;
        ensure!(before != during, "{release} changed nothing in {environment}");
        ensure!(before == after, "{environment} did not come back as it was before {release}");
        let answers = if self.installation.real { ", and answer as before" } else { "" };
        let back = format!("code and config are back together, as they were{answers}");
        self.screen.event(environment, Tone::Good, &back);
        Ok(())
    }

    /// What CI does: applies its manifests with new images and a new config, to dev.
    fn deploy(&self, web: &str, api: &str, name: &str) -> Result<()> {
        let words = [
            ("nginx-unprivileged:1.27-alpine", format!("nginx-unprivileged:{web}")),
            ("whoami:v1.10", format!("whoami:{api}")),
            ("WHOAMI_NAME: shop", format!("WHOAMI_NAME: {name}")),
            ("welcome to the shop", format!("welcome to the {name}")),
        ];
        let words = words.each_ref().map(|(old, new)| (*old, new.as_str()));
        let application = replaced(example("deploy/examples/40-application.yaml")?, &words)?;
        self.installation.apply(&application)?;
        self.screen.event(
            "dev",
            Tone::Quiet,
            &format!("CI deploys web {web}, api {api}, and the config of the {name}"),
        );
        Ok(())
    }

    /// A Release of what runs in dev.
    fn release(&self, version: &str, images: &Value) -> Result<()> {
        let mut release = json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Release",
            "metadata": { "name": format!("shop-{version}"), "namespace": PROJECT },
            "spec": {
                "application": "shop", "version": version, "source": { "environment": { "name": "dev" } },
                "change": { "type": "Standard" },
            },
        });
        if images.as_array().is_some_and(|images| !images.is_empty()) {
            release["spec"]["images"] = images.clone();
        }
        self.installation.apply(&release.to_string())?;
        Ok(())
    }

    /// Shows what a person sees who asks why a release is where it is, as soon as its status says this word.
    async fn status(&self, release: &str, word: &str) -> Result<()> {
        let ask = ["status", release];
        let shown = eventually(&format!("{release} to be {word}"), LIMIT, async || {
            Ok(Some(self.installation.towpath(&ask)?).filter(|shown| shown.contains(word)))
        })
        .await?;
        self.screen.output(&ask, &shown);
        Ok(())
    }

    async fn verified(&self, environment: &str, release: &str) -> Result<()> {
        self.reaches(environment, release, PromotionKind::Promote, PromotionPhase::Verified).await
    }

    /// Waits until the promotion says that everything is rolled out, and being watched.
    async fn rolled_out(&self, environment: &str, release: &str) -> Result<()> {
        let promotion = format!("involvedObject.name={environment}-{release},reason=RolledOut");
        let ask =
            ["get", "events", "-n", PROJECT, "--field-selector", &promotion, "-o", "jsonpath={..message}"];
        let said = eventually(&format!("{release} to be rolled out in {environment}"), LIMIT, async || {
            Ok(Some(self.installation.run(&ask)?).filter(|said| !said.is_empty()))
        })
        .await?;
        self.screen.event(environment, Tone::Busy, &telling::with_short_times(&said));
        Ok(())
    }

    /// Waits until the promotion is in that phase, and fails if it ends in another.
    async fn reaches(
        &self,
        environment: &str,
        release: &str,
        kind: PromotionKind,
        phase: PromotionPhase,
    ) -> Result<()> {
        let act = match kind {
            PromotionKind::Promote => "the promotion",
            PromotionKind::Rollback => "the rollback",
        };
        let what = format!("{act} of {release} in {environment} to be {}", phase.as_str());
        let ask = |board: &Board| match board.phase(environment, release, kind) {
            Some(found) if found == phase => Ok(Some(())),
            Some(found) if found.is_final() => {
                bail!("{act} of {release} in {environment} is {}", found.as_str())
            }
            _ => unexpected(board, environment, kind, phase).map(|()| None),
        };
        self.follower.until(&what, LIMIT, ask).await.context("not what was expected")
    }
}

/// A failed promotion before this environment ends the wait for this one.
fn unexpected(board: &Board, environment: &str, kind: PromotionKind, phase: PromotionPhase) -> Result<()> {
    if kind == PromotionKind::Rollback || phase == PromotionPhase::Failed {
        return Ok(());
    }
    let newest = board.releases.keys().next_back();
    let failed = board.promotions.values().find(|promotion| {
        let failed = promotion.status.as_ref().is_some_and(|status| status.phase == PromotionPhase::Failed);
        failed
            && newest.is_some_and(|newest| promotion.spec.release == *newest)
            && promotion.spec.environment != environment
    });
    match failed {
        Some(promotion) => bail!("{} failed in {}", promotion.spec.release, promotion.spec.environment),
        None => Ok(()),
    }
}
