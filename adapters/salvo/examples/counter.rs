//! A counter of visits, with sign-in and sign-out: the application that every framework here has.
//!
//! `cargo run -p cloakroom-salvo --example counter`, then open <http://localhost:3000>, or
//! `curl -b jar -c jar localhost:3000` and `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use cloakroom_memory::MemoryStore;
use cloakroom_salvo::{Error, Session, SessionMiddleware};
use salvo::conn::tcp::TcpAcceptor;
use salvo::extract::PathParam;
use salvo::prelude::*;
use std::io;

#[tokio::main]
async fn main() -> io::Result<()> {
    tracing_subscriber::fmt::init();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    serve(listener).await
}

async fn serve(listener: tokio::net::TcpListener) -> io::Result<()> {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let router = Router::new()
        .hoop(SessionMiddleware::new(MemoryStore::new()))
        .get(count)
        .push(Router::with_path("sign-in/{name}").post(sign_in))
        .push(Router::with_path("sign-out").post(sign_out));
    let server = Server::new(TcpAcceptor::try_from(listener)?);
    server.try_serve(router).await
}

#[handler]
async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
#[handler]
async fn sign_in(session: Session, name: PathParam<String>) -> Result<String, Error> {
    let name = name.into_inner();
    session.sign_in(&name)?;
    Ok(format!("hello, {name}"))
}

#[handler]
async fn sign_out(session: Session) -> Result<&'static str, Error> {
    session.sign_out()?;
    Ok("goodbye")
}

#[cfg(test)]
#[path = "../../axum/examples/counter/drive.rs"]
mod drive;

#[cfg(test)]
#[tokio::test]
async fn counts_signs_in_and_signs_out() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));
    drive::drive(address).await?;
    server.abort();
    Ok(())
}
