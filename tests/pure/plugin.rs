//! The program `kubectl-towpath` against a stub of an API server: answers that no real one of this version gives, and no answer at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

mod clocks;
mod newer;
mod pipes;
mod stub;
mod unreachable;

use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PLUGIN: &str = env!("CARGO_BIN_EXE_kubectl-towpath");

/// `kubectl towpath` in project `shop`, at an API server of this address.
fn command(server: &str, arguments: &[&str]) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "stub",
        "clusters": [{ "name": "stub", "cluster": { "server": server } }],
        "users": [{ "name": "ann", "user": {} }],
        "contexts": [{ "name": "stub", "context": { "cluster": "stub", "user": "ann", "namespace": "shop" } }],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = Command::new(PLUGIN);
    command.args(arguments).env("KUBECONFIG", path).env_remove("NO_COLOR");
    (folder, command)
}

/// How it ends. It has a minute.
fn ended(server: &str, arguments: &[&str]) -> (Output, Duration) {
    let begun = Instant::now();
    let (_folder, mut command) = command(server, arguments);
    let output = command.output().unwrap();
    (output, begun.elapsed())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An object of project `shop`.
fn object(kind: &str, name: &str, spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": kind,
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "resourceVersion": "7", "generation": 1,
            "creationTimestamp": "2026-11-01T09:00:00Z",
        },
        "spec": spec, "status": status,
    })
}

fn environment(name: &str) -> Value {
    object("Environment", name, json!({ "namespace": format!("shop-{name}") }), json!({}))
}

fn promotion(name: &str, phase: &str) -> Value {
    let spec = json!({ "release": "shop-1.0.0", "environment": "dev", "application": "shop" });
    object("Promotion", name, spec, json!({ "phase": phase, "version": "1.0.0", "revision": 1 }))
}
