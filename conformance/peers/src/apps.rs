//! One small application, built with each library. `bench` calls it in process, `sockets` and
//! `contention` over HTTP.
//!
//! | path | the handler |
//! |---|---|
//! | `/fill` | stores ten values, 979 bytes in all |
//! | `/end` | signs out, as the library does it |
//! | `/untouched` | does not use the session |
//! | `/read` | reads one value |
//! | `/counter`, `/create` | reads a number and stores one more |
//! | `/rotate` | a new token for the same session |
//! | `/slow` | reads a number, waits for 5 ms, and counts it as `/counter` does |
//! | `/visits` | answers with the number |

mod actix;
mod axum_based;
pub mod calls;
mod cloakroom_actix;
mod commands;
mod poem_based;

pub use commands::{Records, connect};

use std::time::Duration;

pub type Error = Box<dyn std::error::Error>;

/// Sends one request per Cookie line, all at once, and returns the cookies that the responses set.
pub type Application = Box<dyn FnMut(&str, &[String]) -> Vec<String>>;

const BODY: &str = "a response of some length";
/// A database's delay between the read and the write.
const WORK: Duration = Duration::from_millis(5);
const PATHS: [&str; 8] = [
    "/fill",
    "/end",
    "/untouched",
    "/read",
    "/counter",
    "/create",
    "/rotate",
    "/slow",
];

/// Where the sessions are stored.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    Memory,
    Redis(&'a str),
}

impl<'a> Place<'a> {
    /// `memory`, or the URL of a Redis server.
    pub fn new(word: &'a str) -> Self {
        match word {
            "memory" => Self::Memory,
            url => Self::Redis(url),
        }
    }
}

/// The application in this process, called without sockets.
pub fn in_process(name: &str, place: Place<'_>) -> Result<Application, Error> {
    match name {
        "actix-web" => actix::bare(),
        "actix-session" => actix::sessions(place),
        "cloakroom-actix" => cloakroom_actix::sessions(place),
        "poem-bare" => poem_based::bare(),
        "poem" => poem_based::sessions(place),
        name => axum_based::in_process(name, place),
    }
}

/// The application on a loopback port.
pub async fn serve(name: &str, port: u16, place: Place<'_>) -> Result<(), Error> {
    match name {
        "actix-session" => actix::serve(port, place).await,
        "cloakroom-actix" => cloakroom_actix::serve(port, place).await,
        "poem" => poem_based::serve(port, place).await,
        name => axum_based::serve(name, port, place).await,
    }
}

/// Returns the cookie that a response sets, if any.
fn pair(line: Option<&[u8]>) -> String {
    let line = line.unwrap_or_default();
    let end = line
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(line.len());
    String::from_utf8_lossy(&line[..end]).into_owned()
}
