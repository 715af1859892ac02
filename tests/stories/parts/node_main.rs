//! Does a real node do what its users rely on? One for all tests here, except where its own end is the question.

mod node_lifetime;
mod real_node;
mod real_pods;
mod silent_kubelet;

control_plane::node_tests![
    node_lifetime::a_killed_owner_leaves_no_process_mount_interface_cgroup_or_directory,
    node_lifetime::a_dropped_one_leaves_nothing_either,
    real_pods::a_deployment_runs_the_image_of_the_registry_and_answers_what_it_sees,
    real_pods::a_crash_is_a_crash_loop_with_the_last_words_of_the_process,
    real_pods::a_single_crash_at_the_start_is_one_restart,
    real_pods::a_slow_start_is_not_ready_and_no_restart,
    real_pods::readiness_that_is_lost_is_no_restart,
    real_pods::memory_beyond_the_limit_is_oom_killed,
    real_pods::an_image_that_the_registry_lacks_cannot_be_pulled,
    real_pods::a_configuration_that_is_not_there_keeps_the_container_from_being_made,
    real_pods::a_command_that_is_not_there_cannot_be_started,
    real_pods::a_job_fails_with_the_code_and_the_message_of_its_process,
    silent_kubelet::a_silent_kubelet_takes_ready_from_its_pods_and_nothing_from_their_containers,
];
