use super::*;
use serde_json::json;

fn release(content: Option<&str>) -> Release {
    serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1",
        "kind": "Release",
        "metadata": {
            "name": "shop-1.4.0",
            "namespace": "shop",
            "uid": "bf94039c-dbbe-4451-959d-25e1340d4a87",
            "resourceVersion": "5543",
            "generation": 2,
            "creationTimestamp": "2026-11-25T02:58:35Z",
        },
        "spec": {
            "application": "shop",
            "version": "1.4.0",
            "source": { "environment": { "name": "dev" } },
            "change": { "type": "Standard", "risk": "Low", "tickets": ["SHOP-1"] },
            "requestedBy": { "username": "alice", "groups": ["shop", "system:authenticated"] },
        },
        "status": {
            "observedGeneration": 2,
            "phase": "Waiting",
            "digest": content.map(|_| "a".repeat(64)),
            "content": content,
            "images": [{ "image": "web:1", "reason": "no pod runs it" }],
            "environments": [
                { "name": "dev", "state": "NotAStage", "message": "the release was captured here" },
                { "name": "prod", "state": "Window", "message": "opens", "until": "2026-11-26T08:00:00Z" },
            ],
            "summary": "prod:Window",
            "message": "prod: opens",
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Window",
                "message": "prod: opens",
                "observedGeneration": 2,
                "lastTransitionTime": "2026-11-25T02:58:45Z",
            }],
        },
    }))
    .unwrap()
}

#[test]
fn a_cached_release_returns_what_was_stored() {
    for content in [None, Some("shop-d323cb4bdb234c77")] {
        let whole = release(content);
        let cached = CachedRelease::from(whole.clone());
        assert_eq!(cached.status(), whole.status);
        assert_eq!(cached.requested_by(), whole.spec.requested_by);
        let record = serde_json::to_value(cached.change_record()).unwrap();
        assert_eq!(record, json!({ "type": "Standard", "risk": "Low", "tickets": ["SHOP-1"] }));
        assert_eq!(
            (
                cached.namespace(),
                cached.name(),
                cached.application(),
                cached.version(),
                cached.captured_from()
            ),
            ("shop", "shop-1.4.0", "shop", "1.4.0", Some("dev".into()))
        );
        assert_eq!(
            (cached.until(), cached.content(), cached.phase()),
            (None, content, ReleasePhase::Waiting)
        );
        let source = cached.uncaptured().map(|uncaptured| uncaptured.source);
        let expected = content.is_none().then(|| whole.spec.source.clone());
        assert_eq!(source, expected, "the source is dropped once the content is captured");
        assert_eq!(requesters([&cached, &cached].into_iter()).len(), 1);
    }
    let mut fresh = release(None);
    fresh.status = None;
    assert_eq!(CachedRelease::from(fresh).status(), None);
}

#[test]
fn with_status_replaces_the_status() {
    let cached = CachedRelease::from(release(None));
    let status = release(Some("shop-d323cb4bdb234c77")).status.unwrap();
    let next = cached.with_status(&status);
    assert_eq!(next.status(), Some(status));
    assert_eq!((next.name(), next.content()), (cached.name(), Some("shop-d323cb4bdb234c77")));
    assert_eq!(next.uncaptured(), None);
}

/// The size of the struct and of its string. The allocator adds about ten bytes to each.
#[test]
fn a_settled_release_is_small() {
    let cached = CachedRelease::from(release(Some("shop-d323cb4bdb234c77")));
    assert!(size_of::<CachedRelease>() <= 128, "{}", size_of::<CachedRelease>());
    assert!(cached.text.len() <= 1_000, "{}", cached.text.len());
}
