//! The clock of the user's machine may be off: what is due is judged by the time of the API server.

use super::stub::{project, start};
use super::{ended, object, text};
use serde_json::{Value, json};

/// Years before every clock on which this test runs.
const DATE: &str = "Sun, 10 Jan 2021 12:00:00 GMT";

fn objects() -> Vec<Value> {
    let freeze =
        json!({ "from": "2021-01-01T00:00:00Z", "to": "2021-02-01T00:00:00Z", "reason": "stocktaking" });
    let source = json!({ "manifests": [] });
    let release = json!({ "application": "shop", "version": "1.0.0", "source": source });
    let status = json!({ "observedGeneration": 1, "phase": "Waiting", "content": "c", "digest": "sha256:d" });
    let mut release = object("Release", "shop-1.0.0", release, status);
    release["metadata"]["creationTimestamp"] = json!("2021-01-05T09:00:00Z");
    vec![
        object("Environment", "dev", json!({ "namespace": "shop-dev" }), json!({ "observedGeneration": 1 })),
        object("ChangeFreeze", "stocktaking", freeze, json!({})),
        release,
    ]
}

#[test]
fn now_is_the_time_of_the_api_server() {
    let server = start(DATE, |path| project(path, &objects()));
    let data = |arguments: &[&str]| -> Value {
        let (output, _) = ended(&server, &[arguments, &["-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = data(&["explain", "shop-1.0.0", "-e", "dev"]);
    let of_freeze = (&told["state"], &told["until"]);
    assert_eq!(of_freeze, (&json!("Freeze"), &json!("2021-02-01T00:00:00Z")), "{told:#}");
    let step = &data(&["plan", "shop-1.0.0"])["steps"][0];
    assert_eq!(step["starts"], "2021-02-01T00:00:00Z", "{step:#}");
    let month = data(&["calendar"]);
    assert_eq!(month["from"], "2021-01-01T00:00:00Z", "{month:#}");
    let planned = month["entries"].as_array().unwrap().iter().filter(|it| it["kind"] == "Freeze").count();
    assert_eq!(planned, 1, "{month:#}");
}
