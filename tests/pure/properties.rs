//! The invariants of `decide` over arbitrary worlds, nonsense included. TOWPATH_CASES raises the number of worlds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "it is how a test fails"
)]

mod after_verified;
mod changes;
mod consent;
mod dry_runs;
mod explained;
mod facts;
mod measured;
mod parts;
mod recalls;
mod tests;
mod worlds;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use support::manifests::{documents, read, root};
use support::schema::misfits;
use towpath::api::{Delivery, DriftMode, GateName, Meta, PromotionKind, PromotionPhase, PromotionStatus};
use towpath::decide::decision::{Action, Decision};
use towpath::decide::gates::approvals::{may_start_unapproved, required_approvals};
use towpath::decide::gates::gate::Gate;
use towpath::decide::gates::{Requested, evaluate};
use towpath::decide::history::lane::Lane;
use towpath::decide::needs::plans;
use towpath::decide::world::{Admission, EnvironmentWorld, Grant, Project, PromotionWorld, ReleaseWorld};
use towpath::decide::{environment, promotion, release};
use worlds::{Choices, now};

/// Runs `check` over the worlds of many projects.
fn over_worlds(
    check: impl Fn(&[ReleaseWorld], &[EnvironmentWorld], &[PromotionWorld]) -> Result<(), String>,
) {
    let cases = std::env::var("TOWPATH_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 3000, ..Config::default() };
    let bytes = proptest::collection::vec(any::<u8>(), 0..900);
    let outcome = TestRunner::new(config).run(&bytes, |bytes| {
        let mut choices = Choices(bytes.iter());
        let project = worlds::project(&mut choices);
        let promotions = worlds::promotion_worlds(&project, &mut choices);
        let environments = worlds::environment_worlds(&project, &mut choices);
        let releases = worlds::release_worlds(&project, &mut choices);
        check(&releases, &environments, &promotions).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

#[test]
fn any_world_gives_one_decision_which_wakes_later_than_now() {
    fn check<W: Debug, S: Debug>(world: &W, decide: impl Fn(&W) -> Decision<S>) -> Result<(), String> {
        let decision = decide(world);
        let again = format!("{:?}", decide(world));
        hold(format!("{decision:?}") == again, || format!("two decisions: {world:#?}"))?;
        hold(decision.wake_at.is_none_or(|at| at > now()), || {
            format!("{:?} is not later than now: {world:#?}", decision.wake_at)
        })
    }
    over_worlds(|releases, environments, promotions| {
        releases.iter().try_for_each(|world| check(world, |world| release::decide(world, now())))?;
        environments.iter().try_for_each(|world| check(world, |world| environment::decide(world, now())))?;
        promotions.iter().try_for_each(|world| check(world, |world| promotion::decide(world, now())))
    });
}

#[test]
fn what_was_reported_is_not_reported_again() {
    over_worlds(|releases, environments, promotions| {
        for world in releases {
            let Some(status) = release::decide(world, now()).report else { continue };
            let mut next = world.clone();
            next.release = Arc::new(next.release.with_status(&status));
            next.project.releases.insert(world.release.name().into(), Arc::clone(&next.release));
            silent(release::decide(&next, now()), &next)?;
        }
        for world in environments {
            let Some(status) = environment::decide(world, now()).report else {
                continue;
            };
            let mut next = world.clone();
            Arc::make_mut(&mut next.environment).status = Some(status);
            next.project
                .environments
                .insert(world.environment.environment_name(), Arc::clone(&next.environment));
            silent(environment::decide(&next, now()), &next)?;
        }
        for world in promotions {
            let decision = promotion::decide(world, now());
            // Memory of a decision that does nothing else is written like a report.
            let alone =
                decision.memory.filter(|_| decision.actions.is_empty() && decision.records.is_empty());
            let Some(status) = alone.or(decision.report) else { continue };
            let next = with_status(world, status);
            let again = promotion::decide(&next, now());
            let is_over = next.promotion.phase().is_final();
            hold(!is_over || (again.actions.is_empty() && again.memory.is_none()), || {
                format!("it has ended: {again:?}")
            })?;
            silent(again, &next)?;
        }
        Ok(())
    });
}

#[test]
fn a_write_that_failed_just_now_is_not_repeated_at_once() {
    over_worlds(|_, _, promotions| {
        for world in promotions {
            let decision = promotion::decide(world, now());
            let ends = decision.memory.as_ref().is_some_and(|status| status.phase.is_final());
            let is_too_early = |action: &&Action| {
                let failed = action.object().and_then(|key| world.failed.get(&key));
                failed.is_some_and(|failed| !failed.conflict && failed.at >= now())
            };
            let early = decision.actions.iter().find(is_too_early).filter(|_| !ends);
            hold(early.is_none(), || format!("{early:?}\n{world:#?}"))?;
        }
        Ok(())
    });
}

/// The status with which a promotion starts, if it does.
fn started(decision: &Decision<PromotionStatus>) -> Option<&PromotionStatus> {
    decision.memory.as_ref().filter(|status| status.phase.is_running())
}

fn silent<S: Debug>(decision: Decision<S>, world: &impl Debug) -> Result<(), String> {
    hold(decision.report.is_none(), || format!("{:#?}\n{world:#?}", decision.report))
}

fn with_status(world: &PromotionWorld, status: PromotionStatus) -> PromotionWorld {
    let mut next = world.clone();
    Arc::make_mut(&mut next.promotion).status = Some(status);
    next.project.promotions.insert(world.promotion.name().into(), Arc::clone(&next.promotion));
    next.plans = plans(&next);
    next
}

#[test]
fn a_closed_gate_lets_nothing_through() {
    over_worlds(|_, environments, promotions| {
        for world in environments {
            for action in environment::decide(world, now()).actions {
                let Action::CreatePromotion { spec, .. } = action else { continue };
                // A verified release that fails is rolled back whatever the gates say.
                if spec.kind == PromotionKind::Rollback {
                    continue;
                }
                let release = &world.project.releases[&spec.release];
                // What has to be approved is made before gates open that open by themselves.
                let passed: &[GateName] =
                    match required_approvals(&world.project, &world.environment, release) {
                        None => &[],
                        Some(_) => &[GateName::Soak, GateName::NotBefore, GateName::Window, GateName::Freeze],
                    };
                let gate = evaluate(
                    &world.project,
                    &world.environment,
                    release,
                    Requested::ByController,
                    passed,
                    now(),
                );
                let grant = world.project.grant(&world.environment);
                hold(gate == Gate::Open && !matches!(grant, Grant::Missing(_)), || {
                    format!("{gate:?}: {world:#?}")
                })?;
            }
        }
        for world in promotions.iter().filter(|world| world.promotion.phase() == PromotionPhase::Pending) {
            let spec = &world.promotion.spec;
            let release = world.project.releases.get(&spec.release);
            let (Some(environment), Some(release)) =
                (world.project.environments.get(&spec.environment), release)
            else {
                continue;
            };
            let overridden = spec.override_.as_ref().map(|said| said.gates.as_slice()).unwrap_or_default();
            let gate = evaluate(&world.project, environment, release, Requested::ByPerson, overridden, now());
            let may = spec.kind == PromotionKind::Rollback || gate == Gate::Open;
            let decision = promotion::decide(world, now());
            let starts =
                started(&decision).is_some() || !decision.actions.is_empty() || !decision.records.is_empty();
            hold(may && *world.project.grant(environment) == Grant::Granted || !starts, || {
                format!("{gate:?}: {world:#?}\n{decision:#?}")
            })?;
        }
        Ok(())
    });
}

#[test]
fn nothing_starts_that_has_not_been_approved() {
    over_worlds(|_, _, promotions| {
        for world in promotions.iter().filter(|world| world.promotion.phase() == PromotionPhase::Pending) {
            let spec = &world.promotion.spec;
            let found = world
                .project
                .environments
                .get(&spec.environment)
                .zip(world.project.releases.get(&spec.release));
            let Some((environment, release)) = found.filter(|_| spec.kind == PromotionKind::Promote) else {
                continue;
            };
            let Some(rules) = required_approvals(&world.project, environment, release) else { continue };
            let decision = promotion::decide(world, now());
            let Some(status) = started(&decision) else { continue };
            if environment.spec.delivery == Delivery::Observed {
                continue;
            }
            let overridden =
                spec.override_.as_ref().is_some_and(|said| said.gates.contains(&GateName::Approval));
            let first = may_start_unapproved(&world.project, environment, rules, release).is_some();
            let people = status.approvals.as_ref().map(|report| {
                let names: BTreeSet<&String> = report.approved.iter().map(|approved| &approved.by).collect();
                names.len()
            });
            let enough = people >= Some(rules.required as usize);
            let enforced = world.project.admission == Admission::Enforced;
            hold(enforced && (enough || overridden || first), || format!("{status:#?}"))?;
        }
        Ok(())
    });
}

#[test]
fn only_an_override_and_what_runs_pass_drift_that_blocks() {
    over_worlds(|_, environments, promotions| {
        for world in environments {
            let Some(status) = environment::decide(world, now()).report else { continue };
            let is_told = status.conditions.iter().any(|condition| condition.type_ == "Drifted");
            let is_observed = world.environment.spec.delivery == Delivery::Observed;
            let count = status.drift.len();
            hold(is_told == (count > 0) && count <= 20 && (count == 0 || !is_observed), || {
                format!("{status:#?}\n{world:#?}")
            })?;
        }
        for world in promotions.iter().filter(|world| world.promotion.phase() == PromotionPhase::Pending) {
            let spec = &world.promotion.spec;
            let Some(environment) = world.project.environments.get(&spec.environment) else { continue };
            let is_let = environment.spec.drift == DriftMode::Report || spec.kind == PromotionKind::Rollback;
            let decision = promotion::decide(world, now());
            let Some(status) = started(&decision).filter(|_| !is_let) else { continue };
            let overridden =
                spec.override_.as_ref().is_some_and(|said| said.gates.contains(&GateName::Drift));
            let application = world.project.application_of(&world.promotion).unwrap();
            let lane = Lane::of(&world.project, environment, &application);
            let running = lane.current().and_then(|current| current.status.as_ref()?.digest.as_ref());
            let drifted = status.warnings.iter().any(|text| text.starts_with("drift before the promotion"));
            hold(!drifted || overridden || running == status.digest.as_ref(), || {
                format!("{status:#?}\n{world:#?}")
            })?;
        }
        Ok(())
    });
}

#[test]
fn an_observed_environment_is_never_written_to() {
    over_worlds(|_, _, promotions| {
        for world in promotions {
            let environment = world.project.environments.get(&world.promotion.spec.environment);
            if environment.is_none_or(|environment| environment.spec.delivery == Delivery::Managed) {
                continue;
            }
            let decision = promotion::decide(world, now());
            hold(!decision.actions.iter().any(|action| action.object().is_some()), || {
                format!("{:#?}\n{world:#?}", decision.actions)
            })?;
        }
        Ok(())
    });
}

#[test]
fn automation_goes_back_only_to_what_was_verified() {
    over_worlds(|_, _, promotions| {
        for world in promotions {
            for action in promotion::decide(world, now()).actions {
                let Action::CreatePromotion { spec, .. } = action else { continue };
                hold(spec.kind == PromotionKind::Rollback, || {
                    format!("a promotion makes a promotion: {world:#?}")
                })?;
                let is_sound = goes_to_sound(&world.project, world, spec.to_revision);
                hold(is_sound, || format!("goes back to {:?}: {world:#?}", spec.to_revision))?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_rollback_restores_only_what_was_verified() {
    over_worlds(|_, _, promotions| {
        for world in promotions.iter().filter(|world| world.promotion.spec.kind == PromotionKind::Rollback) {
            let decision = promotion::decide(world, now());
            let Some(status) = started(&decision) else { continue };
            let starts = world.promotion.phase() == PromotionPhase::Pending;
            let is_sound = !starts || goes_to_sound(&world.project, world, status.restores);
            hold(is_sound, || format!("restores {:?}: {world:#?}", status.restores))?;
        }
        Ok(())
    });
}

fn goes_to_sound(project: &Project, world: &PromotionWorld, revision: Option<i64>) -> bool {
    let environment = &project.environments[&world.promotion.spec.environment];
    let lane = Lane::of(project, environment, &project.application_of(&world.promotion).unwrap());
    let is_verified = |number| {
        let named = lane.revisions.iter().filter(|promotion| promotion.revision() == Some(number));
        named.into_iter().any(|promotion| promotion.phase() == PromotionPhase::Verified)
            // Where a rollback was verified, the revision that it restored is what it proved.
            || lane.here().any(|promotion| promotion.phase() == PromotionPhase::Verified
                && lane.content_of(promotion).and_then(|origin| origin.revision()) == Some(number))
    };
    revision.is_some_and(|number| number == 0 || is_verified(number))
}

#[test]
fn deleting_a_release_changes_nothing_of_what_has_started_and_starts_nothing() {
    over_worlds(|_, _, promotions| {
        for world in promotions.iter().filter(|world| world.promotion.spec.kind == PromotionKind::Promote) {
            let spec = &world.promotion.spec;
            let Some(application) = world.project.application_of(&world.promotion) else {
                continue;
            };
            let mut before = world.clone();
            // Promotions say which application they are of; the worlds leave it to the release.
            let of_it = before.project.promotions.values_mut().filter(|one| one.spec.release == spec.release);
            for promotion in of_it.chain([&mut before.promotion]) {
                Arc::make_mut(promotion).spec.application = Some(application.clone());
            }
            let mut after = before.clone();
            after.project.releases.remove(&spec.release);
            // How long it took since the release was made is measured only while the release is there.
            let decide = |world: &PromotionWorld| {
                let mut decision = promotion::decide(world, now());
                decision.delivered.iter_mut().for_each(|delivered| delivered.lead_time = None);
                decision
            };
            let decision = decide(&after);
            let has_started = world.promotion.phase().is_running() && world.promotion.revision().is_some();
            if has_started {
                let same = format!("{:?}", decide(&before)) == format!("{decision:?}");
                hold(same, || format!("it is decided differently: {decision:#?}\n{after:#?}"))?;
            } else if world.promotion.phase() == PromotionPhase::Pending {
                // The Job of a test that runs already is stopped.
                let stops =
                    |action: &Action| matches!(action, Action::SuspendJob { .. } | Action::StopJob { .. });
                let starts = !decision.actions.iter().all(stops);
                hold(!starts, || format!("it starts: {decision:#?}\n{after:#?}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn every_status_fits_its_schema() {
    let schemas: Vec<Value> = ["releases", "environments", "promotions"]
        .into_iter()
        .map(|plural| {
            let text = read(&root(&format!("crds/{plural}.towpath.dev.yaml")));
            let definition = documents(&text).remove(0);
            definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
        })
        .collect();
    over_worlds(|releases, environments, promotions| {
        fn fits<S: Serialize>(schema: &Value, decision: Decision<S>) -> Result<(), String> {
            decision.memory.iter().chain(&decision.report).try_for_each(|status| {
                let misfits = misfits("status", schema, &serde_json::to_value(status).unwrap());
                hold(misfits.is_empty(), || misfits.join("\n"))
            })
        }
        releases.iter().try_for_each(|world| fits(&schemas[0], release::decide(world, now())))?;
        environments.iter().try_for_each(|world| fits(&schemas[1], environment::decide(world, now())))?;
        promotions.iter().try_for_each(|world| fits(&schemas[2], promotion::decide(world, now())))
    });
}
