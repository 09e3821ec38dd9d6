//! The handlers.
//!
//! Handlers that show a page take `Result<Session, Error>`, so that a store that cannot be reached
//! gives a page of ours. Those that change something take a [`Posted`] form, and answer with a
//! redirect: reloading the page it leads to does nothing twice.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom_axum::{DeviceStatus, Error, Session, SessionInfo, Sessions};
use cloakroom_store::{SharedDirectory, UnixTime};
use maud::Markup;
use serde::Deserialize;
use std::time::{Duration, SystemTime};

use crate::device;
use crate::failure::Failure;
use crate::form::Posted;
use crate::pages::{self, Device};
use crate::shop::{Cart, Change, product};

/// The sessions as a list by user, if their store can.
pub(crate) type Devices = Option<Sessions<SharedDirectory>>;

const LONGEST_NAME: usize = 40;

/// The part of the session that every page shows.
pub(crate) struct Visitor {
    pub(crate) name: Option<String>,
    pub(crate) in_cart: u32,
    pub(crate) notice: Option<String>,
}

impl Visitor {
    pub(crate) fn of(session: &Session) -> Result<Self, Failure> {
        Ok(Self {
            name: session.subject()?,
            in_cart: cart_of(session)?.count(),
            // Left by the request before the redirect; reading it here ends it.
            notice: session.flashed("notice")?,
        })
    }
}

fn cart_of(session: &Session) -> Result<Cart, Failure> {
    Ok(session.get("cart")?.unwrap_or_default())
}

fn signed_in(session: &Session) -> Result<String, Failure> {
    session.subject()?.ok_or(Failure::SignedOut)
}

pub(crate) async fn shop(session: Result<Session, Error>) -> Result<Markup, Failure> {
    let session = session?;
    // Not `get` and `insert`: two tabs that load at the same moment count as two.
    let visits = session.update("visits", |visits: Option<u64>| {
        visits.unwrap_or(0).saturating_add(1)
    })?;
    Ok(pages::shop(
        &Visitor::of(&session)?,
        &session.csrf_token()?,
        visits,
    ))
}

pub(crate) async fn cart(session: Result<Session, Error>) -> Result<Markup, Failure> {
    let session = session?;
    let cart = cart_of(&session)?;
    // A token needs a session to belong to, and asking for one would begin it. Nobody gets a cookie
    // for looking at an empty cart.
    let csrf = if cart.count() > 0 {
        session.csrf_token()?
    } else {
        String::new()
    };
    Ok(pages::cart(&Visitor::of(&session)?, &csrf, &cart))
}

#[derive(Deserialize)]
pub(crate) struct Add {
    product: String,
}

