//! The visitors of a page in the cluster: one for each bearer token.
//!
//! Invariants: a token is known here only by its digest. There is no visitor for a token that the API server did not accept. Nothing is
//! shared between visitors, and their number is bounded.

use super::Refusal;
use super::visitor::Visitor;
use crate::user::reader::{Reader, explained, is_unauthorized};
use crate::user::rights;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most visitors at a time. The one who has been away longest goes first.
const MOST: usize = 500;
/// How long a visitor is known after the last request.
const IDLE: Duration = Duration::from_secs(180);
/// How long the acceptance of a token counts before the API server is asked again.
const ACCEPTED: Duration = Duration::from_secs(30);

/// Makes a reader, and one that sends each request once, for a token.
pub type Connect = Box<dyn Fn(&str) -> Result<(Reader, Reader), String> + Send + Sync>;

/// The visitors.
pub struct Visitors {
    connect: Connect,
    known: Mutex<HashMap<[u8; 32], Known>>,
}

struct Known {
    used: Instant,
    accepted: Instant,
    visitor: Arc<Visitor>,
}

impl Visitors {
    /// Without visitors.
    pub fn new(connect: Connect) -> Self {
        Self { connect, known: Mutex::default() }
    }

    /// The visitor with this token, or why there is none.
    pub(super) async fn of(&self, token: &str) -> Result<Arc<Visitor>, Refusal> {
        if token.is_empty() {
            return Err(Refusal::Unknown("The page needs a bearer token of the cluster.".to_owned()));
        }
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(visitor) = self.accepted(&key) {
            return Ok(visitor);
        }
        let visitor = match self.visitor(&key) {
            Some(visitor) => visitor,
            None => {
                let (reader, writer) = (self.connect)(token).map_err(Refusal::Unknown)?;
                Arc::new(Visitor::new(reader, writer))
            }
        };
        if let Err(error) = rights::identified(visitor.reader()).await {
            let is_refused = is_unauthorized(&error);
            let sentence = format!("{:#}", explained("selfsubjectreviews", "", error));
            if !is_refused {
                return Err(Refusal::Unanswered(sentence));
            }
            self.entries().remove(&key);
            return Err(Refusal::Unknown(sentence));
        }
        let now = Instant::now();
        let mut known = self.entries();
        known.retain(|_, entry| now.duration_since(entry.used) < IDLE);
        if known.len() >= MOST && !known.contains_key(&key) {
            let oldest = known.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(key, Known { used: now, accepted: now, visitor: Arc::clone(&visitor) });
        Ok(visitor)
    }

    /// Forgets the visitors that are away, with their watches.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.entries().retain(|_, entry| now.duration_since(entry.used) < IDLE);
    }

    fn accepted(&self, key: &[u8; 32]) -> Option<Arc<Visitor>> {
        let mut known = self.entries();
        let entry = known.get_mut(key)?;
        entry.used = Instant::now();
        (entry.accepted.elapsed() < ACCEPTED).then(|| Arc::clone(&entry.visitor))
    }

    fn visitor(&self, key: &[u8; 32]) -> Option<Arc<Visitor>> {
        self.entries().get(key).map(|entry| Arc::clone(&entry.visitor))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
