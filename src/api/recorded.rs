//! The entry that a promotion leaves in the record.

use super::{
    Approved, Meta, Promotion, PromotionStatus, RecordEntry, RecordedResult, TestResult, TestStatus, Verdict,
    schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Maximum number of approvals, rejections, checks and tests of an entry.
const MOST_ITEMS: usize = 20;
/// Maximum length of a sentence.
const LONGEST: usize = 512;

impl From<&Promotion> for RecordEntry {
    fn from(promotion: &Promotion) -> Self {
        let spec = &promotion.spec;
        let status = promotion.status.clone().unwrap_or_default();
        let cut = |text: &String| schema::cut(text, LONGEST);
        let overridden = spec.override_.as_ref().map(|it| cut(&it.to_string()));
        let application = status.application.as_ref().or(spec.application.as_ref());
        let approvals = status.approvals.as_ref();
        let decisions = |of: &[Approved]| -> Vec<Approved> {
            let short = |one: &Approved| Approved { comment: one.comment.as_ref().map(cut), ..one.clone() };
            of.iter().take(MOST_ITEMS).map(short).collect()
        };
        Self {
            promotion: promotion.name().to_owned(),
            uid: promotion.uid().to_owned(),
            kind: spec.kind,
            environment: spec.environment.clone(),
            application: application.cloned(),
            release: spec.release.clone(),
            requested_by: promotion.requester().map(|user| user.username.clone()),
            cause: spec.cause.clone(),
            request: spec.reason.as_ref().map(cut),
            change_type: status.change.as_ref().map(|change| change.type_),
            overridden,
            phase: status.phase.as_str().to_owned(),
            message: status.message.as_ref().map(cut),
            approved: approvals.map(|report| decisions(&report.approved)).unwrap_or_default(),
            rejected: approvals.map(|report| decisions(&report.rejected)).unwrap_or_default(),
            checks: checks(&status),
            tests: tests(&status),
            created_at: Time(promotion.created()),
            version: status.version,
            digest: status.digest,
            revision: status.revision,
            replaces: status.replaces,
            restores: status.restores,
            reason: status.reason,
            started_at: status.started_at,
            rolled_out_at: status.rolled_out_at,
            finished_at: status.finished_at,
        }
    }
}

fn checks(status: &PromotionStatus) -> Vec<RecordedResult> {
    let decide = status.checks.iter().filter(|check| !check.dry_run);
    decide
        .take(MOST_ITEMS)
        .map(|check| RecordedResult {
            name: check.name.clone(),
            result: check.verdict.map(Verdict::as_str).unwrap_or_default().to_owned(),
        })
        .collect()
}

fn tests(status: &PromotionStatus) -> Vec<RecordedResult> {
    let (bad, good): (Vec<_>, Vec<_>) =
        status.tests.iter().partition(|test| matches!(test.result, TestResult::Failed | TestResult::Errored));
    let recorded = |test: &TestStatus| RecordedResult {
        name: test.name.clone(),
        result: test.result.as_str().to_owned(),
    };
    bad.into_iter().chain(good).take(MOST_ITEMS).map(recorded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn promotion() -> Promotion {
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Promotion",
            "metadata": {
                "name": "prod-shop-1.4.0", "namespace": "shop", "uid": "4f1c",
                "creationTimestamp": "2026-11-25T02:58:35Z",
            },
            "spec": {
                "release": "shop-1.4.0", "environment": "prod", "reason": "a".repeat(1024),
                "requestedBy": { "username": "alice" },
                "override": { "gates": ["Freeze"], "reason": "checkout is down" },
            },
            "status": {
                "phase": "Failed", "reason": "TestFailed", "message": "smoke: exit code 1", "revision": 3,
                "application": "shop", "version": "1.4.0",
                "checks": [{ "name": "errors", "verdict": "Passed" }, { "name": "tried", "dryRun": true }],
                "tests": [
                    { "name": "smoke", "origin": "Environment", "result": "Passed" },
                    { "name": "cart", "origin": "Environment", "result": "Failed" },
                ],
                "startedAt": "2026-11-25T02:59:00Z", "finishedAt": "2026-11-25T03:02:00Z",
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_entry_says_who_what_when_and_how_it_ended() {
        let entry = RecordEntry::from(&promotion());
        assert_eq!(entry.key(), "2026-11-25T02:58:35Z.prod-shop-1.4.0");
        assert_eq!(entry.requested_by.as_deref(), Some("alice"));
        assert_eq!(entry.overridden.as_deref(), Some("Freeze: checkout is down"));
        assert_eq!((entry.phase.as_str(), entry.reason.as_deref()), ("Failed", Some("TestFailed")));
        assert_eq!(entry.request.map(|text| text.len()), Some(512));
        let shown = |results: &[RecordedResult]| -> Vec<String> {
            results.iter().map(|one| format!("{} {}", one.name, one.result)).collect()
        };
        assert_eq!(shown(&entry.checks), ["errors Passed"]);
        assert_eq!(shown(&entry.tests), ["cart Failed", "smoke Passed"]);
    }

    #[test]
    fn a_promotion_of_the_controller_has_no_requester() {
        let mut own = promotion();
        own.metadata.labels = Some([(super::super::mark::AUTOMATIC.to_owned(), "true".to_owned())].into());
        assert_eq!(RecordEntry::from(&own).requested_by, None);
    }
}
