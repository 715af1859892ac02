//! Who may write where: exactly the cells that a project granted and whose target consented end in a write.

use anyhow::{Context, Result};
use control_plane::Mark;
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::objects::config;
use support::people::Person;
use support::{Project, same};

support::stories![exactly_the_granted_cells_end_in_a_write,];

const REQUESTERS: [&str; 4] = ["ada", "ben", "cyd", "dan"];
/// Three environments, each with and without the consent of its target.
const ENVIRONMENTS: [(&str, bool); 6] = [
    ("test", true),
    ("stage", true),
    ("live", true),
    ("test-shut", false),
    ("stage-shut", false),
    ("live-shut", false),
];

/// Whether a requester may promote there: another pattern in every project.
fn is_granted(project: usize, requester: usize, environment: usize) -> bool {
    [[true, false, true], [false, true, true], [true, true, false]][(project + requester) % 3]
        [environment % 3]
        && (project, requester) != (1, 3)
}

async fn exactly_the_granted_cells_end_in_a_write() -> Result<()> {
    try_join_all((0..3).map(row)).await.map(drop)
}

/// One project: what its people could have admitted, and what was written then.
async fn row(index: usize) -> Result<()> {
    let environments = ENVIRONMENTS.map(|(name, _)| json!({ "name": name, "promotion": "Manual" }));
    let project = Project::without_controller(&environments).await?;
    for (name, _) in ENVIRONMENTS.iter().filter(|(_, consents)| !consents) {
        project.withdraw(name, "towpath-deploy").await?;
    }
    for name in REQUESTERS {
        let content = json!({ "source": { "manifests": [config(name, "hello")] } });
        project.release_of(name, "1.0.0", content).await?;
    }
    let mark = project.cluster.audit()?.mark().await?;
    let mut admitted = BTreeSet::new();
    for (number, name) in REQUESTERS.into_iter().enumerate() {
        let granted: Vec<&str> = (0..ENVIRONMENTS.len())
            .filter(|environment| is_granted(index, number, *environment))
            .map(|environment| ENVIRONMENTS[environment].0)
            .collect();
        let person = requester(&project, name, &granted).await?;
        for (environment, _) in ENVIRONMENTS {
            let spec = json!({ "release": format!("{name}-1.0.0"), "environment": environment });
            // No controller runs: it is the API server that refuses.
            let answer = person.create(&project, "promotions", &format!("{environment}-{name}"), spec).await;
            if answer.is_ok() {
                admitted.insert((name, environment));
            }
        }
    }
    let cells =
        (0..REQUESTERS.len()).flat_map(|requester| (0..ENVIRONMENTS.len()).map(move |at| (requester, at)));
    let cell = |(requester, at): (usize, usize)| (REQUESTERS[requester], ENVIRONMENTS[at].0);
    let wanted: BTreeSet<_> =
        cells.filter(|(requester, at)| is_granted(index, *requester, *at)).map(cell).collect();
    same("admitted", &admitted, &wanted)?;
    project.start().await?;
    for (name, environment) in &admitted {
        let promotion = format!("{environment}-{name}");
        match environment.ends_with("-shut") {
            false => project.ended(&promotion, "Verified").await?,
            true => {
                let waits = |it: &Value| it["status"]["reason"] == "NotGranted";
                project.until("promotions", &promotion, "NotGranted", waits).await?
            }
        };
    }
    let written = written(&project, mark).await?;
    let wanted: BTreeSet<_> =
        wanted.into_iter().filter(|(_, environment)| !environment.ends_with("-shut")).collect();
    same("written", written, wanted.into_iter().map(|(name, at)| (name.to_owned(), at.to_owned())).collect())
}

/// A user who may create promotions, and promote into these environments.
async fn requester(project: &Project, name: &str, granted: &[&str]) -> Result<Person> {
    let mut rules =
        vec![json!({ "apiGroups": ["towpath.dev"], "resources": ["promotions"], "verbs": ["create"] })];
    if !granted.is_empty() {
        rules.push(json!({
            "apiGroups": ["towpath.dev"], "resources": ["environments"], "resourceNames": granted, "verbs": ["promote"],
        }));
    }
    let base = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", project.name);
    project.post(&format!("{base}/roles"), json!({ "metadata": { "name": name }, "rules": rules })).await?;
    let binding = json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
        "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name }],
    });
    project.post(&format!("{base}/rolebindings"), binding).await?;
    for environment in granted {
        project.until_may(name, "promote", environment, true).await?;
    }
    project.person(name, &[], &[]).await
}

/// Who was written where, by the API server's own account: the content of each requester is a ConfigMap of their name.
async fn written(project: &Project, mark: Mark) -> Result<BTreeSet<(String, String)>> {
    let mut cells = BTreeSet::new();
    for event in project.cluster.audit()?.since(mark).await? {
        let place = event.namespace.strip_prefix(&format!("{}-", project.name)).map(str::to_owned);
        let is_write =
            matches!(event.verb.as_str(), "create" | "patch" | "update" | "delete") && !event.dry_run;
        let (Some(environment), true, true) = (place, is_write, event.resource == "configmaps") else {
            continue;
        };
        if event.name == "kube-root-ca.crt" {
            continue;
        }
        let identity = format!("system:serviceaccount:towpath-deployers:{}.{environment}", project.name);
        let who = event.impersonated_user.as_deref().context("written without an identity")?;
        same("the identity", who, identity.as_str())?;
        cells.insert((event.name, environment));
    }
    Ok(cells)
}
