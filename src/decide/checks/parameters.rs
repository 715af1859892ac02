//! The parameters of a query: `$project` and others, replaced by what a promotion is about.
//!
//! Invariant: a parameter never changes what a query means. It is replaced inside a quoted string, as a whole word, and `$window` also as
//! the length of a range. Everything else that looks like a parameter is refused.

use std::collections::BTreeSet;
use std::fmt;

/// The values of the parameters.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Values by name, without `$`.
    pub words: Vec<(&'static str, String)>,
    /// Names of the pods of the new revision.
    pub pods: BTreeSet<String>,
    /// The look-back, such as `60s`.
    pub window: String,
}

/// Parameters with one value.
pub const WORDS: [&str; 6] = ["project", "environment", "namespace", "application", "version", "release"];
const PODS: &str = "pods";
const WINDOW: &str = "window";

/// Why a query cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// There is no such parameter.
    Unknown(String),
    /// A parameter stands outside a quoted string.
    Unquoted(String),
    /// `$pods` stands somewhere else than after `=~`.
    Pods,
    /// A string or a bracket is not closed.
    Open,
    /// It is longer than this with its parameters replaced.
    Long(usize),
}

/// The longest text of a query with its parameters replaced.
const LONGEST: usize = 64 * 1024;

impl fmt::Display for ParameterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let known: Vec<String> =
                    WORDS.iter().chain(&[PODS, WINDOW]).map(|word| format!("${word}")).collect();
                write!(out, "${name} is not a parameter; known: {}", known.join(", "))
            }
            Self::Unquoted(name) if name == WINDOW => {
                write!(
                    out,
                    "$window is only replaced inside a range, as in [$window], or a quoted label value"
                )
            }
            Self::Unquoted(name) => write!(out, "${name} is only replaced inside a quoted label value"),
            Self::Pods => write!(
                out,
                "$pods is a list of names: it is only replaced after =~, as in {{pod=~\"$pods\"}}"
            ),
            Self::Open => write!(out, "a string or a bracket is not closed"),
            Self::Long(limit) => {
                write!(
                    out,
                    "it is longer than {limit} bytes with its parameters replaced; use $pods less often, or select by other labels"
                )
            }
        }
    }
}

/// The query with its parameters replaced.
pub fn resolve(query: &str, parameters: &Parameters) -> Result<String, ParameterError> {
    let mut resolved = String::with_capacity(query.len());
    let pods = parameters.pods.iter().map(|pod| escape(pod)).collect::<Vec<_>>().join("|");
    for piece in pieces(query)? {
        match piece {
            Piece::Code { text, in_range } => resolved.push_str(&replace(text, |name| match name {
                WINDOW if in_range => Ok(parameters.window.clone()),
                name if is_known(name) => Err(ParameterError::Unquoted(name.to_owned())),
                name => Err(ParameterError::Unknown(name.to_owned())),
            })?),
            Piece::Text { text, operator } => resolved.push_str(&replace(text, |name| {
                let is_plain = operator == Operator::Other;
                let escaped = |value: &str| if is_plain { value.to_owned() } else { escape(value) };
                match name {
                    WINDOW => Ok(parameters.window.clone()),
                    PODS if operator == Operator::Matches => Ok(pods.clone()),
                    PODS => Err(ParameterError::Pods),
                    name => match parameters.words.iter().find(|(word, _)| *word == name) {
                        Some((_, value)) => Ok(escaped(value)),
                        None if is_known(name) => Ok(String::new()),
                        None => Err(ParameterError::Unknown(name.to_owned())),
                    },
                }
            })?),
        }
        fits(&resolved)?;
    }
    Ok(resolved)
}

/// A label value with its parameters replaced, for a selector that is built around it.
pub fn resolve_value(value: &str, parameters: &Parameters) -> Result<String, ParameterError> {
    replace(value, |name| match name {
        WINDOW => Ok(parameters.window.clone()),
        PODS => Err(ParameterError::Pods),
        name => match parameters.words.iter().find(|(word, _)| *word == name) {
            Some((_, value)) => Ok(value.clone()),
            None if is_known(name) => Ok(String::new()),
            None => Err(ParameterError::Unknown(name.to_owned())),
        },
    })
}

