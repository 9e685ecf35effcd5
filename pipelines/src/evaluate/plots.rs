//! Plots of labelled series with what was alarmed, as one HTML page that needs nothing else; the worst come first.
//!
//! Values and scores are drawn as the range they span per column of pixels, so that no spike is lost. Windows or labels
//! are shaded; a line stands for an alarm: green where it was right, red where it was false. Not done here: judging.

use super::series::{LabelledSeries, ScoredSeries};

const WIDTH: usize = 1100;
const VALUE_HEIGHT: f64 = 110.0;
const SCORE_HEIGHT: f64 = 50.0;

/// One plot.
#[derive(Debug)]
pub struct Plot<'a> {
    /// The series.
    pub series: &'a LabelledSeries,
    /// Its scores.
    pub scored: &'a ScoredSeries,
    /// Its alarms, as point numbers.
    pub alarms: &'a [usize],
    /// What became of it, in words.
    pub caption: String,
}

/// The page.
#[must_use]
pub fn page(title: &str, summary: &str, plots: &[Plot<'_>]) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>\
         body{{font:14px system-ui,sans-serif;margin:1.5em;max-width:{WIDTH}px}}svg{{width:100%;height:auto;background:#fafafa}}\
         .label{{fill:#f5d76e;opacity:.6}}.value{{stroke:#345;fill:none}}.score{{stroke:#86a;fill:none}}\
         .hit{{stroke:#1a8f3c}}.false{{stroke:#d02020}}figure{{margin:0 0 1.4em}}</style></head><body><h1>{0}</h1><p>{1}</p>\
         <p>Shaded: labelled. Green: an alarm that belongs to a label. Red: a false alarm. Upper line: the value; lower \
         line: the score. Grey: only learned, not scored.</p>",
        escaped(title),
        escaped(summary)
    );
    for plot in plots {
        let svg = svg(plot);
        html.push_str(&format!("<figure><figcaption>{}</figcaption>{svg}</figure>", escaped(&plot.caption)));
    }
    html.push_str("</body></html>\n");
    html
}

fn svg(plot: &Plot<'_>) -> String {
    let n = plot.series.values.len().max(1);
    let x = |point: usize| point as f64 / n as f64 * WIDTH as f64;
    let height = VALUE_HEIGHT + SCORE_HEIGHT + 10.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    let learned = x(plot.series.scored.start);
    svg.push_str(&format!(
        "<rect x=\"0\" y=\"0\" width=\"{learned:.1}\" height=\"{height}\" fill=\"#eee\"/>"
    ));
    for episode in models::accuracy::episodes(&plot.series.labels) {
        let (from, width) = (x(episode.start), (x(episode.end) - x(episode.start)).max(1.5));
        svg.push_str(&format!(
            "<rect class=\"label\" x=\"{from:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height}\"/>"
        ));
    }
    for &alarm in plot.alarms {
        let right = plot.series.labels[alarm.saturating_sub(7)..(alarm + 3).min(n)].contains(&true);
        let class = if right { "hit" } else { "false" };
        svg.push_str(&format!("<path class=\"{class}\" d=\"M{0:.1} 0V{height}\"/>", x(alarm)));
    }
    svg.push_str(&format!("<path class=\"value\" d=\"{}\"/>", path(&plot.series.values, 0.0, VALUE_HEIGHT)));
    let top = VALUE_HEIGHT + 10.0;
    svg.push_str(&format!(
        "<path class=\"score\" d=\"{}\"/></svg>",
        path(&plot.scored.scores, top, SCORE_HEIGHT)
    ));
    svg
}

/// A vertical stroke from the lowest to the highest value of each column of pixels, joined.
fn path(values: &[f64], top: f64, height: f64) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    let y = |value: f64| top + height - (value - low) / span * height;
    let per_column = values.len().div_ceil(WIDTH).max(1);
    let mut path = String::new();
    for (nth, column) in values.chunks(per_column).enumerate() {
        let column: Vec<f64> = column.iter().copied().filter(|value| value.is_finite()).collect();
        if column.is_empty() {
            continue;
        }
        let (least, most) =
            column.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let x = (nth * per_column) as f64 / values.len() as f64 * WIDTH as f64;
        let step = if path.is_empty() { 'M' } else { 'L' };
        path.push_str(&format!("{step}{x:.1} {:.1}V{:.1}", y(most), y(least)));
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a spike of one point among ten thousand, and a caption with markup in it.
    /// Guarantees: the spike reaches the top of the plot; text cannot become markup; no address is in the page.
    #[test]
    fn no_spike_is_lost() {
        let mut values = vec![0.0; 10_000];
        values[5003] = 1.0;
        assert!(path(&values, 0.0, 100.0).contains(" 0.0V100.0"));
        let page = page("<b>", "a & b", &[]);
        assert!(page.contains("&lt;b&gt;") && page.contains("a &amp; b") && !page.contains("http"), "{page}");
    }
}
