//! Checks of an arbitrary policy, and what was measured for them.

use super::Choices;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{CheckProviderSpec, Verdict};
use towpath::decide::world::{
    Alerts, Answer, Answered, Assessed, Measured, Measurements, Phase, Project, Queried, Replied, Tally,
    Unmeasured,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A provider of each kind.
pub fn add_providers(project: &mut Project) {
    for (name, kind) in [("metrics", "prometheus"), ("web", "http")] {
        let spec = json!({ kind: { "url": "http://a:1" }, "projects": ["*"] });
        let spec: CheckProviderSpec = serde_json::from_value(spec).unwrap();
        project.providers.insert(name.into(), Arc::new(spec));
    }
}

pub fn checks(choices: &mut Choices<'_>) -> Vec<Value> {
    NAMES[..choices.number(4)].iter().map(|name| check(name, choices)).collect()
}

fn check(name: &str, choices: &mut Choices<'_>) -> Value {
    let provider = choices.of(&["metrics", "metrics", "web", "missing"]);
    let queries =
        ["up", "up{a=\"$version\"}", "up{pod=~\"$pods\"}", "rate(x[$window])", "rate(x[9h])", "$oops", "up{"];
    let comparison = json!({ "path": choices.of(&["$.a", "$..a..b", ""]), "value": choices.number(3) });
    let mut check = match choices.number(4) {
        0 => json!({ "prometheus": {
            "provider": provider, "query": choices.of(&queries), "max": 1, "series": choices.of(&["One", "All", "Any"]),
            "maxRatioToBaseline": choices.maybe(|choices| choices.number(3)),
        } }),
        1 => {
            json!({ "alerts": { "provider": provider, "labels": { "a": choices.of(&["$namespace", "$pods", "x"]) } } })
        }
        2 => json!({ "http": { "service": { "name": "web", "port": 80 }, "json": comparison } }),
        _ => json!({ "object": { "apiVersion": "v1", "kind": "Pod", "name": "x", "compare": comparison } }),
    };
    let fields = check.as_object_mut().unwrap();
    fields.insert("name".into(), name.into());
    fields.insert("when".into(), choices.of(&["During", "During", "Before"]).into());
    fields.insert("interval".into(), choices.of(&["5s", "30s", "999999h"]).into());
    fields.insert("initialDelay".into(), choices.of(&["0s", "1m", "999999h"]).into());
    fields.insert("minMeasurements".into(), choices.of(&[1, 2, 1000]).into());
    fields.insert("failureLimit".into(), choices.of(&[0, 1, 1000]).into());
    fields.insert("errorLimit".into(), choices.of(&[0, 4]).into());
    fields.insert("dryRun".into(), choices.one_in(4).into());
    check
}

pub fn measured(choices: &mut Choices<'_>) -> Measurements {
    let mut all = BTreeMap::new();
    for name in NAMES {
        for phase in [Phase::Before, Phase::During] {
            let known = choices.maybe(|choices| Measured {
                asked: choices.maybe(Choices::moment),
                answer: choices.maybe(|choices| Answered { at: choices.moment(), answer: answer(choices) }),
                tally: choices.maybe(tally),
            });
            all.extend(known.map(|known| ((phase, name.to_owned()), known)));
        }
    }
    all
}

fn answer(choices: &mut Choices<'_>) -> Result<Answer, Unmeasured> {
    let value = choices.of(&[0.0, 1.0, 2.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE]);
    match choices.number(5) {
        0 => Ok(Answer::Query(Queried {
            series: (0..choices.number(3)).map(|_| (String::new(), value)).collect(),
            ..Queried::default()
        })),
        1 => {
            Ok(Answer::Alerts(Alerts { before: choices.one_in(2), now: true, rules: 1, ..Alerts::default() }))
        }
        2 => {
            let silent = choices.maybe(Choices::text);
            Ok(Answer::Http(vec![Replied { status: 200, silent, ..Replied::default() }]))
        }
        3 => Ok(Answer::Objects(vec![Arc::new(json!({ "a": choices.number(3) }))])),
        _ => Err(Unmeasured { message: choices.text(), refused: choices.one_in(2), retry_after: None }),
    }
}

fn tally(choices: &mut Choices<'_>) -> Tally {
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Inconclusive];
    let count = |choices: &mut Choices<'_>| choices.of(&[0, 1, 2, u32::MAX]);
    Tally {
        passed: count(choices),
        taken: count(choices),
        failed: count(choices),
        failed_in_a_row: count(choices),
        errored_in_a_row: count(choices),
        silent: count(choices),
        held: choices.one_in(3),
        versions: choices.maybe(Choices::text),
        unchanged: count(choices),
        last: choices.maybe(|choices| Assessed {
            at: choices.moment(),
            verdict: choices.of(&verdicts),
            value: choices.maybe(|_| "1".to_owned()),
            message: choices.text(),
            refused: choices.one_in(5),
            retry_at: choices.maybe(Choices::moment),
        }),
    }
}
