//! A counter of visits, with sign-in and sign-out: the same small application as the `counter` of
//! every other framework here.
//!
//! `cargo run -p cloakroom-hyper --example counter`, then `curl -b jar -c jar localhost:3000` and
//! `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use cloakroom_hyper::{Error, Session, SessionLayer, SessionService, session};
use cloakroom_memory::MemoryStore;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    tracing_subscriber::fmt::init();
    serve(TcpListener::bind("127.0.0.1:3000").await?).await;
    Ok(())
}

async fn serve(listener: TcpListener) {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development add `.with_config(Config::builder().insecure_for_development().build()?)`.
    let service = SessionService::new(service_fn(answer), SessionLayer::new(MemoryStore::new()));
    loop {
        let stream = accept(&listener).await;
        let service = service.clone();
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // An error is a client that went away.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The next connection. One that is lost before it is accepted is no reason to keep the others out.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of files, most likely: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let answer = route(&request).await;
    Ok(answer.unwrap_or_else(Response::from))
}

async fn route(request: &Request<Incoming>) -> Result<Response<String>, Error> {
    let path = request.uri().path();
    Ok(Response::new(match *request.method() {
        Method::GET if path == "/" => count(session(request).await?)?,
        Method::POST if let Some(name) = path.strip_prefix("/sign-in/") => {
            sign_in(session(request).await?, name)?
        }
        Method::POST if path == "/sign-out" => sign_out(session(request).await?)?,
        _ => {
            let mut response = Response::new("no such page".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    }))
}

fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
fn sign_in(session: Session, name: &str) -> Result<String, Error> {
    session.sign_in(name)?;
    Ok(format!("hello, {name}"))
}

fn sign_out(session: Session) -> Result<String, Error> {
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
