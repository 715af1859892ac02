//! In which order the writes of a decision are made, and which wait for one that failed: as `src/act` has it.

use std::collections::BTreeSet;
use towpath::content::ObjectKey;
use towpath::content::object::kinds;
use towpath::content::object::references::refers_to;
use towpath::decide::decision::Action;

/// Fields are taken over first, then config is written, then everything else.
pub fn in_order(actions: &[Action]) -> Vec<&Action> {
    let mut actions: Vec<&Action> = actions.iter().collect();
    actions.sort_by_key(|action| match action {
        Action::Adopt { .. } => 0,
        Action::Apply { key, .. } if kinds::rank(key) == 0 => 1,
        _ => 2,
    });
    actions
}

/// Whether a write waits for one that failed before it.
pub fn follows(action: &Action, unwritten: &BTreeSet<ObjectKey>) -> bool {
    let Action::Apply { key, object, .. } = action else { return false };
    unwritten.contains(key) || unwritten.iter().any(|other| refers_to(object, other))
}
