//! Who approved: each person once, not those who asked, with the rights that they have when it counts.

use anyhow::{Result, ensure};
use control_plane::eventually;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::objects::{config, deployment, service};
use support::people::Person;
use support::waits::condition;
use support::{Project, SOON, in_project, same};

support::stories![
    prod_waits_for_two_people_of_whom_the_requester_does_not_count,
    people_approve_what_waits_for_a_window_and_it_goes_when_that_opens,
    of_two_that_were_approved_ahead_the_newest_goes,
    a_reject_closes_the_gate_until_the_same_person_withdraws_it,
    approvals_of_something_else_count_for_nothing_and_say_which_field_it_is,
    the_right_to_approve_is_asked_for_again_when_the_approval_is_used,
    other_overrides_are_another_content_and_need_new_approvals,
    some_of_each_group_have_to_approve,
    one_of_two_approvals_of_a_person_counts_and_the_other_says_why_not,
    standard_changes_are_approved_beforehand_and_emergencies_afterwards,
    automation_takes_a_release_only_from_a_user_who_may_promote_there,
    without_policies_approvals_are_not_to_be_had_and_nothing_is_approved_by_default,
    what_has_been_decided_is_deleted_with_its_project,
    as_many_groups_with_as_long_names_as_there_may_be_are_told,
];

const PROMOTION: &str = "prod-shop-1.0.0";

fn careful(approvals: Value) -> [Value; 1] {
    [json!({ "name": "prod", "approvals": approvals })]
}

fn web(tag: &str) -> Vec<Value> {
    vec![service("web"), config("web-config", "hello"), deployment("web", tag, Some("web-config"))]
}

/// A person who makes a release with this change.
async fn releases(project: &Project, person: &Person, version: &str, change: Value) -> Result<String> {
    let name = format!("shop-{version}");
    let mut spec = json!({ "application": "shop", "version": version, "source": { "manifests": web("v1") } });
    if !change.is_null() {
        spec["change"] = change;
    }
    person.create(project, "releases", &name, spec).await?;
    Ok(name)
}

async fn waits(project: &Project, promotion: &str, words: &str) -> Result<Value> {
    let says = |it: &Value| {
        it["status"]["reason"] == "Approval"
            && it["status"]["message"].as_str().is_some_and(|text| text.contains(words))
    };
    project.until("promotions", promotion, &format!("waits: {words}"), says).await
}

async fn is_ignored(project: &Project, approval: &str, words: &str) -> Result<()> {
    let says = |it: &Value| {
        condition(it, "Ready").is_some_and(|ready| {
            ready["status"] == "False" && ready["message"].as_str().is_some_and(|text| text.contains(words))
        })
    };
    project.until("approvals", approval, &format!("does not count: {words}"), says).await.map(drop)
}

async fn prod_waits_for_two_people_of_whom_the_requester_does_not_count() -> Result<()> {
    in_project(&careful(json!({ "required": 2 })), async |project| {
        let roles = ["towpath-requester", "towpath-approver"];
        let alice = project.person("alice", &["shop"], &roles).await?;
        let bob = project.person("bob", &["shop"], &["towpath-approver"]).await?;
        let carol = project.person("carol", &["shop"], &["towpath-approver"]).await?;
        let release = releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 2 approvals").await?;
        let found = project.condition("releases", &release, "Ready", "True", "Approval").await?;
        same("the column", found["status"]["summary"].as_str(), Some("prod:Approval"))?;
        let own = alice.decides(project, PROMOTION, "Approve").await?;
        is_ignored(project, &own, "alice requested the release and cannot approve it").await?;
        let counts = bob.decides(project, PROMOTION, "Approve").await?;
        project.condition("approvals", &counts, "Ready", "True", "Counts").await?;
        // The same person again.
        bob.decides(project, PROMOTION, "Approve").await?;
        waits(project, PROMOTION, "1 of 2 approvals (approved by bob)").await?;
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        carol.decides(project, PROMOTION, "Approve").await?;
        let ended = project.ended(PROMOTION, "Verified").await?;
        let approved = ended["status"]["approvals"]["approved"].as_array().cloned().unwrap_or_default();
        let by: Vec<&str> = approved.iter().filter_map(|line| line["by"].as_str()).collect();
        same("the record", by, vec!["bob", "carol"])?;
        ensure!(approved.iter().all(|line| line["at"].is_string()), "no times: {approved:#?}");
        Ok(())
    })
    .await
}

