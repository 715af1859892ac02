//! What objects show, and when.

use super::notice::Notice;
use super::*;
use crate::api::{CachedRelease, NotifyEvent, Promotion, Recall, Release};
use crate::decide::fixture_tests::{at, digest, promotion, recall, release, stamp};
use jiff::Timestamp;
use serde_json::{Value, json};

fn decoded(value: Value) -> Promotion {
    serde_json::from_value(value).unwrap()
}

fn shop() -> CachedRelease {
    let change = json!({ "owner": "team-shop", "stakeholders": ["sales", "support"], "tickets": ["SHOP-1"] });
    let whole = release("shop-1.1.0", json!({ "spec": { "change": change } }));
    serde_json::from_value::<Release>(whole).unwrap().into()
}

fn shown(value: Value) -> Vec<(NotifyEvent, Timestamp)> {
    of_promotion(&decoded(value), Some(&shop())).into_iter().map(|it| (it.event, it.at)).collect()
}

fn of(phase: &str, changes: Value) -> Value {
    let mut whole = promotion("prod-shop-1.1.0", "shop-1.1.0", json!({ "status": { "phase": phase } }));
    json_patch::merge(&mut whole, &changes);
    whole
}

#[test]
fn a_promotion_shows_each_transition_at_the_time_that_its_status_holds() {
    let started = json!({ "status": { "startedAt": stamp("11:00:00") } });
    let ended = json!({ "status": { "startedAt": stamp("11:00:00"), "finishedAt": stamp("11:10:00") } });
    let rollback = |changes: &Value| {
        let mut all = json!({ "spec": { "kind": "Rollback" } });
        json_patch::merge(&mut all, changes);
        all
    };
    let (start, end) = (at("11:00:00"), at("11:10:00"));
    for (what, promotion, wanted) in [
        ("pending", of("Pending", json!({})), vec![]),
        ("started", of("Promoting", started.clone()), vec![(NotifyEvent::Started, start)]),
        (
            "verified",
            of("Verified", ended.clone()),
            vec![(NotifyEvent::Started, start), (NotifyEvent::Verified, end)],
        ),
        (
            "failed",
            of("Failed", ended.clone()),
            vec![(NotifyEvent::Started, start), (NotifyEvent::Failed, end)],
        ),
        (
            "refused before it started",
            of("Failed", json!({ "status": { "finishedAt": stamp("11:10:00") } })),
            vec![(NotifyEvent::Failed, end)],
        ),
        (
            "inconclusive",
            of("Inconclusive", ended.clone()),
            vec![(NotifyEvent::Started, start), (NotifyEvent::Inconclusive, end)],
        ),
        (
            "superseded",
            of("Superseded", ended.clone()),
            vec![(NotifyEvent::Started, start), (NotifyEvent::Superseded, end)],
        ),
        ("cancelled", of("Cancelled", json!({ "status": { "finishedAt": stamp("11:10:00") } })), vec![]),
        ("rollback", of("Promoting", rollback(&started)), vec![(NotifyEvent::RollbackStarted, start)]),
        (
            "restored",
            of("Verified", rollback(&ended)),
            vec![(NotifyEvent::RollbackStarted, start), (NotifyEvent::RolledBack, end)],
        ),
        (
            "rollback failed",
            of("Failed", rollback(&ended)),
            vec![(NotifyEvent::RollbackStarted, start), (NotifyEvent::RollbackFailed, end)],
        ),
        (
            "dry run",
            of(
                "Verified",
                json!({ "spec": { "dryRun": true }, "status": { "startedAt": stamp("11:00:00") } }),
            ),
            vec![],
        ),
    ] {
        assert_eq!(shown(promotion), wanted, "{what}");
    }
}

