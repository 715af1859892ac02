//! What an approver approves: the release, the environment, the digest of what would be written, the change, and the decisions so far.

use super::screen::{Branch, Cell};
use super::times::since;
use super::tone::Tone;
use crate::api::{
    ApplicationName, Approved, ChangeRecord, Environment, EnvironmentName, Meta, NamespaceName, Promotion,
    Release, ReleaseName,
};
use jiff::Timestamp;
use serde::Serialize;

/// What is approved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Name of the promotion that waits.
    pub promotion: String,
    /// Name of the release.
    pub release: ReleaseName,
    /// Name of the application.
    pub application: ApplicationName,
    /// Version of the release.
    pub version: String,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Namespace that is written to.
    pub namespace: NamespaceName,
    /// SHA-256 of what would be written.
    pub digest: String,
    /// Version that runs there, if one was promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<String>,
    /// Users who requested the release or the promotion. By default they cannot approve it.
    pub requesters: Vec<String>,
    /// When the promotion was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What the release says about its change.
    #[serde(flatten)]
    pub change: ChangeRecord,
    /// Images of the content, pinned where they could be.
    pub images: Vec<String>,
    /// How many people have to approve.
    pub required: i32,
    /// Decisions that count.
    pub decisions: Vec<Decision>,
    /// What is still missing, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
    /// Whether the approval of a requester counts.
    pub requester_may_approve: bool,
}

/// One decision that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Whether it is an approval.
    pub approves: bool,
    /// User name.
    pub by: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What an Approval of this promotion approves. None if the promotion needs no approvals, or nothing is known yet.
pub fn proposal(promotion: &Promotion, release: &Release, environment: &Environment) -> Option<Proposal> {
    let report = promotion.status.as_ref()?.approvals.as_ref()?;
    let lanes = environment.status.iter().flat_map(|status| &status.applications);
    let lane = lanes.into_iter().find(|lane| release.spec.application == lane.name);
    let requesters = [release.spec.requested_by.as_ref(), promotion.requester()];
    let mut requesters: Vec<String> =
        requesters.into_iter().flatten().map(|user| user.username.clone()).collect();
    requesters.dedup();
    let images = release.status.iter().flat_map(|status| &status.images);
    let decided = |approves: bool, approved: &Approved| Decision {
        approves,
        by: approved.by.clone(),
        at: approved.at.as_ref().map(|time| time.0),
        comment: approved.comment.clone(),
    };
    let approved = report.approved.iter().map(|one| decided(true, one));
    let rejected = report.rejected.iter().map(|one| decided(false, one));
    Some(Proposal {
        promotion: promotion.name().to_owned(),
        release: report.of.release.name.clone(),
        application: release.spec.application.clone(),
        version: release.spec.version.clone(),
        environment: report.of.environment.name.clone(),
        namespace: environment.spec.namespace.clone(),
        digest: report.of.digest.clone(),
        runs: lane.and_then(|lane| lane.current.as_ref()?.version.clone()),
        requesters,
        since: promotion.metadata.creation_timestamp.as_ref().map(|time| time.0),
        change: release.spec.change.clone().unwrap_or_default().record(),
        images: images.map(|image| image.pinned.clone().unwrap_or_else(|| image.image.clone())).collect(),
        required: report.required,
        decisions: approved.chain(rejected).collect(),
        needed: report.needed.clone(),
        requester_may_approve: environment
            .spec
            .approvals
            .as_ref()
            .is_some_and(|approvals| approvals.requester_may_approve),
    })
}

impl Proposal {
    /// Whether the approval of this user would not count, because the user requested it.
    pub fn excludes(&self, user: &str) -> bool {
        !self.requester_may_approve && self.requesters.iter().any(|requester| requester == user)
    }

    /// The proposal as a tree.
    pub fn tree(&self, now: Timestamp) -> Branch {
        let line = |name: &str, text: String| Branch::new(vec![Cell::plain(name)], text);
        let requested = self.since.map(|then| format!(", {} ago", since(then, now))).unwrap_or_default();
        let by = match self.requesters.is_empty() {
            true => String::new(),
            false => format!(", requested by {}{requested}", self.requesters.join(" and ")),
        };
        let runs = self
            .runs
            .as_deref()
            .map_or("nothing of it runs there".to_owned(), |version| format!("{version} runs there"));
        let mut lines = vec![
            line("release", format!("{} {}{by}", self.application, self.version)),
            line("environment", format!("namespace {}; {runs}", self.namespace)),
            line("change", self.change()),
        ];
        let about = &self.change.description;
        lines.extend(
            Some(about.tickets.join(", ")).filter(|it| !it.is_empty()).map(|text| line("tickets", text)),
        );
        lines.extend(about.links.iter().map(|link| line("link", format!("{}: {}", link.title, link.url))));
        lines.extend(self.images.iter().map(|image| line("image", image.clone())));
        lines.push(line("digest", self.digest.clone()));
        let approvals = self.decisions.iter().filter(|decision| decision.approves).count();
        let tone = if self.needed.is_none() { Tone::Good } else { Tone::Waits };
        let count = Cell::toned(format!("{approvals} of {}", self.required), tone);
        let decisions = self.decisions.iter().map(|decision| decision.line(now));
        lines.push(
            Branch::new(vec![Cell::plain("approvals"), count], self.needed.as_deref().unwrap_or_default())
                .with(decisions),
        );
        let head = vec![
            Cell::plain("Approval"),
            Cell::plain(&self.release),
            Cell::plain("for"),
            Cell::plain(&self.environment),
        ];
        Branch::new(head, "").with(lines)
    }

    fn change(&self) -> String {
        let ChangeRecord { type_, reversible, description: about } = &self.change;
        let mut words = vec![type_.as_str().to_owned()];
        words.extend(about.risk.map(|risk| format!("risk {risk:?}")));
        words.extend((!reversible).then(|| "irreversible: automation does not roll it back".to_owned()));
        words.extend(about.owner.as_ref().map(|owner| format!("owner {owner}")));
        let summary = about.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
        format!("{}{summary}", words.join(", "))
    }
}

impl Decision {
    fn line(&self, now: Timestamp) -> Branch {
        let (word, tone) = if self.approves { ("approved", Tone::Good) } else { ("rejected", Tone::Bad) };
        let mut cells = vec![Cell::plain(&self.by), Cell::toned(word, tone)];
        cells.extend(self.at.map(|then| Cell::plain(since(then, now))));
        Branch::new(cells, self.comment.as_deref().unwrap_or_default())
    }
}
