use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(words: &[&str]) -> Result<Arguments, clap::Error> {
    Line::try_parse_from([&["cut"], words].concat()).map(|line| line.arguments)
}

/// What is printed, or the error.
fn cut(words: &[&str]) -> Result<Value, String> {
    let arguments = arguments(words).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut out = Vec::new();
    runtime.block_on(run(&arguments, &mut out)).map_err(|error| format!("{error:#}"))?;
    Ok(serde_yaml::from_slice(&out).unwrap())
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

const WEB: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b}\n";

#[test]
fn a_release_of_manifests_holds_every_document() {
    let (folder, path) = file(WEB);
    std::fs::write(folder.path().join("README.md"), "not a manifest").unwrap();
    for from in [path.as_str(), folder.path().to_str().unwrap()] {
        let made = cut(&["shop", "1.0.0", "-f", from, "-n", "shop", "--hold"]).unwrap();
        assert_eq!(made["kind"], "Release");
        assert_eq!(made["metadata"], json!({ "name": "shop-1.0.0", "namespace": "shop" }));
        assert_eq!(made["spec"]["hold"], true);
        let kinds: Vec<_> = made["spec"]["source"]["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["kind"].clone())
            .collect();
        assert_eq!(kinds, ["Service", "ConfigMap"]);
        assert_eq!(made.get("status"), None);
    }
}

#[test]
fn a_release_of_an_environment_names_it_and_what_the_change_is_about() {
    let made = cut(&[
        "shop",
        "2026.11+rc_1",
        "--from",
        "dev",
        "--selector",
        "app=shop",
        "--image",
        "web=web:2",
        "--until",
        "qa",
        "--requires",
        "basket=1.2.0",
        "--summary",
        "Faster search",
        "--owner",
        "team-search",
        "--risk",
        "low",
        "--type",
        "standard",
        "--ticket",
        "SHOP-1",
        "--ticket",
        "SHOP-2",
        "--link",
        "pull request=https://git.example.com/1?a=b",
        "--link",
        "https://wiki.example.com",
        "--not-before",
        "qa=2026-11-03T08:00:00Z",
        "--deadline",
        "2026-11-04T08:00:00Z",
        "--irreversible",
        "--drops",
        "smoke",
    ])
    .unwrap();
    assert_eq!(made["metadata"]["name"], "shop-2026.11-rc-1");
    assert_eq!(
        made["spec"]["source"],
        json!({ "environment": { "name": "dev", "selector": { "app": "shop" } } })
    );
    assert_eq!(made["spec"]["requires"], json!([{ "application": "basket", "version": "1.2.0" }]));
    assert_eq!(
        made["spec"]["change"],
        json!({
            "type": "Standard", "risk": "Low", "owner": "team-search", "summary": "Faster search", "tickets": ["SHOP-1", "SHOP-2"],
            "links": [
                { "title": "pull request", "url": "https://git.example.com/1?a=b" },
                { "title": "https://wiki.example.com", "url": "https://wiki.example.com" },
            ],
            "notBefore": [{ "environment": "qa", "at": "2026-11-03T08:00:00Z" }],
            "deadline": "2026-11-04T08:00:00Z", "drops": ["smoke"], "reversible": false,
        })
    );
}

#[test]
fn what_no_release_may_hold_is_refused_before_the_server_is_asked() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n";
    let large = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: big}}\ndata: {{a: {}}}\n",
        "x".repeat(1_100_000)
    );
    let many = (0..201)
        .map(|nth| format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s{nth}}}\n---\n"))
        .collect::<String>();
    let twice = format!("{WEB}---\n{WEB}");
    for (text, words) in [
        (secret, &["file", "web.yaml", "document 1", "Secret"][..]),
        ("kind: [", &["file", "document 1"]),
        ("", &["there is no object in"]),
        (&large, &["bytes, the limit is 1048576"]),
        (&many, &["201 objects, the limit is 200"]),
        (&twice, &["occurs twice"]),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: prod}\n",
            &["remove metadata.namespace"],
        ),
    ] {
        let (_folder, path) = file(text);
        let said = cut(&["shop", "1.0.0", "-f", &path]).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(!said.contains("hunter2") && !said.contains('\n'), "{said}");
    }
}

#[test]
fn names_and_flags_are_checked() {
    for (words, said) in [
        (&["Shop", "1.0.0", "--from", "dev"][..], "is not the name of an application"),
        (&["shop", "1 0", "--from", "dev"], "is not a version"),
        (&["shop", "1.0.0", "--from", "DEV"], "is not the name of an environment"),
        (&["shop", "1.0.0", "--from", "dev", "--name", "a/b"], "set another one with --name"),
        (&["shop", "1.0.0"], "required arguments were not provided"),
        (&["shop", "1.0.0", "--from", "dev", "-f", "x"], "cannot be used with"),
        (&["shop", "1.0.0", "--from", "dev", "--risk", "huge"], "a risk is Low, Medium or High"),
        (&["shop", "1.0.0", "--from", "dev", "--link", "wiki"], "write it as TITLE=URL"),
        (&["shop", "1.0.0", "--from", "dev", "--not-before", "qa"], "write it as ENVIRONMENT=TIME"),
        (&["shop", "1.0.0", "--values", "a.yaml"], "required arguments were not provided"),
        (&["shop", "1.0.0", "--values", "a.yaml", "--from", "dev"], "cannot be used with"),
        (&["shop", "1.0.0", "--set", "a=b", "-f", "x"], "cannot be used with"),
        (&["shop", "1.0.0", "-f", "/does/not/exist"], "cannot read /does/not/exist"),
        (&["shop", "1.0.0", "-k", "/does/not/exist"], "is not a folder"),
    ] {
        let found = cut(words).unwrap_err();
        assert!(found.contains(said), "{words:?}: {found}");
    }
}
