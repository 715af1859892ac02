use super::*;
use crate::decide::world::{Ended, Pod};

fn container(name: &str, ended: Option<(i32, &str, &str)>) -> Container {
    Container {
        name: name.into(),
        ended: ended.map(|(code, reason, message)| Ended {
            code,
            reason: reason.into(),
            message: message.into(),
            current: true,
            ..Ended::default()
        }),
        ..Container::default()
    }
}

fn waiting(reason: &str) -> Container {
    Container { waiting: Some((reason.into(), "why".into())), ..container("main", None) }
}

fn pod(containers: Vec<Container>) -> TestPod {
    TestPod { pod: Pod { name: "smoke-x".into(), containers, ..Pod::default() }, disruption: None }
}

fn ended(code: i32, reason: &str, message: &str) -> TestPod {
    pod(vec![container("main", Some((code, reason, message)))])
}

fn with(change: impl Fn(&mut TestPod), mut pod: TestPod) -> TestPod {
    change(&mut pod);
    pod
}

fn shown(pods: Vec<TestPod>) -> String {
    said(&TestRun { pods, ..TestRun::default() })
}

fn said(run: &TestRun) -> String {
    match standing(run) {
        Standing::Runs => "runs".to_owned(),
        Standing::Passed { message } => format!("passed {message}").trim_end().to_owned(),
        Standing::Failed { code, message } => format!("failed {code} {message}").trim_end().to_owned(),
        Standing::Errored { reason, message } => format!("errored {reason}: {message}"),
    }
}

#[test]
fn only_the_exit_code_of_the_container_is_a_verdict() {
    let failed = |reason: &'static str| {
        move |found: &mut TestPod| found.pod.failed = Some((reason.to_owned(), "of the pod".to_owned()))
    };
    let leaving = |found: &mut TestPod| found.pod.leaving = true;
    let evicted = |found: &mut TestPod| {
        found.disruption = Some(("EvictionByEvictionAPI".into(), "Eviction API: evicting".into()));
    };
    let gone = || "the container did not end by itself (exit code 137)".to_owned();
    for (what, pod, expected) in [
        ("not reported", pod(vec![container("main", None)]), "runs".to_owned()),
        ("ended well", ended(0, "Completed", "3 cases"), "passed 3 cases".into()),
        ("ended badly", ended(3, "Error", "no /checkout"), "failed 3 no /checkout".into()),
        ("ended badly, phase Failed", with(failed(""), ended(1, "Error", "")), "failed 1".into()),
        ("killed by a signal", ended(139, "Error", ""), "failed 139".into()),
        (
            "ended well beside a sidecar that crashed",
            pod(vec![
                container("main", Some((0, "Completed", ""))),
                container("proxy", Some((1, "Error", ""))),
            ]),
            "passed".into(),
        ),
        (
            "deleted",
            with(leaving, ended(143, "Error", "")),
            "errored PodDeleted: pod smoke-x was deleted".into(),
        ),
        (
            "deleted, and ended well on SIGTERM",
            with(leaving, ended(0, "Completed", "")),
            "errored PodDeleted: pod smoke-x was deleted".into(),
        ),
        (
            "evicted",
            with(evicted, ended(137, "Error", "")),
            "errored EvictionByEvictionAPI: Eviction API: evicting".into(),
        ),
        (
            "evicted by the kubelet",
            with(failed("Evicted"), ended(137, "Error", "")),
            "errored Evicted: of the pod".into(),
        ),
        (
            "refused by the kubelet",
            with(failed("UnexpectedAdmissionError"), pod(vec![])),
            "errored UnexpectedAdmissionError: of the pod".into(),
        ),
        ("out of memory", ended(137, "OOMKilled", ""), format!("errored OOMKilled: {}", gone())),
        (
            "never started",
            ended(128, "StartError", "no such file"),
            "errored StartError: no such file".into(),
        ),
        (
            "lost",
            ended(137, "ContainerStatusUnknown", ""),
            format!("errored ContainerStatusUnknown: {}", gone()),
        ),
        ("pulls its image", pod(vec![waiting("ContainerCreating")]), "runs".into()),
        ("failed to pull once", pod(vec![waiting("ErrImagePull")]), "runs".into()),
        ("lacks its image", pod(vec![waiting("ImagePullBackOff")]), "errored ImagePullBackOff: why".into()),
        (
            "lacks its config",
            pod(vec![waiting("CreateContainerConfigError")]),
            "errored CreateContainerConfigError: why".into(),
        ),
        (
            "waits for an init container that lacks its image",
            pod(vec![
                waiting("PodInitializing"),
                Container { name: "init".into(), ..waiting("InvalidImageName") },
            ]),
            "errored InvalidImageName: why".into(),
        ),
        (
            "has a failed init container",
            with(
                failed(""),
                pod(vec![waiting("PodInitializing"), container("init", Some((2, "Error", "no dns")))]),
            ),
            "errored NotStarted: the init container init ended with exit code 2: no dns".into(),
        ),
    ] {
        assert_eq!(shown(vec![pod]), expected, "a pod that {what}");
    }
}

