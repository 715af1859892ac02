//! The Jobs of tests, reduced to what their results follow from.

use super::{Loaded, Pod};
use crate::content::ObjectKey;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What was observed of the tests of a promotion.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// The Jobs with the annotation `towpath.dev/promotion` of this promotion, by key.
    pub runs: BTreeMap<ObjectKey, TestRun>,
    /// The Jobs of running tests that do not exist, and of which an Event says that they had a pod.
    pub have_run: BTreeSet<ObjectKey>,
    /// The last lines of their logs, as this process read them, or why they cannot be read.
    pub logs: BTreeMap<ObjectKey, Result<String, String>>,
    /// The content of the last verified revision, if its tests have to pass.
    pub regression: Loaded,
}

/// The Job of one attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestRun {
    /// UID.
    pub uid: String,
    /// Whether its spec suspends it.
    pub suspended: bool,
    /// The controller that it names instead of the Job controller.
    pub managed_by: Option<String>,
    /// Whether it completed.
    pub complete: bool,
    /// Why it failed: reason and message.
    pub failed: Option<(String, String)>,
    /// Whether its controller has counted a pod whose containers all ended with 0. The count stays when the pod is deleted.
    pub succeeded: bool,
    /// Whether its pods were asked for, because it has ended and the watch shows none.
    pub searched: bool,
    /// What stopped a pod that is gone while it ran, from an Event. Read only if no pod is left.
    pub stopped: Option<String>,
    /// Why no pod of it can be created, from an Event. Read only while there is no pod.
    pub refused: Option<String>,
    /// Its pods.
    pub pods: Vec<TestPod>,
}

/// A pod of a test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestPod {
    /// The pod. Its first container is the one whose exit code is the result.
    pub pod: Pod,
    /// Why it leaves its node, if that is not its own doing: reason and message.
    pub disruption: Option<(String, String)>,
}

/// A Job of a hook or a test that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// When this process saw it.
    pub at: Timestamp,
    /// The termination message of the test.
    pub message: String,
}

impl TestRun {
    /// Whether its controller has ended it.
    pub fn has_ended(&self) -> bool {
        self.complete || self.failed.is_some()
    }

    /// Whether nothing of it runs or will run.
    pub fn is_over(&self) -> bool {
        self.has_ended() || self.suspended
    }
}