/// The ranges that are written out in a query, such as `5m` of `rate(x[5m])`, and the resolution of a subquery apart.
pub fn ranges(query: &str) -> Vec<String> {
    let Ok(pieces) = pieces(query) else { return Vec::new() };
    let in_range = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Code { text, in_range: true } => Some(text),
        Piece::Code { in_range: false, .. } | Piece::Text { .. } => None,
    });
    in_range
        .flat_map(|text| text.split(']'))
        .filter_map(|text| Some(text.split(':').next()?.trim_start_matches('[').trim().to_owned()))
        .filter(|range| range.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

/// The length of a PromQL duration in milliseconds, such as `1h30m`.
pub fn milliseconds(duration: &str) -> Option<u64> {
    let mut rest = duration;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit: u64 = match rest.get(..letters)? {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        rest = rest.get(letters..)?;
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    Some(total)
}

fn is_known(name: &str) -> bool {
    WORDS.contains(&name) || name == PODS || name == WINDOW
}

/// A part of a query.
enum Piece<'a> {
    /// Outside of strings.
    Code { text: &'a str, in_range: bool },
    /// A string with its quotes, and the operator before it.
    Text { text: &'a str, operator: Operator },
}

/// What compares a label with a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// Any other, or none.
    Other,
}

impl Operator {
    fn before(code: &str) -> Self {
        let code = code.trim_end();
        match (code.ends_with("=~"), code.ends_with("!~")) {
            (true, _) => Self::Matches,
            (false, true) => Self::MatchesNot,
            (false, false) => Self::Other,
        }
    }
}

fn pieces(query: &str) -> Result<Vec<Piece<'_>>, ParameterError> {
    let mut pieces = Vec::new();
    let (mut start, mut in_range) = (0, false);
    let mut chars = query.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' | '\'' | '`' => {
                let before = query.get(start..at).unwrap_or_default();
                pieces.push(Piece::Code { text: before, in_range });
                let end = closing(&mut chars, c).ok_or(ParameterError::Open)?;
                let text = query.get(at..end).unwrap_or_default();
                pieces.push(Piece::Text { text, operator: Operator::before(before) });
                start = end;
            }
            '#' => {
                // A comment ends with the line. It is dropped: nothing in it is a parameter.
                pieces.push(Piece::Code { text: query.get(start..at).unwrap_or_default(), in_range });
                start = chars.by_ref().find(|(_, c)| *c == '\n').map_or(query.len(), |(end, _)| end);
            }
            '[' if !in_range => {
                pieces.push(Piece::Code { text: query.get(start..at).unwrap_or_default(), in_range });
                (start, in_range) = (at, true);
            }
            ']' if in_range => {
                pieces.push(Piece::Code { text: query.get(start..=at).unwrap_or_default(), in_range });
                (start, in_range) = (at + 1, false);
            }
            _ => {}
        }
    }
    if in_range {
        return Err(ParameterError::Open);
    }
    pieces.push(Piece::Code { text: query.get(start..).unwrap_or_default(), in_range });
    Ok(pieces)
}

/// The end of a string, behind its closing quote.
fn closing(chars: &mut std::str::CharIndices<'_>, quote: char) -> Option<usize> {
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some(at + c.len_utf8());
        }
        if c == '\\' && quote != '`' {
            chars.next();
        }
    }
    None
}

/// Replaces every `$name`. A `$` that no letter follows stays: it ends a pattern, or names a group.
fn replace(
    text: &str,
    mut value: impl FnMut(&str) -> Result<String, ParameterError>,
) -> Result<String, ParameterError> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        fits(&replaced)?;
        replaced.push_str(rest.get(..at).unwrap_or_default());
        let behind = rest.get(at + 1..).unwrap_or_default();
        let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
        let name = behind.get(..end).unwrap_or_default();
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            replaced.push_str(&value(name)?);
            rest = behind.get(end..).unwrap_or_default();
        } else {
            replaced.push('$');
            rest = behind;
        }
    }
    replaced.push_str(rest);
    fits(&replaced)?;
    Ok(replaced)
}

fn fits(text: &str) -> Result<(), ParameterError> {
    if text.len() > LONGEST { Err(ParameterError::Long(LONGEST)) } else { Ok(()) }
}

