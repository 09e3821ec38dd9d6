//! A counter of visits, with sign-in and sign-out: the application that every framework here has.
//!
//! `cargo run -p cloakroom-poem --example counter`, then open <http://localhost:3000>, or
//! `curl -b jar -c jar localhost:3000` and `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use cloakroom_memory::MemoryStore;
use cloakroom_poem::{Error, Session, SessionMiddleware};
use poem::listener::TcpAcceptor;
use poem::web::Path;
use poem::{EndpointExt as _, Route, Server, get, handler, post};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    serve(TcpListener::bind("127.0.0.1:3000").await?).await
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let app = Route::new()
        .at("/", get(count))
        .at("/sign-in/:name", post(sign_in))
        .at("/sign-out", post(sign_out))
        .with(SessionMiddleware::new(MemoryStore::new()));
    let acceptor = TcpAcceptor::from_tokio(listener)?;
    Server::new_with_acceptor(acceptor).run(app).await
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
async fn sign_in(session: Session, Path(name): Path<String>) -> Result<String, Error> {
    session.sign_in(&name)?;
    Ok(format!("hello, {name}"))
}

#[handler]
async fn sign_out(session: Session) -> Result<String, Error> {
    session.sign_out()?;
    Ok("goodbye".to_owned())
}

#[cfg(test)]
#[path = "../../axum/examples/counter/drive.rs"]
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
