//! Reads the objects that a view shows, with the rights of the user.
//!
//! Invariant: the number of requests does not grow with the number of objects.

use super::dated::dated;
use super::unreadable::{self, Notes, Unreadable};
use crate::api::names::{SUBDOMAIN_RULE, is_subdomain};
use crate::api::{
    ApplicationName, CachedRelease, Environment, NamespaceName, ProjectName, Promotion, Release,
};
use crate::cluster::ServerTime;
use crate::decide::world::{Objects, Project};
use crate::view::suggestion::suggestion;
use anyhow::{Context, anyhow, bail};
use futures::future::try_join_all;
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// Reads the objects of one project. Clones share the connection.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    time: ServerTime,
    notes: Notes,
    /// The project. Empty for objects of the cluster.
    pub project: ProjectName,
}

/// The objects of a list.
pub struct Listed<T> {
    /// Those that can be decoded.
    pub found: Vec<T>,
    /// Name and error of those that cannot be decoded.
    pub undecodable: Vec<Unreadable>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { found: Vec::new(), undecodable: Vec::new() }
    }
}

/// The part of a list that is used.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// The role that may read everything that is read here.
const ROLE: &str = "towpath-viewer";

impl Reader {
    /// A reader of this project.
    pub fn new(client: Client, project: ProjectName) -> Self {
        let time = ServerTime::default();
        Self { client: dated(client, &project, &time), time, notes: Notes::default(), project }
    }

    /// A reader of another project, with the same client.
    pub fn of(&self, project: ProjectName) -> Self {
        Self { project, ..self.clone() }
    }

    /// A reader of objects of the cluster, with the same client.
    pub fn in_cluster(&self) -> Self {
        self.of(ProjectName::default())
    }

    /// The time of the API server, as its last answers tell.
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// Says once, on stderr, that something is not shown.
    pub(super) fn not_shown(&self, sentence: String) {
        self.notes.not_shown(sentence);
    }

    /// Says which objects of a kind could not be decoded.
    pub fn lacks<K: Resource<DynamicType = ()>>(&self, objects: &[Unreadable]) {
        if let Some(sentence) = unreadable::sentence(&K::kind(&()), &K::plural(&()), objects) {
            self.not_shown(sentence);
        }
    }

    /// Where the objects are, in words.
    pub fn place(&self) -> String {
        place(&self.project)
    }

    fn path<K: Resource<DynamicType = ()>>(&self) -> String {
        K::url_path(&(), Some(self.project.as_str()).filter(|project| !project.is_empty()))
    }

    /// The environments, and the promotions that a field selector selects. An empty selector selects all.
    pub async fn project(
        &self,
        promotions: &str,
        releases: Vec<Arc<CachedRelease>>,
    ) -> anyhow::Result<Project> {
        let (environments, promotions) =
            tokio::try_join!(self.selected::<Environment>(""), self.selected::<Promotion>(promotions))?;
        let mut project = self.assembled(shared(environments.found), shared(promotions.found), releases);
        let unread = environments.undecodable.into_iter();
        project.undecodable = unread.map(|(name, error)| (("Environment".to_owned(), name), error)).collect();
        Ok(project)
    }

    /// The project with these objects.
    pub fn assembled(
        &self,
        environments: Vec<Arc<Environment>>,
        promotions: Vec<Arc<Promotion>>,
        releases: Vec<Arc<CachedRelease>>,
    ) -> Project {
        Project::from_objects(Objects {
            name: self.project.clone(),
            environments,
            promotions,
            releases,
            ..Objects::default()
        })
    }

    /// The releases and environments, whose statuses hold what is left of deleted promotions.
    pub async fn recorded(&self) -> anyhow::Result<(Vec<Release>, Vec<Environment>)> {
        tokio::try_join!(self.list::<Release>(""), self.list::<Environment>(""))
    }

