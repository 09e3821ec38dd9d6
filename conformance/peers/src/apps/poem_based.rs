//! Applications in poem: bare, and with its own sessions.

use futures_util::future::join_all;
use poem::http::header;
use poem::listener::TcpListener;
use poem::session::{
    CookieConfig, MemoryStorage, RedisStorage, ServerSession, Session, SessionStorage,
};
use poem::{Endpoint, EndpointExt as _, Request, Route, Server, get, handler};
use redis_for_poem::aio::ConnectionManager;
use tokio::runtime::{Builder, Runtime};

use super::calls::Counted;
use super::{Application, BODY, Error, PATHS, Place, WORK, pair};

#[handler]
fn answer() -> &'static str {
    BODY
}

#[handler]
fn fill(session: &Session) -> &'static str {
    session.set("visits", 41_u64);
    for n in 0..9 {
        session.set(&format!("value-{n}"), "x".repeat(96));
    }
    BODY
}

#[handler]
fn end(session: &Session) -> &'static str {
    session.purge();
    BODY
}

#[handler]
fn read(session: &Session) -> &'static str {
    std::hint::black_box(session.get::<u64>("visits"));
    BODY
}

#[handler]
fn counter(session: &Session) -> &'static str {
    let visits = session.get::<u64>("visits").unwrap_or(0);
    session.set("visits", visits + 1);
    BODY
}

#[handler]
fn rotate(session: &Session) -> &'static str {
    session.renew();
    BODY
}

#[handler]
async fn slow(session: &Session) -> &'static str {
    let visits = session.get::<u64>("visits").unwrap_or(0);
    tokio::time::sleep(WORK).await;
    session.set("visits", visits + 1);
    BODY
}

#[handler]
fn number(session: &Session) -> String {
    session.get::<u64>("visits").unwrap_or(0).to_string()
}

pub fn bare() -> Result<Application, Error> {
    let routes = PATHS
        .into_iter()
        .fold(Route::new(), |routes, path| routes.at(path, get(answer)));
    Ok(application(runtime()?, routes))
}

pub fn sessions(place: Place<'_>) -> Result<Application, Error> {
    let runtime = runtime()?;
    Ok(match place {
        Place::Memory => {
            // It starts a task.
            let storage = runtime.block_on(async { Counted(MemoryStorage::new()) });
            application(runtime, with(storage))
        }
        Place::Redis(url) => {
            let storage = runtime.block_on(on_redis(url))?;
            application(runtime, with(storage))
        }
    })
}

pub async fn serve(port: u16, place: Place<'_>) -> Result<(), Error> {
    let server = Server::new(TcpListener::bind(("127.0.0.1", port)));
    Ok(match place {
        Place::Memory => server.run(with(MemoryStorage::new())).await?,
        Place::Redis(url) => server.run(with(on_redis(url).await?)).await?,
    })
}

async fn on_redis(url: &str) -> Result<RedisStorage<ConnectionManager>, Error> {
    let client = redis_for_poem::Client::open(url)?;
    Ok(RedisStorage::new(ConnectionManager::new(client).await?))
}

fn with(storage: impl SessionStorage + 'static) -> impl Endpoint + 'static {
    Route::new()
        .at("/fill", get(fill))
        .at("/end", get(end))
        .at("/untouched", get(answer))
        .at("/read", get(read))
        .at("/counter", get(counter))
        .at("/create", get(counter))
        .at("/rotate", get(rotate))
        .at("/slow", get(slow))
        .at("/visits", get(number))
        .with(ServerSession::new(CookieConfig::default(), storage))
}

fn runtime() -> Result<Runtime, Error> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn application(runtime: Runtime, routes: impl Endpoint + 'static) -> Application {
    Box::new(move |path, cookies| {
        runtime.block_on(join_all(
            cookies.iter().map(|cookie| send(&routes, path, cookie)),
        ))
    })
}

async fn send(routes: &impl Endpoint, path: &str, cookie: &str) -> String {
    let mut request = Request::builder()
        .uri(path.parse().expect("a path"))
        .header(header::HOST, "localhost");
    if !cookie.is_empty() {
        request = request.header(header::COOKIE, cookie);
    }
    let response = routes.get_response(request.finish()).await;
    assert!(response.status().is_success(), "{}", response.status());
    let line = response.headers().get(header::SET_COOKIE);
    pair(line.map(|line| line.as_bytes()))
}
