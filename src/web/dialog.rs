//! The dialog of an action: what it is about, what has to be filled in, the manifest that will be written, the rights that are missing.

use super::action::{Action, Fields, Reason, here};
use crate::api::{ChangeType, GateName, ReviewOutcome};
use crate::user::followed::Snapshot;
use crate::view::changelog::changelog;
use crate::view::choice::{awaiting_approval, lane, revisions};
use crate::view::proposal::Proposal;
use crate::view::screen::printable;
use jiff::Timestamp;
use maud::{Markup, html};

/// What is known about the intent.
pub struct Preview {
    /// The manifest, or why there is none yet.
    pub manifest: Result<String, String>,
    /// The rights that the visitor lacks, in a sentence.
    pub missing: Option<String>,
    /// What the API server answered, if it was sent.
    pub answer: Option<Result<String, String>>,
}

/// The dialog.
pub fn dialog(
    action: Action,
    fields: &Fields,
    snapshot: &Snapshot,
    preview: &Preview,
    now: Timestamp,
) -> Markup {
    let about = ["release", "environment", "application", "promotion", "name"];
    let about = about.iter().filter_map(|name| Some((*name, fields.get(name)?))).filter(|(name, _)| {
        // These are chosen in the dialog.
        !(action == Action::Freeze && *name == "environment")
    });
    html! {
        form data-send=(action.word()) {
            h2 #dialog-title tabindex="-1" { (action.label()) }
            @match &preview.answer {
                Some(Ok(done)) => {
                    p.good role="status" { (printable(done)) }
                    div.acts { button type="button" data-close="" { "Close" } }
                }
                Some(Err(_)) | None => {
                    dl { @for (name, value) in about.clone() {
                        dt { (name) } dd { (printable(value)) input type="hidden" name=(name) value=(value); }
                    } }
                    (details(action, fields, snapshot, now))
                    (inputs(action, fields, snapshot))
                    @if let Some(Err(refusal)) = &preview.answer { p.bad role="alert" { (printable(refusal)) } }
                    @if let Some(missing) = &preview.missing { p.waits role="status" { (printable(missing)) } }
                    @match &preview.manifest {
                        Ok(manifest) => details { summary { "Manifest" } pre tabindex="0" { (manifest) } }
                        Err(why) => p.dim { (printable(why)) }
                    }
                    div.acts {
                        button.main type="submit" { (action.label()) }
                        " "
                        button type="button" data-close="" { "Cancel" }
                    }
                }
            }
        }
    }
}

/// What is read before a decision.
fn details(action: Action, fields: &Fields, snapshot: &Snapshot, now: Timestamp) -> Markup {
    if !matches!(action, Action::Approve | Action::Reject) {
        return html! {};
    }
    let project = &snapshot.everything.project;
    let names = fields.get("release").zip(fields.get("environment"));
    let Some(((release, cached), environment)) = names.and_then(|(release, environment)| {
        let found = snapshot.lists.release(release)?;
        Some(((found, project.releases.get(release)?), project.environments.get(environment)?))
    }) else {
        return html! {};
    };
    let here = here(
        snapshot,
        fields.get("release").unwrap_or_default(),
        fields.get("environment").unwrap_or_default(),
    );
    let proposal: Option<Proposal> = awaiting_approval(&here, release, environment).ok().map(|(_, it)| it);
    html! {
        @if let Some(proposal) = &proposal {
            input type="hidden" name="digest" value=(proposal.digest);
            (proposal.tree(now).markup(&|_, _| None))
        }
        (changelog(project, environment, cached).tree().markup(&|_, _| None))
    }
}

