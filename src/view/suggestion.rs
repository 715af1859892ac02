//! The name that was probably meant.

/// `: did you mean NAME?` with the name in a list that is most like this one. Empty if none is.
pub fn suggestion(name: &str, names: &[String]) -> String {
    let scored = names.iter().map(|other| (strsim::jaro_winkler(name, other), other));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.7);
    best.map(|(_, other)| format!(": did you mean {other}?")).unwrap_or_default()
}
