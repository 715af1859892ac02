//! Tests: Jobs of the content with the annotation `towpath.dev/test`, and those that the environment adds to it.
//!
//! Invariants: a test is never part of the rollout. Its Job has one pod that is started once, and stays until it is deleted; a test
//! that says otherwise is refused. The tests of the environment are part of the rendered content, so they have a part in its digest, and
//! a promotion runs the tests that it started with.

use super::config::{Config, Destination, annotate};
use crate::api::{EnvironmentTest, TestOrigin, TestTime, mark};
use crate::content::error::{ContentError, quoted};
use crate::content::object::canonical::{canonical, sha256};
use crate::content::object::key::ObjectKey;
use crate::content::object::metadata::{annotation, annotations};
use crate::content::object::names;
use crate::content::object::templates::pod_template_mut;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Tests in the content of a release. The status of a promotion holds all of them.
pub const MAX_TESTS: usize = 50;
/// How long an attempt may take by default.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Most attempts after the first one.
const MOST_RETRIES: i32 = 10;
/// Most lines of a log.
const MOST_LINES: i32 = 1000;
/// Hexadecimal digits in the name of a Job.
const DIGITS: usize = 10;
/// Start of the names that tests of an environment have in the content.
const OF_ENVIRONMENT: &str = "environment.";

/// How a test runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSettings {
    /// Whether it runs before anything is written, or after the rollout.
    pub when: TestTime,
    /// Whether its result decides about the release.
    pub required: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts after the first one.
    pub retries: i32,
    /// Last lines of the log to record.
    pub keep_log: i32,
}

/// A test of a content.
#[derive(Clone, Debug, PartialEq)]
pub struct TestJob {
    /// Its name.
    pub name: String,
    /// Whether the environment or the release brings it.
    pub origin: TestOrigin,
    /// How it runs.
    pub settings: TestSettings,
    /// Its key in the content.
    pub source: ObjectKey,
    /// The Job, with namespace and owner, under the name that it has in the content.
    pub object: Value,
}

impl TestJob {
    /// The Job of one attempt. `run` identifies the attempt; `variables` are set in every container.
    pub fn of_run(
        &self,
        run: &str,
        variables: &[(&str, String)],
    ) -> Result<(ObjectKey, Value), ContentError> {
        let mut digest = sha256(&canonical(&json!([self.origin, self.name, run])));
        digest.truncate(DIGITS);
        let key = self.source.renamed(&names::suffixed(&self.name, &digest, 63))?;
        let mut job = self.object.clone();
        if let Some(metadata) = job.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("name".into(), key.name().into());
        }
        annotate(&mut job, mark::ORIGINAL_NAME, &self.name);
        for list in ["initContainers", "containers"] {
            let containers = job.pointer_mut(&format!("/spec/template/spec/{list}"));
            for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
                set_variables(container, variables);
            }
        }
        Ok((key, job))
    }
}

/// Sets variables in front of those of the container, so that those can refer to them.
fn set_variables(container: &mut Value, variables: &[(&str, String)]) {
    let Some(container) = container.as_object_mut() else { return };
    let own = container.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_other = |variable: &Value| {
        let name = variable.get("name").and_then(Value::as_str);
        variables.iter().all(|(set, _)| name != Some(set))
    };
    let set = variables.iter().map(|(name, value)| json!({ "name": name, "value": value }));
    let all: Vec<Value> = set.chain(own.into_iter().filter(is_other)).collect();
    container.insert("env".into(), all.into());
}

/// How the test runs that the annotation of an object declares; none for other objects.
pub fn settings(key: &ObjectKey, object: &Value) -> Result<Option<TestSettings>, ContentError> {
    let given = Given { key, annotations: annotations(object) };
    let Some(value) = given.get(mark::TEST) else {
        return given.without_test().map(|()| None);
    };
    if !key.is("batch", "Job") {
        return Err(invalid(key, mark::TEST, value, "only a Job can be a test; remove the annotation"));
    }
    if given.get(mark::HOOK).is_some() {
        let expected = "a hook cannot be a test; remove one of the annotations";
        return Err(invalid(key, mark::TEST, value, expected));
    }
    let required = match value.as_str() {
        Some("required") => true,
        Some("optional") => false,
        Some(_) | None => return Err(invalid(key, mark::TEST, value, "write required or optional")),
    };
    let timeout = given.timeout()?;
    let when = given.when()?;
    let retries =
        given.number(mark::TEST_RETRIES, MOST_RETRIES, "write a whole number in quotes, \"10\" at most")?;
    let keep_log = given.number(
        mark::TEST_KEEP_LOG,
        MOST_LINES,
        "write a number of lines in quotes, \"1000\" at most",
    )?;
    Ok(Some(TestSettings { when, required, timeout, retries, keep_log }))
}

