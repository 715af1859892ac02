//! The cached form of a release, for a process that watches ten thousand of them. What is read of a release while another one is
//! reconciled is directly accessible, in one allocation. The rest is stored in it as JSON.
//!
//! Invariants: [`KeptRelease::status`] returns exactly the status that was stored. The source is dropped once the content is captured,
//! because from then on the Content replaces it.

use super::{ImageOverride, Release, ReleaseChange, ReleasePhase, ReleaseStatus, Source, UserInfo};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The strings of a release. An empty string means that the field is absent.
#[derive(Clone, Copy)]
enum Text {
    Name,
    Namespace,
    Uid,
    ResourceVersion,
    Application,
    Version,
    Until,
    CapturedFrom,
    Content,
    Digest,
    /// As JSON.
    RequestedBy,
    /// As JSON, without content and digest.
    Status,
    /// As JSON.
    Uncaptured,
}

const TEXTS: usize = Text::Uncaptured as usize + 1;

/// A release without the fields that are not read again.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptRelease {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The generation of its spec.
    pub generation: i64,
    /// Whether it has a deletion timestamp.
    pub deleting: bool,
    /// `spec.hold`.
    pub hold: Option<bool>,
    /// `spec.change`.
    pub change: Option<Box<ReleaseChange>>,
    phase: ReleasePhase,
    /// All strings, concatenated. Separate strings would take twice the memory.
    text: Box<str>,
    ends: [u32; TEXTS],
}

/// Where the content will be captured from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uncaptured {
    /// `spec.source`.
    pub source: Source,
    /// `spec.images`.
    pub images: Vec<ImageOverride>,
}

impl KeptRelease {
    /// The name. Empty before the API server has assigned one.
    pub fn name(&self) -> &str {
        self.text(Text::Name)
    }

    /// The namespace of the project.
    pub fn namespace(&self) -> &str {
        self.text(Text::Namespace)
    }

    /// The UID. Empty before the API server has assigned one.
    pub fn uid(&self) -> &str {
        self.text(Text::Uid)
    }

    /// `metadata.resourceVersion`.
    pub fn resource_version(&self) -> &str {
        self.text(Text::ResourceVersion)
    }

    /// `spec.application`.
    pub fn application(&self) -> &str {
        self.text(Text::Application)
    }

    /// `spec.version`.
    pub fn version(&self) -> &str {
        self.text(Text::Version)
    }

    /// `spec.until`.
    pub fn until(&self) -> Option<&str> {
        self.present(Text::Until)
    }

    /// The environment that `spec.source` names, if it names one.
    pub fn captured_from(&self) -> Option<&str> {
        self.present(Text::CapturedFrom)
    }

    /// `status.content`: the name of the Content.
    pub fn content(&self) -> Option<&str> {
        self.present(Text::Content)
    }

    /// `status.digest`.
    pub fn digest(&self) -> Option<&str> {
        self.present(Text::Digest)
    }

    /// `status.phase`, or `Pending` if there is no status.
    pub fn phase(&self) -> ReleasePhase {
        self.phase
    }

    /// `spec.requestedBy`, parsed from JSON.
    pub fn requested_by(&self) -> Option<UserInfo> {
        unfold(self.text(Text::RequestedBy))
    }

    /// What has to be captured, parsed from JSON. `None` once the content is captured.
    pub fn uncaptured(&self) -> Option<Uncaptured> {
        unfold(self.text(Text::Uncaptured))
    }

    /// The stored status, parsed from JSON.
    pub fn status(&self) -> Option<ReleaseStatus> {
        let status: ReleaseStatus = unfold(self.text(Text::Status))?;
        let owned = |text: &str| text.to_owned();
        Some(ReleaseStatus { content: self.content().map(owned), digest: self.digest().map(owned), ..status })
    }

    /// The same release with another status.
    pub fn with_status(&self, status: &ReleaseStatus) -> Self {
        let mut texts = ALL.map(|text| self.text(text));
        let folded = fold_status(status);
        texts[Text::Content as usize] = status.content.as_deref().unwrap_or_default();
        texts[Text::Digest as usize] = status.digest.as_deref().unwrap_or_default();
        texts[Text::Status as usize] = &folded;
        if status.content.is_some() {
            texts[Text::Uncaptured as usize] = "";
        }
        let (text, ends) = join(texts);
        Self { phase: status.phase, text, ends, ..self.clone() }
    }

    /// The metadata that identifies the object in a request.
    pub fn identity(&self) -> ObjectMeta {
        let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ObjectMeta {
            name: owned(self.name()),
            namespace: owned(self.namespace()),
            uid: owned(self.uid()),
            resource_version: owned(self.resource_version()),
            ..ObjectMeta::default()
        }
    }

    fn text(&self, text: Text) -> &str {
        let nth = text as usize;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..self.ends[nth] as usize).unwrap_or_default()
    }

    fn present(&self, text: Text) -> Option<&str> {
        Some(self.text(text)).filter(|text| !text.is_empty())
    }
}

/// The requesters of these releases, without duplicates: there are fewer requesters than releases.
pub fn requesters<'a>(releases: impl Iterator<Item = &'a KeptRelease>) -> Vec<UserInfo> {
    let folded: BTreeSet<&str> = releases.map(|release| release.text(Text::RequestedBy)).collect();
    folded.into_iter().filter_map(unfold).collect()
}