async fn people_approve_what_waits_for_a_window_and_it_goes_when_that_opens() -> Result<()> {
    let later = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour().wrapping_add(6).rem_euclid(24);
    let window = json!({ "schedule": format!("0 {later} * * *"), "duration": "1h" });
    let prod = json!({ "name": "prod", "approvals": { "required": 1 }, "windows": [window] });
    in_project(&[prod], async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        let release = releases(project, &alice, "1.0.0", Value::Null).await?;
        let told = async |words: &str| {
            let says = |it: &Value| {
                it["status"]["reason"] == "Window"
                    && it["status"]["message"].as_str().is_some_and(|text| text.contains(words))
            };
            project.until("promotions", PROMOTION, &format!("waits: {words}"), says).await
        };
        told("it has 0 of 1 approvals; to approve").await?;
        let waits = project.condition("releases", &release, "Ready", "True", "Window").await?;
        ensure!(waits["status"]["environments"][0]["until"].is_string(), "nothing says when: {waits:#}");
        let counts = bob.decides(project, PROMOTION, "Approve").await?;
        project.condition("approvals", &counts, "Ready", "True", "Counts").await?;
        told("it has all approvals").await?;
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        project.change("environments", "prod", json!({ "spec": { "windows": null } })).await?;
        let ended = project.ended(PROMOTION, "Verified").await?;
        same("who approved", ended["status"]["approvals"]["approved"][0]["by"].as_str(), Some("bob"))
    })
    .await
}

async fn of_two_that_were_approved_ahead_the_newest_goes() -> Result<()> {
    let later = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour().wrapping_add(6).rem_euclid(24);
    let window = json!({ "schedule": format!("0 {later} * * *"), "duration": "1h" });
    let prod = json!({ "name": "prod", "approvals": { "required": 1 }, "windows": [window] });
    in_project(&[prod], async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        for version in ["1.0.0", "2.0.0"] {
            let promotion = format!("prod-{}", releases(project, &alice, version, Value::Null).await?);
            let waits = |it: &Value| it["status"]["reason"] == "Window";
            project.until("promotions", &promotion, "waits", waits).await?;
            bob.decides(project, &promotion, "Approve").await?;
            let is_approved = |it: &Value| it["status"]["message"].to_string().contains("has all approvals");
            project.until("promotions", &promotion, "approved", is_approved).await?;
        }
        project.change("environments", "prod", json!({ "spec": { "windows": null } })).await?;
        project.ended("prod-shop-2.0.0", "Verified").await?;
        let old = project.ended(PROMOTION, "Cancelled").await?;
        ensure!(old["status"]["revision"].is_null(), "the older one was started: {:#}", old["status"]);
        Ok(())
    })
    .await
}

