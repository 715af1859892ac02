//! Rights: what a user needs in order to write an intent, and the command of the person who grants it.

use super::screen::printable;
use crate::api::{EnvironmentName, GROUP};

/// One right in the namespace of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The verb, such as `create` or `promote`.
    pub verb: &'static str,
    /// Plural name of the kind.
    pub resource: &'static str,
    /// Name of the environment. None stands for all objects of the kind.
    pub name: Option<EnvironmentName>,
}

impl Right {
    /// A verb on all objects of a kind.
    pub fn to(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, resource, name: None }
    }

    /// A verb on one environment.
    pub fn on(environment: &EnvironmentName, verb: &'static str) -> Self {
        Self { verb, resource: "environments", name: Some(environment.clone()) }
    }

    /// A verb on all environments of the project.
    pub fn on_all(verb: &'static str) -> Self {
        Self::to(verb, "environments")
    }

    fn shown(&self) -> String {
        match (&self.name, self.resource) {
            (Some(name), resource) => format!("{} on {resource}.{GROUP} \"{name}\"", self.verb),
            (None, resource @ "environments") => format!("{} on all {resource}.{GROUP}", self.verb),
            (None, resource) => format!("{} on {resource}.{GROUP}", self.verb),
        }
    }
}

/// A role that suffices: one of the chart, or one that a cluster administrator creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `towpath-viewer`
    Viewer,
    /// `towpath-requester`
    Requester,
    /// `towpath-approver`
    Approver,
    /// `towpath-reviewer`
    Reviewer,
    /// `towpath-oncall`
    OnCall,
    /// `towpath-environment-admin`
    EnvironmentAdmin,
    /// `towpath-cluster-freeze`, which the chart does not have: only cluster administrators freeze a cluster.
    ClusterFreeze,
}

impl Role {
    /// Name of the ClusterRole.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "towpath-viewer",
            Self::Requester => "towpath-requester",
            Self::Approver => "towpath-approver",
            Self::Reviewer => "towpath-reviewer",
            Self::OnCall => "towpath-oncall",
            Self::EnvironmentAdmin => "towpath-environment-admin",
            Self::ClusterFreeze => "towpath-cluster-freeze",
        }
    }
}

/// Which rights are missing, and the command that grants them. `project` is empty for a right in the cluster, `user` if the name is not
/// known.
pub fn missing(rights: &[&Right], role: Role, project: &str, user: &str) -> String {
    let shown: Vec<String> = rights.iter().map(|right| right.shown()).collect();
    let user = &printable(user);
    let who = if user.is_empty() { "you lack".to_owned() } else { format!("{user} lacks") };
    let (rights, command) = (shown.join(", and "), command(role, project, user));
    match role {
        Role::ClusterFreeze => format!(
            "{who} the verb {rights} in the cluster. No role of Towpath grants it; a cluster administrator grants it with: {command}"
        ),
        Role::Viewer
        | Role::Requester
        | Role::Approver
        | Role::Reviewer
        | Role::OnCall
        | Role::EnvironmentAdmin => format!(
            "{who} the verb {rights} in namespace {project}. A user who may bind roles there grants it with: {command}"
        ),
    }
}

/// A word of a command for a shell.
pub fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "@.:_-".contains(character);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The command that binds a role in a project, or in the cluster if the role is of the cluster. `user` is empty if the name is not known.
pub fn command(role: Role, project: &str, user: &str) -> String {
    // A name that has to be quoted for a shell is none for an object.
    let (suffix, user) = match (user, quoted(user)) {
        ("", _) => (String::new(), "YOUR-NAME".to_owned()),
        (user, quoted) if user == quoted => (format!("-{user}"), quoted),
        (_, quoted) => (String::new(), quoted),
    };
    if role == Role::ClusterFreeze {
        let name = role.as_str();
        return format!(
            "kubectl create clusterrole {name} --verb get,list,create,delete --resource clusterchangefreezes.{GROUP} && \
             kubectl create clusterrolebinding {name}{suffix} --clusterrole {name} --user {user}"
        );
    }
    let role = role.as_str();
    format!(
        "kubectl create rolebinding {role}{suffix} --namespace {project} --clusterrole {role} --user {user}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_with_the_command_that_grants_it() {
        let (create, promote) = (Right::to("create", "promotions"), Right::on(&"prod".into(), "promote"));
        let recall = Right::on_all("rollback");
        for (rights, role, user, text) in [
            (
                vec![&promote],
                Role::Requester,
                "ann",
                "ann lacks the verb promote on environments.towpath.dev \"prod\" in namespace shop. A user who may bind roles there \
                 grants it with: kubectl create rolebinding towpath-requester-ann --namespace shop --clusterrole towpath-requester --user \
                 ann",
            ),
            (
                vec![&create, &promote],
                Role::Requester,
                "",
                "you lack the verb create on promotions.towpath.dev, and promote on environments.towpath.dev \"prod\" in namespace shop. \
                 A user who may bind roles there grants it with: kubectl create rolebinding towpath-requester --namespace shop \
                 --clusterrole towpath-requester --user YOUR-NAME",
            ),
            (
                vec![&recall],
                Role::OnCall,
                "o'hara $(reboot)",
                "o'hara $(reboot) lacks the verb rollback on all environments.towpath.dev in namespace shop. A user who may bind roles \
                 there grants it with: kubectl create rolebinding towpath-oncall --namespace shop --clusterrole towpath-oncall --user \
                 'o'\\''hara $(reboot)'",
            ),
        ] {
            assert_eq!(missing(&rights, role, "shop", user), text);
        }
        let freeze = Right::to("create", "clusterchangefreezes");
        assert_eq!(
            missing(&[&freeze], Role::ClusterFreeze, "", "ann"),
            "ann lacks the verb create on clusterchangefreezes.towpath.dev in the cluster. No role of Towpath grants it; a cluster \
             administrator grants it with: kubectl create clusterrole towpath-cluster-freeze --verb get,list,create,delete --resource \
             clusterchangefreezes.towpath.dev && kubectl create clusterrolebinding towpath-cluster-freeze-ann --clusterrole \
             towpath-cluster-freeze --user ann"
        );
    }
}
