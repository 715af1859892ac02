//! What `kubectl towpath explain` and `plan` say is what the controller reports, at every moment at which nothing is left to do.

use super::run::Run;
use std::collections::BTreeMap;
use towpath::api::{Meta, ReleasePhase};
use towpath::decide::world::{Admission, Project};
use towpath::view::explain::{RowState, explain};
use towpath::view::plan::plan;

impl Run {
    /// Compares both for every release in every environment.
    pub(super) fn is_explained_as_reported(&self) {
        let now = self.store.own(self.now);
        let project = as_read_by_a_person(self.store.project());
        for release in project.releases.values().filter(|release| !release.deleting()) {
            let Some(status) = release.status().filter(|status| status.phase != ReleasePhase::Invalid) else {
                continue;
            };
            let plan = plan(&project, release, now);
            for line in &status.environments {
                let told = explain(&project, release, &line.name, true, now).unwrap();
                let log = || format!("{told:#?}\n{line:#?}\n{}", self.log.join("\n"));
                assert_eq!(told.state, line.state, "{}: {}", release.name(), log());
                let until = told.until.map(|at| at.as_second());
                assert_eq!(until, line.until.as_ref().map(|at| at.0.as_second()), "{}", log());
                let mut closed = told.gates.iter().filter(|row| row.state == RowState::Closed).peekable();
                if told.promotion.is_none() && !told.gates.is_empty() && told.state != "Promoting" {
                    assert!(closed.peek().is_some(), "every gate is open: {}", log());
                    // Of gates that open with time, the state is the one that opens last.
                    let is_first = closed.peek().is_some_and(|row| row.gate == told.state);
                    let opens = closed.peek().is_some_and(|row| row.until.is_some());
                    assert!(is_first || opens, "another gate is closed before: {}", log());
                }
                let step = plan.steps.iter().find(|step| step.environment == line.name);
                assert_eq!(step.is_none(), line.state == "NotAStage", "{}", log());
                let starts = step.and_then(|step| step.starts);
                if line.state == "Verified" && told.promotion.is_some() {
                    assert!(starts.is_some_and(|at| at <= now), "{step:?} {}", log());
                }
                // With nothing but time in the way, the plan names the same time.
                if let (Some(at), true) = (told.until, step.is_some_and(|step| step.people.is_empty())) {
                    assert!(starts.is_some_and(|starts| starts >= at), "{step:?} {}", log());
                }
            }
        }
    }
}

/// The same objects for a person, who cannot read namespaces, consent, policies or the rights of others.
fn as_read_by_a_person(project: Project) -> Project {
    let objects = Project {
        namespaces: BTreeMap::new(),
        targets: BTreeMap::new(),
        grants: BTreeMap::new(),
        rights: BTreeMap::new(),
        requiring: BTreeMap::new(),
        others: std::sync::Arc::default(),
        admission: Admission::Disabled,
        ..project
    };
    objects.with_reported()
}
