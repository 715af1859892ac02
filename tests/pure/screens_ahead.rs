//! The screens of `explain`, `plan` and `calendar`, which the documentation shows.

#![allow(clippy::unwrap_used, reason = "it is how a test fails")]

use super::screens::{Screen, are_as_before, object};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use towpath::decide::world::{Objects, Project};
use towpath::view::board::board;
use towpath::view::calendar::{Calendar, calendar};
use towpath::view::changelog::changelog;
use towpath::view::diff::between;
use towpath::view::explain::{Explanation, explain};
use towpath::view::history::history;
use towpath::view::log::log;
use towpath::view::plan::plan;
use towpath::view::screen::Layout;
use towpath::view::status;
use towpath::view::waiting::waiting;

const NOW: &str = "2026-11-02T15:00:00Z";

fn decoded<K: serde::de::DeserializeOwned>(mut object: Value) -> Arc<K> {
    let uid = format!("uid-{}", object["metadata"]["name"].as_str().unwrap());
    object["metadata"]["uid"] = uid.into();
    Arc::new(serde_json::from_value(object).unwrap())
}

fn promotion(name: &str, release: &str, environment: &str, status: Value) -> Value {
    let spec = json!({ "release": release, "environment": environment, "application": "shop" });
    object("Promotion", name, &spec, &status)
}

fn verified(version: &str, revision: i64, from: &str, to: &str) -> Value {
    json!({
        "phase": "Verified", "reason": "Verified", "version": version, "revision": revision, "application": "shop",
        "startedAt": format!("2026-11-02T{from}Z"), "finishedAt": format!("2026-11-02T{to}Z"),
    })
}

