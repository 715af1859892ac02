use super::tests::{Made, at, promotion, release};
use super::*;
use serde_json::{Value, json};

fn reviews(specs: &[(&str, Value)]) -> Vec<Review> {
    let review = |(created, spec): &(&str, Value)| {
        let mut whole = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Review",
            "metadata": { "name": format!("of-{created}"), "uid": created, "creationTimestamp": created },
            "spec": { "release": "2.0.0", "outcome": "Failed", "author": { "username": "rita" } },
        });
        json_patch::merge(&mut whole["spec"], spec);
        serde_json::from_value(whole).unwrap()
    };
    specs.iter().map(review).collect()
}

/// The controller saw an incident before its promotions were deleted. A review without an author, or of an earlier release of this name,
/// does not count.
#[test]
fn a_report_shows_what_the_controller_saw_and_the_newest_review_that_counts() {
    let status = json!({
        "phase": "RolledBack",
        "review": {
            "ending": "RolledBack", "endedAt": "2026-12-01T13:02:00Z",
            "incidents": [{ "environment": "prod", "promotion": "gone", "cause": "OOMKilled", "beganAt": "2026-12-01T13:00:00Z" }],
        },
    });
    let release = release("2.0.0", at("2026-12-01T08:00:00Z"), status);
    let mut objects = Objects { releases: vec![release.clone()], ..Objects::default() };
    let now = at("2026-12-05T15:00:00Z");
    let open = report(&objects, &release, now);
    assert_eq!(open.incidents.len(), 1);
    assert!(
        open.markdown().contains("open; close it with: kubectl towpath review 2.0.0"),
        "{}",
        open.markdown()
    );
    objects.reviews = reviews(&[
        ("2026-11-30T00:00:00Z", json!({ "notes": "of an earlier release" })),
        ("2026-12-02T00:00:00Z", json!({ "notes": "first" })),
        ("2026-12-03T00:00:00Z", json!({ "notes": "second", "actions": ["raise the limit"] })),
        ("2026-12-04T00:00:00Z", json!({ "notes": "without an author", "author": null })),
    ]);
    let closed = report(&objects, &release, now);
    let review = closed.review.as_ref().unwrap();
    assert_eq!((review.notes.as_deref(), review.by.as_deref()), (Some("second"), Some("rita")));
    let text = closed.markdown();
    for words in
        ["- review: Failed by rita, 2026-12-03 00:00:00: second", "- action: raise the limit", "Reviewed"]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

/// What people write is text in the page, whatever it says, and the page loads and runs nothing.
#[test]
fn the_page_of_a_report_is_one_file_without_markup_of_others() {
    let markup = "</title><script>alert(1)</script><img src=x onerror=y>\u{202e}\"'&";
    let status = json!({
        "phase": "Failed", "message": markup,
        "environments": [{ "name": "prod", "state": markup, "waits": [{ "gate": markup, "seconds": 5, "times": 1 }] }],
    });
    let mut release = release("2.0.0", at("2026-12-01T08:00:00Z"), status);
    release.spec.change = serde_json::from_value(json!({ "summary": markup, "owner": markup })).unwrap();
    let made = |name: &str, started: &str, kind: &str| {
        promotion(Made {
            name: name.to_owned(),
            release: "2.0.0",
            started: at(started),
            lasted: 60,
            spec: json!({ "kind": kind, "reason": markup, "requestedBy": { "username": markup } }),
            status: json!({ "phase": "Failed", "revision": 2, "reason": markup, "message": markup }),
        })
    };
    let promotions = vec![
        made(markup, "2026-12-01T13:00:00Z", "Promote"),
        made("prod-2-rollback", "2026-12-01T13:02:00Z", "Rollback"),
    ];
    let reviews = reviews(&[("2026-12-02T00:00:00Z", json!({ "notes": markup, "actions": [markup] }))]);
    let objects = Objects { releases: vec![release.clone()], promotions, reviews, ..Objects::default() };
    let page = report(&objects, &release, at("2026-12-05T15:00:00Z")).html(at("2026-12-05T15:00:00Z"));
    for part in ["<script", "<img", " src=\"", " href=", "\u{202e}", "url("] {
        assert!(!page.contains(part), "{part}\n{page}");
    }
    assert_eq!(
        page.matches("<title>").count() + page.matches("<title ").count(),
        4,
        "page, drawing, two promotions"
    );
    assert_eq!(page.matches("<rect").count(), 2, "one bar for each, both without a wait:\n{page}");
    assert!(page.contains("default-src 'none'") && page.contains("&lt;script&gt;"), "{page}");
}
