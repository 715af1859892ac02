//! Intents: what people write, as the objects that they would write as manifests, and the rights that each needs.
//!
//! Pure functions. The API server judges what is written: the rights are listed so that a missing one can be named before.

mod freezes;
mod recalls;
mod reviews;

pub use freezes::{freeze, freeze_cluster, unfreeze, unfreeze_cluster};
pub use recalls::{lift_recall, recall};
pub use reviews::review;

use super::right::{Right, Role};
use crate::api::{
    ApplicationName, Approval, ApprovalDecision, ApprovalOf, ApprovalSpec, EnvironmentName, GateName, Meta,
    Override, ProjectName, Promotion, PromotionKind, PromotionSpec, Release, ReleaseName, UserInfo, mark,
};
use serde::Serialize;
use serde_json::{Value, json};

/// What a person writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Kind of the object.
    pub kind: Kind,
    /// What happens to the object.
    pub write: Write,
    /// What it is called once it has happened, such as `created`.
    pub done: &'static str,
    /// The rights that it needs.
    pub rights: Vec<Right>,
    /// The role of the chart that suffices.
    pub role: Role,
}

impl Intent {
    /// Kind and name of the object.
    pub fn object(&self) -> String {
        let name = match &self.write {
            Write::Create(manifest) => {
                let metadata = &manifest["metadata"];
                metadata["name"].as_str().or(metadata["generateName"].as_str()).unwrap_or_default()
            }
            Write::Patch { name, .. } | Write::Delete { name, .. } => name,
        };
        format!("{} {name}", self.kind.singular())
    }
}

/// A kind of object that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A promotion or a rollback.
    Promotion,
    /// An approval or a rejection.
    Approval,
    /// A recall.
    Recall,
    /// The review of a release.
    Review,
    /// A release.
    Release,
    /// A freeze of a project.
    ChangeFreeze,
    /// A freeze of the cluster.
    ClusterChangeFreeze,
}

impl Kind {
    /// Name of the kind, in lower case.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Approval => "approval",
            Self::Recall => "recall",
            Self::Review => "review",
            Self::Release => "release",
            Self::ChangeFreeze => "changefreeze",
            Self::ClusterChangeFreeze => "clusterchangefreeze",
        }
    }

    /// Name of the kind in a URL.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Promotion => "promotions",
            Self::Approval => "approvals",
            Self::Recall => "recalls",
            Self::Review => "reviews",
            Self::Release => "releases",
            Self::ChangeFreeze => "changefreezes",
            Self::ClusterChangeFreeze => "clusterchangefreezes",
        }
    }

    /// What to do if an object of this name exists.
    pub fn if_taken(self) -> &'static str {
        match self {
            Self::Release => "a Release is immutable: use another version, or another name with --name",
            // The API server completes their names.
            Self::Promotion | Self::Approval | Self::Review => "try again",
            Self::Recall | Self::ChangeFreeze | Self::ClusterChangeFreeze => "use another name",
        }
    }
}

/// What happens to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It is created from this manifest.
    Create(Value),
    /// It is changed by this merge patch.
    Patch {
        /// Name of the object.
        name: String,
        /// The merge patch.
        patch: Value,
    },
    /// It is deleted, if it still is the object with this UID.
    Delete {
        /// Name of the object.
        name: String,
        /// UID of the object.
        uid: Option<String>,
    },
}

/// Where something is written, by whom, and why.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The project. None for an object of the cluster.
    pub project: Option<&'a ProjectName>,
    /// The user. None leaves it to the API server to fill the user in.
    pub by: Option<&'a UserInfo>,
    /// Reason, in a sentence.
    pub reason: Option<&'a str>,
}

/// A release.
pub fn cut(request: Request<'_>, mut release: Release) -> Intent {
    release.spec.requested_by = request.by.cloned();
    // A release that is created on hold is held by who creates it.
    let holder = request.by.filter(|_| release.spec.hold == Some(true));
    if let Some(user) = holder {
        let annotations = release.metadata.annotations.get_or_insert_default();
        annotations.insert(mark::HELD_BY.to_owned(), user.username.clone());
    }
    let name = release.metadata.name.clone().unwrap_or_default();
    let rights = vec![Right::to("create", "releases")];
    created(request, &name, Kind::Release, release, Role::Requester, rights)
}

