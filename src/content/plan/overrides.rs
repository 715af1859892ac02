//! Renders a content for one environment: without the objects of `spec.keeps`, with `spec.overrides` and `spec.tests`. Approvals
//! name the digest of the rendered content.
//!
//! Overrides apply in the order replicas, variables, patches, so a patch sees the result of the others.

use super::test_jobs::of_environment;
use crate::api::{
    EnvironmentSpec, EnvironmentVariable, ObjectRef, Overrides, Patch, PatchOperation, VariableOverride,
};
use crate::content::error::{ContentError, quoted};
use crate::content::object::canonical::{approximate_size, deeper_than};
use crate::content::object::key::ObjectKey;
use crate::content::object::sealed::Digested;
use crate::content::object::set::{MAX_DEPTH, ObjectSet};
use crate::content::object::templates::pod_template_mut;
use json_patch::jsonptr::PointerBuf;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of one object while it is patched. Each `copy` may double it, and there may be 2,500 operations.
const MAX_PATCHED: usize = 4 * 1024 * 1024;

/// Renders a content for an environment. A content that the environment does not change is the same one, digest included.
pub fn render(content: &Arc<Digested>, env: &EnvironmentSpec) -> Result<Arc<Digested>, ContentError> {
    let set = content.objects();
    set.admit(&env.kinds)?;
    let keeps_any = set.keys().any(|key| is_kept(key, &env.keeps));
    if !keeps_any && env.overrides.is_none() && env.tests.is_empty() {
        return Ok(Arc::clone(content));
    }
    let mut objects = set.clone().into_objects();
    objects.retain(|key, _| !is_kept(key, &env.keeps));
    if let Some(overrides) = &env.overrides {
        Rendering { objects: &mut objects, keeps: &env.keeps }.apply(overrides)?;
    }
    let tests = of_environment(&env.tests);
    let rendered = ObjectSet::new(objects.into_values().chain(tests), &env.kinds, None)?;
    match rendered == *set {
        true => Ok(Arc::clone(content)),
        false => content.derive(rendered).map(Arc::new),
    }
}

/// Whether `spec.keeps` lists the object.
fn is_kept(key: &ObjectKey, keeps: &[ObjectRef]) -> bool {
    keeps.iter().any(|keep| key.is_named_by(keep))
}

struct Rendering<'a> {
    objects: &'a mut BTreeMap<ObjectKey, Value>,
    keeps: &'a [ObjectRef],
}

impl Rendering<'_> {
    fn apply(&mut self, overrides: &Overrides) -> Result<(), ContentError> {
        for (index, replicas) in overrides.replicas.iter().enumerate() {
            let field = format!("spec.overrides.replicas[{index}]");
            let Some((key, object)) = self.find(&field, &replicas.kind, &replicas.name)? else { continue };
            if key.group() != "apps" || !matches!(key.kind(), "Deployment" | "StatefulSet") {
                return Err(invalid(
                    &field,
                    "only the replicas of a Deployment or a StatefulSet can be overridden: remove the entry",
                ));
            }
            match object.get_mut("spec").and_then(Value::as_object_mut) {
                Some(spec) => spec.insert("replicas".to_owned(), replicas.replicas.into()),
                None => return Err(invalid(&field, &format!("{key} has no spec: remove the override"))),
            };
        }
        for (index, variables) in overrides.env.iter().enumerate() {
            let field = format!("spec.overrides.env[{index}]");
            let Some((key, object)) = self.find(&field, &variables.kind, &variables.name)? else { continue };
            set_variables(&field, &key, object, variables)?;
        }
        for (index, patch) in overrides.patches.iter().enumerate() {
            let field = format!("spec.overrides.patches[{index}]");
            let Some((key, object)) = self.find(&field, &patch.kind, &patch.name)? else { continue };
            *object = patched(&field, &key, object, patch)?;
        }
        Ok(())
    }

    /// The object that an override names; none when the content lacks it, because it may belong to another application.
    fn find(
        &mut self,
        field: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<(ObjectKey, &mut Value)>, ContentError> {
        let object = format!("{} {}", bare(kind), bare(name));
        let is_kept = self.keeps.iter().any(|keep| keep.kind == kind && keep.name == name);
        let mut found: Vec<(&ObjectKey, &mut Value)> =
            self.objects.iter_mut().filter(|(key, _)| key.kind() == kind && key.name() == name).collect();
        if found.len() > 1 {
            let versions: Vec<&str> = found.iter().map(|(key, _)| key.api_version()).collect();
            let versions = versions.join(", ");
            return Err(invalid(
                field,
                &format!(
                    "{object} is ambiguous, because the release has it in {versions}: remove the override"
                ),
            ));
        }
        match found.pop() {
            Some((key, object)) => Ok(Some((key.clone(), object))),
            None if is_kept => Err(invalid(
                field,
                &format!(
                    "spec.keeps lists {object}, so Towpath never writes it: change it in the namespace, or remove the override"
                ),
            )),
            None => Ok(None),
        }
    }
}