    /// Fails if the environments of the project cannot be read: the first thing that a view shows.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.names::<Environment>().await.map(drop)
    }

    /// The client, which has the rights of the user.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The releases of an application.
    pub async fn releases_of(
        &self,
        application: &ApplicationName,
    ) -> anyhow::Result<Vec<Arc<CachedRelease>>> {
        let releases = self.list::<Release>(&format!("spec.application={application}")).await?;
        Ok(releases.into_iter().map(cached).collect())
    }

    /// One object. None if there is none of this name.
    pub async fn get<K>(&self, name: &str) -> anyhow::Result<Option<K>>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let path = format!("{}/{name}", self.path::<K>());
        match self.ask::<Value>(&path).await {
            Ok(found) => match serde_json::from_value(found) {
                Ok(found) => Ok(Some(found)),
                Err(error) => bail!(unreadable::one(&K::kind(&()), name, &error.to_string())),
            },
            Err(kube::Error::Api(status)) if status.code == 404 && is_object(&status) => Ok(None),
            Err(error) => Err(self.explained::<K>(error)),
        }
    }

    /// One object, or an error with the nearest name if there is none of this name.
    pub async fn existing<K>(&self, name: &str) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        match self.get::<K>(checked(name)?).await? {
            Some(found) => Ok(found),
            None => {
                let (kind, like) = (K::kind(&()).to_lowercase(), suggestion(name, &self.names::<K>().await?));
                bail!("{} has no {kind} {name}{like}", self.place())
            }
        }
    }

    /// The names of all objects of a kind.
    pub async fn names<K>(&self) -> anyhow::Result<Vec<String>>
    where
        K: Resource<DynamicType = ()>,
    {
        let names = self.names_at(&self.path::<K>()).await;
        names.map_err(|error| self.explained::<K>(error))
    }

    /// The pods of target namespaces, in the order of the namespaces. One that may not be read has a sentence instead.
    pub async fn pods(&self, namespaces: &[NamespaceName]) -> Vec<Result<Vec<Pod>, String>> {
        let read = namespaces.iter().map(|namespace| async move {
            let list: Result<Value, kube::Error> = self.ask(&Pod::url_path(&(), Some(namespace))).await;
            Ok::<_, anyhow::Error>(match list {
                Ok(mut list) => {
                    serde_json::from_value(list["items"].take()).map_err(|error| error.to_string())
                }
                Err(_) => Err(without_pods(namespace)),
            })
        });
        try_join_all(read).await.unwrap_or_default()
    }

    /// The names of all namespaces.
    pub async fn namespaces(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.names_at("/api/v1/namespaces").await?)
    }

    async fn names_at(&self, path: &str) -> Result<Vec<String>, kube::Error> {
        let list: Value = self.ask(path).await?;
        let names = list["items"].as_array().into_iter().flatten();
        Ok(names.filter_map(|item| item["metadata"]["name"].as_str()).map(str::to_owned).collect())
    }

    /// The objects of a kind that a field selector selects. An empty selector selects all.
    ///
    /// Objects that cannot be decoded are left out, and said to be.
    pub async fn list<K>(&self, selector: &str) -> anyhow::Result<Vec<K>>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        Ok(self.selected(selector).await?.found)
    }

    /// The same with those that cannot be decoded.
    pub(super) async fn selected<K>(&self, selector: &str) -> anyhow::Result<Listed<K>>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let mut path = self.path::<K>();
        if !selector.is_empty() {
            path = format!("{path}?fieldSelector={selector}");
        }
        let listed = self.listed(&path).await.map_err(|error| self.explained::<K>(error))?;
        self.lacks::<K>(&listed.undecodable);
        Ok(listed)
    }

    /// The objects of a list, and those of them that cannot be decoded.
    pub async fn listed<T: DeserializeOwned>(&self, path: &str) -> Result<Listed<T>, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let text = self.client.request_text(request).await?;
        if let Ok(list) = serde_json::from_str::<List<T>>(&text) {
            return Ok(Listed { found: list.items, undecodable: Vec::new() });
        }
        let list: List<Value> = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        let mut listed = Listed::default();
        for item in list.items {
            let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match serde_json::from_value(item) {
                Ok(object) => listed.found.push(object),
                Err(error) => listed.undecodable.push((name, error.to_string())),
            }
        }
        Ok(listed)
    }

    /// What the API server answers at a path.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// What was wrong, and what to do.
    pub(super) fn explained<K: Resource<DynamicType = ()>>(&self, error: kube::Error) -> anyhow::Error {
        explained(&K::plural(&()), &self.project, error)
    }
}

/// Whether the API server does not accept the credentials.
pub fn is_unauthorized(error: &kube::Error) -> bool {
    crate::cluster::error::code_of(error) == Some(401)
}

/// What was wrong with a request for objects of a kind, and what to do.
pub fn explained(plural: &str, project: &str, error: kube::Error) -> anyhow::Error {
    let kube::Error::Api(status) = error else {
        return anyhow::Error::new(error).context("cannot reach the cluster");
    };
    match status.code {
        401 => {
            anyhow!("the cluster does not accept the credentials: {}", status.message)
        }
        // The server's words are all that distinguishes it: it names the user, and not what was asked for.
        403 if status.message.contains("impersonate") => {
            anyhow!(
                "you may not act as the user or group of --as and --as-group: {}; a cluster administrator grants the verb impersonate",
                status.message
            )
        }
        403 if project.is_empty() => {
            anyhow!(
                "you may not read {plural} of the cluster: a cluster administrator grants the right to get and list them"
            )
        }
        403 => anyhow!(
            "you may not read {plural} in namespace {project}. A user who may bind roles there grants it with: \
             kubectl create rolebinding {ROLE} --namespace {project} --clusterrole {ROLE} --user YOUR-NAME"
        ),
        404 => anyhow!(
            "this cluster has no {plural} of towpath.dev/v1alpha1: install Towpath, or see whether this is the right context"
        ),
        _ => anyhow!("cannot read {plural} in {}: {}", place(project), status.message),
    }
}

/// A project in words. An empty name stands for the cluster.
fn place(project: &str) -> String {
    if project.is_empty() { "the cluster".to_owned() } else { format!("namespace {project}") }
}

/// Why the pods of a namespace are not shown.
pub fn without_pods(namespace: &str) -> String {
    format!("not shown: it needs the right to list pods in namespace {namespace}")
}

/// Whether an object is missing, and not its kind.
fn is_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// The objects of a list as a project holds them.
pub fn shared<T>(found: Vec<T>) -> Vec<Arc<T>> {
    found.into_iter().map(Arc::new).collect()
}

/// One release as the views read it.
pub fn cached(release: Release) -> Arc<CachedRelease> {
    Arc::new(release.into())
}

/// A name of an object, which becomes a part of a URL.
pub fn checked(name: &str) -> anyhow::Result<&str> {
    Some(name)
        .filter(|name| is_subdomain(name))
        .with_context(|| format!("{name:?} is not the name of an object: {SUBDOMAIN_RULE}"))
}