pub(crate) async fn add(Posted { session, form }: Posted<Add>) -> Result<Redirect, Failure> {
    let product = product(&form.product).ok_or(Failure::Form(StatusCode::UNPROCESSABLE_ENTITY))?;
    change_cart(&session, product.id, Change::More)?;
    session.flash("notice", format!("{} is in your cart.", product.name))?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
pub(crate) struct ChangeLine {
    product: String,
    change: Change,
}

pub(crate) async fn change(
    Posted { session, form }: Posted<ChangeLine>,
) -> Result<Redirect, Failure> {
    let product = product(&form.product).ok_or(Failure::Form(StatusCode::UNPROCESSABLE_ENTITY))?;
    change_cart(&session, product.id, form.change)?;
    session.flash("notice", "Your cart has been changed.")?;
    Ok(Redirect::to("/cart"))
}

/// `update`, so that what another tab puts into the cart at the same moment stays.
fn change_cart(session: &Session, id: &'static str, change: Change) -> Result<(), Failure> {
    session.update("cart", move |cart: Option<Cart>| {
        let mut cart = cart.unwrap_or_default();
        if let Some(product) = product(id) {
            cart.change(product, change);
        }
        cart
    })?;
    Ok(())
}

pub(crate) async fn sign_in_page(session: Result<Session, Error>) -> Result<Response, Failure> {
    let session = session?;
    if session.subject()?.is_some() {
        return Ok(Redirect::to("/account").into_response());
    }
    Ok(pages::sign_in(&Visitor::of(&session)?, &session.csrf_token()?, "", None).into_response())
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    name: String,
}

pub(crate) async fn sign_in(
    headers: HeaderMap,
    Posted { session, form }: Posted<Credentials>,
) -> Result<Response, Failure> {
    let name = form.name.trim();
    // A real site checks a password or a passkey here.
    if let Err(problem) = check_name(name) {
        let page = pages::sign_in(
            &Visitor::of(&session)?,
            &session.csrf_token()?,
            name,
            Some(&problem),
        );
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    // A new token and a new CSRF token. The cart of the visitor goes along; the data of another
    // user would not.
    session.sign_in(name)?;
    let user_agent = headers
        .get(header::USER_AGENT)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    session.insert("device", device::name(&user_agent.unwrap_or_default()))?;
    session.flash("notice", "You are signed in.")?;
    Ok(Redirect::to("/account").into_response())
}

pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if !name.chars().any(char::is_alphanumeric) {
        Err("Please enter your name.".to_owned())
    } else if name.chars().count() > LONGEST_NAME {
        Err(format!(
            "Please enter a name of at most {LONGEST_NAME} characters."
        ))
    } else if name.chars().any(char::is_control) {
        Err("Please enter a name on one line, without control characters.".to_owned())
    } else {
        Ok(())
    }
}

pub(crate) async fn account(
    State(sessions): State<Devices>,
    status: Option<Extension<DeviceStatus>>,
    session: Result<Session, Error>,
) -> Result<Response, Failure> {
    let session = session?;
    let name = signed_in(&session)?;
    let status = status.map(|Extension(status)| status);
    if status.is_some_and(DeviceStatus::is_foreign) {
        // A copy of another device's cookies, or a browser that lost its key.
        session.sign_out()?;
        return Ok(Redirect::to("/sign-in").into_response());
    }
    let this = session.id()?;
    let now = SystemTime::now().into();
    let listed = match sessions {
        Some(sessions) => Some(sessions.list(&name).await?),
        None => None,
    };
    let devices = listed.as_ref().map(|devices| {
        let devices = devices.iter();
        let devices = devices.map(|listed| device_of(listed, this.as_deref(), now));
        devices.collect::<Vec<_>>()
    });
    Ok(pages::account(
        &Visitor::of(&session)?,
        &session.csrf_token()?,
        &name,
        devices.as_deref(),
        status == Some(DeviceStatus::Bound),
    )
    .into_response())
}

pub(crate) fn device_of(listed: &SessionInfo, this: Option<&str>, now: UnixTime) -> Device {
    let signed_in = listed
        .authenticated_at()
        .unwrap_or_else(|| listed.created_at());
    // A name of another type hides no session from its owner.
    let name = listed.get("device").ok().flatten();
    Device {
        // The id is a public name of the session: it leads neither to the token nor to the record.
        id: listed.id().to_owned(),
        name: name.unwrap_or_else(|| device::name("")),
        signed_in: ago(now.since(signed_in)),
        last_seen: ago(now.since(listed.last_seen())),
        expires: match duration(listed.expires_at().since(now)) {
            Some(time) => format!("in {time}"),
            None => "any moment".to_owned(),
        },
        is_this: this == Some(listed.id()),
    }
}

fn ago(time: Duration) -> String {
    match duration(time) {
        Some(time) => format!("{time} ago"),
        None => "just now".to_owned(),
    }
}

/// In words, to the minute or hour; `None` if it is less than half a minute.
fn duration(duration: Duration) -> Option<String> {
    let in_words = |n: u64, unit| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    match (duration.as_secs() + 30) / 60 {
        0 => None,
        minutes @ 1..60 => Some(in_words(minutes, "minute")),
        minutes => Some(in_words((minutes + 30) / 60, "hour")),
    }
}

pub(crate) async fn sign_out(Posted { session, .. }: Posted) -> Result<Redirect, Failure> {
    session.sign_out()?;
    // Flash messages from here on belong to a new, signed-out session.
    session.flash("notice", "You are signed out.")?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
pub(crate) struct One {
    id: String,
}

pub(crate) async fn sign_out_one(
    State(sessions): State<Devices>,
    Posted { session, form }: Posted<One>,
) -> Result<Redirect, Failure> {
    let sessions = sessions.ok_or(Failure::Form(StatusCode::NOT_FOUND))?;
    // By subject and id, so that no id ends another user's session.
    let ended = sessions.revoke(&signed_in(&session)?, &form.id).await?;
    let notice = if ended {
        "That device is signed out."
    } else {
        "That device was signed out already."
    };
    session.flash("notice", notice)?;
    Ok(Redirect::to("/account"))
}

pub(crate) async fn sign_out_others(
    State(sessions): State<Devices>,
    Posted { session, .. }: Posted,
) -> Result<Redirect, Failure> {
    let sessions = sessions.ok_or(Failure::Form(StatusCode::NOT_FOUND))?;
    let name = signed_in(&session)?;
    let this = session.id()?;
    let ended = sessions.revoke_others(&name, this.as_deref()).await?;
    let notice = match ended {
        0 => "There was no other device.".to_owned(),
        1 => "One other device is signed out.".to_owned(),
        ended => format!("{ended} other devices are signed out."),
    };
    session.flash("notice", notice)?;
    Ok(Redirect::to("/account"))
}

pub(crate) async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("style.css"))
}

pub(crate) async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("icon.svg"))
}

/// Kept for a minute: long enough for a walk through the site, short enough for trying out another
/// style.
fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=60"),
        ],
        text,
    )
}
