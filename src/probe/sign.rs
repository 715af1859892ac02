//! Signatures of bodies: HMAC-SHA256 with a key from a file, read for every signature.

use super::error::ProbeError;
use super::http::Prober;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

impl Prober {
    /// The signature of a text, in hexadecimal. A line break at the end of the file is no part of the key.
    pub fn signature(&self, key_file: &str, text: &str) -> Result<String, ProbeError> {
        let key = self.credentials.read(key_file)?;
        let key = key.trim_ascii_end();
        let bad = |why: &str| ProbeError::File { file: key_file.to_owned(), why: why.to_owned() };
        if key.is_empty() {
            return Err(bad("it is empty"));
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| bad("it is no key"))?;
        mac.update(text.as_bytes());
        Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Credentials, Forbidden, Resolver};
    use super::*;

    /// The second test case of RFC 4231.
    #[test]
    fn a_text_is_signed_with_the_key_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "Jefe\n").unwrap();
        std::fs::write(folder.path().join("none"), "\n").unwrap();
        let prober = Prober::new(
            Credentials::below(folder.path().to_owned()),
            Forbidden::default(),
            Resolver::default(),
        );
        assert_eq!(
            prober.signature("key", "what do ya want for nothing?").unwrap(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        for file in ["none", "gone", "../key"] {
            assert!(prober.signature(file, "x").is_err(), "{file}");
        }
    }
}
