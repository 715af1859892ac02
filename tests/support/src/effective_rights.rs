//! What the API server itself says that the controller may do, compared with a reviewed list.

use crate::manifests::{read, root};
use anyhow::{Result, ensure};
use control_plane::{Access, ControlPlane};

/// Where the controller is installed, where its identities are, and where those write.
const NAMESPACES: [&str; 3] = ["towpath-system", "towpath-deployers", "shop-prod"];
const REVIEWED: &str = "tests/stories/golden/effective-rights.txt";

/// `kubectl auth can-i --list` in each of the namespaces; UPDATE_GOLDEN=1 writes the list again.
pub fn are_reviewed(cluster: &ControlPlane, operator: &Access) -> Result<()> {
    let kubectl = cluster.kubectl(operator);
    let mut found = String::new();
    for namespace in NAMESPACES {
        let said = kubectl.run(&["auth", "can-i", "--list", "--no-headers", "-n", namespace])?;
        let mut rights: Vec<String> =
            said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        rights.sort();
        found.push_str(&format!("# {namespace}\n{}\n", rights.join("\n")));
    }
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(root(REVIEWED), &found)?;
    }
    ensure!(
        found == read(&root(REVIEWED)),
        "the controller may do other things than {REVIEWED} says:\n{found}"
    );
    Ok(())
}
