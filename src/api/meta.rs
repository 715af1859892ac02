//! The little of object metadata that is read everywhere: name, UID, generation, creation, deletion.

use super::{Approval, CachedRelease, Environment, Promotion};
use jiff::Timestamp;

/// Objects of our kinds, by their metadata.
pub trait Meta {
    /// The name; empty before the API server gave one.
    fn name(&self) -> &str;
    /// The UID; empty before the API server gave one.
    fn uid(&self) -> &str;
    /// The generation of the spec.
    fn generation(&self) -> i64;
    /// When it was created; the epoch before the API server said.
    fn created(&self) -> Timestamp;
    /// It is being deleted.
    fn deleting(&self) -> bool;
}

macro_rules! meta {
    ($($kind:ty),*) => { $(
        impl Meta for $kind {
            fn name(&self) -> &str {
                self.metadata.name.as_deref().unwrap_or_default()
            }

            fn uid(&self) -> &str {
                self.metadata.uid.as_deref().unwrap_or_default()
            }

            fn generation(&self) -> i64 {
                self.metadata.generation.unwrap_or_default()
            }

            fn created(&self) -> Timestamp {
                self.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
            }

            fn deleting(&self) -> bool {
                self.metadata.deletion_timestamp.is_some()
            }
        }
    )* };
}

meta!(Environment, Promotion, Approval);

impl Meta for CachedRelease {
    fn name(&self) -> &str {
        self.name()
    }

    fn uid(&self) -> &str {
        self.uid()
    }

    fn generation(&self) -> i64 {
        self.generation
    }

    fn created(&self) -> Timestamp {
        self.created.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn deleting(&self) -> bool {
        self.deleting
    }
}
