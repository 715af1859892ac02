//! Reads the last lines of the log of a test, as the identity of the environment. The next pass records them.

use super::ActError;
use super::target::identity;
use crate::content::ObjectKey;
use crate::decide::decision::Target;
use crate::process::Handles;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

/// Most bytes that are read. The kubelet sends the first ones of the wanted lines.
const LIMIT: i64 = 1024 * 1024;
/// Most bytes that are remembered, of the end.
const KEPT: usize = 16 * 1024;

/// Reads and remembers them. A log that cannot be read is remembered, too: it is lost with its pod.
pub async fn read_log(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: ObjectKey,
    (pod, container): (&str, String),
    lines: i32,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api: Api<Pod> = Api::namespaced(client, &target.location.namespace);
    let params = LogParams {
        container: Some(container),
        tail_lines: Some(i64::from(lines)),
        limit_bytes: Some(LIMIT),
        ..LogParams::default()
    };
    let what = || ActError::write(format!("reading the log of pod {pod}"));
    let answer = api.logs(pod, &params).await.map_err(|error| what()(error).words());
    handles.memory.read_log(promotion, key, answer.map(|text| end(&text).to_owned()));
    Ok(())
}

/// The end of a text.
fn end(text: &str) -> &str {
    let from = text.len().saturating_sub(KEPT);
    let start = (from..=text.len()).find(|at| text.is_char_boundary(*at));
    start.and_then(|start| text.get(start..)).unwrap_or_default()
}
