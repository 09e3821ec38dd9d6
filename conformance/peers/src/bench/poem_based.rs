//! Applications in poem: bare, and with its own sessions.

use poem::http::header;
use poem::session::{CookieConfig, MemoryStorage, ServerSession, Session};
use poem::{Endpoint, EndpointExt as _, Request, Route, get, handler};
use tokio::runtime::{Builder, Runtime};

use super::calls::Counted;
use super::{Application, BODY, pair};

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

pub fn bare() -> Application {
    let mut routes = Route::new();
    for path in [
        "/fill",
        "/end",
        "/untouched",
        "/read",
        "/counter",
        "/create",
        "/rotate",
    ] {
        routes = routes.at(path, get(answer));
    }
    application(runtime(), routes)
}

pub fn sessions() -> Application {
    let routes = Route::new()
        .at("/fill", get(fill))
        .at("/end", get(end))
        .at("/untouched", get(answer))
        .at("/read", get(read))
        .at("/counter", get(counter))
        .at("/create", get(counter))
        .at("/rotate", get(rotate));
    let runtime = runtime();
    let storage = {
        let _within = runtime.enter();
        Counted(MemoryStorage::new())
    };
    application(
        runtime,
        routes.with(ServerSession::new(CookieConfig::default(), storage)),
    )
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn application(runtime: Runtime, routes: impl Endpoint + 'static) -> Application {
    Box::new(move |path, cookie| {
        let path = path.parse().expect("a path");
        let mut request = Request::builder()
            .uri(path)
            .header(header::HOST, "localhost");
        if !cookie.is_empty() {
            request = request.header(header::COOKIE, cookie);
        }
        let response = runtime.block_on(routes.get_response(request.finish()));
        assert!(response.status().is_success(), "{}", response.status());
        pair(
            response
                .headers()
                .get(header::SET_COOKIE)
                .map(|line| line.as_bytes()),
        )
    })
}
