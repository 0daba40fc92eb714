//! The names of the series: beside the ends of their lines where there is room, else as a list.

use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};
use std::ops::Range;

use super::axes::widest;
use super::figure::{Area, Painted};
use super::style::{INK, LABEL, line, pt, text_at};

const STEP: f64 = LABEL * 1.45;
const SWATCH: f64 = 16.0;
const GAP: f64 = 7.0;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Line,
    Dashed,
    Points,
    Bars,
    Band,
}

/// A series in the legend; `end` is the height at which its line ends, from 0 (bottom) to 1 (top).
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) colour: RGBColor,
    pub(super) end: Option<f64>,
}

/// Entries with their heights; `beside` says whether each stands at the end of its own line.
#[derive(Debug)]
pub(super) struct Legend {
    entries: Vec<Entry>,
    beside: bool,
}

impl Legend {
    /// Entries without a name are left out; `height` in points is that of the whole figure.
    pub(super) fn new(mut entries: Vec<Entry>, height: f64) -> Legend {
        entries.retain(|entry| !entry.name.is_empty());
        let mut ends: Vec<f64> = entries.iter().filter_map(|entry| entry.end).collect();
        ends.sort_by(f64::total_cmp);
        let roomy = ends.windows(2).all(|pair| (pair[1] - pair[0]) * (height - 80.0) >= STEP);
        let beside = ends.len() == entries.len() && entries.len() <= 6 && roomy;
        Legend { entries, beside }
    }

    /// Points needed at the right of the plot.
    pub(super) fn width(&self) -> f64 {
        let names = widest(self.entries.iter().map(|entry| &entry.name), LABEL);
        match (self.entries.is_empty(), self.beside) {
            (true, _) => 0.0,
            (_, true) => GAP + names,
            (_, false) => GAP + SWATCH + 5.0 + names,
        }
    }

    /// Points that a list takes from top to bottom.
    pub(super) fn height(&self) -> f64 {
        if self.beside { 0.0 } else { STEP * self.entries.len() as f64 }
    }

    /// Draws the names at the right of the plotted rectangle `(x, y)`.
    pub(super) fn draw(&self, area: &Area, (x, y): (Range<i32>, Range<i32>)) -> Painted {
        let x = x.end + pt(GAP);
        for (index, entry) in self.entries.iter().enumerate() {
            let (mut name, mut ink) = ((x + pt(SWATCH + 5.0), y.start), INK);
            match entry.end.filter(|_| self.beside) {
                Some(end) => {
                    name = (x, y.end - (end * f64::from(y.end - y.start)) as i32);
                    ink = darker(entry.colour);
                }
                None => {
                    name.1 += pt(STEP * (index as f64 + 0.5));
                    swatch(area, entry, x, name.1)?;
                }
            }
            area.draw(&Text::new(entry.name.as_str(), name, text_at(HPos::Left, LABEL, ink)))?;
        }
        Ok(())
    }
}

/// Thin letters look paler than thick lines of the same colour.
fn darker(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let dim = |channel: u8| (f64::from(channel) * 0.82) as u8;
    RGBColor(dim(r), dim(g), dim(b))
}

fn swatch(area: &Area, entry: &Entry, x: i32, y: i32) -> Painted {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_beside_their_lines_only_where_they_do_not_overlap() {
        let entry = |end: &Option<f64>| {
            let (name, mark, colour) = ("name".to_string(), Mark::Line, INK);
            Entry { name, mark, colour, end: *end }
        };
        let legend = |ends: &[Option<f64>]| Legend::new(ends.iter().map(entry).collect(), 320.0);
        let beside = |ends: &[Option<f64>]| legend(ends).beside;
        assert!(beside(&[Some(0.1), Some(0.9), Some(0.5)]));
        assert!(!beside(&[Some(0.1), Some(0.9), Some(0.11)]), "two lines end together");
        assert!(!beside(&[Some(0.1), None]), "a line ends before the plot does");
        assert!(!beside(&[0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0].map(Some)), "seven names are a list");
        assert_eq!(legend(&[]).width(), 0.0);
    }
}
