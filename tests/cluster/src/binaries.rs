//! The programs of a control plane and of a real node, each built once from Go modules into `target/`.
//!
//! `go.mod` beside this crate names the parts of a control plane, `node/go.mod` those of a node; the `go.sum` files pin
//! them. One directory per content of those files and of the flags, so a change builds again and a checkout that goes back
//! finds the old ones. The first process builds under a file lock; others wait for it. A directory under its final
//! name is complete: the build happens beside it and is renamed at the end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

const MODULE: &str = env!("CARGO_MANIFEST_DIR");
/// Without its version the server calls itself v0.0.0 and clients misbehave.
const LDFLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37 \
    -X k8s.io/component-base/version.gitTreeState=clean";
/// The oldest Go that fetches the newer one named in `go.mod` by itself.
const OLDEST_GO: (u32, u32) = (1, 21);

/// Programs that are built together.
struct Recipe {
    /// Their folder under `target/`.
    folder: &'static str,
    /// What is being built, for people who wait.
    title: &'static str,
    /// The files that decide what is built.
    sources: &'static [&'static str],
    programs: &'static [&'static str],
    steps: &'static [Step],
}

/// One `go build` in a module.
struct Step {
    module: &'static str,
    packages: &'static [&'static str],
    flags: &'static [&'static str],
    /// `CGO_ENABLED`, where it matters: runc needs C, the tests' application must not need a C library.
    c: Option<&'static str>,
}

const CONTROL_PLANE: Recipe = Recipe {
    folder: "control-plane",
    title: "the Kubernetes control plane, once, about 10 minutes on two cores",
    sources: &["go.mod", "go.sum"],
    programs: &[
        "etcd",
        "helm",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kwok",
    ],
    steps: &[Step { module: "", packages: &["tool"], flags: &[], c: None }],
};

/// The kubelet is of the control plane's own module, to be of the same build, but is not among its tools: a process that needs
/// no node does not wait for it.
const NODE: Recipe = Recipe {
    folder: "node",
    title: "the Kubernetes node, once, about 4 minutes on two cores",
    sources: &["go.mod", "go.sum", "node/go.mod", "node/go.sum", "node/app/main.go", "node/app/fate.go"],
    programs: &[
        "app",
        "bridge",
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "host-local",
        "kubelet",
        "loopback",
        "registry",
        "runc",
    ],
    steps: &[
        // Without seccomp runc refuses every container.
        Step { module: "node", packages: &["tool"], flags: &["-tags", "seccomp"], c: Some("1") },
        Step { module: "node", packages: &["./app"], flags: &[], c: Some("0") },
        Step { module: "", packages: &["k8s.io/kubernetes/cmd/kubelet"], flags: &[], c: None },
    ],
};

/// A module of its own: its client of Kubernetes must not meet the one that is built from source here.
const PROMETHEUS: Recipe = Recipe {
    folder: "prometheus",
    title: "Prometheus, once, about 3 minutes on two cores",
    sources: &["prometheus/go.mod", "prometheus/go.sum"],
    programs: &["prometheus"],
    steps: &[Step { module: "prometheus", packages: &["tool"], flags: &["-tags", "remove_all_sd"], c: None }],
};

/// The directory that holds the programs of a control plane, built if they are not there yet. Blocks; the first build
/// takes minutes.
pub fn ensure() -> Result<PathBuf> {
    CONTROL_PLANE.ensure()
}

/// The directory of the programs when they have been built already.
pub fn built() -> Option<PathBuf> {
    CONTROL_PLANE.directory().ok().filter(|bin| CONTROL_PLANE.complete(bin))
}

/// The same for the programs of a real node and the application that the tests run on it.
pub fn ensure_node() -> Result<PathBuf> {
    NODE.ensure()
}

/// The same for Prometheus.
pub fn ensure_prometheus() -> Result<PathBuf> {
    PROMETHEUS.ensure()
}

impl Recipe {
    fn ensure(&self) -> Result<PathBuf> {
        let bin = self.directory()?;
        if self.complete(&bin) {
            return Ok(bin);
        }
        let home = bin.parent().and_then(Path::parent).context("the programs have no folder")?;
        fs::create_dir_all(home)?;
        let lock = File::create(home.join("lock"))?;
        lock.lock().with_context(|| format!("cannot lock target/{}/lock", self.folder))?;
        if !self.complete(&bin) {
            self.build(home, &bin)?;
        }
        Ok(bin)
    }

    fn complete(&self, bin: &Path) -> bool {
        self.programs.iter().all(|program| bin.join(program).is_file())
    }

