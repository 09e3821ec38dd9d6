//! Compares the page on observability with the events of the crates, in both directions.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

const PAGE: &str = include_str!("../../../adapters/direct/OBSERVABILITY.md");

/// The sources of all adapters, and of the stores.
fn sources() -> io::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = String::new();
    for directory in ["adapters", "stores"] {
        for entry in fs::read_dir(root.join(directory))? {
            let sources = entry?.path().join("src");
            if sources.is_dir() {
                read(&sources, &mut all)?;
            }
        }
    }
    Ok(all)
}

fn read(directory: &Path, all: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, all)?;
        } else {
            *all += &fs::read_to_string(path)?;
        }
    }
    Ok(())
}

/// The calls of these macros, from the name to the closing parenthesis, without line breaks.
fn calls(sources: &str) -> Vec<String> {
    let macros = [
        "trace!(",
        "debug!(",
        "info!(",
        "warn!(",
        "error!(",
        "debug_span!(",
    ];
    let mut calls = Vec::new();
    for (at, _) in sources.match_indices("tracing::") {
        let call = &sources[at + "tracing::".len()..];
        if macros.iter().any(|name| call.starts_with(name)) {
            let ends = [");", ")\n"].map(|end| call.find(end).unwrap_or(call.len()));
            let call = &call[..ends[0].min(ends[1])];
            calls.push(call.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    calls
}

/// The message, or a span's name: the text in quotes. None: it is another expression.
fn message(call: &str) -> Option<&str> {
    let quoted = call.split('"').nth(1)?;
    Some(quoted).filter(|quoted| *quoted != "{}")
}

/// The rows of the page's tables, cell by cell.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    PAGE.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix('|')?;
        Some(cells.split('|').map(str::trim).collect())
    })
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_span_and_event_of_the_crates_is_on_the_page_with_its_level_and_fields() {
    let calls = calls(&sources().unwrap());
    assert!(calls.len() > 15, "{calls:?}");
    for call in &calls {
        let Some(message) = message(call) else {
            continue;
        };
        let row = rows().find(|row| row[0].trim_matches('`') == message.trim_matches('`'));
        let row = row.unwrap_or_else(|| panic!("`{message}` is not on the page"));
        let level = call.split(['!', '_']).next().unwrap();
        assert_eq!(row[1], level, "the level of `{message}`");
        let named: BTreeSet<_> = quoted(row[2]).collect();
        let arguments = call.split_once('(').map_or("", |(_, arguments)| arguments);
        for argument in arguments
            .split(", ")
            .filter(|argument| !argument.contains('"'))
        {
            let field = argument
                .split(" = ")
                .next()
                .unwrap()
                .trim_matches(['%', '?', ' ', ',']);
            assert!(
                field.is_empty() || named.contains(field),
                "the field `{field}` of `{message}` is not on the page"
            );
        }
    }
}

#[test]
fn every_span_and_event_on_the_page_is_one_of_the_crates() {
    let calls = calls(&sources().unwrap());
    let levels = ["trace", "debug", "info", "warn", "error"];
    let mut rows: Vec<_> = rows()
        .filter(|row| levels.contains(row.get(1).unwrap_or(&"")))
        .collect();
    rows.retain(|row| row[0].starts_with('`'));
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let name = row[0].trim_matches('`');
        let told = |call: &&String| message(call).map(|told| told.trim_matches('`')) == Some(name);
        let call = calls.iter().find(told);
        let call = call.unwrap_or_else(|| panic!("nobody tells `{name}`"));
        // Behind a field stand the words that it can have.
        for field in row[2].split(['(', ')']).step_by(2).flat_map(quoted) {
            assert!(call.contains(field), "`{name}` has no field `{field}`");
        }
    }
}

#[test]
fn documented_metrics_and_alerts_exist() {
    let observe = include_str!("../../../adapters/direct/src/observe.rs");
    let error = include_str!("../../../adapters/direct/src/error.rs");
    let fates = include_str!("../../../core/src/outcome.rs");
    let near = include_str!("../../../stores/near/src/numbers.rs");
    let (_, tables) = PAGE.split_once("## Counting").unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| "));
    let mut names = 0;
    for name in rows.flat_map(|row| quoted(row.split(" | ").next().unwrap())) {
        let last = name.rsplit("::").next().unwrap();
        let known = [observe, error, fates, near]
            .iter()
            .any(|source| source.contains(last));
        assert!(known, "`{name}` is on the page, and nowhere else");
        names += 1;
    }
    assert!(names > 10);
}
