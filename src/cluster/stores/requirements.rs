//! Which applications require which, from releases and from the records of promotions, so that a decision loads only what it needs.
//!
//! Invariant: the cost depends on the releases and promotions that require something, not on the others.

use crate::api::{ApplicationName, CachedRelease, Meta, ProjectName, Promotion, Requirement};
use crate::cluster::store::Delta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Requirements by project and application.
#[derive(Clone, Debug, Default)]
pub struct Requirements(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// By project, dependant and required application: how many objects say so.
    pairs: BTreeMap<ProjectName, BTreeMap<Pair, usize>>,
    /// By project, application and version.
    releases: BTreeMap<(ProjectName, ApplicationName, String), Vec<Requirement>>,
}

/// A dependant, and what it requires.
type Pair = (ApplicationName, ApplicationName);

impl Requirements {
    /// The applications that require this one.
    pub fn dependants_of(
        &self,
        project: &ProjectName,
        application: &ApplicationName,
    ) -> BTreeSet<ApplicationName> {
        self.pairs(project, |(_, required)| required == application, |(dependant, _)| dependant.clone())
    }

    /// The applications that this one requires.
    pub fn required_by(
        &self,
        project: &ProjectName,
        application: &ApplicationName,
    ) -> BTreeSet<ApplicationName> {
        self.pairs(project, |(dependant, _)| dependant == application, |(_, required)| required.clone())
    }

    /// The applications that require others.
    pub fn applications(&self, project: &ProjectName) -> BTreeSet<ApplicationName> {
        self.pairs(project, |_| true, |(dependant, _)| dependant.clone())
    }

    /// What the release with this version requires.
    pub fn of_release(
        &self,
        project: &ProjectName,
        application: &ApplicationName,
        version: &str,
    ) -> Vec<Requirement> {
        let key = (project.clone(), application.clone(), version.to_owned());
        self.0.read().unwrap_or_else(PoisonError::into_inner).releases.get(&key).cloned().unwrap_or_default()
    }

    fn pairs(
        &self,
        project: &ProjectName,
        wanted: impl Fn(&Pair) -> bool,
        named: impl Fn(&Pair) -> ApplicationName,
    ) -> BTreeSet<ApplicationName> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = known.pairs.get(project).into_iter().flat_map(BTreeMap::keys);
        pairs.filter(|pair| wanted(pair)).map(named).collect()
    }

    pub(super) fn track_release(&self, delta: &Delta<CachedRelease>) {
        let (gone, new) = changed(delta);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let key = |release: &CachedRelease| {
            (release.project(), release.application_name(), release.version().to_owned())
        };
        if let Some(release) = gone.filter(|release| release.requires_any()) {
            known.count(&release.project(), &release.application_name(), &release.requires(), false);
            known.releases.remove(&key(release));
        }
        if let Some(release) = new.filter(|release| release.requires_any()) {
            known.count(&release.project(), &release.application_name(), &release.requires(), true);
            known.releases.insert(key(release), release.requires());
        }
    }

    pub(super) fn track_promotion(&self, delta: &Delta<Promotion>) {
        let (gone, new) = changed(delta);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (promotion, is_new) in gone.map(|it| (it, false)).into_iter().chain(new.map(|it| (it, true))) {
            let Some(status) = promotion.status.as_ref().filter(|status| !status.requires.is_empty()) else {
                continue;
            };
            let application = status.application.clone().unwrap_or_default();
            known.count(&promotion.project(), &application, &status.requires, is_new);
        }
    }
}

impl Known {
    fn count(
        &mut self,
        project: &ProjectName,
        dependant: &ApplicationName,
        requires: &[Requirement],
        is_new: bool,
    ) {
        let pairs = self.pairs.entry(project.clone()).or_default();
        for required in requires {
            let pair = (dependant.clone(), required.application.clone());
            let count = pairs.entry(pair.clone()).or_default();
            *count = if is_new { count.saturating_add(1) } else { count.saturating_sub(1) };
            if *count == 0 {
                pairs.remove(&pair);
            }
        }
        if pairs.is_empty() {
            self.pairs.remove(project);
        }
    }
}

/// What is gone and what is new.
fn changed<K>(delta: &Delta<K>) -> (Option<&K>, Option<&K>) {
    match delta {
        Delta::Applied { old, new } => (old.as_deref(), Some(new.as_ref())),
        Delta::Gone { old } => (Some(old.as_ref()), None),
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Release;
    use serde_json::json;

    fn release(version: &str) -> Arc<CachedRelease> {
        let release: Release = serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
            "metadata": { "name": format!("web-{version}"), "namespace": "shop" },
            "spec": {
                "application": "web", "version": version, "source": { "configMapRef": { "name": "a" } },
                "requires": [{ "application": "api", "version": "2.0.0" }],
            },
        }))
        .unwrap();
        Arc::new(release.into())
    }

    #[test]
    fn a_dependant_is_known_as_long_as_one_object_says_so() {
        let known = Requirements::default();
        let (shop, other) = (ProjectName::from("shop"), ProjectName::from("other"));
        let (web, api) = (ApplicationName::from("web"), ApplicationName::from("api"));
        known.track_release(&Delta::Applied { old: None, new: release("1") });
        known.track_release(&Delta::Applied { old: Some(release("1")), new: release("1") });
        known.track_release(&Delta::Applied { old: None, new: release("2") });
        assert_eq!(known.dependants_of(&shop, &api), BTreeSet::from([web.clone()]));
        assert_eq!(known.required_by(&shop, &web), BTreeSet::from([api.clone()]));
        assert!(known.dependants_of(&other, &api).is_empty() && known.dependants_of(&shop, &web).is_empty());
        assert_eq!(known.of_release(&shop, &web, "2")[0].version, "2.0.0");
        known.track_release(&Delta::Gone { old: release("1") });
        assert_eq!(known.dependants_of(&shop, &api).len(), 1);
        known.track_release(&Delta::Gone { old: release("2") });
        assert!(known.dependants_of(&shop, &api).is_empty());
        assert!(known.of_release(&shop, &web, "2").is_empty());
    }
}
