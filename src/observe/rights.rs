//! Rights of users: asks the API server, with the recorded groups, and again after a while.

use super::ObserveError;
use super::review::is_allowed;
use crate::api::{EnvironmentId, EnvironmentName, ProjectName, UserInfo};
use crate::decide::world::{Admission, Project, Verb};
use crate::process::{Handles, RightKey};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReviewSpec};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Maximum age of a positive answer that only offers a release: it is asked again before anything is written.
pub const TO_OFFER: Duration = Duration::from_secs(60);
/// Maximum age of an answer that lets something start, and of any negative answer.
pub const TO_START: Duration = Duration::from_secs(5);

/// Questions about rights: verb, environment, user.
pub type Questions = BTreeSet<(Verb, EnvironmentName, UserInfo)>;

/// Asks, and stores the answers in the project. Without admission policies no users are recorded, so nothing is asked.
pub async fn ask(
    handles: &Handles,
    project: &mut Project,
    questions: Questions,
    age: Duration,
) -> Result<(), ObserveError> {
    if project.admission == Admission::Disabled {
        return Ok(());
    }
    let asked = questions.into_iter().map(|question| {
        let project = &project.name;
        async move {
            let answer = may(handles, project, &question, age).await?;
            Ok::<_, ObserveError>((question, answer))
        }
    });
    let answers = futures::future::try_join_all(asked).await?;
    project.rights.extend(answers);
    Ok(())
}

async fn may(
    handles: &Handles,
    project: &ProjectName,
    (verb, environment, user): &(Verb, EnvironmentName, UserInfo),
    age: Duration,
) -> Result<bool, ObserveError> {
    let key = RightKey {
        verb: verb.as_str(),
        environment: EnvironmentId { project: project.clone(), environment: environment.clone() },
        user: user.clone(),
    };
    if let Some((answer, at)) = handles.caches.rights.get(&key)
        && at.elapsed() < if answer { age } else { TO_START }
    {
        return Ok(answer);
    }
    let spec = SubjectAccessReviewSpec {
        user: Some(user.username.clone()),
        uid: user.uid.clone(),
        groups: Some(user.groups.clone()),
        resource_attributes: Some(ResourceAttributes {
            namespace: Some(project.to_string()),
            group: Some(crate::api::GROUP.to_owned()),
            resource: Some("environments".to_owned()),
            name: Some(environment.to_string()),
            verb: Some(verb.as_str().to_owned()),
            ..ResourceAttributes::default()
        }),
        ..SubjectAccessReviewSpec::default()
    };
    let allowed =
        is_allowed(handles, spec, format!("the right to {} for {environment}", verb.as_str())).await?;
    handles.caches.rights.insert(key, (allowed, Instant::now()));
    Ok(allowed)
}
