//! What a machine must have for a real node, asked by trying it.

use std::process::{Command, Stdio};

/// What this machine lacks, in one sentence; nothing when a real node can be started.
pub fn lacking() -> Option<String> {
    let lacks = |sentence: &str| Some(sentence.to_owned());
    if !cfg!(target_os = "linux") {
        return lacks("a real node needs Linux");
    }
    if std::env::var_os("TOWPATH_KUBECONFIG").is_some() {
        return lacks("a cluster that TOWPATH_KUBECONFIG names gets no real node");
    }
    if !rustix::process::geteuid().is_root() {
        return lacks("a real node needs root");
    }
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        return lacks("a real node needs a kernel with overlayfs");
    }
    if !runs("ip", &["-Version"]) {
        return lacks("a real node needs the program ip (Debian: iproute2)");
    }
    let namespaces = ["--cgroup", "--ipc", "--mount", "--net", "--pid", "--fork", "--mount-proc"];
    if !runs("unshare", &[&namespaces[..], &["true"]].concat()) {
        return lacks("a real node needs the right to make namespaces");
    }
    let Ok(scratch) = tempfile::Builder::new().prefix("towpath-overlay-").tempdir() else {
        return lacks("a real node needs a folder for temporary files");
    };
    let mount = "cd \"$0\" && mkdir lower upper work all && \
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work all";
    let folder = scratch.path().display().to_string();
    if !runs("unshare", &["--mount", "sh", "-c", mount, &folder]) {
        return lacks("a real node needs temporary files on a file system that overlayfs can stand on");
    }
    if !runs("sh", &["-c", "test -w /sys/fs/cgroup/memory || test -w /sys/fs/cgroup/cgroup.procs"]) {
        return lacks("a real node needs cgroups that it may write, memory among them");
    }
    None
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let quiet = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
