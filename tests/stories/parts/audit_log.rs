//! Can requests be counted?

use anyhow::{Result, ensure};
use support::installation::{control_plane, namespace};

support::stories![the_audit_log_tells_who_asked_for_what,];

async fn the_audit_log_tells_who_asked_for_what() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "audit").await?;
    let audit = cluster.audit()?;
    let kubectl = cluster.kubectl(cluster.admin());
    kubectl.run(&["create", "configmap", "before", "-n", &namespace])?;
    let mark = audit.mark().await?;
    kubectl.run(&["create", "configmap", "tried", "-n", &namespace, "--dry-run=server"])?;
    kubectl.run(&[
        "create",
        "configmap",
        "made",
        "-n",
        &namespace,
        "--as=carol",
        "--as-group=system:masters",
    ])?;
    let refused = cluster.kubectl(&cluster.user("bob", &[]).await?).run(&["get", "pods", "-n", &namespace]);
    ensure!(refused.is_err(), "bob was let in");
    let events = audit.since(mark).await?;
    let ours = events.iter().filter(|event| event.namespace == namespace && event.resource == "configmaps");
    let writes: Vec<_> = ours
        .filter(|event| event.verb == "create" && event.user == "admin" && event.code == 201)
        .map(|event| (event.impersonated_user.as_deref(), event.dry_run))
        .collect();
    ensure!(writes == [(None, true), (Some("carol"), false)], "{events:#?}");
    let bob: Vec<_> = events.iter().filter(|event| event.user == "bob" && event.resource == "pods").collect();
    ensure!(!bob.is_empty() && bob.iter().all(|event| event.code == 403 && event.verb == "list"), "{bob:#?}");
    Ok(())
}