#[test]
fn the_conditions_of_a_job_are_no_verdict() {
    let run = TestRun::default;
    let pair = |reason: &str| Some((reason.to_owned(), "of the Job".to_owned()));
    for (what, run, expected) in [
        ("new", run(), "runs"),
        (
            "complete without a pod",
            TestRun { complete: true, ..run() },
            "errored PodMissing: the Job is complete, and its pod is gone",
        ),
        (
            "complete with a pod that was counted and is gone",
            TestRun { complete: true, succeeded: true, ..run() },
            "passed its pod is gone; its Job says that it ended with 0",
        ),
        (
            "complete with a pod that was deleted while it ran, and ended well on SIGTERM",
            TestRun {
                complete: true,
                succeeded: true,
                stopped: Some("Stopping container main".into()),
                ..run()
            },
            "errored PodDeleted: its pod is gone, and did not end by itself: Stopping container main",
        ),
        (
            "complete by another controller",
            TestRun { complete: true, succeeded: true, managed_by: Some("example.com/x".into()), ..run() },
            "errored ManagedBy: the Job is managed by example.com/x, which is not the Job controller",
        ),
        ("not complete, with a pod that was counted", TestRun { succeeded: true, ..run() }, "runs"),
        (
            "failed without a pod",
            TestRun { failed: pair("BackoffLimitExceeded"), ..run() },
            "errored BackoffLimitExceeded: of the Job",
        ),
        ("suspended", TestRun { suspended: true, ..run() }, "errored Suspended: the Job was suspended"),
        (
            "managed by another controller",
            TestRun { managed_by: Some("example.com/x".into()), ..run() },
            "errored ManagedBy: the Job is managed by example.com/x, which is not the Job controller",
        ),
        (
            "without a ServiceAccount",
            TestRun { refused: Some("serviceaccount \"x\" not found".into()), ..run() },
            "errored FailedCreate: serviceaccount \"x\" not found",
        ),
        (
            "with a pod after all",
            TestRun { refused: Some("quota".into()), pods: vec![pod(vec![])], ..run() },
            "runs",
        ),
        (
            "suspended after its container ended",
            TestRun { suspended: true, pods: vec![ended(1, "Error", "")], ..run() },
            "failed 1",
        ),
        (
            "failed, with a second pod after a deleted one",
            TestRun {
                failed: pair("BackoffLimitExceeded"),
                pods: vec![
                    with(|found| found.pod.leaving = true, ended(0, "Completed", "")),
                    ended(4, "Error", ""),
                ],
                ..run()
            },
            "failed 4",
        ),
    ] {
        assert_eq!(said(&run), expected, "a Job that is {what}");
    }
}

#[test]
fn what_a_test_wrote_is_cut_and_escaped() {
    let long = "x".repeat(5000);
    let said = shown(vec![ended(1, "Error", &format!("\u{1b}[31m{long}"))]);
    assert!(said.starts_with("failed 1 \\u{1b}[31mxxx") && said.len() < 1100, "{said}");
}

#[test]
fn an_attempt_that_did_not_end_says_what_it_waited_for() {
    let with_pod = |pod: TestPod| TestRun { pods: vec![pod], ..TestRun::default() };
    let unschedulable = |found: &mut TestPod| {
        found.pod.unschedulable = Some((jiff::Timestamp::UNIX_EPOCH, "0/3 nodes are available".to_owned()));
    };
    let nowhere = with_pod(with(unschedulable, pod(vec![container("main", None)])));
    for (run, expected) in [
        (None, Some("its Job does not exist")),
        (Some(&TestRun::default()), Some("no pod of it was created")),
        (Some(&nowhere), Some("its pod cannot be scheduled: 0/3 nodes are available")),
        (Some(&with_pod(pod(vec![waiting("ErrImagePull")]))), Some("its container waits: ErrImagePull why")),
        (Some(&with_pod(pod(vec![container("main", None)]))), None),
    ] {
        assert_eq!(obstacle(run).as_deref(), expected);
    }
}
