//! The errors of content: one enum for the layer. Each message names the object, the field, what is wrong, and what to do.
//!
//! Invariant: no message quotes the value of a ConfigMap, a variable or a manifest, only names, field paths and figures. Messages
//! appear in conditions and events, which more users may read than the objects themselves.

use thiserror::Error;

/// Why objects cannot be content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentError {
    /// Not a Kubernetes object.
    #[error(
        "{location}: {field} is missing or is not text: every object needs apiVersion, kind and metadata.name"
    )]
    Field {
        /// The object, as far as it can be named.
        location: String,
        /// The field.
        field: &'static str,
    },
    /// A name that the API server would refuse, or that would change the request's URL.
    #[error("{kind} {name}: the name is not valid: {rule}")]
    Name {
        /// The kind.
        kind: String,
        /// The name, escaped and cut.
        name: String,
        /// The API server's rule.
        rule: &'static str,
    },
    /// An apiVersion or kind that cannot be one.
    #[error("{location}: {field} {value} is not valid: {rule}")]
    Kind {
        /// The object, as far as it can be named.
        location: String,
        /// `apiVersion` or `kind`.
        field: &'static str,
        /// The value, escaped and cut.
        value: String,
        /// The rule.
        rule: &'static str,
    },
    /// A kind that content never holds, even when an environment lists it.
    #[error("{object} cannot be part of a release: {reason}")]
    Refused {
        /// The object or kind.
        object: String,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// A kind that is held in another version.
    #[error("{object} is written as {found}: write it as {wanted}")]
    Version {
        /// The object.
        object: String,
        /// Its apiVersion.
        found: String,
        /// The apiVersion that content holds.
        wanted: &'static str,
    },
    /// A kind that the environment does not list.
    #[error(
        "{object} ({api_version}) is of a kind that releases do not hold by default: add its apiVersion and kind to \
         spec.kinds of the Environment, or remove the object"
    )]
    NotListed {
        /// The object.
        object: String,
        /// Its apiVersion.
        api_version: String,
    },
    /// The same object twice.
    #[error("{object} occurs twice: remove one of them")]
    Duplicate {
        /// The object.
        object: String,
    },
    /// A namespace, where each environment has its own.
    #[error(
        "{object} names the namespace {namespace}: remove metadata.namespace, because each environment has its own"
    )]
    Namespace {
        /// The object.
        object: String,
        /// The namespace, escaped and cut.
        namespace: String,
    },
    /// Too many objects.
    #[error("the release has {count} objects, the limit is {limit}: split it into several applications")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Too many tests.
    #[error("the release has {count} tests, the limit is {limit}: run several of them in one Job")]
    TooManyTests {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Too many bytes.
    #[error(
        "{what} has {bytes} bytes, the limit is {limit}: move large data out of ConfigMaps, or split the release"
    )]
    TooLarge {
        /// What was measured.
        what: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested too deeply.
    #[error("{location} is nested more than {limit} levels deep: flatten it")]
    TooDeep {
        /// The object.
        location: String,
        /// The limit.
        limit: usize,
    },
    /// An integer that RFC 8785 would round.
    #[error(
        "{object} has the number {number}, which does not fit into 53 bits, so JSON parsers round it: write it as text"
    )]
    Number {
        /// The object.
        object: String,
        /// The number.
        number: String,
    },
    /// A stored content that cannot be read back.
    #[error(
        "the stored content cannot be read, because it was changed or truncated: {reason}; create the release again"
    )]
    Undecodable {
        /// Which step failed.
        reason: String,
    },
    /// An annotation of Towpath with an invalid value.
    #[error("{object}: annotation {annotation} is {value}: {expected}")]
    Annotation {
        /// The object.
        object: String,
        /// The annotation.
        annotation: &'static str,
        /// Its value, escaped and cut.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A test that says otherwise than tests run.
    #[error("{object}: {field}: {problem}")]
    Test {
        /// The test.
        object: String,
        /// The field.
        field: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// A test that runs before the content is written, and reads it.
    #[error(
        "test {test} runs before anything is written, so it cannot read ConfigMap {config_map} of the release: use a ConfigMap that \
         belongs to the environment, or write when: After"
    )]
    TestReadsRelease {
        /// The test.
        test: String,
        /// The ConfigMap.
        config_map: String,
    },
    /// Two objects of the content would be written under the same name.
    #[error(
        "{object} would be written as {name}, which is the name of another object of the release: rename one of them"
    )]
    Clash {
        /// The object.
        object: String,
        /// The name.
        name: String,
    },
    /// Pods refer to several copies of one ConfigMap.
    #[error(
        "pods use several versions of ConfigMap {original} ({copies}): wait until every workload uses the same one, or \
         select the objects to capture by label"
    )]
    CopiesDiffer {
        /// The original name.
        original: String,
        /// The copies, or the copy and the original.
        copies: String,
    },
    /// An override that does not fit the content.
    #[error("{field}: {problem}")]
    Override {
        /// Path in the Environment, such as `spec.overrides.patches[2].operations[0]`.
        field: String,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// An image override that does not fit the content.
    #[error("{field}: {problem}")]
    Image {
        /// Path in the Release, such as `spec.images[1]`.
        field: String,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// A manifest that cannot be read.
    #[error("{location}: {problem}")]
    Manifest {
        /// The key, the document and, where it is known, the line.
        location: String,
        /// What is wrong.
        problem: String,
    },
}

/// A string of a user, safe in messages: quoted, escaped, at most 80 characters.
pub(in crate::content) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    let dots = if cut.len() < text.len() { "..." } else { "" };
    format!("\"{}{dots}\"", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_escaped_and_cut() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(100)), format!("\"{}...\"", "x".repeat(80)));
    }
}
