//! The application in actix with Cloakroom, to compare with actix-session on the same framework.

use actix_web::test::init_service;
use actix_web::{App, HttpServer, rt, web};
use cloakroom::Sessions;
use cloakroom_actix::{Error as SessionError, Session, SessionMiddleware};
use cloakroom_memory::MemoryStore;
use cloakroom_redis::RedisStore;
use cloakroom_store::Store;

use super::actix::{answer, application};
use super::calls::Counted;
use super::{Application, BODY, Error, Place, WORK};

type Answer = Result<&'static str, SessionError>;

async fn fill(session: Session) -> Answer {
    session.insert("visits", 41_u64)?;
    for n in 0..9 {
        session.insert(&format!("value-{n}"), "x".repeat(96))?;
    }
    Ok(BODY)
}

async fn end(session: Session) -> Answer {
    session.sign_out()?;
    Ok(BODY)
}

async fn read(session: Session) -> Answer {
    std::hint::black_box(session.get::<u64>("visits")?);
    Ok(BODY)
}

async fn counter(session: Session) -> Answer {
    session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1)?;
    Ok(BODY)
}

async fn rotate(session: Session) -> Answer {
    session.rotate()?;
    Ok(BODY)
}

async fn slow(session: Session) -> Answer {
    std::hint::black_box(session.get::<u64>("visits")?);
    rt::time::sleep(WORK).await;
    counter(session).await
}

async fn visits(session: Session) -> Result<String, SessionError> {
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

pub fn sessions(place: Place<'_>) -> Result<Application, Error> {
    let runtime = rt::Runtime::new()?;
    match place {
        Place::Memory => Ok(with(runtime, Counted(MemoryStore::new()))),
        Place::Redis(url) => {
            let store = runtime.block_on(RedisStore::connect(url))?;
            Ok(with(runtime, store))
        }
    }
}

fn with<S: Store>(runtime: rt::Runtime, store: S) -> Application {
    let sessions = SessionMiddleware::from(Sessions::new(store));
    let app = App::new().wrap(sessions).configure(routes);
    let service = runtime.block_on(init_service(app));
    application(runtime, service)
}

pub async fn serve(port: u16, place: Place<'_>) -> Result<(), Error> {
    match place {
        Place::Memory => listen(port, MemoryStore::new()).await,
        Place::Redis(url) => listen(port, RedisStore::connect(url).await?).await,
    }
}

async fn listen<S: Store>(port: u16, store: S) -> Result<(), Error> {
    let sessions = SessionMiddleware::from(Sessions::new(store));
    let server = HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes));
    Ok(server.workers(2).bind(("127.0.0.1", port))?.run().await?)
}