#[test]
fn missing_approvals_are_one_notice_for_each_content() {
    let report = |digest: &str, needed: Value| {
        json!({ "status": { "approvals": {
            "of": { "release": { "name": "shop-1.1.0", "uid": "a" }, "environment": { "name": "prod", "uid": "b" }, "digest": digest },
            "required": 1, "needed": needed,
        } } })
    };
    let ids = |value: Value| {
        of_promotion(&decoded(value), None).into_iter().map(|it| it.id).collect::<Vec<String>>()
    };
    let (first, second) = (digest(), "b".repeat(64));
    let waiting = of("Pending", report(&first, json!("1 more approval")));
    assert_eq!(ids(waiting.clone()), ["uid-prod-shop-1.1.0.ApprovalNeeded.aaaaaaaaaaaa"]);
    assert_eq!(shown(waiting), [(NotifyEvent::ApprovalNeeded, at("10:00:00"))]);
    assert_eq!(ids(of("Pending", report(&second, json!("1 more approval")))).len(), 1);
    assert_ne!(
        ids(of("Pending", report(&first, json!("1 more")))),
        ids(of("Pending", report(&second, json!("1 more"))))
    );
    assert!(ids(of("Pending", report(&first, Value::Null))).is_empty(), "it is approved");
    assert!(ids(of("Promoting", report(&first, json!("1 more")))).is_empty(), "it has started");
}

#[test]
fn every_notice_of_a_promotion_names_owner_and_stakeholders() {
    let ended = json!({ "status": {
        "application": "shop", "version": "1.1.0", "revision": 2, "reason": "CrashLoopBackOff", "message": "web restarts",
        "startedAt": stamp("11:00:00"), "finishedAt": stamp("11:10:00"),
    } });
    for notice in of_promotion(&decoded(of("Failed", ended.clone())), Some(&shop())) {
        assert_eq!(notice.owner.as_deref(), Some("team-shop"));
        assert_eq!(notice.stakeholders, ["sales", "support"]);
        assert_eq!(notice.tickets, ["SHOP-1"]);
        assert_eq!((notice.application.as_deref(), notice.version.as_deref()), (Some("shop"), Some("1.1.0")));
    }
    let mut rollback = of("Verified", ended);
    let more = json!({
        "metadata": { "labels": { "towpath.dev/automatic": "true" } },
        "spec": { "kind": "Rollback", "cause": "CrashLoopBackOff" }, "status": { "version": "1.0.0" },
    });
    json_patch::merge(&mut rollback, &more);
    let notices = of_promotion(&decoded(rollback), Some(&shop()));
    let last = notices.get(1).unwrap();
    assert_eq!((last.version.as_deref(), last.restores.as_deref()), (Some("1.1.0"), Some("1.0.0")));
    assert_eq!(last.title(), "shop 1.1.0 was rolled back to 1.0.0 in prod (project shop)");
    assert_eq!(
        (notices[0].reason.as_deref(), last.owner.as_deref()),
        (Some("CrashLoopBackOff"), Some("team-shop"))
    );
}

#[test]
fn texts_are_bounded_and_hold_nothing_that_a_terminal_or_a_reader_obeys() {
    let message = format!("web: \u{1b}[31m\r\nBcc: x\u{202e}gnp.exe\u{61c}\u{0} {}", "x".repeat(64 * 1024));
    let ended = json!({ "status": {
        "reason": "Failed", "message": message, "version": "1.1.0\u{2066}", "finishedAt": stamp("11:10:00"),
    } });
    let notice = of_promotion(&decoded(of("Failed", ended)), None).remove(0);
    let text = notice.message.clone().unwrap();
    assert!(text.starts_with("web: \\u{1b}[31m\\r\\nBcc: x\\u{202e}gnp.exe\\u{61c}\\u{0} xxx"), "{text}");
    assert!(text.chars().count() <= 1_501, "{}", text.chars().count());
    assert_eq!(notice.version.as_deref(), Some("1.1.0\\u{2066}"));
    let is_obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    let all = |notice: &Notice| {
        notice.lines().into_iter().map(|(_, text)| text).chain([notice.title()]).collect::<String>()
    };
    assert!(!all(&notice).contains(is_obeyed));
}

