//! The health check for Argo CD in docs/gitops.md, run by a Lua interpreter over statuses as Towpath writes them.

#![allow(clippy::expect_used, reason = "it is how a test fails")]

use mlua::{Lua, Table, Value};

fn check() -> String {
    let page = include_str!("../../docs/gitops.md");
    let start = page.find("```lua\n").expect("docs/gitops.md has a Lua block") + "```lua\n".len();
    let end = page[start..].find("```").expect("the block ends");
    page[start..start + end].to_owned()
}

/// The status and message that Argo CD would show for an object, given as the source of a Lua table.
fn health(object: &str) -> (String, String) {
    let lua = Lua::new();
    let object: Value = lua.load(object).eval().expect("the object is a table");
    lua.globals().set("obj", object).expect("a global");
    let answer: Table = lua.load(check()).eval().expect("the check runs");
    (answer.get("status").expect("a status"), answer.get("message").unwrap_or_default())
}

#[test]
fn argo_cd_reads_what_towpath_writes() {
    let with = |generation: i32, conditions: &str| {
        format!(
            "{{ metadata = {{ generation = 2 }}, \
             status = {{ observedGeneration = {generation}, conditions = {{ {conditions} }} }} }}"
        )
    };
    let cases = [
        ("a fresh object", "{ metadata = { generation = 1 } }".to_owned(), "Progressing"),
        (
            "only the default status",
            "{ metadata = { generation = 1 }, status = { observedGeneration = -1 } }".to_owned(),
            "Progressing",
        ),
        ("an old status", with(1, "{ type = 'Ready', status = 'True', message = 'm' }"), "Progressing"),
        (
            "work in progress",
            with(
                2,
                "{ type = 'Ready', status = 'False', message = 'm' }, { type = 'Reconciling', status = 'True', message = 'm' }",
            ),
            "Progressing",
        ),
        (
            "a release that is verified, or waits at a gate",
            with(2, "{ type = 'Ready', status = 'True', message = 'm' }"),
            "Healthy",
        ),
        (
            "a final verdict",
            with(
                2,
                "{ type = 'Ready', status = 'False', message = 'm' }, { type = 'Stalled', status = 'True', message = 'm' }",
            ),
            "Degraded",
        ),
    ];
    for (what, object, expected) in cases {
        assert_eq!(health(&object).0, expected, "{what}");
    }
    assert_eq!(
        health(&with(2, "{ type = 'Ready', status = 'True', message = 'verified in prod' }")).1,
        "verified in prod"
    );
}
