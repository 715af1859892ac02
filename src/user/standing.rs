//! How current what is watched is.

/// How current the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not every kind was listed yet.
    Listing,
    /// As the API server last said.
    Current,
    /// They may be old, because of an error that may pass.
    Behind(String),
    /// Waiting does not help, because of this error: they may not be shown any longer.
    Lost(String),
}
