//! A toy API store with the objects of one project, and the worlds that `src/observe` would build from it.

use super::captured::capture;
use super::cluster::Namespace;
use super::memory::Memory;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use towpath::api::{
    Approval, ApprovalDecision, ApprovalSpec, CachedRelease, Environment, EnvironmentSpec, EnvironmentStatus,
    KindRef, Promotion, PromotionSpec, PromotionStatus, Recall, RecallSpec, RecallStatus, RecordEntry,
    Release, ReleaseSpec, ReleaseStatus, Review, ReviewSpec, RollbackPolicySpec, UserInfo,
};
use towpath::content::{Digested, ObjectKey};
use towpath::decide::decision::{Decision, Question, Target};
use towpath::decide::needs::{compared, contents, is_watched, live_objects, plans, regression};
use towpath::decide::world::{
    Answer, Capture, EnvironmentWorld, Freeze, Live, Loaded, Plans, PromotionWorld, RecallWorld,
    ReleaseWorld, Tests, Unmeasured, Watched,
};

pub const PROJECT: &str = "shop";

/// A status of one of the kinds.
#[derive(Clone, Debug)]
pub enum Status {
    Release(Box<ReleaseStatus>),
    Environment(Box<EnvironmentStatus>),
    Promotion(Box<PromotionStatus>),
    Recall(Box<RecallStatus>),
}

/// A decision about an object of any kind.
pub fn of_any<S>(decision: Decision<S>, status: fn(Box<S>) -> Status) -> Decision<Status> {
    let Decision { records, memory, memory_follows, actions, report, wake_at, notes, delivered } = decision;
    let (memory, report) = (memory.map(|it| status(Box::new(it))), report.map(|it| status(Box::new(it))));
    Decision { records, memory, memory_follows, actions, report, wake_at, notes, delivered }
}

/// Something that happens.
pub type Step = Arc<dyn Fn(&mut Store, Timestamp)>;

/// What a check gets as an answer: the time when the newest pod of web became ready, and the name of its image.
pub type Gauge = fn(&Question, Option<(Timestamp, String)>, Timestamp) -> Result<Answer, Unmeasured>;

/// What the API server keeps.
#[derive(Clone, Default)]
pub struct Store {
    pub releases: BTreeMap<String, Arc<Release>>,
    pub environments: BTreeMap<String, Arc<Environment>>,
    pub promotions: BTreeMap<String, Arc<Promotion>>,
    pub policies: BTreeMap<String, RollbackPolicySpec>,
    pub contents: BTreeMap<String, Arc<Digested>>,
    pub namespaces: BTreeMap<String, Namespace>,
    pub approvals: BTreeMap<String, Arc<Approval>>,
    /// What a check provider answers; the version that runs in the namespace of prod is known.
    pub gauge: Option<Gauge>,
    pub recalls: BTreeMap<String, Arc<Recall>>,
    pub reviews: BTreeMap<String, Arc<Review>>,
    pub freezes: Vec<Freeze>,
    /// How far the clock of the controller is ahead of that of the API server.
    pub skew: SignedDuration,
    /// Whether the API server says who asks, so that approvals can be demanded.
    pub enforced: bool,
    /// What happens next, of a situation that was read.
    pub script: VecDeque<Step>,
    serial: u64,
}

/// An object that is reconciled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Release(String),
    Environment(String),
    Promotion(String),
    Recall(String),
}

macro_rules! dressed {
    ($object:expr, $self:expr, $now:expr) => {{
        $self.serial += 1;
        let mut object = $object;
        object.metadata.namespace = Some(PROJECT.into());
        object.metadata.uid = Some(format!("uid-{}", $self.serial));
        object.metadata.generation = Some(1);
        object.metadata.creation_timestamp = Some(Time(Timestamp::from_second($now.as_second()).unwrap()));
        Arc::new(object)
    }};
}

impl Store {
    /// The time that the clock of the controller shows.
    pub fn own(&self, now: Timestamp) -> Timestamp {
        now + self.skew
    }

    pub fn at(&mut self, target: &Target) -> &mut Namespace {
        self.namespaces.get_mut(target.location.namespace.as_str()).unwrap()
    }

    pub fn add_environment(&mut self, name: &str, spec: EnvironmentSpec, now: Timestamp) {
        let namespace = spec.namespace.clone();
        self.namespaces.entry(namespace.to_string()).or_insert_with(|| Namespace::new(&namespace));
        self.environments.insert(name.into(), dressed!(Environment::new(name, spec), self, now));
    }

