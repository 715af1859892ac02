//! What the owner of a target namespace has to grant: in words, and as commands.
//!
//! Invariant: no code reads the commands in a message. Code that needs them computes them here from what is missing.

use crate::api::{DEPLOYER_NAMESPACE, Delivery, Environment, Meta, MissingConsent};

/// What is missing while no RoleBinding names the identity of the environment.
pub fn missing_binding(environment: &Environment) -> MissingConsent {
    let role = match environment.spec.delivery {
        Delivery::Managed => "towpath-deploy",
        Delivery::Observed => "towpath-observe",
    };
    MissingConsent { cluster_role: Some(role.to_owned()), resources: Vec::new() }
}

/// What is missing, as a sentence without its end.
pub fn sentence(environment: &Environment, missing: &MissingConsent) -> String {
    let namespace = &environment.spec.namespace;
    match missing.cluster_role {
        Some(_) => format!("the owner of namespace {namespace} has not consented"),
        None => format!("the owner of namespace {namespace} has not consented to the kinds of spec.kinds"),
    }
}

/// The commands by which the owner consents.
pub fn commands(environment: &Environment, missing: &MissingConsent) -> Vec<String> {
    let (namespace, name) = (&environment.spec.namespace, environment.name());
    let account = format!("{DEPLOYER_NAMESPACE}:{}", environment.id().account());
    let mut commands = Vec::new();
    if let Some(role) = &missing.cluster_role {
        commands.push(format!(
            "kubectl create rolebinding towpath --namespace {namespace} --clusterrole {role} --serviceaccount {account}"
        ));
    }
    // No role of the chart contains further kinds.
    if !missing.resources.is_empty() {
        let verbs = match environment.spec.delivery {
            Delivery::Managed => "create,delete,get,list,patch,update,watch",
            Delivery::Observed => "get,list,watch",
        };
        let resources = missing.resources.join(",");
        commands.push(format!(
            "kubectl create role towpath-{name} --namespace {namespace} --verb {verbs} --resource {resources}"
        ));
        commands.push(format!(
            "kubectl create rolebinding towpath-{name} --namespace {namespace} --role towpath-{name} --serviceaccount {account}"
        ));
    }
    commands
}

/// What is missing, with the commands, one per line.
pub fn message(environment: &Environment, missing: &MissingConsent) -> String {
    let commands = commands(environment, missing).join("\n");
    format!(
        "{}; to consent, run (kubectl towpath check prints the same):\n{commands}",
        sentence(environment, missing)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture_tests::{environment, project, the_environment};
    use serde_json::json;

    #[test]
    fn the_owner_is_shown_the_role_that_is_missing_and_the_identity_that_needs_it() {
        let prod = |delivery: &str| {
            let spec = json!({ "spec": { "delivery": delivery } });
            the_environment(&project([environment("prod", spec)]), "prod")
        };
        let kinds = MissingConsent {
            resources: vec!["persistentvolumeclaims".to_owned(), "queues.example.com".to_owned()],
            ..MissingConsent::default()
        };
        let managed = prod("Managed");
        assert_eq!(
            message(&managed, &missing_binding(&managed)),
            "the owner of namespace shop-prod has not consented; to consent, run (kubectl towpath check prints the same):\n\
             kubectl create rolebinding towpath --namespace shop-prod --clusterrole towpath-deploy \
             --serviceaccount towpath-deployers:shop.prod"
        );
        assert_eq!(
            message(&managed, &kinds),
            "the owner of namespace shop-prod has not consented to the kinds of spec.kinds; to consent, run (kubectl towpath check prints the same):\n\
             kubectl create role towpath-prod --namespace shop-prod --verb create,delete,get,list,patch,update,watch \
             --resource persistentvolumeclaims,queues.example.com\n\
             kubectl create rolebinding towpath-prod --namespace shop-prod --role towpath-prod \
             --serviceaccount towpath-deployers:shop.prod"
        );
        let observed = prod("Observed");
        assert_eq!(missing_binding(&observed).cluster_role.as_deref(), Some("towpath-observe"));
        assert!(commands(&observed, &kinds)[0].contains(" --verb get,list,watch "));
    }
}
