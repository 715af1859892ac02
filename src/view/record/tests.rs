use super::chain::Chain;
use super::*;
use serde_json::{Value, json};

fn promotion(name: &str, status: Value) -> Promotion {
    serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Promotion",
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "creationTimestamp": "2026-11-25T08:00:00Z",
        },
        "spec": {
            "release": "shop-1.4.0", "environment": "prod", "requestedBy": { "username": "ann" },
            "override": { "gates": ["Freeze"], "reason": "checkout is down" },
        },
        "status": status,
    }))
    .unwrap()
}

fn ended() -> Value {
    json!({
        "phase": "Failed", "reason": "TestFailed", "message": "exit code 1", "application": "shop", "revision": 3,
        "startedAt": "2026-11-25T09:00:00Z", "rolledOutAt": "2026-11-25T09:00:10Z", "finishedAt": "2026-11-25T09:01:00Z",
        "approvals": {
            "of": {
                "release": { "name": "shop-1.4.0", "uid": "r" }, "environment": { "name": "prod", "uid": "e" }, "digest": "d",
            },
            "required": 2,
            "approved": [
                { "by": "bob", "at": "2026-11-25T08:30:00Z", "comment": "fine" },
                { "by": "eve", "at": "2026-11-25T08:40:00Z" },
            ],
        },
        "tests": [{ "name": "smoke", "origin": "Environment", "result": "Failed" }],
    })
}

fn objects() -> Objects {
    Objects { promotions: vec![promotion("prod-1", ended())], ..Objects::default() }
}

#[test]
fn each_thing_that_people_and_the_controller_did_is_one_event() {
    let events = events(&objects());
    let shown: Vec<String> = events
        .iter()
        .map(|event| {
            let by = event.by.as_deref().unwrap_or("-");
            format!("{:?} {by} {}", event.event, event.message.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Requested ann ",
            "Approved bob fine",
            "Approved eve ",
            "Overridden ann Freeze: checkout is down",
            "Started - ",
            "RolledOut - ",
            "Ended - TestFailed: exit code 1; test smoke: Failed",
        ]
    );
}

#[test]
fn a_deleted_promotion_has_the_events_that_it_had() {
    let before = events(&objects());
    let entry = RecordEntry::from(&objects().promotions[0]);
    let status = json!({ "record": { (entry.key()): entry }, "recordDropped": 2 });
    let environment: Environment = serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment",
        "metadata": { "name": "prod", "uid": "e" }, "spec": { "namespace": "shop-prod" }, "status": status,
    }))
    .unwrap();
    let both = Objects { environments: vec![environment.clone()], ..objects() };
    let mut after = events(&Objects { environments: vec![environment], ..Objects::default() });
    let dropped = after.iter().position(|event| event.event == Kind::Dropped).map(|nth| after.remove(nth));
    assert_eq!(after, before);
    assert!(dropped.unwrap().message.unwrap().starts_with("2 older promotions"));
    // Recorded and not deleted yet: once.
    assert_eq!(events(&both).len(), before.len() + 1);
}

