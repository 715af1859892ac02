//! A real Kubernetes control plane, from Go modules, in one call.
//!
//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler as they are released; kwok plays the kubelet of one
//! node, so pods get a status and nothing runs. How a pod fares is written in its manifest: see `stages/pods.yaml`.
//!
//! ```no_run
//! # async fn f() -> anyhow::Result<()> {
//! let cluster = control_plane::ControlPlane::start().await?;
//! let alice = cluster.user("alice", &["release-managers"]).await?;
//! cluster.kubectl(&alice).run(&["get", "pods", "-n", "shop"])?;
//! # Ok(()) }
//! ```
//!
//! Where the script of a played pod is not enough, `real_node` adds a node with a real kubelet and containerd: see `node`.
//!
//! Guarantees: nothing outlives the owner unless `keep` was called (see `guard`); every connection is TLS with an authority
//! of its own; two control planes on one machine do not meet. With `TOWPATH_KUBECONFIG` set nothing is built or
//! started: that cluster is used, which must have a node played by kwok with the same stages.

mod access;
mod audit;
pub mod binaries;
mod cluster;
mod command;
mod components;
mod guard;
mod node;
mod pki;
mod prometheus;
mod report;
mod stages;
mod tools;
mod wait;

pub use access::Access;
pub use audit::{AuditEvent, AuditLog, Mark};
pub use cluster::{ControlPlane, Kept};
pub use command::command;
pub use node::{Image, REGISTRY, RealNode, Reply, lacking, placed};
pub use prometheus::Prometheus;
pub use stages::{image_digest, image_id};
pub use tools::Tool;
pub use wait::eventually;
