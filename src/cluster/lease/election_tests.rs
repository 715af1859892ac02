use super::*;

const DURATION: Duration = Duration::from_secs(15);

fn config(identity: &str) -> LeaseConfig {
    LeaseConfig {
        namespace: "towpath-system".to_owned(),
        name: "towpath-controller".to_owned(),
        identity: identity.to_owned(),
        duration: DURATION,
        renewal: Duration::from_secs(5),
    }
}

fn lease(holder: Option<&str>, transitions: i32, version: &str) -> Lease {
    Lease {
        metadata: ObjectMeta { resource_version: Some(version.to_owned()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }),
    }
}

/// The API server's answer to a write: the same record at a newer version.
fn stored(lease: Lease, version: &str) -> Lease {
    let metadata = ObjectMeta { resource_version: Some(version.to_owned()), ..lease.metadata };
    Lease { metadata, ..lease }
}

fn replaced(next: Move) -> Lease {
    let Move::Replace(lease) = next else { panic!("no replacement but {next:?}") };
    *lease
}

fn version(lease: &Lease) -> Option<&str> {
    lease.metadata.resource_version.as_deref()
}

#[test]
fn an_absent_lease_is_created_and_leads_to_a_term() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    assert_eq!(election.next(now, Timestamp::UNIX_EPOCH), Move::Read);
    election.observe(now, None);
    let Move::Create(created) = election.next(now, Timestamp::UNIX_EPOCH) else { panic!() };
    assert_eq!(holder(&created), Some("a"));
    let term = election.won(now, stored(*created, "1"));
    assert_eq!((term.epoch, term.renew_by, term.expires), (1, now + Duration::from_secs(10), now + DURATION));
    assert_eq!(election.next(now, Timestamp::UNIX_EPOCH), Move::Rest(now + Duration::from_secs(5)));
}

#[test]
fn a_recreated_lease_has_a_greater_epoch_than_before() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    let wall: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
    election.observe(now, Some(lease(Some("b"), 29_931_111, "7")));
    election.observe(now, None);
    let Move::Create(created) = election.next(now, wall) else { panic!() };
    assert!(epoch_of(&created) > 29_931_111);
    let mut restarted = Election::new(config("a"));
    restarted.observe(now, None);
    let Move::Create(created) = restarted.next(now, wall) else { panic!() };
    assert!(epoch_of(&created) > 1_000_000, "higher than any earlier epoch");
}

#[test]
fn a_holder_expires_by_the_local_clock_only() {
    let (start, mut election) = (Instant::now(), Election::new(config("a")));
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut held = lease(Some("b"), 3, "7");
    // The times in this record are from 1970, and are ignored.
    held.spec.as_mut().unwrap().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
    election.observe(start, Some(held.clone()));
    assert_eq!(election.next(at(14), Timestamp::now()), Move::Follow(at(15)));
    election.observe(at(14), Some(held));
    assert_eq!(
        election.next(at(14), Timestamp::now()),
        Move::Follow(at(15)),
        "the same record again is no change"
    );
    election.observe(at(14), Some(lease(Some("b"), 3, "8")));
    assert_eq!(election.next(at(15), Timestamp::now()), Move::Follow(at(29)));
    let taken = replaced(election.next(at(29), Timestamp::now()));
    assert_eq!((holder(&taken), epoch_of(&taken), version(&taken)), (Some("a"), 4, Some("8")));
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    for holder in [None, Some("")] {
        election.observe(now, Some(lease(holder, 3, "9")));
        let taken = replaced(election.next(now, Timestamp::now()));
        assert_eq!((epoch_of(&taken), version(&taken)), (4, Some("9")));
    }
}

#[test]
fn a_renewal_keeps_the_epoch_and_carries_the_version() {
    let (start, mut election) = (Instant::now(), Election::new(config("a")));
    let at = |seconds| start + Duration::from_secs(seconds);
    election.observe(start, Some(lease(None, 3, "9")));
    let taken = replaced(election.next(start, Timestamp::now()));
    election.won(start, stored(taken, "10"));
    let renewed = replaced(election.next(at(5), Timestamp::now()));
    assert_eq!((epoch_of(&renewed), version(&renewed)), (4, Some("10")));
    assert_eq!(election.won(at(5), stored(renewed, "11")).renew_by, at(15));
}

#[test]
fn a_candidate_that_slept_through_its_term_starts_another() {
    let (start, mut election) = (Instant::now(), Election::new(config("a")));
    let at = |seconds| start + Duration::from_secs(seconds);
    election.observe(start, Some(lease(None, 3, "9")));
    let taken = replaced(election.next(start, Timestamp::now()));
    election.won(start, stored(taken, "10"));
    assert!(election.leads(at(9)) && !election.leads(at(10)));
    let again = replaced(election.next(at(60), Timestamp::now()));
    assert_eq!(
        (epoch_of(&again), version(&again)),
        (5, Some("10")),
        "and the version tells if another has led"
    );
}

#[test]
fn a_missing_answer_is_resolved_by_reading() {
    let (start, mut election) = (Instant::now(), Election::new(config("a")));
    let at = |seconds| start + Duration::from_secs(seconds);
    election.observe(start, Some(lease(None, 3, "9")));
    election.won(start, lease(Some("a"), 4, "10"));
    // The renewal of second 5 went through unheard; the try after it conflicts.
    election.invalidate();
    assert_eq!(election.next(at(7), Timestamp::now()), Move::Read);
    assert!(election.leads(at(7)), "the term runs on for as long as it was granted");
    election.observe(at(7), Some(lease(Some("a"), 4, "11")));
    assert_eq!(version(&replaced(election.next(at(7), Timestamp::now()))), Some("11"));
}

#[test]
fn seeing_another_holder_ends_our_term() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    election.won(now, lease(Some("a"), 4, "10"));
    election.observe(now, Some(lease(Some("b"), 5, "11")));
    assert!(!election.leads(now));
    assert!(matches!(election.next(now, Timestamp::now()), Move::Follow(_)));
    assert_eq!(election.released(Timestamp::now()), None, "not ours to release");
}

#[test]
fn a_release_removes_the_holder_and_keeps_version_and_epoch() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    election.won(now, lease(Some("a"), 4, "10"));
    let released = election.released(Timestamp::now()).unwrap();
    assert_eq!((holder(&released), epoch_of(&released), version(&released)), (None, 4, Some("10")));
}

#[test]
fn an_absurd_duration_does_not_block_other_candidates() {
    let (now, mut election) = (Instant::now(), Election::new(config("a")));
    for (seconds, patience) in [(i32::MAX, 300), (-1, 15), (0, 15), (1, 15), (30, 30)] {
        let mut held = lease(Some("b"), 3, &format!("9{seconds}"));
        held.spec.as_mut().unwrap().lease_duration_seconds = Some(seconds);
        election.observe(now, Some(held));
        assert_eq!(election.next(now, Timestamp::now()), Move::Follow(now + Duration::from_secs(patience)));
    }
}
