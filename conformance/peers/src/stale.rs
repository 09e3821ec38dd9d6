//! How long a session is still read after another process has ended it.
//!
//! Two servers share a Redis. The second has each session in use when the first one ends it. From
//! the acknowledgement on, the second is asked again and again. The time up to the last request
//! that still found the session counts, from that request's beginning. Meanwhile something happens
//! to the second server, to Redis, or to the way between them.

mod link;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::apps::Error;
use crate::server::Running;
use link::{Link, Mode};

const SERVERS: [&str; 6] = [
    "cloakroom",
    "cloakroom-near",
    "cloakroom-lease",
    "tower-sessions",
    "tower-sessions-caching",
    "axum_session",
];

/// The number of sessions for each server and trouble.
const SESSIONS: usize = 8;
/// For how long sessions are in use before they end: longer than a lease.
const USED: Duration = Duration::from_millis(2_500);
/// How long the trouble lasts, where it ends.
const TROUBLED: Duration = Duration::from_millis(1_500);
/// Nobody is asked any longer than this.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The second server stands still when the sessions end (`SIGSTOP`).
    Process,
    /// Redis stands still right after the acknowledgements.
    Redis,
    /// The way between them is cut.
    Cut,
    /// No byte comes from Redis any more.
    Hang,
}

const TROUBLES: [(&str, Trouble); 5] = [
    ("none", Trouble::None),
    ("its process is stopped for 1.5 s", Trouble::Process),
    ("Redis is stopped for 1.5 s", Trouble::Redis),
    ("its way to Redis is cut", Trouble::Cut),
    ("nothing comes from Redis", Trouble::Hang),
];

/// Prints the whole table, separated by tabs.
pub fn stale(redis: &str) -> Result<(), Error> {
    println!("trouble\tserver\tlongest ms\tsessions\tin use before");
    for (name, trouble) in TROUBLES {
        for server in SERVERS {
            let [longest, used] = longest(server, trouble, redis)?;
            println!("{name}\t{server}\t{longest}\t{SESSIONS}\t{used}");
        }
    }
    Ok(())
}

/// Returns the longest time, and how many of the sessions the second server had in use.
fn longest(server: &str, trouble: Trouble, redis: &str) -> Result<[String; 2], Error> {
    let link = Link::start(redis)?;
    let first = Running::new(server, redis)?;
    let second = Running::new(server, &link.url)?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(first.visitor()?);
    }
    let begin = Instant::now();
    while begin.elapsed() < USED {
        for session in &sessions {
            reads(second.port, session);
        }
        sleep(Duration::from_millis(20));
    }
    sessions.retain(|session| reads(second.port, session));
    let used = sessions.len().to_string();
    match trouble {
        Trouble::Process => signal("STOP", second.process())?,
        Trouble::Cut => link.set(Mode::Cut),
        Trouble::Hang => link.set(Mode::Hang),
        Trouble::None | Trouble::Redis => {}
    }
    let mut ended = Vec::new();
    for session in sessions {
        let (head, _) = first.get("/end", &session)?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("{server}: a sign-out failed").into());
        }
        ended.push((session, Instant::now()));
    }
    let going_on = match trouble {
        Trouble::Process => Some(second.process()),
        Trouble::Redis => {
            let process = process_of(redis)?;
            signal("STOP", process)?;
            Some(process)
        }
        _ => None,
    };
    let going_on = going_on.map(|process| {
        thread::spawn(move || {
            sleep(TROUBLED);
            signal("CONT", process).is_ok()
        })
    });
    let threads: Vec<_> = ended
        .into_iter()
        .map(|(session, end)| {
            let port = second.port;
            thread::spawn(move || last(port, &session, end))
        })
        .collect();
    let mut longest = Duration::ZERO;
    for thread in threads {
        longest = longest.max(thread.join().map_err(|_| "a client panicked")?);
    }
    if let Some(thread) = going_on
        && !thread.join().unwrap_or(false)
    {
        return Err("a process does not go on".into());
    }
    let longest = match longest + Duration::from_millis(200) > LIMIT {
        true => format!("over {}", LIMIT.as_millis()),
        false => longest.as_millis().to_string(),
    };
    Ok([longest, used])
}

/// Asks until the limit, also after a first answer without the session. Returns how long after the
/// end the last request began that found it.
fn last(port: u16, session: &str, end: Instant) -> Duration {
    let mut last = Duration::ZERO;
    loop {
        let begin = end.elapsed();
        if begin > LIMIT {
            return last;
        }
        if reads(port, session) {
            last = begin;
        }
        sleep(Duration::from_millis(10));
    }
}

/// Whether a server finds a session. An error is no session.
fn reads(port: u16, session: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(
            stream,
            "GET /visits HTTP/1.1\r\nhost: localhost\r\ncookie: {session}\r\nconnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n41"))
}

fn signal(name: &str, process: u32) -> Result<(), Error> {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("process {process} gets no signal").into()),
    }
}

/// Returns the number of the server's process, on this machine.
fn process_of(redis: &str) -> Result<u32, Error> {
    let mut connection = redis::Client::open(redis)?.get_connection()?;
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
    let process = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    Ok(process.ok_or("a process")?.trim().parse()?)
}
