//! Whether the names that objects refer to are among the files. The cluster may hold what the files do not, so these are warnings, and
//! only where the files hold objects of the kind that is referred to.

use super::schema::Problem;
use super::yaml::{Step, steps};
use crate::api::ProjectName;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Kind, the field that holds a name, and the kind that it names. `[]` stands for every item.
const REFERENCES: [(&str, &str, &str); 13] = [
    ("Environment", "spec.after[]", "Environment"),
    ("Environment", "spec.rollbackPolicyRef", "RollbackPolicy"),
    ("Environment", "spec.notify[].channel", "Channel"),
    ("Release", "spec.until", "Environment"),
    ("Release", "spec.source.environment.name", "Environment"),
    ("Promotion", "spec.release", "Release"),
    ("Promotion", "spec.environment", "Environment"),
    ("Approval", "spec.release.name", "Release"),
    ("Approval", "spec.environment.name", "Environment"),
    ("ChangeFreeze", "spec.environments[]", "Environment"),
    ("RollbackPolicy", "spec.checks[].prometheus.provider", "CheckProvider"),
    ("RollbackPolicy", "spec.checks[].alerts.provider", "CheckProvider"),
    ("RollbackPolicy", "spec.checks[].http.provider", "CheckProvider"),
];

/// The names that there are: of kinds in projects. Kinds without a namespace have the project "".
#[derive(Debug, Default)]
pub struct Names(BTreeMap<(String, ProjectName), BTreeSet<String>>);

impl Names {
    /// Adds an object.
    pub fn add(&mut self, kind: &str, project: &ProjectName, name: &str) {
        self.0.entry((kind.to_owned(), place(kind, project))).or_default().insert(name.to_owned());
    }

    /// The references of an object to names that there are not.
    pub fn unknown(&self, kind: &str, project: &ProjectName, object: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (_, field, to) in REFERENCES.iter().filter(|(from, ..)| *from == kind) {
            let Some(known) = self.0.get(&((*to).to_owned(), place(to, project))) else { continue };
            for (path, name) in named(object, field) {
                if !known.contains(&name) {
                    let names: Vec<String> = known.iter().cloned().collect();
                    let like = crate::view::suggestion::suggestion(&name, &names);
                    problems.push(Problem {
                        path,
                        message: format!("there is no {to} {name} in these files{like}"),
                    });
                }
            }
        }
        problems
    }
}

fn place(kind: &str, project: &ProjectName) -> ProjectName {
    if matches!(kind, "Channel" | "CheckProvider") { ProjectName::default() } else { project.clone() }
}

/// The texts at a field, with their paths.
fn named(object: &Value, field: &str) -> Vec<(Vec<Step>, String)> {
    let mut found = vec![(Vec::new(), object)];
    for part in field.split('.') {
        let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let mut next = Vec::new();
        for (path, value) in found {
            let below: Vec<Step> = path.into_iter().chain(steps(name)).collect();
            match (is_list, &value[name]) {
                (true, Value::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        next.push((below.iter().cloned().chain([Step::Item(index)]).collect(), item));
                    }
                }
                (true, _) => {}
                (false, inner) => next.push((below, inner)),
            }
        }
        found = next;
    }
    found.into_iter().filter_map(|(path, value)| Some((path, value.as_str()?.to_owned()))).collect()
}
