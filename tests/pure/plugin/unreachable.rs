//! Without a cluster there is one sentence, an exit code, and no long wait.

use super::{command, ended, text};
use std::net::TcpListener;

/// The address of a port at which nothing listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}

#[test]
fn a_cluster_that_does_not_answer_is_reported_within_seconds() {
    let server = closed();
    for arguments in [
        &["get"][..],
        &["get", "--watch"],
        &["status", "shop-1.0.0", "--wait"],
        &["explain", "shop-1.0.0", "-e", "prod"],
        &["plan", "shop-1.0.0"],
        &["calendar"],
        &["waiting", "--me"],
        &["check"],
        &["version"],
        &["promote", "shop-1.0.0", "-e", "prod"],
    ] {
        let (output, took) = ended(&server, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("kubectl towpath: cannot reach the cluster: "), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(took.as_secs() < 10, "{arguments:?} took {took:?}");
    }
}

#[test]
fn a_context_or_a_kubeconfig_that_does_not_exist_is_named() {
    let server = closed();
    for (arguments, word) in [
        (&["get", "--context", "nope"][..], "nope"),
        (&["get", "--kubeconfig", "/nonexistent/config"], "cannot read the kubeconfig /nonexistent/config"),
    ] {
        let (_folder, mut command) = command(&server, arguments);
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
