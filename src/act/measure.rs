//! Measurements: what a check asks is asked in the background, and the answer is remembered for the next pass.
//!
//! Invariant: a measurement never delays a pass. It ends, whatever the provider does, and requeues its promotion.

use super::ActError;
use super::address::{auth, tls_files};
use super::alerts::{AlertQuery, alerts};
use super::promql::{shown, single};
use super::target::{api, identity};
use crate::api::CheckProviderSpec;
use crate::cluster::Identity;
use crate::content::ObjectKey;
use crate::decide::decision::{Question, Target, Which};
use crate::probe::{Allowed, Endpoint, ProbeError, Reply};
use crate::process::measured::{Answer, Answered, Phase, Queried, Replied, Unmeasured};
use crate::process::{Due, Handles};
use jiff::{SignedDuration, Timestamp};
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most pods that one measurement asks.
const MOST_PODS: usize = 50;
/// Most objects that one measurement reads.
const MOST_OBJECTS: u32 = 100;

/// What is measured, and for whom.
pub struct Measurement {
    /// UID of the promotion.
    pub uid: String,
    /// Its name.
    pub promotion: String,
    /// Its environment.
    pub target: Target,
    /// When it is measured.
    pub phase: Phase,
    /// Name of the check.
    pub check: String,
    /// What is asked.
    pub question: Question,
}

/// Starts a measurement.
pub fn measure(handles: &Handles, measurement: Measurement) {
    let handles = handles.clone();
    handles.memory.asks(&measurement.uid, measurement.phase, &measurement.check, handles.clock.now());
    tokio::spawn(async move {
        let Measurement { uid, promotion, target, phase, check, question } = measurement;
        let answer = ask(&handles, &target, question).await;
        let answered = Answered { at: handles.clock.now(), answer };
        handles.memory.answered(&uid, phase, &check, answered);
        handles.requeue.push(Due::Promotion { environment: target.environment, name: promotion });
    });
}

/// Asks a provider whether it is there.
pub fn ask_provider(handles: &Handles, name: String) {
    let handles = handles.clone();
    tokio::spawn(async move {
        let Some(provider) = handles.stores.providers.get("", &name) else { return };
        let is_prometheus = provider.spec.prometheus.is_some();
        let answer = async {
            let endpoint = endpoint(&name, &provider.spec)?;
            match is_prometheus {
                true => handles.prober.query(&endpoint, "vector(1)", 300).await.map(drop),
                false => handles.prober.get(&endpoint, "/").await.map(drop),
            }
        };
        let error = answer.await.err().map(|error| error.to_string());
        handles.providers.note(&provider, error, handles.clock.now());
        handles.requeue.push(Due::Provider(name));
    });
}

async fn ask(handles: &Handles, target: &Target, question: Question) -> Result<Answer, Unmeasured> {
    match question {
        Question::Query { provider, query, samples, lookback } => {
            let query = Query { text: query, samples, lookback };
            provided(handles, target, &provider, async |endpoint| queried(handles, &endpoint, &query).await)
                .await
        }
        Question::Alerts { provider, labels, since, known_before, rolled_out, evidence, lookback } => {
            let asked = AlertQuery { labels, since, known_before, rolled_out, evidence, lookback };
            provided(handles, target, &provider, async |endpoint| alerts(handles, &endpoint, &asked).await)
                .await
        }
        Question::Provider { provider, path } => {
            provided(handles, target, &provider, async |endpoint| {
                let reply = handles.prober.get(&endpoint, &path).await?;
                Ok(Answer::Http(vec![replied(&provider, None, reply)]))
            })
            .await
        }
        Question::Pods { pods, path } => {
            let asked = some_of(&pods, handles.clock.now());
            let replies = handles.prober.get_pods(asked, &path).await.into_iter();
            Ok(Answer::Http(replies.map(|(pod, reply)| of_pod(pod, reply)).collect()))
        }
        Question::Objects { api_version, kind, which } => {
            let found = objects(handles, target, &api_version, &kind, which).await;
            found.map_err(|error| Unmeasured { message: error.words(), ..Unmeasured::default() })
        }
    }
}

/// Asks a provider, if it serves the project, and notes whether it answered.
async fn provided(
    handles: &Handles,
    target: &Target,
    name: &str,
    ask: impl AsyncFnOnce(Endpoint) -> Result<Answer, ProbeError>,
) -> Result<Answer, Unmeasured> {
    let provider =
        handles.stores.providers.get("", name).filter(|it| it.spec.serves(&target.environment.project));
    let Some(provider) = provider else {
        let message = format!("the CheckProvider {name} does not exist, or is not for this project");
        return Err(Unmeasured { message, ..Unmeasured::default() });
    };
    let answer = match endpoint(name, &provider.spec) {
        Ok(endpoint) => ask(endpoint).await,
        Err(error) => Err(error),
    };
    // A refused question is an answer.
    let error = answer.as_ref().err().filter(|error| !error.is_refusal()).map(ToString::to_string);
    if handles.providers.note(&provider, error, handles.clock.now()) {
        handles.requeue.push(Due::Provider(name.to_owned()));
    }
    answer.map_err(unmeasured)
}

