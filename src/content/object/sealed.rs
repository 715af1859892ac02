//! Content with its digest, and content ready to be stored.
//!
//! Invariants: a digest is computed once, or verified once when a stored Content is read, and then carried along. A stored
//! Content whose data does not match its digest is not read.

use super::canonical::{Form, rounded_integer, sha256};
use super::set::ObjectSet;
use crate::api::{ApplicationName, ContentSpec};
use crate::content::error::ContentError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder, read::GzDecoder};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{Read, Write};

/// Bytes of one content after compression. etcd takes 1.5 MiB per object, and base64 adds a third.
pub const MAX_COMPRESSED: usize = 512 * 1024;
/// Bytes of one content before compression.
pub const MAX_CANONICAL: usize = 16 * 1024 * 1024;

/// Objects and the digest over them.
#[derive(Clone, Debug)]
pub struct Digested {
    objects: ObjectSet,
    digest: String,
    form: Form,
    /// The canonical JSON, when it was made here; what was read from a Content is not held twice in memory.
    json: Option<String>,
}

impl Digested {
    /// Computes the digest of objects.
    pub fn of(objects: ObjectSet) -> Result<Self, ContentError> {
        Self::in_form(objects, Form::default())
    }

    /// Computes the digest of objects that were rendered from this content, in the same canonical form: what was approved
    /// before the form changed has the same digest afterwards.
    pub fn derive(&self, objects: ObjectSet) -> Result<Self, ContentError> {
        Self::in_form(objects, self.form)
    }

    fn in_form(objects: ObjectSet, form: Form) -> Result<Self, ContentError> {
        if form == Form::Rfc8785 {
            let rounded = objects.iter().find_map(|(key, object)| Some((key, rounded_integer(object)?)));
            if let Some((key, number)) = rounded {
                return Err(ContentError::Number { object: key.to_string(), number: number.to_string() });
            }
        }
        let json = list(objects.values(), form);
        Ok(Self { digest: sha256(&json), form, json: Some(json), objects })
    }

    /// Reads a stored Content and verifies its digest.
    pub fn open(spec: &ContentSpec) -> Result<Self, ContentError> {
        let json = decompress(&spec.data)?;
        let values: Vec<Value> =
            serde_json::from_slice(&json).map_err(|_| undecodable("it is not a JSON array of objects"))?;
        let objects = ObjectSet::stored(values)?;
        let form = [Form::Rfc8785, Form::Sorted]
            .into_iter()
            .find(|form| sha256(&list(objects.values(), *form)) == spec.digest)
            .ok_or_else(|| undecodable("its digest does not match"))?;
        Ok(Self { objects, digest: spec.digest.clone(), form, json: None })
    }

    /// The objects.
    pub fn objects(&self) -> &ObjectSet {
        &self.objects
    }

    /// SHA-256 over the canonical JSON of the list of objects, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The canonical form that the digest is computed over.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Makes the content ready to be stored. `owner` starts its name: the application, or the environment and the application.
    pub fn seal(&self, owner: &str) -> Result<Sealed, ContentError> {
        let json = match &self.json {
            Some(json) => Cow::Borrowed(json),
            None => Cow::Owned(list(self.objects.values(), self.form)),
        };
        Ok(Sealed {
            name: content_name(owner, &self.digest),
            digest: self.digest.clone(),
            data: compress(&json)?,
            count: self.objects.len(),
        })
    }
}

/// A content ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Name of the Content: equal objects of one owner have the same name, so storing them twice is storing them once.
    pub name: String,
    /// SHA-256 over the canonical JSON of the list of objects, in hexadecimal.
    pub digest: String,
    /// The canonical JSON, compressed with gzip, in base64.
    pub data: String,
    /// Number of objects.
    pub count: usize,
}

impl Sealed {
    /// The spec of the Content that stores it.
    pub fn spec(&self, application: &ApplicationName) -> ContentSpec {
        ContentSpec {
            application: application.clone(),
            digest: self.digest.clone(),
            objects: i32::try_from(self.count).unwrap_or(i32::MAX),
            data: self.data.clone(),
        }
    }
}

/// `shop-0123456789abcdef`.
fn content_name(owner: &str, digest: &str) -> String {
    let short: String = digest.chars().take(16).collect();
    format!("{owner}-{short}")
}

/// The canonical JSON of a list of objects.
fn list<'a>(objects: impl Iterator<Item = &'a Value>, form: Form) -> String {
    let objects: Vec<String> = objects.map(|object| form.json(object)).collect();
    format!("[{}]", objects.join(","))
}

fn undecodable(reason: &str) -> ContentError {
    ContentError::Undecodable { reason: reason.to_owned() }
}

/// Compresses with gzip, without time and name in its header, so that equal contents are equal data.
fn compress(json: &str) -> Result<String, ContentError> {
    let too_large = |what: &str, bytes, limit| ContentError::TooLarge { what: what.into(), bytes, limit };
    if json.len() > MAX_CANONICAL {
        return Err(too_large("the content, before compression", json.len(), MAX_CANONICAL));
    }
    // Writing to a Vec does not fail; if it did, the content would be refused rather than cut.
    let failed = |_| undecodable("it cannot be compressed");
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(json.as_bytes()).map_err(failed)?;
    let compressed = encoder.finish().map_err(failed)?;
    if compressed.len() > MAX_COMPRESSED {
        return Err(too_large("the content, compressed", compressed.len(), MAX_COMPRESSED));
    }
    Ok(STANDARD.encode(compressed))
}

/// Reverses [`compress`]. Never more than 16 MiB, whatever the input.
fn decompress(data: &str) -> Result<Vec<u8>, ContentError> {
    if data.len() > MAX_COMPRESSED.div_ceil(3) * 4 {
        return Err(undecodable("it is longer than the limit"));
    }
    let compressed = STANDARD.decode(data).map_err(|_| undecodable("it is not base64"))?;
    let mut json = Vec::new();
    let limit = u64::try_from(MAX_CANONICAL).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(compressed.as_slice())
        .take(limit)
        .read_to_end(&mut json)
        .map_err(|_| undecodable("it is not a complete gzip stream"))?;
    if json.len() > MAX_CANONICAL {
        return Err(undecodable("it is larger than the limit once decompressed"));
    }
    Ok(json)
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
