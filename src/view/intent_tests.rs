use super::*;
use crate::api::{ChangeFreezeSpec, ClusterChangeFreezeSpec, ObjectIdentity};
use std::sync::LazyLock;

fn ann() -> UserInfo {
    UserInfo { username: "ann".to_owned(), uid: None, groups: vec!["system:authenticated".to_owned()] }
}

static SHOP: LazyLock<ProjectName> = LazyLock::new(|| "shop".into());

fn request(by: &UserInfo) -> Request<'_> {
    Request { project: Some(&SHOP), by: Some(by), reason: Some("checkout is slow") }
}

fn written(intent: &Intent) -> Value {
    match &intent.write {
        Write::Create(manifest) => manifest.clone(),
        Write::Patch { patch, .. } => patch.clone(),
        Write::Delete { name, uid } => json!({ "name": name, "uid": uid }),
    }
}

fn rights(intent: &Intent) -> Vec<String> {
    let shown = |right: &Right| {
        let name = right.name.as_deref().map(|name| format!("/{name}")).unwrap_or_default();
        format!("{} {}{name}", right.verb, right.resource)
    };
    intent.rights.iter().map(shown).collect()
}

fn release(requester: &str, annotations: Value) -> Release {
    serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
        "metadata": { "name": "shop-1.3.0", "annotations": annotations },
        "spec": {
            "application": "shop", "version": "1.3.0", "source": { "environment": { "name": "dev" } },
            "requestedBy": { "username": requester },
        },
    }))
    .unwrap()
}

#[test]
fn each_promotion_is_the_manifest_that_the_pages_show() {
    let ann = ann();
    let user = json!({ "username": "ann", "groups": ["system:authenticated"] });
    let manual = |name: &str, mut spec: Value| {
        spec["release"] = json!("shop-1.3.0");
        spec["environment"] = json!("prod");
        spec["requestedBy"] = user.clone();
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Promotion",
            "metadata": { "generateName": name, "namespace": "shop" }, "spec": spec,
        })
    };
    let shop: ApplicationName = "shop".into();
    for (intent, name, spec, needed) in [
        (
            promote(request(&ann), &"shop-1.3.0".into(), &"prod".into()),
            "prod-shop-1.3.0-",
            json!({ "kind": "Promote", "reason": "checkout is slow" }),
            vec!["create promotions", "promote environments/prod"],
        ),
        (
            override_gates(
                request(&ann),
                &"shop-1.3.0".into(),
                &"prod".into(),
                &[GateName::Window, GateName::Freeze],
            ),
            "prod-shop-1.3.0-override-",
            json!({
                "kind": "Promote",
                "override": { "gates": ["Window", "Freeze"], "reason": "checkout is slow" },
            }),
            vec!["create promotions", "promote environments/prod", "override environments/prod"],
        ),
        (
            roll_back(request(&ann), &"shop-1.3.0".into(), &"prod".into(), &shop, None),
            "prod-shop-1.3.0-rollback-",
            json!({ "kind": "Rollback", "application": "shop", "reason": "checkout is slow" }),
            vec!["create promotions", "rollback environments/prod"],
        ),
        (
            roll_back(request(&ann), &"shop-1.3.0".into(), &"prod".into(), &shop, Some(0)),
            "prod-shop-1.3.0-rollback-",
            json!({
                "kind": "Rollback", "application": "shop", "toRevision": 0, "reason": "checkout is slow",
            }),
            vec!["create promotions", "rollback environments/prod"],
        ),
    ] {
        assert_eq!(written(&intent), manual(name, spec));
        assert_eq!(rights(&intent), needed);
        assert_eq!(intent.kind, Kind::Promotion);
    }
}

#[test]
fn a_release_on_hold_is_held_by_who_creates_it() {
    let ann = ann();
    let annotation = |hold: Option<bool>| {
        let mut release = release("stranger", json!({ "example.com/a": "b" }));
        release.spec.hold = hold;
        let intent = cut(request(&ann), release);
        assert_eq!(
            (rights(&intent), intent.object()),
            (vec!["create releases".to_owned()], "release shop-1.3.0".to_owned())
        );
        let manifest = written(&intent);
        assert_eq!(manifest["spec"]["requestedBy"]["username"], "ann");
        assert_eq!(manifest["metadata"]["namespace"], "shop");
        manifest["metadata"]["annotations"].clone()
    };
    assert_eq!(annotation(None), json!({ "example.com/a": "b" }));
    assert_eq!(annotation(Some(true)), json!({ "example.com/a": "b", "towpath.dev/held-by": "ann" }));
}

