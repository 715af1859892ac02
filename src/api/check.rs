//! Check: a measurement of a rolled-out release: a Prometheus query, alerts, an HTTP request, or a field of an object.
//!
//! The report of what was measured is in [`super::check_report`].

use super::{Duration, FailureAction, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A measurement that a release has to pass in addition to the health of its pods. Exactly one of `prometheus`, `alerts`, `http` and
/// `object` says what is measured. A release passes a check only with at least `minMeasurements` passing measurements, all taken after
/// the rollout was complete: without data, nothing passes.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(
    "(has(self.prometheus) ? 1 : 0) + (has(self.alerts) ? 1 : 0) + (has(self.http) ? 1 : 0) + (has(self.object) ? 1 : 0) == 1"
).message("set exactly one of prometheus, alerts, http and object"))]
#[x_kube(validation = Rule::new("!has(self.window) || has(self.prometheus)")
    .message("window is the look-back of a query: it is only allowed with prometheus"))]
#[x_kube(validation = Rule::new("self.when == 'During' || !has(self.prometheus) || !has(self.prometheus.maxRatioToBaseline)")
    .message("maxRatioToBaseline compares with the time before the first write: it is only allowed with when: During"))]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Name of the check. It appears in messages and in `status.checks` of a Promotion.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::LABEL))]
    pub name: String,
    /// Compares the result of a Prometheus query with a threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusCheck>,
    /// Fails if an alert becomes active after the promotion started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertsCheck>,
    /// Sends a GET request and compares the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// Reads an object of the target namespace and compares a field, or its kstatus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectCheck>,
    /// `During`: measured from the end of the rollout to the end of the observe window. `Before`: measured before the first write; the
    /// gate `Evidence` is closed until the check passes. Default: During.
    #[serde(default)]
    pub when: CheckTime,
    /// Time between two measurements, at least 5s. Default: 30s.
    #[serde(default = "half_a_minute")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('5s')").message("interval must be at least 5s"))]
    pub interval: Duration,
    /// Look-back of a Prometheus query: the value of `$window`. With `when: During`, the first measurement is taken when this time has
    /// passed since the rollout, so that no measurement includes the revision before. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub window: Option<Duration>,
    /// Additional time from the end of the rollout to the first measurement, for example until caches are warm. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub initial_delay: Option<Duration>,
    /// Number of passing measurements that the check needs. With fewer at the end of the observe window, measuring continues for as
    /// long as they need; after that, the promotion ends as `Inconclusive`. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_measurements: i32,
    /// Number of failing measurements that are tolerated. One more fails the check at once. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub failure_limit: i32,
    /// Number of failing measurements in a row that fail the check. With it, `failureLimit` is not used. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_failures: Option<i32>,
    /// Number of measurements in a row that may fail to be taken, because the provider is unavailable for example. After one more, the
    /// check counts as `Errored`: the promotion ends as `Inconclusive`, and nothing is rolled back. Default: 4.
    #[serde(default = "four")]
    #[schemars(range(min = 0, max = 1000))]
    pub error_limit: i32,
    /// What happens when the check fails: `Rollback`, `Hold` or `Notify`, as in `spec.action`. Default: `spec.action`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<FailureAction>,
    /// Whether the check is measured and recorded without an effect on any promotion. Use it to try a new check. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// When a check is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckTime {
    /// From the end of the rollout to the end of the observe window.
    #[default]
    During,
    /// Before the first write.
    Before,
}

/// A Prometheus query and its thresholds. At least one threshold is set.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.max) || has(self.min) || has(self.maxRatioToBaseline)")
    .message("set at least one of max, min and maxRatioToBaseline"))]
#[serde(rename_all = "camelCase")]
pub struct PrometheusCheck {
    /// Name of the CheckProvider.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub provider: String,
    /// PromQL that returns a number: an instant vector or a scalar. Put the comparison into `max` or `min`, not into the query: in PromQL,
    /// a comparison with NaN gives an empty result or 0. Parameters are replaced inside quoted label values: `$project`, `$environment`,
    /// `$namespace`, `$application`, `$version`, `$release`, and `$pods` after `=~`: the names of the pods of the new revision. `$window`
    /// is also replaced in a range, as in `rate(errors_total[$window])`. A range that is written out must not be longer than `window`.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// Largest value that passes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_number")]
    pub max: Option<f64>,
    /// Smallest value that passes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_number")]
    pub min: Option<f64>,
    /// Largest ratio that passes between the value and the value just before the first write. The latter is recorded in
    /// `status.checks` of the Promotion. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_number")]
    pub max_ratio_to_baseline: Option<f64>,
    /// A query that returns the number of samples behind the value, such as the number of requests in `$window`. With fewer samples, a
    /// measurement says nothing. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// What passes if the query returns more than one series. `One`: more than one series cannot be measured. `All`: every series has to
    /// pass. `Any`: one series has to pass. Default: One.
    #[serde(default)]
    pub series: Series,
}

