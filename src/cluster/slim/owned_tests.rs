use super::*;
use crate::cluster::slim::Deployment;
use serde_json::{Value, json};

fn entry(manager: &str, operation: &str, time: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn ours(fields: Value) -> Value {
    entry("towpath", "Apply", "2026-11-02T09:00:00Z", fields)
}

fn theirs(fields: Value) -> Value {
    entry("kubectl", "Update", "2026-11-02T09:00:05Z", fields)
}

fn read(entries: Value) -> Deployment {
    let metadata =
        json!({"name": "web", "annotations": {"towpath.dev/revision": "3"}, "managedFields": entries});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

fn owned(entries: Value) -> Owned {
    read(entries).metadata.owned
}

fn written() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}}}},
    })
}

fn container(fields: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": fields}}}}})
}

#[test]
fn a_foreign_field_after_the_write_may_be_drift() {
    let label = json!({"f:metadata": {"f:labels": {"f:other": {}}}});
    let annotation = json!({"f:metadata": {"f:annotations": {".": {}, "f:cattle.io/status": {}}}});
    let restart = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let mut scale = theirs(replicas.clone());
    scale["subresource"] = json!("scale");
    let mut status = theirs(
        json!({"f:metadata": {"f:annotations": {"f:deployment.kubernetes.io/revision": {}}}, "f:status": {}}),
    );
    status["subresource"] = json!("status");
    let earlier =
        entry("kubectl", "Update", "2026-11-02T08:59:59Z", container(json!({"f:image": {}, "f:args": {}})));
    for (what, entries, expected) in [
        ("no entry", json!(null), false),
        ("none of ours", json!([theirs(container(json!({"f:image": {}})))]), false),
        ("ours alone", json!([ours(written())]), false),
        ("before the write", json!([ours(written()), earlier]), false),
        ("the status", json!([ours(written()), status]), false),
        ("an autoscaler", json!([ours(written()), scale]), false),
        ("replicas", json!([ours(written()), theirs(replicas)]), false),
        ("a restart", json!([ours(written()), theirs(restart)]), false),
        ("an annotation", json!([ours(written()), theirs(annotation)]), false),
        ("the same field", json!([ours(written()), theirs(container(json!({"f:image": {}})))]), false),
        ("another field", json!([ours(written()), theirs(container(json!({"f:args": {}})))]), true),
        ("a label", json!([ours(written()), theirs(label)]), true),
        (
            "a field that was ours",
            json!([
                theirs(container(json!({".": {}, "f:image": {}}))),
                ours(container(json!({".": {}, "f:name": {}})))
            ]),
            true,
        ),
    ] {
        assert_eq!(owned(entries).may_have_drifted(), expected, "{what}");
    }
}

#[test]
fn a_field_that_our_entry_loses_without_a_write_may_be_drift() {
    let mut without_label = written();
    without_label["f:metadata"]["f:labels"] = json!({});
    let mut without_replicas = written();
    without_replicas["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let follow = |fields: &Value, revision: &str| {
        let before = read(json!([ours(written())]));
        let metadata = json!({"name": "web", "annotations": {"towpath.dev/revision": revision}, "managedFields": [ours(fields.clone())]});
        let mut after: Deployment = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        after.metadata.follow(&before.metadata);
        after
    };
    for (what, fields, revision, expected) in [
        ("nothing changed", written(), "3", false),
        ("a label was removed", without_label.clone(), "3", true),
        ("Towpath itself wrote", without_label.clone(), "4", false),
        ("an autoscaler took the replicas", without_replicas, "3", false),
    ] {
        assert_eq!(follow(&fields, revision).metadata.owned.may_have_drifted(), expected, "{what}");
    }
    let lost = follow(&without_label, "3");
    let mut later = read(json!([ours(without_label)]));
    later.metadata.follow(&lost.metadata);
    assert!(later.metadata.owned.may_have_drifted(), "until Towpath writes again");
}

#[test]
fn the_version_changes_with_who_changed_what_when() {
    let base = json!([ours(written()), theirs(container(json!({"f:args": {}})))]);
    let at = entry("kubectl", "Update", "2026-11-02T09:00:06Z", container(json!({"f:args": {}})));
    let by = entry("helm", "Update", "2026-11-02T09:00:05Z", container(json!({"f:args": {}})));
    let of = theirs(container(json!({"f:command": {}})));
    let mut versions = vec![owned(base.clone()).version()];
    versions.extend([at, by, of].map(|other| owned(json!([ours(written()), other])).version()));
    versions.push(
        owned(json!([ours(container(json!({"f:image": {}}))), theirs(container(json!({"f:args": {}})))]))
            .version(),
    );
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 5);
    let reversed: Vec<Value> = base.as_array().unwrap().iter().rev().cloned().collect();
    assert_eq!(owned(json!(reversed)), owned(base));
}

#[test]
fn it_takes_eight_bytes_and_decodes_what_is_empty() {
    assert_eq!(size_of::<Owned>(), 8);
    for entries in [json!(null), json!([]), json!([{}]), json!([{"manager": null, "fieldsV1": null}])] {
        assert_eq!(owned(entries), Owned::default());
    }
}
