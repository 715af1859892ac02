//! The kinds that content holds without being listed.

/// A kind that content holds without being listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultKind {
    /// Group and version in which content holds it.
    pub api_version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource in URLs.
    pub plural: &'static str,
    /// Order of writing within a wave; see [`rank`].
    pub rank: u8,
    /// Whether a capture lists it.
    pub captured: bool,
}

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str, rank: u8) -> DefaultKind {
    DefaultKind { api_version, kind, plural, rank, captured: true }
}

/// The default kinds. Jobs are not captured: a finished one cannot be applied elsewhere.
pub const DEFAULT_KINDS: [DefaultKind; 12] = [
    kind("v1", "ConfigMap", "configmaps", 0),
    kind("v1", "ServiceAccount", "serviceaccounts", 0),
    kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", 0),
    kind("v1", "Service", "services", 2),
    kind("apps/v1", "Deployment", "deployments", 3),
    kind("apps/v1", "StatefulSet", "statefulsets", 3),
    kind("apps/v1", "DaemonSet", "daemonsets", 3),
    kind("batch/v1", "CronJob", "cronjobs", 3),
    DefaultKind { captured: false, ..kind("batch/v1", "Job", "jobs", 3) },
    kind("networking.k8s.io/v1", "Ingress", "ingresses", 4),
    kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", 4),
    kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", 4),
];

/// Whether a kind is the built-in one of its name, or there is none.
pub(super) fn is_of_usual_group(group: &str, kind: &str) -> bool {
    let default = DEFAULT_KINDS.iter().find(|default| default.kind == kind);
    default.is_none_or(|default| group_of(default.api_version) == group)
}

/// The group of an apiVersion; empty for the core group.
pub(in crate::content) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
