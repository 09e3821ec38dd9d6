//! `/operator`: the sessions of the shop as its operator sees them, for this machine alone. The
//! command `cloakroom` shows the same in a terminal.
//!
//! [`guard`] decides who sees it, [`census`] counts, [`pages`] has the HTML. A page that says what
//! a form did is the answer to the form itself, and uses no session: it may be the one that ended.

mod census;
mod guard;
mod pages;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cloakroom_any::Enumerator;
use cloakroom_axum::{Error, Session, Sessions, SharedDirectory, Store};
use serde::Deserialize;

use crate::failure::{self, Failure};
use crate::form::Posted;
use crate::handlers::{Devices, Visitor, check_name, device_of};
pub(crate) use guard::Peer;
use pages::{Did, Found};

/// So many records of one name are read for a page, and so many of its sessions end by one click.
const MOST_OF_A_NAME: usize = 200;

/// The sessions, and what their store can do.
struct Desk<S> {
    /// Those of the session layer, so that this process refuses at once what was ended here.
    sessions: Sessions<S>,
    devices: Devices,
    enumerator: Option<Enumerator>,
}

/// The routes of the page.
pub(crate) fn routes<S: Store, T>(
    sessions: Sessions<S>,
    devices: Devices,
    enumerator: Option<Enumerator>,
) -> Router<T> {
    let desk = Desk {
        sessions,
        devices,
        enumerator,
    };
    Router::new()
        .route("/operator", get(overview::<S>))
        .route("/operator/end", post(end_one::<S>))
        .route("/operator/end-name", post(end_name::<S>))
        .route("/operator/end-all", post(end_all::<S>))
        // Inside of the guard, so that a wrong method does not tell that the page is there.
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(from_fn(guard::only_this_machine))
        .with_state(Arc::new(desk))
}

#[derive(Deserialize)]
struct Search {
    name: Option<String>,
}

async fn overview<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    search: Result<Query<Search>, QueryRejection>,
    session: Result<Session, Error>,
) -> Result<Response, Refused> {
    let Query(Search { name }) = search.map_err(|bad| Failure::Form(bad.status()))?;
    let session = session?;
    let census = census::take(&desk.sessions, desk.enumerator.as_ref()).await;
    // The form is sent empty by hand only.
    let name = name.as_deref().map(str::trim);
    let found = match (&desk.devices, name.filter(|name| !name.is_empty())) {
        (Some(devices), Some(name)) => {
            Some((name, find(devices, name, session.id()?.as_deref()).await))
        }
        _ => None,
    };
    let status = match (&census, &found) {
        (Err(error), _) | (_, Some((_, Found::Failed(error)))) => log(error).status(),
        (_, Some((_, Found::Wrong(_)))) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let page = pages::overview(
        &Visitor::of(&session)?,
        &session.csrf_token()?,
        desk.devices.is_some(),
        &census,
        found.as_ref().map(|(name, found)| (*name, found)),
    );
    Ok((status, page).into_response())
}

async fn find(devices: &Sessions<SharedDirectory>, name: &str, this: Option<&str>) -> Found {
    if let Err(problem) = check_name(name) {
        return Found::Wrong(problem);
    }
    let now = SystemTime::now().into();
    match devices.list_some(name, MOST_OF_A_NAME).await {
        Ok(listed) => {
            let listed = listed.iter();
            Found::Sessions(listed.map(|one| device_of(one, this, now)).collect())
        }
        Err(error) => Found::Failed(error),
    }
}

#[derive(Deserialize)]
struct One {
    name: String,
    id: String,
}

async fn end_one<S>(
    State(desk): State<Arc<Desk<S>>>,
    posted: Result<Posted<One>, Failure>,
) -> Result<Response, Refused> {
    let form = posted?.form;
    let devices = desk.devices.as_ref().ok_or(NOT_OFFERED)?;
    let ended = devices.revoke(&form.name, &form.id).await;
    Ok(answer(ended.map(Did::EndedOne), Some(&form.name)))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn end_name<S>(
    State(desk): State<Arc<Desk<S>>>,
    posted: Result<Posted<Name>, Failure>,
) -> Result<Response, Refused> {
    let form = posted?.form;
    let devices = desk.devices.as_ref().ok_or(NOT_OFFERED)?;
    let ended = devices.revoke_some(&form.name, None, MOST_OF_A_NAME).await;
    Ok(answer(ended.map(Did::Ended), Some(&form.name)))
}

#[derive(Deserialize)]
struct Sure {
    /// The box that has to be ticked.
    sure: Option<String>,
}

async fn end_all<S: Store>(
    State(desk): State<Arc<Desk<S>>>,
    posted: Result<Posted<Sure>, Failure>,
) -> Result<Response, Refused> {
    let did = match posted?.form.sure {
        Some(_) => desk.sessions.end_all().await.map(|()| Did::EndedAll),
        None => Ok(Did::Unsure),
    };
    Ok(answer(did, None))
}

/// The page has no such form where the store cannot list.
const NOT_OFFERED: Failure = Failure::Form(StatusCode::NOT_FOUND);

/// Returns the page that says what a form did, or that the store may have done it.
fn answer(did: Result<Did, Error>, name: Option<&str>) -> Response {
    let status = match &did {
        Ok(Did::Unsure) => StatusCode::UNPROCESSABLE_ENTITY,
        Ok(_) => StatusCode::OK,
        Err(error) => log(error).status(),
    };
    (status, pages::answer(&did, name)).into_response()
}

/// A failure before anything was done. Operators see why their own session cannot be used.
struct Refused(Failure);

impl<F: Into<Failure>> From<F> for Refused {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self(Failure::Session(error)) => {
                (log(&error).status(), pages::refused(&error)).into_response()
            }
            Self(failure) => failure.into_response(),
        }
    }
}

fn log(error: &Error) -> &Error {
    tracing::error!(%error, "the operator's page could not do its work");
    error
}
