//! Gates about users: the requester's rights and approvals. They rely on the user names that the admission policies record.
//!
//! An approval counts if it names this release, environment and digest, has not expired, and its approver is a person who still has the
//! verb `approve` here and did not request the release. Each person counts once. A rejection closes the gate until it is deleted. An
//! approval that was given before the release was rolled back here does not count again.

use super::declared::{Declared, declared};
use super::gate::Gate;
use crate::api::{
    Approval, ApprovalDecision, ApprovalOf, Approvals, ApprovalsReport, Approved, CachedRelease, ChangeType,
    Environment, Meta, ObjectIdentity, Reason, UserInfo,
};
use crate::decide::conditions::cut;
use crate::decide::history::lane::Lane;
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::{Admission, Project, Verb};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The admission policies are in force, or the chart was installed without them.
pub(in crate::decide) fn rules_are_in_force(project: &Project) -> Gate {
    match &project.admission {
        Admission::Enforced | Admission::Disabled => Gate::Open,
        Admission::Degraded(what) => Gate::closed(
            Reason::Security,
            format!("{what}; only rollbacks start until the admission policies of the chart are restored"),
        ),
    }
}

/// The controller promotes a release only if its requester may promote here.
pub(in crate::decide) fn requester_may_promote(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
) -> Gate {
    if project.admission != Admission::Enforced {
        return Gate::Open;
    }
    let Some(requester) = release.requested_by() else {
        return Gate::closed(
            Reason::Requester,
            "no requester is recorded, because the release is older than the admission policies; a user with the verb promote here can create a Promotion",
        );
    };
    match project.may(Verb::Promote, environment, &requester) {
        Some(true) => Gate::Open,
        Some(false) => Gate::closed(
            Reason::Requester,
            format!(
                "{} may not promote to {}; grant them the verb promote on environments/{}, or let a user who has it create a \
                 Promotion",
                requester.username,
                environment.name(),
                environment.name()
            ),
        ),
        None => Gate::closed(
            Reason::Requester,
            "checking with the API server whether the requester may promote here",
        ),
    }
}

/// What has to be approved: one release in one environment, with the digest of what would be written.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The release.
    pub release: &'a CachedRelease,
    /// The user who created the promotion. None if the controller did.
    pub promotion_requester: Option<&'a UserInfo>,
    /// Digest of what would be written.
    pub digest: &'a str,
}

/// The approvals of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// For the status of the promotion.
    pub report: ApprovalsReport,
    /// When the first of the approvals that count expires.
    pub until: Option<Timestamp>,
}

impl Tally {
    /// Whether no further approval is needed.
    pub fn is_complete(&self) -> bool {
        self.report.needed.is_none()
    }
}

/// The approval rules of the environment, if they apply to this release.
pub fn required_approvals<'a>(
    project: &Project,
    environment: &'a Environment,
    release: &CachedRelease,
) -> Option<&'a Approvals> {
    let rules = environment.spec.approvals.as_ref()?;
    (!rules.not_for.contains(&declared(project, environment, release).counts_as)).then_some(rules)
}

/// How long after its start an Emergency change may be unapproved. None if it must be approved first.
pub fn may_start_unapproved(
    project: &Project,
    environment: &Environment,
    rules: &Approvals,
    release: &CachedRelease,
) -> Option<jiff::SignedDuration> {
    let is_emergency = || declared(project, environment, release).counts_as == ChangeType::Emergency;
    rules.emergency_within.filter(|_| is_emergency()).map(span)
}

/// Whether the type that a release declares would have spared it these approvals, or let it start before them.
pub fn would_be_spared(rules: &Approvals, change: &Declared) -> bool {
    rules.not_for.contains(&change.declared)
        || (change.declared == ChangeType::Emergency && rules.emergency_within.is_some())
}

