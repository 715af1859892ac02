//! The part of the cluster that a process serves.

use crate::api::ProjectName;
use std::collections::BTreeSet;

/// Which projects are watched, and whether admission policies are expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Only these project namespaces; all when `None`.
    pub projects: Option<BTreeSet<ProjectName>>,
    /// Whether the chart's admission policies are installed. Without them approvals and overrides are unavailable.
    pub admission: bool,
}

impl Scope {
    /// Whether the project namespace is served.
    pub fn serves(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.contains(project))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_every_project_is_served() {
        let all = Scope { projects: None, admission: true };
        assert!(all.serves("shop"));
        let some = Scope { projects: Some(BTreeSet::from(["shop".into()])), ..all };
        assert!(some.serves("shop") && !some.serves("other"));
    }
}
