//! What waits for a person when automation may not decide: an inconclusive release, and one that cannot be undone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use super::screens::{application, are_as_before, environment, promotion, record};
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::decide::history::target::irreversible_release;
use towpath::decide::world::{Objects, Project};
use towpath::view::waiting::waiting;

const NOW: &str = "2026-11-02T15:00:00Z";

/// A promotion that ended like this, and holds its environment.
fn holds(phase: &str, reason: &str, message: &str) -> Value {
    let condition = json!({
        "type": "Holds", "status": "True", "reason": reason, "message": message, "lastTransitionTime": "2026-11-02T13:10:00Z",
    });
    json!({
        "observedGeneration": 1, "phase": phase, "reason": reason, "revision": 9, "version": "2.0.0",
        "startedAt": "2026-11-02T13:00:00Z", "message": message, "conditions": [condition],
    })
}

fn project() -> Project {
    let inconclusive = "check error-ratio could not be measured: cannot connect to 10.0.0.9:9090; promote again to measure again, accept \
                        the release with override: {gates: [Evidence]}, or roll back";
    let mut failed = promotion("prod-shop-2.0.0", "shop-2.0.0", "prod", &Value::Null);
    let irreversible = format!(
        "container web of pod web-5f6-abc ended with exit code 1; {}",
        irreversible_release(&failed, 8)
    );
    let ended = holds("Failed", "CrashLoopBackOff", &irreversible);
    failed.status = serde_json::from_value(ended).unwrap();
    let promotions = [
        promotion("qa-shop-2.0.0", "shop-2.0.0", "qa", &holds("Inconclusive", "CheckErrored", inconclusive)),
        failed,
    ];
    let lane = |outcome: &str| {
        json!([application(
            "shop",
            "2.0.0",
            record(9, "shop-2.0.0", outcome, "2026-11-02T13:00:00Z"),
            json!({})
        )])
    };
    let environments =
        [environment("qa", &[], lane("Inconclusive")), environment("prod", &["qa"], lane("Failed"))];
    Project::from_objects(Objects {
        name: "shop".into(),
        environments: environments.into_iter().map(Arc::new).collect(),
        promotions: promotions.into_iter().map(Arc::new).collect(),
        ..Objects::default()
    })
}

#[test]
fn what_automation_may_not_decide_waits_for_a_person() {
    let (project, now) = (project(), NOW.parse().unwrap());
    let view = waiting(&project);
    let rows: Vec<_> = view.rows.iter().map(|row| (row.name.as_str(), row.gate.as_str(), row.verb)).collect();
    assert_eq!(
        rows,
        [
            ("qa-shop-2.0.0", "CheckErrored", Some("promote")),
            ("prod-shop-2.0.0", "CrashLoopBackOff", Some("promote"))
        ]
    );
    are_as_before(&[("waiting-undecided", Box::new(move |layout| view.table(now).lines(layout)))]);
}
