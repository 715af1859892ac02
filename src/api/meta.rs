//! The object metadata that decisions read: name, UID, generation, creation, deletion.

use super::{
    ApplicationName, Approval, CachedRelease, ChangeFreeze, Channel, CheckProvider, Environment,
    EnvironmentId, EnvironmentName, ProjectName, Promotion, Recall, Release, ReleaseName, Review,
    RollbackPolicy,
};
use jiff::Timestamp;

/// Metadata of an object of Towpath.
pub trait Meta {
    /// The name. Empty before the API server has assigned one.
    fn name(&self) -> &str;
    /// The project: its namespace. Empty for an object without a namespace.
    fn project(&self) -> ProjectName;
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

            fn project(&self) -> ProjectName {
                self.metadata.namespace.as_deref().unwrap_or_default().into()
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

meta!(
    Environment,
    Release,
    Promotion,
    Approval,
    Recall,
    Review,
    RollbackPolicy,
    ChangeFreeze,
    Channel,
    CheckProvider
);

impl Environment {
    /// Its name, as a type. Empty before the API server has assigned one.
    pub fn environment_name(&self) -> EnvironmentName {
        self.name().into()
    }

    /// Its name among the environments of all projects.
    pub fn id(&self) -> EnvironmentId {
        EnvironmentId { project: self.project(), environment: self.environment_name() }
    }
}

impl CachedRelease {
    /// Its name, as a type. Empty before the API server has assigned one.
    pub fn release_name(&self) -> ReleaseName {
        self.name().into()
    }

    /// `spec.application`, as a type.
    pub fn application_name(&self) -> ApplicationName {
        self.application().into()
    }
}

impl Meta for CachedRelease {
    fn name(&self) -> &str {
        self.name()
    }

    fn project(&self) -> ProjectName {
        self.namespace().into()
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
