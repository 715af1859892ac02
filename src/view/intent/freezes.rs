//! Freezes of a project, which its environment admins write, and of the cluster, which its administrators write.

use super::{Intent, Kind, Request, Write, created, of};
use crate::api::{ChangeFreeze, ChangeFreezeSpec, ClusterChangeFreeze, ClusterChangeFreezeSpec};
use crate::view::right::{Right, Role};

/// A freeze of a project.
pub fn freeze(request: Request<'_>, name: Option<&str>, spec: ChangeFreezeSpec) -> Intent {
    let name = name.unwrap_or("freeze-");
    let rights = vec![Right::to("create", "changefreezes")];
    created(request, name, Kind::ChangeFreeze, ChangeFreeze::new(name, spec), Role::EnvironmentAdmin, rights)
}

/// A freeze of the cluster.
pub fn freeze_cluster(request: Request<'_>, name: Option<&str>, spec: ClusterChangeFreezeSpec) -> Intent {
    let name = name.unwrap_or("freeze-");
    let rights = vec![Right::to("create", "clusterchangefreezes")];
    let object = ClusterChangeFreeze::new(name, spec);
    created(request, name, Kind::ClusterChangeFreeze, object, Role::ClusterFreeze, rights)
}

/// The end of a freeze of a project.
pub fn unfreeze(name: &str) -> Intent {
    let rights = vec![Right::to("delete", "changefreezes")];
    of(Kind::ChangeFreeze, deleted(name), "lifted", Role::EnvironmentAdmin, rights)
}

/// The end of a freeze of the cluster.
pub fn unfreeze_cluster(name: &str) -> Intent {
    let rights = vec![Right::to("delete", "clusterchangefreezes")];
    of(Kind::ClusterChangeFreeze, deleted(name), "lifted", Role::ClusterFreeze, rights)
}

fn deleted(name: &str) -> Write {
    Write::Delete { name: name.to_owned(), uid: None }
}