/// The annotations of an object.
struct Given<'a> {
    key: &'a ObjectKey,
    annotations: Option<&'a Map<String, Value>>,
}

impl<'a> Given<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.annotations.and_then(|all| all.get(name))
    }

    /// Refuses settings of a test on an object that is none.
    fn without_test(&self) -> Result<(), ContentError> {
        let alone = [mark::TEST_TIMEOUT, mark::TEST_RETRIES, mark::TEST_KEEP_LOG, mark::TEST_WHEN];
        match alone.into_iter().find_map(|name| Some((name, self.get(name)?))) {
            Some((name, value)) => {
                let expected = "it has no effect without the annotation towpath.dev/test";
                Err(invalid(self.key, name, value, expected))
            }
            None => Ok(()),
        }
    }

    fn timeout(&self) -> Result<Duration, ContentError> {
        let Some(value) = self.get(mark::TEST_TIMEOUT) else { return Ok(TIMEOUT) };
        let parsed = value.as_str().and_then(|text| text.parse::<crate::api::Duration>().ok());
        let parsed = parsed.map(Duration::from).filter(|timeout| !timeout.is_zero());
        let expected = "write a duration such as 90s or 10m";
        parsed.ok_or_else(|| invalid(self.key, mark::TEST_TIMEOUT, value, expected))
    }

    /// Only a test of the environment can run before the rollout.
    fn when(&self) -> Result<TestTime, ContentError> {
        let is_of_environment = self.get(mark::TEST_OF_ENVIRONMENT).is_some();
        let value = self.get(mark::TEST_WHEN);
        match (value, value.and_then(Value::as_str)) {
            (None, _) | (_, Some("After")) => Ok(TestTime::After),
            (_, Some("Before")) if is_of_environment => Ok(TestTime::Before),
            (Some(value), _) => Err(invalid(self.key, mark::TEST_WHEN, value, AFTER)),
        }
    }

    /// A number up to `most`; 0 if it is not given.
    fn number(&self, name: &'static str, most: i32, expected: &'static str) -> Result<i32, ContentError> {
        let Some(value) = self.get(name) else { return Ok(0) };
        let number = value.as_str().and_then(|text| text.parse().ok());
        let number = number.filter(|number| (0..=most).contains(number));
        number.ok_or_else(|| invalid(self.key, name, value, expected))
    }
}

fn invalid(key: &ObjectKey, annotation: &'static str, value: &Value, expected: &'static str) -> ContentError {
    let value = value.as_str().map_or_else(|| "not text".to_owned(), quoted);
    ContentError::Annotation { object: key.to_string(), annotation, value, expected }
}

/// The test that an object is, ready to be run; none for other objects.
pub(super) fn test_job(
    source: &ObjectKey,
    object: &Value,
    config: &Config,
    to: &Destination<'_>,
) -> Result<Option<TestJob>, ContentError> {
    let Some(settings) = settings(source, object)? else { return Ok(None) };
    let fault = |(field, problem)| ContentError::Test { object: source.to_string(), field, problem };
    job_fault(object).map_or(Ok(()), |found| Err(fault(found)))?;
    let (name, origin) = match annotation(object, mark::TEST_OF_ENVIRONMENT) {
        Some(name) => (name.to_owned(), TestOrigin::Environment),
        None => (source.name().to_owned(), TestOrigin::Content),
    };
    let template = object.pointer("/spec/template").filter(|_| settings.when == TestTime::Before);
    if let Some(config_map) = template.and_then(|template| config.read_by(template)) {
        return Err(ContentError::TestReadsRelease { test: name, config_map });
    }
    let mut object = object.clone();
    if let Some(template) = pod_template_mut(&mut object) {
        config.rewrite(template, true);
        if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("restartPolicy".into(), "Never".into());
        }
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, _| field == "template");
        spec.insert("backoffLimit".into(), 0.into());
    }
    annotate(&mut object, mark::OWNER, to.owner);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("namespace".into(), to.namespace.into());
    }
    Ok(Some(TestJob { name, origin, settings, source: source.clone(), object }))
}

