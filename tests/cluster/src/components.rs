//! The processes of a control plane and the flags each is started with.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rcgen::KeyPair;

use crate::access::{Server, by_certificate};
use crate::guard::Guard;
use crate::pki::Authority;
use crate::{audit, stages};

/// Where everything of one control plane lies.
pub(crate) struct Layout {
    pub bin: PathBuf,
    pub dir: PathBuf,
}

impl Layout {
    pub fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub fn audit(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.dir.join("access").join(format!("{name}.kubeconfig"))
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// A command whose output goes to a log of its own, and that finds nothing of the user's home.
    pub fn command(&self, program: &str, component: &str) -> Result<Command> {
        let log = File::create(self.logs().join(format!("{component}.log")))?;
        let mut command = Command::new(self.bin.join(program));
        command.stdout(log.try_clone()?).stderr(log).current_dir(&self.dir).env("HOME", &self.dir);
        command.env_remove("KUBECONFIG");
        // Half of the work of collecting garbage, for memory that a machine has.
        command.env("GOGC", "400").env("GOMEMLIMIT", "3GiB");
        Ok(command)
    }
}

pub(crate) struct Ports {
    pub api: u16,
    etcd: u16,
    peer: u16,
}

impl Ports {
    /// Three ports that are free now. All are held until all are known, so that they differ.
    pub fn choose() -> Result<Self> {
        let held = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0"));
        let mut ports = Vec::new();
        for listener in &held {
            let listener = listener.as_ref().ok().context("no free port on 127.0.0.1")?;
            ports.push(listener.local_addr()?.port());
        }
        Ok(Self { api: ports[0], etcd: ports[1], peer: ports[2] })
    }
}

/// Certificates, keys, the audit policy and the kubeconfig of each component. Returns the authority and the server.
pub(crate) fn prepare(layout: &Layout, ports: &Ports) -> Result<(Authority, Server)> {
    fs::create_dir_all(layout.logs())?;
    let pki = layout.pki();
    let authority = Authority::create(&pki)?;
    for name in ["etcd", "kube-apiserver"] {
        authority.serve(&pki, name)?;
    }
    let key = KeyPair::generate()?;
    fs::write(pki.join("service-accounts.key"), key.serialize_pem())?;
    fs::write(pki.join("service-accounts.pub"), key.public_key_pem())?;
    fs::write(layout.file("audit-policy.yaml"), audit::POLICY)?;
    fs::write(layout.file("stages.yaml"), stages::configuration()?)?;
    File::create(layout.audit())?;
    let server = Server::new(ports.api, authority.certificate());
    for (name, user, groups) in [
        ("admin", "admin", &["system:masters"][..]),
        ("kube-controller-manager", "system:kube-controller-manager", &[]),
        ("kube-scheduler", "system:kube-scheduler", &[]),
        ("kwok", "kwok", &["system:masters"]),
        ("kubelet", "system:node:real", &["system:nodes"]),
    ] {
        server.write(&layout.kubeconfig(name), by_certificate(&authority.user(user, groups)?))?;
    }
    Ok((authority, server))
}

/// Storage and the API server; the latter waits for the former by itself.
pub(crate) fn start_api(guard: &Guard, layout: &Layout, ports: &Ports) -> Result<()> {
    let (client, peer) =
        (format!("https://127.0.0.1:{}", ports.etcd), format!("https://127.0.0.1:{}", ports.peer));
    let pki = |name: &str| layout.pki().join(name).display().to_string();
    let mut etcd = layout.command("etcd", "etcd")?;
    etcd.args(["--name=default", "--unsafe-no-fsync", "--log-level=warn", "--client-cert-auth"]);
    etcd.args(["--peer-client-cert-auth", "--snapshot-count=100000"]);
    etcd.arg(format!("--data-dir={}", layout.file("etcd")));
    etcd.arg(format!("--listen-client-urls={client}")).arg(format!("--advertise-client-urls={client}"));
    etcd.arg(format!("--listen-peer-urls={peer}")).arg(format!("--initial-advertise-peer-urls={peer}"));
    etcd.arg(format!("--initial-cluster=default={peer}"));
    for (prefix, authority) in [("", "trusted-ca-file"), ("peer-", "peer-trusted-ca-file")] {
        etcd.arg(format!("--{authority}={}", pki("ca.crt")));
        etcd.arg(format!("--{prefix}cert-file={}", pki("etcd.crt")));
        etcd.arg(format!("--{prefix}key-file={}", pki("etcd.key")));
    }
    guard.spawn("etcd", &mut etcd)?;

    let mut api = layout.command("kube-apiserver", "kube-apiserver")?;
    api.args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
    ]);
    api.args(["--authorization-mode=RBAC", "--allow-privileged", "--service-cluster-ip-range=10.96.0.0/16"]);
    api.args(["--service-account-issuer=https://kubernetes.default.svc", "--audit-log-maxsize=100000"]);
    api.arg(format!("--secure-port={}", ports.api));
    api.arg(format!("--cert-dir={}", layout.file("pki")));
    api.arg(format!("--tls-cert-file={}", pki("kube-apiserver.crt")));
    api.arg(format!("--tls-private-key-file={}", pki("kube-apiserver.key")));
    api.arg(format!("--client-ca-file={}", pki("ca.crt")));
    api.arg(format!("--etcd-servers={client}"));
    api.arg(format!("--etcd-cafile={}", pki("ca.crt")));
    api.arg(format!("--etcd-certfile={}", pki("etcd.crt")));
    api.arg(format!("--etcd-keyfile={}", pki("etcd.key")));
    api.arg(format!("--service-account-key-file={}", pki("service-accounts.pub")));
    api.arg(format!("--service-account-signing-key-file={}", pki("service-accounts.key")));
    api.arg(format!("--audit-policy-file={}", layout.file("audit-policy.yaml")));
    api.arg(format!("--audit-log-path={}", layout.audit().display()));
    guard.spawn("kube-apiserver", &mut api).map(drop)
}

