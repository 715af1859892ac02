//! Does a real node do what its users rely on? One for all tests here, except where its own end is the question.

mod lifetime;
mod support;

control_plane::node_tests![
    lifetime::a_killed_owner_leaves_no_process_mount_interface_cgroup_or_directory,
    lifetime::a_dropped_one_leaves_nothing_either,
];
