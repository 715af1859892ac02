//! What a promotion would change, from the records of dry runs: against what is there, or between two releases.
//!
//! A record holds paths and hashes. Values are shown only if the reader could read them ([`Values`]) and they are those that the dry run saw.

use super::screen::{Branch, Cell, Layout};
use super::tone::Tone;
use crate::api::{
    ChangeAction, Environment, EnvironmentName, FieldChange, Meta, ObjectChange, Promotion, ReleaseName,
    Removal,
};
use crate::content::object::comparison::hash;
use semver::Version;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The first version whose controller knows dry runs.
const SINCE: Version = Version::new(0, 1, 0);

/// What would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// The release that is compared with. Absent if the release is compared with what is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ReleaseName>,
    /// The release.
    pub to: ReleaseName,
    /// The objects that would change.
    pub objects: Vec<Object>,
    /// What would keep the promotion of the release from starting, in the words of the API server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// Warnings of the API server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Which values are not shown, and why, if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An object that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// `Create`, `Update`, `Replace`, `Delete` or `Keep`.
    pub action: String,
    /// API group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Fields that would change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Number of further fields, which the record does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_fields: Option<i32>,
    /// Why the object is kept or replaced, or when it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A field that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Path of the field.
    pub field: String,
    /// Hash of the value before. Absent if the field does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Hash of the value after. Absent if the field would be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The value before, as JSON, if it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_before: Option<String>,
    /// The value after, as JSON, if it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_after: Option<String>,
}

/// The values of the fields of an object, by path.
pub type Values = BTreeMap<String, String>;

/// Why no dry run may be created in an environment: a controller that does not know `spec.dryRun` would promote the release. The kinds of
/// the cluster may be newer than the controller, so only its own report tells.
pub fn promoted_instead(environment: &Environment) -> Option<String> {
    let name = environment.name();
    let reported = environment.status.as_ref().and_then(|status| status.controller_version.as_deref());
    let Some(reported) = reported else {
        return Some(format!(
            "the status of environment {name} does not tell the version of the controller: it does not run, or it is older than {SINCE} and would \
             promote the release instead of comparing it. See: kubectl towpath check"
        ));
    };
    let number = |version: Version| (version.major, version.minor, version.patch);
    let is_known = Version::parse(reported).is_ok_and(|version| number(version) >= number(SINCE));
    (!is_known).then(|| {
        format!("the controller has version {reported}, and would promote the release instead of comparing it: upgrade it to {SINCE} or later")
    })
}

/// What a release would change in what is there.
pub fn against_live(dry_run: &Promotion) -> Diff {
    let changes = changes(dry_run);
    framed(dry_run, None, changes.into_iter().cloned().collect())
}

/// What would change if the release of the second dry run followed that of the first one.
pub fn between(from: &Promotion, to: &Promotion) -> Diff {
    let (before, after) = (by_key(from), by_key(to));
    let keys: BTreeSet<&Key<'_>> = before.keys().chain(after.keys()).collect();
    let both = keys.into_iter().filter_map(|key| combined(before.get(key).copied(), after.get(key).copied()));
    framed(to, Some(from.spec.release.clone()), both.collect())
}

fn framed(dry_run: &Promotion, from: Option<ReleaseName>, changes: Vec<ObjectChange>) -> Diff {
    let status = dry_run.status.clone().unwrap_or_default();
    Diff {
        environment: dry_run.spec.environment.clone(),
        from,
        to: dry_run.spec.release.clone(),
        objects: changes.into_iter().map(object).collect(),
        refusals: status.refusals,
        warnings: status.warnings,
        notes: Vec::new(),
    }
}

fn object(change: ObjectChange) -> Object {
    let when = change.removal.map(|removal| match removal {
        Removal::AfterRollout => "after the rollout".to_owned(),
        Removal::AfterVerification => "after the observe window".to_owned(),
    });
    let field = |FieldChange { field, before, after }| Field {
        field,
        before,
        after,
        value_before: None,
        value_after: None,
    };
    Object {
        action: super::log::action(change.action).to_owned(),
        api_version: change.api_version,
        kind: change.kind,
        name: change.name,
        fields: change.fields.into_iter().map(field).collect(),
        more_fields: change.more_fields,
        message: change.message.or(when),
    }
}