    /// Always under the workspace's own `target/`, whatever `CARGO_TARGET_DIR` says: half a gigabyte is built once.
    fn directory(&self) -> Result<PathBuf> {
        let mut hash = Sha256::new();
        for file in self.sources {
            let content = fs::read(Path::new(MODULE).join(file));
            hash.update(content.with_context(|| format!("cannot read {file}"))?);
        }
        hash.update(LDFLAGS);
        let key: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let workspace =
            Path::new(MODULE).ancestors().nth(2).context("the crate is not inside the workspace")?;
        Ok(workspace.join("target").join(self.folder).join(key).join("bin"))
    }

    fn build(&self, home: &Path, bin: &Path) -> Result<()> {
        check_go()?;
        let scratch = tempfile::Builder::new().prefix("build-").tempdir_in(home)?;
        let fresh = scratch.path().join("bin");
        fs::create_dir(&fresh)?;
        for step in self.steps {
            self.run(step, &fresh)?;
        }
        if fresh.join("server").exists() {
            fs::rename(fresh.join("server"), fresh.join("etcd"))?;
        }
        fs::create_dir_all(bin.parent().context("no parent")?)?;
        if bin.exists() {
            fs::remove_dir_all(bin)?;
        }
        fs::rename(fresh, bin)?;
        Ok(())
    }

    fn run(&self, step: &Step, into: &Path) -> Result<()> {
        let mut go = Command::new("go");
        go.args(["build", "-v", "-trimpath", "-ldflags", LDFLAGS, "-o"])
            .arg(into)
            .args(step.flags)
            .args(step.packages)
            .current_dir(Path::new(MODULE).join(step.module))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        go.envs(step.c.map(|value| ("CGO_ENABLED", value)));
        let mut child = go.spawn().context("cannot run go")?;
        let stderr = child.stderr.take().context("go has no stderr")?;
        let complaints = follow(self.title, BufReader::new(stderr));
        if !child.wait()?.success() {
            bail!(explain(&complaints));
        }
        Ok(())
    }
}

fn check_go() -> Result<()> {
    let said = Command::new("go").args(["env", "GOVERSION"]).current_dir("/").output();
    let Ok(said) = said else {
        bail!(
            "Kubernetes is built from Go modules here and there is no `go` on the PATH: install Go 1.26 or newer from https://go.dev/dl/"
        );
    };
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches("go").split(['.', 'r', 'b', '-']).map(str::parse::<u32>);
    if let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) {
        ensure!(
            (major, minor) >= OLDEST_GO,
            "{version} is too old to build Kubernetes: install Go 1.26 or newer from https://go.dev/dl/"
        );
    }
    Ok(())
}

/// Shows one line of progress and returns what was not progress. Written to the real stderr: a test's is
/// captured, and ten silent minutes look like a fault.
fn follow(title: &str, lines: impl BufRead) -> Vec<String> {
    let begun = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let pause = if terminal { Duration::from_millis(500) } else { Duration::from_secs(30) };
    let mut shown: Option<Instant> = None;
    let (mut packages, mut complaints) = (0, Vec::new());
    for line in lines.lines().map_while(Result::ok) {
        if line.contains(' ') || line.starts_with('#') {
            complaints.push(line);
        } else {
            packages += 1;
        }
        if shown.is_none_or(|at| at.elapsed() >= pause) {
            shown = Some(Instant::now());
            let (before, after) = if terminal { ("\r", "") } else { ("", "\n") };
            let seconds = begun.elapsed().as_secs();
            let _ = write!(
                std::io::stderr(),
                "{before}building {title}: {packages} packages, {seconds} s{after}"
            );
        }
    }
    if terminal && shown.is_some() {
        let _ = writeln!(std::io::stderr());
    }
    complaints
}

fn explain(complaints: &[String]) -> String {
    let all = complaints.join("\n");
    if all.contains("no space left on device") {
        return "the disk is full: building Kubernetes needs about 6 GB for Go's caches and 600 MB under target/"
            .into();
    }
    if all.contains("requires go >=") || all.contains("toolchain not available") {
        return "this Go is too old to build Kubernetes: install Go 1.26 or newer from https://go.dev/dl/"
            .into();
    }
    if all.contains("libseccomp") {
        return "runc is built against libseccomp, which is not here: install libseccomp-dev, pkg-config and gcc".into();
    }
    let tail = &complaints[complaints.len().saturating_sub(20)..];
    format!("the build failed:\n{}", tail.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn a_failed_build_says_what_to_do() {
        let lines = |text: &str| explain(&[text.to_owned()]);
        assert!(
            lines("go: go.mod requires go >= 1.26.0 (running go 1.22.1; GOTOOLCHAIN=local)")
                .contains("go.dev/dl")
        );
        assert!(lines("write /root/.cache/x: no space left on device").contains("disk is full"));
        assert!(
            lines("Package libseccomp was not found in the pkg-config search path")
                .contains("libseccomp-dev")
        );
        assert!(lines("main.go:1: undefined: x").ends_with("main.go:1: undefined: x"));
    }
}
