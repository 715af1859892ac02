//! Does the product tell good releases from bad ones where real processes run, crash and answer?
//!
//! As `cases`, but every pod runs on a real node, and what counts in the end is what the application itself answers.

#[allow(dead_code, reason = "shared with the stories on a played node, which need more of it")]
#[path = "../../support/src/objects.rs"]
mod objects;
#[allow(dead_code, reason = "shared with the stories on a played node, which need more of it")]
#[path = "../../support/src/operator.rs"]
mod operator;
#[allow(dead_code, reason = "shared with the stories on a played node, which need more of it")]
#[path = "../../support/src/project.rs"]
mod support;
#[allow(dead_code, reason = "shared with the stories on a played node, which need more of it")]
#[path = "../../support/src/waits.rs"]
mod waits;

mod bad_releases;
mod good_releases;
mod shop;
mod silent_kubelet;
mod stateful_and_daemon_sets;

control_plane::node_tests![
    good_releases::two_editions_go_to_prod_by_the_digests_of_the_registry,
    good_releases::an_image_that_no_registry_knows_is_told_and_not_pinned,
    good_releases::a_config_only_release_and_its_rollback_are_seen_by_the_process,
    good_releases::a_slow_start_is_not_taken_for_a_bad_release,
    good_releases::a_single_restart_at_the_start_is_not_taken_for_a_bad_release,
    bad_releases::a_crash_loop_comes_back,
    bad_releases::a_crash_three_seconds_after_becoming_ready_comes_back,
    bad_releases::lost_readiness_comes_back,
    bad_releases::running_out_of_memory_comes_back,
    bad_releases::an_image_that_the_registry_lacks_comes_back,
    bad_releases::a_wrong_command_comes_back,
    bad_releases::a_key_that_its_config_map_lacks_comes_back,
    bad_releases::a_hook_that_fails_is_told_with_its_last_words,
    stateful_and_daemon_sets::a_stateful_set_whose_first_pod_crashes_comes_back,
    stateful_and_daemon_sets::a_daemon_set_that_crashes_comes_back,
    silent_kubelet::a_kubelet_that_is_silent_for_a_minute_is_no_fault_of_the_release,
];
