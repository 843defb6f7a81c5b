//! Bar charts in SVG, on a white background, so that they are also readable on a dark page.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    results::{Measured, Results},
    statistics::as_f64,
    subject::{BARE_BCRYPT, PEERS},
};

const WIDTH: usize = 860;
const TOP: usize = 56;
const BAR: usize = 13;
const GAP: usize = 8;
const LABELS: usize = 140;
/// The length of the longest bar, which leaves room for its figure.
const LONGEST: f64 = 640.0;

const INK: &str = "#24292F";
/// The project's own bars: first and second series.
const OWN: [&str; 2] = ["#1F6FB2", "#85BDE6"];
/// The bars of the programs that they are compared with.
const PEER: [&str; 2] = ["#80868E", "#C4C8CD"];

struct Chart {
    title: &'static str,
    unit: &'static str,
    /// The names of the bars of a row; one series needs no legend.
    series: &'static [&'static str],
    rows: Vec<(String, Vec<f64>)>,
}

/// Writes every chart into a folder, and returns the names of the files.
pub fn write(results: &Results, folder: &Path) -> Result<Vec<&'static str>> {
    fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for (file, chart) in charts(results) {
        fs::write(folder.join(file), chart.svg()).with_context(|| format!("cannot write {file}"))?;
        written.push(file);
    }
    Ok(written)
}

fn charts(results: &Results) -> [(&'static str, Chart); 4] {
    let rows = |figures: &dyn Fn(&Measured) -> Option<Vec<f64>>| {
        let all = results.measured.iter().filter(|measured| {
            measured.subject.cost == results.cost && measured.subject.program != BARE_BCRYPT
        });
        all.filter_map(|measured| Some((measured.subject.name.clone(), figures(measured)?))).collect()
    };
    let cold = Chart {
        title: "CPU from process start to first response, apart from password hashing",
        unit: "ms",
        series: &["CPU"],
        rows: rows(&|measured| Some(vec![results.first_cpu_without_hashes(&measured.subject.program)?])),
    };
    let latency = Chart {
        title: "First and warm invocation of operations that do not hash",
        unit: "ms",
        series: &["first", "warm"],
        rows: rows(&|measured| {
            let (first, warm) = (measured.cold(|cold| cold.first)?, measured.warm(|warm| warm.wall)?);
            (measured.subject.hashes() == 0).then(|| vec![first.median, warm.median])
        }),
    };
    let sizes = Chart {
        title: "ZIP file that is uploaded",
        unit: "MB",
        series: &["ZIP file"],
        rows: rows(&|measured| Some(vec![as_f64(measured.size.zip_bytes) / 1e6])),
    };
    let memory = Chart {
        title: "Peak memory until the first response",
        unit: "MiB",
        series: &["memory"],
        rows: rows(&|measured| {
            let peak = measured.cold(|cold| as_f64(cold.peak_bytes))?;
            Some(vec![peak.median / 1024.0 / 1024.0])
        }),
    };
    [("cold-start.svg", cold), ("first-and-warm.svg", latency), ("size.svg", sizes), ("memory.svg", memory)]
}

impl Chart {
    fn svg(&self) -> String {
        let bars = self.series.len();
        let height = TOP + (bars * BAR + GAP) * self.rows.len() + GAP;
        let mut svg = format!(
            "<svg width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\">\n"
        );
        rectangle(&mut svg, (0, 0), (WIDTH, height), "#FFFFFF");
        text(&mut svg, self.title, (16, 20), 17, "start");
        if bars > 1 {
            for (number, (name, color)) in self.series.iter().zip(OWN).enumerate() {
                let left = LABELS + 90 * number;
                rectangle(&mut svg, (left, 36), (12, 10), color);
                text(&mut svg, name, (left + 18, 41), 12, "start");
            }
        }
        let most =
            self.rows.iter().flat_map(|(_, figures)| figures).copied().fold(f64::MIN_POSITIVE, f64::max);
        for (row, (name, figures)) in self.rows.iter().enumerate() {
            let top = TOP + (bars * BAR + GAP) * row;
            text(&mut svg, name, (LABELS - 10, top + bars * BAR / 2), 13, "end");
            let colors = if PEERS.contains(&name.as_str()) { PEER } else { OWN };
            for (number, (figure, color)) in figures.iter().zip(colors).enumerate() {
                let (top, length) = (top + number * BAR, pixels(figure / most * LONGEST));
                rectangle(&mut svg, (LABELS, top), (length, BAR - 1), color);
                let figure = format!("{figure:.2} {}", self.unit);
                text(&mut svg, &figure, (LABELS + length + 6, top + BAR / 2), 12, "start");
            }
        }
        svg + "</svg>\n"
    }
}

fn rectangle(svg: &mut String, (x, y): (usize, usize), (width, height): (usize, usize), color: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(svg, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{color}"/>"#);
}

fn text(svg: &mut String, text: &str, (x, y): (usize, usize), size: u32, anchor: &str) {
    let _ = writeln!(
        svg,
        r#"<text x="{x}" y="{y}" dy="0.5ex" text-anchor="{anchor}" font-size="{size}" fill="{INK}">{text}</text>"#
    );
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no bar is longer than a chart")]
fn pixels(length: f64) -> usize {
    length.round() as usize
}
