//! Queues everything.

use super::Wake;
use crate::api::Meta;

impl Wake {
    /// Queues everything, after this replica became the leader.
    pub fn all(&self) {
        self.freezes();
        for approval in self.stores.approvals.all() {
            self.approval(&approval.project(), approval.name());
        }
        for provider in self.stores.providers.all() {
            self.provider(provider.name());
        }
        for policy in self.stores.policies.all() {
            self.policy(&policy.project(), policy.name());
        }
        self.recalls(self.stores.recalls.all());
        for environment in self.stores.environments.all() {
            self.environment(&environment.project(), &environment.environment_name());
        }
        for promotion in self.stores.promotions.all() {
            if !promotion.phase().is_final() {
                self.promotion(&promotion.project(), promotion.name(), Some(&promotion.spec.environment));
            }
        }
        for release in self.stores.releases.all() {
            self.release(&release.project(), &release.release_name());
        }
        self.undecodable();
    }

    /// Undecodable objects, whose status reports it.
    fn undecodable(&self) {
        for lost in self.stores.environments.undecodable_everywhere() {
            self.environment(&lost.namespace.into(), &lost.name.into());
        }
        for lost in self.stores.recalls.undecodable_everywhere() {
            self.recall(&lost.namespace.into(), &lost.name);
        }
        for lost in self.stores.promotions.undecodable_everywhere() {
            self.promotion(&lost.namespace.into(), &lost.name, None);
        }
        for lost in self.stores.releases.undecodable_everywhere() {
            self.release(&lost.namespace.into(), &lost.name.into());
        }
    }
}
