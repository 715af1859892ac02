//! An object with a word that only a newer version knows is named, and does not look as if it were gone.

use super::stub::{Answer, parsed, project, undated};
use super::{ended, environment, promotion, text};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NEWER: &str = "AWordOfANewerController";

/// An environment whose spec has such a word.
fn newer_environment(name: &str) -> Value {
    let mut environment = environment(name);
    environment["spec"]["promotion"] = json!(NEWER);
    environment
}

#[test]
fn one_object_of_a_newer_version_is_named_with_what_to_do() {
    let server = undated(|path| project(path, &[environment("dev"), promotion("dev-shop-1.0.0", NEWER)]));
    for arguments in [
        &["status", "dev-shop-1.0.0"][..],
        &["status", "promotion/dev-shop-1.0.0", "--wait"],
        &["log", "dev-shop-1.0.0"],
    ] {
        let (output, _) = ended(&server, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("promotion dev-shop-1.0.0 cannot be read by this version ("), "{said}");
        assert!(said.contains(NEWER) && said.trim_end().ends_with("update the plugin"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_list_names_what_it_lacks_in_one_line_on_stderr() {
    let objects = || {
        vec![
            environment("dev"),
            promotion("dev-shop-1.0.0", "Verified"),
            promotion("dev-shop-1.1.0", NEWER),
            promotion("dev-shop-1.2.0", NEWER),
        ]
    };
    let server = undated(move |path| project(path, &objects()));
    for (arguments, shown) in [
        (&["get"][..], None),
        (&["history", "dev"], Some("dev-shop-1.0.0")),
        (&["status", "env/dev"], Some("Environment  dev")),
        (&["waiting"], None),
        (&["calendar"], None),
    ] {
        let (output, _) = ended(&server, &[arguments, &["-o", "json"]].concat());
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let line = "not shown: promotions dev-shop-1.1.0 and dev-shop-1.2.0 cannot be read by this version (";
        assert!(said.starts_with(line) && said.trim_end().ends_with("update the plugin"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        serde_json::from_str::<Value>(&printed).unwrap();
        if let Some(shown) = shown.filter(|shown| !shown.contains("  ")) {
            assert!(printed.contains(shown), "{printed}");
        }
    }
}

#[test]
fn environments_that_cannot_be_read_are_not_missing() {
    let server = undated(|path| project(path, &[newer_environment("dev"), newer_environment("prod")]));
    for arguments in [&["get"][..], &["get", "-o", "json"]] {
        let (output, _) = ended(&server, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("environments dev and prod cannot be read by this version ("), "{said}");
        assert!(!said.contains("has no environments"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// The controller is replaced during the wait, and its first write has a word that this program does not know.
#[test]
fn a_wait_ends_when_its_object_can_no_longer_be_read() {
    let watched = Arc::new(AtomicBool::new(false));
    let server = undated(move |path| {
        let known = [environment("dev"), promotion("dev-shop-1.0.0", "Promoting")];
        match parsed(path) {
            ("promotions", _, true) if !watched.swap(true, Ordering::SeqCst) => {
                let changed = promotion("dev-shop-1.0.0", NEWER);
                Answer::Events(vec![json!({ "type": "MODIFIED", "object": changed })])
            }
            _ => project(path, &known),
        }
    });
    let (output, took) = ended(&server, &["status", "dev-shop-1.0.0", "--wait", "--timeout", "30s"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("promotion dev-shop-1.0.0 cannot be read by this version ("), "{said}");
    assert!(said.contains(NEWER) && said.trim_end().ends_with("update the plugin"), "{said}");
    assert!(took.as_secs() < 25, "{took:?}");
}
