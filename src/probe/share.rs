//! Equal requests: one that was just sent is not sent again.
//!
//! Invariant: an answer is given to every equal request while it is awaited, and for one second afterwards.

use super::endpoint::{Endpoint, Reply};
use super::error::ProbeError;
use futures::future::{BoxFuture, FutureExt, Shared};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an answer is given again. Shorter than the shortest interval of a check.
const KEPT: Duration = Duration::from_secs(1);

/// What is asked: the whole endpoint, so that no answer survives a change of its address or its files; path; and form.
pub(super) type Key = (Endpoint, String, Option<String>);

type Answer = Result<Reply, ProbeError>;

/// The requests that are in flight or were just answered. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Recent(Arc<Mutex<BTreeMap<Key, Shared<BoxFuture<'static, Answer>>>>>);

impl fmt::Debug for Recent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Recent")
    }
}

impl Recent {
    /// The answer to a request, which is sent unless an equal one was.
    pub async fn once(&self, key: Key, send: impl Future<Output = Answer> + Send + 'static) -> Answer {
        let answer = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let answer = send.boxed().shared();
                    all.insert(key.clone(), answer.clone());
                    let entry = Entry { recent: self.clone(), key };
                    let sent = answer.clone();
                    tokio::spawn(async move {
                        // It is removed however this task ends.
                        let _entry = entry;
                        let _ = sent.await;
                        tokio::time::sleep(KEPT).await;
                    });
                    answer
                }
            }
        };
        answer.await
    }
}

/// A request in the map.
struct Entry {
    recent: Recent,
    key: Key,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.recent.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Allowed, TlsFiles};
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn an_equal_request_is_sent_once_until_a_second_after_its_answer() {
        let (recent, sent) = (Recent::default(), Arc::new(AtomicUsize::new(0)));
        let ask = |query: &str, rate: usize| {
            let (recent, sent) = (recent.clone(), Arc::clone(&sent));
            let endpoint = Endpoint {
                name: "metrics".into(),
                url: "http://metrics".into(),
                allowed: Allowed::default(),
                tls: TlsFiles::default(),
                auth: None,
                headers: BTreeMap::new(),
                rate,
            };
            let key = (endpoint, "/query".to_owned(), Some(query.to_owned()));
            async move {
                let send = async move {
                    sent.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    Err(ProbeError::Resolve("metrics".into()))
                };
                recent.once(key, send).await.unwrap_err().to_string()
            }
        };
        let both = tokio::join!(ask("up", 1), ask("up", 1));
        assert_eq!((both.0.as_str(), sent.load(Ordering::Relaxed)), ("metrics cannot be resolved", 1));
        tokio::time::sleep(Duration::from_millis(900)).await;
        ask("up", 1).await;
        assert_eq!(sent.load(Ordering::Relaxed), 1, "it was just answered");
        ask("up", 2).await;
        ask("down", 1).await;
        assert_eq!(sent.load(Ordering::Relaxed), 3, "the provider was changed; the query is another one");
        ask("up", 1).await;
        assert_eq!(sent.load(Ordering::Relaxed), 4, "a second has passed");
    }
}
