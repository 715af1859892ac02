//! Times that a situation leaves open: a range such as `1s..4s`, from which a seed chooses.
//!
//! Invariant: the same seed, situation and question give the same answer, so that a run can be repeated, and two objects of one
//! situation with the same range are equal.

use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// Chooses times. Without a seed, the earliest of each range.
#[derive(Clone, Debug)]
pub struct Timing {
    seed: Option<u64>,
    situation: String,
}

impl Timing {
    /// The earliest time of each range.
    pub fn earliest() -> Self {
        Self { seed: None, situation: String::new() }
    }

    /// Times that the seed chooses for a situation.
    pub fn seeded(seed: u64, situation: &str) -> Self {
        Self { seed: Some(seed), situation: situation.to_owned() }
    }

    /// A number from 0 to 1 for a question.
    pub fn fraction(&self, question: &str) -> f64 {
        let Some(seed) = self.seed else { return 0.0 };
        let mut hash = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        for byte in self.situation.bytes().chain(question.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        hash ^= hash >> 31;
        hash = hash.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (hash >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time of the range.
    pub fn choose(&self, range: &Range, question: &str) -> Duration {
        let span = range.to.saturating_sub(range.from);
        range.from + span.mul_f64(self.fraction(question))
    }
}

/// A time, or a range of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The earliest.
    pub from: Duration,
    /// The latest.
    pub to: Duration,
}

impl Range {
    /// `3s`, `500ms`, or `1s..4s`.
    pub fn parse(text: &str) -> Result<Self> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        Ok(Self { from: duration(from)?, to: duration(to)? })
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

fn duration(text: &str) -> Result<Duration> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').with_context(|| format!("{text} is no duration"))?, 1.0),
    };
    let number: f64 = number.parse().with_context(|| format!("{text} is no duration"))?;
    Ok(Duration::from_secs_f64(number * unit))
}

#[cfg(test)]
mod tests {
    use super::{Range, Timing};
    use std::time::Duration;

    #[test]
    fn a_seed_chooses_within_the_range_and_always_the_same() {
        let range = Range::parse("1s..4s").unwrap();
        for seed in 0..100 {
            let chosen = Timing::seeded(seed, "x").choose(&range, "when");
            assert!(chosen >= range.from && chosen <= range.to, "{chosen:?}");
            assert_eq!(chosen, Timing::seeded(seed, "x").choose(&range, "when"));
        }
        assert_ne!(
            Timing::seeded(1, "x").choose(&range, "when"),
            Timing::seeded(2, "x").choose(&range, "when")
        );
        assert_eq!(Timing::earliest().choose(&range, "when"), Duration::from_secs(1));
    }
}
