//! Draws the measured files as plots: bars per scenario, one colour per library, readable on light and dark ground.

use std::fmt::Write as _;
use std::path::Path;

type Error = Box<dyn std::error::Error>;

/// Middle tones, told apart by people who do not see all colours, on white and on black.
const COLOURS: [&str; 5] = ["#0a84d6", "#e07b00", "#2f9e6e", "#b45cc4", "#8a8a8a"];

/// A column of `requests.tsv` and where its plot goes.
const PLOTS: [(usize, &str, &str); 2] = [
    (
        3,
        "instructions.svg",
        "instructions above the bare handler, thousands",
    ),
    (2, "allocations.svg", "allocations above the bare handler"),
];

pub fn plot(directory: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(directory.join("requests.tsv"))?;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| {
            !line.starts_with('#') && !line.starts_with("library") && !line.starts_with("SHA")
        })
        .map(|line| line.split('\t').collect())
        .collect();
    for (column, file, title) in PLOTS {
        let scale = if column == 2 { 1.0 } else { 1_000.0 };
        let value = |row: &Vec<&str>| Some(row[column].parse::<f64>().ok()? / scale);
        let svg = bars(
            title,
            &names(&rows, 1),
            &names(&rows, 0),
            |scenario, library| {
                rows.iter()
                    .find(|row| row[1] == scenario && row[0] == library)
                    .and_then(value)
            },
        )?;
        std::fs::write(directory.join(file), svg)?;
    }
    Ok(())
}

/// Each name once, in the order of the file.
fn names<'a>(rows: &[Vec<&'a str>], column: usize) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in rows {
        if !names.contains(&row[column]) {
            names.push(row[column]);
        }
    }
    names
}

fn bars(
    title: &str,
    groups: &[&str],
    series: &[&str],
    value: impl Fn(&str, &str) -> Option<f64>,
) -> Result<String, Error> {
    const LEFT: f64 = 150.0;
    const WIDTH: f64 = 760.0;
    const BAR: f64 = 11.0;
    let room = WIDTH - LEFT - 70.0;
    let most = groups
        .iter()
        .flat_map(|group| series.iter().filter_map(|name| value(group, name)))
        .fold(0.0, f64::max);
    let group_height = BAR * series.len() as f64 + 12.0;
    let height = 64.0 + group_height * groups.len() as f64;
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="12">
<style>text {{ fill: #1f2328 }} .axis {{ stroke: #8a8a8a }} @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} }}</style>
<text x="8" y="20" font-size="15" font-weight="600">{title}</text>"#
    )?;
    let mut x = 8.0;
    for (name, colour) in series.iter().zip(COLOURS) {
        writeln!(
            svg,
            r#"<rect x="{x}" y="32" width="11" height="11" fill="{colour}"/><text x="{}" y="42">{name}</text>"#,
            x + 16.0
        )?;
        x += 36.0 + 7.2 * name.len() as f64;
    }
    for (at, group) in groups.iter().enumerate() {
        let top = 56.0 + group_height * at as f64;
        writeln!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end">{group}</text>"#,
            LEFT - 8.0,
            top + BAR * series.len() as f64 / 2.0 + 4.0
        )?;
        writeln!(
            svg,
            r#"<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{top}" y2="{}"/>"#,
            top + BAR * series.len() as f64
        )?;
        for (line, (name, colour)) in series.iter().zip(COLOURS).enumerate() {
            let Some(value) = value(group, name) else {
                continue;
            };
            let (y, width) = (
                top + BAR * line as f64,
                (value.max(0.0) / most * room).max(1.0),
            );
            let digits = usize::from(value < 100.0 && value.fract() != 0.0);
            writeln!(
                svg,
                r#"<rect x="{LEFT}" y="{y}" width="{width:.1}" height="{}" fill="{colour}"/><text x="{:.1}" y="{}" font-size="10">{value:.digits$}</text>"#,
                BAR - 1.0,
                LEFT + width + 4.0,
                y + 9.0
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
