//! Dependants: applications whose running release requires a version that a rollback goes below.

use super::{meets, version};
use crate::api::{
    ApplicationName, Delivery, Environment, HOLDS, Meta, Promotion, PromotionKind, PromotionSpec, Reason,
    Requirement,
};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Owner};
use crate::decide::history::lane::Lane;
use crate::decide::history::target::{irreversible, rollback_names};
use crate::decide::world::Project;

/// The suffix of the names of rollbacks of dependants.
const SUFFIX: &str = "requires";

/// A dependant whose running release would lose what it requires.
#[derive(Clone, Debug)]
pub struct Dependant<'a> {
    /// The name of its rollback.
    pub name: String,
    /// Its rollback, once it exists.
    pub rollback: Option<&'a Promotion>,
    action: Action,
}

impl Dependant<'_> {
    /// The creation of its rollback, unless it exists.
    pub fn action(&self) -> Option<Action> {
        self.rollback.is_none().then(|| self.action.clone())
    }
}

/// The dependants of an application that are rolled back when it goes back to a version, and why the others stay; none of them where
/// another tool deploys.
pub fn dependants<'a>(
    project: &'a Project,
    environment: &'a Environment,
    application: &ApplicationName,
    to: Option<&str>,
) -> (Vec<Dependant<'a>>, Vec<String>) {
    let is_managed = environment.spec.delivery == Delivery::Managed;
    let others = project.others.keys().filter(|other| is_managed && *other != application);
    let (mut follow, mut stay) = (Vec::new(), Vec::new());
    for found in others.filter_map(|other| dependant(project, environment, other, application, to)) {
        match found {
            Ok(dependant) => follow.push(dependant),
            Err(why) => stay.push(why),
        }
    }
    (follow, stay)
}

fn dependant<'a>(
    project: &'a Project,
    environment: &'a Environment,
    other: &ApplicationName,
    application: &ApplicationName,
    to: Option<&str>,
) -> Option<Result<Dependant<'a>, String>> {
    let lane = Lane::of_other(project, environment, other);
    let current = lane.current()?;
    let origin = lane.content_of(current)?;
    let required = broken(project, origin, application, to)?;
    let stays = |why: &str| {
        let Requirement { application, version } = required;
        Some(Err(format!("{} requires {application} {version} and stays: {why}", origin.spec.release)))
    };
    if is_held(current) {
        return stays("its failure is held");
    }
    let is_sound = |promotion: &&'a Promotion| {
        let origin = lane.content_of(promotion);
        origin.is_some_and(|origin| broken(project, origin, application, to).is_none())
    };
    let target = lane.verified_targets().find(is_sound);
    let Some(target) = target.and_then(|target| lane.content_of(target)?.revision()) else {
        return stays(&format!(
            "no verified revision of {other} works with {application} {}",
            to.unwrap_or("before its first release")
        ));
    };
    if let Some(promotion) = irreversible(&lane, target) {
        return stays(&format!("{} is irreversible", promotion.spec.release));
    }
    let name = rollback_names(current, SUFFIX).next()?;
    let all = lane.pending.iter().chain(&lane.revisions).copied();
    let rollback = all.clone().find(|promotion| promotion.name() == name);
    let went = to.map_or_else(|| "what ran before Towpath first wrote".to_owned(), str::to_owned);
    let restored = lane.revision(target).and_then(|target| version(&lane, target)).unwrap_or_default();
    let reason = format!(
        "{} requires {application} {} or a newer version, and {application} is rolled back to {went}; {other} goes back to {restored}",
        origin.spec.release, required.version
    );
    let action = Action::CreatePromotion {
        name: name.clone(),
        application: other.clone(),
        spec: Box::new(PromotionSpec {
            release: origin.spec.release.clone(),
            environment: environment.environment_name(),
            application: Some(other.clone()),
            kind: PromotionKind::Rollback,
            to_revision: Some(target),
            cause: Some(Reason::Requires.to_string()),
            reason: Some(cut(&reason, 1024)),
            override_: None,
            dry_run: false,
            requested_by: None,
        }),
        owner: Owner::environment(environment),
    };
    Some(Ok(Dependant { name, rollback, action }))
}

/// Whether a failure holds the lane.
fn is_held(current: &Promotion) -> bool {
    let conditions = current.status.iter().flat_map(|status| &status.conditions);
    let mut holds = conditions.filter(|condition| condition.type_ == HOLDS && condition.status == "True");
    current.phase().has_failed() && holds.next().is_some()
}

/// What a promotion recorded that it requires of an application, if a version does not meet it.
fn broken<'a>(
    project: &Project,
    promotion: &'a Promotion,
    application: &ApplicationName,
    to: Option<&str>,
) -> Option<&'a Requirement> {
    let required = promotion.status.as_ref()?.requires.iter().find(|it| it.application == *application)?;
    let is_met = to.is_some_and(|version| meets(project, version, required));
    (!is_met).then_some(required)
}

/// Whether the controller created a rollback because a required application was rolled back.
pub fn is_of_requirement(promotion: &Promotion) -> bool {
    let cause = promotion.spec.cause.as_deref().map(Reason::from);
    promotion.spec.kind == PromotionKind::Rollback
        && promotion.is_automatic()
        && cause == Some(Reason::Requires)
}
