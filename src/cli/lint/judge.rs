//! The judge of one object, and of what objects say about each other.

use super::meaning::{content_of, of_environment, of_policy, place_of, problem};
use super::references::Names;
use super::rules;
use super::schema::{Problem, Schema, prepared};
use super::yaml::Node;
use crate::api::names::{SUBDOMAIN_RULE, is_subdomain};
use crate::api::{CachedRelease, CheckProvider, Environment, ProjectName, Release, RollbackPolicy};
use crate::cli::verbs::crds;
use crate::content::render;
use crate::decide::checks::validate::Providers;
use crate::decide::environment::validate::cycle;
use crate::decide::requires;
use crate::decide::world::{Objects, Project};
use crate::view::suggestion::suggestion;
use jiff::Timestamp;
use kube_cel::Validator;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const GROUP: &str = "towpath.dev/";

/// An object of Towpath in a file.
#[derive(Debug)]
pub struct Linted {
    pub file: String,
    pub node: Node,
    kind: String,
    name: String,
    /// Its namespace. Objects without one belong together.
    project: ProjectName,
    /// As it is written.
    value: Value,
}

impl Linted {
    /// Kind and name.
    pub fn shown(&self) -> String {
        format!("{} {}", self.kind, self.name).trim_end().to_owned()
    }

    /// File and line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.node.at.line)
    }

    fn parsed<T: DeserializeOwned>(&self, kind: &str) -> Option<T> {
        serde_json::from_value(self.value.clone()).ok().filter(|_| self.kind == kind)
    }
}

/// Knows the kinds of Towpath.
pub struct Judge {
    /// By apiVersion and kind.
    schemas: BTreeMap<(String, String), Schema>,
    validator: Validator,
    now: Timestamp,
}

impl Judge {
    /// A judge of all kinds.
    pub fn new(now: Timestamp) -> anyhow::Result<Self> {
        let mut schemas = BTreeMap::new();
        for definition in crds::definitions()? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let spec = &definition["spec"];
            for version in spec["versions"].as_array().into_iter().flatten() {
                let api_version = format!("{}/{}", text(&spec["group"]), text(&version["name"]));
                let schema = Schema::new(&version["schema"]["openAPIV3Schema"])?;
                schemas.insert((api_version, text(&spec["names"]["kind"])), schema);
            }
        }
        Ok(Self { schemas, validator: Validator::new(), now })
    }

    /// The object, if it is of Towpath.
    pub fn linted(&self, file: &str, node: Node, mut value: Value) -> Option<Linted> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if !text(&value["apiVersion"]).starts_with(GROUP) {
            return None;
        }
        // The API server drops it from what people write.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        let metadata = &value["metadata"];
        Some(Linted {
            file: file.to_owned(),
            node,
            kind: text(&value["kind"]),
            name: text(&metadata["name"]),
            project: text(&metadata["namespace"]).into(),
            value,
        })
    }

    /// What is wrong with an object, and what cannot be judged.
    pub fn alone(&self, object: &Linted, all: &[Linted]) -> (Vec<Problem>, Vec<String>) {
        let api_version = object.value["apiVersion"].as_str().unwrap_or_default();
        let Some(schema) = self.schemas.get(&(api_version.to_owned(), object.kind.clone())) else {
            return (vec![self.unknown_kind(api_version, &object.kind)], Vec::new());
        };
        let structural = &schema.structural;
        let mut problems: Vec<Problem> = name_of(object).into_iter().collect();
        problems.extend(schema.problems(&prepared(structural, &object.value, true)));
        let fits = problems.is_empty();
        let defaulted = prepared(structural, &object.value, false);
        let judged = rules::judge(&self.validator, structural, &defaulted);
        problems.extend(judged.broken);
        // What does not fit its schema makes rules fail that would not be asked.
        let notes = if fits { judged.unjudged } else { Vec::new() };
        if fits {
            let defaulted = Linted { value: defaulted, node: object.node.clone(), ..object.named() };
            problems.extend(self.meaning(&defaulted, all));
        }
        (problems, notes)
    }

    fn unknown_kind(&self, api_version: &str, kind: &str) -> Problem {
        let versions: BTreeSet<&str> = self.schemas.keys().map(|(version, _)| version.as_str()).collect();
        if !versions.contains(api_version) {
            let known: Vec<&str> = versions.into_iter().collect();
            return problem(
                "apiVersion",
                format!("{api_version} is not known; write {}", known.join(" or ")),
            );
        }
        let kinds: Vec<String> = self.schemas.keys().map(|(_, kind)| kind.clone()).collect();
        problem("kind", format!("{api_version} has no kind {kind}{}", suggestion(kind, &kinds)))
    }

    /// What the controller would refuse.
    fn meaning(&self, object: &Linted, all: &[Linted]) -> Vec<Problem> {
        if let Some(environment) = object.parsed::<Environment>("Environment") {
            return of_environment(&environment, self.now);
        }
        if let Some(policy) = object.parsed::<RollbackPolicy>("RollbackPolicy") {
            return of_policy(&policy, &object.project, &providers(all));
        }
        let Some(release) = object.parsed::<Release>("Release") else { return Vec::new() };
        let environments = environments(all, &object.project);
        match content_of(&release, &environments) {
            // Which further kinds a release may hold is up to environments that are not among the files.
            Some(Err(crate::content::ContentError::NotListed { .. })) if environments.is_empty() => {
                Vec::new()
            }
            Some(Err(error)) => {
                vec![Problem { path: place_of(&release, &error), message: error.to_string() }]
            }
            Some(Ok(_)) | None => Vec::new(),
        }
    }

    /// What objects say about each other.
    pub fn together<'a>(&self, all: &'a [Linted], report: &mut dyn FnMut(&'a Linted, Vec<Problem>)) {
        let mut names = Names::default();
        for object in all {
            names.add(&object.kind, &object.project, &object.name);
        }
        let mut seen: BTreeMap<(&str, &str, &str), &Linted> = BTreeMap::new();
        let mut targets: BTreeMap<String, &Linted> = BTreeMap::new();
        for object in all {
            report(object, names.unknown(&object.kind, &object.project, &object.value));
            let key = (object.kind.as_str(), object.project.as_str(), object.name.as_str());
            if let Some(other) = seen.insert(key, object).filter(|_| !object.name.is_empty()) {
                report(object, vec![problem("metadata.name", format!("it is also in {}", other.place()))]);
            }
            let target = object.value["spec"]["namespace"].as_str().filter(|_| object.kind == "Environment");
            let other = target.and_then(|target| targets.insert(target.to_owned(), object));
            if let Some(other) =
                other.filter(|other| other.name != object.name || other.project != object.project)
            {
                let message = format!(
                    "it is also the target of {} in {}; two environments cannot share a namespace",
                    other.shown(),
                    other.place()
                );
                report(object, vec![problem("spec.namespace", message)]);
            }
            report(object, self.in_project(object, all));
        }
    }

    /// Cycles, and what the environments make of a release.
    fn in_project(&self, object: &Linted, all: &[Linted]) -> Vec<Problem> {
        let environments = environments(all, &object.project);
        let project = || project(&object.project, &environments, all);
        if let Some(environment) = object.parsed::<Environment>("Environment") {
            let fault = cycle(&project(), &environment);
            return fault.into_iter().map(|fault| problem("spec.after", fault.message)).collect();
        }
        let Some(release) = object.parsed::<Release>("Release") else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some(Ok(content)) = content_of(&release, &environments) {
            for environment in &environments {
                let name = environment.metadata.name.as_deref().unwrap_or_default();
                let refused = render(&content, &environment.spec).err();
                problems.extend(refused.map(|error| Problem {
                    path: place_of(&release, &error),
                    message: format!("in environment {name}: {error}"),
                }));
            }
        }
        let fault = requires::cycle(&project(), &CachedRelease::from(release));
        problems.extend(fault.map(|message| problem("spec.requires", message)));
        problems
    }
}

