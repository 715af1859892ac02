//! A recall, and its end.

use super::{Intent, Kind, Request, Write, created, of};
use crate::api::{ApplicationName, Recall, RecallSpec};
use crate::view::right::{Right, Role};

/// The recall of the content of releases.
pub fn recall(
    request: Request<'_>,
    name: Option<&str>,
    application: &ApplicationName,
    digests: &[String],
) -> Intent {
    let spec = RecallSpec {
        application: application.clone(),
        digests: digests.to_vec(),
        reason: request.reason.unwrap_or_default().to_owned(),
        author: request.by.cloned(),
    };
    let name = name.map_or_else(|| format!("{application}-"), str::to_owned);
    created(
        request,
        &name,
        Kind::Recall,
        Recall::new(&name, spec),
        Role::OnCall,
        vec![Right::to("create", "recalls"), Right::on_all("rollback")],
    )
}

/// The end of a recall.
pub fn lift_recall(name: &str) -> Intent {
    let write = Write::Delete { name: name.to_owned(), uid: None };
    let rights = vec![Right::to("delete", "recalls"), Right::on_all("override")];
    of(Kind::Recall, write, "lifted", Role::OnCall, rights)
}