const AFTER: &str = "a test of a release runs after its rollout; remove the annotation, or write the test with when: Before in spec.tests of the environment";
const REMOVE: &str = "a test has one pod that runs once; remove the field";
const REPEAT: &str =
    "a test has one pod that runs once; remove the field, and write the annotation towpath.dev/test-retries";
const DEADLINE: &str = "the Job would lose its pod and its log; remove the field, and write the annotation towpath.dev/test-timeout";
const KEPT: &str = "Towpath keeps the Job as long as the promotion is in the history; remove the field";
const NEVER: &str = "write Never: a container that is started again hides how it ended";
const ONE: &str = "a test has exactly one container, whose exit code is its result; write sidecars as init containers with restartPolicy: Always";

/// The first field of a Job that contradicts how tests run.
fn job_fault(job: &Value) -> Option<(String, &'static str)> {
    let empty = Map::new();
    let spec = job.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let is_default = |field: &str, value: &Value| match field {
        "template" => true,
        "backoffLimit" => *value == 0,
        "parallelism" | "completions" => *value == 1,
        "completionMode" => *value == "NonIndexed",
        "suspend" | "manualSelector" => *value == false,
        _ => false,
    };
    let fault = spec.iter().find(|(field, value)| !value.is_null() && !is_default(field, value));
    if let Some((field, _)) = fault {
        let problem = match field.as_str() {
            "backoffLimit" => REPEAT,
            "activeDeadlineSeconds" => DEADLINE,
            "ttlSecondsAfterFinished" => KEPT,
            _ => REMOVE,
        };
        return Some((format!("spec.{field}"), problem));
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    template_fault(template).map(|(field, problem)| (format!("spec.template.{field}"), problem))
}

/// The first field of the pod template of a test that contradicts how tests run.
pub fn template_fault(template: &Value) -> Option<(String, &'static str)> {
    let empty = Map::new();
    let spec = template.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let is_given = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    let is_other = |value: Option<&Value>| is_given(value) && value.and_then(Value::as_str) != Some("Never");
    if is_other(spec.get("restartPolicy")) {
        return Some(("spec.restartPolicy".into(), NEVER));
    }
    if is_given(spec.get("activeDeadlineSeconds")) {
        return Some(("spec.activeDeadlineSeconds".into(), DEADLINE));
    }
    let list = |name: &str| spec.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [main] = list("containers") else { return Some(("spec.containers".into(), ONE)) };
    if is_other(main.get("restartPolicy")) {
        return Some(("spec.containers[0].restartPolicy".into(), NEVER));
    }
    let has_rules = |container: &Value| {
        container.get("restartPolicyRules").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty())
    };
    for name in ["containers", "initContainers"] {
        if let Some(index) = list(name).iter().position(has_rules) {
            return Some((format!("spec.{name}[{index}].restartPolicyRules"), NEVER));
        }
    }
    None
}

/// The tests of an environment as they are in the content that it gets.
pub(super) fn of_environment(tests: &[EnvironmentTest]) -> impl Iterator<Item = Value> {
    tests.iter().map(|test| {
        let mut notes = Map::new();
        let mut note = |name: &str, value: String| drop(notes.insert(name.to_owned(), value.into()));
        note(mark::TEST_OF_ENVIRONMENT, test.name.clone());
        note(mark::TEST, if test.required { "required" } else { "optional" }.to_owned());
        if test.when == TestTime::Before {
            note(mark::TEST_WHEN, "Before".to_owned());
        }
        if let Some(timeout) = test.timeout {
            note(mark::TEST_TIMEOUT, format!("{}s", Duration::from(timeout).as_secs().max(1)));
        }
        for (name, number) in [(mark::TEST_RETRIES, test.retries), (mark::TEST_KEEP_LOG, test.keep_log)] {
            if number > 0 {
                note(name, number.to_string());
            }
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": format!("{OF_ENVIRONMENT}{}", test.name), "annotations": notes },
            "spec": { "template": test.template },
        })
    })
}

#[cfg(test)]
#[path = "test_jobs_tests.rs"]
mod tests;
