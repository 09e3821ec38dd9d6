//! Requests over sockets, with the sessions on Redis, compared with a bare handler that sends the
//! same commands.
//!
//! Each server is a process. `wrk` holds 64 connections, and each request has the cookie of one of
//! 64 visitors. The servers take turns in rounds. The output has the median, minimum and maximum of
//! the rounds. Processor time is the server's, from `/proc`. Ratios compare neighbours in one
//! round.

use std::process::Command;

use crate::apps::Error;
use crate::server::Running;

/// The first one is the baseline.
pub const PLAIN: &[&str] = &[
    "commands",
    "cloakroom",
    "tower-sessions",
    "axum_session",
    "cloakroom-actix",
    "actix-session",
    "poem",
];
/// Those that answer reads from this process's memory, beside those without.
pub const CACHES: &[&str] = &[
    "commands",
    "cloakroom",
    "cloakroom-near",
    "cloakroom-lease",
    "tower-sessions-caching",
    "axum_session",
];
const SECONDS: u64 = 2;

struct Round {
    rate: f64,
    p99: f64,
    processor: f64,
}

pub fn sockets(redis: &str, rounds: usize, servers: &[&str]) -> Result<(), Error> {
    println!(
        "server\trequest\trequests/s\tleast\tmost\tp99 ms\tleast\tmost\tprocessor us\tof the commands alone"
    );
    for path in ["/read", "/counter"] {
        let mut all = Vec::new();
        for _ in 0..rounds {
            let mut one = Vec::new();
            for name in servers {
                // Rounds that the machine interrupted are measured again.
                let again = |_| round(name, path, redis);
                one.push(round(name, path, redis).or_else(again).or_else(again)?);
            }
            all.push(one);
        }
        for (at, name) in servers.iter().enumerate() {
            let spread = |of: &dyn Fn(&[Round]) -> f64| {
                let mut values: Vec<f64> = all.iter().map(|round| of(round)).collect();
                values.sort_by(f64::total_cmp);
                [
                    values[values.len() / 2],
                    values[0],
                    values[values.len() - 1],
                ]
            };
            let [rate, slowest, fastest] = spread(&|round| round[at].rate);
            let [p99, least, most] = spread(&|round| round[at].p99);
            let [processor, ..] = spread(&|round| round[at].processor);
            let [ratio, ..] = spread(&|round| round[at].rate / round[0].rate);
            println!(
                "{name}\t{path}\t{rate:.0}\t{slowest:.0}\t{fastest:.0}\t{p99:.2}\t{least:.2}\t{most:.2}\t{processor:.1}\t{ratio:.2}"
            );
        }
    }
    Ok(())
}

fn round(name: &str, path: &str, redis: &str) -> Result<Round, Error> {
    let server = Running::new(name, redis)?;
    let cookies = (0..64)
        .map(|_| Ok(format!("{:?}", server.visitor()?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let script = std::env::temp_dir().join(format!("peers-{}.lua", std::process::id()));
    std::fs::write(
        &script,
        format!(
            "local cookies = {{{}}}\nlocal n = 0\nrequest = function()\n  n = n % 64 + 1\n  \
             return wrk.format('GET', '{path}', {{['Cookie'] = cookies[n]}})\nend\n\
             done = function(s, l, r)\n  io.write('p99 ' .. l:percentile(99) .. '\\n')\n  \
             io.write('count ' .. s.requests .. ' ' .. s.duration .. ' ' .. s.errors.status .. '\\n')\nend\n",
            cookies.join(", ")
        ),
    )?;
    let wrk = |seconds: u64| {
        Command::new("wrk")
            .args(["-t1", "-c64", &format!("-d{seconds}s"), "-s"])
            .arg(&script)
            .arg(format!("http://127.0.0.1:{}", server.port))
            .output()
    };
    // Warms up: work that happens only once is done before the measurement.
    wrk(1)?;
    let before = server.processor()?;
    let output = wrk(SECONDS)?;
    let spent = server.processor()? - before;
    std::fs::remove_file(&script)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |word: &str, at: usize| -> Result<f64, Error> {
        let line = text.lines().find(|line| line.starts_with(word));
        let line = line.ok_or_else(|| text.clone())?;
        Ok(line.split(' ').nth(at).ok_or("a number")?.parse()?)
    };
    if number("count", 3)? > 0.0 {
        return Err(format!("{name}{path}: some answers were errors").into());
    }
    let requests = number("count", 1)?;
    Ok(Round {
        rate: requests / (number("count", 2)? / 1e6),
        p99: number("p99", 1)? / 1e3,
        processor: spent * 1e6 / requests,
    })
}
