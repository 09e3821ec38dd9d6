//! A counter of visits, with sign-in and sign-out: the application that every framework here has.
//!
//! `cargo run -p cloakroom-actix --example counter`, then open <http://localhost:3000>, or
//! `curl -b jar -c jar localhost:3000` and `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, get, post, web};
use cloakroom_actix::{Error, Session, SessionMiddleware};
use cloakroom_memory::MemoryStore;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt::init();
    serve(TcpListener::bind("127.0.0.1:3000")?)?.await
}

fn serve(listener: TcpListener) -> std::io::Result<Server> {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let sessions = SessionMiddleware::new(MemoryStore::new());
    let factory = move || {
        App::new()
            .wrap(sessions.clone())
            .service(count)
            .service(sign_in)
            .service(sign_out)
    };
    Ok(HttpServer::new(factory).workers(2).listen(listener)?.run())
}

#[get("/")]
async fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
#[post("/sign-in/{name}")]
async fn sign_in(session: Session, name: web::Path<String>) -> Result<String, Error> {
    session.sign_in(&name)?;
    Ok(format!("hello, {name}"))
}

#[post("/sign-out")]
async fn sign_out(session: Session) -> Result<String, Error> {
    session.sign_out()?;
    Ok("goodbye".to_owned())
}

#[cfg(test)]
#[path = "../../axum/examples/counter/drive.rs"]
mod drive;

#[cfg(test)]
#[actix_web::test]
async fn counts_signs_in_and_signs_out() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = serve(listener)?;
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    drive::drive(address).await?;
    handle.stop(false).await;
    server.await??;
    Ok(())
}
