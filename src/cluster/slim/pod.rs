//! Pods: what their containers do, and which images they run.

use serde::{Deserialize, Deserializer};
use std::net::IpAddr;

use super::condition;
use super::condition::{Condition, ConditionStatus};
use super::meta::Meta;
use super::text::{Time, Word, message, or_default};
use super::wire::slim;

/// Conditions that are dropped while they are true.
const SILENT_WHEN_TRUE: &[&str] = &["ContainersReady", "Initialized", "PodReadyToStartContainers"];

/// The phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum PodPhase {
    Pending,
    Running,
    Succeeded,
    Failed,
    /// Also any unknown phase.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    pub metadata: Meta,
    pub phase: PodPhase,
    /// Whether it was ready and is not any more. A pod that has never been ready is `false`.
    pub lost_readiness: bool,
    /// Whether its containers may end without a restart: its restart policy is not `Always`.
    pub may_end: bool,
    /// Why the pod as a whole failed, for example `Evicted`.
    pub reason: Word,
    /// Details, at most 512 characters.
    pub message: Box<str>,
    /// All conditions but the usual ones that are true. While scheduling gates hold the pod, the message of `PodScheduled` is their names.
    pub conditions: Box<[Condition]>,
    /// Its node, kept while the pod is not ready or is being deleted.
    pub node: Option<Box<str>>,
    /// Whether a kubelet has taken it.
    pub is_taken: bool,
    /// Its address. None while it has none, and for a pod with the address of its node.
    pub address: Option<IpAddr>,
    /// Main containers first, then init, then ephemeral ones; each as in the spec, with its status if there is one.
    pub containers: Box<[Container]>,
}

/// A container: its spec joined with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub name: Box<str>,
    /// The image that the spec names.
    pub spec_image: Box<str>,
    pub restart_count: i32,
    /// Whether it prepares the others: it ends before they start.
    pub is_init: bool,
    /// Whether it is an init container that runs beside the others all the time.
    pub is_sidecar: bool,
    /// Whether a change of its resources in place restarts it.
    pub resize_restarts: bool,
    /// Whether a user added it to the running pod, to debug it.
    pub is_ephemeral: bool,
    /// `repository@sha256:...`, if the kubelet reports it.
    pub image_id: Box<str>,
    pub state: ContainerState,
    /// How it terminated last.
    pub last_terminated: Option<Box<Terminated>>,
    /// The exits after which the kubelet restarts it on purpose, if its spec names some.
    pub restart_rules: Option<Box<RestartRules>>,
}

/// `restartPolicyRules`; boxed, because few containers have any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct RestartRules(Box<[RestartRule]>);

impl RestartRules {
    /// The rules.
    pub fn iter(&self) -> std::slice::Iter<'_, RestartRule> {
        self.0.iter()
    }
}

/// A rule of `restartPolicyRules`: exits that are part of how the container works.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestartRule {
    action: Word,
    #[serde(deserialize_with = "or_default")]
    exit_codes: ExitCodes,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
struct ExitCodes {
    operator: Word,
    #[serde(deserialize_with = "or_default")]
    values: Box<[i32]>,
}

impl RestartRule {
    /// Whether all containers of the pod are restarted.
    pub fn restarts_all(&self) -> bool {
        self.action == "RestartAllContainers"
    }

    /// Whether the rule applies to this exit code.
    pub fn applies_to(&self, code: i32) -> bool {
        let is_listed = self.exit_codes.values.contains(&code);
        match self.exit_codes.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            _ => false,
        }
    }
}

/// The current state of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContainerState {
    /// Not reported yet.
    #[default]
    Unknown,
    Running,
    Waiting(Box<Waiting>),
    Terminated(Box<Terminated>),
}

/// Why a container waits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    pub reason: Word,
    #[serde(deserialize_with = "message")]
    pub message: Box<str>,
}

/// How a container terminated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    pub reason: Word,
    pub exit_code: i32,
    pub finished_at: Time,
    #[serde(deserialize_with = "message")]
    pub message: Box<str>,
}

