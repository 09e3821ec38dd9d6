//! A counter of visits, with sign-in and sign-out: the same small application as the `counter` of
//! every other framework here.
//!
//! `cargo run -p cloakroom-rocket --example counter`, then `curl -b jar -c jar localhost:3000` and
//! `curl -b jar -c jar -X POST localhost:3000/sign-in/ada`.

use cloakroom_memory::MemoryStore;
use cloakroom_rocket::{Error, Session, SessionFairing};
use rocket::{Build, Rocket, get, post, routes};

#[rocket::main]
async fn main() -> Result<(), Box<rocket::Error>> {
    app(3000).launch().await?;
    Ok(())
}

fn app(port: u16) -> Rocket<Build> {
    // On plain HTTP under another name than localhost, browsers refuse the cookie. During
    // development set `insecure_for_development = true` in the table `[debug.session]` of
    // `Rocket.toml`.
    let settings = rocket::Config::figment().merge(("port", port));
    rocket::custom(settings)
        .attach(SessionFairing::new(MemoryStore::new()))
        .mount("/", routes![count, sign_in, sign_out])
}

#[get("/")]
fn count(session: Session) -> Result<String, Error> {
    let visits = session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    let name = session.subject()?;
    let name = name.as_deref().unwrap_or("a stranger");
    Ok(format!("visit {visits} of {name}"))
}

/// A real application checks a password here.
#[post("/sign-in/<name>")]
fn sign_in(session: Session, name: &str) -> Result<String, Error> {
    session.sign_in(name)?;
    Ok(format!("hello, {name}"))
}

#[post("/sign-out")]
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
    use rocket::fairing::AdHoc;

    // Rocket chooses a free port, and reports it after the launch.
    let (tell, address) = std::sync::mpsc::channel();
    let app = app(0).attach(AdHoc::on_liftoff("Tell", move |rocket| {
        Box::pin(async move {
            let config = rocket.config();
            let _ = tell.send((config.address, config.port));
        })
    }));
    let server = tokio::spawn(app.launch());
    let address = tokio::task::spawn_blocking(move || address.recv()).await??;
    drive::drive(address.into()).await?;
    server.abort();
    Ok(())
}
