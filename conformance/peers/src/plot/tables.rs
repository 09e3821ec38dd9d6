//! Rewrites the tables of COMPARE.md, between `<!-- NAME -->` and `<!-- end -->`.

use std::path::Path;

use super::Measured;
use crate::apps::Error;

pub fn write(directory: &Path) -> Result<(), Error> {
    let page = directory
        .parent()
        .ok_or("no directory above")?
        .join("COMPARE.md");
    let mut text = std::fs::read_to_string(&page)?;
    let requests = Measured::read(directory, "requests.tsv")?;
    let own = Measured::read(directory, "sockets.tsv")?;
    let near = Measured::read(directory, "near.tsv")?;
    for (name, table) in [
        ("requests in memory", per_request(&requests, "memory")),
        ("requests on Redis", per_request(&requests, "Redis")),
        ("instructions of tower-sessions'", ratios(&requests)),
        ("sockets", sockets(&own)),
        ("near", sockets(&near)),
        ("stale", stale(&Measured::read(directory, "stale.tsv")?)),
        (
            "heap",
            plain(
                &Measured::read(directory, "heap.tsv")?,
                &["library", "bytes"],
            ),
        ),
        ("memory", memory(&Measured::read(directory, "memory.tsv")?)),
        (
            "contention",
            contention(&Measured::read(directory, "contention.tsv")?),
        ),
    ] {
        let begin = format!("<!-- {name} -->\n");
        let (before, rest) = text
            .split_once(&begin)
            .ok_or_else(|| format!("COMPARE.md has no place for the table `{name}`"))?;
        let (_, after) = rest
            .split_once("<!-- end -->")
            .ok_or("a table without an end")?;
        text = format!("{before}{begin}\n{table}\n<!-- end -->{after}");
    }
    std::fs::write(page, text)?;
    Ok(())
}

/// Allocations / thousands of instructions / microseconds / store calls.
fn per_request(all: &Measured, store: &str) -> String {
    let libraries = all.names(&[store], 1);
    let mut table = head("", &libraries);
    for scenario in all.names(&[store], 2) {
        let cells = libraries.iter().map(|library| {
            let at = |column| all.number(&[store, library, scenario], column);
            let (Some(allocations), Some(instructions), Some(ns)) = (at(3), at(4), at(5)) else {
                return "-".to_owned();
            };
            let calls = at(6).map_or_else(|| "-".to_owned(), |calls| format!("{calls:.0}"));
            let (instructions, us) = (instructions / 1e3, ns / 1e3);
            format!("{allocations:.0} / {instructions:.1}k / {us:.1} / {calls}")
        });
        line(&mut table, scenario, cells);
    }
    table
}

/// Instructions of one SHA-256 of 32 bytes with the processor's SHA extension, counted by single
/// steps.
const HASH: f64 = 272.0;

/// Our instructions relative to tower-sessions' and to the lowest of the others, then once more
/// with hardware SHA-256. Valgrind emulates the hash in software.
fn ratios(all: &Measured) -> String {
    let columns = [
        "of tower-sessions'",
        "with the processor's own hashing",
        "of the peer that needs least",
        "which",
    ];
    let mut table = head("", &columns);
    let hidden = all.number(&["-", "SHA-256"], 4).unwrap_or(HASH) - HASH;
    for scenario in all.names(&["memory"], 2) {
        let of = |library: &str| all.number(&["memory", library, scenario], 4);
        let (Some(own), Some(other)) = (of("cloakroom"), of("tower-sessions")) else {
            continue;
        };
        let hashes = match scenario {
            "untouched" | "untouched, 8 cookies" => 0.0,
            "rotate" => 2.0,
            _ => 1.0,
        };
        let peers = all.names(&["memory"], 1).into_iter();
        let peers = peers.filter(|name| !name.starts_with("cloakroom") && *name != "commands");
        let least = peers
            .filter_map(|name| Some((of(name)?, name)))
            .min_by(|one, two| one.0.total_cmp(&two.0));
        let (least, name) = least.unwrap_or((f64::NAN, "-"));
        let cells = [
            format!("{:.2}", own / other),
            format!("{:.2}", (own - hashes * hidden) / other),
            format!("{:.2}", own / least),
            name.to_owned(),
        ];
        line(&mut table, scenario, cells);
    }
    table
}

