//! Bar charts in Mermaid, which GitHub draws.

use crate::{
    results::{Measured, Results},
    statistics::as_f64,
    subject::BARE_BCRYPT,
};

/// The colors of a first and a second series, which are visible on a white and on a dark page.
const COLORS: &str =
    r##"%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#85BDE6, #1F6FB2"}}}}%%"##;

/// A figure of a subject, unless it was not measured.
type Figure<'a> = &'a dyn Fn(&Measured) -> Option<f64>;

/// Returns all charts of a run. Titles fit into the width of a chart.
pub fn markdown(results: &Results) -> String {
    let start_cpu: Figure = &|measured| results.first_cpu_without_hashes(&measured.subject.program);
    let first: Figure = &|measured| {
        let first = measured.cold(|cold| cold.first)?.median;
        (measured.subject.hashes() == 0).then_some(first)
    };
    let warm: Figure = &|measured| Some(measured.warm(|warm| warm.wall)?.median);
    let zip: Figure = &|measured| Some(as_f64(measured.size.zip_bytes) / 1e6);
    let peak: Figure =
        &|measured| Some(measured.cold(|cold| as_f64(cold.peak_bytes))?.median / 1024.0 / 1024.0);
    let charts = [
        ("CPU until first response, apart from hashing", "ms", &[start_cpu][..]),
        ("First (light) and warm invocation (dark)", "ms", &[first, warm]),
        ("ZIP file that is uploaded", "MB", &[zip]),
        ("Peak memory until first response", "MiB", &[peak]),
    ];
    charts.map(|(title, unit, series)| chart(results, title, unit, series)).concat()
}

/// Draws a bar for each subject that has all these figures. Bars of later series are in front.
fn chart(results: &Results, title: &str, unit: &str, series: &[Figure]) -> String {
    let (mut names, mut bars, mut most) = (Vec::new(), vec![Vec::new(); series.len()], 0.0_f64);
    for measured in results.measured.iter().filter(|measured| measured.subject.cost == results.cost) {
        let figures: Option<Vec<f64>> = series.iter().map(|figure| figure(measured)).collect();
        let Some(figures) = figures.filter(|_| measured.subject.program != BARE_BCRYPT) else { continue };
        names.push(&measured.subject.name);
        for (bars, figure) in bars.iter_mut().zip(figures) {
            bars.push(format!("{figure:.2}"));
            most = most.max(figure.ceil());
        }
    }
    let bars: Vec<String> = bars.iter().map(|bars| format!("    bar [{}]\n", bars.join(", "))).collect();
    format!(
        "```mermaid\n{COLORS}\nxychart-beta horizontal\n    title \"{title}\"\n    x-axis {names:?}\n    \
         y-axis \"{unit}\" 0 --> {most}\n{}```\n\n",
        bars.concat()
    )
}
