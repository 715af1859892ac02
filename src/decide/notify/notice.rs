//! One transition, as every channel reports it.

use crate::api::{EnvironmentName, NotifyEvent, ProjectName};
use jiff::Timestamp;
use serde::Serialize;

/// One transition. Every text is printable and bounded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// UID of the object and the transition. The same whenever the transition is sent.
    pub id: String,
    /// What happened.
    pub event: NotifyEvent,
    /// When it happened.
    pub at: Timestamp,
    /// The project. Absent for a freeze of several projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The environment. Absent if the transition is not about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Version of the release. For a rollback, of the release that is rolled back. For a recall, the versions with recalled content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For a rollback: version that is restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restores: Option<String>,
    /// Name of the Release. For a recall, the names of those with recalled content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Name of the Promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
    /// Number in the history of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The reason in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The user who caused it. Absent if the controller did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// `spec.change.owner` of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `spec.change.stakeholders` of the release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<String>,
    /// `spec.change.tickets` of the release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<String>,
    /// Whom it concerns.
    #[serde(skip)]
    pub scope: Scope,
}

/// The environments that a transition concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One.
    Environment(ProjectName, EnvironmentName),
    /// Those of a project: the named ones, or all if none is named.
    Project(ProjectName, Vec<EnvironmentName>),
    /// Those of the named projects, or all if none is named.
    Cluster(Vec<ProjectName>),
}

impl Notice {
    /// One sentence about it.
    pub fn title(&self) -> String {
        let what = match (&self.application, &self.version) {
            (Some(application), Some(version)) => format!("{application} {version}"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => "a release".to_owned(),
        };
        let place = self.environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
        let back = self.restores.as_ref().map(|version| format!(" to {version}")).unwrap_or_default();
        let sentence = match self.event {
            NotifyEvent::Started => format!("Promotion of {what} started{place}"),
            NotifyEvent::Verified => format!("{what} is verified{place}"),
            NotifyEvent::Failed => format!("{what} failed{place}"),
            NotifyEvent::Inconclusive => format!("{what} is inconclusive{place}"),
            NotifyEvent::Superseded if self.restores.is_some() => {
                format!("Rollback of {what}{back} was superseded{place}")
            }
            NotifyEvent::Superseded => format!("Promotion of {what} was superseded{place}"),
            NotifyEvent::RollbackStarted => format!("Rollback of {what}{back} started{place}"),
            NotifyEvent::RolledBack => format!("{what} was rolled back{back}{place}"),
            NotifyEvent::RollbackFailed => format!("Rollback of {what}{back} failed{place}"),
            NotifyEvent::ApprovalNeeded => {
                let place = self.environment.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
                format!("{what} needs approval{place}")
            }
            NotifyEvent::Held => format!("{what} is on hold"),
            NotifyEvent::Recalled => format!("Content of {what} was recalled"),
            NotifyEvent::Frozen => format!("Promotions are frozen{place}"),
        };
        match &self.project {
            Some(project) => format!("{sentence} (project {project})"),
            None => sentence,
        }
    }

    /// The fields below the title, in the order in which people read them.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let revision = self.revision.map(|number| number.to_string());
        let joined = |all: &[String]| Some(all.join(", ")).filter(|text| !text.is_empty());
        let fields = [
            ("Reason", self.reason.clone()),
            ("Message", self.message.clone()),
            ("Requested by", self.by.clone()),
            ("Owner", self.owner.clone()),
            ("Stakeholders", joined(&self.stakeholders)),
            ("Tickets", joined(&self.tickets)),
            ("Release", self.release.clone()),
            ("Promotion", self.promotion.clone()),
            ("Revision", revision),
            ("Time", Some(self.at.to_string())),
            ("Id", Some(self.id.clone())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}