#[test]
fn a_dry_run_has_a_name_of_its_own_and_needs_the_rights_of_a_promotion() {
    let ann = ann();
    let intent = compare(request(&ann), &release("ben", json!({})), &"prod".into());
    let manifest = written(&intent);
    assert_eq!(manifest["metadata"], json!({ "generateName": "dry-run.prod-", "namespace": "shop" }));
    assert_eq!(
        manifest["spec"],
        json!({
            "release": "shop-1.3.0", "environment": "prod", "application": "shop", "kind": "Promote", "dryRun": true,
            "requestedBy": { "username": "ann", "groups": ["system:authenticated"] },
        })
    );
    assert_eq!(rights(&intent), rights(&promote(request(&ann), &"shop-1.3.0".into(), &"prod".into())));
    assert_eq!(intent.object(), "promotion dry-run.prod-");
}

#[test]
fn an_approval_names_exactly_what_the_promotion_shows() {
    let of = ApprovalOf {
        release: ObjectIdentity { name: "shop-1.3.0".into(), uid: "r".to_owned() },
        environment: ObjectIdentity { name: "prod".into(), uid: "e".to_owned() },
        digest: "d".repeat(64),
    };
    for (decision, word) in [(ApprovalDecision::Approve, "Approve"), (ApprovalDecision::Reject, "Reject")] {
        let ann = ann();
        let intent = decide(request(&ann), &of, decision);
        assert_eq!(
            written(&intent),
            json!({
                "apiVersion": "towpath.dev/v1alpha1", "kind": "Approval",
                "metadata": { "generateName": "prod-shop-1.3.0-", "namespace": "shop" },
                "spec": {
                    "release": { "name": "shop-1.3.0", "uid": "r" },
                    "environment": { "name": "prod", "uid": "e" },
                    "digest": "d".repeat(64), "decision": word, "comment": "checkout is slow",
                    "approver": { "username": "ann", "groups": ["system:authenticated"] },
                },
            })
        );
        assert_eq!(rights(&intent), ["create approvals", "approve environments/prod"]);
    }
}

#[test]
fn the_requester_of_a_release_needs_less_to_hold_it() {
    let ann = ann();
    for (requester, needed, role) in [
        ("ann", vec!["patch releases"], Role::Requester),
        ("ben", vec!["patch releases", "rollback environments"], Role::OnCall),
    ] {
        let intent = hold(request(&ann), &release(requester, json!({})));
        assert_eq!(rights(&intent), needed);
        assert_eq!(intent.role, role);
        assert_eq!(
            written(&intent),
            json!({
                "metadata": { "annotations": {
                    "towpath.dev/held-by": "ann", "towpath.dev/held-because": "checkout is slow",
                } },
                "spec": { "hold": true },
            })
        );
    }
}

#[test]
fn the_end_of_a_hold_needs_override_unless_it_is_the_own_hold() {
    let ann = ann();
    for (requester, holder, needed, role) in [
        ("ann", json!("ann"), vec!["patch releases"], Role::Requester),
        ("ann", json!("ben"), vec!["patch releases", "override environments"], Role::OnCall),
        ("ben", json!("ann"), vec!["patch releases", "rollback environments"], Role::OnCall),
        ("ben", json!("ben"), vec!["patch releases", "override environments"], Role::OnCall),
    ] {
        let annotations = json!({ "towpath.dev/held-by": holder });
        let intent = resume(request(&ann), &release(requester, annotations));
        assert_eq!(rights(&intent), needed);
        assert_eq!(intent.role, role);
        let annotations = json!({ "towpath.dev/held-by": null, "towpath.dev/held-because": null });
        assert_eq!(
            written(&intent),
            json!({ "metadata": { "annotations": annotations }, "spec": { "hold": null } })
        );
    }
    let unknown = resume(request(&ann), &release("ann", json!({})));
    assert_eq!(rights(&unknown), ["patch releases", "override environments"]);
}

