//! Labels and results as PromQL has them.

use crate::probe::Sample;
use serde_json::Value;
use std::collections::BTreeMap;

/// The value of a result that is a single one.
pub(super) fn single(samples: &[Sample]) -> Option<f64> {
    match samples {
        [sample] => Some(sample.value),
        _ => None,
    }
}

/// Labels as PromQL writes them.
pub(super) fn shown(labels: &BTreeMap<String, String>) -> String {
    format!("{{{}}}", selector(labels))
}

/// The same without braces. PromQL has the escapes of JSON in its strings.
pub(super) fn selector(labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter().map(|(name, value)| format!("{name}={}", Value::from(value.as_str())));
    labels.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_as_promql_reads_them() {
        let labels = BTreeMap::from([("name".to_owned(), "a \"b\" \u{1b} \\".to_owned())]);
        assert_eq!(shown(&labels), r#"{name="a \"b\" \u001b \\"}"#);
    }
}
