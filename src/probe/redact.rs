//! Credentials in answers: a server may echo the request that it got.
//!
//! Invariant: no answer leaves this module tree with a credential of its request, as it was sent or as JSON or a URL writes it.

use super::endpoint::Reply;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::HeaderValue;

/// What replaces a credential.
const MARK: &[u8] = b"***";

/// The texts of an `Authorization` header that must not be shown: what follows the scheme, and the password in it.
pub(super) fn secrets(authorization: &HeaderValue) -> Vec<String> {
    let Ok(text) = authorization.to_str() else { return Vec::new() };
    let Some((scheme, sent)) = text.split_once(' ') else { return vec![text.to_owned()] };
    let decoded = BASE64_STANDARD.decode(sent).ok().filter(|_| scheme == "Basic");
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let password = decoded.as_deref().and_then(|pair| Some(pair.split_once(':')?.1.to_owned()));
    [Some(sent.to_owned()), password].into_iter().flatten().filter(|text| !text.is_empty()).collect()
}

/// Replaces these texts in an answer.
pub(super) fn redact(reply: Reply, secrets: &[String]) -> Reply {
    if secrets.is_empty() {
        return reply;
    }
    let body = without(&reply.body, secrets).map_or(reply.body, Bytes::from);
    let text = |value: String| match without(value.as_bytes(), secrets) {
        Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
        None => value,
    };
    let headers = reply.headers.into_iter().map(|(name, value)| (name, text(value))).collect();
    Reply { headers, body, ..reply }
}

/// A text with the secrets replaced.
pub(super) fn clean(text: &str, secrets: &[String]) -> String {
    without(text.as_bytes(), secrets)
        .map_or_else(|| text.to_owned(), |clean| String::from_utf8_lossy(&clean).into_owned())
}

/// A text without the secrets. None if it has none.
fn without(text: &[u8], secrets: &[String]) -> Option<Vec<u8>> {
    let mut clean: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        match secrets.iter().filter_map(|secret| length_of(secret, rest)).max() {
            Some(length) => {
                let clean = clean.get_or_insert_default();
                clean.extend_from_slice(text.get(copied..at).unwrap_or_default());
                clean.extend_from_slice(MARK);
                at += length.max(1);
                copied = at;
            }
            None => at += 1,
        }
    }
    let mut clean = clean?;
    clean.extend_from_slice(text.get(copied..).unwrap_or_default());
    Some(clean)
}

/// How many bytes a secret takes at the start of a text, whatever of it is escaped.
fn length_of(secret: &str, text: &[u8]) -> Option<usize> {
    let mut rest = text;
    for letter in secret.chars() {
        rest = behind(letter, rest)?;
    }
    Some(text.len() - rest.len())
}

/// What follows a letter at the start of a text: as it is, as JSON escapes it, or as a URL does.
fn behind(letter: char, text: &[u8]) -> Option<&[u8]> {
    let code = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let mut plain = [0; 4];
    let plain = letter.encode_utf8(&mut plain).as_bytes();
    match text {
        [b'\\', b'u', a, b, c, d, rest @ ..] if code(&[*a, *b, *c, *d]) == Some(u32::from(letter)) => {
            Some(rest)
        }
        [b'\\', next, rest @ ..] if u32::from(*next) == u32::from(letter) => Some(rest),
        [b'%', a, b, rest @ ..] if code(&[*a, *b]) == Some(u32::from(letter)) => Some(rest),
        _ => text.strip_prefix(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_as_it_is_and_as_it_is_escaped() {
        let secrets = ["a/b=\"\\c%".to_owned(), "a/b".to_owned()];
        let clean = |text: &str| without(text.as_bytes(), &secrets).map(|it| String::from_utf8(it).unwrap());
        for (text, expected) in [
            ("", None),
            ("a/", None),
            ("A/B a\\/", None),
            ("a/b", Some("***")),
            ("<a/b=\"\\c%>", Some("<***>")),
            (r#"{"x":"Bearer a/b=\"\\c%"}"#, Some(r#"{"x":"Bearer ***"}"#)),
            (r"a\/b\u003d\u0022\u005Cc\u0025 a\u002fb", Some("*** ***")),
            ("a%2Fb%3d%22%5cc%25&a%2fb", Some("***&***")),
            ("aa/ba/b", Some("a******")),
            ("\\u00", None),
        ] {
            assert_eq!(clean(text).as_deref(), expected, "{text}");
        }
        assert_eq!(without(b"\xff\xfea/b\xff", &secrets).unwrap(), b"\xff\xfe***\xff");
    }

    #[test]
    fn the_secrets_of_a_header_are_what_is_sent_and_the_password() {
        let of = |text: &str| secrets(&HeaderValue::from_str(text).unwrap());
        assert_eq!(of("Bearer s3cret"), ["s3cret"]);
        assert_eq!(of("Basic bWU6czNjcmV0"), ["bWU6czNjcmV0", "s3cret"]);
        assert_eq!(of("Bearer "), Vec::<String>::new());
        assert_eq!(of("Basic bWU6"), ["bWU6"], "an empty password is none");
    }
}
