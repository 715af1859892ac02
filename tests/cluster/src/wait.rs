//! Waiting for something to become true, without guessing how long it takes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The first pause. Each is longer than the one before: what takes long is not asked for all the more often, as the API server
/// works for many waits at a time.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Asks until there is an answer. `Ok(None)` asks again; an error does too, and is told if time runs out.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let begun = Instant::now();
    let mut pause = PAUSE;
    loop {
        // A request that never returns is no answer either.
        let left = limit.saturating_sub(begun.elapsed()).max(PAUSE);
        let answer = tokio::time::timeout(left, ask()).await.unwrap_or(Ok(None));
        if let Ok(Some(found)) = answer {
            return Ok(found);
        }
        if begun.elapsed() >= limit {
            match answer {
                Err(error) => return Err(error.context(format!("waited {limit:?} for {what}"))),
                Ok(_) => bail!("waited {limit:?} for {what}"),
            }
        }
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.25).min(LONGEST_PAUSE);
    }
}
