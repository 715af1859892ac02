//! Tests: Jobs that run against a rolled-out release, or before it is written, as an Environment names them and as a Promotion records
//! them.

use super::{Duration, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A test of an environment. Towpath creates a Job for it when the rollout of a release is complete or, with `when: Before`, before
/// anything of the release is written. The release passes when the container ends with exit code 0, and fails with any other. A test
/// that could not run, because its pod was evicted for example, shows nothing: the release is then `Inconclusive`, and is not rolled
/// back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentTest {
    /// Name of the test. Unique in the environment.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub name: String,
    /// Template of the pod, with one container; sidecars are init containers with `restartPolicy: Always`. `restartPolicy` is
    /// `Never`. Every container gets the variables TOWPATH_APPLICATION, TOWPATH_VERSION, TOWPATH_PREVIOUS_VERSION,
    /// TOWPATH_ENVIRONMENT, TOWPATH_RELEASE, TOWPATH_DIGEST and TOWPATH_PROMOTION.
    #[schemars(schema_with = "schema::test_template")]
    pub template: serde_json::Value,
    /// `After`: runs when the rollout is complete. `Before`: runs when every other gate is open, before anything of the release is
    /// written; the gate `Evidence` is closed until the test has passed. If a required test fails, the promotion ends and has written
    /// nothing. Without a result, the test is run again every minute until the progress deadline of the rollback policy. A result
    /// counts for 10 minutes: if another gate is closed for longer, the test runs again. It cannot read a ConfigMap of the release.
    /// Default: After.
    #[serde(default, skip_serializing_if = "TestTime::is_after")]
    pub when: TestTime,
    /// How long one attempt may take. Then the Job is suspended, and the attempt has no result. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub timeout: Option<Duration>,
    /// How often the test is repeated after an attempt that failed or had no result. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: i32,
    /// With `false` the result is recorded and decides nothing. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub required: bool,
    /// Number of last lines of the log to record, at most 4 KiB. Everyone who can read Promotions can read them. Default: 0, none.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0, max = 1000))]
    pub keep_log: i32,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// When a test runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TestTime {
    /// When the rollout is complete.
    #[default]
    After,
    /// Before anything of the release is written.
    Before,
}

impl TestTime {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_after(&self) -> bool {
        *self == Self::After
    }
}

/// Where a test comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TestOrigin {
    /// `spec.tests` of the environment.
    Environment,
    /// The content of the release.
    Content,
    /// The content of the last verified revision.
    Regression,
}

/// The result of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TestResult {
    /// It waits for its start, or for its next attempt.
    #[default]
    Pending,
    /// Its Job runs.
    Running,
    /// Its container ended with exit code 0.
    Passed,
    /// Its container ended with another exit code.
    Failed,
    /// It could not run, or did not end in time. This shows nothing about the release.
    Errored,
    /// It was not run.
    Skipped,
}

impl TestResult {
    /// Whether the test is not run again in this promotion.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Passed | Self::Failed | Self::Errored | Self::Skipped => true,
        }
    }

    /// The name of the result, as it appears in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
            Self::Skipped => "Skipped",
        }
    }
}

/// A test of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestStatus {
    /// Name of the test: that of `spec.tests` of the environment, or of the Job in the content.
    #[schemars(length(max = 63))]
    pub name: String,
    /// `Environment`, `Content`, or `Regression`: a test of the last verified revision.
    pub origin: TestOrigin,
    /// `After` the rollout, or `Before` anything of the release was written. Absent means After.
    #[serde(default, skip_serializing_if = "TestTime::is_after")]
    pub when: TestTime,
    /// For a test with `when: Before`: SHA-256 of what was to be written when it ran, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// For a regression test: the version that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// For a regression test: the revision that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// `Pending`, `Running`, `Passed`, `Failed`, `Errored` or `Skipped`.
    #[serde(default)]
    pub result: TestResult,
    /// Whether the result decides about the release. Absent means true.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub required: bool,
    /// Name of the Job of the last attempt, in the target namespace. It stays there as long as this promotion is in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub job: Option<String>,
    /// Number of attempts that were started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: i32,
    /// For a test with `when: Before`: number of attempts before, whose results no longer count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_attempts: i32,
    /// Time at which the last attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Time at which the end of the last attempt was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Exit code of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why the last attempt has no result, in one word, such as `Timeout`, `Evicted` or `ImagePullBackOff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The termination message of the container, or the reason in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// The last lines of the log, if `keepLog` asks for them, with control characters escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub log: Option<String>,
}
