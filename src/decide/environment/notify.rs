//! Channels that an environment names and cannot use. They stop no promotion and no rollback.

use crate::api::Environment;
use crate::decide::world::Project;

/// What to do if the controller cannot list the channels.
const UNKNOWN: &str = "no notification is sent: the controller cannot list Channels; the platform team has to install the CustomResourceDefinition \
                       channels.towpath.dev and let the ClusterRole of the controller get, list and watch channels, as the chart of this version does";

/// The channels that do not exist or do not serve the project, and what to do.
pub(super) fn ineffective(project: &Project, environment: &Environment) -> Option<String> {
    let Some(channels) = project.channels.as_ref() else {
        return (!environment.spec.notify.is_empty()).then(|| UNKNOWN.to_owned());
    };
    let fault = |name: &str| match channels.get(name) {
        Some(channel) if channel.serves(&project.name) => None,
        Some(_) => Some(format!(
            "spec.notify names the Channel {name}, which is not for project {}; the platform team has to add it to spec.projects of the \
             channel",
            project.name
        )),
        None => {
            let known = channels.iter().filter(|(_, channel)| channel.serves(&project.name));
            let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
            let known = if known.is_empty() { "none for this project".to_owned() } else { known.join(", ") };
            Some(format!("spec.notify names {name}, which is no Channel; known: {known}"))
        }
    };
    let faults: Vec<String> =
        environment.spec.notify.iter().filter_map(|notify| fault(&notify.channel)).take(5).collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ChannelSpec;
    use crate::decide::fixture_tests::{environment, project, the_environment};
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn a_channel_that_cannot_be_used_is_named_with_the_way_out() {
        let notify = json!([{ "channel": "ours" }, { "channel": "theirs" }, { "channel": "gone" }]);
        let mut project = project([environment("prod", json!({ "spec": { "notify": notify } }))]);
        let channel = |projects: &str| -> Arc<ChannelSpec> {
            let spec = json!({ "cdevents": { "url": "http://events" }, "projects": [projects] });
            Arc::new(serde_json::from_value(spec).unwrap())
        };
        let serving = |theirs: &str, more: &[&str]| {
            let all = [("ours", "*"), ("theirs", theirs)].into_iter();
            let all = all.chain(more.iter().map(|name| (*name, "*")));
            Some(all.map(|(name, projects)| (name.to_owned(), channel(projects))).collect())
        };
        project.channels = serving("bank", &[]);
        let found = ineffective(&project, &the_environment(&project, "prod"));
        let wanted = "spec.notify names the Channel theirs, which is not for project shop; the platform team has to add it to spec.projects of \
                      the channel; spec.notify names gone, which is no Channel; known: ours";
        assert_eq!(found.as_deref(), Some(wanted));
        project.channels = serving("shop", &["gone"]);
        assert_eq!(ineffective(&project, &the_environment(&project, "prod")), None);
    }

    #[test]
    fn channels_that_cannot_be_listed_are_not_called_missing() {
        let notify = json!({ "spec": { "notify": [{ "channel": "ours" }] } });
        let mut project = project([environment("prod", notify), environment("dev", json!({}))]);
        project.channels = None;
        let found = ineffective(&project, &the_environment(&project, "prod")).unwrap();
        assert!(found.contains("the controller cannot list Channels"), "{found}");
        assert_eq!(ineffective(&project, &the_environment(&project, "dev")), None, "it needs none");
    }
}
