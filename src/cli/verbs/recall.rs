//! `recall`: declares the content of releases bad in every environment of the project, or lifts that.

use crate::api::{ApplicationName, Promotion, Recall, Release, ReleaseName};
use crate::cli::writer::Writing;
use crate::user::reader::{Reader, checked};
use crate::view::intent::{lift_recall, recall};
use crate::view::suggestion::suggestion;
use anyhow::bail;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

/// Recall releases: every environment that runs their content is rolled back at once, and nothing promotes it again.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Names of releases of one application.
    #[arg(required_unless_present = "lift", value_name = "RELEASE")]
    releases: Vec<ReleaseName>,
    /// Reason, in a sentence. It is copied into every rollback.
    #[arg(long, required_unless_present = "lift")]
    reason: Option<String>,
    /// Name of the Recall. Default: the name of the application and a suffix.
    #[arg(long)]
    name: Option<String>,
    /// Lift this Recall. Nothing is promoted because of it.
    #[arg(long, value_name = "RECALL", conflicts_with_all = ["releases", "reason", "name"])]
    lift: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// Runs the verb.
pub async fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let writer = arguments.writing.open().await?;
    if let Some(name) = &arguments.lift {
        writer.reader.existing::<Recall>(name).await?;
        writer.write(&lift_recall(name), out).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = arguments.name.as_deref().map(checked).transpose()?;
    let (mut applications, mut digests) = (BTreeSet::new(), BTreeSet::new());
    for release in &arguments.releases {
        let (application, digest) = content(&writer.reader, release).await?;
        applications.insert(application);
        digests.insert(digest);
    }
    let applications: Vec<ApplicationName> = applications.into_iter().collect();
    let [application] = applications.as_slice() else {
        let names: Vec<&str> = applications.iter().map(ApplicationName::as_str).collect();
        bail!("a recall is of one application, and these are releases of {}", names.join(", "));
    };
    let digests: Vec<String> = digests.into_iter().collect();
    let request = writer.request(arguments.reason.as_deref());
    writer.write(&recall(request, name, application, &digests), out).await?;
    Ok(ExitCode::SUCCESS)
}

/// The application and the digest of a release. The record of its promotions has them when the release is deleted.
async fn content(reader: &Reader, name: &ReleaseName) -> anyhow::Result<(ApplicationName, String)> {
    let name = checked(name)?;
    if let Some(release) = reader.get::<Release>(name).await? {
        let Some(digest) = release.status.and_then(|status| status.digest) else {
            bail!("the content of {name} is not captured yet: hold it with: kubectl towpath hold {name}");
        };
        return Ok((release.spec.application, digest));
    }
    let project = reader.project(&format!("spec.release={name}"), Vec::new()).await?;
    let recorded = project.promotions.values().filter_map(|promotion: &std::sync::Arc<Promotion>| {
        let status = promotion.status.as_ref()?;
        Some((promotion.revision(), status.application.clone()?, status.release_digest.clone()?))
    });
    let Some((_, application, digest)) = recorded.max_by_key(|(revision, ..)| *revision) else {
        let like = suggestion(name, &reader.names::<Release>().await?);
        bail!("namespace {} has no release {name}, and no record of one{like}", reader.project);
    };
    Ok((application, digest))
}
