//! The roles that the chart ships for people: each can do what its name says, and no more.

use super::support::*;
use anyhow::{Result, ensure};
use control_plane::ControlPlane;
use http::Method;
use serde_json::{Value, json};

support::stories![
    each_role_can_do_what_its_name_says_and_no_more,
    only_on_call_and_declarers_may_declare_a_type_of_change,
    an_approver_withdraws_their_own_word_only,
    an_admin_of_a_namespace_cannot_hand_out_the_verbs_that_they_lack,
    a_hold_of_another_needs_rollback_and_its_end_override_on_every_environment,
];

const ROLES: [&str; 10] = [
    "viewer",
    "requester",
    "declarer",
    "approver",
    "reviewer",
    "oncall",
    "environment-admin",
    "view",
    "edit",
    "admin",
];

/// What is done, the request, who may.
type Act = (&'static str, Method, String, Value, &'static str);

fn acts(project: &str) -> Vec<Act> {
    let all = |plural: &str| ours(project, plural, "");
    let it = |plural: &str| ours(project, plural, "it");
    let environment = object("Environment", json!({ "namespace": "p-prod" }));
    let period = json!({ "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "reason": "a" });
    let freeze = object("ChangeFreeze", period.clone());
    let everywhere = object("ClusterChangeFreeze", period);
    let cluster_wide = "/apis/towpath.dev/v1alpha1/clusterchangefreezes".to_owned();
    let gates = json!({ "spec": { "override": { "gates": ["Soak"], "reason": "now" } } });
    let forced = merged(&promotion("prod"), &gates);
    let forced_back = merged(&rollback("prod"), &gates);
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    let hold = json!({ "spec": { "hold": true } });
    let soak = json!({ "spec": { "soak": "1h" } });
    let status = json!({ "status": { "observedGeneration": 7 } });
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let everybody = "viewer requester declarer approver reviewer oncall environment-admin view edit admin";
    let rules = "environment-admin admin";
    let mut acts: Vec<Act> = vec![
        ("makes a release", post.clone(), all("releases"), release(), "requester edit admin"),
        ("holds a release", patch.clone(), it("releases"), hold, "oncall"),
        ("labels a release", patch.clone(), it("releases"), label.clone(), "oncall edit admin"),
        ("withdraws a release", delete.clone(), it("releases"), Value::Null, "edit admin"),
        ("promotes", post.clone(), all("promotions"), promotion("prod"), "requester oncall"),
        ("rolls back", post.clone(), all("promotions"), rollback("prod"), "oncall"),
        ("overrides gates", post.clone(), all("promotions"), forced, "oncall"),
        ("overrides gates of a rollback", post.clone(), all("promotions"), forced_back, "oncall"),
        ("changes a promotion", patch.clone(), it("promotions"), label.clone(), ""),
        ("withdraws a promotion of another", delete.clone(), it("promotions"), Value::Null, "oncall"),
        ("approves", post.clone(), all("approvals"), approval("prod", None), "approver"),
        ("withdraws an approval of another", delete.clone(), it("approvals"), Value::Null, ""),
        ("recalls", post.clone(), all("recalls"), recall(None), "oncall"),
        ("lifts a recall", delete.clone(), it("recalls"), Value::Null, "oncall"),
        ("changes a recall", patch.clone(), it("recalls"), label.clone(), ""),
        ("closes a review", post.clone(), all("reviews"), review(None), "reviewer"),
        ("withdraws a review of another", delete.clone(), it("reviews"), Value::Null, ""),
        ("changes a review", patch.clone(), it("reviews"), label.clone(), ""),
        ("makes an environment", post.clone(), all("environments"), environment, rules),
        ("changes an environment", patch.clone(), it("environments"), soak, rules),
        ("deletes an environment", delete.clone(), it("environments"), Value::Null, rules),
        (
            "makes a rollback policy",
            post.clone(),
            all("rollbackpolicies"),
            object("RollbackPolicy", json!({})),
            rules,
        ),
        ("deletes a rollback policy", delete.clone(), it("rollbackpolicies"), Value::Null, rules),
        ("freezes", post.clone(), all("changefreezes"), freeze, rules),
        ("lifts a freeze", delete.clone(), it("changefreezes"), Value::Null, rules),
        ("freezes all projects", post.clone(), cluster_wide, everywhere, ""),
        ("reads a Content", get.clone(), it("contents"), Value::Null, ""),
        ("makes a Content", post.clone(), all("contents"), content(), ""),
        ("deletes a Content", delete.clone(), it("contents"), Value::Null, ""),
    ];
    for plural in ["releases", "environments", "promotions", "approvals", "recalls"] {
        acts.push(("writes a status", patch.clone(), it(plural) + "/status", status.clone(), ""));
    }
    let shown = [
        "releases",
        "environments",
        "promotions",
        "approvals",
        "recalls",
        "reviews",
        "rollbackpolicies",
        "changefreezes",
    ];
    for plural in shown {
        acts.push(("looks", get.clone(), all(plural), Value::Null, everybody));
    }
    acts
}

async fn each_role_can_do_what_its_name_says_and_no_more() -> Result<()> {
    in_namespace(async |cluster, project| {
        objects(cluster, project).await?;
        let mut people = Vec::new();
        for role in ROLES {
            let name = format!("{role}-person");
            let shipped = !["view", "edit", "admin"].contains(&role);
            let bound = if shipped { format!("towpath-{role}") } else { role.into() };
            bind(cluster, project, &bound, &json!({ "kind": "User", "name": name })).await?;
            until_may(cluster, &name, "list", "approvals", (project, "")).await?;
            people.push((role, Person::new(cluster, &name, &[]).await?));
        }
        let mut faults = Vec::new();
        let acts = acts(project);
        for (what, method, path, body, may) in &acts {
            for (role, who) in &people {
                // Judged like any other, and nothing is kept.
                let path = if method == Method::GET { path.clone() } else { format!("{path}?dryRun=All") };
                let patch = "application/merge-patch+json";
                let content = if method == Method::PATCH { patch } else { "application/json" };
                let body = Some(body.clone()).filter(|body| !body.is_null());
                let answer = who.send(method.clone(), &path, content, body).await?;
                let held = if may.split(' ').any(|name| name == *role) {
                    answer.allowed().map(drop)
                } else {
                    answer.refused("forbidden")
                };
                faults.extend(held.err().map(|error| format!("{role} {what}: {error:#}")));
            }
        }
        all_hold(faults, acts.len() * people.len())
    })
    .await
}

/// No request needs this verb: the controller asks about it.
async fn only_on_call_and_declarers_may_declare_a_type_of_change() -> Result<()> {
    in_namespace(async |cluster, project| {
        let admin = Person::admin(cluster)?;
        let mut holders = Vec::new();
        for role in ROLES {
            let name = format!("{role}-declares");
            let shipped = !["view", "edit", "admin"].contains(&role);
            let bound = if shipped { format!("towpath-{role}") } else { role.into() };
            bind(cluster, project, &bound, &json!({ "kind": "User", "name": name })).await?;
            until_may(cluster, &name, "list", "approvals", (project, "")).await?;
            let asked = json!({ "spec": { "user": name, "resourceAttributes": {
                "namespace": project, "name": "prod", "verb": "declare", "group": "towpath.dev", "resource": "environments",
            } } });
            let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            if admin.post(reviews, asked).await?.allowed()?["status"]["allowed"] == true {
                holders.push(role);
            }
        }
        ensure!(holders == ["declarer", "oncall"], "{holders:?}");
        Ok(())
    })
    .await
}

/// What there is to change, none of it by the people of the table.
async fn objects(cluster: &ControlPlane, project: &str) -> Result<()> {
    let (admin, operator) = (Person::admin(cluster)?, Person::account(cluster, SYSTEM, "towpath").await?);
    let period = json!({ "from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "reason": "a" });
    for (plural, object) in [
        ("releases", release()),
        ("promotions", promotion("prod")),
        ("approvals", approval("prod", None)),
        ("recalls", recall(None)),
        ("reviews", review(None)),
        ("environments", object("Environment", json!({ "namespace": "p-it" }))),
        ("rollbackpolicies", object("RollbackPolicy", json!({}))),
        ("changefreezes", object("ChangeFreeze", period)),
    ] {
        admin.post(&ours(project, plural, ""), named("it", object)).await?.allowed()?;
    }
    operator.post(&ours(project, "contents", ""), named("it", content())).await?.allowed().map(drop)
}

async fn an_approver_withdraws_their_own_word_only() -> Result<()> {
    in_namespace(async |cluster, project| {
        let mut people = Vec::new();
        for name in ["first", "second"] {
            bind(cluster, project, "towpath-approver", &json!({ "kind": "User", "name": name })).await?;
            until_may(cluster, name, "approve", "environments", (project, "prod")).await?;
            people.push(Person::new(cluster, name, &[]).await?);
        }
        let all = ours(project, "approvals", "");
        for person in &people {
            person.post(&all, named(&person.name, approval("prod", None))).await?.allowed()?;
        }
        let one = |name: &str| ours(project, "approvals", name);
        people[1].delete(&one("first")).await?.refused("only first can withdraw this Approval")?;
        // Not even the administrator of the cluster, who can delete the namespace.
        Person::admin(cluster)?
            .delete(&one("first"))
            .await?
            .refused("only first can withdraw this Approval")?;
        for person in &people {
            person.delete(&one(&person.name)).await?.allowed()?;
        }
        Ok(())
    })
    .await
}

/// An administrator of a namespace would otherwise approve after one RoleBinding to themselves.
async fn an_admin_of_a_namespace_cannot_hand_out_the_verbs_that_they_lack() -> Result<()> {
    in_namespace(async |cluster, project| {
        bind(cluster, project, "admin", &json!({ "kind": "User", "name": "owner" })).await?;
        until_may(cluster, "owner", "create", "rbac.authorization.k8s.io/rolebindings", (project, ""))
            .await?;
        let owner = Person::new(cluster, "owner", &[]).await?;
        let rbac = "rbac.authorization.k8s.io/v1";
        let bindings = path(rbac, project, "rolebindings", "");
        let myself = json!({ "kind": "User", "name": "owner" });
        for role in ["towpath-requester", "towpath-declarer", "towpath-approver", "towpath-oncall"] {
            owner
                .post(&bindings, binding("RoleBinding", role, role, &myself))
                .await?
                .refused("attempting to grant")?;
        }
        for verb in ["promote", "approve", "rollback", "override", "declare"] {
            let role =
                json!({ "metadata": { "name": verb }, "rules": [rule(&["environments"], &[], &[verb])] });
            owner.post(&path(rbac, project, "roles", ""), role).await?.refused("attempting to grant")?;
        }
        // What admin holds anyway may be handed on.
        for role in ["towpath-viewer", "towpath-environment-admin"] {
            owner.post(&bindings, binding("RoleBinding", role, role, &myself)).await?.allowed()?;
        }
        Ok(())
    })
    .await
}

async fn a_hold_of_another_needs_rollback_and_its_end_override_on_every_environment() -> Result<()> {
    in_namespace(async |cluster, project| {
        let admin = Person::admin(cluster)?;
        let one = ours(project, "releases", "it");
        admin.post(&ours(project, "releases", ""), named("it", release())).await?.allowed()?;
        let writes = rule(&["releases"], &[], &["get", "patch"]);
        let with = async |name: &str, on: &[&str], verbs: &[&str]| -> Result<Person> {
            grant(cluster, project, name, json!([writes, rule(&["environments"], on, verbs)])).await?;
            let place = on.first().copied().unwrap_or_default();
            until_may(cluster, name, verbs[0], "environments", (project, place)).await?;
            Person::new(cluster, name, &[]).await
        };
        let hold = |hold: Value| json!({ "spec": { "hold": hold } });
        let back = with("back", &[], &["rollback"]).await?;
        let over = with("over", &[], &["override"]).await?;
        let some = with("some", &["prod"], &["promote", "rollback", "override"]).await?;
        let promoter = with("promoter", &[], &["promote"]).await?;
        // Not held, and said not to be held, are the same.
        some.patch(&one, hold(json!(false))).await?.allowed()?;
        for other in [&over, &some, &promoter] {
            other.patch(&one, hold(json!(true))).await?.refused("cannot hold Release it")?;
        }
        let made = back.patch(&one, hold(json!(true))).await?.allowed()?;
        ensure!(made["spec"]["hold"] == true, "{made}");
        for other in [&back, &some, &promoter] {
            other.patch(&one, hold(Value::Null)).await?.refused("cannot lift the hold of Release it")?;
        }
        over.patch(&one, hold(Value::Null)).await?.allowed().map(drop)
    })
    .await
}
