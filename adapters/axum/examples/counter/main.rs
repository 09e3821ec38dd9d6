//! A counter of visits, with sign-in and sign-out: the same small application as the `counter` of
//! every other framework here.
//!
//! `cargo run -p cloakroom-axum --example counter`, then `curl -b jar -c jar localhost:3000` and
//! `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use cloakroom_axum::{Error, Session, SessionLayer};
use cloakroom_memory::MemoryStore;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    serve(TcpListener::bind("127.0.0.1:3000").await?).await
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let app = Router::new()
        .route("/", get(count))
        .route("/sign-in/{name}", post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(SessionLayer::new(MemoryStore::new()));
    axum::serve(listener, app).await
}

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
async fn sign_in(session: Session, Path(name): Path<String>) -> Result<String, Error> {
    session.sign_in(&name)?;
    Ok(format!("hello, {name}"))
}

async fn sign_out(session: Session) -> Result<String, Error> {
    session.sign_out()?;
    Ok("goodbye".to_owned())
}

#[cfg(test)]
mod drive;

#[cfg(test)]
#[tokio::test]
async fn counts_signs_in_and_signs_out() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));
    drive::drive(address).await?;
    server.abort();
    Ok(())
}
