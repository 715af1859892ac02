//! Sends intents with the rights of the user. The API server judges them.
//!
//! Invariant: each intent is sent at most once.

use super::reader::Reader;
use super::rights::{JSON, send};
use crate::api::{GROUP, VERSION};
use crate::view::intent::{Intent, Write};
use crate::view::screen::printable;
use anyhow::anyhow;
use http::Method;
use serde_json::{Value, json};

/// Who wrote a field, in `metadata.managedFields`.
const MANAGER: &str = "kubectl-towpath";
const MERGE: &str = "application/merge-patch+json";

/// Whether the API server keeps what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is stored.
    Stored,
    /// It is judged like every other request, and not stored.
    Judged,
}

/// The object as it would be sent.
pub async fn preview(reader: &Reader, intent: &Intent) -> anyhow::Result<Value> {
    match &intent.write {
        Write::Create(manifest) => Ok(manifest.clone()),
        Write::Patch { name, patch } => {
            let mut object = ask(reader, Method::GET, intent, name, JSON, &Value::Null, Keep::Stored).await?;
            json_patch::merge(&mut object, patch);
            Ok(object)
        }
        Write::Delete { name, .. } => Ok(json!({ "metadata": { "name": name } })),
    }
}

/// Sends an intent: the object that the API server stored, or would store.
pub async fn send_intent(reader: &Reader, intent: &Intent, keep: Keep) -> anyhow::Result<Value> {
    match &intent.write {
        Write::Create(manifest) => ask(reader, Method::POST, intent, "", JSON, manifest, keep).await,
        Write::Patch { name, patch } => ask(reader, Method::PATCH, intent, name, MERGE, patch, keep).await,
        Write::Delete { name, uid } => {
            let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
            if let Some(uid) = uid {
                options["preconditions"] = json!({ "uid": uid });
            }
            ask(reader, Method::DELETE, intent, name, JSON, &options, keep).await?;
            Ok(json!({ "metadata": { "name": name } }))
        }
    }
}

async fn ask(
    reader: &Reader,
    method: Method,
    intent: &Intent,
    name: &str,
    content: &str,
    body: &Value,
    keep: Keep,
) -> anyhow::Result<Value> {
    let (project, resource) = (&reader.project, intent.kind.plural());
    let slash = if name.is_empty() { "" } else { "/" };
    let namespaces = if project.is_empty() { String::new() } else { format!("namespaces/{project}/") };
    let dry_run = match keep {
        Keep::Stored => "",
        Keep::Judged => "&dryRun=All",
    };
    let options = match method {
        Method::GET => String::new(),
        Method::DELETE => format!("?{}", dry_run.trim_start_matches('&')),
        _ => format!("?fieldManager={MANAGER}&fieldValidation=Strict{dry_run}"),
    };
    let path = format!("/apis/{GROUP}/{VERSION}/{namespaces}{resource}{slash}{name}{options}");
    let answer = send(reader, method, &path, content, body).await;
    answer.map_err(|error| explained(reader, intent, error))
}

/// What was wrong with a request, and what to do.
fn explained(reader: &Reader, intent: &Intent, error: kube::Error) -> anyhow::Error {
    let plural = intent.kind.plural();
    let kube::Error::Api(status) = error else {
        let namespace = match reader.project.as_str() {
            "" => String::new(),
            project => format!(" --namespace {project}"),
        };
        return anyhow::Error::new(error).context(format!(
            "the cluster did not answer; see whether it was written: kubectl get {plural}{namespace}"
        ));
    };
    let (said, of) = (printable(&status.message), intent.object());
    if status.reason == "AlreadyExists" {
        return anyhow!("{of} already exists in {}: {}", reader.place(), intent.kind.if_taken());
    }
    // Requests are strict: an older cluster refuses a field that it does not know, rather than drop it.
    if said.contains("strict decoding error") {
        return anyhow!(
            "Towpath of this cluster is older than this program and does not know every field of {of}: {said}"
        );
    }
    anyhow!("the API server refuses {of}: {said}")
}
