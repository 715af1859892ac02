//! What follows from a failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when a release fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailureAction {
    /// Restore an earlier revision.
    #[default]
    Rollback,
    /// Write nothing and stop automatic promotion.
    Hold,
    /// Write nothing and continue with newer releases.
    Notify,
}
