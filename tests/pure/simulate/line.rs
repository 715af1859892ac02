//! A decision in one line, as the golden logs have it. A decision that does nothing is an empty line.

use super::store::{Key, Status};
use towpath::decide::decision::{Action, Decision};

pub fn of(decision: &Decision<Status>) -> String {
    let mut parts = Vec::new();
    for record in &decision.records {
        parts.push(format!("keeps {} objects as {}", record.sealed.count, record.sealed.name));
    }
    if let Some(memory) = &decision.memory {
        parts.push(format!("remembers {}", status(memory)));
    }
    parts.extend(decision.actions.iter().map(action));
    if let Some(report) = &decision.report {
        parts.push(format!("reports {}", status(report)));
    }
    parts.join(" | ")
}

pub fn name(key: &Key) -> String {
    match key {
        Key::Release(name) => format!("release {name}"),
        Key::Environment(name) => format!("environment {name}"),
        Key::Promotion(name) => format!("promotion {name}"),
        Key::Recall(name) => format!("recall {name}"),
    }
}

fn status(status: &Status) -> String {
    let (word, message) = match status {
        Status::Release(status) => {
            (format!("{:?} ({})", status.phase, of_summary(&status.summary)), &status.message)
        }
        Status::Environment(status) => {
            let words: Vec<String> = status
                .conditions
                .iter()
                .filter(|condition| condition.status == "True")
                .map(|condition| condition.type_.clone())
                .collect();
            (format!("{} ({})", words.join(" "), of_summary(&status.summary)), &status.message)
        }
        Status::Promotion(status) => (status.phase.as_str().to_owned(), &status.message),
        Status::Recall(status) => {
            let last = status.conditions.last().unwrap();
            return format!("{} ({}): {}", last.type_, last.reason, last.message);
        }
    };
    format!("{word}: {}", message.as_deref().unwrap_or_default())
}

fn of_summary(summary: &Option<String>) -> &str {
    summary.as_deref().unwrap_or_default()
}

fn action(action: &Action) -> String {
    match action {
        Action::CreatePromotion { name, spec, .. } => match spec.to_revision {
            Some(revision) => format!("creates {name} to revision {revision}"),
            None => format!("creates {name}"),
        },
        Action::DeletePromotion { name, .. } => format!("deletes promotion {name}"),
        Action::DeleteContent { name } => format!("deletes content {name}"),
        Action::Preflight { objects, adopt, .. } if adopt.is_empty() => {
            format!("tries {} objects", objects.len())
        }
        Action::Preflight { objects, adopt, .. } => {
            format!("tries {} objects, {} of them to be taken over", objects.len(), adopt.len())
        }
        Action::Adopt { key, .. } => format!("takes over {key}"),
        Action::Apply { key, .. } => format!("applies {key}"),
        Action::Replace { key, .. } => format!("replaces {key}"),
        Action::StopJob { key, .. } => format!("stops {key}"),
        Action::SuspendJob { key, .. } => format!("suspends {key}"),
        Action::ReadLog { key, .. } => format!("reads the log of {key}"),
        Action::Delete { key, .. } => format!("deletes {key}"),
        Action::MarkUnchanged { generations } => format!("finds {} workloads unchanged", generations.len()),
        Action::MarkComparing { .. } => "reads what was written".to_owned(),
        Action::MarkPassed { jobs } => {
            let names: Vec<String> = jobs.keys().map(ToString::to_string).collect();
            format!("sees that {} passed", names.join(", "))
        }
        Action::MarkRolledOut { .. } => "sees everything rolled out".to_owned(),
        Action::Measure { check, question, .. } => format!("measures {check}: {question}"),
        Action::MarkMeasured { check, tally, .. } => {
            let last = tally.last.as_ref().map(|last| last.message.as_str()).unwrap_or_default();
            format!("counts {check} ({} passed, {} failed): {last}", tally.passed, tally.failed)
        }
        Action::AskProvider { provider, .. } => format!("asks {provider}"),
        Action::PublishFreezes { frozen, .. } => format!("says that {} namespaces are frozen", frozen.len()),
        Action::DeletePod { name, .. } => format!("deletes pod {name}"),
    }
}