/// Until when an approval counts, or which of its fields is the reason that it does not.
pub fn counts(
    project: &Project,
    rules: &Approvals,
    case: Case<'_>,
    approval: &Approval,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let spec = &approval.spec;
    let (environment, release) = (case.environment, case.release);
    if spec.environment.name != environment.name() || spec.environment.uid != environment.uid() {
        return Err(format!("spec.environment.uid is of another environment {}", spec.environment.name));
    }
    if spec.release.name != release.name() || spec.release.uid != release.uid() {
        return Err(format!("spec.release.uid is of another release {}", spec.release.name));
    }
    if spec.digest != case.digest {
        return Err(format!("spec.digest is not {}, the digest of what would be written now", case.digest));
    }
    let expiry = rules.valid_for.filter(|_| spec.decision == ApprovalDecision::Approve);
    let expiry = expiry.map(|time| later(approval.created(), span(time)));
    let until = [expiry, spec.expires_at.as_ref().map(|time| time.0)].into_iter().flatten().min();
    if until.is_some_and(|until| until <= now) {
        let field =
            if expiry == until { "spec.approvals.validFor of the environment" } else { "spec.expiresAt" };
        return Err(format!("{field}: it expired at {}", until.unwrap_or(now)));
    }
    let Some(approver) = &spec.approver else {
        return Err("spec.approver is missing: the Approval was created without the admission policies; create it again".to_owned());
    };
    if approver.is_service_account() {
        return Err("spec.approver is a ServiceAccount, which cannot approve".to_owned());
    }
    if let Some(rollback) = rolled_back_since(project, case, approval) {
        return Err(format!(
            "it was given before {rollback} rolled {} back; approve it again",
            release.name()
        ));
    }
    match project.may(Verb::Approve, environment, approver) {
        Some(true) => {}
        Some(false) => {
            return Err(format!(
                "spec.approver: {} may not approve for {}",
                approver.username,
                environment.name()
            ));
        }
        None => return Err("checking with the API server whether the approver may approve".to_owned()),
    }
    let requester = release.requested_by();
    let mut requesters = [requester.as_ref(), case.promotion_requester].into_iter().flatten();
    let is_own = requesters.any(|requester| is_same(requester, approver));
    if is_own && !rules.requester_may_approve && spec.decision == ApprovalDecision::Approve {
        return Err(format!(
            "spec.approver: {} requested the release and cannot approve it; spec.approvals.requesterMayApprove is false",
            approver.username
        ));
    }
    Ok(until)
}

/// The rollback that took the release back after an approval was given: people decide about it again. A rejection stays.
fn rolled_back_since(project: &Project, case: Case<'_>, approval: &Approval) -> Option<String> {
    let lane = Lane::of(project, case.environment, &case.release.application_name());
    let rollback = lane.rolled_back_by(case.release)?;
    let is_old =
        approval.spec.decision == ApprovalDecision::Approve && approval.created() <= rollback.created();
    is_old.then(|| rollback.name().to_owned())
}

fn is_same(one: &UserInfo, other: &UserInfo) -> bool {
    one.username == other.username || (one.uid.is_some() && one.uid == other.uid)
}

/// What a person decided about a case.
struct Person<'a> {
    /// The decision that counts: a rejection, else the newest approval.
    counts: &'a Approval,
    until: Option<Timestamp>,
    /// All of their decisions that are valid.
    all: Vec<&'a Approval>,
}

/// The people who decided about a case. A person who changed their user name or was created again is the same person.
fn people<'a>(project: &'a Project, rules: &Approvals, case: Case<'_>, now: Timestamp) -> Vec<Person<'a>> {
    let valid = project.approvals.values().filter_map(|approval| {
        let until = counts(project, rules, case, approval, now).ok()?;
        approval.spec.approver.as_ref().map(|approver| (approver, approval.as_ref(), until))
    });
    let mut groups: Vec<Vec<(&UserInfo, &Approval, Option<Timestamp>)>> = Vec::new();
    for decision in valid {
        let is_theirs = |group: &Vec<(&UserInfo, &Approval, _)>| {
            group.iter().any(|(approver, ..)| is_same(approver, decision.0))
        };
        let (theirs, mut others): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_theirs);
        others.push(theirs.into_iter().flatten().chain([decision]).collect());
        groups = others;
    }
    let newest = |group: &Vec<(&UserInfo, &'a Approval, Option<Timestamp>)>| {
        let rejects = |approval: &Approval| approval.spec.decision == ApprovalDecision::Reject;
        let order = |approval: &Approval| (rejects(approval), approval.created(), approval.name().to_owned());
        let (_, counts, until) = *group.iter().max_by_key(|(_, approval, _)| order(approval))?;
        Some(Person { counts, until, all: group.iter().map(|(_, approval, _)| *approval).collect() })
    };
    let mut people: Vec<Person<'_>> = groups.iter().filter_map(newest).collect();
    people
        .sort_by_key(|person| person.counts.spec.approver.as_ref().map(|approver| approver.username.clone()));
    people
}