/// Everything that is a client of the API server.
pub(crate) fn start_controllers(guard: &Guard, layout: &Layout) -> Result<()> {
    let kubeconfig = |name: &str| format!("--kubeconfig={}", layout.kubeconfig(name).display());
    let pki = |name: &str| layout.pki().join(name).display().to_string();

    let mut manager = layout.command("kube-controller-manager", "kube-controller-manager")?;
    manager.arg(kubeconfig("kube-controller-manager"));
    manager.args(["--leader-elect=false", "--secure-port=0", "--controllers=*,-node-ipam-controller"]);
    // Each controller under its own account: as cluster admin they would hide faults of admission policies.
    manager.args(["--use-service-account-credentials", "--kube-api-qps=300", "--kube-api-burst=600"]);
    manager.arg(format!("--service-account-private-key-file={}", pki("service-accounts.key")));
    manager.arg(format!("--root-ca-file={}", pki("ca.crt")));
    guard.spawn("kube-controller-manager", &mut manager)?;

    let mut scheduler = layout.command("kube-scheduler", "kube-scheduler")?;
    scheduler.arg(kubeconfig("kube-scheduler"));
    scheduler.args(["--leader-elect=false", "--secure-port=0", "--kube-api-qps=300", "--kube-api-burst=600"]);
    guard.spawn("kube-scheduler", &mut scheduler)?;

    let mut kwok = layout.command("kwok", "kwok")?;
    kwok.arg(kubeconfig("kwok")).arg(format!("--config={}", layout.file("stages.yaml")));
    // Of all nodes it would answer for the pods of a real one, too.
    kwok.args([
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
    ]);
    // Without a lease the node counts as lost after 50 s and every pod loses Ready.
    kwok.args(["--node-lease-duration-seconds=40", "--cidr=10.244.0.0/16"]);
    kwok.args(["--node-ip=10.0.0.1"]);
    guard.spawn("kwok", &mut kwok).map(drop)
}

/// The log of a component, for an error that says why it ended.
pub(crate) fn log_of(layout: &Layout, component: &str) -> PathBuf {
    Path::join(&layout.logs(), format!("{component}.log"))
}