    pub fn add_release(&mut self, name: &str, spec: ReleaseSpec, now: Timestamp) {
        self.releases.insert(name.into(), dressed!(Release::new(name, spec), self, now));
    }

    pub fn add_promotion(&mut self, name: &str, spec: PromotionSpec, now: Timestamp) {
        if !self.promotions.contains_key(name) {
            self.promotions.insert(name.into(), dressed!(Promotion::new(name, spec), self, now));
        }
    }

    pub fn add_recall(&mut self, name: &str, spec: RecallSpec, now: Timestamp) {
        self.recalls.insert(name.into(), dressed!(Recall::new(name, spec), self, now));
    }

    pub fn add_review(&mut self, name: &str, spec: ReviewSpec, now: Timestamp) {
        self.reviews.insert(name.into(), dressed!(Review::new(name, spec), self, now));
    }

    /// Bob approves what a promotion waits for.
    pub fn approve(&mut self, promotion: &str, now: Timestamp) {
        let status = self.promotions[promotion].status.clone().unwrap();
        let of = status.approvals.expect("nothing to approve").of;
        let spec = ApprovalSpec {
            release: of.release,
            environment: of.environment,
            digest: of.digest,
            decision: ApprovalDecision::Approve,
            comment: None,
            expires_at: None,
            approver: Some(user("bob")),
        };
        let name = format!("of-{promotion}");
        self.approvals.insert(name.clone(), dressed!(Approval::new(&name, spec), self, now));
    }

    pub fn release_world(&self, name: &str) -> Option<ReleaseWorld> {
        let release = self.releases.get(name)?.clone();
        let is_captured = release.status.as_ref().is_some_and(|status| status.content.is_some());
        let capture = if is_captured { Capture::NotNeeded } else { capture(&release, &self.kinds()) };
        Some(ReleaseWorld { project: self.project(), release: cached(&release), capture })
    }

    /// The further kinds of all environments.
    fn kinds(&self) -> Vec<KindRef> {
        self.environments.values().flat_map(|environment| environment.spec.kinds.clone()).collect()
    }

    /// As `observe::environment` does.
    pub fn environment_world(&self, name: &str, now: Timestamp) -> Option<EnvironmentWorld> {
        let own = self.own(now);
        let environment = self.environments.get(name)?.clone();
        let project = self.project();
        let drift = super::drift::drifts(self, &project, &environment);
        let mut world = EnvironmentWorld {
            project,
            environment: Arc::clone(&environment),
            contents: None,
            watched: Watched::default(),
            unnamed_copies: Vec::new(),
            drift,
        };
        let namespace = self.namespaces.get(environment.spec.namespace.as_str());
        if let Some(namespace) = namespace.filter(|_| is_watched(&world.project, &environment, own)) {
            let recorded = environment.status.as_ref().map(|status| status.disruptions.as_slice());
            world.watched.workloads = namespace.workloads(recorded.unwrap_or_default(), now);
            let live = compared(&world, own).into_iter().map(|key| (key.clone(), namespace.live(&key)));
            world.watched.live = live.collect();
        }
        Some(world)
    }

    pub fn recall_world(&self, name: &str) -> Option<RecallWorld> {
        Some(RecallWorld { project: self.project(), recall: self.recalls.get(name)?.clone() })
    }

