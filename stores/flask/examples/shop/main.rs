//! The shop of `app.py` in Rust, on the same sessions: as many of its routes as have moved already,
//! here all four.
//!
//! `SESSION_TYPE=redis SESSION_REDIS=redis://127.0.0.1:6379 SECRET_KEY=... cargo run --example shop
//! --features redis`: the variables of `app.py`.

use std::error::Error;

use axum::extract::Form;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use axum::{Router, serve};
use cloakroom_axum::{Session, SessionLayer};
use cloakroom_flask::Settings;
use cloakroom_store::SharedStore;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it says where it listens")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let settings = Settings::from_env(std::env::vars())?;
    let store = cloakroom_flask_stores::open(&settings).await?;
    let app = with_sessions(routes(), store, &settings)?;
    let port = std::env::var("PORT").map_or(Ok(5001), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app).await?;
    Ok(())
}

/// These routes, with the sessions of a Flask application that has the same settings.
pub(crate) fn with_sessions(
    routes: Router,
    store: SharedStore,
    settings: &Settings,
) -> Result<Router, Box<dyn Error + Send + Sync>> {
    let layer = SessionLayer::new(store).with_config(settings.config()?);
    Ok(routes.layer(layer))
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/login", post(login))
        .route("/cart", post(cart))
        .route("/logout", post(logout))
}

#[derive(Serialize)]
struct Shop {
    name: Option<String>,
    cart: Vec<String>,
}

async fn index(session: Session) -> Result<Json<Shop>, cloakroom_axum::Error> {
    Ok(Json(Shop {
        name: session.get("name")?,
        cart: session.get("cart")?.unwrap_or_default(),
    }))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Signs in as in Flask, but gives the session another id: the old id is not signed in.
async fn login(
    session: Session,
    Form(login): Form<Login>,
) -> Result<StatusCode, cloakroom_axum::Error> {
    session.insert("name", login.name)?;
    session.rotate()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Item {
    item: String,
}

/// `update` runs again over what another request, of Flask too, has put into the cart meanwhile.
async fn cart(
    session: Session,
    Form(item): Form<Item>,
) -> Result<StatusCode, cloakroom_axum::Error> {
    session.update("cart", move |cart: Option<Vec<String>>| {
        let mut cart = cart.unwrap_or_default();
        cart.push(item.item.clone());
        cart
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout(session: Session) -> Result<StatusCode, cloakroom_axum::Error> {
    session.sign_out()?;
    Ok(StatusCode::NO_CONTENT)
}
