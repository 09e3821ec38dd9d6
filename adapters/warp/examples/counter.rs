//! A counter of visits, with sign-in and sign-out: the same small application as the `counter` of
//! every other framework here.
//!
//! `cargo run -p cloakroom-warp --example counter`, then `curl -b jar -c jar localhost:3000` and
//! `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use cloakroom_memory::MemoryStore;
use cloakroom_warp::{Error, Layer as _, Session, SessionLayer, recover, session};
use tokio::net::TcpListener;
use warp::Filter as _;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    serve(TcpListener::bind("127.0.0.1:3000").await?).await
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let start = warp::path::end().and(warp::get());
    let sign_in_as = warp::path!("sign-in" / String).and(warp::post());
    let leave = warp::path!("sign-out").and(warp::post());
    let routes = (start.and(session()).then(count))
        .or(sign_in_as.and(session()).then(sign_in))
        .or(leave.and(session()).then(sign_out))
        .recover(recover);
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let service = SessionLayer::new(MemoryStore::new()).layer(warp::service(routes));
    cloakroom_warp::serve(listener, service, std::future::pending()).await
}

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
async fn sign_in(name: String, session: Session) -> Result<String, Error> {
    session.sign_in(&name)?;
    Ok(format!("hello, {name}"))
}

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
