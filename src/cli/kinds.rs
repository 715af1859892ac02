//! How the kinds that an API server serves differ from those that this program knows.

use super::verbs::crds;
use serde_json::Value;
use std::collections::BTreeSet;

/// The only version.
pub const API_VERSION: &str = "towpath.dev/v1alpha1";
/// Where the API server describes the kinds to every user.
pub const OPENAPI: &str = "/openapi/v3/apis/towpath.dev/v1alpha1";

/// Fields of specs and statuses that only one side knows, such as `Environment.spec.drift`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// What only this program knows.
    pub older: Vec<String>,
    /// What only the API server knows.
    pub newer: Vec<String>,
}

/// Compares what the API server describes with the definitions of this program.
pub fn differences(described: &Value) -> anyhow::Result<Differences> {
    let (mut own, mut served) = (BTreeSet::new(), BTreeSet::new());
    for definition in crds::definitions()? {
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
        fields(&kind, &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut own);
        let schema = format!("/components/schemas/dev.towpath.v1alpha1.{kind}");
        if let Some(schema) = described.pointer(&schema) {
            fields(&kind, schema, &mut served);
        }
    }
    let only = |these: &BTreeSet<String>, others: &BTreeSet<String>| {
        // A field below one that is missing says nothing more.
        let is_first = |path: &&String| {
            path.rsplit_once('.').is_none_or(|(parent, _)| !these.contains(parent) || others.contains(parent))
        };
        these.difference(others).filter(is_first).cloned().collect()
    };
    Ok(Differences { older: only(&own, &served), newer: only(&served, &own) })
}

fn fields(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    let is_kind = !path.contains('.');
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if !is_kind || name == "spec" || name == "status" {
            fields(&format!("{path}.{name}"), inner, found);
        }
    }
    for inner in [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|it| it.is_object()) {
        fields(path, inner, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_only_one_side_knows_are_named_once() {
        let mut schemas = serde_json::Map::new();
        for definition in crds::definitions().unwrap() {
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
            let schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            schemas.insert(format!("dev.towpath.v1alpha1.{kind}"), schema);
        }
        let same = json!({ "components": { "schemas": schemas } });
        assert_eq!(differences(&same).unwrap(), Differences::default());
        let mut other = same;
        let all = &mut other["components"]["schemas"];
        all.as_object_mut().unwrap().remove("dev.towpath.v1alpha1.Recall");
        let spec = &mut all["dev.towpath.v1alpha1.Environment"]["properties"]["spec"]["properties"];
        spec.as_object_mut().unwrap().remove("approvals");
        spec["waves"] = json!({ "type": "object", "properties": { "first": {} } });
        let found = differences(&other).unwrap();
        assert_eq!(found.older, ["Environment.spec.approvals", "Recall"]);
        assert_eq!(found.newer, ["Environment.spec.waves"]);
    }
}
