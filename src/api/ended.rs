//! How a revision ended, as the history of an environment says it.

use super::{PromotionKind, PromotionPhase};
use std::fmt;

/// The outcome of a revision. As text: `Verified`, `Rollback to 3: Verified`, or `Rollback: Cancelled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the revision was promoted or rolled back to.
    pub kind: PromotionKind,
    /// The revision that a rollback restored.
    pub restores: Option<i64>,
    /// The last phase of the promotion.
    pub phase: PromotionPhase,
}

impl Ended {
    /// Reads the text. None for a word of a newer controller.
    pub fn read(text: &str) -> Option<Self> {
        let (before, phase) = text.rsplit_once(": ").unwrap_or(("", text));
        let phase = PromotionPhase::read(phase)?;
        let (kind, restores) = match before.strip_prefix("Rollback") {
            Some("") => (PromotionKind::Rollback, None),
            Some(rest) => (PromotionKind::Rollback, Some(rest.strip_prefix(" to ")?.parse().ok()?)),
            None if before.is_empty() => (PromotionKind::Promote, None),
            None => return None,
        };
        Some(Self { kind, restores, phase })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.phase.as_str();
        match (self.kind, self.restores) {
            (PromotionKind::Promote, _) => out.write_str(phase),
            (PromotionKind::Rollback, Some(number)) => write!(out, "Rollback to {number}: {phase}"),
            (PromotionKind::Rollback, None) => write!(out, "Rollback: {phase}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for kind in [PromotionKind::Promote, PromotionKind::Rollback] {
            for restores in [None, Some(0), Some(12)]
                .into_iter()
                .filter(|it| it.is_none() || kind != PromotionKind::Promote)
            {
                for phase in PromotionPhase::ALL {
                    let ended = Ended { kind, restores, phase };
                    assert_eq!(Ended::read(&ended.to_string()), Some(ended));
                }
            }
        }
        for text in [
            "",
            "AWordOfANewerController",
            "Rollback to x: Verified",
            "Rollback of 3: Verified",
            "Move: Verified",
        ] {
            assert_eq!(Ended::read(text), None, "{text}");
        }
    }
}
