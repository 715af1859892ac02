//! A visitor: a user, with the projects that they look at.
//!
//! Invariants: a project is watched once per visitor, however many tabs show it, and not much longer than it is looked at. Nothing is
//! shared between visitors.

use crate::api::{ProjectName, UserInfo};
use crate::user::followed::Followed;
use crate::user::reader::Reader;
use crate::user::rights;
use crate::view::right::Right;
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long a project is watched after it was last looked at.
const IDLE: Duration = Duration::from_secs(120);
/// Most projects that are watched for a visitor.
const MOST_PROJECTS: usize = 16;
/// How long an answer about a right counts.
const RIGHTS: Duration = Duration::from_secs(30);

/// A user with their connection.
pub struct Visitor {
    reader: Reader,
    writer: Reader,
    user: OnceCell<UserInfo>,
    projects: Mutex<BTreeMap<ProjectName, (Instant, Arc<Followed>)>>,
    rights: Mutex<BTreeMap<(ProjectName, Right), (Instant, bool)>>,
}

impl Visitor {
    /// The visitor whose rights the reader has. `writer`: the same with a client that sends each request once.
    pub fn new(reader: Reader, writer: Reader) -> Self {
        Self { reader, writer, user: OnceCell::new(), projects: Mutex::default(), rights: Mutex::default() }
    }

    /// Reads with the rights of the visitor.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Who it is. None if the API server does not say.
    pub async fn user(&self) -> Option<UserInfo> {
        let asked = self.user.get_or_try_init(|| async { rights::user(&self.reader).await.ok_or(()) });
        asked.await.ok().cloned()
    }

    /// A project, which is watched from now on.
    pub fn project(&self, name: &ProjectName) -> Arc<Followed> {
        let now = Instant::now();
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.retain(|other, (used, _)| other == name || now.duration_since(*used) < IDLE);
        if projects.len() >= MOST_PROJECTS && !projects.contains_key(name) {
            let oldest = projects.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            oldest.map(|oldest| projects.remove(&oldest));
        }
        let (used, followed) = projects.entry(name.clone()).or_insert_with(|| {
            let (reader, writer) = (self.reader.of(name.clone()), self.writer.of(name.clone()));
            (now, Arc::new(Followed::new(reader, writer)))
        });
        *used = now;
        Arc::clone(followed)
    }

    /// Which of these rights the visitor has in a project. The API server judges later what it does not answer now.
    pub async fn rights(&self, project: &ProjectName, asked: BTreeSet<Right>) -> BTreeMap<Right, bool> {
        let reader = self.reader.of(project.clone());
        let answers = asked.into_iter().map(|right| {
            let reader = &reader;
            async move {
                let key = (project.clone(), right);
                if let Some(known) = self.known(&key) {
                    return (key.1, known);
                }
                let may = rights::may(reader, &key.1).await;
                if let Some(may) = may {
                    let mut rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
                    rights.retain(|_, (at, _)| at.elapsed() < RIGHTS);
                    rights.insert(key.clone(), (Instant::now(), may));
                }
                (key.1, may.unwrap_or(true))
            }
        });
        join_all(answers).await.into_iter().collect()
    }

    fn known(&self, key: &(ProjectName, Right)) -> Option<bool> {
        let rights = self.rights.lock().unwrap_or_else(PoisonError::into_inner);
        rights.get(key).filter(|(at, _)| at.elapsed() < RIGHTS).map(|(_, may)| *may)
    }
}