impl From<Release> for KeptRelease {
    fn from(Release { metadata, spec, status }: Release) -> Self {
        let requested_by = spec.requested_by.as_ref().map(fold).unwrap_or_default();
        let folded = status.as_ref().map(fold_status).unwrap_or_default();
        let status = status.unwrap_or_default();
        let captured_from = spec.source.environment.as_ref().map(|source| source.name.clone());
        let uncaptured = match status.content {
            Some(_) => String::new(),
            None => fold(&Uncaptured { source: spec.source, images: spec.images }),
        };
        let texts = ALL.map(|text| match text {
            Text::Name => metadata.name.as_deref().unwrap_or_default(),
            Text::Namespace => metadata.namespace.as_deref().unwrap_or_default(),
            Text::Uid => metadata.uid.as_deref().unwrap_or_default(),
            Text::ResourceVersion => metadata.resource_version.as_deref().unwrap_or_default(),
            Text::Application => &spec.application,
            Text::Version => &spec.version,
            Text::Until => spec.until.as_deref().unwrap_or_default(),
            Text::CapturedFrom => captured_from.as_deref().unwrap_or_default(),
            Text::Content => status.content.as_deref().unwrap_or_default(),
            Text::Digest => status.digest.as_deref().unwrap_or_default(),
            Text::RequestedBy => &requested_by,
            Text::Status => &folded,
            Text::Uncaptured => &uncaptured,
        });
        let (text, ends) = join(texts);
        Self {
            created: metadata.creation_timestamp.map(|time| time.0),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            hold: spec.hold,
            change: spec.change.map(Box::new),
            phase: status.phase,
            text,
            ends,
        }
    }
}

/// Every string, in the order of its index.
const ALL: [Text; TEXTS] = [
    Text::Name,
    Text::Namespace,
    Text::Uid,
    Text::ResourceVersion,
    Text::Application,
    Text::Version,
    Text::Until,
    Text::CapturedFrom,
    Text::Content,
    Text::Digest,
    Text::RequestedBy,
    Text::Status,
    Text::Uncaptured,
];

/// The concatenated string, and the end of each part. The API server accepts no object of 2^32 bytes, so `u32` is enough.
fn join(texts: [&str; TEXTS]) -> (Box<str>, [u32; TEXTS]) {
    let mut end = 0_u32;
    let ends = texts.map(|text| {
        end = end.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
        end
    });
    (texts.concat().into(), ends)
}

fn fold_status(status: &ReleaseStatus) -> String {
    fold(&ReleaseStatus { content: None, digest: None, ..status.clone() })
}

/// Serialization of these types cannot fail.
fn fold(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn unfold<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn release(content: Option<&str>) -> Release {
        serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Release",
            "metadata": {
                "name": "shop-1.4.0",
                "namespace": "shop",
                "uid": "bf94039c-dbbe-4451-959d-25e1340d4a87",
                "resourceVersion": "5543",
                "generation": 2,
                "creationTimestamp": "2026-11-25T02:58:35Z",
            },
            "spec": {
                "application": "shop",
                "version": "1.4.0",
                "source": { "environment": { "name": "dev" } },
                "requestedBy": { "username": "alice", "groups": ["shop", "system:authenticated"] },
            },
            "status": {
                "observedGeneration": 2,
                "phase": "Waiting",
                "digest": content.map(|_| "a".repeat(64)),
                "content": content,
                "images": [{ "image": "web:1", "reason": "no pod runs it" }],
                "environments": [
                    { "name": "dev", "state": "NotAStage", "message": "the release was captured here" },
                    { "name": "prod", "state": "Window", "message": "opens", "until": "2026-11-26T08:00:00Z" },
                ],
                "summary": "prod:Window",
                "message": "prod: opens",
                "conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "reason": "Window",
                    "message": "prod: opens",
                    "observedGeneration": 2,
                    "lastTransitionTime": "2026-11-25T02:58:45Z",
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_kept_is_what_was_stored() {
        for content in [None, Some("shop-d323cb4bdb234c77")] {
            let whole = release(content);
            let kept = KeptRelease::from(whole.clone());
            assert_eq!(kept.status(), whole.status);
            assert_eq!(kept.requested_by(), whole.spec.requested_by);
            assert_eq!(
                (kept.namespace(), kept.name(), kept.application(), kept.version(), kept.captured_from()),
                ("shop", "shop-1.4.0", "shop", "1.4.0", Some("dev"))
            );
            assert_eq!((kept.until(), kept.content(), kept.phase()), (None, content, ReleasePhase::Waiting));
            let source = kept.uncaptured().map(|uncaptured| uncaptured.source);
            let expected = content.is_none().then(|| whole.spec.source.clone());
            assert_eq!(source, expected, "it goes with the capture");
            assert_eq!(requesters([&kept, &kept].into_iter()).len(), 1);
        }
        let mut fresh = release(None);
        fresh.status = None;
        assert_eq!(KeptRelease::from(fresh).status(), None);
    }

    #[test]
    fn another_status_takes_the_place_of_the_first() {
        let kept = KeptRelease::from(release(None));
        let status = release(Some("shop-d323cb4bdb234c77")).status.unwrap();
        let next = kept.with_status(&status);
        assert_eq!(next.status(), Some(status));
        assert_eq!((next.name(), next.content()), (kept.name(), Some("shop-d323cb4bdb234c77")));
        assert_eq!(next.uncaptured(), None);
    }

    /// The size of the struct and of its string. The allocator adds about ten bytes to each.
    #[test]
    fn a_settled_release_is_small() {
        let kept = KeptRelease::from(release(Some("shop-d323cb4bdb234c77")));
        assert!(size_of::<KeptRelease>() <= 128, "{}", size_of::<KeptRelease>());
        assert!(kept.text.len() <= 1_000, "{}", kept.text.len());
    }
}
