//! The routes of the page.
//!
//! The shell, its script and its style need no token and say nothing. Everything else is answered to a visitor, with their rights.

use super::action::{Action, Fields, intent};
use super::dialog::{Preview, dialog};
use super::guard::{Names, guard};
use super::pages::{self, Request};
use super::route::{Place, Route};
use super::visitor::Visitor;
use super::{Access, Refusal, SHELL};
use crate::user::followed::Followed;
use crate::user::rights::lacking;
use crate::user::sender::{Keep, preview, send_intent};
use crate::user::standing::Standing;
use crate::view::intent::{self, Intent};
use crate::view::right::{Right, missing};
use crate::view::screen::printable;
use crate::view::waiting::{Waiting, waiting};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long the first list of a project is waited for.
const FIRST_LIST: Duration = Duration::from_secs(5);
/// How often it is looked whether it is there.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest body of a request.
const MOST_BYTES: usize = 128 * 1024;

/// What is said to a secret that opens nothing.
const USED: &str = "This address was used before, or belongs to a server that has ended. Start the page again: kubectl towpath ui";

const SCRIPT: &str = include_str!("assets/page.js");
const STYLE: &str = include_str!("assets/page.css");

/// The page for these names.
pub fn router(access: Arc<Access>, names: Names) -> Router {
    Router::new()
        .route(
            "/",
            get(|State(access): State<Arc<Access>>| async move {
                asset("text/html; charset=utf-8", shell(&access))
            }),
        )
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT.to_owned()) }))
        .route("/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE.to_owned()) }))
        .route("/session", post(session))
        .route("/part/{*path}", get(part))
        .route("/act/{project}/{action}", post(act))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(access)
        .layer(from_fn_with_state(names, guard))
}

