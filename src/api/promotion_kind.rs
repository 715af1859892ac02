//! What a promotion does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PromotionKind {
    /// Promote a release to the environment.
    #[default]
    Promote,
    /// Restore an earlier revision of the environment.
    Rollback,
}
