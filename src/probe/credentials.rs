//! Credentials: files below one folder, read for every request, so that a rotated one is used at once.
//!
//! Invariant: no path leads out of the folder, and no content is in an error.

use super::error::ProbeError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Largest credential.
const LARGEST: u64 = 64 * 1024;

/// How a request authenticates. The texts are paths below the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Auth {
    /// A bearer token.
    Bearer(String),
    /// User name, and the file with the password.
    Basic(String, String),
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Credentials(PathBuf);

impl Credentials {
    /// Below this folder.
    pub fn below(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The content of a file.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, ProbeError> {
        let relative = Path::new(file);
        let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || file.is_empty() {
            return Err(ProbeError::File {
                file: file.to_owned(),
                why: "it is not a path below the credentials folder".to_owned(),
            });
        }
        let path = self.0.join(relative);
        let failed = |error: std::io::Error| ProbeError::File { file: file.to_owned(), why: reason(&error) };
        let size = std::fs::metadata(&path).map_err(failed)?.len();
        if size > LARGEST {
            return Err(ProbeError::File {
                file: file.to_owned(),
                why: format!("it is larger than {LARGEST} bytes"),
            });
        }
        std::fs::read(&path).map_err(failed)
    }

    /// The value of the `Authorization` header.
    pub fn header(&self, auth: &Auth) -> Result<HeaderValue, ProbeError> {
        let (file, text) = match auth {
            Auth::Bearer(file) => (file, format!("Bearer {}", self.line(file)?)),
            Auth::Basic(user, file) => {
                (file, format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", self.line(file)?))))
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| ProbeError::File {
            file: file.clone(),
            why: "it holds characters that no header may have".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The text of a file, without a line break at its end.
    pub(super) fn line(&self, file: &str) -> Result<String, ProbeError> {
        let text = String::from_utf8(self.read(file)?)
            .map_err(|_| ProbeError::File { file: file.to_owned(), why: "it is not text".to_owned() })?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Why a file cannot be read, and what to do.
fn reason(error: &std::io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        return "there is no such file; credentials in the values of the chart name the folder and its Secret, and the file is a key of the \
                Secret"
            .to_owned();
    }
    if kind == ErrorKind::PermissionDenied {
        return "the controller may not read it".to_owned();
    }
    kind.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_read_from_below_the_folder_and_in_no_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("prometheus")).unwrap();
        std::fs::write(folder.path().join("prometheus/token"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join("bad"), "s3cret\u{7}x").unwrap();
        let credentials = Credentials::below(folder.path().to_owned());
        let header = |auth| credentials.header(&auth);
        let bearer = header(Auth::Bearer("prometheus/token".into())).unwrap();
        assert_eq!((bearer.to_str().unwrap(), bearer.is_sensitive()), ("Bearer s3cret", true));
        let basic = header(Auth::Basic("me".into(), "prometheus/token".into())).unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic bWU6czNjcmV0");
        for file in ["", "../x", "/etc/passwd", "prometheus/../../x", "missing", "prometheus", "bad"] {
            let error = header(Auth::Bearer(file.into())).unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains(file), "{error}");
        }
        let error = header(Auth::Bearer("missing".into())).unwrap_err().to_string();
        assert!(
            error.starts_with("the credentials file missing cannot be used: there is no such file;"),
            "{error}"
        );
    }
}