/// A value inside a regular expression. Names hold no other special characters than these.
fn escape(value: &str) -> String {
    value.replace('.', "[.]").replace('+', "[+]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        Parameters {
            words: vec![
                ("project", "shop".into()),
                ("environment", "prod".into()),
                ("namespace", "shop-prod".into()),
                ("application", "shop-a".into()),
                ("version", "1.4.0+b1".into()),
                ("release", "shop-1.4.0".into()),
            ],
            pods: ["web-5d-1".to_owned(), "web.x-2".to_owned()].into(),
            window: "60s".into(),
        }
    }

    #[test]
    fn parameters_are_replaced_in_strings_as_whole_words() {
        for (query, resolved) in [
            ("up{namespace=\"$namespace\"}", "up{namespace=\"shop-prod\"}"),
            ("up{a='$application'}", "up{a='shop-a'}"),
            ("up{v=\"$version\"}", "up{v=\"1.4.0+b1\"}"),
            ("up{v=~\"$version|x\"}", "up{v=~\"1[.]4[.]0[+]b1|x\"}"),
            ("up{v!~ \"$version\"}", "up{v!~ \"1[.]4[.]0[+]b1\"}"),
            ("up{pod=~\"$pods\"}", "up{pod=~\"web-5d-1|web[.]x-2\"}"),
            ("rate(x[$window])", "rate(x[60s])"),
            ("max_over_time(rate(x[$window])[$window:5s])", "max_over_time(rate(x[60s])[60s:5s])"),
            (
                "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")",
                "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)$\")",
            ),
            ("up{a=\"\\\"$project\"}", "up{a=\"\\\"shop\"}"),
            ("up{a=`\\$project`}", "up{a=`\\shop`}"),
            ("up # $nonsense \" [\n> 1", "up \n> 1"),
            ("üp{a=\"ü$project\"}", "üp{a=\"üshop\"}"),
            ("", ""),
        ] {
            assert_eq!(resolve(query, &parameters()).as_deref(), Ok(resolved), "{query}");
        }
    }

    #[test]
    fn what_would_change_the_meaning_of_a_query_is_refused() {
        for (query, error) in [
            ("$application_requests_total", ParameterError::Unknown("application_requests_total".into())),
            ("$application", ParameterError::Unquoted("application".into())),
            ("up offset $window", ParameterError::Unquoted("window".into())),
            ("up{a=\"$nope\"}", ParameterError::Unknown("nope".into())),
            ("up{pod=\"$pods\"}", ParameterError::Pods),
            ("up{pod!~\"$pods\"}", ParameterError::Pods),
            ("rate(x[$project])", ParameterError::Unquoted("project".into())),
            ("up{a=\"$project", ParameterError::Open),
            ("rate(x[5m", ParameterError::Open),
        ] {
            assert_eq!(resolve(query, &parameters()), Err(error), "{query}");
        }
    }

    #[test]
    fn a_query_that_grows_beyond_the_limit_is_refused() {
        let pods = (0..1_000).map(|number| format!("web-5d-{number:04}")).collect();
        let parameters = Parameters { pods, ..parameters() };
        let of = |times: usize| resolve(&vec!["up{pod=~\"$pods\"}"; times].join(" + "), &parameters);
        assert!(of(5).unwrap().len() > 50_000);
        assert_eq!(of(6), Err(ParameterError::Long(65_536)));
        assert_eq!(
            resolve(&format!("up{{pod=~\"{}\"}}", "$pods".repeat(1_000)), &parameters),
            Err(ParameterError::Long(65_536))
        );
    }

    #[test]
    fn ranges_that_are_written_out_are_found() {
        assert_eq!(ranges("rate(x{a=\"[1d]\"}[5m]) / rate(y[1h30m:10s]) + z[$window]"), ["5m", "1h30m"]);
        let lengths = ["5m", "1h30m", "1d", "10ms", "x", "5", "5q", "99999999999999999999y"];
        let expected = [Some(300_000), Some(5_400_000), Some(86_400_000), Some(10), None, None, None, None];
        assert_eq!(lengths.map(milliseconds), expected);
    }

    #[test]
    fn no_text_makes_it_fail_or_loop() {
        for length in 0..6 {
            for number in 0..7_usize.pow(length) {
                let letters = ['$', '"', '[', ']', 'a', '\\', '#'];
                let text: String = (0..length).map(|at| letters[number / 7_usize.pow(at) % 7]).collect();
                let _ = (resolve(&text, &parameters()), ranges(&text));
            }
        }
    }
}
