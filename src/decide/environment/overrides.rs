//! Whether the overrides of an environment are those that its last promotion applied.

use crate::api::Overrides;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// SHA-256 over the overrides as JSON, in hexadecimal. Absent and empty overrides have the same digest.
pub fn digest(overrides: Option<&Overrides>) -> String {
    let text = serde_json::to_string(&overrides.cloned().unwrap_or_default()).unwrap_or_default();
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
