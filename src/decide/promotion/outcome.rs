//! The outcomes of a promotion. A stage comes to its next step, or to the outcome that ends the promotion;
//! [`finish`](super::ending::finish) turns an outcome into a decision.

use super::Decision;
use crate::api::Reason;

/// What a stage comes to: a step, or the end of the promotion.
pub(super) type Turn<T = Decision> = Result<T, Outcome>;

/// The outcome of a promotion.
pub(super) enum Outcome {
    /// Rolled out and healthy through the observe window. For a rollback: restored and healthy.
    Verified {
        /// `Verified` or `Restored`.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
    /// A later revision started before this one was verified.
    Superseded {
        /// The promotion of that revision.
        by: String,
    },
    /// The release failed in this environment. The rollback policy decides what follows.
    Failed {
        /// What failed.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
    /// The release ran its course, and nothing shows whether it is good. Automation stops until a person decides.
    Inconclusive {
        /// What is missing.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
    /// The promotion cannot continue, and the release is not the cause.
    Interrupted {
        /// The cause.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
    /// Nothing was written, and nothing can be written.
    Refused {
        /// The cause.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
    /// Nothing was written, and the promotion is no longer needed.
    Cancelled {
        /// What changed.
        reason: Reason,
        /// The message, as a sentence.
        message: String,
    },
}
