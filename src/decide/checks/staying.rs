//! Answers of pods that leave: they say nothing about the release.

use crate::content::ObjectKey;
use crate::decide::world::{Answer, Answered, Measured, Workload};
use std::collections::BTreeMap;

/// What was measured, without the answers of pods that are being deleted or are gone. A pod that stops refuses requests, and the
/// watch delivers its deletion first: the API server stores that before the kubelet stops it.
pub fn of_staying_pods(measured: &Measured, workloads: &BTreeMap<ObjectKey, Workload>) -> Measured {
    let mut measured = measured.clone();
    if let Some(Answered { answer: Ok(Answer::Http(replies)), .. }) = &mut measured.answer {
        let pods = || workloads.values().flat_map(|workload| &workload.pods);
        let stays = |name: &str| pods().any(|pod| pod.name == name && !pod.leaving && pod.failed.is_none());
        replies.retain(|reply| reply.pod.as_deref().is_none_or(stays));
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::world::{Pod, Replied};

    #[test]
    fn a_pod_that_leaves_or_is_gone_says_nothing() {
        let pod = |name: &str, leaving| Pod { name: name.into(), leaving, ..Pod::default() };
        let failed = Pod { failed: Some(("Evicted".into(), String::new())), ..pod("web-3", false) };
        let pods = vec![pod("web-1", false), pod("web-2", true), failed];
        let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let workloads = BTreeMap::from([(web, Workload { pods, ..Workload::default() })]);
        let reply = |pod: Option<&str>| Replied { pod: pod.map(str::to_owned), ..Replied::default() };
        let asked = [Some("web-1"), Some("web-2"), Some("web-3"), Some("web-4"), None];
        let answer = Ok(Answer::Http(asked.map(reply).into()));
        let answered = Answered { at: jiff::Timestamp::UNIX_EPOCH, answer };
        let measured = Measured { answer: Some(answered), ..Measured::default() };
        let Some(Answered { answer: Ok(Answer::Http(left)), .. }) =
            of_staying_pods(&measured, &workloads).answer
        else {
            panic!("it is an answer of pods");
        };
        assert_eq!(left, [reply(Some("web-1")), reply(None)]);
        assert_eq!(of_staying_pods(&Measured::default(), &workloads), Measured::default());
    }
}
