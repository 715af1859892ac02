//! The words: what is told when an object changes, and the live line of an environment.

use crate::board::Board;
use crate::screen::{Screen, Tone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use towpath::api::{ApplicationStatus, Promotion, PromotionKind, PromotionPhase};

/// Tells each thing once.
pub struct Teller {
    screen: Arc<Screen>,
    told: Mutex<BTreeSet<String>>,
}

impl Teller {
    pub fn new(screen: Arc<Screen>) -> Self {
        Self { screen, told: Mutex::default() }
    }

    fn once(&self, key: String, place: &str, tone: Tone, text: &str) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            self.screen.event(place, tone, &with_short_times(text));
        }
    }

    pub fn release(&self, board: &Board, name: &str) {
        let Some(status) = board.releases.get(name).and_then(|release| release.status.as_ref()) else {
            return;
        };
        if let Some(digest) = &status.digest {
            let pinned = status.images.iter().filter(|image| image.pinned.is_some()).count();
            let short = digest.get(..12).unwrap_or(digest);
            let text = format!(
                "{name} is captured: {pinned} of {} images pinned, digest {short}",
                status.images.len()
            );
            self.once(format!("release {name}"), "release", Tone::Good, &text);
        }
    }

    /// A gate that is closed although the release is captured and its turn has come.
    pub fn environment(&self, board: &Board, name: &str) {
        let Some(waiting) = application(board, name).and_then(|application| application.waiting.as_ref())
        else {
            return;
        };
        if !matches!(waiting.gate.as_str(), "Order" | "Content") {
            let key = format!("gate {name} {} {}", waiting.release, waiting.gate);
            self.once(key, name, Tone::Quiet, &format!("{} waits: {}", waiting.release, waiting.message));
        }
    }

    pub fn promotion(&self, board: &Board, name: &str) {
        let Some(promotion) = board.promotions.get(name) else { return };
        if let Some((tone, text)) = sentence(promotion) {
            let phase = promotion.status.as_ref().map(|status| status.phase.as_str()).unwrap_or_default();
            self.once(format!("promotion {name} {phase}"), &promotion.spec.environment, tone, &text);
        }
    }

    /// The live lines of every environment, in promotion order.
    pub fn live(&self, board: &Board) {
        for name in ["dev", "staging", "prod"] {
            let (tone, text) = standing(board, name);
            self.screen.live(name, tone, &with_short_times(&text));
        }
    }
}

/// What the phase of a promotion means.
fn sentence(promotion: &Promotion) -> Option<(Tone, String)> {
    let (spec, status) = (&promotion.spec, promotion.status.as_ref()?);
    let release = &spec.release;
    let message = status.message.as_deref().unwrap_or_default();
    let version = status.version.as_deref().unwrap_or("what was there");
    Some(match (spec.kind, status.phase) {
        (_, PromotionPhase::Pending) => match status.reason.as_deref() {
            Some("Preflight" | "Refused") => (Tone::Bad, format!("{release} cannot be promoted: {message}")),
            _ => return None,
        },
        (PromotionKind::Promote, PromotionPhase::Promoting) => {
            (Tone::Busy, format!("{release} is promoted: {message}"))
        }
        (PromotionKind::Rollback, PromotionPhase::Promoting) => {
            (Tone::Back, format!("{release} is rolled back to {version}: {message}"))
        }
        (_, PromotionPhase::Observing) => (Tone::Busy, format!("{release}: {message}")),
        (PromotionKind::Promote, PromotionPhase::Verified) => {
            (Tone::Good, format!("{release} is verified: {message}"))
        }
        (PromotionKind::Rollback, PromotionPhase::Verified) => {
            (Tone::Good, format!("{version} is back: {message}"))
        }
        (PromotionKind::Promote, PromotionPhase::Failed) => {
            (Tone::Bad, format!("{release} failed: {message}"))
        }
        (PromotionKind::Rollback, PromotionPhase::Failed) => {
            (Tone::Bad, format!("the rollback of {release} failed: {message}"))
        }
        (_, PromotionPhase::Inconclusive) => (Tone::Bad, format!("{release} is inconclusive: {message}")),
        (_, PromotionPhase::Superseded | PromotionPhase::Cancelled | PromotionPhase::Compared) => {
            (Tone::Quiet, format!("{release} stops here: {message}"))
        }
    })
}

fn application<'a>(board: &'a Board, environment: &str) -> Option<&'a ApplicationStatus> {
    board.environments.get(environment)?.status.as_ref()?.applications.first()
}

/// What an environment runs, what is being done, and what waits.
fn standing(board: &Board, environment: &str) -> (Tone, String) {
    let Some(application) = application(board, environment) else {
        return (Tone::Quiet, "nothing yet".into());
    };
    let version = |revision: Option<&towpath::api::RevisionRef>| {
        revision.and_then(|revision| revision.version.clone()).unwrap_or_else(|| "nothing".into())
    };
    let current = version(application.current.as_ref());
    let active = application.active.as_ref().and_then(|name| board.promotions.get(name));
    if let Some((promotion, status)) = active.and_then(|active| Some((active, active.status.as_ref()?))) {
        let message = status.message.as_deref().unwrap_or_default();
        let to = status.version.clone().unwrap_or(current);
        return match (promotion.spec.kind, status.phase.is_final()) {
            (_, true) => (Tone::Busy, to),
            (PromotionKind::Promote, false) => (Tone::Busy, format!("{to}  {message}")),
            (PromotionKind::Rollback, false) => (Tone::Back, format!("back to {to}  {message}")),
        };
    }
    let newest = board
        .promotions
        .values()
        .filter(|promotion| promotion.spec.environment == environment)
        .filter_map(|promotion| promotion.status.as_ref())
        .max_by_key(|status| status.revision);
    let tone = match newest.map(|status| status.phase) {
        Some(PromotionPhase::Verified) => Tone::Good,
        Some(PromotionPhase::Failed) => Tone::Bad,
        _ => Tone::Quiet,
    };
    match &application.waiting {
        Some(waiting) => (tone, format!("{current}  {} waits: {}", waiting.release, waiting.message)),
        None => (tone, current),
    }
}

/// The times in a message, as a clock on the wall shows them.
pub fn with_short_times(text: &str) -> String {
    let short = |word: &str| {
        let end = word.trim_end_matches([',', ';', '.', ')']);
        let time: Timestamp = end.parse().ok()?;
        let clock = time.to_zoned(TimeZone::system()).strftime("%H:%M:%S");
        Some(format!("{clock}{}", &word[end.len()..]))
    };
    text.split(' ').map(|word| short(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}