/// The number of samples that a measurement needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Samples {
    /// PromQL that returns the number of samples. The same parameters as in `query` are replaced.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// Smallest number of samples with which a measurement counts.
    #[schemars(schema_with = "schema::number")]
    pub min: f64,
}

/// What passes if a query returns more than one series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Series {
    /// More than one series cannot be measured.
    #[default]
    One,
    /// Every series has to pass.
    All,
    /// One series has to pass.
    Any,
}

/// Alerts that must not become active. An alert that was active before the promotion started does not count. An alert that fires fails
/// the check; one that is still pending at the end of the observe window makes it `Inconclusive`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertsCheck {
    /// Name of the CheckProvider: the Prometheus that evaluates the alerting rules.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub provider: String,
    /// Labels that an alert has to have, by name, such as `namespace: $namespace`. The parameters of a Prometheus query are replaced. At
    /// least one alerting rule has to exist for them.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10))]
    pub labels: BTreeMap<String, String>,
    /// A query that has to be greater than 0, such as the number of requests: without traffic, a silent alert says nothing. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub evidence: Option<String>,
}

/// A GET request and what its answer must be. The answer is read up to 1 MiB, for at most 10 s. Redirects are not followed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.provider) != has(self.service)")
    .message("set exactly one of provider and service"))]
#[serde(rename_all = "camelCase")]
pub struct HttpCheck {
    /// Name of the CheckProvider whose address the request goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub provider: Option<String>,
    /// Sends the request to every pod of the new revision behind a Service of the release. Each has to pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServicePort>,
    /// Path and query of the request, such as `/ready?full=1`. Default: `/`.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[!-~]*$"))]
    pub path: String,
    /// Status that the answer must have. Default: 200.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub status: i32,
    /// A comparison of a value in the JSON of the answer. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Comparison>,
    /// Headers that the answer must have, by name. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub headers: BTreeMap<String, String>,
    /// Longest time to the end of the answer that passes, such as `300ms`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub max_latency: Option<Duration>,
}

/// A port of a Service of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePort {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::LABEL))]
    pub name: String,
    /// Number of the port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// A field of one or more objects of the target namespace. They are read with the rights of the environment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.name) != has(self.labels)").message("set exactly one of name and labels"))]
#[serde(rename_all = "camelCase")]
pub struct ObjectCheck {
    /// API version of the object, such as `argoproj.io/v1alpha1`.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^([a-z0-9.-]+/)?v[a-z0-9]+$"))]
    pub api_version: String,
    /// Kind of the object, such as `Rollout`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
    /// Name of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: Option<String>,
    /// Labels of the objects. There has to be at least one such object, and every one has to pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 10))]
    pub labels: Option<BTreeMap<String, String>>,
    /// A comparison of a value in the object. Default: the status of the object as kstatus computes it from `observedGeneration` and the
    /// conditions `Ready`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Comparison>,
    /// Largest age of the object, from its creation, with which it counts, such as `24h` for a report. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub max_age: Option<Duration>,
}

/// A comparison of a value in a JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// JSONPath of the value (RFC 9535), such as `$.status.phase`. At most one `..` is allowed. Every value that the path finds has to
    /// pass; without a value, the measurement says nothing.
    #[schemars(length(min = 1, max = 256))]
    pub path: String,
    /// How the value is compared. Default: Equal.
    #[serde(default)]
    pub op: Operator,
    /// The value to compare with. It has the type of the value in the document: a text, a number, or true or false.
    #[schemars(schema_with = "schema::any_value")]
    pub value: Value,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The values are equal.
    #[default]
    Equal,
    /// The values differ.
    NotEqual,
    /// The value in the document is less.
    Less,
    /// The value in the document is less, or equal.
    AtMost,
    /// The value in the document is greater.
    Greater,
    /// The value in the document is greater, or equal.
    AtLeast,
}

impl Check {
    /// The name of the provider that the check asks, if it asks one.
    pub fn provider(&self) -> Option<&str> {
        let query = self.prometheus.as_ref().map(|it| it.provider.as_str());
        let alerts = || self.alerts.as_ref().map(|it| it.provider.as_str());
        query.or_else(alerts).or_else(|| self.http.as_ref()?.provider.as_deref())
    }
}

fn half_a_minute() -> Duration {
    std::time::Duration::from_secs(30).into()
}
fn one() -> i32 {
    1
}
fn four() -> i32 {
    4
}
fn ok() -> i32 {
    200
}
fn root() -> String {
    "/".to_owned()
}
