//! Who may ask: exactly those who were granted it, and in their own name.

use super::support::*;
use anyhow::{Result, ensure};
use control_plane::ControlPlane;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::installation::namespace;

support::stories![
    a_promotion_is_created_exactly_where_its_verb_was_granted_by_name,
    who_asks_is_filled_in_and_gives_no_drift,
    labels_of_a_promotion_are_free_but_for_the_one_that_says_automatic,
];

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// The cells of the matrix, spread so that every requester but the last has some in every project.
fn granted(requester: usize, project: usize, environment: usize) -> [bool; 2] {
    let some = requester < 3;
    [
        some && (requester + project + environment).is_multiple_of(3),
        some && (2 * requester + project + 2 * environment) % 3 == 1,
    ]
}

async fn a_promotion_is_created_exactly_where_its_verb_was_granted_by_name() -> Result<()> {
    let cluster = &installed().await?;
    let mut projects = Vec::new();
    for _ in 0..3 {
        projects.push(namespace(cluster, "m").await?);
    }
    matrix(cluster, &projects.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn matrix(cluster: &ControlPlane, projects: &[&str]) -> Result<()> {
    let mut requesters = Vec::new();
    for (requester, name) in ["ann", "ben", "cat", "dan"].into_iter().enumerate() {
        requesters.push(Person::new(cluster, name, &["developers"]).await?);
        for (place, project) in projects.iter().enumerate() {
            let of = |right: usize| -> Vec<&str> {
                let names = ENVIRONMENTS.iter().enumerate();
                names.filter(|(e, _)| granted(requester, place, *e)[right]).map(|(_, name)| *name).collect()
            };
            let mut rules = vec![rule(&["promotions"], &[], &["create"])];
            for (right, verb) in ["promote", "rollback"].into_iter().enumerate() {
                // An empty list of names is every name.
                let names = of(right);
                if !names.is_empty() {
                    rules.push(rule(&["environments"], &names, &[verb]));
                }
            }
            grant(cluster, project, name, Value::from(rules)).await?;
            until_may(cluster, name, "create", "promotions", (project, "")).await?;
        }
    }
    let (mut faults, mut wanted, mut asked) = (Vec::new(), BTreeSet::new(), 0);
    for (requester, who) in requesters.iter().enumerate() {
        for (place, project) in projects.iter().enumerate() {
            for (number, environment) in ENVIRONMENTS.into_iter().enumerate() {
                for (right, verb) in ["promote", "rollback"].into_iter().enumerate() {
                    let object = if right == 0 { promotion(environment) } else { rollback(environment) };
                    let name = format!("{verb}-{environment}-{}", who.name);
                    let answer = who.post(&ours(project, "promotions", ""), named(&name, object)).await?;
                    asked += 1;
                    let held = if granted(requester, place, number)[right] {
                        wanted.insert(format!("{project}/{name}"));
                        answer.allowed().and_then(|made| stamped(&made, "requestedBy", who))
                    } else {
                        answer.refused(&format!("cannot {verb} in environment {environment}"))
                    };
                    faults.extend(held.err().map(|error| format!("{error:#}")));
                }
            }
        }
    }
    ensure!((asked, wanted.len()) == (72, 18), "{asked} cells, {} of them granted", wanted.len());
    all_hold(faults, asked)?;
    let mut found = BTreeSet::new();
    for project in projects {
        let list = Person::admin(cluster)?.get(&ours(project, "promotions", "")).await?.allowed()?;
        for item in list["items"].as_array().into_iter().flatten() {
            found.insert(format!("{project}/{}", item["metadata"]["name"].as_str().unwrap_or_default()));
        }
    }
    ensure!(found == wanted, "there are {found:?}\ninstead of {wanted:?}");
    Ok(())
}

fn stamped(made: &Value, field: &str, who: &Person) -> Result<()> {
    ensure!(made["spec"][field] == who.user(), "{field} of {}: {}", who.name, made["spec"][field]);
    Ok(())
}

async fn who_asks_is_filled_in_and_gives_no_drift() -> Result<()> {
    in_namespace(async |cluster, project| {
        let role = ["towpath-requester", "towpath-approver"];
        let (ann, operator) = (
            Person::new(cluster, "ann", &["developers", "shop"]).await?,
            Person::account(cluster, SYSTEM, "towpath").await?,
        );
        for role in role {
            bind(cluster, project, role, &json!({ "kind": "User", "name": "ann" })).await?;
        }
        until_may(cluster, "ann", "promote", "environments", (project, "dev")).await?;
        until_may(cluster, "ann", "approve", "environments", (project, "dev")).await?;
        let at = |plural: &str| ours(project, plural, "");
        stamped(&ann.post(&at("releases"), release()).await?.allowed()?, "requestedBy", &ann)?;
        stamped(&ann.post(&at("promotions"), promotion("dev")).await?.allowed()?, "requestedBy", &ann)?;
        stamped(&ann.post(&at("approvals"), approval("dev", None)).await?.allowed()?, "approver", &ann)?;
        // Written out, in another order, it is as good.
        let turned = user("ann", &["system:authenticated", "shop", "developers"]);
        let written = merged(&release(), &json!({ "spec": { "requestedBy": turned } }));
        ann.post(&at("releases"), written).await?.allowed()?;
        ann.post(&at("approvals"), approval("dev", Some(turned))).await?.allowed()?;

        // The controller's own, with the uid that its token carries.
        let labelled = merged(&promotion("dev"), &json!({ "metadata": { "labels": automatic() } }));
        let made = operator.post(&at("promotions"), labelled).await?.allowed()?;
        ensure!(made["spec"]["requestedBy"]["username"] == OPERATOR, "{made}");
        ensure!(made["spec"]["requestedBy"]["uid"].is_string(), "a ServiceAccount has a uid: {made}");

        // What a GitOps tool applies over and over, in either way.
        let yaml = serde_json::to_string(&named("synced", release()))?;
        let tool = cluster.kubectl(cluster.admin());
        for way in
            [&["apply", "-f", "-", "-n", project][..], &["apply", "--server-side", "-f", "-", "-n", project]]
        {
            let name = if way.contains(&"--server-side") { "synced-server-side" } else { "synced" };
            let yaml = yaml
                .replace("\"synced\"", &format!("\"{name}\""))
                .replace("\"generateName\":\"release-\",", "");
            tool.run_with(way, &yaml)?;
            let before = ann.get(&ours(project, "releases", name)).await?.allowed()?;
            tool.run_with(way, &yaml)?;
            let after = ann.get(&ours(project, "releases", name)).await?.allowed()?;
            ensure!(
                before["metadata"]["generation"] == after["metadata"]["generation"],
                "{name} was changed"
            );
            let mut diff = vec!["diff"];
            diff.extend(&way[1..]);
            // It fails where there is a difference.
            tool.run_with(&diff, &yaml)?;
        }
        Ok(())
    })
    .await
}

async fn labels_of_a_promotion_are_free_but_for_the_one_that_says_automatic() -> Result<()> {
    in_namespace(async |cluster, project| {
        let (admin, operator) = (Person::admin(cluster)?, Person::account(cluster, SYSTEM, "towpath").await?);
        let at = ours(project, "promotions", "");
        let labelled = merged(&promotion("dev"), &json!({ "metadata": { "labels": automatic() } }));
        operator.post(&at, named("by-towpath", labelled.clone())).await?.allowed()?;
        admin.post(&at, named("manual", promotion("dev"))).await?.allowed()?;
        let words = "towpath.dev/automatic marks";
        admin.post(&at, labelled).await?.refused(words)?;
        for (name, value) in [("manual", json!("")), ("by-towpath", Value::Null), ("by-towpath", json!("no"))]
        {
            let patch = json!({ "metadata": { "labels": { "towpath.dev/automatic": value } } });
            admin.patch(&ours(project, "promotions", name), patch).await?.refused(words)?;
        }
        for name in ["manual", "by-towpath"] {
            let patch = json!({ "metadata": { "labels": { "team": "a" }, "annotations": { "a": "b" } } });
            admin.patch(&ours(project, "promotions", name), patch).await?.allowed()?;
        }
        Ok(())
    })
    .await
}
