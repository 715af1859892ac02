use super::*;
use crate::decide::fixture_tests::{at, environment, project, promotion, release, stamp};
use crate::decide::world::Freeze;
use crate::view::screen::Layout;
use serde_json::json;

/// Prod with a window each morning, a promotion at 09:10, a release that waits for the next one, and a freeze.
fn november() -> Calendar {
    let windows = json!([{ "schedule": "0 9 * * *", "duration": "1h" }]);
    let planned = json!({ "environment": "prod", "at": "2026-11-05T09:30:00Z" });
    let mut project = project([
        environment("prod", json!({ "spec": { "windows": windows } })),
        release("shop-1.0.0", json!({ "status": { "phase": "Verified" } })),
        release("shop-1.1.0", json!({ "spec": { "change": { "plannedFor": [planned] } } })),
        promotion(
            "prod-shop-1.0.0",
            "shop-1.0.0",
            json!({ "status": {
                "phase": "Verified", "revision": 1, "version": "1.0.0",
                "startedAt": stamp("09:10:00"), "finishedAt": stamp("09:15:00"),
            } }),
        ),
    ]);
    project.freezes.push(Freeze {
        name: "ChangeFreeze sale".into(),
        from: "2026-11-27T00:00:00Z".parse().unwrap(),
        to: "2026-11-29T00:00:00Z".parse().unwrap(),
        reason: "sale".into(),
        environments: Vec::new(),
        passes: Vec::new(),
    });
    let month = |month: &str| format!("2026-{month}-01T00:00:00Z").parse().unwrap();
    calendar(&project, month("11"), month("12"), at("12:00:00"))
}

#[test]
fn a_month_has_its_windows_freezes_promotions_and_plans() {
    let calendar = november();
    let of = |kind: Kind| calendar.entries.iter().filter(move |entry| entry.kind == kind);
    assert_eq!(of(Kind::Window).count(), 30);
    let promoted: Vec<_> = of(Kind::Promotion).map(|entry| (entry.from, entry.details.as_str())).collect();
    assert_eq!(promoted, [(at("09:10:00"), "Verified")]);
    let planned: Vec<_> =
        of(Kind::Planned).map(|entry| (entry.from.to_string(), entry.name.as_str())).collect();
    assert_eq!(planned, [("2026-11-03T09:00:00Z".to_owned(), "shop-1.1.0")]);
    let plans: Vec<_> = of(Kind::Plan).map(|entry| (entry.from.to_string(), entry.name.as_str())).collect();
    assert_eq!(plans, [("2026-11-05T09:30:00Z".to_owned(), "shop-1.1.0")]);
    let frozen = of(Kind::Freeze).next().unwrap();
    assert_eq!((frozen.environment.as_str(), frozen.details.as_str()), ("", "sale"));
    assert!(calendar.entries.is_sorted());
}

#[test]
fn the_grid_marks_what_matters_most_on_each_day() {
    let layout = |width| Layout { width, colour: false };
    let zone = TimeZone::UTC;
    let lines = november().months(&zone, layout(Some(80)));
    assert_eq!(lines[0].trim(), "November 2026");
    // The first of November is a Sunday.
    assert_eq!(lines[2].trim(), "1w");
    assert_eq!(lines[3], " 2p  3+  4w  5P  6w  7w  8w");
    assert_eq!(lines[6], "23w 24w 25w 26w 27F 28F 29w");
    assert!(november().months(&zone, layout(Some(20))).is_empty());
    // In a zone that is ahead, the freeze reaches into the day on which it ends.
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    assert_eq!(november().months(&zone, layout(None))[6], "23w 24w 25w 26w 27F 28F 29F");
}

#[test]
fn an_icalendar_file_keeps_the_identity_of_its_entries_and_folds_long_lines() {
    let mut calendar = november();
    let name = "ü".repeat(80);
    calendar.entries[0].name.clone_from(&name);
    let (one, other) = (calendar.ical(at("12:00:00")), calendar.ical(at("13:00:00")));
    let uids = |file: &str| {
        file.lines().filter(|line| line.starts_with("UID")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(uids(&one), uids(&other));
    let distinct: std::collections::BTreeSet<_> = uids(&one).into_iter().collect();
    assert_eq!(distinct.len(), calendar.entries.len());
    assert!(one.contains("DTSTART:20261102T091000Z\r\n"), "{one}");
    assert!(one.split("\r\n").all(|line| line.len() <= 75), "{one}");
}

#[test]
fn windows_that_are_always_open_or_broken_end_the_search() {
    for schedule in ["* * * * *", "nonsense", "0 0 30 2 *"] {
        let windows = json!([{ "schedule": schedule, "duration": "1h" }]);
        let project = project([environment("prod", json!({ "spec": { "windows": windows } }))]);
        let (from, to) = (at("00:00:00"), "2026-12-01T00:00:00Z".parse().unwrap());
        let entries = calendar(&project, from, to, at("12:00:00")).entries;
        assert!(entries.len() <= 1, "{schedule}: {entries:?}");
    }
}
