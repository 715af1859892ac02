//! What `lint` and `version` print: lines, whatever the width.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use super::screens::are_as_before;
use towpath::cli::lint::{File, lint};
use towpath::view::findings::Findings;
use towpath::view::screen::Layout;
use towpath::view::versions::Versions;

/// A field that does not exist, a rule that is broken, and an environment that the files do not hold.
const SHOP: &str = "apiVersion: towpath.dev/v1alpha1
kind: Environment
metadata: { name: prod, namespace: shop }
spec:
  namespace: shop-prod
  after: [staging]
  observeWindow: 10s
---
apiVersion: towpath.dev/v1alpha1
kind: ChangeFreeze
metadata: { name: year-end, namespace: shop }
spec:
  from: 2026-12-24T00:00:00Z
  to: 2026-12-01T00:00:00Z
  reason: the year ends
";

/// What `lint` finds in two files.
pub fn findings() -> Findings {
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let files = [file("shop/environments.yaml", SHOP), file("shop/broken.yaml", "kind: [\n")];
    lint(&files, "2026-11-02T15:00:00Z".parse().unwrap()).unwrap().findings
}

/// A viewer, who may not see the controller, asks a cluster with older kinds.
pub fn versions() -> Versions {
    let all = |text: &str| Some(text.to_owned());
    Versions {
        client: "0.1.0".to_owned(),
        server: all("v1.37.2"),
        kinds: all("towpath.dev/v1alpha1, older than this program"),
        controller: all("not shown: it needs the right to list deployments in namespace towpath-system"),
    }
}

#[test]
fn every_screen_of_files_and_versions_is_as_it_was() {
    let (found, versions) = (findings(), versions());
    let with_summary = |layout: Layout| [found.lines(layout.colour), vec![found.summary()]].concat();
    are_as_before(&[("lint", Box::new(with_summary)), ("version", Box::new(|_| versions.lines()))]);
}