/// What identifies an object.
type Key<'a> = (&'a str, &'a str, &'a str);

fn changes(dry_run: &Promotion) -> Vec<&ObjectChange> {
    dry_run.status.iter().flat_map(|status| &status.changes).collect()
}

fn by_key(dry_run: &Promotion) -> BTreeMap<Key<'_>, &ObjectChange> {
    let keyed = changes(dry_run).into_iter();
    keyed.map(|it| ((it.api_version.as_str(), it.kind.as_str(), it.name.as_str()), it)).collect()
}

/// The change of an object from one release to another. Both were compared with what is there, which is what neither of them changes.
fn combined(before: Option<&ObjectChange>, after: Option<&ObjectChange>) -> Option<ObjectChange> {
    let one = after.or(before)?;
    let exists = [before, after].into_iter().flatten().all(|change| change.action != ChangeAction::Create);
    let present = |change: Option<&ObjectChange>| match change.map(|change| change.action) {
        None => exists,
        Some(ChangeAction::Create | ChangeAction::Update | ChangeAction::Replace | ChangeAction::Keep) => {
            true
        }
        Some(ChangeAction::Delete) => false,
    };
    let action = match (present(before), present(after)) {
        (false, false) => return None,
        (false, true) => ChangeAction::Create,
        (true, false) => ChangeAction::Delete,
        (true, true) => ChangeAction::Update,
    };
    let mut change = ObjectChange::new(&one.api_version, &one.kind, &one.name, action);
    if action == ChangeAction::Delete {
        change.removal = before.and_then(|change| change.removal);
        return Some(change);
    }
    let more = [before, after].into_iter().flatten().filter_map(|change| change.more_fields).max();
    change.more_fields = more;
    change.fields = fields(before.filter(|_| action == ChangeAction::Update), after);
    (action == ChangeAction::Create || !change.fields.is_empty() || more.is_some()).then_some(change)
}

fn fields(before: Option<&ObjectChange>, after: Option<&ObjectChange>) -> Vec<FieldChange> {
    fn of(change: Option<&ObjectChange>) -> BTreeMap<&str, &FieldChange> {
        change.into_iter().flat_map(|it| &it.fields).map(|it| (it.field.as_str(), it)).collect()
    }
    let (before, after) = (of(before), of(after));
    let paths: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    // A release that does not change a field leaves what is there, which the other one recorded.
    let value = |own: Option<&&FieldChange>, other: Option<&&FieldChange>| match own {
        Some(own) => own.after.clone(),
        None => other.and_then(|other| other.before.clone()),
    };
    let both = paths.into_iter().map(|path| {
        let (own, other) = (before.get(path), after.get(path));
        FieldChange { field: path.to_owned(), before: value(own, other), after: value(other, own) }
    });
    both.filter(|field| field.before != field.after).collect()
}

/// Which values are left out because the dry run saw other ones.
fn not_seen(fields: &[String]) -> Option<String> {
    let first = fields.first()?;
    let more = match fields.len() - 1 {
        0 => String::new(),
        1 => " and of 1 more field".to_owned(),
        more => format!(" and of {more} more fields"),
    };
    Some(format!(
        "the value of {first}{more} is not the one that the dry run saw, and is not shown: the environment overrides it, the API server \
         completes it, or it changed since"
    ))
}

impl Diff {
    /// Adds the values of fields, those before and those after, by object. A value whose hash is not the recorded one is left out, because
    /// the dry run saw another one: a note says so. `salt` is the UID of the environment.
    pub fn with_values(&mut self, salt: &str, of: impl Fn(&Object) -> (Option<Values>, Option<Values>)) {
        let mut others: Vec<String> = Vec::new();
        for object in &mut self.objects {
            let (before, after) = of(object);
            for field in &mut object.fields {
                let mut is_other = false;
                let mut value = |values: &Option<Values>, recorded: &Option<String>| {
                    let (value, recorded) = (values.as_ref()?.get(&field.field)?, recorded.as_ref()?);
                    let is_same = hash(value, salt) == *recorded;
                    is_other |= !is_same;
                    is_same.then(|| value.clone())
                };
                field.value_before = value(&before, &field.before);
                field.value_after = value(&after, &field.after);
                if is_other {
                    others.push(format!("{} of {} {}", field.field, object.kind, object.name));
                }
            }
        }
        self.notes.extend(not_seen(&others));
    }

