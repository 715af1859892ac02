//! What becomes of the pods of a toy cluster: the name of their image says it.

use serde_json::Value;

/// What becomes of pods, in seconds after their template was written.
pub struct Fate {
    pub ready: Option<i64>,
    pub crash: Option<i64>,
}

impl Fate {
    /// `crash` crashes at once, `fade` after a minute of health, when `stray` loses its node, `flaky` is restarted once after half a minute;
    /// `slow` needs 40 s, `long` 90 s, all else 5 s; the pod of a Job with `evicted` or `drained` is disrupted, and beside one with `meshed` a proxy runs on;
    /// `crash-in-shop-prod` crashes only there. Pods that something broke crash then, whatever their image.
    pub fn of(live: &Value, namespace: &str, broken: Option<i64>) -> Self {
        let mut fate = Self::of_image(live, namespace);
        fate.crash = broken.or(fate.crash);
        fate
    }

    fn of_image(live: &Value, namespace: &str) -> Self {
        let word = word(live);
        let (word, only) = word.split_once("-in-").unwrap_or((&word, namespace));
        match word {
            "crash" if only == namespace => Self { ready: None, crash: Some(3) },
            "fade" | "stray" if only == namespace => Self { ready: Some(5), crash: Some(65) },
            "evicted" => Self { ready: None, crash: Some(3) },
            "drained" => Self { ready: None, crash: Some(6) },
            "slow" => Self { ready: Some(40), crash: None },
            "long" => Self { ready: Some(90), crash: None },
            _ => Self { ready: Some(5), crash: None },
        }
    }
}

/// The word in the name of the image.
pub fn word(live: &Value) -> String {
    let image =
        live.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
    image.split('@').next().and_then(|name| name.rsplit('/').next()).unwrap_or_default().to_owned()
}
