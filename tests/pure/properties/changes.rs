//! Arbitrary records of what a promotion changes and could not delete.

use super::facts::keys;
use super::worlds::Choices;
use std::collections::BTreeMap;
use towpath::api::{ChangeAction, ObjectChange, Removal};
use towpath::content::ObjectKey;
use towpath::decide::world::FailedWrite;

pub fn change(key: &ObjectKey, choices: &mut Choices<'_>) -> ObjectChange {
    let action = choices.of(&[
        ChangeAction::Create,
        ChangeAction::Update,
        ChangeAction::Replace,
        ChangeAction::Delete,
        ChangeAction::Keep,
    ]);
    let removal = choices.of(&[None, Some(Removal::AfterRollout), Some(Removal::AfterVerification)]);
    ObjectChange {
        removal: removal.filter(|_| action == ChangeAction::Delete),
        remaining: choices.one_in(4),
        ..ObjectChange::new(key.api_version(), key.kind(), key.name(), action)
    }
}

pub fn failed(choices: &mut Choices<'_>) -> FailedWrite {
    FailedWrite {
        message: choices.text(),
        conflict: choices.one_in(2),
        count: choices.of(&[0, 1, 2, 9, u32::MAX]),
        at: choices.moment(),
    }
}

/// The writes that the API server rejected and would reject again, and why.
pub fn refused(choices: &mut Choices<'_>) -> BTreeMap<ObjectKey, String> {
    keys().into_iter().filter_map(|key| choices.one_in(20).then(|| (key, choices.text()))).collect()
}