fn unmeasured(error: ProbeError) -> Unmeasured {
    Unmeasured {
        message: error.to_string(),
        refused: error.is_refusal(),
        retry_after: error.retry_after().and_then(|after| SignedDuration::try_from(after).ok()),
    }
}

/// The endpoint that a provider names.
fn endpoint(name: &str, spec: &CheckProviderSpec) -> Result<Endpoint, ProbeError> {
    Ok(Endpoint {
        name: name.to_owned(),
        url: spec.url().to_owned(),
        allowed: Allowed::parse(&spec.allow_addresses).map_err(ProbeError::Url)?,
        tls: tls_files(spec.tls.as_ref()),
        auth: auth(spec.auth.as_ref()),
        headers: spec.headers.clone(),
        rate: usize::try_from(spec.rate_limit).unwrap_or(1),
    })
}

struct Query {
    text: String,
    samples: Option<String>,
    lookback: SignedDuration,
}

async fn queried(handles: &Handles, endpoint: &Endpoint, query: &Query) -> Result<Answer, ProbeError> {
    let seconds = query.lookback.as_secs();
    let found = handles.prober.query(endpoint, &query.text, seconds).await?;
    let mut warnings = found.warnings;
    let samples = match &query.samples {
        None => None,
        Some(text) => {
            let counted = handles.prober.query(endpoint, text, seconds).await?;
            warnings.extend(counted.warnings);
            Some(single(&counted.samples))
        }
    };
    let series = found.samples.iter().map(|sample| (shown(&sample.labels), sample.value)).collect();
    Ok(Answer::Query(Queried { series, warnings, samples }))
}

/// At most as many pods as one measurement asks: others each time if there are more.
fn some_of<T>(pods: &BTreeMap<String, T>, now: Timestamp) -> impl Iterator<Item = (&String, &T)> {
    let turn = usize::try_from(now.as_millisecond()).unwrap_or_default();
    let first = turn.checked_rem(pods.len()).unwrap_or_default();
    pods.iter().cycle().skip(first).take(pods.len().min(MOST_PODS))
}

/// What a pod answered, or why it did not.
fn of_pod(pod: &str, reply: Result<Reply, ProbeError>) -> Replied {
    let (from, name) = (format!("pod {pod}"), Some(pod.to_owned()));
    match reply {
        Ok(reply) => replied(&from, name, reply),
        Err(error) => {
            let milliseconds = error.latency().and_then(|time| u64::try_from(time.as_millis()).ok());
            let milliseconds = milliseconds.unwrap_or_default();
            Replied { from, pod: name, silent: Some(error.to_string()), milliseconds, ..Replied::default() }
        }
    }
}

fn replied(from: &str, pod: Option<String>, reply: Reply) -> Replied {
    Replied {
        from: from.to_owned(),
        pod,
        silent: None,
        status: reply.status,
        json: serde_json::from_slice::<Value>(&reply.body).ok().map(Arc::new),
        retry_after: reply.retry_after().and_then(|after| SignedDuration::try_from(after).ok()),
        headers: reply.headers,
        milliseconds: u64::try_from(reply.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Reads objects of the target namespace with the identity of the environment.
async fn objects(
    handles: &Handles,
    target: &Target,
    api_version: &str,
    kind: &str,
    which: Which,
) -> Result<Answer, ActError> {
    let identity: Identity = identity(target)?;
    let client = handles.clients.identity(&identity)?;
    let name = match &which {
        Which::Named(name) => name.as_str(),
        Which::Labelled(_) => "any",
    };
    let unknown = || ActError::UnknownKind(format!("{api_version} {kind}"));
    let key = ObjectKey::new(api_version, kind, name).map_err(|_| unknown())?;
    let api = api(handles, client, target, &key).await?;
    let read = |error| ActError::write(format!("reading {kind}"))(error);
    let found: Vec<DynamicObject> = match &which {
        Which::Named(name) => api.get_opt(name).await.map_err(read)?.into_iter().collect(),
        Which::Labelled(labels) => {
            let labels =
                labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",");
            let params = ListParams::default().labels(&labels).limit(MOST_OBJECTS);
            let list = api.list(&params).await.map_err(read)?;
            if list.metadata.continue_.is_some_and(|more| !more.is_empty()) {
                return Err(ActError::TooManyObjects { kind: kind.to_owned(), labels, most: MOST_OBJECTS });
            }
            list.items
        }
    };
    let values = found.into_iter().filter_map(|object| serde_json::to_value(object).ok()).map(Arc::new);
    Ok(Answer::Objects(values.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_pod_of_many_is_asked_in_turn() {
        let pods: BTreeMap<String, ()> = (0..120).map(|number| (format!("web-{number}"), ())).collect();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let asked =
            |second| some_of(&pods, at(second)).map(|(name, ())| name.clone()).collect::<BTreeSet<_>>();
        assert!((0..20).all(|second| asked(second).len() == MOST_PODS));
        assert_eq!((0..20).flat_map(asked).collect::<BTreeSet<_>>().len(), 120);
        assert_eq!(some_of(&BTreeMap::<String, ()>::new(), at(1)).count(), 0);
    }
}
