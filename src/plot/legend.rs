//! The names of the series: beside the ends of their lines where there is room, else as a list.

use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor};

use super::axes::{Frame, width_of};
use super::figure::{Area, Painted};
use super::series::Mark;
use super::style::{INK, LABEL, MARGIN, at, line, pt, text};

const STEP: f64 = LABEL * 1.45;
const SWATCH: f64 = 16.0;
const GAP: f64 = 7.0;

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
    /// `height` in points is that of the whole figure.
    pub(super) fn new(entries: &[Entry], height: f64) -> Legend {
        let mut ends: Vec<f64> = entries.iter().filter_map(|entry| entry.end).collect();
        ends.sort_by(f64::total_cmp);
        let roomy = ends.windows(2).all(|pair| (pair[1] - pair[0]) * (height - 80.0) >= STEP);
        let beside = ends.len() == entries.len() && entries.len() <= 6 && roomy;
        Legend { entries: entries.to_vec(), beside }
    }

    /// Points needed at the right of the plot.
    pub(super) fn width(&self) -> f64 {
        let names =
            self.entries.iter().map(|entry| width_of(&entry.name, LABEL)).fold(0.0, f64::max);
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

    pub(super) fn draw(&self, area: &Area, frame: &Frame) -> Painted {
        let (width, height) = area.dim_in_pixel();
        let room = frame.room();
        let (top, bottom) = (pt(room.top), height as i32 - pt(room.bottom));
        let x = width as i32 - pt(MARGIN + self.width() - GAP);
        for (index, entry) in self.entries.iter().enumerate() {
            let list = top + pt(STEP * (index as f64 + 0.5));
            let end = entry.end.map_or(list, |end| bottom - (end * f64::from(bottom - top)) as i32);
            let (y, shift) = if self.beside { (end, 0) } else { (list, pt(SWATCH + 5.0)) };
            if !self.beside {
                swatch(area, entry, x, y)?;
            }
            let ink = if self.beside { darker(entry.colour) } else { INK };
            let style = text(LABEL, ink).pos(at(HPos::Left, VPos::Center));
            area.draw(&Text::new(entry.name.clone(), (x + shift, y), style))?;
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
        PathElement::new(vec![(x + pt(from), y), (x + pt(to), y)], line(entry.colour, 1.8))
    };
    let block = |half: f64, opacity: f64| {
        Rectangle::new(
            [(x, y - pt(half)), (x + pt(SWATCH), y + pt(half))],
            entry.colour.mix(opacity).filled(),
        )
    };
    match entry.mark {
        Mark::Line => area.draw(&stroke(0.0, SWATCH)),
        Mark::Dashed => area.draw(&stroke(0.0, 6.5)).and(area.draw(&stroke(9.5, SWATCH))),
        Mark::Points => {
            area.draw(&Circle::new((x + pt(SWATCH / 2.0), y), pt(2.8), entry.colour.filled()))
        }
        Mark::Bars => area.draw(&block(3.5, 0.85)),
        Mark::Band => area.draw(&block(3.5, 0.25)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(ends: &[Option<f64>]) -> Vec<Entry> {
        let entry = |end: &Option<f64>| Entry {
            name: "name".to_string(),
            mark: Mark::Line,
            colour: INK,
            end: *end,
        };
        ends.iter().map(entry).collect()
    }

    #[test]
    fn names_stand_beside_their_lines_only_where_they_do_not_overlap() {
        let beside = |ends: &[Option<f64>]| Legend::new(&entries(ends), 320.0).beside;
        assert!(beside(&[Some(0.1), Some(0.9), Some(0.5)]));
        assert!(!beside(&[Some(0.1), Some(0.9), Some(0.11)]), "two lines end together");
        assert!(!beside(&[Some(0.1), None]), "a line ends before the plot does");
        let many: Vec<_> = (0..7).map(|k| Some(f64::from(k) / 7.0)).collect();
        assert!(!beside(&many), "seven names are a list");
        assert_eq!(Legend::new(&[], 320.0).width(), 0.0);
    }
}
