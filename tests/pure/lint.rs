//! `lint` says without a cluster what the API server says: over the table of refusals that a story plays on a real one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use support::manifests::{read, root};
use support::refusals::changes;
use towpath::cli::lint::{File, Report, lint};
use towpath::cli::verbs::crds;
use towpath::view::findings::Severity;

fn linted(text: &str) -> Report {
    let file = File { name: "a.yaml".to_owned(), text: text.to_owned() };
    lint(&[file], "2026-11-02T15:00:00Z".parse().unwrap()).unwrap()
}

fn shown(report: &Report) -> Vec<String> {
    report.findings.lines(false)
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    let metadata = json!({ "name": name, "namespace": "shop" });
    let object =
        json!({ "apiVersion": "towpath.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec });
    format!("{object}\n")
}

/// A refusal that depends on the object before is one that lint cannot know.
#[test]
fn what_the_api_server_refuses_by_schema_or_rule_lint_refuses() {
    let mut faults = Vec::new();
    for (kind, what, before, after, refusal) in changes() {
        let report = linted(&object(kind, "a", &after));
        let errors: Vec<String> = shown(&report);
        let shown = format!("{kind}, {what}: {errors:?} {:?}", report.notes);
        // The API server says so of every value.
        let refusal = refusal.map(|word| word.replace("Invalid value: ", ""));
        match (before, refusal) {
            (None, Some(word)) if !errors.iter().any(|error| error.contains(&word)) => {
                faults.push(format!("{shown}: `{word}` is missing"));
            }
            (Some(_), Some(_)) | (None, Some(_)) => {}
            (_, None) if report.findings.have_errors() => {
                faults.push(format!("{shown}: the API server allows it"))
            }
            (_, None) => {}
        }
        if !report.notes.is_empty() {
            faults.push(format!("{shown}: a rule cannot be evaluated"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_rule_of_every_kind_is_broken_by_a_row_of_the_table() {
    let mut messages = BTreeSet::new();
    for definition in crds::definitions().unwrap() {
        rules(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut messages);
    }
    assert!(messages.len() > 15, "{messages:?}");
    let more = [
        ("Environment", "a".repeat(41), json!({ "namespace": "b" })),
        ("Release", "a".repeat(201), json!({ "application": "a", "version": "1", "source": {} })),
        ("Recall", "a".repeat(201), json!({})),
    ];
    let table = changes().into_iter().map(|(kind, _, _, after, _)| object(kind, "a", &after));
    let all = table.chain(more.iter().map(|(kind, name, spec)| object(kind, name, spec)));
    let said: String = all.flat_map(|text| shown(&linted(&text))).collect::<Vec<_>>().join("\n");
    let unbroken: Vec<_> = messages.iter().filter(|message| !said.contains(*message)).collect();
    assert!(unbroken.is_empty(), "no row breaks {unbroken:#?}");
}

/// The messages of the rules that do not compare with an older object.
fn rules(schema: &Value, messages: &mut BTreeSet<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if !rule["rule"].as_str().unwrap().contains("oldSelf") {
            messages.insert(rule["message"].as_str().unwrap().to_owned());
        }
    }
    let properties = schema["properties"].as_object().into_iter().flatten().map(|(_, inner)| inner);
    for inner in
        properties.chain([&schema["items"], &schema["additionalProperties"]]).filter(|it| it.is_object())
    {
        rules(inner, messages);
    }
}

#[test]
fn the_examples_have_no_findings() {
    let mut files: Vec<_> =
        std::fs::read_dir(root("deploy/examples")).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    let file = |path: &std::path::PathBuf| File { name: path.display().to_string(), text: read(path) };
    let files: Vec<File> = files.iter().map(file).collect();
    let report = lint(&files, "2026-11-02T15:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(shown(&report), Vec::<String>::new());
    assert!(report.findings.objects >= 5 && report.notes.is_empty(), "{report:?}");
}

const ENVIRONMENT: &str = "\
apiVersion: towpath.dev/v1alpha1
kind: Environment
metadata:
  name: prod
spec:
  namespace: shop-prod
";

#[test]
fn a_finding_names_file_line_object_and_field() {
    for (more, finding) in [
        (
            "  soaks: 1h\n",
            "a.yaml:7:3: error: Environment prod: spec.soaks: unknown field \"soaks\": did you mean soak?",
        ),
        (
            "  historyLimit: many\n",
            "a.yaml:7:3: error: Environment prod: spec.historyLimit: \"many\" is not of type \"integer\"",
        ),
        (
            "  promotion: Sometimes\n",
            "a.yaml:7:3: error: Environment prod: spec.promotion: \"Sometimes\" is not supported; write one of",
        ),
        (
            "  windows:\n  - kind: Allow\n    schedule: 61 * * * *\n    duration: 1h\n",
            "a.yaml:9:5: error: Environment prod: spec.windows[0].schedule: ",
        ),
        (
            "  tests:\n  - name: smoke\n    template:\n      spec:\n        containers:\n        - name: main\n          image: t\n          restartPolicyRules: [{}]\n",
            "a.yaml:14:11: error: Environment prod: spec.tests[0].template.spec.containers[0].restartPolicyRules: ",
        ),
        (
            "  after: [prod]\n",
            "a.yaml:7:3: warning: Environment prod: spec.after: spec.after forms a cycle: prod after prod",
        ),
    ] {
        let report = linted(&format!("{ENVIRONMENT}{more}"));
        let lines = shown(&report);
        assert!(lines.iter().any(|line| line.starts_with(finding)), "{finding}\n{lines:#?}");
    }
    assert_eq!(shown(&linted(ENVIRONMENT)), Vec::<String>::new());
}

#[test]
fn what_is_no_object_of_ours_is_left_alone_and_what_cannot_be_read_is_not() {
    let report = linted("apiVersion: v1\nkind: Service\nspec: {ports: 1}\n---\nreplicas: 3\n");
    assert_eq!((shown(&report), report.findings.objects), (Vec::new(), 0));
    assert_eq!(report.notes, ["a.yaml:5: not a Kubernetes object, because apiVersion or kind is missing"]);
    for (text, finding) in [
        ("kind: [\n", "a.yaml:2:1: error: this is not YAML"),
        (
            "apiVersion: towpath.dev/v1alpha1\nkind: Enviroment\nmetadata: {name: a}\n",
            "a.yaml:2:1: error: Enviroment a: kind: towpath.dev/v1alpha1 has no kind Enviroment: did you mean Environment?",
        ),
        (
            "apiVersion: towpath.dev/v2\nkind: Environment\nmetadata: {name: a}\n",
            "a.yaml:1:1: error: Environment a: apiVersion: towpath.dev/v2 is not known; write towpath.dev/v1alpha1",
        ),
        (
            "apiVersion: towpath.dev/v1alpha1\nkind: Environment\nmetadata: {names: a}\nspec: {namespace: b}\n",
            "a.yaml:3:12: error: Environment: metadata.names: unknown field \"names\": did you mean name?",
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n- apiVersion: towpath.dev/v1alpha1\n  kind: Environment\n  metadata: {name: a}\n  spec: {}\n",
            "a.yaml:7:3: error: Environment a: spec: the field namespace is required",
        ),
    ] {
        let lines = shown(&linted(text));
        assert!(lines.iter().any(|line| line.starts_with(finding)), "{finding}\n{lines:#?}");
    }
}

#[test]
fn references_are_checked_where_the_files_hold_objects_of_that_kind() {
    let text = format!(
        "{ENVIRONMENT}  after: [staging]\n  rollbackPolicyRef: strict\n---\n{}---\n{}---\n{}---\n{}",
        ENVIRONMENT.replace("prod", "stagin"),
        object("RollbackPolicy", "careful", &json!({})),
        object(
            "Release",
            "shop-1.0.0",
            &json!({ "application": "shop", "version": "1", "source": { "environment": { "name": "dev" } } })
        ),
        ENVIRONMENT.replace("name: prod", "name: second"),
    );
    let report = linted(&text);
    let found: Vec<(Severity, String)> = report
        .findings
        .findings
        .iter()
        .map(|it| (it.severity, format!("{} {}: {}", it.object, it.field, it.message)))
        .collect();
    let warning = |text: &str| (Severity::Warning, text.to_owned());
    assert_eq!(
        found,
        [
            warning(
                "Environment prod spec.after[0]: there is no Environment staging in these files: did you mean stagin?"
            ),
            warning(
                "Environment second spec.namespace: it is also the target of Environment prod in a.yaml:1; two environments cannot share a namespace"
            ),
        ]
    );
    assert!(!report.findings.have_errors());
}

#[test]
fn what_the_controller_refuses_of_a_release_is_found_at_its_manifest() {
    let release = |manifest: &str| {
        format!(
            "apiVersion: towpath.dev/v1alpha1\nkind: Release\nmetadata: {{name: shop-1}}\nspec:\n  application: shop\n  version: '1'\n  source:\n    manifests:\n    - {manifest}\n"
        )
    };
    for (manifest, line) in [
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: a}}",
            "a.yaml:9:7: error: Release shop-1: spec.source.manifests[0]: Secret a cannot be part of a release",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}",
            "a.yaml:9:7: error: Release shop-1: spec.source.manifests[0]: ConfigMap a names the namespace",
        ),
        (
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, annotations: {towpath.dev/hook: pre-promote}}}",
            "a.yaml:9:7: error: Release shop-1: spec.source.manifests[0]: Deployment a: annotation towpath.dev/hook",
        ),
    ] {
        let lines = shown(&linted(&release(manifest)));
        assert!(lines.iter().any(|it| it.starts_with(line)), "{line}\n{lines:#?}");
    }
    assert_eq!(
        shown(&linted(&release("{apiVersion: example.org/v1, kind: Custom, metadata: {name: a}}"))),
        Vec::<String>::new()
    );
}

#[test]
fn a_policy_that_cannot_be_measured_is_found_at_its_check() {
    let spec = json!({ "observeWindow": "1m", "checks": [
        { "name": "a", "prometheus": { "provider": "p", "query": "x", "max": 1 } },
        { "name": "b", "prometheus": { "provider": "p", "query": "x{a=\"$unknown\"}", "max": 1 } },
    ] });
    let lines = shown(&linted(&object("RollbackPolicy", "p", &spec)));
    assert!(
        lines.iter().any(|it| it.contains("spec.checks[1]: check b: ") && it.contains("unknown")),
        "{lines:#?}"
    );
}

#[test]
fn the_exit_code_tells_errors_from_warnings_and_from_wrong_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("good/deep/a.yaml", ENVIRONMENT);
    write("good/notes.txt", "not: [yaml");
    write("warned/a.yml", &format!("{ENVIRONMENT}  after: [dev]\n"));
    write("bad/a.yaml", &format!("{ENVIRONMENT}  soaks: 1h\n"));
    write("empty/readme.txt", "");
    for (name, code, word) in [
        ("good", 0, "1 object: 0 errors, 0 warnings"),
        ("warned", 0, "there is no Environment dev in these files"),
        ("bad", 1, "a.yaml:7:3: error: Environment prod: spec.soaks: unknown field"),
        ("empty", 2, "holds no .yaml, .yml or .json file"),
        ("nowhere", 2, "cannot read"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-towpath"));
        let output = command.arg("lint").arg(folder.path().join(name)).output().unwrap();
        let said = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(word), "{name}: {said}");
    }
}
