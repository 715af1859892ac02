//! Which kinds a release may hold, which it never holds, and in which order they are written.
//!
//! Invariant: a kind that is refused here is refused even when an environment lists it in `spec.kinds`. Users who can write
//! Environments write that list, and they cannot grant rights, secrets or cluster-wide objects.

use super::defaults::{DEFAULT_KINDS, DefaultKind, group_of};
use super::key::ObjectKey;
use super::names;
use crate::api::{GROUP, KindRef};
use crate::content::error::ContentError;

/// Rank of the kinds that an environment lists.
const FURTHER_RANK: u8 = 1;

/// Order of writing within a wave, lowest first; nothing waits between ranks, only between waves.
///
/// 0: what pods need to start (ConfigMap, ServiceAccount, NetworkPolicy).
/// 1: further kinds, such as claims and certificates that pods mount. 2: Services, because a pod gets the variables and DNS
/// names of the Services that exist when it starts. 3: workloads. 4: objects that point at workloads (Ingress,
/// HorizontalPodAutoscaler, PodDisruptionBudget), so that a refused workload gets no traffic and is not scaled.
pub fn rank(key: &ObjectKey) -> u8 {
    default_kind(key.api_version(), key.kind()).map_or(FURTHER_RANK, |default| default.rank)
}

/// The resource in URLs of a default kind; further kinds need discovery.
pub fn plural(api_version: &str, kind: &str) -> Option<&'static str> {
    default_kind(api_version, kind).map(|default| default.plural)
}

/// Kinds that a capture lists: the default ones without Jobs, and those of the environment that are not refused.
pub fn capture_kinds(further: &[KindRef]) -> Vec<KindRef> {
    let mut kinds: Vec<KindRef> = DEFAULT_KINDS
        .iter()
        .filter(|default| default.captured)
        .map(|default| KindRef {
            api_version: default.api_version.to_owned(),
            kind: default.kind.to_owned(),
            pod_template: None,
        })
        .collect();
    for kind in further {
        if !is_default(&kind.api_version, &kind.kind) && check_further(kind).is_ok() && !kinds.contains(kind)
        {
            kinds.push(kind.clone());
        }
    }
    kinds
}

/// Whether an environment may list this kind in `spec.kinds`.
pub fn check_further(kind: &KindRef) -> Result<(), ContentError> {
    let object = format!("kind {}", kind.kind);
    if !names::is_api_version(&kind.api_version) || !names::is_kind(&kind.kind) {
        // The schema refuses it, too. This is for objects that were stored before it did.
        return Err(ContentError::Refused {
            object,
            reason: "its apiVersion or kind is not valid; correct spec.kinds",
        });
    }
    match refusal(group_of(&kind.api_version), &kind.kind) {
        Some(reason) => Err(ContentError::Refused { object, reason }),
        None => Ok(()),
    }
}

/// Whether content may hold this object in an environment that lists `further` kinds.
pub fn admit(key: &ObjectKey, further: &[KindRef]) -> Result<(), ContentError> {
    admit_anywhere(key)?;
    let listed = |kind: &KindRef| kind.api_version == key.api_version() && kind.kind == key.kind();
    if default_kind(key.api_version(), key.kind()).is_some() || further.iter().any(listed) {
        return Ok(());
    }
    Err(ContentError::NotListed { object: key.to_string(), api_version: key.api_version().to_owned() })
}

