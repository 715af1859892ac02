//! Rust source as words with their lines: no comments, no literals, no test modules. Enough to see who mentions whom.

/// A word, a `::`, or one sign, and the line that it stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The words of `source` that are compiled into the product.
pub fn tokens(source: &str) -> Vec<Token> {
    without_test_modules(words(source))
}

fn words(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let at = |place: usize| text.get(place).copied().unwrap_or('\0');
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let (mut found, mut place, mut line) = (Vec::new(), 0, 1);
    while place < text.len() {
        let begun = place;
        match at(place) {
            '/' if at(place + 1) == '/' => place += length_until(&text[place..], "\n"),
            '/' if at(place + 1) == '*' => place += block_comment(&text[place..]),
            '"' => place += 1 + quoted(&text[place + 1..]),
            'r' | 'b' | 'c' if raw_string(&text[place..]).is_some() => {
                place += raw_string(&text[place..]).unwrap_or(1);
            }
            '\'' if at(place + 1) == '\\' || at(place + 2) == '\'' => {
                place += 2;
                place += 1 + length_until(&text[place..], "'");
            }
            '\'' => {
                // A lifetime: one word, so that `'static` is not `static`.
                place += 1 + text[place + 1..].iter().take_while(|sign| is_word(**sign)).count();
            }
            sign if is_word(sign) => {
                let length = text[place..].iter().take_while(|sign| is_word(**sign)).count();
                place += length;
                found.push(Token { text: text[begun..place].iter().collect(), line });
            }
            ':' if at(place + 1) == ':' => {
                place += 2;
                found.push(Token { text: "::".into(), line });
            }
            sign => {
                place += 1;
                if !sign.is_whitespace() {
                    found.push(Token { text: sign.into(), line });
                }
            }
        }
        place = place.min(text.len());
        line += text[begun..place].iter().filter(|sign| **sign == '\n').count();
    }
    found
}

fn length_until(text: &[char], end: &str) -> usize {
    let end: Vec<char> = end.chars().collect();
    text.windows(end.len()).position(|window| window == end).unwrap_or(text.len())
}

fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut place) = (0, 0);
    while place + 1 < text.len() {
        match (text[place], text[place + 1]) {
            ('/', '*') => (depth, place) = (depth + 1, place + 2),
            ('*', '/') => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
        if depth == 0 {
            return place;
        }
    }
    text.len()
}

/// The length of a string after its opening quote, its closing quote excepted.
fn quoted(text: &[char]) -> usize {
    let mut place = 0;
    while place < text.len() {
        match text[place] {
            '\\' => place += 2,
            '"' => return place + 1,
            _ => place += 1,
        }
    }
    text.len()
}

fn raw_string(text: &[char]) -> Option<usize> {
    let prefix = text.iter().take_while(|sign| matches!(sign, 'r' | 'b' | 'c')).count();
    let hashes = text[prefix..].iter().take_while(|sign| **sign == '#').count();
    let opening = prefix + hashes + 1;
    if text.get(opening - 1) != Some(&'"') {
        return None;
    }
    if !text[..prefix].contains(&'r') {
        return (hashes == 0).then(|| opening + quoted(&text[opening..]));
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(opening + length_until(&text[opening..], &end) + end.len())
}

/// Drops every `#[cfg(test)] mod name { .. }` and `#[cfg(test)] #[path = ".."] mod name;`.
fn without_test_modules(tokens: Vec<Token>) -> Vec<Token> {
    let (mut kept, mut place) = (Vec::new(), 0);
    while place < tokens.len() {
        match test_module(&tokens, place) {
            Some(body) => place = end_of_item(&tokens, body),
            None => {
                kept.push(tokens[place].clone());
                place += 1;
            }
        }
    }
    kept
}

/// The place after `#[cfg(test)]`, further attributes, the visibility, `mod` and the name.
fn test_module(tokens: &[Token], place: usize) -> Option<usize> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text.as_str());
    if !MARK.iter().enumerate().all(|(offset, word)| text(place + offset) == *word) {
        return None;
    }
    let mut place = place + MARK.len();
    while text(place) == "#" {
        place += tokens[place..].iter().position(|token| token.text == "]")? + 1;
    }
    if text(place) == "pub" {
        place += tokens[place..].iter().position(|token| token.text == ")")? + 1;
    }
    (text(place) == "mod").then_some(place + 2)
}

fn end_of_item(tokens: &[Token], mut place: usize) -> usize {
    let mut depth = 0;
    while let Some(token) = tokens.get(place) {
        place += 1;
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" if depth == 0 => break,
            _ => continue,
        }
        if depth == 0 {
            break;
        }
    }
    place
}
