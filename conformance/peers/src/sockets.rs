//! Requests over sockets with the sessions on Redis, beside a bare handler that sends the same commands itself.
//!
//! Each server is a process of its own; `wrk` holds 64 connections, each request has the cookie of one of 64 visitors. Per library
//! the best of three rounds, which take turns. Processor time is the server's, from `/proc`.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

mod servers;

pub use servers::serve;

type Error = Box<dyn std::error::Error>;

const SERVERS: [&str; 5] = [
    "bare",
    "cloakroom",
    "tower-sessions",
    "axum_session",
    "actix-session",
];
const SECONDS: u64 = 5;
const ROUNDS: usize = 3;

pub fn sockets(redis: &str) -> Result<(), Error> {
    println!("server\trequest\trequests/s\tp99 ms\tprocessor us");
    for path in ["/read", "/counter"] {
        let mut best: Vec<Option<[f64; 3]>> = vec![None; SERVERS.len()];
        for _ in 0..ROUNDS {
            for (at, name) in SERVERS.iter().enumerate() {
                let got = round(name, path, redis)?;
                if best[at].is_none_or(|best| best[0] < got[0]) {
                    best[at] = Some(got);
                }
            }
        }
        for (name, best) in SERVERS.iter().zip(best) {
            let [rate, p99, processor] = best.unwrap_or_default();
            println!("{name}\t{path}\t{rate:.0}\t{p99:.2}\t{processor:.1}");
        }
    }
    Ok(())
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn round(name: &str, path: &str, redis: &str) -> Result<[f64; 3], Error> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", name, &port.to_string(), redis])
        .stdin(Stdio::null());
    let server = Running(command.spawn()?);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = format!("http://127.0.0.1:{port}");
    let cookies = (0..64)
        .map(|_| cookie(port))
        .collect::<Result<Vec<_>, _>>()?;
    let script = std::env::temp_dir().join(format!("peers-{}.lua", std::process::id()));
    let list: Vec<_> = cookies.iter().map(|cookie| format!("{cookie:?}")).collect();
    std::fs::write(
        &script,
        format!(
            "local cookies = {{{}}}\nlocal n = 0\nrequest = function()\n  n = n % 64 + 1\n  \
             return wrk.format('GET', '{path}', {{['Cookie'] = cookies[n]}})\nend\n\
             done = function(s, l, r)\n  io.write('p99 ' .. l:percentile(99) .. '\\n')\n  \
             io.write('count ' .. s.requests .. ' ' .. s.duration .. ' ' .. s.errors.status .. '\\n')\nend\n",
            list.join(", ")
        ),
    )?;
    let wrk = |seconds: u64| {
        Command::new("wrk")
            .args(["-t1", "-c64", &format!("-d{seconds}s"), "-s"])
            .arg(&script)
            .arg(&url)
            .output()
    };
    wrk(1)?;
    let before = processor(server.0.id())?;
    let output = wrk(SECONDS)?;
    let spent = processor(server.0.id())? - before;
    std::fs::remove_file(&script)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |word: &str, at: usize| -> Result<f64, Error> {
        let line = text
            .lines()
            .find(|line| line.starts_with(word))
            .ok_or(text.clone())?;
        Ok(line.split(' ').nth(at).ok_or("a number")?.parse()?)
    };
    if number("count", 3)? > 0.0 {
        return Err(format!("{name}{path}: some answers were errors").into());
    }
    let requests = number("count", 1)?;
    Ok([
        requests / (number("count", 2)? / 1e6),
        number("p99", 1)? / 1e3,
        spent * 1e6 / requests,
    ])
}

/// The cookies of a new visitor with ten values.
fn cookie(port: u16) -> Result<String, Error> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /fill HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let pairs: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or_default())
        })
        .collect();
    Ok(pairs.join("; "))
}

/// Seconds of a process so far.
fn processor(id: u32) -> Result<f64, Error> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields: Vec<_> = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}