    /// What would change, for a terminal.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        let from = self.from.as_deref().unwrap_or("what is there");
        let title = vec![Cell::plain(&self.environment), Cell::plain(&self.to)];
        let what = match self.objects.is_empty() {
            true => format!("nothing would change from {from}"),
            false => format!("what would change from {from}; nothing was written"),
        };
        let mut branches: Vec<Branch> = self.objects.iter().map(Object::branch).collect();
        let toned = |word, tone, text: &String| Branch::new(vec![Cell::toned(word, tone)], text);
        branches.extend(self.refusals.iter().map(|text| toned("Refused", Tone::Bad, text)));
        branches.extend(self.warnings.iter().map(|text| toned("Warning", Tone::Waits, text)));
        branches.extend(self.notes.iter().map(|text| toned("Note", Tone::Waits, text)));
        Branch::new(title, what).with(branches).lines(layout)
    }
}

impl Object {
    fn branch(&self) -> Branch {
        let tone = match self.action.as_str() {
            "Create" => Tone::Good,
            "Delete" | "Replace" => Tone::Bad,
            "Update" => Tone::Waits,
            _ => Tone::Plain,
        };
        let mut cells =
            vec![Cell::toned(&self.action, tone), Cell::plain(format!("{} {}", self.kind, self.name))];
        let has_values = self.fields.iter().any(|it| it.value_before.is_some() || it.value_after.is_some());
        // Of a new object, every field is new: their hashes say nothing.
        let is_listed = self.action != "Create" || has_values;
        if !is_listed && !self.fields.is_empty() {
            let count = i64::try_from(self.fields.len()).unwrap_or(i64::MAX);
            let count = count.saturating_add(self.more_fields.unwrap_or_default().into());
            let noun = if count == 1 { "field" } else { "fields" };
            cells.push(Cell::plain(format!("{count} {noun}")));
        }
        let fields = self.fields.iter().filter(|_| is_listed).map(Field::branch);
        let more = self.more_fields.filter(|_| is_listed);
        let more = more.map(|more| Branch::new(vec![Cell::plain("...")], format!("and {more} more")));
        Branch::new(cells, self.message.as_deref().unwrap_or_default()).with(fields).with(more)
    }
}

impl Field {
    fn branch(&self) -> Branch {
        let (mark, tone) = match (&self.before, &self.after) {
            (None, _) => ("+", Tone::Good),
            (_, None) => ("-", Tone::Bad),
            (Some(_), Some(_)) => ("~", Tone::Waits),
        };
        let shown = |value: &Option<String>, hash: &Option<String>| {
            value.clone().or_else(|| hash.as_ref().map(|hash| format!("#{hash}")))
        };
        let before = shown(&self.value_before, &self.before);
        let after = shown(&self.value_after, &self.after);
        let words: Vec<String> = before.into_iter().chain(after).collect();
        Branch::new(vec![Cell::toned(mark, tone), Cell::plain(&self.field)], words.join(" -> "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_controller_that_knows_dry_runs_is_asked() {
        for (version, words) in [
            (json!("0.1.0"), None),
            (json!("0.1.0-rc.1"), None),
            (json!("1.2.3"), None),
            (json!("0.0.9"), Some("has version 0.0.9, and would promote")),
            (json!("latest"), Some("has version latest, and would promote")),
            (serde_json::Value::Null, Some("does not tell the version")),
        ] {
            let environment = serde_json::from_value(json!({
                "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment", "metadata": { "name": "prod" },
                "spec": { "namespace": "shop-prod" }, "status": { "controllerVersion": version },
            }));
            let found = promoted_instead(&environment.unwrap());
            match words {
                None => assert_eq!(found, None, "{version}"),
                Some(words) => assert!(found.is_some_and(|found| found.contains(words)), "{version}"),
            }
        }
        let unseen =
            Environment::new("prod", serde_json::from_value(json!({ "namespace": "shop-prod" })).unwrap());
        assert!(promoted_instead(&unseen).is_some());
    }
}