/// `shop-1.1.0` is verified in dev and staging; its promotion to prod waits for the window and for one more approval.
fn shop() -> Project {
    let environment = |name: &str, spec: Value| {
        let mut whole = json!({ "namespace": format!("shop-{name}") });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        object("Environment", name, &whole, &json!({ "observedGeneration": 1 }))
    };
    let release = |version: &str, status: Value| {
        let spec = json!({ "application": "shop", "version": version, "source": { "environment": { "name": "dev" } } });
        object("Release", &format!("shop-{version}"), &spec, &status)
    };
    let digest = "4f0c".repeat(16);
    let captured = json!({ "phase": "Waiting", "content": "shop-1.1.0-content", "digest": digest });
    let windows = json!([{ "schedule": "0 9 * * Mon-Thu", "duration": "6h" }]);
    let approvals = json!({
        "of": {
            "release": { "name": "shop-1.1.0", "uid": "u" }, "environment": { "name": "prod", "uid": "u" }, "digest": digest,
        },
        "required": 2, "approved": [{ "by": "bob" }],
        "needed": "has 1 of 2 approvals (approved by bob)",
    });
    let waits = json!({
        "phase": "Pending", "reason": "Window", "version": "1.1.0", "application": "shop", "approvals": approvals,
        "message": "outside every Allow window; the next one opens at 2026-11-03T09:00:00Z; it has 1 of 2 approvals (approved by bob)",
    });
    Project::from_objects(Objects {
        name: "shop".into(),
        environments: vec![
            decoded(environment("dev", json!({ "delivery": "Observed" }))),
            decoded(environment("staging", json!({ "after": ["dev"] }))),
            decoded(environment(
                "prod",
                json!({ "after": ["staging"], "soak": "1h", "windows": windows, "approvals": { "required": 2 } }),
            )),
        ],
        releases: [release("1.1.0", captured), release("1.2.0", json!({ "phase": "Pending" }))]
            .into_iter()
            .map(|object| Arc::new(Arc::unwrap_or_clone(decoded::<towpath::api::Release>(object)).into()))
            .collect(),
        promotions: vec![
            decoded(promotion("dev-shop-1.1.0", "shop-1.1.0", "dev", verified("1.1.0", 7, "12:00:00", "12:10:00"))),
            decoded(promotion(
                "staging-shop-1.1.0",
                "shop-1.1.0",
                "staging",
                verified("1.1.0", 5, "12:10:05", "12:25:00"),
            )),
            decoded(promotion("prod-shop-1.1.0", "shop-1.1.0", "prod", waits)),
        ],
        freezes: vec![decoded(object(
            "ChangeFreeze",
            "black-friday",
            &json!({ "from": "2026-11-26T00:00:00Z", "to": "2026-12-01T00:00:00Z", "reason": "black friday" }),
            &Value::Null,
        ))],
        ..Objects::default()
    })
    .with_reported()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn explained(release: &str, environment: &str) -> Explanation {
    let project = shop();
    explain(&project, &project.releases[release], &environment.into(), true, now()).unwrap()
}

fn november() -> Calendar {
    let start = |month: &str| format!("2026-{month}-01T00:00:00Z").parse().unwrap();
    calendar(&shop(), start("11"), start("12"), now())
}

#[test]
fn every_screen_is_as_it_was() {
    let project = shop();
    let release = &project.releases["shop-1.1.0"];
    let explanation = explained("shop-1.1.0", "prod");
    let with_gates = |layout: Layout| {
        [explanation.head().lines(layout), vec![String::new()], explanation.table(now()).lines(layout)]
            .concat()
    };
    let months = november();
    let with_grid = |layout: Layout| {
        [
            months.months(&TimeZone::UTC, layout),
            vec![String::new()],
            months.table(&TimeZone::UTC).lines(layout),
        ]
        .concat()
    };
    let screens: [Screen<'_>; 3] = [
        ("explain", Box::new(with_gates)),
        ("plan", Box::new(|layout| plan(&project, release, now()).table().lines(layout))),
        ("calendar", Box::new(with_grid)),
    ];
    are_as_before(&screens);
}

#[test]
fn what_waits_for_its_content_is_explained_without_a_promotion() {
    let told = explained("shop-1.2.0", "dev");
    assert_eq!((told.state.as_str(), told.promotion), ("Content", None));
    let gate = told.gates.iter().find(|row| row.gate == "Content").unwrap();
    assert_eq!(gate.message, "the content of the release has not been captured yet");
}

#[test]
fn the_data_of_an_explanation_names_every_gate() {
    let told = serde_json::to_value(explained("shop-1.1.0", "prod")).unwrap();
    assert_eq!(told["state"], "Window");
    assert_eq!(told["until"], "2026-11-03T09:00:00Z");
    let gates: Vec<_> = told["gates"].as_array().unwrap().iter().map(|row| &row["gate"]).collect();
    for name in ["Hold", "Order", "Manual", "Window", "Freeze", "Consent", "Approval", "Evidence"] {
        assert!(gates.iter().any(|gate| *gate == name), "{name}: {gates:?}");
    }
}

/// Every name of a field in the data.
fn names(data: &Value, found: &mut BTreeSet<String>) {
    match data {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            found.insert(name.clone());
            names(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_page_of_the_plugin_names_every_field_of_the_views() {
    let page = support::pages::text("docs/plugin.md");
    let project = shop();
    let (other, release) = super::screens::project();
    let changes = super::screens_changes::project();
    let two =
        ["1.0.0", "2.0.0"].map(|version| super::screens_changes::dry_run(version, "111111111111", "aaa"));
    let of_release = status::data::of_release(&other, &release, &super::screens::pods());
    let views = [
        ("Board", serde_json::to_value(board(&other))),
        ("Waiting", serde_json::to_value(waiting(&other))),
        ("History", serde_json::to_value(history(&project, &[], None, None))),
        ("Explanation", serde_json::to_value(explained("shop-1.1.0", "prod"))),
        ("Plan", serde_json::to_value(plan(&project, &project.releases["shop-1.1.0"], now()))),
        ("Calendar", serde_json::to_value(november())),
        ("Status", serde_json::to_value(of_release)),
        ("Log", serde_json::to_value(log(&super::screens_changes::ended()))),
        (
            "Changelog",
            serde_json::to_value(changelog(
                &changes,
                &changes.environments["prod"],
                &changes.releases["shop-1.5.0"],
            )),
        ),
        ("Diff", serde_json::to_value(between(&two[0], &two[1]))),
        ("Report", serde_json::to_value(super::screens_of_records::reported())),
        ("Delivery", serde_json::to_value(super::screens_of_records::delivered())),
        ("Checkup", serde_json::to_value(super::screens::checkup())),
        ("Lint", serde_json::to_value(super::screens_of_files::findings())),
        ("Versions", serde_json::to_value(super::screens_of_files::versions())),
    ];
    for (kind, view) in views {
        let line = page.lines().find(|line| line.contains(&format!("| `{kind}` |"))).unwrap();
        let mut found = BTreeSet::new();
        names(&view.unwrap(), &mut found);
        assert!(found.len() > 3, "{kind}: {found:?}");
        let missing: Vec<_> = found.iter().filter(|name| !line.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/plugin.md does not name {missing:?} of {kind}");
    }
}
