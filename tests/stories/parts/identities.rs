//! Is a user who they say they are, and can they do no more than RBAC allows?

use anyhow::{Result, ensure};
use control_plane::Access;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::api::{Api, PostParams};
use support::installation::{control_plane, namespace};

support::stories![a_user_has_their_name_and_every_group, a_service_account_speaks_with_its_own_token,];

pub async fn who(access: &Access) -> Result<UserInfo> {
    let api: Api<SelfSubjectReview> = Api::all(access.client()?);
    let answer = api.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    Ok(answer.status.and_then(|status| status.user_info).unwrap_or_default())
}

async fn a_user_has_their_name_and_every_group() -> Result<()> {
    let cluster = &control_plane().await?;
    let alice = cluster.user("alice", &["release-managers", "on-call", "berlin"]).await?;
    let info = who(&alice).await?;
    ensure!(info.username.as_deref() == Some("alice"), "{info:?}");
    let mut groups = info.groups.unwrap_or_default();
    groups.sort();
    ensure!(groups == ["berlin", "on-call", "release-managers", "system:authenticated"], "{groups:?}");
    let refused = cluster.kubectl(&alice).run(&["get", "secrets", "-A"]);
    let refused = refused.err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(refused.contains("\"alice\" cannot list"), "{refused}");
    Ok(())
}

async fn a_service_account_speaks_with_its_own_token() -> Result<()> {
    let cluster = &control_plane().await?;
    let namespace = namespace(cluster, "account").await?;
    cluster.kubectl(cluster.admin()).run(&["create", "serviceaccount", "robot", "-n", &namespace])?;
    let info = who(&cluster.service_account(&namespace, "robot").await?).await?;
    ensure!(info.username == Some(format!("system:serviceaccount:{namespace}:robot")), "{info:?}");
    Ok(())
}
