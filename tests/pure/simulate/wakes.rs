//! Who looks at what after a change, as `controller::wake` does.

use super::run::Run;
use super::store::Key;
use towpath::api::{AfterVerifiedAction, Release, ReleasePhase};
use towpath::decide::decision::Action;

impl Run {
    /// As `controller::wake` does.
    pub(super) fn changed(&mut self, key: &Key) {
        match key {
            Key::Environment(_) | Key::Recall(_) => self.wake(key.clone()),
            Key::Release(name) => {
                self.wake(Key::Release(name.clone()));
                self.wake_all(|key| !matches!(key, Key::Release(_)));
            }
            Key::Promotion(name) => {
                self.wake(key.clone());
                let release = self.store.promotions.get(name).map(|promotion| promotion.spec.release.clone());
                release.into_iter().for_each(|name| self.wake(Key::Release(name.to_string())));
                self.wake_all(|key| !matches!(key, Key::Release(_)));
                let is_open = |phase| !matches!(phase, ReleasePhase::Verified | ReleasePhase::Superseded);
                let is_open = |release: &Release| release.status.as_ref().is_none_or(|it| is_open(it.phase));
                let open = self.store.releases.iter().filter(|(_, release)| is_open(release));
                let open: Vec<Key> = open.map(|(name, _)| Key::Release(name.clone())).collect();
                open.into_iter().for_each(|key| self.wake(key));
            }
        }
    }

    pub(super) fn followed(&mut self, action: &Action) {
        match action {
            Action::CreatePromotion { name, .. } | Action::DeletePromotion { name, .. } => {
                self.changed(&Key::Promotion(name.clone()));
            }
            Action::Apply { target, .. }
            | Action::Replace { target, .. }
            | Action::StopJob { target, .. }
            | Action::SuspendJob { target, .. }
            | Action::Adopt { target, .. }
            | Action::Delete { target, .. }
            | Action::DeletePod { target, .. } => self.wake_target(&target.location.namespace),
            Action::Preflight { .. }
            | Action::DeleteContent { .. }
            | Action::MarkRolledOut { .. }
            | Action::MarkUnchanged { .. }
            | Action::MarkPassed { .. }
            | Action::MarkComparing { .. }
            | Action::Measure { .. }
            | Action::MarkMeasured { .. }
            | Action::AskProvider { .. }
            | Action::ReadLog { .. }
            | Action::PublishFreezes { .. } => {}
        }
    }

    pub(super) fn wake_target(&mut self, namespace: &str) {
        let store = &self.store;
        let here = |environment: &str| {
            store
                .environments
                .get(environment)
                .is_some_and(|environment| environment.spec.namespace == namespace)
        };
        let promotions = store.promotions.iter().filter(|(_, promotion)| here(&promotion.spec.environment));
        let concerned: Vec<Key> = promotions.map(|(name, _)| Key::Promotion(name.clone())).collect();
        let is_watched = |environment: &str| {
            let policy = store.environments[environment].spec.rollback_policy_ref.as_ref();
            let policy = policy.and_then(|name| store.policies.get(name));
            policy.is_some_and(|policy| policy.after_verified.action != AfterVerifiedAction::Ignore)
        };
        let environments = store.environments.keys().filter(|name| here(name) && is_watched(name));
        let environments: Vec<Key> = environments.map(|name| Key::Environment(name.clone())).collect();
        concerned.into_iter().chain(environments).for_each(|key| self.wake(key));
    }

    pub(super) fn everything(&self) -> Vec<Key> {
        let recalls = self.store.recalls.keys().map(|name| Key::Recall(name.clone()));
        let environments = self.store.environments.keys().map(|name| Key::Environment(name.clone()));
        let open = self.store.promotions.iter().filter(|(_, promotion)| !promotion.phase().is_final());
        let promotions = open.map(|(name, _)| Key::Promotion(name.clone()));
        let releases = self.store.releases.keys().map(|name| Key::Release(name.clone()));
        recalls.chain(environments).chain(promotions).chain(releases).collect()
    }

    pub(super) fn wake_everything(&mut self) {
        self.wake_all(|_| true);
    }

    fn wake_all(&mut self, concerned: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> = self.everything().into_iter().filter(concerned).collect();
        keys.into_iter().for_each(|key| self.wake(key));
    }

    pub(super) fn wake(&mut self, key: Key) {
        if !self.queue.contains(&key) {
            self.queue.push(key);
        }
    }
}