/// Milliseconds, for each trouble and server.
fn stale(all: &Measured) -> String {
    let servers = all.names(&[], 1);
    let mut table = head("", &servers);
    for trouble in all.names(&[], 0) {
        let cells = servers.iter().map(|server| {
            let row = all.rows(&[trouble, server]);
            row.first()
                .map_or_else(|| "-".to_owned(), |row| row[2].clone())
        });
        line(&mut table, trouble, cells);
    }
    table
}

fn sockets(all: &Measured) -> String {
    let columns = [
        "requests/s",
        "of the commands alone",
        "99th percentile, ms",
        "processor, us",
    ];
    let mut table = String::new();
    for path in all.names(&[], 1) {
        table.push_str(&head(path.trim_start_matches('/'), &columns));
        for row in all.rows(&[]).into_iter().filter(|row| row[1] == path) {
            let cells = [
                format!(
                    "{} ({} to {})",
                    grouped(&row[2]),
                    grouped(&row[3]),
                    grouped(&row[4])
                ),
                row[9].clone(),
                format!("{} ({} to {})", row[5], row[6], row[7]),
                row[8].clone(),
            ];
            line(&mut table, called(&row[0]), cells);
        }
        table.push('\n');
    }
    table.truncate(table.trim_end().len());
    table.push('\n');
    table
}

fn memory(all: &Measured) -> String {
    let columns = [
        "bytes each",
        "load",
        "load and replace",
        "create",
        "load and delete",
        "expired",
        "ns for each",
        "longest pause, us",
        "without the sweep, us",
    ];
    let mut table = head("sessions", &columns);
    for row in all.rows(&[]) {
        let cells = row[1..].iter().map(|cell| grouped(cell));
        line(&mut table, &grouped(&row[0]), cells);
    }
    table
}

fn contention(all: &Measured) -> String {
    let columns = [
        "library",
        "clients",
        "lost",
        "refused",
        "requests/s",
        "50 %, ms",
        "99 %, ms",
        "attempts per commit",
    ];
    let mut table = head("", &columns);
    for row in all.rows(&[]) {
        let answered: f64 = row[4].parse().unwrap_or(f64::NAN);
        let lost: f64 = row[6].parse().unwrap_or(f64::NAN);
        let cells = [
            row[1].clone(),
            row[3].clone(),
            match lost {
                0.0 => "none".to_owned(),
                lost => format!("**{:.1} %**", 100.0 * lost / answered),
            },
            row[5].clone(),
            grouped(&row[7]),
            row[8].clone(),
            row[9].clone(),
            row[10].clone(),
        ];
        line(
            &mut table,
            &format!("{}, {}", row[0], row[2].trim_start_matches('/')),
            cells,
        );
    }
    table
}

fn plain(all: &Measured, columns: &[&str]) -> String {
    let mut table = head(columns[0], &columns[1..]);
    for row in all.rows(&[]) {
        line(
            &mut table,
            &row[0],
            row[1..].iter().map(|cell| grouped(cell)),
        );
    }
    table
}

fn head(first: &str, columns: &[&str]) -> String {
    let mut table = String::new();
    line(
        &mut table,
        first,
        columns.iter().map(|name| called(name).to_owned()),
    );
    line(&mut table, "---", columns.iter().map(|_| "---".to_owned()));
    table
}

fn line(table: &mut String, first: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<_> = cells.into_iter().collect();
    table.push_str(&format!("| {first} | {} |\n", cells.join(" | ")));
}

fn called(name: &str) -> &str {
    match name {
        "commands" => "the commands alone",
        "cloakroom-near" => "cloakroom, near",
        "cloakroom-lease" => "cloakroom, near by the lease alone",
        "tower-sessions-caching" => "tower-sessions, CachingSessionStore",
        name => name,
    }
}

/// Formats digits in groups of three.
pub fn grouped(number: &str) -> String {
    if number.len() < 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut text = String::new();
    for (at, digit) in number.chars().enumerate() {
        if at > 0 && (number.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
