//! Bars in groups, one colour per series. The grey of the letters is readable on white and on dark
//! backgrounds, because a picture cannot know the page's.

use std::fmt::Write as _;
use std::path::Path;

use crate::apps::Error;

/// Middle tones that colour-blind readers can tell apart.
const COLOURS: [&str; 7] = [
    "#0a84d6", "#e07b00", "#2f9e6e", "#5f6fd6", "#b45cc4", "#c9a227", "#d1495b",
];
/// The colour of bars that are no library.
const ALONE: &str = "#8a8f98";
const LETTERS: &str = "#727b86";

const LEFT: f64 = 150.0;
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 12.0;

pub struct Bar {
    value: f64,
    spread: Option<[f64; 2]>,
}

impl Bar {
    pub fn new(value: f64) -> Self {
        Self {
            value,
            spread: None,
        }
    }

    /// A bar with its minimum and maximum.
    pub fn with(value: f64, least: f64, most: f64) -> Self {
        Self {
            value,
            spread: Some([least, most]),
        }
    }
}

pub struct Plot<'a> {
    pub title: &'a str,
    pub groups: &'a [&'a str],
    pub series: &'a [&'a str],
}

impl Plot<'_> {
    pub fn write(
        &self,
        path: &Path,
        value: impl Fn(&str, &str) -> Option<Bar>,
    ) -> Result<(), Error> {
        let most = self
            .groups
            .iter()
            .flat_map(|group| self.series.iter().filter_map(|name| value(group, name)))
            .map(|bar| bar.spread.map_or(bar.value, |[_, most]| most))
            .fold(0.0, f64::max);
        let scale = (WIDTH - LEFT - 70.0) / most.max(f64::MIN_POSITIVE);
        let mut svg = String::new();
        let top = self.legend(&mut svg)?;
        let mut y = top;
        for group in self.groups {
            let bars: Vec<_> = self
                .series
                .iter()
                .enumerate()
                .filter_map(|(at, name)| Some((self.colour(at), value(group, name)?)))
                .collect();
            let height = HEIGHT * bars.len() as f64;
            writeln!(
                svg,
                r##"<text x="{}" y="{}" text-anchor="end">{group}</text><line x1="{LEFT}" x2="{LEFT}" y1="{y}" y2="{}" stroke="{LETTERS}"/>"##,
                LEFT - 8.0,
                y + height / 2.0 + 4.0,
                y + height
            )?;
            for (colour, bar) in bars {
                draw(&mut svg, y, colour, &bar, scale)?;
                y += HEIGHT;
            }
            y += 12.0;
        }
        let head = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="system-ui, sans-serif" font-size="12" fill="{LETTERS}">
<text x="8" y="20" font-size="15" font-weight="600">{}</text>
"##,
            self.title
        );
        std::fs::write(path, format!("{head}{svg}</svg>\n"))?;
        Ok(())
    }

    fn colour(&self, at: usize) -> &'static str {
        // The first colour always belongs to the first library.
        let apart = usize::from(self.series.contains(&"commands"));
        match self.series[at] {
            "commands" => ALONE,
            _ => COLOURS[(at - apart) % COLOURS.len()],
        }
    }

    /// Returns where the bars begin.
    fn legend(&self, svg: &mut String) -> Result<f64, Error> {
        let (mut x, mut y) = (8.0, 32.0);
        for (at, name) in self.series.iter().enumerate() {
            let colour = self.colour(at);
            let name = match *name {
                "commands" => "the commands alone",
                name => name,
            };
            let width = 30.0 + 7.2 * name.len() as f64;
            if x + width > WIDTH {
                (x, y) = (8.0, y + 18.0);
            }
            writeln!(
                svg,
                r##"<rect x="{x}" y="{y}" width="11" height="11" fill="{colour}"/><text x="{}" y="{}">{name}</text>"##,
                x + 16.0,
                y + 10.0
            )?;
            x += width;
        }
        Ok(y + 26.0)
    }
}

fn draw(svg: &mut String, y: f64, colour: &str, bar: &Bar, scale: f64) -> Result<(), Error> {
    let width = (bar.value.max(0.0) * scale).max(1.0);
    let mut end = LEFT + width;
    writeln!(
        svg,
        r##"<rect x="{LEFT}" y="{y}" width="{width:.1}" height="{}" fill="{colour}"/>"##,
        HEIGHT - 1.0
    )?;
    if let Some([least, most]) = bar.spread {
        let [from, to] = [least, most].map(|value| LEFT + value * scale);
        let middle = y + HEIGHT / 2.0 - 0.5;
        writeln!(
            svg,
            r##"<path d="M{from:.1} {middle}H{to:.1}M{from:.1} {}v6M{to:.1} {}v6" stroke="{LETTERS}" fill="none"/>"##,
            middle - 3.0,
            middle - 3.0
        )?;
        end = end.max(to);
    }
    let digits = match bar.value {
        value if value >= 100.0 || value.fract() == 0.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    writeln!(
        svg,
        r##"<text x="{:.1}" y="{}" font-size="10">{:.digits$}</text>"##,
        end + 4.0,
        y + 9.5,
        bar.value
    )?;
    Ok(())
}