/// The dry run of the promotion of a release to an environment.
pub fn compare(request: Request<'_>, release: &Release, environment: &EnvironmentName) -> Intent {
    let name = ReleaseName::from(release.metadata.name.as_deref().unwrap_or_default());
    let application = Some(release.spec.application.clone());
    let spec = PromotionSpec { application, dry_run: true, ..bare(request, &name, environment) };
    promotion(request, &format!("{}{environment}-", mark::DRY_RUN), spec)
}

/// The promotion of a release to an environment.
pub fn promote(request: Request<'_>, release: &ReleaseName, environment: &EnvironmentName) -> Intent {
    let spec =
        PromotionSpec { reason: request.reason.map(str::to_owned), ..bare(request, release, environment) };
    promotion(request, &format!("{environment}-{release}-"), spec)
}

/// A promotion that a requester may create.
fn promotion(request: Request<'_>, name: &str, spec: PromotionSpec) -> Intent {
    let rights = vec![Right::to("create", "promotions"), Right::on(&spec.environment, "promote")];
    created(request, name, Kind::Promotion, Promotion::new(name, spec), Role::Requester, rights)
}

/// The promotion of a release past closed gates. The reason is that of the override.
pub fn override_gates(
    request: Request<'_>,
    release: &ReleaseName,
    environment: &EnvironmentName,
    gates: &[GateName],
) -> Intent {
    let reason = request.reason.unwrap_or_default().to_owned();
    let override_ = Some(Override { gates: gates.to_vec(), reason });
    let spec = PromotionSpec { override_, ..bare(request, release, environment) };
    let name = format!("{environment}-{release}-override-");
    created(
        request,
        &name,
        Kind::Promotion,
        Promotion::new(&name, spec),
        Role::OnCall,
        vec![
            Right::to("create", "promotions"),
            Right::on(environment, "promote"),
            Right::on(environment, "override"),
        ],
    )
}

/// The rollback of an application in an environment. `release` is what runs or is being promoted there.
pub fn roll_back(
    request: Request<'_>,
    release: &ReleaseName,
    environment: &EnvironmentName,
    application: &ApplicationName,
    to: Option<i64>,
) -> Intent {
    let spec = PromotionSpec {
        kind: PromotionKind::Rollback,
        application: Some(application.clone()),
        to_revision: to,
        reason: request.reason.map(str::to_owned),
        ..bare(request, release, environment)
    };
    let name = format!("{environment}-{release}-rollback-");
    created(
        request,
        &name,
        Kind::Promotion,
        Promotion::new(&name, spec),
        Role::OnCall,
        vec![Right::to("create", "promotions"), Right::on(environment, "rollback")],
    )
}

/// The withdrawal of a promotion that has not started.
pub fn withdraw(request: Request<'_>, promotion: &Promotion) -> Intent {
    let is_own = is_by(request, promotion.requester());
    let mut rights = vec![Right::to("delete", "promotions")];
    rights.extend((!is_own).then(|| Right::on(&promotion.spec.environment, "rollback")));
    let role = if is_own { Role::Requester } else { Role::OnCall };
    let write = Write::Delete { name: promotion.name().to_owned(), uid: promotion.metadata.uid.clone() };
    of(Kind::Promotion, write, "withdrawn", role, rights)
}

/// An approval, or a rejection, of what a promotion would write.
pub fn decide(request: Request<'_>, of: &ApprovalOf, decision: ApprovalDecision) -> Intent {
    let environment = &of.environment.name;
    let spec = ApprovalSpec {
        release: of.release.clone(),
        environment: of.environment.clone(),
        digest: of.digest.clone(),
        decision,
        comment: request.reason.map(str::to_owned),
        expires_at: None,
        approver: request.by.cloned(),
    };
    let name = format!("{environment}-{}-", of.release.name);
    created(
        request,
        &name,
        Kind::Approval,
        Approval::new(&name, spec),
        Role::Approver,
        vec![Right::to("create", "approvals"), Right::on(environment, "approve")],
    )
}

