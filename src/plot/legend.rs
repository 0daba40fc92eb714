//! The names of the series: beside the ends of their lines where there is room, else as a list.

use plotters::prelude::{Circle, Color, PathElement, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use std::collections::HashSet;
use std::ops::Range;

use super::figure::{Area, Painted};
use super::style::{INK, LABEL, line, pt, text_at};
use super::text::widest;

const STEP: f64 = LABEL * 1.45;
const SWATCH: f64 = 16.0;
const GAP: f64 = 7.0;

/// How a series is drawn, from what lies lowest to what lies on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// A height, from the left of the plot to its right; its name is written on it.
    Level,
    Band,
    Bars,
    Line,
    Dashed,
    Points,
}

/// A series in the legend; `end` is the height at which its line ends, from 0 (bottom) to 1 (top).
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) colour: RGBColor,
    pub(super) end: Option<f64>,
}

impl Entry {
    /// A series that does not end at the right of the plot.
    pub(super) fn new(name: &str, mark: Mark, colour: RGBColor) -> Entry {
        Entry { name: name.to_string(), mark, colour, end: None }
    }
}

/// Entries with their heights; `beside` says whether each stands at the end of its own line.
#[derive(Debug)]
pub(super) struct Legend {
    entries: Vec<Entry>,
    beside: bool,
}

impl Legend {
    /// `height` in points is that of the whole figure. Of entries with one name the first counts that is no pale band; without one, none.
    pub(super) fn new(mut entries: Vec<Entry>, height: f64) -> Legend {
        let mut names = HashSet::from([String::new()]);
        entries.sort_by_key(|entry| entry.mark == Mark::Band);
        entries.retain(|entry| names.insert(entry.name.clone()));
        let mut ends: Vec<f64> = entries.iter().filter_map(|entry| entry.end).collect();
        ends.sort_by(f64::total_cmp);
        let roomy = ends.windows(2).all(|pair| (pair[1] - pair[0]) * (height - 80.0) >= STEP);
        let beside = ends.len() == entries.len() && entries.len() <= 6 && roomy;
        Legend { entries, beside }
    }

    /// Points needed at the right of the plot.
    pub(super) fn width(&self) -> f64 {
        let names = widest(self.entries.iter().map(|entry| &entry.name), LABEL);
        let swatch = if self.beside { 0.0 } else { SWATCH + 5.0 };
        if self.entries.is_empty() { 0.0 } else { GAP + swatch + names }
    }

    /// Points that a list takes from top to bottom.
    pub(super) fn height(&self) -> f64 {
        if self.beside { 0.0 } else { STEP * self.entries.len() as f64 }
    }

    /// Draws the names at the right of the plotted rectangle `(x, y)`.
    pub(super) fn draw(&self, area: &Area, (x, y): (Range<i32>, Range<i32>)) -> Painted {
        let x = x.end + pt(GAP);
        for (index, entry) in self.entries.iter().enumerate() {
            let mut at = (x, y.start + pt(STEP * (index as f64 + 0.5)));
            let mut ink = INK;
            if let Some(end) = entry.end.filter(|_| self.beside) {
                at.1 = y.end - (end * f64::from(y.end - y.start)) as i32;
                ink = darker(entry.colour);
            } else {
                swatch(area, entry, at)?;
                at.0 += pt(SWATCH + 5.0);
            }
            area.draw(&Text::new(entry.name.as_str(), at, text_at(HPos::Left, LABEL, ink)))?;
        }
        Ok(())
    }
}

/// Thin letters look paler than thick lines of the same colour.
fn darker(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let dim = |channel: u8| (f64::from(channel) * 0.82) as u8;
    RGBColor(dim(r), dim(g), dim(b))
}

fn swatch(area: &Area, entry: &Entry, (x, y): (i32, i32)) -> Painted {
    let stroke = |from: f64, to: f64| {
        PathElement::new([(x + pt(from), y), (x + pt(to), y)], line(entry.colour, 1.8))
    };
    let block = |opacity: f64| {
        let corners = [(x, y - pt(3.5)), (x + pt(SWATCH), y + pt(3.5))];
        Rectangle::new(corners, entry.colour.mix(opacity).filled())
    };
    match entry.mark {
        Mark::Line => area.draw(&stroke(0.0, SWATCH)),
        Mark::Dashed => area.draw(&stroke(0.0, 6.5)).and(area.draw(&stroke(9.5, SWATCH))),
        Mark::Points => {
            area.draw(&Circle::new((x + pt(SWATCH / 2.0), y), pt(2.8), entry.colour.filled()))
        }
        Mark::Bars => area.draw(&block(0.85)),
        Mark::Band => area.draw(&block(0.25)),
        Mark::Level => Ok(()), // its name is written on it
    }
}
