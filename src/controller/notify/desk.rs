//! Computes the notices of changed objects and gives them to the senders.

use super::inbox::{Changed, Inbox};
use super::outboxes::Outboxes;
use super::sender;
use crate::act::{Subject, reject};
use crate::api::{Channel, Environment, Meta, Promotion, Recall};
use crate::decide::notify::{
    Audience, Notice, of_cluster_freeze, of_freeze, of_promotion, of_recall, of_release,
};
use crate::process::Handles;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// The longest wait for the start of a freeze: the clock may be set.
const LONGEST: Duration = Duration::from_secs(60);

/// The desk, with a sender for each channel.
pub(super) struct Desk {
    handles: Handles,
    inbox: Inbox,
    outboxes: Outboxes,
    senders: BTreeMap<String, (Arc<Notify>, AbortOnDropHandle<()>)>,
    /// When the next freeze comes into force.
    next: Option<Timestamp>,
}

impl Desk {
    pub fn new(handles: Handles, inbox: Inbox) -> Self {
        Self { handles, inbox, outboxes: Outboxes::default(), senders: BTreeMap::new(), next: None }
    }

    /// Works until it is dropped.
    pub async fn work(mut self) {
        let open = self.inbox.open();
        let undecodable = self.handles.stores.channels.undecodable_everywhere();
        let lost = undecodable.into_iter().map(|lost| Changed::Channel(lost.name));
        let mut changed: BTreeSet<Changed> = lost.chain([Changed::Audience]).collect();
        loop {
            self.on(changed);
            let freeze = self.until_the_next_freeze();
            changed = tokio::select! {
                changed = open.next() => changed,
                () = tokio::time::sleep(freeze.unwrap_or(LONGEST)), if freeze.is_some() => {
                    BTreeSet::from([Changed::Freezes])
                }
            };
        }
    }

    fn until_the_next_freeze(&self) -> Option<Duration> {
        let left = self.next?.duration_since(self.handles.clock.now());
        Some(Duration::try_from(left).unwrap_or_default().min(LONGEST))
    }

    fn on(&mut self, changed: BTreeSet<Changed>) {
        // `Audience` is first: what follows is for the channels and environments that there are now.
        for one in changed {
            match one {
                Changed::Audience => self.on_audience(),
                Changed::Channel(name) => self.on_channel(name),
                Changed::Promotion(project, name) => {
                    if let Some(promotion) = self.handles.stores.promotions.get(&project, &name) {
                        self.offer(&self.of_promotion(&promotion));
                    }
                }
                Changed::Release(project, name) => {
                    let release = self.handles.stores.releases.get(&project, &name);
                    let notice = release.and_then(|release| of_release(&release));
                    self.offer(notice.as_slice());
                }
                Changed::Recall(project, name) => {
                    let recall = self.handles.stores.recalls.get(&project, &name);
                    let recall = recall.filter(|recall| !recall.deleting());
                    let notice = recall.map(|recall| self.of_recall(&recall));
                    self.offer(notice.as_slice());
                }
                Changed::Freezes => self.on_freezes(),
                Changed::Gone(uid) => self.outboxes.lock().forget(&uid),
            }
        }
    }

    /// Takes over channels and environments, and computes every notice if a channel is new.
    fn on_audience(&mut self) {
        let (channels, now) = (self.channels(), self.handles.clock.now());
        let environments = self.handles.stores.environments.all();
        let audience = Audience::new(
            channels.iter().map(Arc::as_ref),
            environments.iter().map(|environment| -> &Environment { environment }),
        );
        let is_new = self.outboxes.lock().observe(&channels, audience, now);
        let names: BTreeSet<String> = self.outboxes.lock().channels().cloned().collect();
        self.senders.retain(|name, (_, sender)| names.contains(name) && !sender.is_finished());
        for name in names {
            let (handles, outboxes) = (&self.handles, &self.outboxes);
            self.senders.entry(name.clone()).or_insert_with(|| {
                let woken = Arc::new(Notify::new());
                let sending = sender::run(handles.clone(), outboxes.clone(), name, Arc::clone(&woken));
                (woken, AbortOnDropHandle::new(tokio::spawn(sending)))
            });
        }
        if is_new {
            self.offer_everything();
        }
        let dropped = self.outboxes.lock().caught_up();
        self.handles.metrics.notified("dropped", dropped);
        for (woken, _) in self.senders.values() {
            woken.notify_one();
        }
    }

    /// The channels that serve a project of this process.
    fn channels(&self) -> Vec<Arc<Channel>> {
        let projects = self.handles.settings.scope.projects.as_ref();
        let serves = |channel: &Arc<Channel>| {
            projects.is_none_or(|all| all.iter().any(|project| channel.spec.serves(project)))
        };
        self.handles.stores.channels.all().into_iter().filter(serves).collect()
    }

    /// Wakes the sender of a channel, and reports on a channel that cannot be decoded.
    fn on_channel(&self, name: String) {
        if let Some((woken, _)) = self.senders.get(&name) {
            woken.notify_one();
        }
        if let Some(fault) = self.handles.stores.channels.undecodable("", &name) {
            let handles = self.handles.clone();
            tokio::spawn(async move {
                let identity = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
                if let Err(error) = reject(&handles, &Subject::of::<Channel>(identity), Some(fault)).await {
                    tracing::warn!(%error, "the status of a channel was not written");
                }
            });
        }
    }

    fn offer_everything(&mut self) {
        let stores = self.handles.stores.clone();
        for promotion in stores.promotions.all() {
            self.offer(&self.of_promotion(&promotion));
        }
        for release in stores.releases.all() {
            self.offer(of_release(&release).as_slice());
        }
        for recall in stores.recalls.all().iter().filter(|recall| !recall.deleting()) {
            self.offer(&[self.of_recall(recall)]);
        }
        self.on_freezes();
    }

    fn of_promotion(&self, promotion: &Promotion) -> Vec<Notice> {
        let release = self.handles.stores.releases.get(&promotion.project(), &promotion.spec.release);
        of_promotion(promotion, release.as_deref())
    }

    fn of_recall(&self, recall: &Recall) -> Notice {
        let releases = self.handles.stores.releases.list_by(&recall.project(), &recall.spec.application);
        of_recall(recall, releases.iter().map(Arc::as_ref))
    }

    fn on_freezes(&mut self) {
        let (stores, now) = (&self.handles.stores, self.handles.clock.now());
        let own = stores.freezes.all();
        let cluster = stores.cluster_freezes.all();
        let all = own.iter().map(|freeze| of_freeze(freeze, now));
        let all = all.chain(cluster.iter().map(|freeze| of_cluster_freeze(freeze, now)));
        let (notices, later): (Vec<_>, Vec<_>) = all.partition(Result::is_ok);
        self.next = later.into_iter().filter_map(Result::err).min();
        let notices: Vec<Notice> = notices.into_iter().filter_map(Result::ok).collect();
        self.offer(&notices);
    }

    fn offer(&self, notices: &[Notice]) {
        for notice in notices {
            let offered = self.outboxes.lock().offer(notice);
            self.handles.metrics.notified("dropped", offered.dropped);
            for name in &offered.to {
                if let Some((woken, _)) = self.senders.get(name) {
                    woken.notify_one();
                }
            }
        }
    }
}
