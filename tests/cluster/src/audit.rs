//! Who asked the API server for what: its audit log, read from a mark on.
//!
//! Level Metadata for every request. A dry run that is asked for in the body of a delete, not in its query, cannot
//! be told from a real one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use crate::Access;
use crate::wait::eventually;

pub(crate) const POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n";
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const FENCE: &str = "towpath-audit-fence";

/// A place in the log: the end of it when the mark was made.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// One request, as its metadata says.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub user: String,
    /// What the user proved to be itself with: `JTI=..` of a service account's token. Tells two of one account apart.
    pub credential: Option<String>,
    pub impersonated_user: Option<String>,
    pub verb: String,
    pub dry_run: bool,
    pub api_group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// The status code of the answer.
    pub code: u16,
    /// `ResponseComplete`, or `ResponseStarted` for a watch that has only begun, or `Panic`.
    pub stage: String,
    pub request_uri: String,
    pub user_agent: String,
    pub time: Timestamp,
}

/// The log of one API server.
#[derive(Clone)]
pub struct AuditLog {
    path: PathBuf,
    fence: Access,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf, fence: Access) -> Self {
        Self { path, fence }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The present end of the log. Everything answered before this call lies before it.
    pub async fn mark(&self) -> Result<Mark> {
        let from = self.size()?;
        let (_, end) = self.up_to_fence(from).await?;
        Ok(Mark(end))
    }

    /// Every request answered between the mark and this call, in the order of the log.
    pub async fn since(&self, mark: Mark) -> Result<Vec<AuditEvent>> {
        Ok(self.up_to_fence(mark.0).await?.0)
    }

    fn size(&self) -> Result<u64> {
        let shown = self.path.display();
        Ok(std::fs::metadata(&self.path).with_context(|| format!("cannot read the audit log {shown}"))?.len())
    }

    /// A line is written just after its answer, so an answer may be read before its line. A request of our own,
    /// seen in the log, shows that the lines before it have arrived.
    async fn up_to_fence(&self, from: u64) -> Result<(Vec<AuditEvent>, u64)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let fence = format!("/version?{FENCE}={}-{count}", std::process::id());
        self.fence.client()?.request_text(http::Request::get(&fence).body(Vec::new())?).await?;
        eventually("the audit log to catch up", Duration::from_secs(60), async || {
            let (events, end) = read(&self.path, from)?;
            let Some(at) = events.iter().position(|(event, _)| event.request_uri == fence) else {
                return Ok(None);
            };
            let foreign = |event: &AuditEvent| !event.request_uri.contains(FENCE);
            let before = events[..at].iter().map(|(event, _)| event.clone()).filter(foreign).collect();
            Ok(Some((before, events.get(at).map_or(end, |(_, end)| *end))))
        })
        .await
    }
}

/// The complete lines after `from`, each with the offset of its end.
fn read(path: &Path, from: u64) -> Result<(Vec<(AuditEvent, u64)>, u64)> {
    let mut file =
        File::open(path).with_context(|| format!("cannot read the audit log {}", path.display()))?;
    let start = from.saturating_sub(1);
    file.seek(SeekFrom::Start(start))?;
    let (mut reader, mut events, mut end) = (BufReader::new(file), Vec::new(), from);
    let mut line = Vec::new();
    if from > 0 {
        // The end of the log may have been the middle of a line: that one was begun before.
        end = start + reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            return Ok((events, from));
        }
    }
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok((events, end));
        }
        end += length as u64;
        let raw: Raw = serde_json::from_slice(&line).with_context(|| {
            let line = String::from_utf8_lossy(&line);
            format!("the audit log {} has a line that is no event: {line}", path.display())
        })?;
        events.push((raw.into(), end));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: Status,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Raw> for AuditEvent {
    fn from(raw: Raw) -> Self {
        let query = raw.request_uri.split_once('?').map_or("", |(_, query)| query);
        Self {
            dry_run: query.split('&').any(|part| part == "dryRun=All"),
            credential: raw.user.extra.get(CREDENTIAL).and_then(|ids| ids.first()).cloned(),
            user: raw.user.username,
            impersonated_user: raw.impersonated_user.map(|user| user.username),
            verb: raw.verb,
            api_group: raw.object_ref.api_group,
            resource: raw.object_ref.resource,
            subresource: raw.object_ref.subresource,
            namespace: raw.object_ref.namespace,
            name: raw.object_ref.name,
            code: raw.response_status.code,
            stage: raw.stage,
            request_uri: raw.request_uri,
            user_agent: raw.user_agent,
            time: raw.stage_timestamp,
        }
    }
}
