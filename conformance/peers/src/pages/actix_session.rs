//! actix-session 0.11 on its Redis store, set up as its crate documentation begins. All else is
//! default.

use actix_session::storage::RedisSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use crate::script::{self, Op, Reply};

pub async fn serve(port: u16, redis: &str) -> Result<(), super::Error> {
    let store = RedisSessionStore::new(redis)
        .await
        .map_err(|error| error.to_string())?;
    let key = Key::from(&[7; 64]);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(SessionMiddleware::new(store.clone(), key.clone()))
            .route("/script", web::get().to(script))
            .route("/untouched", web::get().to(async || "[null]"))
    });
    Ok(server.workers(2).bind(("127.0.0.1", port))?.run().await?)
}

async fn script(session: Session, request: HttpRequest) -> actix_web::Result<HttpResponse> {
    let text = request
        .headers()
        .get("conformance-script")
        .map_or(&b"{}"[..], |text| text.as_bytes());
    let mut reply = Reply::new();
    for op in script::parse(text) {
        let result = match perform(&session, &op)? {
            Some(result) => result,
            None => reply.other(&op).await,
        };
        reply.results.push(result);
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    for (name, value) in &reply.headers {
        response.append_header((name.as_str(), value.as_str()));
    }
    Ok(response.body(reply.body()))
}

fn perform(session: &Session, op: &Op) -> actix_web::Result<Option<Value>> {
    let name = op.text(0);
    Ok(Some(match op.name.as_str() {
        "get" => json!(session.get::<Value>(name)?),
        "insert" => json!(session.insert(name, op.value(1))?),
        "remove" => json!(session.remove(name).is_some()),
        "increment" => {
            let n = session.get::<u64>(name)?.unwrap_or(0) + 1;
            session.insert(name, n)?;
            json!(n)
        }
        "subject" => json!(session.get::<String>("user")?),
        "sign_in" => {
            session.renew();
            json!(session.insert("user", name)?)
        }
        "sign_out" => json!(session.purge()),
        "rotate" => json!(session.renew()),
        _ => return Ok(None),
    }))
}
