//! Channels that an environment names and cannot use. They stop no promotion and no rollback.

use crate::api::Environment;
use crate::decide::world::Project;

/// The channels that do not exist or do not serve the project, and what to do.
pub(super) fn ineffective(project: &Project, environment: &Environment) -> Option<String> {
    let fault = |name: &str| match project.channels.get(name) {
        Some(channel) if channel.serves(&project.name) => None,
        Some(_) => Some(format!(
            "spec.notify names the Channel {name}, which is not for project {}; the platform team has to add it to spec.projects of the \
             channel",
            project.name
        )),
        None => {
            let known = project.channels.iter().filter(|(_, channel)| channel.serves(&project.name));
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
        project.channels = [("ours".to_owned(), channel("*")), ("theirs".to_owned(), channel("bank"))].into();
        let found = ineffective(&project, &the_environment(&project, "prod"));
        let wanted = "spec.notify names the Channel theirs, which is not for project shop; the platform team has to add it to spec.projects of \
                      the channel; spec.notify names gone, which is no Channel; known: ours";
        assert_eq!(found.as_deref(), Some(wanted));
        project.channels.insert("theirs".to_owned(), channel("shop"));
        project.channels.insert("gone".to_owned(), channel("*"));
        assert_eq!(ineffective(&project, &the_environment(&project, "prod")), None);
    }
}