#[test]
fn holds_recalls_and_freezes_are_notices_of_their_objects() {
    let held = json!({
        "metadata": {
            "annotations": { "towpath.dev/held-by": "alice", "towpath.dev/held-because": "the bank is closed" },
            "managedFields": [{ "manager": "kubectl", "operation": "Update", "time": stamp("10:30:00"), "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:hold": {} } } }],
        },
        "spec": { "hold": true },
    });
    let release =
        CachedRelease::from(serde_json::from_value::<Release>(release("shop-1.1.0", held)).unwrap());
    let notice = of_release(&release).unwrap();
    assert_eq!(
        (notice.event, notice.at, notice.by.as_deref()),
        (NotifyEvent::Held, at("10:30:00"), Some("alice"))
    );
    assert_eq!(notice.message.as_deref(), Some("the bank is closed"));
    assert!(of_release(&shop()).is_none());

    let author = json!({ "spec": { "author": { "username": "bob" } } });
    let notice =
        of_recall(&serde_json::from_value::<Recall>(recall("bad", author)).unwrap(), std::iter::empty());
    assert_eq!(
        (notice.event, notice.at, notice.by.as_deref()),
        (NotifyEvent::Recalled, at("10:00:00"), Some("bob"))
    );
    let message = notice.message.unwrap();
    assert!(message.ends_with(&format!("; no release holds the content {}", digest())), "{message}");

    let freeze = |from: &str, environments: Value| {
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "ChangeFreeze",
            "metadata": { "name": "sale", "namespace": "shop", "uid": "f", "creationTimestamp": stamp("10:00:00") },
            "spec": { "from": stamp(from), "to": stamp("18:00:00"), "reason": "the sale", "environments": environments },
        }))
        .unwrap()
    };
    assert_eq!(of_freeze(&freeze("12:00:00", json!([])), at("11:00:00")).unwrap_err(), at("12:00:00"));
    let notice = of_freeze(&freeze("12:00:00", json!(["prod"])), at("12:00:00")).unwrap();
    assert_eq!(
        (notice.at, notice.message.as_deref()),
        (at("12:00:00"), Some("until 2026-11-02T18:00:00Z: the sale"))
    );
    assert_eq!(notice.scope, Scope::Project("shop".into(), vec!["prod".into()]));
    let early = of_freeze(&freeze("09:00:00", json!([])), at("11:00:00")).unwrap();
    assert_eq!(early.at, at("10:00:00"), "it was created after it began");
    assert_ne!(early.id, notice.id, "another start is another freeze");
}

#[test]
fn a_recall_names_the_releases_with_the_content_and_all_who_need_to_know() {
    let of = |name: &str, more: Value| {
        let mut whole = release(name, more);
        json_patch::merge(&mut whole, &json!({ "spec": { "version": name.trim_start_matches("shop-") } }));
        CachedRelease::from(serde_json::from_value::<Release>(whole).unwrap())
    };
    let change = |owner: &str, stakeholder: &str, digest: &str| {
        let change =
            json!({ "owner": owner, "stakeholders": [stakeholder, "support"], "tickets": ["SHOP-1"] });
        json!({ "spec": { "change": change }, "status": { "observedGeneration": 1, "digest": digest } })
    };
    let releases = [
        of("shop-1.0.0", change("team-old", "bank", &"b".repeat(64))),
        of("shop-1.1.0", change("team-shop", "sales", &digest())),
        of("shop-1.1.1", change("team-fix", "sales", &digest())),
    ];
    let why = json!({ "spec": { "reason": "it loses orders", "digests": [digest()] } });
    let recall = serde_json::from_value::<Recall>(recall("lost-orders", why)).unwrap();
    let notice = of_recall(&recall, releases.iter());
    assert_eq!(notice.title(), "Content of shop 1.1.0, 1.1.1 was recalled (project shop)");
    assert_eq!(notice.release.as_deref(), Some("shop-1.1.0, shop-1.1.1"));
    assert_eq!(notice.owner.as_deref(), Some("team-shop, team-fix"));
    assert_eq!(notice.stakeholders, ["sales", "support"]);
    assert_eq!(notice.tickets, ["SHOP-1"]);
    assert_eq!(notice.message.as_deref(), Some("it loses orders"));
}
