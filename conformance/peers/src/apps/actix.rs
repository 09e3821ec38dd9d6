//! Applications in actix: bare, and with actix-session. It has no memory store, so this file has a
//! minimal one.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use actix_http::Request;
use actix_session::storage::{
    LoadError, RedisSessionStore, SaveError, SessionKey, SessionStore, UpdateError,
};
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpServer, rt, web};
use futures_util::future::join_all;

use super::{Application, BODY, Error, PATHS, Place, WORK, calls, pair};

#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<HashMap<String, State>>>);

type State = HashMap<String, String>;

impl InMemory {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, State>) -> T) -> T {
        calls::one();
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SessionStore for InMemory {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.with(|all| all.get(key.as_ref()).cloned()))
    }

    async fn save(&self, state: State, _: &Duration) -> Result<SessionKey, SaveError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| SaveError::Other(error.into()))?;
        let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.with(|all| all.insert(key.clone(), state));
        SessionKey::try_from(key).map_err(|error| SaveError::Other(error.into()))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        _: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        self.with(|all| all.insert(key.as_ref().to_owned(), state));
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        self.with(|_| Ok(()))
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.with(|all| all.remove(key.as_ref()));
        Ok(())
    }
}

pub async fn answer() -> &'static str {
    BODY
}

async fn fill(session: Session) -> actix_web::Result<&'static str> {
    session.insert("visits", 41_u64)?;
    for n in 0..9 {
        session.insert(format!("value-{n}"), "x".repeat(96))?;
    }
    Ok(BODY)
}

async fn end(session: Session) -> &'static str {
    session.purge();
    BODY
}

async fn read(session: Session) -> actix_web::Result<&'static str> {
    std::hint::black_box(session.get::<u64>("visits")?);
    Ok(BODY)
}

async fn counter(session: Session) -> actix_web::Result<&'static str> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0);
    session.insert("visits", visits + 1)?;
    Ok(BODY)
}

async fn rotate(session: Session) -> &'static str {
    session.renew();
    BODY
}

async fn slow(session: Session) -> actix_web::Result<&'static str> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0);
    rt::time::sleep(WORK).await;
    session.insert("visits", visits + 1)?;
    Ok(BODY)
}

async fn visits(session: Session) -> actix_web::Result<String> {
    Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/fill", web::get().to(fill))
        .route("/end", web::get().to(end))
        .route("/untouched", web::get().to(answer))
        .route("/read", web::get().to(read))
        .route("/counter", web::get().to(counter))
        .route("/create", web::get().to(counter))
        .route("/rotate", web::get().to(rotate))
        .route("/slow", web::get().to(slow))
        .route("/visits", web::get().to(visits));
}

pub fn bare() -> Result<Application, Error> {
    let runtime = rt::Runtime::new()?;
    let app = PATHS.into_iter().fold(App::new(), |app, path| {
        app.route(path, web::get().to(answer))
    });
    let service = runtime.block_on(init_service(app));
    Ok(application(runtime, service))
}

pub fn sessions(place: Place<'_>) -> Result<Application, Error> {
    match place {
        Place::Memory => with(rt::Runtime::new()?, InMemory::default()),
        Place::Redis(url) => {
            let runtime = rt::Runtime::new()?;
            let store = runtime.block_on(on_redis(url))?;
            with(runtime, store)
        }
    }
}

fn with(runtime: rt::Runtime, store: impl SessionStore + 'static) -> Result<Application, Error> {
    let app = App::new()
        .wrap(SessionMiddleware::new(store, key()))
        .configure(routes);
    let service = runtime.block_on(init_service(app));
    Ok(application(runtime, service))
}

pub async fn serve(port: u16, place: Place<'_>) -> Result<(), Error> {
    match place {
        Place::Memory => listen(port, InMemory::default()).await,
        Place::Redis(url) => listen(port, on_redis(url).await?).await,
    }
}

async fn listen(port: u16, store: impl SessionStore + Clone + Send + 'static) -> Result<(), Error> {
    let server = HttpServer::new(move || {
        App::new()
            .wrap(SessionMiddleware::new(store.clone(), key()))
            .configure(routes)
    });
    Ok(server.workers(2).bind(("127.0.0.1", port))?.run().await?)
}

async fn on_redis(url: &str) -> Result<RedisSessionStore, Error> {
    let store = RedisSessionStore::new(url).await;
    store.map_err(|error| error.to_string().into())
}

fn key() -> Key {
    Key::from(&[7; 64])
}

pub fn application<B: MessageBody + 'static>(
    runtime: rt::Runtime,
    service: impl Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
) -> Application {
    let service = Rc::new(service);
    Box::new(move |path, cookies| {
        runtime.block_on(join_all(
            cookies.iter().map(|cookie| send(&*service, path, cookie)),
        ))
    })
}

async fn send<B: MessageBody>(
    service: &impl Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    path: &str,
    cookie: &str,
) -> String {
    let mut request = TestRequest::get()
        .uri(path)
        .insert_header((header::HOST, "localhost"));
    if !cookie.is_empty() {
        request = request.insert_header((header::COOKIE, cookie));
    }
    let response = service.call(request.to_request()).await;
    let response = response.expect("a response");
    assert!(response.status().is_success(), "{}", response.status());
    let line = response.headers().get(header::SET_COOKIE);
    pair(line.map(|line| line.as_bytes()))
}
