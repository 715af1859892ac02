//! Stories on a real Kubernetes control plane, played by the real controller and the people around it.
//!
//! All of them run in this program, side by side, on one control plane and one real node; see `support::story`. The long ones start
//! first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a story fails")]

mod admission;
mod applications;
mod cases;
mod chart;
mod documentation;
mod judgement;
mod kinds;
mod node;
mod page;
mod parts;
mod plugin;

use std::process::ExitCode;
use support::story::run;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // What a story about the end of its owner starts: this program in the role of the owner.
    if let Some((first, rest)) = arguments.split_first()
        && first == "control-plane"
    {
        return control_plane::command(rest);
    }
    let stories = [
        parts::lasting_readiness::stories(),
        node::silent_kubelet::stories(),
        parts::silent_kubelet::stories(),
        cases::costs::stories(),
        cases::crash::stories(),
        applications::stories(),
        judgement::stories(),
        documentation::stories(),
        parts::node_lifetime::stories(),
        node::bad_releases::stories(),
        node::tests_of_releases::stories(),
        node::good_releases::stories(),
        node::stateful_and_daemon_sets::stories(),
        parts::real_pods::stories(),
        parts::control_plane_lifetime::stories(),
        cases::figures::stories(),
        cases::missing_policies::stories(),
        admission::unstamped_requester::stories(),
        kinds::stories(),
        chart::stories(),
        page::acting::stories(),
        page::reading::stories(),
        page::guarded::stories(),
        page::in_cluster::stories(),
        cases::dropped_notifications::stories(),
        cases::notifications::stories(),
        cases::takeover::stories(),
        cases::checks::stories(),
        cases::credentials::stories(),
        cases::hostile_providers::stories(),
        cases::verdicts_of_checks::stories(),
        cases::documented_checks::stories(),
        cases::clocks::stories(),
        cases::bad_objects::stories(),
        cases::undecodable::stories(),
        cases::failing_releases::stories(),
        cases::approvals::stories(),
        cases::calendar::stories(),
        cases::declared_types::stories(),
        cases::after_verified::stories(),
        cases::recalls::stories(),
        cases::irreversible::stories(),
        cases::repeated::stories(),
        cases::drift::stories(),
        cases::requires::stories(),
        cases::grants::stories(),
        cases::withdrawn_consent::stories(),
        cases::shared_namespaces::stories(),
        cases::path_to_prod::stories(),
        cases::promotion_order::stories(),
        cases::replicas::stories(),
        cases::removals::stories(),
        cases::hooks::stories(),
        cases::tests_of_releases::stories(),
        cases::tests_before::stories(),
        cases::lost_jobs::stories(),
        cases::terminating::stories(),
        cases::custom_templates::stories(),
        cases::deletion::stories(),
        cases::conditions::stories(),
        cases::captures::stories(),
        cases::preflight::stories(),
        cases::prerequisites::stories(),
        cases::refused_content::stories(),
        cases::adoption::stories(),
        cases::configuration::stories(),
        cases::first_promotion::stories(),
        admission::bindings::stories(),
        admission::escalation::stories(),
        admission::forged_approvals::stories(),
        admission::forged_requests::stories(),
        admission::freeze::stories(),
        admission::granted_accounts::stories(),
        admission::pinned_images::stories(),
        admission::recalls::stories(),
        admission::record::stories(),
        admission::requests::stories(),
        admission::reviews::stories(),
        admission::shipped_roles::stories(),
        admission::withdrawals::stories(),
        plugin::bad_input::stories(),
        plugin::changes::stories(),
        plugin::explaining::stories(),
        plugin::reading::stories(),
        plugin::record::stories(),
        plugin::reviews::stories(),
        plugin::watching::stories(),
        plugin::checkup::stories(),
        plugin::intents::stories(),
        plugin::older::stories(),
        plugin::questions::stories(),
        plugin::shells::stories(),
        parts::audit_log::stories(),
        parts::identities::stories(),
        parts::played_fates::stories(),
        parts::workloads::stories(),
    ];
    run(env!("CARGO_BIN_EXE_towpath"), stories.concat())
}
