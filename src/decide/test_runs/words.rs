//! Text that a test wrote, made safe for a status.

/// The text without control characters, at most `limit` bytes: line breaks and tabs stay, others are escaped. The end of a longer text is
/// cut.
pub fn printable(text: &str, limit: usize) -> String {
    super::super::conditions::cut(&escaped(text), limit)
}

/// The end of a log, at most `limit` bytes, with control characters escaped.
pub fn last_lines(text: &str, limit: usize) -> String {
    let text = escaped(text.trim_end());
    let start = (text.len().saturating_sub(limit)..=text.len()).find(|at| text.is_char_boundary(*at));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default().to_owned()
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, c| {
        match c {
            '\n' | '\t' => safe.push(c),
            _ if c.is_control() || is_invisible(c) => safe.extend(c.escape_unicode()),
            _ => safe.push(c),
        }
        safe
    })
}

/// Characters that change the order or the place of other text: U+200B to U+200F, U+2028 to U+202E, U+2066 to U+2069, U+FEFF.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_the_end_of_a_log_is_kept() {
        assert_eq!(printable("a\u{1b}[31mb\r\nc\td\u{202e}", 100), "a\\u{1b}[31mb\\u{d}\nc\td\\u{202e}");
        assert_eq!(printable("abcdef", 5), "ab...");
        assert_eq!(last_lines("one\ntwo\n", 100), "one\ntwo");
        assert_eq!(last_lines("abcdef", 3), "def");
        assert_eq!(last_lines("äöü", 3), "ü");
        assert_eq!(last_lines("", 3), "");
    }
}