/// Overrides of objects that the content lacks: field and object. They belong to another application, or the name is misspelt.
pub fn unmatched(content: &ObjectSet, env: &EnvironmentSpec) -> Vec<String> {
    let Some(overrides) = &env.overrides else { return Vec::new() };
    let replicas = overrides.replicas.iter().map(|one| ("replicas", &one.kind, &one.name));
    let variables = overrides.env.iter().map(|one| ("env", &one.kind, &one.name));
    let patches = overrides.patches.iter().map(|one| ("patches", &one.kind, &one.name));
    replicas
        .chain(variables)
        .chain(patches)
        .filter(|(_, kind, name)| content.named(kind, name).next().is_none())
        .map(|(field, kind, name)| {
            format!("spec.overrides.{field}: this release has no {} {}", bare(kind), bare(name))
        })
        .collect()
}

/// A name from a spec, safe in messages, without quotes.
fn bare(text: &str) -> String {
    quoted(text).trim_matches('"').to_owned()
}

fn invalid(field: &str, problem: &str) -> ContentError {
    ContentError::Override { field: field.to_owned(), problem: problem.to_owned() }
}

fn set_variables(
    field: &str,
    key: &ObjectKey,
    object: &mut Value,
    wanted: &VariableOverride,
) -> Result<(), ContentError> {
    let template = pod_template_mut(object)
        .ok_or_else(|| invalid(field, &format!("{key} has no pod template: name a workload")))?;
    // Without a name, init containers are not included.
    let lists: &[&str] = match wanted.container {
        Some(_) => &["containers", "initContainers"],
        None => &["containers"],
    };
    let mut matched = false;
    for list in lists {
        let containers = template.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = container.get("name").and_then(Value::as_str);
            if wanted.container.is_none() || wanted.container.as_deref() == name {
                matched = true;
                set_in_container(container, &wanted.variables);
            }
        }
    }
    match (matched, &wanted.container) {
        (true, _) => Ok(()),
        (false, Some(name)) => Err(invalid(
            &format!("{field}.container"),
            &format!("{key} has no container {}: correct the name, or remove the override", quoted(name)),
        )),
        (false, None) => Err(invalid(field, &format!("{key} has no containers: remove the override"))),
    }
}

fn set_in_container(container: &mut Value, variables: &[EnvironmentVariable]) {
    let Some(members) = container.as_object_mut() else { return };
    let env = members.entry("env").or_insert_with(|| json!([]));
    if !env.is_array() {
        *env = json!([]);
    }
    let Some(env) = env.as_array_mut() else { return };
    for variable in variables {
        let set = json!({"name": variable.name, "value": variable.value});
        let is_same = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(&variable.name);
        // The position stays, because later variables may refer to it as $(NAME).
        match env.iter().position(is_same) {
            Some(first) => {
                let mut index = 0;
                env.retain(|entry| {
                    index += 1;
                    index - 1 <= first || !is_same(entry)
                });
                if let Some(entry) = env.get_mut(first) {
                    *entry = set;
                }
            }
            None => env.push(set),
        }
    }
}

fn patched(field: &str, key: &ObjectKey, object: &Value, patch: &Patch) -> Result<Value, ContentError> {
    let mut result = object.clone();
    for (index, operation) in patch.operations.iter().enumerate() {
        let field = format!("{field}.operations[{index}]");
        let problem = |what: &str| {
            invalid(&field, &format!("{} {} of {key}: {what}", operation.op, quoted(&operation.path)))
        };
        let step = json_patch::Patch(vec![parsed(operation).map_err(|what| problem(&what))?]);
        json_patch::patch(&mut result, &step).map_err(|error| {
            problem(&format!("{}; the patch does not fit the object of the release: correct it", error.kind))
        })?;
        if deeper_than(&result, MAX_DEPTH) || approximate_size(&result) > MAX_PATCHED {
            return Err(problem("the result is too large or nested too deeply: reduce the copies"));
        }
    }
    let same = ObjectKey::of(&result).is_ok_and(|patched| patched == *key);
    if !same || result.pointer("/metadata/namespace").is_some() {
        let what = "a patch may not change apiVersion, kind, metadata.name or metadata.namespace";
        return Err(invalid(field, &format!("{key}: {what}")));
    }
    Ok(result)
}

fn parsed(operation: &PatchOperation) -> Result<json_patch::PatchOperation, String> {
    use json_patch::{
        AddOperation, CopyOperation, MoveOperation, PatchOperation as Op, RemoveOperation, ReplaceOperation,
        TestOperation,
    };
    let pointer = |text: &str| {
        PointerBuf::parse(text)
            .map_err(|_| format!("{} is not a JSON pointer, such as /spec/replicas", quoted(text)))
    };
    let path = pointer(&operation.path)?;
    // `value: null` is decoded as absent; the schema requires the field.
    let value = || operation.value.clone().unwrap_or_default();
    let from = || match &operation.from {
        Some(from) => pointer(from),
        None => Err("it needs the field from".to_owned()),
    };
    Ok(match operation.op.as_str() {
        "add" => Op::Add(AddOperation { path, value: value() }),
        "remove" => Op::Remove(RemoveOperation { path }),
        "replace" => Op::Replace(ReplaceOperation { path, value: value() }),
        "test" => Op::Test(TestOperation { path, value: value() }),
        "move" => Op::Move(MoveOperation { from: from()?, path }),
        "copy" => Op::Copy(CopyOperation { from: from()?, path }),
        _ => return Err("op is not one of add, remove, replace, move, copy, test".to_owned()),
    })
}

#[cfg(test)]
#[path = "overrides_tests.rs"]
mod tests;
