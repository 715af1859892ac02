//! Builders and glances shared by the tests.

use std::time::Duration;

use control_plane::placed;
use serde_json::{Value, json};

/// Long enough for anything but a back-off.
pub const SOON: Duration = Duration::from_secs(60);

/// A pod of the tests' application that runs on the real node.
pub fn pod_spec(image: &str) -> Value {
    let mut spec = placed();
    spec["terminationGracePeriodSeconds"] = json!(0);
    spec["containers"] = json!([{
        "name": "app", "image": image,
        "readinessProbe": { "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1 },
    }]);
    spec
}
