//! What a check asks, with everything resolved that depends on the promotion.

use super::parameters::{Parameters, resolve, resolve_value};
use super::tally::window;
use crate::api::{Check, HttpCheck, ObjectChange, ServicePort};
use crate::content::object::templates::pod_template;
use crate::content::{Desired, ObjectKey};
use crate::decide::decision::{Question, Which};
use crate::decide::world::{Pod, Workload};
use core::net::SocketAddr;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// The longest look-back for the last sample of a series: Prometheus's own default.
const LOOKBACK: SignedDuration = SignedDuration::from_mins(5);

/// The promotion that asks.
pub struct Asker<'a> {
    /// Values of the parameters, without pods and window.
    pub words: Vec<(&'static str, String)>,
    /// The objects of the release.
    pub wanted: &'a [Desired],
    /// The workloads in the target namespace.
    pub workloads: &'a BTreeMap<ObjectKey, Workload>,
    /// What the promotion changes.
    pub changed: &'a [ObjectChange],
    /// When the promotion started.
    pub started: Timestamp,
    /// When the first try of this release started: what was active then is not of the release.
    pub known_before: Timestamp,
    /// When everything was rolled out. None before the first write.
    pub rolled_out: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
}

/// The question of a check, or why it cannot be asked, as a sentence.
pub fn ask(check: &Check, asker: &Asker<'_>) -> Result<Question, String> {
    let parameters = Parameters {
        words: asker.words.clone(),
        pods: asker.pods().map(|pod| pod.name.clone()).collect(),
        window: format!("{}s", window(check).as_secs().max(1)),
    };
    let resolved =
        |field: &str, query: &str| resolve(query, &parameters).map_err(|error| format!("{field}: {error}"));
    if let Some(query) = &check.prometheus {
        return Ok(Question::Query {
            provider: query.provider.clone(),
            query: resolved("prometheus.query", &query.query)?,
            samples: query
                .samples
                .as_ref()
                .map(|samples| resolved("prometheus.samples.query", &samples.query))
                .transpose()?,
            lookback: asker.lookback(),
        });
    }
    if let Some(alerts) = &check.alerts {
        let label = |(name, value): (&String, &String)| {
            resolve_value(value, &parameters)
                .map(|value| (name.clone(), value))
                .map_err(|error| format!("alerts.labels.{name}: {error}"))
        };
        return Ok(Question::Alerts {
            provider: alerts.provider.clone(),
            labels: alerts.labels.iter().map(label).collect::<Result<_, _>>()?,
            since: asker.started,
            known_before: asker.known_before,
            rolled_out: asker.rolled_out.unwrap_or(asker.started),
            evidence: alerts.evidence.as_ref().map(|query| resolved("alerts.evidence", query)).transpose()?,
            lookback: asker.lookback(),
        });
    }
    if let Some(http) = &check.http {
        return asker.request(http);
    }
    let Some(object) = &check.object else { return Err("the check measures nothing".to_owned()) };
    Ok(Question::Objects {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        which: match (&object.name, &object.labels) {
            (Some(name), _) => Which::Named(name.clone()),
            (None, labels) => Which::Labelled(labels.clone().unwrap_or_default()),
        },
    })
}

impl Asker<'_> {
    /// Samples from before the end of the rollout say nothing about the release.
    fn lookback(&self) -> SignedDuration {
        let since = self.rolled_out.map(|at| self.now.duration_since(at));
        since.map_or(LOOKBACK, |since| since.clamp(SignedDuration::from_secs(1), LOOKBACK))
    }

    /// The pods of the workloads that the promotion changes; of all, if it changes none.
    fn pods(&self) -> impl Iterator<Item = &Pod> {
        let own = |only_changed: bool| {
            let is_own = move |item: &&Desired| {
                !only_changed
                    || self
                        .changed
                        .iter()
                        .any(|change| change.kind == item.key.kind() && change.name == item.key.name())
            };
            self.wanted.iter().filter(is_own).filter_map(|item| self.workloads.get(&item.key))
        };
        let has_changed = own(true).next().is_some();
        own(has_changed).flat_map(|workload| &workload.pods)
    }

    fn request(&self, http: &HttpCheck) -> Result<Question, String> {
        let path = http.path.clone();
        match (&http.provider, &http.service) {
            (Some(provider), _) => Ok(Question::Provider { provider: provider.clone(), path }),
            (None, Some(service)) => Ok(Question::Pods { pods: self.behind(service)?, path }),
            (None, None) => Err("the check names neither a provider nor a service".to_owned()),
        }
    }

    /// The ready pods of the new revision behind a Service of the release.
    fn behind(&self, service: &ServicePort) -> Result<BTreeMap<String, SocketAddr>, String> {
        let name = &service.name;
        let is_it = |item: &&Desired| {
            item.key.kind() == "Service" && item.key.api_version() == "v1" && item.key.name() == name
        };
        let object = self.wanted.iter().find(is_it).map(|item| &item.object);
        let object =
            object.ok_or_else(|| format!("http.service names {name}, which is no Service of the release"))?;
        let ports = object.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
        let number = |port: &Value| port.get("port").and_then(Value::as_i64) == Some(i64::from(service.port));
        let port = ports.into_iter().find(|port| number(port));
        let port = port.ok_or_else(|| format!("Service {name} has no port {}", service.port))?;
        let selector = object.pointer("/spec/selector").and_then(Value::as_object);
        let selector = selector.filter(|selector| !selector.is_empty());
        let selector = selector.ok_or_else(|| format!("Service {name} has no selector"))?;
        let (mut addresses, mut lacking, mut is_found) = (BTreeMap::new(), None, false);
        for item in self.wanted {
            let Some(template) = pod_template(&item.object) else { continue };
            let labels = template.pointer("/metadata/labels");
            if !selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value)) {
                continue;
            }
            // The Service leaves out pods without its port, such as those of a Job with the same labels.
            let Some(target) = target_port(port, template, service.port) else {
                lacking.get_or_insert(&item.key);
                continue;
            };
            is_found = true;
            let pods = self.workloads.get(&item.key).into_iter().flat_map(|workload| &workload.pods);
            let ready = pods.filter(|pod| pod.ready && !pod.leaving);
            addresses.extend(
                ready.filter_map(|pod| Some((pod.name.clone(), SocketAddr::new(pod.address?, target)))),
            );
        }
        match lacking.filter(|_| !is_found) {
            None => Ok(addresses),
            Some(key) => {
                Err(format!("port {} of Service {name} names a port that {key} does not have", service.port))
            }
        }
    }
}

/// The port of a pod behind the port of a Service: `targetPort` as a number, or as the name of a port of a container.
fn target_port(port: &Value, template: &Value, number: i32) -> Option<u16> {
    let named = |name: &str| {
        let containers = template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
        let mut ports = containers.filter_map(|it| it.get("ports")?.as_array()).flatten();
        ports.find(|it| it.get("name").and_then(Value::as_str) == Some(name))?.get("containerPort")?.as_u64()
    };
    let found = match port.get("targetPort") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(name)) => name.parse().ok().or_else(|| named(name)),
        Some(_) | None => u64::try_from(number).ok(),
    };
    found.and_then(|number| u16::try_from(number).ok())
}