/// Until when an approval counts; or why it does not, which may be another decision of the same person.
pub fn outcome(
    project: &Project,
    rules: &Approvals,
    case: Case<'_>,
    approval: &Approval,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let until = counts(project, rules, case, approval, now)?;
    let people = people(project, rules, case, now);
    let person = people.iter().find(|person| person.all.iter().any(|one| one.name() == approval.name()));
    let instead = person.map(|person| person.counts).filter(|counts| counts.name() != approval.name());
    match instead {
        None => Ok(until),
        Some(other) if other.spec.decision == ApprovalDecision::Reject => {
            Err(format!("the Approval {} of the same person rejects the release", other.name()))
        }
        Some(other) => Err(format!(
            "a person counts once, and the Approval {} of the same person is newer",
            other.name()
        )),
    }
}

/// Counts the approvals of a case.
pub fn tally(project: &Project, rules: &Approvals, case: Case<'_>, now: Timestamp) -> Tally {
    let people = people(project, rules, case, now);
    let until = people.iter().fold(None, |until, person| earliest(until, person.until));
    let (rejected, approved): (Vec<_>, Vec<_>) = people
        .iter()
        .map(|person| person.counts)
        .partition(|approval| approval.spec.decision == ApprovalDecision::Reject);
    let line = |approval: &&Approval| Approved {
        by: approval.spec.approver.as_ref().map(|approver| approver.username.clone()).unwrap_or_default(),
        at: approval.metadata.creation_timestamp.clone(),
        comment: approval.spec.comment.clone(),
    };
    Tally {
        report: ApprovalsReport {
            of: ApprovalOf {
                release: ObjectIdentity {
                    name: case.release.release_name(),
                    uid: case.release.uid().to_owned(),
                },
                environment: ObjectIdentity {
                    name: case.environment.environment_name(),
                    uid: case.environment.uid().to_owned(),
                },
                digest: case.digest.to_owned(),
            },
            required: rules.required,
            approved: approved.iter().map(line).take(50).collect(),
            rejected: rejected.iter().map(line).take(50).collect(),
            needed: needed(rules, &approved, &rejected),
            due: None,
        },
        until,
    }
}

/// Maximum length of `status.approvals.needed`.
const MOST_NEEDED: usize = 1024;

/// Which approvals are missing, or who rejected.
fn needed(rules: &Approvals, approved: &[&Approval], rejected: &[&Approval]) -> Option<String> {
    let name =
        |approval: &&Approval| approval.spec.approver.as_ref().map(|approver| approver.username.clone());
    if !rejected.is_empty() {
        let who: Vec<String> = rejected.iter().filter_map(name).collect();
        return Some(cut(
            &format!("{} rejected it; the gate opens when they delete their Approval", who.join(", ")),
            MOST_NEEDED,
        ));
    }
    let mut parts = Vec::new();
    let have = i32::try_from(approved.len()).unwrap_or(i32::MAX);
    if have < rules.required {
        parts.push(format!("{} of {} approvals", have, rules.required));
    }
    for group in &rules.from {
        let of_group = approved.iter().filter(|approval| {
            approval.spec.approver.as_ref().is_some_and(|approver| approver.groups.contains(&group.group))
        });
        let have = i32::try_from(of_group.count()).unwrap_or(i32::MAX);
        if have < group.at_least {
            parts.push(format!("{have} of {} from {}", group.at_least, group.group));
        }
    }
    let who: Vec<String> = approved.iter().filter_map(name).collect();
    let by = if who.is_empty() { String::new() } else { format!(" (approved by {})", who.join(", ")) };
    (!parts.is_empty()).then(|| cut(&format!("has {}{by}", parts.join(", ")), MOST_NEEDED))
}

/// When the approval of an Emergency change that started is due.
pub fn due(started: Timestamp, within: jiff::SignedDuration) -> Time {
    Time(crate::decide::conditions::seconds(later(started, within)))
}

#[cfg(test)]
#[path = "approvals_tests.rs"]
mod tests;