impl Linted {
    fn named(&self) -> Self {
        Self {
            file: self.file.clone(),
            node: self.node.clone(),
            kind: self.kind.clone(),
            name: self.name.clone(),
            project: self.project.clone(),
            value: Value::Null,
        }
    }
}

/// What is wrong with the name, which the API server checks for every kind.
fn name_of(object: &Linted) -> Option<Problem> {
    let metadata = &object.value["metadata"];
    if metadata["generateName"].is_string() && object.name.is_empty() {
        return None;
    }
    if object.name.is_empty() {
        return Some(problem("metadata.name", "a name is required"));
    }
    let is_name = is_subdomain(&object.name);
    (!is_name).then(|| problem("metadata.name", format!("{:?} is not a name: {SUBDOMAIN_RULE}", object.name)))
}

fn environments(all: &[Linted], project: &ProjectName) -> Vec<Arc<Environment>> {
    let here = all.iter().filter(|object| object.project == *project);
    here.filter_map(|object| object.parsed("Environment").map(Arc::new)).collect()
}

fn providers(all: &[Linted]) -> Providers {
    let parsed = all.iter().filter_map(|object| object.parsed::<CheckProvider>("CheckProvider"));
    parsed.map(|it| (it.metadata.name.unwrap_or_default(), Arc::new(it.spec))).collect()
}

fn project(name: &ProjectName, environments: &[Arc<Environment>], all: &[Linted]) -> Project {
    let mut project = Project::from_objects(Objects {
        name: name.clone(),
        environments: environments.to_vec(),
        ..Objects::default()
    });
    let releases = all.iter().filter(|object| object.project == *name);
    for release in releases.filter_map(|object| object.parsed::<Release>("Release")) {
        let spec = release.spec;
        project.requiring.insert((spec.application, spec.version), spec.requires);
    }
    project
}
