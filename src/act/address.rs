//! What the spec of a CheckProvider and of a Channel say about a server, as requests need it.

use crate::api::{ProviderAuth, Tls};
use crate::probe::{Auth, TlsFiles};

/// The files for TLS.
pub(super) fn tls_files(tls: Option<&Tls>) -> TlsFiles {
    let tls = tls.cloned().unwrap_or_default();
    TlsFiles { ca: tls.ca, client: tls.certificate.zip(tls.key) }
}

/// How to authenticate.
pub(super) fn auth(auth: Option<&ProviderAuth>) -> Option<Auth> {
    let auth = auth?;
    match (&auth.bearer, &auth.basic) {
        (Some(file), _) => Some(Auth::Bearer(file.clone())),
        (None, basic) => {
            basic.as_ref().map(|basic| Auth::Basic(basic.username.clone(), basic.password.clone()))
        }
    }
}
