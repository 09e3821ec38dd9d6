//! The endpoint of ENDPOINT.md for each library, set up as its documentation advises.

mod actix_session;
mod axum_session;
mod tower_sessions;

type Error = Box<dyn std::error::Error>;

pub async fn serve(name: &str, port: u16, redis: &str) -> Result<(), Error> {
    match name {
        "tower-sessions" => tower_sessions::in_memory(port).await,
        "tower-sessions-redis" => tower_sessions::on_redis(port, redis).await,
        "axum_session" => axum_session::serve(port, redis).await,
        "actix-session" => actix_session::serve(port, redis).await,
        other => Err(format!("no page of {other}").into()),
    }
}
