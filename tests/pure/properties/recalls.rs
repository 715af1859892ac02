//! Recalls of an arbitrary world.

use super::worlds::now;
use super::{hold, over_worlds, silent};
use std::sync::Arc;
use support::manifests::{documents, read, root};
use support::schema::misfits;
use towpath::api::{Delivery, PromotionKind};
use towpath::decide::decision::Action;
use towpath::decide::history::lane::Lane;
use towpath::decide::recall;
use towpath::decide::world::{Project, RecallWorld};

fn recall_worlds(project: &Project) -> Vec<RecallWorld> {
    let of = |recall| RecallWorld { project: project.clone(), recall: Arc::clone(recall) };
    project.recalls.iter().map(of).collect()
}

#[test]
fn a_recall_has_one_decision_and_reports_it_once() {
    let definition = documents(&read(&root("crds/recalls.towpath.dev.yaml"))).remove(0);
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    over_worlds(|_, environments, _| {
        for world in environments.iter().flat_map(|world| recall_worlds(&world.project)) {
            let decision = recall::decide(&world, now());
            let again = format!("{:?}", recall::decide(&world, now()));
            hold(format!("{decision:?}") == again, || format!("two decisions: {world:#?}"))?;
            hold(decision.wake_at.is_none() && decision.memory.is_none(), || format!("{decision:#?}"))?;
            let Some(status) = decision.report else { continue };
            let faults = misfits("", schema, &serde_json::to_value(&status).unwrap());
            hold(faults.is_empty(), || format!("{faults:?}"))?;
            let mut next = world.clone();
            Arc::make_mut(&mut next.recall).status = Some(status);
            silent(recall::decide(&next, now()), &next)?;
        }
        Ok(())
    });
}

#[test]
fn a_recall_restores_no_recalled_content_and_writes_to_no_observed_environment() {
    over_worlds(|_, environments, _| {
        for world in environments.iter().flat_map(|world| recall_worlds(&world.project)) {
            for action in recall::decide(&world, now()).actions {
                let Action::CreatePromotion { spec, .. } = &action else {
                    return Err(format!("{action:?}"));
                };
                let environment = &world.project.environments[&spec.environment];
                let lane = Lane::of(&world.project, environment, &world.recall.spec.application);
                let target = spec.to_revision.and_then(|number| lane.revision(number));
                let is_recalled = target.is_none_or(|target| lane.recall_of_target(target).is_some());
                hold(!is_recalled && spec.kind == PromotionKind::Rollback, || {
                    format!("{action:?}\n{world:#?}")
                })?;
                hold(environment.spec.delivery == Delivery::Managed, || format!("{action:?}\n{world:#?}"))?;
            }
        }
        Ok(())
    });
}
