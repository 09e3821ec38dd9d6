//! Progress, on a terminal. Elsewhere nothing is drawn.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts what has no known end.
pub(crate) fn counting(what: &str) -> ProgressBar {
    let template = format!("{{spinner}} {{human_pos}} {what}, {{per_sec}}, {{elapsed}}");
    styled(ProgressBar::new_spinner(), &template)
}

/// A bar, with the rate and the time left.
pub(crate) fn bar(of: u64, what: &str) -> ProgressBar {
    let template =
        format!("{{bar:30}} {{human_pos}}/{{human_len}} {what}, {{per_sec}}, {{eta}} left");
    styled(ProgressBar::new(of), &template)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
