//! The cached form of a release, for a process that watches ten thousand of them. What is read of a release while another one is
//! reconciled is directly accessible, in one allocation. The rest is stored in it as JSON.
//!
//! Invariants: [`CachedRelease::status`] returns the status that was stored, without its record. The source is dropped once the content is captured,
//! because from then on the Content replaces it.

use super::{
    ChangeDescription, ChangeRecord, ChangeType, EnvironmentName, Held, ImageOverride, Record, Release,
    ReleaseChange, ReleasePhase, ReleaseStatus, Requirement, Source, UserInfo,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The fields of a release that are stored as strings. An empty string means that the field is absent.
#[derive(Clone, Copy)]
enum Field {
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
    /// As JSON.
    Requires,
    /// As JSON.
    Description,
    /// As JSON. Only while the release is on hold.
    Held,
}

const FIELDS: usize = Field::Held as usize + 1;

/// A release without the fields that are not read again.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedRelease {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The generation of its spec.
    pub generation: i64,
    /// Whether it has a deletion timestamp.
    pub deleting: bool,
    /// `spec.hold`.
    pub hold: Option<bool>,
    /// `spec.change`, without its description.
    pub change: Option<Box<ReleaseChange>>,
    phase: ReleasePhase,
    /// The strings of all fields, concatenated. Separate strings would take twice the memory.
    text: Box<str>,
    ends: [u32; FIELDS],
}

/// Where the content will be captured from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uncaptured {
    /// `spec.source`.
    pub source: Source,
    /// `spec.images`.
    pub images: Vec<ImageOverride>,
}

impl CachedRelease {
    /// The name. Empty before the API server has assigned one.
    pub fn name(&self) -> &str {
        self.text(Field::Name)
    }

    /// The namespace of the project.
    pub fn namespace(&self) -> &str {
        self.text(Field::Namespace)
    }

    /// The UID. Empty before the API server has assigned one.
    pub fn uid(&self) -> &str {
        self.text(Field::Uid)
    }

    /// `metadata.resourceVersion`.
    pub fn resource_version(&self) -> &str {
        self.text(Field::ResourceVersion)
    }

    /// `spec.application`.
    pub fn application(&self) -> &str {
        self.text(Field::Application)
    }

    /// `spec.version`.
    pub fn version(&self) -> &str {
        self.text(Field::Version)
    }

    /// `spec.until`.
    pub fn until(&self) -> Option<EnvironmentName> {
        self.present(Field::Until).map(EnvironmentName::from)
    }

    /// The environment that `spec.source` names, if it names one.
    pub fn captured_from(&self) -> Option<EnvironmentName> {
        self.present(Field::CapturedFrom).map(EnvironmentName::from)
    }

    /// `status.content`: the name of the Content.
    pub fn content(&self) -> Option<&str> {
        self.present(Field::Content)
    }

    /// `status.digest`.
    pub fn digest(&self) -> Option<&str> {
        self.present(Field::Digest)
    }

    /// `status.phase`, or `Pending` if there is no status.
    pub fn phase(&self) -> ReleasePhase {
        self.phase
    }

    /// Whether `spec.change.type` is another type than `Normal`. It counts only where the requester may declare it.
    pub fn declares_a_type(&self) -> bool {
        self.change.as_ref().is_some_and(|change| change.type_ != ChangeType::Normal)
    }

    /// `spec.requires`, parsed from JSON.
    pub fn requires(&self) -> Vec<Requirement> {
        from_json(self.text(Field::Requires)).unwrap_or_default()
    }

    /// Whether `spec.requires` names an application.
    pub fn requires_any(&self) -> bool {
        !self.text(Field::Requires).is_empty()
    }

    /// What the record of a promotion says about the change. None if the release says nothing.
    pub fn change_record(&self) -> Option<Box<ChangeRecord>> {
        let change = self.change.as_ref()?;
        let description = from_json(self.text(Field::Description)).unwrap_or_default();
        Some(Box::new(ChangeRecord { type_: change.type_, reversible: change.reversible, description }))
    }

    /// The hold, parsed from JSON. None if the release is not on hold.
    pub fn held(&self) -> Option<Held> {
        from_json(self.text(Field::Held))
    }

    /// `spec.requestedBy`, parsed from JSON.
    pub fn requested_by(&self) -> Option<UserInfo> {
        from_json(self.text(Field::RequestedBy))
    }

    /// What has to be captured, parsed from JSON. `None` once the content is captured.
    pub fn uncaptured(&self) -> Option<Uncaptured> {
        from_json(self.text(Field::Uncaptured))
    }

