//! Draws the run: four curves over the time, and what happened. The grey of the letters is readable
//! on white and on dark backgrounds, as in the plots of `conformance/peers`.

use std::fmt::Write as _;
use std::time::Duration;

use super::table::Row;

const LETTERS: &str = "#727b86";
const COLOURS: [&str; 4] = ["#0a84d6", "#2f9e6e", "#d1495b", "#e07b00"];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 78.0;
const HEIGHT: f64 = 96.0;
const GAP: f64 = 34.0;

/// A name, and its value in a row.
type Panel = (&'static str, fn(&Row) -> f64);

/// Returns the picture.
pub(super) fn draw(title: &str, rows: &[Row], events: &[(Duration, String)]) -> String {
    let panels: [Panel; 4] = [
        ("requests a second", |row| row.rate),
        ("99th percentile, ms", |row| row.p99),
        ("errors a second", |row| row.errors),
        ("a page older than acknowledged, ms", |row| row.stale),
    ];
    let end = rows.last().map_or(1.0, |row| row.at).max(1.0);
    let x = |at: f64| LEFT + (WIDTH - LEFT - 16.0) * at / end;
    let bottom = TOP + (HEIGHT + GAP) * 4.0;
    let mut svg = String::new();
    for (number, (at, what)) in events.iter().enumerate() {
        let (x, y) = (x(at.as_secs_f64()), 40.0 + 12.0 * (number % 3) as f64);
        let _ = writeln!(
            svg,
            r##"<line x1="{x:.1}" x2="{x:.1}" y1="{:.1}" y2="{:.1}" stroke="{LETTERS}" stroke-dasharray="2 3"/><text x="{:.1}" y="{y:.1}" font-size="10">{what}</text>"##,
            y + 3.0,
            bottom - GAP,
            x + 3.0,
        );
    }
    for (number, (name, value)) in panels.iter().enumerate() {
        let base = TOP + (HEIGHT + GAP) * number as f64 + HEIGHT;
        let most = rows.iter().map(value).fold(0.0, f64::max);
        let scale = (HEIGHT - 20.0) / most.max(f64::MIN_POSITIVE);
        let points: Vec<_> = rows
            .iter()
            .map(|row| format!("{:.1},{:.1}", x(row.at), base - value(row) * scale))
            .collect();
        let _ = writeln!(
            svg,
            r##"<text x="{LEFT}" y="{:.1}" font-weight="600">{name}</text><line x1="{LEFT}" x2="{:.1}" y1="{base}" y2="{base}" stroke="{LETTERS}"/><text x="{:.1}" y="{:.1}" text-anchor="end" font-size="10">{most:.0}</text><text x="{:.1}" y="{base}" text-anchor="end" font-size="10">0</text><polyline fill="none" stroke="{}" stroke-width="1.5" points="{}"/>"##,
            base - HEIGHT + 6.0,
            WIDTH - 16.0,
            LEFT - 6.0,
            base - HEIGHT + 24.0,
            LEFT - 6.0,
            COLOURS[number],
            points.join(" "),
        );
    }
    let mut second = 0.0;
    while second <= end {
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle" font-size="10">{second} s</text>"#,
            x(second),
            bottom - GAP + 14.0
        );
        second += 10.0;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {:.0}" font-family="system-ui, sans-serif" font-size="12" fill="{LETTERS}">
<text x="8" y="20" font-size="15" font-weight="600">{title}</text>
{svg}</svg>
"##,
        bottom - GAP + 24.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_value_is_at_the_top_of_its_panel_and_events_are_marked() {
        let row = |at: f64, rate: f64| Row {
            at,
            rate,
            ..Row::default()
        };
        let events = [(Duration::from_secs(1), "a master is killed".to_owned())];
        let svg = draw("A run", &[row(0.0, 0.0), row(2.0, 500.0)], &events);
        let top = TOP + 20.0;
        assert!(
            svg.contains(&format!("{:.1},{top:.1}", WIDTH - 16.0)),
            "{svg}"
        );
        assert!(svg.contains("a master is killed"), "{svg}");
    }
}