fn inputs(action: Action, fields: &Fields, snapshot: &Snapshot) -> Markup {
    let words = match action {
        Action::Review => "Notes: what was learned",
        Action::Promote
        | Action::Approve
        | Action::Reject
        | Action::Hold
        | Action::Resume
        | Action::Abort
        | Action::Retry
        | Action::Rollback
        | Action::Override
        | Action::Recall
        | Action::Lift
        | Action::Freeze
        | Action::Unfreeze => "Reason",
    };
    let reason = action.reason();
    html! {
        @match action {
            Action::Rollback => (revision(fields, snapshot))
            Action::Override => (gates(fields))
            Action::Freeze => (freeze(fields, snapshot))
            Action::Review => (review(fields))
            Action::Promote | Action::Approve | Action::Reject | Action::Hold | Action::Resume | Action::Abort | Action::Retry
            | Action::Recall | Action::Lift | Action::Unfreeze => {}
        }
        @if reason != Reason::None {
            label for="reason" { (words) @if reason == Reason::Required { " (required)" } }
            textarea #reason name="reason" rows="2" required[reason == Reason::Required] { (fields.get("reason").unwrap_or_default()) }
        }
    }
}

fn revision(fields: &Fields, snapshot: &Snapshot) -> Markup {
    let environment =
        fields.get("environment").and_then(|name| snapshot.everything.project.environments.get(name));
    let application = fields.get("application").map(Into::into);
    let lane = environment.and_then(|environment| lane(environment, application.as_ref()).ok());
    let chosen = fields.get("to").unwrap_or_default();
    html! {
        label for="to" { "Restore" }
        select #to name="to" {
            option value="" selected[chosen.is_empty()] { "the newest verified revision of another release" }
            @for record in lane.into_iter().flat_map(revisions) {
                @let number = record.revision.to_string();
                option value=(number) selected[chosen == number] { "revision " (number) ", " (record.release) }
            }
            option value="0" selected[chosen == "0"] { "revision 0: what existed before Towpath first wrote" }
        }
    }
}

fn gates(fields: &Fields) -> Markup {
    html! {
        fieldset {
            legend { "Gates that it passes although they are closed" }
            @for gate in GateName::ALL {
                @let name = gate.reason().to_string();
                @let chosen = fields.all("gate").any(|other| other == name);
                label { input type="checkbox" name="gate" value=(name) checked[chosen]; " " (name) }
            }
        }
    }
}

fn freeze(fields: &Fields, snapshot: &Snapshot) -> Markup {
    let zone = fields.get("zone").unwrap_or("UTC");
    html! {
        label for="from" { "From (empty: now)" }
        input #from type="datetime-local" name="from" value=(fields.get("from").unwrap_or_default());
        label for="until" { "To (required)" }
        input #until type="datetime-local" name="to" required value=(fields.get("to").unwrap_or_default());
        label for="freeze-zone" { "Time zone" }
        input #freeze-zone name="zone" value=(zone) list="zones" autocomplete="off" spellcheck="false";
        fieldset {
            legend { "Environments (none: all)" }
            @for name in snapshot.everything.project.environments.keys() {
                @let chosen = fields.all("environment").any(|other| other == name.as_str());
                label { input type="checkbox" name="environment" value=(name) checked[chosen]; " " (name) }
            }
        }
        fieldset {
            legend { "Changes that pass" }
            @for type_ in [ChangeType::Standard, ChangeType::Normal, ChangeType::Emergency] {
                @let chosen = fields.all("passes").any(|other| other == type_.as_str());
                label { input type="checkbox" name="passes" value=(type_.as_str()) checked[chosen]; " " (type_.as_str()) }
            }
        }
    }
}

fn review(fields: &Fields) -> Markup {
    let chosen = fields.get("outcome").unwrap_or_default();
    html! {
        label for="outcome" { "Outcome" }
        select #outcome name="outcome" required {
            option value="" selected[chosen.is_empty()] { "choose" }
            @for outcome in [ReviewOutcome::Successful, ReviewOutcome::SuccessfulWithIssues, ReviewOutcome::Failed] {
                option value=(outcome.as_str()) selected[chosen == outcome.as_str()] { (outcome.as_str()) }
            }
        }
        label for="actions" { "Actions, one a line" }
        textarea #actions name="actions" rows="2" { (fields.get("actions").unwrap_or_default()) }
    }
}
