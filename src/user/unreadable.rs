//! Objects that this program cannot decode: a newer controller writes words that it does not know.
//!
//! Invariant: a sentence is written once, to stderr, whatever the number of reads.

use crate::view::screen::printable;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// How many names a sentence has.
const MOST: usize = 3;

/// Name and error of an object that cannot be decoded.
pub type Unreadable = (String, String);

/// The sentence about one object.
pub fn one(kind: &str, name: &str, error: &str) -> String {
    format!("{} {name} cannot be read by this version ({error}): update the plugin", kind.to_lowercase())
}

/// The sentence about some objects of a kind. None if there are none.
pub fn sentence(kind: &str, plural: &str, objects: &[Unreadable]) -> Option<String> {
    let ((first, error), others) = objects.split_first()?;
    let (last, between) = match others.split_last() {
        None => return Some(one(kind, first, error)),
        Some(((last, _), between)) => (last, between),
    };
    let mut names = vec![first.as_str()];
    names.extend(between.iter().take(MOST - 1).map(|(name, _)| name.as_str()));
    let more = objects.len() - names.len();
    let last = if more == 1 { last.clone() } else { format!("{more} more") };
    Some(format!(
        "{plural} {} and {last} cannot be read by this version ({first}: {error}): update the plugin",
        names.join(", ")
    ))
}

/// What was said to the user beside the result. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeSet<String>>>);

impl Notes {
    /// Says that this is not shown. The same is said once.
    pub fn not_shown(&self, sentence: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&sentence) {
            // Without stderr, it is dropped.
            let _ = writeln!(io::stderr(), "not shown: {}", printable(&sentence));
            said.insert(sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_first_objects_and_counts_the_others() {
        for (count, names) in [
            (1, "promotion p0 cannot be read by this version (why 0)"),
            (2, "promotions p0 and p1 cannot be read by this version (p0: why 0)"),
            (3, "promotions p0, p1 and p2 cannot be read by this version (p0: why 0)"),
            (4, "promotions p0, p1, p2 and p3 cannot be read by this version (p0: why 0)"),
            (9, "promotions p0, p1, p2 and 6 more cannot be read by this version (p0: why 0)"),
        ] {
            let objects: Vec<Unreadable> =
                (0..count).map(|number| (format!("p{number}"), format!("why {number}"))).collect();
            let expected = format!("{names}: update the plugin");
            assert_eq!(sentence("Promotion", "promotions", &objects).as_deref(), Some(&*expected));
        }
        assert_eq!(sentence("Promotion", "promotions", &[]), None);
    }
}
