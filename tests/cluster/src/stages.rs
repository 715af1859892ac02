//! The stages kwok plays, made from `stages/`: the table of fates, the status template, and the rest as it stands.
//!
//! kwok wants each stage to carry its whole template. Twenty copies of it would drift apart, so the table says what
//! differs and this writes the copies.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

const TABLE: &str = include_str!("../stages/pods.yaml");
const STATUS: &str = include_str!("../stages/status.tpl");
const CLUSTER: &str = include_str!("../stages/cluster.yaml");

/// What the containers do: `waiting`, `running`, `terminated`.
const STATES: &str = ".status.containerStatuses[]?.state | keys[]";
/// How often the container was restarted that was most often.
const RESTARTS: &str = "[.status.containerStatuses[]?.restartCount] | max | tostring";

/// One line of `pods.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    fates: Vec<String>,
    when: String,
    act: String,
    #[serde(default)]
    after: u32,
    /// Whether the pod's own `fate.towpath.dev/seconds` replaces `after`.
    #[serde(default)]
    ask: bool,
    event: Option<String>,
}

/// kwok's configuration file.
pub fn configuration() -> Result<String> {
    let entries: Vec<Entry> =
        serde_yaml::from_str(TABLE).context("stages/pods.yaml is not a table of fates")?;
    let fates: BTreeSet<_> = entries.iter().flat_map(|entry| &entry.fates).map(String::as_str).collect();
    // Longest first, so that no name hides behind its own beginning.
    let mut fates: Vec<_> = fates.into_iter().filter(|fate| *fate != "ready").collect();
    fates.sort_by_key(|fate| std::cmp::Reverse(fate.len()));
    let fates = fates.join("|");
    let mut documents = vec![CLUSTER.to_owned()];
    for entry in &entries {
        documents.push(serde_yaml::to_string(&stage(entry, &fates)?)?);
    }
    Ok(documents.join("---\n"))
}

fn stage(entry: &Entry, fates: &str) -> Result<Value> {
    let fate = format!(
        r#".metadata.annotations["fate.towpath.dev/pod"]
        // ([.spec.containers[].image | capture("(?<fate>{fates})") | .fate] | first)
        // (if any(.metadata.ownerReferences[]?; .kind == "Job") then "job-success" else "ready" end)"#
    );
    let mut conditions = vec![
        requirement(".metadata.deletionTimestamp", "DoesNotExist", &[]),
        requirement(".status.phase", "NotIn", &["Succeeded", "Failed"]),
        requirement(&fate, "In", &entry.fates.iter().map(String::as_str).collect::<Vec<_>>()),
    ];
    let ready = r#".status.conditions[]? | select(.type == "Ready") | .status"#;
    match entry.when.as_str() {
        "new" => conditions.push(requirement(".status.startTime", "DoesNotExist", &[])),
        "ready" => conditions.push(requirement(ready, "In", &["True"])),
        "unready" => conditions.extend([
            requirement(".status.startTime", "Exists", &[]),
            requirement(ready, "NotIn", &["True"]),
        ]),
        "running" => conditions.extend([
            requirement(".status.startTime", "Exists", &[]),
            requirement(ready, "NotIn", &["True"]),
            requirement(STATES, "NotIn", &["waiting", "terminated"]),
        ]),
        "ended" => conditions
            .extend([requirement(STATES, "In", &["terminated"]), requirement(RESTARTS, "NotIn", &["0"])]),
        "ended-first" => conditions
            .extend([requirement(STATES, "In", &["terminated"]), requirement(RESTARTS, "In", &["0"])]),
        reason => {
            conditions.push(requirement(
                ".status.containerStatuses[]?.state.waiting.reason",
                "In",
                &[reason],
            ));
        }
    }
    // The UID is a precondition, as in what a kubelet sends: the pod may be gone, and another one have its name.
    let status = STATUS.lines().map(|line| format!("  {line}\n")).collect::<String>();
    let template = format!(
        "{{{{- $act := {:?} }}}}{{{{- $fates := {fates:?} }}}}\nmetadata: {{ uid: {{{{ .metadata.uid | Quote }}}} }}\nstatus:\n{status}",
        entry.act
    );
    let patch = json!({ "patch": { "subresource": "status", "template": template } });
    let mut steps = vec![patch];
    if let Some(event) = &entry.event {
        steps.push(json!({ "event": warning(event)? }));
    }
    let mut spec = json!({
        "resourceRef": { "apiGroup": "v1", "kind": "Pod" },
        "selector": { "matchExpressions": conditions },
        "delay": { "durationMilliseconds": entry.after * 1000 },
        "steps": steps,
    });
    if entry.ask {
        let seconds = r#".metadata.annotations["fate.towpath.dev/seconds"] | select(. != null) + "s""#;
        spec["delay"]["durationFrom"] = json!({ "jq": { "expression": seconds } });
    }
    Ok(json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": { "name": format!("pod-{}", entry.name) },
        "spec": spec,
    }))
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> Value {
    let mut jq = json!({ "key": key, "operator": operator });
    if !values.is_empty() {
        jq["values"] = json!(values);
    }
    json!({ "jq": jq })
}

/// The event a kubelet sends with the act.
fn warning(event: &str) -> Result<Value> {
    let (reason, message) = match event {
        "BackOff" => ("BackOff", "Back-off restarting failed container"),
        "BackOffPull" => ("BackOff", "Back-off pulling image"),
        "Failed" => ("Failed", "Failed to pull image: not found"),
        "FailedConfig" => ("Failed", "Error: secret not found"),
        "Unhealthy" => ("Unhealthy", "Readiness probe failed"),
        other => anyhow::bail!("stages/pods.yaml: no event is called {other}"),
    };
    Ok(json!({ "type": "Warning", "reason": reason, "message": message }))
}

/// The digest that a played pod reports for `image`: the one it names, or one made from its full name and tag.
pub fn image_digest(image: &str) -> String {
    use sha2::{Digest, Sha256};
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    if let Some(digest) = digest {
        return digest.to_owned();
    }
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        Some(_) | None => (name, "latest"),
    };
    let bytes = Sha256::digest(format!("{}:{tag}", full_repository(repository)));
    format!("sha256:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The whole `imageID` that a played pod reports for `image`.
pub fn image_id(image: &str) -> String {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        Some(_) | None => name,
    };
    format!("{}@{}", full_repository(repository), image_digest(image))
}

fn full_repository(repository: &str) -> String {
    match repository.split_once('/') {
        None => format!("docker.io/library/{repository}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => repository.to_owned(),
        Some(_) => format!("docker.io/{repository}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{image_digest, image_id};

    #[test]
    fn an_image_id_is_a_full_repository_and_a_digest() {
        let digest = image_digest("nginx");
        assert_eq!(image_id("nginx"), format!("docker.io/library/nginx@{digest}"));
        assert_eq!(image_digest("docker.io/library/nginx:latest"), digest);
        assert_ne!(image_digest("nginx:1.27"), digest);
        assert_eq!(digest.len(), "sha256:".len() + 64);
        assert_eq!(image_id("localhost:5000/app").split('@').next(), Some("localhost:5000/app"));
    }
}
