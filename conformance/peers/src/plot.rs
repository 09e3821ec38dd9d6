//! Draws the measurements in `conformance/measured` as bars, and writes the tables of COMPARE.md
//! from them.

mod bars;
mod tables;

use std::path::Path;

use crate::apps::Error;
use bars::{Bar, Plot};

pub fn plot(directory: &Path) -> Result<(), Error> {
    requests(directory)?;
    sockets(directory)?;
    memory(directory)?;
    contention(directory)?;
    tables::write(directory)
}

/// A file of tab-separated fields. The first line names them. Lines that begin with `#` are
/// remarks.
pub struct Measured {
    rows: Vec<Vec<String>>,
}

impl Measured {
    pub fn read(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(name);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let fields = |line: &str| line.split('\t').map(str::to_owned).collect();
        Ok(Self {
            rows: lines.map(fields).collect(),
        })
    }

    /// Returns the rows that begin with these fields.
    pub fn rows<'a>(&'a self, first: &[&str]) -> Vec<&'a [String]> {
        let fits = |row: &&Vec<String>| row.iter().zip(first).all(|(is, wanted)| is == wanted);
        self.rows.iter().filter(fits).map(Vec::as_slice).collect()
    }

    /// Returns the distinct values of a column, in the file's order.
    pub fn names(&self, first: &[&str], column: usize) -> Vec<&str> {
        let mut names = Vec::new();
        for row in self.rows(first) {
            if !names.contains(&row[column].as_str()) {
                names.push(&row[column]);
            }
        }
        names
    }

    pub fn number(&self, first: &[&str], column: usize) -> Option<f64> {
        self.rows(first).first()?.get(column)?.parse().ok()
    }
}

fn requests(directory: &Path) -> Result<(), Error> {
    let all = Measured::read(directory, "requests.tsv")?;
    for (store, column, scale, file, title) in [
        (
            "memory",
            4,
            1e-3,
            "instructions.svg",
            "Thousands of instructions above the bare handler, store in memory",
        ),
        (
            "memory",
            3,
            1.0,
            "allocations.svg",
            "Allocations above the bare handler, store in memory",
        ),
        (
            "Redis",
            5,
            1e-3,
            "redis.svg",
            "Microseconds of processor time above the bare handler, on Redis",
        ),
    ] {
        Plot {
            title,
            groups: &all.names(&[store], 2),
            series: &all.names(&[store], 1),
        }
        .write(&directory.join(file), |scenario, library| {
            let value = all.number(&[store, library, scenario], column)?;
            Some(Bar::new(value * scale))
        })?;
    }
    Ok(())
}

fn sockets(directory: &Path) -> Result<(), Error> {
    let all = Measured::read(directory, "sockets.tsv")?;
    for (column, scale, file, title) in [
        (
            2,
            1e-3,
            "rates.svg",
            "Thousands of requests a second, 64 connections, on Redis",
        ),
        (
            5,
            1.0,
            "p99.svg",
            "99th percentile in milliseconds, 64 connections, on Redis",
        ),
    ] {
        Plot {
            title,
            groups: &all.names(&[], 1),
            series: &all.names(&[], 0),
        }
        .write(&directory.join(file), |path, server| {
            let at = |column| Some(all.number(&[server, path], column)? * scale);
            Some(Bar::with(at(column)?, at(column + 1)?, at(column + 2)?))
        })?;
    }
    Ok(())
}

fn memory(directory: &Path) -> Result<(), Error> {
    let all = Measured::read(directory, "memory.tsv")?;
    let counts = all.names(&[], 0);
    let sessions: Vec<_> = counts.iter().map(|count| tables::grouped(count)).collect();
    let names: Vec<&str> = sessions.iter().map(String::as_str).collect();
    let count = |name: &str| {
        names
            .iter()
            .position(|known| *known == name)
            .map(|at| counts[at])
    };
    let groups = [
        "load",
        "load, replace",
        "create",
        "load, delete",
        "expire one",
    ];
    Plot {
        title: "The memory store: nanoseconds per operation, by the number of sessions",
        groups: &groups,
        series: &names,
    }
    .write(&directory.join("memory.svg"), |operation, sessions| {
        let at = groups.iter().position(|name| *name == operation)?;
        let column = [2, 3, 4, 5, 7][at];
        Some(Bar::new(all.number(&[count(sessions)?], column)?))
    })?;
    let heap = Measured::read(directory, "heap.tsv")?;
    Plot {
        title: "Bytes of memory for one session of ten values",
        groups: &["bytes"],
        series: &heap.names(&[], 0),
    }
    .write(&directory.join("heap.svg"), |_, library| {
        Some(Bar::new(heap.number(&[library], 1)?))
    })
}

fn contention(directory: &Path) -> Result<(), Error> {
    let all = Measured::read(directory, "contention.tsv")?;
    let groups = [
        "memory /counter",
        "memory /slow",
        "Redis /counter",
        "Redis /slow",
    ];
    let series = all.names(&[], 1);
    let value = |group: &str, library: &str, column| {
        let (store, path) = group.split_once(' ')?;
        all.number(&[store, library, path, "64"], column)
    };
    Plot {
        title: "64 clients count in one session: per cent of the increments that are lost",
        groups: &groups,
        series: &series,
    }
    .write(&directory.join("lost.svg"), |group, library| {
        let answered = value(group, library, 4)?;
        Some(Bar::new(
            100.0 * value(group, library, 6)? / answered.max(1.0),
        ))
    })?;
    Plot {
        title: "64 clients count in one session: requests a second",
        groups: &groups,
        series: &series,
    }
    .write(&directory.join("contention.svg"), |group, library| {
        Some(Bar::new(value(group, library, 7)?))
    })
}