fn asset(kind: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The empty page that the script fills.
fn shell(access: &Access) -> String {
    let mode = access.mode();
    SHELL.replace("MODE", mode.word).replace("PROJECT", &mode.project)
}

/// The token for the secret that opened the page.
async fn session(State(access): State<Arc<Access>>, body: String) -> Response {
    match access.exchange(body.trim()) {
        Some(token) => token.to_owned().into_response(),
        None => Refusal::Unknown(USED.to_owned()).into_response(),
    }
}

/// A page as the content of the shell.
async fn part(
    State(access): State<Arc<Access>>,
    Path(path): Path<String>,
    Query(choices): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let visitor = match access.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(route) = Route::parse(&path) else {
        return (StatusCode::NOT_FOUND, "There is no such page.").into_response();
    };
    let followed = visitor.project(&route.project);
    let standing = listed(&followed).await;
    let content = match &standing {
        Standing::Lost(message) => lost(&route, message),
        Standing::Listing => html! { main #main { p role="status" { "Reading the project." } } },
        Standing::Current | Standing::Behind(_) => {
            shown(&visitor, &followed, &route, &choices, &standing).await
        }
    };
    let text = content.into_string();
    let tag = format!("\"{}\"", hex(&Sha256::digest(text.as_bytes())));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    match known {
        true => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
        false => {
            let headers =
                [(header::ETAG, tag), (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned())];
            (headers, text).into_response()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How current the project is, once it was listed.
async fn listed(followed: &Followed) -> Standing {
    let ready = async {
        while followed.standing() == Standing::Listing {
            tokio::time::sleep(PAUSE).await;
        }
    };
    // A list that takes longer is asked for again by the script.
    let _ = tokio::time::timeout(FIRST_LIST, ready).await;
    followed.standing()
}

/// What is shown if the objects may not be shown any longer: nothing of them.
fn lost(route: &Route, message: &str) -> Markup {
    html! {
        main #main {
            h1 tabindex="-1" { "Project " (route.project) " is not shown" }
            p.bad role="alert" { (printable(message)) }
            form.project data-go="project" {
                label for="project" { "Project" }
                input #project name="project" value=(route.project) autocomplete="off" spellcheck="false";
            }
        }
    }
}

async fn shown(
    visitor: &Visitor,
    followed: &Followed,
    route: &Route,
    choices: &BTreeMap<String, String>,
    standing: &Standing,
) -> Markup {
    let snapshot = followed.snapshot();
    let user = visitor.user().await;
    let name = user.as_ref().map(|user| user.username.as_str()).unwrap_or_default();
    let mine = match route.place {
        Place::Waiting => Some(mine(visitor, followed, name).await),
        Place::Board
        | Place::Calendar
        | Place::Delivery
        | Place::Release(_)
        | Place::Environment(_)
        | Place::Promotion(_) => None,
    };
    let pods = match route.place {
        Place::Release(_) | Place::Environment(_) | Place::Promotion(_) => followed.pods().await,
        Place::Board | Place::Waiting | Place::Calendar | Place::Delivery => Arc::default(),
    };
    let now = followed.reader.now();
    let mine = mine.as_ref();
    let request =
        Request { route, choices, snapshot: &snapshot, standing, user: name, mine, pods: &pods, now };
    pages::page(&request)
}

/// What the visitor can do something about.
async fn mine(visitor: &Visitor, followed: &Followed, user: &str) -> Waiting {
    let snapshot = followed.snapshot();
    let everything = &snapshot.everything;
    let view = waiting(&everything.project);
    let asked: BTreeSet<Right> =
        view.rows.iter().flat_map(|row| row.rights(user, &everything.holds)).collect();
    let rights = visitor.rights(&everything.project.name, asked).await;
    view.for_user(user, &everything.holds, |right| rights.get(right).copied().unwrap_or_default())
}

/// The dialog of an action; with the field `step` set to `send`, what became of it.
async fn act(
    State(access): State<Arc<Access>>,
    Path((project, action)): Path<(String, String)>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let visitor = match access.visitor(&headers).await {
        Ok(visitor) => visitor,
        Err(refusal) => return refusal.into_response(),
    };
    let route = Route::parse(&project).zip(Action::parse(&action));
    let Some((route, action)) = route.filter(|(route, _)| route.place == Place::Board) else {
        return (StatusCode::NOT_FOUND, "There is no such action.").into_response();
    };
    let fields = Fields(fields);
    let followed = visitor.project(&route.project);
    if let Standing::Lost(message) = listed(&followed).await {
        return (StatusCode::FORBIDDEN, printable(&message)).into_response();
    }
    let snapshot = followed.snapshot();
    let (user, now) = (visitor.user().await, followed.reader.now());
    let by = user.as_ref();
    let request = intent::Request { project: Some(&route.project), by, reason: None };
    let intent = intent(action, &fields, &snapshot, request, now);
    let name = by.map(|user| user.username.as_str()).unwrap_or_default();
    let shown = match intent {
        Err(why) => {
            Preview { answer: sends(&fields).then(|| Err(why.clone())), manifest: Err(why), missing: None }
        }
        Ok(intent) => judged(&followed, &intent, name, sends(&fields)).await,
    };
    dialog(action, &fields, &snapshot, &shown, now).into_response()
}

fn sends(fields: &Fields) -> bool {
    fields.get("step") == Some("send")
}

/// What would be written, and with `sends`, what the API server said to it.
async fn judged(followed: &Followed, intent: &Intent, user: &str, sends: bool) -> Preview {
    let reader = &followed.writer;
    let lacking = lacking(reader, &intent.rights).await;
    let missing = (!lacking.is_empty()).then(|| missing(&lacking, intent.role, &reader.project, user));
    let manifest = match preview(reader, intent).await {
        Ok(object) => manifest(intent, &object),
        Err(error) => Err(format!("{error:#}")),
    };
    let answer = match (sends, &missing) {
        (false, _) => None,
        (true, Some(missing)) => Some(Err(missing.clone())),
        (true, None) => Some(match send_intent(reader, intent, Keep::Stored).await {
            Ok(object) => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                Ok(format!("{} {name} {}", intent.kind.singular(), intent.done))
            }
            Err(error) => Err(format!("{error:#}")),
        }),
    };
    Preview { manifest, missing: missing.filter(|_| !sends), answer }
}

/// The object as YAML, without the bookkeeping of the API server.
fn manifest(intent: &Intent, object: &serde_json::Value) -> Result<String, String> {
    let mut object = object.clone();
    if let Some(meta) = object["metadata"].as_object_mut() {
        meta.remove("managedFields");
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    let text = serde_yaml::to_string(&object).map_err(|error| error.to_string())?;
    Ok(match &intent.write {
        intent::Write::Create(_) | intent::Write::Patch { .. } => text,
        intent::Write::Delete { name, .. } => format!("delete {} {name}\n", intent.kind.singular()),
    })
}