impl Pod {
    /// The condition of this type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        condition::find(&self.conditions, type_)
    }

    /// Whether the node controller says that it is not ready, rather than its kubelet.
    pub fn is_unready_by_its_node(&self) -> bool {
        let ready = self.condition("Ready");
        self.is_ready() && ready.is_some_and(|ready| ready.status == ConditionStatus::False)
    }

    /// Whether it is ready, as its kubelet reported last. When a kubelet stops reporting, the node controller sets Ready to False
    /// without a reason, and the conditions of the containers stay.
    pub fn is_ready(&self) -> bool {
        // ContainersReady is stored only while it is not true.
        let containers_are_ready =
            || self.condition("ContainersReady").is_none_or(|it| it.is_true("ContainersReady"));
        self.condition("Ready").is_some_and(|ready| match ready.status {
            ConditionStatus::True => true,
            ConditionStatus::False => ready.reason.as_str().is_empty() && containers_are_ready(),
            ConditionStatus::Unknown => false,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WirePod {
    metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    spec: WireSpec,
    #[serde(deserialize_with = "or_default")]
    status: WireStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    #[serde(deserialize_with = "or_default")]
    containers: Vec<WireContainer>,
    #[serde(deserialize_with = "or_default")]
    init_containers: Vec<WireContainer>,
    #[serde(deserialize_with = "or_default")]
    ephemeral_containers: Vec<WireContainer>,
    host_network: Option<bool>,
    node_name: Option<Box<str>>,
    restart_policy: Option<Word>,
    #[serde(deserialize_with = "or_default")]
    scheduling_gates: Vec<WireGate>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireGate {
    name: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireResizePolicy {
    restart_policy: Word,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireContainer {
    name: Box<str>,
    image: Option<Box<str>>,
    restart_policy: Option<Word>,
    restart_policy_rules: Option<Box<RestartRules>>,
    #[serde(deserialize_with = "or_default")]
    resize_policy: Vec<WireResizePolicy>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireStatus {
    phase: PodPhase,
    reason: Word,
    #[serde(deserialize_with = "message")]
    message: Box<str>,
    start_time: Time,
    #[serde(rename = "podIP")]
    pod_ip: Option<Box<str>>,
    #[serde(deserialize_with = "or_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "or_default")]
    container_statuses: Vec<WireContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    init_container_statuses: Vec<WireContainerStatus>,
    #[serde(deserialize_with = "or_default")]
    ephemeral_container_statuses: Vec<WireContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireContainerStatus {
    name: Box<str>,
    restart_count: i32,
    #[serde(rename = "imageID")]
    image_id: Box<str>,
    #[serde(deserialize_with = "or_default")]
    state: WireState,
    #[serde(deserialize_with = "or_default")]
    last_state: WireState,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireState {
    running: Option<serde::de::IgnoredAny>,
    waiting: Option<Box<Waiting>>,
    terminated: Option<Box<Terminated>>,
}

impl From<WireState> for ContainerState {
    fn from(state: WireState) -> Self {
        match (state.terminated, state.waiting, state.running) {
            (Some(terminated), _, _) => Self::Terminated(terminated),
            (None, Some(waiting), _) => Self::Waiting(waiting),
            (None, None, Some(_)) => Self::Running,
            (None, None, None) => Self::Unknown,
        }
    }
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WirePod { metadata, spec, status } = WirePod::deserialize(deserializer)?;
        let mut containers = Vec::with_capacity(spec.containers.len() + spec.init_containers.len());
        join(&mut containers, Role::Main, spec.containers, status.container_statuses);
        join(&mut containers, Role::Init, spec.init_containers, status.init_container_statuses);
        join(
            &mut containers,
            Role::Ephemeral,
            spec.ephemeral_containers,
            status.ephemeral_container_statuses,
        );
        let address =
            status.pod_ip.filter(|_| spec.host_network != Some(true)).and_then(|ip| ip.parse().ok());
        let mut conditions = status.conditions;
        name_gates(&mut conditions, &spec.scheduling_gates);
        let lost_readiness = has_lost_readiness(&conditions, status.start_time);
        let is_ready =
            condition::find(&conditions, "Ready").is_some_and(|it| it.status == ConditionStatus::True);
        let node = spec.node_name.filter(|_| !is_ready || metadata.is_terminating());
        let is_taken = status.start_time.get().is_some();
        conditions.retain(|condition| {
            condition.status != ConditionStatus::True || !SILENT_WHEN_TRUE.contains(&condition.type_.as_str())
        });
        Ok(Self {
            metadata,
            phase: status.phase,
            lost_readiness,
            may_end: spec.restart_policy.is_some_and(|policy| policy != "Always"),
            reason: status.reason,
            message: status.message,
            conditions: condition::trimmed(conditions),
            node,
            is_taken,
            address,
            containers: containers.into(),
        })
    }
}

/// Whether a pod was ready before. The kubelet sets Ready to False just before it sets the start time, and the transition time stays
/// until the pod becomes ready: a later transition to False means that it was ready in between.
fn has_lost_readiness(conditions: &[Condition], started: Time) -> bool {
    let Some(ready) = condition::find(conditions, "Ready") else { return false };
    match (ready.status, ready.last_transition_time.get(), started.get()) {
        (ConditionStatus::False, Some(since), Some(started)) => since > started,
        _ => false,
    }
}

/// Names the gates that hold a pod, whose condition only says that there are some.
fn name_gates(conditions: &mut [Condition], gates: &[WireGate]) {
    let held = conditions.iter_mut().find(|it| it.type_ == "PodScheduled" && it.reason == "SchedulingGated");
    if let Some(condition) = held {
        let names: Vec<&str> = gates.iter().map(|gate| &*gate.name).collect();
        condition.message = names.join(", ").into();
    }
}

/// Which list of the spec a container is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    Init,
    Ephemeral,
}

/// Joins each container of the spec with its status.
fn join(
    into: &mut Vec<Container>,
    role: Role,
    containers: Vec<WireContainer>,
    mut statuses: Vec<WireContainerStatus>,
) {
    for container in containers {
        let index = statuses.iter().position(|status| status.name == container.name);
        let status = index.map(|index| statuses.swap_remove(index)).unwrap_or_default();
        into.push(Container {
            name: container.name,
            spec_image: container.image.unwrap_or_default(),
            restart_count: status.restart_count,
            is_init: role == Role::Init,
            is_sidecar: role == Role::Init
                && container.restart_policy.is_some_and(|policy| policy == "Always"),
            resize_restarts: container.resize_policy.iter().any(|it| it.restart_policy == "RestartContainer"),
            is_ephemeral: role == Role::Ephemeral,
            image_id: status.image_id,
            state: status.state.into(),
            last_terminated: status.last_state.terminated,
            restart_rules: container.restart_policy_rules,
        });
    }
}

slim!(Pod: "" "v1" "Pod" "pods" NamespaceResourceScope);
