//! What the controller would refuse although the API server accepts it, as far as one object shows it.

use super::yaml::{Step, steps};
use crate::api::{Environment, ProjectName, Release, RollbackPolicy};
use crate::content::capture::images::replace_images;
use crate::content::object::kinds::check_further;
use crate::content::plan::order::{hook, wave};
use crate::content::plan::test_jobs::settings;
use crate::content::{ContentError, Digested, ObjectSet, manifests, template_fault};
use crate::decide::checks::validate::{Providers, checks};
use crate::decide::gates::schedule::check_all;
use jiff::Timestamp;
use std::sync::Arc;

use super::schema::Problem;

/// What is wrong with an environment.
pub fn of_environment(environment: &Environment, now: Timestamp) -> Vec<Problem> {
    let spec = &environment.spec;
    let windows = check_all(&spec.windows, now)
        .err()
        .map(|fault| problem(&format!("spec.{}", fault.field), fault.message));
    let tests = spec.tests.iter().enumerate().filter_map(|(index, test)| {
        let (field, message) = template_fault(&test.template)?;
        Some(problem(&format!("spec.tests[{index}].template.{field}"), message))
    });
    let kinds = spec.kinds.iter().enumerate().filter_map(|(index, kind)| {
        Some(problem(&format!("spec.kinds[{index}]"), check_further(kind).err()?.to_string()))
    });
    windows.into_iter().chain(tests).chain(kinds).collect()
}

/// What is wrong with the checks of a policy. Providers that are unknown here count as right.
pub fn of_policy(policy: &RollbackPolicy, project: &ProjectName, known: &Providers) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, check) in policy.spec.checks.iter().enumerate() {
        let mut alone = policy.spec.clone();
        alone.checks = vec![check.clone()];
        let mut providers = known.clone();
        if let Some(name) = check.provider().filter(|name| !known.contains_key(*name)) {
            let any = match check.http.is_some() {
                true => serde_json::json!({ "http": { "url": "http://a" }, "projects": ["*"] }),
                false => serde_json::json!({ "prometheus": { "url": "http://a" }, "projects": ["*"] }),
            };
            if let Ok(any) = serde_json::from_value(any) {
                providers.insert(name.to_owned(), Arc::new(any));
            }
        }
        let fault = checks(&alone, project, &providers);
        problems.extend(fault.map(|message| problem(&format!("spec.checks[{index}]"), message)));
    }
    problems
}

/// The content of a release, if it holds its manifests itself.
pub fn content_of(
    release: &Release,
    project: &[Arc<Environment>],
) -> Option<Result<Arc<Digested>, ContentError>> {
    let objects = release.spec.source.manifests.as_ref()?;
    let further: Vec<_> = project.iter().flat_map(|environment| environment.spec.kinds.clone()).collect();
    let content = || {
        let set = ObjectSet::new(manifests::inline(objects)?, &further, None)?;
        let set = replace_images(&set, &release.spec.images)?;
        for (key, object) in set.iter() {
            wave(key, object)?;
            hook(key, object)?;
            settings(key, object)?;
        }
        let content = Digested::of(set)?;
        content.seal(&release.spec.application)?;
        Ok(Arc::new(content))
    };
    Some(content())
}

/// Where in a release its content is wrong: the manifest that an error names, or all of them.
pub fn place_of(release: &Release, error: &ContentError) -> Vec<Step> {
    let text = error.to_string();
    let named = release.spec.source.manifests.iter().flatten().position(|manifest| {
        let of = |path: &str| manifest.pointer(path).and_then(serde_json::Value::as_str);
        let (Some(kind), Some(name)) = (of("/kind"), of("/metadata/name")) else { return false };
        text.starts_with(&format!("{kind} {name}")) || text.contains(&format!("{kind}/{name}"))
    });
    match named {
        Some(index) => steps(&format!("spec.source.manifests[{index}]")),
        None => steps(
            text.split(':').next().filter(|it| it.starts_with("spec.")).unwrap_or("spec.source.manifests"),
        ),
    }
}

/// A problem of a field.
pub fn problem(field: &str, message: impl Into<String>) -> Problem {
    Problem { path: steps(field), message: message.into() }
}

/// How a path is written: `spec.windows[2].schedule`.
pub fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Item(index) => text.push_str(&format!("[{index}]")),
            Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
        }
    }
    text
}
