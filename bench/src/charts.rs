//! Bar charts in SVG, on a white ground, so that they can be read on a dark page as well.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::{
    backend::SVGBackend,
    drawing::{DrawingArea, IntoDrawingArea as _},
    element::{Rectangle, Text},
    style::{
        Color as _, IntoTextStyle as _, RGBColor, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{
    reach::bytes,
    results::Results,
    statistics::median_of,
    subject::{BARE_BCRYPT, PEERS},
};

const WIDTH: u32 = 860;
const TOP: i32 = 56;
const BAR: i32 = 13;
const GAP: i32 = 8;
const LABELS: i32 = 140;
/// Room for the figure behind the longest bar.
const FIGURES: i32 = 80;

const INK: RGBColor = RGBColor(36, 41, 47);
/// The movie bag's own bars: first and second series.
const OWN: [RGBColor; 2] = [RGBColor(31, 111, 178), RGBColor(133, 189, 230)];
/// What they are compared with.
const PEER: [RGBColor; 2] = [RGBColor(128, 134, 142), RGBColor(196, 200, 205)];

struct Chart {
    title: &'static str,
    unit: &'static str,
    /// What the bars of a row are; one series needs no legend.
    series: &'static [&'static str],
    rows: Vec<(String, Vec<f64>)>,
}

/// Writes every chart into a folder; gives the names of the files.
pub fn write(results: &Results, folder: &Path) -> Result<Vec<&'static str>> {
    std::fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for (file, chart) in charts(results) {
        chart.draw(&folder.join(file)).map_err(|error| anyhow!("cannot draw {file}: {error}"))?;
        written.push(file);
    }
    Ok(written)
}

fn charts(results: &Results) -> [(&'static str, Chart); 4] {
    let rows = |figures: &dyn Fn(&crate::results::Measured) -> Option<Vec<f64>>| {
        let all = results.measured.iter();
        all.filter(|measured| measured.cost == results.cost && measured.program != BARE_BCRYPT)
            .filter_map(|measured| Some((measured.name.clone(), figures(measured)?)))
            .collect()
    };
    let cold = Chart {
        title: "CPU from process start to first response, apart from password hashing",
        unit: "ms",
        series: &["CPU"],
        rows: rows(&|measured| Some(vec![results.first_cpu_without_hashes(&measured.program)?])),
    };
    let latency = Chart {
        title: "First and warm invocation of operations that do not hash",
        unit: "ms",
        series: &["first", "warm"],
        rows: rows(&|measured| {
            let first = median_of(measured.cold.iter().map(|cold| cold.first))?;
            let warm = median_of(measured.warm.iter().map(|warm| warm.wall))?;
            (measured.hashes == 0).then(|| vec![first, warm])
        }),
    };
    let sizes = Chart {
        title: "ZIP file that is uploaded",
        unit: "MB",
        series: &["ZIP file"],
        rows: rows(&|measured| Some(vec![bytes(measured.size.zip_bytes) / 1e6])),
    };
    let memory = Chart {
        title: "Peak memory until the first response",
        unit: "MiB",
        series: &["memory"],
        rows: rows(&|measured| {
            let peak = median_of(measured.cold.iter().map(|cold| bytes(cold.peak_bytes)))?;
            Some(vec![peak / 1024.0 / 1024.0])
        }),
    };
    [("cold-start.svg", cold), ("first-and-warm.svg", latency), ("size.svg", sizes), ("memory.svg", memory)]
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    fn draw(&self, path: &Path) -> Drawn {
        let bars = i32::try_from(self.series.len())?;
        let row_height = bars * BAR + GAP;
        let height = TOP + row_height * i32::try_from(self.rows.len())? + GAP;
        let area = SVGBackend::new(path, (WIDTH, height.try_into()?)).into_drawing_area();
        area.fill(&WHITE)?;
        text(&area, self.title, (16, 20), 21, HPos::Left)?;
        if self.series.len() > 1 {
            self.legend(&area)?;
        }
        let most =
            self.rows.iter().flat_map(|(_, figures)| figures).copied().fold(f64::MIN_POSITIVE, f64::max);
        let room = f64::from(i32::try_from(WIDTH)? - LABELS - FIGURES);
        let mut top = TOP;
        for (name, figures) in &self.rows {
            text(&area, name, (LABELS - 10, top + bars * BAR / 2), 16, HPos::Right)?;
            let colours = if PEERS.contains(&name.as_str()) { PEER } else { OWN };
            for (number, (figure, colour)) in (0..).zip(figures.iter().zip(colours)) {
                let top = top + number * BAR;
                let right = LABELS + pixels(figure / most * room);
                area.draw(&Rectangle::new([(LABELS, top), (right, top + BAR - 1)], colour.filled()))?;
                let figure = format!("{figure:.2} {}", self.unit);
                text(&area, &figure, (right + 6, top + BAR / 2), 15, HPos::Left)?;
            }
            top += row_height;
        }
        area.present()?;
        Ok(())
    }

    fn legend(&self, area: &Area<'_>) -> Drawn {
        let mut left = LABELS;
        for (name, colour) in self.series.iter().zip(OWN) {
            area.draw(&Rectangle::new([(left, 36), (left + 12, 46)], colour.filled()))?;
            text(area, name, (left + 18, 41), 15, HPos::Left)?;
            left += 90;
        }
        Ok(())
    }
}

/// Writes a text beside or behind a place. The size is in points, of which plotters makes four fifths as many pixels.
fn text(area: &Area<'_>, text: &str, place: (i32, i32), size: i32, anchor: HPos) -> Drawn {
    let style = ("sans-serif", size).into_text_style(area).with_color(INK).into_text_style(area);
    let style = style.pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style))?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "no chart is wider than an i32")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}
