//! Live objects as they were read, and writes that failed.

use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// A live object.
#[derive(Clone, Debug)]
pub enum Live {
    /// It does not exist.
    Absent,
    /// The whole object.
    Present(Arc<Value>),
    /// The deployer identity may not read it.
    Refused(String),
    /// The API server does not serve its kind (any more), so no object of the kind exists.
    Unserved(String),
    /// The API server answers with an error or not at all: the conversion webhook of its kind is down, for example. It may exist.
    Unreadable(String),
}

impl Live {
    /// The object, if it was read.
    pub fn present(&self) -> Option<&Value> {
        match self {
            Self::Present(object) => Some(object),
            Self::Absent | Self::Refused(_) | Self::Unserved(_) | Self::Unreadable(_) => None,
        }
    }

    /// Why it is not known whether the object exists.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Refused(message) | Self::Unreadable(message) => Some(message),
            Self::Absent | Self::Present(_) | Self::Unserved(_) => None,
        }
    }

    /// Why it could not be read.
    pub fn unread(&self) -> Option<&str> {
        match self {
            Self::Refused(message) | Self::Unserved(message) | Self::Unreadable(message) => Some(message),
            Self::Absent | Self::Present(_) => None,
        }
    }
}

/// A write that failed and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedWrite {
    /// The answer of the API server, or that there was none.
    pub message: String,
    /// The object was changed after it was read. The next pass reads it again.
    pub conflict: bool,
    /// Failures in a row.
    pub count: u32,
    /// When it failed last, by the clock of this process.
    pub at: Timestamp,
}
