use super::*;
use serde_json::json;

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn documents_have_values_and_places() {
    let text = "# a comment\nkind: A\nspec:\n  list:\n  - name: x\n    on: yes\n  - 'yes'\n---\n---\n{\"kind\": \"B\"}\n";
    let (documents, fault) = documents(text);
    assert_eq!(fault, None);
    let values: Vec<Value> = documents.iter().map(Node::value).collect();
    assert_eq!(
        values,
        [
            json!({ "kind": "A", "spec": { "list": [{ "name": "x", "on": true }, "yes"] } }),
            json!({ "kind": "B" })
        ]
    );
    for (path, position) in [
        ("", at(2, 1)),
        ("spec.list", at(4, 3)),
        ("spec.list[0].on", at(6, 5)),
        ("spec.list[0].missing", at(5, 5)),
        ("spec.list[1]", at(7, 5)),
        ("spec.list[7].name", at(4, 3)),
    ] {
        assert_eq!(documents[0].position(&steps(path)), position, "{path}");
    }
    assert_eq!(documents[1].position(&steps("kind")), at(10, 2));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let text = "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\nsame: *base\n";
    let (documents, fault) = documents(text);
    assert_eq!(fault, None);
    assert_eq!(
        documents[0].value(),
        json!({ "base": { "a": 1, "b": 2 }, "other": { "a": 1, "b": 3 }, "same": { "a": 1, "b": 2 } })
    );
}

#[test]
fn a_text_that_is_no_yaml_has_a_fault_with_its_place() {
    for (text, line, word) in [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\na: 2\n", 2, "occurs twice"),
        ("spec:\n  {{ .Values.x }}: 1\n", 2, "a key must be text"),
        ("a: 1\n\tb: 2\n", 1, "found a tab"),
    ] {
        let (_, fault) = documents(text);
        let fault = fault.unwrap();
        assert!(fault.message.contains(word), "{text}: {fault:?}");
        assert_eq!(fault.at.line, line, "{text}: {fault:?}");
    }
}

#[test]
fn neither_aliases_nor_depth_exhaust_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(documents(&text).1.unwrap().message.contains("values"));
    assert!(documents(&"[".repeat(5_000)).1.is_some());
}

#[test]
fn the_items_of_a_list_are_objects() {
    let text = "kind: List\nitems:\n- kind: A\n- kind: BList\n  items:\n  - kind: B\n- kind: C\n  items: x\n";
    let (documents, _) = documents(text);
    let kinds: Vec<Value> = documents[0].objects().iter().map(|it| it.value()["kind"].clone()).collect();
    assert_eq!(kinds, ["A", "B", "C"]);
}