    /// The stored status, parsed from JSON.
    pub fn status(&self) -> Option<ReleaseStatus> {
        let status: ReleaseStatus = from_json(self.text(Field::Status))?;
        let owned = |text: &str| text.to_owned();
        Some(ReleaseStatus { content: self.content().map(owned), digest: self.digest().map(owned), ..status })
    }

    /// The same release with another status.
    pub fn with_status(&self, status: &ReleaseStatus) -> Self {
        let mut texts = ALL.map(|field| self.text(field));
        let status_json = status_to_json(status);
        texts[Field::Content as usize] = status.content.as_deref().unwrap_or_default();
        texts[Field::Digest as usize] = status.digest.as_deref().unwrap_or_default();
        texts[Field::Status as usize] = &status_json;
        if status.content.is_some() {
            texts[Field::Uncaptured as usize] = "";
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

    fn text(&self, field: Field) -> &str {
        let nth = field as usize;
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..self.ends[nth] as usize).unwrap_or_default()
    }

    fn present(&self, field: Field) -> Option<&str> {
        Some(self.text(field)).filter(|text| !text.is_empty())
    }
}

/// The requesters of these releases, without duplicates: there are fewer requesters than releases.
pub fn requesters<'a>(releases: impl Iterator<Item = &'a CachedRelease>) -> Vec<UserInfo> {
    let distinct: BTreeSet<&str> = releases.map(|release| release.text(Field::RequestedBy)).collect();
    distinct.into_iter().filter_map(from_json).collect()
}

impl From<Release> for CachedRelease {
    fn from(Release { metadata, spec, status }: Release) -> Self {
        let requested_by = spec.requested_by.as_ref().map(to_json).unwrap_or_default();
        let status_json = status.as_ref().map(status_to_json).unwrap_or_default();
        let status = status.unwrap_or_default();
        let held = if spec.hold == Some(true) { to_json(&Held::of(&metadata)) } else { String::new() };
        let mut change = spec.change;
        let description = change.as_mut().map(|change| std::mem::take(&mut change.description));
        let is_described = |description: &ChangeDescription| *description != ChangeDescription::default();
        let description = description.filter(is_described).as_ref().map(to_json).unwrap_or_default();
        let requires = if spec.requires.is_empty() { String::new() } else { to_json(&spec.requires) };
        let captured_from = spec.source.environment.as_ref().map(|source| source.name.clone());
        let uncaptured = match status.content {
            Some(_) => String::new(),
            None => to_json(&Uncaptured { source: spec.source, images: spec.images }),
        };
        let texts = ALL.map(|field| match field {
            Field::Name => metadata.name.as_deref().unwrap_or_default(),
            Field::Namespace => metadata.namespace.as_deref().unwrap_or_default(),
            Field::Uid => metadata.uid.as_deref().unwrap_or_default(),
            Field::ResourceVersion => metadata.resource_version.as_deref().unwrap_or_default(),
            Field::Application => &spec.application,
            Field::Version => &spec.version,
            Field::Until => spec.until.as_deref().unwrap_or_default(),
            Field::CapturedFrom => captured_from.as_deref().unwrap_or_default(),
            Field::Content => status.content.as_deref().unwrap_or_default(),
            Field::Digest => status.digest.as_deref().unwrap_or_default(),
            Field::RequestedBy => &requested_by,
            Field::Status => &status_json,
            Field::Uncaptured => &uncaptured,
            Field::Requires => &requires,
            Field::Description => &description,
            Field::Held => &held,
        });
        let (text, ends) = join(texts);
        Self {
            created: metadata.creation_timestamp.map(|time| time.0),
            generation: metadata.generation.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            hold: spec.hold,
            change: change.map(Box::new),
            phase: status.phase,
            text,
            ends,
        }
    }
}

/// Every field, in the order of its index.
const ALL: [Field; FIELDS] = [
    Field::Name,
    Field::Namespace,
    Field::Uid,
    Field::ResourceVersion,
    Field::Application,
    Field::Version,
    Field::Until,
    Field::CapturedFrom,
    Field::Content,
    Field::Digest,
    Field::RequestedBy,
    Field::Status,
    Field::Uncaptured,
    Field::Requires,
    Field::Description,
    Field::Held,
];

/// The concatenated string, and the end of each part. The API server accepts no object of 2^32 bytes, so `u32` is enough.
fn join(texts: [&str; FIELDS]) -> (Box<str>, [u32; FIELDS]) {
    let mut end = 0_u32;
    let ends = texts.map(|text| {
        end = end.saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
        end
    });
    (texts.concat().into(), ends)
}

fn status_to_json(status: &ReleaseStatus) -> String {
    let record = Record::new();
    to_json(&ReleaseStatus { content: None, digest: None, record, record_dropped: None, ..status.clone() })
}

/// Serialization of these types cannot fail.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
#[path = "cached_tests.rs"]
mod tests;