async fn a_reject_closes_the_gate_until_the_same_person_withdraws_it() -> Result<()> {
    in_project(&careful(json!({ "required": 1 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        let carol = project.person("carol", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 1").await?;
        let reject = carol.decides(project, PROMOTION, "Reject").await?;
        waits(project, PROMOTION, "carol rejected it").await?;
        bob.decides(project, PROMOTION, "Approve").await?;
        let refused = bob.delete(project, "approvals", &reject).await;
        ensure!(refused.is_err(), "bob withdrew what carol decided");
        let still = waits(project, PROMOTION, "carol rejected it").await?;
        same("rejected", still["status"]["approvals"]["rejected"][0]["by"].as_str(), Some("carol"))?;
        carol.delete(project, "approvals", &reject).await?;
        project.ended(PROMOTION, "Verified").await.map(drop)
    })
    .await
}

async fn approvals_of_something_else_count_for_nothing_and_say_which_field_it_is() -> Result<()> {
    in_project(&careful(json!({ "required": 1 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        let of = waits(project, PROMOTION, "0 of 1").await?["status"]["approvals"]["of"].clone();
        let cases = [
            ("/digest", json!("0".repeat(64)), "spec.digest"),
            ("/release/uid", json!("another"), "spec.release.uid"),
            ("/release/name", json!("shop-9.9.9"), "spec.release.name"),
            ("/environment/uid", json!("another"), "spec.environment.uid"),
            ("/expiresAt", json!("2020-01-01T00:00:00Z"), "spec.expiresAt"),
        ];
        for (field, value, words) in cases {
            let mut spec = of.clone();
            spec["decision"] = json!("Approve");
            let (parent, name) = field.rsplit_once('/').unwrap_or_default();
            match spec.pointer_mut(parent) {
                Some(Value::Object(fields)) => _ = fields.insert(name.to_owned(), value),
                _ => anyhow::bail!("{field} has no place"),
            }
            let approval = bob.approval(project, spec).await?;
            is_ignored(project, &approval, words).await?;
        }
        waits(project, PROMOTION, "0 of 1").await?;
        same("prod", project.snapshot("prod").await?.len(), 0)
    })
    .await
}

async fn the_right_to_approve_is_asked_for_again_when_the_approval_is_used() -> Result<()> {
    in_project(&careful(json!({ "required": 2 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        let carol = project.person("carol", &[], &["towpath-approver"]).await?;
        let dave = project.person("dave", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 2").await?;
        let first = bob.decides(project, PROMOTION, "Approve").await?;
        waits(project, PROMOTION, "1 of 2").await?;
        project.unbind("bob", "towpath-approver").await?;
        project.until_may("bob", "approve", "prod", false).await?;
        // Longer than an answer of the authorizer is used again.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        carol.decides(project, PROMOTION, "Approve").await?;
        waits(project, PROMOTION, "1 of 2 approvals (approved by carol)").await?;
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        dave.decides(project, PROMOTION, "Approve").await?;
        project.ended(PROMOTION, "Verified").await?;
        project.ours("approvals", &first).await.map(drop)
    })
    .await
}

async fn other_overrides_are_another_content_and_need_new_approvals() -> Result<()> {
    in_project(&careful(json!({ "required": 1 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        let first = waits(project, PROMOTION, "0 of 1").await?["status"]["approvals"]["of"].clone();
        let variables =
            json!([{ "kind": "Deployment", "name": "web", "variables": [{ "name": "MODE", "value": "prod" }] }]);
        project
            .change("environments", "prod", json!({ "spec": { "overrides": { "env": variables } } }))
            .await?;
        let is_another = |it: &Value| {
            let of = &it["status"]["approvals"]["of"];
            of["digest"].is_string() && of["digest"] != first["digest"]
        };
        project.until("promotions", PROMOTION, "another digest", is_another).await?;
        let late = bob.decides_of(project, &first, "Approve").await?;
        is_ignored(project, &late, "spec.digest").await?;
        waits(project, PROMOTION, "0 of 1").await?;
        bob.decides(project, PROMOTION, "Approve").await?;
        project.ended(PROMOTION, "Verified").await.map(drop)
    })
    .await
}

async fn some_of_each_group_have_to_approve() -> Result<()> {
    let rules = json!({ "required": 2, "from": [{ "group": "security" }, { "group": "owners" }] });
    in_project(&careful(rules), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let ann = project.person("ann", &["owners"], &["towpath-approver"]).await?;
        let ben = project.person("ben", &["owners"], &["towpath-approver"]).await?;
        let sue = project.person("sue", &["security"], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 2 approvals, 0 of 1 from security, 0 of 1 from owners").await?;
        ann.decides(project, PROMOTION, "Approve").await?;
        ben.decides(project, PROMOTION, "Approve").await?;
        waits(project, PROMOTION, "0 of 1 from security").await?;
        sue.decides(project, PROMOTION, "Approve").await?;
        project.ended(PROMOTION, "Verified").await.map(drop)
    })
    .await
}

async fn one_of_two_approvals_of_a_person_counts_and_the_other_says_why_not() -> Result<()> {
    in_project(&careful(json!({ "required": 2 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 2").await?;
        for _ in 0..2 {
            bob.decides(project, PROMOTION, "Approve").await?;
        }
        eventually("one of them to count", SOON, async || {
            let found = project.all("approvals").await?;
            let ready = found.iter().filter_map(|it| condition(it, "Ready"));
            let (counts, not): (Vec<_>, Vec<_>) = ready.partition(|it| it["status"] == "True");
            let says = |it: &&&Value| it["message"].to_string().contains("a person counts once");
            Ok((counts.len() == 1 && not.iter().filter(says).count() == 1).then_some(()))
        })
        .await?;
        waits(project, PROMOTION, "1 of 2").await.map(drop)
    })
    .await
}

async fn standard_changes_are_approved_beforehand_and_emergencies_afterwards() -> Result<()> {
    let rules = json!({ "required": 1, "notFor": ["Standard"], "emergencyWithin": "3s" });
    in_project(&careful(rules), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester", "towpath-declarer"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", json!({ "type": "Standard" })).await?;
        project.ended(PROMOTION, "Verified").await?;
        releases(project, &alice, "2.0.0", json!({ "type": "Emergency" })).await?;
        let emergency = project.ended("prod-shop-2.0.0", "Verified").await?;
        ensure!(
            emergency["status"]["approvals"]["due"].is_string(),
            "{:#?}",
            emergency["status"]["approvals"]
        );
        let found = project.condition("environments", "prod", "ApprovalOverdue", "True", "Emergency").await?;
        let message = condition(&found, "ApprovalOverdue").map(|it| it["message"].to_string());
        ensure!(message.as_ref().is_some_and(|text| text.contains("shop-2.0.0")), "{message:?}");
        let column = found["status"]["message"].as_str().unwrap_or_default();
        ensure!(
            column.contains("shop-2.0.0 started before it was approved, and its approval was due by"),
            "{column}"
        );
        let path = format!("/api/v1/namespaces/{}/events?fieldSelector=reason=ApprovalOverdue", project.name);
        eventually("the event", SOON, async || {
            let found = project.get(&path).await?.unwrap_or_default();
            Ok(found["items"].as_array().filter(|items| items.len() == 1).map(drop))
        })
        .await?;
        bob.decides(project, "prod-shop-2.0.0", "Approve").await?;
        let is_settled = |it: &Value| condition(it, "ApprovalOverdue").is_none();
        project.until("environments", "prod", "not overdue", is_settled).await.map(drop)
    })
    .await
}

async fn automation_takes_a_release_only_from_a_user_who_may_promote_there() -> Result<()> {
    in_project(&[json!({ "name": "prod" })], async |project| {
        let eve = project.person("eve", &[], &[]).await?;
        let makes = json!({
            "metadata": { "name": "makers" },
            "rules": [{ "apiGroups": ["towpath.dev"], "resources": ["releases"], "verbs": ["create"] }],
        });
        let base = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", project.name);
        project.post(&format!("{base}/roles"), makes).await?;
        let binding = json!({
            "metadata": { "name": "makers" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "makers" },
            "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve" }],
        });
        project.post(&format!("{base}/rolebindings"), binding).await?;
        let made = control_plane::eventually("eve to make a release", support::SOON, async || {
            Ok(releases(project, &eve, "1.0.0", Value::Null).await.ok())
        });
        let release = made.await?;
        let found = project.condition("releases", &release, "Ready", "True", "Requester").await?;
        let message = found["status"]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("eve may not promote to prod"), "{message}");
        same("prod", project.snapshot("prod").await?.len(), 0)?;
        same("promotions", project.all("promotions").await?.len(), 0)?;
        project.bind("eve", "towpath-requester").await?;
        project.condition("releases", &release, "Verified", "True", "").await.map(drop)
    })
    .await
}

async fn without_policies_approvals_are_not_to_be_had_and_nothing_is_approved_by_default() -> Result<()> {
    let project = &Project::without_controller(&careful(json!({ "required": 1 }))).await?;
    let flags = support::operator::Flags { admission: "disabled", ..project.flags().clone() };
    project.start_as(&flags).await?;
    project.release("1.0.0", &web("v1")).await?;
    waits(project, PROMOTION, "admission.enabled=false").await?;
    let over = json!({ "release": "shop-1.0.0", "environment": "prod", "override": { "gates": ["Approval"], "reason": "now" } });
    project.promotion("now", over).await?;
    let says = |it: &Value| it["status"]["reason"] == "Override";
    project.until("promotions", "now", "overrides are not to be had", says).await?;
    same("prod", project.snapshot("prod").await?.len(), 0)
}

async fn what_has_been_decided_is_deleted_with_its_project() -> Result<()> {
    in_project(&careful(json!({ "required": 1 })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        let bob = project.person("bob", &[], &["towpath-approver"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        waits(project, PROMOTION, "0 of 1").await?;
        bob.decides(project, PROMOTION, "Approve").await?;
        project.ended(PROMOTION, "Verified").await?;
        let path = format!("/api/v1/namespaces/{}", project.name);
        project.send(Method::DELETE, &path, "application/json", json!({})).await?;
        control_plane::eventually("the project to go", support::SOON, async || {
            Ok(project.get(&path).await?.is_none().then_some(()))
        })
        .await
    })
    .await
}

async fn as_many_groups_with_as_long_names_as_there_may_be_are_told() -> Result<()> {
    let groups: Vec<Value> =
        (0..10).map(|index| json!({ "group": format!("{index}{}", "g".repeat(252)) })).collect();
    in_project(&careful(json!({ "required": 20, "from": groups })), async |project| {
        let alice = project.person("alice", &[], &["towpath-requester"]).await?;
        releases(project, &alice, "1.0.0", Value::Null).await?;
        let found = waits(project, PROMOTION, "0 of 20 approvals, 0 of 1 from 0g").await?;
        ensure!(found["status"]["approvals"]["of"]["digest"].is_string(), "nothing to approve: {found:#}");
        Ok(())
    })
    .await
}
