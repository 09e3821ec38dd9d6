//! Streams of one HTTP/2 connection that their client resets, on real sockets.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use cloakroom_axum::{Session, SessionLayer};
use cloakroom_store::Store;
use tokio::task::JoinSet;

use super::environment::{CONNECTIONS, Environment, key, write};
use super::{Failure, Scene, ServerUnderTest};
use cloakroom_servers::http::serve;

pub(super) fn scene<T: ServerUnderTest>() -> Scene<T> {
    Scene {
        id: "faults/reset-streams",
        requirement: "R91: an HTTP/2 connection that resets 800 streams with a forged token, 16 at \
                      a time, does not cost a server connection each, and other clients are \
                      answered",
        own: false,
        run: |subject| Box::pin(reset(subject)),
    }
}

async fn reset(subject: &impl ServerUnderTest) -> Result<(), Failure> {
    let environment = Environment::open(subject, "reset").await?;
    environment.store.create(&key("a"), &write("a")).await?;
    let page = async |session: Session| match session.get::<u64>("visits") {
        Ok(visits) => format!("{visits:?}"),
        Err(error) => error.to_string(),
    };
    let app = Router::new().route("/", get(page));
    let app = app.layer(SessionLayer::new(environment.store.clone()));
    let (address, server) = serve(app).await?;
    // Well-formed and unknown.
    let forged = format!("__Host-session={}", "A".repeat(43));
    let url = format!("http://{address}/");
    let client = reqwest::Client::builder().http2_prior_knowledge().build()?;
    // So that the streams have a connection to be on.
    client.get(&url).send().await?.error_for_status()?;
    let mut streams = JoinSet::new();
    for stream in 0..16 {
        let (client, url, forged) = (client.clone(), url.clone(), forged.clone());
        streams.spawn(async move {
            for turn in 0..50 {
                let patience = Duration::from_millis((stream + turn) % 4);
                let request = client.get(&url).header("cookie", &forged).send();
                let _ = tokio::time::timeout(patience, request).await;
                tokio::task::yield_now().await;
            }
        });
    }
    // Another client, at the same time.
    let other = reqwest::Client::builder().http2_prior_knowledge().build()?;
    for _ in 0..20 {
        let answer = other.get(&url).header("cookie", &forged).send().await?;
        answer.error_for_status()?;
    }
    while let Some(stream) = streams.join_next().await {
        stream?;
    }
    server.abort();
    match environment.proxy.made() {
        made if made <= CONNECTIONS => Ok(()),
        made => Err(format!("{made} connections were made").into()),
    }
}
