//! The HTTP API of Prometheus, as far as checks need it: instant queries and the list of alerting rules.
//!
//! Queries are sent as forms: they may be longer than a URL.

use super::endpoint::{Endpoint, Reply};
use super::error::ProbeError;
use super::http::{Ask, Prober};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The largest answer of a Prometheus: the rules of a large installation are a few megabytes.
const LARGEST: usize = 8 * 1024 * 1024;
/// The content type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The result of an instant query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instant {
    /// Its series.
    pub samples: Vec<Sample>,
    /// Warnings: the result may be incomplete.
    pub warnings: Vec<String>,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// An alerting rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Name of the alert.
    pub name: String,
    /// Labels that it sets.
    pub labels: BTreeMap<String, String>,
    /// `ok`, `err` or `unknown`.
    pub health: String,
    /// When it was evaluated last, in RFC 3339.
    pub last_evaluation: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<T> {
    /// `success`, or `error` with what there is of the data.
    #[serde(default)]
    status: Option<String>,
    data: T,
    /// Set by servers of several nodes, of which not all answered.
    #[serde(default)]
    is_partial: bool,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: (Value, String),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Refusal {
    error_type: String,
    error: String,
}

impl Prober {
    /// Evaluates a query now, with samples at most `lookback` seconds old.
    pub async fn query(
        &self,
        endpoint: &Endpoint,
        query: &str,
        lookback: i64,
    ) -> Result<Instant, ProbeError> {
        let form =
            [("query", query), ("lookback_delta", &format!("{}s", lookback.max(1))), ("timeout", "9s")];
        let answer: Answer<Outcome> = self.api(endpoint, Method::POST, "/api/v1/query", &form).await?;
        let bad = |why: &str| ProbeError::Format { host: endpoint.name.clone(), why: why.to_owned() };
        let number = |text: &str| text.parse().map_err(|_| bad("a value is no number"));
        let outcome = answer.data;
        let samples = match outcome.result_type.as_str() {
            "scalar" => {
                let (_, text): (Value, String) =
                    serde_json::from_value(outcome.result).map_err(|_| bad("the scalar has no value"))?;
                vec![Sample { labels: BTreeMap::new(), value: number(&text)? }]
            }
            "vector" => {
                let all: Vec<Series> = serde_json::from_value(outcome.result)
                    .map_err(|_| bad("a series has no single value"))?;
                let sample = |it: Series| Ok(Sample { labels: it.metric, value: number(&it.value.1)? });
                all.into_iter().map(sample).collect::<Result<_, ProbeError>>()?
            }
            other => return Err(bad(&format!("the result is a {other}, not a number for each series"))),
        };
        Ok(Instant { samples, warnings: answer.warnings })
    }

    /// Every alerting rule.
    pub async fn rules(&self, endpoint: &Endpoint) -> Result<Vec<Rule>, ProbeError> {
        let path = "/api/v1/rules?type=alert&exclude_alerts=true";
        let answer: Answer<Groups> = self.api(endpoint, Method::GET, path, &[]).await?;
        Ok(answer.data.groups.into_iter().flat_map(|group| group.rules).collect())
    }

    async fn api<T: serde::de::DeserializeOwned>(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer<T>, ProbeError> {
        let body = (method == Method::POST).then(|| (FORM, encoded(form)));
        let (path, headers) = (path.to_owned(), BTreeMap::new());
        let reply = self.ask(endpoint, Ask { method, path, body, headers, largest: LARGEST }).await?;
        if !reply.is_success() {
            return Err(refusal(endpoint, &reply));
        }
        let bad = |error: serde_json::Error| ProbeError::Format {
            host: endpoint.name.clone(),
            why: error.to_string(),
        };
        let mut answer: Answer<T> = serde_json::from_slice(&reply.body).map_err(bad)?;
        if let Some(status) = answer.status.take().filter(|status| status != "success") {
            let why = format!("its status is {status}");
            return Err(ProbeError::Format { host: endpoint.name.clone(), why });
        }
        if answer.is_partial {
            answer.warnings.push("the answer is partial".to_owned());
        }
        Ok(answer)
    }
}

/// What Prometheus says about a request that it does not answer.
fn refusal(endpoint: &Endpoint, reply: &Reply) -> ProbeError {
    let said: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    let refused = matches!(said.error_type.as_str(), "bad_data" | "execution");
    let message = if said.error.is_empty() { "no reason given" } else { &said.error };
    reply.error(&endpoint.name, refused, message)
}

/// A form as `application/x-www-form-urlencoded`.
fn encoded(form: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in form {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(char::from(byte))
                }
                _ => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_form_is_encoded() {
        let form = [("query", "sum(rate(x{a=\"b c+d\"}[5m])) > 0"), ("ü", "ö")];
        let expected = "query=sum%28rate%28x%7Ba%3D%22b%20c%2Bd%22%7D%5B5m%5D%29%29%20%3E%200&ü=%C3%B6";
        assert_eq!(encoded(&form), expected);
    }
}
