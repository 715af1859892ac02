//! The versions of what works together: this program, the API server, the kinds and the controller.

use super::screen::printable;
use serde::Serialize;

/// All versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Of this program.
    pub client: String,
    /// Of the API server. Absent if no cluster was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Of the kinds, and how they differ from those of this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
    /// Images of the controller, or why they are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
}

impl Versions {
    /// One line for each.
    pub fn lines(&self) -> Vec<String> {
        let lines = [
            ("Client:", Some(&self.client)),
            ("Server:", self.server.as_ref()),
            ("Kinds:", self.kinds.as_ref()),
            ("Controller:", self.controller.as_ref()),
        ];
        let known = lines.into_iter().filter_map(|(name, version)| Some((name, version?)));
        known.map(|(name, version)| format!("{name:<12}{}", printable(version))).collect()
    }
}
