//! Measurements: what a check asks is asked in the background, and the answer is remembered for the next pass.
//!
//! Invariant: a measurement never delays a pass. It ends, whatever the provider does, and requeues its promotion.

use super::ActError;
use super::target::{api, identity};
use crate::api::{CheckProviderSpec, ProviderAuth};
use crate::cluster::Identity;
use crate::content::ObjectKey;
use crate::decide::decision::{Question, Target, Which};
use crate::probe::{Allowed, Auth, Endpoint, ProbeError, Reply, Rule, Sample, TlsFiles};
use crate::process::measured::{Alerts, Answer, Answered, Labels, Phase, Queried, Replied, Unmeasured};
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
pub fn ask_provider(handles: &Handles, name: String, generation: i64) {
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
        handles.providers.note(&name, generation, error, handles.clock.now());
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
        Question::Alerts { provider, labels, since, rolled_out, evidence, lookback } => {
            let asked = AlertQuery { labels, since, rolled_out, evidence, lookback };
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
            let asked = pods.iter().take(MOST_PODS);
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
    let generation = provider.metadata.generation.unwrap_or_default();
    if handles.providers.note(name, generation, error, handles.clock.now()) {
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
    let tls = spec.tls.clone().unwrap_or_default();
    let auth = |auth: &ProviderAuth| match (&auth.bearer, &auth.basic) {
        (Some(file), _) => Some(Auth::Bearer(file.clone())),
        (None, basic) => {
            basic.as_ref().map(|basic| Auth::Basic(basic.username.clone(), basic.password.clone()))
        }
    };
    Ok(Endpoint {
        name: name.to_owned(),
        url: spec.url().to_owned(),
        allowed: Allowed::parse(&spec.allow_addresses).map_err(ProbeError::Url)?,
        tls: TlsFiles { ca: tls.ca, client: tls.certificate.zip(tls.key) },
        auth: spec.auth.as_ref().and_then(auth),
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

fn single(samples: &[Sample]) -> Option<f64> {
    match samples {
        [sample] => Some(sample.value),
        _ => None,
    }
}

/// Labels as PromQL writes them.
fn shown(labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    format!("{{{}}}", labels.collect::<Vec<_>>().join(","))
}

struct AlertQuery {
    labels: BTreeMap<String, String>,
    since: Timestamp,
    rolled_out: Timestamp,
    evidence: Option<String>,
    lookback: SignedDuration,
}

/// The label that tells the parts of a query about alerts apart. No alert can have it: rules set no label that starts with `__`.
const MARK: &str = "__towpath__";

/// The queries about alerts.
struct AlertQueries {
    active: String,
    firing: String,
    pending: String,
}

/// What to ask some time after the promotion started. Times are relative to that of the evaluation, because the clock of a Prometheus may not agree
/// with that of the API server.
fn alert_queries(selector: &str, elapsed: SignedDuration) -> AlertQueries {
    let elapsed = elapsed.as_millis().max(1_000);
    let range = elapsed.saturating_add(1_000);
    let seconds = format!("{}.{:03}", elapsed / 1_000, elapsed % 1_000);
    AlertQueries {
        active: format!(
            "label_replace(count(last_over_time(up[1m] offset {elapsed}ms)),\"{MARK}\",\"before\",\"\",\"\") \
             or label_replace(count(up),\"{MARK}\",\"now\",\"\",\"\") \
             or label_replace(vector(time()),\"{MARK}\",\"time\",\"\",\"\") \
             or label_replace(max_over_time(ALERTS_FOR_STATE{{{selector}}}[1m] offset {elapsed}ms),\"{MARK}\",\"old\",\"\",\"\") \
             or (max_over_time(ALERTS_FOR_STATE{{{selector}}}[{range}ms]) > time() - {seconds})"
        ),
        firing: format!(
            "max without (alertstate) (max_over_time(ALERTS{{{selector},alertstate=\"firing\"}}[{range}ms]))"
        ),
        pending: format!("max without (alertstate) (ALERTS{{{selector},alertstate=\"pending\"}})"),
    }
}

/// The time that was this long before a time of Prometheus, in seconds since 1970.
fn ago(time: f64, before: SignedDuration) -> Option<Timestamp> {
    Timestamp::UNIX_EPOCH
        .checked_add(SignedDuration::try_from_secs_f64(time).ok()?)
        .ok()?
        .checked_sub(before)
        .ok()
}

/// What became active since the promotion started, and what was active just before. `ALERTS_FOR_STATE` holds, for each active alert, since
/// when it is active; the two counts of `up` show that Prometheus could know. Alerts differ if any label differs: one of the same
/// name may be about another object.
async fn alerts(handles: &Handles, endpoint: &Endpoint, asked: &AlertQuery) -> Result<Answer, ProbeError> {
    let selector = asked.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    let selector = selector.collect::<Vec<_>>().join(",");
    let now = handles.clock.now();
    let AlertQueries { active, firing, pending } = alert_queries(&selector, now.duration_since(asked.since));
    let seconds = asked.lookback.as_secs();
    let ask = async |query: &str| handles.prober.query(endpoint, query, seconds).await;
    let (active, firing, pending) = (ask(&active).await?, ask(&firing).await?, ask(&pending).await?);
    let rules = handles.prober.rules(endpoint).await?;
    let evidence = match &asked.evidence {
        None => None,
        Some(query) => Some(single(&ask(query).await?.samples)),
    };
    let mark = |sample: &Sample| sample.labels.get(MARK).cloned().unwrap_or_default();
    let has = |what: &str| active.samples.iter().any(|sample| mark(sample) == what);
    let marked = |what: &str| -> Vec<Labels> {
        active
            .samples
            .iter()
            .filter(|sample| mark(sample) == what)
            .map(|sample| labels(&sample.labels))
            .collect()
    };
    let all = |samples: &[Sample]| samples.iter().map(|sample| labels(&sample.labels)).collect();
    let matching: Vec<&Rule> = rules.iter().filter(|rule| can_have(rule, &asked.labels)).collect();
    // Its clock, which dates evaluations, may not agree with that of the API server.
    let its_time = active.samples.iter().find(|sample| mark(sample) == "time");
    let rolled_out = its_time.and_then(|time| ago(time.value, now.duration_since(asked.rolled_out)));
    let rolled_out = rolled_out.unwrap_or(asked.rolled_out);
    let unevaluated = |rule: &&&Rule| {
        let at: Option<Timestamp> = rule.last_evaluation.parse().ok();
        rule.health != "ok" || at.is_none_or(|at| at < rolled_out)
    };
    Ok(Answer::Alerts(Alerts {
        before: has("before"),
        now: has("now"),
        old: marked("old"),
        active: marked(""),
        firing: all(&firing.samples),
        pending: all(&pending.samples),
        rules: matching.len(),
        unevaluated: matching.iter().filter(unevaluated).map(|rule| rule.name.clone()).collect(),
        evidence,
        warnings: [active.warnings, firing.warnings, pending.warnings].concat(),
    }))
}

/// The labels of an alert, without the mark of this query and the name of the series.
fn labels(all: &Labels) -> Labels {
    let is_own = |name: &str| !matches!(name, MARK | "__name__");
    all.iter().filter(|(name, _)| is_own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether an alert of a rule can have these labels: each is set by the rule, or comes from the series of its expression.
fn can_have(rule: &Rule, labels: &BTreeMap<String, String>) -> bool {
    labels.iter().all(|(name, value)| match name.as_str() {
        "alertname" => rule.name == *value,
        name => rule.labels.get(name).is_none_or(|set| set == value || set.contains("{{")),
    })
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

    #[test]
    fn what_is_asked_about_alerts_names_no_time_of_the_own_clock() {
        let AlertQueries { active, firing, .. } =
            alert_queries("severity=\"page\"", SignedDuration::from_millis(90_250));
        assert!(
            active.contains("up[1m] offset 90250ms") && active.contains("> time() - 90.250)"),
            "{active}"
        );
        assert!(firing.contains("[91250ms]") && !active.contains('@'), "{firing} {active}");
    }

    #[test]
    fn a_rule_was_evaluated_since_the_rollout_by_the_clock_of_prometheus() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        // Its clock is five minutes behind, and the rollout was two minutes ago.
        let its_time = at("2026-11-02T11:55:00Z").as_second() as f64;
        assert_eq!(ago(its_time, SignedDuration::from_mins(2)), Some(at("2026-11-02T11:53:00Z")));
        assert_eq!(ago(f64::NAN, SignedDuration::ZERO), None);
    }
}
