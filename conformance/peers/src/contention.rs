//! 64 clients count in one session at once. Measures whether the number is right, requests per
//! second, and attempts per change.
//!
//! `/counter` reads and writes at once. `/slow` waits 5 ms in between, so that nearly all requests
//! read the same number. Each client waits for its response before the next request.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::apps::Error;
use crate::server::Running;

const CLIENTS: usize = 64;
/// Requests of all clients together.
const REQUESTS: usize = 64 * 100;
const SERVERS: [&str; 5] = [
    "cloakroom-observed",
    "tower-sessions",
    "axum_session",
    "actix-session",
    "poem",
];
/// The values that `/fill` stores.
const BEGIN: u64 = 41;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub async fn contention(redis: &str) -> Result<(), Error> {
    println!(
        "store\tlibrary\trequest\tclients\tanswered\trefused\tlost\trequests/s\tp50 ms\tp99 ms\tattempts per commit"
    );
    for (store, place) in [("memory", "memory"), ("Redis", redis)] {
        for path in ["/counter", "/slow"] {
            for name in SERVERS {
                for clients in [1, CLIENTS] {
                    let line = one(name, place, path, clients).await?;
                    let name = name.trim_end_matches("-observed");
                    println!("{store}\t{name}\t{path}\t{clients}\t{line}");
                }
            }
        }
    }
    Ok(())
}

async fn one(name: &str, place: &str, path: &'static str, clients: usize) -> Result<String, Error> {
    let server = Running::new(name, place)?;
    let cookie = server.visitor()?;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    let each = if clients == 1 {
        500
    } else {
        REQUESTS / clients
    };
    for _ in 0..clients {
        tasks.spawn(client(server.port, path, cookie.clone(), each));
    }
    let (mut answered, mut refused, mut times) = (0, 0, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let done = done?.map_err(|error| error.to_string())?;
        answered += done.answered;
        refused += done.refused;
        times.extend(done.times);
    }
    let took = begin.elapsed();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let (_, visits) = server.get("/visits", &cookie)?;
    let lost = BEGIN + answered - body(&visits).parse::<u64>()?;
    let attempts = match name {
        "cloakroom-observed" => {
            let (_, attempts) = server.get("/attempts", "")?;
            format!("{:.2}", body(&attempts).parse::<f64>()? / answered as f64)
        }
        _ => "-".to_owned(),
    };
    Ok(format!(
        "{answered}\t{refused}\t{lost}\t{:.0}\t{:.2}\t{:.2}\t{attempts}",
        answered as f64 / took.as_secs_f64(),
        at(50),
        at(99),
    ))
}

/// Returns the body without chunk headers.
fn body(text: &str) -> &str {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    lines.next().unwrap_or(first)
}

struct Done {
    answered: u64,
    refused: u64,
    times: Vec<Duration>,
}

async fn client(port: u16, path: &str, cookie: String, count: usize) -> Result<Done, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
    let mut done = Done {
        answered: 0,
        refused: 0,
        times: Vec::with_capacity(count),
    };
    for _ in 0..count {
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let head = answer(&mut stream).await?;
        done.times.push(begin.elapsed());
        match head.starts_with("HTTP/1.1 200") {
            true => done.answered += 1,
            false => done.refused += 1,
        }
    }
    Ok(done)
}

/// Returns a response's head, after the body has been read.
async fn answer(stream: &mut TcpStream) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err("the server ended the connection".into());
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().ok())?
            });
            if rest.len() >= length.ok_or("an answer without a length")? {
                return Ok(head.to_owned());
            }
        }
    }
}
