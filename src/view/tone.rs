//! What a word means for the reader, which a terminal shows as a colour.

use crate::api::{PromotionPhase, Reason, ReleasePhase, StepResult, TestResult, Verdict};

/// The meaning of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// It needs no attention.
    Plain,
    /// Something is good.
    Good,
    /// Something is in progress.
    Busy,
    /// Something waits.
    Waits,
    /// Something failed.
    Bad,
}

impl Tone {
    /// The meaning in one word, as a page names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Waits => "waits",
            Self::Bad => "bad",
        }
    }

    /// A text in the colour of the tone.
    pub fn painted(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Plain => None,
            Self::Good => Some(32),
            Self::Busy => Some(36),
            Self::Waits => Some(33),
            Self::Bad => Some(31),
        };
        match code.filter(|_| colour) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

impl From<PromotionPhase> for Tone {
    fn from(phase: PromotionPhase) -> Self {
        match phase {
            PromotionPhase::Pending => Self::Waits,
            PromotionPhase::Promoting | PromotionPhase::Observing => Self::Busy,
            PromotionPhase::Verified => Self::Good,
            PromotionPhase::Failed | PromotionPhase::Inconclusive => Self::Bad,
            PromotionPhase::Superseded | PromotionPhase::Cancelled | PromotionPhase::Compared => Self::Plain,
        }
    }
}

impl From<ReleasePhase> for Tone {
    fn from(phase: ReleasePhase) -> Self {
        match phase {
            ReleasePhase::Pending | ReleasePhase::Promoting | ReleasePhase::RollingBack => Self::Busy,
            ReleasePhase::Waiting => Self::Waits,
            ReleasePhase::Verified => Self::Good,
            ReleasePhase::Failed
            | ReleasePhase::Inconclusive
            | ReleasePhase::RolledBack
            | ReleasePhase::Invalid => Self::Bad,
            ReleasePhase::Superseded => Self::Plain,
        }
    }
}

impl From<StepResult> for Tone {
    fn from(result: StepResult) -> Self {
        match result {
            StepResult::Running => Self::Busy,
            StepResult::Passed => Self::Good,
            StepResult::Failed | StepResult::Errored => Self::Bad,
        }
    }
}

impl From<TestResult> for Tone {
    fn from(result: TestResult) -> Self {
        match result {
            TestResult::Pending | TestResult::Running => Self::Busy,
            TestResult::Passed => Self::Good,
            TestResult::Failed | TestResult::Errored => Self::Bad,
            TestResult::Skipped => Self::Plain,
        }
    }
}

impl From<Verdict> for Tone {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Good,
            Verdict::Failed | Verdict::Errored => Self::Bad,
            Verdict::Inconclusive => Self::Waits,
        }
    }
}

/// The tone of the state of a release in an environment. An unknown word, from a newer controller, is plain.
pub fn of_state(state: &str) -> Tone {
    let reason = Reason::from(state);
    if reason.is_holding() || reason.is_blocking() {
        return Tone::Waits;
    }
    if matches!(reason, Reason::Verified | Reason::Restored) {
        return Tone::Good;
    }
    if matches!(reason, Reason::Pending | Reason::Promoting | Reason::RollingBack | Reason::Observing) {
        return Tone::Busy;
    }
    let is_bad = matches!(
        reason,
        Reason::Failed
            | Reason::Inconclusive
            | Reason::RolledBack
            | Reason::RollbackFailed
            | Reason::Recalled
            | Reason::Deadline
    );
    if is_bad { Tone::Bad } else { Tone::Plain }
}
