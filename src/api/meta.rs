//! The object metadata that decisions read: name, UID, generation, creation, deletion.

use super::{Approval, CachedRelease, CheckProvider, Environment, Promotion, Recall, RollbackPolicy};
use jiff::Timestamp;

/// Metadata of an object of Towpath.
pub trait Meta {
    /// The name. Empty before the API server has assigned one.
    fn name(&self) -> &str;
    /// The UID. Empty before the API server has assigned one.
    fn uid(&self) -> &str;
    /// The generation of the spec.
    fn generation(&self) -> i64;
    /// When it was created. The Unix epoch before the API server has set it.
    fn created(&self) -> Timestamp;
    /// Whether it has a deletion timestamp.
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

meta!(Environment, Promotion, Approval, Recall, RollbackPolicy, CheckProvider);

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
