use super::*;
use crate::decide::fixture_tests::{at, environment, project, promotion, release, stamp, the_release};
use serde_json::{Value, json};

/// `dev -> staging -> prod`: the release was verified in dev at 11:00.
fn planned(staging: Value, prod: Value, change: Value, now: &str) -> Vec<Step> {
    let project = project([
        environment("dev", json!({})),
        environment("staging", merged(json!({ "after": ["dev"] }), staging)),
        environment("prod", merged(json!({ "after": ["staging"] }), prod)),
        release("shop-1.1.0", json!({ "spec": { "change": change } })),
        promotion(
            "dev-shop-1.1.0",
            "shop-1.1.0",
            json!({
                "spec": { "environment": "dev" },
                "status": {
                    "phase": "Verified", "revision": 1, "version": "1.1.0",
                    "startedAt": stamp("10:50:00"), "finishedAt": stamp("11:00:00"),
                },
            }),
        ),
    ]);
    plan(&project, &the_release(&project, "shop-1.1.0"), at(now)).steps
}

fn merged(mut spec: Value, more: Value) -> Value {
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "spec": spec })
}

fn times(steps: &[Step]) -> Vec<(&str, Option<String>, Option<String>)> {
    let time = |at: Option<Timestamp>| at.map(|at| at.strftime("%d %H:%M").to_string());
    steps.iter().map(|step| (step.environment.as_str(), time(step.starts), time(step.verified))).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_release_goes_through_soaks_windows_and_earliest_starts() {
    // The observe window is 5 minutes if the environment names no policy.
    for (staging, prod, change, expected) in [
        (json!({}), json!({}), json!({}), ["02 12:00", "02 12:05", "02 12:05", "02 12:10"]),
        (json!({ "soak": "2h" }), json!({}), json!({}), ["02 13:00", "02 13:05", "02 13:05", "02 13:10"]),
        (
            json!({}),
            json!({ "windows": [{ "schedule": "0 9 * * *", "duration": "1h" }] }),
            json!({}),
            ["02 12:00", "02 12:05", "03 09:00", "03 09:05"],
        ),
        (
            json!({}),
            json!({}),
            json!({ "notBefore": [{ "environment": "prod", "at": stamp("20:00:00") }] }),
            ["02 12:00", "02 12:05", "02 20:00", "02 20:05"],
        ),
        // A window that has closed again when the soak ends.
        (
            json!({}),
            json!({ "soak": "22h", "windows": [{ "schedule": "0 9 * * *", "duration": "1h" }] }),
            json!({}),
            ["02 12:00", "02 12:05", "04 09:00", "04 09:05"],
        ),
    ] {
        let steps = planned(staging.clone(), prod.clone(), change, "12:00:00");
        let [starts, verified, prod_starts, prod_verified] = expected;
        assert_eq!(
            times(&steps),
            [
                ("dev", some("02 10:50"), some("02 11:00")),
                ("staging", some(starts), some(verified)),
                ("prod", some(prod_starts), some(prod_verified)),
            ],
            "{staging} {prod}: {steps:#?}"
        );
    }
}

#[test]
fn people_who_have_to_act_are_named_and_do_not_stop_the_clock() {
    let approvals = json!({ "required": 2, "from": [{ "group": "qa", "atLeast": 1 }] });
    let steps =
        planned(json!({ "promotion": "Manual" }), json!({ "approvals": approvals }), json!({}), "12:00:00");
    assert!(steps[1].people[0].starts_with("Manual: "), "{steps:#?}");
    assert_eq!(steps[2].people, ["Approval: 2 approvals are required, 1 from qa"]);
    assert_eq!(times(&steps)[2], ("prod", some("02 12:05"), some("02 12:10")));
}

#[test]
fn a_release_that_cannot_come_in_time_has_no_time() {
    let windows = json!([{ "schedule": "0 9 * * *", "duration": "1h" }]);
    let steps = planned(
        json!({}),
        json!({ "windows": windows }),
        json!({ "deadline": stamp("18:00:00") }),
        "12:00:00",
    );
    assert_eq!(times(&steps)[2], ("prod", None, None));
    assert_eq!(
        steps[2].why,
        "it could start at 2026-11-03T09:00:00Z at the earliest, and spec.change.deadline is 2026-11-02T18:00:00Z"
    );
    // Without an end of one environment, the next has no time either.
    let never = json!([{ "kind": "Deny", "schedule": "0 0 * * *", "duration": "24h" }]);
    let steps = planned(json!({ "windows": never }), json!({}), json!({}), "12:00:00");
    assert_eq!(times(&steps)[1..], [("staging", None, None), ("prod", None, None)]);
    assert_eq!(steps[2].why, "it is not known when it is verified in staging");
}
