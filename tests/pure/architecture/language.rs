//! Words that the code, the tests and the documentation do not use, because a user of Kubernetes would stumble over them.

use super::files_of;

/// The word, and what says it better.
const AVOIDED: [(&str, &str); 14] = [
    ("anew", "again, or recreated"),
    ("by hand", "manually"),
    ("by_hand", "manually"),
    ("meanwhile", "until then"),
    ("mend", "fix, or repair"),
    ("nobody", "no user"),
    ("overtaken", "superseded"),
    ("put back", "restored"),
    ("put_back", "restored"),
    ("somebody", "a user"),
    ("taken back", "rolled back"),
    ("taken_back", "rolled back"),
    ("took back", "rolled back"),
    ("whoever", "users who"),
];

#[test]
fn words_are_those_of_kubernetes() {
    let folders = ["src", "tests", "docs", "charts", "README.md", "CHANGELOG.md"];
    let own = |path: &str| path.ends_with("architecture/language.rs");
    let texts = files_of(&folders, &["rs", "md", "yaml", "txt", "log"]);
    let faults: Vec<String> =
        texts.iter().filter(|(path, _)| !own(path)).flat_map(|(path, text)| faults(path, text)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_word_is_found_with_its_line() {
    let found = faults("docs/a.md", "It is recreated.\nIt is made anew, and nobody mends it.");
    assert_eq!(
        found,
        [
            "docs/a.md:2: \"anew\": say again, or recreated",
            "docs/a.md:2: \"mend\": say fix, or repair",
            "docs/a.md:2: \"nobody\": say no user",
        ]
    );
    assert!(faults("docs/a.md", "a recommendation, an amendment, the manewfold").is_empty());
    assert_eq!(faults("src/a.rs", "fn was_taken_back() {}").len(), 1);
}

fn faults(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.to_lowercase();
        let said = AVOIDED.iter().filter(|(word, _)| begins_a_word(&line, word));
        found.extend(said.map(|(word, better)| format!("{path}:{number}: {word:?}: say {better}")));
    }
    found
}

/// Whether a word of the line begins so. The parts of an identifier are words.
fn begins_a_word(line: &str, word: &str) -> bool {
    let is_inside = |before: Option<char>| before.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| !is_inside(line[..at].chars().next_back()))
}