    /// As `observe::promotion` does.
    pub fn promotion_world(&self, name: &str, memory: &Memory, now: Timestamp) -> Option<PromotionWorld> {
        let promotion = self.promotions.get(name).filter(|promotion| !promotion.phase().is_final())?.clone();
        let uid = promotion.metadata.uid.clone().unwrap();
        let mut world = PromotionWorld {
            project: self.project(),
            content: Loaded::NotAsked,
            replaced: Loaded::NotAsked,
            plans: Plans::default(),
            live: BTreeMap::new(),
            tried: memory.trials.get(&uid).cloned(),
            written: memory.written.get(&uid).cloned().unwrap_or_default(),
            refused: memory.refused.get(&uid).cloned().unwrap_or_default(),
            failed: memory.failed.get(&uid).cloned().unwrap_or_default(),
            rolled_out: memory.rolled_out.get(&uid).copied(),
            generations: memory.generations.get(&uid).cloned().unwrap_or_default(),
            comparing: memory.comparing.get(&uid).copied(),
            passed: memory.passed.get(&uid).cloned().unwrap_or_default(),
            measured: memory.measured.get(&uid).cloned().unwrap_or_default(),
            workloads: BTreeMap::new(),
            customs: BTreeMap::new(),
            tests: Tests { logs: memory.logs.get(&uid).cloned().unwrap_or_default(), ..Tests::default() },
            epoch: 1,
            promotion,
        };
        let Some(environment) = self.environments.get(world.promotion.spec.environment.as_str()) else {
            return Some(world);
        };
        let Some(namespace) = self.namespaces.get(environment.spec.namespace.as_str()) else {
            return Some(world);
        };
        let (wanted, replaced) = contents(&world.project, &world.promotion);
        world.content = self.load(wanted);
        world.replaced = self.load(replaced);
        world.tests.regression = self.load(regression(&world.project, &world.promotion));
        world.plans = plans(&world);
        let recorded = world.promotion.status.as_ref().map(|status| status.disruptions.as_slice());
        world.workloads = namespace.workloads(recorded.unwrap_or_default(), now);
        world.tests.runs = namespace.test_runs(now);
        world.tests.have_run = namespace.have_run(&world.promotion);
        world.tests.have_run.retain(|key| !world.written.contains(key));
        let live: BTreeMap<ObjectKey, Live> = live_objects(&world, self.own(now))
            .into_iter()
            .map(|key| (key.clone(), namespace.live(&key)))
            .collect();
        world.live = live;
        Some(world)
    }

    fn load(&self, name: Option<String>) -> Loaded {
        match name {
            None => Loaded::NotAsked,
            Some(name) => self.contents.get(&name).cloned().map_or(Loaded::Missing(name), Loaded::Here),
        }
    }

    /// Writes the status of an object that exists. False when it is gone.
    pub fn write_status(&mut self, key: &Key, status: &Status) -> bool {
        match (key, status) {
            (Key::Release(name), Status::Release(status)) => {
                let Some(release) = self.releases.get_mut(name) else { return false };
                let record = release.status.as_ref().map(|status| status.record.clone());
                let status = ReleaseStatus { record: record.unwrap_or_default(), ..again(status.as_ref()) };
                Arc::make_mut(release).status = Some(status);
            }
            (Key::Environment(name), Status::Environment(status)) => {
                let Some(environment) = self.environments.get_mut(name) else { return false };
                let record = environment.status.as_ref().map(|status| status.record.clone());
                let status =
                    EnvironmentStatus { record: record.unwrap_or_default(), ..again(status.as_ref()) };
                Arc::make_mut(environment).status = Some(status);
            }
            (Key::Promotion(name), Status::Promotion(status)) => {
                let Some(promotion) = self.promotions.get_mut(name) else { return false };
                Arc::make_mut(promotion).status = Some(again(status.as_ref()));
            }
            (Key::Recall(name), Status::Recall(status)) => {
                let Some(recall) = self.recalls.get_mut(name) else { return false };
                Arc::make_mut(recall).status = Some(again(status.as_ref()));
            }
            _ => panic!("a status of another kind for {key:?}"),
        }
        true
    }
}

impl Store {
    /// As `act::history` records a promotion that is deleted.
    pub fn record(&mut self, promotion: &Promotion) {
        if promotion.spec.dry_run {
            return;
        }
        let entry = RecordEntry::from(promotion);
        let release = self.releases.get_mut(entry.release.as_str()).map(Arc::make_mut);
        let environment = self.environments.get_mut(entry.environment.as_str()).map(Arc::make_mut);
        let record = match (release, environment) {
            (Some(release), _) => &mut release.status.get_or_insert_default().record,
            (None, Some(environment)) => &mut environment.status.get_or_insert_default().record,
            (None, None) => return,
        };
        record.insert(entry.key(), entry);
    }
}

/// What the API server gives back: times in whole seconds, nothing that the schema lacks.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(status: &T) -> T {
    serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap()
}

pub(super) fn user(name: &str) -> UserInfo {
    UserInfo { username: name.into(), uid: None, groups: Vec::new() }
}

/// As the watch keeps it.
pub(super) fn cached(release: &Release) -> Arc<CachedRelease> {
    Arc::new(release.clone().into())
}
