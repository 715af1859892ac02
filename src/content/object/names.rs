//! Names, by the rules of the API server (apimachinery `util/validation`). A valid name cannot change a URL: it has no `/`, `?`
//! or `%`, and is not an empty or dotted segment.

use crate::api::names::{LABEL_RULE, SUBDOMAIN_RULE, is_label, is_subdomain};

/// CronJobs leave room for the suffix of their Jobs.
pub const CRON_JOB_RULE: &str = "a CronJob's name has at most 52 lower case letters, digits, '-' and '.'";
/// Jobs become label values of their pods.
pub const JOB_RULE: &str = "a Job's name has at most 63 lower case letters, digits, '-' and '.'";

/// The rule that `name` breaks for an object of `kind` in `group`; none when it is valid. Services take RFC 1123 labels since
/// Kubernetes 1.34 (RelaxedServiceNameValidation); an older server refuses a leading digit in preflight.
pub fn broken_rule(group: &str, kind: &str, name: &str) -> Option<&'static str> {
    let (valid, rule) = match (group, kind) {
        ("", "Service") => (is_label(name), LABEL_RULE),
        ("batch", "CronJob") => (is_subdomain(name) && name.len() <= 52, CRON_JOB_RULE),
        ("batch", "Job") => (is_subdomain(name) && name.len() <= 63, JOB_RULE),
        _ => (is_subdomain(name), SUBDOMAIN_RULE),
    };
    (!valid).then_some(rule)
}

/// Whether `text` can be an apiVersion: `v1`, `apps/v1`, `monitoring.coreos.com/v1alpha1`.
pub fn is_api_version(text: &str) -> bool {
    let version = |text: &str| {
        text.strip_prefix('v').is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_digit())
                && rest.len() <= 62
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    };
    match text.split_once('/') {
        None => version(text),
        Some((group, rest)) => is_subdomain(group) && version(rest),
    }
}

/// Whether `text` can be a kind.
pub fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `name` with `-suffix`, cut so that the whole has at most `limit` characters and stays a name.
pub fn suffixed(name: &str, suffix: &str, limit: usize) -> String {
    let room = limit.saturating_sub(suffix.len() + 1);
    // Names are ASCII by the rules above; `get` accepts any other text without a panic.
    let cut = if name.len() <= room { name } else { name.get(..room).unwrap_or_default() };
    format!("{}-{suffix}", cut.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_change_a_url_are_not_names() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "x/../y",
            "x?dryRun=All",
            "x%2fy",
            "x#y",
            "x y",
            "x\n",
            "X",
            "-x",
            "x-",
            "x..y",
            ".x",
            "x.",
            "ü",
            "x\0",
            "x;y",
            "x:y",
            "x_y",
            &"x".repeat(254),
        ] {
            assert!(!is_subdomain(name), "{name:?}");
            assert!(!is_label(name), "{name:?}");
        }
        for name in ["x", "0", "web-1", "a.b.c", "kube-root-ca.crt"] {
            assert!(is_subdomain(name), "{name:?}");
        }
        assert!(!is_label("a.b") && is_label("a-b") && !is_label(&"x".repeat(64)));
    }

    #[test]
    fn each_kind_has_its_rule() {
        assert_eq!(broken_rule("", "Service", "a.b"), Some(LABEL_RULE));
        assert_eq!(broken_rule("batch", "CronJob", &"x".repeat(53)), Some(CRON_JOB_RULE));
        assert_eq!(broken_rule("batch", "Job", &"x".repeat(64)), Some(JOB_RULE));
        assert_eq!(broken_rule("apps", "Deployment", &"x".repeat(200)), None);
    }

    #[test]
    fn api_versions_and_kinds_are_checked_because_they_become_urls() {
        for good in ["v1", "apps/v1", "monitoring.coreos.com/v1alpha1"] {
            assert!(is_api_version(good), "{good}");
        }
        for bad in [
            "",
            "apps",
            "apps/",
            "/v1",
            "../v1",
            "apps/v1/x",
            "apps/v1?x",
            "v",
            "vx",
            "Apps/v1",
            "v1.",
            "apps//v1",
        ] {
            assert!(!is_api_version(bad), "{bad}");
        }
        assert!(is_kind("Deployment") && !is_kind("deployment") && !is_kind("A/b") && !is_kind(""));
    }

    #[test]
    fn a_suffix_fits_and_gives_a_valid_name() {
        assert_eq!(suffixed("web", "0123", 253), "web-0123");
        assert_eq!(suffixed("abc-def", "0123", 9), "abc-0123");
        assert_eq!(suffixed(&"x".repeat(253), "0123456789", 253).len(), 253);
    }
}
