//! What was observed of the fields that Towpath wrote and another manager changed.

use crate::api::ApplicationName;
use crate::content::ObjectKey;
use crate::content::ownership::drift::Drift;
use std::collections::BTreeSet;

/// The workloads of an environment that were compared with what runs there.
#[derive(Clone, Debug, Default)]
pub struct Drifts {
    /// Objects of which fields drifted.
    pub found: Vec<Drifted>,
    /// Objects that could not be read or compared.
    pub unread: BTreeSet<ObjectKey>,
    /// Whether an object was read so recently that it may have changed since without a sign in its managedFields, whose times are whole
    /// seconds.
    pub is_recent: bool,
}

/// An object of which fields drifted.
#[derive(Clone, Debug)]
pub struct Drifted {
    /// The object.
    pub key: ObjectKey,
    /// The application that it belongs to.
    pub application: ApplicationName,
    /// The fields.
    pub fields: Vec<Drift>,
}
