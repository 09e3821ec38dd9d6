//! The counter of the other examples on `bell`, with the adapter that ADAPTER.md builds.
//!
//! ```console
//! $ cargo run -p cloakroom-conformance --features adapter \
//!     --example own_adapter
//! $ curl -b jar -c jar localhost:3000
//! $ curl -b jar -c jar -X POST localhost:3000/sign-in/ada
//! ```

mod adapter;
mod bell;

use adapter::{WithSessions, session, status_only};
use cloakroom::{Error, Session, Sessions};
use cloakroom_memory::MemoryStore;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    serve(TcpListener::bind("127.0.0.1:3000").await?).await;
    Ok(())
}

async fn serve(listener: TcpListener) {
    let sessions = Sessions::new(MemoryStore::new());
    let app: WithSessions<_, _, _> = WithSessions::new(answer, sessions).on_commit_error(not_saved);
    bell::serve(listener, app).await;
}

fn not_saved(error: &Error) -> Response<String> {
    status_only(error).map(|_: String| "That was not saved. Please try again.".to_owned())
}

async fn answer(request: Request<Incoming>) -> Response<String> {
    let answer = route(&request).await;
    answer.unwrap_or_else(|error| status_only(&error))
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
#[path = "../../../adapters/axum/examples/counter/drive.rs"]
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
