//! The secret of a local page: handed to the browser once, exchanged for the token of its tab.
//!
//! Invariant: a secret is exchanged at most once. Comparisons take the same time wherever the texts differ.

use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

/// Length of a secret in bytes.
const LENGTH: usize = 32;

/// A random text that cannot be guessed.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The secret that opens the page, and the token that its tabs send.
pub struct Secrets {
    opening: Mutex<Option<String>>,
    token: String,
}

impl Secrets {
    /// A new secret and a new token.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { opening: Mutex::new(Some(random()?)), token: random()? })
    }

    /// The secret, as long as it was not exchanged.
    pub fn opening(&self) -> Option<String> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token for the secret. None for another one, and for one that was exchanged before.
    pub fn exchange(&self, secret: &str) -> Option<&str> {
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.take_if(|own| is_same(own, secret)).map(|_| self.token.as_str())
    }

    /// Whether this is the token.
    pub fn admits(&self, token: &str) -> bool {
        is_same(&self.token, token)
    }
}

fn is_same(own: &str, other: &str) -> bool {
    own.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_exchanged_once_and_opens_nothing_itself() {
        let secrets = Secrets::new().unwrap();
        let secret = secrets.opening().unwrap();
        assert_eq!(secrets.exchange("wrong"), None);
        assert_eq!(secrets.exchange(""), None);
        assert!(!secrets.admits(&secret));
        let token = secrets.exchange(&secret).unwrap();
        assert!(secrets.admits(token));
        assert_eq!(secrets.exchange(&secret), None);
        assert_eq!(secrets.opening(), None);
        assert!(!secrets.admits(""));
    }
}
