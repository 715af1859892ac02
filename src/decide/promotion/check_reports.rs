//! The reports of checks in the status of a promotion.

use crate::api::{CheckReport, PromotionStatus, RollbackPolicySpec};

/// Most checks of a policy, and most reports in a status.
const MOST: usize = 20;

/// Adds or replaces a report. If the policy changed, a report of a check that it no longer has makes room.
pub(super) fn put(status: &mut PromotionStatus, report: CheckReport, policy: &RollbackPolicySpec) {
    if let Some(known) = status.checks.iter_mut().find(|known| known.name == report.name) {
        *known = report;
        return;
    }
    let is_left_over = |known: &CheckReport| policy.checks.iter().all(|check| check.name != known.name);
    if status.checks.len() >= MOST
        && let Some(at) = status.checks.iter().position(is_left_over)
    {
        status.checks.remove(at);
    }
    status.checks.push(report);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_full_status_drops_a_report_of_a_check_that_the_policy_lacks() {
        let report = |name: &str| CheckReport { name: name.to_owned(), ..CheckReport::default() };
        let checks: Vec<_> = (0..20)
            .map(|number| {
                json!({ "name": format!("new-{number}"), "object": { "apiVersion": "v1", "kind": "ConfigMap", "name": "a" } })
            })
            .collect();
        let policy: RollbackPolicySpec = serde_json::from_value(json!({ "checks": checks })).unwrap();
        let mut status = PromotionStatus::default();
        for name in
            (0..12).map(|number| format!("old-{number}")).chain((0..20).map(|number| format!("new-{number}")))
        {
            put(&mut status, report(&name), &policy);
        }
        put(&mut status, report("new-3"), &policy);
        let names: Vec<_> = status.checks.iter().map(|report| report.name.as_str()).collect();
        assert_eq!(names.len(), MOST);
        assert!(names.iter().all(|name| name.starts_with("new-")), "{names:?}");
    }
}