#[test]
fn a_chain_shows_every_change_in_its_middle() {
    let lines = Chain::default().continued("shop", events(&objects())).unwrap();
    let whole = lines.join("\n");
    let chain = Chain::read(&whole).unwrap();
    assert_eq!((chain.lines, chain.project.as_deref()), (7, Some("shop")));
    let without = |nth: usize| {
        let left = lines.iter().enumerate().filter(|(at, _)| *at != nth).map(|(_, line)| line.as_str());
        left.collect::<Vec<_>>().join("\n")
    };
    let swapped = [&lines[1], &lines[0], &lines[2]].map(String::as_str).join("\n");
    for (broken, line, words) in [
        (whole.replacen("\"bob\"", "\"mallory\"", 1), 3, "line 2 has the hash"),
        (without(0), 1, "lines before it are missing"),
        (without(3), 4, "lines between them were removed or added"),
        (swapped, 1, "lines before it are missing"),
        (format!("{whole}\n{whole}"), 8, "line 7 has the hash"),
        (format!("{whole}\nnonsense"), 8, "it is not an event"),
        (whole.replacen("\"sequence\":1}", "\"sequence\":2}", 1), 1, "its number is 2"),
    ] {
        let fault = Chain::read(&broken).unwrap_err();
        assert_eq!(fault.line, line, "{fault}");
        assert!(fault.message.contains(words), "{fault}");
    }
    // The end, and a tail that was written again, show only to an auditor who kept the hash.
    let other_end = whole.replacen("exit code 1;", "exit code 0;", 1);
    let mut tail = Chain::read(&lines[..2].join("\n")).unwrap();
    let mut others = events(&objects());
    others.iter_mut().for_each(|event| event.by = Some("mallory".to_owned()));
    let rewritten = [&lines[..2], &tail.continued("shop", others).unwrap()].concat().join("\n");
    for forged in [without(6), other_end, rewritten] {
        let forged = Chain::read(&forged).unwrap();
        assert_eq!(forged.line_of(&chain.last), None);
        assert_eq!(forged.line_of(&Chain::read(&lines[0]).unwrap().last), Some(1));
    }
}

#[test]
fn a_chain_is_continued_with_what_is_new() {
    let first = objects();
    let mut lines = Chain::default().continued("shop", events(&first)).unwrap();
    let mut chain = Chain::read(&lines.join("\n")).unwrap();
    assert_eq!(chain.continued("shop", events(&first)).unwrap(), [] as [String; 0]);
    let more =
        Objects { promotions: vec![promotion("prod-0", json!({})), first.promotions[0].clone()], ..first };
    let added = chain.continued("shop", events(&more)).unwrap();
    assert_eq!(added.len(), 1, "{added:?}");
    lines.extend(added);
    let whole = Chain::read(&lines.join("\n")).unwrap();
    assert_eq!((whole.lines, whole.last), (8, chain.last));
}

/// A Recall that was deleted is an event as before, of one release or of two, and its end is another.
#[test]
fn holds_and_recalls_are_events_also_when_they_were_lifted() {
    let release = |name: &str, to: Value| -> Release {
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
            "metadata": { "name": name, "uid": name, "creationTimestamp": "2026-11-25T08:00:00Z" },
            "spec": { "application": "shop", "version": name, "source": { "environment": { "name": "dev" } } },
            "status": { "interventions": [
                { "kind": "Hold", "by": "ann", "reason": "wait", "from": "2026-11-25T09:00:00Z", "to": "2026-11-25T09:30:00Z" },
                { "kind": "Hold", "by": "ben", "from": "2026-11-25T10:00:00Z" },
                {
                    "kind": "Recall", "name": "bad", "uid": "r", "by": "carol", "reason": "it loses orders",
                    "from": "2026-11-25T11:00:00Z", "to": to,
                },
            ] },
        }))
        .unwrap()
    };
    let recall: Recall = serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Recall",
        "metadata": { "name": "bad", "uid": "r", "creationTimestamp": "2026-11-25T11:00:00Z" },
        "spec": { "application": "shop", "digests": [], "reason": "it loses orders", "author": { "username": "carol" } },
    }))
    .unwrap();
    let shown = |objects: &Objects| -> Vec<String> {
        let events = events(objects).into_iter().filter(|event| event.event != Kind::ReleaseCreated);
        events.map(|event| format!("{} {}", event.id, event.by.unwrap_or_default())).collect()
    };
    let lasting = Objects {
        releases: vec![release("one", Value::Null), release("two", Value::Null)],
        recalls: vec![recall],
        ..Objects::default()
    };
    let until = json!("2026-11-25T12:00:00Z");
    let lifted = Objects {
        releases: vec![release("one", until.clone()), release("two", until)],
        ..Objects::default()
    };
    let before = shown(&lasting);
    assert_eq!(before.iter().filter(|event| *event == "r/Recalled carol").count(), 1, "{before:?}");
    assert_eq!(
        before.iter().filter(|event| event.starts_with("one/")).count(),
        3,
        "held, resumed, held: {before:?}"
    );
    let after = shown(&lifted);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], ["r/Lifted "]);
}