/// The hold of a release: no promotion of it starts.
pub fn hold(request: Request<'_>, release: &Release) -> Intent {
    let mut rights = vec![Right::to("patch", "releases")];
    let is_own = is_by(request, release.spec.requested_by.as_ref());
    rights.extend((!is_own).then(|| Right::on_all("rollback")));
    let patch = json!({
        "metadata": { "annotations": {
            mark::HELD_BY: request.by.map(|user| &user.username),
            mark::HELD_BECAUSE: request.reason,
        } },
        "spec": { "hold": true },
    });
    let write = Write::Patch { name: release.metadata.name.clone().unwrap_or_default(), patch };
    of(Kind::Release, write, "held", if is_own { Role::Requester } else { Role::OnCall }, rights)
}

/// The end of a hold.
pub fn resume(request: Request<'_>, release: &Release) -> Intent {
    let mut rights = vec![Right::to("patch", "releases")];
    let is_own = is_by(request, release.spec.requested_by.as_ref());
    let holder = release.metadata.annotations.iter().flatten().find(|(name, _)| *name == mark::HELD_BY);
    let is_holder = holder.is_some_and(|(_, holder)| request.by.is_some_and(|user| user.username == *holder));
    let right = lifts_hold(is_holder, is_own).into_iter().next();
    let role = if right.is_none() { Role::Requester } else { Role::OnCall };
    rights.extend(right);
    let patch = json!({
        "metadata": { "annotations": { mark::HELD_BY: null, mark::HELD_BECAUSE: null } },
        "spec": { "hold": null },
    });
    of(
        Kind::Release,
        Write::Patch { name: release.metadata.name.clone().unwrap_or_default(), patch },
        "resumed",
        role,
        rights,
    )
}

/// The rights of which one lifts a hold. Empty if the user needs none: who requested a release lifts their own hold of it.
pub fn lifts_hold(is_holder: bool, is_requester: bool) -> Vec<Right> {
    match (is_holder, is_requester) {
        (true, true) => Vec::new(),
        (true, false) => vec![Right::on_all("rollback"), Right::on_all("override")],
        (false, _) => vec![Right::on_all("override")],
    }
}

fn is_by(request: Request<'_>, user: Option<&UserInfo>) -> bool {
    request.by.zip(user).is_some_and(|(by, user)| by.username == user.username)
}

fn bare(request: Request<'_>, release: &ReleaseName, environment: &EnvironmentName) -> PromotionSpec {
    PromotionSpec {
        release: release.clone(),
        environment: environment.clone(),
        application: None,
        kind: PromotionKind::Promote,
        to_revision: None,
        cause: None,
        reason: None,
        override_: None,
        dry_run: false,
        requested_by: request.by.cloned(),
    }
}

/// The API server completes a name that ends with `-`.
fn created(
    request: Request<'_>,
    name: &str,
    kind: Kind,
    object: impl Serialize,
    role: Role,
    rights: Vec<Right>,
) -> Intent {
    // An object of the API has a JSON form.
    let mut manifest = serde_json::to_value(object).unwrap_or_default();
    let field = if name.ends_with('-') { "generateName" } else { "name" };
    let annotations = manifest["metadata"]["annotations"].take();
    manifest["metadata"] = json!({ field: name });
    if !annotations.is_null() {
        manifest["metadata"]["annotations"] = annotations;
    }
    if let Some(project) = request.project {
        manifest["metadata"]["namespace"] = json!(project);
    }
    of(kind, Write::Create(manifest), "created", role, rights)
}

fn of(kind: Kind, write: Write, done: &'static str, role: Role, rights: Vec<Right>) -> Intent {
    Intent { kind, write, done, rights, role }
}

#[cfg(test)]
#[path = "intent_tests.rs"]
mod tests;
