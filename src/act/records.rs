//! Creates Contents and Promotions, and deletes Contents. Their names follow from what they hold, so creating one twice creates it once.

use super::ActError;
use crate::api::{ApplicationName, Content, ProjectName, Promotion, PromotionSpec, mark};
use crate::decide::decision::{Owner, Record};
use crate::process::Handles;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, ResourceExt};

/// Whether the API server answered with this code.
pub(super) fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

fn reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", crate::api::GROUP, crate::api::VERSION),
        kind: owner.kind.to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: None,
        block_owner_deletion: None,
    }
}

/// Creates a Content. An existing one of the same name has the same digest.
pub async fn create_content(
    handles: &Handles,
    project: &ProjectName,
    record: &Record,
) -> Result<(), ActError> {
    let content = Content {
        metadata: ObjectMeta {
            name: Some(record.sealed.name.clone()),
            namespace: Some(project.to_string()),
            owner_references: Some(record.owners.iter().map(reference).collect()),
            ..ObjectMeta::default()
        },
        spec: record.sealed.spec(&record.application),
    };
    let api: Api<Content> = Api::namespaced(handles.clients.operator(), project);
    match api.create(&PostParams::default(), &content).await {
        Ok(_) => Ok(()),
        Err(error) if is(&error, 409) => Ok(()),
        Err(error) => Err(ActError::write(format!("creating Content {}", record.sealed.name))(error)),
    }
}

/// Deletes a Content.
pub async fn delete_content(handles: &Handles, project: &ProjectName, name: &str) -> Result<(), ActError> {
    let api: Api<Content> = Api::namespaced(handles.clients.operator(), project);
    handles.caches.contents.remove(&(project.clone(), name.to_owned()));
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(error) if is(&error, 404) => Ok(()),
        Err(error) => Err(ActError::write(format!("deleting Content {name}"))(error)),
    }
}

/// Creates a promotion.
pub async fn create_promotion(
    handles: &Handles,
    project: &ProjectName,
    name: &str,
    mut spec: PromotionSpec,
    application: &ApplicationName,
    owner: &Owner,
) -> Result<(), ActError> {
    // Set here because a policy requires it even if no policy fills it in.
    spec.requested_by = Some(handles.own.user.clone());
    let labels = [
        (mark::ENVIRONMENT, spec.environment.as_str()),
        (mark::APPLICATION, application.as_str()),
        (mark::AUTOMATIC, "true"),
    ];
    let promotion = Promotion {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(project.to_string()),
            labels: Some(labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
            owner_references: Some(vec![reference(owner)]),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    let api: Api<Promotion> = Api::namespaced(handles.clients.operator(), project);
    match api.create(&PostParams::default(), &promotion).await {
        Ok(created) => {
            handles.versions.wrote(
                "Promotion",
                project,
                name,
                &created.resource_version().unwrap_or_default(),
            );
            Ok(())
        }
        Err(error) if is(&error, 409) => Ok(()),
        Err(error) => Err(ActError::write(format!("creating Promotion {name}"))(error)),
    }
}