/// The part of [`admit`] that no list changes: refused kinds, and default kinds in another version.
pub fn admit_anywhere(key: &ObjectKey) -> Result<(), ContentError> {
    if let Some(reason) = refusal(key.group(), key.kind()) {
        return Err(ContentError::Refused { object: key.to_string(), reason });
    }
    match DEFAULT_KINDS.iter().find(|default| same_kind(default, key.api_version(), key.kind())) {
        Some(default) if default.api_version != key.api_version() => Err(ContentError::Version {
            object: key.to_string(),
            found: key.api_version().to_owned(),
            wanted: default.api_version,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether content holds objects of this kind without the kind being listed.
pub fn is_default(api_version: &str, kind: &str) -> bool {
    default_kind(api_version, kind).is_some()
}

fn default_kind(api_version: &str, kind: &str) -> Option<&'static DefaultKind> {
    DEFAULT_KINDS.iter().find(|default| default.api_version == api_version && default.kind == kind)
}

/// Same group and kind, in whatever version; Ingress and the workloads were once served by `extensions` too.
fn same_kind(default: &DefaultKind, api_version: &str, kind: &str) -> bool {
    let group = group_of(api_version);
    let moved =
        group == "extensions" && matches!(kind, "Deployment" | "DaemonSet" | "Ingress" | "NetworkPolicy");
    default.kind == kind && (group_of(default.api_version) == group || moved)
}

const SECRET: &str =
    "Towpath never reads Secrets; create it in the target namespace, where pods can refer to it";
const RIGHTS: &str = "the owner of the target namespace grants rights, not a release; remove it";
const OWNED: &str = "a controller creates it; add the workload that it belongs to instead";
const SYSTEM: &str = "the cluster creates it; remove it";
const CLUSTER: &str = "it is cluster-scoped, and a release changes one namespace only; remove it";
const OURS: &str = "releases do not hold objects of Towpath; remove it";

/// Whole groups that content never holds objects of. Each is cluster-scoped, or about rights.
const REFUSED_GROUPS: [(&str, &str); 14] = [
    (GROUP, OURS),
    ("rbac.authorization.k8s.io", RIGHTS),
    ("authorization.openshift.io", RIGHTS),
    ("authorization.k8s.io", RIGHTS),
    ("authentication.k8s.io", RIGHTS),
    ("certificates.k8s.io", RIGHTS),
    ("admissionregistration.k8s.io", CLUSTER),
    ("apiextensions.k8s.io", CLUSTER),
    ("apiregistration.k8s.io", CLUSTER),
    ("flowcontrol.apiserver.k8s.io", CLUSTER),
    ("internal.apiserver.k8s.io", CLUSTER),
    ("node.k8s.io", CLUSTER),
    ("storagemigration.k8s.io", CLUSTER),
    ("storage.k8s.io", CLUSTER),
];

/// Single kinds that content never holds.
const REFUSED_KINDS: [(&str, &str, &str); 27] = [
    ("", "Secret", SECRET),
    ("", "Pod", OWNED),
    ("", "ReplicationController", "Deployments replace it; write a Deployment"),
    ("apps", "ReplicaSet", OWNED),
    ("extensions", "ReplicaSet", OWNED),
    ("apps", "ControllerRevision", OWNED),
    ("", "Binding", SYSTEM),
    ("", "Event", SYSTEM),
    ("events.k8s.io", "Event", SYSTEM),
    ("", "Endpoints", SYSTEM),
    ("discovery.k8s.io", "EndpointSlice", SYSTEM),
    ("coordination.k8s.io", "Lease", SYSTEM),
    ("metrics.k8s.io", "PodMetrics", SYSTEM),
    ("metrics.k8s.io", "NodeMetrics", SYSTEM),
    ("", "Namespace", CLUSTER),
    ("", "Node", CLUSTER),
    ("", "PersistentVolume", CLUSTER),
    ("", "ComponentStatus", CLUSTER),
    ("scheduling.k8s.io", "PriorityClass", CLUSTER),
    ("networking.k8s.io", "IngressClass", CLUSTER),
    ("networking.k8s.io", "IPAddress", CLUSTER),
    ("networking.k8s.io", "ServiceCIDR", CLUSTER),
    ("resource.k8s.io", "DeviceClass", CLUSTER),
    ("resource.k8s.io", "ResourceSlice", CLUSTER),
    ("gateway.networking.k8s.io", "GatewayClass", CLUSTER),
    ("policy", "PodSecurityPolicy", CLUSTER),
    ("snapshot.storage.k8s.io", "VolumeSnapshotClass", CLUSTER),
];

/// Why content never holds this kind; none when it may.
pub fn refusal(group: &str, kind: &str) -> Option<&'static str> {
    // A kind named Secret in another group is a custom resource, which an environment may list.
    let by_group = REFUSED_GROUPS.iter().find(|(refused, _)| *refused == group).map(|(_, reason)| *reason);
    let by_kind =
        || REFUSED_KINDS.iter().find(|(g, k, _)| *g == group && *k == kind).map(|(_, _, reason)| *reason);
    by_group.or_else(by_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(api_version: &str, kind: &str) -> KindRef {
        KindRef { api_version: api_version.into(), kind: kind.into(), pod_template: None }
    }

    fn admitted(api_version: &str, kind: &str, further: &[KindRef]) -> Result<(), String> {
        let key = ObjectKey::new(api_version, kind, "web").unwrap();
        admit(&key, further).map_err(|error| error.to_string())
    }

    #[test]
    fn default_kinds_are_admitted_in_their_version_only() {
        for default in DEFAULT_KINDS {
            assert_eq!(admitted(default.api_version, default.kind, &[]), Ok(()));
        }
        for (found, kind, wanted) in [
            ("autoscaling/v1", "HorizontalPodAutoscaler", "autoscaling/v2"),
            ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1"),
            ("extensions/v1beta1", "Deployment", "apps/v1"),
            ("batch/v1beta1", "CronJob", "batch/v1"),
        ] {
            let error = admitted(found, kind, &[listed(found, kind)]).unwrap_err();
            assert!(error.ends_with(&format!("write it as {wanted}")), "{error}");
        }
    }

    #[test]
    fn refused_kinds_stay_refused_when_an_environment_lists_them() {
        for (api_version, kind) in [
            ("v1", "Secret"),
            ("v1", "Pod"),
            ("apps/v1", "ReplicaSet"),
            ("apps/v1", "ControllerRevision"),
            ("rbac.authorization.k8s.io/v1", "Role"),
            ("rbac.authorization.k8s.io/v1", "RoleBinding"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("rbac.authorization.k8s.io/v2", "Whatever"),
            ("v1", "Namespace"),
            ("v1", "Node"),
            ("v1", "PersistentVolume"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("apiregistration.k8s.io/v1", "APIService"),
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
            ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
            ("storage.k8s.io/v1", "StorageClass"),
            ("scheduling.k8s.io/v1", "PriorityClass"),
            ("towpath.dev/v1alpha1", "Environment"),
            ("towpath.dev/v1alpha1", "Content"),
        ] {
            let further = [listed(api_version, kind)];
            let error = admitted(api_version, kind, &further).unwrap_err();
            assert!(error.contains("cannot be part of a release"), "{error}");
            assert!(check_further(&further[0]).is_err());
            assert!(!capture_kinds(&further).contains(&further[0]), "{kind} is listed by a capture");
        }
    }

    #[test]
    fn other_kinds_need_to_be_listed_with_their_version() {
        let monitor = listed("monitoring.coreos.com/v1", "ServiceMonitor");
        assert_eq!(
            admitted("monitoring.coreos.com/v1", "ServiceMonitor", std::slice::from_ref(&monitor)),
            Ok(())
        );
        let error = admitted("monitoring.coreos.com/v2", "ServiceMonitor", &[monitor]).unwrap_err();
        assert!(error.contains("spec.kinds of the Environment"), "{error}");
    }

    #[test]
    fn a_capture_lists_no_jobs_even_when_asked() {
        let kinds =
            capture_kinds(&[listed("batch/v1", "Job"), listed("x.dev/v1", "X"), listed("x.dev/v1", "X")]);
        assert_eq!(kinds.len(), DEFAULT_KINDS.len(), "eleven default kinds and X once");
        assert!(!kinds.iter().any(|kind| kind.kind == "Job"));
    }

    #[test]
    fn what_pods_need_is_written_first_and_what_points_at_them_last() {
        let order = ["ConfigMap", "Certificate", "Service", "Deployment", "Ingress"];
        let ranks: Vec<u8> = [
            ("v1", "ConfigMap"),
            ("cert-manager.io/v1", "Certificate"),
            ("v1", "Service"),
            ("apps/v1", "Deployment"),
            ("networking.k8s.io/v1", "Ingress"),
        ]
        .map(|(api_version, kind)| rank(&ObjectKey::new(api_version, kind, "x").unwrap()))
        .to_vec();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{order:?} {ranks:?}");
    }
}
