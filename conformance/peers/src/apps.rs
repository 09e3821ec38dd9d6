//! The same small application with each library: what `bench` calls in process, and `sockets` and `contention` over HTTP.
//!
//! | path | the handler |
//! |---|---|
//! | `/fill` | stores ten values, 979 bytes in all |
//! | `/end` | what the library has for a sign-out |
//! | `/untouched` | wants no session |
//! | `/read` | reads one value |
//! | `/counter`, `/create` | reads a number and stores one more |
//! | `/rotate` | a new token for the same session |
//! | `/slow` | reads a number, waits for 5 ms, and counts it as `/counter` does |
//! | `/visits` | answers with the number |

mod actix;
mod axum_based;
pub mod calls;
mod commands;
mod poem_based;

pub use commands::{Records, connect};

use std::time::Duration;

pub type Error = Box<dyn std::error::Error>;

/// Sends a request with this path for each of the Cookie lines, all at once, and gives what the responses set.
pub type Application = Box<dyn FnMut(&str, &[String]) -> Vec<String>>;

const BODY: &str = "a response of some length";
/// What a database may take between reading and writing.
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

/// Where the sessions are.
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

/// The application in this process, without sockets.
pub fn in_process(name: &str, place: Place<'_>) -> Result<Application, Error> {
    match name {
        "actix-web" => actix::bare(),
        "actix-session" => actix::sessions(place),
        "poem-bare" => poem_based::bare(),
        "poem" => poem_based::sessions(place),
        name => axum_based::in_process(name, place),
    }
}

/// The application at a port of the loopback.
pub async fn serve(name: &str, port: u16, place: Place<'_>) -> Result<(), Error> {
    match name {
        "actix-session" => actix::serve(port, place).await,
        "poem" => poem_based::serve(port, place).await,
        name => axum_based::serve(name, port, place).await,
    }
}

/// The name and value that a response sets, if it sets something.
fn pair(line: Option<&[u8]>) -> String {
    let line = line.unwrap_or_default();
    let end = line
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(line.len());
    String::from_utf8_lossy(&line[..end]).into_owned()
}