#[test]
fn a_withdrawal_deletes_that_very_promotion() {
    let ann = ann();
    let promotion = |requester: &str| -> Promotion {
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Promotion",
            "metadata": { "name": "prod-shop-1.3.0-x", "uid": "u" },
            "spec": {
                "release": "shop-1.3.0", "environment": "prod", "requestedBy": { "username": requester },
            },
        }))
        .unwrap()
    };
    let own = withdraw(request(&ann), &promotion("ann"));
    assert_eq!(written(&own), json!({ "name": "prod-shop-1.3.0-x", "uid": "u" }));
    assert_eq!((rights(&own), own.role), (vec!["delete promotions".to_owned()], Role::Requester));
    let other = withdraw(request(&ann), &promotion("ben"));
    assert_eq!(rights(&other), ["delete promotions", "rollback environments/prod"]);
    assert_eq!(other.role, Role::OnCall);
}

#[test]
fn recalls_and_freezes_are_named_or_get_a_name() {
    let ann = ann();
    let digests = ["d".repeat(64)];
    let shop: ApplicationName = "shop".into();
    let intent = recall(request(&ann), None, &shop, &digests);
    assert_eq!(
        written(&intent),
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Recall",
            "metadata": { "generateName": "shop-", "namespace": "shop" },
            "spec": {
                "application": "shop", "digests": digests, "reason": "checkout is slow",
                "author": { "username": "ann", "groups": ["system:authenticated"] },
            },
        })
    );
    assert_eq!(rights(&intent), ["create recalls", "rollback environments"]);
    let intent = recall(request(&ann), Some("loses-orders"), &shop, &digests);
    assert_eq!(written(&intent)["metadata"], json!({ "name": "loses-orders", "namespace": "shop" }));
    assert_eq!(rights(&lift_recall("loses-orders")), ["delete recalls", "override environments"]);

    let spec: ChangeFreezeSpec = serde_json::from_value(json!({
        "from": "2026-12-20T00:00:00Z", "to": "2027-01-04T00:00:00Z", "reason": "year-end",
        "environments": ["prod"], "passes": ["Emergency"],
    }))
    .unwrap();
    let named = freeze(request(&ann), Some("year-end"), spec.clone());
    assert_eq!(written(&named)["metadata"], json!({ "name": "year-end", "namespace": "shop" }));
    assert_eq!(written(&named)["spec"], serde_json::to_value(&spec).unwrap());
    assert_eq!(
        written(&freeze(request(&ann), None, spec))["metadata"],
        json!({ "generateName": "freeze-", "namespace": "shop" })
    );
    assert_eq!(rights(&unfreeze("year-end")), ["delete changefreezes"]);
}

#[test]
fn a_freeze_of_the_cluster_is_in_no_namespace() {
    let spec: ClusterChangeFreezeSpec = serde_json::from_value(json!({
        "from": "2026-12-20T00:00:00Z", "to": "2027-01-04T00:00:00Z", "reason": "year-end", "projects": ["shop"],
    }))
    .unwrap();
    let intent = freeze_cluster(Request::default(), None, spec.clone());
    assert_eq!(
        written(&intent),
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "ClusterChangeFreeze",
            "metadata": { "generateName": "freeze-" }, "spec": spec,
        })
    );
    assert_eq!(
        (rights(&intent), intent.role),
        (vec!["create clusterchangefreezes".to_owned()], Role::ClusterFreeze)
    );
    assert_eq!(rights(&unfreeze_cluster("year-end")), ["delete clusterchangefreezes"]);
}

#[test]
fn without_a_user_the_api_server_fills_the_user_in() {
    let manifest = written(&promote(Request::default(), &"shop-1.3.0".into(), &"prod".into()));
    assert_eq!(manifest["spec"]["requestedBy"], Value::Null);
    assert_eq!(manifest["metadata"], json!({ "generateName": "prod-shop-1.3.0-" }));
}
