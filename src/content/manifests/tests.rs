use super::*;
use serde_json::json;
use std::fmt::Write;

fn parse_one(text: &str) -> Result<Vec<Value>, String> {
    parse(&BTreeMap::from([("app.yaml".to_owned(), text.to_owned())])).map_err(|error| error.to_string())
}

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

const A: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
const B: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";

#[test]
fn yaml_json_documents_and_lists_give_the_same_objects() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        config("a"), {"apiVersion": "v1", "kind": "ConfigMapList", "items": [config("b")]},
    ]});
    for text in [
        format!("{A}---\n{B}"),
        format!("---\n# comment\n---\n{A}---\n---\n{B}---\n"),
        format!("{A}...\n---\n{B}"),
        list.to_string(),
        serde_json::to_string_pretty(&list).unwrap().replace("  ", "\t"),
        format!("{{apiVersion: v1, kind: List, items: [{}, {}]}}", config("a"), config("b")),
    ] {
        assert_eq!(parse_one(&text), Ok(vec![config("a"), config("b")]), "{text}");
    }
    assert_eq!(parse_one(""), Ok(vec![]));
    assert_eq!(inline(&[list]).unwrap(), [config("a"), config("b")]);
}

#[test]
fn anchors_merge_keys_and_octal_modes_read_as_kubectl_reads_them() {
    let text = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, creationTimestamp: null}
spec:
  template:
    spec:
      containers:
      - &base {name: a, image: "x:1"}
      - {<<: *base, name: b}
      volumes:
      - {name: v, secret: {secretName: s, defaultMode: 0440, items: [{key: k, path: p, mode: 0o600}]}}
      - {name: w, configMap: {name: c, defaultMode: 420}}
status: {}
"#;
    let pod = &parse_one(text).unwrap()[0]["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][1], json!({"name": "b", "image": "x:1"}));
    assert_eq!(pod["volumes"][0]["secret"]["defaultMode"], 0o440);
    assert_eq!(pod["volumes"][0]["secret"]["items"][0]["mode"], 0o600);
    assert_eq!(pod["volumes"][1]["configMap"]["defaultMode"], 420);
}

#[test]
fn an_error_names_key_and_document_and_quotes_no_text() {
    for (text, says) in [
        (format!("{A}---\nhidden: [1\n"), "key \"app.yaml\", document 2: "),
        (format!("{A}---\nhidden"), "key \"app.yaml\", document 2: object: apiVersion is missing"),
        (format!("{A}---\n- hidden"), "document 2: object: apiVersion"),
        (format!("{A}data: {{hidden: 1, hidden: 2}}"), "document 1: "),
        (format!("{A}data: {{hidden: !hidden x}}"), "document 1: YAML tags"),
        (format!("{A}data: {{hidden: {{? [hidden] : x}}}}"), "document 1: invalid type: sequence"),
        (format!("{A}data: {{hidden: .inf}}"), "document 1: a number is not finite"),
        ("{\"hidden\": {\"hidden\": 1, \"hidden\": 2}}".to_owned(), "document 1: a key occurs twice"),
        (format!("{A}data: *hidden"), "document 1: "),
        (format!("{A}data: .nan"), "not finite"),
        (format!("{A}<<: hidden"), "merge key"),
        (format!("{A}---\n{}", A.replace("name: a", "name: ../a")), "document 2: ConfigMap \"../a\""),
        (format!("{A}---\n{}", A.replace("ConfigMap", "Secret")), "document 2: Secret a cannot be part"),
        (
            json!({"kind": "List", "items": [config("a"), {"kind": "X"}]}).to_string(),
            "document 1, item 2: object of kind",
        ),
        ("\u{0}\u{1}".to_owned(), "document 1: "),
    ] {
        let error = parse_one(&text).unwrap_err();
        assert!(error.contains(says), "{error} lacks {says}");
        assert!(!error.contains("hidden"), "{error}");
    }
    let error = inline(&[config("a"), json!("x")]).unwrap_err().to_string();
    assert!(error.starts_with("spec.source.manifests[1]: "), "{error}");
}

#[test]
fn texts_that_expand_without_bound_are_refused_early() {
    let mut laughs = "a: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..30 {
        let _ = writeln!(laughs, "b{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(","));
    }
    let long = format!("a: &a \"{}\"\nb: [{}]", "x".repeat(100_000), vec!["*a"; 1000].join(","));
    let mut lists = config("a");
    for _ in 0..10 {
        lists = json!({"apiVersion": "v1", "kind": "List", "items": [lists]});
    }
    for (what, text, says) in [
        ("laughs", laughs, "too large once its aliases are expanded"),
        ("one long text many times", long, "too large once its aliases are expanded"),
        ("an alias of itself", "a: &a [*a]".to_owned(), "limit exceeded"),
        ("brackets", "[".repeat(900_000), "100 brackets"),
        ("braces", "{a: ".repeat(200_000), "100 brackets"),
        ("dashes", "- ".repeat(100_000), "recursion limit"),
        ("questions", "? ".repeat(100_000), "invalid type: map"),
        ("nested lists", lists.to_string(), "Lists are nested"),
        ("too many values", format!("[{}1]", "1,".repeat(250_000)), "too large"),
        ("too long", "x".repeat(MAX_TEXT + 1), "the limit is 1048576"),
        // The scanner compares each directive with all others: minutes for a megabyte.
        (
            "directives",
            (0..40_000).fold(String::new(), |text, n| text + &format!("%TAG !a{n}! x\n")),
            "directive",
        ),
        ("empty documents", "---\n".repeat(210_000), "document 200001: "),
    ] {
        let error = parse_one(&text).unwrap_err();
        assert!(error.contains(says), "{what}: {error} lacks {says}");
    }
}
