//! The project that `src/observe` would build from the toy store.

use super::store::{PROJECT, Store, cached, user};
use serde_json::json;
use std::sync::Arc;
use towpath::api::Location;
use towpath::decide::world::{Admission, Grant, NamespaceFacts, Objects, Project, Verb};

impl Store {
    pub fn project(&self) -> Project {
        let mut project = Project::from_objects(Objects {
            name: PROJECT.into(),
            environments: self.environments.values().cloned().collect(),
            releases: self.releases.values().map(|release| cached(release)).collect(),
            promotions: self.promotions.values().cloned().collect(),
            approvals: self.approvals.values().cloned().collect(),
            recalls: self.recalls.values().cloned().collect(),
            reviews: self.reviews.values().cloned().collect(),
            ..Objects::default()
        });
        project.policies = self.policies.clone();
        for (name, kind) in [("metrics", "prometheus"), ("status", "http")] {
            let provider = json!({ (kind): { "url": "http://metrics:9090" }, "projects": ["*"] });
            let provider = (name.to_owned(), Arc::new(serde_json::from_value(provider).unwrap()));
            project.providers.extend(self.gauge.map(|_| provider));
        }
        project.freezes = self.freezes.clone();
        super::requires::load(&mut project);
        if self.enforced {
            project.admission = Admission::Enforced;
            let verbs = [Verb::Promote, Verb::Approve, Verb::Override, Verb::Declare];
            let people = verbs.into_iter().flat_map(|verb| [(verb, user("alice")), (verb, user("bob"))]);
            for environment in self.environments.keys() {
                let may = |(verb, user)| ((verb, environment.as_str().into(), user), true);
                project.rights.extend(people.clone().map(may));
            }
        }
        for (name, namespace) in &self.namespaces {
            project.namespaces.insert(
                Location::home(name.as_str().into()),
                NamespaceFacts { uid: namespace.uid.clone(), terminating: false },
            );
        }
        for environment in self.environments.values() {
            let id = project.id(environment);
            project.grants.insert(id.environment.clone(), Grant::Granted);
            project.targets.entry(environment.location()).or_default().insert(id);
        }
        project
    }
}
